"""Rules of `np.pad` in every mode.

Padding with zeros has a rule of its own. Every other mode joins parts to the array, axis by axis, as NumPy
does it: numbers, a statistic of the elements, a ramp, or elements read again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, constant, definition, expansion, linear, registry
from ad_compiler.rules.shapes import rank_of, static_int, sum_of_axes, type_of
from ad_compiler.rules.structure import add_lengths, length


@at_compile_time
def pairs_of(array: Any, given: Any, what: str) -> tuple[tuple[Any, Any], ...]:
    """Before and after, for every axis: of a number, a pair, or one pair for each axis."""
    rank = rank_of(array)
    if isinstance(given, Value) and rank_of(given):
        raise Refusal(f"the {what} given to `np.pad` are an array", "give a number or tuples of numbers")
    pairs = given if isinstance(given, (tuple, list)) else ((given, given),)
    if not isinstance(pairs[0], (tuple, list)):
        pairs = (pairs if len(pairs) == 2 else (pairs[0], pairs[0]),)
    if len(pairs) not in (1, rank):
        raise Refusal(f"{len(pairs)} {what} are given for {rank} axes", "give one pair for each axis")
    pairs = tuple(pairs) * rank if len(pairs) == 1 else tuple(pairs)
    return tuple((pair[0], pair[-1]) for pair in pairs)


@at_compile_time
def pad_widths(array: Any, pad_width: Any) -> tuple[tuple[int, int], ...]:
    """The widths before and after, for every axis."""
    if isinstance(pad_width, dict):
        rank = rank_of(array)
        by_axis = {axis % rank: pair for axis, pair in pad_width.items()}
        pad_width = tuple(by_axis.get(axis, (0, 0)) for axis in range(rank))
        pad_width = tuple(pair if isinstance(pair, tuple) else (pair, pair) for pair in pad_width)
    widths = pairs_of(array, pad_width, "pad widths")
    return tuple((static_int(a, "a pad width"), static_int(b, "a pad width")) for a, b in widths)


def zeros_around_type(array: Any, pad_width: Any) -> ArrayType:
    kind = type_of(array)
    pairs = zip(kind.shape, pad_widths(array, pad_width), strict=True)
    return ArrayType(kind.dtype, tuple([sum_of_axes([n, before + after]) for n, (before, after) in pairs]))


def zeros_around(array: Any, pad_width: Any) -> Any:
    """`np.pad` in its default mode."""


@linear(zeros_around, infer=zeros_around_type, text="np.pad", name="pad", complex=True)
def zeros_around_rule(array: Any, pad_width: Any, *, g: Any) -> Any:
    return middle(g, array, pad_widths(array, pad_width))


@expansion()
def middle(builder: Builder, g: Operand, a: Operand, widths: Any) -> Operand:
    """The part of `g` that is not padding."""
    index: list[Operand] = []
    for axis, (before, after) in enumerate(widths):
        stop = add_lengths(builder, length(builder, a, axis), before) if after else None
        index.append(slice(before or None, stop, None))
    part = builder.call(registry["getitem"], (g, tuple(index)))
    return builder.call(registry[np.reshape], (part, tuple(length(builder, a, i) for i in range(len(index)))))


def padded_places_type(n: Any, pad_width: Any, mode: Any) -> ArrayType:
    return ArrayType(np.dtype(np.intp), zeros_around_type(n, pad_width).shape)


def padded_places(places: Any, pad_width: Any, mode: Any) -> Any:
    """`np.pad` of the places of an axis: which element stands where."""


@constant(padded_places, infer=padded_places_type, text="np.pad", keywords=False)
def padded_places_signature(places: Any, pad_width: Any, mode: Any) -> None: ...


@definition(np.pad, structures=("pad_width", "constant_values", "end_values", "stat_length"), complex=True)
def pad(
    array: Any,
    pad_width: Any,
    mode: Any = "constant",
    constant_values: Any = 0,
    end_values: Any = 0,
    stat_length: Any = None,
    reflect_type: Any = "even",
) -> Any:
    widths = pad_widths(array, pad_width)
    check_mode(mode, reflect_type)
    if mode == "constant" and is_zero_number(constant_values):
        return zeros_around(array, widths)
    padded = array
    for axis, (before, after) in enumerate(widths):
        if mode == "constant":
            first, last = pairs_of(array, constant_values, "values")[axis]
            padded = joined(
                layer(padded, first, axis, before), padded, layer(padded, last, axis, after), axis
            )
        elif mode == "linear_ramp":
            first, last = pairs_of(array, end_values, "end values")[axis]
            padded = joined(
                ramp(padded, first, axis, before, 0), padded, ramp(padded, last, axis, after, -1), axis
            )
        elif mode in ("maximum", "minimum", "mean", "median"):
            first, last = pairs_of(array, stat_length, "lengths")[axis]
            head = statistic(padded if first is None else part(padded, axis, None, first), mode, axis)
            tail = statistic(padded if last is None else part(padded, axis, -last, None), mode, axis)
            padded = joined(layer(padded, head, axis, before), padded, layer(padded, tail, axis, after), axis)
        elif reflect_type == "odd":
            padded = oddly_reflected(padded, before, after, axis, mode)
        else:
            places = padded_places(np.arange(np.shape(padded)[axis]), (before, after), mode)
            padded = np.take(padded, places, axis)
    return padded


@at_compile_time
def check_mode(mode: Any, reflect_type: Any) -> None:
    if not isinstance(mode, str) or mode == "empty":
        which = f"in mode {mode!r} leaves open" if isinstance(mode, str) else "by a function does not tell"
        raise Refusal(f"`np.pad` {which} what it pads with", "name another mode")
    if reflect_type not in ("even", "odd"):
        raise Refusal(f"the reflection {reflect_type!r} is not known", 'use "even" or "odd"')


@at_compile_time
def is_zero_number(values: Any) -> bool:
    return isinstance(values, (int, float)) and values == 0


def joined(before: Any, array: Any, after: Any, axis: Any) -> Any:
    return np.concatenate([before, array, after], axis)


def layer(array: Any, value: Any, axis: Any, width: Any) -> Any:
    """A number, or a layer of the array, as often as the padding is wide."""
    return np.full(with_length(np.shape(array), axis, width), value, array.dtype)


def ramp(array: Any, end: Any, axis: Any, width: Any, edge: Any) -> Any:
    """From the outer end, which has the value `end`, towards the edge of the array."""
    steps = np.reshape(np.arange(width), vector_shape(array, axis)) / max(width, 1)
    steps = steps.astype(array.dtype)
    inner = np.take(array, [edge], axis)
    return (end + (inner - end) * (steps if edge == 0 else np.flip(steps, axis))).astype(array.dtype)


def oddly_reflected(array: Any, before: Any, after: Any, axis: Any, mode: Any) -> Any:
    """Reflected in the points at the ends: after two reflections the array itself, shifted by a constant."""
    n = np.shape(array)[axis]
    twice = 0 if mode == "symmetric" else 1  # whether the ends themselves are left out
    period = np.maximum(2 * n - 2 * twice, 1)
    places = np.arange(n + before + after) - before
    within = places % period
    turned = np.reshape(within >= n, vector_shape(array, axis))
    read = np.take(array, np.where(within < n, within, 2 * n - 1 - twice - within), axis)
    first, last = np.take(array, [0], axis), np.take(array, [-1], axis)
    turns = np.reshape(places // period, vector_shape(array, axis))
    shift = np.where(turns == 0, 0.0, turns * (2 * (last - first)))
    return (np.where(turned, 2 * last - read, read) + shift).astype(array.dtype)


def part(array: Any, axis: Any, start: Any, stop: Any) -> Any:
    return np.moveaxis(np.moveaxis(array, axis, 0)[start:stop], 0, axis)


def statistic(array: Any, mode: Any, axis: Any) -> Any:
    if mode == "maximum":
        return np.max(array, axis=axis, keepdims=True)
    if mode == "minimum":
        return np.min(array, axis=axis, keepdims=True)
    if mode == "mean":
        return np.mean(array, axis=axis, keepdims=True)
    return np.median(array, axis=axis, keepdims=True)


@at_compile_time
def with_length(shape: Any, axis: int, n: int) -> tuple[Any, ...]:
    return tuple(n if i == axis else m for i, m in enumerate(shape))


@at_compile_time
def vector_shape(array: Any, axis: int) -> tuple[int, ...]:
    return tuple(-1 if i == axis else 1 for i in range(rank_of(array)))
