"""Rules of diagonals, triangles, padding, copies, order, and of grids of indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ad_compiler import Unsupported, grad, vjp
from tests.helpers import (
    array_cases,
    assert_array_rule,
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

# Each row: expressions of x and y, one per line, and the shapes at which each is tested.
PATTERNS: list[Row] = [
    (
        """
        np.tril(x)
        np.triu(x, 1)
        np.diagonal(x)
        np.diag(x, 1)
        x.diagonal(-1)
        np.trace(x)
        np.trace(x, 1)
        x.trace(offset=-1)
        """,
        [[(3, 3)], [(2, 4)], [(1, 3)], [(4, 2)]],
    ),
    ("np.tril(x, -1)\nnp.triu(x)", [[(2, 3, 3)]]),
    ("np.diag(x)\nnp.diag(x, -1)\nnp.diag(x, 2)", [[(3,)], [(1,)]]),
    (
        """
        np.roll(x, 1)
        np.roll(x, -2, axis=1)
        np.roll(x, (1, 2), axis=(0, 1))
        np.flip(x, 0) * x
        np.flipud(x) - np.fliplr(x)
        np.repeat(x, 3)
        np.repeat(x, 2, axis=-1)
        x.repeat(2, 0)
        np.tile(x, 2)
        np.tile(x, (2, 1))
        np.tile(x, (2, 1, 3))
        np.matrix_transpose(x)
        """,
        [[(2, 3)], [(1, 2)]],
    ),
    ("np.tile(x, 2)\nnp.tile(x, (2, 3))", [[(3,)]]),
    (
        """
        np.pad(x, 1)
        np.pad(x, (1, 2))
        np.pad(x, ((0, 1), (2, 0)), constant_values=2.0)
        np.pad(x, ((1, 1),), mode="constant")
        """,
        [[(2, 3)], [(0, 1)]],
    ),
    ("np.pad(x, 2)\nnp.diff(x)\nnp.diff(np.diff(x))", [[(4,)]]),
    ("np.diff(x, axis=0)\nnp.diff(x)", [[(3, 2)]]),
    ("np.sort(x)\nnp.sort(x, axis=0)\nnp.sort(x, axis=None)\nx * np.argsort(x)", [[(3, 4)], [(3,)]]),
    (
        """
        np.take_along_axis(x, np.array([[1], [0]]), axis=1)
        np.take_along_axis(x, np.argsort(x, axis=0), axis=0)
        np.take_along_axis(x, np.array([1, 1]), axis=None)
        """,
        [[(2, 3)]],
    ),
    ("np.ravel(x, order='F')\nx.flatten('F')\nnp.reshape(x, (2, -1), order='F')", [[(3, 4, 1)]]),
    ("np.ptp(x)\nnp.ptp(x, axis=0)\nnp.average(x, axis=0)", [[(3, 2)]]),
    ("np.average(x, weights=2 + y)\nnp.average(x, 0, 2 + y)\nnp.vdot(x, y)", [[(3, 2), (3, 2)]]),
    ("np.column_stack([x, y])", [[(3,), (3,)], [(3, 2), (3,)]]),
    ("np.vsplit(x, 2)[1]\nnp.hsplit(x, [1])[0]", [[(4, 2)]]),
]

# Whether an index may name an element twice decides how its cotangent is written.
REPETITIONS: list[Row] = [
    (
        """
        x[np.nonzero(x > 0)]
        x[np.flatnonzero(x[:, 0] > -9)]
        x[[True, False], [0, 0]]
        x[np.arange(1), [0, 0]]
        x[np.arange(len(x)), [1, 1]]
        x[range(2), [1, 1]]
        x[np.arange(-2, 1)]
        x[np.arange(len(x))[:, None], [[0, 0], [1, 1]]]
        x[np.arange(len(x))[:, None], np.arange(2)]
        x[np.ix_([1, 0], [True, False, True])]
        x[:, [0, -3]]
        x[:, [0, 2]]
        x[[-1, -2]]
        """,
        [[(2, 3)]],
    ),
    ("x[np.arange(len(y)), [1, 1]] * y", [[(2, 2), (1,)], [(2, 2), (2,)]]),
]

DIAGONALS: list[Row] = [
    ("np.einsum('iji->j', x)\nnp.einsum('iji->ij', x)", [[(2, 3, 2)], [(1, 3, 1)]]),
    ("np.einsum('jii->j', x)\nnp.einsum('jii->ji', x)", [[(3, 2, 2)]]),
    ("np.einsum('iijj->ij', x)\nnp.einsum('iijj->j', x)", [[(2, 2, 3, 3)]]),
    ("np.einsum('ijij', x)\nnp.einsum('ijji->ji', x[:, :, :, :2])", [[(2, 2, 2, 2)]]),
    ("np.einsum('jiikj->ij', x)", [[(2, 3, 3, 1, 2)]]),
    ("np.einsum('ii,i->i', x, y)", [[(3, 3), (3,)], [(3, 3), (1,)], [(1, 1), (3,)]]),
    ("np.einsum('i,i', x, y)\nnp.einsum('i,i,i->i', x, y, x)", [[(3,), (1,)], [(1,), (3,)]]),
    ("np.einsum('ij,jk->ik', x, y)", [[(2, 1), (3, 4)], [(2, 3), (1, 4)]]),
    ("np.einsum('i,i', x[1:], y)\nnp.einsum('i,i->i', y, x[1:])", [[(2,), (3,)], [(4,), (3,)]]),
    (
        "np.einsum('i,i', x[1:], y[2:])\nnp.einsum('i,i->i', x[1:], y[2:])",
        [[(3,), (4,)], [(2,), (5,)], [(5,), (3,)], [(2,), (3,)]],
    ),
    ("np.einsum('iijk->kji', x) * y[0]\nnp.einsum('i->i', y) * x[0, 0, 0]", [[(2, 2, 3, 1), (3,)]]),
]
TABLE = PATTERNS + REPETITIONS + DIAGONALS


@pytest.mark.parametrize(("expression", "shapes", "layout"), array_cases(TABLE))
def test_rule(expression: str, shapes: Sequence[Shape], layout: str) -> None:
    assert_array_rule(expression, shapes, layout)


@pytest.mark.parametrize(("expression", "shapes"), contiguous_cases(TABLE))
def test_second_derivatives(expression: str, shapes: Sequence[Shape]) -> None:
    rng = generator(expression, shapes)
    args = [random_array(rng, shape) for shape in shapes]
    assert_second_derivatives_match_finite_differences(expression, args)


@pytest.mark.parametrize(
    ("expression", "gradients"),
    [
        ("np.sum(np.linspace(x, y, 5) * np.arange(5))", (2.5, 7.5)),
        ("x * np.sum(np.eye(3, k=1)) + y * np.sum(np.identity(2))", (2.0, 2.0)),
        ("math.prod([x, y, 2.0])", (6.0, 4.0)),
        ("math.ldexp(x, 3) * round(y)", (24.0, 0.0)),
        ("math.remainder(x, y)", (1.0, -1.0)),
        ("x * np.round(y, 1) + y * math.comb(4, 2)", (3.0, 6.0)),
        ("x if math.isclose(x, y, abs_tol=3.0) else y", (1.0, 0.0)),
        ("x * np.sum(np.arange(3, step=2)) + np.arange(2, dtype=float)[1] * y", (2.0, 1.0)),
    ],
)
def test_numbers(expression: str, gradients: tuple[float, float]) -> None:
    f = function_from_expression(expression)
    np.testing.assert_allclose(grad(f, argnums=(0, 1))(2.0, 3.0), gradients, rtol=1e-14)


@pytest.mark.parametrize("expression", ["np.clip(x, None, 1.0)", "x.clip(None, 1.0)"])
def test_clip_with_an_upper_bound_only(expression: str) -> None:
    value, pullback = vjp(function_from_expression(expression), np.array([0.5, 1.0, 2.0]))
    np.testing.assert_array_equal(value, [0.5, 1.0, 1.0])
    np.testing.assert_array_equal(pullback(np.ones(3))[0], [1.0, 0.5, 0.0])


def test_gradient_of_a_diagonal_is_an_array_of_its_own() -> None:
    """`np.diag` of a matrix is a read-only view, and must not be handed out."""
    cotangent = np.arange(9.0).reshape(3, 3)
    _, pullback = vjp(function_from_expression("np.diag(x)"), np.ones(3))
    (gradient,) = pullback(cotangent)
    assert gradient.flags.writeable and not np.shares_memory(gradient, cotangent)
    np.testing.assert_array_equal(gradient, [0.0, 4.0, 8.0])


@pytest.mark.parametrize(
    "view", ["np.einsum('i->i', b)", "np.float64(b)", "np.einsum('ij->ji', b[None])[:, 0]"]
)
def test_write_into_what_may_be_a_view(view: str) -> None:
    """Where nothing is summed, einsum gives a view, and a write into it changes the other array too."""
    text = f"""
        def f(x):
            b = np.sin(x)
            a = {view}
            a[0] = 5.0
            return np.sum(a * b) + np.sum(b)
    """
    assert_gradient_matches_finite_differences(function_from_source(text), (np.array([0.3, 0.4, 1.1]),))


@pytest.mark.parametrize(
    "expression",
    [
        "np.sum(x, 0, True)",
        "np.var(x, 0, 1)",
        "np.nan_to_num(x, copy=False)",
        "x.ravel(order='K')",
        "np.pad(x, 1, mode='empty')",
        "np.linspace(x, x, 3, retstep=True)",
        "np.arange(x[0], x[0] + 2, 1.0)",
        "np.average(x, weights=1.0)",
        "np.linalg.norm(x, 'nuc')",
        "np.split(x, 2)[0] + np.split(np.ones(3), 2)[0]",
    ],
)
def test_refused(expression: str) -> None:
    f: Any = function_from_expression(expression)
    with pytest.raises(Unsupported, match="instead"):
        vjp(f, np.arange(3.0))
