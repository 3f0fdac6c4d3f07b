"""Tapes in native code: an array for each saved value, with one row for every entry.

    tape = []                          count = 0
    for i in range(n):                 tape_y = np.empty(n)
        tape.append(y)           ->    for i in range(n):
                                           tape_y[count] = y
                                           count += 1

Where the number of entries is known before the loop the array has that length; else it grows by doubling.
Arrays whose lengths change from turn to turn are kept one behind the other, and their lengths with them.
Nothing is taken away when an entry is read: a pullback may run again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ad_compiler.analysis.types import ArrayType, is_one
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.arranging import pushed_for_shape
from ad_compiler.backends.native.elements import Elements
from ad_compiler.backends.native.frame import Extents, Frame
from ad_compiler.backends.native.nests import Allocate, Code, Define, Line, Scalar, Store
from ad_compiler.ir import Operation, Pop, Value, values_in
from ad_compiler.refusal import Refusal


@dataclass(eq=False, slots=True)
class Entry:
    """The rows of one saved value."""

    name: str
    kind: ArrayType
    extents: Extents | None  # None: they differ from entry to entry
    top: str | None = None  # where the next one starts, if they differ in size
    lengths: list[str] = field(default_factory=list)  # the arrays of their lengths


@dataclass(eq=False, slots=True)
class Tape:
    count: str
    entries: list[Entry] = field(default_factory=list)
    start: list[Code] = field(default_factory=list)  # in front of the loop
    depth: int = 0


class Tapes:
    """The tapes of a program."""

    def __init__(self, frame: Frame, elements: Elements) -> None:
        self.frame = frame
        self.elements = elements
        self.tapes: dict[Value, Tape] = {}
        self.pushed_for_shape = pushed_for_shape(frame.function)
        self.turns: list[str | None] = []  # how many turns the loops around have, if that is known

    def make(self, node: Operation) -> None:
        count = self.frame.fresh("count")
        tape = Tape(count, depth=len(self.turns))
        self.tapes[node.result] = tape
        self.frame.write(Define(count, Scalar("0")))

    def starts(self) -> list[Code]:
        """What must stand in front of the outermost loop: filled while the loop is lowered."""
        codes: list[Code] = []
        for tape in self.tapes.values():
            if tape.depth == len(self.turns) and not tape.entries:
                tape.start = codes
        return codes

    def copy(self, node: Operation) -> None:
        original = self.tapes[node.arguments[0]]
        count = self.frame.fresh("count")
        self.frame.write(Define(count, Scalar(original.count)))
        copied = Tape(count, depth=-1)
        for entry in original.entries:
            top = None
            if entry.top is not None:
                top = self.frame.fresh("top")
                self.frame.write(Define(top, Scalar(entry.top)))
            copied.entries.append(Entry(entry.name, entry.kind, entry.extents, top, entry.lengths))
        self.tapes[node.result] = copied

    def push(self, node: Operation) -> None:
        frame = self.frame
        tape = self.tapes[node.arguments[0]]
        capacity = self.capacity(tape)
        for number, value in enumerate(values_in(node.arguments[1])):
            if not isinstance(value.type, ArrayType):  # Numba takes no lists of lists from Python
                raise Refusal("a list is saved for the reverse sweep", scalars.ADVICE)
            extents = frame.extents_of(value)
            if (node, number) in self.pushed_for_shape and is_fixed(frame, extents):
                tape.entries.append(Entry("", value.type, extents))
                continue
            entry = self.entry(tape, value, capacity)
            tape.entries.append(entry)
            index = frame.subscripts_of(extents)
            part = self.elements.element(value, index)
            if entry.extents is not None:
                if capacity is None:
                    self.grow(entry.name, f"{tape.count} == {entry.name}.shape[0]", f"{tape.count} + 1")
                frame.nest(extents, [Store(entry.name, (Affine.of(tape.count), *index), part)])
                continue
            size = frame.product(extents)
            self.grow(entry.name, f"{entry.top} + {size} > {entry.name}.shape[0]", f"{entry.top} + {size}")
            for name, extent in zip(entry.lengths, extents, strict=True):
                self.grow(name, f"{tape.count} == {name}.shape[0]", f"{tape.count} + 1")
                frame.write(Store(name, (Affine.of(tape.count),), Scalar(str(extent), scalars.ADD)))
            place = Affine.of(str(entry.top)) + self.flat(index, extents)
            frame.nest(extents, [Store(entry.name, (place,), part)])
            frame.write(Define(str(entry.top), Scalar(str(size)), "+="))
        frame.write(Define(tape.count, Scalar("1"), "+="))

    def flat(self, index: tuple[Affine, ...], extents: Extents) -> Affine:
        text = ""
        for i, extent in zip(index, extents, strict=True):
            bare = str(extent) if extent.is_simple else f"({extent})"
            text = str(i) if not text else f"({text}) * {bare} + {i}"
        return Affine.of(f"({text})") if len(extents) > 1 else index[0]

    def grow(self, name: str, condition: str, size: str) -> None:
        self.frame.write(
            Line(
                f"if {condition}:\n    {name} = grown({name}, {size})",
                frozenset({name}),
                frozenset({name}),
            )
        )

    def capacity(self, tape: Tape) -> str | None:
        """How many entries there are at most, if that is known in front of the loop."""
        turns = self.turns[tape.depth :]
        if any(each is None for each in turns):
            return None
        return " * ".join(str(each) for each in turns)

    def entry(self, tape: Tape, value: Value, capacity: str | None) -> Entry:
        frame, kind = self.frame, value.type
        assert isinstance(kind, ArrayType)
        extents: Extents | None = frame.extents_of(value)
        assert extents is not None
        if not is_fixed(frame, extents):
            extents = None
        name = frame.fresh(f"tape_{value.name or frame.names.get(value, 'saved')}")
        dtype = scalars.dtype_text(kind.dtype)
        if extents is not None:
            rows = capacity if capacity is not None else "16"
            tape.start.append(Allocate(name, (Affine.of(rows), *extents), dtype))
            return Entry(name, kind, extents)
        top = frame.fresh("top")
        lengths = [frame.fresh(f"{name}_{axis}") for axis in range(kind.rank)]
        tape.start.append(Allocate(name, (Affine.of(64),), dtype))
        tape.start.append(Define(top, Scalar("0")))
        tape.start += [
            Allocate(each, (Affine.of(16),), scalars.dtype_text(np.dtype(np.int64))) for each in lengths
        ]
        return Entry(name, kind, None, top, lengths)

    def pop(self, node: Pop) -> None:
        frame = self.frame
        tape = self.tapes[node.tape]
        frame.write(Define(tape.count, Scalar("1"), "-="))
        for value, entry in zip(node.results, tape.entries, strict=True):
            if not entry.name:
                assert entry.extents is not None
                frame.extents[value] = entry.extents
                continue
            name = frame.give(value)
            if entry.kind.rank == 0:
                frame.write(Define(name, Scalar(f"{entry.name}[{tape.count}]")))
            elif entry.extents is not None:
                text = f"{name} = {entry.name}[{tape.count}]"
                frame.write(Line(text, frozenset({entry.name, tape.count}), frozenset({name})))
                frame.extents[value] = entry.extents
            else:
                extents = []
                for axis, length in enumerate(entry.lengths):
                    if is_one(entry.kind.shape[axis]):
                        extents.append(Affine.of(1))
                        continue
                    own = frame.fresh(f"{name}_{axis}")
                    frame.write(Define(own, Scalar(f"{length}[{tape.count}]")))
                    frame.ranges.lengths.add(own)
                    extents.append(Affine.of(own))
                size = frame.product(tuple(extents))
                frame.write(Define(str(entry.top), Scalar(str(size)), "-="))
                shape = ", ".join(map(str, extents)) + ("," if len(extents) == 1 else "")
                text = f"{name} = {entry.name}[{entry.top}:{entry.top} + {size}].reshape(({shape}))"
                reads = frozenset({entry.name, str(entry.top), *map(str, extents)})
                frame.write(Line(text, reads, frozenset({name})))
                frame.extents[value] = tuple(extents)


def is_fixed(frame: Frame, extents: Extents) -> bool:
    """Whether lengths are the same in every turn."""
    return not any(frame.made_in_loops & set(names(extent)) for extent in extents)


def names(number: Affine) -> list[str]:
    import re

    return [found for name, _ in number.terms for found in re.findall(r"[A-Za-z_]\w*", name)]
