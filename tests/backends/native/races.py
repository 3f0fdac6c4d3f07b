"""Whether chunks of turns, which threads take at once, get in each other's way: for loops that run as Python.

    pytest -p tests.backends.native.races tests/backends/native/test_races.py

What a chunk is given records which elements the chunk reads and writes. Two chunks must not touch one element
unless both only read it. They are run in any order, and there are as many as a random number says.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ad_compiler.backends.native.run_time import chunks


class Race(BaseException):
    """Two chunks touch one element. No handler of exceptions that the program may raise catches it."""


@dataclass(slots=True)
class Touched:
    """The elements that a chunk reads and writes, by their addresses."""

    read: set[int] = field(default_factory=set)
    written: set[int] = field(default_factory=set)


class Watched(NDArrayOperatorsMixin):
    """An array that records what is done with its elements."""

    def __init__(self, values: Any, addresses: Any, touched: Touched) -> None:
        self.values, self.addresses, self.touched = values, addresses, touched
        self.shape, self.ndim, self.size, self.dtype = values.shape, values.ndim, values.size, values.dtype

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: Any) -> Any:
        part = Watched(self.values[index], self.addresses[index], self.touched)
        return part if part.ndim else part.read()

    def __setitem__(self, index: Any, value: Any) -> None:
        plain = read(value)
        self.touched.written.update(np.ravel(self.addresses[index]).tolist())
        self.values[index] = plain

    @property
    def T(self) -> Watched:
        return Watched(self.values.T, self.addresses.T, self.touched)

    def read(self) -> Any:
        self.touched.read.update(np.ravel(self.addresses).tolist())
        return self.values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.read(), dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return called(getattr(ufunc, method), inputs, options)

    def __array_function__(self, function: Any, kinds: Any, inputs: Any, options: Any) -> Any:
        return called(function, inputs, options)


def read(value: Any) -> Any:
    """A value without watches, read; also the parts of a list or tuple."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(read, value))
    return value.read() if isinstance(value, Watched) else value


def called(function: Any, inputs: Any, options: dict[str, Any]) -> Any:
    """What a function of NumPy's makes; it writes to `out` only."""
    out = options.pop("out", None)
    result = function(*map(read, inputs), **{name: read(value) for name, value in options.items()})
    if out is None:
        return result
    (target,) = out if isinstance(out, tuple) else (out,)
    target[...] = result
    return target


def watched(array: Any, touched: Touched) -> Watched:
    start, _ = array.__array_interface__["data"]
    steps = [np.arange(n) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
    return Watched(array, start + sum(np.ix_(*steps), start=np.zeros(array.shape, np.int64)), touched)


class Chunks:
    """What takes the place of the functions in `chunks.py`."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.raced = 0  # how many times several chunks have been watched

    def number(self, turns: int, operations: int, size: int = 0) -> int:
        return 1 if turns < 2 else self.random.choice([1, 2, 3, int(turns)])

    def run(self, turns: Callable[..., None], number: int, *given: Any) -> None:
        """`in_chunks`; raises `Race`."""
        order = self.random.sample(range(number), number)
        self.raced += number > 1
        read, written = set[int](), set[int]()
        for chunk in order:
            touched = Touched()
            turns(chunk, number, *[watched(x, touched) if isinstance(x, np.ndarray) else x for x in given])
            if touched.written & (read | written) or touched.read & written:
                raise Race(f"{turns.__name__}: chunk {chunk} of {number}")
            read |= touched.read
            written |= touched.written


def watch_chunks(seed: int = 0) -> Chunks:
    """Have modules that are loaded from here on run their chunks like this."""
    watching = Chunks(seed)
    chunks.in_chunks, chunks.chunks_of, chunks.chunks_of_sums = watching.run, watching.number, watching.number
    return watching


def pytest_configure() -> None:
    watch_chunks()
