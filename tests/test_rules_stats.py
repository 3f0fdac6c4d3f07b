"""Distributions of `scipy.stats`: every method that has a rule, against SciPy and finite differences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, value_and_grad
from ad_compiler.rules import load_rules_of
from ad_compiler.rules.notation import replaced
from tests.helpers import (
    assert_gradient_matches_finite_differences,
    function_from_expression,
    function_from_source,
    generator,
)

stats = pytest.importorskip("scipy.stats")
load_rules_of(stats.norm)

QUANTILES = ("ppf", "isf")
# Parameters, points inside of the support, points outside or on its edge. A parameter in `CONSTANT` is the
# shape of an incomplete function: there is no formula for the derivative by it.
CONTINUOUS: dict[str, tuple[tuple[float, ...], list[float], list[float]]] = {
    "norm": ((0.3, 1.4), [-30.0, -1.2, 0.4, 9.0], []),
    "t": ((3.5, 0.3, 1.4), [-7.0, 0.4, 2.0], []),
    "cauchy": ((0.3, 1.4), [-40.0, 0.4, 3.0], []),
    "laplace": ((0.3, 1.4), [-3.0, 0.4, 20.0], []),
    "logistic": ((0.3, 1.4), [-50.0, 0.4, 20.0], []),
    "gumbel_r": ((0.3, 1.4), [-2.0, 0.4, 9.0], []),
    "gumbel_l": ((0.3, 1.4), [-9.0, 0.4, 3.0], []),
    "gennorm": ((1.7, 0.3, 1.4), [-2.0, 0.4, 3.0], []),
    "skewnorm": ((1.7, 0.3, 1.4), [-2.0, 0.4, 3.0], []),
    "expon": ((0.3, 1.4), [0.5, 2.0, 9.0], [-1.0]),
    "gamma": ((1.8, 0.3, 1.4), [0.5, 2.0, 9.0], [-1.0]),
    "chi2": ((3.3, 0.3, 1.4), [0.5, 2.0, 9.0], [-1.0]),
    "invgamma": ((1.8, 0.3, 1.4), [0.9, 2.0, 9.0], [-1.0]),
    "lognorm": ((0.7, 0.3, 1.4), [0.5, 2.0, 9.0], [-1.0]),
    "pareto": ((1.8, 0.3, 1.4), [2.0, 4.0], [1.0, -1.0]),
    "weibull_min": ((1.8, 0.3, 1.4), [0.5, 2.0, 4.0], [-1.0]),
    "halfnorm": ((0.3, 1.4), [0.5, 2.0, 5.0], [-1.0]),
    "halfcauchy": ((0.3, 1.4), [0.5, 2.0, 5.0], [-1.0]),
    "rayleigh": ((0.3, 1.4), [0.5, 2.0, 5.0], [-1.0]),
    "f": ((3.3, 5.2, 0.3, 1.4), [0.5, 2.0, 5.0], [-1.0]),
    "beta": ((1.8, 2.4, 0.3, 1.4), [0.5, 1.2], [-1.0, 2.0]),
    "uniform": ((0.3, 1.4), [0.5, 1.2], [-1.0, 2.0]),
    "truncnorm": ((-0.8, 1.1, 0.3, 1.4), [-0.5, 0.4, 1.5], [-2.0, 3.0]),
    "vonmises": ((1.8, 0.3, 1.4), [-2.0, 0.5, 3.0], []),
    "wrapcauchy": ((0.4, 0.3, 1.4), [0.5, 3.0, 7.0], [-1.0, 12.0]),
}
CONSTANT = {
    ("gamma", "a"): ("cdf", "sf", "logcdf", "logsf", "ppf"),
    ("chi2", "df"): ("cdf", "sf", "logcdf", "logsf", "ppf"),
    ("invgamma", "a"): ("cdf",),
    ("gennorm", "beta"): ("cdf",),
    ("t", "df"): ("cdf", "sf", "logcdf", "logsf", "ppf"),
    ("beta", "a"): ("cdf", "sf", "logcdf", "logsf", "ppf"),
    ("beta", "b"): ("cdf", "sf", "logcdf", "logsf", "ppf"),
}
COUNTS: dict[str, tuple[tuple[float, ...], list[float]]] = {
    "poisson": ((2.3,), [0, 3, 9, -1, 2.5]),
    "bernoulli": ((0.3,), [0, 1, -1, 2]),
    "binom": ((7, 0.3), [0, 3, 7, -1, 8, 2.5]),
    "betabinom": ((7, 1.3, 2.4), [0, 3, 7, -1, 8]),
    "geom": ((0.3,), [1, 3, 9, 0]),
    "nbinom": ((3.5, 0.3), [0, 3, 9, -1]),
}


def with_rules(names: Any) -> list[tuple[str, str]]:
    methods = [method for method in replaced if hasattr(method, "__self__")]
    return [(m.__self__.name, m.__name__) for m in methods if getattr(m.__self__, "name", "") in names]


def calls() -> Iterator[tuple[str, tuple[float, float]]]:
    """Calls of all methods, and the interval that `x` is taken from: the parameters are constant."""
    for name, method in with_rules(CONTINUOUS):
        parameters, inside, _ = CONTINUOUS[name]
        interval = (0.1, 0.9) if method in QUANTILES else (min(inside), max(inside))
        yield f"stats.{name}.{method}(x, *{parameters})", interval
    for name, method in with_rules(COUNTS):
        given, points = COUNTS[name]
        yield f"stats.{name}.{method}({points[name != 'bernoulli']}, *{(*given[:-1],)}, x)", (0.2, 0.8)


def test_every_distribution_is_in_the_tables() -> None:
    owners = {getattr(method, "__self__", None) for method in replaced}
    names = {
        getattr(owner, "name", "")
        for owner in owners
        if type(owner).__module__.startswith("scipy.stats._cont")
    }
    assert names == set(CONTINUOUS)
    discrete = {
        getattr(owner, "name", "")
        for owner in owners
        if type(owner).__module__.startswith("scipy.stats._disc")
    }
    assert discrete == set(COUNTS)


@pytest.mark.parametrize(("name", "method"), with_rules(CONTINUOUS))
def test_continuous(name: str, method: str) -> None:
    parameters, inside, outside = CONTINUOUS[name]
    distribution = getattr(stats, name)
    points = [0.1, 0.4, 0.8] if method in QUANTILES else inside
    shapes = [] if distribution.shapes is None else distribution.shapes.split(", ")
    fixed = {i + 1 for i, shape in enumerate(shapes) if method in CONSTANT.get((name, shape), ())}
    arguments = ", ".join(["x", *shapes, "loc", "scale"][: len(parameters) + 1])
    f = function_from_source(
        f"def f({arguments}):\n    return np.sum(stats.{name}.{method}({arguments}) * weights)\n",
        stats=stats,
        weights=generator(name, method).uniform(0.5, 1.5, len(points)),
    )
    args = [np.array(points), *parameters]
    differentiated = [i for i in range(len(args)) if i not in fixed]
    value, gradients = value_and_grad(f, argnums=tuple(differentiated))(*args)
    assert value == pytest.approx(f(*args), rel=1e-12)
    for place, gradient in zip(differentiated, gradients, strict=True):
        for unit in np.eye(len(points)) if place == 0 else [1.0]:
            step = 1e-4

            def along(t: float, place: int = place, unit: Any = unit) -> Any:
                return f(*args[:place], args[place] + t * unit, *args[place + 1 :])

            near, far = along(step) - along(-step), along(2 * step) - along(-2 * step)
            expected = (8 * near - far) / (12 * step)
            assert np.sum(gradient * unit) == pytest.approx(expected, rel=1e-6, abs=1e-7)
    g = function_from_expression(
        f"np.sum(stats.{name}.{method}(x, *parameters))", stats=stats, parameters=parameters
    )
    for point in () if method in QUANTILES else outside:
        with np.errstate(all="ignore"):
            value, slope = value_and_grad(g)(np.array([point]))
            assert value == g(np.array([point]))
        assert slope == 0.0


@pytest.mark.parametrize(("name", "method"), with_rules(COUNTS))
def test_counts(name: str, method: str) -> None:
    """By the last parameter, at whole numbers and others, in the support and outside of it."""
    parameters, points = COUNTS[name]
    for k in points:
        f = function_from_expression(
            f"stats.{name}.{method}(k, *given, p)", stats=stats, given=parameters[:-1], k=k
        )
        value, slope = value_and_grad(f)(parameters[-1])
        assert value == pytest.approx(f(parameters[-1]), rel=1e-12)
        step = 1e-5
        with np.errstate(all="ignore"):
            expected = (f(parameters[-1] + step) - f(parameters[-1] - step)) / (2 * step)
        assert slope == pytest.approx(0.0 if np.isnan(expected) else expected, rel=1e-6, abs=1e-8)


def test_several_variables() -> None:
    text = "stats.multinomial.logpmf([1, 2, 3], 6, q) + stats.multinomial.pmf([1, 2, 3], 6, q)"
    f = function_from_source(f"def f(p):\n    q = p / np.sum(p)\n    return {text}\n", stats=stats)
    assert_gradient_matches_finite_differences(f, [np.array([0.2, 0.3, 0.5])])
    impossible = function_from_expression("stats.multinomial.pmf([1, 2], 6, p)", stats=stats)
    assert grad(impossible)(np.array([0.5, 0.5])).tolist() == [0.0, 0.0]
    off = function_from_expression("stats.multinomial.logpmf([1, 2], 3, p)", stats=stats)
    assert np.isnan(value_and_grad(off)(np.array([0.5, 0.6]))[0])
    g = function_from_expression("stats.dirichlet.pdf(x, a)", stats=stats, x=np.array([0.2, 0.3, 0.5]))
    assert_gradient_matches_finite_differences(g, [np.array([1.2, 2.3, 1.5])])


def test_parameters_given_first() -> None:
    """A frozen distribution, made in the program or read from outside."""
    f = function_from_expression(
        "np.sum(stats.norm(m, scale=s).logpdf(x)) + stats.gamma(2.5).cdf(s) + stats.poisson(s).logpmf(3)",
        stats=stats,
    )
    assert_gradient_matches_finite_differences(f, [0.3, 1.4, np.array([0.2, 1.5])])
    prior, count = stats.norm(0.5, scale=2.0), stats.binom(5, 0.3)
    g = function_from_expression(
        "prior.logpdf(x) + np.sum(prior.sf(np.array([x, 1.0]))) * count.pmf(2)", prior=prior, count=count
    )
    assert_gradient_matches_finite_differences(g, [1.3])
    h = function_from_expression("stats.multivariate_normal(m, c).logpdf(x)", stats=stats)
    c = np.array([[2.0, 0.3], [0.3, 1.0]])
    assert_gradient_matches_finite_differences(
        function_from_expression("h(c + c.T, m, x)", h=h), [c, np.array([0.1, 0.4]), np.array([1.0, 2.0])]
    )


def test_an_object_is_read_at_every_call() -> None:
    f = function_from_source("def f(x):\n    return prior.logpdf(x)\n", prior=stats.norm(1.0, 2.0))
    gradient = grad(f)
    assert gradient(0.0) == pytest.approx(0.25)
    f.__globals__["prior"] = stats.norm(3.0, 2.0)
    assert gradient(0.0) == pytest.approx(0.75)


@pytest.mark.parametrize(
    "text", ["stats.norm(x).entropy()", "stats.norm(0.0).fit(x)", "stats.gamma(x).isf(0.3)"]
)
def test_methods_without_a_rule(text: str) -> None:
    with pytest.raises(SyntaxError, match="has no derivative rule"):
        grad(function_from_expression(text, stats=stats))(0.5)
