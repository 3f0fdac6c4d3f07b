"""Writes a program as the Python source of a NumPy function.

The forward sweep keeps the user's lines, names, order and comments; the reverse sweep follows, each
group of statements under the line it is the derivative of:

    def f_grad(x):
        y = np.sin(x)

        # d(return y * y)
        y_bar = 2 * y
        # d(y = np.sin(x))
        x_bar = y_bar * np.cos(x)
        return x_bar
"""

from __future__ import annotations

import textwrap

from ad_compiler.backends.numpy.control import Control, Exit
from ad_compiler.backends.numpy.expressions import Expressions
from ad_compiler.backends.numpy.lists import changed
from ad_compiler.backends.numpy.memory import IN_PLACE, Memory
from ad_compiler.backends.numpy.names import Names
from ad_compiler.backends.numpy.plan import LIST_UPDATES, UPDATES, Planner, Step, printer_for
from ad_compiler.ir import (
    Branch,
    Call,
    Function,
    Loop,
    Operand,
    Operation,
    Parameter,
    Pop,
    PullbackCall,
    Statement,
    Value,
)
from ad_compiler.rules.subscripts import has_repetitions
from ad_compiler.traversal import functions_called, modules_of, nodes_in

INDENT = "    "
UFUNCS = {"add": "np.add", "sub": "np.subtract", "mul": "np.multiply", "truediv": "np.divide"}
COMMENT_WIDTH = 96
SCHEDULE = '''\
def {name}(turns, free):
    """How far to go before the next state is kept (binomial schedule: Griewank and Walther, 2000)."""
    rounds = 0
    while math.comb(free + rounds + 1, free) < turns:
        rounds += 1
    return min(math.comb(free + rounds, free), turns - math.comb(free + rounds - 1, free - 1))
'''


def emit(function: Function, pullback: str | None = None) -> str:
    """The source of the function; with `pullback`, of one that returns its result and a closure."""
    called = functions_called(function)
    taken = [p.name for p in function.parameters if not isinstance(p.structure, Value)]
    taken += [each.name for each in called]
    schedule = schedule_of([function, *called])
    taken += [] if schedule is None else [schedule]
    taken += [module.split(".")[0] for module in modules_of(function)]
    if pullback is not None:
        taken += [pullback, "pullback"]
    writer = writer_for(function, taken, separate_sections=pullback is not None)
    writer.printer.schedule = schedule
    plan = writer.names.plan
    lines = [header(function)]
    if function.documentation:
        lines.append(f'{INDENT}"""{function.documentation}"""')
    inside = [] if schedule is None else [SCHEDULE.format(name=schedule).splitlines()]
    inside += [emit_called(each, taken, schedule) for each in called]
    for text in inside:
        lines += ["", *[f"{INDENT}{line}".rstrip() for line in text]]
    if inside:
        lines.append("")
    lines += writer.steps(plan.forward, 1)
    if pullback is not None:
        lines += ["", f"{INDENT}def pullback({pullback}):"]
        reverse = writer.steps(plan.reverse, 2)
        lines += reverse
        lines.append(f"{INDENT * 2}return {writer.output(function.reverse_result)}")
        lines += ["", f"{INDENT}return {writer.printer.text(function.result)}, pullback"]
    else:
        reverse = writer.steps(plan.reverse, 1)
        if reverse and plan.forward:
            lines.append("")
        lines += reverse
        lines.append(f"{INDENT}return {returned(function, writer)}")
    return "\n".join(lines) + "\n"


def schedule_of(functions: list[Function]) -> str | None:
    """The name of the function that says which states of loops are kept; None where none are."""
    blocks = [block for function in functions for block in function.blocks]
    operations = [node for block in blocks for node in nodes_in(block) if isinstance(node, Operation)]
    if not any(node.primitive.name == "turns_ahead" for node in operations):
        return None
    name = "turns_ahead"
    while any(parameter.name == name for each in functions for parameter in each.parameters):
        name += "_"
    return name


def writer_for(function: Function, taken: list[str], separate_sections: bool) -> Writer:
    plan = Planner(function).plan()
    names = Names(plan, Memory(plan, function.blocks, separate_sections), taken, separate_sections)
    names.assign()
    return Writer(names, printer_for(plan, names.names))


