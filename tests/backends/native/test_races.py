"""Chunks of turns do not get in each other's way, and what is found where they do.

The programs are run in a process of its own, in which loops run as Python, what chunks touch is recorded
(`races.py`), and memory that nobody has written is NaN (`unwritten.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from tests.backends.native.processes import HERE, run_tests
from tests.backends.native.races import Chunks, Race


def test_programs_as_python() -> None:
    run_tests([f"{HERE}/programs_in_chunks.py"], ["races", "unwritten"])


# What is found


def writes_neighbours(chunk: int, chunks: int, x: Any, y: Any) -> None:
    y[chunk] = x[chunk]
    y[chunk - 1] = x[chunk]


def reads_neighbours(chunk: int, chunks: int, x: Any, y: Any) -> None:
    y[chunk] = x[chunk] + (y[chunk - 1] if chunk else 0.0)


def adds_to_one(chunk: int, chunks: int, x: Any, y: Any) -> None:
    y[0] += x[chunk]


def adds_a_vector(chunk: int, chunks: int, x: Any, y: Any) -> None:
    y += x[chunk]


def reads_all(chunk: int, chunks: int, x: Any, y: Any) -> None:
    y[chunk] = np.dot(x, y)


def writes_into_all(chunk: int, chunks: int, x: Any, y: Any) -> None:
    np.multiply(x, 2.0, out=y)


def has_its_own(chunk: int, chunks: int, x: Any, y: Any) -> None:
    y[chunk : chunk + 1] += x[0] + np.sum(x)
    y.T[chunk] *= 2.0


RACES = [writes_neighbours, reads_neighbours, adds_to_one, adds_a_vector, reads_all, writes_into_all]


def run(turns: Callable[..., None], *given: Any, number: int = 4) -> None:
    Chunks(0).run(turns, number, *given)


@pytest.mark.parametrize("turns", RACES)
def test_races_are_found(turns: Callable[..., None]) -> None:
    with pytest.raises(Race, match=rf"{turns.__name__}: chunk \d of 4"):
        run(turns, np.ones(4), np.ones(4))
    run(turns, np.ones(1), np.ones(1), number=1)


def test_elements_of_ones_own_are_no_race() -> None:
    x, y = np.arange(4.0), np.zeros(4)
    run(has_its_own, x, y)
    np.testing.assert_array_equal(y, 12.0)
    run(writes_neighbours, x, np.zeros(8)[::2][:0:-1], number=1)


def test_names_of_the_same_memory_are_one_array() -> None:
    whole = np.zeros(5)
    run(has_its_own, np.ones(4), whole[:4])
    with pytest.raises(Race):
        run(lambda chunk, chunks, x, y: y.__setitem__(chunk, x[chunk]), whole[1:], whole[:-1])
