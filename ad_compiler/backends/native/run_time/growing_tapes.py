"""Tapes of loops whose turns are counted only as they run, for compiled code.

A tape is an array with more room than entries. It grows to twice its length, so an entry costs O(1) on
average. The arrays of a list lie one behind the other on a tape of numbers; `shapes` says of each of them
where it ends, and its lengths. Checkpoints keep states of a few turns only: `turns_ahead` says of which.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

import numpy as np
from numba import njit

from ad_compiler.backends.native.numba_extensions.inlining import inlined


@inlined
def grown(tape, size):
    """The tape with room for `size` entries."""
    longer = np.empty((max(2 * tape.shape[0], size), *tape.shape[1:]), tape.dtype)
    longer[: tape.shape[0]] = tape
    return longer


@njit
def with_number(tape, place, number):
    """The tape with a number in this place, which is the first free one."""
    if place >= tape.shape[0]:
        tape = grown(tape, place + 1)
    tape[place] = number
    return tape


@njit
def with_numbers(tape, place, numbers):
    """The tape with the numbers of a list from this place on."""
    if place + len(numbers) > tape.shape[0]:
        tape = grown(tape, place + len(numbers))
    for n in range(len(numbers)):
        tape[place + n] = numbers[n]
    return tape


@njit
def with_arrays(tape, shapes, place, arrays):
    """The tape with the elements of the arrays of a list, behind those of the arrays before `place`."""
    start = shapes[place - 1, 0] if place else 0
    for array in arrays:
        if start + array.size > tape.shape[0]:
            tape = grown(tape, start + array.size)
        for element in array.flat:
            tape[start] = element
            start += 1
    return tape


@njit
def with_shapes(shapes, place, arrays):
    """Where the arrays of a list end on their tape, and their lengths, from this place on."""
    if place + len(arrays) > shapes.shape[0]:
        shapes = grown(shapes, place + len(arrays))
    start = shapes[place - 1, 0] if place else 0
    for n in range(len(arrays)):
        array = arrays[n]
        start += array.size
        shapes[place + n, 0] = start
        for axis in range(array.ndim):
            shapes[place + n, axis + 1] = array.shape[axis]
    return shapes


@njit
def turns_ahead(turns, free):
    """How far to go before the next state is kept (binomial schedule: Griewank and Walther, 2000)."""
    rounds, within = 0, 1  # binomial(free + rounds, free) turns are taken back in so many rounds
    while True:
        if within > 2**61 // free:  # more than any loop has
            break
        more = within + within * free // (rounds + 1)
        if more >= turns:
            break
        rounds, within = rounds + 1, more
    return min(within, turns - within * free // (free + rounds))
