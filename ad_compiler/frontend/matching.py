"""`match`: what is known of the subject while compiling chooses a case; numbers are compared at run time.

    match x:                          if x == 0:
        case 0: A                         A
        case n if n > 1: B     ->     else:
        case _: C                         n = x
                                          if n > 1: B
                                          else: C

A pattern gives a condition, known or to be computed, and the names it binds.
"""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

from ad_compiler.frontend.context import Context, Given, lower, rewrites
from ad_compiler.frontend.iteration import constantly
from ad_compiler.frontend.operations import operation
from ad_compiler.ir import Iteration, Operand, Record, Value
from ad_compiler.rules.notation import registry

Bindings = list[tuple[str, Operand]]


class Matched(NamedTuple):
    condition: Operand  # a bool, or a value that will be one
    bindings: Bindings = []  # noqa: RUF012 -- never changed


YES, NO = Matched(True), Matched(False)
_WHOLE = (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple)


@rewrites(ast.Match)
def match(context: Context, node: ast.Match) -> list[ast.stmt]:
    """The statements that a `match` comes to: a case, or an `if` over it and the cases after it."""
    subject = lower(context, node.subject)
    for place, case in enumerate(node.cases):
        found = matched(context, case.pattern, subject)
        if not isinstance(found.condition, Value) and not found.condition:
            continue
        following: list[ast.stmt] = []
        if node.cases[place + 1 :]:
            rest = ast.Match(Given(subject), node.cases[place + 1 :])
            following = [ast.copy_location(rest, node.cases[place + 1].pattern)]
        bindings = [
            placed(ast.Assign([ast.Name(name, ast.Store())], Given(operand)), case.pattern)
            for name, operand in found.bindings
        ]
        if case.guard is not None:
            guarded = headed(context, ast.If(case.guard, case.body, following), case)
            statements = [*bindings, guarded]
        else:
            statements = [*bindings, *case.body]
        if not isinstance(found.condition, Value):
            return statements
        return [headed(context, ast.If(Given(found.condition), statements, following), case)]
    return []


def headed(context: Context, node: ast.If, case: ast.match_case) -> ast.If:
    """Place an `if` at the head of its case, from the word `case` on where that is on the same line."""
    last = case.pattern if case.guard is None else case.guard
    ast.copy_location(node, case.pattern)
    node.end_lineno, node.end_col_offset = last.end_lineno, last.end_col_offset
    line = context.here.source.lines[node.lineno - 1]
    column = line[: node.col_offset].rfind("case")
    node.col_offset = node.col_offset if column < 0 else column
    return node


def placed(node: ast.stmt, like: ast.AST) -> ast.stmt:
    return ast.fix_missing_locations(ast.copy_location(node, like))


def matched(context: Context, pattern: ast.pattern, subject: Operand) -> Matched:
    """Whether a pattern fits, and what it binds."""
    if isinstance(pattern, ast.MatchValue):
        return Matched(equal(context, pattern, subject, lower(context, pattern.value)))
    if isinstance(pattern, ast.MatchSingleton):
        return Matched(is_singleton(context, pattern, subject, pattern.value))
    if isinstance(pattern, ast.MatchAs):
        inner = YES if pattern.pattern is None else matched(context, pattern.pattern, subject)
        return inner if pattern.name is None else bind(inner, pattern.name, subject)
    if isinstance(pattern, ast.MatchOr):
        return one_of(context, pattern, subject)
    if isinstance(pattern, ast.MatchSequence):
        return sequence(context, pattern, subject)
    if isinstance(pattern, ast.MatchMapping):
        return mapping(context, pattern, subject)
    assert isinstance(pattern, ast.MatchClass)
    return instance(context, pattern, subject)


def bind(found: Matched, name: str, operand: Operand) -> Matched:
    return Matched(found.condition, [*found.bindings, (name, operand)])


def equal(context: Context, node: ast.AST, subject: Operand, wanted: Operand) -> Operand:
    """`subject == wanted`, as a condition."""
    from ad_compiler.frontend.comparisons import compare_two
    from ad_compiler.frontend.expressions import is_number

    if isinstance(subject, Value) and not isinstance(wanted, Value) and not is_number(wanted):
        return False
    if isinstance(subject, Record) and not isinstance(wanted, Record):
        return False
    return compare_two(context, node, ast.Eq(), subject, wanted)


def is_singleton(context: Context, node: ast.AST, subject: Operand, wanted: bool | None) -> Operand:
    """`subject is wanted`: a truth value of Python's is decided at run time, a number is none."""
    if not isinstance(subject, Value):
        return subject is wanted
    from ad_compiler.frontend.builtin_calls import class_of

    if wanted is None or class_of(subject) is not bool:
        return False
    return subject if wanted else operation(context, node, registry["not"], (subject,))


