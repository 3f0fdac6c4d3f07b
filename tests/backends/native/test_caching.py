"""Compiled code on disk: found again, made anew when damaged, safe with several processes at once."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad
from ad_compiler.backends.native import caching
from ad_compiler.backends.native.run_time.support import MODULE_OF
from tests.helpers import function_from_source

pytest.importorskip("numba")

PROGRAM = """
import numpy as np
from ad_compiler import grad

def f(x, y):
    return np.sum(np.sin(x) * y[::-1]) + 0.0 * np.linalg.det(np.outer(x, y))

gradient = grad(f, (0, 1), backend="numba")
x, y = np.arange(3.0), np.array([0.5, 1.5, -2.0])
a, b = gradient(x, y)
np.testing.assert_allclose(a, np.cos(x) * y[::-1], rtol=1e-14)
np.testing.assert_allclose(b, np.sin(x)[::-1], rtol=1e-14)
stats = gradient.native.stats
print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def start(program: Path, cache: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "AD_COMPILER_CACHE_DIR": cache, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("NUMBA_CACHE_DIR", None)
    command = [sys.executable, str(program)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(program: Path, cache: str) -> str:
    process = start(program, cache)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output.strip()


def test_the_second_process_compiles_nothing(program: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    assert run(program, cache) == "0 1"
    assert run(program, cache) == "1 0"
    (entry,) = (tmp_path / "cache" / "native").iterdir()
    assert entry.name.startswith("f_grad_")


def test_a_damaged_entry_is_made_anew(program: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    run(program, cache)
    kept = [path for path in (tmp_path / "cache").rglob("*") if path.suffix in (".nbi", ".nbc")]
    assert len(kept) == 2
    for path in kept:
        path.write_bytes(b"not what Numba wrote")
    run(program, cache)
    (text,) = (tmp_path / "cache").rglob("*.py")
    text.write_text("def f_grad(:")
    run(program, cache)
    assert run(program, cache) == "1 0"


def test_no_cache(program: Path, tmp_path: Path) -> None:
    assert run(program, "0") == "0 1"
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    assert run(program, str(blocked)) == "0 1"


BASE = """
def helper(x):
    return np.sin(x) * FACTOR
def outer(shift):
    def f(x, power={default}):
        return np.sum(helper(x + shift) ** power) + len(NAMES)
    return f
"""
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "as it was": (BASE, {}),
    "another global": (BASE, {"FACTOR": 3.0}),
    "another constant": (BASE, {"NAMES": ("a",)}),
    "another helper": (BASE.replace("np.sin", "np.cos"), {}),
    "another closure": (BASE, {"shift": 0.5}),
    "another default": (BASE, {"default": 3}),
    "a kind of its own": (BASE, {"FACTOR": np.float32(2.0)}),
}


def test_what_has_changed_is_compiled_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is the text that is compiled: whatever of the program is in it decides, and nothing else."""
    monkeypatch.setenv("AD_COMPILER_CACHE_DIR", str(tmp_path))
    x = np.array([0.3, -0.8, 1.1])
    entries = set()
    for name, (text, changes) in VARIANTS.items():
        known = {"FACTOR": 2.0, "NAMES": ("a", "b"), "shift": 0.25, "default": 2} | changes
        shift, source = known.pop("shift"), text.format(default=known.pop("default"))
        f = function_from_source(source, **known)(shift)
        derivative = grad(f, backend="numba")
        np.testing.assert_allclose(derivative(x), grad(f)(x), rtol=1e-6, err_msg=name)
        hits = sum(derivative.native.stats.cache_hits.values())
        entry = Path(derivative.native.py_func.__code__.co_filename).parent.name
        assert hits == (entry in entries), name
        entries.add(entry)
    assert len(entries) >= 3


def test_another_version_compiles_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AD_COMPILER_CACHE_DIR", str(tmp_path))
    for version, hits in (("one", 0), ("one", 1), ("two", 0)):
        monkeypatch.setattr(caching, "fingerprint", lambda version=version: version)
        derivative = grad(function_from_source("def f(x):\n    return x * x"), backend="numba")
        assert derivative(3.0) == 6.0
        assert sum(derivative.native.stats.cache_hits.values()) == hits


AS_PYTHON = {"ad_compiler.forking", "ad_compiler.parsing"}  # what is called by Python alone


def test_the_key_holds_every_file_that_compiled_code_calls() -> None:
    """Helper functions are compiled into what calls them; the files that define them are part of the key."""
    here, within = Path(caching.__file__).parent, "ad_compiler.backends.native."
    imported = {"support", "departure", "chunks", *MODULE_OF.values()}
    waiting = [f"run_time.{name}" for name in imported] + ["numba_extensions.releasing"]
    found = set()
    while waiting:
        name = waiting.pop()
        assert name.split(".")[0] in caching.COMPILED_PACKAGES, name
        found.add(name)
        for node in ast.walk(ast.parse((here / f"{name.replace('.', '/')}.py").read_text())):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            if module is not None and module.startswith("ad_compiler") and module not in AS_PYTHON:
                assert module.startswith(within)
                waiting.append(module.removeprefix(within))
    assert len(found) > 15


@pytest.mark.slow
def test_eight_processes_at_once_one_of_them_killed(program: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    processes = [start(program, cache) for _ in range(8)]
    time.sleep(3)
    processes[0].send_signal(signal.SIGKILL)
    for process in processes[1:]:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    processes[0].communicate()
    assert run(program, cache) in ("1 0", "0 1")
    assert run(program, cache) == "1 0"
    entries = [path.name for path in (tmp_path / "cache" / "native").iterdir()]
    assert len([name for name in entries if not name.startswith(".new_")]) == 1
