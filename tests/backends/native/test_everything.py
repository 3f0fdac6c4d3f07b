"""The corpus and the tables of rules under `backend="numba"`: the same tests, run by `plugin.py`.

As Python the loops of all of them run in minutes; compiling them takes hours. So every run interprets a
part, and `-m slow` interprets all of them and compiles a part. Where they are interpreted, memory that nobody
has written shows (`unwritten.py`), and so do races of chunks (`races.py`).
"""

from __future__ import annotations

import pytest

from tests.backends.native.argued import AS_PYTHON, DEPARTED, REFUSED, ROUNDED
from tests.backends.native.processes import ROOT, run_tests

pytest.importorskip("numba")

CORPUS = ["tests/programs"]
RULES = [f"tests/{path.name}" for path in sorted((ROOT / "tests").glob("test_rules*.py"))]
RULES += [f"tests/test_{name}.py" for name in ("complex", "dtypes", "hard_programs", "random_numbers")]
RULES += [f"tests/test_{name}.py" for name in ("nested", "nested_functions", "third_derivatives")]


def run(paths: list[str], every: int, *options: str) -> None:
    run_tests(paths, ["plugin", "unwritten", "races"], f"--every={every}", *options)


def test_a_part_as_python() -> None:
    run([*CORPUS, *RULES], 30)


def test_a_part_in_chunks_as_python() -> None:
    run(CORPUS, 50, "--parallel")


@pytest.mark.slow
def test_everything_as_python() -> None:
    run([*CORPUS, *RULES], 1)


@pytest.mark.slow
def test_everything_in_chunks_as_python() -> None:
    run(CORPUS, 1, "--parallel")


@pytest.mark.slow
@pytest.mark.parametrize(("paths", "every"), [(CORPUS, 4), (RULES, 60)], ids=["corpus", "rules"])
def test_a_part_compiled(paths: list[str], every: int) -> None:
    run_tests(paths, ["plugin"], f"--every={every}", as_python=False)


def test_few_are_listed() -> None:
    assert len([*REFUSED, *DEPARTED, *AS_PYTHON, *ROUNDED]) <= 21
