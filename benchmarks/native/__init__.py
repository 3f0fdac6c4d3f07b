"""The native suite: programs of the other suites on `backend="numba"`, held against loops written by hand.

A row is a program of `core` or `loops`, with the sizes at which compiled code is to be judged.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.core import gaussian_mixture, linear_svm, mlp_large, mlp_small, sigmoid_circuit
from benchmarks.harness.contenders import (
    HANDWRITTEN,
    JAX,
    NATIVE,
    NATIVE_FASTMATH,
    ON_NUMBA,
    OURS,
    PRIMAL,
    TORCH,
    TORCH_COMPILE,
)
from benchmarks.harness.costs import CostResult, Measurement
from benchmarks.harness.memory import MemoryCase
from benchmarks.harness.native_costs import dispatch_time, start_times
from benchmarks.harness.program import Program, times_faster, times_slower
from benchmarks.loops import conv2d, gauss_seidel, jacobi_2d, lstm, van_der_pol
from benchmarks.native import four_arrays

LINEUP = ON_NUMBA

UNROLLED = {TORCH_COMPILE: "it unrolls the loop, and compiles for minutes"}


# Where a gradient on NumPy takes less than 100 microseconds, what counts is the way into a call.
SHORT = frozenset({"sigmoid_circuit", "mlp_small"})


def row(program: Program, faster_than_jax: Iterable[float], **changes: Any) -> Program:
    """Return the program with its loops by hand and the targets of the native backend.

    It is never to be slower than the NumPy backend by more than a tenth, if that takes 100 microseconds. The
    loops by hand are compiled with sums in any order: what is held against them is compiled so, too.
    """
    module = f"benchmarks.handwritten.{program.name}"  # the name it has in its own suite
    compiled = (NATIVE, NATIVE_FASTMATH)
    targets = [times_faster(factor, JAX, subject) for factor in faster_than_jax for subject in compiled]
    targets += [times_slower(1.3, HANDWRITTEN, subject) for subject in compiled]
    left_out: Mapping[str, str] = {**program.left_out, **changes.pop("left_out", {})}
    if program.name not in SHORT and OURS not in left_out:
        targets.append(times_slower(1.1, OURS, NATIVE))
    return replace(
        program,
        in_numba=lambda: import_module(module).gradient,
        targets=tuple(targets),
        left_out=left_out,
        **changes,
    )


def with_libm(program: str) -> Callable[[], Callable[..., Any]]:
    """The loops by hand that call the exp and tanh of the platform's library."""
    return lambda: import_module(f"benchmarks.handwritten.{program}").gradient_with_libm


PROGRAMS = {
    program.name: program
    for program in (
        row(sigmoid_circuit.PROGRAM, [30]),
        row(mlp_small.PROGRAM, [15]),
        row(mlp_large.PROGRAM, [1.5]),
        row(linear_svm.PROGRAM, [1.4]),
        row(gaussian_mixture.PROGRAM, [1.8, 4], in_numba_with_libm=with_libm("gaussian_mixture")),
        row(jacobi_2d.PROGRAM, [4], left_out=UNROLLED),
        row(
            jacobi_2d.PROGRAM,
            [2.5],
            name="jacobi_2d_large",
            title="jacobi_2d N=1500 T=8",
            inputs=partial(jacobi_2d.inputs, 1500, 8),
            left_out=UNROLLED,
        ),
        row(
            gauss_seidel.PROGRAM,
            [75],
            title="Gauss-Seidel N=60 T=10",
            inputs=partial(gauss_seidel.inputs, 60, 10),
            left_out={**UNROLLED, TORCH: "170,000 operations on single numbers: seconds for a call"},
        ),
        row(
            gauss_seidel.PROGRAM,
            [75],
            name="gauss_seidel_as_written",
            title="Gauss-Seidel N=60 T=10, JAX cell by cell",
            inputs=partial(gauss_seidel.inputs, 60, 10),
            in_jax=gauss_seidel.in_jax_as_written,
            left_out={**UNROLLED, TORCH: "170,000 operations on single numbers: seconds for a call"},
        ),
        row(van_der_pol.PROGRAM, [3], left_out=UNROLLED),
        row(lstm.PROGRAM, [3.5], left_out=UNROLLED, in_numba_with_libm=with_libm("lstm")),
        row(
            conv2d.PROGRAM,
            [2.5],
            title="conv2d 7 loops 2x12x12x3 K=3",
            inputs=partial(conv2d.inputs, (2, 12, 12, 3), (3, 3, 3, 4)),
            in_jax=conv2d.in_jax_as_matrices,
        ),
        row(
            conv2d.PROGRAM,
            [0.9],
            name="conv2d_large",
            title="conv2d 7 loops 8x32x32x3 to 16 K=20",
            inputs=partial(conv2d.inputs, (8, 32, 32, 3), (20, 20, 3, 16)),
            by_hand=conv2d.by_hand_as_matrices,
            in_jax=conv2d.in_jax_as_matrices,
            left_out={
                PRIMAL: "26 million iterations of Python: half a minute for a call",
                OURS: "26 million iterations of Python: a minute for a call",
            },
        ),
    )
}

QUICK_STARTS = ("mlp_small",)


def starts(quick: bool) -> list[CostResult]:
    """Cold and warm starts of all programs, or of one."""
    chosen = [PROGRAMS[name] for name in (QUICK_STARTS if quick else PROGRAMS)]
    return [cost for program in chosen for cost in start_times(program, repeats=1 if quick else 3)]


COSTS: dict[str, Measurement] = {
    "starts": starts,
    "dispatch": lambda quick: [
        dispatch_time(sigmoid_circuit.PROGRAM, 0.5e-6),
        dispatch_time(four_arrays.PROBLEM, 1e-6),
    ],
}

MEMORY: dict[str, MemoryCase] = {}
