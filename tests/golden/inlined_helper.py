import numpy as np


def two_layers_grad(W1, b1, W2, b2, x):
    """Gradient of two_layers with respect to W1, b1, W2 and b2."""
    # one row of x for each example
    total = x.dot(W1) + b1
    # the hidden layer
    hidden = np.tanh(total)
    scores = hidden.dot(W2) + b2

    # d(return x @ W + b)
    b2_bar = scores.sum(axis=0)
    hidden_bar = scores.dot(W2.T)
    W2_bar = hidden.T.dot(scores)
    # d(hidden = np.tanh(affine(x, W1, b1)))
    hidden_bar *= 1.0 - hidden * hidden
    # d(return x @ W + b)
    b1_bar = hidden_bar.sum(axis=0)
    W1_bar = x.T.dot(hidden_bar)
    return W1_bar, b1_bar, W2_bar, b2_bar
