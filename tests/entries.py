"""Calls of every entry of the registry, for the tests that each entry has to pass.

Most calls are read out of the tables of the other tests: an entry is any function that a row mentions, and
its call is the shortest row in which nothing but the call stands, or else the shortest one. What no table
mentions, or mentions in a form that does not suit, has a call in `OWN`. A new entry needs one row in a table.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ad_compiler.rules import load_rules_of
from ad_compiler.rules.inventory import MODULES, public_names, status_of
from ad_compiler.rules.notation import replaced
from ad_compiler.rules.table import OF_SCIPY
from tests import (
    test_rules,
    test_rules_arrays,
    test_rules_linalg,
    test_rules_rearranging,
    test_rules_scipy,
    test_rules_scipy_linalg,
    test_rules_shapes,
    test_rules_stats,
    test_rules_surface,
)
from tests.helpers import function_from_expression, generator, random_array

scipy_fft = test_rules_scipy.NAMES["fft"]
interpolate, linalg, signal, special, stats = (
    test_rules_scipy.NAMES[name] for name in ("interpolate", "linalg", "signal", "special", "stats")
)

Shape = tuple[int, ...]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Call:
    """An expression of x, y and z, and the arguments it is tested at.

    `intervals` is empty where entries of either sign may be drawn; `same_as` is an expression with the same
    derivatives, where finite differences of the call itself would see rounding only, which is `rounding`.
    """

    text: str
    shapes: tuple[Shape, ...]
    intervals: tuple[Interval, ...] = ()
    same_as: str | None = None
    rounding: float = 1e-10
    rtol: float = 1e-6

    @property
    def names(self) -> tuple[str, ...]:
        code = function_from_expression(self.text, **NAMESPACE).__code__
        return code.co_varnames[: code.co_argcount]

    def arguments(self, shapes: Sequence[Shape] | None = None) -> list[Any]:
        """Arrays, or floats for what works on numbers only."""
        rng = generator(self.text)
        made = []
        for place, (_, shape) in enumerate(zip(self.names, shapes or self.shapes, strict=False)):
            if self.intervals:
                array = rng.uniform(*self.intervals[place], shape)
            else:
                array = random_array(rng, shape)
            if self.same_as is not None:
                array = np.round(array * 64) / 64
            made.append(float(array) if self.numbers else np.asarray(array))
        return made

    @property
    def numbers(self) -> bool:
        return "math." in self.text


def spd(a):
    """A Hermitian positive definite matrix made of any one."""
    return a @ np.conj(np.swapaxes(a, -1, -2)) + np.eye(a.shape[-1])


def sym(a):
    return a + np.conj(np.swapaxes(a, -1, -2))


def copied(x, y):
    out = x * 2.0
    np.copyto(out, y)
    return out * x


def filled_diagonal(x, y):
    out = np.outer(x, x)
    np.fill_diagonal(out, y)
    return out * x


def halved(x):
    """Three probabilities that sum to 1, rounding included."""
    share = np.tanh(x[0]) / 4 + np.tanh(x[-1]) / 8
    return np.stack([share, 0.5 - share, 0.5])


def put(x, y):
    out = x * 2.0
    np.put(out, [0, 2], y)
    return out * x


def put_along_axis(x, y):
    out = x * 2.0
    np.put_along_axis(out, np.array([[1], [0]]), y, axis=1)
    return out * x


def put_mask(x):
    out = x * 2.0
    np.putmask(out, x > 0, x**2)
    return out * x


NAMESPACE: dict[str, Any] = {
    **test_rules_scipy.NAMES,
    **test_rules_surface.FUNCTIONS,
    "sliding_window_view": sliding_window_view,
    "scipy_fft": scipy_fft,
    "knots": np.array([0.0, 0.5, 1.3, 2.0, 3.1]),
    **{f.__name__: f for f in (spd, sym, copied, filled_diagonal, put, put_along_axis, put_mask, halved)},
}

MATRIX: tuple[Shape, ...] = ((3, 3),)
VECTOR: tuple[Shape, ...] = ((4,),)

# Entries and the reason why arrays without elements are left out.
NOT_EMPTY: dict[str, str] = {
    **dict.fromkeys(
        ["numpy.polymul", *[f"scipy.signal.{name}convolve" for name in ("", "fft", "oa")]],
        "a convolution with nothing gives nothing, but NumPy refuses its transpose",
    ),
    **dict.fromkeys(
        [f"scipy.signal.{name}" for name in ("convolve2d", "correlate", "correlate2d")],
        "SciPy's result for no elements is always of rank 1",
    ),
    **dict.fromkeys(
        [f"scipy.ndimage.{name}" for name in ("convolve", "correlate", "correlate1d", "convolve1d")]
        + [f"scipy.ndimage.{name}" for name in ("gaussian_filter", "gaussian_filter1d", "uniform_filter1d")]
        + [f"scipy.ndimage.{name}" for name in ("uniform_filter", "sobel", "prewitt", "laplace")]
        + ["scipy.ndimage.map_coordinates", "scipy.signal.lfilter"],
        "there is no element to repeat at the borders",
    ),
    **dict.fromkeys(
        ["numpy.linalg.eig", "numpy.linalg.eigvals"], "a vector without components has no largest one"
    ),
    "scipy.linalg.matmul_toeplitz": "SciPy's result for no elements has the shape of the factor",
    "numpy.resize": "there is no element to repeat",
}

CONVERSIONS = [
    ("float16", 2e-3),
    ("float32 complex64", 1e-6),
    ("float64 longdouble complex128 clongdouble", 1e-10),
]
ROW_STACK = "row_stack" if hasattr(np, "row_stack") else "vstack"  # a name less since NumPy 2.5
# What no table has, or has in another form than the one that is wanted here.
OWN: dict[Any, Call] = {
    np.angle: Call("np.angle(x + 1j * x[::-1] ** 2)", VECTOR),
    np.asanyarray: Call("np.asanyarray(x) * x", VECTOR),
    np.asarray_chkfinite: Call("np.asarray_chkfinite(x) * x", VECTOR),
    np.ascontiguousarray: Call("np.ascontiguousarray(x.T) * x", MATRIX),
    np.asfortranarray: Call("np.asfortranarray(x) @ x", MATRIX),
    np.atleast_1d: Call("np.atleast_1d(x) * x", ((),)),
    np.conj: Call("np.conj(x)", VECTOR),
    np.copyto: Call("copied(x, y)", ((3,), (3,))),
    np.diff: Call("np.diff(x, n=3)", ((5,),)),
    np.fill_diagonal: Call("filled_diagonal(x, y)", ((3,), (3,))),
    np.full: Call("np.full((2, 3), x)", ((),)),
    np.full_like: Call("np.full_like(x, y) * x", ((3,), ())),
    np.imag: Call("np.imag(x * np.exp(1j * x))", VECTOR),
    np.interp: Call("np.interp(x, np.cumsum(y ** 2), z)", ((5,), (4,), (4,))),
    np.put: Call("put(x, y)", ((3,), ())),
    np.put_along_axis: Call("put_along_axis(x, y)", ((2, 3), (2, 1))),
    np.putmask: Call("put_mask(x)", ((3,),)),
    np.linalg.eig: Call("np.linalg.eig(x + 0j)[1] * np.linalg.eig(x + 0j)[0]", MATRIX),
    np.linalg.eigvals: Call("np.linalg.eigvals(x + 0j)", MATRIX),
    np.roots: Call("np.roots(x + 0j)", VECTOR),
    np.real: Call("np.real(x * np.exp(1j * x))", VECTOR),
    np.vectorize: Call("np.vectorize(multiplied)(x, y)", ((2, 1), (3,))),
    np.fft.fft: Call("np.fft.fft(x, 5)", VECTOR),
    np.fft.ifft: Call("np.fft.ifft(x)", VECTOR),
    np.fft.rfft: Call("np.fft.rfft(x)", VECTOR),
    np.fft.irfft: Call("np.fft.irfft(x * np.exp(1j * x))", VECTOR),
    np.fft.hfft: Call("np.fft.hfft(x * np.exp(1j * x))", VECTOR),
    np.fft.ihfft: Call("np.fft.ihfft(x)", VECTOR),
    np.fft.fft2: Call("np.fft.fft2(x)", MATRIX),
    np.fft.ifft2: Call("np.fft.ifft2(x)", MATRIX),
    np.fft.rfft2: Call("np.fft.rfft2(x)", MATRIX),
    np.fft.irfft2: Call("np.fft.irfft2(x + 1j * x.T)", MATRIX),
    np.fft.fftn: Call("np.fft.fftn(x, axes=(0,))", MATRIX),
    np.fft.ifftn: Call("np.fft.ifftn(x, (2, 4), axes=(0, 1))", MATRIX),
    np.fft.rfftn: Call("np.fft.rfftn(x)", MATRIX),
    np.fft.irfftn: Call("np.fft.irfftn(x + 1j * x.T)", MATRIX),
    np.fft.fftshift: Call("np.fft.fftshift(x, axes=1)", ((2, 3),)),
    np.fft.ifftshift: Call("np.fft.ifftshift(x)", ((2, 3),)),
    getattr(np, ROW_STACK): Call(f"np.{ROW_STACK}([x, y])", ((3,), (2, 3))),
    special.betaincc: Call("special.betaincc(1.3, 2.2, x)", ((3,),), ((0.2, 0.8),)),
    special.gammainccinv: Call("special.gammainccinv(1.3, x)", ((3,),), ((0.2, 0.8),)),
    special.jn: Call("special.jn(2, x)", ((3,),), ((0.5, 4.0),)),
    special.kn: Call("special.kn(2, x)", ((3,),), ((0.5, 4.0),)),
    special.yn: Call("special.yn(2, x)", ((3,),), ((0.5, 4.0),)),
    special.loggamma: Call("special.loggamma(x)", ((3,),), ((0.4, 3.0),)),
    special.stdtr: Call("special.stdtr(3.5, x)", ((3,),), ((-2.0, 2.0),)),
    special.stdtrit: Call("special.stdtrit(3.5, x)", ((3,),), ((0.2, 0.8),)),
    special.sinc: Call("special.sinc(x)", ((3,),), ((0.3, 3.5),)),
    special.softplus: Call("special.softplus(x)", ((3,),), ((-3.0, 3.0),)),
    linalg.cholesky: Call("linalg.cholesky(spd(x), lower=True)", MATRIX),
    linalg.cho_solve: Call("linalg.cho_solve(linalg.cho_factor(spd(x)), y)", ((3, 3), (3,))),
    linalg.eigvalsh: Call("linalg.eigvalsh(sym(x))", MATRIX),
    linalg.sqrtm: Call("linalg.sqrtm(spd(x))", MATRIX),
    linalg.logm: Call("linalg.logm(spd(x))", MATRIX),
    linalg.cho_factor: Call("np.triu(linalg.cho_factor(spd(x))[0])", MATRIX),
    linalg.tanm: Call("linalg.tanm(0.3 * x)", MATRIX),  # far from the poles
    linalg.svd: Call("linalg.svd(x)[1] * linalg.svd(x)[0][0] ** 2", MATRIX),
    linalg.eigh: Call("linalg.eigh(sym(x))[1] ** 2 * linalg.eigh(sym(x))[0]", MATRIX),
    linalg.qr: Call("linalg.qr(x)[0][0] * linalg.qr(x)[1][0]", MATRIX),
    **{
        getattr(interpolate, text.partition("(")[0]): Call(
            f"interpolate.{text}", ((3,), (5,), (5,)), ((0.1, 2.9), (-2.0, 2.0), (-2.0, 2.0))
        )
        for text in (
            "CubicSpline(knots, y)(x)",
            "PchipInterpolator(knots, y)(x)",
            "CubicHermiteSpline(knots, y, z)(x)",
            "BSpline(np.arange(9.0), y, 3)(x + 3)",
            "interp1d(knots, y)(x)",
            "RegularGridInterpolator((knots,), y)((x,))",
            "interpn((knots, knots), np.outer(y, z), np.stack([x, x[::-1]], -1))",
        )
    },
    **{
        getattr(scipy_fft, name): Call(f"scipy_fft.{name}(x)", MATRIX)
        for name in ("fft", "ifft", "rfft", "irfft", "fft2", "ifft2", "fftn", "ifftn", "dctn", "idctn")
    },
    signal.oaconvolve: Call("signal.oaconvolve(x, y)", ((5,), (3,))),
    stats.multivariate_normal.logpdf: Call(
        "stats.multivariate_normal.logpdf(x, y, spd(z))", ((3, 2), (2,), (2, 2))
    ),
    stats.multivariate_normal.pdf: Call("stats.multivariate_normal.pdf(x, y, spd(z))", ((2,), (2,), (2, 2))),
    stats.dirichlet.logpdf: Call(
        "stats.dirichlet.logpdf(x / np.sum(x), y)", ((3,), (3,)), ((0.5, 2.0), (0.5, 2.0))
    ),
    stats.dirichlet.pdf: Call(
        "stats.dirichlet.pdf(x / np.sum(x), y)", ((3,), (3,)), ((0.5, 2.0), (0.5, 2.0))
    ),
    stats.multinomial.logpmf: Call(
        "stats.multinomial.logpmf([1, 2, 3], 6, halved(x))", ((3,),), ((0.5, 2.0),)
    ),
    stats.multinomial.pmf: Call("stats.multinomial.pmf([1, 2, 3], 6, halved(x))", ((3,),), ((0.5, 2.0),)),
    **{
        getattr(np, name): Call(f"np.{name}(x)", VECTOR, same_as="x * 1.0", rounding=rounding)
        for names, rounding in CONVERSIONS
        for name in names.split()
    },
    math.log: Call("math.log(x)", ((),), ((0.3, 3.5),)),
    math.prod: Call("math.prod([x, y, 2.0])", ((), ())),
    math.ldexp: Call("math.ldexp(x, 3)", ((),)),
    math.remainder: Call("math.remainder(x, y)", ((), ()), ((2.0, 2.4), (0.7, 0.8))),
}
if hasattr(np, "astype"):  # NumPy 2.1
    OWN[np.astype] = Call("np.astype(x, np.complex64)", VECTOR, same_as="x * 1.0", rounding=1e-6)


def elementwise_calls() -> Iterator[Call]:
    for case in test_rules.CASES:
        domain = {str(symbol): interval for symbol, interval in case.domain.items()}
        for form in case.forms:
            shape = () if "math." in form else (3,)
            yield Call(form, (shape,) * len(domain), tuple(domain.values()))
    for text, interval in test_rules_scipy.ELEMENTWISE:
        yield Call(text, ((3,),) * 3, (interval,) * 3)
    for text, points in test_rules_stats.calls():
        yield Call(text, ((3,),), (points,))


def array_calls() -> Iterator[Call]:
    tables: list[Any] = [
        *[test_rules_arrays.REDUCTIONS, test_rules_arrays.PRODUCTS, test_rules_shapes.SHAPES],
        *[test_rules_shapes.INDICES, test_rules_rearranging.TABLE, test_rules_surface.ALL],
        *[test_rules_linalg.TABLE, test_rules_scipy.ARRAYS, test_rules_scipy_linalg.TABLE],
    ]
    for table in tables:
        for lines, rows in table:
            largest = max(rows, key=lambda shapes: (len(shapes[0]) <= 2, sum(map(math.prod, shapes))))
            for line in lines.strip().split("\n"):
                yield Call(line.strip(), tuple(largest))


def function_of(node: ast.expr) -> Any:
    """What a dotted name stands for; None where it is no library function."""
    if isinstance(node, ast.Name):
        return {"np": np, "math": math, **NAMESPACE}.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(function_of(node.value), node.attr, None)
    return None


def functions_in(text: str) -> Iterator[Any]:
    """The functions that an expression calls, or passes on to others."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Name, ast.Attribute)) and callable(found := function_of(node)):
            yield found


def entries() -> dict[Any, str]:
    """Every differentiable function that the page docs/operations.md lists, and its name."""
    load_rules_of(special.gamma)
    found: dict[Any, str] = {}
    for module in (*MODULES, *OF_SCIPY):
        for name, function in public_names(module):
            if status_of(function) == "differentiable":
                found.setdefault(function, f"{module}.{name}")
    for function in replaced:
        if type(getattr(function, "__self__", None)).__module__.startswith("scipy.stats"):
            owner = getattr(function.__self__, "name", None) or type(function.__self__).__name__
            found[function] = f"scipy.stats.{owner.removesuffix('_gen')}.{function.__name__}"
    for name in dir(math):
        if status_of(getattr(math, name)) == "differentiable":
            found.setdefault(getattr(math, name), f"math.{name}")
    return found


def calls_of_entries() -> dict[Any, list[Call]]:
    """For each function the calls that mention it, the plainest first."""
    found: dict[Any, list[Call]] = {}
    for call in sorted([*elementwise_calls(), *array_calls()], key=lambda call: len(call.text)):
        for function in functions_in(call.text):
            found.setdefault(function, []).append(call)
    for function, call in OWN.items():
        found.setdefault(function, []).insert(0, call)
    return found
