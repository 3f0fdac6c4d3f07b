"""Gradients, and products with Jacobians: `grad`, `value_and_grad`, `vjp`, `jvp`, `linearize`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack, overload

from ad_compiler.api import settings
from ad_compiler.api.settings import Argnums, NativeOptions, Of

if TYPE_CHECKING:
    from ad_compiler.derivative import Derivative
    from ad_compiler.pipeline import Mode


@overload
def grad(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    of: Of = None,
    holomorphic: bool = False,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Derivative: ...
@overload
def grad(
    fun: None = None,
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    of: Of = None,
    holomorphic: bool = False,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Callable[[Callable[..., Any]], Derivative]: ...
def grad(
    fun: Any = None,
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    of: Of = None,
    holomorphic: bool = False,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Any:
    """The gradient of a function that returns one number.

    `argnums` names the arguments to differentiate, by position or by name; a tuple of them gives a tuple
    of gradients. A gradient has the structure, shape and dtype of its argument; whole numbers count as
    reals. With `has_aux` the function returns `(value, aux)`, and so does the derivative:
    `(gradient, aux)`. Of a function that writes its result into an argument, name that in `of`: the gradient
    is that of the sum of the array after the call. Works as a decorator, with or without arguments.

    With `holomorphic=True` the function returns a complex number and has a complex derivative: that is the
    gradient, and the arguments must be complex.

    With `backend="numba"` the derivative is compiled to machine code (see docs/native.md). Options then:
    `fastmath=True` lets sums run in another order, `parallel=True` has several threads do what is large
    enough, `cache=False` keeps no compiled code for later processes.

    Raises `Unsupported` (a `SyntaxError`) when the derivative is first called for a program that cannot be
    differentiated, `TypeError` for arguments that do not fit the function.

    >>> @grad
    ... def square(x):
    ...     return x * x
    >>> square(3.0)
    6.0
    """
    return decorated(fun, "grad", argnums, has_aux, of, holomorphic, backend, options)


@overload
def value_and_grad(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    of: Of = None,
    holomorphic: bool = False,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Derivative: ...
@overload
def value_and_grad(
    fun: None = None,
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    of: Of = None,
    holomorphic: bool = False,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Callable[[Callable[..., Any]], Derivative]: ...
def value_and_grad(
    fun: Any = None,
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    of: Of = None,
    holomorphic: bool = False,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Any:
    """As `grad`, but the derivative returns `(value, gradient)`.

    >>> def square(x):
    ...     return x * x
    >>> value_and_grad(square)(3.0)
    (9.0, 6.0)
    """
    return decorated(fun, "value_and_grad", argnums, has_aux, of, holomorphic, backend, options)


def vjp(
    fun: Callable[..., Any],
    *primals: Any,
    has_aux: bool = False,
    argnums: Argnums | None = None,
    of: Of = None,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Any:
    """The value of `fun(*primals)`, and the pullback: the product of a cotangent with the Jacobian.

    The pullback takes a cotangent of the structure and shape of the value, and returns a tuple with a
    cotangent for every argument in `argnums` (default: for each of `primals`, None for one that holds
    no real numbers). It can be called any number of times. With `has_aux`, `(value, pullback, aux)`.
    With `of`, the value is what that argument holds after the call (a tuple of names gives a tuple).
    The options are those of `grad`.

    Raises `Unsupported` for a program that cannot be differentiated; the pullback raises `TypeError` and
    `ValueError` for a cotangent that does not fit.

    >>> value, pullback = vjp(lambda x, y: (x * y, x + y), 2.0, 3.0)
    >>> value
    (6.0, 5.0)
    >>> pullback((1.0, 10.0))
    (13.0, 12.0)
    """
    from ad_compiler.making import value_and_pullback

    return value_and_pullback(fun, primals, argnums, has_aux, of, settings.backend_of(backend, options))


def jvp(
    fun: Callable[..., Any],
    primals: Sequence[Any] | None = None,
    tangents: Sequence[Any] | None = None,
    has_aux: bool = False,
    of: Of = None,
    *,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Any:
    """The value of `fun(*primals)`, and its derivative along the tangents: the Jacobian times a vector.

    There is a tangent for each of the primals, of its structure, shape and dtype; None for an argument that
    does not move, or within a structure for zeros. The derivative has the structure of the value, with 0.0
    beside what is not a real number. With `has_aux`, `(value, derivative, aux)`. Without primals and
    tangents, the function that takes them, which has a `source`. The options are those of `grad`.

    Raises `TypeError` and `ValueError` for tangents that do not fit, `Unsupported` for a program that cannot
    be differentiated.

    >>> jvp(lambda x, y: x * x * y, (3.0, 2.0), (1.0, 0.0))
    (18.0, 12.0)
    """
    from ad_compiler.pushforward import Pushforward, pushforward_of

    chosen = settings.backend_of(backend, options)
    if primals is None and tangents is None:
        return Pushforward(fun, has_aux, of, chosen)
    if primals is None or tangents is None:
        raise TypeError("jvp needs the primals and the tangents")
    return pushforward_of(fun, has_aux, of if of is None or isinstance(of, str) else tuple(of), chosen)(
        primals, tangents
    )


def linearize(
    fun: Callable[..., Any], *primals: Any, backend: str = "numpy", **options: Unpack[NativeOptions]
) -> Any:
    """The value of `fun(*primals)`, and the derivative there: a linear function of tangents.

    It takes the tangents that `jvp` takes, one by one, and returns what has the structure of the value.
    Raises what `jvp` raises: here for the program, when it is called for tangents that do not fit.

    >>> value, derivative = linearize(lambda x: x * x, 3.0)
    >>> value, derivative(1.0), derivative(10.0)
    (9.0, 6.0, 60.0)
    """
    from ad_compiler.linearized import Linearized

    linearized = Linearized(fun, primals, settings.backend_of(backend, options))
    return linearized.value(), linearized


def decorated(
    fun: Any,
    mode: Mode,
    argnums: Argnums,
    has_aux: bool,
    of: Of,
    holomorphic: bool,
    backend: str,
    options: NativeOptions,
) -> Any:
    from ad_compiler.making import derivative_of

    chosen = settings.backend_of(backend, options)
    if fun is None:
        return lambda function: derivative_of(function, mode, argnums, has_aux, of, chosen, holomorphic)
    return derivative_of(fun, mode, argnums, has_aux, of, chosen, holomorphic)
