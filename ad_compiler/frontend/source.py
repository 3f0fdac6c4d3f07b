"""Function object -> its text: the syntax tree with the line numbers of the file it was written in.

The text found must be the text that runs. A function is looked up by the line and name in its code
object; the syntax tree found is compiled again and compared with that code object, which tells two
lambdas on a line apart and catches a file that was edited after it was imported.
"""

from __future__ import annotations
import __future__

import ast
import functools
import io
import linecache
import sys
import threading
import tokenize
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from dis import opmap
from inspect import (
    CO_ASYNC_GENERATOR,
    CO_COROUTINE,
    CO_GENERATOR,
    CO_VARARGS,
    CO_VARKEYWORDS,
)
from typing import Any, cast

from ad_compiler.errors import Unsupported
from ad_compiler.generated import kept_lines
from ad_compiler.parsing import parse_module

__all__ = ["Source", "read_source"]

_AnyFunction = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_LEAVES = (ast.Name, ast.Constant, ast.expr_context, ast.operator)


@dataclass(frozen=True, eq=False)
class Source:
    """The text of one Python function.

    The syntax tree has the line numbers and columns of its file (or notebook cell). It is shared by
    everyone who reads the function: copy it before changing it.
    """

    function: types.FunctionType
    node: ast.FunctionDef | ast.Lambda
    filename: str
    lines: tuple[str, ...]
    """The whole file, without newline characters."""

    @functools.cached_property
    def comments(self) -> Mapping[int, str]:
        """Line number -> comment, for the lines of the function that hold nothing else."""
        return {
            lineno: comment
            for lineno, (column, comment) in self._comments.items()
            if not self.lines[lineno - 1][:column].strip()
        }

    def text(self, node: ast.AST) -> str:
        """The expression or simple statement on one line; of a compound statement the header."""
        lineno, column, end_lineno, end_column = self._span(node)
        if lineno == end_lineno:
            written = self.lines[lineno - 1][column:end_column]
            has_string = "'" in written or '"' in written
            return written if has_string else " ".join(written.split())
        lines = ast.unparse(node).splitlines()
        if isinstance(getattr(node, "body", None), list):
            return next(line for line in lines if not line.startswith("@"))
        return " ".join(lines)

    def refuse(self, node: ast.AST, reason: str, advice: str) -> Unsupported:
        """The error that points at `node`; of a node of several lines, at the first of them."""
        lineno, column, end_lineno, end_column = self._span(node)
        line = self.lines[lineno - 1]
        if end_lineno > lineno:
            comment_column, _ = self._comments.get(lineno, (len(line), ""))
            end_column = len(line[:comment_column].rstrip(" \t\\"))
        place = (self.filename, lineno, column + 1, line, lineno, end_column + 1)
        return Unsupported(reason, advice, *place)

    @functools.cached_property
    def _comments(self) -> dict[int, tuple[int, str]]:
        """Line number -> column and text of each comment inside the function."""
        first, column, last, end_column = self._span(self.node)
        lines = list(self.lines[first - 1 : last])
        lines[-1] = lines[-1][:end_column]
        lines[0] = " " * column + lines[0][column:]
        if not any("#" in line for line in lines):
            return {}
        # Within parentheses the tokenizer does not mind how a lambda's lines are indented.
        text = "\n".join(["(", *lines, ")"])
        return {
            first + token.start[0] - 2: (token.start[1], token.string)
            for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type == tokenize.COMMENT
        }

    def _span(self, node: ast.AST) -> tuple[int, int, int, int]:
        """First line and column, last line and column behind the end; columns are in characters.

        A node that has no place of its own (such as `ast.arguments`) has that of its first part.
        """
        placed = next((part for part in ast.walk(node) if hasattr(part, "lineno")), self.node)
        place = cast(ast.expr, placed)
        end_lineno, end_column = place.end_lineno, place.end_col_offset
        assert end_lineno is not None and end_column is not None, "a parsed node has an end"
        return (
            place.lineno,
            _characters(self.lines[place.lineno - 1], place.col_offset),
            end_lineno,
            _characters(self.lines[end_lineno - 1], end_column),
        )


