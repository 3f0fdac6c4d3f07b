import numpy as np


def newton_square_root_grad(a, x):
    """Gradient of newton_square_root with respect to a and x."""
    tape = []
    turns = 0
    while abs(x * x - a) > 1e-12:
        turns += 1
        quotient = a / x
        tape.append((x, quotient))
        x = 0.5 * (x + quotient)

    # d(while abs(x * x - a) > 1e-12:)
    x_bar = 1.0
    a_bar = 0.0
    for _ in reversed(range(turns)):
        x, quotient = tape.pop()
        # d(x = 0.5 * (x + a / x))
        total_bar = 0.5 * x_bar
        a_bar += total_bar / x
        x_bar = total_bar - 0.5 * (quotient / x) * x_bar
    return a_bar, x_bar
