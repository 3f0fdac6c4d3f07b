"""The exception with which compiled code leaves a case to the NumPy code of the same derivative.

Native code assumes the usual: lengths that fit, subscripts within their axes, no division of Python's numbers
by zero, whole numbers of 64 bits. It checks what it assumes, and departs where that does not hold. The
NumPy code then answers, or raises the exception that the program raises.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Departure(Exception):
    """Compiled code has met a case that is left to NumPy code."""


def of_kind(result: Any, dtype: Any, rank: int) -> Any:
    """What a function of another library gives, in memory of its own; `Departure` for another kind."""
    if not rank:
        given = np.asarray(result)
        if isinstance(result, np.ndarray) or given.dtype != dtype:
            raise Departure
        return result
    if not isinstance(result, np.ndarray) or result.ndim != rank or result.dtype != dtype:
        raise Departure
    return np.array(result, order="C")


def array_of(result: Any, dtype: Any) -> Any:
    """What a function of a library gives, as a contiguous array; `Departure` if it is of another dtype.

    Of a real matrix a root or the eigenvalues may be complex. Whole numbers (pivots, ranks) may be shorter
    ones than is inferred: how long they are depends on how the library was built.
    """
    result, wanted = np.asarray(result), np.dtype(dtype)
    is_shorter = result.dtype.kind == wanted.kind == "i" and result.dtype.itemsize < wanted.itemsize
    if result.dtype != wanted and not is_shorter:
        raise Departure
    return np.ascontiguousarray(result, wanted)
