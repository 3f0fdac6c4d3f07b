import numpy as np


def burgers_grad(initial, c, steps):
    """Gradient of burgers with respect to initial."""
    u = initial.copy()
    tape = []
    for _ in range(steps):
        part = u[1:]
        product = c * part
        difference = part - u[:-1]
        tape.append((product, difference))
        u[1:] -= product * difference

    # d(return np.sum(u * u))
    u_bar = 2.0 * u
    # d(for _ in range(steps):)
    for _ in reversed(range(steps)):
        saved, saved_1 = tape.pop()
        # d(u[1:] -= c * u[1:] * (u[1:] - u[:-1]))
        part = u_bar[1:]
        product = part * saved_1
        product_1 = part * saved
        u_bar[:-1] += product_1
        u_bar[1:] -= product_1 + product * c
    return u_bar
