"""What comes into a program: arguments, and the numbers and arrays it reads from outside.

An argument is described by its *kind*, a hashable key: dtype and which axes have length 1 for arrays,
the type for numbers, the structure for containers, the value itself for None, bools and strings. Two
calls of the same kinds run the same derivative.

    >>> kind_of(np.ones((1, 3))) == kind_of(np.zeros((1, 7)))
    True
    >>> kind_of({"w": 1.0}) == kind_of({"w": 1})
    False
"""

from __future__ import annotations

import dataclasses
from enum import Enum
from typing import Any

import numpy as np

from ad_compiler.analysis.types import FLOAT, GENERATOR, ArrayType, Length, type_of_number
from ad_compiler.ir import Operand, Record, Value
from ad_compiler.refusal import Refusal

_NUMBERS: tuple[type, ...] = (int, float, complex)
_CONSTANTS: tuple[type, ...] = (bool, str, bytes, type(None), type(Ellipsis), type, np.dtype, slice, range)


def kind_of(obj: Any, access: str = "", constants: frozenset[str] = frozenset()) -> Any:
    """The kind of an argument; numbers whose access is in `constants` count with their value."""
    cls = type(obj)
    if cls in _NUMBERS:
        return (cls, obj) if access in constants else cls
    if cls is np.ndarray:
        return (cls, obj.dtype, tuple([n == 1 for n in obj.shape]))
    if isinstance(obj, (np.generic, np.random.Generator)):
        return cls
    if isinstance(obj, (tuple, list)):
        return (cls, *[kind_of(item, f"{access}[{i}]", constants) for i, item in enumerate(obj)])
    if isinstance(obj, dict):
        return (cls, *[(key, kind_of(item, f"{access}[{key!r}]", constants)) for key, item in obj.items()])
    if is_dataclass_instance(obj):
        return (
            cls,
            *[
                kind_of(getattr(obj, f.name), f"{access}.{f.name}", constants)
                for f in dataclasses.fields(obj)
            ],
        )
    if cls is slice:
        return (cls, obj.start, obj.stop, obj.step)
    if cls in _CONSTANTS:
        return (cls, obj)
    return (cls, Identity(obj))


class Identity:
    """A key that is equal only for the same object, and keeps it alive."""

    __slots__ = ("obj",)

    def __init__(self, obj: Any) -> None:
        self.obj = obj

    def __hash__(self) -> int:
        return id(self.obj)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Identity) and other.obj is self.obj


def is_dataclass_instance(obj: Any) -> bool:
    return dataclasses.is_dataclass(obj) and not isinstance(obj, type)


def is_named_tuple(obj: Any) -> bool:
    cls = obj if isinstance(obj, type) else type(obj)
    return issubclass(cls, tuple) and hasattr(cls, "_fields")


def is_input(obj: Any) -> bool:
    """Whether a global or cell holds numbers (read at call time) and not a constant of the program."""
    return isinstance(obj, (*_NUMBERS, np.ndarray, np.generic)) and not isinstance(obj, (bool, Enum))


def has_inputs(obj: Any) -> bool:
    if isinstance(obj, (tuple, list)):
        return any(map(has_inputs, obj))
    if isinstance(obj, dict):
        return any(map(has_inputs, obj.values()))
    if is_dataclass_instance(obj):
        return any(has_inputs(getattr(obj, f.name)) for f in dataclasses.fields(obj))
    return is_input(obj)


def describe_input(obj: Any, access: str, constants: frozenset[str] = frozenset()) -> Operand:
    """The operand that stands for an argument: a value for every number and array in it."""
    if access in constants:
        if type(obj) is not int:
            raise Refusal(
                f"`{access}` must be a whole number known while compiling (as an axis is), "
                f"and it is a {type(obj).__name__}",
                "pass a Python int",
            )
        return obj
    if type(obj) is np.random.Generator:
        return Value(GENERATOR, access if access.isidentifier() else None, access)
    if is_input(obj):
        value = Value(
            type_of_input(obj, access), name=access if access.isidentifier() else None, access=access
        )
        value.immutable = not isinstance(obj, np.ndarray)
        for axis, length in enumerate(value.type.shape if isinstance(value.type, ArrayType) else ()):
            if isinstance(length, Length):
                length.origin = (value, axis)
        return value
    if is_named_tuple(obj):
        fields = {
            name: describe_input(getattr(obj, name), f"{access}.{name}", constants) for name in obj._fields
        }
        return Record(type(obj), fields, access)
    if type(obj) in (tuple, list):
        return type(obj)(describe_input(item, f"{access}[{i}]", constants) for i, item in enumerate(obj))
    if type(obj) is dict:
        return {key: describe_input(item, f"{access}[{key!r}]", constants) for key, item in obj.items()}
    if is_dataclass_instance(obj):
        names = [f.name for f in dataclasses.fields(obj)]
        return Record(
            type(obj), {n: describe_input(getattr(obj, n), f"{access}.{n}", constants) for n in names}, access
        )
    return obj


def type_of_input(obj: Any, access: str) -> ArrayType:
    if isinstance(obj, np.ndarray):
        if type(obj) is not np.ndarray:
            raise Refusal(
                f"`{access}` is a {type(obj).__name__}, not a plain array",
                "pass `np.asarray` of it (of a masked array `.filled(...)`)",
            )
        if obj.dtype.kind not in "biufc":
            raise Refusal(
                f"`{access}` is an array of {obj.dtype}, and only numbers are differentiated",
                "pass an array of floats, ints, bools or complex numbers",
            )
        axes = tuple([1 if n == 1 else Length(f"{access}.shape[{i}]") for i, n in enumerate(obj.shape)])
        return ArrayType(obj.dtype, axes)
    if type(obj) not in _NUMBERS and not isinstance(obj, np.generic):
        raise Refusal(
            f"`{access}` is a {type(obj).__name__}, not a plain number", "convert it to a float or an int"
        )
    return type_of_number(obj)


def real_type(kind: ArrayType) -> ArrayType:
    """The type an argument is differentiated as: whole numbers count as reals."""
    if kind.dtype.kind in "fc":
        return kind
    return FLOAT if kind.python else ArrayType(np.dtype(np.float64), kind.shape)
