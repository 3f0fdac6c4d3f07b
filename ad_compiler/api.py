"""What a user imports: `grad`, `value_and_grad`, `vjp`. Names and order of arguments are JAX's.

The compiler itself is loaded when the first derivative is made: importing the package costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    from ad_compiler.derivative import Derivative
    from ad_compiler.pipeline import Backend, Mode

Argnums = int | str | Sequence[int | str]
Of = str | Sequence[str] | None


@overload
def grad(
    fun: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    of: Of = None,
    holomorphic: bool = False,
    backend: str = "numpy",
    **options: bool,
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
    **options: bool,
) -> Callable[[Callable[..., Any]], Derivative]: ...
def grad(
    fun: Any = None,
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    of: Of = None,
    holomorphic: bool = False,
    backend: str = "numpy",
    **options: bool,
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
    `fastmath=True` lets sums run in another order, `cache=False` keeps no compiled code for later processes.

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
    **options: bool,
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
    **options: bool,
) -> Callable[[Callable[..., Any]], Derivative]: ...
def value_and_grad(
    fun: Any = None,
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    of: Of = None,
    holomorphic: bool = False,
    backend: str = "numpy",
    **options: bool,
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
    **options: bool,
) -> Any:
    """The value of `fun(*primals)`, and the pullback: the product of a cotangent with the Jacobian.

    The pullback takes a cotangent of the structure and shape of the value, and returns a tuple with a
    cotangent for every argument in `argnums` (default: for each of `primals`, None for one that holds
    no real numbers). It can be called any number of times. With `has_aux`, `(value, pullback, aux)`.
    With `of`, the value is what that argument holds after the call (a tuple of names gives a tuple).

    >>> value, pullback = vjp(lambda x, y: (x * y, x + y), 2.0, 3.0)
    >>> value
    (6.0, 5.0)
    >>> pullback((1.0, 10.0))
    (13.0, 12.0)
    """
    from ad_compiler.making import value_and_pullback

    return value_and_pullback(fun, primals, argnums, has_aux, of, backend_of(backend, options))


def jvp(
    fun: Callable[..., Any],
    primals: Sequence[Any] | None = None,
    tangents: Sequence[Any] | None = None,
    has_aux: bool = False,
    of: Of = None,
    *,
    backend: str = "numpy",
    **options: bool,
) -> Any:
    """The value of `fun(*primals)`, and its derivative along the tangents: the Jacobian times a vector.

    There is a tangent for each of the primals, of its structure, shape and dtype; None for an argument that
    does not move, or within a structure for zeros. The derivative has the structure of the value, with 0.0
    beside what is not a real number. With `has_aux`, `(value, derivative, aux)`. Without primals and
    tangents, the function that takes them, which has a `source`.

    Raises `TypeError` and `ValueError` for tangents that do not fit, `Unsupported` for a program that cannot
    be differentiated.

    >>> jvp(lambda x, y: x * x * y, (3.0, 2.0), (1.0, 0.0))
    (18.0, 12.0)
    """
    from ad_compiler.pushforward import Pushforward, pushforward_of

    chosen = backend_of(backend, options)
    if primals is None and tangents is None:
        return Pushforward(fun, has_aux, of, chosen)
    if primals is None or tangents is None:
        raise TypeError("jvp needs the primals and the tangents")
    return pushforward_of(fun, has_aux, of if of is None or isinstance(of, str) else tuple(of), chosen)(
        primals, tangents
    )


def jacfwd(
    fun: Any = None,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    sparsity: Any = None,
    check: bool = True,
    backend: str = "numpy",
    **options: bool,
) -> Any:
    """The Jacobian by columns, in forward mode: for functions of few arguments.

    Its axes are those of the result, then those of the argument; a tuple of `argnums` gives a tuple. The
    arguments are arrays or numbers. The columns are computed at once, or in blocks if they are large. Works
    as a decorator.

    With `sparsity`, a `scipy.sparse.csr_array` of the elements of the result by those of one array. It is
    "auto", or a pattern: a sparse matrix or an array that is not 0 where the Jacobian may not be. The first
    matrix is compared with the product of the Jacobian and a random vector (`check=False` leaves that out).
    Columns without a common row are computed together (Curtis, Powell and Reid, On the estimation of sparse
    Jacobian matrices, 1974).

    Raises `ValueError` for a pattern that does not fit or lacks entries, and where "auto" would give a full
    matrix of more than 2^26 entries; `TypeError` for arguments of another kind; `Unsupported` for programs.

    >>> import numpy as np
    >>> jacfwd(lambda x: x * x)(np.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    return derived(fun, "jacfwd", argnums, has_aux, backend, options, sparsity, check)


def jacrev(
    fun: Any = None,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    sparsity: Any = None,
    check: bool = True,
    backend: str = "numpy",
    **options: bool,
) -> Any:
    """The Jacobian by rows, in reverse mode: for functions with few results. As `jacfwd` otherwise.

    >>> import numpy as np
    >>> jacrev(lambda x: x * x)(np.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    return derived(fun, "jacrev", argnums, has_aux, backend, options, sparsity, check)


def jacobian(
    fun: Any = None,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    sparsity: Any = None,
    check: bool = True,
    backend: str = "numpy",
    **options: bool,
) -> Any:
    """The Jacobian, by columns or by rows, whichever are fewer when it is called. As `jacfwd` otherwise.

    >>> import numpy as np
    >>> jacobian(lambda x: x[1:] * x[:-1])(np.array([1.0, 2.0, 4.0])).tolist()
    [[2.0, 1.0, 0.0], [0.0, 4.0, 2.0]]
    """
    return derived(fun, "jacobian", argnums, has_aux, backend, options, sparsity, check)


def hessian(
    fun: Any = None,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    sparsity: Any = None,
    check: bool = True,
    backend: str = "numpy",
    **options: bool,
) -> Any:
    """The matrix of second derivatives of a function that returns one number: forward over reverse mode.

    With a tuple of `argnums` a tuple of tuples of blocks. As `jacfwd` otherwise.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] * x[1] ** 2)(np.array([3.0, 2.0])).tolist()
    [[0.0, 4.0], [4.0, 6.0]]
    """
    return derived(fun, "hessian", argnums, has_aux, backend, options, sparsity, check)


def hvp(
    fun: Any = None,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    backend: str = "numpy",
    **options: bool,
) -> Any:
    """The product of the Hessian and a vector, which is given as one more argument: `hvp(f)(x, v)`.

    The Hessian itself is not made: it costs about as much as two gradients (Pearlmutter, Fast exact
    multiplication by the Hessian, 1994). With a tuple of `argnums` the vector and the product are tuples.

    >>> import numpy as np
    >>> hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 1.0])).tolist()
    [6.0, 12.0]
    """
    return derived(fun, "hvp", argnums, has_aux, backend, options)


def elementwise_grad(
    fun: Any = None,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    backend: str = "numpy",
    **options: bool,
) -> Any:
    """The derivative of a function that works element by element, at every element.

    It is the diagonal of the Jacobian.

    >>> import numpy as np
    >>> elementwise_grad(lambda x: x**3)(np.array([1.0, 2.0])).tolist()
    [3.0, 12.0]
    """
    return derived(fun, "elementwise_grad", argnums, has_aux, backend, options)


def linearize(fun: Callable[..., Any], *primals: Any, backend: str = "numpy", **options: bool) -> Any:
    """The value of `fun(*primals)`, and the derivative there: a linear function of tangents.

    >>> value, derivative = linearize(lambda x: x * x, 3.0)
    >>> value, derivative(1.0), derivative(10.0)
    (9.0, 6.0, 60.0)
    """
    from ad_compiler.jacobians import Linearized

    linearized = Linearized(fun, primals, backend_of(backend, options))
    return linearized.value(), linearized


def stop_gradient(x: Any) -> Any:
    """`x` itself; in a derivative a constant. `x` may be a container.

    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    3.0
    """
    return x


@contextmanager
def cotangent(h: Any) -> Iterator[Any]:
    """In a reverse sweep, the cotangent of `h` at this line, to be printed, checked, clipped or replaced.

    `with cotangent(h) as h_bar:` stands behind the line that makes the number or array `h`. Its body runs in
    the reverse sweep of `grad`, `value_and_grad` and `vjp`, where the cotangent of `h` is complete: it may
    read what the program has computed, and assign `h_bar` alone. The value of the program is the same. In
    forward mode there are no cotangents: a body that replaces one is refused, any other is left out.

    Python runs the body of every `with`: without a derivative `h_bar` is zeros like `h`, and nobody reads
    what the body makes of it.

    >>> def f(x):
    ...     y = x * x
    ...     with cotangent(y) as y_bar:
    ...         y_bar = min(y_bar, 1.0)
    ...     return 10.0 * y
    >>> f(3.0), grad(f)(3.0)
    (90.0, 6.0)
    """
    import numpy as np

    array = np.asarray(h)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"cotangent takes a number or an array, not {type(h).__name__}")
    with np.errstate(all="ignore"):
        yield np.zeros_like(array, dtype=None if array.dtype.kind in "fc" else float)[()]


def custom_vjp(fun: Any = None, nondiff_argnums: Sequence[int] = ()) -> Any:
    """A function whose pullback is given: `f.defvjp(fwd, bwd)`.

    `fwd(*args)` returns the value and what the pullback needs, `bwd(residuals, g)` a tuple with a cotangent
    for each argument (None for zero). Arguments in `nondiff_argnums` get none, and are passed to `bwd` first.
    The value is one number or array. Forward mode transposes the pullback.

    >>> import numpy as np
    >>> @custom_vjp
    ... def clipped(x):
    ...     return x
    >>> clipped.defvjp(lambda x: (x, None), lambda residuals, g: (np.clip(g, -1.0, 1.0),))
    >>> grad(lambda x: 5.0 * clipped(x))(2.0)
    1.0
    """
    from ad_compiler.custom import CustomVjp

    if fun is None:
        return lambda function: CustomVjp(function, nondiff_argnums)
    return CustomVjp(fun, nondiff_argnums)


def custom_jvp(fun: Any = None, nondiff_argnums: Sequence[int] = ()) -> Any:
    """A function whose derivative along tangents is given: `f.defjvp(rule)`.

    `rule(primals, tangents)` returns the value and its tangent, linear in the tangents; arguments in
    `nondiff_argnums` come first. Reverse mode transposes it.

    >>> @custom_jvp
    ... def double(x):
    ...     return 2.0 * x
    >>> @double.defjvp
    ... def rule(primals, tangents):
    ...     return double(*primals), 3.0 * tangents[0]
    >>> grad(double)(1.0)
    3.0
    """
    from ad_compiler.custom import CustomJvp

    if fun is None:
        return lambda function: CustomJvp(function, nondiff_argnums)
    return CustomJvp(fun, nondiff_argnums)


class CustomRule:
    """Derivative rules of functions of yours and of other libraries, in the notation of the built-in ones.

    The decorated function has the parameters of the function it is for: those without a default are
    differentiated. After the star it asks for what it needs: `y`, the result, and `g`, its cotangent. Its
    body is written into the reverse sweep; forward mode and higher orders follow from it.

    `@custom_rule(f)` gives the cotangent of every such parameter, `@custom_rule.elementwise(f)` partial
    derivatives, `@custom_rule.linear(f)` the transposed map of a function linear in its first parameter,
    applied to `g`; `@custom_rule.pushforward(f)` adds a tangent where the one that follows is not wanted,
    and `@custom_rule.constant(f)` says that there is no derivative.

    A function in Python is entered for its value. One that the compiler cannot read, and one for which
    `result` is given, is called as it is, by the name it is imported by (`name=`, where that is not plain).
    `result` is a function of the same arguments whose value is like the result: `lambda x: x`,
    `lambda a, b: a @ b`. It is read, and never run. The function called may not write into its arguments.

    Raises `TypeError` and `ValueError` for a rule that does not fit its function.

    >>> import numpy as np
    >>> def step(x):
    ...     return np.where(x > 0, 1.0, 0.0)
    >>> @custom_rule.elementwise(step)
    ... def smooth_step(x):
    ...     return np.exp(-x * x)
    >>> grad(lambda x: np.sum(step(x)))(np.array([0.0, 1.0])).round(3).tolist()
    [1.0, 0.368]
    """

    def __call__(self, function: Any, *, result: Any = None, name: str | None = None) -> Any:
        """The rule gives the cotangent of every parameter without a default: one, or a tuple."""
        return given_rule(function, "rule", result, name)

    def elementwise(self, function: Any, *, result: Any = None, name: str | None = None) -> Any:
        """The rule gives a partial derivative for every parameter without a default: one, or a tuple.

        None stands for one that is not known: such a parameter must be constant.
        """
        return given_rule(function, "elementwise", result, name)

    def linear(self, function: Any, *, result: Any = None, name: str | None = None) -> Any:
        """The rule applies the transposed map to `g`; the function is linear in its first parameter."""
        return given_rule(function, "linear", result, name)

    def constant(self, function: Any, *, result: Any = None, name: str | None = None) -> Any:
        """The function has no derivative; the decorated one is its signature."""
        return given_rule(function, "constant", result, name)

    def pushforward(self, function: Any) -> Any:
        """The rule gives the tangent of the result, from `x_dot` and its like, 0.0 where there is none."""

        def decorate(rule: Any) -> Any:
            from ad_compiler.giving_rules import give_pushforward

            give_pushforward(function, rule)
            return rule

        return decorate


custom_rule = CustomRule()


def given_rule(function: Any, kind: Any, result: Any, name: str | None) -> Any:
    def decorate(rule: Any) -> Any:
        from ad_compiler.giving_rules import give_rule

        give_rule(function, kind, rule, result, name)
        return rule

    return decorate


def checkpoint(fun: Callable[..., Any]) -> Any:
    """The same function, computed again in the reverse sweep: only its arguments are saved.

    It trades time (one more evaluation) for memory, in a loop most of all. The result is one number or array,
    and the arguments are given by position.

    >>> grad(checkpoint(lambda x: x * x * x))(2.0)
    12.0
    """
    from ad_compiler.custom import Checkpointed

    return Checkpointed(fun)


def checkpointed(iterable: Any, slots: int | None = None) -> Any:
    """`iterable` itself; the turns of a `for` over it are run again in the reverse sweep, and not saved.

    Of the states that turns start with, at most `slots` are kept at a time, at the places of the binomial
    schedule (Griewank and Walther, Algorithm 799: revolve, 2000): the turns run again are the fewest
    possible. By default the slots are twice the number of binary digits of the number of turns, so that
    memory grows with its logarithm: 28 for 10,000 turns, each of which runs 4 times more at most.

    >>> def decay(x, steps):
    ...     for _ in checkpointed(range(steps)):
    ...         x = x - 0.01 * x * x
    ...     return x
    >>> round(float(grad(decay)(1.0, 100)), 6)
    0.247

    Raises `ValueError` where `slots` is less than 1.
    """
    if slots is not None and slots < 1:
        raise ValueError(f"{slots} slots hold no state to start from: give at least 1")
    return iterable


def implicit(
    *,
    root: Callable[..., Any] | None = None,
    fixed_point: Callable[..., Any] | None = None,
    linear_solver: Any = "dense",
) -> Any:
    """A decorator for solvers: the derivative of what one returns follows from the equation that this solves.

    `root(x, ...)` is zero at the solution, or `fixed_point(x, ...)` is the solution again. They take the
    solution first, and then arguments of the solver, by the same names. Arguments that they do not take
    (where the solver starts, its tolerance) have no derivative. The solution is one real number or array of
    any rank, and the equation has its shape. The solver's own turns are not differentiated, and nothing is
    saved of them; it must have converged, for the derivative is that of the equation.

    The linear system of the derivative is solved by its matrix (`linear_solver="dense"`), or by products with
    it: "cg" where it is symmetric, "bicgstab" for any, "iterate" for fixed points (as fast as they converge),
    or a function `linear_solver(product, g)` of yours that finds u with product(u) == g.

    >>> import numpy as np
    >>> @implicit(root=lambda x, a: x * x - a)
    ... def square_root(a, start=1.0):
    ...     x = start
    ...     while abs(x * x - a) > 1e-15 * a:
    ...         x = 0.5 * (x + a / x)
    ...     return x
    >>> round(float(grad(square_root)(4.0)), 12)
    0.25

    Raises `TypeError` where not just one equation is given, or its arguments are none of the solver's.
    """
    from ad_compiler.implicit_functions import Implicit

    equations = [each for each in (root, fixed_point) if each is not None]
    if len(equations) != 1:
        raise TypeError("an implicit function has one equation: `root=` or `fixed_point=`")
    return lambda fun: Implicit(fun, equations[0], root is None, linear_solver)


def derived(
    fun: Any,
    kind: Any,
    argnums: Argnums,
    has_aux: bool,
    backend: str,
    options: dict[str, bool],
    sparsity: Any = None,
    check: bool = True,
) -> Any:
    from ad_compiler.jacobians import Derived

    chosen = backend_of(backend, options)

    def made(function: Any) -> Any:
        if sparsity is None:
            return Derived(function, kind, argnums, has_aux, chosen)
        from ad_compiler.sparse_jacobians import SparseJacobian

        return SparseJacobian(function, kind, argnums, has_aux, sparsity, check, chosen)

    return made if fun is None else made(fun)


def decorated(
    fun: Any,
    mode: Mode,
    argnums: Argnums,
    has_aux: bool,
    of: Of,
    holomorphic: bool,
    backend: str,
    options: dict[str, bool],
) -> Any:
    from ad_compiler.making import derivative_of

    chosen = backend_of(backend, options)
    if fun is None:
        return lambda function: derivative_of(function, mode, argnums, has_aux, of, chosen, holomorphic)
    return derivative_of(fun, mode, argnums, has_aux, of, chosen, holomorphic)


def backend_of(name: str, options: dict[str, bool]) -> Backend:
    from ad_compiler.pipeline import Backend

    if name not in ("numpy", "numba"):
        raise ValueError(f"there is no backend {name!r}; there are 'numpy' and 'numba'")
    known = {"fastmath", "cache"} if name == "numba" else set()
    for option in options:
        if option not in known:
            raise TypeError(f"the backend {name!r} has no option {option!r}")
    if name == "numba":
        from ad_compiler.backends.native.loading import require_numba

        require_numba()
    return Backend(name, **options)  # type: ignore[arg-type]
