"""Implicit functions: the derivative of what a solver finds, from the equation that it solves.

    @implicit(root=residual)                 x with residual(x, a) == 0
    def solve(a, x0):
        ...                             ->   x = solve(a, x0)                             as it is written
                                             u = np.linalg.solve(F_x.T, x_bar)
                                             a_bar = -u @ F_a                        (a pullback)

The solver's loop is neither taped nor entered. Of F(x(a), a) = 0 the derivative is F_x x' + F_a = 0, which
forward mode solves for x', and reverse mode transposed. For `fixed_point=step`, F(x, a) is x - step(x, a).
(Griewank and Walther, Evaluating Derivatives (2008), chapter 15; Christianson, Reverse accumulation and
attractive fixed points, 1994; Blondel et al., Efficient and modular implicit differentiation, 2022.)

Where a derivative is differentiated once more, the solution in it is an implicit function again (`Again`),
and so is what an iteration makes of the linear system.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import operator
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ad_compiler import api
from ad_compiler.custom import CustomDerivative, Rule, is_real, marked, matched, tangents_in
from ad_compiler.drivers import free_name, function_of_text
from ad_compiler.frontend.calls import call_operand
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.fitting import require_fit
from ad_compiler.frontend.user_code import as_user_code
from ad_compiler.ir import Block, Operand, Value
from ad_compiler.linear_solvers import SOLVERS
from ad_compiler.rules.markers import without_derivative
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import describe, is_complex, rank_of
from ad_compiler.traversal import map_values, values_in

grad, jacobian, jvp, vjp = api.grad, api.jacobian, api.jvp, api.vjp
_numbers = itertools.count(1)


# --- the linear systems, as programs: `args` are the arguments of the equation `f` behind the solution ---


def transposed_root(f: Any, x: Any, g: Any, args: Any) -> Any:
    """u of f_x^T u = g."""
    if np.ndim(x) == 0:
        return g / grad(f)(x, *args)
    matrix = jacobian(f)(x, *args)
    if np.ndim(x) == 1:
        return np.linalg.solve(matrix.T, g)
    return np.linalg.solve(matrix.reshape(x.size, x.size).T, g.ravel()).reshape(x.shape)


def root(f: Any, x: Any, g: Any, args: Any) -> Any:
    """u of f_x u = g."""
    if np.ndim(x) == 0:
        return g / grad(f)(x, *args)
    matrix = jacobian(f)(x, *args)
    if np.ndim(x) == 1:
        return np.linalg.solve(matrix, g)
    return np.linalg.solve(matrix.reshape(x.size, x.size), g.ravel()).reshape(x.shape)


def transposed_fixed_point(f: Any, x: Any, g: Any, args: Any) -> Any:
    """u of (I - f_x)^T u = g."""
    if np.ndim(x) == 0:
        return g / (1.0 - grad(f)(x, *args))
    matrix = jacobian(f)(x, *args)
    if np.ndim(x) == 1:
        return np.linalg.solve(np.eye(x.size) - matrix.T, g)
    matrix = np.eye(x.size) - matrix.reshape(x.size, x.size).T
    return np.linalg.solve(matrix, g.ravel()).reshape(x.shape)


def fixed_point(f: Any, x: Any, g: Any, args: Any) -> Any:
    """u of (I - f_x) u = g."""
    if np.ndim(x) == 0:
        return g / (1.0 - grad(f)(x, *args))
    matrix = jacobian(f)(x, *args)
    if np.ndim(x) == 1:
        return np.linalg.solve(np.eye(x.size) - matrix, g)
    matrix = np.eye(x.size) - matrix.reshape(x.size, x.size)
    return np.linalg.solve(matrix, g.ravel()).reshape(x.shape)


# Texts of functions that name the arguments of an equation: `args`, as it names them.
OWN = ("f", "x", "g", "u", "v", "at_solution", "of_solution", "derivative", "product", "solver", "vjp", "jvp")
ARGUMENTS = """
def pull({f}, {x}, {u}, {args}):
    def {at_solution}({args}):
        return {f}({x}, {args})
    return {vjp}({at_solution}, {args})[1]({u})

def push({f}, {x}, {v}, {args}):
    def {at_solution}({args}):
        return {f}({x}, {args})
    return {jvp}({at_solution}, ({args},), {v})[1]
"""
# What an iteration solves in place of a matrix, and the equation of what it finds.
SYSTEM = """
def solve({x}, {g}, {args}):
    {derivative} = {vjp}(lambda {x}: {f}({x}, {args}), {x})[1]
    def {product}({v}):
        return {less}{derivative}({v})[0]
    return {solver}({product}, {g})

def equation({u}, {x}, {g}, {args}):
    {v} = {u}
    return {less}{vjp}(lambda {x}: {f}({x}, {args}), {x})[1]({v})[0] - {g}
