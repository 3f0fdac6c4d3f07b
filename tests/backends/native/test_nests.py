"""Loop nests as a whole: what is fused past what, arrays that become rows, what is computed again.

Most are compiled only with -m slow; `test_native.py` runs them as Python loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import value_and_grad, vjp
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.kernels import lines_of
from ad_compiler.backends.native.nests import (
    Choice,
    Define,
    Expression,
    Load,
    Loops,
    Nest,
    Scalar,
    Store,
    map_expressions,
    text_of,
)

pytest.importorskip("numba")

Function = Callable[..., Any]
RNG = np.random.default_rng(5)


def whitened(Q: Any, means: Any, points: Any) -> Any:
    centred = points - means[:, :, np.newaxis]
    white = Q @ centred
    distance = np.sum(white**2, axis=1)
    largest = np.max(-distance, axis=0)
    return np.sum(np.log(np.sum(np.exp(-distance - largest), axis=0)) + largest)


def arguments(k: int, d: int, n: int) -> list[Any]:
    return [RNG.normal(size=(k, d, d)), RNG.normal(size=(k, d)), RNG.normal(size=(d, n))]


def compare(f: Function, *args: Any) -> str:
    """Compare native with NumPy code; the native code, which must have answered itself."""
    argnums = tuple(range(len(args)))
    native = value_and_grad(f, argnums, backend="numba", cache=False)
    value, gradients = native(*args)
    expected_value, expected = value_and_grad(f, argnums)(*args)
    np.testing.assert_allclose(value, expected_value, rtol=1e-11)
    for mine, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11)
    source: str = native.native_source
    return source


def test_rows_go_through_products() -> None:
    """One loop over matrices each way: of what is not kept, the arrays are those of one turn."""
    source = compare(whitened, *arguments(3, 2, 40))
    assert "centred = np.empty" not in source and "white_bar = np.empty((Q_1, points_1))" in source
    assert 'fused_product("ik, kj - k -> ij", Q[i], points, means[i], white[i])' in source
    assert 'fused_product("ik, jk - j -> ij", white_bar, points, means[i], Q_bar[i])' in source
    assert "product_of_matrices(Q[i].T, white_bar, centred_bar)" in source
    assert "distance = np.empty(points_1)" in source


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", [(1, 2, 3), (2, 1, 3), (2, 3, 1), (4, 3, 2), (2, 3, 0), (2, 0, 3), (3, 5, 129)]
)
def test_lengths(shape: tuple[int, int, int]) -> None:
    compare(whitened, *arguments(*shape))


@pytest.mark.slow
def test_special_values() -> None:
    for special in (np.nan, np.inf, 1e200, 1e-200):
        args = arguments(3, 2, 5)
        args[2][1, 2] = special
        with np.errstate(all="ignore"):
            native = value_and_grad(whitened, (0, 1, 2), backend="numba", cache=False)(*args)
            code = value_and_grad(whitened, (0, 1, 2))(*args)
        for mine, other in zip((native[0], *native[1]), (code[0], *code[1]), strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_lengths_that_do_not_fit_are_those_of_numpy() -> None:
    Q, means, points = arguments(3, 2, 5)
    native = value_and_grad(whitened, (0, 1, 2), backend="numba", cache=False)
    native(Q, means, points)
    for wrong in ((Q[:2], means, points), (Q, means[:2], points)):
        with pytest.raises(ValueError, match=r"mismatch|broadcast"):
            native(*wrong)


def overwritten(x: Any, y: Any) -> Any:
    """What an array was made of is another thing when the reverse sweep comes."""
    y = y.copy()
    a = x[:, np.newaxis] - y
    s = np.sum(a**3)
    y[0] = 5.0
    return s * np.sum(y) + np.sum(np.exp(a)[1] * y)


def read_by_columns(x: Any, y: Any) -> Any:
    """Turns that need what other turns have made."""
    a = np.outer(x, y)
    b = a - np.mean(a, axis=0)
    c = np.exp(b / (1 + np.sum(b * b, axis=1, keepdims=True)))
    return np.sum(c * a[::-1]) + np.sum(np.cumsum(c, axis=0)[2] * y)


def two_products(x: Any, y: Any) -> Any:
    a = np.stack([np.outer(x, y), np.outer(y, x)])
    b = a @ a
    return np.sum((b - np.transpose(b, (0, 2, 1)) @ b) ** 2) + np.sum(a[0] @ b[1])


def running_turns(x: Any, y: Any) -> Any:
    """Arrays that a loop hands on must not become rows."""
    a = np.outer(x, y)
    for _ in range(3):
        a = 0.5 * a + np.outer(np.sum(a, axis=1), y)
    return np.sum(a * a)


def chosen(x: Any, y: Any) -> Any:
    a = x[:, np.newaxis] - y
    b = np.tanh(a) if x[0] > y[0] else a * a
    return np.sum(b * a)


def names_within_names(x: Any, y: Any) -> Any:
    aa = np.stack([np.outer(x, y), np.outer(y, x)])
    a = np.tanh(aa - x)
    b = a @ aa
    return np.sum(b * b) + np.sum(aa)


def sums_in_order(x: Any, y: Any) -> Any:
    """The large numbers cancel before the small ones are added."""
    a = np.outer(x, y)
    b = a.copy()
    b += 1e17
    b -= 1e17
    b += np.outer(y, x)
    return np.sum(b * a)


PROGRAMS = [
    names_within_names,
    sums_in_order,
    overwritten,
    read_by_columns,
    two_products,
    running_turns,
    chosen,
]


@pytest.mark.slow
@pytest.mark.parametrize("f", PROGRAMS)
def test_programs(f: Function) -> None:
    source = compare(f, RNG.normal(size=4), RNG.normal(size=4))
    if f is overwritten:
        assert "a_1 = np.empty" not in source
    x, y = RNG.normal(size=5), RNG.normal(size=5)
    value, pullback = vjp(f, x, y, backend="numba")
    expected, expected_pullback = vjp(f, x, y)
    np.testing.assert_allclose(value, expected, rtol=1e-11)
    x[:] = y[:] = 0.0  # the caller's own
    for mine, other in zip(pullback(2.0), expected_pullback(2.0), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
def test_float32() -> None:
    args = [each.astype(np.float32) for each in arguments(3, 4, 17)]
    native = value_and_grad(whitened, (0, 1, 2), backend="numba", cache=False)(*args)
    code = value_and_grad(whitened, (0, 1, 2))(*args)
    for mine, other in zip(native[1], code[1], strict=True):
        assert mine.dtype == np.float32
        np.testing.assert_allclose(mine, other, rtol=2e-3, atol=2e-4)


def test_expressions_are_replaced_with_the_loops_around_them() -> None:
    i, j, n = Affine.of("i"), Affine.of("j"), Affine.of("n")
    inner = Nest([("j", n)], [Store("a", (i, j), Load("b", (j,)))])
    code = Nest([("i", n)], [inner, Choice(Load("b", (i,)), [], [Define("s", Scalar("1.0"), "+=")])])
    seen: list[tuple[str, str]] = []

    def noted(expression: Expression, loops: Loops) -> Expression:
        seen.append((text_of(expression), "".join(name for name, _ in loops)))
        return Scalar("x")

    made = map_expressions(noted, code, [("k", n)])
    assert seen == [("b[j]", "kij"), ("1.0", "ki"), ("b[i]", "ki")]
    assert lines_of([made], 0) == [
        "for i in range(n):",
        "    for j in range(n):",
        "        a[i, j] = x",
        "    if not x:",
        "        s += x",
    ]
    assert lines_of([code], 0)[2] == "        a[i, j] = b[j]"  # what was there is left alone
