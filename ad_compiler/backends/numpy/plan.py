"""Decides which values become statements, and which are written into the expression that reads them.

A value is *inlined* where it is read once, by its own statement (or where it is cheaper to read again
than to keep: `X.T`, `x.shape[0]`). What the user named keeps its line. The rest of the backend works on
the resulting list of steps, each with a position; the positions at which a value is really read, through
the expressions it is inlined into, decide how long its name lives.
"""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field

from ad_compiler.analysis.storage import storage_of
from ad_compiler.analysis.types import ArrayType, ListType
from ad_compiler.backends.numpy.expressions import Expressions
from ad_compiler.ir import (
    Block,
    Branch,
    Call,
    Function,
    Loop,
    Node,
    Operand,
    Operation,
    Pop,
    Statement,
    Value,
)
from ad_compiler.traversal import arguments_of, blocks_of, inputs_of, nodes_in, results_of, values_in

WIDTH = 92
LIST_UPDATES = ("list_append", "list_rest", "list_set", "list_extend")
UPDATES = ("index_add", "index_set", *LIST_UPDATES)


@dataclass(eq=False, slots=True)
class Step:
    """One emitted statement: an operation, or a branch or loop with the steps inside of it."""

    node: Node
    position: int
    reverse: bool
    then: list[Step] = field(default_factory=list)
    otherwise: list[Step] = field(default_factory=list)
    end_then: int = 0
    test: list[Step] = field(default_factory=list)  # of the condition of a `while`
    body: list[Step] = field(default_factory=list)
    end: int = 0

    @property
    def statement(self) -> Statement | None:
        return self.node.statement


@dataclass(eq=False, slots=True)
class Plan:
    """The steps of a function, and where every value is read."""

    forward: list[Step]
    reverse: list[Step]
    reads: dict[Value, list[int]]
    inlined: set[Value]
    section: dict[Value, bool]  # whether a value is made in the reverse sweep
    made: dict[Value, int]  # the position at which a value is made; inputs are not listed
    pushed: list[Value]  # values on tapes: they must stay as they are
    entries: dict[Value, list[Value]]  # tapes, with what an entry of each holds
    inputs: list[Value]  # parameters that are one number or array
    branch_ends: dict[Node, tuple[int, int]]  # the positions at which the two sides yield
    end: int