"""
SYSTEM_FORWARDS = """
def solve({x}, {g}, {args}):
    def {product}({v}):
        return {less}{jvp}(lambda {x}: {f}({x}, {args}), ({x},), ({v},))[1]
    return {solver}({product}, {g})

def equation({u}, {x}, {g}, {args}):
    {v} = {u}
    return {less}{jvp}(lambda {x}: {f}({x}, {args}), ({x},), ({v},))[1] - {g}
"""


class Implicit(CustomDerivative):
    """A solver, and the equation that what it returns solves. Called, it is the solver."""

    kind = "implicit"

    def __init__(
        self, fun: Callable[..., Any], equation: Callable[..., Any], is_fixed_point: bool, linear_solver: Any
    ) -> None:
        super().__init__(fun)
        if not callable(equation):
            raise TypeError(f"an equation is a function, not {type(equation).__name__}")
        self.equation = equation
        self.is_fixed_point = is_fixed_point
        self.names = names_in_equation(inspect.signature(fun), inspect.signature(equation))
        self.linear_solver = solver_named(linear_solver, is_fixed_point)
        self.pull, self.push = self.written(ARGUMENTS, ("pull", "push"))

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Call it in a program that is being lowered."""
        try:
            call = self.__signature__.bind(*positional, **keywords)
        except TypeError as error:
            raise context.refuse(node, f"this call does not fit: {error}", "check the arguments") from None
        call.apply_defaults()
        given = call.arguments
        constants = {name: without_derivative(context.builder, operand) for name, operand in given.items()}
        value = call_operand(context, node, self.fun, [], constants)
        moving = [given[name] for name in self.names]
        if any(True for _ in values_in(moving)):
            self.check(context, node, value, moving)
        return solution(context, node, self, value, moving)

    def check(self, context: Context, node: ast.AST, value: Operand, moving: list[Operand]) -> None:
        """Refuse a solution that is no real number or array, or an equation of another shape."""
        name = self.__name__
        if not isinstance(value, Value):
            found = "a constant" if isinstance(value, (int, float)) else f"a {type(value).__name__}"
            reason = f"`{name}` returns {found}, and a solution is one number or array that it computes"
            raise context.refuse(node, reason, "return one array: `np.concatenate` makes one of several")
        if not is_real(value) or any(is_complex(each) for each in values_in(moving)):
            reason = f"the solution of `{name}` is {describe(value)}, and what is implicit is real"
            raise context.refuse(node, reason, "let it return real numbers, and be given real ones")
        what = f"the {'step' if self.is_fixed_point else 'residual'} of `{name}`"
        with as_user_code(context), context.builder.separately(Block()):  # for its type alone
            found = call_operand(context, node, self.equation, [value, *moving], {})
            require_fit(context, node, value, found, what, "let it have the shape of the solution")

    def solved(
        self,
        context: Context,
        rule: Rule,
        node: ast.AST,
        x: Operand,
        g: Operand,
        moving: list[Operand],
        forwards: bool,
    ) -> Operand:
        """The solution of the linear system, transposed unless `forwards`."""
        if self.linear_solver is None or rank_of(x) == 0:
            system = DIRECT[self.is_fixed_point, forwards]
            return rule.call(context, node, system, [self.equation, x, g, tuple(moving)])
        return rule.call(context, node, self.system_forwards if forwards else self.system, [x, g, *moving])

    @functools.cached_property
    def system(self) -> Implicit:
        return self.iterated(SYSTEM)

    @functools.cached_property
    def system_forwards(self) -> Implicit:
        return self.iterated(SYSTEM_FORWARDS)

    def iterated(self, text: str) -> Implicit:
        """The solution of a linear system as an implicit function, for it may be differentiated again."""
        solve, equation = self.written(text, ("solve", "equation"))
        return Implicit(solve, equation, False, self.linear_solver)

    def written(self, text: str, functions: tuple[str, str]) -> list[Callable[..., Any]]:
        """Functions with the arguments of the equation; of other names, those that it does not have."""
        signature = inspect.signature(self.equation)
        names = {name: free_name(name, signature) for name in OWN}
        less = f"{names['v']} - " if self.is_fixed_point else ""
        filled = text.format(**names, less=less, args=", ".join(self.names))
        objects = {"f": self.equation, "solver": self.linear_solver, "vjp": vjp, "jvp": jvp}
        known = {names[name]: item for name, item in objects.items()}
        return [function_of_text(filled, function, known) for function in functions]


DIRECT = {
    (False, False): transposed_root,
    (False, True): root,
    (True, False): transposed_fixed_point,
    (True, True): fixed_point,
}


