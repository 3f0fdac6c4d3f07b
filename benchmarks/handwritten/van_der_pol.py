"""van der Pol: the Jacobian of a step is accumulated forwards, so the reverse sweep is two products a step.

Each number here waits for the one before, forwards as well as backwards: what counts is the latency of the
chain. The forward chain leaves most of the processor idle; in its shadow, the cotangents of a step are
computed for the two unit cotangents of its results (local preaccumulation: Griewank and Walther, Evaluating
Derivatives, section 10.2). That is 6 numbers on the tape instead of 8, and a reverse chain of 2 operations
instead of 8. In a sum, what is ready last is added last; reassociation is off, so it stays so.
"""

import numpy as np

from benchmarks.handwritten.compiling import native_in_order


@native_in_order
def gradient(x: float, v: float, mu: float, dt: float, steps: int) -> tuple[float, float, float]:
    half, sixth, third = 0.5 * dt, dt / 6, dt / 3
    tape = np.empty((steps, 6))
    for t in range(steps):
        p1 = 1 - x * x
        m1 = mu * p1
        k1 = m1 * v - x
        x2 = x + half * v
        v2 = v + half * k1
        p2 = 1 - x2 * x2
        m2 = mu * p2
        k2 = m2 * v2 - x2
        x3 = x + half * v2
        v3 = v + half * k2
        p3 = 1 - x3 * x3
        m3 = mu * p3
        k3 = m3 * v3 - x3
        x4 = x + dt * v3
        v4 = v + dt * k3
        p4 = 1 - x4 * x4
        m4 = mu * p4
        k4 = m4 * v4 - x4

        # Minus the partials of k by x, at each stage; those by v are m, and those by mu are q.
        n1, n2 = 1 + 2 * mu * x * v, 1 + 2 * mu * x2 * v2
        n3, n4 = 1 + 2 * mu * x3 * v3, 1 + 2 * mu * x4 * v4
        q1, q2, q3, q4 = p1 * v, p2 * v2, p3 * v3, p4 * v4

        # The cotangents of a step whose x_bar is 1 and whose v_bar is 0: k4_bar and x4_bar are 0.
        v4_bar = sixth
        k3_bar = dt * v4_bar
        v3_bar = third + m3 * k3_bar
        x3_bar = -n3 * k3_bar
        k2_bar = half * v3_bar
        v2_bar = third + half * x3_bar + m2 * k2_bar
        x2_bar = -n2 * k2_bar
        k1_bar = half * v2_bar
        tape[t, 0] = 1.0 + x3_bar + x2_bar - n1 * k1_bar
        tape[t, 1] = sixth + v4_bar + v3_bar + v2_bar + half * x2_bar + m1 * k1_bar
        tape[t, 2] = q3 * k3_bar + q2 * k2_bar + q1 * k1_bar

        # The same with x_bar 0 and v_bar 1.
        k4_bar = sixth
        v4_bar = m4 * k4_bar
        x4_bar = -n4 * k4_bar
        k3_bar = third + dt * v4_bar
        v3_bar = dt * x4_bar + m3 * k3_bar
        x3_bar = -n3 * k3_bar
        k2_bar = third + half * v3_bar
        v2_bar = half * x3_bar + m2 * k2_bar
        x2_bar = -n2 * k2_bar
        k1_bar = sixth + half * v2_bar
        tape[t, 3] = x4_bar + x3_bar + x2_bar - n1 * k1_bar
        tape[t, 4] = 1.0 + v4_bar + v3_bar + v2_bar + half * x2_bar + m1 * k1_bar
        tape[t, 5] = q4 * k4_bar + q3 * k3_bar + q2 * k2_bar + q1 * k1_bar

        x = x + sixth * v + third * v2 + third * v3 + sixth * v4
        v = v + sixth * k1 + third * k2 + third * k3 + sixth * k4

    x_bar, v_bar, mu_bar = 2 * x, 2 * v, 0.0
    for step in range(steps):
        t = steps - 1 - step
        mu_bar += tape[t, 2] * x_bar + tape[t, 5] * v_bar
        previous = tape[t, 0] * x_bar + tape[t, 3] * v_bar
        v_bar = tape[t, 1] * x_bar + tape[t, 4] * v_bar
        x_bar = previous
    return x_bar, v_bar, mu_bar
