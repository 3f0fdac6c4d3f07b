"""What a loop runs over: containers known while compiling, and iterators over them.

Python's `zip`, `enumerate`, `reversed`, `map` and `filter` give iterators, which are read once and
compute each item when it is asked for. They stand here as descriptions (`Zipped`, `Enumerated`, ...), so
that a `range` or an array whose length is known at run time only may stand inside. Where all lengths are
known, `items` computes the items one by one, in Python's order:

    zip((a, b), range(2))    ->    (a, 0), (b, 1)
    map(f, (a, b))           ->    f(a), and f(b) when the first one has been used

An iterator that is read a second time would be empty; that is hardly ever meant, and refused.
"""

from __future__ import annotations

import ast
import itertools
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ad_compiler.analysis.types import representative
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.scope import Scope
from ad_compiler.ir import Checkpoints, Iteration, Operand, Record, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, shape_of

WHICH_ITEMS = "which items are kept is not known while compiling"
MOST_ITEMS = 10_000  # that a loop over a list is run through, if its body appends to it
CHANGED_WHILE_READ = (
    "a container that a loop runs over is changed in the loop, in a way that is known at run time only",
    "run over a copy, `list(xs)`, or write the loop with `while`",
)
KEEP_ALL = "keep all of them, and choose with `... if ... else ...`"


@dataclass(eq=False, slots=True, repr=False)
class RunTimeRange(Iteration):
    """`range` with a bound that is known at run time only."""

    start: Operand
    stop: Operand
    step: Operand

    written = "range"
    iterator = False


@dataclass(eq=False, slots=True, repr=False)
class CheckpointedTurns(Iteration):
    """`checkpointed(...)`: what a `for` runs over whose turns the reverse sweep runs again."""

    inner: Operand
    checkpoints: Checkpoints

    written = "checkpointed"
    iterator = False


@dataclass(eq=False, slots=True, repr=False)
class Zipped(Iteration):
    parts: tuple[Operand, ...]
    strict: bool = False

    written = "zip"


@dataclass(eq=False, slots=True, repr=False)
class Paired(Zipped):
    """`itertools.pairwise` of an array: the items, each with the next. Python has read the first of a pair
    in the turn before."""

    written = "pairwise"


@dataclass(eq=False, slots=True, repr=False)
class Listed(Iteration):
    """An iterator over items that are known already."""

    inner: Operand

    written = "itertools"


@dataclass(eq=False, slots=True, repr=False)
class Enumerated(Iteration):
    inner: Operand
    start: Operand = 0

    written = "enumerate"


@dataclass(eq=False, slots=True, repr=False)
class Reversed(Iteration):
    inner: Operand

    written = "reversed"


@dataclass(eq=False, slots=True, repr=False)
class Mapped(Iteration):
    function: Operand
    parts: tuple[Operand, ...]

    written = "map"


@dataclass(eq=False, slots=True, repr=False)
class Filtered(Iteration):
    predicate: Operand
    inner: Operand

    written = "filter"


@dataclass(eq=False, slots=True, repr=False)
class Generated(Iteration):
    """A generator expression: `first` is what its first `for` runs over, `produce` gives its candidates."""

    first: Operand
    produce: Callable[[], Iterator[Candidate]]
    scope: Scope
    node: ast.ListComp | ast.DictComp | ast.GeneratorExp
    element: ast.expr

    written = "generator"


Candidate = tuple[Operand, Callable[[], Operand]]
"""A condition under which there is an item, and how to compute the item where it holds."""


def known_items(context: Context, node: ast.AST, operand: Operand) -> list[Operand] | None:
    """The items of an operand whose length is known while compiling; None where it is not.

    Iterators compute all their items now. Where the code between two items could change what the next
    one is (the body of a loop over `map`), take `items` instead.
    """
    return list(items(context, node, operand)) if is_known(operand) else None


def is_known(operand: Operand) -> bool:
    """Whether the items can be told one by one while compiling."""
    if is_list(operand):
        return False
    if isinstance(operand, Value):
        return rank_of(operand) > 0 and isinstance(representative(shape_of(operand)[0]), int)
    if isinstance(operand, (Zipped, Mapped)):
        return all(map(is_known, operand.parts))
    if isinstance(operand, (Enumerated, Reversed, Filtered, Listed)):
        return is_known(operand.inner)
    if isinstance(operand, Generated):
        return is_known(operand.first)
    if isinstance(operand, Record):
        return issubclass(operand.cls, tuple)
    return isinstance(operand, (tuple, list, str, range, dict))


