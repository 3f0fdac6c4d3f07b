"""Functions of `itertools`, over items known while compiling; `pairwise` of arrays, too."""

from __future__ import annotations

import ast
import itertools
import operator
from collections.abc import Callable
from typing import Any

from ad_compiler.frontend.context import Context
from ad_compiler.frontend.iteration import Listed, Paired, called, check_iterable, is_known
from ad_compiler.frontend.lists import subscript
from ad_compiler.frontend.operations import elements_of, evaluate, operation
from ad_compiler.ir import Iteration, Operand, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import registry

Arguments = list[Operand]
Keywords = dict[str, Operand]
UNKNOWN_LENGTH = "of items whose number is not known while compiling", "run over an array with a loop"


def known(context: Context, node: ast.AST, name: str, operand: Operand) -> list[Operand]:
    check_iterable(context, node, operand)
    if not is_known(operand):
        raise context.refuse(node, f"`itertools.{name}` {UNKNOWN_LENGTH[0]}", UNKNOWN_LENGTH[1])
    return elements_of(context, node, operand)


def accumulated(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
    """`itertools.accumulate(items, function, initial=None)`."""
    container, *functions = positional
    function = functions[0] if functions else keywords.get("func")
    initial = keywords.get("initial")
    items = known(context, node, "accumulate", container)
    if initial is not None:
        items = [initial, *items]
    step = operator.add if function is None else function
    results = items[:1]
    for item in items[1:]:
        results.append(called(context, node, step, results[-1], item))
    return Listed(tuple(results))


def paired(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
    """`itertools.pairwise(items)`: each one with the next."""
    (container,) = positional
    check_iterable(context, node, container)
    if isinstance(container, Value) and not is_known(container):
        both = [slice(None, -1), slice(1, None)]
        if is_list(container):
            return Paired(tuple([subscript(context, node, container, part) for part in both]))
        parts = [operation(context, node, registry["getitem"], (container, (part,))) for part in both]
        return Paired(tuple(parts))
    items = known(context, node, "pairwise", container)
    return Listed(tuple(itertools.pairwise(items)))


def chained(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
    """`itertools.chain(first, second, ...)`."""
    parts = [known(context, node, "chain", container) for container in positional]
    return Listed(tuple(itertools.chain(*parts)))


def combined(function: Callable[..., Any]) -> Callable[..., Operand]:
    """`product`, `combinations`, `permutations`: they look at the places of the items alone."""

    def handler(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
        def is_number(operand: Operand) -> bool:
            return isinstance(operand, (int, type(None)))

        parts = [
            part
            if is_number(part) and not isinstance(part, Iteration)
            else known(context, node, function.__name__, part)
            for part in positional
        ]
        return Listed(evaluate(context, node, lambda: tuple(function(*parts, **keywords))))

    return handler
