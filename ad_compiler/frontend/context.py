"""The state of lowering one program, and the dispatch over Python's syntax.

Lowering is an abstract run of the function: every expression is evaluated to an *operand*, known values
at once, unknown ones by appending an operation to the graph. So types are known while lowering, methods
and attributes resolve, conditions on ranks and flags choose their branch, and a call is inlined by
running the callee. The user's function itself is never run.

Handlers are registered by the class of the syntax node in `expressions`, `statements` and `calls`.
"""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Callable, Hashable
from types import MethodType
from typing import TYPE_CHECKING, Any

import numpy as np

from ad_compiler.builder import Builder
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.identities import Lists
from ad_compiler.frontend.inputs import describe_input, has_inputs, is_dataclass_instance
from ad_compiler.frontend.scope import AnyLocation, Location, Scope, containers_in
from ad_compiler.ir import Block, Branch, Loop, Node, Operand, Record, Shortcut, Value
from ad_compiler.refusal import Refusal

if TYPE_CHECKING:
    from ad_compiler.frontend.activations import Activation
    from ad_compiler.frontend.recursion import Recursion


UNKNOWN = object()  # what a function that calls itself returns, before a round has told


class Context:
    """Everything a handler may need: the builder, the scope, and what is read from outside."""

    def __init__(self, builder: Builder, constants: frozenset[str] = frozenset()) -> None:
        self.builder = builder
        self.scope: Scope | None = None
        self.constants = constants
        self.depth = 0
        self.callers: list[Scope] = []
        self.recursive: frozenset[Hashable] = frozenset()  # functions that call themselves without an end
        self.stretching: frozenset[Hashable] = frozenset()  # what loops stretch that is one element at first
        self.telling: frozenset[Hashable] = frozenset()  # what loops leave that is one element without turns
        self.grown: dict[Value, Hashable] = {}  # arrays that stand for numbers -> the loop (`growing`)
        self.numbers: set[Value] = (
            set()
        )  # arrays that may be numbers, as those, or of which a turn makes more
        self.recursions: list[Recursion] = []  # of those, the ones that are being lowered
        self.activations: list[Activation] = []  # the calls that are being inlined
        self.taken: list[tuple[Value, bool]] = []  # conditions of the branches around, and the side
        self.protected: set[ast.AST] = set()  # what stands in a `try` that has handlers
        self.in_protected = False  # the call that is being inlined stands in one
        self.guard: Block | None = None  # what a guard does before it raises
        self.captures: dict[tuple[Any, ...], Capture] = {}
        self.constants_read: dict[tuple[Any, ...], Capture] = {}
        self.origins: dict[int, Capture] = {}  # objects read from outside, and how each is reached
        self.names_taken: set[str] = set()
        self.records: dict[type, str | None] = {}  # classes of named tuples among the arguments -> where
        self.unfinished: list[tuple[Record, Block]] = []  # objects whose `__init__` runs, and where
        self.newer: dict[Value, Any] = {}  # arrays that were written into -> what they are now (`aliases`)
        self.older: dict[Value, Value] = {}  # the same backwards, for views too
        self.choices: dict[Value, tuple[Value, ...]] = {}  # what a branch chose -> the arrays it may be
        self.homes: dict[Node, tuple[Branch | Loop, bool]] = {}  # what is made on a side of a branch -> that
        self.left: dict[Value, Any] = {}  # arrays made there -> what that side has left of them
        self.carried: dict[Value, Value] = {}  # values made there -> the results of the branch that they are
        self.narrowed: dict[Value, Value] = {}  # what a branch chose, of which one side has returned
        self.merging: Any = None  # what the branch lowered last leaves behind (`branches`)
        self.chosen_containers: list[tuple[Any, Any, Any]] = []  # chosen by a branch -> the two they may be
        self.outside: dict[int, Any] = {}  # lists and dicts that are not the function's own
        self.checks = Block()  # of the arguments, before anything else runs
        self.shortcuts: dict[Value, Shortcut] = {}  # over the user's own gates
        self.written: set[Value] = set()  # arrays that were written into, as they were before
        self.lists = Lists()
        self.wanted: tuple[int, frozenset[int]] | None = None  # depth and items of the tuple returned there
        self.in_sweep = False  # a derivative of the user's own is lowered, in place of a rule
        self.in_rule: str | None = None  # the spelling of the module a rule stands for: "np." or "math."

    @property
    def here(self) -> Scope:
        assert self.scope is not None
        return self.scope

    @property
    def result_unknown(self) -> bool:
        """Whether it is not known yet what a function that calls itself returns."""
        return bool(self.recursions) and self.recursions[-1].result is UNKNOWN

    def refuse(self, node: ast.AST, reason: str, advice: str) -> Unsupported:
        return self.here.source.refuse(node, reason, advice)

    def capture(self, location: AnyLocation, path: str, obj: Any) -> Operand:
        """The operand of a number, array or container read from outside, as an extra parameter."""
        key = (*location.key, path)
        if key not in self.captures:
            wanted = re.sub(r"\W+", "_", location.name + path).strip("_")
            name, number = wanted, 0
            while name in self.names_taken:
                number += 1
                name = f"{wanted}_{number}"
            self.names_taken.add(name)
            operand = describe_input(obj, name, self.constants)
            if isinstance(operand, Value):
                operand.outside = name
            self.captures[key] = Capture(name, location, path, operand, obj)
            self.outside.update({id(inner): inner for inner in containers_in(operand)})
            self.remember(location, path, obj)
        return self.captures[key].operand

    def read(self, location: Location) -> Operand:
        obj = location.read()
        if self.in_rule:
            return obj  # a rule reads its own module, which is the compiler's
        return self.found(location, "", obj)

    def found(self, location: AnyLocation, path: str, obj: Any) -> Operand:
        """The operand of an object read from outside: every call checks that a constant is still the same."""
        if has_inputs(obj) and type(obj) is not type:
            return self.capture(location, path, obj)
        self.constants_read.setdefault(
            (*location.key, path), Capture(location.name, location, path, obj, obj)
        )
        self.remember(location, path, obj)
        return obj

    def remember(self, location: AnyLocation, path: str, obj: Any) -> None:
        """Note how an object, and what stands in a container, is reached from a name."""
        if isinstance(obj, (list, dict)):
            self.outside[id(obj)] = obj
        if isinstance(obj, (tuple, list)):
            for place, item in enumerate(obj):
                self.remember(location, f"{path}[{place}]", item)
        elif isinstance(obj, dict):
            for key, item in obj.items():
                if isinstance(key, (str, int)):
                    self.remember(location, f"{path}[{key!r}]", item)
        elif is_dataclass_instance(obj):
            for field in dataclasses.fields(obj):
                self.remember(location, f"{path}.{field.name}", getattr(obj, field.name))
        elif isinstance(obj, MethodType):
            self.remember(location, f"{path}.__self__", obj.__self__)
        elif hasattr(type(obj), "inline_in") and hasattr(obj, "primal"):  # a derivative, perhaps of a method
            self.remember(location, f"{path}.primal", obj.primal)
        elif not isinstance(obj, (str, bytes, bool, int, float, complex, np.ndarray, np.generic, type(None))):
            self.origins.setdefault(id(obj), Capture(location.name, location, path, obj, obj))


