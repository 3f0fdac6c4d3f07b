"""A program has one text, in whichever process it is compiled: nothing is in the order of a hash table."""

from __future__ import annotations

import copy
import hashlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

from ad_compiler import Unsupported
from ad_compiler.making import derivative_of
from ad_compiler.testing import is_real
from tests.programs.corpus import PROGRAMS, Example
from tests.programs.test_corpus import name_of

ROOT = Path(__file__).parents[2]
KNOWN = ("integrators.bouncing_ball",)  # names that are bound in a loop, in another order once


def text_of(example: Example) -> str:
    """The derivative of a program of the corpus in its real arguments."""
    named = zip(inspect.signature(example.function).parameters, example.args, strict=False)
    real = tuple([name for name, argument in named if is_real(argument)])
    try:
        derivative = derivative_of(example.function, "vjp", real, False, example.of)
        return derivative.source_for(*copy.deepcopy(example.args))
    except (Unsupported, ValueError):
        return ""


def main() -> None:
    """Write a digest of the text of every tenth program."""
    for place, example in enumerate(PROGRAMS):
        if place % 10 == 0 or name_of(example) in KNOWN:
            print(name_of(example), hashlib.sha256(text_of(example).encode()).hexdigest())


def test_texts_are_the_same_in_every_process() -> None:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", __name__],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for seed in ("1", "3")
    ]
    first, second = (run.communicate()[0] for run in runs)
    assert first == second
    assert "integrators.bouncing_ball" in first


if __name__ == "__main__":
    main()
