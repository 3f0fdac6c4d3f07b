"""How many directions a Jacobian is computed for at once.

All of them, while the largest intermediate array of the program holds no more than `AT_ONCE` numbers then;
that many fit into a cache of the second level. Else in blocks of a power of two, of as many as fit. Where
directions go into products of matrices, a block has at least `LEAST`, which is what these want, while that
takes no more than `AT_MOST` numbers. Where only `FEW` fit, there is nothing to gain: one after the other.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ad_compiler.analysis.types import Axis, Length, Shape, representative
from ad_compiler.ir import Parameter, Value

AT_ONCE = 2**18
LEAST = 64
AT_MOST = 2**22
FEW = 3


@dataclass(eq=False)
class Batched:
    """What a program does for many directions at once."""

    shapes: list[Shape] = field(default_factory=list)  # of what depends on a direction, for one of them
    products: bool = False  # whether directions go into products of matrices


def block_size(
    batched: Batched, parameters: Sequence[Parameter], arguments: Mapping[str, Any], count: int
) -> int | None:
    """How many of `count` directions at once, in a program of these parameters: None is all of them."""
    if not count:
        return 1
    if not batched.shapes:
        return None
    lengths = Lengths(parameters, arguments)
    width = max(1, *[math.prod(map(lengths.of, shape)) for shape in batched.shapes])
    if width * count <= AT_ONCE:
        return None
    size = AT_ONCE // width
    if batched.products:
        size = max(size, min(LEAST, AT_MOST // width))
    if size <= FEW:
        return 1
    size = power_of_two(size)
    return None if size >= count else size


def power_of_two(number: int) -> int:
    """The largest one up to a number; 1 at least."""
    return 1 << max(number, 1).bit_length() - 1


class Lengths:
    """The lengths of axes in a call; those that are not known up front count as the longest that is."""

    def __init__(self, parameters: Sequence[Parameter], arguments: Mapping[str, Any]) -> None:
        self.arrays: dict[Value, Any] = {
            parameter.structure: arguments[parameter.name]
            for parameter in parameters
            if isinstance(parameter.structure, Value) and parameter.name in arguments
        }
        shapes = shapes_in(tuple(arguments.values()))
        self.longest = max([n for shape in shapes for n in shape], default=1)

    def of(self, axis: Axis) -> int:
        axis = representative(axis)
        if isinstance(axis, int):
            return axis
        if axis.origin is not None and axis.origin[0] in self.arrays:
            return int(np.shape(self.arrays[axis.origin[0]])[axis.origin[1]])
        key = axis.key if isinstance(axis.key, tuple) else (None,)
        parts = [self.of(part) if isinstance(part, (int, Length)) else self.longest for part in key[1:]]
        if key[0] == "shortened":
            return max(parts[0] - parts[1], 0)
        if key[0] == "product":
            return math.prod(parts)
        return self.longest


def shapes_in(obj: Any) -> Iterator[tuple[int, ...]]:
    """The shapes of the arrays in an argument."""
    if isinstance(obj, np.ndarray):
        yield obj.shape
    elif isinstance(obj, (tuple, list)):
        for item in obj:
            yield from shapes_in(item)
    elif isinstance(obj, dict):
        yield from shapes_in(tuple(obj.values()))
    elif dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        yield from shapes_in([getattr(obj, field.name) for field in dataclasses.fields(obj)])
