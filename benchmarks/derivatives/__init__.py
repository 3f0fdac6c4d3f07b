"""The suite of higher and other derivatives: Hessians, products with them, and Jacobians."""

from benchmarks.derivatives import bratu, logistic, lorenz96, network, pendulum, rosenbrock
from benchmarks.derivatives.contenders import LINEUP as LINEUP
from benchmarks.harness.costs import Measurement
from benchmarks.harness.memory import MemoryCase

PROGRAMS = {
    program.name: program
    for module in (rosenbrock, logistic, network, lorenz96, bratu, pendulum)
    for program in module.PROGRAMS
}
COSTS: dict[str, Measurement] = {}
MEMORY: dict[str, MemoryCase] = {}
