"""What the compiler knows of a value before the program runs.

A derivative is specialised on facts, not on numbers: the dtype, the rank, which axes have length 1 and
which lengths are equal. Lengths stay symbolic, so a new batch size compiles nothing.

An axis is either an `int` (a length known while compiling; 1 is the one that matters, for it broadcasts)
or a `Length`, a symbol. Two symbols that NumPy itself forces to be equal are unified, as in type
inference with unification variables (Pierce, Types and Programming Languages, chapter 22): see
`broadcasting.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np


class Length:
    """A length that is known only at run time.

    `origin` is an input and its axis that have this length, so that code which needs the length can read
    it there and need not keep the array at hand.
    """

    __slots__ = ("_parent", "key", "may_be_one", "origin")

    def __init__(self, key: Hashable, may_be_one: bool = False) -> None:
        self.key = key
        self.may_be_one = may_be_one
        self.origin: tuple[Any, int] | None = None
        self._parent: Axis | None = None

    def __repr__(self) -> str:
        return str(self.key)


class Identity:
    """Stands for one object in the key of a length: equal to itself only, and keeps it alive."""

    __slots__ = ("of",)

    def __init__(self, of: object) -> None:
        self.of = of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and other.of is self.of

    def __hash__(self) -> int:
        return id(self.of)


Axis = int | Length
Shape = tuple[Axis, ...]


class ShapeMismatch(Exception):
    """Two shapes cannot be broadcast; the front end turns it into a refusal with a place."""


def representative(axis: Axis) -> Axis:
    """The member that stands for all lengths known to be equal to `axis`."""
    while isinstance(axis, Length) and axis._parent is not None:
        axis = axis._parent
    return axis


def same_length(a: Axis, b: Axis) -> bool:
    a, b = representative(a), representative(b)
    if isinstance(a, Length) and isinstance(b, Length):
        return a is b or (isinstance(a.key, tuple) and a.key == b.key)
    return a is b or (isinstance(a, int) and a == b)


def same_shape(a: Shape, b: Shape) -> bool:
    return len(a) == len(b) and all(map(same_length, a, b))


def may_be_one(axis: Axis) -> bool:
    axis = representative(axis)
    return axis.may_be_one if isinstance(axis, Length) else axis == 1


def is_one(axis: Axis) -> bool:
    return representative(axis) == 1


def unify(a: Axis, b: Axis) -> None:
    """Record that NumPy will have checked that `a` equals `b`."""
    a, b = representative(a), representative(b)
    if a is b or a == b:
        return
    known = [axis for axis in (a, b) if isinstance(axis, int)]
    if len(known) == 2 or (1 in known and not (may_be_one(a) and may_be_one(b))):
        raise ShapeMismatch(f"lengths {a} and {b} differ")
    _trail.equations.append((origin_of(a), origin_of(b)))
    if isinstance(a, Length) and (isinstance(b, int) or b.may_be_one is False):
        a._parent, kept, gone = b, b, a
    elif isinstance(b, Length):
        b._parent, kept, gone = a, a, b
    adopted = isinstance(kept, Length) and kept.origin is None
    if isinstance(kept, Length) and adopted:
        kept.origin = gone.origin
    _trail.unions.append((gone, kept if adopted else None))


Origin = int | tuple[Any, int] | None  # a number, an axis of an input, or a length computed on the way
Equation = tuple[Origin, Origin]


class Trail(threading.local):
    """What this thread has unified: the equations NumPy will check, and how to take them back."""

    def __init__(self) -> None:
        self.equations: list[Equation] = []
        self.unions: list[tuple[Length, Axis | None]] = []


_trail = Trail()


def origin_of(axis: Axis) -> Origin:
    return axis if isinstance(axis, int) else axis.origin


@contextmanager
def unifying() -> Iterator[list[Equation]]:
    """Collect the equations that are found inside."""
    outer, _trail.equations = _trail.equations, []
    try:
        yield _trail.equations
    finally:
        _trail.equations = outer


@contextmanager
def unifying_for_now() -> Iterator[None]:
    """Take back, at the end, what is unified inside: it holds on one side of a branch only."""
    mark = len(_trail.unions)
    try:
        yield
    finally:
        _take_back(mark)


@contextmanager
def unifying_if_done() -> Iterator[None]:
    """Take back what is unified inside if an exception leaves it."""
    mark = len(_trail.unions)
    try:
        yield
    except Exception:
        _take_back(mark)
        raise


Unions = list[tuple[Length, Axis]]


def unions_made() -> int:
    """How many lengths this thread has unified: `unions_since` tells which ones since then."""
    return len(_trail.unions)


def unions_since(mark: int) -> Unions:
    return [(gone, representative(gone)) for gone, _ in _trail.unions[mark:]]


@contextmanager
def unifying_again(unions: Unions) -> Iterator[None]:
    """Lengths that were found equal, and taken back, are equal inside of this."""
    mark = len(_trail.unions)
    try:
        for gone, kept in unions:
            first, second = representative(gone), representative(kept)
            if first is not second and isinstance(first, Length):
                first._parent = second
                _trail.unions.append((first, None))
        yield
    finally:
        _take_back(mark)


def _take_back(mark: int) -> None:
    while len(_trail.unions) > mark:
        gone, adopting = _trail.unions.pop()
        gone._parent = None
        if isinstance(adopting, Length):
            adopting.origin = None


def shortened(axis: Axis, by: int) -> Axis:
    """The length `max(axis - by, 0)`."""
    if isinstance(axis, Length) and isinstance(axis.key, tuple) and axis.key[0] == "shortened":
        return shortened(axis.key[1], axis.key[2] + by)
    return axis if by == 0 else Length(("shortened", axis, by), may_be_one=True)


@dataclass(frozen=True, eq=False, slots=True)
class ArrayType:
    """A number or an array of numbers.

    `python` is true of Python's own `bool`, `int`, `float` and `complex`: they are scalars, and weak in
    NumPy's promotion of dtypes (NEP 50).
    """

    dtype: np.dtype[Any]
    shape: Shape = ()
    python: bool = False

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def differentiable(self) -> bool:
        return self.dtype.kind in "fc"

    def __str__(self) -> str:
        if self.python:
            return {"b": "bool", "i": "int", "f": "float", "c": "complex"}[self.dtype.kind]
        return f"{self.dtype}[{', '.join(map(repr, self.shape))}]"


@dataclass(frozen=True, slots=True)
class ObjectType:
    """A run-time value that is not a number: a formatted string."""

    name: str

    differentiable = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False, slots=True)
class ListType:
    """A Python list whose length is known at run time only; all of its elements are of one kind.

    An element is a number, an array, or a tuple of elements.
    """

    element: Element

    @property
    def differentiable(self) -> bool:
        return any(leaf.differentiable for _, leaf in leaves_of(self.element))

    def __str__(self) -> str:
        return f"list[{self.element}]"


@dataclass(frozen=True, eq=False, slots=True)
class TupleType:
    """What a function that gives several arrays returns, before it is unpacked: `np.linalg.qr`."""

    parts: tuple[ArrayType, ...]

    @property
    def differentiable(self) -> bool:
        return any(part.differentiable for part in self.parts)

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.parts))})"


Element = ArrayType | tuple["Element", ...]
Path = tuple[int, ...]  # which part of an element: `(1, 0)` is `item[1][0]`


def leaves_of(element: Element, path: Path = ()) -> Iterator[tuple[Path, ArrayType]]:
    """The numbers and arrays of an element, and where they stand in it."""
    if isinstance(element, tuple):
        for place, part in enumerate(element):
            yield from leaves_of(part, (*path, place))
    else:
        yield path, element


Type = ArrayType | ObjectType | ListType | TupleType

BOOL = ArrayType(np.dtype(bool), (), True)
INT = ArrayType(np.dtype(np.int64), (), True)
FLOAT = ArrayType(np.dtype(np.float64), (), True)
COMPLEX = ArrayType(np.dtype(np.complex128), (), True)
STRING = ObjectType("str")
GENERATOR = ObjectType("np.random.Generator")

_PYTHON_TYPES: dict[type, ArrayType] = {bool: BOOL, int: INT, float: FLOAT, complex: COMPLEX}
_BY_KIND = {"b": BOOL, "i": INT, "u": INT, "f": FLOAT, "c": COMPLEX}


def type_of_number(number: bool | int | float | complex | np.generic) -> ArrayType:
    python = _PYTHON_TYPES.get(type(number))
    if python is None and not isinstance(number, np.generic):  # a member of an enumeration of numbers
        python = INT if isinstance(number, int) else FLOAT
    return python if python is not None else ArrayType(np.dtype(type(number)))


def python_type(dtype: np.dtype[Any]) -> ArrayType:
    """Python's own scalar of the kind of `dtype`."""
    return _BY_KIND[dtype.kind]


def promote(types: Sequence[ArrayType]) -> np.dtype[Any]:
    """The common dtype under NumPy 2's rules, Python scalars weak."""
    strong = [t.dtype for t in types if not t.python]
    weak = [{"b": False, "i": 0, "f": 0.0, "c": 0j}[t.dtype.kind] for t in types if t.python]
    if not strong:
        return np.result_type(*[t.dtype for t in types])
    return np.result_type(*strong, *weak)
