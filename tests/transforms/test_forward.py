"""The text of forward mode: tangents stand beside the values, in front of what is overwritten."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pytest

from ad_compiler import jvp
from tests.helpers import function_from_source

TEXTS = [
    (
        # behind the line, from its result
        """
        def f(x, y):
            # the hidden unit
            h = np.tanh(x)
            return h * y
        """,
        (2.0, 3.0),
        (1.0, None),
        """
            # the hidden unit
            h = np.tanh(x)
            h_dot = (1.0 - h * h) * x_dot
            return h * y, y * h_dot
        """,
    ),
    (
        # in front of a line that overwrites what the derivative reads
        """
        def f(x, n):
            for _ in range(n):
                x = x * x
            return x
        """,
        (2.0, 3),
        (1.0, None),
        """
            for _ in range(n):
                x_dot = 2.0 * x * x_dot
                x = x * x
            return x, x_dot
        """,
    ),
    (
        # in place, as the program is
        """
        def f(u, c, n):
            u = u.copy()
            for _ in range(n):
                u[1:-1] += c * (u[2:] - 2 * u[1:-1] + u[:-2])
            return u
        """,
        (np.ones(5), 0.1, 3),
        (np.ones(5), None, None),
        """
            u = u.copy()
            u_dot = u_dot.copy()
            for _ in range(n):
                u[1:-1] += c * (u[2:] - 2 * u[1:-1] + u[:-2])
                u_dot[1:-1] += c * (u_dot[2:] - 2.0 * u_dot[1:-1] + u_dot[:-2])
            return u, u_dot
        """,
    ),
    (
        # a list of tangents beside a list of values
        """
        def f(x, n):
            xs = []
            for _ in range(n):
                x = np.sin(x)
                xs.append(x)
            return np.array(xs)
        """,
        (1.0, 3),
        (1.0, None),
        """
            xs = []
            xs_dot = []
            for _ in range(n):
                x_dot = np.cos(x) * x_dot
                x = np.sin(x)
                xs.append(x)
                xs_dot.append(x_dot)
            return np.array(xs), np.array(xs_dot)
        """,
    ),
    (
        # the transposed pullback
        """
        def f(x):
            return np.mean(x), np.var(x)
        """,
        (np.ones(3),),
        (np.ones(3),),
        """
            product = 2.0 * (x_dot.dot(x - x.mean(keepdims=True)) / x.shape[0])
            return (np.mean(x), np.var(x)), (np.mean(x_dot), product)
        """,
    ),
    (
        # what is not selected has no tangent, whatever its derivative is
        """
        def f(x):
            return np.where(x > 0, np.sqrt(x), 0.0)
        """,
        (np.ones(3),),
        (np.ones(3),),
        """
            above = x > 0
            sqrt = np.sqrt(x)
            chosen = np.where(above, sqrt, 0.0)
            chosen_dot = np.where(above, np.where(x_dot != 0.0, 0.5 * x_dot / sqrt, 0.0), 0.0)
            return chosen, chosen_dot
        """,
    ),
]


@pytest.mark.parametrize(("text", "primals", "tangents", "expected"), TEXTS)
def test_text(text: str, primals: Any, tangents: Any, expected: str) -> None:
    source = jvp(function_from_source(text)).source_for(primals, tangents)
    _, _, body = source.partition("tangent of ")
    body = body.partition("\n")[2]
    assert textwrap.dedent(body).strip() == textwrap.dedent(expected).strip()
