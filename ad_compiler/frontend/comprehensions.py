"""Comprehensions and generator expressions, which are loops written as expressions.

Over containers known while compiling they are unrolled. A generator expression becomes an iterator
(`Generated`), whose items are computed when what reads it (`sum`, `any`, a loop) asks for them, as in
Python. Over a `range` or an array whose length is known at run time only, a list comprehension is
rewritten as the loop it stands for:

    ys = [f(x) for x in xs if x > 0]    ->    ys = []
                                              for x in xs:
                                                  if x > 0:
                                                      ys.append(f(x))
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ad_compiler.frontend.context import Context, Given, handles, lower
from ad_compiler.frontend.iteration import Candidate, Generated, check_iterable, inside, is_known, items
from ad_compiler.frontend.operations import operation
from ad_compiler.frontend.rewriting import Rewriting
from ad_compiler.frontend.scope import Scope
from ad_compiler.frontend.statements import assign
from ad_compiler.ir import Iteration, Operand, Record, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import registry

Comprehension = ast.ListComp | ast.DictComp | ast.GeneratorExp


@handles(ast.ListComp)
def list_comprehension(context: Context, node: ast.ListComp) -> Operand:
    generated = generator(context, node, node.elt)
    if is_known(generated):
        return list(items(context, node, generated))
    return listed(context, node, generated)


@handles(ast.GeneratorExp)
def generator_expression(context: Context, node: ast.GeneratorExp) -> Operand:
    return generator(context, node, node.elt)


@handles(ast.DictComp)
def dict_comprehension(context: Context, node: ast.DictComp) -> Operand:
    pair = ast.copy_location(ast.Tuple([node.key, node.value], ast.Load()), node.key)
    generated = generator(context, node, pair)
    if not is_known(generated):
        raise context.refuse(
            node, "which keys a dict has is not known while compiling", "run over names known while compiling"
        )
    result: dict[object, Operand] = {}
    for key, value in items(context, node, generated):
        if isinstance(key, (Value, list, dict, Record, Iteration)):
            raise context.refuse(node.key, "a key is not known while compiling", "use constant keys")
        result[key] = value
    return result


def generator(context: Context, node: Comprehension, element: ast.expr) -> Generated:
    """The iterator over what a comprehension computes; its first container is evaluated now, as in Python."""
    for part in node.generators:
        if part.is_async:
            raise context.refuse(
                node, "asynchronous code cannot be differentiated", "await the result before, and pass it in"
            )
    here = context.here
    scope = Scope(here.source, here.function, {}, here, comprehension=True)
    first = node.generators[0].iter
    operand = lower(context, first)
    check_iterable(context, first, operand)

    def produce() -> Iterator[Candidate]:
        check_walrus(context, node, here)
        return rounds(context, scope, node.generators, operand, lambda: lower(context, element))

    return Generated(operand, produce, scope, node, element)


def check_walrus(context: Context, node: Comprehension, here: Scope) -> None:
    """Refuse `:=` in a generator that another function reads: it would write that function's outside."""
    from ad_compiler.frontend.branches import scopes_around

    walrus = next((inner for inner in ast.walk(node) if isinstance(inner, ast.NamedExpr)), None)
    if walrus is not None and here not in scopes_around(context.here):
        reason = "this generator assigns a variable, and is read in another function"
        raise context.refuse(context.here.source.node, reason, "make a list of it before passing it on")


_END = object()


def rounds(
    context: Context,
    scope: Scope,
    clauses: list[ast.comprehension],
    container: Operand,
    element: Callable[[], Operand],
) -> Iterator[Candidate]:
    """One candidate for every round: whether it counts (`if`), and how to compute the element."""
    clause, *inner = clauses
    with inside(context, scope):
        walk = items(context, clause.iter, container)
    while True:
        with inside(context, scope):
            item = next(walk, _END)
            if item is _END:
                return
            assign(context, clause.target, item)
            kept = condition(context, clause.ifs)
            if not isinstance(kept, Value):
                if not kept:
                    continue
            elif inner:
                raise context.refuse(
                    clause.ifs[0], "whether a whole inner loop runs is not known while compiling", _LAST
                )
            following = lower(context, inner[0].iter) if inner else None
            if inner and not is_known(following):
                check_iterable(context, inner[0].iter, following)
                raise context.refuse(
                    inner[0].iter, "how long this inner loop is, is not known while compiling", _NESTED
                )
        if inner:
            yield from rounds(context, scope, inner, following, element)
        else:
            yield kept, computing(context, scope, element)


