"""Runs tests under `backend="numba"` that ask for no backend.

    pytest -p tests.backends.native.plugin --every=5 tests/programs tests/test_rules.py

A test fails if its program is refused, or computed by NumPy code, and is not listed in `argued.py` for that.
(That NumPy code raises what the program raises is no failure.) Where all tests are run (`--every=1`), what is
listed there, and passes in all of them, is an error too.

With `--parallel` turns of loops are shared by threads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ad_compiler.backends.native.dispatch as dispatch
import ad_compiler.backends.native.entry.entering as entering
from ad_compiler import Unsupported
from ad_compiler.api import settings
from ad_compiler.api.settings import NativeOptions
from ad_compiler.backends.native.numba_extensions.disabling import is_disabled
from ad_compiler.pipeline import Backend, Program
from tests.backends.native.argued import AS_PYTHON, DEPARTED, REFUSED, ROUNDED

INTERPRETED = is_disabled()
LISTED: list[dict[str, Any]] = [REFUSED, DEPARTED, ROUNDED, *([AS_PYTHON] if INTERPRETED else [])]


class Record:
    """What happened in the test that runs."""

    def __init__(self) -> None:
        self.refusals: list[str] = []
        self.departures = 0


record = Record()
asked: NativeOptions = {"cache": False}
met: set[str] = set()  # what is listed, and was run
needed: set[str] = set()  # what is listed rightly

_backend_of, _compile_native, _entry = settings.backend_of, dispatch.compile_native, entering.entry


def backend_of(name: str, options: NativeOptions) -> Backend:
    return _backend_of("numba", asked) if name == "numpy" else _backend_of(name, options)


def departed(numpy_code: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    result = numpy_code(*args, **kwargs)
    record.departures += 1  # it has not raised
    return result


def compile_native(program: Program, forwarding: list[str]) -> dispatch.Native:
    try:
        native = _compile_native(program, forwarding)
    except Unsupported as refusal:
        record.refusals.append(refusal.reason)
        raise
    fallback = r"( +if _ad_made is _ad_departures:\n +return )(.*)"
    native.wrapper, count = re.subn(fallback, r"\1_ad_departed(lambda: \2)", native.wrapper)
    assert count == native.wrapper.count("_ad_made is _ad_departures")
    native.namespace["_ad_departed"] = departed
    return native


def entry(convention: Any, constants: Any, kernel: Any, otherwise: Any, numpy_code: Any) -> Any:
    def counted(*args: Any, **kwargs: Any) -> Any:
        return departed(numpy_code, *args, **kwargs)

    return _entry(convention, constants, kernel, otherwise, counted)


def pytest_configure(config: pytest.Config) -> None:
    asked["parallel"] = config.getoption("--parallel")
    settings.backend_of, dispatch.compile_native, entering.entry = backend_of, compile_native, entry


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every", type=int, default=1, help="run only every so manieth test")
    parser.addoption("--parallel", action="store_true", help="share turns of loops")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:] = items[:: config.getoption("--every")]


def listed_for(item: pytest.Item, listed: dict[str, Any]) -> list[str]:
    """The names in a list that are parts of that of a test: they are needed."""
    found = [name for name in listed if name in item.nodeid]
    needed.update(found)
    return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    global record
    record = Record()
    met.update(name for listed in LISTED for name in listed if name in item.nodeid)
    try:
        result = yield
    except Unsupported as error:
        if not record.refusals:
            raise
        for name in listed_for(item, REFUSED):
            reason, argument = REFUSED[name]
            if any(reason in each for each in record.refusals):
                pytest.skip(argument)
        raise AssertionError(f"not a listed refusal: {record.refusals[-1]}") from error
    except AssertionError:
        if INTERPRETED and listed_for(item, AS_PYTHON):
            pytest.skip("only compiled code passes")
        if listed_for(item, ROUNDED):
            pytest.skip("rounded otherwise")
        raise
    if record.departures:
        assert listed_for(item, DEPARTED), "NumPy code has answered"
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    idle = met - needed if session.config.getoption("--every") == 1 else set()
    if idle and not session.testsfailed:
        print(f"\nlisted in argued.py, and passed: {sorted(idle)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
