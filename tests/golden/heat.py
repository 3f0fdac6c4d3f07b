import numpy as np


def heat_grad(initial, c, steps):
    """Gradient of heat with respect to initial and c."""
    u = initial.copy()
    tape = []
    for _ in range(steps):
        total = u[2:] - 2 * u[1:-1] + u[:-2]
        tape.append(total)
        u[1:-1] += c * total

    # d(return np.sum(u * u))
    u_bar = 2.0 * u
    # d(for _ in range(steps):)
    c_bar = 0.0
    for _ in reversed(range(steps)):
        total = tape.pop()
        # d(u[1:-1] += c * (u[2:] - 2 * u[1:-1] + u[:-2]))
        product_bar = u_bar[1:-1]
        total_bar = product_bar * c
        c_bar += product_bar.dot(total)
        u_bar[:-2] += total_bar
        u_bar[2:] += total_bar
        u_bar[1:-1] -= 2.0 * total_bar
    return u_bar, c_bar
