"""Writes branches and loops.

What a loop carries has one variable; at the end of a turn it is assigned what the next turn starts with,
unless it was computed right into it. A turn that leaves the loop assigns the same, and breaks:

    for i in range(n):
        if x[i] > limit:
            break
        total = total + x[i]
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field

from ad_compiler.backends.numpy.expressions import Expressions
from ad_compiler.backends.numpy.names import Names
from ad_compiler.backends.numpy.plan import Step
from ad_compiler.backends.numpy.precedence import Precedence
from ad_compiler.backends.numpy.unbound import handed_on_unbound
from ad_compiler.ir import UNBOUND, Branch, Loop, Operand, Value
from ad_compiler.parsing import parse_expression

INDENT = "    "
Lines = Callable[[list[Step], int, "Exit | None"], list[str]]


@dataclass(frozen=True, slots=True)
class Exit:
    """Where we are at the end of a turn: what says whether it is the last one, and what is then assigned."""

    tag: Operand
    moves: list[str] = field(default_factory=list)

    @property
    def is_certain(self) -> bool:
        return not isinstance(self.tag, Value) and self.tag != 0

    def lines(self, indent: str) -> list[str]:
        return [f"{indent}{line}" for line in (*self.moves, "break")] if self.is_certain else []


class Control:
    """Writes the control flow of one function; `lines` writes the steps inside."""

    def __init__(self, names: Names, printer: Expressions, lines: Lines) -> None:
        self.names = names
        self.printer = printer
        self.lines = lines
        self.tags: set[Value] = set()  # values that say how a loop is left
        plan = names.plan
        self.nothing = handed_on_unbound([*plan.forward, *plan.reverse], names)  # None rather than unbound

    def branch(self, step: Step, depth: int, leaving: Exit | None) -> list[str]:
        node = step.node
        assert isinstance(node, Branch)
        indent = INDENT * depth
        exits = [self.exit_of(node, side, leaving) for side in (0, 1)]
        if exits == [None, None] and self.is_choice(step):
            text = self.printer.ternary(node)[0]
            return [f"{indent}{self.names.names[node.results[0]]} = {text}"]
        sides = []
        for steps, block, leaves in zip(
            (step.then, step.otherwise), (node.then, node.otherwise), exits, strict=True
        ):
            yields = self.yields(node.results, block.results)
            inside = None if leaves is None else Exit(leaves.tag, [*yields, *leaves.moves])
            lines = self.lines(steps, depth + 1, inside)
            if inside is not None and inside.is_certain:
                lines += inside.lines(f"{indent}{INDENT}")
            else:
                lines += [f"{indent}{INDENT}{line}" for line in yields]
            sides.append(lines)
        then, otherwise = sides
        positive = f"{indent}if {self.printer.text(node.condition)}:"
        negative = f"{indent}if {self.printer.negation(node.condition)[0]}:"
        if not then and not otherwise:
            return []
        if not otherwise:
            return [positive, *then]
        if not then:
            return [negative, *otherwise]
        if exits[0] is not None and exits[0].is_certain:
            return [positive, *then, *(line.removeprefix(INDENT) for line in otherwise)]
        if exits[1] is not None and exits[1].is_certain:
            return [negative, *otherwise, *(line.removeprefix(INDENT) for line in then)]
        return [positive, *then, f"{indent}else:", *otherwise]

    def is_choice(self, step: Step) -> bool:
        """Whether a branch is written as a conditional expression."""
        node = step.node
        assert isinstance(node, Branch)
        is_statement = node.place is not None and isinstance(node.place[1], ast.stmt)
        return not step.then and not step.otherwise and len(node.results) == 1 and not is_statement

    def exit_of(self, node: Branch, side: int, leaving: Exit | None) -> Exit | None:
        """How a side of a branch at the end of a turn ends."""
        if leaving is None or leaving.tag not in node.results:
            return None
        block = (node.then, node.otherwise)[side]
        tag = block.results[node.results.index(leaving.tag)]
        if isinstance(tag, Value):
            self.tags.add(tag)
        return Exit(tag, leaving.moves)

    def yields(self, targets: list[Value], results: list[Operand]) -> list[str]:
        """Assign the results of a block."""
        pairs = []
        for target, operand in zip(targets, results, strict=True):
            if not self.names.plan.reads.get(target):
                continue
            if operand is UNBOUND:
                if target in self.nothing:
                    pairs.append((self.names.names[target], "None", None))
                continue
            if target in self.tags and not isinstance(operand, Value) and operand == 0:
                continue  # it is that already
            name, text = self.names.names[target], self.printer.text(operand)
            if name != text:
                pairs.append((name, text, operand))
        return self.assignments(pairs)

    def assignments(self, pairs: list[tuple[str, str, Operand]]) -> list[str]:
        targets = {name for name, _, _ in pairs}
        if len(pairs) > 1 and any(reads_any(text, targets) for _, text, _ in pairs):
            return [f"{', '.join(name for name, _, _ in pairs)} = {', '.join(text for _, text, _ in pairs)}"]
        return [f"{name} = {text}" for name, text, _ in pairs]

    def loop(self, step: Step, depth: int) -> list[str]:
        node = step.node
        assert isinstance(node, Loop)
        indent = INDENT * depth
        memory = self.names.memory
        if isinstance(node.leave, Value):
            self.tags.add(node.leave)
        start = []
        moves: list[tuple[str, str, Operand]] = []
        for param, initial, end, result in zip(
            node.carried, node.initial, node.body.results, node.results, strict=True
        ):
            name = self.names.names[param]
            if initial is UNBOUND and self.nothing & {param, result}:
                start.append((name, "None", None))
            elif initial is not UNBOUND:
                text = self.copied(initial) if param in memory.copied_at_start else self.printer.text(initial)
                if text != name:
                    start.append((name, text, initial))
            text = self.copied(end) if param in memory.copied_at_end else self.printer.text(end)
            if text != name:
                moves.append((name, text, end))
        lines = [f"{indent}{line}" for line in self.assignments(start)]
        ends = self.assignments(moves)
        inside = f"{indent}{INDENT}"
        body = self.lines(step.body, depth + 1, Exit(node.leave, ends))
        if not isinstance(node.leave, Value) and node.leave != 0:
            ends = [*ends, "break"]
        body += [f"{inside}{line}" for line in ends]
        if node.bounds is not None:
            return [*lines, f"{indent}{self.header(node)}", *(body or [f"{inside}pass"])]
        test = self.lines(step.test, depth + 1, None)
        if node.condition is None:
            return [*lines, f"{indent}while True:", *body]
        (condition,) = node.condition.results
        if not test:
            return [*lines, f"{indent}while {self.printer.text(condition)}:", *(body or [f"{inside}pass"])]
        leave = f"{inside}if {self.printer.negation(condition)[0]}:"
        return [*lines, f"{indent}while True:", *test, leave, f"{inside}{INDENT}break", *body]

    def copied(self, operand: Operand) -> str:
        return f"{self.printer.at_least(operand, Precedence.ATOM)}.copy()"

    def header(self, loop: Loop) -> str:
        assert loop.bounds is not None and loop.index is not None
        start, stop, step = loop.bounds
        given = [stop] if (start, step) == (0, 1) else [start, stop] if step == 1 else [start, stop, step]
        bounds = f"range({', '.join(map(self.printer.text, given))})"
        return f"for {self.names.names[loop.index]} in {f'reversed({bounds})' if loop.backwards else bounds}:"


def reads_any(text: str, targets: set[str]) -> bool:
    """Whether an expression is written with one of these names."""
    return any(isinstance(n, ast.Name) and n.id in targets for n in ast.walk(parse_expression(text)))
