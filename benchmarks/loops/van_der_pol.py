"""The van der Pol oscillator by RK4, 1,000 steps on Python floats: a loop of scalars."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from typing import Any

from benchmarks.harness.program import Program, times_slower


def van_der_pol(x, v, mu, dt, steps):
    for _ in range(steps):
        k1 = mu * (1 - x * x) * v - x
        x2 = x + 0.5 * dt * v
        v2 = v + 0.5 * dt * k1
        k2 = mu * (1 - x2 * x2) * v2 - x2
        x3 = x + 0.5 * dt * v2
        v3 = v + 0.5 * dt * k2
        k3 = mu * (1 - x3 * x3) * v3 - x3
        x4 = x + dt * v3
        v4 = v + dt * k3
        k4 = mu * (1 - x4 * x4) * v4 - x4
        x = x + dt / 6 * (v + 2 * v2 + 2 * v3 + v4)
        v = v + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x * x + v * v


def by_hand(x: float, v: float, mu: float, dt: float, steps: int) -> tuple[float, float, float]:
    half, sixth = 0.5 * dt, dt / 6
    tape = []
    for _ in range(steps):
        # The reverse sweep needs x*v, 1 - x*x and (1 - x*x)*v of each stage, and no x or v by itself.
        p1 = 1 - x * x
        q1 = p1 * v
        k1 = mu * q1 - x
        x2 = x + half * v
        v2 = v + half * k1
        p2 = 1 - x2 * x2
        q2 = p2 * v2
        k2 = mu * q2 - x2
        x3 = x + half * v2
        v3 = v + half * k2
        p3 = 1 - x3 * x3
        q3 = p3 * v3
        k3 = mu * q3 - x3
        x4 = x + dt * v3
        v4 = v + dt * k3
        p4 = 1 - x4 * x4
        q4 = p4 * v4
        k4 = mu * q4 - x4
        tape.append((x * v, p1, q1, x2 * v2, p2, q2, x3 * v3, p3, q3, x4 * v4, p4, q4))
        x = x + sixth * (v + 2 * v2 + 2 * v3 + v4)
        v = v + sixth * (k1 + 2 * k2 + 2 * k3 + k4)

    x_bar, v_bar, mu_bar = 2 * x, 2 * v, 0.0
    for r1, p1, q1, r2, p2, q2, r3, p3, q3, r4, p4, q4 in reversed(tape):
        s = sixth * x_bar
        k4_bar = sixth * v_bar
        t = mu * k4_bar
        v4_bar = s + p4 * t
        x4_bar = -k4_bar - 2 * r4 * t
        twice_s, twice_k4_bar = 2 * s, 2 * k4_bar
        k3_bar = twice_k4_bar + dt * v4_bar
        t = mu * k3_bar
        v3_bar = twice_s + dt * x4_bar + p3 * t
        x3_bar = -k3_bar - 2 * r3 * t
        k2_bar = twice_k4_bar + half * v3_bar
        t = mu * k2_bar
        v2_bar = twice_s + half * x3_bar + p2 * t
        x2_bar = -k2_bar - 2 * r2 * t
        k1_bar = k4_bar + half * v2_bar
        t = mu * k1_bar
        mu_bar += q4 * k4_bar + q3 * k3_bar + q2 * k2_bar + q1 * k1_bar
        v_bar += s + v4_bar + v3_bar + v2_bar + half * x2_bar + p1 * t
        x_bar += x4_bar + x3_bar + x2_bar - k1_bar - 2 * r1 * t
    return x_bar, v_bar, mu_bar


def in_jax() -> Callable[..., Any]:
    import jax
    from jax import lax

    def van_der_pol(x: Any, v: Any, mu: Any, dt: Any, steps: int) -> Any:
        def step(_: Any, state: Any) -> Any:
            x, v = state
            k1 = mu * (1 - x * x) * v - x
            x2, v2 = x + 0.5 * dt * v, v + 0.5 * dt * k1
            k2 = mu * (1 - x2 * x2) * v2 - x2
            x3, v3 = x + 0.5 * dt * v2, v + 0.5 * dt * k2
            k3 = mu * (1 - x3 * x3) * v3 - x3
            x4, v4 = x + dt * v3, v + dt * k3
            k4 = mu * (1 - x4 * x4) * v4 - x4
            x = x + dt / 6 * (v + 2 * v2 + 2 * v3 + v4)
            v = v + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            return x, v

        # Recomputing a step is 30 times faster here than keeping its intermediate values.
        x, v = lax.fori_loop(0, steps, jax.checkpoint(step), (x, v))
        return x * x + v * v

    return van_der_pol


PROGRAM = Program(
    name="van_der_pol",
    title="van der Pol RK4, 1,000 steps",
    function=van_der_pol,
    argnums=(0, 1, 2),
    inputs=lambda: (1.0, 0.5, 1.2, 0.01, 1000),
    by_hand=by_hand,
    in_jax=in_jax,
    in_torch=lambda: van_der_pol,
    targets=(times_slower(3.5, "primal"),),
)
