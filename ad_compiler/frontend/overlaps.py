"""Assignments whose value is a view of the array written into, which NumPy reads while it writes.

    a[1:] = a[:-1]      fine: NumPy goes through both in the order that reads first
    a[::2] = a[:3]      refused: a[2] is read as the second value, after it was written as the second element

NumPy copies the value first where memory overlaps, but not for an assignment to a vector from a vector
that lies in memory in the same direction (`numpy/_core/src/multiarray/array_assign_array.c`). It picks the
order that is right for equal strides; what comes out for other strides is an accident of the memory. An
assignment by a boolean mask, or through `.flat`, does not look for overlaps at all.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

import numpy as np

from ad_compiler.analysis.layout import is_identity
from ad_compiler.analysis.types import ArrayType, Length
from ad_compiler.builder import key_of
from ad_compiler.frontend.aliases import root_of, viewing
from ad_compiler.frontend.context import Context
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.rules.shapes import normalized_axes, rank_of
from ad_compiler.rules.subscripts import expanded_index, is_array_index, is_mask

Index = tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Stride:
    """How far apart in memory the elements along an axis are: a step along an axis of the root."""

    axis: object  # of the root; of an axis that is none of the root's, an object of its own
    steps: tuple[Operand, ...] = ()  # by which slices have multiplied it

    def sliced(self, step: Operand) -> Stride:
        return self if step in (None, 1) else Stride(self.axis, (*self.steps, step))

    @property
    def sign(self) -> int | None:
        """Its direction; None where that is not known."""
        if not isinstance(self.axis, tuple):
            return None
        sign = 1
        for step in self.steps:
            if not isinstance(step, int):
                return None
            sign = -sign if step < 0 else sign
        return sign

    @property
    def key(self) -> object:
        """Equal for strides that are surely equal."""
        known = 1
        for step in self.steps:
            known *= step if isinstance(step, int) else 1
        return self.axis, known, tuple([step for step in self.steps if not isinstance(step, int)])


def check_overlap(
    context: Context, node: ast.AST, array: Value, items: Index, operand: Operand, flat: bool = False
) -> None:
    """Refuse `array[items] = operand` (`array.flat[items]` if `flat`) where NumPy may read what it wrote."""
    if not isinstance(operand, Value) or rank_of(operand) == 0 or root_of(operand) is not root_of(array):
        return
    if not flat and not any(is_mask(item) for item in items):
        if any(is_array_index(item) for item in items):
            return  # NumPy looks for overlaps
        target = strides_of_part(strides_of(array), items)
        if len(target) != 1:
            return
        source = strides_of(operand)[-1]
        if target[0].key == source.key or is_in_step(array, items, operand):
            return
        signs = target[0].sign, source.sign
        if None not in signs and signs[0] != signs[1]:
            return
    made = viewing(operand)
    line = (
        f", made in line {getattr(made.place[1], 'lineno', '?')}" if made is not None and made.place else ""
    )
    raise context.refuse(
        node,
        f"the value is a view of the same array{line}: NumPy may read elements of it that it has already "
        "overwritten",
        "write a copy of the value: `.copy()`",
    )


def strides_of(view: Value) -> list[Stride]:
    """The strides of a view, axis by axis."""
    seen = viewing(view)
    if seen is None:
        return [Stride((view, axis)) for axis in range(rank_of(view))]
    base, name = strides_of(seen.arguments[0]), seen.primitive.name
    if is_identity(seen):
        return base
    if name == "getitem":
        return strides_of_part(base, seen.arguments[1])
    if name in ("transpose", "swapaxes", "moveaxis"):
        return permuted(seen, base)
    if name == "flip":
        flipped = normalized_axes(seen.arguments[1], len(base))
        return [stride.sliced(-1) if axis in flipped else stride for axis, stride in enumerate(base)]
    own = [Stride(object()) for _ in range(rank_of(view))]
    if name in ("reshape", "ravel") and base and own:
        own[-1] = base[-1]  # the array is contiguous, or one axis of it was split
    return own


def permuted(seen: Operation, strides: list[Stride]) -> list[Stride]:
    """The strides in the order in which an operation puts the axes: told by the lengths it gives."""
    lengths = [Length(object()) for _ in strides]
    kind = seen.primitive.infer(Value(ArrayType(np.dtype(float), tuple(lengths))), *seen.arguments[1:])
    assert isinstance(kind, ArrayType)
    return [strides[next(n for n, each in enumerate(lengths) if each is length)] for length in kind.shape]


def strides_of_part(strides: list[Stride], items: Index) -> list[Stride]:
    """The strides of what a basic index selects."""
    found: list[Stride] = []
    axes = iter(strides)
    for item in expanded_index(items, len(strides)):
        if item is None:
            found.append(Stride(object()))
            continue
        stride = next(axes)
        if isinstance(item, slice):
            found.append(stride.sliced(item.step))
    return found


def is_in_step(array: Value, items: Index, operand: Value) -> bool:
    """Whether no element is read after it was written, though the strides differ.

    A row of a matrix gets the same part of the column that crosses it on the diagonal, or the reverse
    (`A[i, :i] = A[:i, i]`): they share no element, or one that stands at the same place in both. And what
    lies closer together gets what lies further ahead: `a[:3] = a[::2]`.
    """
    seen = viewing(operand)
    if seen is None or seen.primitive.name != "getitem" or seen.arguments[0] is not array:
        return False
    target, source = (expanded_index(index, rank_of(array)) for index in (items, seen.arguments[1]))
    if len(target) == len(source) == 2:
        return bool(key_of(tuple(target)) == key_of((source[1], source[0])))
    if len(target) != 1 or len(source) != 1:
        return False
    (start, step), (other, stride) = start_and_step(target[0]), start_and_step(source[0])
    return 0 <= start <= other and 0 < step <= stride


def start_and_step(item: Operand) -> tuple[int, int]:
    """Of a slice; -1 and 0 for what is not known."""
    start = 0 if item.start is None else item.start if isinstance(item.start, int) else -1
    step = 1 if item.step is None else item.step if isinstance(item.step, int) else 0
    return start, step