_LAST = "put this condition into the last clause"
_NESTED = "write the loops as statements"


def computing(context: Context, scope: Scope, element: Callable[[], Operand]) -> Callable[[], Operand]:
    def compute() -> Operand:
        with inside(context, scope):
            return element()

    return compute


def condition(context: Context, tests: list[ast.expr]) -> Operand:
    """All of the `if`s of a clause, the later ones asked only where the earlier ones hold."""
    if not tests:
        return True
    joined = tests[0] if len(tests) == 1 else ast.BoolOp(ast.And(), tests)
    return lower(context, ast.copy_location(joined, tests[0]))


def listed(context: Context, node: ast.AST, iteration: Operand) -> Operand:
    """A list made by a loop at run time."""
    rewriting = Rewriting(context, node, iteration)
    result = rewriting.name("items")
    return rewriting.run(
        result, f"{result} = []", lambda item: [rewriting.statement(f"{result}.append(_)", item)]
    )


def kept(context: Context, node: ast.AST, predicate: Operand, container: Operand) -> Operand:
    """`filter(predicate, container)` as the generator expression that it is."""
    item = ast.Name("item", ast.Load())
    test = item if predicate is None else ast.Call(Given(predicate), [item], [])
    return generated(context, node, item, container, [test])


def mapped(context: Context, node: ast.AST, function: Operand, container: Operand) -> Operand:
    """`map(function, container)` as the generator expression that it is."""
    if not isinstance(container, Generated):
        item = ast.Name("item", ast.Load())
        return generated(context, node, ast.Call(Given(function), [item], []), container, [])
    called = placed(ast.Call(Given(function), [container.element], []), node)
    expression = placed(ast.GeneratorExp(called, container.node.generators), node)

    def produce() -> Iterator[Candidate]:
        for condition, compute in container.produce():
            yield condition, functools.partial(call_item, context, node, function, compute)

    return Generated(container.first, produce, container.scope, expression, called)


def call_item(context: Context, node: ast.AST, function: Operand, compute: Callable[[], Operand]) -> Operand:
    from ad_compiler.frontend.calls import call_operand

    return call_operand(context, node, function, [compute()], {})


def generated(
    context: Context, node: ast.AST, element: ast.expr, container: Operand, tests: list[ast.expr]
) -> Generated:
    clause = ast.comprehension(ast.Name("item", ast.Store()), Given(container), tests, 0)
    expression = placed(ast.GeneratorExp(element, [clause]), node)
    return generator(context, expression, expression.elt)


def placed(expression: ast.GeneratorExp | ast.Call, node: ast.AST) -> Any:
    """The expression, where `node` stands in the program."""
    for inner in ast.walk(expression):
        if isinstance(inner, ast.expr) and not hasattr(inner, "lineno"):
            ast.copy_location(inner, node)
    return expression


def row_of(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """What an inner list of `np.array([[... for b in xs] for a in xs])` is: an array, or a known list."""
    (row,) = positional
    return operation(context, node, registry["list_stack"], (row,)) if is_list(row) else row


def with_rows(context: Context, node: ast.Call) -> ast.Call:
    """A call of `np.array` with list comprehensions inside of one marked as rows."""
    if not (
        node.args and isinstance(node.args[0], ast.ListComp) and isinstance(node.args[0].elt, ast.ListComp)
    ):
        return node
    if lower(context, node.func) not in (np.array, np.asarray):
        return node
    return ast.copy_location(ast.Call(node.func, [marked(node.args[0]), *node.args[1:]], node.keywords), node)


def marked(comprehension: ast.ListComp) -> ast.ListComp:
    inner = comprehension.elt
    if not isinstance(inner, ast.ListComp):
        return comprehension
    row = ast.copy_location(ast.Call(ast.copy_location(Given(row_of), inner), [marked(inner)], []), inner)
    return ast.copy_location(ast.ListComp(row, comprehension.generators), comprehension)
