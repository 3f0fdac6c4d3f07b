"""Jacobi iteration in two dimensions between two buffers, as in PolyBench: a linear stencil."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.program import Program, times_slower

Array = NDArray[np.float64]


def jacobi(A, B, steps):
    A, B = A.copy(), B.copy()
    for _ in range(steps):
        B[1:-1, 1:-1] = 0.2 * (A[1:-1, 1:-1] + A[1:-1, :-2] + A[1:-1, 2:] + A[2:, 1:-1] + A[:-2, 1:-1])
        A[1:-1, 1:-1] = 0.2 * (B[1:-1, 1:-1] + B[1:-1, :-2] + B[1:-1, 2:] + B[2:, 1:-1] + B[:-2, 1:-1])
    return np.sum(A * A)


def five_points(A: Array) -> tuple[Array, ...]:
    """Views of the inner points of `A` and of their four neighbours."""
    return A[1:-1, 1:-1], A[1:-1, :-2], A[1:-1, 2:], A[2:, 1:-1], A[:-2, 1:-1]


def sweep(source: tuple[Array, ...], inner: Array, work: Array) -> None:
    """Write the averages over `source` into `inner`."""
    centre, left, right, below, above = source
    np.add(centre, left, work)
    work += right
    work += below
    work += above
    np.multiply(work, 0.2, inner)


def add_edges(source: Array, target: Array) -> None:
    """Add to the edges of `target` what the inner points next to them hold, times 0.2."""
    target[0, 1:-1] += 0.2 * source[1, 1:-1]
    target[-1, 1:-1] += 0.2 * source[-2, 1:-1]
    target[1:-1, 0] += 0.2 * source[1:-1, 1]
    target[1:-1, -1] += 0.2 * source[1:-1, -2]


def by_hand(A: Array, B: Array, steps: int) -> tuple[Array, Array]:
    A, B = A.copy(), B.copy()
    A_points, B_points = five_points(A), five_points(B)
    A_inner, B_inner = A_points[0], B_points[0]
    work = np.empty_like(A_inner)
    for _ in range(steps):
        sweep(A_points, B_inner, work)
        sweep(B_points, A_inner, work)

    # The stencil is symmetric: over inner points the adjoint is the stencil itself, with zeros on
    # the edges. The adjoints of the edges, which only grow, are kept apart.
    A_bar, B_bar = 2.0 * A, np.zeros_like(B)
    A.fill(0.0)
    B.fill(0.0)
    A_inner[:] = A_bar[1:-1, 1:-1]
    for _ in range(steps):
        add_edges(A, B_bar)
        sweep(A_points, B_inner, work)
        add_edges(B, A_bar)
        sweep(B_points, A_inner, work)
    A_bar[1:-1, 1:-1] = A_inner
    return A_bar, B_bar


def in_jax() -> Callable[..., Any]:
    from jax import lax

    def average(A: Any) -> Any:
        return 0.2 * (A[1:-1, 1:-1] + A[1:-1, :-2] + A[1:-1, 2:] + A[2:, 1:-1] + A[:-2, 1:-1])

    def jacobi(A: Any, B: Any, steps: int) -> Any:
        def step(_: Any, state: Any) -> Any:
            A, B = state
            B = B.at[1:-1, 1:-1].set(average(A))
            return A.at[1:-1, 1:-1].set(average(B)), B

        A, B = lax.fori_loop(0, steps, step, (A, B))
        return (A * A).sum()

    return jacobi


def in_torch() -> Callable[..., Any]:
    def jacobi(A: Any, B: Any, steps: int) -> Any:
        A, B = A.clone(), B.clone()
        for _ in range(steps):
            B[1:-1, 1:-1] = 0.2 * (A[1:-1, 1:-1] + A[1:-1, :-2] + A[1:-1, 2:] + A[2:, 1:-1] + A[:-2, 1:-1])
            A[1:-1, 1:-1] = 0.2 * (B[1:-1, 1:-1] + B[1:-1, :-2] + B[1:-1, 2:] + B[2:, 1:-1] + B[:-2, 1:-1])
        return (A * A).sum()

    return jacobi


def in_autograd() -> Callable[..., Any]:
    import autograd.numpy as np

    def average(A: Any) -> Any:
        return 0.2 * (A[1:-1, 1:-1] + A[1:-1, :-2] + A[1:-1, 2:] + A[2:, 1:-1] + A[:-2, 1:-1])

    def jacobi(A: Any, B: Any, steps: int) -> Any:
        on_edge = np.pad(np.zeros((A.shape[0] - 2, A.shape[1] - 2)), 1, constant_values=1.0)
        A_edge, B_edge = A * on_edge, B * on_edge
        for _ in range(steps):
            B = B_edge + np.pad(average(A), 1, "constant")
            A = A_edge + np.pad(average(B), 1, "constant")
        return np.sum(A * A)

    return jacobi


def inputs(n: int = 150, steps: int = 50) -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    return random.normal(size=(n, n)), random.normal(size=(n, n)), steps


PROGRAM = Program(
    name="jacobi_2d",
    title="jacobi_2d N=150 T=50",
    function=jacobi,
    argnums=(0, 1),
    inputs=inputs,
    by_hand=by_hand,
    in_jax=in_jax,
    in_torch=in_torch,
    in_autograd=in_autograd,
    targets=(times_slower(3.0, "primal"),),
)
