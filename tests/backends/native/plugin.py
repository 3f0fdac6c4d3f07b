"""Runs tests under `backend="numba"` that ask for no backend.

    pytest -p tests.backends.native.plugin --every=5 tests/programs tests/test_rules.py

A test fails if its program is refused, or answered by NumPy code, for a reason that is not listed in
`argued.py`. Where all tests run (`--every=1`) it also fails if fewer are refused than listed there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numba
import pytest

import ad_compiler.backends.native.dispatch as dispatch
from ad_compiler import Unsupported
from ad_compiler.api import settings
from ad_compiler.api.settings import NativeOptions
from ad_compiler.pipeline import Backend, Program
from tests.backends.native.argued import AS_PYTHON, DEPARTED, REFUSED, ROUNDED

INTERPRETED = bool(numba.config.DISABLE_JIT)  # type: ignore[attr-defined]


class Record:
    """What happened in the test that runs."""

    def __init__(self) -> None:
        self.refusals: list[str] = []
        self.departures = 0

    def departed(self) -> None:
        self.departures += 1


record = Record()
refused: Counter[str] = Counter()

_backend_of, _compile_native = settings.backend_of, dispatch.compile_native


def backend_of(name: str, options: NativeOptions) -> Backend:
    return _backend_of("numba", {"cache": False}) if name == "numpy" else _backend_of(name, options)


def compile_native(program: Program, forwarding: list[str]) -> dispatch.Native:
    try:
        native = _compile_native(program, forwarding)
    except Unsupported as refusal:
        record.refusals.append(refusal.reason)
        raise
    native.wrapper = native.wrapper.replace("return _ad_numpy(", "_ad_departed(); return _ad_numpy(")
    native.namespace["_ad_departed"] = lambda: record.departed()
    return native


def pytest_configure() -> None:
    settings.backend_of, dispatch.compile_native = backend_of, compile_native


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every", type=int, default=1, help="run only every so manieth test")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:] = items[:: config.getoption("--every")]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    global record
    record = Record()
    try:
        result = yield
    except Unsupported as error:
        if not record.refusals:
            raise
        reasons = [reason for reason in REFUSED if any(reason in each for each in record.refusals)]
        if not reasons:
            raise AssertionError(f"not a listed refusal: {record.refusals[-1]}") from error
        refused.update(reasons[:1])
        pytest.skip(reasons[0])
    except AssertionError:
        if INTERPRETED and any(name in item.nodeid for name in AS_PYTHON):
            pytest.skip("only compiled code passes")
        if any(name in item.nodeid for name in ROUNDED):
            pytest.skip("rounded otherwise")
        raise
    if record.departures:
        assert any(name in item.nodeid for name in DEPARTED), "NumPy code has answered"
    return result


def pytest_sessionfinish(session: pytest.Session) -> None:
    most = {reason: number for reason, (number, _) in REFUSED.items()}
    more = {reason: number for reason, number in refused.items() if number > most[reason]}
    whole = session.config.getoption("--every") == 1
    fewer = {reason: refused[reason] for reason in most if refused[reason] < most[reason]} if whole else {}
    if more or fewer:
        print(f"\nmore are refused than are listed: {more}; or fewer: {fewer}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
