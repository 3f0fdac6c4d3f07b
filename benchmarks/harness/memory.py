"""Peak memory of the derivative and of the primal, and how it grows with the number of steps."""

import gc
import math
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ad_compiler import Unsupported
from benchmarks.harness.agreement import require_equal
from benchmarks.harness.contenders import BY_HAND, OURS, PRIMAL, Gradient, by_hand, ours, primal
from benchmarks.harness.program import Program

# The allocations of the other contenders are not Python's, so that tracemalloc would not see them.
MEASURED: dict[str, Callable[[Program], Gradient]] = {PRIMAL: primal, BY_HAND: by_hand, OURS: ours}


@dataclass(frozen=True, kw_only=True)
class MemoryCase:
    """A program, what grows in its inputs, and how fast the peak of its derivative may grow."""

    title: str
    program: Program
    grows: str
    sizes: tuple[int, ...]
    inputs: Callable[[int], tuple[Any, ...]]
    exponent_at_most: float = math.inf
    bytes_per_step_at_most: float = math.inf


@dataclass(frozen=True)
class MemoryResult:
    """Peak bytes by contender, one for each size."""

    case: MemoryCase
    peaks: dict[str, list[int]] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name of the row."""
        return self.case.title

    def exponent(self, name: str) -> float:
        """The power of the size with which the peak grows, at the two largest sizes."""
        (before, last), (small, large) = self.peaks[name][-2:], self.case.sizes[-2:]
        return math.log(last / before) / math.log(large / small)

    def bytes_per_step(self, name: str) -> float:
        """How many bytes one more step costs, at the two largest sizes."""
        (before, last), (small, large) = self.peaks[name][-2:], self.case.sizes[-2:]
        return (last - before) / (large - small)

    def verdicts(self) -> list[tuple[str, str, str]]:
        """Each bound on the growth, what was measured, and whether ad_compiler stays within it."""
        bounds = (
            ("growth exponent", self.case.exponent_at_most, self.exponent),
            ("bytes per step", self.case.bytes_per_step_at_most, self.bytes_per_step),
        )
        lines = []
        for what, bound, measure in bounds:
            if bound == math.inf:
                continue
            measured = measure(OURS) if OURS in self.peaks else None
            verdict = "met" if measured is not None and measured <= bound else "NOT met"
            lines.append((f"{what} <= {bound:,g}", "-" if measured is None else f"{measured:,.2f}", verdict))
        return lines


def run_memory_case(case: MemoryCase) -> MemoryResult:
    """Measure the peak of every contender at every size, its gradient being checked before."""
    result = MemoryResult(case)
    for name, build in MEASURED.items():
        try:
            gradient = build(case.program)
            peaks = [_checked_peak(case, name, gradient.function, size) for size in case.sizes]
        except Unsupported as refusal:
            result.refused[name] = str(refusal)
        except Exception as error:
            result.errors[name] = f"{type(error).__name__}: {error}"
        else:
            result.peaks[name] = peaks
    return result


def _checked_peak(case: MemoryCase, name: str, function: Callable[..., Any], size: int) -> int:
    """Compile for this size and compare with the gradient by hand, then measure another call."""
    first = function(*case.inputs(size))
    if name == OURS:
        require_equal(first, case.program.by_hand(*case.inputs(size)))
    return peak_bytes(function, case.inputs(size))


def peak_bytes(function: Callable[..., Any], arguments: tuple[Any, ...]) -> int:
    """The most memory that a call holds at once, beyond its arguments."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        function(*arguments)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
