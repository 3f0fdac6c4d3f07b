"""What names mean while a function is lowered.

Locals are operands. A name that is not local is read from the function's cells, globals or builtins,
as Python does it: numbers and arrays become inputs of the program, read anew at every call; functions,
classes and modules become constants, and every call checks that they are still the same objects.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np

from ad_compiler.frontend.source import Source
from ad_compiler.ir import Branch, Iteration, Operand, Record, Value


@dataclass(eq=False, slots=True)
class Scope:
    """The names of one function being inlined."""

    source: Source
    function: FunctionType
    names: dict[str, Operand] = field(default_factory=dict)
    enclosing: Scope | None = None
    in_loop: bool = False  # what is lowered now stands in the body of a loop of this function
    comprehension: bool = False  # its names are those of a comprehension; `:=` writes outside of it
    outer: set[str] = field(default_factory=set)  # names that it declares `nonlocal`

    def find(self, name: str) -> Scope | None:
        """The scope in which `name` is a local variable, from here outwards."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope
            scope = scope.enclosing
        return None

    def binding(self, name: str) -> Scope:
        """The scope in which an assignment here binds `name`."""
        found = self.enclosing.find(name) if name in self.outer and self.enclosing is not None else None
        return self if found is None else found


@dataclass(eq=False, slots=True)
class LocalFunction:
    """A function or lambda defined inside a lowered function: it sees the scope around it."""

    node: ast.FunctionDef | ast.Lambda
    scope: Scope
    defaults: list[Operand]
    keyword_defaults: list[Operand | None]

    @property
    def __name__(self) -> str:
        return getattr(self.node, "name", "lambda")


@dataclass(frozen=True, eq=False, slots=True)
class Chosen:
    """One function or another, as a branch has decided: a call of it is a branch again."""

    condition: Value
    then: Any
    otherwise: Any

    def inline_in(self, context: Any, node: ast.AST, positional: list[Any], keywords: dict[str, Any]) -> Any:
        from ad_compiler.frontend.branches import choose
        from ad_compiler.frontend.calls import call_operand

        def called(function: Any) -> Any:
            return lambda: call_operand(context, node, function, list(positional), dict(keywords))

        return choose(context, node, self.condition, called(self.then), called(self.otherwise))


def is_plain_function(operand: Operand) -> bool:
    """A function that holds no arrays itself."""
    if isinstance(operand, LocalFunction):
        return not operand.defaults and not any(operand.keyword_defaults)
    return isinstance(operand, (FunctionType, BuiltinFunctionType, np.ufunc, Chosen)) or (
        callable(operand) and getattr(operand, "__module__", None) == "numpy"
    )


def names_of_fields(iteration: Iteration) -> list[str]:
    return [each.name for each in fields(iteration)]


def containers_in(operand: Operand) -> Iterator[Any]:
    """The lists, dicts, records, iterators and local functions that an operand is made of, each once."""
    seen: set[int] = set()
    waiting = [operand]
    while waiting:
        each = waiting.pop()
        if isinstance(each, tuple) and type(each) is tuple:
            waiting += each
            continue
        if isinstance(each, MethodType):
            waiting.append(each.__self__)
            continue
        if isinstance(each, Chosen):
            waiting += [each.then, each.otherwise]
            continue
        if not isinstance(each, (list, dict, Record, Iteration, LocalFunction)) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, list):
            waiting += each
        elif isinstance(each, (dict, Record)):
            waiting += (each if isinstance(each, dict) else each.fields).values()
        elif isinstance(each, Iteration):
            waiting += [getattr(each, name) for name in names_of_fields(each)]
        else:
            waiting += [each.defaults, each.keyword_defaults]


@dataclass(frozen=True, slots=True)
class Undecided:
    """A name whose meaning depends on a branch taken at run time, in a way that cannot be merged.

    Inside of a later branch on the same condition it is known: what it is on that side of `branch`.
    """

    reason: str
    branch: Branch | None = None
    then: Operand = None
    otherwise: Operand = None
    advice: str = "give it one kind of value (type, rank) on every path"


def sides_of(operand: Operand) -> Iterator[Operand]:
    """The operand, or all that it may be where branches are to decide."""
    if isinstance(operand, Undecided):
        yield from sides_of(operand.then)
        yield from sides_of(operand.otherwise)
    else:
        yield operand


@dataclass(frozen=True, slots=True)
class Location:
    """Where a non-local name is kept: a cell of a closure, or a namespace."""

    holder: Any  # a cell, or a dict
    name: str

    def read(self) -> Any:
        return self.holder[self.name] if isinstance(self.holder, dict) else self.holder.cell_contents

    @property
    def key(self) -> tuple[int, str]:
        return id(self.holder), self.name


def locate(function: FunctionType, name: str) -> Location | None:
    """Where Python would find `name`, a free variable or a global of `function`."""
    code = function.__code__
    if name in code.co_freevars:
        cell = (function.__closure__ or ())[code.co_freevars.index(name)]
        try:
            cell.cell_contents  # noqa: B018 -- an empty cell raises
        except ValueError:
            return None
        return Location(cell, name)
    if name in function.__globals__:
        return Location(function.__globals__, name)
    return Location(vars(builtins), name) if hasattr(builtins, name) else None


@dataclass(frozen=True, slots=True)
class ArgumentLocation:
    """Where an object that is an argument, or stands in one, is found: under the name of the parameter."""

    obj: Any
    name: str  # as an expression: `model`, `models[0]`

    def read(self) -> Any:
        return self.obj

    @property
    def key(self) -> tuple[int, str]:
        return id(self.obj), self.name


AnyLocation = Location | ArgumentLocation
