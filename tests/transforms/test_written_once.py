"""Elements that stay as they are written are read again; others are saved."""

from __future__ import annotations

import numpy as np
import pytest

from ad_compiler import check_grads, grad, vjp
from tests.helpers import function_from_source

# mypy: allow-untyped-defs, allow-untyped-calls

X = np.array([0.3, 0.7, 0.4, 0.9, 0.6, 0.2])

READ_AGAIN = {
    "recurrence": """
        x = np.zeros(len(f))
        for i in range(1, len(f)):
            x[i] = np.sin(x[i - 1]) * f[i] + f[i] * f[i]
        return np.sum(x * x)
    """,
    "backwards": """
        x = np.zeros(len(f))
        for i in range(len(f) - 2, -1, -1):
            x[i] = f[i] + x[i + 1] * x[i + 1] * f[0]
        return np.sum(x * x)
    """,
    "every other": """
        x = f.copy()
        for i in range(2, len(f), 2):
            x[i] = x[i - 1] * x[i - 2] * f[i]
        return np.sum(x * x)
    """,
    "all before": """
        x = f.copy()
        for i in range(1, len(f)):
            x[i] = np.sum(x[:i] * x[:i]) * f[i]
        return np.sum(x * x)
    """,
    "all behind, backwards": """
        x = f.copy()
        for i in range(len(f) - 2, -1, -1):
            x[i] = x[i] + np.sum(x[i + 1:] * x[i + 1:]) * f[i]
        return np.sum(x * x)
    """,
    "trajectory": """
        x = np.zeros((len(f), 2))
        x[0] = f[:2]
        for i in range(len(f) - 1):
            x[i + 1] = x[i] + 0.1 * np.sin(x[i]) * f[i]
        return np.sum(x * x)
    """,
    "table": """
        D = np.zeros((len(f), len(f)))
        D[0] = f
        D[:, 0] = f * f
        for i in range(1, len(f)):
            for j in range(1, len(f)):
                D[i, j] = D[i - 1, j] * D[i, j - 1] + f[i] * D[i - 1, j - 1] * f[j]
        return np.sum(D)
    """,
    "stopped": """
        x = f.copy()
        for i in range(1, len(f)):
            x[i] = x[i - 1] * x[i - 1] + f[i]
            if x[i] > 1.2:
                break
        return np.sum(x * x)
    """,
    "accumulated": """
        x = f.copy()
        for i in range(1, len(f)):
            x[i] += x[i - 1] * x[i - 1]
        return np.sum(x * x)
    """,
}
SAVED = {
    "periodic": """
        x = f.copy()
        for i in range(len(f)):
            x[i] = x[i - 1] * x[i - 1] + f[i]
        return np.sum(x * x)
    """,
    "from below zero": """
        x = f.copy()
        for i in range(-2, 2):
            x[i] = x[i + 2] * x[i + 2] + f[i]
        return np.sum(x * x)
    """,
    "ahead": """
        x = f.copy()
        for i in range(len(f) - 1):
            x[i] = x[i + 1] * x[i + 1] + f[i]
        return np.sum(x * x)
    """,
    "itself": """
        x = f.copy()
        for i in range(len(f)):
            x[i] = x[i] * x[i] * x[i]
        return np.sum(x * x)
    """,
    "sweeps": """
        x = f.copy()
        for k in range(3):
            for i in range(1, len(f)):
                x[i] = x[i - 1] * x[i - 1] + 0.1 * f[i]
        return np.sum(x * x)
    """,
    "written behind the loop": """
        x = f.copy()
        for i in range(1, len(f)):
            x[i] = x[i - 1] * x[i - 1] + f[i]
        x[2] = f[0]
        x[3] *= f[1]
        return np.sum(x * x)
    """,
    "written through a view": """
        x = f.copy()
        for i in range(1, len(f)):
            x[i] = x[i - 1] * x[i - 1] + f[i]
        y = x[1:]
        y[2] = f[0]
        return np.sum(x * x)
    """,
    "all but itself": """
        x = f.copy()
        for i in range(1, len(f)):
            x[i] = np.sum(x[1:i + 1] * x[1:i + 1]) * f[i]
        return np.sum(x * x)
    """,
    "next row": """
        D = np.zeros((len(f), len(f)))
        D[0] = f
        for i in range(1, len(f)):
            for j in range(len(f) - 1):
                D[i, j] = D[i - 1, j + 1] * D[i, j + 1] + f[i] * D[i - 1, j] + f[j]
        return np.sum(D * D)
    """,
    "one place twice": """
        x = f.copy()
        for i in range(3):
            for j in range(3):
                x[i + j] = x[i] * f[j] + x[0]
        return np.sum(x * x)
    """,
    "of another kind": """
        x = np.zeros(len(f), dtype=np.float32)
        for i in range(1, len(f)):
            y = np.exp(-f[i])
            x[i] = y
            f = f * y
        return np.sum(f)
    """,
}


def program(body: str):
    return function_from_source("def f(f):\n" + body)


@pytest.mark.parametrize("name", READ_AGAIN)
def test_what_stays_is_read_again(name: str):
    f = program(READ_AGAIN[name])
    check_grads(f, (X,))
    saved = [line for line in grad(f).source_for(X).split("\n") if "tape.append" in line]
    assert not any(part in line for line in saved for part in ("x_", "x[", "D_", "D["))


@pytest.mark.parametrize("name", SAVED)
def test_what_does_not_stay_is_saved(name: str):
    f = program(SAVED[name])
    check_grads(f, (X,), rtol=2e-3 if name == "of another kind" else 1e-5)


def test_a_pullback_may_be_called_twice():
    f = program(READ_AGAIN["recurrence"].replace("np.sum(x * x)", "x"))
    _, pullback = vjp(f, X)
    (first,), (second,) = pullback(np.ones(6)), pullback(np.ones(6))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, grad(program(READ_AGAIN["recurrence"].replace("x * x", "x")))(X))
