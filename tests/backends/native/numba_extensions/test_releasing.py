"""Compiled code that returns to NumPy code leaves no array behind."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad

numba = pytest.importorskip("numba")
if numba.config.DISABLE_JIT:
    pytest.skip("the loops run as Python", allow_module_level=True)

from ad_compiler.backends.native.numba_extensions.releasing import Releasing  # noqa: E402


def divided(x: Any, n: Any, d: Any) -> Any:
    y = np.sin(x)
    z = np.exp(y) * x
    total = 0.0
    for k in range(n):
        y = y * z
        total = total + y[k] / d
    return total


def looked_up(x: Any, n: Any, d: Any) -> Any:
    pairs = [(x * 2.0, x[0])]
    total = x[0] * d
    for _ in range(n):
        pairs.append((pairs[-1][0] * np.cos(x), total))
        total = total + np.sum(pairs[-1][0] ** 2)
    return total * pairs[n + int(1 - d)][1]


def solved(x: Any, n: Any, d: Any) -> Any:
    a = np.outer(x, x) * (1.0 - d) + np.eye(x.shape[0]) * d
    y = np.linalg.solve(a, x)
    return np.sum(y * y) * n


@pytest.fixture
def live() -> Iterator[Callable[[], int]]:
    """How many arrays compiled code has made that are not freed yet."""
    runtime: Any = pytest.importorskip("numba.core.runtime")
    _nrt_python, rtsys = runtime._nrt_python, runtime.rtsys
    was_on = _nrt_python.memsys_stats_enabled()
    if not was_on:
        _nrt_python.memsys_enable_stats()

    def count() -> int:
        gc.collect()
        stats = rtsys.get_allocation_stats()
        return int(stats.mi_alloc - stats.mi_free)

    yield count
    if not was_on:
        _nrt_python.memsys_disable_stats()


@pytest.mark.parametrize(
    ("f", "bad", "error"),
    [
        (divided, 0.0, ZeroDivisionError),
        (looked_up, 0.0, IndexError),
        (solved, 0.0, np.linalg.LinAlgError),
    ],
)
def test_no_array_is_lost(f: Any, bad: float, error: type[Exception], live: Callable[[], int]) -> None:
    x = np.linspace(0.1, 1.0, 50)
    derivative = grad(f, backend="numba", cache=False)
    kernel_departed = 0
    np.testing.assert_allclose(derivative(x, 3, 1.0), grad(f)(x, 3, 1.0), rtol=1e-10)
    references, before = sys.getrefcount(x), live()
    for _ in range(20):
        try:
            derivative.native(x, 3, bad)
        except Exception:  # whatever has compiled code leave it
            kernel_departed += 1
        with pytest.raises(error):
            derivative(x, 3, bad)
        derivative(x, 3, 1.0)
    assert kernel_departed == 20
    assert live() == before
    assert sys.getrefcount(x) == references


def test_memory_with_other_lengths_is_kept_and_released(live: Callable[[], int]) -> None:
    @numba.njit(pipeline_class=Releasing)
    def outlives(n: Any, m: Any) -> Any:
        return np.ones((n, 2)).reshape((2, n)).reshape(m)

    outlives(1, 2)
    before = live()
    kept = [outlives(n, 2 * n) for n in range(1, 200)]
    assert live() == before + len(kept)
    assert all((each == 1.0).all() for each in kept)
    del kept
    for n in range(5):
        with pytest.raises(ValueError, match="size of new array"):
            outlives(n, 2 * n + 1)
    assert live() == before