def items(context: Context, node: ast.AST, operand: Operand) -> Iterator[Operand]:
    """The items of an operand that `is_known`, each computed when it is asked for."""
    if isinstance(operand, Iteration) and not isinstance(operand, (Filtered, Generated)):
        spend(context, node, operand)
    if isinstance(operand, Value):
        yield from rows(context, node, operand)
    elif isinstance(operand, Record):
        yield from operand.fields.values()
    elif isinstance(operand, Zipped):
        yield from zipped(context, node, operand)
    elif isinstance(operand, Enumerated):
        for place, item in enumerate(items(context, node, operand.inner)):
            yield counted(context, node, operand.start, place), item
    elif isinstance(operand, Listed):
        yield from operand.inner
    elif isinstance(operand, Reversed):
        yield from reversed(list(items(context, node, operand.inner)))
    elif isinstance(operand, Mapped):
        for arguments in zip(*[items(context, node, part) for part in operand.parts], strict=False):
            yield called(context, node, operand.function, *arguments)
    elif isinstance(operand, (Filtered, Generated)):
        for kept, item in candidates(context, node, operand):
            if isinstance(kept, Value):
                raise context.refuse(node, WHICH_ITEMS, KEEP_ALL)
            if kept:
                yield item()
    elif isinstance(operand, list):
        yield from items_of_list(context, node, operand)
    elif isinstance(operand, dict):
        yield from keys_of_dict(context, node, operand)
    else:
        yield from operand


def items_of_list(context: Context, node: ast.AST, container: list[Operand]) -> Iterator[Operand]:
    """The items of a list, which may be changed between two of them: a name of its own keeps track of it."""
    names, known = context.here.names, len(context.lists.changes)
    name = next(n for k in itertools.count() if (n := f"list of loop {k}") not in names)
    names[name] = container
    try:
        for place in range(MOST_ITEMS):
            held = names[name]
            if not isinstance(held, list):
                changes = context.lists.changes[known:]
                family = context.lists.family(container)
                own = [at for old, at in changes if context.lists.family(old) & family]
                raise context.refuse(own[-1] if own else node, *CHANGED_WHILE_READ)
            if place >= len(held):
                return
            yield held[place]
        raise context.refuse(node, "this loop over a list does not end", "run over a copy: `list(xs)`")
    finally:
        names.pop(name, None)


def keys_of_dict(context: Context, node: ast.AST, container: dict[Any, Operand]) -> Iterator[Operand]:
    before = list(container)
    for key in before:
        yield key
        if list(container) != before:
            raise context.refuse(node, *CHANGED_WHILE_READ)


def candidates(context: Context, node: ast.AST, operand: Operand) -> Iterator[Candidate]:
    """The items of an operand that `is_known`, with the conditions of filters, which may be run-time ones."""
    if isinstance(operand, Generated):
        spend(context, node, operand)
        yield from operand.produce()
    elif isinstance(operand, Filtered):
        spend(context, node, operand)
        for item in items(context, node, operand.inner):
            kept = item if operand.predicate is None else called(context, node, operand.predicate, item)
            yield kept, constantly(item)
    else:
        for item in items(context, node, operand):
            yield True, constantly(item)


def constantly(item: Operand) -> Callable[[], Operand]:
    return lambda: item


def spend(context: Context, node: ast.AST, iteration: Iteration) -> None:
    """Read an iterator, which can be done once."""
    if not iteration.iterator:
        return
    if iteration.spent:
        raise context.refuse(
            node,
            f"this `{iteration.written}` iterator has been read before, and is empty now",
            "make a list of it, which can be read again",
        )
    iteration.spent = True


def rows(context: Context, node: ast.AST, array: Value) -> Iterator[Operand]:
    count = representative(shape_of(array)[0])
    assert isinstance(count, int)
    for place in range(count):
        context.builder.place = (context.here.source, node)
        yield context.builder.call(registry["getitem"], (array, (place,)))


