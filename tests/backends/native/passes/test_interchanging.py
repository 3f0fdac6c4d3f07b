"""Loops of the user's own that go inside of nests, and those that must not.

Everything is compared with NumPy code; `test_everything.py` runs more programs as Python loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import jacfwd, value_and_grad

pytest.importorskip("numba")

Function = Callable[..., Any]
RNG = np.random.default_rng(3)


def ring(x: Any) -> Any:
    return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x


def outer_products(x: Any, y: Any) -> Any:
    a = np.zeros((len(x), len(y)))
    for j in range(len(y)):
        a[:, j] = x * y[j]
    return np.sum(a * a)


def moved_rows(x: Any, y: Any) -> Any:
    """Each column is read by the next one: the turns must stay in order."""
    a = np.zeros((len(x), len(y) + 1))
    for j in range(len(y)):
        a[:, j + 1] = a[:, j] * y[j] + x
    return np.sum(a * a)


def written_twice(x: Any, y: Any) -> Any:
    """Both triangles are written by every turn, one over the other."""
    n = len(x)
    a = np.zeros((n, n))
    for j in range(n):
        a[:, j] = x * y[j]
        a[j, :] = x + y[j]
    return np.sum(a * a * (1.0 + np.arange(n)))


def last_turn(x: Any, y: Any) -> Any:
    """The index is read behind the loop."""
    a = np.zeros((len(x), len(y)))
    j = 0
    for j in range(len(y)):
        a[:, j] = x * y[j]
    return np.sum(a * a) * (1.0 + j)


def growing(x: Any, y: Any) -> Any:
    """The nest has another length in each turn."""
    a = np.zeros((len(x), len(x)))
    for j in range(len(x)):
        a[:j, j] = x[:j] * y[j]
    return np.sum(a * a)


def above(x: Any, y: Any) -> Any:
    """Likewise, and that length is computed in front of the nest."""
    a = np.zeros((3, len(x)))
    for j in range(len(x)):
        a[:j, j] = y[j]
    return np.sum(a * a) + np.sum(x)


def test_text() -> None:
    """What a row of the Jacobian needs is computed once a row, and is a number."""
    jacobian = jacfwd(ring, backend="numba", cache=False)
    x = RNG.normal(size=7)
    np.testing.assert_allclose(jacobian(x), jacfwd(ring)(x), rtol=1e-14)
    source = jacobian.native_source
    assert source.index("for i in range(x_0):") < source.index("for place in range(x_0):")
    assert source.count("np.empty") == 1  # the columns
    for size in (1, 2, 3):
        np.testing.assert_allclose(jacobian(x[:size]), jacfwd(ring)(x[:size]), rtol=1e-14)


@pytest.mark.parametrize(
    ("f", "changes"),
    [
        (outer_products, True),
        (moved_rows, False),
        (written_twice, False),
        (last_turn, False),
        (growing, False),
        (above, False),
    ],
)
def test_order(f: Function, changes: bool) -> None:
    x, y = RNG.normal(size=5), RNG.normal(size=5)
    native = value_and_grad(f, (0, 1), backend="numba", cache=False)
    plain = value_and_grad(f, (0, 1))
    for a, b in ((x, y), (x[:1], y[:1]), (x[::2], y[::-2])):
        value, gradients = native(a, b)
        expected, others = plain(a, b)
        np.testing.assert_allclose(value, expected, rtol=1e-13)
        for mine, other in zip(gradients, others, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-12)
    assert ("\n        for j in range(" in native.native_source) == changes, native.native_source
