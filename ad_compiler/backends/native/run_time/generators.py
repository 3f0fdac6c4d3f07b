"""Random generators: compiled code draws from them, and NumPy code that answers in its place draws the same.

The numbers drawn before a departure are given back: the generator gets the state it had when the kernel was
called. A pullback that departs runs the whole program again, from the state that the program began with, and
leaves the generator as it found it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Generators = tuple[np.random.Generator, ...]


def states(generators: Generators) -> list[Any]:
    return [generator.bit_generator.state for generator in generators]


def restore(generators: Generators, known: list[Any]) -> None:
    for generator, state in zip(generators, known, strict=True):
        generator.bit_generator.state = state


def replayed(generators: Generators, known: list[Any], run: Callable[[], Any]) -> Any:
    """What `run` returns when it starts with these states; the generators are left as they are found."""
    current = states(generators)
    restore(generators, known)
    try:
        return run()
    finally:
        restore(generators, current)
