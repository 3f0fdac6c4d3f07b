"""How arrays lie in memory: which operations give views, and which arrays are contiguous.

Most of NumPy's operations always give a view (`a[1:]`, `a.T`), or always a copy (`a + 1`, `a[mask]`).
`reshape` and `ravel` give a view where the elements lie in memory as they are asked for, else a copy. What
an operation does to memory is decided by what is known of its operand: where that is an argument of the
program, it is taken to be contiguous, which is checked when the program runs.
"""

from __future__ import annotations

from enum import Enum
from typing import TypeGuard

from ad_compiler.analysis.storage import is_view
from ad_compiler.analysis.types import ArrayType, Axis, is_one, may_be_one, same_length, same_shape
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.rules.markers import is_hook
from ad_compiler.rules.subscripts import expanded_index
from ad_compiler.traversal import origins_of, values_in


class Sharing(Enum):
    """What the result of an operation has of the memory of its first argument."""

    VIEW = "a view"
    COPY = "a copy"
    UNKNOWN = "a view or a copy"


CONTIGUOUS: frozenset[Value] = frozenset()  # whatever the arguments are
_SAME = frozenset(
    {"asarray", "float64", "float32", "float16", "complex64", "complex128", "longdouble", "clongdouble"}
)  # the operand itself, if the dtype is right
_READ_ONLY = frozenset(
    {"broadcast_to", "diagonal", "diag", "sliding_window_view", "real", "imag", "matrix_power"}
)
_ALWAYS = frozenset(
    {"zeros", "ones", "empty", "full", "arange", "linspace", "eye", "identity", "outer", "flatten", "ravel"}
)
_AS_OPERANDS = frozenset(
    {"zeros_like", "ones_like", "empty_like", "full_like", "astype", "array", "copy", "tril", "triu", "where"}
    | {"select", "clip", "index_set", "index_add", "concatenate", "stack", "sum", "mean", "sort"}
    | {"squeeze", "expand_dims", "asarray", "float64", "float32", "float16"}
)
_MAKING = frozenset(  # arrays even without axes
    {"zeros", "ones", "empty", "full", "zeros_like", "ones_like", "empty_like", "full_like", "array"}
    | {"asarray", "reshape", "index_set", "index_add"}
)
_PERMUTING = frozenset({"transpose", "swapaxes", "moveaxis"})


def rank_of(value: Value) -> int:
    return value.type.rank if isinstance(value.type, ArrayType) else 0


def is_array(operand: Operand) -> TypeGuard[Value]:
    """Whether an operand is an array in memory (not a number, nor one of NumPy's immutable scalars)."""
    seen: set[Value] = set()
    waiting = [operand]
    while waiting:
        value = waiting.pop()
        if not isinstance(value, Value) or not isinstance(value.type, ArrayType) or value.type.python:
            continue
        if value.type.rank > 0 or value.memory_of is not None:
            return True
        if value.immutable or value in seen:
            continue
        seen.add(value)
        node = value.operation
        if isinstance(node, Operation):
            name, arguments = node.primitive.name, node.arguments
            if name in _MAKING or (name == "getitem" and Ellipsis in arguments[1]):
                return True
            if name in ("copy", "astype", "squeeze", "transpose"):
                if name == "copy" and not node.method:
                    return True
                waiting.append(arguments[0])
            continue
        origins = origins_of(value)
        if origins is None:
            return True
        waiting += origins
    return False


def is_identity(operation: Operation) -> bool:
    """Whether a view shows all of its operand as it is: `np.asarray` of an array, `ravel` of a vector."""
    base, result = operation.arguments[0], operation.result
    if not isinstance(base, Value) or not isinstance(result.type, ArrayType):
        return False
    name = operation.primitive.name
    if name in ("reshape", "ravel") and isinstance(base.type, ArrayType):
        return same_shape(base.type.shape, result.type.shape)
    if name == "ascontiguousarray":
        return contiguous_if(base) == CONTIGUOUS
    if name not in _SAME or not isinstance(base.type, ArrayType) or base.type.dtype != result.type.dtype:
        return False
    return is_array(base) and (name == "asarray" or base.type.rank > 0)


def is_read_only(operation: Operation) -> bool:
    return operation.primitive.name in _READ_ONLY


def sharing(operation: Operation) -> Sharing:
    """Whether the result is a view of the first argument."""
    if not is_view(operation) or (is_hook(operation) and operation.result.memory_of is not None):
        return Sharing.COPY  # of a hook, the names are bound to what it gives, as by a write
    name, base = operation.primitive.name, operation.arguments[0]
    if not isinstance(base, Value) or not is_array(base):
        return Sharing.COPY
    if name in ("reshape", "ravel"):
        if name == "ravel" and operation.arguments[1] == "F":
            return sharing_of_transposed_ravel(base)
        return sharing_of_reshape(base, operation.result, name)
    if is_identity(operation):
        return Sharing.VIEW
    if name in _SAME or (name == "diag" and rank_of(base) == 1):
        return Sharing.COPY
    return Sharing.UNKNOWN if name in ("ascontiguousarray", "sum_where_broadcast") else Sharing.VIEW


