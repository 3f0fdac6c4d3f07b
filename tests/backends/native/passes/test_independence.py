"""Which loops threads may share: conditions on statements of programs, without compiling."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("numba")

from ad_compiler.backends.native.accessing import accesses
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Allocate,
    Apply,
    Choice,
    Code,
    Define,
    Expression,
    Line,
    Load,
    Nest,
    Repeat,
    Scalar,
    Store,
    codes_in,
)
from ad_compiler.backends.native.passes.independence import Kept, Roles, roles, viewed_arrays

ROW, COLUMN, M, N = map(Affine.of, "ijmn")


def at(array: str, *index: Affine) -> Load:
    return Load(array, index)


def added(a: Expression, b: Expression) -> Apply:
    return Apply("{0} + {1}", (a, b), 9)


def found(
    body: list[Code],
    before: list[Code] | None = None,
    behind: list[Code] | None = None,
    in_order: bool = False,
) -> Roles | None:
    """The roles in a loop over `i` in a program with statements around it."""
    program: list[Code] = [*(before or []), Nest([("i", N)], body), *(behind or [])]
    uses = Counter(access.name for code in program for access in accesses(code))
    made = {code.name: code for code in codes_in(program) if isinstance(code, Allocate)}
    kept = Kept(uses, made, lambda a, b: a == b, viewed_arrays([program]))
    return roles(body, "i", kept, in_order)


def test_elements_of_the_turn() -> None:
    assert found([Store("y", (ROW,), at("x", ROW))]) is not None
    assert found([Store("y", (ROW + 1,), added(at("y", ROW + 1), at("x", ROW - 1)))]) is not None
    assert found([Store("y", (N - ROW,), at("x", ROW), "+=")]) is not None


@pytest.mark.parametrize("index", [ROW - 1, ROW + 1, Affine.of(0), Affine.of("k[i]"), COLUMN])
def test_elements_of_other_turns(index: Affine) -> None:
    assert found([Store("y", (ROW,), at("y", index))]) is None
    assert found([Store("y", (index,), Scalar("1.0")), Store("y", (ROW,), Scalar("2.0"))]) is None


@pytest.mark.parametrize("index", [Affine.of("(i // 2)"), Affine.of("(i % 3)"), ROW + Affine.of("(i // 2)")])
def test_subscripts_that_turns_may_share(index: Affine) -> None:
    assert found([Store("y", (index,), Scalar("1.0"))]) is None


def test_a_subscript_that_changes_within_the_turn() -> None:
    assert found([Nest([("j", M)], [Store("y", (ROW + COLUMN,), Scalar("1.0"))])]) is None
    assert found([Nest([("j", M)], [Store("y", (ROW, COLUMN), Scalar("1.0"))])]) is not None


def test_two_names_of_one_array() -> None:
    view: Code = Line("z = y[1:]", frozenset({"y"}), frozenset({"z"}))
    body: list[Code] = [Store("y", (ROW,), at("x", ROW)), Store("w", (ROW,), at("z", ROW))]
    assert found(body) is not None
    program: list[Code] = [view, Nest([("i", N)], body)]
    uses = Counter(access.name for code in program for access in accesses(code))
    kept = Kept(uses, {}, lambda a, b: {a, b} <= {"y", "z"} or a == b, viewed_arrays([program]))
    assert roles(body, "i", kept, False) is None


def test_a_view_of_an_array_by_its_other_name() -> None:
    view: Code = Line("v = a[1:]", frozenset({"a"}), frozenset({"v"}))
    same: Code = Line("b = a", frozenset({"a"}), frozenset({"b"}))
    body: list[Code] = [Store("b", (ROW,), at("x", ROW)), Store("w", (ROW,), at("v", ROW))]
    program: list[Code] = [view, same, Nest([("i", N)], body)]
    uses = Counter(access.name for code in program for access in accesses(code))
    kept = Kept(uses, {}, lambda a, b: {a, b} <= {"a", "b", "v"} or a == b, viewed_arrays([program]))
    assert roles(body, "i", kept, False) is None
    assert roles(body[:1], "i", kept, False) is not None


def test_loops_around_run_in_every_chunk() -> None:
    body: list[Code] = [Store("y", (ROW + COLUMN,), at("x", ROW))]
    uses = Counter(access.name for code in body for access in accesses(code))
    kept = Kept(uses, {}, lambda a, b: a == b, frozenset())
    assert roles(body, "i", kept, False) is not None  # in one turn of a loop over `j`
    assert roles(body, "i", kept, False, around=["j"]) is None
    body = [Store("y", (COLUMN, ROW), at("y", COLUMN - 1, ROW))]
    assert roles(body, "i", kept, False, around=["j"]) is not None


def test_scalars() -> None:
    made: list[Code] = [Define("t", at("x", ROW)), Store("y", (ROW,), Scalar("t"))]
    assert found(made) is not None
    assert found(made[::-1]) is None  # of the turn before
    assert found(made, behind=[Store("z", (Affine.of(0),), Scalar("t"))]) is None
    chosen = Choice(Scalar("c"), [Define("t", Scalar("1.0"))])
    assert found([chosen, made[1]]) is None
    chosen.otherwise.append(Define("t", Scalar("2.0")))
    assert found([chosen, made[1]]) is not None


def test_sums() -> None:
    total: Code = Define("total", at("x", ROW), "+=")
    ordered: Code = Define("total", Apply("plus({0}, {1})", (Scalar("total"), at("x", ROW))))
    for each in (total, ordered):
        sums = found([each], [Define("total", Scalar("0.0"))], [Define("y", Scalar("total"))])
        assert sums is not None and sums.sums == ["total"]
        assert found([each], in_order=True) is None
        assert found([each, Store("y", (ROW,), Scalar("total"))]) is None
    assert found([Define("total", added(Scalar("total"), at("x", ROW)))]) is None
    assert found([Define("total", Scalar("total"), "+=")]) is None


def test_arrays_of_sums() -> None:
    body: list[Code] = [Nest([("j", M)], [Store("w", (COLUMN,), at("x", ROW, COLUMN), "+=")])]
    sums = found(body, [Allocate("w", (M,), "np.float64", zeros=True)])
    assert sums is not None and sums.arrays_of_sums == ["w"]
    assert found([*body, Store("y", (ROW,), at("w", Affine.of(0)))]) is None
    assert found(body, in_order=True) is None


def test_rows() -> None:
    row = Allocate("r", (M,), "np.float64")
    fill: Code = Nest([("j", M)], [Store("r", (COLUMN,), at("x", ROW, COLUMN))])
    read = Nest([("j", M)], [Store("y", (ROW, COLUMN), at("r", Affine.of(0)))])
    rows = found([fill, read], [row])
    assert rows is not None and rows.rows == ["r"]
    assert found([read, fill], [row]) is None
    assert found([fill, read], [Allocate("r", (M,), "np.float64", zeros=True)]) is None
    part: Code = Nest([("j", M - 1)], [Store("r", (COLUMN,), at("x", ROW, COLUMN))])
    assert found([part, read], [row]) is None  # the last one is of the turn before
    assert found([Choice(Scalar("c"), [fill]), read], [row]) is None
    assert found([fill, read], [row], [Define("t", at("r", Affine.of(0)))]) is None
    here: Code = Nest(
        [("j", M - 1)], [Store("r", (COLUMN,), Scalar("1.0")), Store("y", (ROW, COLUMN), at("r", COLUMN))]
    )
    assert found([here], [row]) is not None
    before: Code = Nest(
        [("j", M)], [Store("r", (COLUMN,), Scalar("1.0")), Store("y", (ROW, COLUMN), at("r", COLUMN - 1))]
    )
    assert found([before], [row]) is None
    write: Code = Store("r", (COLUMN,), Scalar("1.0"))
    shadowed: Code = Nest([("j", M - 1)], [write, read])  # which has a loop over `j` of its own
    read.body[:] = [Store("y", (ROW, COLUMN), at("r", COLUMN))]
    assert found([shadowed], [row]) is None


def test_counters() -> None:
    count = Affine.of("count")
    step: Code = Define("count", Scalar("1"), "+=")
    store: Code = Store("tape", (count,), at("x", ROW))
    counting = found([store, step])
    assert counting is not None and [each.name for each in counting.counters] == ["count"]
    inner: Code = Repeat("for j in range(m):", [store, step], index="j", bounds=(Affine(), M))
    nested = found([inner])
    assert nested is not None and nested.counters[0].lengths == (M,)
    assert found([store, step, Define("t", at("tape", count))]) is None
    assert found([Choice(Scalar("c"), [store, step])]) is None
    assert found([store, Define("count", Scalar("2"), "+=")]) is None
    assert found([store, step, Store("y", (ROW,), Scalar("count"))]) is None
    assert found([store, step, step]) is None
    triangle: Code = Repeat("for j in range(i):", [store, step], index="j", bounds=(Affine(), ROW))
    assert found([triangle]) is None


def test_lines_that_are_not_known() -> None:
    store: Code = Store("y", (ROW,), at("x", ROW))
    check: Code = Line("if m < 2:\n    raise Departure", frozenset({"m"}))
    assert found([check, store]) is not None
    assert found([Line("append(y)", frozenset({"y"})), store]) is None
    assert found([Store("y", (ROW,), Apply("library({0})", (at("x", ROW),)))]) is None
    assert found([Repeat("while m > 0:", [store])]) is None
    assert found([Line("break"), store]) is None
