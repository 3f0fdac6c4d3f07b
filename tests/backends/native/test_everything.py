"""The corpus and the tables of rules under `backend="numba"`: the same tests, run by `plugin.py`.

As Python the loops of all of them run in minutes; compiling them takes hours. So every run interprets a
part, and `-m slow` interprets all of them and compiles a part.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.native.argued import AS_PYTHON, DEPARTED, REFUSED, ROUNDED

pytest.importorskip("numba")

ROOT = Path(__file__).parents[3]
CORPUS = ["tests/programs"]
RULES = [f"tests/{path.name}" for path in sorted((ROOT / "tests").glob("test_rules*.py"))]
RULES += [f"tests/test_{name}.py" for name in ("complex", "dtypes", "hard_programs", "random_numbers")]
RULES += [f"tests/test_{name}.py" for name in ("nested", "nested_functions", "third_derivatives")]


def run(paths: list[str], every: int, interpreted: bool) -> None:
    plugin = ["-p", "tests.backends.native.plugin", f"--every={every}"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugin, *paths]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": str(int(interpreted))}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:]


def test_a_part_as_python() -> None:
    run([*CORPUS, *RULES], 20, interpreted=True)


@pytest.mark.slow
def test_everything_as_python() -> None:
    run([*CORPUS, *RULES], 1, interpreted=True)


@pytest.mark.slow
@pytest.mark.parametrize(("paths", "every"), [(CORPUS, 4), (RULES, 60)], ids=["corpus", "rules"])
def test_a_part_compiled(paths: list[str], every: int) -> None:
    run(paths, every, interpreted=False)


def test_few_are_listed() -> None:
    assert len([*REFUSED, *DEPARTED, *AS_PYTHON, *ROUNDED]) <= 21