def join(context: Context, node: ast.AST, parts: list[Matched]) -> Matched:
    """All of the parts fit."""
    from ad_compiler.frontend.branches import choose

    condition: Operand = True
    bindings: Bindings = []
    for part in parts:
        if not isinstance(part.condition, Value) and not part.condition:
            return NO
        bindings += part.bindings
        if not isinstance(condition, Value):
            condition = part.condition
        elif isinstance(part.condition, Value):
            condition = choose(context, node, condition, constantly(part.condition), constantly(condition))
    return Matched(condition, bindings)


def one_of(context: Context, pattern: ast.MatchOr, subject: Operand) -> Matched:
    """The first alternative that fits."""
    from ad_compiler.frontend.branches import choose

    condition: Operand = False
    for alternative in pattern.patterns:
        found = matched(context, alternative, subject)
        if not isinstance(found.condition, Value):
            if not found.condition:
                continue
            if not isinstance(condition, Value):
                return found
            if not found.bindings:
                return YES
        if found.bindings:
            reason = "which alternative binds these names is not known while compiling"
            raise context.refuse(pattern, reason, "write a `case` for each alternative")
        if not isinstance(condition, Value):
            condition = found.condition
        else:
            condition = choose(
                context, pattern, condition, constantly(condition), constantly(found.condition)
            )
    return Matched(condition)


def sequence(context: Context, pattern: ast.MatchSequence, subject: Operand) -> Matched:
    if isinstance(subject, Iteration) and not subject.iterator:
        raise context.refuse(pattern, "a range is not known while compiling", "compare its bounds")
    if isinstance(subject, Record) and issubclass(subject.cls, tuple):
        subject = tuple(subject.fields.values())
    if not isinstance(subject, (tuple, list, range)):
        return NO
    parts, found = pattern.patterns, list(subject)
    starred = next((part for part in parts if isinstance(part, ast.MatchStar)), None)
    if len(found) < len(parts) - 1 or (starred is None and len(found) != len(parts)):
        return NO
    if starred is None:
        return join(context, pattern, [matched(context, p, x) for p, x in zip(parts, found, strict=True)])
    star = parts.index(starred)
    end = len(found) - (len(parts) - star - 1)
    together = [
        *zip(parts[:star], found[:star], strict=True),
        *zip(parts[star + 1 :], found[end:], strict=True),
    ]
    result = join(context, pattern, [matched(context, p, x) for p, x in together])
    return result if starred.name is None else bind(result, starred.name, found[star:end])


def mapping(context: Context, pattern: ast.MatchMapping, subject: Operand) -> Matched:
    if not isinstance(subject, dict):
        return NO
    keys = [lower(context, key) for key in pattern.keys]
    if any(key not in subject for key in keys):
        return NO
    parts = [matched(context, p, subject[key]) for p, key in zip(pattern.patterns, keys, strict=True)]
    result = join(context, pattern, parts)
    if pattern.rest is None:
        return result
    return bind(result, pattern.rest, {key: item for key, item in subject.items() if key not in keys})


def instance(context: Context, pattern: ast.MatchClass, subject: Operand) -> Matched:
    from ad_compiler.frontend.builtin_calls import is_instance

    cls: Any = lower(context, pattern.cls)
    if not isinstance(cls, type):
        raise context.refuse(pattern.cls, "a class is needed here", "name a class")
    if not is_instance(subject, cls):
        return NO
    if cls in _WHOLE:
        parts = [matched(context, inner, subject) for inner in pattern.patterns]
    else:
        names: tuple[str, ...] = getattr(cls, "__match_args__", ())
        if len(pattern.patterns) > len(names):
            reason = f"`{cls.__name__}` has {len(names)} attributes to match by position"
            raise context.refuse(pattern, reason, "name the attributes")
        parts = [
            matched(context, inner, attribute(context, inner, subject, name))
            for name, inner in zip(names, pattern.patterns, strict=False)
        ]
    for name, inner in zip(pattern.kwd_attrs, pattern.kwd_patterns, strict=True):
        parts.append(matched(context, inner, attribute(context, inner, subject, name)))
    return join(context, pattern, parts)


def attribute(context: Context, node: ast.AST, owner: Operand, name: str) -> Operand:
    from ad_compiler.frontend import attributes

    synthetic = ast.copy_location(ast.Attribute(Given(owner), name, ast.Load()), node)
    return attributes.get(context, synthetic, owner, name)
