"""Rules of NumPy's wider surface against finite differences: definitions, padding, statistics, assembling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, value_and_grad
from tests.helpers import (
    LAYOUTS,
    assert_gradient_matches_finite_differences,
    assert_second_derivatives_match_finite_differences,
    contiguous_cases,
    function_from_expression,
    function_from_source,
    generator,
    random_array,
)

Shape = tuple[int, ...]
Row = tuple[str, Sequence[Sequence[Shape]]]


def squared(t):
    return t**2


def tripled(t):
    return 3 * t


def multiplied(t, a):
    return a * t


def weighed(row):
    return row * row.sum()


def larger(a, b):
    return a * b if a > b else b**2


FUNCTIONS: dict[str, Any] = {f.__name__: f for f in (squared, tripled, multiplied, weighed, larger)}
FUNCTIONS["larger_of_each"] = np.vectorize(larger)

ASSEMBLING: list[Row] = [
    (
        """
        np.append(x, y)
        np.append(x, 2 * y, axis=None)
        """,
        [[(3,), (2,)], [(2, 2), (3,)], [(0,), (1,)]],
    ),
    ("np.append(x, y, axis=1)", [[(2, 3), (2, 1)]]),
    ("np.atleast_3d(x) * 2", [[()], [(3,)], [(2, 3)], [(2, 1, 2)]]),
    ("np.dstack([x, y])", [[(3,), (3,)], [(2, 3), (2, 3)]]),
    ("np.dsplit(x, 2)[1]", [[(2, 2, 4)]]),
    (
        """
        np.array_split(x, 3)[0]
        np.array_split(x, 3)[2]
        np.array_split(x, [1, 3])[1]
        """,
        [[(7,)], [(3, 2)]],
    ),
    ("np.block([[x, y], [y, x]])\nnp.block([x, y])", [[(2, 2), (2, 2)], [(), ()]]),
    (
        """
        np.rot90(x)
        np.rot90(x, 2)
        np.rot90(x, -1)
        np.rot90(x, 3, axes=(1, 0))
        np.rot90(x, 4)
        """,
        [[(2, 3)]],
    ),
    (
        """
        np.rollaxis(x, 2)
        np.rollaxis(x, 0, 3)
        np.rollaxis(x, 1, 2)
        np.rollaxis(x, -1, -2)
        """,
        [[(2, 3, 4)]],
    ),
    ("np.broadcast_arrays(x, y)[0] * np.broadcast_arrays(x, y)[1]", [[(2, 1), (3,)], [(), (2,)]]),
    ("np.meshgrid(x, y)[0] * np.meshgrid(x, y)[1]", [[(3,), (2,)], [(1,), (4,)]]),
    ('np.meshgrid(x, y, indexing="ij")[0]\nnp.meshgrid(x, y, sparse=True)[1]', [[(3,), (2,)]]),
    ("np.kron(x, y)", [[(2,), (3,)], [(2, 3), (2, 2)], [(), (3,)], [(2, 2), (3,)]]),
    ("np.cross(x, y)", [[(3,), (3,)], [(2, 3), (2, 3)], [(2, 3), (3,)]]),
    ("np.cross(x, y, axis=0)\nnp.cross(x, y, axisa=0, axisb=0, axisc=0)", [[(3, 2), (3, 2)]]),
    ("x[np.tril_indices(3)]\nx[np.triu_indices(3, 1)]\nx[np.diag_indices(3)]", [[(3, 3)]]),
    (
        """
        x[np.tril_indices_from(x, -1)]
        x[np.triu_indices_from(x)]
        x[np.diag_indices_from(x)]
        """,
        [[(3, 3)]],
    ),
    ("np.diagflat(x)\nnp.diagflat(x, -1)", [[(3,)], [(2, 2)]]),
    ("np.resize(x, (2, 4))\nnp.resize(x, 2)", [[(3,)], [(2, 2)]]),
    ("np.insert(x, 1, 2.0)\nnp.insert(x, -1, x[0])\nnp.insert(x, 0, y)", [[(3,), ()]]),
    ("np.insert(x, 1, y, axis=1)\nnp.insert(x, 0, 1.0, axis=0)", [[(2, 3), (2,)]]),
    ("np.delete(x, 1)\nnp.delete(x, -1)\nnp.delete(x, [0, 2])", [[(4,)]]),
    ("np.delete(x, 1, axis=1)\nnp.delete(x, [0, 1], axis=1)", [[(2, 3)]]),
]
if hasattr(np, "unstack"):  # NumPy 2.1
    ASSEMBLING.append(("np.clip(x, min=-0.5, max=0.8)", [[(2, 3)]]))
    ASSEMBLING.append(("np.unstack(x)[0]\nnp.unstack(x, axis=1)[0] * 2", [[(1, 1)]]))

METHODS = ("lower", "higher", "nearest", "midpoint", "weibull", "hazen", "median_unbiased", "normal_unbiased")
ONE_VECTOR: list[list[Shape]] = [[(5,)]]
TWO_VECTORS: list[list[Shape]] = [[(5,), (3,)], [(3,), (4,)], [(4,), (4,)], [(4,), (1,)]]
PADDED: list[list[Shape]] = [[(4,)], [(3, 3)]]

STATISTICS: list[Row] = [
    (
        """
        np.median(x)
        np.quantile(x, 0.3)
        np.percentile(x, 70.0)
        """,
        [[(4,)], [(5,)], [(2, 3)], [(1,)]],
    ),
    (
        """
        np.median(x, axis=0)
        np.median(x, axis=1, keepdims=True)
        np.quantile(x, 0.4, axis=-1)
        """,
        [[(3, 4)]],
    ),
    ("np.quantile(x, [0.1, 0.6])\nnp.percentile(x, np.array([10.0, 90.0]), axis=0)", [[(4, 3)]]),
    ("np.median(x, axis=(0, 2))\nnp.quantile(x, 0.2, axis=(1, 0), keepdims=True)", [[(2, 3, 2)]]),
    *[(f'np.quantile(x, 0.37, method="{method}")', ONE_VECTOR) for method in METHODS],
    ("np.quantile(x, y ** 2 / 10)", [[(5,), ()]]),
    ("np.cov(x)\nnp.cov(x, ddof=0)\nnp.cov(x, bias=True)\nnp.corrcoef(x)", [[(2, 4)], [(3, 5)]]),
    ("np.cov(x)\nnp.cov(x, y)\nnp.corrcoef(x, y)", [[(4,), (4,)], [(1, 4), (1, 4)]]),
    (
        """
        np.cov(x, aweights=y ** 2)
        np.cov(x, fweights=np.array([1, 2, 1, 3]))
        np.cov(x, fweights=np.array([1, 2, 1, 3]), aweights=y ** 2, ddof=0)
        np.cov(x, bias=True, aweights=y ** 2)
        """,
        [[(3, 4), (4,)]],
    ),
    ("np.cov(x, rowvar=False)\nnp.cov(x, y)\nnp.corrcoef(x, rowvar=False)", [[(5, 2), (5, 2)]]),
    ("np.nansum(x)\nnp.nanmean(x)\nnp.nanmax(x)\nnp.nanmin(x)\nnp.nanprod(x)", [[(3,)], [(2, 3)]]),
    ("np.nanvar(x)\nnp.nanstd(x)\nnp.nanvar(x, ddof=1)\nnp.nanmedian(x)", [[(4,)], [(2, 3)]]),
    (
        """
        np.nansum(x, axis=0)
        np.nanmean(x, axis=1, keepdims=True)
        np.nanstd(x, axis=0)
        """,
        [[(3, 2)]],
    ),
    ("np.nanquantile(x, 0.4, axis=1)\nnp.nanpercentile(x, 40.0)\nnp.nanmax(x, axis=0)", [[(3, 4)]]),
    (
        """
        np.cumprod(x)
        x.cumprod()
        np.nancumsum(x)
        np.nancumprod(x)
        """,
        [[(4,)], [(2, 3)], [(0,)], [(1,)]],
    ),
    ("np.cumprod(x, axis=0)\nnp.cumprod(x, 1)\nnp.nancumsum(x, axis=1)", [[(2, 3)]]),
]
if hasattr(np, "cumulative_sum"):
    STATISTICS.append(
        (
            """
            np.cumulative_sum(x)
            np.cumulative_prod(x)
            np.cumulative_sum(x, include_initial=True)
            """,
            [[(3,)]],
        )
    )

INTERPOLATION: list[Row] = [
    ("np.interp(x, y, z)", [[(5,), (4,), (4,)]]),
    (
        "np.interp(x, [-2.0, 0.0, 1.0], y)\nnp.interp(x, [-1.0, 0.0, 0.5], y, left=z, right=2.0)",
        [[(4,), (3,), ()]],
    ),
    ("np.interp(x, [0.0, 1.0, 2.5], y, period=3.0)", [[(4,), (3,)]]),
    (
        """
        np.gradient(x)
        np.gradient(x, 0.5)
        np.gradient(x, edge_order=2)
        np.gradient(x, y[0] ** 2)
        """,
        [[(5,), (1,)]],
    ),
    (
        """
        np.gradient(x, np.array([0.0, 1.0, 1.5, 3.0]), edge_order=2)
        np.gradient(x, np.cumsum(y ** 2))
        """,
        [[(4,), (4,)]],
    ),
    (
        """
        np.gradient(x, axis=0)
        np.gradient(x, 2.0, axis=1)
        np.gradient(x)[1] * np.gradient(x)[0]
        """,
        [[(3, 4)]],
    ),
    ("np.gradient(x, 0.5, np.array([0.0, 1.0, 3.0, 3.5]))[1]", [[(3, 4)]]),
    (
        """
        np.trapezoid(x)
        np.trapezoid(x, dx=0.5)
        np.trapezoid(x, np.cumsum(y ** 2))
        """,
        [[(4,), (4,)]],
    ),
    (
        """
        np.trapezoid(x, axis=0)
        np.trapezoid(x, y, axis=0)
        np.trapezoid(x, [0.0, 1.0, 3.0], axis=-1)
        """,
        [[(2, 3), (2, 3)]],
    ),
    (
        "np.ediff1d(x)\nnp.ediff1d(x, to_begin=y)\nnp.ediff1d(x, to_end=[1.0, 2.0])",
        [[(4,), ()], [(2, 2), ()]],
    ),
    ("np.unwrap(x * 4)\nnp.unwrap(x * 4, axis=0)\nnp.unwrap(x, period=1.0)", [[(5,)], [(3, 4)]]),
    (
        """
        np.diff(x, 2)
        np.diff(x, n=3)
        np.diff(x, prepend=y)
        np.diff(x, append=[1.0, 2.0])
        """,
        [[(5,), ()]],
    ),
    ("np.diff(x, 2, axis=0)\nnp.diff(x, prepend=0.0, axis=0)", [[(4, 2)]]),
    *[
        (
            f'np.convolve(x, y)\nnp.convolve(x, y, "{mode}")\nnp.correlate(x, y, "{mode}")',
            TWO_VECTORS,
        )
        for mode in ("same", "valid", "full")
    ],
    (
        """
        np.polyval(x, y)
        np.polyval([1.0, -2.0, 3.0], y)
        """,
        [[(3,), (2,)], [(1,), ()], [(4,), (2, 3)]],
    ),
    ("np.vander(x)\nnp.vander(x, 3)\nnp.vander(x, 4, increasing=True)", [[(3,)], [(2,)]]),
    ("np.polyadd(x, y)\nnp.polysub(x, y)\nnp.polymul(x, y)", [[(3,), (2,)], [(2,), (4,)]]),
    (
        """
        np.polyder(x)
        np.polyder(x, 2)
        np.polyint(x)
        np.polyint(x, 2)
        np.polyint(x, k=3.0)
        """,
        [[(4,)]],
    ),
    ("np.polyfit(x, y, 1)\nnp.polyfit(x, y, 2)", [[(6,), (6,)]]),
    ("np.poly(x * 1.5)", [[(1,)]]),
    ("np.i0(x)\nnp.i0(x * 20)", [[(4,)], [()]]),
    ("np.kaiser(4, x ** 2)", [[()]]),
]

PADDING: list[Row] = [
    (
        """
        np.pad(x, (2, 3), mode="reflect", reflect_type="odd")
        np.pad(x, (2, 3), mode="symmetric", reflect_type="odd")
        np.pad(x, ((7, 9),), mode="reflect", reflect_type="odd")
        np.pad(x, ((7, 9),), mode="symmetric", reflect_type="odd")
        """,
        [[(4,)], [(1,)]],
    ),
    ('np.pad(x, 2, mode="reflect", reflect_type="odd")', [[(3, 4)]]),
    *[
        (f'np.pad(x, 1, mode="{mode}")\nnp.pad(x, (2, 1), mode="{mode}")', PADDED)
        for mode in ("edge", "reflect", "symmetric", "wrap")
    ],
    *[
        (f'np.pad(x, 1, mode="{mode}")\nnp.pad(x, (2, 1), mode="{mode}")', PADDED)
        for mode in ("maximum", "minimum", "mean", "median", "linear_ramp")
    ],
    (
        "np.pad(x, 2, constant_values=y)\nnp.pad(x, (1, 2), constant_values=(3.0, y))",
        [[(3,), ()], [(2, 2), ()]],
    ),
    (
        'np.pad(x, 2, "linear_ramp", end_values=y)\nnp.pad(x, 1, "mean", stat_length=2)',
        [[(3,), ()], [(2, 3), ()]],
    ),
    ('np.pad(x, ((0, 1), (2, 0)), "edge")\nnp.pad(x, 5, "wrap")\nnp.pad(x, 5, "reflect")', [[(2, 3)]]),
]

CHOOSING: list[Row] = [
    (
        "np.select([x > 1, x > 0], [x * y, x ** 2])\nnp.select([x > 0], [y], default=x)",
        [[(4,), (4,)], [(2, 3), ()]],
    ),
    ("np.piecewise(x, [x < 0, x >= 0], [squared, tripled])", [[(4,)], [(2, 2)]]),
    (
        """
        np.piecewise(x, [x < 0], [1.0, np.sin])
        np.piecewise(x, [x < 0], [multiplied, 2.0], 5.0)
        """,
        [[(4,)]],
    ),
    ("np.choose([0, 1, 1], [x, y])\nnp.choose([0, 5, -1], [x, y], mode='clip')", [[(3,), (3,)]]),
    ("np.compress([True, False, True], x)\nnp.extract(x > 0, x)", [[(3,)]]),
    (
        """
        np.compress(y[0] > 0, x, axis=0)
        np.compress([True, False, True], x, axis=1)
        """,
        [[(2, 3), (2, 2)]],
    ),
    ("np.partition(x, 2)\nnp.sort(x)[:2] * x[np.argpartition(x, 1)[:2]]", [[(5,)]]),
    ("np.partition(x, 1, axis=0)\nx[np.lexsort((x[:, 0],))]", [[(4, 2)]]),
    ("x * np.searchsorted(np.sort(y), x)\nx * np.digitize(x, [-1.0, 0.0, 1.0])", [[(3,), (4,)]]),
    ("np.bincount([0, 2, 2, 1], weights=x)", [[(4,)]]),
    ("x[np.unravel_index(3, x.shape)]\nx[np.unravel_index(x.argmax(), x.shape)]", [[(2, 3)]]),
    ("np.modf(x)[0]\nnp.divmod(x, 0.7)[1]", [[(3,)]]),
    ("np.apply_along_axis(weighed, 0, x)\nnp.apply_along_axis(np.sum, 1, x)", [[(2, 3)]]),
    ("np.apply_over_axes(np.sum, x, [0, 2])", [[(2, 3, 2)]]),
    ("np.vectorize(larger)(x, y)\nlarger_of_each(x, y)", [[(3,), ()], [(2, 1), (3,)]]),
    ("np.geomspace(x ** 2, 5.0, 4)\nnp.logspace(x, 2.0, 3)", [[()]]),
]

OPTIONS: list[Row] = [
    (
        """
        np.sum(x, where=x > 0)
        np.sum(x, axis=0, where=x > 0, initial=2.0)
        np.sum(x, initial=x[0, 0])
        np.prod(x, axis=1, where=[True, False, True])
        np.max(x, initial=0.5)
        np.max(x, axis=0, where=x < 1, initial=-3.0)
        np.min(x, axis=1, keepdims=True, initial=0.1, where=x > -1)
        np.amax(x, 0)
        np.mean(x, where=x > 0)
        np.mean(x, axis=1, where=np.array([[True], [True]]))
        np.sum(x, dtype=np.float64)
        np.var(x, correction=1)
        np.std(x, axis=1, correction=1)
        np.repeat(x, [1, 0, 2], axis=1)
        np.repeat(x, np.arange(6))
        np.sort(x, axis=0, kind="stable")
        np.clip(x, None, 0.8)
        np.ptp(x, axis=1, keepdims=True)
        np.linspace(x, 2.0, 3)
        np.linspace(x[0], x[1], 4, endpoint=False)
        """,
        [[(2, 3)]],
    ),
    ("np.linspace(x, y, 4)\nnp.linspace(x, y, 3, endpoint=False)", [[(), ()]]),
    ("np.trace(x)\nnp.trace(x, 1, 1, 2)\nnp.trace(x, axis1=-2, axis2=-1)", [[(2, 3, 3)]]),
]

ALL = [*OPTIONS, *ASSEMBLING, *STATISTICS, *INTERPOLATION, *PADDING, *CHOOSING]


FIRST = [(lines, shapes[:1]) for lines, shapes in ALL]


def prepared(expression: str, shapes: Sequence[Shape]) -> tuple[Any, list[Any]]:
    """The function, and as many arrays as it has arguments."""
    f = function_from_expression(expression, **FUNCTIONS)
    args = [random_array(generator(expression, shape), shape) for shape in shapes]
    if "np.interp(x, y" in expression:
        args[1] = np.sort(args[1])
    return f, args[: f.__code__.co_argcount]


@pytest.mark.parametrize(("expression", "shapes"), contiguous_cases(ALL))
def test_rule(expression: str, shapes: Sequence[Shape]) -> None:
    f, args = prepared(expression, shapes)
    assert_gradient_matches_finite_differences(f, args)
    assert_gradient_matches_finite_differences(f, [np.asarray(LAYOUTS["strided"](a)) for a in args])


@pytest.mark.parametrize(("expression", "shapes"), contiguous_cases(FIRST))
def test_single_precision(expression: str, shapes: Sequence[Shape]) -> None:
    f, args = prepared(expression, shapes)
    assert_gradient_matches_finite_differences(f, [np.asarray(LAYOUTS["float32"](a)) for a in args])


@pytest.mark.parametrize(("expression", "shapes"), contiguous_cases(FIRST))
def test_second_derivative(expression: str, shapes: Sequence[Shape]) -> None:
    _, args = prepared(expression, shapes)
    assert_second_derivatives_match_finite_differences(expression, args, **FUNCTIONS)


def test_views_stay_views() -> None:
    """What NumPy gives as a view is one in the program, too; what it gives as a copy is none."""
    f = function_from_source(
        """
        def f(x):
            y = np.rot90(x)
            y[0, 0] = 5.0 * y[1, 1]
            z = np.rollaxis(x, 1)
            z *= 2.0
            grid = np.meshgrid(x[0], x[1], sparse=True)[0]
            grid[0, 0] = 7.0
            p = np.linalg.matrix_power(x, 1)
            return np.sum(x ** 2) * grid[0, 1] + np.sum(p * x)
        """
    )
    x = random_array(generator("views"), (2, 2))
    value, gradient = value_and_grad(f)(x.copy())
    assert value == pytest.approx(f(x.copy()))
    step = 1e-6
    for place in np.ndindex(2, 2):
        unit = np.zeros((2, 2))
        unit[place] = step
        assert gradient[place] == pytest.approx((f(x + unit) - f(x - unit)) / (2 * step), rel=1e-6)


def test_definitions_in_a_loop() -> None:
    """A tape keeps what the derivatives of definitions read."""
    f = function_from_source(
        """
        def f(x, n):
            for i in range(n):
                if i % 2 == 0:
                    x = x + 0.1 * np.convolve(x, x, "same") - np.median(x)
                else:
                    x = np.interp(np.sin(x), [-1.0, 0.0, 1.0], x[:3]) * np.cumprod(x)
                x[0] = np.trapezoid(x)
            return np.sum(np.pad(x, 2, mode="reflect"))
        """
    )
    x = random_array(generator("loop"), (4,))
    value, gradient = value_and_grad(f)(x.copy(), 5)
    assert value == pytest.approx(f(x.copy(), 5))
    for place in range(4):
        unit = np.eye(4)[place] * 1e-6
        assert gradient[place] == pytest.approx((f(x + unit, 5) - f(x - unit, 5)) / 2e-6, rel=1e-5, abs=1e-7)


def test_pieces_that_are_functions_of_the_program() -> None:
    def f(x: Any) -> Any:
        return np.sum(np.piecewise(x, [x < 1, x >= 1], [lambda t: t * t, lambda t: 3 * t]))

    np.testing.assert_allclose(grad(f)(np.array([0.3, 1.2, 0.7])), [0.6, 3.0, 1.4], rtol=1e-15)
