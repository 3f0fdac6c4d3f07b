"""The loops suite: programs that iterate, most of them writing in place."""

from collections.abc import Callable

from benchmarks.harness.costs import CostResult
from benchmarks.loops import (
    burgers,
    cholesky,
    conjugate_gradients,
    conv2d,
    gauss_seidel,
    heat_1d,
    jacobi_2d,
    lstm,
    thomas,
    van_der_pol,
)

PROGRAMS = {
    module.PROGRAM.name: module.PROGRAM
    for module in (
        van_der_pol,
        heat_1d,
        jacobi_2d,
        burgers,
        gauss_seidel,
        lstm,
        cholesky,
        conv2d,
        conjugate_gradients,
        thomas,
    )
}

COSTS: dict[str, Callable[[int], CostResult]] = {}
