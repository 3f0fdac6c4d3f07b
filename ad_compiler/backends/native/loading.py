"""The text of a native module to compiled functions."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from ad_compiler.backends.native.caching import cached_module, discard, seal
from ad_compiler.backends.native.numba_extensions.disabling import is_disabled
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
    # Its functions are of no module: Numba would look for one by its name, and not find what they read.
    module.__dict__["__name__"] = None
    exec(compile(text, filename, "exec"), module.__dict__)
    return module


def load_functions(
    text: str, cached: str | None, names: list[str], compiled: Callable[[list[Any]], None]
) -> list[Any]:
    """The functions of a module, compiled: from the cache if `cached`, the text for it, is given.

    What Numba finds in its cache may be damaged: it is made anew then.
    """
    from numba.core.errors import NumbaError

    found = None if cached is None or is_disabled() else cached_module(cached, names[0])
    if found is not None:
        module, path = found
        try:
            functions = [getattr(module, name) for name in names]
            compiled(functions)
            seal(path)
            return functions
        except NumbaError:
            raise
        except Exception:  # whatever unpickling a damaged file may raise
            discard(path)
    module = load_text(text, names[0])
    functions = [getattr(module, name) for name in names]
    compiled(functions)
    return functions


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
    """Compile for these types, or find it in the cache; the type of what is returned."""
    if not load_compiled(dispatcher, types):
        dispatcher.compile(types)
    return dispatcher.overloads[types].signature.return_type


def load_compiled(dispatcher: Any, types: tuple[Any, ...]) -> bool:
    """Load machine code from Numba's cache; whether it was there.

    Numba's own way sets up its registries of everything it can compile first, and imports SciPy for that: a
    quarter of a second for what is already compiled. Its runtime (reference counts) is all that is needed.
    """
    try:
        from numba.core.compiler_lock import global_compiler_lock
        from numba.core.runtime.nrt import rtsys

        load, context = dispatcher._cache._load_overload, dispatcher.targetctx
    except (ImportError, AttributeError):  # another version of Numba, or no cache
        return False
    with global_compiler_lock:
        rtsys.initialize(context)
        compiled = load(types, context)
        if compiled is None:
            return False
        dispatcher._cache_hits[types] += 1
        context.insert_user_function(compiled.entry_point, compiled.fndesc, [compiled.library])
        dispatcher.add_overload(compiled)
    return True
