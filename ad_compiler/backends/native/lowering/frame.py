"""The state of lowering: names, lengths, what is known of them, and the code written so far."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, Axis
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine, Ranges, Terms
from ad_compiler.backends.native.lowering.planning import Writes
from ad_compiler.backends.native.nests import (
    Allocate,
    Code,
    Define,
    Line,
    Nest,
    Scalar,
    names_in,
)
from ad_compiler.backends.numpy.nouns import NOUNS
from ad_compiler.errors import Unsupported
from ad_compiler.ir import Function, Node, Operand, Operation, Statement, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.shapes import type_of
from ad_compiler.traversal import values_in

Extents = tuple[Affine, ...]
RESERVED = frozenset(
    [*keyword.kwlist, "np", "math", "time", "scipy", "njit", "objmode"]
    + ["Departure", "of_kind", "array_of", "Releasing"]
    + ["abs", "min", "max", "range", "int", "complex"]
    + ["in_chunks", "chunks_of", "chunks_of_sums", "first_turn"]
)
SUBSCRIPTS = "ijklpqrs"


class Frame:
    """What every part of the lowering reads and adds to."""

    def __init__(self, function: Function, writes: Writes, reserved: frozenset[str]) -> None:
        self.function = function
        self.writes = writes
        self.inlined = writes.plan.inlined
        self.code: list[Code] = []
        self.prologue: list[Code] = []
        self.names: dict[Value, str] = {}
        self.value_of: dict[str, Value] = {}
        self.extents: dict[Value, Extents] = {}
        self.taken: set[str] = {*RESERVED, *reserved}
        self.ranges = Ranges()
        self.equal: dict[str, Affine] = {}
        self.facts: dict[str, Affine] = {}  # what equals what from the start on
        self.checks: list[Code] = []  # that it does
        self.whole: set[str] = set()  # variables that are whole numbers, and no value of the program
        self.modules: set[str] = set()  # of other libraries, for calls of functions as they are
        self.library: dict[str, str] = {}  # functions that call a library: their text, and the name of each
        self.least_checked: dict[Terms, Affine] = {}  # what is checked not to be negative, by its names
        self.check_of: dict[Terms, Code] = {}
        self.conditional = 0  # how many branches are around
        self.leaving = 0  # how many loops around may be left before their end
        self.numbers: dict[Value, Affine] = {}  # whole numbers known as sums of names
        self.known: dict[Any, Any] = {}  # lengths and offsets computed so far
        self.made_in_loops: set[str] = set()
        self.fixed: set[str] = set()  # lengths of the inputs, and what is computed of them
        self.given: dict[Axis, Affine] = {}  # lengths of arguments; a tangent has those of its primal
        self.settled: dict[str, str] = {}  # the names of such computations
        self.depth = 0  # how many loops of the user's own are around
        self.node: Node | None = None
        self.placed: Node | None = None  # the newest that stands for a line of the program
        users = {value.name for value in self.all_values() if value.name}
        free = [letter for letter in SUBSCRIPTS if letter not in users]
        self.subscripts = [*free, *(f"i{n}" for n in range(12))]
        self.taken.update(self.subscripts)

    def all_values(self) -> Iterator[Value]:
        from ad_compiler.traversal import nodes_in, results_of, turn_values

        for parameter in self.function.parameters:
            yield from values_in(parameter.structure)
        for block in self.function.blocks:
            for node in nodes_in(block):
                yield from results_of(node)
                yield from turn_values(node)

    # Names

    def fresh(self, wanted: str) -> str:
        """A name that nothing has yet."""
        wanted = re.sub(r"\W+", "_", wanted).strip("_") or "value"
        if wanted[0].isdigit():
            wanted = f"n_{wanted}"
        name, number = wanted, 0
        while name in self.taken:
            number += 1
            name = f"{wanted}_{number}"
        self.taken.add(name)
        if self.depth:
            self.made_in_loops.add(name)
        return name

    def wanted(self, value: Value) -> str:
        if value.name is not None:
            return value.name
        primal = value.cotangent_of
        if primal is not None and (primal.name or primal in self.names):
            return f"{primal.name or self.names[primal]}_bar"
        node = value.operation
        if isinstance(node, Operation):
            return NOUNS.get(node.primitive.name, node.primitive.name)
        return "value"

    def give(self, value: Value, name: str | None = None) -> str:
        """A name for a value that gets memory."""
        name = name or self.fresh(self.wanted(value))
        self.names[value] = name
        self.value_of[name] = value
        return name

    # Refusals

    def refused(self, refusal: Refusal) -> Unsupported:
        node = self.node if self.node is not None and is_placed(self.node) else self.placed
        place = None if node is None else node.place
        if place is not None:
            return place[0].refuse(place[1], refusal.reason, refusal.advice)
        statement: Statement | None = None if node is None else node.statement
        if statement is not None:
            return statement.source.refuse(statement.node, refusal.reason, refusal.advice)
        return Unsupported(refusal.reason, refusal.advice)

    # Code

    def write(self, *codes: Code) -> None:
        self.code += codes

    @contextmanager
    def into(self, code: list[Code]) -> Iterator[None]:
        """Write into another list; what is learnt there is not known outside."""
        outer, self.code = self.code, code
        equal, known, facts = dict(self.equal), dict(self.known), list(self.ranges.facts)
        try:
            yield
        finally:
            self.code = outer
            self.equal, self.known = equal, known
            if self.depth or self.conditional:
                self.ranges.facts = facts

    def depart_if(self, condition: str) -> None:
        self.write(Line(f"if {condition}:\n    raise Departure", reads=names_in(condition)))

    def define_number(self, text: str, wanted: str, is_length: bool = True) -> Affine:
        """A whole number computed here, by the name it gets."""
        if text in self.settled:
            return Affine.of(self.settled[text])
        key = ("number", text)
        if key not in self.known:
            name = self.fresh(wanted)
            self.whole.add(name)
            if is_length and self.is_settled(text):  # computed once, in front of everything
                self.prologue.append(Define(name, Scalar(text, 0)))
                self.made_in_loops.discard(name)
                self.ranges.lengths.add(name)
                self.settled[text] = name
                self.fixed.add(name)
                return Affine.of(name)
            self.write(Define(name, Scalar(text, 0)))
            if is_length:
                self.ranges.lengths.add(name)
            self.known[key] = Affine.of(name)
        result: Affine = self.known[key]
        return result

    def length_of(self, turns: Affine) -> Affine:
        """How many turns a loop takes, computed in front of everything if that is possible."""
        if self.is_nonnegative(turns):
            return turns
        text = f"max({turns}, 0)"
        return self.define_number(text, "turns") if self.is_settled(text) else Affine.of(text)

    def is_settled(self, text: str) -> bool:
        """Whether an expression is made of lengths of the inputs, and cannot depart."""
        names = names_in(text)
        return names - {"max", "min", "bound"} <= self.fixed

    # Lengths

    def normal(self, number: Affine) -> Affine:
        """A length with names replaced by what they are known to equal."""
        for _ in range(8):
            replaced = number.substitute(self.facts).substitute(self.equal)
            if replaced == number:
                break
            number = replaced
        return number

    def is_nonnegative(self, number: Affine) -> bool:
        return self.ranges.is_nonnegative(self.normal(number))

    def is_small(self, number: Affine) -> bool:
        """Whether it is made of lengths and of numbers that run within them."""
        return all(name in self.ranges.lengths or name in self.ranges.bounds for name, _ in number.terms)

    def require_nonnegative(self, number: Affine) -> bool:
        """Check in front of everything that a number is not negative in any turn of the loops around.

        Whether that is possible: its least value must be one of the lengths of the inputs. Subscripts that
        depend on a branch, or on a turn that may be left, are checked where they stand.
        """
        if self.conditional or self.leaving:
            return False
        least = self.ranges.least(self.normal(number), self.fixed)
        if least is None:
            return False
        if least.known is not None:
            return least.known >= 0
        strictest = self.least_checked.get(least.terms)
        if strictest is None or least.constant < strictest.constant:
            if strictest is not None:
                self.checks = [each for each in self.checks if each is not self.check_of[least.terms]]
            above = Affine(tuple(term for term in least.terms if term[1] > 0))
            below = above - least
            check = Line(f"if {above} < {below}:\n    raise Departure", reads=names_in(f"{above} {below}"))
            self.checks.append(check)
            self.check_of[least.terms] = check
            self.least_checked[least.terms] = least
        return True

    def require_equal(self, a: Affine, b: Affine) -> None:
        """Check that two lengths are equal where that is not known."""
        a, b = self.normal(a), self.normal(b)
        if a == b:
            return
        difference = a - b
        if difference.known is not None:
            self.depart_if("True")
            return
        is_fact = self.conditional == 0 and self.is_settled(f"{a} {b}")
        known = self.facts if is_fact else self.equal
        if is_fact:  # checked in front of everything
            self.checks.append(Line(f"if {a} != {b}:\n    raise Departure", reads=names_in(f"{a} {b}")))
        else:
            self.depart_if(f"{a} != {b}")
        for name, factor in difference.terms:
            if abs(factor) == 1 and not re.search(r"\W", name):
                rest = difference - Affine(((name, factor),), 0)
                known[name] = self.normal(rest * -factor)
                return

    def broadcast(self, shapes: list[Extents]) -> Extents:
        """The lengths of a result; only what has length 1 as far as its type goes is stretched."""
        rank = max(map(len, shapes), default=0)
        result = []
        for place in range(-rank, 0):
            chosen = Affine.of(1)
            for shape in shapes:
                if len(shape) >= -place and self.normal(shape[place]) != 1:
                    if chosen == 1:
                        chosen = shape[place]
                    else:
                        self.require_equal(chosen, shape[place])
            result.append(self.normal(chosen))
        return tuple(result)

    def product(self, extents: Extents, wanted: str = "size") -> Affine:
        """How many elements there are."""
        known, names = 1, []
        for extent in map(self.normal, extents):
            if extent.known is not None:
                known *= extent.known
            else:
                names.append(extent)
        if not names or known == 0:
            return Affine.of(known)
        if len(names) == 1:
            return names[0] * known
        factors = [str(n) if n.is_simple else f"({n})" for n in sorted(names, key=str)]
        text = " * ".join([*([str(known)] if known != 1 else []), *factors])
        return self.define_number(text, wanted)

    def extents_of(self, operand: Operand) -> Extents:
        if isinstance(operand, Value):
            if operand not in self.extents and isinstance(operand.type, ArrayType) and operand.type.rank == 0:
                return ()
            return tuple(map(self.normal, self.extents[operand]))
        if isinstance(operand, (list, tuple)) and operand:
            return (Affine.of(len(operand)), *self.extents_of(operand[0]))
        if isinstance(operand, (range, np.ndarray)):
            return tuple(map(Affine.of, np.shape(operand)))
        return (Affine.of(0),) if isinstance(operand, (list, tuple)) else ()

    def input_extents(self, name: str, kind: ArrayType, is_seed: bool) -> Extents:
        """The lengths of an argument; those of a cotangent are known in the reverse sweep only."""
        result = []
        for axis, length in enumerate(kind.shape):
            if length == 1:
                result.append(Affine.of(1))
                continue
            extent = self.fresh(f"{name}_{axis}")
            self.ranges.lengths.add(extent)
            if not is_seed:
                self.fixed.add(extent)
            self.prologue.append(Define(extent, Scalar(f"{name}.shape[{axis}]")))
            result.append(Affine.of(extent))
            if not is_seed:
                self.require_equal(self.given.setdefault(length, result[-1]), result[-1])
        return tuple(result)

    # Code for values in memory

    def allocate(self, name: str, extents: Extents, dtype: np.dtype[Any], zeros: bool = False) -> None:
        self.write(Allocate(name, extents, scalars.dtype_text(dtype), zeros))

    def nest(self, extents: Extents, body: list[Code]) -> None:
        """Loops over all elements; axes of length 1 need none."""
        loops = [(self.subscripts[n], e) for n, e in enumerate(extents) if self.normal(e) != 1]
        self.write(*body) if not loops else self.write(Nest(loops, body))

    def subscripts_of(self, extents: Extents) -> tuple[Affine, ...]:
        return tuple(
            Affine.of(0) if self.normal(e) == 1 else Affine.of(self.subscripts[n])
            for n, e in enumerate(extents)
        )

    def constant_array(self, items: Any, dtype: np.dtype[Any]) -> str:
        """An array that is known while compiling."""
        array = np.asarray(items, dtype=dtype)
        key = ("array", array.tobytes(), array.shape, str(dtype))
        if key not in self.known:
            name = self.fresh("constants")
            text = f"np.array({array.tolist()}, dtype={scalars.dtype_text(dtype)})"
            if array.size == 0:
                text = f"np.empty({array.shape}, dtype={scalars.dtype_text(dtype)})"
            self.prologue.append(Line(f"{name} = {text}", writes=frozenset({name})))
            self.known[key] = name
        result: str = self.known[key]
        return result


def dtype_of(operand: Operand) -> np.dtype[Any]:
    return type_of(operand).dtype


def is_placed(node: Node) -> bool:
    """Whether it is known which line of the program a node stands for."""
    return node.place is not None or node.statement is not None
