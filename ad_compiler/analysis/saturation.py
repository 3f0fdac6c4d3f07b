"""Exponentials that may overflow where what is made of them does not, because it saturates.

    y = 3 / (1 + np.exp(-x))          at x = -800: 3 / inf = 0, and so is the slope

By the chain rule the slope is `0 * inf` there. Let `u` be the exponential, and `h(u)` the result. The slope
is `u * h'(u)`, and tends to 0 where `h` has a limit: by L'Hôpital's rule a limit c of it would let `h` grow
like `c * log(u)`. So where the derivative of what saturates is 0, that is a strong zero: it stays 0 whatever
infinite number it meets. This holds for exponentials that are read by nothing but what saturates.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from ad_compiler.ir import Block, Operand, Operation, Value
from ad_compiler.rules.shapes import type_of
from ad_compiler.traversal import all_blocks, arguments_of, nodes_in, values_in

_EXPONENTIALS = frozenset({"exp", "exp2", "expm1", "cosh", "sinh"})
_LIMITED = frozenset({"arctan", "atan", "tanh", "reciprocal", *_EXPONENTIALS})
_QUOTIENTS = frozenset({"truediv", "divide", "true_divide"})
_POWERS = frozenset({"pow", "power", "float_power"})
_STEEP = frozenset({"mul", "multiply", "square", *_POWERS})  # infinite where their arguments are
_GROWING = frozenset(
    {"add", "sub", "subtract", "mul", "multiply", "neg", "negative", "square", "sqrt", "sum", "mean"}
    | {"reshape", "expand_dims", "squeeze", "getitem", "broadcast_to", "transpose"}
)


@dataclass(frozen=True, slots=True)
class Saturation:
    """Exponentials that only saturating operations read, with what is made of them; results of the latter."""

    steep: frozenset[Value] = frozenset()
    limited: frozenset[Value] = frozenset()


NOTHING_SATURATES = Saturation()


def saturation_of(block: Block, outputs: Operand) -> Saturation:
    """What saturates in a program with these results."""
    steep: set[Value] = set()
    limited: set[Value] = set()
    reading: Reading | None = None
    for node in nodes_in(block):
        if (
            isinstance(node, Operation)
            and node.primitive.name in _EXPONENTIALS
            and type_of(node.result).dtype.kind == "f"
        ):
            reading = reading or Reading(block, outputs)
            way: set[Value] = set()
            ends: set[Value] = set()
            if reading.saturates(node.result, way, ends):
                steep |= {node.result, *way}
                limited |= ends
    return Saturation(frozenset(steep), frozenset(limited))


class Reading:
    """Who reads the values of a program."""

    def __init__(self, block: Block, outputs: Operand) -> None:
        self.readers: defaultdict[Value, list[Operation]] = defaultdict(list)
        self.escaped = set(values_in(outputs))  # into results of blocks, loops and calls
        for node in nodes_in(block):
            if isinstance(node, Operation):
                for value in set(values_in(node.arguments)):
                    self.readers[value].append(node)
            else:
                self.escaped.update(values_in(arguments_of(node)))
        for inner in all_blocks(block):
            self.escaped.update(values_in(inner.results))

    def saturates(self, value: Value, way: set[Value], ends: set[Value]) -> bool:
        """Whether all that reads a value saturates: in the `ends`, and what is steep lies on the `way`."""
        readers = self.readers[value]
        return (
            bool(readers)
            and value not in self.escaped
            and all(self.ends_in(node, value, way, ends) for node in readers)
        )

    def ends_in(self, node: Operation, value: Value, way: set[Value], ends: set[Value]) -> bool:
        name, arguments = node.primitive.name, node.arguments
        exponent = arguments[1] if name in _POWERS else None
        if name in _LIMITED or (
            (name in _QUOTIENTS and arguments[0] is not value and arguments[1] is value)
            or (isinstance(exponent, (int, float)) and exponent < 0)
        ):
            ends.add(node.result)
            return True
        grows = name in _GROWING or (isinstance(exponent, (int, float)) and exponent > 0)
        if name in _STEEP:
            way.add(node.result)
        return grows and self.saturates(node.result, way, ends)
