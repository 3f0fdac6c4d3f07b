"""Which values share memory: a view shares its base's storage, a write keeps its array's.

An operation marked `view` may return its first argument's memory. What a branch yields is fresh when
both sides are.
"""

from __future__ import annotations

from collections.abc import Iterator

from ad_compiler.analysis.types import ArrayType, ListType
from ad_compiler.ir import UNBOUND, Call, Operand, Operation, PullbackCall, Value
from ad_compiler.rules.subscripts import is_basic
from ad_compiler.traversal import arguments_of, origins_of, values_in


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
    """Every value whose memory this one may share, through views, branches and loops."""
    found: set[Value] = set()
    waiting = [value]
    while waiting:
        root = storage_of(waiting.pop())
        if root not in found:
            found.add(root)
            waiting += values_in(shared_with(root))
            waiting += shared_with_list(root)
    return frozenset(found)


def shared_with(value: Value) -> Operand:
    """The operands whose memory it may be: what control flow chooses it from, or what a call is given."""
    node = value.operation
    if isinstance(node, (Call, PullbackCall)):
        if is_fresh(value):
            return ()
        return [each for each in values_in(arguments_of(node)) if not is_number(each)]
    return origins_of(value) or ()


def returned_by(call: Call | PullbackCall) -> list[Operand]:
    """What a call returns, in terms of the function called; None where it is not known, or returned twice."""
    made = call if isinstance(call, Call) else call.pullback.operation
    returned = None
    if isinstance(made, Call):
        returned = made.function.returned if made is call else made.function.reverse_result
    if returned is None:
        return [None] * len(call.results)
    roots = [set(chosen_from(operand)) for operand in returned]
    return [
        *(
            None if any(own & other for other in roots if other is not own) else operand
            for own, operand in zip(roots, returned, strict=True)
        ),
        None,  # the pullback
    ]


def chosen_from(operand: Operand) -> Iterator[Value]:
    """The values that an operand may be, or be a view of, as control flow goes."""
    seen: set[Value] = set()
    waiting = [operand]
    while waiting:
        current = waiting.pop()
        if isinstance(current, Value) and current not in seen:
            seen.add(current)
            root = storage_of(current)
            yield root
            waiting += origins_of(root) or ()


def shared_with_list(value: Value) -> list[Value]:
    """The arrays and lists that a list holds, or came from; the list that an item was taken from."""
    node = value.operation
    if not isinstance(node, Operation) or not (isinstance(value.type, ListType) or is_item(value)):
        return []
    return [each for each in values_in(node.arguments) if not is_number(each)]


def is_item(value: Value) -> bool:
    """Whether it may be a part of an argument, or kept elsewhere, and so is not to be written into.

    That is an item of a list, and what a function of another library gives.
    """
    node = value.operation
    if not isinstance(node, Operation):
        return False
    return node.primitive.name == "list_item" or node.primitive.module is not None


def is_number(value: Value) -> bool:
    return isinstance(value.type, ArrayType) and value.type.rank == 0


def is_fresh(value: Value) -> bool:
    """Whether the value's memory was made by the program, and is no view of anything."""
    seen: set[Value] = set()
    waiting: list[Operand] = [value]
    while waiting:
        current = waiting.pop()
        if current is UNBOUND or current in seen:
            continue
        if not isinstance(current, Value):
            return False
        seen.add(current)
        origins = origins_of(current)
        if origins is not None:
            waiting += origins
        elif isinstance(current.operation, (Call, PullbackCall)):
            returned = returned_by(current.operation)
            waiting.append(returned[current.operation.results.index(current)])
        elif not isinstance(current.operation, Operation) or is_view(current.operation) or is_item(current):
            return False
    return True
