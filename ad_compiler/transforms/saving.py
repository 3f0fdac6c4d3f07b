"""What to save of a turn of a loop, and what to compute again from it: a minimum cut.

    product = c * u[1:]                      tape.append(u.copy())
    difference = u[1:] - u[:-1]        ->    ...
    tape.append((product, difference))       product = c * u[1:]           in the reverse sweep
    u[1:] -= product * difference            difference = u[1:] - u[:-1]

Whatever the reverse sweep reads of a turn is either saved, or computed again from what is saved or at
hand. Both have a price. The values are the nodes of a network, in which a value that is needed pulls
those it would be computed from to its side; the cheapest choice is a minimum cut of it. Saving an array
costs so much more than the arithmetic on one that the fewest arrays are saved, and among the choices that
do so the one with the fewest operations is taken. Only operations that cost about as much as the memory
traffic of saving their result are computed again: arithmetic, comparisons, selections and views.

That all which is read need not be saved is the to-be-recorded analysis (Hascoet, Naumann and Pascual,
To-be-recorded analysis in reverse-mode automatic differentiation, 2005); recomputation against storage is
Griewank and Walther, Evaluating Derivatives (2008), chapter 12.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable

from ad_compiler.analysis.storage import is_view
from ad_compiler.analysis.types import ArrayType, Axis, Length, representative
from ad_compiler.ir import Operation, Value
from ad_compiler.rules.subscripts import is_basic
from ad_compiler.transforms.minimum_cut import SINK, SOURCE, Network
from ad_compiler.traversal import values_in

LONG = 1000  # what a length that is not known is taken to be
SHORT = 30  # and that of a slice whose bounds are not known
NUMBER_SAVED = 20  # a place in the tuple on the tape, in units of half an operation on Python's floats
ARRAY_SAVED = 100  # an element saved, in units of one computed
CALL = 40  # of a NumPy function, whatever it is given
AT_HAND = 1

_SMALL = frozenset(
    {"lt", "le", "gt", "ge", "eq", "ne", "not", "length", "size", "and_", "or_", "neg"}
    | {"list_item", "list_length"}
)
_WHOLE = frozenset({"add", "sub", "mul", "floordiv", "mod", "min", "max"})
_ARITHMETIC = {
    **dict.fromkeys(["add", "sub", "mul", "neg", "pos", "abs", "absolute", "square", "select", "where"], 1),
    **dict.fromkeys(["maximum", "minimum", "lt", "le", "gt", "ge", "eq", "ne", "and_", "or_", "not"], 1),
    **dict.fromkeys(["logical_and", "logical_or", "logical_not", "invert", "sign"], 1),
    "truediv": 3,
}


def choose(
    wanted: Iterable[Value],
    price_outside: Callable[[Value], int | None],
    is_changing: Callable[[Value], bool],
) -> tuple[set[Value], set[Value]]:
    """The values to save, and those to compute again, so that all the wanted ones are at hand.

    `price_outside` is the price of a value that is not made in this turn (0 if it is at hand), None for one
    that is; `is_changing` tells what must be copied because it is written into later.
    """
    network = Network()
    seen: set[Value] = set()
    waiting = list(wanted)
    for value in waiting:
        network.connect(made(value), SINK, None)
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        outside = price_outside(value)
        if outside is not None:
            network.connect(SOURCE, made(value), outside)
            continue
        price = price_of_saving(value, is_changing(value))
        again = price_of_computing(value)
        if again is None:
            network.connect(SOURCE, made(value), price)
            continue
        network.connect(SOURCE, value, again)
        network.connect(value, made(value), price)
        assert isinstance(value.operation, Operation)
        for source in values_in(value.operation.arguments):
            network.connect(made(source), value, None)
            waiting.append(source)
    needed = network.sink_side()
    again_computed = {value for value in seen if value in needed}
    saved = {
        value
        for value in seen
        if made(value) in needed and value not in needed and price_outside(value) is None
    }
    return saved, again_computed


def made(value: Value) -> Hashable:
    """The node of a value as it is at hand; the value itself is the node of computing it again."""
    return ("made", value)


def price_of_saving(value: Value, copied: bool) -> int:
    """What a value on a tape costs; of equal ones, those with a name of the user's are preferred."""
    unnamed = 0 if value.name is not None else 1
    kind = value.type
    if isinstance(kind, ArrayType):
        if not kind.rank:
            return NUMBER_SAVED + 5 * unnamed
        size = size_of(kind)
        return ARRAY_SAVED * size * kind.dtype.itemsize // 8 + (size if copied else 0) + unnamed
    return ARRAY_SAVED * LONG**2  # a list of arrays


def price_of_computing(value: Value) -> int | None:
    """What it costs to compute a value once more; None if that is out of the question."""
    node = value.operation
    if not isinstance(node, Operation) or node.primitive.effect or node.primitive.fresh:
        return None
    kind = value.type
    if is_part(node) or is_view(node):
        return AT_HAND + 4 * (not isinstance(kind, ArrayType) or kind.rank > 0)
    name = node.primitive.name
    if not isinstance(kind, ArrayType):
        return AT_HAND if name in _SMALL else None
    if not kind.rank and (name in _SMALL or is_whole(kind, name)):
        return AT_HAND
    if name in ("length", "size"):
        return AT_HAND
    factor = _ARITHMETIC.get(name)
    if name == "pow" and node.arguments[1] == 2:
        factor = 2 if kind.python else 1
    if factor is None:
        return None
    if not kind.rank:
        return 10 * factor if kind.python else CALL * factor
    return CALL + size_of(kind) * factor


def is_whole(kind: ArrayType, name: str) -> bool:
    """Whether it is arithmetic of Python's whole numbers."""
    return kind.python and kind.dtype.kind in "bi" and name in _WHOLE


def is_part(node: Operation) -> bool:
    """Whether the result is a part of its first argument, taken by slices and numbers."""
    return node.primitive.name == "getitem" and is_basic(node.arguments[1])


def size_of(kind: ArrayType) -> int:
    """About how many elements an array has."""
    return math.prod(max(1, extent(axis)) for axis in kind.shape)


def extent(axis: Axis) -> int:
    """About how long an axis is."""
    axis = representative(axis)
    if not isinstance(axis, Length):
        return axis
    if not isinstance(axis.key, tuple):
        return LONG
    what, *of = axis.key
    if what == "first":
        return min(LONG, int(of[1]))
    if what == "broadcast":
        return max(extent(length) for length in of)
    if what == "slice":
        start, stop, step = of[1]
        if any(isinstance(bound, Value) for bound in (start, stop)):
            return SHORT
        start, step = start or 0, abs(step or 1) if not isinstance(step, Value) else 2
        if stop is not None and (start < 0) == (stop < 0):
            return max(0, int(stop - start)) // step
        return LONG // step if start >= 0 else min(LONG, -start) // step
    return LONG