@contextmanager
def inside(context: Context, scope: Scope) -> Iterator[None]:
    """Lower in the scope of a comprehension, wherever its items are asked for."""
    caller = context.here
    context.callers.append(caller)
    context.scope = scope
    try:
        yield
    finally:
        context.scope = caller
        context.callers.pop()


def zipped(context: Context, node: ast.AST, operand: Zipped) -> Iterator[Operand]:
    rounds = zip(*[items(context, node, part) for part in operand.parts], strict=operand.strict)
    while True:
        try:
            together = next(rounds)
        except StopIteration:
            return
        except ValueError as error:
            raise context.refuse(
                node, f"this fails with ValueError: {error}", "zip what has one length"
            ) from None
        yield together


def counted(context: Context, node: ast.AST, start: Operand, place: int) -> Operand:
    if not isinstance(start, Value):
        return start + place
    from ad_compiler.frontend.expressions import apply_binary

    return apply_binary(context, node, operator.add, start, place) if place else start


def called(context: Context, node: ast.AST, function: Operand, *arguments: Operand) -> Operand:
    from ad_compiler.frontend.calls import call_operand

    return call_operand(context, node, function, list(arguments), {})


# --- the built-in functions ---


def make_range(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    if not any(isinstance(bound, Value) for bound in positional):
        try:
            return range(*positional, **keywords)
        except (TypeError, ValueError) as error:
            reason = f"this fails with {type(error).__name__}: {error}"
            raise context.refuse(node, reason, "give `range` whole numbers") from None
    for bound in positional:
        if rank_of(bound) or shape_kind(bound) not in "biu":
            raise context.refuse(node, "a bound of a range is not a whole number", "convert it with `int`")
    if len(positional) == 1:
        return RunTimeRange(0, positional[0], 1)
    start, stop, *step = positional
    return RunTimeRange(start, stop, step[0] if step else 1)


def shape_kind(bound: Operand) -> str:
    from ad_compiler.rules.shapes import type_of

    return type_of(bound).dtype.kind


def make_zip(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    for part in positional:
        check_iterable(context, node, part)
    return Zipped(tuple(positional), bool(keywords.get("strict", False)))


def make_enumerate(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    inner, *start = positional
    check_iterable(context, node, inner)
    return Enumerated(inner, start[0] if start else keywords.get("start", 0))


def make_reversed(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    (inner,) = positional
    check_iterable(context, node, inner)
    if isinstance(inner, Iteration) and inner.iterator:
        raise context.refuse(
            node, f"a `{inner.written}` iterator cannot be read backwards", "make a list of it first"
        )
    return inner[::-1] if isinstance(inner, range) else Reversed(inner)


def make_map(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    function, *parts = positional
    for part in parts:
        check_iterable(context, node, part)
    if len(parts) == 1 and isinstance(parts[0], Generated) and not is_known(parts[0]):
        from ad_compiler.frontend.comprehensions import mapped

        return mapped(context, node, function, parts[0])
    return Mapped(function, tuple(parts))


def make_filter(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    predicate, inner = positional
    check_iterable(context, node, inner)
    if not is_known(inner) and not isinstance(inner, Generated):
        from ad_compiler.frontend.comprehensions import kept

        return kept(context, node, predicate, inner)
    return Filtered(predicate, inner)


def check_iterable(context: Context, node: ast.AST, operand: Operand) -> None:
    """Refuse what is no container."""
    from ad_compiler.frontend.operations import describe_any

    if isinstance(operand, CheckpointedTurns):
        reason = "`checkpointed` is for the turns of a `for` statement, and stands inside of something else"
        raise context.refuse(node, reason, "put it around all that the statement runs over")
    if is_list(operand) or (isinstance(operand, Value) and rank_of(operand) > 0):
        return
    if is_known(operand) or isinstance(operand, Iteration):
        return
    if isinstance(operand, (set, frozenset)):
        raise context.refuse(node, "a set has no order and is not differentiated", "use a tuple or a list")
    raise context.refuse(node, f"{describe_any(operand)} has no items", "give a tuple, a list or an array")


MAKERS: dict[Any, Any] = {
    range: make_range,
    zip: make_zip,
    enumerate: make_enumerate,
    reversed: make_reversed,
    map: make_map,
    filter: make_filter,
}
