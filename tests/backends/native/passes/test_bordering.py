"""Arrays with a border that are read from what they copy, and those that must be made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import jvp, value_and_grad
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import Load, Scalar
from ad_compiler.backends.native.passes.bordering import Bordered, Part

pytest.importorskip("numba")

Function = Callable[..., Any]
RNG = np.random.default_rng(11)


def padded(u: Any) -> Any:
    inside = np.concatenate([np.zeros(1), u, np.zeros(1)])
    return np.sum((inside[2:] - 2.0 * u + inside[:-2]) ** 2)


def uneven(u: Any) -> Any:
    """Two parts, and a border that is not 0."""
    inside = np.concatenate([u, np.array([3.0])])
    return np.sum(inside[1:] * u)


def by_rows(u: Any) -> Any:
    a = np.reshape(u, (-1, 1)) * np.ones(3)
    inside = np.concatenate([np.zeros((2, 3)), a], axis=0)
    return np.sum(inside[1:-1] * a)


def two_arrays(u: Any) -> Any:
    both = np.concatenate([u, u * u])
    return np.sum(both[1:] * both[:-1])


def rewritten(u: Any) -> Any:
    """What was copied is written before the copy is read."""
    v = 2.0 * u
    inside = np.concatenate([np.zeros(1), v])
    v[:] = u * u
    return np.sum(inside[1:] * v + inside[:-1])


def rewritten_itself(u: Any) -> Any:
    inside = np.concatenate([np.zeros(1), u, np.zeros(1)])
    inside[1:-1] *= 2.0
    return np.sum(inside[2:] * u)


def often(u: Any) -> Any:
    """Read so often that the copy pays."""
    inside = np.concatenate([np.zeros(2), u, np.zeros(2)])
    return np.sum((inside[4:] + inside[3:-1] * inside[2:-2] - inside[1:-3] * inside[:-4]) ** 2)


def handed_out(u: Any) -> Any:
    inside = np.concatenate([np.zeros(1), u])
    return np.sum(inside[1:] * u) + np.sum(np.sort(inside) * inside)


@pytest.mark.parametrize(
    ("f", "is_read_through"),
    [
        (padded, True),
        (uneven, True),
        (by_rows, True),
        (two_arrays, False),
        (rewritten, False),
        (rewritten_itself, False),
        (often, False),
        (handed_out, False),
    ],
)
def test_values_and_gradients(f: Function, is_read_through: bool) -> None:
    native = value_and_grad(f, backend="numba", cache=False)
    plain = value_and_grad(f)
    for u in (RNG.normal(size=6), RNG.normal(size=1), RNG.normal(size=2), RNG.normal(size=14)[::-2]):
        value, gradient = native(u)
        expected, other = plain(u)
        np.testing.assert_allclose(value, expected, rtol=1e-13)
        np.testing.assert_allclose(gradient, other, rtol=1e-12, atol=1e-12)
    assert (" if i < " in native.native_source or " if i + 1 < " in native.native_source) == is_read_through


def test_single_precision_and_no_elements() -> None:
    for u in (RNG.normal(size=5).astype(np.float32), np.zeros(0)):
        value, gradient = value_and_grad(padded, backend="numba", cache=False)(u)
        expected, other = value_and_grad(padded)(u)
        np.testing.assert_allclose(value, expected, rtol=1e-5)
        assert gradient.dtype == other.dtype
        np.testing.assert_allclose(gradient, other, rtol=1e-5)


def test_a_place_in_a_loop_that_does_no_turn() -> None:
    """The last part is empty, as behind `np.delete(x, -1)`, and so is the loop that reads it."""
    i, n, none = Affine.of("i"), Affine.of("n"), [("i", Affine.of(0))]
    parts = [Part([("i", n)], (i,), Load("a", (i,))), Part(none, (n + i,), Scalar("0.0"))]
    assert Bordered("c", 0, parts, [n, n]).element((n + i,), none) == Scalar("0.0")


def test_values_that_are_not_finite() -> None:
    """What is not read does not show: a border of zeros beside infinite elements."""
    u = np.array([1.0, np.inf, np.nan, -2.0, 3.0])

    def moved(u: Any) -> Any:
        inside = np.concatenate([np.zeros(1), u, np.zeros(1)])
        return inside[2:] - inside[:-2]

    for native, plain in zip(
        jvp(moved, (u,), (u,), backend="numba", cache=False), jvp(moved, (u,), (u,)), strict=True
    ):
        np.testing.assert_array_equal(native, plain)
