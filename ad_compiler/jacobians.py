"""Jacobians, Hessians and products with them: small programs that call `jvp` and `vjp`.

Each is written for the arguments it is called with, as a user would write it, and compiled like a user's
program, with the derivatives in it inlined. So a Jacobian has a source, and can be differentiated again:

    def f_jacfwd(x, n):
        value, _ = jvp(f, (x, n), (np.zeros(np.shape(x)), None))
        columns = []
        for direction in np.eye(np.size(x)):
            _, column = jvp(f, (x, n), (direction, None))
            columns.append(column)
        return np.reshape(np.moveaxis(np.array(columns), 0, -1), np.shape(value) + np.shape(x))

Forward mode makes the columns, reverse mode the rows (Griewank and Walther, Evaluating Derivatives (2008),
sections 3.1 and 3.2). What does not depend on the direction is computed in front of the loop
(`transforms.hoist`, `transforms.coefficients`), and the loop is done for all directions at once, or for a
block of them (`transforms.batch_directions`); how many, the sizes in a call decide (`blocks`).
"""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ad_compiler import api
from ad_compiler.analysis.storage import is_fresh
from ad_compiler.blocks import block_size, shapes_in
from ad_compiler.derivative import Derivative, unmapped
from ad_compiler.drivers import by_position, function_of_text
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.recursion import UPDATES
from ad_compiler.frontend.scope import LocalFunction
from ad_compiler.ir import Operand, Operation, Record, Value
from ad_compiler.making import checked_argnums, derivative_of, name_of_argument
from ad_compiler.nested import ElementByElement, Held, NestedDerivative, OneArray, name_of, signature_of
from ad_compiler.pipeline import NUMPY, Backend, Request
from ad_compiler.products import Products, is_real
from ad_compiler.ready import kinds_of
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import is_complex, rank_of, type_of

Kind = Literal["jacfwd", "jacrev", "jacobian", "hessian", "hvp", "elementwise_grad"]
INDENT = "    "
OF_PRODUCTS = ("hessian", "jacrev", "jacobian")  # which read tapes
WITH_DIRECTIONS = ("jacfwd", "jacrev", "jacobian", "hessian")
IN_PROGRAMS = (LocalFunction, NestedDerivative, Record)  # what programs make and call


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


