"""Which lengths differ from turn to turn of a loop.

A length is a symbol with a key that says what it was computed from: other lengths, whole numbers, values. In

    for k in range(n):
        part = x[k:]

that of `part` has `k` in its key, and differs; that of `x[1:]` is made of what is known before the loop. A
length whose key says nothing (that of a mask, of what a loop inside leaves) is taken to differ, unless
something that turns read from around them has it.
"""

from __future__ import annotations

from collections.abc import Iterable

from ad_compiler.analysis.types import ArrayType, Identity, Length, representative
from ad_compiler.ir import Value


class TurnLengths:
    """The lengths of a loop: `inside` are the values that its turns compute, `outside` those they read."""

    def __init__(self, inside: set[Value], outside: Iterable[Value]) -> None:
        self.inside = inside
        kinds = [value.type for value in outside if isinstance(value.type, ArrayType)]
        self.known = {representative(axis) for kind in kinds for axis in kind.shape}

    def may_differ(self, part: object) -> bool:
        """Whether a length, or a part of its key, may be another one in every turn."""
        if isinstance(part, Length):
            length = representative(part)
            if length in self.known or isinstance(length, int):
                return False
            return length.key is None or self.may_differ(length.key)
        if isinstance(part, Identity):
            return self.may_differ(part.of)
        if isinstance(part, tuple):
            return any(map(self.may_differ, part))
        return part in self.inside if isinstance(part, Value) else type(part) is object
