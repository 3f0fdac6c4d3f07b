"""Names that one side of a branch binds, changed on the same side of a later branch on the same condition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad_compiler import value_and_grad


def list_popped_in_a_loop(x: Any, s: Any) -> Any:
    below = x < 0
    if not below:
        tape = []
        for k in range(1, 4):
            tape.append(x**k)
    if below:
        total = 0.17 * x
    else:
        total = 0.0
        for k in range(3, 0, -1):
            total += tape.pop() / k * s
    return total


def list_popped_and_appended(x: Any, s: Any) -> Any:
    below = x < 0
    if not below:
        xs = []
        for k in range(1, 4):
            xs.append(x**k)
    if below:
        result = 0.17 * x
    else:
        a, b = xs.pop(), xs.pop()
        xs.append(a * a)
        c = xs.pop()
        result = a * s + b * b * c + xs[0]
    return result


def list_popped_in_an_inner_branch(x: Any, s: Any) -> Any:
    below = x < 0
    if not below:
        xs = []
        for k in range(1, 4):
            xs.append(x**k)
    if below:
        result = 0.17 * x
    else:
        result = xs.pop() if s > 0 else 1.0
        if s > 1:
            xs.append(result * s)
        result = result * xs.pop() + xs[-1]
    return result


def list_popped_by_a_helper(x: Any, s: Any) -> Any:
    below = x < 0
    if not below:
        xs = []
        for k in range(1, 4):
            xs.append(x**k)

    def take() -> Any:
        return xs.pop()

    if below:
        result = 0.17 * x
    else:
        result = take() * s + take()
        for _ in range(1):
            result = result * take()
    return result


def list_changed_in_three_branches(x: Any, s: Any) -> Any:
    below = x < 0
    if not below:
        xs = []
        for k in range(1, 6):
            xs.append(x**k)
    result = s
    if not below:
        while len(xs) > 1:
            result = result + xs.pop() * result
    if not below:
        result = result + xs[0] * len(xs)
        xs.append(result)
    if not below:
        result = result * xs[-1]
    return result


def items_of_a_list(x: Any, s: Any) -> Any:
    below = x < 0
    if not below:
        xs = [x, x * x, x**3]
    if below:
        result = 0.17 * x
    else:
        result = xs.pop()
        xs[0] = result * result
        result = result + xs.pop() * s + xs[0]
        for _ in range(3):
            xs[0] = xs[0] * x
            result = result + xs[0]
    return result


def elements_of_an_array(x: Any, s: Any) -> Any:
    below = x < 0
    if not below:
        a = np.ones(3) * x
    if below:
        result = 0.17 * x
    else:
        a[0] = s * x
        for i in range(1, 3):
            a[i] = a[i - 1] * x * a[i]
        if s > 1:
            a[2] = a[2] * a[1]
        result = np.sum(a)
    return result


def items_of_a_dict(x: Any, s: Any) -> Any:
    below = x < 0
    if not below:
        d = {"a": x, "b": x * x}
    if below:
        result = 0.17 * x
    else:
        d["a"] = d["b"] * s
        for _ in range(3):
            d["a"] = d["a"] * x + d["b"]
        result = d["a"]
    return result


PROGRAMS = [
    list_popped_in_a_loop,
    list_popped_and_appended,
    list_popped_in_an_inner_branch,
    list_popped_by_a_helper,
    list_changed_in_three_branches,
    items_of_a_list,
    elements_of_an_array,
    items_of_a_dict,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
@pytest.mark.parametrize(("x", "s"), [(0.6, 2.4), (0.6, 0.5), (0.6, -0.3), (-0.6, 2.4)])
def test_changed_on_one_side(program: Any, x: float, s: float) -> None:
    value, gradient = value_and_grad(program)(x, s)
    assert value == pytest.approx(program(x, s), rel=1e-14)
    step = 1e-6
    expected = (program(x + step, s) - program(x - step, s)) / (2 * step)
    assert gradient == pytest.approx(expected, rel=1e-7)
