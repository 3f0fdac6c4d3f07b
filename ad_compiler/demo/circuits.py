"""The lecture's two circuits, functions of floats."""

from __future__ import annotations

import math


def product_of_sum(x: float, y: float, z: float) -> float:
    """An add gate feeding a multiply gate."""
    return (x + y) * z


def sigmoid_neuron(w0: float, w1: float, w2: float, x0: float, x1: float) -> float:
    """A neuron with two inputs, a bias and a sigmoid output."""
    return 1.0 / (1.0 + math.exp(-(w0 * x0 + w1 * x1 + w2)))
