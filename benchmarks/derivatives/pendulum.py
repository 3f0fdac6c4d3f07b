"""The Jacobian of where a pendulum is after 100 steps, by where it was: a loop, and two directions."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.derivatives.contenders import DerivativeProgram

Array = NDArray[np.float64]


def pendulum(state, step, steps):
    angle, speed = state[0], state[1]
    for _ in range(steps):
        speed = speed - step * np.sin(angle)
        angle = angle + step * speed
    return np.array([angle, speed])


def in_jax() -> Callable[..., Any]:
    import jax
    import jax.numpy as jnp

    def pendulum(state: Any, step: Any, steps: int) -> Any:
        def turn(_: Any, pair: Any) -> Any:
            angle, speed = pair
            speed = speed - step * jnp.sin(angle)
            return angle + step * speed, speed

        return jnp.array(jax.lax.fori_loop(0, steps, turn, (state[0], state[1])))

    return pendulum


def jacobian(state: Array, step: float, steps: int) -> Array:
    import math

    angle, speed = float(state[0]), float(state[1])
    a, b, c, d = 1.0, 0.0, 0.0, 1.0
    for _ in range(steps):
        slope = step * math.cos(angle)
        c, d = c - slope * a, d - slope * b
        speed -= step * math.sin(angle)
        a, b = a + step * c, b + step * d
        angle += step * speed
    return np.array([[a, b], [c, d]])


PROGRAMS = (
    DerivativeProgram(
        name="pendulum_jacobian",
        title="Pendulum, 100 steps, Jacobian",
        kind="jacfwd",
        function=pendulum,
        inputs=lambda: (np.array([1.0, 0.0]), 0.05, 100),
        in_jax=in_jax,
        by_hand=jacobian,
    ),
)
