"""Loops that are checkpointed, and solvers whose results are implicit functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler import checkpointed, implicit


def reaction_and_diffusion(u: Any, source: Any, dt: float, steps: int) -> Any:
    """The cost along the way is no part of the state."""
    cost = 0.0
    for t in checkpointed(range(steps)):
        # a logistic reaction on a ring
        u = u + dt * (np.roll(u, 1) - 2.0 * u + np.roll(u, -1) + u * (1.0 - u) + t * source)
        cost = cost + dt * np.sum((u - 1.0) ** 2)
    return cost


def sweeps(u: Any, c: float, steps: int) -> Any:
    """Written in place, left early, and with a loop inside that is taped by the turn."""
    u = u.copy()
    for _ in checkpointed(range(steps), slots=4):
        for i in range(1, len(u)):
            u[i] = u[i] + c * np.sin(u[i - 1])
        if u[-1] > 2.0:
            break
    return np.sum(u * u)


def layer(x: Any, W: Any, b: Any) -> Any:
    return np.tanh(W @ x + b)


@implicit(fixed_point=layer, linear_solver="iterate")
def equilibrium(W: Any, b: Any, tolerance: float = 1e-14) -> Any:
    x = np.zeros_like(b)
    new = layer(x, W, b)
    while np.max(np.abs(new - x)) > tolerance:
        x = new
        new = layer(x, W, b)
    return new


def deep_equilibrium(W: Any, b: Any, target: Any) -> Any:
    return np.sum((equilibrium(W, b) - target) ** 2)
