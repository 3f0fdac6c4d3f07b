"""The sigmoid neuron of two inputs on Python floats: a chain that fuses into one gate."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.harness.program import Program


def sigmoid_circuit(w0, x0, w1, x1, w2):
    return 1 / (1 + np.exp(-(w0 * x0 + w1 * x1 + w2)))


def by_hand(
    w0: float, x0: float, w1: float, x1: float, w2: float
) -> tuple[float, float, float, float, float]:
    y = 1.0 / (1.0 + math.exp(-(w0 * x0 + w1 * x1 + w2)))
    slope = (1.0 - y) * y
    return slope * x0, slope * w0, slope * x1, slope * w1, slope


def in_torch() -> Callable[..., Any]:
    import torch

    def sigmoid_circuit(w0: Any, x0: Any, w1: Any, x1: Any, w2: Any) -> Any:
        return torch.sigmoid(w0 * x0 + w1 * x1 + w2)

    return sigmoid_circuit


PROGRAM = Program(
    name="sigmoid_circuit",
    title="sigmoid circuit, floats",
    function=sigmoid_circuit,
    argnums=(0, 1, 2, 3, 4),
    inputs=lambda: (2.0, -1.0, -3.0, -2.0, -3.0),
    by_hand=by_hand,
    in_torch=in_torch,
)