class Capture:
    """What the program reads from outside: from a global, a cell, an object."""

    __slots__ = ("example", "location", "name", "operand", "path")

    def __init__(self, name: str, location: AnyLocation, path: str, operand: Operand, example: Any) -> None:
        self.name = name
        self.location = location
        self.path = path  # attributes and items on the way: ".scale", ".layers[0].weights"
        self.operand = operand
        self.example = example

    def read(self) -> Any:
        return follow(self.location.read(), self.path)


def follow(obj: Any, path: str) -> Any:
    """What an expression like `.layers[0].weights` gives, applied to an object."""
    return eval(f"obj{path}", {"obj": obj}) if path else obj


Handler = Callable[[Context, Any], Any]
EXPRESSIONS: dict[type[ast.expr], Handler] = {}
STATEMENTS: dict[type[ast.stmt], Handler] = {}
Control = Callable[[Context, Any, list[ast.stmt]], Any]
CONTROL: dict[type[ast.stmt], Control] = {}
REWRITES: dict[type[ast.stmt], Callable[[Context, Any], list[ast.stmt]]] = {}


def handles(*classes: type[ast.AST]) -> Callable[[Handler], Handler]:
    """Register a handler for these classes of syntax nodes."""

    def register(handler: Handler) -> Handler:
        for cls in classes:
            table: Any = EXPRESSIONS if issubclass(cls, ast.expr) else STATEMENTS
            table[cls] = handler
        return handler

    return register


def controls(*classes: type[ast.stmt]) -> Callable[[Control], Control]:
    """Register a handler of statements that may take over what follows them in their list."""

    def register(handler: Control) -> Control:
        CONTROL.update(dict.fromkeys(classes, handler))
        return handler

    return register


def rewrites(*classes: type[ast.stmt]) -> Callable[[Handler], Handler]:
    """Register a handler that gives simpler statements for one."""

    def register(handler: Any) -> Any:
        REWRITES.update(dict.fromkeys(classes, handler))
        return handler

    return register


class Given(ast.expr):
    """An expression that is an operand already: what rewritten statements hold."""

    _fields = ()

    def __init__(self, operand: Operand) -> None:
        super().__init__()
        self.operand = operand

    def __deepcopy__(self, memo: dict[int, Any]) -> Given:
        return self


def lower(context: Context, node: ast.expr) -> Operand:
    """The operand an expression stands for; `Unsupported` where it cannot be differentiated."""
    handler = EXPRESSIONS.get(type(node))
    if handler is None:
        reason, advice = UNSUPPORTED.get(
            type(node), (f"`{type(node).__name__}` cannot be differentiated", "rewrite it")
        )
        raise context.refuse(node, reason, advice)
    try:
        operand = handler(context, node)
    except Refusal as refusal:
        raise context.refuse(node, refusal.reason, refusal.advice) from None
    return operand


_LOOP = "write it with whole arrays: slices, broadcasting and reductions"

UNSUPPORTED: dict[type[ast.AST], tuple[str, str]] = {
    ast.SetComp: ("a set is not differentiated", "use a tuple or a list"),
    ast.Set: ("a set has no order and is not differentiated", "use a tuple or a list"),
    ast.Await: ("asynchronous code cannot be differentiated", "await the result before, and pass it in"),
    ast.Yield: ("a generator cannot be differentiated", "return the values together"),
    ast.YieldFrom: ("a generator cannot be differentiated", "return the values together"),
    ast.ClassDef: ("a class is defined inside of a differentiated function", "define it outside"),
    ast.AsyncFor: ("asynchronous code cannot be differentiated", "await the result before, and pass it in"),
    ast.AsyncWith: ("asynchronous code cannot be differentiated", "await the result before, and pass it in"),
    ast.AsyncFunctionDef: (
        "asynchronous code cannot be differentiated",
        "await the result before, and pass it in",
    ),
}
