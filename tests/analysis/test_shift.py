"""The maxima that carry no derivative, and those that do."""

from __future__ import annotations

import numpy as np
import pytest

from ad_compiler import grad
from tests.helpers import assert_gradient_matches_finite_differences, function_from_source

X = np.array([[0.3, -1.2, 0.8], [2.0, 0.1, -0.4]])

INVARIANT = {
    "softmax": """
        def f(x):
            e = np.exp(x - np.max(x, axis=1, keepdims=True))
            return np.sum(e / e.sum(axis=1, keepdims=True) * np.arange(3))
    """,
    "log-softmax": """
        def f(x):
            s = x - x.max(axis=1, keepdims=True)
            return np.sum((s - np.log(np.exp(s).sum(axis=1, keepdims=True)))[:, 0])
    """,
    "cross-entropy of picked elements": """
        def f(x):
            s = x - np.max(x, axis=1, keepdims=True)
            l = np.log(np.sum(np.exp(s), axis=1))
            return np.mean(l - s[np.arange(len(x)), np.array([2, 0])])
    """,
    "logsumexp, the maximum squeezed": """
        def f(x):
            m = np.max(x, axis=0, keepdims=True)
            return np.sum(np.squeeze(m, 0) + np.log(np.sum(np.exp(x - m), axis=0)))
    """,
    "logsumexp, the maximum indexed": """
        def f(x):
            m = np.max(x, axis=1)
            return np.sum(m + np.log(np.sum(np.exp(x - m[:, None]), axis=1)))
    """,
}

DEPENDENT = {
    "one element picked from each column": """
        def f(x):
            s = x - np.max(x, axis=1, keepdims=True)
            l = np.log(np.sum(np.exp(s), axis=1))
            return np.sum(l) - np.sum(s[np.array([0, 0, 1]), np.arange(3)])
    """,
    "the maximum is added once too often": """
        def f(x):
            m = np.max(x, axis=1, keepdims=True)
            return np.sum(2 * m + np.log(np.sum(np.exp(x - m), axis=1, keepdims=True)))
    """,
    "summed along the axis of the maximum": """
        def f(x):
            m = np.max(x, axis=1, keepdims=True)
            e = np.exp(x - m)
            return np.sum(e / e.sum(axis=0, keepdims=True) * np.arange(3))
    """,
    "the exponential alone": """
        def f(x):
            return np.sum(np.exp(x - np.max(x, axis=1, keepdims=True)))
    """,
    "the maximum is returned too": """
        def f(x):
            m = np.max(x)
            e = np.exp(x - m)
            return np.sum(e / e.sum() * x) + m
    """,
    "a square of what is shifted": """
        def f(x):
            s = x - np.max(x, axis=1, keepdims=True)
            return np.sum(s * s)
    """,
}


@pytest.mark.parametrize("name", INVARIANT)
def test_the_maximum_of_an_invariant_program_has_no_cotangent(name: str) -> None:
    f = function_from_source(INVARIANT[name])
    assert " == " not in grad(f).source_for(X), "where the maximum is attained is not asked"
    assert_gradient_matches_finite_differences(f, [X])


@pytest.mark.parametrize("name", DEPENDENT)
def test_other_maxima_keep_their_derivative(name: str) -> None:
    f = function_from_source(DEPENDENT[name])
    assert " == " in grad(f).source_for(X)
    assert_gradient_matches_finite_differences(f, [X])
