"""Native code with `parallel=True`: time of a gradient by one thread and by all, and of compiling it.

    python benchmarks/threads.py [--seconds 2] [--rows sigmoid,mixture]

Calls are interleaved. A row says how long both take to compile, then the least and the median time of both,
and how many times faster the threads are. The gradients are compared before. Where processors are busy with
something else, threads make calls slower: a call waits for a thread that was interrupted in a chunk.
"""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked functions are written as users write NumPy: without annotations.

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from ad_compiler import grad

RNG = np.random.default_rng(0)


def sigmoid(x):
    y = 1 / (1 + np.exp(-x))
    return np.sum(y * y * np.log(1 + x * x))


def mixture(means, x):
    d = x[:, None, :] - means[None]
    z = -0.5 * np.sum(d * d, axis=2)
    m = np.max(z, axis=1)
    return np.sum(m + np.log(np.sum(np.exp(z - m[:, None]), axis=1)))


def softmax(W, X, Y):
    z = X @ W
    z = z - np.max(z, axis=1)[:, None]
    return -np.mean(np.sum(Y * (z - np.log(np.sum(np.exp(z), axis=1))[:, None]), axis=1))


def hinge(w, X, y):
    return np.mean(np.maximum(0, 1 - y * (X @ w))) + 0.1 * w @ w


def jacobi(u, steps):
    for _ in range(steps):
        v = u.copy()
        v[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
        u = v
    return np.sum(u * u)


def convolution(k, x):
    n, h, w = x.shape
    y = np.zeros((n, h - 2, w - 2))
    for a in range(3):
        for b in range(3):
            y += k[a, b] * x[:, a : h - 2 + a, b : w - 2 + b]
    return np.sum(np.tanh(y))


def own_loops(x, y):
    z = np.zeros_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            z[i, j] = np.sin(x[i, j] * y[j])
    return np.sum(z * z)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape)


ROWS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "sigmoid 1000": (sigmoid, (normal(1000),)),
    "sigmoid 20000": (sigmoid, (normal(20_000),)),
    "sigmoid 1000000": (sigmoid, (normal(1_000_000),)),
    "mixture 20000 x 8 x 4": (mixture, (normal(8, 4), normal(20_000, 4))),
    "softmax 20000 x 20 x 10": (softmax, (normal(20, 10), normal(20_000, 20), np.ones((20_000, 10)))),
    "hinge 200000 x 10": (hinge, (normal(10), normal(200_000, 10), np.sign(normal(200_000)))),
    "jacobi 10 x 10, 5 steps": (jacobi, (normal(10, 10), 5)),
    "jacobi 500 x 500, 20 steps": (jacobi, (normal(500, 500), 20)),
    "convolution 8 x 200 x 200": (convolution, (normal(3, 3), normal(8, 200, 200))),
    "own loops 1000 x 100": (own_loops, (normal(1000, 100), normal(100))),
}


def timed(f: Any, arguments: tuple[Any, ...]) -> float:
    start = time.perf_counter()
    f(*arguments)
    return time.perf_counter() - start


def measure(name: str, seconds: float) -> str:
    """One line of the table."""
    f, arguments = ROWS[name]
    both = [grad(f, backend="numba", cache=False, parallel=parallel) for parallel in (False, True)]
    compiled = [timed(g, arguments) for g in both]
    alone, together = (g(*arguments) for g in both)
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-12 * np.max(np.abs(alone)))
    times: list[list[float]] = [[], []]
    end = time.perf_counter() + seconds
    while len(times[0]) < 5 or time.perf_counter() < end:
        for found, g in zip(times, both, strict=True):
            found.append(timed(g, arguments) * 1e6)
    cells = [f"{name:28}", f"{compiled[0]:6.2f} {compiled[1]:6.2f} s"]
    for statistic in (min, np.median):
        one, other = (float(statistic(each)) for each in times)
        cells.append(f"{one:10.1f} {other:10.1f} us {one / other:5.2f}x")
    return "  ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rows", default="")
    given = parser.parse_args()
    for name in ROWS:
        if any(name.startswith(each) for each in given.rows.split(",")):
            print(measure(name, given.seconds), flush=True)


if __name__ == "__main__":
    main()
