"""The 1,797 handwritten digits that scikit-learn ships: 8x8 grey images, no download."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from ad_compiler.demo.models import FloatArray, IntArray

BRIGHTEST = 16.0


class Digits(NamedTuple):
    """Images (n, 8, 8) with values in [0, 1], and their labels (n,), 0 to 9."""

    images: FloatArray
    labels: IntArray


def load_train_and_test() -> tuple[Digits, Digits]:
    """1,437 digits to train on and 360 to test on: always the same, each class in proportion."""
    bunch = load_digits()
    train_images, test_images, train_labels, test_labels = train_test_split(
        bunch.images / BRIGHTEST,
        bunch.target.astype(np.int64),
        test_size=360,
        stratify=bunch.target,
        random_state=0,
    )
    return Digits(train_images, train_labels), Digits(test_images, test_labels)


def as_rows(images: FloatArray) -> FloatArray:
    """Images (n, 8, 8) as rows (n, 64)."""
    return images.reshape(len(images), -1)


def with_ones(images: FloatArray) -> FloatArray:
    """Images (n, 8, 8) as rows (n, 65) whose last column is 1: its weights serve as biases."""
    rows = as_rows(images)
    return np.hstack([rows, np.ones((len(rows), 1))])
