import numpy as np
import math


def sigmoid_neuron_grad(w0, w1, w2, x0, x1):
    """Gradient of sigmoid_neuron with respect to w0, w1, w2, x0 and x1."""
    quotient = 1.0 / (1.0 + math.exp(-(w0 * x0 + w1 * x1 + w2)))

    # d(return 1.0 / (1.0 + math.exp(-(w0 * x0 + w1 * x1 + w2))))
    w2_bar = (1.0 - quotient) * quotient
    w1_bar = w2_bar * x1
    x1_bar = w2_bar * w1
    w0_bar = w2_bar * x0
    x0_bar = w2_bar * w0
    return w0_bar, w1_bar, w2_bar, x0_bar, x1_bar
