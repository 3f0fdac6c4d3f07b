"""Numbers that turns make arrays: what they are in the first turn, and where there is no turn."""

from __future__ import annotations

import numpy as np

from tests.programs.corpus import program

ROWS = np.array([[0.9, 0.4, 1.3], [0.6, -0.7, 0.2]])
ROW = np.array([0.5, -1.1, 0.8])


@program(ROWS, ROW, 2)
@program(ROWS, ROW, 0)
def product_of_rows_on_a_row(x, y, n):
    """The gradient by `y` has its shape, where there is no turn, too."""
    product = 1.0
    for i in range(n):
        product = product * x[i]
    return np.sum(product * y)


@program(ROWS, 1.3, 2)
@program(ROWS, 1.3, 0)
def stretched_where_there_is_no_turn(x, c, n):
    """Where there is no turn, the sum is that of one number."""
    product = 1.0
    for i in range(n):
        product = product * x[i]
    return np.sum(product * c) + np.sum(np.cos(product * c) + x[0])


@program(ROWS, 1.3)
def stretched_from_an_element(x, c):
    """In the first turn, the sum is that of one number."""
    total, s = 0.5, 0.0
    for row in x:
        s = s + np.sum(np.sin(total * c)) * np.mean(total)
        total = total + row * c
    return s


@program(ROWS, 1.3)
def sums_of_the_rows_above(x, c):
    """The first of the inner loops has no turn: its number is written into a row."""
    above = np.zeros((2, 3))
    for k in range(2):
        total = 0.25
        for i in range(k):
            total = total + x[i] * c
        above[k] = total * c
    return np.sum(above * above * x)


@program(ROWS, 1.3, 2)
@program(ROWS, 1.3, 0)
def added_to_an_array(x, c, n):
    power = 0.5
    y = x[0] * c
    for i in range(n):
        power = power * x[i]
    y = y + power * c
    return np.sum(y * y)


@program(ROWS, ROW, 2)
@program(ROWS, ROW, 0)
def starting_with_an_element(x, y, n):
    state = y[0]
    for i in range(n):
        state = np.tanh(x[i] * state + y)
    return np.sum(state * y)


@program(ROWS, ROW)
def stretched_by_an_axis(x, y):
    """A number times a row is a row: later it is a matrix."""
    total, s = 0.5, 0.0
    for i in range(2):
        s = s + np.sum((total * y) ** 2)
        total = np.outer(x[i], y) + total  # type: ignore[assignment]
    return s


@program(ROWS, 1.3)
def of_another_length_in_every_turn(x, c):
    total, s = 0.5, 0.0
    for i in range(2):
        s = s + np.sum(np.sin(total * c))
        total = np.sum(total) * x[0, i:]
    return s + np.sum(total)


@program({"total": 0.0}, ROWS, 2)
@program({"total": 0.0}, ROWS, 0)
def in_a_dict(state, x, n):
    state = dict(state)
    for i in range(n):
        state["total"] = state["total"] + x[i] ** 2
    return np.sum(np.exp(state["total"]))


@program(ROWS, ROW, 2)
@program(ROWS, ROW, 0)
def while_there_are_turns(x, y, n):
    total = 0.0
    while n > 0:
        n -= 1
        total = total + x[n] * y
    return np.sum(np.cos(total) * y)
