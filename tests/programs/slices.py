"""Slices whose bounds are sums of lengths and of the indices of loops: windows over a signal."""

from __future__ import annotations

import numpy as np

from tests.programs.corpus import program

SIGNAL = np.array([0.9, 0.4, 1.3, 0.6, -0.7, 0.2])
TAPS = np.array([0.5, -1.1, 0.8])


@program(SIGNAL, TAPS)
def taps_added_up(x, w):
    n = x.shape[0] - w.shape[0] + 1
    out = np.zeros(n)
    for i in range(w.shape[0]):
        out = out + w[i] * x[i : i + n]
    return np.sum(out**2)


@program(np.array([0.9, 0.4, 1.3]), TAPS)
def one_window_only(x, w):
    """What is as long as the windows has one element, as they have."""
    n = x.shape[0] - w.shape[0] + 1
    out = np.zeros(n)
    for i in range(w.shape[0]):
        out = out * 0.5 + w[i] * x[i : i + n]
    return np.sum(np.sin(out))


@program(SIGNAL, TAPS)
def stretched_from_a_number(x, w):
    n = x.shape[0] - w.shape[0] + 1
    out = 0.0
    for i in range(w.shape[0]):
        out = out + w[i] * x[i : i + n]
    return np.sum(np.sin(out))


@program(SIGNAL, TAPS)
def autoregression(x, w):
    order = w.shape[0]
    expected = np.zeros(x.shape[0] - order)
    for lag in range(1, order + 1):
        expected = expected + w[lag - 1] * x[order - lag : -lag]
    return np.sum((x[order:] - expected) ** 2)


@program(SIGNAL.reshape(2, 3), TAPS[:2])
def windows_of_rows(x, w):
    n = x.shape[1]
    out = np.zeros((x.shape[0], n - 1, 2))
    for i in range(2):
        out = out + np.tanh(x[:, i : n - 1 + i, None] * w)
    return np.sum(out[:, :, 0] * out[:, :, 1])


@program(SIGNAL, TAPS)
def stretched_in_the_last_turn(x, w):
    """The windows leave the signal: the last one has one element, and the first ones have two."""
    out = np.zeros(2)
    for i in range(3):
        out = out * w[i] + x[2 * i + 1 : 2 * i + 3]
    return np.sum(np.sin(out))


@program(SIGNAL, TAPS, 2)
def stretched_for_some_arguments(x, w, n):
    out = np.ones(n)
    for i in range(w.shape[0]):
        out = out * w[i] + x[2 * i + 1 : 2 * i + 1 + n]
    return np.sum(np.cos(out))


@program(SIGNAL, TAPS)
def windows_backwards(x, w):
    n = x.shape[0] - w.shape[0]
    out = x[:n]
    for i in range(w.shape[0] - 1, -1, -1):
        out = np.sin(out) * w[i] + x[i : i + n]
    return np.sum(out)


@program(SIGNAL, TAPS)
def differences_of_every_order(x, w):
    """A number that the first turn makes an array as long as something known before the loop."""
    total = 0
    for k in range(w.shape[0]):
        total = total + w[k] * (x[1:] - x[:-1]) ** (k + 1)
    return np.sum(np.sin(total))