class Planner:
    """Makes the plan of one function."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.uses: Counter[Value] = Counter()
        self.bounds: Counter[Value] = Counter()  # of the uses, those that say where a loop starts and ends
        self.readers: dict[Value, tuple[Block | None, Statement | None]] = {}
        self.inlined: set[Value] = set()
        self.reads: dict[Value, list[int]] = {}
        self.section: dict[Value, bool] = {}
        self.made: dict[Value, int] = {}
        self.pushed: list[Value] = []
        self.entries: dict[Value, list[Value]] = {}
        self.changing: set[Value] = set()  # lists that are changed: what is read of them is read before
        self.branch_ends: dict[Node, tuple[int, int]] = {}
        self.sizes: dict[Value, int] = {}
        self.printer = Expressions(self.guessed_name)
        self.position = 0
        self.widest = WIDTH
        self.reverse = False  # which sweep is being laid out

    def plan(self) -> Plan:
        function = self.function
        blocks = [function.forward] + ([function.reverse] if function.reverse is not None else [])
        for block in blocks:
            self.count(block)
            self.changing.update(
                node.arguments[0]
                for node in nodes_in(block)
                if isinstance(node, Operation) and node.primitive.name in LIST_UPDATES
            )
        outputs = (function.result, function.reverse_result)
        for value in values_in(outputs):
            self.read(value, None, None)
        for block, widest in zip(blocks, (WIDTH, WIDTH * 3 // 4), strict=False):
            self.widest, self.reverse = widest, block is function.reverse
            self.inline(block)
        self.shorten_return(outputs)
        forward = self.steps(function.forward, False)
        if function.reverse is None:
            reverse = []
        else:
            reverse = self.steps(function.reverse, True)
        self.position += 1
        for value in values_in(outputs):
            self.record(value, self.position)
        inputs = [p.structure for p in function.parameters if isinstance(p.structure, Value)]
        return Plan(
            forward,
            reverse,
            self.reads,
            self.inlined,
            self.section,
            self.made,
            self.pushed,
            self.entries,
            inputs,
            self.branch_ends,
            self.position,
        )

    def count(self, block: Block) -> None:
        for node in block.operations:
            own = node.tape if isinstance(node, Pop) else arguments_of(node)
            if isinstance(node, Loop):
                self.bounds.update(values_in(node.bounds))
            is_push = isinstance(node, Operation) and node.primitive.name == "push"
            for value in values_in(own):
                made = value.operation
                belongs = is_push and made is not None  # what is read to be saved is written in that line
                self.read(value, block, made.statement if belongs and made else node.statement)
            for inner in blocks_of(node):
                self.count(inner)
                for value in values_in(inner.results):
                    self.read(value, inner, node.statement)

    def read(self, value: Value, block: Block | None, statement: Statement | None) -> None:
        self.uses[value] += 1
        self.readers[value] = (block, statement)

    def inline(self, block: Block) -> None:
        """Mark what is written into the expression that reads it."""
        for node in block.operations:
            for inner in blocks_of(node):
                self.inline(inner)
            if (
                isinstance(node, Branch)
                and self.is_expression(node)
                and self.read_once_here(node.results[0], block, node)
            ):
                self.inlined.add(node.results[0])
            if isinstance(node, Pop) and len(node.results) == 1:
                self.inline_restored(node, block)
            if not isinstance(node, Operation):
                continue
            self.keep_updated(node)
            if self.is_inlined(node, block):
                self.inlined.add(node.result)
        self.read_before_update(block)

    def inline_restored(self, node: Pop, block: Block) -> None:
        """What is only put back where it was is taken off the tape there: `a[i] = tape.pop()`."""
        (value,) = node.results
        writes = [
            each
            for each in block.operations
            if isinstance(each, Operation)
            and each.primitive.name == "index_set"
            and each.arguments[2] is value
        ]
        if writes and self.uses[value] == 1:
            self.inlined.add(value)

    def read_before_update(self, block: Block) -> None:
        """What reads an array that is updated is not written into an expression behind the update."""
        places = {node.result: n for n, node in enumerate(block.operations) if isinstance(node, Operation)}
        for place, update in enumerate(block.operations):
            if not isinstance(update, Operation) or update.primitive.name not in UPDATES:
                continue
            later = [value for node in block.operations[place + 1 :] for value in inputs_of(node)]
            for value in [*later, *values_in(block.results)]:
                self.keep_reads(value, update.arguments[0], places, place)

    def keep_reads(self, value: Value, base: Operand, places: dict[Value, int], place: int) -> None:
        node = value.operation
        if value not in self.inlined or not isinstance(node, Operation):
            return
        inputs = list(values_in(node.arguments))
        if places.get(value, place) < place and any(storage_of(inner) is base for inner in inputs):
            self.inlined.discard(value)
            return
        for inner in inputs:
            self.keep_reads(inner, base, places, place)

    def shorten_return(self, outputs: Operand) -> None:
        """Where the `return` line would be too long, what it returns gets lines of its own."""
        inlined = [value for value in values_in(outputs) if value in self.inlined]
        if sum(self.sizes.get(value, 8) + 2 for value in values_in(outputs)) > WIDTH - 16:
            self.inlined.difference_update(value for value in inlined if self.sizes.get(value, 8) > 16)

    def keep_updated(self, node: Operation) -> None:
        """An array that is written into needs a variable, and so does one that would be printed twice."""
        if node.primitive.name == "sum_where_broadcast":
            self.inlined.discard(node.arguments[0])
        if node.primitive.name in UPDATES:
            self.inlined.discard(node.arguments[0])

    def is_inlined(self, node: Operation, block: Block) -> bool:
        primitive = node.primitive
        if primitive.effect or primitive.name in UPDATES or primitive.name == "draw":
            return False  # draws stay in order
        if primitive.name == "list_item" and node.arguments[0] in self.changing:
            return False
        if primitive.cheap and node.result.name is None and self.text_length(node) < 30:
            return True
        if is_neighbour(node):
            is_bound = self.uses[node.result] == self.bounds[node.result]
            if self.text_length(node) < (30 if is_bound else 10):
                return True
        return self.read_once_here(node.result, block, node) and self.text_length(node) <= self.width(node)

    def width(self, node: Operation) -> int:
        """How wide an expression may be: in the forward sweep as wide as the line that the user wrote."""
        statement = node.statement
        again = statement is not None and statement.note is not None
        written = statement.node if statement is not None and (again or not self.reverse) else None
        if written is None or written.end_lineno != written.lineno:
            return self.widest
        return max(self.widest, (written.end_col_offset or 0) - written.col_offset)

    def read_once_here(self, value: Value, block: Block, node: Node) -> bool:
        if self.uses[value] != 1 or value.name is not None:
            return False
        reader_block, statement = self.readers[value]
        if reader_block is None:
            return True
        return reader_block is block and same_statement(statement, node.statement)

    def text_length(self, node: Operation) -> int:
        """The width of the expression, inlined parts included; names that are not known yet are guessed."""
        self.sizes[node.result] = length = len(self.printer.operation(node)[0])
        return length

    def guessed_name(self, value: Value) -> str | None:
        return None if value in self.inlined else value.access or value.name or "temporary"

    def is_expression(self, branch: Branch) -> bool:
        """Whether a branch can be written as a conditional expression."""
        if len(branch.results) != 1 or (branch.place is not None and isinstance(branch.place[1], ast.If)):
            return False
        inner = [*branch.then.operations, *branch.otherwise.operations]
        return all(result in self.inlined for node in inner for result in results_of(node)) and not any(
            isinstance(node, (Loop, Pop)) for node in inner
        )

    def steps(self, block: Block, reverse: bool) -> list[Step]:
        result = []
        for node in block.operations:
            for value in results_of(node):
                self.section[value] = reverse
                self.made[value] = self.position
            if results_of(node) and all(value in self.inlined for value in results_of(node)):
                continue
            if isinstance(node, Branch):
                result.append(self.branch_step(node, reverse))
            elif isinstance(node, Loop):
                result.append(self.loop_step(node, reverse))
            else:
                self.position += 1
                result.append(Step(node, self.position, reverse))
                for value in values_in(arguments_of(node)):
                    self.record(value, self.position)
                if isinstance(node, Operation) and node.primitive.name == "push":
                    self.entries[node.arguments[0]] = list(values_in(node.arguments[1]))
                    self.pushed += values_in(node.arguments[1])
                elif isinstance(node, Operation) and isinstance(node.result.type, ListType):
                    self.pushed += [v for v in values_in(node.arguments) if isinstance(v.type, ArrayType)]
                elif isinstance(node, Operation) and node.primitive.module is not None:
                    self.pushed += values_in(node.arguments)  # what it gives may be a part of them
                if isinstance(node, Call):  # what its pullback remembers
                    self.pushed += values_in((node.arguments, node.results))
            for value in results_of(node):
                self.made[value] = self.position
        return result

    def loop_step(self, node: Loop, reverse: bool) -> Step:
        self.position += 1
        step = Step(node, self.position, reverse)
        for value in values_in((node.bounds, node.initial)):
            self.record(value, self.position)
        for value in [*node.carried, *([] if node.index is None else [node.index])]:
            self.section[value] = reverse
            self.made[value] = self.position
        if node.condition is not None:
            step.test = self.steps(node.condition, reverse)
            self.position += 1
            for value in values_in(node.condition.results):
                self.record(value, self.position)
        step.body = self.steps(node.body, reverse)
        self.position += 1
        step.end = self.position
        for value in values_in(node.body.results):
            self.record(value, self.position)
        for value, reads in self.reads.items():  # what comes from outside is read in the next turn again
            if self.made.get(value, 0) < step.position and any(read > step.position for read in reads):
                reads.append(step.end)
        return step

    def branch_step(self, node: Branch, reverse: bool) -> Step:
        self.position += 1
        step = Step(node, self.position, reverse)
        for value in values_in(node.condition):
            self.record(value, self.position)
        step.then = self.steps(node.then, reverse)
        self.position += 1
        step.end_then = self.position
        for value in values_in(node.then.results):
            self.record(value, self.position)
        step.otherwise = self.steps(node.otherwise, reverse)
        self.position += 1
        step.end = self.position
        for value in values_in(node.otherwise.results):
            self.record(value, self.position)
        self.branch_ends[node] = (step.end_then, step.end)
        return step

    def record(self, value: Value, position: int) -> None:
        """`value` is read at `position`; through what is inlined, so are the values behind it."""
        self.reads.setdefault(value, []).append(position)
        if value not in self.inlined:
            return
        node = value.operation
        if isinstance(node, Operation):
            for inner in values_in(node.arguments):
                self.record(inner, position)
        elif isinstance(node, Pop):
            self.record(node.tape, position)
        elif isinstance(node, Branch):
            for inner in values_in((node.condition, node.then.results, node.otherwise.results)):
                self.record(inner, position)


def is_neighbour(node: Operation) -> bool:
    """Whether it is a number next to another: `i - 1`, which is read more easily than a name for it."""
    kind, (*_, step) = node.result.type, (None, *node.arguments)
    return (
        node.primitive.name in ("add", "sub")
        and node.result.name is None
        and isinstance(kind, ArrayType)
        and kind.python
        and kind.dtype.kind == "i"
        and isinstance(step, int)
    )


def same_statement(a: Statement | None, b: Statement | None) -> bool:
    return a is b or (a is not None and b is not None and a.node is b.node)


def printer_for(plan: Plan, names: dict[Value, str]) -> Expressions:
    """Prints operands with these names; what is inlined has none."""

    def name_of(value: Value) -> str | None:
        if value in plan.inlined:
            return None
        return names.get(value, value.access)

    return Expressions(name_of, lambda value: plan.section.get(value, False))
