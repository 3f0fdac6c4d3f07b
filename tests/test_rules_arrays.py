"""Rules of reductions and of products of arrays, against finite differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, vjp
from tests.helpers import (
    array_cases,
    assert_array_rule,
    assert_gradient_matches_finite_differences,
    assert_second_derivatives_match_finite_differences,
    contiguous_cases,
    function_from_expression,
    generator,
    random_array,
)

Shape = tuple[int, ...]
Row = tuple[str, Sequence[Sequence[Shape]]]

# Each row: expressions of x, y, z, one per line, and the shapes at which each is tested.
ANY_SHAPE: list[list[Shape]] = [[()], [(1,)], [(3,)], [(2, 3)], [(2, 1, 3)]]
LIKE_A_MATRIX: list[list[Shape]] = [[(2, 3)], [(1, 3)], [(3, 2, 2)]]

REDUCTIONS: list[Row] = [
    (
        """
        np.sum(x)
        x.sum()
        np.mean(x)
        x.mean()
        np.prod(x)
        x.prod()
        np.max(x)
        x.max()
        np.min(x)
        np.var(x)
        np.sum(x, keepdims=True)
        x.max(keepdims=True)
        np.sum(x, axis=())
        """,
        ANY_SHAPE,
    ),
    ("np.std(x)\nx.std()\nnp.var(x, ddof=1)\nnp.std(x, ddof=1)", [[(3,)], [(2, 3)], [(2, 1, 3)]]),
    ("np.cumsum(x)\nx.cumsum()", [[(1,)], [(3,)], [(2, 3)], [(0,)]]),
    ("np.cumsum(x, axis=0)\nnp.cumsum(x, axis=-1)\nx.cumsum(1)", LIKE_A_MATRIX),
    (
        """
        np.sum(x, axis=0)
        np.sum(x, 1)
        x.sum(axis=-1)
        x.sum(1)
        np.sum(x, axis=-1, keepdims=True)
        np.sum(x, axis=(0, 1))
        np.sum(x, axis=(0, -1), keepdims=True)
        np.sum(x, axis=None)
        np.mean(x, axis=0)
        x.mean(axis=-1, keepdims=True)
        np.mean(x, axis=(0, 1))
        np.prod(x, axis=0)
        x.prod(axis=-1, keepdims=True)
        np.prod(x, axis=1)
        np.max(x, axis=0)
        np.max(x, axis=(0, -1))
        x.max(axis=-1, keepdims=True)
        x.max(0)
        np.min(x, axis=1)
        x.min(axis=(0, 1), keepdims=True)
        np.amax(x, axis=1)
        np.amin(x, axis=1)
        np.var(x, axis=0)
        np.var(x, axis=-1, ddof=1)
        np.var(x, axis=(0, 1), keepdims=True)
        x.var(axis=-1, keepdims=True)
        """,
        LIKE_A_MATRIX[:1] + LIKE_A_MATRIX[2:],
    ),
    ("np.std(x, axis=0)\nnp.std(x, -1, ddof=1)\nx.std(axis=(0, 1), keepdims=True)", [[(3, 2)]]),
    ("np.sum(x)\nnp.sum(x, axis=0)\nnp.prod(x)\nnp.sum(x * x, axis=-1)", [[(0,)], [(0, 3)]]),
    ("np.max(x, axis=0)\nnp.mean(x, axis=-1)\nnp.var(x, axis=1)", [[(2, 3)]]),
    ("x - np.max(x, axis=1, keepdims=True)\nx / x.sum(axis=0)\nnp.sqrt(np.sum(x * x))", [[(2, 3)]]),
    ("np.log(np.sum(np.exp(x - np.max(x)))) + np.max(x)", [[(3,)], [(2, 3)], [()]]),
]

PRODUCTS: list[Row] = [
    (
        "x @ y\nnp.matmul(x, y)",
        [
            [(3,), (3,)],
            [(2, 3), (3,)],
            [(2,), (2, 3)],
            [(2, 3), (3, 4)],
            [(1, 3), (3, 1)],
            [(1, 1), (1, 1)],
            [(2, 0), (0, 3)],
            [(0, 3), (3, 2)],
            [(0,), (0,)],
            [(4, 2, 3), (3, 2)],
            [(2, 3), (4, 3, 2)],
            [(4, 2, 3), (4, 3, 2)],
            [(1, 2, 3), (4, 3, 2)],
            [(4, 1, 2, 3), (2, 3, 2)],
            [(1, 1, 2, 3), (2, 3, 2)],
            [(3,), (4, 3, 2)],
            [(4, 2, 3), (3,)],
            [(1, 2, 3), (3,)],
            [(2, 2, 2, 3), (3,)],
        ],
    ),
    (
        "np.dot(x, y)\nx.dot(y)",
        [
            [(3,), (3,)],
            [(2, 3), (3,)],
            [(2,), (2, 3)],
            [(2, 3), (3, 4)],
            [(1, 1), (1,)],
            [(2, 0), (0, 3)],
            [(2, 3), (4, 3, 2)],
            [(4, 2, 3), (3,)],
            [(3,), (4, 3, 2)],
            [(2, 2, 3), (2, 3, 2)],
        ],
    ),
    ("np.dot(x, y)", [[(), ()], [(), (3,)], [(2, 3), ()]]),
    ("x @ x\nx.T @ x\nnp.dot(x, x.T)", [[(3, 3)]]),
    ("x @ x\nnp.dot(x, x)\nnp.inner(x, x)\nnp.outer(x, x)", [[(3,)]]),
    ("x.T @ y\nx.T @ y.T", [[(3, 2), (3, 3)]]),
    (
        "np.inner(x, y)",
        [
            [(3,), (3,)],
            [(2, 3), (4, 3)],
            [(2, 3), (3,)],
            [(3,), (2, 3)],
            [(4, 2, 3), (2, 3)],
            [(), (3,)],
            [(1,), (1,)],
        ],
    ),
    ("np.outer(x, y)", [[(2,), (3,)], [(1,), (3,)], [(2, 2), (3,)], [(0,), (3,)], [(), (3,)]]),
    ("np.tensordot(x, y)", [[(2, 3), (2, 3)], [(4, 2, 3), (2, 3, 5)]]),
    ("np.tensordot(x, y, axes=1)\nnp.tensordot(x, y, 1)", [[(2, 3), (3, 4)], [(2, 3), (3,)]]),
    ("np.tensordot(x, y, axes=0)", [[(2,), (3,)], [(2, 1), (3,)]]),
    ("np.tensordot(x, y, axes=([1], [0]))\nnp.tensordot(x, y, (-1, -2))", [[(2, 3), (3, 2)]]),
    ("np.tensordot(x, y, axes=((0, 1), (1, 0)))", [[(2, 3), (3, 2)], [(2, 3, 4), (3, 2)]]),
    ("np.tensordot(x, y, axes=([2, 0], [-1, 1]))", [[(2, 5, 3), (4, 2, 3)]]),
    (
        """
        np.einsum("ij->ji", x)
        np.einsum("ij->", x)
        np.einsum("ij->i", x)
        np.einsum("ij->j", x)
        np.einsum("ij", x)
        np.einsum("...j->...", x)
        """,
        [[(2, 3)], [(1, 3)]],
    ),
    ("""np.einsum("ii->i", x)\nnp.einsum("ii", x)\nnp.einsum("ij,ji", x, x)""", [[(3, 3)]]),
    ("""np.einsum("iij->j", x)""", [[(3, 3, 2)]]),
    (
        """np.einsum("i,i", x, y)\nnp.einsum("i,i->i", x, y)\nnp.einsum("i,j->ij", x, y)""",
        [[(3,)] * 2],
    ),
    ("""np.einsum("ij,jk->ik", x, y)\nnp.einsum("ij,jk", x, y)""", [[(2, 3), (3, 4)]]),
    ("""np.einsum("ij,kj->ki", x, y)\nnp.einsum("ij,kl->jk", x, y)""", [[(2, 3), (4, 3)]]),
    ("""np.einsum("ij,ij->i", x, y)\nnp.einsum("ij,ij", x, y)""", [[(2, 3), (2, 3)]]),
    ("""np.einsum("ij,j->i", x, y)\nnp.einsum("ij,j->ij", x, y)""", [[(2, 3), (3,)]]),
    (
        """np.einsum("bij,bjk->bik", x, y)\nnp.einsum("bij,bjk->ik", x, y)""",
        [[(4, 2, 3), (4, 3, 2)]],
    ),
    ("""np.einsum("...ij,...jk->...ik", x, y)""", [[(4, 1, 2, 3), (5, 3, 2)], [(2, 3), (4, 3, 2)]]),
    ("""np.einsum("...i,...i->...", x, y)""", [[(2, 1, 3), (4, 3)], [(3,), (3,)]]),
    ("""np.einsum("ij,jk,kl->il", x, y, z)""", [[(2, 3), (3, 4), (4, 2)]]),
    ("""np.einsum("i,ij,j->", x, y, z)""", [[(2,), (2, 3), (3,)]]),
]


@pytest.mark.parametrize(("expression", "shapes", "layout"), array_cases(REDUCTIONS + PRODUCTS))
def test_rule(expression: str, shapes: Sequence[Shape], layout: str) -> None:
    assert_array_rule(expression, shapes, layout)


@pytest.mark.parametrize(("expression", "shapes"), contiguous_cases(REDUCTIONS + PRODUCTS))
def test_second_derivatives(expression: str, shapes: Sequence[Shape]) -> None:
    rng = generator(expression, shapes)
    args = [random_array(rng, shape) for shape in shapes]
    assert_second_derivatives_match_finite_differences(expression, args)


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("np.sum(x)", [np.array([1, 2, 3])]),
        ("np.mean(x, axis=0)", [np.array([[1, 2], [3, 5]])]),
        ("np.var(x)", [np.array([1, 2, 4])]),
        ("x @ y", [np.array([[1, 2], [3, 4]]), np.array([0.5, -1.5])]),
        ("x @ y", [np.array([1, 2]), np.array([3, 4])]),
        ("np.prod(x)", [np.array([2, 0, 3])]),
        ("np.max(x * y)", [np.array([1, 2]), 3]),
        ("x[1:] * x[:-1]", [np.array([1, 2, 3])]),
        ("np.concatenate([x, y])", [np.array([1, 2]), np.array([0.5])]),
        ("np.stack([x, y])", [2, 0.5]),
        ("np.array([x, y * 2, 1])", [0.5, np.float64(2.0)]),
        ("np.array([[x, y], [y, x * y]])", [0.5, 2]),
        ("np.outer(x, y)", [np.array([1, 2]), 3.0]),
        ("np.dot(x, y)", [2.0, np.array([1.0, -1.0])]),
        ("np.sum(x) + np.max(x)", [0.5]),
        ("np.broadcast_to(x, (2, 3)) * y", [0.5, np.array([1.0, 2.0, 3.0])]),
        ("x @ y", [np.ones((2, 3), np.float32), np.arange(3.0)]),
        ("np.concatenate([x, y])", [np.ones(2, np.float32), np.arange(2.0)]),
    ],
    ids=str,
)
def test_mixed_kinds_of_arguments(text: str, args: list[Any]) -> None:
    """Integers are differentiated as reals; every gradient has the dtype of its argument."""
    assert_gradient_matches_finite_differences(function_from_expression(text), args)


def test_cast_to_single_precision_and_back() -> None:
    """The gradient comes back in the precision of the argument, not of the cast."""
    f = function_from_expression("np.sum(x.astype(np.float32) * 2)")
    gradient = grad(f)(np.array([1.0, 2.0]))
    assert gradient.dtype == np.float64
    np.testing.assert_array_equal(gradient, [2.0, 2.0])


def test_cotangent_may_be_broadcast_memory() -> None:
    """A cotangent that is a read-only view with stride 0 is as good as any other."""
    f = function_from_expression("x * x")
    _, pullback = vjp(f, np.array([[1.0, 2.0], [3.0, 4.0]]))
    (gradient,) = pullback(np.broadcast_to(2.0, (2, 2)))
    np.testing.assert_array_equal(gradient, [[4.0, 8.0], [12.0, 16.0]])
