"""The core suite: array programs without loops, and what a build and an import cost."""

from collections.abc import Callable
from functools import partial

from benchmarks.core import (
    fifty_lines,
    gaussian_mixture,
    linear_svm,
    mlp_large,
    mlp_small,
    multiply_add,
    sigmoid_circuit,
)
from benchmarks.harness.costs import CostResult, build_time, import_time
from benchmarks.harness.memory import MemoryCase

PROGRAMS = {
    module.PROGRAM.name: module.PROGRAM
    for module in (
        multiply_add,
        sigmoid_circuit,
        mlp_small,
        mlp_large,
        linear_svm,
        gaussian_mixture,
    )
}

# Each is given the number of repeats.
COSTS: dict[str, Callable[[int], CostResult]] = {
    "build_time": partial(build_time, fifty_lines.PROBLEM, 0.050),
    "import_time": partial(import_time, 0.060),
}

MEMORY: dict[str, MemoryCase] = {}
