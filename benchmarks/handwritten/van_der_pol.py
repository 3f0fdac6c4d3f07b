"""van der Pol: scalars in registers; of each step twelve numbers are saved, one row of one array."""

import numpy as np

from benchmarks.handwritten.compiling import native


@native
def gradient(x: float, v: float, mu: float, dt: float, steps: int) -> tuple[float, float, float]:
    half, sixth = 0.5 * dt, dt / 6
    tape = np.empty((steps, 8))
    for t in range(steps):
        p1 = 1 - x * x
        k1 = mu * (p1 * v) - x
        x2 = x + half * v
        v2 = v + half * k1
        p2 = 1 - x2 * x2
        k2 = mu * (p2 * v2) - x2
        x3 = x + half * v2
        v3 = v + half * k2
        p3 = 1 - x3 * x3
        k3 = mu * (p3 * v3) - x3
        x4 = x + dt * v3
        v4 = v + dt * k3
        p4 = 1 - x4 * x4
        k4 = mu * (p4 * v4) - x4
        tape[t, 0] = x
        tape[t, 1] = v
        tape[t, 2] = x2
        tape[t, 3] = v2
        tape[t, 4] = x3
        tape[t, 5] = v3
        tape[t, 6] = x4
        tape[t, 7] = v4
        x = x + sixth * (v + 2 * v2 + 2 * v3 + v4)
        v = v + sixth * (k1 + 2 * k2 + 2 * k3 + k4)

    x_bar, v_bar, mu_bar = 2 * x, 2 * v, 0.0
    for step in range(steps):
        t = steps - 1 - step
        x1, v1 = tape[t, 0], tape[t, 1]
        x2, v2 = tape[t, 2], tape[t, 3]
        x3, v3 = tape[t, 4], tape[t, 5]
        x4, v4 = tape[t, 6], tape[t, 7]
        p1, p2, p3, p4 = 1 - x1 * x1, 1 - x2 * x2, 1 - x3 * x3, 1 - x4 * x4
        # What does not hang on the cotangents is out of their chain, on which all the time is spent.
        m1, m2, m3, m4 = mu * p1, mu * p2, mu * p3, mu * p4
        n1 = 1 + 2 * mu * x1 * v1
        n2 = 1 + 2 * mu * x2 * v2
        n3 = 1 + 2 * mu * x3 * v3
        n4 = 1 + 2 * mu * x4 * v4
        s = sixth * x_bar
        k4_bar = sixth * v_bar
        v4_bar = s + m4 * k4_bar
        x4_bar = -n4 * k4_bar
        twice_s, twice_k4_bar = 2 * s, 2 * k4_bar
        k3_bar = twice_k4_bar + dt * v4_bar
        v3_bar = twice_s + dt * x4_bar + m3 * k3_bar
        x3_bar = -n3 * k3_bar
        k2_bar = twice_k4_bar + half * v3_bar
        v2_bar = twice_s + half * x3_bar + m2 * k2_bar
        x2_bar = -n2 * k2_bar
        k1_bar = k4_bar + half * v2_bar
        mu_bar += p4 * v4 * k4_bar + p3 * v3 * k3_bar + p2 * v2 * k2_bar + p1 * v1 * k1_bar
        v_bar += s + v4_bar + v3_bar + v2_bar + half * x2_bar + m1 * k1_bar
        x_bar += x4_bar + x3_bar + x2_bar - n1 * k1_bar
    return x_bar, v_bar, mu_bar
