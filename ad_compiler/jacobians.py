"""Jacobians, Hessians and products with them: small programs that call `jvp` and `vjp`.

Each is written for the arguments it is called with, as a user would write it, and compiled like a user's
program, with the derivatives in it inlined. So a Jacobian has a source, and can be differentiated again:

    def f_jacfwd(x, n):
        value = f(x, n)
        columns = []
        for direction in np.eye(np.size(x), dtype=x.dtype):
            _, column = jvp(f, (x, n), (direction, None))
            columns.append(column)
        return np.reshape(np.moveaxis(np.array(columns), 0, -1), np.shape(value) + np.shape(x))

Forward mode makes a column at a time, reverse mode a row (Griewank and Walther, Evaluating Derivatives
(2008), sections 3.1 and 3.2); what does not depend on the direction is computed in front of the loop
(`transforms.hoist_directions`).
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ad_compiler import api
from ad_compiler.analysis.storage import is_fresh
from ad_compiler.derivative import Derivative
from ad_compiler.drivers import function_of_text
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.recursion import UPDATES
from ad_compiler.frontend.scope import LocalFunction
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.making import name_of_argument
from ad_compiler.nested import Held, NestedDerivative, name_of, signature_of
from ad_compiler.pipeline import Request
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import is_complex, rank_of, type_of

Kind = Literal["jacfwd", "jacrev", "jacobian", "hessian", "hvp", "elementwise_grad"]
INDENT = "    "


@dataclass(frozen=True)
class Text:
    """What a program is written for: the arguments, and the ranks of those to differentiate."""

    kind: Kind
    name: str
    arguments: tuple[str, ...]
    chosen: tuple[str, ...]
    ranks: tuple[int, ...]
    dtypes: tuple[bool, ...]  # whether the directions are made in the argument's own dtype
    single: bool
    has_aux: bool

    def write(self) -> str:
        """The program."""
        names = " and ".join(self.chosen)
        what = {
            "jacfwd": f"Jacobian of {self.name} with respect to {names}, column by column.",
            "jacrev": f"Jacobian of {self.name} with respect to {names}, row by row.",
            "jacobian": f"Jacobian of {self.name} with respect to {names}, by its shorter side.",
            "hessian": f"Hessian of {self.name} with respect to {names}, column by column.",
            "hvp": f"Product of the Hessian of {self.name} by {names} and a vector.",
            "elementwise_grad": f"Derivative of every element of {self.name} by the element of {names}.",
        }
        parameters = [*self.arguments, *(["vector"] if self.kind == "hvp" else [])]
        body: Callable[[], list[str]] = getattr(self, f"{self.kind}_lines")
        lines = [f'"""{what[self.kind]}"""', *body()]
        head = f"def {self.name}_{self.kind}({', '.join(parameters)}):"
        return "\n".join([head, *(f"{INDENT}{line}" for line in lines)]) + "\n"

    @property
    def call(self) -> str:
        return ", ".join(self.arguments)

    @property
    def value(self) -> str:
        return f"value, aux = f({self.call})" if self.has_aux else f"value = f({self.call})"

    def result(self, text: str) -> str:
        return f"return {text}, aux" if self.has_aux else f"return {text}"

    def together(self, parts: Sequence[str]) -> str:
        return parts[0] if self.single else f"({', '.join(parts)},)"

    def direction(self, place: int, direction: str) -> str:
        """The primals, and the tangents that move one argument."""
        moved = [direction if name == self.chosen[place] else "None" for name in self.arguments]
        return f"({self.call},), ({', '.join(moved)},)"

    def columns(self, place: int, function: str, parts: tuple[str, ...], aux: bool = False) -> list[str]:
        """The columns of the Jacobian of `function` by one argument; one list for each part of its result."""
        x, rank = self.chosen[place], self.ranks[place]
        ending = ", has_aux=True" if aux else ""
        targets = ", ".join(f"{part}_column" for part in parts)
        targets = f"({targets},)" if len(parts) > 1 or parts[0] else "column"
        targets = f"_, {targets}" + (", _" if aux else "")
        if not rank:
            return [f"{targets} = jvp({function}, {self.direction(place, '1.0')}{ending})"]
        direction = "direction" if rank == 1 else f"np.reshape(direction, np.shape({x}))"
        dtype = f", dtype={x}.dtype" if self.dtypes[place] else ""
        lists = [f"{part}_columns" if part else "columns" for part in parts]
        return [
            *(f"{name} = []" for name in lists),
            f"for direction in np.eye(np.size({x}){dtype}):",
            f"{INDENT}{targets} = jvp({function}, {self.direction(place, direction)}{ending})",
            *(f"{INDENT}{name}.append(kept({name.removesuffix('s')}))" for name in lists),
        ]

    def gathered(self, place: int, part: str, shape: str) -> str:
        """The columns, as the last axes of an array."""
        prefix = f"{part}_" if part else ""
        if not self.ranks[place]:
            return f"{prefix}column"
        stacked = f"np.moveaxis(np.array({prefix}columns), 0, -1)"
        return f"np.reshape({stacked}, np.shape({shape}) + np.shape({self.chosen[place]}))"

    def jacfwd_lines(self, known: bool = False) -> list[str]:
        lines = [] if known else [self.value]
        for place, x in enumerate(self.chosen):
            lines += self.columns(place, "f", ("",), self.has_aux)
            lines.append(f"{x}_jacobian = {self.gathered(place, '', 'value')}")
        return [*lines, self.result(self.together([f"{x}_jacobian" for x in self.chosen]))]

    def pullback(self) -> str:
        targets = "value, pullback, aux" if self.has_aux else "value, pullback"
        ending = ", has_aux=True" if self.has_aux else ""
        numbers = tuple(self.arguments.index(name) for name in self.chosen)
        return f"{targets} = vjp(f, {self.call}, argnums={numbers}{ending})"

    def jacrev_lines(self) -> list[str]:
        lines = [self.pullback(), *(f"{x}_rows = []" for x in self.chosen)]
        lines += [
            "for direction in np.eye(np.size(real(value))):",
            f"{INDENT}{''.join(f'{x}_row, ' for x in self.chosen)}= "
            "pullback(np.reshape(direction, np.shape(value)))",
            *(f"{INDENT}{x}_rows.append(kept({x}_row))" for x in self.chosen),
        ]
        for x in self.chosen:
            lines.append(f"{x}_jacobian = np.reshape(np.array({x}_rows), np.shape(value) + np.shape({x}))")
        return [*lines, self.result(self.together([f"{x}_jacobian" for x in self.chosen]))]

    def jacobian_lines(self) -> list[str]:
        size = " + ".join(f"np.size({x})" for x in self.chosen)
        forward, backward = self.jacfwd_lines(known=True), self.jacrev_lines()
        return [
            self.value,
            f"if has_complex(value) or {size} <= np.size(value):",
            *(f"{INDENT}{line}" for line in forward),
            *backward,
        ]

    def gradient(self) -> str:
        numbers = tuple(self.arguments.index(name) for name in self.chosen)
        ending = ", has_aux=True" if self.has_aux else ""
        return f"gradient = grad(f, argnums={numbers[0] if self.single else numbers}{ending})"

    def hessian_lines(self) -> list[str]:
        lines = [self.gradient()]
        if self.has_aux:
            lines.append(f"_, aux = f({self.call})")
        parts = ("",) if self.single else tuple(f"{x}_bar" for x in self.chosen)
        for place, y in enumerate(self.chosen):
            lines += self.columns(place, "gradient", parts, self.has_aux)
            for x, part in zip(self.chosen, parts, strict=True):
                lines.append(f"{x}_{y} = {self.gathered(place, part, x)}")
        rows = [self.together([f"{x}_{y}" for y in self.chosen]) for x in self.chosen]
        return [*lines, self.result(self.together(rows))]

    def hvp_lines(self) -> list[str]:
        vectors = ["vector"] if self.single else [f"vector[{place}]" for place in range(len(self.chosen))]
        moved = dict(zip(self.chosen, vectors, strict=True))
        tangents = ", ".join(moved.get(name, "None") for name in self.arguments)
        ending = ", has_aux=True" if self.has_aux else ""
        targets = "_, product, aux" if self.has_aux else "_, product"
        primals = f"({self.call},), ({tangents},)"
        return [self.gradient(), f"{targets} = jvp(gradient, {primals}{ending})", self.result("product")]

    def elementwise_grad_lines(self) -> list[str]:
        result = "gradients[0]" if self.single else "gradients"
        return [self.pullback(), "gradients = pullback(np.ones_like(real(value)))", self.result(result)]


class Kept:
    """Marks a column that is put on a list: it is copied where its memory may be used again."""

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        (column,) = positional
        if not isinstance(column, Value) or not rank_of(column):
            return column
        made = column.operation
        fresh = isinstance(made, Operation) and made.primitive.name not in UPDATES and is_fresh(column)
        if fresh:
            return column
        return context.builder.call(registry[np.copy], (column,), method=True)


class Real:
    """Marks a result that cotangents are pulled back from: with one real number for each of its elements."""

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        (value,) = positional
        if is_complex(value):
            raise context.refuse(
                node,
                "the result is complex, and reverse mode would give the derivative of its real part only",
                "use `jacfwd`, or take the real and the imaginary part by themselves",
            )
        return value


class HasComplex:
    """Tells whether a result is complex, while compiling."""

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        return is_complex(positional[0])


class Derived:
    """A function made of derivatives of another one: a Jacobian, a Hessian. Called like the function.

    Attributes: `source`, the generated code of the newest call; `primal`, the function as written.
    """

    def __init__(self, fun: Callable[..., Any], kind: Kind, argnums: Any, has_aux: bool) -> None:
        if not callable(fun) and not isinstance(fun, (LocalFunction, NestedDerivative)):
            raise TypeError(f"a function is needed, not {type(fun).__name__}")
        self.primal = fun
        self.kind = kind
        self.argnums = tuple(argnums) if isinstance(argnums, (tuple, list)) else argnums
        self.has_aux = has_aux
        self.__name__ = name_of(fun)
        self.__signature__ = signature_of(fun)
        self._names = list(self.__signature__.parameters)
        if kind == "hvp":
            vector = inspect.Parameter("vector", inspect.Parameter.POSITIONAL_OR_KEYWORD)
            plain = [each.replace(default=each.empty) for each in self.__signature__.parameters.values()]
            self.__signature__ = inspect.Signature([*plain, vector])
        self._made: dict[Text, Derivative] = {}
        self._newest: Derivative | None = None
        numbers = self.argnums if isinstance(self.argnums, tuple) else (self.argnums,)
        self.chosen = tuple(name_of_argument(self._names, number, fun) for number in numbers)
        if not self.chosen or len(set(self.chosen)) != len(self.chosen):
            raise ValueError(f"argnums {argnums!r} must name at least one argument, and none twice")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        derivative, arguments = self.prepared(args, kwargs)
        return derivative(*arguments)

    def prepared(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Derivative, list[Any]]:
        """The program for these arguments, and the arguments by position."""
        args, vectors = (args[:-1], args[-1:]) if self.kind == "hvp" else (args, ())
        bound = inspect.signature(self.primal).bind(*args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        if self.kind == "hvp":
            self.check_vector(given, *vectors)
        derivative = self.made_for(given)
        self._newest = derivative
        return derivative, [*given.values(), *vectors]

    def check_vector(self, given: dict[str, Any], vector: Any) -> None:
        from ad_compiler.pushforward import checked_tangent

        single = not isinstance(self.argnums, tuple)
        if not single and (not isinstance(vector, (tuple, list)) or len(vector) != len(self.chosen)):
            raise TypeError(f"the vector must be a tuple of {len(self.chosen)}, one for each of argnums")
        for name, each in zip(self.chosen, (vector,) if single else vector, strict=True):
            checked_tangent(each, given[name], f"the vector for {name}")

    def made_for(self, given: dict[str, Any]) -> Derivative:
        """The program for operands or arguments of these ranks."""
        text = self.text_for(given)
        known = self._made.get(text)
        if known is None:
            name = f"{text.name}_{self.kind}"
            local = isinstance(self.primal, (LocalFunction, NestedDerivative))
            namespace: dict[str, Any] = {"f": Held(self.primal) if local else self.primal, "kept": Kept()}
            namespace |= {"real": Real(), "has_complex": HasComplex()}
            namespace |= {"jvp": api.jvp, "vjp": api.vjp, "grad": api.grad}
            function = function_of_text(text.write(), name, namespace)
            known = self._made[text] = Derivative(function, Request(function, "value", (), False), ())
        return known

    def text_for(self, given: dict[str, Any]) -> Text:
        for parameter in signature_of(self.primal).parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise TypeError(f"{self!r} needs a function without * and ** among its parameters")
        ranks, own = [], []
        for name in self.chosen:
            argument = given[name]
            numbers = (Value, np.ndarray, int, float, np.generic)
            if self.kind == "hvp":
                rank, dtype = 0, np.dtype(np.float64)
            elif not isinstance(argument, numbers) or isinstance(argument, bool):
                reason = f"{self!r} is taken by arrays and numbers"
                raise TypeError(f"{reason}, and {name} is a {type(argument).__name__}")
            elif isinstance(argument, Value):
                rank, dtype = rank_of(argument), type_of(argument).dtype
            else:
                rank, dtype = np.ndim(argument), np.asarray(argument).dtype
            if dtype.kind == "c":
                reason = f"{self!r} holds derivatives by real numbers, and {name} is complex"
                raise TypeError(f"{reason}: call `jvp` along 1 and 1j, or give both parts as real arguments")
            ranks.append(rank)
            own.append(dtype.kind == "f" and rank > 0)
        names, single = tuple(given), not isinstance(self.argnums, tuple)
        kinds = (tuple(ranks), tuple(own))
        return Text(self.kind, self.__name__, names, self.chosen, *kinds, single, self.has_aux)

    def source_for(self, *args: Any, **kwargs: Any) -> str:
        """The generated code for arguments like these."""
        derivative, arguments = self.prepared(args, kwargs)
        return derivative.source_for(*arguments)

    @property
    def source(self) -> str:
        """The generated code of the newest call."""
        if self._newest is None:
            raise ValueError(f"{self!r} has no source before it is called; `source_for` takes arguments")
        return self._newest.source

    @property
    def suffix(self) -> str:
        """What is put behind the name of the function."""
        return self.kind

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Call it in a program that is being lowered."""
        try:
            bound = self.__signature__.bind(*positional, **keywords)
            bound.apply_defaults()
            given = dict(bound.arguments)
            vector = [given.pop("vector")] if self.kind == "hvp" else []
            derivative = self.made_for(given)
        except TypeError as error:
            raise context.refuse(node, str(error), "check the arguments") from None
        from ad_compiler.frontend.calls import inline

        return inline(context, node, derivative.request.primal, [*given.values(), *vector], {})

    def __reduce__(self) -> Any:
        return Derived, (self.primal, self.kind, self.argnums, self.has_aux)

    def __repr__(self) -> str:
        return f"<{self.kind} of {self.__name__}>"


class Linearized:
    """The derivative of a function at one point: a linear function of tangents."""

    def __init__(self, fun: Callable[..., Any], primals: tuple[Any, ...]) -> None:
        from ad_compiler.pushforward import Pushforward

        self.pushforward = Pushforward(fun)
        self.primals = primals

    def value(self) -> Any:
        """The value of the function."""
        zeros = tuple([zero_tangent(primal) for primal in self.primals])
        return self.pushforward(self.primals, zeros)[0]

    def __call__(self, *tangents: Any) -> Any:
        """The derivative along these tangents, one for each of the primals (None: it does not move)."""
        return self.pushforward(self.primals, tangents)[1]

    @property
    def source(self) -> str:
        """The generated code."""
        return self.pushforward.source


def zero_tangent(primal: Any) -> Any:
    """A tangent of zeros; None for what holds no real numbers."""
    from ad_compiler.making import has_reals
    from ad_compiler.pushforward import checked_tangent

    return checked_tangent(None, primal, "") if has_reals(primal) else None
