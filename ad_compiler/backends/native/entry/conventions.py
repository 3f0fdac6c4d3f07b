"""Which calls of a derivative machine code answers by itself: the kinds of the objects it takes and makes.

    loss_grad(params, x)          params = {"W": float64[:, :], "b": float64[:]}, x = float
    -> {"W": float64[:, :], "b": float64[:]}

As the guard of NumPy code does, a convention says of each object given, and of each read from a global or a
cell, of which kind it must be: that of the object the derivative was built for. Where all of it can be
said, `entering` writes the code that looks at the objects; other derivatives are entered in Python.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import CellType
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.frontend.context import Capture
from ad_compiler.frontend.inputs import is_dataclass_instance, is_named_tuple
from ad_compiler.frontend.scope import Location
from ad_compiler.ir import Operand, Parameter, Record, Value

# What is taken


@dataclass(frozen=True, slots=True)
class Number:
    """A number of exactly this class; if `value` is given, this whole number."""

    cls: type
    value: int | None = None


@dataclass(frozen=True, slots=True)
class Array:
    """An array of this dtype; `ones` says of each axis whether it has length 1."""

    dtype: np.dtype[Any]
    ones: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Same:
    """The object at this place among the constants."""

    constant: int


@dataclass(frozen=True, slots=True)
class Container:
    """A tuple, list or dict of just these items.

    `cls` is the place of its class among the constants, `keys` those of the keys of a dict, in order.
    """

    layout: type
    cls: int
    items: tuple[Kind, ...]
    keys: tuple[int, ...] = ()


Kind = Number | Array | Same | Container


# Where it is found


@dataclass(frozen=True, slots=True)
class Given:
    """An argument of the call; `default` is the place among the constants of what stands for it."""

    place: int
    default: int | None = None


@dataclass(frozen=True, slots=True)
class Global:
    """An item of a dict; both the dict and the key are constants."""

    namespace: int
    key: int


@dataclass(frozen=True, slots=True)
class Cell:
    """What is in a cell, which is a constant."""

    constant: int


Source = Given | Global | Cell


# What is made


@dataclass(frozen=True, slots=True)
class Boxed:
    """What the kernel returns at this place, as an array or number of this dtype.

    A number is one of Python's own if `python`, else one of NumPy's.
    """

    place: int
    dtype: np.dtype[Any]
    rank: int
    python: bool


@dataclass(frozen=True, slots=True)
class Made:
    """A new tuple, list or dict."""

    layout: type
    items: tuple[Structure, ...]
    keys: tuple[int, ...] = ()


Structure = Boxed | Same | Made


@dataclass(frozen=True, slots=True)
class Convention:
    """All that the machine code depends on."""

    sources: tuple[Source, ...]
    kinds: tuple[Kind, ...]  # of what is found there
    arguments: int  # how many there are by position
    keywords: tuple[int, ...]  # the names of those after them, which are constants
    given: tuple[int, ...]  # of all numbers and arrays found, which the kernel takes, in order
    types: tuple[Any, ...]  # Numba's, of these
    returned: Any  # likewise
    result: Structure


class Unsayable(Exception):
    """There is no convention that says this."""


@dataclass
class Terms:
    """A convention as it is written: constants found so far, and what each number or array is called."""

    static: frozenset[str]  # numbers that are compared by value
    constants: list[Any] = field(default_factory=list)
    accesses: list[str] = field(default_factory=list)

    def constant(self, obj: Any) -> int:
        for place, known in enumerate(self.constants):
            if known is obj:
                return place
        self.constants.append(obj)
        return len(self.constants) - 1

    def kind(self, access: str, example: Any) -> Kind:
        """The kind of an object, as `GuardWriter` says it; `access` is how the program writes it."""
        cls = type(example)
        if cls is np.ndarray:
            if example.dtype is not np.dtype(example.dtype.char):
                raise Unsayable
            self.accesses.append(access)
            return Array(example.dtype, tuple(length == 1 for length in example.shape))
        if cls in (int, float, complex) or isinstance(example, np.generic):
            if access in self.static and cls is int and abs(example) < 2**63:
                return Number(int, example)
            if access in self.static or cls not in NUMBERS:
                raise Unsayable
            self.accesses.append(access)
            return Number(cls)
        if is_named_tuple(example):
            fields = [(f"{access}.{name}", getattr(example, name)) for name in cls._fields]
            return self.container(tuple, cls, fields)
        if cls in (tuple, list):
            return self.container(cls, cls, [(f"{access}[{n}]", item) for n, item in enumerate(example)])
        if cls is dict:
            keys = tuple(map(self.constant, example))
            items = [(f"{access}[{key!r}]", item) for key, item in example.items()]
            return self.container(dict, dict, items, keys)
        if is_dataclass_instance(example) or isinstance(example, np.random.Generator):
            raise Unsayable
        return Same(self.constant(example))

    def container(
        self, layout: type, cls: type, items: Sequence[tuple[str, Any]], keys: tuple[int, ...] = ()
    ) -> Container:
        return Container(layout, self.constant(cls), tuple([self.kind(*item) for item in items]), keys)

    def place(self, access: str) -> int:
        """Which of the numbers and arrays found is the one that the program writes so."""
        if access not in self.accesses:
            raise Unsayable
        return self.accesses.index(access)

    def source(self, location: Any) -> Source:
        """Where a global or a cell is found."""
        if not isinstance(location, Location):
            raise Unsayable
        if type(location.holder) is CellType:
            return Cell(self.constant(location.holder))
        if type(location.holder) is not dict:
            raise Unsayable
        return Global(self.constant(location.holder), self.constant(location.name))

    def structure(self, operand: Operand, places: Iterator[int], is_gradient: bool) -> Structure:
        """The form of a result; the kernel returns the values in it in order."""
        if isinstance(operand, Value):
            kind = operand.type
            if not isinstance(kind, ArrayType):
                raise Unsayable
            python = kind.python or (is_gradient and kind.dtype == np.float64)
            return Boxed(next(places), kind.dtype, kind.rank, python)
        if type(operand) in (tuple, list):
            items = tuple([self.structure(item, places, is_gradient) for item in operand])
            return Made(type(operand), items)
        if type(operand) is dict:
            keys = tuple(map(self.constant, operand))
            items = tuple([self.structure(item, places, is_gradient) for item in operand.values()])
            return Made(dict, items, keys)
        if isinstance(operand, Record) or type(operand) not in IMMUTABLE:
            raise Unsayable
        return Same(self.constant(operand))


NUMBERS = {int, float, complex, *[np.dtype(character).type for character in "?bhilqBHILQfdFD"]}
IMMUTABLE = {int, float, complex, bool, str, type(None)}


@dataclass(eq=False, slots=True)
class Kernel:
    """A compiled function as others see it: what it takes, and what is made of what it returns."""

    compiled: Any  # Numba's result of compilation
    context: Any  # Numba's target
    accesses: list[str]  # how the program writes the numbers and arrays that it takes
    results: list[tuple[Operand, bool]]  # parts of what is made, and whether they are gradients


def convention_of(
    kernel: Kernel,
    parameters: Sequence[Parameter],
    arguments: Mapping[str, Any],
    defaults: Sequence[Any],
    outside: Sequence[tuple[str, Capture]],
    static: frozenset[str],
) -> tuple[Convention, list[Any]]:
    """The convention, and the constants it speaks of; raises `Unsayable`.

    `arguments` are those the derivative was built for, `defaults` those of the last parameters by position,
    `outside` what is read from globals and cells, by the names that stand for it.
    """
    terms = Terms(static)
    sources: list[Source] = []
    kinds: list[Kind] = []
    own = [each for each in parameters if each.name in arguments]
    by_place = [each for each in own if each.kind.startswith("positional")]
    by_name = [each for each in own if each.kind == "keyword"]
    if len(own) != len(by_place) + len(by_name):
        raise Unsayable
    names = tuple([terms.constant(sys.intern(each.name)) for each in by_name])
    needed = len(by_place) - len(defaults)
    for place, each in enumerate((*by_place, *by_name)):
        optional = needed <= place < len(by_place)
        sources.append(Given(place, terms.constant(defaults[place - needed]) if optional else None))
        kinds.append(terms.kind(each.name, arguments[each.name]))
    for name, capture in outside:
        if capture.path:
            raise Unsayable
        sources.append(terms.source(capture.location))
        kinds.append(terms.kind(name, capture.example))
    signature = kernel.compiled.signature
    places = itertools.count()
    parts = tuple([terms.structure(part, places, is_gradient) for part, is_gradient in kernel.results])
    demand_returned(parts, signature.return_type)
    convention = Convention(
        tuple(sources),
        tuple(kinds),
        len(by_place),
        names,
        tuple([terms.place(access) for access in kernel.accesses]),
        tuple(signature.args),
        signature.return_type,
        parts[0] if len(parts) == 1 else Made(tuple, parts),
    )
    return convention, terms.constants


def demand_returned(parts: tuple[Structure, ...], returned: Any) -> None:
    """Demand that what the kernel returns are the numbers and arrays in `parts`."""
    from numba import from_dtype, types

    leaves = [leaf for part in parts for leaf in leaves_of(part)]
    is_tuple: bool = isinstance(returned, types.BaseTuple)
    kinds = [*returned] if is_tuple else [returned]
    if not leaves or len(leaves) != len(kinds):
        raise Unsayable
    for leaf, kind in zip(leaves, kinds, strict=True):
        dtype = from_dtype(leaf.dtype)
        if leaf.rank and kind != types.Array(dtype, leaf.rank, "C"):
            raise Unsayable
        if not leaf.rank and kind != dtype:
            raise Unsayable


def leaves_of(result: Structure) -> Iterator[Boxed]:
    """The numbers and arrays of a result, in order."""
    if isinstance(result, Boxed):
        yield result
    elif isinstance(result, Made):
        for item in result.items:
            yield from leaves_of(item)