def shows_memory(base: Value, path: tuple[Operand, ...]) -> bool:
    """Whether the views that a path of a write leads through all show the memory of `base`."""
    for primitive, *arguments in path:
        seen = Value(primitive.infer(base, *arguments))
        seen.operation = Operation(primitive, (base, *arguments), seen)
        if sharing(seen.operation) is not Sharing.VIEW:
            return False
        base = seen
    return True


def sharing_of_reshape(base: Value, result: Value, name: str) -> Sharing:
    own, wanted = long_axes(base), long_axes(result)
    if len(own) <= 1 and (name == "reshape" or contiguous_if(base) == CONTIGUOUS or not own):
        return Sharing.VIEW  # one axis is split
    if len(own) == len(wanted) and all(map(same_length, own, wanted)) and name == "reshape":
        return Sharing.VIEW  # only axes of length 1 come and go
    if contiguous_if(base) == CONTIGUOUS:
        return Sharing.VIEW
    if len(wanted) <= 1 and is_permuted(base, CONTIGUOUS):
        return Sharing.COPY
    return Sharing.UNKNOWN


def sharing_of_transposed_ravel(base: Value) -> Sharing:
    """Of `ravel(order="F")`: a copy where two axes of an array that is contiguous are longer than 1."""
    if contiguous_if(base) != CONTIGUOUS:
        return Sharing.UNKNOWN
    axes = long_axes(base)
    if len(axes) <= 1:
        return Sharing.VIEW
    return Sharing.COPY if sum(not may_be_one(axis) for axis in axes) > 1 else Sharing.UNKNOWN


def long_axes(value: Value) -> list[Axis]:
    assert isinstance(value.type, ArrayType)
    return [axis for axis in value.type.shape if not is_one(axis)]


def deciding_inputs(operation: Operation) -> frozenset[Value] | None:
    """The inputs that must be contiguous for it to be known what it does; None if unknown then too."""
    base = operation.arguments[0]
    found = contiguous_if(base)
    if found is not None:
        return found
    if rank_of(operation.result) <= 1 and isinstance(base.operation, Operation):
        found = contiguous_if(base.operation.arguments[0])
        if found is not None and is_permuted(base, found):
            return found
    return None


def is_permuted(value: Value, known: frozenset[Value]) -> bool:
    """Whether two axes longer than 1 lie in memory in another order than in the array."""
    node = value.operation
    if not isinstance(node, Operation) or node.primitive.name not in _PERMUTING:
        return False
    base = node.arguments[0]
    if contiguous_if(base) not in (known, CONTIGUOUS):
        return False
    assert isinstance(base.type, ArrayType)
    if any(map(may_be_one, base.type.shape)):
        return False
    name, rank = node.primitive.name, base.type.rank
    if name == "transpose":
        axes = node.arguments[1]
        return axes is None or tuple(axis % rank for axis in axes) != tuple(range(rank))
    first, second = node.arguments[1:]
    if not isinstance(first, int) or not isinstance(second, int):
        return False
    return first % rank != second % rank


def contiguous_if(operand: Operand) -> frozenset[Value] | None:
    """The inputs that must be contiguous (last axis fastest) for an array to be so; None if not known."""
    seen: set[Value] = set()
    needed: set[Value] = set()
    waiting = [operand]
    while waiting:
        value = waiting.pop()
        if not isinstance(value, Value) or rank_of(value) == 0 or value in seen or value.contiguous:
            continue
        seen.add(value)
        if value.memory_of is not None:
            waiting.append(value.memory_of)
            continue
        origins = origins_of(value)
        if origins is not None:
            waiting += origins
        elif isinstance(value.operation, Operation):
            behind = operands_behind(value.operation)
            if behind is None:
                return None
            waiting += behind
        elif value.access is not None:
            needed.add(value)
        else:
            return None
    return frozenset(needed)


def operands_behind(operation: Operation) -> list[Operand] | None:
    """What must be contiguous for the result to be so; None if that is not known."""
    name, arguments, result = operation.primitive.name, operation.arguments, operation.result
    if name in _ALWAYS or (rank_of(result) == 1 and not is_view(operation)):
        return []
    if (name == "copy" and operation.method) or (name in ("matmul", "dot") and rank_of(result) == 2):
        return []
    if name == "getitem":
        return [arguments[0]] if is_leading(arguments[0], arguments[1]) else None
    if name == "reshape":
        return [arguments[0]]
    if name in _AS_OPERANDS or operation.primitive.kind == "elementwise":
        return list(values_in(arguments))
    return None


def is_leading(array: Value, index: tuple[Operand, ...]) -> bool:
    """Whether a basic index selects elements that lie together: `a[i]`, `a[1:3]`, `a[i, :k]`."""
    items = [item for item in expanded_index(index, rank_of(array)) if item is not None]
    if not all(item is Ellipsis or isinstance(item, (slice, int, Value)) for item in items):
        return False
    sliced = next((place for place, item in enumerate(items) if isinstance(item, slice)), len(items))
    rest = items[sliced + 1 :]
    whole = all(isinstance(item, slice) and item == slice(None) for item in rest)
    return whole and (sliced == len(items) or items[sliced].step in (None, 1))
