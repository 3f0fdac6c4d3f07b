import numpy as np


def deep_equilibrium_value_and_grad(W, b, target):
    """Value of deep_equilibrium, and its gradient with respect to W and b."""
    x = np.zeros_like(b)
    new = np.tanh(W.dot(x) + b)
    while np.absolute(new - x).max() > 1e-14:
        new_1 = np.tanh(W.dot(new) + b)
        new, x = new_1, new
    difference = new - target

    # d(return np.sum((equilibrium(W, b) - target) ** 2))
    u = 2.0 * difference
    tanh = np.tanh(W.dot(new) + b)
    x__bar = W.T.dot(u * (1.0 - tanh * tanh))
    r = u - (u - x__bar)
    turns = 0
    u_1 = u.copy()
    while not np.absolute(r).max() <= 1e-13 * np.absolute(u_1).max():
        if turns == 10000:
            raise ArithmeticError("the linear system of a derivative was not solved by its iteration")
        turns += 1
        u_1 += r
        x__bar = W.T.dot(u_1 * (1.0 - tanh * tanh))
        r = u - (u_1 - x__bar)
    tanh = np.tanh(W.dot(new) + b)
    b_bar = u_1 * (1.0 - tanh * tanh)
    W_bar = np.outer(b_bar, new)
    return (difference ** 2).sum(), (W_bar, b_bar)
