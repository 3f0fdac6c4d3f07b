"""What a user imports: `grad`, `value_and_grad`, `vjp`. Names and order of arguments are JAX's."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from types import FunctionType, MethodType
from typing import Any, overload

import numpy as np

from ad_compiler.derivative import Derivative
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.inputs import is_dataclass_instance, kind_of
from ad_compiler.frontend.scope import Location
from ad_compiler.frontend.source import plain_function
from ad_compiler.pipeline import Mode, Request
from ad_compiler.pullback import Pullback

Argnums = int | str | Sequence[int | str]


@overload
def grad(fun: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False, backend: str = "numpy") -> Derivative: ...
@overload
def grad(
    fun: None = None, argnums: Argnums = 0, *, has_aux: bool = False, backend: str = "numpy"
) -> Callable[[Callable[..., Any]], Derivative]: ...
def grad(fun: Any = None, argnums: Argnums = 0, *, has_aux: bool = False, backend: str = "numpy") -> Any:
    """The gradient of a function that returns one number.

    `argnums` names the arguments to differentiate, by position or by name; a tuple of them gives a tuple
    of gradients. A gradient has the structure, shape and dtype of its argument; whole numbers count as
    reals. With `has_aux` the function returns `(value, aux)`, and so does the derivative:
    `(gradient, aux)`. Works as a decorator, with or without arguments.

    Raises `Unsupported` (a `SyntaxError`) when the derivative is first called for a program that cannot be
    differentiated, `TypeError` for arguments that do not fit the function.

    >>> @grad
    ... def square(x):
    ...     return x * x
    >>> square(3.0)
    6.0
    """
    return decorated(fun, "grad", argnums, has_aux, backend)


@overload
def value_and_grad(
    fun: Callable[..., Any], argnums: Argnums = 0, *, has_aux: bool = False, backend: str = "numpy"
) -> Derivative: ...
@overload
def value_and_grad(
    fun: None = None, argnums: Argnums = 0, *, has_aux: bool = False, backend: str = "numpy"
) -> Callable[[Callable[..., Any]], Derivative]: ...
def value_and_grad(fun: Any = None, argnums: Argnums = 0, *, has_aux: bool = False, backend: str = "numpy") -> Any:
    """As `grad`, but the derivative returns `(value, gradient)`.

    >>> def square(x):
    ...     return x * x
    >>> value_and_grad(square)(3.0)
    (9.0, 6.0)
    """
    return decorated(fun, "value_and_grad", argnums, has_aux, backend)


def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False, argnums: Argnums | None = None) -> Any:
    """The value of `fun(*primals)`, and the pullback: the product of a cotangent with the Jacobian.

    The pullback takes a cotangent of the structure and shape of the value, and returns a tuple with a
    cotangent for every argument in `argnums` (default: for each of `primals`, None for one that holds
    no real numbers). It can be called any number of times. With `has_aux`, `(value, pullback, aux)`.

    >>> value, pullback = vjp(lambda x, y: (x * y, x + y), 2.0, 3.0)
    >>> value
    (6.0, 5.0)
    >>> pullback((1.0, 10.0))
    (13.0, 12.0)
    """
    if argnums is not None:
        derivative, every = derivative_of(fun, "vjp", argnums, has_aux), None
    else:
        arguments = inspect.signature(fun).bind(*primals).arguments
        every = list(arguments)
        derivative = with_all_reals(fun, arguments, has_aux)
    result, pullback = derivative(*primals)
    if has_aux:
        result, aux = result
        return result, Pullback(pullback, result, derivative.request.argnums, every), aux
    return result, Pullback(pullback, result, derivative.request.argnums, every)


def with_all_reals(fun: Callable[..., Any], arguments: dict[str, Any], has_aux: bool) -> Derivative:
    """The derivative for every argument that holds numbers.

    Whole numbers count as reals, unless the program needs them whole: as an index, a length, an axis.
    """
    numbers = tuple(name for name, value in arguments.items() if has_numbers(value))
    reals = tuple(name for name, value in arguments.items() if has_reals(value))
    if not numbers:
        raise TypeError("none of the arguments holds a number to differentiate")
    derivative = derivative_of(fun, "vjp", numbers, has_aux)
    if numbers == reals or not reals:
        return derivative
    key = tuple(kind_of(value, name) for name, value in arguments.items())
    if key not in derivative.needs_whole_numbers:
        try:
            derivative.specialise(arguments)
            derivative.needs_whole_numbers[key] = False
        except Unsupported:
            derivative.needs_whole_numbers[key] = True
    return derivative_of(fun, "vjp", reals, has_aux) if derivative.needs_whole_numbers[key] else derivative


def has_reals(obj: Any) -> bool:
    """Whether a structure holds a real number or an array of them."""
    return has_kind(obj, "f", float)


def has_numbers(obj: Any) -> bool:
    """Whether a structure holds a real or whole number, or an array of them."""
    return has_kind(obj, "fiu", (float, int))


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


def decorated(fun: Any, mode: Mode, argnums: Argnums, has_aux: bool, backend: str) -> Any:
    if backend != "numpy":
        raise ValueError(f"there is no backend {backend!r}; there is 'numpy'")
    if fun is None:
        return lambda function: derivative_of(function, mode, argnums, has_aux)
    return derivative_of(fun, mode, argnums, has_aux)


def derivative_of(fun: Callable[..., Any], mode: Mode, argnums: Argnums, has_aux: bool) -> Derivative:
    """The derivative object of a function, made once for each function and set of options."""
    given = argnums if isinstance(argnums, (int, str)) else tuple(argnums)
    try:
        return _derivative_of(fun, mode, given, has_aux)
    except TypeError:
        if not callable(fun):
            raise TypeError(f"a function is needed, not {type(fun).__name__}") from None
        raise


@functools.lru_cache(maxsize=512)
def _derivative_of(fun: Callable[..., Any], mode: Mode, argnums: Any, has_aux: bool) -> Derivative:
    if isinstance(fun, Derivative):
        raise TypeError(f"{fun!r} is a derivative already; differentiate the source it generates")
    bound_self = None
    primal = fun
    if isinstance(fun, MethodType):
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
    request = Request(function, mode, chosen, single and mode != "vjp", has_aux, bound_self)
    derivative = Derivative(fun, request)
    derivative._argnums_given = argnums
    return derivative


def name_of_argument(names: list[str], number: int | str, fun: Any) -> str:
    if isinstance(number, str):
        if number not in names:
            raise ValueError(f"{getattr(fun, '__name__', fun)} has no argument {number!r}; it has {', '.join(names)}")
        return number
    if not -len(names) <= number < len(names):
        raise ValueError(f"argnums {number} is out of range for {len(names)} arguments")
    return names[number]
