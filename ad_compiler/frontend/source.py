"""Function object -> its text: the syntax tree with the line numbers of the file it was written in.

The text found must be the text that runs. A function is looked up by the line and name in its code
object; the syntax tree found is compiled again and compared with that code object, which tells two
lambdas on a line apart and catches a file that was edited after it was imported.
"""

from __future__ import annotations

import ast
import functools
import io
import linecache
import sys
import tokenize
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import (
    CO_ASYNC_GENERATOR,
    CO_COROUTINE,
    CO_GENERATOR,
)
from typing import Any, cast

from ad_compiler.errors import Unsupported
from ad_compiler.frontend.code_of_text import (
    AnyFunction,
    Definition,
    code_objects,
    compiled_from,
    definitions_in,
    quietly,
    same_but_for_layout,
)
from ad_compiler.generated import kept_lines
from ad_compiler.parsing import parse_module

__all__ = ["Source", "read_source"]


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
    functions: dict[tuple[int, str], list[Definition]]
    """Line and name, as code objects have them -> functions, an outer one before its inner ones."""
    found: dict[types.CodeType, AnyFunction] = field(default_factory=dict)

    def find(self, code: types.CodeType) -> AnyFunction | None:
        """The syntax tree that `code` was compiled from."""
        node = self.found.get(code)
        if node is None:
            definitions = self.functions.get((code.co_firstlineno, code.co_name), [])
            node = compiled_from(definitions, code)
            if node is None and len(definitions) == 1 and self._compiles_to(code):
                node = definitions[0].node
            if node is not None:
                self.found[code] = node
        return node

    def _compiles_to(self, code: types.CodeType) -> bool:
        """Whether the whole file, compiled, holds `code`: slower than to compile one function, but
        exact where the rest of the file matters (the full names of local classes, `super`)."""
        compiled = code_objects("".join(self.read))
        return any(same_but_for_layout(inner, code) for inner in compiled)


_modules: dict[str, _Module] = {}
_MODULES_KEPT = 64


def _module_of(filename: str, lines: list[str]) -> _Module:
    """The parsed file; empty where the file is no longer Python."""
    module = _modules.get(filename)
    if module is None or (module.read is not lines and module.read != lines):
        try:
            tree = quietly(parse_module, "".join(lines), filename)
        except (SyntaxError, ValueError):
            tree = ast.Module(body=[], type_ignores=[])
        functions: dict[tuple[int, str], list[Definition]] = {}
        for definition in definitions_in(tree):
            functions.setdefault(definition.key, []).append(definition)
        module = _Module(lines, tuple(line.rstrip("\r\n") for line in lines), functions)
        if len(_modules) >= _MODULES_KEPT:
            _modules.pop(next(iter(tuple(_modules))), None)
        _modules[filename] = module
    return module


def _characters(line: str, column: int) -> int:
    """A column in characters, from a column in bytes of UTF-8 (as syntax trees have)."""
    return column if line.isascii() else len(line.encode()[:column].decode())
