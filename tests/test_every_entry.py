"""Every entry of docs/operations.md: both modes, to second order, over dtypes, layouts, lengths and NaN.

For each entry the objective is 0.5 * sum(w * |call|**2), w being fixed weights, so that second derivatives
of linear functions are not zero. Differences are the oracle of first derivatives, and differences of the
gradient that of second ones; forward over reverse and reverse over reverse have to agree with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from typing import Any

import numpy as np
import pytest

from ad_compiler import Unsupported, grad, jvp, value_and_grad
from ad_compiler.rules.table import is_complex_too
from tests.entries import NAMESPACE, NOT_EMPTY, Call, calls_of_entries, entries
from tests.helpers import LAYOUTS, function_from_source, generator, random_direction, snapshot

pytestmark = pytest.mark.filterwarnings("ignore:.*row_stack.*:DeprecationWarning")

ENTRIES = entries()
CALLS = calls_of_entries()
STEP = 1e-4

PAIRS = [(function, name, CALLS[function][0]) for function, name in ENTRIES.items() if function in CALLS]
EVERY_ENTRY = [pytest.param(call, id=name) for _, name, call in PAIRS]
OF_ARRAYS = [pytest.param(call, id=name) for _, name, call in PAIRS if not call.numbers]
OF_LENGTHS = [pytest.param(name, call, id=name) for _, name, call in PAIRS if not call.numbers]
PERHAPS_COMPLEX = [
    pytest.param(is_complex_too(function) == "yes", call, id=name)
    for function, name, call in PAIRS
    if not call.numbers and not name.startswith("scipy.stats")
]


class Derivatives:
    """The objective of one call, its derivatives, and arguments to take them at."""

    def __init__(self, call: Call, complex_numbers: bool = False) -> None:
        self.call = call
        self.names = call.names
        self.args = call.arguments()
        rng = generator(call.text, "directions")
        self.directions = [random_direction(rng, a) for a in self.args]
        if complex_numbers:
            self.args = [a * np.exp(0.4j * random_direction(rng, a)) for a in self.args]
            self.directions = [d + 1j * random_direction(rng, d) for d in self.directions]
        self.argnums = tuple(range(len(self.args)))
        self.weights = random_direction(rng, self.value(*self.args))

    def program(self, body: str, extra: Sequence[str] = (), **known: Any) -> Callable[..., Any]:
        parameters = ", ".join([*self.names, "w", *extra])
        return function_from_source(f"def operation({parameters}):\n    {body}\n", **NAMESPACE, **known)

    def value(self, *args: Any) -> Any:
        return self.program(f"return {self.call.text}")(*args, None)

    def objective_of(self, text: str) -> Callable[..., Any]:
        return self.program(f"r = {text}\n    return 0.5 * np.sum(w * (np.real(r) ** 2 + np.imag(r) ** 2))")

    @cached_property
    def objective(self) -> Callable[..., Any]:
        return self.objective_of(self.call.text)

    @cached_property
    def reference(self) -> Callable[..., Any]:
        """What finite differences are taken of."""
        return self.objective if self.call.same_as is None else self.objective_of(self.call.same_as)

    @cached_property
    def gradient(self) -> Callable[..., Any]:
        return value_and_grad(self.objective, argnums=self.argnums)

    @cached_property
    def gradients(self) -> Callable[..., Any]:
        """The gradients as a program that is differentiated again."""
        gradient = grad(self.objective, argnums=self.argnums)
        return self.program(f"return gradient({', '.join(self.names)}, w)", gradient=gradient)

    @cached_property
    def slope(self) -> Callable[..., Any]:
        """The derivative along directions, from the gradients."""
        directions = [f"{name}_dot" for name in self.names]
        products = [f"np.sum(np.real(gradients[{i}] * {d}))" for i, d in enumerate(directions)]
        return self.program(
            f"gradients = gradient({', '.join(self.names)}, w)\n    return {' + '.join(products)}",
            directions,
            gradient=grad(self.objective, argnums=self.argnums),
        )


@cache
def derivatives(call: Call, complex_numbers: bool = False) -> Derivatives:
    return Derivatives(call, complex_numbers)


def difference(f: Callable[[Sequence[Any]], Any], args: Sequence[Any], directions: Sequence[Any]) -> Any:
    """Central differences of fourth order of `f` along the directions."""

    def at(t: float) -> Any:
        return np.asarray(f([a + t * d for a, d in zip(args, directions, strict=True)]))

    return (8 * (at(STEP) - at(-STEP)) - (at(2 * STEP) - at(-2 * STEP))) / (12 * STEP)


def inner(gradients: Sequence[Any], directions: Sequence[Any]) -> tuple[float, float]:
    """The sum of all products, and of their magnitudes."""
    terms = flat([np.real(g * d) for g, d in zip(gradients, directions, strict=True)])
    return float(np.sum(terms)), float(np.sum(np.abs(terms)))


def flat(parts: Sequence[Any]) -> Any:
    return np.concatenate([np.ravel(part) for part in parts])


def assert_kinds(gradients: Sequence[Any], args: Sequence[Any]) -> None:
    """A gradient has the shape and dtype of its argument."""
    for gradient, arg in zip(gradients, args, strict=True):
        assert np.shape(gradient) == np.shape(arg)
        assert np.asarray(gradient).dtype == np.asarray(arg).dtype


def check_first_order(made: Derivatives, args: Sequence[Any], directions: Sequence[Any], w: Any) -> None:
    """Reverse mode is that of differences, and forward mode that of reverse mode."""
    before = snapshot(args)
    value, gradients = made.gradient(*args, w)
    np.testing.assert_allclose(value, made.objective(*args, w), rtol=1e-13)
    assert_kinds(gradients, args)
    assert snapshot(args) == before
    slope, size = inner(gradients, directions)
    expected = difference(lambda moved: made.reference(*moved, w), args, directions)
    error = abs(slope - expected) / (1 + size)
    assert error <= max(made.call.rtol, made.call.rounding), f"{slope} backwards, {expected} by differences"
    _, tangent = jvp(made.objective, (*args, w), (*directions, None))
    error = abs(slope - tangent) / (1 + size)
    assert error <= made.call.rounding, f"{slope} backwards, {tangent} forwards"


def check_second_order(made: Derivatives) -> None:
    """Forward over reverse is that of differences of the gradient, and so is reverse over reverse."""
    args, directions, w = made.args, made.directions, made.weights
    _, forward = jvp(made.gradients, (*args, w), (*directions, None))
    reference = grad(made.reference, argnums=made.argnums)
    differences = difference(lambda moved: flat(reference(*moved, w)), args, directions)
    scale = 1 + np.max(np.abs(differences), initial=0.0)
    error = np.max(np.abs(flat(forward) - differences), initial=0.0) / scale
    assert error <= 10 * max(made.call.rtol, made.call.rounding), f"{forward}, {differences} by differences"
    reverse = grad(made.slope, argnums=made.argnums)(*args, w, *directions)
    assert_kinds(reverse, args)
    error = np.max(np.abs(flat(forward) - flat(reverse)), initial=0.0) / scale
    assert error <= 10 * made.call.rounding, f"{forward} by both modes, {reverse} by reverse mode"


def test_every_entry_has_a_call() -> None:
    """A function that gets a rule gets a row in one of the tables, too."""
    assert [name for function, name in ENTRIES.items() if function not in CALLS] == []


@pytest.mark.parametrize("call", EVERY_ENTRY)
def test_orders(call: Call) -> None:
    made = derivatives(call)
    check_first_order(made, made.args, made.directions, made.weights)
    check_second_order(made)


@pytest.mark.parametrize(("supported", "call"), PERHAPS_COMPLEX)
def test_complex_numbers(supported: bool, call: Call) -> None:
    """Complex arguments, where the page says so; where it does not, they are refused."""
    try:
        made = derivatives(call, True)
    except (TypeError, ValueError, np.exceptions.ComplexWarning):
        if supported:  # of real arguments, and the result is complex
            assert np.iscomplexobj(derivatives(call).value(*call.arguments()))
        return
    if supported:
        check_first_order(made, made.args, made.directions, made.weights)
        check_second_order(made)
    else:
        with pytest.raises(Unsupported):
            made.gradient(*made.args, made.weights)


def read_only(array: Any) -> Any:
    frozen = np.copy(array)
    frozen.flags.writeable = False
    return frozen


@pytest.mark.parametrize("call", OF_ARRAYS)
def test_layouts(call: Call) -> None:
    """Strides, negative ones too, and memory that may not be written change nothing."""
    made = derivatives(call)
    expected = flat(made.gradient(*made.args, made.weights)[1])
    for arranged in (LAYOUTS["strided"], read_only, lambda a: np.copy(a, order="F")):
        args = [np.asarray(arranged(a)) for a in made.args]
        before = snapshot(args)
        _, gradients = made.gradient(*args, made.weights)
        np.testing.assert_allclose(flat(gradients), expected, rtol=1e-11, atol=1e-11)
        assert_kinds(gradients, args)
        assert snapshot(args) == before


# LAPACK, `ndimage`, splines and `xlogy` of SciPy have no extended precision, and the order inside of the
# parts of a partition depends on it.
NOT_EXTENDED = (
    "linalg",
    "ndimage",
    "interpolate",
    "multivariate_normal",
    "multinomial",
    "weibull_min",
    "partition",
)


@pytest.mark.parametrize("dtype", [np.float32, np.longdouble])
@pytest.mark.parametrize("call", OF_ARRAYS)
def test_precisions(call: Call, dtype: type[np.floating[Any]]) -> None:
    """Gradients and tangents of single and extended precision, and near those of double precision."""
    if dtype is np.longdouble and any(name in call.text for name in NOT_EXTENDED):
        return
    made = derivatives(call)
    exact = made.gradient(*made.args, made.weights)[1]
    args = [a.astype(dtype) for a in made.args]
    w = np.asarray(made.weights, dtype)
    try:
        plain = made.objective(*args, w)
    except TypeError:  # most functions of SciPy have no extended precision
        assert dtype is np.longdouble
        return
    value, gradients = made.gradient(*args, w)
    assert np.asarray(value).dtype == np.asarray(plain).dtype
    assert_kinds(gradients, args)
    scale = 1 + np.max(np.abs(flat(exact)))
    tolerance = 2e-3 if dtype is np.float32 else 1e-9
    np.testing.assert_allclose(flat(gradients) / scale, flat(exact) / scale, rtol=0, atol=tolerance)
    directions = [np.asarray(d, dtype) for d in made.directions]
    _, tangent = jvp(made.objective, (*args, w), (*directions, None))
    assert np.asarray(tangent).dtype == np.asarray(plain).dtype


@pytest.mark.parametrize(("name", "call"), OF_LENGTHS)
def test_lengths(name: str, call: Call) -> None:
    """Axes of length 1 and 0, wherever the function itself takes them."""
    made = derivatives(call)
    for old in sorted({length for shape in call.shapes for length in shape} - {0, 1}):
        for new in (1, 0) if name not in NOT_EMPTY else (1,):
            shapes = [tuple(new if length == old else length for length in shape) for shape in call.shapes]
            args = call.arguments(shapes)
            with np.errstate(all="ignore"):
                try:
                    result = made.value(*args)
                except (ValueError, IndexError, TypeError, RuntimeError, RuntimeWarning, ZeroDivisionError):
                    continue  # np.linalg.LinAlgError is a ValueError
                if np.all(np.isfinite(result)):
                    rng = generator(call.text, new)
                    directions = [random_direction(rng, a) for a in args]
                    check_first_order(made, args, directions, random_direction(rng, result))


@pytest.mark.parametrize("call", OF_ARRAYS)
def test_not_a_number(call: Call) -> None:
    """Where the value is not a number, no gradient looks as if it were one."""
    made = derivatives(call)
    args = [np.copy(a) for a in made.args]
    args[0].flat[0] = np.nan
    with np.errstate(all="ignore"):
        try:
            plain = made.objective(*args, made.weights)
            value, gradients = made.gradient(*args, made.weights)
        except np.linalg.LinAlgError:  # a ValueError, too
            pytest.skip("LAPACK refuses NaN")
        except ValueError:
            with pytest.raises(ValueError, match=r"."):  # as it does without a derivative
                made.objective(*args, made.weights)
            pytest.skip("the function refuses NaN")
    np.testing.assert_equal(value, plain)
    assert np.isnan(plain) == (not np.all(np.isfinite(flat(gradients)))), (plain, gradients)
