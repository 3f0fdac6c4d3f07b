"""Tapes in native code: an array for each saved value, with one row for every entry.

    tape = []                          count = 0
    for i in range(n):                 tape_y = np.empty(n)
        tape.append(y)           ->    for i in range(n):
                                           tape_y[count] = y
                                           count += 1

Where the number of entries is known before the loop the array has that length; else it grows by doubling.
Arrays whose lengths change from turn to turn are kept one behind the other, and their lengths with them; of
those that are taken off for their shape, the lengths alone.
Nothing is taken away when an entry is read: a pullback may run again.

The states that a loop under `checkpointed` keeps are taken away: the next one is written where the last one
was. So there is room for as many as there are slots, what is taken is a copy, and a pullback, which may run
again, has a copy of them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ad_compiler.analysis.types import INT, ArrayType, ListType, is_one, same_length
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering import list_tapes
from ad_compiler.backends.native.lowering.arranging import pushed_for_shape, tapes_read
from ad_compiler.backends.native.lowering.elements import Elements, affine
from ad_compiler.backends.native.lowering.frame import Extents, Frame
from ad_compiler.backends.native.lowering.list_tapes import ListEntry
from ad_compiler.backends.native.lowering.lists import list_name
from ad_compiler.backends.native.lowering.materialising import as_scalar
from ad_compiler.backends.native.nests import Allocate, Code, Define, Expression, Line, Scalar, Store
from ad_compiler.ir import UNBOUND, Operand, Operation, Pop, Value
from ad_compiler.rules.shapes import type_of
from ad_compiler.transforms.reverse_calls import PULLBACK

MOST_ROWS = 1024  # that are there from the start, however many slots there are


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
    read: Pop  # what takes an entry off it
    entries: list[Entry | ListEntry] = field(default_factory=list)
    start: list[Code] = field(default_factory=list)  # in front of the loop
    depth: int = 0
    slots: str | None = None  # how many states a loop under `checkpointed` keeps


class Tapes:
    """The tapes of a program."""

    def __init__(self, frame: Frame, elements: Elements) -> None:
        self.frame = frame
        self.elements = elements
        self.tapes: dict[Value, Tape] = {}
        self.read = tapes_read(frame.function)
        self.pushed_for_shape = pushed_for_shape(frame.function)
        self.turns: list[str | None] = []  # how many turns the loops around have, if that is known

    def whole(self, wanted: str) -> str:
        """A variable that is a whole number."""
        name = self.frame.fresh(wanted)
        self.frame.whole.add(name)
        return name

    def make(self, node: Operation) -> None:
        """Begin a tape: its arrays are made when it is known what is kept on it, if it is ever read."""
        if node.result not in self.read:
            return
        count = self.whole("count")
        tape = Tape(count, self.read[node.result], depth=len(self.turns))
        if node.primitive.name == "checkpoints":
            slots = affine(self.frame, self.elements, node.arguments[0])
            tape.slots = str(slots if slots.known is None else min(slots.known, MOST_ROWS))
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
        """A second reader of a tape, which goes back by itself; checkpoints are written again, and copied."""
        original = self.tapes[node.arguments[0]]
        count = self.whole("count")
        self.frame.write(Define(count, Scalar(original.count)))
        copied = Tape(count, original.read, depth=-1, slots=original.slots)
        for entry in original.entries:
            if isinstance(entry, ListEntry):
                items = self.whole(entry.items)
                self.frame.write(Define(items, Scalar(entry.items)))
                copies = {
                    name: self.copied(name) if original.slots is not None else name for name in entry.arrays()
                }
                copied.entries.append(entry.renamed(copies, items))
                continue
            top = None
            if entry.top is not None:
                top = self.whole("top")
                self.frame.write(Define(top, Scalar(entry.top)))
            own = Entry(entry.name, entry.kind, entry.extents, top, entry.lengths)
            if original.slots is not None:
                own.name = entry.name and self.copied(entry.name)
                own.lengths = list(map(self.copied, entry.lengths))
            copied.entries.append(own)
        self.tapes[node.result] = copied

    def copied(self, name: str) -> str:
        """A copy of an array of a tape."""
        copy = self.frame.fresh(name)
        self.frame.write(Line(f"{copy} = {name}.copy()", frozenset({name}), frozenset({copy})))
        return copy

    def push(self, node: Operation) -> None:
        """Keep values as the next entry, each in an array of its own."""
        if node.arguments[0] not in self.tapes:
            return
        frame = self.frame
        tape = self.tapes[node.arguments[0]]
        capacity = self.capacity(tape)
        is_known = bool(tape.entries)  # states are kept in the forward and in the reverse sweep
        kinds = [value.type for value in tape.read.results]
        for number, (operand, given) in enumerate(zip(entries_of(node), kinds, strict=True)):
            kind = INT if given is PULLBACK else given  # the place of a record
            if isinstance(kind, ListType):
                self.push_list(tape, number, operand, kind, is_known)
                continue
            assert isinstance(kind, ArrayType)
            extents = self.extents_of(operand, kind)
            is_read = (node, number) not in self.pushed_for_shape
            if not is_read and is_fixed(frame, extents):
                tape.entries.append(Entry("", kind, extents))
                continue
            if not is_known:
                tape.entries.append(self.entry(tape, operand, kind, capacity, is_read))
            entry = tape.entries[number]
            assert isinstance(entry, Entry)
            if not is_read:
                self.push_lengths(tape, entry, extents)
                continue
            if entry.extents is not None:
                for own, other in zip(entry.extents, extents, strict=True):
                    frame.require_equal(own, other)
            index = frame.subscripts_of(extents)
            if given is PULLBACK:
                part: Expression = Scalar(frame.names[operand])
            elif kind.rank == 0:
                part = as_scalar(frame, self.elements, 0 if operand is UNBOUND else operand, kind)
            elif operand is UNBOUND:
                part = scalars.number(0, kind.dtype)
            else:
                part = self.elements.element(operand, index)
            if entry.extents is not None:
                if capacity is None:
                    self.grow(entry.name, f"{tape.count} == {entry.name}.shape[0]", f"{tape.count} + 1")
                frame.nest(extents, [Store(entry.name, (Affine.of(tape.count), *index), part)])
                continue
            size = frame.product(extents)
            self.grow(entry.name, f"{entry.top} + {size} > {entry.name}.shape[0]", f"{entry.top} + {size}")
            self.push_lengths(tape, entry, extents)
            place = Affine.of(str(entry.top)) + self.flat(index, extents)
            frame.nest(extents, [Store(entry.name, (place,), part)])
            frame.write(Define(str(entry.top), Scalar(str(size)), "+="))
        frame.write(Define(tape.count, Scalar("1"), "+="))

    def push_lengths(self, tape: Tape, entry: Entry, extents: Extents) -> None:
        for name, extent in zip(entry.lengths, extents, strict=True):
            self.grow(name, f"{tape.count} == {name}.shape[0]", f"{tape.count} + 1")
            self.frame.write(Store(name, (Affine.of(tape.count),), Scalar(str(extent), scalars.ADD)))

    def push_list(self, tape: Tape, number: int, xs: Operand, kind: ListType, is_known: bool) -> None:
        """Keep a list as a part of the next entry."""
        frame = self.frame
        name = list_name(frame, xs)
        if not is_known:
            wanted = xs.name if isinstance(xs, Value) and xs.name else name
            entry, codes = list_tapes.make(frame, kind, wanted, tape.slots or "16")
            self.allocate(tape, codes)
            tape.entries.append(entry)
        saved = tape.entries[number]
        assert isinstance(saved, ListEntry)
        list_tapes.push(frame, saved, tape.count, name)

    def allocate(self, tape: Tape, codes: list[Code]) -> None:
        """Make the arrays of a tape, in front of the loop that fills it."""
        if tape.depth == len(self.turns):
            self.frame.write(*codes)
        else:
            tape.start += codes

    def extents_of(self, operand: Operand, kind: ArrayType) -> Extents:
        """The lengths of what is kept; of a name that is not bound yet, no elements."""
        if kind.rank == 0 or operand is UNBOUND:
            return (Affine.of(0),) * kind.rank
        return self.frame.extents_of(operand)

    def record(self, value: Value) -> str:
        """The place of the record of a call."""
        name = self.whole("record")
        self.frame.names[value] = name
        return name

    def count(self, node: Operation) -> None:
        """How many states are kept, and after how many turns the next one is."""
        frame, first = self.frame, node.arguments[0]
        if node.primitive.name == "kept":
            text = self.tapes[first].count
        else:
            text = f"turns_ahead({', '.join(str(affine(frame, self.elements, n)) for n in node.arguments)})"
        frame.write(Define(frame.give(node.result), Scalar(text)))

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
        if tape.slots is not None or any(each is None for each in turns):
            return None
        return " * ".join(str(each) for each in turns)

    def entry(
        self, tape: Tape, operand: Operand, kind: ArrayType, capacity: str | None, is_read: bool
    ) -> Entry:
        frame = self.frame
        extents: Extents | None = self.extents_of(operand, kind)
        assert extents is not None
        own = type_of(operand).shape if kind.rank and operand is not UNBOUND else ()
        is_known = len(own) == kind.rank and all(map(same_length, own, kind.shape))
        if not is_known or not is_fixed(frame, extents):
            extents = None
        name = "saved"
        if isinstance(operand, Value):
            name = operand.name or frame.names.get(operand, name)
        name = frame.fresh(f"tape_{name}")
        dtype = scalars.dtype_text(kind.dtype)
        rows = capacity or tape.slots or "16"
        codes: list[Code] = []
        if extents is not None:
            codes.append(Allocate(name, (Affine.of(rows), *extents), dtype))
            entry = Entry(name, kind, extents)
        else:
            lengths = [frame.fresh(f"{name}_{axis}") for axis in range(kind.rank)]
            whole = scalars.dtype_text(np.dtype(np.int64))
            codes += [Allocate(each, (Affine.of(16),), whole) for each in lengths]
            entry = Entry("", kind, None, lengths=lengths)
            if is_read:
                entry.name, entry.top = name, self.whole("top")
                codes += [Allocate(name, (Affine.of(64),), dtype), Define(entry.top, Scalar("0"))]
        self.allocate(tape, codes)
        return entry

    def pop(self, node: Pop) -> None:
        frame = self.frame
        tape = self.tapes[node.tape]
        frame.write(Define(tape.count, Scalar("1"), "-="))
        taken = ".copy()" if tape.slots is not None else ""
        for value, entry in zip(node.results, tape.entries, strict=True):
            if isinstance(entry, ListEntry):
                list_tapes.pop(frame, entry, tape.count, frame.give(value))
                continue
            if entry.extents is None:
                self.pop_any_length(tape, value, entry, taken)
                continue
            frame.extents[value] = entry.extents
            if not entry.name:
                continue
            name = frame.give(value) if value.type is not PULLBACK else self.record(value)
            if entry.kind.rank == 0:
                frame.write(Define(name, Scalar(f"{entry.name}[{tape.count}]")))
            else:
                text = f"{name} = {entry.name}[{tape.count}]{taken}"
                frame.write(Line(text, frozenset({entry.name, tape.count}), frozenset({name})))

    def pop_any_length(self, tape: Tape, value: Value, entry: Entry, taken: str) -> None:
        """Take off an array whose lengths differ from entry to entry, or its lengths alone."""
        frame = self.frame
        name = frame.give(value) if entry.name else frame.wanted(value)
        extents = []
        for axis, length in enumerate(entry.lengths):
            if is_one(entry.kind.shape[axis]):
                extents.append(Affine.of(1))
                continue
            own = frame.fresh(f"{name}_{axis}")
            frame.write(Define(own, Scalar(f"{length}[{tape.count}]")))
            frame.ranges.lengths.add(own)
            extents.append(Affine.of(own))
        frame.extents[value] = tuple(extents)
        if not entry.name:
            return
        size = frame.product(tuple(extents))
        frame.write(Define(str(entry.top), Scalar(str(size)), "-="))
        shape = ", ".join(map(str, extents)) + ("," if len(extents) == 1 else "")
        text = f"{name} = {entry.name}[{entry.top}:{entry.top} + {size}]{taken}.reshape(({shape}))"
        reads = frozenset({entry.name, str(entry.top), *map(str, extents)})
        frame.write(Line(text, reads, frozenset({name})))


def entries_of(push: Operation) -> list[Operand]:
    """What is saved."""
    saved = push.arguments[1]
    return list(saved) if isinstance(saved, tuple) else [saved]


def is_fixed(frame: Frame, extents: Extents) -> bool:
    """Whether lengths are the same in every turn."""
    return not any(frame.made_in_loops & set(names(extent)) for extent in extents)


def names(number: Affine) -> list[str]:
    import re

    return [found for name, _ in number.terms for found in re.findall(r"[A-Za-z_]\w*", name)]
