"""The heat equation in one dimension, in place: a linear stencil, whose gradient saves nothing."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.program import Program, times_slower

Array = NDArray[np.float64]


def heat(initial, c, steps):
    u = initial.copy()
    for _ in range(steps):
        u[1:-1] += c * (u[2:] - 2 * u[1:-1] + u[:-2])
    return np.sum(u * u)


def by_hand(initial: Array, c: float, steps: int) -> Array:
    u = initial.copy()
    left, inner, right = u[:-2], u[1:-1], u[2:]
    work = np.empty_like(inner)
    for _ in range(steps):
        np.multiply(inner, 2.0, work)
        np.subtract(right, work, work)
        work += left
        work *= c
        inner += work

    u *= 2.0
    u_bar = u  # in the same memory, so that the views are those of u_bar now
    kept = 1.0 - 2.0 * c
    for _ in range(steps):
        np.multiply(inner, c, work)
        inner *= kept
        left += work
        right += work
    return u_bar


def in_jax() -> Callable[..., Any]:
    from jax import lax

    def heat(initial: Any, c: Any, steps: int) -> Any:
        def step(_: Any, u: Any) -> Any:
            return u.at[1:-1].add(c * (u[2:] - 2 * u[1:-1] + u[:-2]))

        u = lax.fori_loop(0, steps, step, initial)
        return (u * u).sum()

    return heat


def in_torch() -> Callable[..., Any]:
    def heat(initial: Any, c: float, steps: int) -> Any:
        u = initial.clone()
        for _ in range(steps):
            u[1:-1] += c * (u[2:] - 2 * u[1:-1] + u[:-2])
        return (u * u).sum()

    return heat


def in_autograd() -> Callable[..., Any]:
    import autograd.numpy as np

    def heat(initial: Any, c: float, steps: int) -> Any:
        u = initial
        for _ in range(steps):
            inner = u[1:-1] + c * (u[2:] - 2 * u[1:-1] + u[:-2])
            u = np.concatenate([u[:1], inner, u[-1:]])
        return np.sum(u * u)

    return heat


def inputs(steps: int = 500) -> tuple[Any, ...]:
    return np.random.default_rng(0).normal(size=1000), 0.2, steps


PROGRAM = Program(
    name="heat_1d",
    title="heat 1-d n=1000 T=500",
    function=heat,
    argnums=(0,),
    inputs=inputs,
    by_hand=by_hand,
    in_jax=in_jax,
    in_torch=in_torch,
    in_autograd=in_autograd,
    targets=(times_slower(3.0, "primal"),),
)
