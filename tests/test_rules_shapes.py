"""Rules of shapes, joins and reads by index, against finite differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from tests.helpers import (
    array_cases,
    assert_array_rule,
    assert_gradient_matches_finite_differences,
    assert_second_derivatives_match_finite_differences,
    contiguous_cases,
    function_from_source,
    generator,
    random_array,
    strided,
)

Shape = tuple[int, ...]
Row = tuple[str, Sequence[Sequence[Shape]]]

# Each row: expressions of x and y, one per line, and the shapes at which each is tested.
ANY_SHAPE: list[list[Shape]] = [[()], [(1,)], [(3,)], [(2, 3)], [(2, 1, 3)]]

SHAPES: list[Row] = [
    ("x.reshape(-1)\nnp.ravel(x)\nx.ravel()\nx.flatten()\nnp.reshape(x, -1)", ANY_SHAPE),
    ("x.T\nnp.transpose(x)\nx.copy()\nnp.copy(x)\nx.transpose()", ANY_SHAPE),
    (
        """
        x.reshape(3, 2)
        x.reshape((3, -1))
        np.reshape(x, (1, 6, 1))
        x.reshape(x.shape)
        x.reshape(x.shape[1], x.shape[0])
        x.reshape(2, 3, order="F")
        np.transpose(x, (1, 0))
        x.transpose(1, 0)
        np.swapaxes(x, 0, -1)
        x.swapaxes(0, 1)
        np.moveaxis(x, 0, -1)
        np.expand_dims(x, 0)
        np.expand_dims(x, -1)
        np.expand_dims(x, (0, 2))
        np.broadcast_to(x, (4, 2, 3))
        np.broadcast_to(x, x.shape)
        np.atleast_2d(x)
        """,
        [[(2, 3)]],
    ),
    (
        """
        np.transpose(x, (2, 0, 1))
        np.transpose(x, (-1, 0, 1))
        x.transpose(1, 2, 0)
        np.swapaxes(x, 0, 2)
        np.moveaxis(x, 0, 2)
        np.moveaxis(x, (0, 1), (-1, 0))
        np.moveaxis(x, -1, 0)
        """,
        [[(2, 3, 4)], [(1, 3, 0)]],
    ),
    ("np.squeeze(x)\nx.squeeze()", [[(1, 3, 1)], [(1,)], [(2, 3)], [()]]),
    ("np.squeeze(x, axis=0)\nnp.squeeze(x, -1)\nx.squeeze((0, 2))", [[(1, 3, 1)]]),
    ("np.broadcast_to(x, (2, 3))", [[()], [(3,)], [(1,)], [(2, 1)], [(1, 1)], [(1, 3)]]),
    ("np.sin(np.broadcast_to(x, 3)) * np.cos(x[0])", [[(1,)], [(3,)]]),
    ("np.broadcast_to(x, (0, 3))\nnp.broadcast_to(x, (0, 3)).sum()", [[(3,)], [(1, 3)], [()]]),
    ("np.concatenate([x, y])\nnp.concatenate((x, y, x), axis=0)", [[(2,), (3,)], [(0,), (3,)]]),
    ("np.concatenate([x, 2 * y], axis=1)\nnp.concatenate([x, y], -1)", [[(2, 3), (2, 1)]]),
    ("np.concatenate([x, y], axis=None)", [[(2, 3), (2,)]]),
    ("np.stack([x, y])\nnp.stack([x, y, x], axis=-1)\nnp.stack((x, y), 0)", [[(3,)] * 2, [()] * 2]),
    ("np.stack([x, y], axis=1)\nnp.stack([x, y], axis=-2)", [[(2, 3), (2, 3)]]),
    ("np.hstack([x, y])", [[(2,), (3,)], [(2, 3), (2, 1)], [(), (2,)]]),
    ("np.vstack([x, y])", [[(3,), (3,)], [(3,), (2, 3)], [(2, 3), (1, 3)]]),
    ("np.split(x, 2)[0]\nnp.split(x, [1, 3])[1]\nnp.split(x, 4)[-1]", [[(4,)], [(4, 2)]]),
    ("np.split(x, 3, axis=1)[2]\nnp.split(x, [1], axis=-1)[1]", [[(2, 3)]]),
    (
        "np.array([x, y * 2])\nnp.array([[x, y], [y, x * y]])\nnp.array((x, 1.0, y))",
        [[(), ()]],
    ),
    ("np.array([x, y * 2])\nnp.array([x[0], y[1], 2.0])\nnp.asarray([x, y])", [[(3,), (3,)]]),
    ("np.array(x) * x\nnp.asarray(x) * x", ANY_SHAPE),
    ("x.astype(np.float64) ** 2\nx.astype(float) * x\nx * x.astype(int)", ANY_SHAPE),
    (
        """
        x / x.shape[0]
        x * len(x)
        x ** x.ndim
        x.sum() / x.size
        x * np.shape(x)[-1] + np.size(x) * np.ndim(x)
        x * np.ones(x.shape) + np.zeros_like(x)
        x * np.arange(x.size).reshape(x.shape)
        np.full(x.shape, x[0])
        """,
        [[(3,)], [(1,)]],
    ),
    ("(x.shape[0] * y) @ x\nx + np.eye(len(x), x.shape[1]) * y[:, None]", [[(2, 3), (2,)]]),
]

INDICES: list[Row] = [
    (
        """
        x[0]
        x[-1]
        x[1:]
        x[:-1]
        x[::2]
        x[::-1]
        x[3:0:-2]
        x[-3:-1]
        x[...]
        x[None]
        x[:, None]
        x[1:1]
        x[2:100]
        x[[0, 2]]
        x[[1, 1, 1]]
        x[np.array([3, -1, 3])]
        x[np.array([[0, 1], [1, 0]])]
        x[np.array([], dtype=int)]
        x[[True, False, True, True]]
        x[x > 0]
        x[x > 100]
        x[np.arange(4) != 2]
        x[x.argmax()]
        x[1:] - x[:-1]
        x[1:] * x[:-1] + x[0]
        np.take(x, [2, 0, 2])
        np.take(x, 1)
        x.take([1, 1])
        sliding_window_view(x, 2)
        sliding_window_view(x, 4)
        np.sum(sliding_window_view(x * x, 3) * x[:3], axis=1)
        """,
        [[(4,)]],
    ),
    (
        """
        x[0]
        x[-1, 2]
        x[0][2]
        x[:, 1]
        x[1:, ::-1]
        x[::-1, ::-2]
        x[..., 0]
        x[0, ...]
        x[..., None]
        x[None, :, None, 1:]
        x[:, [0, 2, 2]]
        x[[0, 1, 1], [2, 0, 0]]
        x[[0, 1]]
        x[[[0], [1]], [0, 2]]
        x[:, np.array([[0, 1], [2, 2]])]
        x[1, [0, 0]]
        x[[1, 1], 1:]
        x[None, [0, 0]]
        x[np.arange(2), [2, 2]]
        x[np.arange(x.shape[0]), np.array([1, 0])]
        x[x > 0]
        x[[True, False]]
        x[:, [True, False, True]]
        x[[True, True], 1]
        x[np.ix_([0, 1, 1], [2, 0])]
        np.take(x, [0, 5, 5])
        np.take(x, [0, 2, 2], axis=1)
        np.take(x, np.array([[1, 0]]), axis=0)
        np.take(x, 1, axis=-1)
        x.take([1, 0], axis=0)
        x[(0, 1)]
        x[0] * x[1]
        sliding_window_view(x, (2, 2))
        sliding_window_view(x, 2, axis=-1)
        sliding_window_view(x, (2, 3), axis=(0, 1))
        """,
        [[(2, 3)]],
    ),
    (
        """
        x[1, :, 2]
        x[..., 1, :]
        x[[0, 1, 1], :, [3, 2, 2]]
        x[:, [0, 0], 1:]
        x[[1, 1], ..., None, 0]
        x[0, :, [1, 1, 0]]
        x[:, x[0] > 0]
        x[x > 0]
        sliding_window_view(x, (2, 2), axis=(1, 2))
        """,
        [[(2, 3, 4)]],
    ),
    ("x[...]\nx[()]\nx[None]\nx[None, ...]", [[()]]),
    ("x[0:0]\nx[None]\nx[::-1]\nx[x > 0]", [[(0,)], [(0, 3)]]),
]


@pytest.mark.parametrize(("expression", "shapes", "layout"), array_cases(SHAPES + INDICES))
def test_rule(expression: str, shapes: Sequence[Shape], layout: str) -> None:
    assert_array_rule(expression, shapes, layout, sliding_window_view=sliding_window_view)


@pytest.mark.parametrize(("expression", "shapes"), contiguous_cases(SHAPES + INDICES))
def test_second_derivatives(expression: str, shapes: Sequence[Shape]) -> None:
    rng = generator(expression, shapes)
    args = [random_array(rng, shape) for shape in shapes]
    assert_second_derivatives_match_finite_differences(
        expression, args, sliding_window_view=sliding_window_view
    )


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("np.sum(x[i] ** 2)", np.array([3, 0, 3, -1])),
        ("np.sum(x[i] ** 2)", np.array([True, False, True, True])),
        ("np.sum(x[i] ** 2)", 2),
        ("np.sum(x[i] ** 2)", np.int64(-1)),
        ("np.sum(x[i:] ** 2)", 2),
        ("np.sum(np.take(x, i) ** 2)", np.array([[1, 1], [0, 2]])),
        ("np.sum(np.where(i, x, -x) * x)", np.array([True, False, True, True])),
        ("np.sum(x.reshape(i, -1)[0] * 3)", 2),
    ],
    ids=str,
)
def test_index_given_as_an_argument(text: str, index: Any) -> None:
    """Only x is differentiated; the index is data of the call."""
    f = function_from_source(f"def f(x, i):\n    return {text}\n")
    args = [np.array([0.5, -1.5, 2.5, 1.0]), index]
    assert_gradient_matches_finite_differences(f, args, argnums=[0])


@pytest.mark.parametrize(
    "body",
    [
        "a, b = np.split(x, 2)\n    return a * b",
        "n, m = x.shape\n    return x.sum(axis=0) / n + m",
        "a, b = x[0], x[1:]\n    return a * b",
        "rows = np.split(x, 2, axis=0)\n    return rows[0] @ rows[1].T",
        "return (x * len(x[0])).reshape(x.shape[::-1])",
        "m = np.mean(x, axis=0)\n    return (x - m) / np.sqrt(np.mean((x - m) ** 2, axis=0) + 0.1)",
        "e = np.exp(x - x.max(axis=1, keepdims=True))\n    return e / e.sum(axis=1, keepdims=True)",
        "y = x.T\n    y = y @ x\n    y = y[::-1] + y\n    return y[0] * y[..., 1]",
        "y = x[:]\n    z = y.reshape(-1)[::2]\n    return np.concatenate([z, x[0], z * z])",
    ],
)
def test_several_statements(body: str) -> None:
    f = function_from_source(f"def f(x):\n    {body}\n")
    x = random_array(generator(body), (4, 3))
    assert_gradient_matches_finite_differences(f, [x])
    assert_gradient_matches_finite_differences(f, [strided(x)])
