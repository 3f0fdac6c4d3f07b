"""What a followed operation computes: the function of NumPy it stands for, on the numbers of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ad_compiler.rules.notation import Primitive, registry
from ad_compiler.rules.padding import zeros_around
from ad_compiler.rules.rearranging import first_difference


class NotFollowed(Exception):
    """The program has something that is not followed."""


@dataclass(frozen=True, eq=False, slots=True)
class Seen:
    """A number or array of the run: its value, what its elements depend on, and whether it is known."""

    value: Any
    rows: Any = None  # a CSR array of truth values, a row for each element; None: on nothing
    known: bool = True


def values_of(seen: Any) -> Iterator[Seen]:
    """The numbers and arrays in an operand."""
    if isinstance(seen, Seen):
        yield seen
    elif isinstance(seen, (tuple, list)):
        for item in seen:
            yield from values_of(item)
    elif isinstance(seen, slice):
        yield from values_of((seen.start, seen.stop, seen.step))


def plain(seen: Any) -> Any:
    """An operand as Python has it."""
    if isinstance(seen, Seen):
        return seen.value
    if isinstance(seen, (tuple, list)):
        return type(seen)(map(plain, seen))
    if isinstance(seen, slice):
        return slice(plain(seen.start), plain(seen.stop), plain(seen.step))
    return seen


def value_of(primitive: Primitive, arguments: list[Any]) -> Any:
    """The value of an operation."""
    if primitive.name in ("index_set", "index_add"):
        array, index, value, path = arguments
        made = np.array(array)
        view = through(made, path)
        if not np.shares_memory(view, made) and view.size:
            raise NotFollowed("a write through a copy")
        if primitive.name == "index_set":
            view[index] = value
        else:
            np.add.at(view, index, value)
        return made
    if primitive.name == "getitem":
        return arguments[0][arguments[1]]
    if primitive.name == "select":
        return np.where(*arguments)[()] if any(map(np.ndim, arguments)) else chosen(*arguments)
    return called(primitive, arguments)


def chosen(condition: Any, one: Any, other: Any) -> Any:
    return one if condition else other


def through(array: Any, path: Any) -> Any:
    """The view that a path leads to."""
    for primitive, *arguments in path:
        primitive = primitive.value if isinstance(primitive, Seen) else primitive
        array = array[arguments[0]] if primitive.name == "getitem" else called(primitive, [array, *arguments])
    return array


def called(primitive: Primitive, arguments: list[Any]) -> Any:
    """A call of the function of a primitive."""
    function = FUNCTIONS.get(primitive)
    if function is None:
        raise NotFollowed(primitive.name)
    if primitive.variadic or not primitive.keywords:
        given = list(arguments)
        while given and not primitive.variadic and given[-1] is None:
            given.pop()
        return function(*given)
    required = [name for name in primitive.parameters if name not in primitive.defaults]
    pairs = list(zip(primitive.parameters, arguments, strict=True))
    keywords = {
        name: argument
        for name, argument in pairs
        if name not in required and argument is not primitive.defaults[name]
    }
    try:
        return function(*[argument for name, argument in pairs if name in required], **keywords)
    except TypeError as error:
        raise NotFollowed(primitive.name) from error


def functions() -> dict[Primitive, Callable[..., Any]]:
    """The functions that primitives stand for."""
    found: dict[Primitive, Callable[..., Any]] = {}
    for function, primitive in registry.items():
        if callable(function) and not isinstance(function, str):
            found.setdefault(primitive, function)
    found[registry[first_difference]] = np.diff
    found[registry[zeros_around]] = np.pad
    return found


FUNCTIONS = functions()
