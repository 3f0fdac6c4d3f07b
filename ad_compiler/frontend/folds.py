"""Built-in functions that read a whole container or iterator: `sum`, `any`, `max`, `list`, `reduce`, ...

Over items known while compiling they become chains of operations; `any` and `all` stop at the first item
that decides, as Python's do. Otherwise they are rewritten as the loops they stand for (`rewriting`).
"""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ad_compiler.frontend.branches import choose
from ad_compiler.frontend.context import Context, Given
from ad_compiler.frontend.iteration import candidates, check_iterable, constantly, is_known, items
from ad_compiler.frontend.lists import copied
from ad_compiler.frontend.operations import elements_of, operation
from ad_compiler.frontend.rewriting import Rewriting
from ad_compiler.ir import Iteration, Operand, Record, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.traversal import values_in

Arguments = list[Operand]
Keywords = dict[str, Operand]


def total(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
    """`sum(items, start)`."""
    from ad_compiler.frontend.expressions import apply_binary

    container, *start = positional
    result: Operand = start[0] if start else keywords.get("start", 0)
    check_iterable(context, node, container)
    if not is_known(container):
        if is_list(container):
            summed = operation(context, node, registry["list_sum"], (container,))
            return apply_binary(context, node, operator.add, result, summed) if start or keywords else summed
        if isinstance(container, Value):
            raise context.refuse(node, "`sum` loops over an array", "use `np.sum`")
        rewriting = Rewriting(context, node, container)
        name, first = rewriting.name("total"), rewriting.bind("start", result)
        return rewriting.run(
            name, f"{name} = {first}", lambda item: [rewriting.statement(f"{name} = {name} + _", item)]
        )

    def add(left: Operand, right: Operand) -> Operand:
        plain = not isinstance(left, Value) and isinstance(left, int) and left == 0
        return (
            right if plain and not is_bool(right) else apply_binary(context, node, operator.add, left, right)
        )

    for kept, item in candidates(context, node, container):
        before, added = constantly(result), (lambda left=result, item=item: add(left, item()))
        result = choose(context, node, kept, added, before)
    return result


def is_bool(operand: Operand) -> bool:
    """Whether an operand is a truth value, which `0 +` turns into a number."""
    return isinstance(operand, (bool, np.bool_)) or (
        isinstance(operand, Value) and type_of(operand).dtype.kind == "b"
    )


def exists(wanted: bool) -> Callable[..., Operand]:
    """`any` (an item that is true is wanted) or `all` (none that is false)."""
    name = "any" if wanted else "all"

    def handler(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
        (container,) = positional
        check_iterable(context, node, container)
        if not is_known(container):
            return exists_at_run_time(context, node, container, wanted)
        result: Operand = not wanted
        for kept, item in candidates(context, node, container):

            def decide(kept: Operand = kept, item: Callable[[], Operand] = item) -> Operand:
                return choose(context, node, kept, lambda: truth(context, node, item), lambda: not wanted)

            if not isinstance(result, Value):
                result = decide()
            elif wanted:
                result = choose(context, node, result, constantly(result), decide)
            else:
                result = choose(context, node, result, decide, constantly(result))
            if not isinstance(result, Value) and result is wanted:
                return wanted
        return operation(context, node, registry[bool], (result,)) if is_numpy_bool(result) else result

    def truth(context: Context, node: ast.AST, item: Callable[[], Operand]) -> Operand:
        operand = item()
        if not isinstance(operand, Value):
            return bool(operand)
        if rank_of(operand):
            raise context.refuse(
                node, "the truth of an array is ambiguous", f"use `np.{name}`, or compare its elements"
            )
        return operand if is_bool(operand) else operation(context, node, registry[bool], (operand,))

    return handler


def is_numpy_bool(operand: Operand) -> bool:
    return isinstance(operand, Value) and not type_of(operand).python


def exists_at_run_time(context: Context, node: ast.AST, container: Operand, wanted: bool) -> Operand:
    rewriting = Rewriting(context, node, container)
    name = rewriting.name("found" if wanted else "holds")
    test = "_" if wanted else "not _"
    leave = "; break" if len(rewriting.clauses) == 1 else ""
    return rewriting.run(
        name,
        f"{name} = {not wanted}",
        lambda item: [rewriting.statement(f"if {test}: {name} = {wanted}{leave}", item)],
    )


def extremum(function: Any) -> Callable[..., Operand]:
    """`max` or `min`."""

    def handler(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
        for name in keywords:
            if name not in ("key", "default"):
                raise context.refuse(
                    node, f"the argument `{name}` of `{function.__name__}` is not known", "leave it out"
                )
        key = keywords.get("key")
        if len(positional) > 1:
            found = positional
        else:
            check_iterable(context, node, positional[0])
            if not is_known(positional[0]):
                return extremum_at_run_time(context, node, function, positional[0], keywords)
            found = list(items(context, node, positional[0]))
        if not found:
            if "default" in keywords:
                return keywords["default"]
            reason = f"`{function.__name__}` is asked for nothing: this fails with ValueError"
            raise context.refuse(node, reason, "give it a `default=`")
        if key is not None:
            return by_key(context, node, function, found, key)
        return functools.reduce(lambda best, item: better(context, node, function, best, item), found)

    return handler


def extremum_at_run_time(
    context: Context, node: ast.AST, function: Any, container: Operand, keywords: Keywords
) -> Operand:
    """The same, of items whose number is not known: `np.max` of them, or a loop that compares their keys."""
    from ad_compiler.frontend.comprehensions import listed

    if "default" in keywords:
        reason = f"`{function.__name__}` runs over items whose number is not known while compiling"
        raise context.refuse(node, reason, "ask whether there are items, and leave out `default=`")
    several = listed(context, node, container) if isinstance(container, Iteration) else container
    if "key" in keywords:
        return by_key_at_run_time(context, node, function, several, keywords["key"])
    if not is_list(several) and rank_of(several) > 1:
        reason = f"`{function.__name__}` compares the rows of an array"
        raise context.refuse(node, reason, f"use `np.{function.__name__}`, or a `key=`")
    stacked = operation(context, node, registry["list_stack"], (several,)) if is_list(several) else several
    reduction = registry[getattr(np, function.__name__)]
    return operation(context, node, reduction, reduction.bind([stacked], {}))


def by_key_at_run_time(
    context: Context, node: ast.AST, function: Any, several: Operand, key: Operand
) -> Operand:
    from ad_compiler.frontend.attributes import item as item_of

    place = ast.copy_location(ast.Subscript(Given(several), Given(0), ast.Load()), node)
    first = item_of(context, place, several, 0)
    rest = item_of(context, place, several, slice(1, None))
    rewriting = Rewriting(context, node, rest)
    best, best_key = rewriting.bind("best", first), rewriting.name("best_key")
    called, item_key = rewriting.bind("key", key), rewriting.name("item_key")
    sign = ">" if function is max else "<"
    return rewriting.run(
        best,
        f"{best_key} = {called}({best})",
        lambda item: [
            rewriting.statement(f"{item_key} = {called}(_)", item),
            rewriting.statement(f"if {item_key} {sign} {best_key}: {best}, {best_key} = _, {item_key}", item),
        ],
    )


def better(context: Context, node: ast.AST, function: Any, best: Operand, item: Operand) -> Operand:
    if isinstance(best, Value) or isinstance(item, Value):
        return operation(context, node, registry[function], (best, item))
    from ad_compiler.frontend.operations import evaluate

    return evaluate(context, node, function, best, item)


def by_key(context: Context, node: ast.AST, function: Any, found: list[Operand], key: Operand) -> Operand:
    """The first item whose key is best."""
    from ad_compiler.frontend.calls import call_operand
    from ad_compiler.frontend.comparisons import compare_two

    op = ast.Gt() if function is max else ast.Lt()
    best, *rest = found
    best_key = call_operand(context, node, key, [best], {})
    for item in rest:
        item_key = call_operand(context, node, key, [item], {})
        wins = compare_two(context, node, op, item_key, best_key)
        best, best_key = choose(
            context, node, wins, constantly((item, item_key)), constantly((best, best_key))
        )
    return best


def sequence(cls: type) -> Callable[..., Operand]:
    """`tuple` or `list`."""

    def handler(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
        if not positional:
            return cls()
        (container,) = positional
        if cls is list and is_list(container):
            return copied(context, node, container)
        if cls is tuple and is_list(container):
            return copied(context, node, container)
        if isinstance(container, Value) and rank_of(container) and not is_known(container):
            return operation(context, node, registry["list_rows"], (container, None))
        if isinstance(container, Iteration) and not is_known(container):
            from ad_compiler.frontend.comprehensions import listed

            return listed(context, node, container)
        return cls(elements_of(context, node, container))

    return handler


def dictionary(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
    """`dict` of a dict or of pairs, and of keywords."""
    result: dict[Any, Operand] = {}
    if positional and isinstance(positional[0], dict):
        result.update(positional[0])
    elif positional:
        for pair in elements_of(context, node, positional[0]):
            key, value = elements_of(context, node, pair)
            if isinstance(key, (Value, list, dict, Record, Iteration)):
                raise context.refuse(node, "a key is not known while compiling", "use constant keys")
            result[key] = value
    return {**result, **keywords}


def reduced(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
    """`functools.reduce(function, items, start)`."""
    from ad_compiler.frontend.calls import call_operand

    function, container, *start = positional
    check_iterable(context, node, container)
    if not is_known(container):
        if not start:
            reason = "`reduce` begins with the first of items whose number is not known while compiling"
            raise context.refuse(node, reason, "give it a start: `reduce(f, items, start)`")
        rewriting = Rewriting(context, node, container)
        name, first = rewriting.name("result"), rewriting.bind("start", start[0])
        called = rewriting.bind("function", function)
        return rewriting.run(
            name,
            f"{name} = {first}",
            lambda item: [rewriting.statement(f"{name} = {called}({name}, _)", item)],
        )
    walk = items(context, node, container)
    try:
        result = start[0] if start else next(walk)
    except StopIteration:
        raise context.refuse(
            node, "`reduce` of nothing: this fails with TypeError", "give it a start"
        ) from None
    for item in walk:
        result = call_operand(context, node, function, [result, item], {})
    return result


def product(context: Context, node: ast.AST, positional: Arguments, keywords: Keywords) -> Operand:
    """`math.prod(items, start=1)`."""
    from ad_compiler.frontend.expressions import apply_binary

    (container,) = positional
    result: Operand = keywords.get("start", 1)
    check_iterable(context, node, container)
    if not is_known(container):
        if isinstance(container, Value):
            raise context.refuse(node, "`math.prod` loops over an array", "use `np.prod`")
        rewriting = Rewriting(context, node, container)
        name, first = rewriting.name("product"), rewriting.bind("start", result)
        return rewriting.run(
            name, f"{name} = {first}", lambda item: [rewriting.statement(f"{name} = {name} * _", item)]
        )
    for item in items(context, node, container):
        plain = not isinstance(result, Value) and isinstance(result, int) and result == 1
        result = (
            item if plain and not is_bool(item) else apply_binary(context, node, operator.mul, result, item)
        )
    return result


def key_for(context: Context, node: ast.AST, key: Operand, item: Operand) -> Operand:
    from ad_compiler.frontend.calls import call_operand

    return call_operand(context, node, key, [item], {})


def has_values(operand: Operand) -> bool:
    return any(True for _ in values_in(operand))


FOLDS: dict[Any, Callable[..., Operand]] = {
    sum: total,
    any: exists(True),
    all: exists(False),
    max: extremum(max),
    min: extremum(min),
    tuple: sequence(tuple),
    list: sequence(list),
    dict: dictionary,
    functools.reduce: reduced,
    math.prod: product,
}