def names_in_equation(solver: inspect.Signature, equation: inspect.Signature) -> list[str]:
    """The arguments of the equation behind the solution: those of the solver that have their names."""
    for signature, what in ((solver, "a solver"), (equation, "an equation")):
        for parameter in signature.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                raise TypeError(f"{what} has named arguments, and this one has `{parameter}`")
    names = list(equation.parameters)
    unknown = [name for name in names[1:] if name not in solver.parameters]
    if not names or unknown or len(names) == 1:
        wanted = ", ".join(solver.parameters)
        reason = f"`{unknown[0]}` is none" if unknown else "there are none"
        raise TypeError(
            f"an equation takes the solution and then arguments of the solver ({wanted}): {reason}"
        )
    return names[1:]


def solver_named(given: Any, is_fixed_point: bool) -> Callable[..., Any] | None:
    """The function that solves linear systems; None where it is done by their matrix."""
    if callable(given):
        solver: Callable[..., Any] = given
        return solver
    if given == "dense":
        return None
    if given not in SOLVERS:
        raise ValueError(f"there is no linear solver {given!r}; there are dense, {', '.join(SOLVERS)}")
    if given == "iterate" and not is_fixed_point:
        raise ValueError("the linear solver 'iterate' is for fixed points: it converges where they do")
    return SOLVERS[given]


def solution(
    context: Context, node: ast.AST, implicit: Implicit, value: Operand, moving: list[Operand]
) -> Operand:
    """The value, as the solution of an equation with these arguments."""
    rule = Cotangents(implicit, [], moving)
    marker = f"solution_{next(_numbers)}"
    return marked(context, node, implicit, value, rule, Tangent(implicit, [], moving), marker)


class Solution(Rule):
    """A rule that reads the solution itself."""

    asks: ClassVar[frozenset[str]] = frozenset(["y", "g"])

    def again(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """The same solution, in a text that is differentiated once more."""
        value, *_ = positional
        return solution(context, node, self.custom, value, self.current(positional))

    def signed(self, context: Context, derivative: Operand) -> Operand:
        """What the equation makes of a derivative: of F(x, a) = 0 there is F_x x' = -F_a."""
        if self.custom.is_fixed_point:
            return derivative
        with context.builder.generating():
            return context.builder.call(registry[operator.neg], (derivative,))

    def current(self, arguments: list[Operand]) -> list[Operand]:
        """What the arguments of the equation have become."""
        known = self.known(arguments)
        moving: list[Operand] = map_values(lambda value: known.get(value, value), self.moving)
        return moving


class Cotangents(Solution):
    """The cotangents of the arguments of an equation."""

    def inline_in(
        self, context: Context, node: ast.AST, arguments: list[Operand], needs: dict[str, Operand]
    ) -> Operand:
        moving, x, g = self.current(arguments), needs["y"], needs["g"]
        if rank_of(g) != rank_of(x):  # a number that stands for an array of it
            g = context.builder.call(registry[np.full_like], (x, g, None))
        implicit = self.custom
        u = implicit.solved(context, self, node, x, g, moving, forwards=False)
        found = self.call(context, node, implicit.pull, [implicit.equation, x, u, *moving])
        cotangents: list[Operand] = []
        for name, argument, cotangent in zip(implicit.names, moving, found, strict=True):
            cotangents += matched(context, node, argument, cotangent, f"the cotangent of `{name}`")
        cotangents = [self.signed(context, each) for each in cotangents]
        return cotangents[0] if len(cotangents) == 1 else tuple(cotangents)


class Tangent(Solution):
    """The tangent of the solution."""

    @property
    def needs(self) -> frozenset[str]:
        """What it asks for, as the notation of rules has it."""
        return super().needs | {"y"}

    def inline_in(
        self, context: Context, node: ast.AST, arguments: list[Operand], needs: dict[str, Operand]
    ) -> Operand:
        moving, x, implicit = self.current(arguments), needs["y"], self.custom
        tangents = {leaf: needs[f"{name}_dot"] for leaf, name in zip(self.leaves, self.names, strict=True)}
        known = self.known(arguments)

        def tangent_of(value: Value) -> Operand:
            tangent = tangents.get(value, 0.0)
            if rank_of(value) and not isinstance(tangent, Value):
                return context.builder.call(registry[np.zeros_like], (known[value], None))
            return tangent

        moved = tuple(
            [
                tangents_in(each, tangent_of) if any(map(is_real, values_in(each))) else None
                for each in self.moving
            ]
        )
        r = self.call(context, node, implicit.push, [implicit.equation, x, moved, *moving])
        if rank_of(r) != rank_of(x):
            r = context.builder.call(registry[np.full_like], (x, r, None))
        return self.signed(context, implicit.solved(context, self, node, x, r, moving, forwards=True))
