"""Grids that sweeps fill themselves: only with what the nest in front of them would have put there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import value_and_grad
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Allocate,
    Apply,
    Choice,
    Code,
    Comment,
    Expression,
    Line,
    Load,
    Nest,
    Scalar,
    Store,
    codes_in,
    text_of,
)
from ad_compiler.backends.native.passes.starting import Starter

pytest.importorskip("numba")

SUBSCRIPTS = ["k", "l", "p"]
N, ROW, COLUMN = Affine.of("n"), Affine.of("i"), Affine.of("j")
DTYPES = {"u": "np.float64", "v": "np.float64", "x": "np.float64", "single": "np.float32"}
MADE = Allocate("u", (N, N), "np.float64")
BAR = Allocate("f_bar", (N, N), "np.float64", zeros=True)


def element(name: str, *index: Affine) -> Load:
    return Load(name, index or (ROW, COLUMN))


def times(*factors: Expression) -> Expression:
    return Apply("{0} * {1}", factors, 11, (11, 12))


def nest(value: Expression, *more: Code, name: str = "u", stop: Affine = N, operator: str = "=") -> Nest:
    store = Store(name, (ROW, COLUMN), value, operator)
    return Nest([("i", stop), ("j", stop)], [*more, store])


def sweeps(grid: str = "u") -> Line:
    text = f'done = sweep_grid({grid}, {grid}, 1.0, f, n, n, 0.25, 1.0, steps, "nswef")'
    return Line(text, frozenset(), frozenset({"done", grid}))


def sweeps_back() -> Line:
    text = 'done = sweep_grid_back(u, u, 1.0, f_bar, n, n, 0.25, 1.0, steps, "+f")'
    return Line(text, frozenset(), frozenset({"done", "u", "f_bar"}))


def line(text: str, *written: str) -> Line:
    return Line(text, frozenset(), frozenset(written))


def given(program: list[Code]) -> tuple[str, str]:
    """What the grid of a program starts with, once it is rewritten."""
    Starter([program, []], DTYPES, SUBSCRIPTS).run()
    (call,) = [code for code in codes_in(program) if isinstance(code, Line) and "sweep_grid" in code.text]
    _, start, factor, *_ = call.text.split(", ")
    return start, factor


COPY = nest(element("x"))


def test_what_is_written() -> None:
    comment, made = Comment("# u = 2.0 * x"), nest(times(Scalar("2.0"), element("x")))
    program: list[Code] = [MADE, comment, made, sweeps()]
    Starter([program, []], DTYPES, SUBSCRIPTS).run()
    allocation, call, choice = program
    assert allocation is MADE
    assert isinstance(call, Line)
    assert call.text == 'done = sweep_grid(u, x, 2.0, f, n, n, 0.25, 1.0, steps, "nswef")'
    assert "x" in call.reads
    assert isinstance(choice, Choice)
    assert text_of(choice.condition) == "done == 0"
    assert (choice.then, choice.otherwise) == ([comment, made], [])


def test_a_cotangent_that_is_zero() -> None:
    program: list[Code] = [MADE, BAR, COPY, sweeps_back()]
    Starter([program, []], DTYPES, SUBSCRIPTS).run()
    _, made, call, choice = program
    assert isinstance(made, Allocate) and not made.zeros
    assert isinstance(call, Line)
    assert call.text == 'done = sweep_grid_back(u, x, 1.0, f_bar, n, n, 0.25, 1.0, steps, "=f")'
    assert isinstance(choice, Choice)
    copy, zeros = choice.then
    assert copy is COPY
    assert isinstance(zeros, Nest) and zeros.loops == [("k", N), ("l", N)]
    (store,) = zeros.body
    assert isinstance(store, Store)
    assert (store.array, store.operator, text_of(store.value)) == ("f_bar", "=", "0.0")


@pytest.mark.parametrize(
    "between", [nest(Scalar("1.0"), name="f_bar", operator="+="), line("use(f_bar)"), line("g = f_bar", "g")]
)
def test_a_cotangent_that_may_be_something_else(between: Code) -> None:
    program: list[Code] = [MADE, BAR, between, sweeps_back()]
    Starter([program, []], DTYPES, SUBSCRIPTS).run()
    assert program[1] is BAR
    assert isinstance(program[-1], Line) and program[-1].text == sweeps_back().text


@pytest.mark.parametrize(
    ("value", "start"),
    [
        (element("x"), ("x", "1.0")),
        (element("u"), ("u", "1.0")),
        (times(element("x"), Scalar("c")), ("x", "c")),
        (times(Apply("-{0}", (Scalar("c"),), 13, (13,)), element("x")), ("x", "-c")),
        (element("x", COLUMN, ROW), None),
        (element("x", ROW, COLUMN + 1), None),
        (element("single"), None),
        (element("unknown"), None),
        (times(element("x"), element("x")), None),
        (times(element("x"), element("y", ROW)), None),
        (times(element("x"), Scalar("i")), None),
        (times(element("x"), Apply("np.sin({0})", (Scalar("c"),))), None),
        (times(times(Scalar("c"), Scalar("d")), element("x")), None),
        (Apply("{0} + {1}", (element("x"), Scalar("c")), 9), None),
        (Scalar("0.0"), None),
    ],
)
def test_what_the_nest_makes(value: Expression, start: tuple[str, str] | None) -> None:
    assert given([MADE, nest(value), sweeps()]) == (start or ("u", "1.0"))


@pytest.mark.parametrize(
    "made",
    [
        nest(element("x"), operator="+="),
        nest(element("x"), stop=N - 1),
        nest(element("x"), Store("v", (ROW, COLUMN), Scalar("0.0"))),
        Nest([("j", N), ("i", N)], [Store("u", (ROW, COLUMN), element("x"))]),
    ],
)
def test_other_nests(made: Nest) -> None:
    assert given([MADE, made, sweeps()]) == ("u", "1.0")


@pytest.mark.parametrize(
    ("between", "may_be"),
    [
        (Allocate("v", (N, N), "np.float64"), True),
        (nest(element("x"), name="v"), True),
        (line("total = np.sum(x)", "total"), True),
        (line("total = np.sum(u)", "total"), False),
        (nest(Scalar("1.0"), name="x"), False),
        (nest(Scalar("1.0")), False),
        (line("c = 2.0 * c", "c"), False),
        (line("n = m", "n"), False),
    ],
)
def test_what_is_in_between(between: Code, may_be: bool) -> None:
    made = nest(times(Scalar("c"), element("x")))
    assert given([MADE, made, between, sweeps()]) == (("x", "c") if may_be else ("u", "1.0"))


@pytest.mark.parametrize(
    ("alias", "may_be"), [("v = u", True), ("v = u[1:]", False), ("v = u.T", False), ("v, w = u, x", False)]
)
def test_one_array_with_two_names(alias: str, may_be: bool) -> None:
    program: list[Code] = [MADE, COPY, line(alias, "v", "w"), nest(element("u"), name="v"), sweeps("v")]
    assert given(program) == ("u" if may_be else "v", "1.0")


@pytest.mark.parametrize("extra", [MADE, line("u = x", "u")])
def test_arrays_that_are_made_twice(extra: Code) -> None:
    """How long they are is not known."""
    assert given([extra, MADE, COPY, sweeps()]) == ("u", "1.0")


def copied(x: Any, f: Any, steps: Any) -> Any:
    u = x.copy()
    for _ in range(steps):
        for i in range(1, 54):
            for j in range(1, u.shape[1] - 3):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - f[i, j])
    return np.sum(u * u)


def halved(x: Any, f: Any, steps: Any) -> Any:
    """Twice: the second grid starts as a multiple of the first one, which is needed later on."""
    total = 0.0
    u = 0.5 * x
    for _ in range(steps):
        for i in range(1, 54):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j]) / 4
    v = 3.0 * u
    for _ in range(steps):
        for i in range(1, 54):
            for j in range(1, u.shape[1] - 1):
                v[i, j] = (v[i - 1, j] + v[i + 1, j] + v[i, j - 1] + v[i, j + 1]) / 4
    total = total + np.sum(v * u)
    return total


@pytest.mark.parametrize("steps", [0, 1, 9, 10, 13, 30])
@pytest.mark.parametrize("f", [copied, halved])
def test_programs(f: Callable[..., Any], steps: int) -> None:
    random = np.random.default_rng(steps)
    for shape in ((55, 4), (55, 8), (58, 33)):
        x, source = random.normal(size=shape), random.normal(size=shape)
        for given in (x, np.asfortranarray(x), x[:, ::-1], x.astype(np.float32)):
            before = given.copy()
            native = value_and_grad(f, argnums=(0, 1), backend="numba", cache=False)
            value, gradients = native(given, source, steps)
            expected, others = value_and_grad(f, argnums=(0, 1))(given, source, steps)
            tolerance = 1e-11 if given.dtype == np.float64 else 1e-5
            np.testing.assert_allclose(value, expected, rtol=tolerance)
            for gradient, other in zip(gradients, others, strict=True):
                np.testing.assert_allclose(gradient, other, rtol=tolerance, atol=tolerance)
                assert gradient.dtype == other.dtype
            np.testing.assert_array_equal(given, before)
            assert ("if done == 0:" in native.native_source) == (given.dtype == np.float64)