def emit_called(function: Function, taken: list[str], schedule: str | None) -> list[str]:
    """The lines of a function that is called: what it returns, and, if it is differentiated, its pullback.

    One that is a derivative as a whole returns what both of its sweeps have computed.
    """
    if function.derivatives is not None:
        return emit_derivative(function, taken, schedule)
    seeds = [str(seed.access) for seed in function.seed or ()]
    writer = writer_for(function, [*taken, *seeds, "pullback"], separate_sections=True)
    writer.printer.schedule = schedule
    plan, text = writer.names.plan, writer.printer.text
    results = list(map(text, function.result))
    lines = [header(function), *writer.steps(plan.forward, 1)]
    if function.reverse is not None:
        lines += ["", f"{INDENT}def pullback({', '.join(seeds)}):", *writer.steps(plan.reverse, 2)]
        lines += [f"{INDENT * 2}return {', '.join(map(text, function.reverse_result))}", ""]
        results.append("pullback")
    return [*lines, f"{INDENT}return {', '.join(results)}"]


def emit_derivative(function: Function, taken: list[str], schedule: str | None) -> list[str]:
    writer = writer_for(function, taken, separate_sections=False)
    writer.printer.schedule = schedule
    plan = writer.names.plan
    forward, reverse = writer.steps(plan.forward, 1), writer.steps(plan.reverse, 1)
    lines = [header(function), f'{INDENT}"""{function.documentation}"""', *forward]
    results = ", ".join(map(writer.printer.text, function.returned))
    return [*lines, *([""] if forward and reverse else []), *reverse, f"{INDENT}return {results}"]


def returned(function: Function, writer: Writer) -> str:
    if function.reverse is None:
        return writer.output(function.result)
    gradient = writer.printer.text(function.reverse_result)
    if function.result is None:
        return writer.output(function.reverse_result)
    return f"{writer.printer.text(function.result)}, {gradient}"


def header(function: Function) -> str:
    parts = []
    starred = False
    only = sum(parameter.kind == "positional_only" for parameter in function.parameters)
    for number, parameter in enumerate(function.parameters):
        if only and number == only:
            parts.append("/")
        if parameter.kind == "keyword" and not starred:
            parts.append("*")
            starred = True
        starred = starred or parameter.kind == "var_positional"
        parts.append(declaration(parameter))
    if only and only == len(function.parameters):
        parts.append("/")
    return f"def {function.name}({', '.join(parts)}):"


def declaration(parameter: Parameter) -> str:
    star = {"var_positional": "*", "var_keyword": "**"}.get(parameter.kind, "")
    return f"{star}{parameter.name}" + ("" if parameter.default is None else f"={parameter.default}")


def filled(head: str, items: list[str], tail: str, depth: int) -> list[str]:
    """A statement with a tuple in it, on several lines if it is too long for one."""
    indent = INDENT * depth
    listed = ", ".join(items)
    line = f"{indent}{head}({listed}){tail}" if head else f"{indent}{listed}{tail}"
    if len(line) <= COMMENT_WIDTH:
        return [line]
    width = COMMENT_WIDTH - len(indent) - len(INDENT)
    lines = textwrap.wrap(listed, width, break_long_words=False, break_on_hyphens=False)
    return [f"{indent}{head}(", *(f"{indent}{INDENT}{each}" for each in lines), f"{indent}){tail}"]


