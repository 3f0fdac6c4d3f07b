"""Interleaved timing: all contenders in every round, so that load on the machine hits them all."""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter, sleep
from timeit import Timer

import numpy as np

from benchmarks.harness.contenders import Gradient


@dataclass(frozen=True)
class Effort:
    """How long to measure: timed rounds, the least seconds of one sample, and the patience.

    A contender that would take longer than the patience, in seconds for all its rounds together,
    takes part in fewer rounds; if it is one, the calls that found out how long it takes are that round.
    """

    rounds: int
    sample: float
    patience: float

    def stride(self, seconds_of_round: float) -> int:
        """Every how many rounds a contender takes part whose round lasts so long."""
        return min(self.rounds, math.ceil(self.rounds * seconds_of_round / self.patience))


FULL = Effort(rounds=51, sample=2e-3, patience=8.0)
QUICK = Effort(rounds=5, sample=1e-3, patience=0.4)

# Threads of OpenBLAS look for work for 2**26 ticks of the processor's clock, some 20 ms, before they sleep.
# NumPy and SciPy have one each: on two cores, one takes 30 times as long while the other's threads look.
PAUSE = 0.03  # seconds

Statistic = Callable[[list[float]], float]

# The fastest round is for a busy machine, where a median tells more about the others' work.
STATISTICS: dict[str, Statistic] = {"median": median, "fastest": min}


def interleaved(gradients: Mapping[str, Gradient], effort: Effort, statistic: Statistic) -> dict[str, float]:
    """Return the seconds of one call of each gradient, `statistic` being taken over the rounds.

    In each round every contender runs one untimed batch of calls, which brings its own data into the
    cache, then one timed batch, behind a pause in which the threads of the one before it go to sleep.
    The order is drawn anew for every round, so that nobody always runs behind the same one.
    """
    _settle_allocator()
    timers = {name: _timer(gradient) for name, gradient in gradients.items()}
    batch, stride = {}, {}
    samples: dict[str, list[float]] = {name: [] for name in timers}
    for name, timer in timers.items():
        batch[name], seconds = _calls_lasting(effort.sample, timer)
        stride[name] = effort.stride(2 * seconds)
        if stride[name] == effort.rounds:
            samples[name].append(seconds / batch[name])
    order = [name for name in timers if not samples[name]]
    draw = random.Random(0)
    for turn in range(effort.rounds):
        for name in order:
            if turn % stride[name]:
                continue
            sleep(PAUSE)
            timers[name].timeit(batch[name])
            samples[name].append(timers[name].timeit(batch[name]) / batch[name])
        draw.shuffle(order)
    return {name: statistic(times) for name, times in samples.items()}


def _settle_allocator() -> None:
    """Free one large array, after which glibc keeps the memory of smaller ones for reuse.

    Before, it gives every array of some megabytes back to the kernel, and the page faults of the
    next call cost more than its arithmetic: a gradient of 1.2 ms takes 3.9 ms. Which of the two a
    row met would otherwise depend on the rows before it.
    """
    np.ones(31 * 2**17)  # 31 MB; glibc adapts to blocks of up to 32 MB


def seconds_of_first_call(gradient: Gradient) -> float:
    """Time one call that compiles; it includes one run, which is short beside it."""
    start = perf_counter()
    gradient()
    return perf_counter() - start


def _timer(gradient: Gradient) -> Timer:
    """Time a call with its arguments written out, as a user writes it, without a wrapper's cost."""
    namespace: dict[str, object] = {"function": gradient.function, "wait": gradient.wait}
    names = [f"argument_{position}" for position in range(len(gradient.arguments))]
    namespace.update(zip(names, gradient.arguments, strict=True))
    call = f"function({', '.join(names)})"
    return Timer(call if gradient.wait is None else f"wait({call})", globals=namespace)


def _calls_lasting(seconds: float, timer: Timer) -> tuple[int, float]:
    """Return how many calls last so long, and the seconds they took."""
    calls = 1
    while (elapsed := timer.timeit(calls)) < seconds:
        calls = max(2 * calls, min(10 * calls, int(1.2 * calls * seconds / max(elapsed, 1e-9))))
    return calls, elapsed
