"""Burgers' equation by upwind differences, in place: a nonlinear stencil, one array saved a step."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ad_compiler import checkpointed
from benchmarks.harness.program import Program, times_slower

Array = NDArray[np.float64]


def burgers(initial, c, steps):
    u = initial.copy()
    for _ in range(steps):
        u[1:] -= c * u[1:] * (u[1:] - u[:-1])
    return np.sum(u * u)


def burgers_checkpointed(initial, c, steps):
    u = initial.copy()
    for _ in checkpointed(range(steps)):
        u[1:] -= c * u[1:] * (u[1:] - u[:-1])
    return np.sum(u * u)


def by_hand(initial: Array, c: float, steps: int) -> Array:
    history = np.empty((steps + 1, initial.size))
    history[0] = initial
    history[:, 0] = initial[0]
    lefts, rights = [*history[:, :-1]], [*history[:, 1:]]
    work, other = np.empty(initial.size - 1), np.empty(initial.size - 1)
    right = rights[0]
    for left, updated in zip(lefts, rights[1:], strict=False):
        np.subtract(right, left, work)
        np.multiply(right, c, other)
        work *= other
        np.subtract(right, work, updated)
        right = updated

    u_bar: Array = 2.0 * history[-1]
    left_bar, right_bar = u_bar[:-1], u_bar[1:]
    for left, right in zip(lefts[-2::-1], rights[-2::-1], strict=True):
        np.multiply(right_bar, c, work)
        np.subtract(right, left, other)
        other *= work
        work *= right
        right_bar -= other
        right_bar -= work
        left_bar += work
    return u_bar


def in_jax() -> Callable[..., Any]:
    import jax
    from jax import lax

    def burgers(initial: Any, c: Any, steps: int) -> Any:
        def step(_: Any, u: Any) -> Any:
            return u.at[1:].add(-c * u[1:] * (u[1:] - u[:-1]))

        u = lax.fori_loop(0, steps, jax.checkpoint(step), initial)
        return (u * u).sum()

    return burgers


def in_torch() -> Callable[..., Any]:
    import torch

    def burgers(initial: Any, c: float, steps: int) -> Any:
        # Not in place: PyTorch refuses to overwrite what its reverse sweep will read.
        u = initial
        for _ in range(steps):
            u = torch.cat([u[:1], u[1:] - c * u[1:] * (u[1:] - u[:-1])])
        return (u * u).sum()

    return burgers


def in_autograd() -> Callable[..., Any]:
    import autograd.numpy as np

    def burgers(initial: Any, c: float, steps: int) -> Any:
        u = initial
        for _ in range(steps):
            u = np.concatenate([u[:1], u[1:] - c * u[1:] * (u[1:] - u[:-1])])
        return np.sum(u * u)

    return burgers


def inputs(steps: int = 200) -> tuple[Any, ...]:
    return 1 + 0.5 * np.sin(np.linspace(0, 2 * np.pi, 1000)), 0.4, steps


PROGRAM = Program(
    name="burgers",
    title="Burgers upwind n=1000 T=200",
    function=burgers,
    argnums=(0,),
    inputs=inputs,
    by_hand=by_hand,
    in_jax=in_jax,
    in_torch=in_torch,
    in_autograd=in_autograd,
    targets=(times_slower(3.0, "primal"),),
)

CHECKPOINTED = replace(PROGRAM, name="burgers_checkpointed", function=burgers_checkpointed)
