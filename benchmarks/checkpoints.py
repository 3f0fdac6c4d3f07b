"""A loop of 10,000 turns under `checkpointed`: time and memory, against the same loop as it is.

    python benchmarks/checkpoints.py [--turns 10000] [--rounds 5]

The gradients are compared before, bit for bit. Times are those of the processor, the least of interleaved
rounds; a peak is what `tracemalloc` sees of another call, in arrays of the grid (Python's own objects are
0.1 MB of it). The targets: at most 3 times the time, and at most 40 arrays.
"""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked functions are written as users write NumPy: without annotations.

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from ad_compiler import checkpointed, grad
from benchmarks.harness.memory import peak_bytes

MOST_TIMES, MOST_STATES = 3.0, 40.0


def control(heating, target, dt, turns):
    """The control of a heat equation with a cubic reaction, in place."""
    u = np.zeros_like(heating)
    for _ in range(turns):
        v = u[1:-1]
        u[1:-1] += dt * (400.0 * (u[2:] - 2.0 * v + u[:-2]) - v**3 + heating[1:-1])
    return np.sum((u - target) ** 2)


def control_checkpointed(heating, target, dt, turns):
    u = np.zeros_like(heating)
    for _ in checkpointed(range(turns)):
        v = u[1:-1]
        u[1:-1] += dt * (400.0 * (u[2:] - 2.0 * v + u[:-2]) - v**3 + heating[1:-1])
    return np.sum((u - target) ** 2)


def ring(source, start, dt, turns):
    """A reaction on a ring, whose cost is added up: each reverse turn needs a whole forward turn."""
    u, cost = start, 0.0
    for _ in range(turns):
        u = u + dt * (np.roll(u, 1) - 2.0 * u + np.roll(u, -1) - u**3 + source)
        cost = cost + dt * np.sum((u - 1.0) ** 2)
    return cost


def ring_checkpointed(source, start, dt, turns):
    u, cost = start, 0.0
    for _ in checkpointed(range(turns)):
        u = u + dt * (np.roll(u, 1) - 2.0 * u + np.roll(u, -1) - u**3 + source)
        cost = cost + dt * np.sum((u - 1.0) ** 2)
    return cost


PAIRS = {"control": (control, control_checkpointed), "ring": (ring, ring_checkpointed)}


def seconds(function: Callable[..., Any], arguments: tuple[Any, ...]) -> float:
    began = time.process_time()
    function(*arguments)
    return time.process_time() - began


def measure(name: str, size: int, turns: int, rounds: int) -> bool:
    """Print one line; whether the targets are met."""
    plain, again = (grad(function) for function in PAIRS[name])
    grid = np.linspace(0.0, 1.0, size)
    arguments = (np.zeros(size), np.sin(np.pi * grid), 1e-4, turns)
    if not np.array_equal(plain(*arguments), again(*arguments)):
        raise AssertionError(f"{name}: the gradients differ")
    times = [(seconds(plain, arguments), seconds(again, arguments)) for _ in range(rounds)]
    before, after = map(min, zip(*times, strict=True))
    state = size * np.dtype(np.float64).itemsize
    peaks = [peak_bytes(function, arguments) / state for function in (plain, again)]
    ratio = after / before
    met = ratio <= MOST_TIMES and peaks[1] <= MOST_STATES
    print(
        f"{name:8} n={size:<6} {before:7.3f} s {after:7.3f} s  {ratio:5.2f} times   "
        f"{peaks[0]:9,.0f} states {peaks[1]:6.1f} states   {'met' if met else 'NOT met'}"
    )
    return met


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", type=int, nargs="+", default=[4_000, 16_000])
    options = parser.parse_args()
    verdicts = [
        measure(name, size, options.turns, options.rounds) for name in PAIRS for size in options.sizes
    ]
    return 0 if all(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
