"""The guard of a specialised function: is this call of the kind the function was made for?

A guard is an expression over the parameters, woven into the loaded function, so that a call in the
right kinds pays for a few `is` and nothing else:

    x.__class__ is float and y.__class__ is float and type(W) is ndarray and W.dtype is float64 and ...
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ad_compiler.frontend.inputs import is_named_tuple


class GuardWriter:
    """Collects the conditions, and the objects that they mention by name."""

    def __init__(self, constants: frozenset[str]) -> None:
        self.constants = constants
        self.objects: dict[str, Any] = {
            "_ad_type": type,
            "_ad_len": len,
            "_ad_list": list,
            "_ad_ndarray": np.ndarray,
        }
        self.numbers: dict[type, list[str]] = {}
        self.conditions: list[str] = []

    def name(self, obj: Any) -> str:
        for name, known in self.objects.items():
            if known is obj:
                return name
        name = f"_ad_constant_{len(self.objects)}"
        self.objects[name] = obj
        return name

    def add(self, access: str, example: Any) -> None:
        """Demand that what `access` reads is of the kind of `example` (as in `inputs.kind_of`)."""
        cls = type(example)
        if cls in (int, float, complex):
            if access.isidentifier():
                self.numbers.setdefault(cls, []).append(access)
            else:  # behind the condition on what it stands in
                self.conditions.append(f"{access}.__class__ is {self.name(cls)}")
            if access in self.constants:
                self.conditions.append(f"{access} == {example!r}")
        elif cls is np.ndarray:
            self.array(access, example)
        elif is_named_tuple(example):
            self.conditions.append(f"_ad_type({access}) is {self.name(cls)}")
            for field in example._fields:
                self.add(f"{access}.{field}", getattr(example, field))
        elif cls in (tuple, list):
            self.conditions.append(
                f"_ad_type({access}) is {self.name(cls)} and _ad_len({access}) == {len(example)}"
            )
            for i, item in enumerate(example):
                self.add(f"{access}[{i}]", item)
        elif cls is dict:
            keys = self.name(list(example))
            self.conditions.append(
                f"_ad_type({access}) is {self.name(dict)} and _ad_list({access}) == {keys}"
            )
            for key, item in example.items():
                self.add(f"{access}[{key!r}]", item)
        elif dataclasses.is_dataclass(example) and not isinstance(example, type):
            self.conditions.append(f"_ad_type({access}) is {self.name(cls)}")
            for field in dataclasses.fields(example):
                self.add(f"{access}.{field.name}", getattr(example, field.name))
        elif isinstance(example, (np.generic, np.random.Generator)):
            self.conditions.append(f"_ad_type({access}) is {self.name(cls)}")
        elif cls in (str, bytes, np.dtype, slice, range):
            self.conditions.append(
                f"_ad_type({access}) is {self.name(cls)} and {access} == {self.name(example)}"
            )
        else:
            self.conditions.append(
                f"{access} is {example if example in (None, True, False) else self.name(example)}"
            )

    def array(self, access: str, example: np.ndarray[Any, Any]) -> None:
        parts = [f"_ad_type({access}) is _ad_ndarray", f"{access}.dtype is {self.name(example.dtype)}"]
        if example.ndim == 0:
            parts.append(f"{access}.ndim == 0")
        elif 1 not in example.shape:
            parts += [f"{access}.ndim == {example.ndim}", f"1 not in {access}.shape"]
        else:
            parts.append(f"{access}.ndim == {example.ndim}")
            parts += [
                f"{access}.shape[{i}] {'==' if n == 1 else '!='} 1" for i, n in enumerate(example.shape)
            ]
        self.conditions.append(" and ".join(parts))

    def text(self) -> str:
        """The whole guard."""
        numbers = []
        for cls, accesses in self.numbers.items():
            numbers += [f"{access}.__class__ is {self.name(cls)}" for access in accesses]
        return " and ".join([*numbers, *self.conditions]) or "True"
