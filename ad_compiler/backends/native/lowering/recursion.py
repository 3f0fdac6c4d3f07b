"""Functions of a program that become functions of the native module.

They call themselves as often as it takes at run time:

    def power(x, n):                        def power(x, n, records, depth):
        ...                                     ...
        rest, pullback = power(x, n - 1)        rest, record = power(x, n - 1, records, depth + 1)
        ...                                     records.append((rest, record))
        def pullback(result_bar): ...   ->      return (chosen, len(records) - 1)
        return chosen, pullback
                                            def power_pullback(record, result_bar, records):
                                                rest, record_1 = records[record]
                                                ...

What the reverse sweep of a call needs is kept in a list of records, one for each call; the place in that list
is the pullback. The program around makes the lists, so nothing of them crosses to Python: a pullback that is
called from there runs the forward sweep once more. Calls deeper than Python allows by default depart, and
NumPy code raises what the program raises.

A derivative that a program calls, and whose text is not inlined, runs both its sweeps
(`transforms.derivative_functions`) and has no pullback. It drops the records of the calls that it makes:

    def power_grad(x, n, records, depth):
        records_before = len(records)
        result, record = power(x, n, records, depth + 1)
        x_bar = power_pullback(record, 1.0, records)
        del records[records_before:]
        return x_bar
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ad_compiler.analysis.types import ArrayType
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.lowering.arranging import tapes_read
from ad_compiler.backends.native.lowering.frame import Frame
from ad_compiler.backends.native.lowering.lists import example
from ad_compiler.backends.native.nests import Allocate, Code, codes_in
from ad_compiler.ir import Call, Function, Operation, Pop, Value
from ad_compiler.refusal import Refusal
from ad_compiler.traversal import functions_called, nodes_in

DEEPEST = 500  # a call takes up to some kilobytes of the stack


@dataclass(eq=False, slots=True)
class Callee:
    """A function of the program as one of the native module."""

    function: Function
    name: str
    pullback: str
    records: str | None  # the variable that is its list of records
    example: str = ""  # a record, whatever its values
    texts: list[str] = field(default_factory=list)
    questions: list[tuple[str, list[int]]] = field(default_factory=list)  # on parameters, by their numbers

    @property
    def has_pullback(self) -> bool:
        return self.records is not None


@dataclass(eq=False, slots=True)
class Callees:
    """All of them, in the order in which they are lowered."""

    known: dict[Function, Callee]
    library: dict[str, str] = field(default_factory=dict)  # what all functions of the module share
    modules: set[str] = field(default_factory=set)

    def __iter__(self) -> Iterator[Callee]:
        return iter(self.known.values())

    @property
    def records(self) -> list[str]:
        """The lists that every call hands on."""
        return [callee.records for callee in self if callee.records is not None]

    @property
    def names(self) -> set[str]:
        """The names that no variable may have."""
        own = {name for each in self for name in (each.name, each.pullback)}
        return {*own, *self.records, *map(before, self.records), "depth", "record"}


def before(records: str) -> str:
    """The variable that says how many records there were before a call."""
    return f"{records}_before"


def callees_of(function: Function, reserved: frozenset[str]) -> Callees:
    """The functions that a program calls, under names of their own."""
    found = Callees({})
    taken = {*reserved, function.name, f"{function.name}_pullback"}
    for each in functions_called(function):
        name, number = each.name, 0
        while {name, f"{name}_pullback"} & taken:
            number += 1
            name = f"{each.name}_{number}"
        taken |= {name, f"{name}_pullback"}
        has_pullback = each.reverse is not None and each.derivatives is None
        records = f"records_of_{name}" if has_pullback else None
        found.known[each] = Callee(each, name, f"{name}_pullback", records)
    return found


def function_of(pullback: Value, function: Function) -> Function:
    """The function whose calls have this pullback; it may have been on a tape."""
    node = pullback.operation
    if isinstance(node, Call):
        return node.function
    if isinstance(node, Pop):
        place = node.results.index(pullback)
        tape = next(tape for tape, pop in tapes_read(function).items() if pop is node)
        for block in function.blocks:
            for push in nodes_in(block):
                if (
                    isinstance(push, Operation)
                    and push.primitive.name == "push"
                    and push.arguments[0] is tape
                ):
                    saved = push.arguments[1]
                    return function_of(saved[place] if isinstance(saved, tuple) else saved, function)
    raise Refusal("a pullback that control flow chooses has no native form", scalars.ADVICE)


def kept_as(frame: Frame, codes: list[Code], name: str) -> tuple[str, str]:
    """What of a variable is put into a record, and a value of its type; raises `Refusal` for other kinds."""
    value = frame.value_of.get(name)
    if value is not None and isinstance(value.type, ArrayType):
        return (f"{name}.copy()" if value.type.rank else name), example(value.type)
    if name in frame.whole or name in frame.ranges.lengths or name in frame.ranges.bounds:
        return name, "0"
    for code in codes_in(codes):
        if isinstance(code, Allocate) and code.name == name:
            return f"{name}.copy()", f"np.empty(({'0, ' * len(code.extents)}), {code.dtype})"
    raise Refusal(f"what the reverse sweep of a call needs (`{name}`) has no native form", scalars.ADVICE)
