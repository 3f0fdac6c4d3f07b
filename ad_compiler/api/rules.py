"""Derivatives that the user gives: rules for functions, and equations that solvers solve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def custom_vjp(fun: Any = None, nondiff_argnums: Sequence[int] = ()) -> Any:
    """A function whose pullback is given: `f.defvjp(fwd, bwd)`.

    `fwd(*args)` returns the value and what the pullback needs, `bwd(residuals, g)` a tuple with a cotangent
    for each argument (None for zero). Arguments in `nondiff_argnums` get none, and are passed to `bwd` first.
    The value is one number or array. Forward mode transposes the pullback.

    >>> from ad_compiler import grad
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

    >>> from ad_compiler import grad
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

    >>> from ad_compiler import grad
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

    >>> from ad_compiler import grad
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