class Writer:
    """Turns steps into lines."""

    def __init__(self, names: Names, printer: Expressions) -> None:
        self.names = names
        self.printer = printer
        self.control = Control(names, printer, self.steps)
        self.commented: set[int] = set()
        self.current: Statement | None = None  # the statement that the lines around are of

    def output(self, operand: Operand) -> str:
        text = self.printer.text(operand)
        return text[1:-1] if isinstance(operand, tuple) and len(operand) > 1 else text

    def steps(self, steps: list[Step], depth: int, leaving: Exit | None = None) -> list[str]:
        """The lines of steps; `leaving` says how the turn of a loop that they end is left."""
        lines: list[str] = []
        around = current = self.current
        for step in steps:
            if leaving is not None and step is not steps[-1] and isinstance(step.node, Branch):
                assert leaving.tag not in step.node.results, "what leaves a loop is not at the end of a turn"
            statement = step.statement
            self.current = current if statement is None else statement
            body = self.step(step, depth, leaving)
            if not body:
                continue
            if statement is not None and (current is None or is_other(statement, current)):
                lines += [INDENT * depth + comment for comment in self.comments(step, statement)]
                current = statement
            lines += body
        self.current = around
        return lines

    def step(self, step: Step, depth: int, leaving: Exit | None) -> list[str]:
        node = step.node
        if isinstance(node, Branch):
            return self.control.branch(step, depth, leaving)
        if isinstance(node, Loop):
            return self.control.loop(step, depth)
        if isinstance(node, Pop):
            names = [self.names.names[value] for value in node.results]
            return filled("", names, f" = {self.printer.text(node.tape)}.pop()", depth)
        if isinstance(node, (Call, PullbackCall)):
            return [f"{INDENT * depth}{self.call(node)}"]
        if node.primitive.name == "push" and isinstance(node.arguments[1], tuple):
            tape, entry = node.arguments
            items = [self.printer.text(item) for item in entry]
            return filled(f"{self.printer.text(tape)}.append(", items, ")", depth)
        return [INDENT * depth + line for line in self.operation(node)]

    def call(self, node: Call | PullbackCall) -> str:
        names = [self.names.names[value] for value in node.results]
        if isinstance(node, PullbackCall):
            called, given = self.printer.text(node.pullback), node.cotangents
        else:
            called, given = node.function.name, node.arguments
            gives_pullback = node.function.reverse is not None and node.function.derivatives is None
            names += ["_"] * (len(node.function.returned) + gives_pullback - len(names))
        text = f"{called}({', '.join(map(self.printer.text, given))})"
        return f"{', '.join(names)} = {text}" if names else text

    def comments(self, step: Step, statement: Statement) -> list[str]:
        """The user's comments above a forward statement; what a reverse statement is the derivative of."""
        if step.reverse:
            if statement.note is not None:
                return [f"# {statement.note}"] if statement.note else []
            text = f"# d({statement.text})"
            return [text if len(text) <= COMMENT_WIDTH else f"{text[: COMMENT_WIDTH - 4]}...)"]
        found: list[str] = []
        line = statement.node.lineno - 1
        comments = statement.source.comments
        while line in comments and line not in self.commented:
            self.commented.add(line)
            found.append(comments[line].strip())
            line -= 1
        return found[::-1]

    def operation(self, node: Operation) -> list[str]:
        if node.primitive.effect:
            return self.printer.operation(node)[0].split("\n")
        name = self.names.names[node.result]
        if node.primitive.name in LIST_UPDATES:
            in_place = node.result in self.names.in_place and self.names.names[node.arguments[0]] == name
            return changed(self.printer, node, name, in_place)
        if node.primitive.name in UPDATES:
            return self.update(node, name)
        if node.result in self.names.in_place:
            base, value = node.arguments
            if self.names.names[base] == name:
                opposite = self.printer.negative(value) if node.primitive.name in ("add", "sub") else None
                if opposite is not None:
                    return [f"{name} {'-=' if node.primitive.name == 'add' else '+='} {opposite[0]}"]
                return [f"{name} {IN_PLACE[node.primitive.name]} {self.printer.text(value)}"]
        if node.result in self.names.reused:
            memory = self.names.names[self.names.reused[node.result]]
            operands = ", ".join(map(self.printer.text, node.arguments))
            return [f"{name} = {UFUNCS[node.primitive.name]}({operands}, out={memory})"]
        return [f"{name} = {self.printer.operation(node)[0]}"]

    def update(self, node: Operation, name: str) -> list[str]:
        """`index_set` and `index_add`: a write, into a copy where the array is still needed as it was."""
        array, index, value, path = node.arguments
        lines = []
        if node.result not in self.names.in_place or self.names.names[array] != name:
            lines.append(f"{name} = {self.printer.at_least(array, 15)}.copy()")
        target = self.printer.part(name, array, path)
        place = f"{target}[{self.printer.index(index)}]"
        written = self.printer.text(value)
        if node.primitive.name == "index_set" or (is_zeros(array) and not has_repetitions(index)):
            lines.append(f"{place} = {written}")
        elif has_repetitions(index):
            key = self.printer.key(index[0] if len(index) == 1 else index)
            lines.append(f"np.add.at({target}, {key}, {written})")
        else:
            opposite = self.printer.negative(value, subtracted=True)
            lines.append(f"{place} += {written}" if opposite is None else f"{place} -= {opposite[0]}")
        return lines


def is_other(statement: Statement, current: Statement) -> bool:
    """Whether it is another line of the user's, or is run for another purpose."""
    return statement.node is not current.node or statement.note != current.note


def is_zeros(operand: Operand) -> bool:
    if not isinstance(operand, Value) or not isinstance(operand.operation, Operation):
        return False
    return operand.operation.primitive.name in ("zeros_like", "zeros")
