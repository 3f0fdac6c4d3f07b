"""Operations to Python expressions, with the parentheses that precedence needs and no others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ad_compiler.analysis.types import representative
from ad_compiler.backends.numpy.precedence import Precedence, Text, quoted
from ad_compiler.backends.numpy.special_forms import SPECIAL
from ad_compiler.ir import Branch, Operand, Operation, Pop, Record, Value
from ad_compiler.rules.notation import Primitive
from ad_compiler.rules.shapes import rank_of, shape_of

BINARY: dict[str, tuple[str, Precedence]] = {
    "add": ("+", Precedence.ADD),
    "sub": ("-", Precedence.ADD),
    "mul": ("*", Precedence.MULTIPLY),
    "truediv": ("/", Precedence.MULTIPLY),
    "floordiv": ("//", Precedence.MULTIPLY),
    "mod": ("%", Precedence.MULTIPLY),
    "pow": ("**", Precedence.POWER),
    "and_": ("&", Precedence.BIT_AND),
    "or_": ("|", Precedence.BIT_OR),
    "xor": ("^", Precedence.BIT_XOR),
    "lshift": ("<<", Precedence.SHIFT),
    "rshift": (">>", Precedence.SHIFT),
    "lt": ("<", Precedence.COMPARE),
    "le": ("<=", Precedence.COMPARE),
    "gt": (">", Precedence.COMPARE),
    "ge": (">=", Precedence.COMPARE),
    "eq": ("==", Precedence.COMPARE),
    "ne": ("!=", Precedence.COMPARE),
}
OPPOSITE = {"eq": "!=", "ne": "=="}
UNARY = {"neg": "-", "pos": "+", "invert": "~"}


class Expressions:
    """Prints operands; `name_of` gives the variable of a value, None for one that is inlined.

    What `is_ours` tells to be made by the compiler may be written with other signs.
    """

    def __init__(
        self,
        name_of: Callable[[Value], str | None],
        is_ours: Callable[[Value], bool] = lambda value: False,
    ) -> None:
        self.name_of = name_of
        self.is_ours = is_ours
        self.schedule: str | None = (
            "turns_ahead"  # what the function is called that says which states are kept
        )

    def text(self, operand: Operand) -> str:
        return self.operand(operand)[0]

    def at_least(self, operand: Operand, precedence: int) -> str:
        text, own = self.operand(operand)
        return text if own >= precedence else f"({text})"

    def operand(self, operand: Operand) -> Text:
        if isinstance(operand, Value):
            name = self.name_of(operand)
            if name is not None:
                return name, Precedence.ATOM
            node = operand.operation
            if isinstance(node, Branch):
                return self.ternary(node)
            if isinstance(node, Pop):
                return f"{self.text(node.tape)}.pop()", Precedence.ATOM
            assert isinstance(node, Operation)
            return self.operation(node)
        return self.constant(operand)

    def constant(self, operand: Operand) -> Text:
        if isinstance(operand, (bool, np.bool_)):
            return str(bool(operand)), Precedence.ATOM
        if isinstance(operand, (int, np.integer)):
            return str(int(operand)), Precedence.ATOM if operand >= 0 else Precedence.UNARY
        if isinstance(operand, (float, np.floating)):
            return number_text(operand)
        if isinstance(operand, tuple):
            items = [self.text(item) for item in operand]
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})", Precedence.ATOM
        if isinstance(operand, list):
            return f"[{', '.join(map(self.text, operand))}]", Precedence.ATOM
        if isinstance(operand, dict):
            items = [f"{quoted(key)}: {self.text(item)}" for key, item in operand.items()]
            return f"{{{', '.join(items)}}}", Precedence.ATOM
        if isinstance(operand, Record):
            return self.record(operand), Precedence.ATOM
        if isinstance(operand, range):
            return repr(operand), Precedence.ATOM
        if isinstance(operand, slice):
            step = "" if operand.step is None else f":{self.text(operand.step)}"
            bounds = ["" if b is None else self.text(b) for b in (operand.start, operand.stop)]
            return f"{bounds[0]}:{bounds[1]}{step}", Precedence.TERNARY
        if operand is Ellipsis:
            return "...", Precedence.ATOM
        if isinstance(operand, str):
            return quoted(operand), Precedence.ATOM
        if isinstance(operand, np.dtype):
            return "bool" if operand.kind == "b" else f"np.{operand.name}", Precedence.ATOM
        if isinstance(operand, type):
            module = "np." if operand.__module__ == "numpy" else ""
            return f"{module}{operand.__name__}", Precedence.ATOM
        return repr(operand), Precedence.ATOM

    def record(self, record: Record) -> str:
        """A named tuple or dataclass, rebuilt from the class of an argument that is one."""
        maker = f"type({record.access})" if record.access else record.cls.__name__
        if issubclass(record.cls, tuple):
            return f"{maker}({', '.join(map(self.text, record.fields.values()))})"
        return f"{maker}({', '.join(f'{name}={self.text(item)}' for name, item in record.fields.items())})"

    def operation(self, node: Operation) -> Text:
        special = SPECIAL.get(node.primitive.name)
        if special is not None:
            return special(self, node)
        name = node.primitive.name
        if not node.primitive.text:
            if name in BINARY:
                symbol, precedence = BINARY[name]
                a, b = node.arguments
                if name == "pow":
                    return (
                        f"{self.at_least(a, Precedence.ATOM)} ** {self.at_least(b, Precedence.UNARY)}",
                        precedence,
                    )
                left = precedence + 1 if precedence == Precedence.COMPARE else precedence
                opposite = self.negative(b) if name in ("add", "sub") else None
                if opposite is not None:
                    text = opposite[0] if opposite[1] > precedence else f"({opposite[0]})"
                    return f"{self.at_least(a, left)} {'-' if name == 'add' else '+'} {text}", precedence
                return f"{self.at_least(a, left)} {symbol} {self.at_least(b, precedence + 1)}", precedence
            if name in UNARY:
                return f"{UNARY[name]}{self.at_least(node.arguments[0], Precedence.UNARY)}", Precedence.UNARY
            return f"{name}({', '.join(map(self.text, node.arguments))})", Precedence.ATOM
        return self.call(node), Precedence.ATOM

    def negative(self, operand: Operand, subtracted: bool = False) -> Text | None:
        """`2.0 * x`, if the operand is written `-2.0 * x`; None if it does not begin with a minus.

        The user's own signs are kept; but what they have `subtracted` is a negation only to the compiler.
        """
        node = operand.operation if isinstance(operand, Value) and self.name_of(operand) is None else None
        if not isinstance(node, Operation) or node.primitive.text:
            return None
        if node.primitive.name == "neg" and (subtracted or self.is_ours(node.result)):
            return self.operand(node.arguments[0])
        if not self.is_ours(node.result):
            return None
        if node.primitive.name not in ("mul", "truediv", "add", "sub"):
            return None
        first, second = node.arguments
        is_number = isinstance(first, (int, float)) and not isinstance(first, bool)
        opposite = self.constant(-first) if is_number and first < 0 else self.negative(first)
        if opposite is None:
            return None
        symbol, precedence = BINARY[node.primitive.name]
        symbol = {"+": "-", "-": "+"}.get(symbol, symbol)  # of a sum, every summand changes its sign
        left = opposite[0] if opposite[1] >= precedence else f"({opposite[0]})"
        return f"{left} {symbol} {self.at_least(second, precedence + 1)}", precedence

    def negation(self, condition: Operand) -> Text:
        """`not condition`, or `a != b` where the condition is written `a == b`."""
        node = (
            condition.operation if isinstance(condition, Value) and self.name_of(condition) is None else None
        )
        if isinstance(node, Operation) and node.primitive.name in OPPOSITE and not node.primitive.text:
            sides = [self.at_least(side, Precedence.COMPARE + 1) for side in node.arguments]
            return f" {OPPOSITE[node.primitive.name]} ".join(sides), Precedence.COMPARE
        return f"not {self.at_least(condition, Precedence.COMPARE)}", Precedence.NOT

    def call(self, node: Operation) -> str:
        """A call of a library function, defaults left out."""
        primitive = node.primitive
        if primitive.variadic:
            return f"{primitive.text}({', '.join(map(self.text, node.arguments))})"
        arguments = list(zip(primitive.parameters, node.arguments, strict=True))
        if not primitive.keywords:  # by position: only the last ones can be left out
            while arguments and is_default(primitive, *arguments[-1]):
                arguments.pop()
        parts = []
        for name, argument in arguments:
            if name not in primitive.defaults or not primitive.keywords:
                parts.append(self.text(argument))
            elif not is_default(primitive, name, argument):
                parts.append(f"{name}={self.text(argument)}")
        if (node.method or is_reduction(node)) and isinstance(node.arguments[0], Value):
            receiver = self.at_least(node.arguments[0], Precedence.ATOM)
            return f"{receiver}.{primitive.method}({', '.join(parts[1:])})"
        return f"{primitive.text}({', '.join(parts)})"

    def ternary(self, node: Branch) -> Text:
        (then,), (otherwise,) = node.then.results, node.otherwise.results
        for side, other, word, binds in (
            (otherwise, then, "and", Precedence.AND),
            (then, otherwise, "or", Precedence.OR),
        ):
            if side is node.condition:
                return f"{self.at_least(side, binds)} {word} {self.at_least(other, binds + 1)}", binds
        return self.choice(node.condition, then, otherwise)

    def choice(self, condition: Operand, then: Operand, otherwise: Operand) -> Text:
        parts = [self.at_least(part, Precedence.TERNARY + 1) for part in (then, condition)]
        return (
            f"{parts[0]} if {parts[1]} else {self.at_least(otherwise, Precedence.TERNARY)}",
            Precedence.TERNARY,
        )

    def index(self, index: tuple[Operand, ...]) -> str:
        if not index:
            return "()"
        return ", ".join(map(self.text, index)) + (
            "," if len(index) == 1 and isinstance(index[0], tuple) else ""
        )

    def part(self, name: str, array: Value, path: tuple[Operand, ...]) -> str:
        """The view of the array called `name` that a path leads to: `a.T`, `a[1:]`."""
        root = seen = Value(array.type)
        for primitive, *arguments in path:
            base, seen = seen, Value(primitive.infer(seen, *arguments))
            is_method = primitive.method is not None
            seen.operation = Operation(primitive, (base, *arguments), seen, method=is_method)
        printer = Expressions(lambda value: name if value is root else self.name_of(value))
        return printer.at_least(seen, Precedence.ATOM)

    def key(self, index: Operand) -> str:
        """An index as an object of its own: slices spelled out."""
        if isinstance(index, tuple):
            return f"({', '.join(map(self.key, index))}{',' if len(index) == 1 else ''})"
        if isinstance(index, slice):
            bounds = (
                [index.start, index.stop, index.step] if index.step is not None else [index.start, index.stop]
            )
            if bounds[0] is None and len(bounds) == 2:
                bounds = bounds[1:]
            return f"slice({', '.join(map(self.text, bounds))})"
        return self.text(index)

    def shape(self, shape: Operand) -> str:
        """A tuple of lengths: `x.shape` where it is the shape of one array."""
        if isinstance(shape, tuple):
            arrays = {
                item.operation.arguments[0]
                for item in shape
                if isinstance(item, Value)
                and isinstance(item.operation, Operation)
                and is_length(item.operation)
            }
            kept = any(isinstance(item, Value) and self.name_of(item) is not None for item in shape)
            for array in () if kept else arrays:  # a length that has a variable outlives the array's
                if rank_of(array) == len(shape) and all(
                    is_length_of(item, array, i) for i, item in enumerate(shape)
                ):
                    return f"{self.at_least(array, Precedence.ATOM)}.shape"
        return self.text(shape)


def is_default(primitive: Primitive, name: str, argument: Operand) -> bool:
    if name not in primitive.defaults:
        return False
    default = primitive.defaults[name]
    return argument is default or (type(argument) is type(default) and argument == default)


def is_reduction(node: Operation) -> bool:
    """A reduction of a real array: the method skips what NumPy's function does to find it out (2 us)."""
    return node.primitive.text in ("np.sum", "np.max", "np.min", "np.prod") and rank_of(node.arguments[0]) > 0


def is_length(node: Operation) -> bool:
    return node.primitive.name == "length"


def is_length_of(item: Operand, array: Value, axis: int) -> bool:
    if isinstance(item, Value):
        node = item.operation
        return isinstance(node, Operation) and is_length(node) and node.arguments == (array, axis)
    return bool(representative(shape_of(array)[axis]) == item)


def number_text(number: Any) -> Text:
    value = float(number)
    if isinstance(number, np.floating) and not isinstance(number, np.float64):
        return f"np.{number.dtype.name}({value!r})", Precedence.ATOM
    if math.isnan(value):
        return "np.nan", Precedence.ATOM
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    names = {math.pi: "np.pi", math.e: "np.e", math.inf: "np.inf"}
    return f"{sign}{names.get(abs(value), repr(abs(value)))}", Precedence.UNARY if sign else Precedence.ATOM
