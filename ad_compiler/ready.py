"""Calls that were prepared before: arguments of the same kinds and shapes go to generated code at once."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

MOST_KINDS = 64  # that an object remembers


def kinds_of(arguments: Sequence[Any]) -> Hashable:
    """What makes one preparation do for arrays, numbers and None; None where there are other objects.

    >>> kinds_of((1.0, np.ones(2), None)) == kinds_of((2.0, np.zeros(2), None))
    True
    """
    found: list[Hashable] = []
    for argument in arguments:
        kind = type(argument)
        if kind is np.ndarray:
            found.append((argument.shape, argument.dtype))
        elif kind is float or kind is int or argument is None:
            found.append(kind.__name__)
        else:
            return None
    return tuple(found)


def remember(ready: dict[Any, Any], kinds: Hashable, made: Any) -> None:
    """Note what calls of these kinds are prepared for."""
    if kinds is not None:
        if len(ready) >= MOST_KINDS:
            ready.clear()
        ready[kinds] = made
