"""Which loops threads may share: conditions on statements of the iteration-space program, without compiling."""

from __future__ import annotations

from collections import Counter

import pytest

pytest.importorskip("numba")

from ad_compiler.backends.native.accessing import accesses
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.independence import Kept, Roles, roles, viewed_arrays
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

I, J, M, N = map(Affine.of, "ijmn")


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
    assert found([Store("y", (I,), at("x", I))]) is not None
    assert found([Store("y", (I + 1,), added(at("y", I + 1), at("x", I - 1)))]) is not None
    assert found([Store("y", (N - I,), at("x", I), "+=")]) is not None


@pytest.mark.parametrize("index", [I - 1, I + 1, Affine.of(0), Affine.of("k[i]"), J])
def test_elements_of_other_turns(index: Affine) -> None:
    assert found([Store("y", (I,), at("y", index))]) is None
    assert found([Store("y", (index,), Scalar("1.0")), Store("y", (I,), Scalar("2.0"))]) is None


@pytest.mark.parametrize("index", [Affine.of("(i // 2)"), Affine.of("(i % 3)"), I + Affine.of("(i // 2)")])
def test_subscripts_that_turns_may_share(index: Affine) -> None:
    assert found([Store("y", (index,), Scalar("1.0"))]) is None


def test_a_subscript_that_changes_within_the_turn() -> None:
    assert found([Nest([("j", M)], [Store("y", (I + J,), Scalar("1.0"))])]) is None
    assert found([Nest([("j", M)], [Store("y", (I, J), Scalar("1.0"))])]) is not None


def test_two_names_of_one_array() -> None:
    view: Code = Line("z = y[1:]", frozenset({"y"}), frozenset({"z"}))
    body: list[Code] = [Store("y", (I,), at("x", I)), Store("w", (I,), at("z", I))]
    assert found(body) is not None
    program: list[Code] = [view, Nest([("i", N)], body)]
    uses = Counter(access.name for code in program for access in accesses(code))
    kept = Kept(uses, {}, lambda a, b: {a, b} <= {"y", "z"} or a == b, viewed_arrays([program]))
    assert roles(body, "i", kept, False) is None


def test_scalars() -> None:
    made: list[Code] = [Define("t", at("x", I)), Store("y", (I,), Scalar("t"))]
    assert found(made) is not None
    assert found(made[::-1]) is None  # of the turn before
    assert found(made, behind=[Store("z", (Affine.of(0),), Scalar("t"))]) is None
    chosen = Choice(Scalar("c"), [Define("t", Scalar("1.0"))])
    assert found([chosen, made[1]]) is None
    chosen.otherwise.append(Define("t", Scalar("2.0")))
    assert found([chosen, made[1]]) is not None


def test_sums() -> None:
    total: Code = Define("total", at("x", I), "+=")
    ordered: Code = Define("total", Apply("plus({0}, {1})", (Scalar("total"), at("x", I))))
    for each in (total, ordered):
        sums = found([each], [Define("total", Scalar("0.0"))], [Define("y", Scalar("total"))])
        assert sums is not None and sums.sums == ["total"]
        assert found([each], in_order=True) is None
        assert found([each, Store("y", (I,), Scalar("total"))]) is None
    assert found([Define("total", added(Scalar("total"), at("x", I)))]) is None
    assert found([Define("total", Scalar("total"), "+=")]) is None


def test_arrays_of_sums() -> None:
    body: list[Code] = [Nest([("j", M)], [Store("w", (J,), at("x", I, J), "+=")])]
    sums = found(body, [Allocate("w", (M,), "np.float64", zeros=True)])
    assert sums is not None and sums.arrays_of_sums == ["w"]
    assert found([*body, Store("y", (I,), at("w", Affine.of(0)))]) is None
    assert found(body, in_order=True) is None


def test_rows() -> None:
    row = Allocate("r", (M,), "np.float64")
    fill: Code = Nest([("j", M)], [Store("r", (J,), at("x", I, J))])
    read: Code = Nest([("j", M)], [Store("y", (I, J), at("r", Affine.of(0)))])
    rows = found([fill, read], [row])
    assert rows is not None and rows.rows == ["r"]
    assert found([read, fill], [row]) is None
    assert found([fill, read], [Allocate("r", (M,), "np.float64", zeros=True)]) is None
    assert found([Nest([("j", M - 1)], fill.body), read], [row]) is None  # the last one is of the turn before
    assert found([Choice(Scalar("c"), [fill]), read], [row]) is None
    assert found([fill, read], [row], [Define("t", at("r", Affine.of(0)))]) is None
    here: Code = Nest([("j", M - 1)], [Store("r", (J,), Scalar("1.0")), Store("y", (I, J), at("r", J))])
    assert found([here], [row]) is not None
    before: Code = Nest([("j", M)], [Store("r", (J,), Scalar("1.0")), Store("y", (I, J), at("r", J - 1))])
    assert found([before], [row]) is None


def test_counters() -> None:
    count = Affine.of("count")
    step: Code = Define("count", Scalar("1"), "+=")
    store: Code = Store("tape", (count,), at("x", I))
    counting = found([store, step])
    assert counting is not None and [each.name for each in counting.counters] == ["count"]
    inner: Code = Repeat("for j in range(m):", [store, step], index="j", bounds=(Affine(), M))
    nested = found([inner])
    assert nested is not None and nested.counters[0].lengths == (M,)
    assert found([store, step, Define("t", at("tape", count))]) is None
    assert found([Choice(Scalar("c"), [store, step])]) is None
    assert found([store, Define("count", Scalar("2"), "+=")]) is None
    assert found([store, step, Store("y", (I,), Scalar("count"))]) is None
    assert found([store, step, step]) is None
    triangle: Code = Repeat("for j in range(i):", [store, step], index="j", bounds=(Affine(), I))
    assert found([triangle]) is None


def test_lines_that_are_not_known() -> None:
    store: Code = Store("y", (I,), at("x", I))
    check: Code = Line("if m < 2:\n    raise Departure", frozenset({"m"}))
    assert found([check, store]) is not None
    assert found([Line("append(y)", frozenset({"y"})), store]) is None
    assert found([Store("y", (I,), Apply("library({0})", (at("x", I),)))]) is None
    assert found([Repeat("while m > 0:", [store])]) is None
    assert found([Line("break"), store]) is None
