"""Arrays made of the items of lists, and lists of the parts of an array, for compiled code.

Items whose shapes do not fit together depart (`departure.py`): NumPy code then raises what NumPy raises.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

import numpy as np

from ad_compiler.backends.native.numba_extensions.inlining import inlined
from ad_compiler.backends.native.run_time.departure import Departure


@inlined
def filled(out, numbers):
    """`np.array` of a list of numbers."""
    for k in range(len(numbers)):
        out[k] = numbers[k]
    return out


@inlined
def filled_rows(out, rows):
    """`np.array` of a list of tuples of numbers."""
    for k in range(len(rows)):
        row = rows[k]
        for j in range(len(row)):
            out[k, j] = row[j]
    return out


@inlined
def stacked_arrays(items):
    """`np.array` of a list of arrays."""
    if len(items) == 0:
        raise Departure
    out = np.empty((len(items), *items[0].shape), items[0].dtype)
    for k in range(len(items)):
        if items[k].shape != items[0].shape:
            raise Departure
        out[k] = items[k]
    return out


@inlined
def concatenated(items):
    """`np.concatenate` of a list of arrays."""
    if len(items) == 0:
        raise Departure
    rows = 0
    for item in items:
        if item.shape[1:] != items[0].shape[1:]:
            raise Departure
        rows += item.shape[0]
    out = np.empty((rows, *items[0].shape[1:]), items[0].dtype)
    place = 0
    for item in items:
        out[place : place + item.shape[0]] = item
        place += item.shape[0]
    return out


@inlined
def sum_of_numbers(items, start):
    result = start
    for item in items:
        result += item
    return result


@inlined
def sum_of_arrays(items):
    """`sum` of a list of arrays."""
    if len(items) == 0:
        raise Departure
    result = items[0].copy()
    for k in range(1, len(items)):
        if items[k].shape != result.shape:
            raise Departure
        result += items[k]
    return result


@inlined
def split_like(items, array):
    """`array` cut into parts as long as the arrays of a list."""
    parts = [array[:0].copy() for _ in range(0)]
    place = 0
    for item in items:
        parts.append(array[place : place + item.shape[0]].copy())
        place += item.shape[0]
    return parts


@inlined
def sections(array, ends):
    """`np.split` at the places `ends`."""
    parts = [array[:0].copy() for _ in range(0)]
    start = 0
    for end in ends:
        parts.append(array[start:end].copy())
        start = end
    parts.append(array[start:].copy())
    return parts
