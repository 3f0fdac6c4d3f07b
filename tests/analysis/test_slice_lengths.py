"""Slices that are as long as what they meet are not asked whether they were stretched; others are."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ad_compiler import Unsupported, grad
from tests.helpers import assert_gradient_matches_finite_differences, function_from_source

PROGRAM = """
    def f(x, w, p):
        N, K = x.shape[0], w.shape[0]
        n = {length}
        out = {made}
        total = 0.0
        for i in range({turns}):
            {step}
        return total + np.sum(np.cos(out)) + np.sum(out * out)
"""
STEP = "out = out + w[i % K] * x[{start}:{stop}]"

KNOWN = {
    "taps": ("N - K + 1", "np.zeros(n)", "K", "i", "i + n"),
    "lags": ("N - K", "np.ones(n)", "1, K + 1", "K - i", "-i"),
    "backwards": ("N - K", "np.ones(n)", "K - 1, -1, -1", "i", "i + n"),
    "from the end": ("N - 2", "np.ones(n)", "3", "i", "n + i"),
    "every second": ("N - K", "np.ones(n)", "0, K, 2", "i", "i + n"),
}
UNKNOWN = {
    "beyond the end": ("N - K", "np.ones(n)", "K + 2", "i", "i + n"),
    "before the start": ("N - K", "np.ones(n)", "K", "i - 1", "i + n - 1"),
    "a number that may be negative": ("p", "x[:1] + 0.0", "K", "i", "i + n"),
    "arange of a number": ("p", "np.arange(n) + 1.0", "1", "i", "i + n"),
    "nothing is as long as a negative number": ("N - K + 1", "x[K - 1 :] * 1.0", "K", "i", "i + n"),
    "inner elements of what may be empty": ("N - 2", "x[1:-1] * 2.0", "3", "i", "N - 2 + i"),
    "another length": ("N - K", "np.ones(n)", "K", "i", "i + n + 1"),
    "no step of 1": ("N - K", "np.ones(n)", "K", "i", "i + n : 2"),
}


def program(length: str, made: str, turns: str, start: str, stop: str, step: str = STEP) -> str:
    return PROGRAM.format(length=length, made=made, turns=turns, step=step.format(start=start, stop=stop))


@pytest.mark.parametrize("parts", KNOWN.values(), ids=KNOWN)
def test_slices_that_are_never_stretched(parts: tuple[str, ...]) -> None:
    x, w = np.array([0.3, -0.4, 1.1, 0.7, 0.2]), np.array([0.5, -1.3, 0.8])
    function = function_from_source(program(*parts))
    derivative = grad(function, argnums=(0, 1))
    derivative(x, w, 2)
    assert ".shape[0] == 1" not in derivative.source
    assert_gradient_matches_finite_differences(function, (x, w, 2), argnums=(0, 1))


@pytest.mark.parametrize("parts", UNKNOWN.values(), ids=UNKNOWN)
def test_slices_that_may_be_stretched(parts: tuple[str, ...]) -> None:
    function = function_from_source(program(*parts))
    derivative = grad(function, argnums=(0, 1))
    assert ".shape[0] == 1" in derivative.source_for(np.ones(5), np.ones(3), 2)


LENGTHS = ["p", "N", "K", "N - K", "N - K + 1", "N - 2", "K + 1"]
MADE = ["np.zeros(n)", "np.arange(n) * 0.5", "x[:n] * 2.0", "x[K:] * 1.0", "x[1 : n + 1] + 0.0"]
TURNS = ["K", "1, K + 1", "K - 1, -1, -1", "3", "n", "0, K, 2"]
STARTS = ["i", "n - i", "K - i", "", "i - 1", "-i", "-n"]
STOPS = ["i + n", "n - i", "-i", "-1", "", "i - K", "i + n - 1", "N - K + i", "n"]
STEPS = [
    STEP,
    "out = np.sin(out) * x[{start}:{stop}] * w[0]",
    "total = total + np.sum(out * x[{start}:{stop}] * w[0])",
    "out = np.where(out > x[{start}:{stop}], out * w[0], x[{start}:{stop}])",
]
CHOICES = [st.sampled_from(choices) for choices in (LENGTHS, MADE, TURNS, STARTS, STOPS, STEPS)]
SIZES = st.sampled_from([(5, 2, 3), (4, 3, 2), (3, 2, 1), (2, 2, 2), (3, 3, 1), (5, 3, -1), (2, 3, 0)])


@settings(deadline=None, max_examples=60)
@given(st.tuples(*CHOICES), st.lists(SIZES, min_size=1, max_size=3))
def test_any_window(parts: tuple[str, ...], sizes: list[tuple[int, int, int]]) -> None:
    """Whatever the bounds are, gradients are those of what Python does, for one derivative and many sizes."""
    function = function_from_source(program(*parts))
    rng = np.random.default_rng(0)
    for n, k, p in sizes:
        args = rng.normal(size=n), rng.normal(size=k), p
        try:
            value = function(*args)
        except (ValueError, IndexError):
            continue
        if np.ndim(value) == 0 and abs(value) < 1e3:
            with suppress(Unsupported):
                assert_gradient_matches_finite_differences(function, args, argnums=(0, 1))
