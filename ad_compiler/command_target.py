"""What the command line is given: a function by FILE:FUNCTION, and arguments as Python literals."""

from __future__ import annotations

import ast
import contextlib
import difflib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from ad_compiler.derivative import Derivative
from ad_compiler.errors import Unsupported
from ad_compiler.frontend.source import plain_function


class BadInput(Exception):
    """What the user asked for cannot be done: one clear line, and exit code 2."""


def load_function(target: str) -> Callable[..., Any]:
    """The function that FILE:FUNCTION names; of a derivative the function it is the derivative of.

    FILE is the path of a .py file or the dotted name of a module. Raises `BadInput`, and
    `Unsupported` where the file itself calls a derivative that is refused.
    """
    file, colon, name = target.rpartition(":")
    if not (colon and file and name):
        raise BadInput(f"{target!r} is not FILE:FUNCTION (for instance model.py:loss)")
    is_path = file.endswith(".py") or os.sep in file or "/" in file
    module = module_at(Path(file)) if is_path else module_named(file)
    owner: Any = None
    found: Any = module
    done: list[str] = []
    for part in name.split("."):
        owner, where = found, ".".join(done) or file
        try:
            found = getattr(owner, part)
        except AttributeError:
            raise BadInput(f"{where} has no function {part!r}{suggestion(part, owner)}") from None
        done.append(part)
    return plain(found, name, owner, done[-1])


def plain(found: Any, name: str, owner: Any, last: str) -> Callable[..., Any]:
    static = inspect.getattr_static(owner, last, None)
    if isinstance(owner, type) and isinstance(static, (FunctionType, Derivative)):
        raise BadInput(
            f"{name} is a method and needs its object: make one in the file, "
            f"model = {owner.__name__}(...), and name model.{last}"
        )
    if isinstance(found, Derivative):
        return found.primal
    if isinstance(found, type) or not callable(found):
        kind = "a class" if isinstance(found, type) else f"of type {type(found).__name__}"
        raise BadInput(f"{name} is {kind}, not a function")
    plain_function(getattr(found, "__func__", found))  # refuses what is not written in Python
    function: Callable[..., Any] = found
    return function


def suggestion(name: str, owner: Any) -> str:
    """Names in `owner` to choose from: the similar one, or all functions."""
    names = [key for key, value in vars(owner).items() if callable(value) and not key.startswith("_")]
    close = difflib.get_close_matches(name, names, 1)
    if close:
        return f"; did you mean {close[0]!r}?"
    own = [key for key in names if getattr(vars(owner)[key], "__module__", None) == owner.__name__]
    return f"; it has {', '.join(own)}" if own else ""


def module_at(path: Path) -> ModuleType:
    """A file, imported by its path; one inside a package as a module of the package."""
    if not path.is_file():
        wrong = f"{path} is a folder, not a .py file" if path.is_dir() else f"no such file: {path}"
        raise BadInput(wrong)
    path = path.resolve()
    root, parts = path.parent, [path.stem]
    while (root / "__init__.py").is_file():
        root, parts = root.parent, [root.name, *parts]
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    if len(parts) > 1:
        with importing(path.name):
            return importlib.import_module(".".join(parts))
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_at_path"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"{path.name} is not a .py file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    with importing(path.name):
        spec.loader.exec_module(module)
    return module


def module_named(name: str) -> ModuleType:
    """A module by its dotted name, found as `import` finds it, the current folder included."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    with importing(name):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if not f"{name}.".startswith(f"{error.name}."):
                raise
            file = Path(f"{name}.py")
            advice = f"; a file is given with its suffix: {file}" if file.is_file() else ""
            raise BadInput(f"there is no module {name!r}{advice}") from None


@contextlib.contextmanager
def importing(what: str) -> Iterator[None]:
    """Errors of the user's file in one line; what it prints goes to stderr, out of our output."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (BadInput, Unsupported):
        raise
    except (Exception, SystemExit) as error:
        raise BadInput(f"{what} cannot be imported: {failure(error)}") from None


def failure(error: BaseException) -> str:
    """An exception of the user's code in one line: its class, what it says and where it arose."""
    said = str(getattr(error, "msg", error)).strip().splitlines()
    text = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{text} ({os.path.basename(error.filename or '')}, line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename and os.path.isfile(frame.filename)]
    inner = [frame for frame in own if os.path.dirname(frame.filename) != os.path.dirname(__file__)]
    return f"{text} ({os.path.basename(inner[-1].filename)}, line {inner[-1].lineno})" if inner else text


def parse_arguments(tokens: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """Positional and named arguments out of `2.0 [1, 2] axis=0`; lists become arrays of floats."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for token in tokens:
        match = re.fullmatch(r"\s*([^\W\d]\w*)\s*=(.*)", token, re.DOTALL)
        value = as_arrays(literal(match[2] if match else token, token), token)
        if match is None:
            positional.append(value)
        elif match[1] in named:
            raise BadInput(f"--args gives {match[1]} twice")
        else:
            named[match[1]] = value
    return positional, named


def literal(text: str, token: str) -> Any:
    text = text.strip()
    try:
        return float(text) if text.strip("+-") in ("inf", "nan") else ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise BadInput(
            f"--args: {token.strip()!r} is no Python literal (a number, a list such as '[1, 2]')"
        ) from None


def as_arrays(tree: Any, token: str) -> Any:
    """Lists of numbers as arrays of floats (of bools if all are), at any depth of containers."""
    if isinstance(tree, tuple):
        return tuple([as_arrays(item, token) for item in tree])
    if isinstance(tree, dict):
        return {key: as_arrays(item, token) for key, item in tree.items()}
    if not isinstance(tree, list):
        return tree
    kinds = {type(item) for item in flattened(tree)}
    if kinds - {int, float, bool}:
        return [as_arrays(item, token) for item in tree]
    try:
        return np.array(tree, dtype=bool if kinds == {bool} else np.float64)
    except ValueError:
        raise BadInput(f"--args: the rows of {token.strip()!r} differ in length") from None


def flattened(tree: Any) -> Iterator[Any]:
    if isinstance(tree, list):
        for item in tree:
            yield from flattened(item)
    else:
        yield tree
