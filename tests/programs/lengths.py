"""Arrays whose length differs from turn to turn: what is as long as another one may not be it in the next."""

from __future__ import annotations

import numpy as np

from tests.programs.corpus import program

SIGNAL = np.array([0.9, 0.4, 1.3, 0.6, -0.7])


@program(SIGNAL)
def cut_off_beside_what_it_was(x):
    """What the first loop leaves has a length of its own, which the second one does not keep."""
    y = x
    while len(y) > 3:
        y = y[1:] * y[:-1]
    z = y
    total = 0.0
    for _ in range(2):
        total += np.sum(np.sin(z) * y)
        z = z[:1] * 2.0
    return total


@program(SIGNAL)
def cut_off_in_a_loop_inside(x):
    total = 0.0
    y = x
    while len(y) > 1:
        z = y
        for _ in range(2):
            total += np.sum(np.sin(z * y))
            z = z[:1] * 2.0
        y = y[1:] * y[:-1]
    return total


def cut_off(z, n):
    return z if n == 0 else cut_off(z[:1] * 2.0, n - 1)


@program(SIGNAL)
def cut_off_by_recursion(x):
    y = x
    while len(y) > 3:
        y = y[1:] * y[:-1]
    return np.sum(cut_off(y, len(x) // 3) * np.sin(y))


@program(np.array([0.3]), np.array([1.0, 0.2, 0.3]))
def longer_in_the_second_turn(x, w):
    """A name bound in the loop only: what is left of it has another length than before."""
    total = 0.0
    y = x
    for _ in range(2):
        q = y
        y = w
        total += np.sum(np.sin(q))
    return total + np.sum(q * q)


@program(SIGNAL)
def last_of_shorter_and_shorter(x):
    total = 0.0
    y = x
    while len(y) > 1:
        q = y
        y = y[2:]
        total += np.sum(np.sin(q))
    return total + np.sum(q * q)


@program(SIGNAL)
def rest_from_the_last_index(x):
    for k in range(3):
        rest = x[k:]
    return np.sum(np.sin(rest))


@program(SIGNAL)
def last_rows_of_two_kinds(x):
    """Two names that every turn binds, of one length each in every turn."""
    for k in range(1, 4):
        head, tail = np.outer(x[:k], x), x[k:] ** 2
    return head, tail


@program(SIGNAL)
def left_once_it_is_small(x):
    total = 0.0
    y = x
    for _ in range(4):
        q = 2.0 * y
        if np.sum(q * q) < 3.0:
            break
        y = y[1:]
        total += np.sum(np.cos(q))
    return total + np.sum(q * q)


@program(SIGNAL)
def shorter_then_longer(x):
    y = x
    for k in range(4):
        if k == 1:
            y = y[:2]
        elif k == 2:
            y = np.concatenate([y, 2 * y, y])
        square = y * y
    return np.sum(square) * x


@program(SIGNAL)
def last_of_a_list(x):
    parts = []
    y = x
    for _ in range(4):
        parts.append(y)
        y = 1.5 * y[1:]
    total = 0.0
    for part in parts:
        last = part, np.sum(part)
        total += np.sum(np.sin(part))
    return total + np.sum(last[0] ** 3) * last[1]


def until_short(z):
    for _ in range(5):
        if len(z) < 3:
            return z
        z = z[1:] * z[0]
    return z


@program(SIGNAL)
def returned_once_it_is_short(x):
    """In hvp, cotangents of what turns start with are not as long as that of what was returned."""
    return np.sum(np.sin(until_short(x)) * x[0])


@program(np.array([[0.3, 0.1], [-0.2, 0.4]]), np.array([[0.5, -0.1], [0.2, 0.6]]), SIGNAL[:4].reshape(2, 2))
def found_equal_in_every_turn(F, Q, z):
    """The turns find `F` to be square, and as long as `Q`: what they carry keeps its length."""
    state, spread = np.zeros(F.shape[0]), np.eye(F.shape[0])
    for t in range(z.shape[0]):
        state = F @ state + z[t]
        spread = F @ spread @ F.T + Q
    return np.sum(np.sin(state) * spread)


@program(np.array([0.5, 0.3]), np.array([[0.3], [-0.2]]), 1)
def found_equal_behind_a_break(x, rows, n):
    """A turn that is left has not compared the lengths: one element stays one."""
    y = x[:1]
    for i in range(3):
        if i == n:
            break
        y = np.concatenate([y, rows[i]]) * x
    return np.sum(np.sin(y))
