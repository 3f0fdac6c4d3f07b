"""Tests in a process of its own: whether loops run as Python is decided when Numba is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
HERE = "tests/backends/native"


def run_tests(paths: Sequence[str], plugins: Sequence[str], *options: str, as_python: bool = True) -> None:
    """Run the tests in files, which must pass; `plugins` are modules beside this one."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    for plugin in plugins:
        command += ["-p", f"tests.backends.native.{plugin}"]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": str(int(as_python))}
    arguments = [*command, *options, *paths]
    done = subprocess.run(arguments, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]
