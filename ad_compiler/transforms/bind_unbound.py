"""Binds what control flow leaves unbound, in generated code that the compiler reads again.

    for i in range(n):                  result = 0.0
        if x[i] > limit:                for i in range(n):
            result = x[i]       ->          if x[i] > limit:
            break                               result = x[i]
                                                break

Of a program of the user's the reader cannot tell that a name is never read where it is not bound, and
refuses it. Of generated code it is known: so the name is given a value of its kind, which nobody reads. Lists
are bound in any case, for the reverse sweep may ask how long one is that was not made.
"""

from __future__ import annotations

import numpy as np

from ad_compiler.analysis.types import ArrayType, ListType, is_one
from ad_compiler.ir import UNBOUND, Block, Branch, Function, Loop, Operand, Operation, Value
from ad_compiler.rules.notation import registry
from ad_compiler.traversal import blocks_of

NOTHING: dict[str, Operand] = {"f": 0.0, "c": 0j, "b": False, "i": 0, "u": 0}


def bind_unbound(function: Function, kinds: tuple[type, ...]) -> None:
    """Give a value to everything of these kinds that a branch or a loop of a program leaves unbound."""
    for block in function.blocks:
        bind_in(block, kinds)


def bind_in(block: Block, kinds: tuple[type, ...]) -> None:
    for node in list(block.operations):
        for inner in blocks_of(node):
            bind_in(inner, kinds)
        if isinstance(node, Branch):
            for side in (node.then, node.otherwise):
                for place, result in enumerate(node.results):
                    if side.results[place] is UNBOUND and isinstance(result.type, kinds):
                        side.results[place] = nothing(result, side, len(side.operations))
        elif isinstance(node, Loop):
            for place, param in enumerate(node.carried):
                if node.initial[place] is UNBOUND and isinstance(param.type, kinds):
                    node.initial[place] = nothing(param, block, block.operations.index(node))


def nothing(value: Value, block: Block, place: int) -> Operand:
    """A number, or an empty array or list, of the kind of a value; made at a place of a block."""
    kind = value.type
    if isinstance(kind, ListType):
        made = Value(kind)
        made.operation = Operation(registry["list_of"], ([], kind.element), made)
    else:
        assert isinstance(kind, ArrayType)
        if not kind.rank:
            return NOTHING[kind.dtype.kind]
        shape = tuple([1 if is_one(axis) else 0 for axis in kind.shape])
        made = Value(ArrayType(kind.dtype, shape))
        made.operation = Operation(registry[np.zeros], (shape, kind.dtype), made)
    block.operations.insert(place, made.operation)
    return made
