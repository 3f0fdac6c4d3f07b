"""Chunks of turns do not get in each other's way: programs with `parallel=True`, and random nests.

Where loops are compiled, the programs are run in a process of its own, in which they run as Python and what
chunks touch is recorded (`races.py`), and memory that nobody has written is NaN (`unwritten.py`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from ad_compiler import value_and_grad
from ad_compiler.backends.native.loading import is_disabled
from tests.backends.native.races import Chunks, Race
from tests.backends.native.random_nests import Nests
from tests.backends.native.test_parallel import DEPENDENT, PROGRAMS, vector
from tests.helpers import function_from_source, generator

AS_PYTHON = pytest.mark.skipif(not is_disabled(), reason="loops are compiled")
RANDOM = range(30)
SIZES = [(5, 4), (1, 3), (3, 1), (4, 7)]


@pytest.mark.skipif(is_disabled(), reason="loops run as Python already")
def test_programs_as_python() -> None:
    plugins = [part for name in ("races", "unwritten") for part in ("-p", f"tests.backends.native.{name}")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins, __file__]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    root = Path(__file__).parents[3]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]


def outcome(f: Callable[..., Any], args: list[Any]) -> list[Any] | type[Exception]:
    """The value and the gradients, or what the program raises."""
    try:
        value, gradients = f(*args)
    except (IndexError, ZeroDivisionError) as error:
        return type(error)
    return [value, *(gradients if isinstance(gradients, tuple) else [gradients])]


def compare(f: Callable[..., Any], argnums: Any, cases: list[list[Any]]) -> None:
    """What chunks compute, in any order, is what NumPy code does."""
    mine = value_and_grad(f, argnums, backend="numba", parallel=True, cache=False)
    plain = value_and_grad(f, argnums)
    for args in cases:
        with np.errstate(all="ignore"):
            found, expected = outcome(mine, args), outcome(plain, args)
        if isinstance(expected, type) or isinstance(found, type):
            assert found is expected
            continue
        largest = max(np.max(np.abs(each), initial=1e-300) for each in expected)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10 * largest)


@AS_PYTHON
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    f, argnums, arguments = PROGRAMS[name]
    compare(f, argnums, [list(arguments(n)) for n in (1, 2, 3, 7, 12)])


@AS_PYTHON
@pytest.mark.parametrize("f", DEPENDENT)
def test_programs_whose_turns_depend_on_each_other(f: Any) -> None:
    given = [generator(f.__name__).integers(0, 5, 9)] if f.__code__.co_argcount == 2 else []
    compare(f, 0, [[vector(9), *given]])


@AS_PYTHON
@pytest.mark.parametrize("seed", RANDOM)
def test_random_nests(seed: int) -> None:
    text = Nests(seed).program()
    random = generator(seed)
    cases = []
    for n, m in SIZES:
        shapes = [(n,), (n,), (m,), (n, m), (n, m), (n, n)]
        indices = random.permutation(n) if n % 2 else random.integers(0, n, n)
        cases.append([*(random.uniform(-1.0, 1.0, shape) for shape in shapes), 0.7, indices])
    compare(function_from_source(text), tuple(range(7)), cases)


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


@AS_PYTHON
def test_what_nobody_has_written_is_seen() -> None:
    def f(x):
        made = np.empty(3)
        made[0] = x[0]
        return np.sum(made)

    value, gradient = value_and_grad(f, backend="numba", cache=False)(np.ones(2))
    assert np.isnan(value)
    np.testing.assert_array_equal(gradient, [1.0, 0.0])
