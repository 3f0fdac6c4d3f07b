"""Jacobians, Hessians and products with them: small programs that call `jvp` and `vjp`.

Each is written for the arguments it is called with (`jacobian_text`), as a user would write it, and compiled
like a user's program, with the derivatives in it inlined. So a Jacobian has a source, and can be
differentiated again.

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
from dataclasses import replace
from typing import Any

import numpy as np

from ad_compiler.blocks import block_size, shapes_in
from ad_compiler.callees import ElementByElement, Held, NestedDerivative, OneArray, name_of, signature_of
from ad_compiler.derivative import Derivative, unmapped
from ad_compiler.drivers import by_position, function_of_text
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.scope import LocalFunction
from ad_compiler.ir import Operand, Record, Value
from ad_compiler.jacobian_text import Kind, Text, words_of
from ad_compiler.making import checked_argnums, derivative_of, name_of_argument
from ad_compiler.pipeline import NUMPY, Backend, Request
from ad_compiler.products import Products, is_real
from ad_compiler.ready import kinds_of
from ad_compiler.rules.shapes import rank_of, type_of

OF_PRODUCTS = ("hessian", "jacrev", "jacobian")  # which read tapes
WITH_DIRECTIONS = ("jacfwd", "jacrev", "jacobian", "hessian")
IN_PROGRAMS = (LocalFunction, NestedDerivative, Record)  # what programs make and call


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
        if not kwargs and (ready := self._ready.get(sizes_of(args))) is not None:
            self._newest = ready
            return ready(*args)
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
            function = function_of_text(text.write(), text.title, words_of(self.called()))
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
        from ad_compiler.frontend.inlining import inline
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
