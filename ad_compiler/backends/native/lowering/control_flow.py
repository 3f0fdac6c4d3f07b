"""Branches and loops, as code with names for what they carry.

    u, v = x, y                         u = x
    for t in range(n):                  v = y
        u, v = f(u, v), u        ->     for t in range(n):
                                            (the nests of f, which make u_1)
                                            u, v = u_1, u

A name holds a number, or the memory of an array or a list. The lengths of what is carried are those at the
start where the kinds say that they stay, else they are asked for in every turn.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from ad_compiler.analysis.types import ArrayType, ListType, same_length
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering import lists
from ad_compiler.backends.native.lowering.elements import Elements, affine
from ad_compiler.backends.native.lowering.frame import Extents, Frame
from ad_compiler.backends.native.lowering.materialising import as_scalar, in_memory
from ad_compiler.backends.native.lowering.tapes import Tapes
from ad_compiler.backends.native.lowering.tapes import names as names_of
from ad_compiler.backends.native.nests import (
    Choice,
    Code,
    Define,
    Expression,
    Line,
    Repeat,
    Scalar,
    text_of,
)
from ad_compiler.ir import UNBOUND, Block, Branch, Loop, Operand, Statement, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.shapes import type_of


class ControlFlow(ABC):
    """What lowers branches and loops, given what lowers the blocks in them."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.elements = Elements(frame)
        self.tapes = Tapes(frame, self.elements)
        self.statement: Statement | None = None
        self.reverse = False

    @abstractmethod
    def block(self, block: Block) -> None:
        """Lower the operations of a block, in order."""

    def memory(self, operand: Operand) -> str:
        """The variable of an array or a list."""
        if isinstance(operand, Value) and isinstance(operand.type, ListType):
            return lists.list_name(self.frame, operand)
        return in_memory(self.frame, self.elements, operand)

    def branch(self, node: Branch) -> None:
        """Lower an `if`: both sides give what they yield the names of the results."""
        frame = self.frame
        if not isinstance(node.condition, Value):
            condition: Expression = Scalar(str(bool(node.condition)))
        else:
            condition = scalars.cast(
                self.elements.element(node.condition, ()), type_of(node.condition).dtype, type_of(True).dtype
            )
        choice = Choice(condition)
        before = set(frame.taken)
        names = [frame.fresh(self.name_of_choice(value, node, n)) for n, value in enumerate(node.results)]
        found: list[list[Extents | None]] = []
        statement = self.statement
        for block, code in ((node.then, choice.then), (node.otherwise, choice.otherwise)):
            self.statement = statement
            frame.conditional += 1
            with frame.into(code):
                self.block(block)
                frame.node = node
                found.append(
                    [self.assign(*pair) for pair in zip(names, node.results, block.results, strict=True)]
                )
            frame.conditional -= 1
        self.statement = statement
        frame.write(choice)
        for name, value, first, second in zip(names, node.results, *found, strict=True):
            frame.give(value, name)
            if isinstance(value.type, ArrayType) and value.type.rank:
                frame.extents[value] = self.joined(name, first, second, before)
            else:
                frame.extents[value] = ()

    def name_of_choice(self, value: Value, node: Branch, place: int) -> str:
        sides = (node.then.results[place], node.otherwise.results[place])
        return (
            value.name or next((s.name for s in sides if isinstance(s, Value) and s.name), None) or "chosen"
        )

    def joined(self, name: str, first: Extents | None, second: Extents | None, before: set[str]) -> Extents:
        """The lengths of what is one of two arrays."""
        frame = self.frame
        rank = len(first or second or ())
        result = []
        for axis in range(rank):
            pair = (first or second or ())[axis], (second or first or ())[axis]
            if pair[0] == pair[1] and set(names_of(pair[0])) <= before:
                result.append(pair[0])
            else:
                result.append(frame.define_number(f"{name}.shape[{axis}]", f"{name}_{axis}"))
        return tuple(result)

    def assign(self, name: str, value: Value, operand: Operand) -> Extents | None:
        """Give a result of control flow what it is; its lengths, None where it is not bound."""
        frame, kind = self.frame, value.type
        if not isinstance(kind, (ArrayType, ListType)):
            raise Refusal("a string that control flow chooses has no native form", scalars.ADVICE)
        if operand is UNBOUND:
            frame.write(*nothing(name, kind))
            return None
        self.check_rank(operand, kind)
        if isinstance(kind, ArrayType) and kind.rank == 0:
            frame.write(Define(name, as_scalar(frame, self.elements, operand, kind)))
            return ()
        source = self.memory(operand)
        frame.write(Line(f"{name} = {source}", frozenset({source}), frozenset({name})))
        return () if isinstance(kind, ListType) else frame.extents_of(operand)

    def check_rank(self, operand: Operand, kind: ArrayType | ListType) -> None:
        if isinstance(kind, ArrayType) and type_of(operand).rank != kind.rank:
            raise Refusal("a number that becomes an array has no native form", "start with an array of zeros")

    def loop(self, node: Loop) -> None:
        """Lower a loop: what it carries has one name, before it, in every turn, and behind it."""
        frame = self.frame
        names = [
            self.start_carried(*each) for each in zip(node.carried, node.initial, node.results, strict=True)
        ]
        head, index, turns, reads = self.head(node)
        starts = self.tapes.starts()
        repeat = Repeat(head, reads=reads, index=index, bounds=self.bounds_of(node), is_reverse=self.reverse)
        self.tapes.turns.append(turns)
        frame.depth += 1
        may_leave = node.condition is not None or node.leave != 0
        frame.leaving += may_leave
        frame.made_in_loops.update(names, [index])
        stable = []
        for name, param, initial in zip(names, node.carried, node.initial, strict=True):
            frame.give(param, name)
            stable.append(self.is_stable(param, initial))
        statement = self.statement
        with frame.into(repeat.body):
            for name, param, initial, is_stable in zip(
                names, node.carried, node.initial, stable, strict=True
            ):
                if isinstance(param.type, ArrayType):
                    frame.extents[param] = self.lengths_in_turn(name, param.type, initial, is_stable)
            if node.condition is not None:
                self.block(node.condition)
                (condition,) = node.condition.results
                test = as_scalar(frame, self.elements, condition, type_of(True))
                frame.write(Choice(Scalar(f"not {text_of(test, 6)}", 4), [Line("break")]))
            self.block(node.body)
            frame.node = node
            self.end_turn(node, names, stable)
        self.statement = statement
        frame.depth -= 1
        frame.leaving -= may_leave
        self.tapes.turns.pop()
        if starts:
            frame.write(*starts)
        frame.write(repeat)
        for name, result, param, is_stable in zip(names, node.results, node.carried, stable, strict=True):
            frame.give(result, name)
            kind = result.type
            if not isinstance(kind, ArrayType) or kind.rank == 0:
                frame.extents[result] = ()
            elif is_stable:
                frame.extents[result] = frame.extents[param]
            else:
                frame.extents[result] = self.lengths_asked(name, kind.rank)

    def start_carried(self, param: Value, initial: Operand, result: Value) -> str:
        """Write what a value that is carried is before the first turn; its name."""
        frame, kind = self.frame, param.type
        if not isinstance(kind, (ArrayType, ListType)):
            raise Refusal("a string that a loop changes has no native form", scalars.ADVICE)
        name = frame.fresh(result.name or frame.wanted(param) if param.name is None else param.name)
        if initial is UNBOUND:
            frame.write(*nothing(name, kind))
        elif isinstance(kind, ArrayType) and kind.rank == 0:
            frame.write(Define(name, as_scalar(frame, self.elements, initial, kind)))
        else:
            source = self.memory(initial)
            copied = ".copy()" if param in frame.writes.memory.copied_at_start else ""
            frame.write(Line(f"{name} = {source}{copied}", frozenset({source}), frozenset({name})))
        return name

    def lengths_in_turn(self, name: str, kind: ArrayType, initial: Operand, is_stable: bool) -> Extents:
        """The lengths that what is carried has when a turn starts."""
        if kind.rank == 0:
            return ()
        if not is_stable:
            return self.lengths_asked(name, kind.rank)
        return self.frame.extents_of(initial)

    def lengths_asked(self, name: str, rank: int) -> Extents:
        """The lengths of an array, for which it is asked here."""
        return tuple(
            self.frame.define_number(f"{name}.shape[{axis}]", f"{name}_{axis}") for axis in range(rank)
        )

    def is_stable(self, param: Value, initial: Operand) -> bool:
        """Whether the lengths of what is carried stay what they are at the start."""
        kind = param.type
        if initial is UNBOUND or not isinstance(kind, ArrayType):
            return False
        own = type_of(initial).shape
        return all(same_length(a, b) for a, b in zip(own, kind.shape, strict=True))

    def bounds_of(self, node: Loop) -> tuple[Affine, Affine] | None:
        """The first turn of a loop and the one behind its last, if all of them are taken in steps of 1."""
        if node.bounds is None or node.condition is not None or node.leave != 0:
            return None
        start, stop, step = (affine(self.frame, self.elements, bound) for bound in node.bounds)
        if step == -1:
            return stop + 1, start + 1
        return (start, stop) if step == 1 else None

    def head(self, node: Loop) -> tuple[str, str, str | None, frozenset[str]]:
        """The head of a loop, the name of its index, and how many turns it has if that is known outside."""
        frame = self.frame
        if node.bounds is None:
            return "while True:", "", None, frozenset()
        start, stop, step = (affine(frame, self.elements, bound) for bound in node.bounds)
        assert node.index is not None
        name = frame.fresh(node.index.name or "turn")
        frame.give(node.index, name)
        frame.extents[node.index] = ()
        reads = frozenset(each for bound in (start, stop, step) for each in names_of(bound))
        known = step.known
        if known == 1:
            count = f"max({stop - start}, 0)"
            if frame.is_nonnegative(frame.normal(stop - start)):
                count = str(frame.normal(stop - start))
        else:
            count = f"turns({start}, {stop}, {step})"
        if known is not None and known != 0:
            ends = (start, stop - 1) if known > 0 else (stop + 1, start)
            frame.ranges.bounds[name] = ends
        if node.backwards:
            if known == 1:
                head = f"for {name} in range({stop - 1}, {start - 1}, -1):"
            elif known == -1:
                head = f"for {name} in range({stop + 1}, {start + 1}):"
            else:
                last = frame.define_number(f"{start} + ({count} - 1) * ({step})", "last", is_length=False)
                sign = 1 if known is not None and known > 0 else -1
                if known is None:
                    head = f"for {name} in range({last}, {start} - ({step}), -({step})):"
                else:
                    head = f"for {name} in range({last}, {start - sign}, {-known}):"
        elif known == 1:
            head = f"for {name} in range({stop}):" if start == 0 else f"for {name} in range({start}, {stop}):"
        else:
            head = f"for {name} in range({start}, {stop}, {step}):"
        fixed = all(not frame.made_in_loops & set(names_of(bound)) for bound in (start, stop, step))
        if frame.is_settled(count):
            count = str(frame.define_number(count, "turns"))
        wrapped = f"({count})" if not count.replace("_", "").isalnum() else count
        return head, name, wrapped if fixed else None, reads

    def end_turn(self, node: Loop, names: list[str], stable: list[bool]) -> None:
        """Hand on to the next turn."""
        frame = self.frame
        memory = frame.writes.memory
        moves: list[tuple[str, str]] = []
        for name, param, end, is_stable in zip(names, node.carried, node.body.results, stable, strict=True):
            kind = param.type
            if end is UNBOUND:
                continue
            if isinstance(kind, ArrayType) and kind.rank == 0:
                text = text_of(as_scalar(frame, self.elements, end, kind))
            else:
                text = self.memory(end)
                if is_stable:
                    for a, b in zip(frame.extents_of(param), frame.extents_of(end), strict=True):
                        frame.require_equal(a, b)
                if param in memory.copied_at_end:
                    text += ".copy()"
            if text != name:
                moves.append((name, text))
        targets = {name for name, _ in moves}
        reads = frozenset(found for _, text in moves for found in names_of(Affine.of(text)))
        if len(moves) > 1 and targets & reads:
            left, right = ", ".join(n for n, _ in moves), ", ".join(t for _, t in moves)
            frame.write(Line(f"{left} = {right}", reads, frozenset(targets)))
        else:
            for name, text in moves:
                frame.write(Line(f"{name} = {text}", frozenset(names_of(Affine.of(text))), frozenset({name})))
        leave = node.leave
        if isinstance(leave, Value):
            text = text_of(self.elements.element(leave, ()), 6)
            frame.write(Choice(Scalar(f"{text} != 0", scalars.COMPARE), [Line("break")]))
        elif leave != 0:
            frame.write(Line("break"))


def nothing(name: str, kind: ArrayType | ListType) -> list[Code]:
    """What stands for a name that is not bound: nobody reads it."""
    if isinstance(kind, ListType):
        return [Line(f"{name} = {lists.empty_list(kind)}", writes=frozenset({name}))]
    if kind.rank == 0:
        return [Define(name, scalars.number(0, kind.dtype))]
    zeros = ", ".join("0" for _ in range(kind.rank)) + ","
    return [Line(f"{name} = np.empty(({zeros}), {scalars.dtype_text(kind.dtype)})", writes=frozenset({name}))]
