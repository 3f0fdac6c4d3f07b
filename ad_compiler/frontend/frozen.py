"""Functions of the program with what they read, as it is at one moment.

A rule or a hook is lowered when the reverse sweep comes, and names hold something else by then:

    y = rule(lambda t: k * t, x)        the lambda of the rule reads this `k`
    k = 0.0
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from types import MethodType

from ad_compiler.frontend.scope import Chosen, LocalFunction, Scope
from ad_compiler.ir import Operand, Record, Value
from ad_compiler.refusal import Refusal
from ad_compiler.traversal import map_values


def closed(operand: Operand, of_value: Callable[[Value], Operand]) -> Operand:
    """The operand with values replaced, those that its functions read among them, in scopes of their own."""
    return _Closing(of_value).operand(operand)


def values_closed(operand: Operand) -> list[Value]:
    """The values of an operand, those that its functions read among them, each once."""
    found: dict[Value, None] = {}

    def note(value: Value) -> Value:
        found[value] = None
        return value

    closed(operand, note)
    return list(found)


def names_in(body: Sequence[ast.AST]) -> list[str]:
    """The names that are mentioned, each once, in order."""
    nodes = [inner for each in body for inner in ast.walk(each)]
    return list(dict.fromkeys(inner.id for inner in nodes if isinstance(inner, ast.Name)))


class _Closing:
    def __init__(self, of_value: Callable[[Value], Operand]) -> None:
        self.of_value = of_value
        self.functions: dict[int, LocalFunction] = {}  # that may call themselves and each other

    def operand(self, operand: Operand) -> Operand:
        if isinstance(operand, LocalFunction):
            return self.function(operand)
        if isinstance(operand, Chosen):
            parts = (operand.condition, operand.then, operand.otherwise)
            return Chosen(*[self.operand(part) for part in parts])
        if isinstance(operand, MethodType):
            return MethodType(operand.__func__, self.operand(operand.__self__))
        if isinstance(operand, Record):
            return Record(
                operand.cls, {k: self.operand(v) for k, v in operand.fields.items()}, operand.access
            )
        if type(operand) in (tuple, list):
            return type(operand)([self.operand(item) for item in operand])
        if isinstance(operand, dict):
            return {key: self.operand(item) for key, item in operand.items()}
        held = [getattr(operand, name, None) for name in ("primal", "callee")]
        of_local = hasattr(type(operand), "inline_in") and any(isinstance(e, LocalFunction) for e in held)
        if of_local or getattr(type(operand), "of_program", False):
            reason = "the derivative of a function of the program itself is used in a reverse sweep"
            raise Refusal(reason, "define the function outside, and pass what it reads as an argument")
        return map_values(self.of_value, operand)

    def function(self, function: LocalFunction) -> LocalFunction:
        known = self.functions.get(id(function))
        if known is None:
            scope = Scope(function.scope.source, function.scope.function)
            known = self.functions[id(function)] = LocalFunction(function.node, scope, [], [])
            known.defaults = [self.operand(each) for each in function.defaults]
            known.keyword_defaults = [self.operand(each) for each in function.keyword_defaults]
            for name in names_in([function.node]):
                holder = function.scope.find(name)
                if holder is not None:
                    scope.names[name] = self.operand(holder.names[name])
        return known
