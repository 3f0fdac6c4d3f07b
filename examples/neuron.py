"""A neuron with two inputs and a bias, as in lectures on backpropagation."""

import math


def neuron(w0, w1, w2, x0, x1):
    # the weighted sum, then the sigmoid
    z = w0 * x0 + w1 * x1 + w2
    return 1 / (1 + math.exp(-z))
