"""The pushforward a user holds: it checks the tangents before the generated code sees them."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ad_compiler.derivative import Derivative
from ad_compiler.frontend.inputs import is_dataclass_instance, is_named_tuple
from ad_compiler.making import derivative_of, has_numbers
from ad_compiler.pipeline import NUMPY, Backend
from ad_compiler.ready import kinds_of, remember
from ad_compiler.transforms.tangent_names import tangent_name


class Pushforward:
    """What `jvp(f)` gives: called with primals and tangents, it returns the value and its derivative."""

    def __init__(
        self, fun: Callable[..., Any], has_aux: bool = False, of: Any = None, backend: Backend = NUMPY
    ) -> None:
        if not callable(fun):
            raise TypeError(f"a function is needed, not {type(fun).__name__}")
        self.primal = fun
        self.has_aux = has_aux
        self.of = of
        self.backend = backend
        self._signature = inspect.signature(fun)
        self._newest: Derivative | None = None
        self._ready: dict[Any, tuple[Derivative, list[tuple[str, int]]]] = {}

    def __call__(self, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
        """`(value, tangent)`, or `(value, tangent, aux)`.

        Raises `TypeError` and `ValueError` for tangents that do not fit.
        """
        kinds = None
        if type(primals) is tuple and type(tangents) is tuple and len(primals) == len(tangents):
            kinds = kinds_of((*primals, *tangents))
            ready = self._ready.get(kinds)
            if ready is not None:
                derivative, moving = ready
                self._newest = derivative
                return derivative(*primals, **{name: tangents[place] for name, place in moving})
        derivative, given = self.prepared(primals, tangents)
        names = list(self._signature.parameters)
        moving = [(tangent_name(name, names), names.index(name)) for name in derivative.request.argnums]
        if all(place < len(tangents) and given[name] is tangents[place] for name, place in moving):
            remember(self._ready, kinds, (derivative, moving))
        return derivative(*primals, **given)

    def prepared(self, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Derivative, dict[str, Any]]:
        """The derivative for the arguments that move, and their tangents."""
        for what, each in (("primals", primals), ("tangents", tangents)):
            if not isinstance(each, (tuple, list)):
                raise TypeError(f"the {what} must be a tuple with one entry for each argument")
        if len(primals) != len(tangents):
            raise TypeError(
                f"{len(primals)} primals and {len(tangents)} tangents are given: one for each is needed"
            )
        arguments = self._signature.bind(*primals).arguments
        moving = self._signature.bind(*tangents).arguments
        names = list(self._signature.parameters)
        checked = {
            name: checked_tangent(moving[name], primal, f"the tangent of {name}")
            for name, primal in arguments.items()
            if moves(moving[name]) and has_numbers(primal)
        }
        if not checked:
            raise TypeError("no argument with numbers has a tangent: nothing is to be differentiated")
        derivative = derivative_of(self.primal, "jvp", tuple(checked), self.has_aux, self.of, self.backend)
        self._newest = derivative
        return derivative, {tangent_name(name, names): each for name, each in checked.items()}

    def source_for(self, primals: Sequence[Any], tangents: Sequence[Any]) -> str:
        """The generated code for primals and tangents like these."""
        derivative, given = self.prepared(primals, tangents)
        return derivative.source_for(*primals, **given)

    @property
    def source(self) -> str:
        """The generated code of the newest call.

        Before it, for tangents of all arguments without a default, of the kinds that annotations name.
        """
        if self._newest is None:
            names = [
                name
                for name, parameter in self._signature.parameters.items()
                if parameter.default is parameter.empty and parameter.kind < parameter.VAR_POSITIONAL
            ]
            self._newest = derivative_of(
                self.primal, "jvp", tuple(names), self.has_aux, self.of, self.backend
            )
        return self._newest.source

    @property
    def native_source(self) -> str:
        """The loops that Numba compiles, of the newest call."""
        if self._newest is None:
            raise ValueError(f"{self!r} has no native code before it is called")
        return self._newest.native_source

    def __reduce__(self) -> Any:
        return Pushforward, (self.primal, self.has_aux, self.of, self.backend)

    def __repr__(self) -> str:
        return f"<jvp of {getattr(self.primal, '__qualname__', self.primal)}>"


@functools.lru_cache(maxsize=512)
def pushforward_of(fun: Callable[..., Any], has_aux: bool, of: Any, backend: Backend) -> Pushforward:
    """The pushforward of a function, made once: what it is prepared for is known in the next call."""
    return Pushforward(fun, has_aux, of, backend)


def moves(tangent: Any) -> bool:
    """Whether a tangent is given: anywhere in a structure."""
    if isinstance(tangent, (tuple, list)):
        return any(map(moves, tangent))
    if isinstance(tangent, dict):
        return any(map(moves, tangent.values()))
    return tangent is not None


def checked_tangent(tangent: Any, primal: Any, what: str) -> Any:
    """The tangent in the structure, shapes and precision of its argument.

    None stands for zeros. `TypeError` for another structure or dtype, `ValueError` for another shape.
    """
    if is_named_tuple(primal):
        if tangent is None:
            tangent = [None] * len(primal)
        checked_length(tangent, primal, what)
        named = zip(primal._fields, tangent, primal, strict=True)
        return type(primal)(*[checked_tangent(t, p, f"{what}.{name}") for name, t, p in named])
    if isinstance(primal, (tuple, list)):
        if tangent is None:
            tangent = [None] * len(primal)
        checked_length(tangent, primal, what)
        pairs = enumerate(zip(tangent, primal, strict=True))
        return type(primal)([checked_tangent(t, p, f"{what}[{i}]") for i, (t, p) in pairs])
    if isinstance(primal, dict):
        if tangent is None:
            tangent = dict.fromkeys(primal)
        if not isinstance(tangent, dict) or set(tangent) != set(primal):
            raise TypeError(f"{what} must be a dict with the keys {list(primal)}, as the argument is")
        return {key: checked_tangent(tangent[key], each, f"{what}[{key!r}]") for key, each in primal.items()}
    if is_dataclass_instance(primal):
        if tangent is not None and type(tangent) is not type(primal):
            raise TypeError(f"{what} must be a {type(primal).__name__}, as the argument is")
        fields = {}
        for field in dataclasses.fields(primal):
            part = None if tangent is None else getattr(tangent, field.name)
            fields[field.name] = checked_tangent(part, getattr(primal, field.name), f"{what}.{field.name}")
        return type(primal)(**fields)
    if isinstance(primal, np.ndarray):
        return checked_array(tangent, primal, what)
    if isinstance(primal, (int, float, complex, np.generic)) and not isinstance(primal, bool):
        kind: Any = type(primal) if isinstance(primal, (float, complex, np.inexact)) else float
        if tangent is None:
            return kind(0.0)
        if np.ndim(tangent):
            raise ValueError(f"{what} has shape {np.shape(tangent)}, the argument is a number")
        checked_dtype(np.asarray(tangent), np.dtype(kind), what)
        return kind(tangent)
    return primal


def checked_length(tangent: Any, primal: Any, what: str) -> None:
    if not isinstance(tangent, (tuple, list)) or len(tangent) != len(primal):
        raise TypeError(f"{what} must be a {type(primal).__name__} of {len(primal)}, as the argument is")


def checked_array(tangent: Any, primal: np.ndarray[Any, Any], what: str) -> np.ndarray[Any, Any]:
    dtype = primal.dtype if primal.dtype.kind in "fc" else np.dtype(np.float64)
    if tangent is None:
        return np.zeros(primal.shape, dtype)
    array = np.asarray(tangent)
    if array.shape != primal.shape:
        raise ValueError(f"{what} has shape {array.shape}, the argument has {primal.shape}")
    checked_dtype(array, dtype, what)
    return array if array.dtype == dtype else array.astype(dtype)


def checked_dtype(array: np.ndarray[Any, Any], dtype: np.dtype[Any], what: str) -> None:
    """A tangent has the precision of its argument; whole numbers fit any, complex ones complex ones only."""
    kind = array.dtype.kind
    loses = kind in "fc" and array.ndim and np.result_type(array.dtype, dtype) != dtype
    if kind not in "iufc" or loses or (kind == "c" and dtype.kind != "c"):
        raise TypeError(f"{what} has the dtype {array.dtype}, and {dtype} is needed: convert it")
