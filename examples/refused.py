"""One program for each kind of refusal; the README shows what the compiler says of them."""

import numpy as np


class Monitor:
    calls = 0


monitor = Monitor()


def loop(x: np.ndarray, steps: int):
    for _ in range(steps):
        x = x @ x
    return np.sum(x)


def write(x: np.ndarray):
    counts = np.zeros(3, dtype=int)
    for i in range(3):
        counts[i] = x[i]
    return np.sum(counts * x)


def unknown(x: np.ndarray):
    return np.sum(np.unique(x))


def attribute(x: np.ndarray):
    monitor.calls += 1
    return np.sum(x**2)


def undecided(x: np.ndarray, threshold: float):
    if threshold > 0:
        y = x
    else:
        y = np.sum(x)
    return np.sum(np.exp(y))
