"""The harness: who takes part, what is compared before timing, and how targets are judged."""

import os
from statistics import median
from typing import Any

import numpy as np
import pytest

from benchmarks.harness import caches, report
from benchmarks.harness.contenders import (
    HANDWRITTEN,
    JAX,
    NATIVE,
    ON_NUMBA,
    OURS,
    PRIMAL,
    TORCH_COMPILE,
    Gradient,
    Lineup,
    by_hand,
)
from benchmarks.harness.costs import CostResult, duration, in_new_process
from benchmarks.harness.measure import Effort
from benchmarks.harness.program import Program, times_faster, times_slower
from benchmarks.harness.run_program import ProgramResult, run_program
from benchmarks.native import PROGRAMS

SHORT = Effort(rounds=1, sample=1e-6, patience=0.1)


def square(x: Any) -> Any:
    return np.sum(x * x)


def program(**changes: Any) -> Program:
    return Program(
        name="square",
        title="a square",
        function=square,
        argnums=(0,),
        inputs=lambda: (np.arange(3.0),),
        by_hand=lambda x: 2.0 * x,
        in_torch=lambda: square,
        **changes,
    )


def lineup(**others: Any) -> Lineup:
    contenders = {"by hand": by_hand, **others}
    return Lineup(subject=NATIVE, by_hand="by hand", standards=(PRIMAL, "by hand"), contenders=contenders)


def wrong(program: Program) -> Gradient:
    return Gradient(lambda x: 2.0000001 * x, program.inputs())


def test_a_wrong_gradient_is_an_error_and_is_not_timed() -> None:
    result = run_program(program(), lineup(wrong=wrong), SHORT, median)
    assert set(result.call) == {PRIMAL, "by hand"}
    assert list(result.errors) == ["wrong"]
    assert "gradient 0 is off" in result.errors["wrong"]


def test_the_primal_can_be_left_out() -> None:
    result = run_program(program(left_out={PRIMAL: "too slow"}), lineup(), SHORT, median)
    assert set(result.call) == {"by hand"}
    assert "a square: primal: too slow" in report.left_out([result])


def test_a_contender_without_a_version_of_the_program_takes_no_part() -> None:
    assert HANDWRITTEN not in ON_NUMBA.taking_part(program())
    assert OURS in ON_NUMBA.taking_part(program())


def test_what_is_slow_to_build_is_left_out_of_quick_runs() -> None:
    assert TORCH_COMPILE in ON_NUMBA.contenders
    assert TORCH_COMPILE not in ON_NUMBA.quick().contenders
    assert ON_NUMBA.quick().subject == NATIVE


@pytest.mark.parametrize(
    ("times", "verdicts"),
    [
        ({NATIVE: 1.0, JAX: 3.0, HANDWRITTEN: 0.9}, ["met", "met"]),
        ({NATIVE: 1.0, JAX: 1.9, HANDWRITTEN: 0.5}, ["NOT met", "NOT met"]),
        ({NATIVE: 1.0, HANDWRITTEN: 0.9}, ["not measured", "met"]),  # a rival that is not installed
        ({JAX: 3.0, HANDWRITTEN: 0.9}, ["NOT met", "NOT met"]),  # the judged one has no result
    ],
)
def test_targets_are_those_of_their_subject(times: dict[str, float], verdicts: list[str]) -> None:
    targets = (times_faster(2, JAX, NATIVE), times_slower(1.3, HANDWRITTEN, NATIVE))
    result = ProgramResult(program(targets=targets), ON_NUMBA, call=times)
    assert [verdict for _, _, verdict in result.verdicts()] == verdicts


@pytest.mark.parametrize(
    ("seconds", "verdict"), [({NATIVE: 0.2}, "met"), ({NATIVE: 0.4, HANDWRITTEN: 0.1}, "NOT met")]
)
def test_a_cost_is_judged_by_its_subject(seconds: dict[str, float], verdict: str) -> None:
    assert CostResult("start", "a start", 0.3, NATIVE, seconds).verdict()[2] == verdict


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.5, "2.5 s"), (0.3, "300 ms"), (1e-3, "1 ms"), (5e-7, "0.5 us"), (-2e-7, "-0.2 us")],
)
def test_a_duration_has_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="ValueError: no such row"):
        in_new_process("-c", "raise ValueError('no such row')")


def test_caches_are_in_a_directory_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "of the user")
    monkeypatch.delenv("AD_COMPILER_CACHE_DIR", raising=False)
    with caches.temporary():
        directory = os.path.dirname(os.environ["AD_COMPILER_CACHE_DIR"])
        assert os.path.isdir(directory)
        assert os.path.dirname(os.environ["NUMBA_CACHE_DIR"]) == directory
    assert not os.path.exists(directory)
    assert os.environ["NUMBA_CACHE_DIR"] == "of the user"
    assert "AD_COMPILER_CACHE_DIR" not in os.environ


def test_every_native_row_is_held_against_its_loops_by_hand() -> None:
    for name, row in PROGRAMS.items():
        assert row.name == name
        assert row.in_numba is not None
        assert str(times_slower(1.3, HANDWRITTEN, NATIVE)) in map(str, row.targets)
        assert any(target.slower == JAX for target in row.targets)
