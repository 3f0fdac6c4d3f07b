"""A library that the compiler does not know, for tests of `custom_rule`: it is called, and never read."""

from __future__ import annotations

from typing import Any

import numpy as np

calls: list[str] = []


class Unknown:
    """A callable that is no function in Python."""

    def __init__(self, name: str, function: Any) -> None:
        self.__qualname__ = self.__name__ = name
        self.__module__ = __name__
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        calls.append(self.__name__)
        return self.function(*args, **kwargs)


def _smoothed(x: Any, width: int = 3) -> Any:
    return np.stack([np.convolve(x, np.ones(width) / width, mode="same")])[0]


def smooth(x: Any, width: int = 3) -> Any:
    """The mean of neighbours."""
    calls.append("smooth")
    return _smoothed(x, width)


def solve(a: Any, b: Any) -> Any:
    """The solution of linear equations."""
    calls.append("solve")
    return np.linalg.solve(a, b)


def energy(x: Any, scale: float = 1.0) -> Any:
    """A number."""
    calls.append("energy")
    return float(scale * sum(each**4 for each in x.tolist()))


def liar(x: Any) -> Any:
    """Gives something else than anybody would say."""
    return x[:-1]


def halved(x: Any) -> Any:
    """Gives less precision than anybody would say."""
    return (0.5 * x).astype(np.float32)


def identity(x: Any) -> Any:
    """A view of its argument."""
    return x[:]


def whole(x: Any) -> Any:
    """Rounds."""
    return np.array([round(each) for each in x.tolist()], dtype=float)


gain = Unknown("gain", np.tanh)
