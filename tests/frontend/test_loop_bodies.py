"""How often the body of a loop is lowered, and what its text only seems to write into."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad_compiler import grad
from ad_compiler.frontend import loop_bodies
from tests.helpers import assert_gradient_matches_finite_differences


def six_loops(x: Any, y: Any) -> Any:
    z = np.zeros((2, 2, 2, 2))
    for i in range(2):
        for j in range(2):
            for k in range(2):
                for l in range(2):  # noqa: E741
                    for m in range(2):
                        for n in range(2):
                            z[i, j, k, l] += x[i, j, m] * y[n, k, l]
    return np.sum(z * z)


def test_a_nest_is_lowered_once_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[int] = []
    lower_body = loop_bodies.lower_body

    def noted(state: Any, carried: Any) -> Any:
        lines.append(state.node.lineno)
        return lower_body(state, carried)

    monkeypatch.setattr(loop_bodies, "lower_body", noted)
    x, y = np.random.default_rng(0).normal(size=(2, 2, 2, 2))
    grad(six_loops, (0, 1))(x, y)
    assert len(lines) == len(set(lines)) == 6


def unwritten(x: Any, zeroed: bool = False) -> Any:
    x, y, z = x.copy(), x * 2, x * 3
    for i in range(3):
        if zeroed:
            y[i] = 0.0
        x[i] += np.sum(y) * z[i]
        z[0] = x[i] * 2
    return np.sum(x * y) + np.sum(z)


def written_under_another_name(x: Any) -> Any:
    y, z = x * 1, x * 2
    for i in range(3):
        w = y
        w[i] += z[i]
        y, z = z, w
        z[0] *= 2.0
    return np.sum(y * z)


def written_in_some_turns(x: Any) -> Any:
    y, z = x * 1, x * 2
    for i in range(3):
        for j in range(i):
            if x[j] > 0.5:
                y[j] *= x[i]
            else:
                w = z[1:]
                w[j] = y[i] * x[j]
    return np.sum(y * z)


@pytest.mark.parametrize("program", [unwritten, written_under_another_name, written_in_some_turns])
def test_what_its_text_seems_to_write(program: Any) -> None:
    x = np.array([0.7, 0.3, 0.9])
    assert_gradient_matches_finite_differences(program, (x,), (0,))


def test_what_is_not_written_is_not_carried() -> None:
    gradient = grad(unwritten)
    gradient(np.ones(3))
    assert "total = y.sum()" in gradient.source
    assert "y[i] = 0.0" not in gradient.source