def read_source(function: Callable[..., object], generator: bool = False) -> Source:
    """The text of a Python function; raises `Unsupported` where there is none.

    A function made by a decorator is read as it is: having a `__wrapped__` does not say that it
    returns what the wrapped function returns. `functools.cache`, `lru_cache` and `staticmethod` do,
    and are looked through.
    """
    plain = plain_function(function)
    filename = plain.__code__.co_filename
    module = _module_of(filename, _lines_of(plain))
    node = module.find(plain.__code__)
    if node is None:
        linecache.checkcache(filename)  # drops what is older than the file
        module = _module_of(filename, _lines_of(plain))
        node = module.find(plain.__code__)
    if node is None:
        raise _without_text(plain, found=bool(module.lines))
    source = Source(plain, cast(ast.FunctionDef, node), filename, module.lines)
    deferred = CO_COROUTINE | CO_ASYNC_GENERATOR | (0 if generator else CO_GENERATOR)
    if plain.__code__.co_flags & deferred:
        raise _deferred(source)
    return source


def compiled_function(function: Any) -> Any:
    """The Python function behind one that Numba compiles; what is given otherwise."""
    if type(function).__module__.startswith("numba.") and hasattr(function, "py_func"):
        return function.py_func
    return function


def plain_function(function: Callable[..., object]) -> types.FunctionType:
    """The function behind wrappers that return what it returns, or `Unsupported`."""
    unwrapped: Any = compiled_function(function)
    while isinstance(unwrapped, functools._lru_cache_wrapper | staticmethod):
        unwrapped = compiled_function(unwrapped.__wrapped__)
    if isinstance(unwrapped, types.FunctionType):
        return unwrapped
    kind = type(unwrapped).__name__
    name = getattr(unwrapped, "__qualname__", None)
    if name is None:
        met = f"an object of class `{type(unwrapped).__qualname__}`"
    else:
        owner = getattr(unwrapped, "__module__", None)
        met = f"`{name}` of `{owner}`" if owner else f"`{name}`"
    if hasattr(unwrapped, "__wrapped__"):
        raise Unsupported(
            f"{met} wraps a function, and may not return what that function returns",
            "pass its `__wrapped__` where the wrapper changes no result",
        )
    what = "not" if name is None else f"a {kind} and not"
    raise Unsupported(
        f"{met} is {what} a function written in Python, so it has no text to read",
        "write a Python function (`def` or `lambda`) that computes the same",
    )


def _lines_of(function: types.FunctionType) -> list[str]:
    """The lines of the file or cell a function comes from, or [] where they are not kept."""
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__) or kept_lines(code.co_filename)
    if not lines and hasattr(linecache, "_getlines_from_code"):  # prompts, from Python 3.13.1 on
        lines = linecache._getlines_from_code(code)
    if not lines and code.co_filename == "<string>" and sys.argv[:1] == ["-c"]:
        # `python -c TEXT a b`: the text stands where "-c" stands in the arguments of the program.
        lines = "".join(sys.orig_argv[-len(sys.argv) :][:1]).splitlines(keepends=True)
    return lines


def _without_text(function: types.FunctionType, *, found: bool) -> Unsupported:
    """The error for a function whose text is not kept (or, if `found`, is another by now)."""
    filename, lineno = function.__code__.co_filename, function.__code__.co_firstlineno
    name = f"`{function.__qualname__}`"
    if filename.startswith(("<stdin", "<python-input")):
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        reason = f"Python {version} did not keep the text of {name}, which came from standard input"
        advice = "define it in a file or a notebook, or at the prompt of Python 3.13 or later"
    elif filename.startswith("<"):
        reason = f"the text of {name} was run by `exec` and has not been kept"
        advice = "define it in a file or a notebook, or enter its text in `linecache.cache`"
    elif found:
        reason = (
            f"the text at this line is not what {name} was compiled from: the file changed since "
            "it was imported, or an import hook rewrote the function"
        )
        advice = "import the file again (`importlib.reload`), or start Python again"
    else:
        reason = f"the file that {name} was compiled from cannot be read"
        advice = "install the source beside the compiled file, or run from the original directory"
    return Unsupported(reason, advice, filename, lineno)


