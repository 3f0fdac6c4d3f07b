"""Which values share memory: a view shares its base's storage, a write keeps its array's.

An operation marked `view` may return its first argument's memory. What a branch yields is fresh when
both sides are.
"""

from __future__ import annotations

from ad_compiler.analysis.types import ArrayType
from ad_compiler.ir import Branch, Operation, Value
from ad_compiler.rules.indexing import is_basic


def is_view(operation: Operation) -> bool:
    """Whether the result may share memory with the first argument."""
    primitive = operation.primitive
    if primitive.name == "getitem":
        result = operation.result.type
        is_number = (
            isinstance(result, ArrayType) and result.rank == 0 and Ellipsis not in operation.arguments[1]
        )
        return is_basic(operation.arguments[1]) and not is_number
    return primitive.view


def storage_of(value: Value) -> Value:
    """The value whose memory this one may share: itself, or the base of a view."""
    while isinstance(value.operation, Operation) and is_view(value.operation):
        base = value.operation.arguments[0]
        if not isinstance(base, Value):
            return value
        value = base
    return value


def storages_of(value: Value) -> frozenset[Value]:
    """Every value whose memory this one may share: through views, and through both sides of a branch."""
    root = storage_of(value)
    node = root.operation
    if not isinstance(node, Branch):
        return frozenset((root,))
    place = node.results.index(root)
    sides = (node.then.results[place], node.otherwise.results[place])
    return frozenset((root,)).union(*[storages_of(side) for side in sides if isinstance(side, Value)])


def is_fresh(value: Value) -> bool:
    """Whether the value's memory was made by the program, and is no view of anything."""
    operation = value.operation
    if operation is None:
        return False
    if isinstance(operation, Branch):
        place = operation.results.index(value)
        sides = (operation.then.results[place], operation.otherwise.results[place])
        return all(isinstance(side, Value) and is_fresh(side) for side in sides)
    return not is_view(operation)
