"""The functions in a text, and which of them some code was compiled from.

They are compiled again, and what comes out is compared with that code: to the last byte, or else but for
where things stand in their lines.
"""

from __future__ import annotations
import __future__

import ast
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dis import opmap
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_VARARGS, CO_VARKEYWORDS
from typing import Any, cast

from ad_compiler.forking import in_forked_process
from ad_compiler.parsing import parse_module

AnyFunction = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_LEAVES = (ast.Name, ast.Constant, ast.expr_context, ast.operator)
_quiet = threading.Lock()  # `warnings.catch_warnings` is not safe in two threads at once
in_forked_process(lambda: globals().update(_quiet=threading.Lock()))


def quietly(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What a call returns, without the warnings that were shown when the file was imported."""
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*arguments, **options)


@dataclass(frozen=True, eq=False)
class Definition:
    """A function in a file, and what outside of it decides how it is compiled."""

    node: AnyFunction
    class_name: str
    """The class around it ("_" if none), which private names (`__x`) depend on."""
    imported: frozenset[str]
    """Modules and more that the file imports: Python 3.12 compiles calls such as `np.sin(x)` so."""

    @property
    def key(self) -> tuple[int, str]:
        if isinstance(self.node, ast.Lambda):
            return self.node.lineno, "<lambda>"
        first = self.node.decorator_list[0] if self.node.decorator_list else self.node
        return first.lineno, self.node.name


def definitions_in(tree: ast.Module) -> Iterator[Definition]:
    """All functions in a file, each before the functions inside it."""
    imported = frozenset(_imported(tree))
    waiting: list[tuple[ast.AST, str]] = [(tree, "_")]
    while waiting:
        node, class_name = waiting.pop()
        if isinstance(node, _FUNCTIONS):
            yield Definition(node, class_name, imported)
        elif isinstance(node, ast.ClassDef):
            class_name = node.name
        for value in vars(node).values():  # `ast.iter_child_nodes` takes twice the time
            for child in value if isinstance(value, list) else (value,):
                if isinstance(child, ast.AST) and not isinstance(child, _LEAVES):
                    waiting.append((child, class_name))


def _imported(scope: ast.AST) -> Iterator[str]:
    """The global names that import statements of a file bind."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = ((alias.asname or alias.name).partition(".")[0] for alias in node.names)
            yield from (name for name in names if name != "*")
        elif not isinstance(node, (ast.expr, ast.ClassDef, *_FUNCTIONS)):
            yield from _imported(node)


def compiled_from(definitions: list[Definition], code: types.CodeType) -> AnyFunction | None:
    """The one of `definitions` that `code` was compiled from.

    Inner functions come first: what is found in the code compiled from a function is then that
    function itself.
    """
    for resembles in (_same, same_but_for_layout):
        for definition in reversed(definitions):
            if any(resembles(compiled, code) for compiled in _compile(definition, code)):
                return definition.node
    facts = _facts(code)
    if ("name", "@pytest_ar") not in facts:  # the text of `assert`s is not compiled as it stands
        return None
    for definition in reversed(definitions):
        without_asserts = _compile(definition, code, optimize=1)
        if any(_facts(compiled) <= facts for compiled in without_asserts):
            return definition.node
    return None


def _compile(definition: Definition, code: types.CodeType, optimize: int = -1) -> Iterator[types.CodeType]:
    """Code objects made from a function that have the name of `code`, its scope imitated.

    Compiling the whole file would cost more. What `code` takes from around it becomes a variable of
    a function around the definition.
    """
    node, name = definition.node, definition.class_name
    free = [name for name in code.co_freevars if name.isidentifier() and name != "__class__"]
    lines = [f"import {name}" for name in definition.imported]
    lines += [f"def _({', '.join(free)}):"]
    lines += [f" global {name}"] if name not in free else []
    lines += [f" class {name}: pass"]
    tree = parse_module("\n".join(lines))
    enclosing = cast(ast.ClassDef, cast(ast.FunctionDef, tree.body[-1]).body[-1])
    if isinstance(node, ast.Lambda):
        enclosing.body = [ast.copy_location(ast.Expr(node), node)]
    else:
        enclosing.body = [node]
    future = code.co_flags & __future__.annotations.compiler_flag
    compiled = code_objects(tree, flags=future, optimize=optimize)
    return (inner for inner in compiled if inner.co_name == code.co_name)


def code_objects(file: str | ast.Module, **options: int) -> Iterator[types.CodeType]:
    """All functions and classes of a file, compiled; nothing where it is no longer Python."""
    try:
        code = quietly(compile, file, "", "exec", dont_inherit=True, **options)
    except SyntaxError:
        return
    yield from _nested(code)


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    """All code objects inside `code`."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _nested(constant)


def _same(compiled: types.CodeType, code: types.CodeType) -> bool:
    """Equal to the column of every instruction."""
    return _with_flags_of(code, compiled) == code


def same_but_for_layout(compiled: types.CodeType, code: types.CodeType) -> bool:
    """Equal, apart from lines and columns: Python may run with or without columns."""
    return _without_layout(_with_flags_of(code, compiled)) == _without_layout(code)


def _without_layout(code: types.CodeType) -> types.CodeType:
    constants = (
        _without_layout(constant) if isinstance(constant, types.CodeType) else constant
        for constant in code.co_consts
    )
    return code.replace(co_firstlineno=1, co_linetable=b"", co_consts=tuple(constants))


def _with_flags_of(code: types.CodeType, compiled: types.CodeType) -> types.CodeType:
    """`compiled` with the flags of `code` that tell of the scope around it, not of the function."""
    own = CO_VARARGS | CO_VARKEYWORDS | CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR
    return compiled.replace(co_flags=compiled.co_flags & own | code.co_flags & ~own)


def _facts(code: types.CodeType) -> set[object]:
    """Names, constants and placed operators: what is left where pytest has rewritten `assert`s."""
    facts: set[object] = {("name", name) for name in (*code.co_names, *code.co_varnames)}
    facts |= {("scope", code.co_freevars), ("arguments", code.co_argcount, code.co_kwonlyargcount)}
    instructions = zip(code.co_code[::2], code.co_code[1::2], code.co_positions(), strict=True)
    for operation, argument, position in instructions:
        if operation in _OPERATORS:
            facts.add((operation, argument, position))
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            facts |= _facts(constant)
        else:
            facts.add((type(constant), repr(constant)))
    return facts


_OPERATORS = frozenset(opmap[name] for name in ("BINARY_OP", "UNARY_NEGATIVE", "UNARY_INVERT"))
