"""The three classifiers: how each is started and trained, and how good it has to become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ad_compiler import value_and_grad
from ad_compiler.demo.digits import Digits, as_rows, with_ones
from ad_compiler.demo.models import (
    ConvNet,
    FloatArray,
    TwoLayerNet,
    conv_net_loss,
    conv_scores,
    hinge_loss,
    softmax_net_loss,
    two_layer_scores,
)
from ad_compiler.demo.training import Trained, train

PIXELS = 64
CLASSES = 10
HIDDEN_UNITS = 100
FILTERS = 12
POOLED_POSITIONS = 9  # 8x8 pixels give 6x6 features under a 3x3 filter, and 3x3 when pooled


@dataclass(frozen=True)
class Experiment:
    """One classifier: `loss(params, inputs, labels, regularisation)` and what surrounds it."""

    name: str
    loss: Callable[..., Any]
    scores: Callable[[Any, FloatArray], FloatArray]
    inputs: Callable[[FloatArray], FloatArray]  # images (n, 8, 8) as the model takes them
    start: Any
    regularisation: float
    max_iterations: int
    required_accuracy: float

    def gradient_source(self, digits: Digits) -> str:
        """The generated program that training runs, as text."""
        return str(value_and_grad(self.loss).source_for(self.start, *self.data(digits)))

    def train(self, digits: Digits) -> Trained:
        """The classifier trained on `digits`."""
        return train(
            value_and_grad(self.loss),
            self.start,
            *self.data(digits),
            max_iterations=self.max_iterations,
        )

    def data(self, digits: Digits) -> tuple[Any, ...]:
        """What the loss takes besides the parameters."""
        return self.inputs(digits.images), digits.labels, self.regularisation

    def accuracy(self, params: Any, digits: Digits) -> float:
        """The fraction of `digits` whose right class scores highest."""
        guesses = np.argmax(self.scores(params, self.inputs(digits.images)), axis=1)
        return float(np.mean(guesses == digits.labels))


def experiments() -> tuple[Experiment, ...]:
    """The hinge classifier, the softmax net and the convolutional net, ready to train."""
    random = np.random.default_rng(0)
    return (
        Experiment(
            name="hinge classifier",
            loss=hinge_loss,
            scores=lambda W, X: X @ W,
            inputs=with_ones,
            start=np.zeros((PIXELS + 1, CLASSES)),
            regularisation=1e-3,
            max_iterations=200,
            required_accuracy=0.93,
        ),
        Experiment(
            name="softmax net",
            loss=softmax_net_loss,
            scores=two_layer_scores,
            inputs=as_rows,
            start=TwoLayerNet(
                hidden_weights=scaled_normal(random, PIXELS, HIDDEN_UNITS),
                hidden_bias=np.zeros(HIDDEN_UNITS),
                output_weights=scaled_normal(random, HIDDEN_UNITS, CLASSES),
                output_bias=np.zeros(CLASSES),
            ),
            regularisation=1e-4,
            max_iterations=150,
            required_accuracy=0.96,
        ),
        Experiment(
            name="convolutional net",
            loss=conv_net_loss,
            scores=conv_scores,
            inputs=lambda images: images,
            start=ConvNet(
                filters=scaled_normal(random, 9, FILTERS).reshape(3, 3, FILTERS),
                filter_bias=np.zeros(FILTERS),
                output_weights=scaled_normal(random, POOLED_POSITIONS * FILTERS, CLASSES),
                output_bias=np.zeros(CLASSES),
            ),
            regularisation=1e-4,
            max_iterations=100,
            required_accuracy=0.97,
        ),
    )


def scaled_normal(random: np.random.Generator, inputs: int, outputs: int) -> FloatArray:
    """Random weights (inputs, outputs) that keep the size of a signal through a ReLU."""
    return random.normal(scale=np.sqrt(2.0 / inputs), size=(inputs, outputs))
