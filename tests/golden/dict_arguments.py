import numpy as np


def dict_loss_value_and_grad(params, x, y):
    """Value of dict_loss, and its gradient with respect to params."""
    hidden = np.tanh(x.dot(params['W']) + params['b'])
    error = hidden.dot(params['out']) - y

    # d(return np.mean(error**2))
    error_bar = 2.0 * np.divide(1.0, y.shape[0]) * error
    # d(error = hidden @ params["out"] - y)
    hidden_bar = np.outer(error_bar, params['out'])
    out_bar = hidden.T.dot(error_bar)
    # d(hidden = np.tanh(x @ params["W"] + params["b"]))
    hidden_bar *= 1.0 - hidden * hidden
    b_bar = hidden_bar.sum(axis=0)
    W_bar = x.T.dot(hidden_bar)
    return np.mean(error ** 2), {"W": W_bar, "b": b_bar, "out": out_bar}
