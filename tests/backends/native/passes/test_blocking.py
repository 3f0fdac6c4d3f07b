"""Loops of few, constant turns: blocks that overlap, and hidden numbers, give what single turns give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, value_and_grad
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import Apply, Code, Define, Line, Load, Nest, Scalar, Store
from ad_compiler.backends.native.passes.blocking import block_loops

numba = pytest.importorskip("numba")

Function = Callable[..., Any]


def recurrent(units: int) -> Function:
    def f(W: Any, x: Any) -> Any:
        h = np.zeros(units)
        c = np.zeros(units)
        for t in range(len(x)):
            z = x[t] + h @ W
            c = 0.5 * c * np.exp(-(z[:units] ** 2)) + np.tanh(z[units:])
            h = np.tanh(c) * z[:units]
        return np.sum(h * h) + np.sum(c)

    return f


def with_a_sum(x: Any) -> Any:
    y = np.zeros(14) + x
    return np.log(np.sum(np.exp(y * y)))


def of_other_turns(x: Any) -> Any:
    y = np.zeros(15) + x
    for _ in range(2):
        y[1:] = np.tanh(y[:14] * x[:14]) + y[1:]
    return np.sum(y * y)


def in_two_axes(x: Any) -> Any:
    y = np.zeros((3, 13)) + x
    return np.sum(y * np.tanh(y) * y[::-1])


def added_to(x: Any) -> Any:
    y = np.zeros(15)
    for k in range(3):
        y[k : k + 13] += np.tanh(np.zeros(13) + x)
    return np.sum(y**3)


def compare(f: Function, native: Any, *args: Any) -> str:
    value, gradients = native(*args)
    expected_value, expected = value_and_grad(f, tuple(range(len(args))))(*args)
    np.testing.assert_allclose(value, expected_value, rtol=1e-12)
    for mine, other in zip(gradients if len(args) > 1 else (gradients,), expected, strict=True):
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12)
    native.native(*args)  # raises `Departure` where NumPy code answered
    source: str = native.native_source
    return source


@pytest.mark.parametrize("units", [7, 8, 13, 17])
def test_units(units: int) -> None:
    random = np.random.default_rng(units)
    native = value_and_grad(recurrent(units), (0, 1), backend="numba", cache=False)
    for steps in (0, 1, 4):
        W, x = random.normal(size=(units, 2 * units)), random.normal(size=(steps, 2 * units))
        source = compare(recurrent(units), native, W, x)
    assert ("in range(blocks)" in source) is (units == 13)
    assert ("at_run_time(" in source) is (units >= 8)


@pytest.mark.parametrize(
    ("f", "shape", "is_in_blocks"),
    [
        (with_a_sum, (14,), False),
        (of_other_turns, (15,), True),
        (in_two_axes, (3, 13), True),
        (added_to, (13,), False),
    ],
)
def test_programs(f: Function, shape: tuple[int, ...], is_in_blocks: bool) -> None:
    native = value_and_grad(f, backend="numba", cache=False)
    source = compare(f, native, np.random.default_rng(1).normal(size=shape))
    assert "at_run_time(" in source
    assert ("in range(blocks)" in source) is is_in_blocks


def test_special_values() -> None:
    def f(x: Any) -> Any:
        y = np.zeros(13) + x
        return np.sum(np.tanh(y) * y + np.exp(y) * 2.0)

    x = np.linspace(-3, 3, 13)
    x[[0, 3, 6, 7, 12]] = np.nan, -800.0, np.inf, -np.inf, np.nan
    native = grad(f, backend="numba", cache=False)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(native(x), grad(f)(x), rtol=1e-12)
    assert "in range(blocks)" in native.native_source


HERE = Affine.of("i")
TANH = Apply("vector_tanh({0})", (Load("x", (HERE,)),))


@pytest.mark.parametrize(
    ("body", "may_repeat"),
    [
        ([Store("y", (HERE,), TANH)], True),
        (
            [Store("y", (HERE,), TANH), Define("t", Load("y", (HERE,))), Store("z", (HERE,), Scalar("t"))],
            True,
        ),
        ([Store("y", (HERE,), TANH), Store("z", (HERE,), Load("y", (HERE + 1,)))], False),
        ([Define("t", Load("y", (HERE,))), Store("y", (HERE,), TANH)], False),
        ([Store("y", (HERE,), TANH, "+=")], False),
        ([Store("z", (HERE,), Scalar("t")), Define("t", TANH)], False),
        ([Define("t", TANH, "+=")], False),
        ([Define("t", Apply("plus({0}, {1})", (Scalar("t"), TANH)))], False),
        ([Store("x", (HERE,), TANH)], False),
        ([Store("x_again", (HERE,), TANH)], False),
        ([Store("y", (HERE,), TANH), Store("z", (HERE,), Scalar("np.float64(i)"))], False),
        ([Store("y", (Affine.of("places[i]"),), TANH)], False),
        ([Store("y", (Affine.of("(i // 2)"),), TANH)], False),
    ],
)
def test_what_may_be_done_twice(body: list[Code], may_repeat: bool) -> None:
    nest = Nest([("i", Affine.of(12))], body)
    program: list[Code] = [Line("x_again = x", frozenset({"x"}), frozenset({"x_again"})), nest]
    block_loops([program], set(), lambda wanted: wanted)
    assert len(nest.loops) == 1 + may_repeat
    assert nest.loops[-1] == ("i", Affine.of("lanes" if may_repeat else "few"))


@pytest.mark.parametrize("exchanged", [True, False])
def test_arrays_that_turns_exchange_are_two(exchanged: bool) -> None:
    nest = Nest([("i", Affine.of(12))], [Store("y", (HERE,), TANH)])
    program: list[Code] = [nest, Line("x, y = y, x", frozenset({"x", "y"}), frozenset({"x", "y"}))]
    block_loops([program], {frozenset({"x", "y"})} if exchanged else set(), lambda wanted: wanted)
    assert (len(nest.loops) == 2) is exchanged


def test_loops_around_loops_of_unknown_turns() -> None:
    n = Affine.of("n")
    body: list[Code] = [Store("y", (HERE, Affine.of("k")), Scalar("1.0"), "+=")]
    rows = Nest([("i", Affine.of(12)), ("k", n)], list(body))
    around = Nest([("h", Affine.of(9)), ("i", Affine.of(12))], [Nest([("k", n)], list(body))])
    known = Nest([("i", Affine.of(12)), ("k", Affine.of(9))], list(body))
    few = Nest([("i", Affine.of(3)), ("k", n)], list(body))
    below = Nest([("k", n), ("i", Affine.of(12))], list(body))
    program: list[Code] = [rows, around, known, few, below]
    block_loops([program], set(), lambda wanted: wanted)
    assert rows.loops == [("i", Affine.of("few")), ("k", n)]
    assert around.loops == [("h", Affine.of("few")), ("i", Affine.of("few"))]
    assert known.loops == [("i", Affine.of(12)), ("k", Affine.of(9))]
    assert few.loops == [("i", Affine.of(3)), ("k", n)]
    assert below.loops == [("k", n), ("i", Affine.of(12))]
    assert [code for code in program if isinstance(code, Define)] == program[:2]


def test_outer_products_of_few_rows() -> None:
    def f(x: Any, y: Any) -> Any:
        a = np.zeros((12, len(y)))
        for k in range(3):
            a = a + np.outer(np.zeros(12) + x * k, np.tanh(y))
        return np.sum(a * a)

    native = value_and_grad(f, (0, 1), backend="numba", cache=False)
    for length in (0, 1, 5):
        compare(f, native, *np.random.default_rng(2).normal(size=(1, 12)), np.linspace(-1.0, 1.0, length))
    assert "in range(few)" in native.native_source


def test_a_hidden_number_is_the_number() -> None:
    from ad_compiler.backends.native.run_time.opaque import at_run_time

    assert at_run_time(8) == 8
    assert numba.njit(lambda: at_run_time(8))() == 8
