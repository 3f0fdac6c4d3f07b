import numpy as np


def burgers_grad(initial, c, steps):
    """Gradient of burgers with respect to initial."""
    u = initial.copy()
    tape = []
    for _ in range(steps):
        tape.append(u.copy())
        u_part = u[1:]
        u[1:] -= c * u_part * (u_part - u[:-1])

    # d(return np.sum(u * u))
    u_bar = 2.0 * u
    # d(for _ in range(steps):)
    for _ in reversed(range(steps)):
        u = tape.pop()
        # d(u[1:] -= c * u[1:] * (u[1:] - u[:-1]))
        u_part = u[1:]
        product = c * u_bar[1:]
        u_part_bar = product * u_part
        u_bar[:-1] += u_part_bar
        u_bar[1:] -= u_part_bar + product * (u_part - u[:-1])
    return u_bar
