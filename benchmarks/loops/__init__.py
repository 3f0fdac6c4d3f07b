"""The loops suite: programs that iterate, most of them writing in place."""

from benchmarks.harness.contenders import ON_NUMPY
from benchmarks.harness.costs import Measurement
from benchmarks.harness.memory import MemoryCase
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

LINEUP = ON_NUMPY

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

COSTS: dict[str, Measurement] = {}

MEMORY = {
    case.program.name: case
    for case in (
        MemoryCase(  # linear: nothing is saved
            title="linear stencil: heat 1-d n=1000",
            program=heat_1d.PROGRAM,
            grows="T",
            sizes=(100, 200, 400, 800),
            inputs=heat_1d.inputs,
            exponent_at_most=0.05,
        ),
        MemoryCase(  # one array of 1,000 numbers and its header for each step
            title="nonlinear stencil: Burgers n=1000",
            program=burgers.PROGRAM,
            grows="T",
            sizes=(50, 100, 200, 400),
            inputs=burgers.inputs,
            bytes_per_step_at_most=8_500,
        ),
        MemoryCase(  # 2 * 14 states for 10,000 steps
            title="the same, checkpointed",
            program=burgers.CHECKPOINTED,
            grows="T",
            sizes=(625, 2_500, 10_000),
            inputs=burgers.inputs,
            exponent_at_most=0.2,
        ),
        MemoryCase(  # the factor and its adjoint, but no inner product
            title="Cholesky by rows",
            program=cholesky.PROGRAM,
            grows="n",
            sizes=(20, 40, 80),
            inputs=cholesky.inputs,
            exponent_at_most=2.3,
        ),
    )
}
