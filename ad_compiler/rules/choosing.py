"""Functions that choose elements by conditions or numbers: select, piecewise, choose, compress, extract."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.ir import Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.assembling import known_length
from ad_compiler.rules.notation import at_compile_time, definition, written_out


@written_out(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    check_lists(condlist, choicelist)
    result = default
    for condition, choice in reversed(list(zip(condlist, choicelist))):  # noqa: B905
        result = np.where(condition, choice, result)
    return result


@at_compile_time
def check_lists(condlist: Any, choicelist: Any) -> None:
    if isinstance(condlist, Value) or isinstance(choicelist, Value):
        raise Refusal("the conditions or choices are one array", "give lists of arrays")
    if len(condlist) != len(choicelist):
        raise Refusal("there are not as many choices as conditions", "give one for each")


@written_out(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any) -> Any:
    conditions = as_list(condlist)
    functions = list(funclist)
    if len(functions) == len(conditions) + 1:
        result = piece(functions[-1], x, args)
        functions = functions[:-1]
    else:
        result = 0.0
    check_lists(conditions, functions)
    for condition, function in zip(conditions, functions):  # noqa: B905
        result = np.where(condition, piece(function, x, args), result)
    return np.asarray(result).astype(np.asarray(x).dtype)


@at_compile_time
def as_list(conditions: Any) -> list[Any]:
    return list(conditions) if isinstance(conditions, (list, tuple)) else [conditions]


def piece(function: Any, x: Any, args: Any) -> Any:
    return function(x, *args) if is_function(function) else function


@at_compile_time
def is_function(obj: Any) -> bool:
    """Whether a piece is no value; a function of the program itself is no callable of Python's."""
    return not isinstance(obj, (Value, int, float, complex, np.generic, np.ndarray))


@written_out(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: Any = "raise") -> Any:
    number = len(choices) if is_list(choices) else known_length(np.shape(choices)[0])
    index = np.asarray(a)
    index = (
        np.mod(index, number)
        if mode == "wrap"
        else np.clip(index, 0, number - 1)
        if mode == "clip"
        else index
    )
    return chosen(index, choices, number - 1)


def chosen(index: Any, choices: Any, last: Any) -> Any:
    if last == 0:
        return np.where(index == 0, choices[0], choices[0])
    return np.where(index == last, choices[last], chosen(index, choices, last - 1))


@at_compile_time
def is_list(obj: Any) -> bool:
    return isinstance(obj, (list, tuple))


@definition(np.compress)
def compress(condition: Any, a: Any, axis: Any = None) -> Any:
    places = np.flatnonzero(condition)
    return np.take(np.ravel(a), places) if axis is None else np.take(a, places, axis)


@definition(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    return np.take(np.ravel(arr), np.flatnonzero(condition))
