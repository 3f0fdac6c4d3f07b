"""The text of a native module to compiled functions."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ad_compiler.generated import keep_text

_counter = itertools.count(1)


def require_numba() -> None:
    """Raise `ImportError` with advice where Numba is missing."""
    if importlib.util.find_spec("numba") is None:
        raise ImportError('backend="numba" needs Numba: pip install "ad-compiler[native]"')


def load_text(text: str, name: str) -> ModuleType:
    """The module of a text, kept in memory only."""
    filename = f"<ad_compiler native {name} {next(_counter)}>"
    module = ModuleType(f"ad_compiler.generated.native.{name}")
    module.__file__ = filename
    keep_text(filename, text)
    exec(compile(text, filename, "exec"), module.__dict__)
    return module


@contextlib.contextmanager
def announced(name: str, after: float = 1.0) -> Iterator[None]:
    """Say on a terminal that something is compiled, once it has taken a while."""
    if not sys.stderr.isatty():
        yield
        return
    timer = threading.Timer(after, lambda: print(f"ad_compiler: compiling {name} ...", file=sys.stderr))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def compile_for(dispatcher: Any, types: tuple[Any, ...]) -> Any:
    """Compile for these types; the type of what is returned."""
    dispatcher.compile(types)
    return dispatcher.overloads[types].signature.return_type
