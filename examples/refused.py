"""One program for each kind of refusal; the README shows what the compiler says of them."""

import numpy as np


class Monitor:
    calls = 0


monitor = Monitor()


def loop(x: np.ndarray):
    total = 0.0
    for row in x:
        total = total + np.sin(row)
    return total


def write(x: np.ndarray):
    x[0] = 0.0
    return np.sum(x**2)


def unknown(x: np.ndarray):
    return np.sum(np.unwrap(x))


def attribute(x: np.ndarray):
    monitor.calls += 1
    return np.sum(x**2)


def undecided(x: np.ndarray, threshold: float):
    if threshold > 0:
        y = x
    else:
        y = np.sum(x)
    return np.sum(np.exp(y))
