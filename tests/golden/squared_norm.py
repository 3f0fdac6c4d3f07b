import numpy as np


def squared_norm_value_and_grad(W, x):
    """Value of squared_norm, and its gradient with respect to W and x."""
    y = W.dot(x)

    # d(return np.sum(y * y))
    y_bar = 2.0 * y
    # d(y = W @ x)
    W_bar = np.outer(y_bar, x)
    x_bar = W.T.dot(y_bar)
    return (y * y).sum(), (W_bar, x_bar)
