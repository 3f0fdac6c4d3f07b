"""The core suite: array programs without loops, and what a build and an import cost."""

from benchmarks.core import (
    fifty_lines,
    gaussian_mixture,
    linear_svm,
    mlp_large,
    mlp_small,
    multiply_add,
    sigmoid_circuit,
)
from benchmarks.harness.contenders import ON_NUMPY
from benchmarks.harness.costs import Measurement, build_time, import_time
from benchmarks.harness.memory import MemoryCase

LINEUP = ON_NUMPY

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

COSTS: dict[str, Measurement] = {
    "build_time": lambda quick: [build_time(fifty_lines.PROBLEM, 0.050, repeats=3 if quick else 14)],
    "import_time": lambda quick: [import_time(0.060, repeats=3 if quick else 14)],
}

MEMORY: dict[str, MemoryCase] = {}
