"""The sigmoid neuron: five products of the local gradient. All of its time is the call."""

import math

from benchmarks.handwritten.compiling import native


@native
def gradient(
    w0: float, x0: float, w1: float, x1: float, w2: float
) -> tuple[float, float, float, float, float]:
    y = 1.0 / (1.0 + math.exp(-(w0 * x0 + w1 * x1 + w2)))
    slope = (1.0 - y) * y
    return slope * x0, slope * w0, slope * x1, slope * w1, slope
