"""Subscripts and slices, for compiled code: Python's semantics, with the checks that Numba leaves out."""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

from ad_compiler.backends.native.numba_extensions.inlining import inlined
from ad_compiler.backends.native.run_time.departure import Departure


@inlined
def at(i, n):
    """A subscript counted from the start."""
    if i < 0:
        i += n
    if i < 0 or i >= n:
        raise Departure
    return i


@inlined
def bound(i, n):
    """The start or end of a slice, cut to the length of the axis."""
    if i < 0:
        i += n
    return min(max(i, 0), n)


@inlined
def slice_start(has_start, start, step, n):
    if not has_start:
        return n - 1 if step < 0 else 0
    if start < 0:
        start += n
    return min(max(start, -1), n - 1) if step < 0 else min(max(start, 0), n)


@inlined
def slice_length(first, has_stop, stop, step, n):
    if step == 0:
        raise Departure
    if not has_stop:
        stop = -1 if step < 0 else n
    else:
        if stop < 0:
            stop += n
        stop = min(max(stop, -1), n - 1) if step < 0 else min(max(stop, 0), n)
    if step > 0:
        return max((stop - first + step - 1) // step, 0)
    return max((first - stop - step - 1) // -step, 0)


@inlined
def turns(start, stop, step):
    """How many numbers `range(start, stop, step)` has."""
    if step == 0:
        raise Departure
    if step > 0:
        return max((stop - start + step - 1) // step, 0)
    return max((start - stop - step - 1) // -step, 0)
