import numpy as np


def van_der_pol_grad(x, v, mu, dt, steps):
    """Gradient of van_der_pol with respect to x, v and mu."""
    product = 0.5 * dt
    quotient = dt / 6
    tape = []
    for _ in range(steps):
        k1 = mu * (1 - x * x) * v - x
        x2 = x + product * v
        v2 = v + product * k1
        k2 = mu * (1 - x2 * x2) * v2 - x2
        x3 = x + product * v2
        v3 = v + product * k2
        k3 = mu * (1 - x3 * x3) * v3 - x3
        x4 = x + dt * v3
        v4 = v + dt * k3
        tape.append((v, x, x2, v2, x3, v3, x4, v4))
        k4 = mu * (1 - x4 * x4) * v4 - x4
        x = x + quotient * (v + 2 * v2 + 2 * v3 + v4)
        v = v + quotient * (k1 + 2 * k2 + 2 * k3 + k4)

    # d(return x * x + v * v)
    v_bar = 2.0 * v
    x_bar = 2.0 * x
    # d(for _ in range(steps):)
    mu_bar = 0.0
    for _ in reversed(range(steps)):
        v, x, x2, v2, x3, v3, x4, v4 = tape.pop()
        # d(v = v + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
        k4_bar = v_bar * quotient
        k2_bar = 2.0 * k4_bar
        # d(x = x + dt / 6 * (v + 2 * v2 + 2 * v3 + v4))
        v4_bar = x_bar * quotient
        v2_bar = 2.0 * v4_bar
        v_bar += v4_bar
        # d(k4 = mu * (1 - x4 * x4) * v4 - x4)
        product_bar = k4_bar * v4
        difference = 1 - x4 * x4
        v4_bar += k4_bar * (mu * difference)
        mu_bar += product_bar * difference
        x4_bar = -2.0 * (product_bar * mu * x4) - k4_bar
        # d(v4 = v + dt * k3)
        v_bar += v4_bar
        k3_bar = k2_bar + v4_bar * dt
        # d(x4 = x + dt * v3)
        x_bar += x4_bar
        v3_bar = v2_bar + x4_bar * dt
        # d(k3 = mu * (1 - x3 * x3) * v3 - x3)
        product_bar = k3_bar * v3
        difference = 1 - x3 * x3
        v3_bar += k3_bar * (mu * difference)
        mu_bar += product_bar * difference
        x3_bar = -2.0 * (product_bar * mu * x3) - k3_bar
        # d(v3 = v + 0.5 * dt * k2)
        v_bar += v3_bar
        k2_bar += v3_bar * product
        # d(x3 = x + 0.5 * dt * v2)
        x_bar += x3_bar
        v2_bar += x3_bar * product
        # d(k2 = mu * (1 - x2 * x2) * v2 - x2)
        product_bar = k2_bar * v2
        difference = 1 - x2 * x2
        v2_bar += k2_bar * (mu * difference)
        mu_bar += product_bar * difference
        x2_bar = -2.0 * (product_bar * mu * x2) - k2_bar
        # d(v2 = v + 0.5 * dt * k1)
        v_bar += v2_bar
        k1_bar = k4_bar + v2_bar * product
        # d(x2 = x + 0.5 * dt * v)
        x_bar += x2_bar
        v_bar += x2_bar * product
        # d(k1 = mu * (1 - x * x) * v - x)
        x_bar -= k1_bar
        product_bar = k1_bar * v
        difference = 1 - x * x
        v_bar += k1_bar * (mu * difference)
        mu_bar += product_bar * difference
        x_bar -= 2.0 * (product_bar * mu * x)
    return x_bar, v_bar, mu_bar
