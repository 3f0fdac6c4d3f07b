"""Loops under `checkpointed` in native code: the numbers of NumPy code, from as few states."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ad_compiler import checkpointed, grad, hvp, value_and_grad, vjp
from ad_compiler.testing import leaves
from tests.transforms.test_checkpoints import PROGRAMS, TWICE, decay, with_and_without

numba = pytest.importorskip("numba")
support = pytest.importorskip("ad_compiler.backends.native.run_time.support")

INTERPRETED = bool(numba.config.DISABLE_JIT)
ROOT = Path(__file__).parents[3]


def check_close(one: Any, other: Any, rtol: float) -> None:
    for mine, expected in zip(leaves(one), leaves(other), strict=True):
        assert np.shape(mine) == np.shape(expected)
        np.testing.assert_allclose(mine, expected, rtol=rtol, atol=1e-12)


def check(name: str) -> None:
    """Gradients for several numbers of turns, and a pullback that is called again."""
    _, arguments, argnums = PROGRAMS[name]
    plain, again = with_and_without(name)
    rtol = 1e-5 if name == "float32" else 1e-10
    one = value_and_grad(plain, argnums=argnums)
    other = value_and_grad(again, argnums=argnums, backend="numba", cache=False)
    for turns in (1, 2, 7, 23, 0):
        if turns == 0 and name in ("rows", "pairs"):
            continue  # of another kind: an axis of length 0
        check_close(other(*arguments(turns)), one(*arguments(turns)), rtol)
    value, pullback = vjp(plain, *arguments(9))
    same_value, same_pullback = vjp(again, *arguments(9), backend="numba", cache=False)
    check_close(same_value, value, rtol)
    for seed in (1.0, 2.0, 1.0):
        given = type(value)(seed)
        wanted, found = pullback(given), same_pullback(given)
        check_close([x for x in found if x is not None], [x for x in wanted if x is not None], rtol)


def cases(names: Iterable[str], quick: Iterable[str]) -> list[Any]:
    """Few are compiled in every test run; as Python loops all of them run."""
    return [
        pytest.param(name, marks=[] if INTERPRETED or name in quick else pytest.mark.slow) for name in names
    ]


@pytest.mark.parametrize("name", cases([n for n in PROGRAMS if n != "recursion"], ("in_place",)))
def test_gradients_and_pullbacks(name: str) -> None:
    check(name)


@pytest.mark.parametrize("name", cases(TWICE, ()))
def test_second_derivatives(name: str) -> None:
    _, arguments, _ = PROGRAMS[name]
    args = arguments(5)
    direction = np.ones_like(args[0]) if np.ndim(args[0]) else 1.0
    plain, again = with_and_without(name)
    wanted = hvp(plain)(*args, direction)
    found = hvp(again, backend="numba", cache=False)(*args, direction)
    check_close(found, wanted, 1e-10)


@pytest.mark.skipif(INTERPRETED, reason="it is what runs")
def test_everything_as_python() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]


def test_there_is_room_for_as_many_states_as_there_are_slots() -> None:
    derivative = grad(decay, backend="numba", cache=False)
    assert derivative(1.0, 40) == pytest.approx(grad(decay)(1.0, 40), rel=1e-12)
    assert "tape_x = np.empty(5)" in derivative.native_source

    def logarithmic(u: Any, steps: int) -> Any:
        for _ in checkpointed(range(steps)):
            u = u - 0.1 * np.sin(u)
        return np.sum(u)

    derivative = grad(logarithmic, backend="numba", cache=False)
    u = np.linspace(0.0, 1.0, 3)
    np.testing.assert_allclose(derivative(u, 40), grad(logarithmic)(u, 40), rtol=1e-12)
    assert "np.empty((slots, u_0))" in derivative.native_source


def test_the_schedule_is_that_of_numpy_code() -> None:
    def binomial(turns: int, free: int) -> int:
        rounds = 0
        while math.comb(free + rounds + 1, free) < turns:
            rounds += 1
        return min(math.comb(free + rounds, free), turns - math.comb(free + rounds - 1, free - 1))

    for free in (1, 2, 3, 10, 126, 10**6):
        for turns in [*range(1, 60), 10**4, *([10**9, 2**45] if free > 2 else [])]:
            assert support.turns_ahead(turns, free) == binomial(turns, free)
