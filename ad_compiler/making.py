"""Makes the derivative objects behind `grad`, `value_and_grad` and `vjp`: which function, which arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np

import ad_compiler.cotangent_hooks
import ad_compiler.nested_calls  # noqa: F401 -- register what derivatives and hooks mean in programs
from ad_compiler.derivative import Derivative
from ad_compiler.drivers import caller_of
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.inputs import is_dataclass_instance, kind_of
from ad_compiler.frontend.scope import Location
from ad_compiler.frontend.source import plain_function
from ad_compiler.pipeline import NUMPY, Backend, Mode, Request
from ad_compiler.pullback import Pullback

Argnums = int | str | Sequence[int | str]


def derivative_of(
    fun: Callable[..., Any],
    mode: Mode,
    argnums: Argnums,
    has_aux: bool,
    of: str | Sequence[str] | None = None,
    backend: Backend = NUMPY,
    holomorphic: bool = False,
) -> Derivative:
    """The derivative object of a function, made once for each function and set of options."""
    if of is not None and not isinstance(of, str):
        of = tuple(of)
    if not callable(fun):
        raise TypeError(f"a function is needed, not {type(fun).__name__}")
    given = checked_argnums(argnums)
    made = _derivative_of if is_told_apart(fun) else _derivative_of.__wrapped__
    return made(
        fun,
        mode,
        given if isinstance(argnums, (tuple, list)) else given[0],
        has_aux,
        of,
        backend,
        holomorphic,
    )


def checked_argnums(argnums: Argnums) -> tuple[int | str, ...]:
    """The positions and names, as a tuple."""
    given = tuple(argnums) if isinstance(argnums, (tuple, list)) else (argnums,)
    if not all(isinstance(number, (int, str)) and not isinstance(number, bool) for number in given):
        raise TypeError(f"argnums {argnums!r} must be a position, a name, or a tuple of these")
    return given


def is_told_apart(fun: Any) -> bool:
    """Whether what is equal to a callable is the same: objects may be equal that compute different things."""
    compared: Any = type(fun).__eq__
    return compared in (object.__eq__, MethodType.__eq__)


def is_object(fun: Any) -> bool:
    """Whether a callable is no function, but an object that calls one: a partial application, an instance."""
    if isinstance(fun, MethodType):
        return not isinstance(fun.__func__, FunctionType)
    if isinstance(fun, (FunctionType, type)):
        return False
    return isinstance(fun, functools.partial) or isinstance(type(fun).__call__, FunctionType)


@functools.lru_cache(maxsize=512)
def _derivative_of(
    fun: Callable[..., Any],
    mode: Mode,
    argnums: Any,
    has_aux: bool,
    of: str | tuple[str, ...] | None,
    backend: Backend,
    holomorphic: bool,
) -> Derivative:
    bound_self = None
    primal = fun
    if isinstance(fun, functools.partial) and isinstance(fun.func, (np.ufunc, BuiltinFunctionType, type)):
        plain_function(fun.func)  # says that it cannot be read
    if hasattr(type(fun), "inline_in") or is_object(fun):  # a derivative already, or an object
        primal = caller_of(fun)
    elif isinstance(fun, MethodType):
        primal = fun.__func__
        first = primal.__code__.co_varnames[0]
        bound_self = (first, Location({first: fun.__self__}, first))
    function: FunctionType = plain_function(primal)
    names = list(inspect.signature(fun).parameters)
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    chosen = tuple(name_of_argument(names, number, fun) for number in numbers)
    if not chosen or len(set(chosen)) != len(chosen):
        raise ValueError(f"argnums {argnums!r} must name at least one argument, and none twice")
    single = not isinstance(argnums, tuple)
    written = () if of is None else (of,) if isinstance(of, str) else of
    if has_aux and written:
        raise ValueError("`has_aux` is for a function that returns its result, `of` for one that writes it")
    if of is not None and (not written or len(set(written)) != len(written)):
        raise ValueError(f"of {of!r} must name at least one argument, and none twice")
    written = tuple(name_of_argument(names, name, fun) for name in written)
    request = Request(
        function,
        mode,
        chosen,
        single and mode != "vjp",
        has_aux,
        bound_self=bound_self,
        of=written,
        single_of=isinstance(of, str),
        backend=backend,
        holomorphic=holomorphic,
    )
    return Derivative(fun, request, argnums)


def name_of_argument(names: list[str], number: int | str, fun: Any) -> str:
    if isinstance(number, str):
        if number not in names:
            raise ValueError(
                f"{getattr(fun, '__name__', fun)} has no argument {number!r}; it has {', '.join(names)}"
            )
        return number
    if not -len(names) <= number < len(names):
        raise ValueError(f"argnums {number} is out of range for {len(names)} arguments")
    return names[number]


def value_and_pullback(
    fun: Callable[..., Any],
    primals: tuple[Any, ...],
    argnums: Argnums | None,
    has_aux: bool,
    of: str | Sequence[str] | None = None,
    backend: Backend = NUMPY,
) -> Any:
    """What `vjp` returns."""
    if not callable(fun):
        raise TypeError(f"a function is needed, not {type(fun).__name__}")
    if argnums is not None:
        derivative, every = derivative_of(fun, "vjp", argnums, has_aux, of, backend), None
    else:
        bound = inspect.signature(fun).bind(*primals)
        every = list(bound.arguments)
        bound.apply_defaults()
        derivative = with_all_reals(fun, bound.arguments, every, has_aux, of, backend)
    result, pullback = derivative(*primals)
    if has_aux:
        result, aux = result
        return result, Pullback(pullback, result, derivative.request.argnums, every), aux
    return result, Pullback(pullback, result, derivative.request.argnums, every)


def with_all_reals(
    fun: Callable[..., Any],
    arguments: dict[str, Any],
    given: Sequence[str],
    has_aux: bool,
    of: str | Sequence[str] | None,
    backend: Backend,
) -> Derivative:
    """The derivative for every argument in `given` that holds numbers.

    Whole numbers count as reals, unless the program needs them whole: as an index, a length, an axis.
    """
    numbers = tuple(name for name in given if has_numbers(arguments[name]))
    reals = tuple(name for name in given if has_reals(arguments[name]))
    if not numbers:
        raise TypeError("none of the arguments holds a number to differentiate")
    derivative = derivative_of(fun, "vjp", numbers, has_aux, of, backend)
    if numbers == reals or not reals:
        return derivative
    key = tuple(kind_of(value, name) for name, value in arguments.items())
    if key not in derivative.needs_whole_numbers:
        try:  # by the NumPy code, of whichever backend: a gap of native code says nothing of the program
            derivative_of(fun, "vjp", numbers, has_aux, of, NUMPY).specialise(arguments)
            derivative.needs_whole_numbers[key] = False
        except Unsupported:
            derivative.needs_whole_numbers[key] = True
    return (
        derivative_of(fun, "vjp", reals, has_aux, of, backend)
        if derivative.needs_whole_numbers[key]
        else derivative
    )


def has_reals(obj: Any) -> bool:
    """Whether a structure holds a real or complex number or an array of them."""
    return has_kind(obj, "fc", (float, complex))


def has_numbers(obj: Any) -> bool:
    """Whether a structure holds a number that is not a truth value, or an array of them."""
    return has_kind(obj, "fciu", (float, int, complex))


def has_kind(obj: Any, kinds: str, classes: Any) -> bool:
    if isinstance(obj, (tuple, list)):
        return any(has_kind(item, kinds, classes) for item in obj)
    if isinstance(obj, dict):
        return any(has_kind(item, kinds, classes) for item in obj.values())
    if is_dataclass_instance(obj):
        return any(has_kind(getattr(obj, name), kinds, classes) for name in obj.__dataclass_fields__)
    if isinstance(obj, (np.ndarray, np.generic)):
        return obj.dtype.kind in kinds
    return isinstance(obj, classes) and not isinstance(obj, bool)
