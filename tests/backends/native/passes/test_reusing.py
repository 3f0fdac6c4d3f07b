"""Arrays that take over the memory of others: only where nobody can tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import value_and_grad, vjp
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Allocate,
    Apply,
    Code,
    Comment,
    Define,
    Expression,
    Line,
    Load,
    Nest,
    Repeat,
    Scalar,
    Store,
    text_of,
)
from ad_compiler.backends.native.passes.reusing import reuse

pytest.importorskip("numba")

SUBSCRIPTS = ["k", "l", "p"]
N, ROW, COLUMN = Affine.of("n"), Affine.of("i"), Affine.of("j")
LOOPS = [("i", N), ("j", N)]


def array(name: str, dtype: str = "np.float64", extents: tuple[Affine, ...] = (N, N)) -> Allocate:
    return Allocate(name, extents, dtype)


def nest(*body: Code) -> Nest:
    return Nest(list(LOOPS), list(body))


def twice(name: str, *index: Affine) -> Expression:
    return Apply("2.0 * {0}", (Load(name, index or (ROW, COLUMN)),))


def into(name: str, value: Expression, *index: Affine) -> Store:
    return Store(name, index or (ROW, COLUMN), value)


def line(text: str, *written: str) -> Line:
    return Line(text, frozenset(), frozenset(written))


FILL = nest(into("u", Load("x", (ROW, COLUMN))))
MAKE = nest(into("v", twice("u")))


def is_reused(program: list[Code], outputs: list[str], others: list[Code] | None = None) -> bool:
    reuse([program, others or []], outputs, SUBSCRIPTS)
    return any(isinstance(code, Line) and code.text == "v = u" for code in program)


def test_what_is_written() -> None:
    program: list[Code] = [array("u"), FILL, array("v"), Comment("# v = 2 * u"), MAKE]
    reuse([program, []], ["v"], SUBSCRIPTS)
    assert [type(code) for code in program] == [Allocate, Nest, Comment, Line, Comment, Nest]
    memory, alias = program[2:4]
    assert isinstance(memory, Comment) and memory.text == "# the memory of u, which is not needed any more"
    assert isinstance(alias, Line) and alias.text == "v = u"


@pytest.mark.parametrize(
    ("body", "may_be"),
    [
        ([MAKE], True),
        ([nest(Define("t", twice("u")), into("v", Scalar("t")))], True),
        ([nest(into("u", Scalar("1.0")), into("v", twice("u")))], True),
        ([nest(into("v", twice("u", COLUMN, ROW)))], False),
        ([nest(into("v", twice("u", ROW, COLUMN + 1)))], False),
        ([nest(into("v", twice("u"), COLUMN, ROW))], False),
        ([nest(into("v", twice("u", ROW, ROW), ROW, ROW))], False),
        ([nest(into("v", twice("u"), ROW, COLUMN), into("w", twice("u")))], False),
        ([nest(into("v", twice("u")), into("u", Scalar("0.0")))], False),
        ([nest(into("v", Apply("total(u) + {0}", (Load("u", (ROW, COLUMN)),))))], False),
        ([nest(into("v", twice("u"), ROW, Affine.of("u[i, j]")))], False),
        ([Nest([*LOOPS, ("k", N)], [into("v", twice("u"))])], False),
        ([Nest([("i", N), ("j", Affine.of("u[i, 0]"))], [into("v", twice("u"))])], False),
        ([Nest([("i", N)], [Nest([("j", N)], [into("v", twice("u"))])])], False),
        ([Repeat("for k in range(n):", [MAKE])], False),
        ([MAKE, nest(into("w", twice("u")))], False),
        ([MAKE, line("total = np.sum(u)", "total")], False),
        ([nest(into("v", Scalar("1.0"))), nest(into("v", twice("u")))], False),
        ([line("sweep_grid(v, v, 1.0, w)", "v"), MAKE], False),
    ],
)
def test_how_elements_are_read(body: list[Code], may_be: bool) -> None:
    assert is_reused([array("u"), array("w"), FILL, array("v"), *body], ["v", "w"]) is may_be


@pytest.mark.parametrize(
    ("made", "may_be"),
    [
        ([array("u"), array("v")], True),
        ([array("v"), array("u")], True),
        ([array("u", "np.float32"), array("v")], False),
        ([array("u", extents=(N, N + 1)), array("v")], False),
        ([array("u"), Allocate("v", (N, N), "np.float64", zeros=True)], False),
        ([Allocate("u", (N, N), "np.float64", zeros=True), array("v")], True),
        ([array("v")], False),
    ],
)
def test_what_is_alike(made: list[Code], may_be: bool) -> None:
    assert is_reused([*made, FILL, MAKE], ["v"]) is may_be


@pytest.mark.parametrize(
    ("text", "written", "may_be"),
    [
        ("sweep_grid(u, u, 1.0, x)", {"u"}, True),
        ("done = sweep_grid(u, u, 1.0, x)", {"done", "u"}, True),
        ("product_with_vector(x, u, y)", {"y"}, True),
        ("y = u", {"y"}, False),
        ("y = u[1:]", {"y"}, False),
        ("y = u.T", {"y"}, False),
        ("y = own(u)", {"y"}, False),
        ("y.append(u)", set(), False),
        ("y, u = u, y", {"y", "u"}, False),
        ("u = y", {"u"}, False),
        ("if u[0, 0] < 0:\n    raise Departure", set(), False),
    ],
)
def test_who_else_may_have_it(text: str, written: set[str], may_be: bool) -> None:
    assert is_reused([array("u"), FILL, line(text, *written), array("v"), MAKE], ["v"]) is may_be


def test_what_is_returned_or_read_by_another_sweep_stays() -> None:
    assert not is_reused([array("u"), FILL, array("v"), MAKE], ["v", "u"])
    assert not is_reused([array("u"), FILL, array("v"), MAKE], ["v"], [nest(into("w", twice("u")))])
    assert is_reused([array("u"), FILL, array("v"), MAKE], ["v"], [nest(into("w", twice("x")))])


def test_memory_is_taken_over_once_each_time() -> None:
    both = nest(Define("t", twice("u")), into("v", Scalar("t")), into("w", Scalar("t")))
    program: list[Code] = [*map(array, "uvw"), FILL, both]
    reuse([program, []], ["v", "w"], SUBSCRIPTS)
    assert [code.text for code in program if isinstance(code, Line)] == ["v = u"]
    assert [code.name for code in program if isinstance(code, Allocate)] == ["u", "w"]
    program = [array(name) for name in "uvw"]
    program += [FILL, MAKE, nest(into("w", twice("v")))]
    reuse([program, []], ["w"], SUBSCRIPTS)
    assert [code.text for code in program if isinstance(code, Line)] == ["v = u", "w = v"]


USE = line("product_with_vector(x, u, y)", "y")


@pytest.mark.parametrize(
    ("program", "may_be"),
    [
        ([array("u"), FILL, USE, array("v")], True),
        ([array("u"), FILL, Repeat("for t in range(n):", [nest(into("w", twice("u")))]), array("v")], True),
        ([array("u"), FILL, array("v"), nest(into("w", twice("u")))], False),
        ([array("u"), FILL, array("v"), Repeat("for t in range(u[0, 0]):", [USE])], False),
        ([array("u"), array("v"), FILL], False),
        ([array("u", "np.float32"), FILL, array("v")], False),
        ([array("u", extents=(N, N - 1)), FILL, array("v")], False),
        ([array("u"), FILL, line("w = u", "w"), array("v")], False),
        ([array("u"), array("u"), FILL, array("v")], False),
        ([array("u"), FILL, array("v"), array("v")], False),
    ],
)
def test_arrays_after_the_last_use_of_another_one(program: list[Code], may_be: bool) -> None:
    program = [*program, nest(into("v", Scalar("1.0")))]
    assert is_reused(program, ["v", "w"]) is may_be
    assert any(isinstance(code, Allocate) and code.name == "v" for code in program) is not may_be


@pytest.mark.parametrize(
    ("dtype", "zero"),
    [("np.float64", "0.0"), ("np.float32", "np.float32(0.0)"), ("np.int64", "0"), ("np.bool_", "False")],
)
def test_zeros(dtype: str, zero: str) -> None:
    made = Allocate("v", (N, N), dtype, zeros=True)
    program: list[Code] = [array("u", dtype), FILL, Comment("# v"), made, nest(into("v", Scalar("1"), ROW))]
    reuse([program, []], ["v"], SUBSCRIPTS)
    comment, alias, fill = program[3:6]
    assert isinstance(comment, Comment) and "the memory of u" in comment.text
    assert isinstance(alias, Line) and alias.text == "v = u"
    assert isinstance(fill, Nest) and fill.loops == [("k", N), ("l", N)]
    (store,) = fill.body
    assert isinstance(store, Store)
    assert (store.array, list(map(str, store.index)), text_of(store.value)) == ("v", ["k", "l"], zero)


def test_memory_is_taken_over_by_one_of_two() -> None:
    program: list[Code] = [array("u"), FILL, USE, array("v"), array("w"), nest(into("v", Scalar("1.0")))]
    program += [nest(into("w", twice("v")))]
    reuse([program, []], ["v", "w"], SUBSCRIPTS)
    assert [code.text for code in program if isinstance(code, Line)] == [
        "product_with_vector(x, u, y)",
        "v = u",
    ]


def smoothed(x: Any, steps: Any) -> Any:
    u = x.copy()
    for _ in range(steps):
        for i in range(1, len(u) - 1):
            u[i] = 0.5 * (u[i - 1] + u[i + 1])
    return np.sum(u * u)


def shared(x: Any, steps: Any) -> Any:
    u = x.copy()
    window = u[1:]
    for _ in range(steps):
        for i in range(1, len(u) - 1):
            u[i] = 0.5 * (u[i - 1] + u[i + 1])
    return np.sum(u * u) * np.sum(window)


@pytest.mark.parametrize("f", [smoothed, shared])
def test_programs(f: Callable[..., Any]) -> None:
    native = value_and_grad(f, backend="numba", cache=False)
    for length in (0, 1, 2, 3, 9):
        for steps in (0, 1, 5):
            x = np.random.default_rng(length).normal(size=length)
            given = x.copy()
            value, gradient = native(x, steps)
            expected_value, expected = value_and_grad(f)(x, steps)
            np.testing.assert_allclose(value, expected_value, rtol=1e-13)
            np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-15)
            assert np.array_equal(x, given) and not np.shares_memory(x, gradient)
    assert "u_bar = u\n" in native.native_source


def test_a_pullback_may_be_called_again() -> None:
    x = np.linspace(1.0, 2.0, 7)
    _, pullback = vjp(smoothed, x, 3, backend="numba")
    first = pullback(1.0)[0].copy()
    np.testing.assert_allclose(pullback(1.0)[0], first, rtol=0)
    np.testing.assert_allclose(pullback(2.0)[0], 2.0 * first, rtol=1e-15)
