"""Programs as text, for those who work on the compiler: `AD_COMPILER_PRINT=differentiate`.

x: float
%1: float = mul(x, x)
return %1
"""

from __future__ import annotations

from ad_compiler.ir import Block, Branch, Call, Function, Loop, Operand, Pop, PullbackCall, Value
from ad_compiler.traversal import functions_called, map_values, values_in

INDENT = "    "


class Printer:
    """Numbers the values in the order in which they are met."""

    def __init__(self) -> None:
        self.numbers: dict[Value, str] = {}

    def name(self, value: Value) -> str:
        if value not in self.numbers:
            number = f"%{len(self.numbers) + 1}"
            self.numbers[value] = value.access or (f"{number}.{value.name}" if value.name else number)
        return self.numbers[value]

    def operand(self, operand: Operand) -> str:
        return repr(map_values(lambda value: _Text(self.name(value)), operand))

    def block(self, block: Block, indent: str) -> list[str]:
        lines = []
        for node in block.operations:
            if isinstance(node, Branch):
                results = ", ".join(f"{self.name(value)}: {value.type}" for value in node.results)
                lines.append(f"{indent}{results} = if {self.operand(node.condition)}")
                for title, side in (("then", node.then), ("else", node.otherwise)):
                    lines.append(f"{indent}{title}")
                    lines += self.block(side, indent + INDENT)
                    lines.append(f"{indent}{INDENT}yield {self.operand(side.results)}")
                continue
            if isinstance(node, Loop):
                lines += self.loop(node, indent)
                continue
            if isinstance(node, Pop):
                results = ", ".join(f"{self.name(value)}: {value.type}" for value in node.results)
                lines.append(f"{indent}{results} = pop({self.operand(node.tape)})")
                continue
            if isinstance(node, (Call, PullbackCall)):
                results = ", ".join(f"{self.name(value)}: {value.type}" for value in node.results)
                name = node.function.name if isinstance(node, Call) else self.name(node.pullback)
                given = node.arguments if isinstance(node, Call) else node.cotangents
                lines.append(f"{indent}{results} = call {name}({', '.join(map(self.operand, given))})")
                continue
            arguments = ", ".join(map(self.operand, node.arguments))
            result = f"{self.name(node.result)}: {node.result.type}"
            lines.append(f"{indent}{result} = {node.primitive.name}({arguments})")
        return lines

    def loop(self, loop: Loop, indent: str) -> list[str]:
        lines = []
        if loop.bounds is not None:
            index = "_" if loop.index is None else self.name(loop.index)
            backwards = "backwards " * loop.backwards
            lines.append(f"{indent}for {index} in {backwards}{self.operand(loop.bounds)}")
        else:
            lines.append(f"{indent}while")
        for carried, initial in zip(loop.carried, loop.initial, strict=True):
            lines.append(f"{indent}{INDENT}{self.name(carried)}: {carried.type} from {self.operand(initial)}")
        for title, block in (("if", loop.condition), ("do", loop.body)):
            if block is not None:
                lines.append(f"{indent}{title}")
                lines += self.block(block, indent + INDENT)
                lines.append(f"{indent}{INDENT}yield {self.operand(block.results)}")
        if loop.leave != 0:
            lines.append(f"{indent}{INDENT}leave if {self.operand(loop.leave)}")
        results = ", ".join(f"{self.name(value)}: {value.type}" for value in loop.results)
        return [*lines, f"{indent}gives {results}"]


class _Text:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def program_text(function: Function) -> str:
    """The program, a line for each operation; before it the functions that it calls."""
    called = [each for each in functions_called(function) if each is not function]
    return "\n".join(map(text_of, [*called, function]))


def text_of(function: Function) -> str:
    printer = Printer()
    lines = [
        f"{printer.name(value)}: {value.type}"
        for parameter in function.parameters
        for value in values_in(parameter.structure)
    ]
    lines += printer.block(function.forward, "")
    lines.append(f"return {printer.operand(function.result)}")
    if function.reverse is not None:
        lines += ["reverse", *printer.block(function.reverse, "")]
        lines.append(f"return {printer.operand(function.reverse_result)}")
    return "\n".join(lines)