def _deferred(source: Source) -> Unsupported:
    """The error for a generator or an async function."""
    if source.function.__code__.co_flags & CO_GENERATOR:
        kind, advice = "a generator", "return the values in a tuple, a list or an array"
    else:
        kind, advice = "an async function", "await outside, and differentiate a plain function"
    reason = f"`{source.function.__name__}` is {kind}, whose body does not run when it is called"
    return source.refuse(source.node, reason, advice)


# --- the files read so far ---


@dataclass(eq=False)
class _Module:
    """One parsed file."""

    read: list[str]
    """The very list that linecache holds."""
    lines: tuple[str, ...]
    functions: dict[tuple[int, str], list[_Definition]]
    """Line and name, as code objects have them -> functions, an outer one before its inner ones."""
    found: dict[types.CodeType, _AnyFunction] = field(default_factory=dict)

    def find(self, code: types.CodeType) -> _AnyFunction | None:
        """The syntax tree that `code` was compiled from."""
        node = self.found.get(code)
        if node is None:
            definitions = self.functions.get((code.co_firstlineno, code.co_name), [])
            node = _compiled_from(definitions, code)
            if node is None and len(definitions) == 1 and self._compiles_to(code):
                node = definitions[0].node
            if node is not None:
                self.found[code] = node
        return node

    def _compiles_to(self, code: types.CodeType) -> bool:
        """Whether the whole file, compiled, holds `code`: slower than to compile one function, but
        exact where the rest of the file matters (the full names of local classes, `super`)."""
        compiled = _code_objects("".join(self.read))
        return any(_same_but_for_layout(inner, code) for inner in compiled)


_modules: dict[str, _Module] = {}
_MODULES_KEPT = 64
_quiet = threading.Lock()  # `warnings.catch_warnings` is not safe in two threads at once


def _quietly(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What a call returns, without the warnings that were shown when the file was imported."""
    with _quiet, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*arguments, **options)


def _module_of(filename: str, lines: list[str]) -> _Module:
    """The parsed file; empty where the file is no longer Python."""
    module = _modules.get(filename)
    if module is None or (module.read is not lines and module.read != lines):
        try:
            tree = _quietly(ast.parse, "".join(lines), filename)
        except (SyntaxError, ValueError):
            tree = ast.Module(body=[], type_ignores=[])
        functions: dict[tuple[int, str], list[_Definition]] = {}
        for definition in _definitions(tree):
            functions.setdefault(definition.key, []).append(definition)
        module = _Module(lines, tuple(line.rstrip("\r\n") for line in lines), functions)
        if len(_modules) >= _MODULES_KEPT:
            _modules.pop(next(iter(tuple(_modules))), None)
        _modules[filename] = module
    return module


@dataclass(frozen=True, eq=False)
class _Definition:
    """A function in a file, and what outside of it decides how it is compiled."""

    node: _AnyFunction
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


def _definitions(tree: ast.Module) -> Iterator[_Definition]:
    """All functions in a file, each before the functions inside it."""
    imported = frozenset(_imported(tree))
    waiting: list[tuple[ast.AST, str]] = [(tree, "_")]
    while waiting:
        node, class_name = waiting.pop()
        if isinstance(node, _FUNCTIONS):
            yield _Definition(node, class_name, imported)
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


# --- is this text that code? ---


def _compiled_from(definitions: list[_Definition], code: types.CodeType) -> _AnyFunction | None:
    """The one of `definitions` that `code` was compiled from.

    Inner functions come first: what is found in the code compiled from a function is then that
    function itself.
    """
    for resembles in (_same, _same_but_for_layout):
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


def _compile(definition: _Definition, code: types.CodeType, optimize: int = -1) -> Iterator[types.CodeType]:
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
    compiled = _code_objects(tree, flags=future, optimize=optimize)
    return (inner for inner in compiled if inner.co_name == code.co_name)


def _code_objects(file: str | ast.Module, **options: int) -> Iterator[types.CodeType]:
    """All functions and classes of a file, compiled; nothing where it is no longer Python."""
    try:
        code = _quietly(compile, file, "", "exec", dont_inherit=True, **options)
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


def _same_but_for_layout(compiled: types.CodeType, code: types.CodeType) -> bool:
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


def _characters(line: str, column: int) -> int:
    """A column in characters, from a column in bytes of UTF-8 (as syntax trees have)."""
    return column if line.isascii() else len(line.encode()[:column].decode())
