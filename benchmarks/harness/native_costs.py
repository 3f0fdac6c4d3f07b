"""What compiled code costs beside its run time: a start without and with the cache, and the way into a call.

python -m benchmarks.harness.native_costs ROW CONTENDER   # one start, for `start_times`, in a new process
"""

import json
import sys
from collections.abc import Iterator
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.harness import caches
from benchmarks.harness.contenders import HANDWRITTEN, NATIVE, ON_NUMBA, is_installed, native
from benchmarks.harness.costs import CostResult, in_new_process
from benchmarks.harness.measure import FULL, interleaved
from benchmarks.harness.program import Problem, Program

COLD = 2.5  # limits in seconds
WARM = 0.3


def start_times(program: Program, repeats: int) -> list[CostResult]:
    """Time from importing ad_compiler to the first gradient, with an empty cache and then with a full one.

    Each start is a new process that has imported NumPy and Numba, and finds the bytecode of ad_compiler, as
    one that is installed does. The time of the gradient itself, that of a third call, is taken off. The
    gradient written by hand is measured beside it.
    """
    cold = CostResult(f"{program.name}_cold", f"{program.title}: cold start", COLD, NATIVE)
    warm = CostResult(f"{program.name}_warm", f"{program.title}: warm start", WARM, NATIVE)
    for name in (NATIVE, HANDWRITTEN):
        if not is_installed(name):
            continue
        try:
            starts = [*_starts(program, name, repeats)]
        except RuntimeError as error:
            cold.errors[name] = str(error)
        else:
            cold.seconds[name] = median(first for first, _ in starts)
            warm.seconds[name] = median(second for _, second in starts)
    return [cold, warm]


def _starts(program: Program, contender: str, repeats: int) -> Iterator[tuple[float, float]]:
    command = ("-m", "benchmarks.harness.native_costs", program.name, contender)
    with TemporaryDirectory() as bytecode:
        kept = {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
        with TemporaryDirectory() as directory:  # it is written by a first start
            in_new_process(*command, **kept, **caches.variables(directory))
        for _ in range(repeats):
            with TemporaryDirectory() as directory:
                environment = kept | caches.variables(directory)
                yield in_new_process(*command, **environment), in_new_process(*command, **environment)


def start(program: Program, contender: str) -> float:
    """The seconds from importing ad_compiler to the first gradient, less those of another call.

    The second call is no such call: it makes the machine code that the later ones enter.
    """
    began = perf_counter()
    gradient = ON_NUMBA.contenders[contender](program)
    gradient()
    first = perf_counter()
    gradient()
    second = perf_counter()
    gradient()
    return (first - began) - (perf_counter() - second)


def dispatch_time(problem: Problem, limit: float) -> CostResult:
    """What a call of the derivative costs over one of the compiled function below it, `f.native`.

    The fastest rounds are compared: the difference of two medians would be more noise than cost. It is
    negative where the derivative is entered without Numba's own way into compiled code.
    """
    result = CostResult(f"dispatch_{problem.name}", f"one call, {problem.title}", limit, NATIVE)
    if not is_installed(NATIVE):
        return result
    try:
        gradient = native(problem)
        gradient()
        gradient()
        compiled = type(gradient)(gradient.function.native, gradient.arguments)  # type: ignore[attr-defined]
        seconds = interleaved({"call": gradient, "compiled call": compiled}, FULL, min)
    except Exception as error:
        result.errors[NATIVE] = f"{type(error).__name__}: {error}"
    else:
        result.seconds[NATIVE] = seconds["call"] - seconds["compiled call"]
        result.seconds.update(seconds)
    return result


if __name__ == "__main__":
    import numba  # noqa: F401  what is measured comes after it

    from benchmarks.native import PROGRAMS

    print(json.dumps(start(PROGRAMS[sys.argv[1]], sys.argv[2])))
