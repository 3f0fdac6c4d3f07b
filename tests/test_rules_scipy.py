"""Rules of SciPy's functions: values against SciPy, gradients against finite differences, to second order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, value_and_grad
from tests.helpers import (
    assert_gradient_matches_finite_differences,
    assert_second_derivatives_match_finite_differences,
    contiguous_cases,
    function_from_expression,
    generator,
    random_array,
)

scipy = pytest.importorskip("scipy")
from scipy import fft, integrate, interpolate, linalg, ndimage, signal, special, stats  # noqa: E402

NAMES: dict[str, Any] = {
    "special": special,
    "linalg": linalg,
    "signal": signal,
    "stats": stats,
    "ndimage": ndimage,
    "interpolate": interpolate,
    "fft": fft,
    "integrate": integrate,
}
Shape = tuple[int, ...]

# Expressions, and the interval that every argument is taken from.
ELEMENTWISE: list[tuple[str, tuple[float, float]]] = [
    ("special.gamma(x)", (0.4, 3.0)),
    ("special.gamma(x)", (-1.8, -1.2)),
    ("special.gammaln(x)", (0.4, 3.0)),
    ("special.rgamma(x)", (0.4, 3.0)),
    ("special.psi(x)", (0.4, 3.0)),
    ("special.polygamma(1, x)", (0.4, 3.0)),
    ("special.beta(x, y)", (0.4, 3.0)),
    ("special.betaln(x, y)", (0.4, 3.0)),
    ("special.poch(x, y)", (0.4, 3.0)),
    ("special.binom(x + 3, y)", (0.4, 2.0)),
    ("special.gammainc(1.3, x)", (0.4, 3.0)),
    ("special.gammaincc(1.3, x)", (0.4, 3.0)),
    ("special.gammaincinv(1.3, x)", (0.2, 0.8)),
    ("special.betainc(1.3, 2.2, x)", (0.2, 0.8)),
    ("special.betaincinv(1.3, 2.2, x)", (0.2, 0.8)),
    ("special.zeta(2.5, x)", (0.5, 3.0)),
    ("special.erf(x)", (-2.0, 2.0)),
    ("special.erfc(x)", (-2.0, 2.0)),
    ("special.erfcx(x)", (-1.0, 3.0)),
    ("special.erfi(x)", (-1.0, 1.0)),
    ("special.dawsn(x)", (-2.0, 2.0)),
    ("special.erfinv(x)", (-0.8, 0.8)),
    ("special.erfcinv(x)", (0.3, 1.7)),
    ("special.ndtr(x)", (-2.0, 2.0)),
    ("special.log_ndtr(x)", (-3.0, 2.0)),
    ("special.ndtri(x)", (0.2, 0.8)),
    ("special.owens_t(x, y)", (-1.5, 1.5)),
    ("special.expit(x)", (-3.0, 3.0)),
    ("special.log_expit(x)", (-3.0, 3.0)),
    ("special.logit(x)", (0.2, 0.8)),
    ("special.xlogy(x, y)", (0.3, 2.0)),
    ("special.xlog1py(x, y)", (0.3, 2.0)),
    ("special.entr(x)", (0.3, 2.0)),
    ("special.rel_entr(x, y)", (0.3, 2.0)),
    ("special.kl_div(x, y)", (0.3, 2.0)),
    ("special.boxcox(x, y)", (0.5, 2.0)),
    ("special.boxcox1p(x, y)", (0.5, 2.0)),
    ("special.huber(x, 3 * y)", (0.5, 2.0)),
    ("special.pseudo_huber(x, y)", (0.5, 2.0)),
    ("special.exp10(x)", (-1.0, 1.0)),
    ("special.cosm1(x)", (-1.0, 1.0)),
    *[(f"special.{name}(x)", (0.5, 4.0)) for name in ("j0", "j1", "y0", "y1", "i0", "i1", "k0", "k1")],
    *[(f"special.{name}(x)", (0.5, 4.0)) for name in ("i0e", "i1e", "k0e", "k1e")],
    *[(f"special.{name}(1.5, x)", (0.5, 4.0)) for name in ("jv", "yv", "iv", "ive", "kv", "kve")],
    ("special.exp1(x)", (0.5, 2.0)),
    ("special.expi(x)", (0.5, 2.0)),
    ("special.expn(3, x)", (0.5, 2.0)),
    ("special.spence(x)", (1.2, 3.0)),
    ("special.ellipk(x)", (0.2, 0.8)),
    ("special.ellipe(x)", (0.2, 0.8)),
    ("special.hyp1f1(0.7, 1.4, x)", (-1.0, 1.0)),
    ("special.hyp2f1(0.7, 1.4, 2.2, x)", (-0.5, 0.5)),
    ("stats.norm.logpdf(x, y, z)", (0.5, 2.0)),
    ("stats.norm.pdf(x, y, z) + stats.norm.cdf(x, y, z)", (0.5, 2.0)),
    ("stats.norm.logcdf(x, y, z) + stats.norm.sf(x) + stats.norm.logsf(x, loc=y)", (0.5, 2.0)),
    ("stats.norm.ppf(x / 3, y, scale=z)", (0.5, 2.0)),
    ("stats.t.logpdf(x, 3 * y, 0.3, z) + stats.t.pdf(x, df=4.0)", (0.5, 2.0)),
    ("stats.cauchy.logpdf(x, y, z) + stats.cauchy.pdf(x, y) + stats.cauchy.cdf(x, y, z)", (0.5, 2.0)),
    ("stats.laplace.logpdf(x, -y, z) + stats.laplace.pdf(x, -y) + stats.laplace.cdf(x, -y, z)", (0.5, 2.0)),
    ("stats.logistic.logpdf(x, y, z) + stats.logistic.pdf(x, y, z) + stats.logistic.cdf(x, y)", (0.5, 2.0)),
    ("stats.logistic.logcdf(x, y, z)", (0.5, 2.0)),
    ("stats.expon.logpdf(x, scale=z) + stats.expon.pdf(x, -y) + stats.expon.cdf(x, -y, z)", (0.5, 2.0)),
    ("stats.gamma.logpdf(x, y, scale=z) + stats.gamma.pdf(x, y) + stats.gamma.cdf(x, 1.5, 0, z)", (0.5, 2.0)),
    ("stats.chi2.logpdf(x, 3 * y) + stats.chi2.pdf(x, 4.0) + stats.chi2.cdf(x, 3.0)", (0.5, 2.0)),
    ("stats.invgamma.logpdf(x, y, scale=z)", (0.5, 2.0)),
    ("stats.lognorm.logpdf(x, y, 0, z) + stats.lognorm.pdf(x, y) + stats.lognorm.cdf(x, y)", (0.5, 2.0)),
    ("stats.pareto.logpdf(x + 1, y)", (0.5, 2.0)),
    ("stats.weibull_min.logpdf(x, y, scale=z) + stats.halfnorm.logpdf(x, 0, z)", (0.5, 2.0)),
    (
        "stats.beta.logpdf(x / 3, y, z) + stats.beta.pdf(x / 3, y, z) + stats.beta.cdf(x / 3, 1.5, 2.0)",
        (0.5, 2.0),
    ),
    (
        "stats.uniform.logpdf(x, 0.1, 2 + z) + stats.uniform.pdf(x, 0, 2 + z) + stats.uniform.cdf(x, 0, 3)",
        (0.5, 2.0),
    ),
    ("stats.poisson.logpmf(3, x) + stats.poisson.pmf(2, x) + stats.bernoulli.logpmf(1, x / 3)", (0.5, 2.0)),
    (
        "stats.bernoulli.pmf(0, x / 3) + stats.binom.logpmf(2, 5, x / 3) + stats.binom.pmf(2, 5, x / 3)",
        (0.5, 2.0),
    ),
    ("stats.geom.logpmf(3, x / 3) + stats.nbinom.logpmf(2, 3.5, x / 3)", (0.5, 2.0)),
]

CONVOLVED: list[list[Shape]] = [[(5,), (3,)], [(4, 4), (2, 3)]]

ARRAYS: list[tuple[str, list[list[Shape]]]] = [
    ("special.logsumexp(x)\nspecial.softmax(x)\nspecial.log_softmax(x)", [[(4,)], [(2, 3)]]),
    (
        """
        special.logsumexp(x, axis=0)
        special.softmax(x, axis=1)
        special.log_softmax(x, axis=-1)
        """,
        [[(2, 3)]],
    ),
    ("special.logsumexp(x, axis=1, keepdims=True)", [[(2, 3)]]),
    ("special.multigammaln(x ** 2 + 2, 3)", [[()], [(2,)]]),
    (
        """
        linalg.inv(x) + linalg.det(x)
        linalg.norm(x)
        linalg.pinv(x)
        linalg.svdvals(x)
        """,
        [[(3, 3)]],
    ),
    (
        """
        linalg.solve(x, y)
        linalg.solve_triangular(x, y)
        linalg.solve_triangular(x, y, lower=True)
        """,
        [[(3, 3), (3,)], [(3, 3), (3, 2)]],
    ),
    (
        """
        linalg.solve_triangular(x, y, trans=1)
        linalg.solve_triangular(x, y, 'T', lower=True, unit_diagonal=True)
        """,
        [[(3, 3), (3,)], [(3, 3), (3, 2)]],
    ),
    (
        """
        linalg.cholesky(x @ x.T + np.eye(3))
        linalg.cholesky(x @ x.T + np.eye(3), lower=True)
        """,
        [[(3, 3)]],
    ),
    ("linalg.cho_solve((linalg.cholesky(x @ x.T + np.eye(3), lower=True), True), y)", [[(3, 3), (3,)]]),
    ("linalg.expm(x)", [[(3, 3)], [(1, 1)], [(2, 2, 2)]]),
    ("linalg.solve_sylvester(x + 4 * np.eye(3), y + 4 * np.eye(2), z)", [[(3, 3), (2, 2), (3, 2)]]),
    ("linalg.block_diag(x, y)\nlinalg.block_diag(x, 2.0, y)", [[(2, 3), (2, 2)], [(3,), (1, 2)]]),
    (
        """
        linalg.toeplitz(x, y)
        linalg.toeplitz(x)
        linalg.circulant(x)
        linalg.hankel(x, y)
        """,
        [[(3,), (4,)]],
    ),
    (
        """
        linalg.eigh(x + x.T)[0]
        linalg.eigvalsh(x + x.T)
        linalg.qr(x, mode='economic')[1]
        """,
        [[(3, 3)]],
    ),
    *[
        (
            f"""
            signal.convolve(x, y, "{mode}")
            signal.correlate(x, y, mode="{mode}")
            signal.fftconvolve(x, y, "{mode}")
            """,
            CONVOLVED,
        )
        for mode in ("full", "same", "valid")
    ],
    (
        'signal.convolve2d(x, y)\nsignal.convolve2d(x, y, "same")\nsignal.correlate2d(x, y, "valid")',
        [[(4, 4), (2, 3)]],
    ),
    (
        "\n".join(
            f'ndimage.correlate1d(x, y, mode="{m}")\nndimage.convolve1d(x, y, 0, mode="{m}")'
            for m in ("reflect", "constant", "nearest", "mirror", "wrap")
        ),
        [[(5,), (3,)], [(4, 3), (4,)]],
    ),
    (
        "ndimage.correlate1d(x, y, origin=1)\nndimage.correlate1d(x, y, mode='constant', cval=2.0)",
        [[(5,), (3,)]],
    ),
    (
        """
        ndimage.correlate(x, y)
        ndimage.convolve(x, y, mode='nearest')
        ndimage.convolve(x, y, mode='wrap')
        """,
        [[(4, 4), (3, 2)], [(5,), (3,)]],
    ),
    (
        """
        ndimage.gaussian_filter(x, 0.7)
        ndimage.gaussian_filter1d(x, 1.2)
        ndimage.uniform_filter1d(x, 3)
        """,
        [[(6,)], [(4, 5)]],
    ),
    (
        """
        ndimage.gaussian_filter(x, (0.5, 0.8), mode='nearest')
        ndimage.gaussian_filter(x, y ** 2)
        """,
        [[(4, 5), ()]],
    ),
    (
        """
        signal.lfilter(x, np.concatenate([np.array([2.0]), y]), z)
        """,
        [[(3,), (2,), (6,)]],
    ),
    (
        """
        signal.lfilter(x, y, z, axis=0)
        """,
        [[(2,), (3,), (5, 2)]],
    ),
    (
        """
        signal.lfilter(x, [1.0, -0.5], z)
        signal.lfilter([1.0, 0.3], 1.0 + y ** 2, z)
        """,
        [[(2,), (1,), (4,)]],
    ),
    (
        """
        signal.detrend(x)
        """,
        [[(6,)], [(3, 4)]],
    ),
    (
        """
        signal.detrend(x, axis=0, type="constant")
        """,
        [[(4, 3)]],
    ),
    (
        """
        ndimage.gaussian_filter1d(x, 0.8, order=1)
        ndimage.gaussian_filter1d(x, 0.8, order=3, mode="nearest")
        """,
        [[(6,)]],
    ),
    (
        """
        ndimage.gaussian_filter1d(x, y**2, order=2)
        """,
        [[(6,), ()]],
    ),
    (
        """
        ndimage.gaussian_filter(x, 0.8, order=(0,1))
        ndimage.uniform_filter(x, 3)
        ndimage.uniform_filter(x, (2,3), mode="wrap")
        ndimage.prewitt(x, axis=0)
        ndimage.laplace(x)
        """,
        [[(4, 5)]],
    ),
    (
        """
        ndimage.sobel(x)
        """,
        [[(4, 5)], [(5,)]],
    ),
    (
        """
        ndimage.map_coordinates(x, [3*y**2/3, z**2], order=1)
        ndimage.map_coordinates(x, [4*y, z], order=1, mode="nearest")
        """,
        [[(4, 5), (3,), (3,)]],
    ),
    (
        """
        ndimage.correlate1d(x,y,origin=1)
        """,
        [[(5,), (3,)]],
    ),
    (
        """
        ndimage.convolve(x,y,mode="wrap")
        """,
        [[(4, 4), (3, 2)]],
    ),
    (
        """
        fft.dct(x, 1, norm=None) + fft.idct(x, 1, norm=None)
        fft.dst(x, 1, norm=None) + fft.idst(x, 1, norm=None)
        fft.dct(x, 1, norm="ortho") + fft.idct(x, 1, norm="ortho")
        fft.dst(x, 1, norm="ortho") + fft.idst(x, 1, norm="ortho")
        fft.dct(x, 1, norm="forward") + fft.idct(x, 1, norm="forward")
        fft.dst(x, 1, norm="forward") + fft.idst(x, 1, norm="forward")
        fft.dct(x, 2, norm=None) + fft.idct(x, 2, norm=None)
        fft.dst(x, 2, norm=None) + fft.idst(x, 2, norm=None)
        fft.dct(x, 2, norm="ortho") + fft.idct(x, 2, norm="ortho")
        fft.dst(x, 2, norm="ortho") + fft.idst(x, 2, norm="ortho")
        fft.dct(x, 2, norm="forward") + fft.idct(x, 2, norm="forward")
        fft.dst(x, 2, norm="forward") + fft.idst(x, 2, norm="forward")
        fft.dct(x, 3, norm=None) + fft.idct(x, 3, norm=None)
        fft.dst(x, 3, norm=None) + fft.idst(x, 3, norm=None)
        fft.dct(x, 3, norm="ortho") + fft.idct(x, 3, norm="ortho")
        fft.dst(x, 3, norm="ortho") + fft.idst(x, 3, norm="ortho")
        fft.dct(x, 3, norm="forward") + fft.idct(x, 3, norm="forward")
        fft.dst(x, 3, norm="forward") + fft.idst(x, 3, norm="forward")
        fft.dct(x, 4, norm=None) + fft.idct(x, 4, norm=None)
        fft.dst(x, 4, norm=None) + fft.idst(x, 4, norm=None)
        fft.dct(x, 4, norm="ortho") + fft.idct(x, 4, norm="ortho")
        fft.dst(x, 4, norm="ortho") + fft.idst(x, 4, norm="ortho")
        fft.dct(x, 4, norm="forward") + fft.idct(x, 4, norm="forward")
        fft.dst(x, 4, norm="forward") + fft.idst(x, 4, norm="forward")
        np.abs(fft.fft(x))
        np.real(fft.ifft(x)) + fft.irfft(fft.rfft(x) ** 2, 5)
        """,
        [[(5,)]],
    ),
    (
        """
        fft.dct(x, axis=0)
        fft.dctn(x)
        fft.idctn(x, axes=1)
        np.abs(fft.fft2(x)) + np.abs(fft.ifftn(x))
        integrate.cumulative_trapezoid(x, axis=0, initial=0)
        stats.sem(x, axis=None, ddof=0)
        """,
        [[(3, 4)]],
    ),
    (
        """
        special.fresnel(x)[0]*special.fresnel(x)[1]
        special.sici(x)[0]
        special.sici(x**2)[1]
        special.shichi(x)[0]
        special.shichi(x**2)[1]
        special.gammasgn(x)*x
        np.abs(special.wofz(x)) + np.imag(special.wofz(x + 0.5j))
        """,
        [[(4,)]],
    ),
    (
        """
        special.comb(3+x**2, 1.5+y**2/9)
        """,
        [[(3,), (3,)]],
    ),
    (
        """
        special.comb(3+x**2, 2, repetition=True)
        special.factorial(x**2)
        """,
        [[(3,)]],
    ),
    (
        """
        integrate.trapezoid(x, y)
        integrate.cumulative_trapezoid(x, y, initial=0)
        """,
        [[(5,), (5,)]],
    ),
    (
        """
        integrate.cumulative_trapezoid(x, dx=0.3)
        """,
        [[(3, 5)]],
    ),
    (
        """
        stats.sem(x)
        """,
        [[(5,)], [(3, 4)]],
    ),
]


def sampled(expression: str, shape: Shape, interval: tuple[float, float]) -> list[Any]:
    f = function_from_expression(expression, **NAMES)
    rng = generator(expression, shape)
    return [
        rng.uniform(*interval, shape) if shape else float(rng.uniform(*interval))
        for _ in range(f.__code__.co_argcount)
    ]


@pytest.mark.parametrize(("expression", "interval"), ELEMENTWISE)
def test_elementwise(expression: str, interval: tuple[float, float]) -> None:
    f = function_from_expression(expression, **NAMES)
    for shape in ((), (3,), (2, 2)):
        args = sampled(expression, shape, interval)
        assert_gradient_matches_finite_differences(f, args)


@pytest.mark.parametrize(("expression", "interval"), ELEMENTWISE)
def test_second_derivative(expression: str, interval: tuple[float, float]) -> None:
    args = sampled(expression, (2,), interval)
    assert_second_derivatives_match_finite_differences(expression, args, **NAMES, scipy=scipy)


@pytest.mark.parametrize(("expression", "shapes"), contiguous_cases(ARRAYS))
def test_arrays(expression: str, shapes: Sequence[Shape]) -> None:
    f = function_from_expression(expression, **NAMES)
    args = [random_array(generator(expression, shape), shape) for shape in shapes][: f.__code__.co_argcount]
    assert_gradient_matches_finite_differences(f, args, rtol=1e-6)


@pytest.mark.parametrize(
    ("expression", "shapes"), contiguous_cases([(lines, shapes[:1]) for lines, shapes in ARRAYS])
)
def test_second_derivative_of_arrays(expression: str, shapes: Sequence[Shape]) -> None:
    f = function_from_expression(expression, **NAMES)
    args = [random_array(generator(expression, shape), shape) for shape in shapes][: f.__code__.co_argcount]
    assert_second_derivatives_match_finite_differences(expression, args, rtol=1e-5, **NAMES, scipy=scipy)


def test_multivariate_normal() -> None:
    f = function_from_expression(
        "np.sum(stats.multivariate_normal.logpdf(x, y, z @ z.T + np.eye(2)))", **NAMES
    )
    rng = generator("multivariate")
    for shape in ((2,), (3, 2)):
        args = [random_array(rng, s) for s in (shape, (2,), (2, 2))]
        assert_gradient_matches_finite_differences(f, args)


def test_what_is_imported() -> None:
    """Generated code imports the modules of SciPy that the program uses, and no others."""
    source = grad(function_from_expression("np.sum(special.gammaln(x))", **NAMES)).source_for(np.ones(2))
    assert source.startswith("import numpy as np\nimport scipy.special\n\n")
    assert "scipy.special.digamma(x)" in source or "scipy.special.psi(x)" in source
    assert "scipy" not in grad(lambda x: np.sum(x * x)).source_for(np.ones(2))


@pytest.mark.parametrize(
    "expression",
    [
        "special.jv(x, 2.0)",
        "special.gammainc(x, 1.0)",
        "special.betainc(1.0, x, 0.5)",
        "special.zeta(x, 2.0)",
    ],
)
def test_parameters_without_a_derivative(expression: str) -> None:
    with pytest.raises(SyntaxError, match="has no closed form"):
        grad(function_from_expression(expression, **NAMES))(1.5)


@pytest.mark.parametrize(
    "expression",
    ["linalg.schur(x)[0][0, 0]", "stats.norm(0, 1).entropy() * x[0, 0]", "fft.dct(x, n=3)[0, 0]"],
)
def test_refused(expression: str) -> None:
    with pytest.raises(SyntaxError, match="instead"):
        grad(function_from_expression(expression, **NAMES))(np.eye(2))


# Calls whose parameter x is out of its range for every x in the list.
OUT_OF_RANGE: list[tuple[str, list[float]]] = [
    ("norm.pdf(0.3, 0.0, x)", [-0.5, -2.0]),
    ("norm.cdf(0.3, 0.0, x)", [-0.5, -2.0]),
    ("norm.ppf(0.3, 0.0, x)", [-0.5, 0.0]),
    ("cauchy.pdf(0.3, 0.0, x)", [-0.5]),
    ("laplace.cdf(0.3, 0.0, x)", [-0.5]),
    ("logistic.pdf(0.3, 0.0, x)", [-0.5]),
    ("expon.logpdf(0.3, 0.0, x)", [-0.5]),
    ("halfnorm.logpdf(0.3, 0.0, x)", [-0.5]),
    ("uniform.pdf(0.3, 0.0, x)", [-0.5]),
    ("t.logpdf(0.3, x)", [-0.5]),
    ("gamma.logpdf(0.3, x)", [-0.5, 0.0]),
    ("chi2.logpdf(0.3, x)", [-0.5]),
    ("invgamma.logpdf(0.3, x)", [-0.5]),
    ("lognorm.cdf(0.3, x)", [-0.5]),
    ("pareto.logpdf(1.3, x)", [-0.5]),
    ("weibull_min.logpdf(0.3, x)", [-0.5]),
    ("beta.logpdf(0.3, x, 2.0)", [-0.5]),
    ("bernoulli.logpmf(1, x)", [1.5]),
    ("binom.pmf(2, 5, x)", [1.5]),
    ("geom.logpmf(3, x)", [0.0, 1.5]),
    ("nbinom.logpmf(2, 3.5, x)", [0.0]),
]


@pytest.mark.parametrize(("call", "places"), OUT_OF_RANGE)
def test_parameters_out_of_range(call: str, places: list[float]) -> None:
    """SciPy gives NaN there; so do the formulas, and no gradient looks as if there were a value."""
    f = function_from_expression(f"stats.{call}", **NAMES)
    for x in places:
        with np.errstate(all="ignore"):
            value, gradient = value_and_grad(f)(x)
            assert np.isnan(f(x)) and np.isnan(value)
        assert not np.isfinite(gradient)


def test_not_a_number_is_outside_of_no_support() -> None:
    f = function_from_expression("np.sum(stats.expon.logpdf(x) + stats.gamma.pdf(x, 2.0))", **NAMES)
    value, gradient = value_and_grad(f)(np.array([np.nan, 1.0]))
    assert np.isnan(value) and np.isnan(gradient[0])


def test_numbers_in_exponentials_do_not_keep_sympy() -> None:
    """0.3 is a fraction of two large whole numbers, of which polynomials must not be made."""
    f = function_from_expression("stats.norm.pdf(0.3, 0.0, x)", **NAMES)
    assert_gradient_matches_finite_differences(f, [1.5])
