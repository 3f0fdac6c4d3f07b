"""Run one program: build every contender, compare the gradients, then time them."""

from dataclasses import dataclass, field

from ad_compiler import Unsupported
from benchmarks.harness.agreement import require_equal
from benchmarks.harness.contenders import PRIMAL, Gradient, Lineup, primal
from benchmarks.harness.measure import Effort, Statistic, interleaved, seconds_of_first_call
from benchmarks.harness.program import Compared


@dataclass(frozen=True)
class ProgramResult:
    """Seconds by contender; `errors` names the contenders that could not be timed, and why.

    `refused` holds the reason if ad_compiler says that it does not differentiate the program.
    """

    program: Compared
    lineup: Lineup
    call: dict[str, float] = field(default_factory=dict)
    build: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The name of the row."""
        return self.program.title

    def ratio(self, numerator: str, denominator: str) -> float | None:
        """The ratio of two contenders' times for one call, if both were timed."""
        if numerator in self.call and denominator in self.call:
            return self.call[numerator] / self.call[denominator]
        return None

    def verdicts(self) -> list[tuple[str, str, str]]:
        """Each target, the ratio measured, and the verdict; an absent rival decides nothing."""
        lines = []
        for target in self.program.targets:
            ratio = self.ratio(target.slower, target.faster)
            if target.subject not in self.call:
                verdict = "NOT met"
            elif ratio is None:
                verdict = "not measured"
            else:
                verdict = "met" if target.is_met(ratio) else "NOT met"
            lines.append((str(target), "-" if ratio is None else f"{ratio:.2f}", verdict))
        return lines


def run_program(program: Compared, lineup: Lineup, effort: Effort, statistic: Statistic) -> ProgramResult:
    """Build, check and time `program` in every contender of `lineup` that is installed.

    A contender that fails, or whose gradient differs from the one by hand, is an error in the
    result and is not timed. What is compared is the result of a second call, so that one which
    changes its arguments is found out, too.
    """
    result = ProgramResult(program, lineup)
    expected = program.by_hand(*program.arguments())
    ready: dict[str, Gradient] = {}
    for name, build in lineup.taking_part(program).items():
        try:
            gradient = build(program)
            seconds = seconds_of_first_call(gradient)
            require_equal(gradient(), expected)
        except Unsupported as refusal:
            result.refused[name] = str(refusal)
        except Exception as error:
            result.errors[name] = f"{type(error).__name__}: {error}"
        else:
            ready[name] = gradient
            if gradient.compiles:
                result.build[name] = seconds
    if PRIMAL not in program.left_out:
        ready[PRIMAL] = primal(program)
    result.call.update(interleaved(ready, effort, statistic))
    return result
