"""The texts of Jacobians, Hessians and products with them, which `jacobians` compiles.

    def f_jacfwd(x, n):
        value, _ = jvp(f, (x, n), (np.zeros(np.shape(x)), None))
        columns = []
        for direction in np.eye(np.size(x)):
            _, column = jvp(f, (x, n), (direction, None))
            columns.append(column)
        return np.reshape(np.moveaxis(np.array(columns), 0, -1), np.shape(value) + np.shape(x))

They call what is lowered while they are compiled: derivatives of `f`, and the words at the end of this page.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ad_compiler import api
from ad_compiler.analysis.storage import is_fresh
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.recursion import UPDATES
from ad_compiler.ir import Operand, Operation, Value
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
    single: bool
    has_aux: bool
    native: bool = False  # written into arrays, which have a native form, where lists have none

    def write(self) -> str:
        """The program."""
        names = " and ".join(self.chosen)
        what = {
            "jacfwd": f"Jacobian of {self.name} with respect to {names}, by columns.",
            "jacrev": f"Jacobian of {self.name} with respect to {names}, by rows.",
            "jacobian": f"Jacobian of {self.name} with respect to {names}, by its shorter side.",
            "hessian": f"Hessian of {self.name} with respect to {names}, by columns.",
            "hvp": f"Product of the Hessian of {self.name} by {names} and a vector.",
            "elementwise_grad": f"Derivative of every element of {self.name} by the element of {names}.",
        }
        parameters = [*self.arguments, *(["vector"] if self.kind == "hvp" else [])]
        body: Callable[[], list[str]] = getattr(self, f"{self.kind}_lines")
        lines = [f'"""{what[self.kind]}"""', *body()]
        head = f"def {self.title}({', '.join(parameters)}):"
        return "\n".join([head, *(f"{INDENT}{line}" for line in lines)]) + "\n"

    @property
    def title(self) -> str:
        """The name of the program."""
        return f"{self.name}_{self.kind}"

    @property
    def call(self) -> str:
        return ", ".join(self.arguments)

    @property
    def value(self) -> str:
        """The value is taken from `jvp`, which leaves the arguments alone: `f` may write into them."""
        x, rank = self.chosen[0], self.ranks[0]
        zero = f"np.zeros(np.shape({x}), dtype=precision({x}))" if rank else "0.0"
        targets, ending = ("value, _, aux", ", has_aux=True") if self.has_aux else ("value, _", "")
        return f"{targets} = jvp(f, {self.direction(0, zero)}{ending})"

    def result(self, text: str) -> str:
        return f"return {text}, aux" if self.has_aux else f"return {text}"

    def together(self, parts: Sequence[str]) -> str:
        return parts[0] if self.single else f"({', '.join(parts)},)"

    def direction(self, place: int, direction: str) -> str:
        """The primals, and the tangents that move one argument."""
        moved = [direction if name == self.chosen[place] else "None" for name in self.arguments]
        return f"({self.call},), ({', '.join(moved)},)"

    def precision(self, of: str, other: str) -> str:
        """The precision of parts like `of`; rows and columns that are one choice have it in common."""
        return f"precision({of}, {other})" if self.kind == "jacobian" else f"precision({of})"

    def column(self, place: int, part: str) -> str:
        """The name of a column of a part, by one of the arguments: each list of columns has its own name."""
        by = [] if self.single else [self.chosen[place]]
        return "_".join([*([part] if part else []), *by, "column"])

    def columns(self, place: int, function: str, parts: dict[str, str], aux: bool = False) -> list[str]:
        """The columns of the Jacobian of `function` by one argument, for each part of its result.

        `parts` maps what stands in front of the names of a part to what has its shape.
        """
        x, rank = self.chosen[place], self.ranks[place]
        ending = ", has_aux=True" if aux else ""
        targets = ", ".join(self.column(place, part) for part in parts)
        targets = targets if "" in parts else f"({targets},)"
        targets = f"_, {targets}" + (", _" if aux else "")
        if not rank:
            return [f"{targets} = jvp({function}, {self.direction(place, '1.0')}{ending})"]
        direction = "direction" if rank == 1 else f"np.reshape(direction, np.shape({x}))"
        names = {f"{self.column(place, part)}s": of for part, of in parts.items()}
        call = f"{INDENT}{targets} = jvp({function}, {self.direction(place, direction)}{ending})"
        if self.native:
            return [
                *(
                    f"{name} = np.empty((*np.shape({of}), np.size({x})), dtype={self.precision(of, x)})"
                    for name, of in names.items()
                ),
                f"for place, direction in enumerate(np.eye(np.size({x}), dtype=precision({x}))):",
                call,
                *(f"{INDENT}{name}[..., place] = {name.removesuffix('s')}" for name in names),
            ]
        return [
            *(f"{name} = []" for name in names),
            f"for direction in np.eye(np.size({x}), dtype=precision({x})):",
            call,
            *(f"{INDENT}{name}.append(kept({name.removesuffix('s')}))" for name in names),
        ]

    def gathered(self, place: int, part: str, shape: str) -> str:
        """The columns, as the last axes of an array."""
        column = self.column(place, part)
        if not self.ranks[place]:
            return column
        stacked = f"{column}s"
        if self.native and self.ranks[place] == 1:
            return stacked
        if not self.native:
            stacked = f"np.moveaxis({self.array_of(stacked, shape, self.chosen[place])}, 0, -1)"
        return f"np.reshape({stacked}, np.shape({shape}) + np.shape({self.chosen[place]}))"

    def array_of(self, parts: str, of: str, other: str) -> str:
        """The array of a list."""
        dtype = f", dtype={self.precision(of, other)}" if self.kind == "jacobian" else ""
        return f"np.array({parts}{dtype})"

    def jacfwd_lines(self, known: bool = False) -> list[str]:
        lines = [] if known else [self.value]
        for place, x in enumerate(self.chosen):
            lines += self.columns(place, "f", {"": "value"}, self.has_aux)
            lines.append(f"{x}_jacobian = {self.gathered(place, '', 'value')}")
        return [*lines, self.result(self.together([f"{x}_jacobian" for x in self.chosen]))]

    def pullback(self) -> str:
        targets = "value, pullback, aux" if self.has_aux else "value, pullback"
        ending = ", has_aux=True" if self.has_aux else ""
        numbers = tuple(self.arguments.index(name) for name in self.chosen)
        return f"{targets} = vjp(f, {self.call}, argnums={numbers}{ending})"

    def jacrev_lines(self) -> list[str]:
        targets = "".join(f"{x}_row, " for x in self.chosen)
        call = f"{INDENT}{targets}= pullback(np.reshape(direction, np.shape(value)))"
        lines = [self.pullback()]
        if self.native:
            for x in self.chosen:
                shape, dtype = f"(np.size(value), *np.shape({x}))", self.precision(x, "value")
                lines.append(f"{x}_rows = np.empty({shape}, dtype={dtype})")
            lines += [
                "for place, direction in enumerate(np.eye(np.size(real(value)), dtype=precision(value))):",
                call,
                *(f"{INDENT}{x}_rows[place] = {x}_row" for x in self.chosen),
            ]
        else:
            lines += [
                *(f"{x}_rows = []" for x in self.chosen),
                "for direction in np.eye(np.size(real(value)), dtype=precision(value)):",
                call,
                *(f"{INDENT}{x}_rows.append(kept({x}_row))" for x in self.chosen),
            ]
        for x in self.chosen:
            rows = f"{x}_rows" if self.native else self.array_of(f"{x}_rows", x, "value")
            lines.append(f"{x}_jacobian = np.reshape({rows}, np.shape(value) + np.shape({x}))")
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
            lines.append(f"_, aux = gradient({self.call})")
        parts = {"": self.chosen[0]} if self.single else {f"{x}_bar": x for x in self.chosen}
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


# --- words ---


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


class Precision:
    """Marks the dtype that the derivatives of values have in common; None where all are doubles."""

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        kinds = [type_of(value) for value in positional]
        dtypes = {kind.dtype if kind.differentiable else np.dtype(np.float64) for kind in kinds}
        return None if dtypes == {np.dtype(np.float64)} else np.result_type(*dtypes)


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


def words_of(function: Any) -> dict[str, Any]:
    """What a text about a function reads."""
    derivatives = {"jvp": api.jvp, "vjp": api.vjp, "grad": api.grad}
    own = {"kept": Kept(), "precision": Precision(), "real": Real(), "has_complex": HasComplex()}
    return {"f": function, **derivatives, **own}
