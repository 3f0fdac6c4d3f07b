"""The suite of derivatives: the formulas by hand, ours, and who takes part."""

from typing import Any

import pytest

from benchmarks.derivatives import LINEUP, PROGRAMS
from benchmarks.derivatives.contenders import ours
from benchmarks.harness.agreement import require_equal
from benchmarks.harness.contenders import AUTOGRAD, JAX, NATIVE, OURS
from benchmarks.harness.program import times_faster


@pytest.mark.parametrize("name", PROGRAMS)
def test_formulas_by_hand(name: str) -> None:
    program = PROGRAMS[name]
    require_equal(ours(program)(), program.by_hand(*program.arguments()))


@pytest.mark.parametrize("name", PROGRAMS)
def test_native_code_is_held_against_jax(name: str) -> None:
    program: Any = PROGRAMS[name]
    assert program.name == name
    assert str(times_faster(1.0, JAX, NATIVE)) in map(str, program.targets)
    assert {NATIVE, OURS, JAX, AUTOGRAD} - set(program.left_out) <= set(LINEUP.contenders)