class Derived:
    """A function made of derivatives of another one: a Jacobian, a Hessian. Called like the function.

    Attributes: `source`, the generated code of the newest call; `primal`, the function as written.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        kind: Kind,
        argnums: Any,
        has_aux: bool,
        backend: Backend = NUMPY,
    ) -> None:
        if not callable(fun) and not isinstance(fun, IN_PROGRAMS):
            raise TypeError(f"a function is needed, not {type(fun).__name__}")
        self.primal = fun
        self.kind = kind
        self.argnums = tuple(argnums) if isinstance(argnums, (tuple, list)) else argnums
        self.has_aux = has_aux
        self.backend = backend
        self.__name__ = name_of(fun)
        self.__signature__ = self._signature = signature_of(fun)
        self._names = list(self._signature.parameters)
        kinds = {parameter.kind for parameter in self._signature.parameters.values()}
        self._starred = bool(kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD})
        self._plain = kinds <= {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD}
        if kind == "hvp":
            vector = inspect.Parameter("vector", inspect.Parameter.POSITIONAL_OR_KEYWORD)
            listed = list(self.__signature__.parameters.values())
            named = [each for each in listed if each.kind is each.KEYWORD_ONLY]
            plain = [each.replace(default=each.empty) for each in listed if each not in named]
            self.__signature__ = inspect.Signature([*plain, vector, *named])
        self._made: dict[tuple[Text, int | None, Backend], Derivative] = {}  # for so many directions at once
        self._blocks: dict[Any, int | None] = {}
        self._ready: dict[Any, Derivative | Products] = {}  # the programs of arguments of these sizes
        self._products: dict[Text, Products] = {}
        self._newest: Derivative | Products | None = None
        numbers = checked_argnums(argnums)
        self.chosen = tuple(name_of_argument(self._names, number, fun) for number in numbers)
        if not self.chosen or len(set(self.chosen)) != len(self.chosen):
            raise ValueError(f"argnums {argnums!r} must name at least one argument, and none twice")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        derivative, positional, keywords = self.prepared(tuple(map(unmapped, args)), kwargs)
        return derivative(*positional, **keywords)

    def prepared(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Derivative | Products, Sequence[Any], dict[str, Any]]:
        """The program for these arguments, and how they are given to it."""
        if self.kind == "hvp":
            return self.prepared_product(args[:-1], args[-1:], kwargs)
        key = sizes_of(args) if self._plain and not kwargs else None
        if key in self._ready:
            self._newest = derivative = self._ready[key]
            return derivative, args, {}
        given = self.bound(args, kwargs)
        self._newest = derivative = self.whole_or_products(given)
        if key is not None and len(args) == len(self._names):
            self._ready[key] = derivative
        return derivative, list(given.values()), {}

    def whole_or_products(self, given: dict[str, Any]) -> Derivative | Products:
        """The program; products, where derivatives that are read as a part of it are refused."""
        text = self.text_for(given)
        if text in self._products:
            return self._products[text]
        try:
            block = self.block_for(given) if self.kind in WITH_DIRECTIONS else 1
            derivative = self.made_for(given, block)
            if self.kind in OF_PRODUCTS:
                derivative.program_for(*given.values())
            return derivative
        except Unsupported as error:
            in_generated = str(error.filename).startswith("<ad_compiler")
            if self.kind not in OF_PRODUCTS or not self._plain or not in_generated:
                raise
            columns = None
            if self.kind == "jacobian":
                columns = Derived(self.primal, "jacfwd", self.argnums, self.has_aux, self.backend)
            places = [self._names.index(name) for name in self.chosen]
            options = (self.has_aux, self.backend, error, columns)
            self._products[text] = Products(self.primal, self.kind, self.argnums, places, *options)
        return self._products[text]

    @functools.cached_property
    def product(self) -> Derivative:
        """What computes the product of a Hessian with a vector."""
        self.check_parameters()
        return derivative_of(self.primal, "hvp", self.argnums, self.has_aux, backend=self.backend)

    def prepared_product(
        self, args: tuple[Any, ...], vectors: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Derivative | Products, Sequence[Any], dict[str, Any]]:
        """The same, for the product of a Hessian with a vector, which is a mode of its own."""
        product = self.product
        self._newest = product
        if self._plain and not kwargs and len(args) == len(self._names):
            vector = self.checked_vector(dict(zip(self._names, args, strict=True)), *vectors)
            return product, [*args, vector], {}
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        vector = self.checked_vector(dict(bound.arguments), *vectors)
        return product, [*bound.args, vector], bound.kwargs

    def bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of the function by name."""
        if self._plain and not kwargs and len(args) == len(self._names):
            return dict(zip(self._names, args, strict=True))
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def block_for(self, given: dict[str, Any]) -> int | None:
        """How many directions at once, for arguments of these sizes; None is all of them."""
        key = (self.text_for(given), *shapes_in(tuple(given.values())))
        if key not in self._blocks:
            program = self.made_for(given, None, NUMPY).program_for(*given.values())
            count = max(np.size(given[name]) for name in self.chosen)
            batched, parameters = program.lowered.batched, program.function.parameters
            block = block_size(batched, parameters, given, count)
            if self.backend.name == "numba":
                block = self.native_block(given, block, batched.products)
            self._blocks[key] = block
        return self._blocks[key]

    def native_block(self, given: dict[str, Any], block: int | None, products: bool) -> int | None:
        """All directions at once where that makes one product of many; compiled loops want one at a time."""
        if block is not None or not products:
            return 1
        try:
            self.made_for(given, None).program_for(*given.values())
        except Unsupported:
            return 1
        return None

    def checked_vector(self, given: dict[str, Any], vector: Any) -> Any:
        """The vector, in the structure, shapes and precision of the arguments."""
        from ad_compiler.pushforward import checked_tangent, moves

        single = not isinstance(self.argnums, tuple)
        kinds = kinds_of((vector,)) if single and is_real(vector) else None
        if kinds is not None and kinds == kinds_of((given[self.chosen[0]],)):
            return vector  # as it should be
        if not single and (not isinstance(vector, (tuple, list)) or len(vector) != len(self.chosen)):
            raise TypeError(f"the vector must be a tuple of {len(self.chosen)}, one for each of argnums")
        if not moves(vector):
            raise TypeError("the vector is None: give one of the structure and shape of the argument")
        parts = [
            checked_tangent(each, given[name], f"the vector for {name}")
            for name, each in zip(self.chosen, (vector,) if single else vector, strict=True)
        ]
        return parts[0] if single else tuple(parts)

    def made_for(
        self, given: dict[str, Any], block: int | None, backend: Backend | None = None, **options: bool
    ) -> Derivative:
        """The program for operands or arguments of these ranks, that does so many directions at once."""
        backend = self.backend if backend is None else backend
        native = backend.name == "numba" and block == 1
        text = replace(self.text_for(given, **options), native=native)
        key = (text, block, backend)
        if key not in self._made:
            namespace: dict[str, Any] = {"f": self.called(), "kept": Kept()}
            namespace |= {"precision": Precision(), "real": Real(), "has_complex": HasComplex()}
            namespace |= {"jvp": api.jvp, "vjp": api.vjp, "grad": api.grad}
            function = function_of_text(text.write(), text.title, namespace)
            request = Request(function, "value", (), False, backend=backend, block=block)
            self._made[key] = Derivative(function, request, ())
        return self._made[key]

    def called(self) -> Any:
        """The function, as one that takes all its arguments by position."""
        fun: Any = self.primal
        parameters = self._signature.parameters.values()
        if isinstance(fun, IN_PROGRAMS):
            fun = Held(fun)
        elif any(each.kind is each.KEYWORD_ONLY for each in parameters):
            fun = by_position(fun)
        if self.kind in ("hessian", "hvp"):
            return fun
        if self.kind != "elementwise_grad":
            return OneArray(fun, self.has_aux)
        return ElementByElement(fun, self.has_aux, tuple(map(self._names.index, self.chosen)))

    def check_parameters(self) -> None:
        if self._starred:
            raise TypeError(f"{self!r} needs a function without * and ** among its parameters")

    def text_for(self, given: dict[str, Any]) -> Text:
        self.check_parameters()
        ranks = []
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
        names, single = tuple(given), not isinstance(self.argnums, tuple)
        return Text(self.kind, self.__name__, names, self.chosen, tuple(ranks), single, self.has_aux)

    def source_for(self, *args: Any, **kwargs: Any) -> str:
        """The generated code for arguments like these."""
        derivative, positional, keywords = self.prepared(args, kwargs)
        return derivative.source_for(*positional, **keywords)

    @property
    def source(self) -> str:
        """The generated code of the newest call."""
        if self._newest is None:
            raise ValueError(f"{self!r} has no source before it is called; `source_for` takes arguments")
        return self._newest.source

    @property
    def native_source(self) -> str:
        """The loops that Numba compiles, of the newest call."""
        if self._newest is None:
            raise ValueError(f"{self!r} has no native code before it is called")
        return self._newest.native_source

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
            derivative = self.made_for(given, 1)
        except TypeError as error:
            raise context.refuse(node, str(error), "check the arguments") from None
        from ad_compiler.frontend.calls import inline
        from ad_compiler.nested_calls import fit

        for each in vector:
            single = not isinstance(self.argnums, tuple)
            arguments = tuple([given[name] for name in self.chosen])
            fit(context, node, arguments[0] if single else arguments, each, "the vector")
        return inline(context, node, derivative.request.primal, [*given.values(), *vector], {})

    def __reduce__(self) -> Any:
        return Derived, (self.primal, self.kind, self.argnums, self.has_aux, self.backend)

    def __repr__(self) -> str:
        return f"<{self.kind} of {self.__name__}>"


def sizes_of(args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The types of numbers, and shapes and dtypes of arrays; None where there is anything else."""
    key: list[Any] = []
    for argument in args:
        if type(argument) is np.ndarray:
            key.append((argument.shape, argument.dtype))
        elif isinstance(argument, (int, float, np.generic)):
            key.append(type(argument))
        else:
            return None
    return tuple(key)


class Linearized:
    """The derivative of a function at one point: a linear function of tangents."""

    def __init__(self, fun: Callable[..., Any], primals: tuple[Any, ...], backend: Backend = NUMPY) -> None:
        from ad_compiler.pushforward import Pushforward

        self.pushforward = Pushforward(fun, backend=backend)
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
