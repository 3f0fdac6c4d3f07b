"""Programs in which one array has several names: assignments, helpers, containers, swaps."""

from __future__ import annotations

import numpy as np

from tests.programs.corpus import program

V3 = np.array([0.7, -1.2, 0.4])
V4 = np.array([0.3, -0.8, 1.1, 0.6])
V6 = np.array([0.5, -1.3, 0.9, 1.7, -0.4, 0.2])
M34 = np.array([[0.2, 1.1, -0.5, 0.7], [-0.3, 0.9, 0.6, -1.2], [1.4, -0.8, 0.1, 0.5]])


@program(V4)
def second_name(x):
    a = np.sin(x)
    b = a
    b[1] = a[0] * a[2]
    a[0] += b[1] ** 2
    return a * b


@program(V4)
def update_seen_by_the_other_name(x):
    a = x**2
    b = a
    a += x
    a = a * 2.0  # a new array from here on
    a[0] = 0.0
    return a * b


def fix_ends(u, value):
    u[0] = value
    u[-1] = value * u[1]


@program(V4, 0.9)
def helper_writes_its_parameter(x, edge):
    u = x * x
    fix_ends(u, edge)
    fix_ends(u[1:-1], u[0])
    return u


def scaled(a, s):
    a *= s
    return a


@program(V4, 1.3)
def helper_returns_its_argument(x, s):
    a = np.cos(x)
    b = scaled(a, s)
    b[2] = a[1] ** 2
    return np.sum(scaled(b[1:], 0.5)) * a


def rebound(a, s):
    a = a * s
    a[0] = 1.0
    return a


@program(V4, 1.3)
def helper_rebinds_its_parameter(x, s):
    a = np.cos(x)
    b = rebound(a, s)
    a[1] *= s
    return a * b


@program(V3, M34)
def elements_of_a_list(b, W):
    layers = [np.tanh(b), W @ W.T]
    layers[0] += layers[1][:, 0]
    first = layers[0]
    first[1] *= 2.0
    layers[1][0] = first
    layers[1] *= 0.5
    return layers[0] @ layers[1]


@program({"position": V3, "velocity": V3[::-1] * 0.5}, 0.1)
def elements_of_a_dict(start, dt):
    state = {name: array.copy() for name, array in start.items()}
    velocity = state["velocity"]
    for _ in range(3):
        velocity -= dt * np.sin(state["position"])
        state["position"] += dt * state["velocity"]
    return state["position"]


@program(V4)
def tuple_of_arrays(x):
    pair = (np.sin(x), np.cos(x))
    pair[0][1:] += pair[1][:-1]
    sines, cosines = pair
    cosines *= sines
    return pair[1]


def add_scaled(y, x, s):
    y += s * x
    y[0] = x[-1] * y[0]


@program(V4, 0.6)
def passed_twice(x, s):
    a = np.sin(x)
    add_scaled(a, a, s)
    add_scaled(a[1:], a[:-1], s)
    return a


@program(np.linspace(-0.9, 1.1, 7) ** 2, 0.3)
def buffers_swapped(u, k):
    u = u.copy()
    v = u.copy()
    for _ in range(4):
        v[1:-1] = u[1:-1] + k * (u[:-2] - 2 * u[1:-1] + u[2:]) - 0.1 * u[1:-1] ** 2
        u, v = v, u
    return u


@program(np.sin(np.arange(7.0)), 0.4)
def three_buffers_rotated(start, c):
    old, now, new = start.copy(), start * 0.9, np.zeros_like(start)
    for _ in range(3):
        new[1:-1] = 2 * now[1:-1] - old[1:-1] + c**2 * (now[2:] - 2 * now[1:-1] + now[:-2])
        new[0] = new[1] * now[0]
        old, now, new = now, new, old
    return now


@program(V4, V4[::-1], True)
def target_chosen_by_an_option(x, y, first):
    a, b = np.sin(x), np.exp(y)
    target = a if first else b
    target *= y
    target[0] += b[0]
    return a * b


def smoothed(x, out=None):
    if out is None:
        out = np.empty_like(x)
    out[0] = x[0]
    out[1:] = 0.5 * (x[1:] + x[:-1])
    return out


@program(V4)
def optional_output_of_a_helper(x):
    fresh = smoothed(x)
    buffer = np.ones(4)
    result = smoothed(fresh**2, out=buffer)
    buffer[2] *= fresh[2]
    return result


@program(V3, 0.7)
def closure_writes_outside(x, s):
    total = np.zeros(3)

    def bump(i, amount):
        total[i] += amount * s

    for i in range(3):
        bump(i, x[i])
        bump(-1, x[i] ** 2)
    return total


@program(V3)
def one_row_in_a_list_three_times(x):
    row = x * 0.5
    rows = [row] * 3
    rows[0] += 1.0
    rows[2][1] = rows[1][0] ** 2
    return rows[1]


@program(V4)
def as_array_is_the_array(x):
    a = x * 3.0
    same, other = np.asarray(a), np.array(a)
    same[0] = a[1] * a[2]
    other[1] = 0.0
    return a * other


@program(V4)
def result_of_out_is_the_buffer(x):
    buffer = np.zeros(4)
    y = np.exp(x, out=buffer)
    buffer[0] = y[1] ** 2
    z = np.add(y, x, out=y)
    return y * z * buffer


@program(V6)
def each_array_of_a_tuple(x):
    even, odd = x[::2] ** 2, np.sin(x[1::2])
    for i, part in enumerate((even, odd)):
        part += i + 0.5
        part[0] *= part[1]
    return even * odd


@program(V4, 0.3)
def history_of_copies(u, k):
    u = np.sin(u)
    history = []
    for _ in range(3):
        history.append(u.copy())
        u[1:] += k * u[:-1] ** 2
    return np.array(history) * u


def smooth_repeatedly(a, depth):
    if depth == 0:
        return
    a[1:-1] = 0.1 * (a[:-2] + 2 * a[1:-1] + a[2:]) ** 2
    smooth_repeatedly(a, depth - 1)


def transform_in_place(function, a):
    a[:] = function(a)
    return a[1:]


@program(V4)
def function_applied_in_place(x):
    a = x.copy()
    tail = transform_in_place(np.sin, a)
    tail *= a[0]
    return transform_in_place(lambda v: v * v + x, a) * tail


@program(V4, V4[::-1] * 0.7)
def name_given_to_the_other_array(x, y):
    a, b = np.sin(x), np.cos(y)
    kept = a
    a = b
    a[0] = kept[1]
    b = kept
    b *= a
    return a, b, kept


@program(V4, 0.1)
@program(V4, -9.0)
def all_of_a_vector_under_another_name(x, limit):
    a = x * 2.0
    same = a.ravel()
    for i in range(len(a)):
        if a[i] > limit:
            a[i] *= x[0]
        same[:-1] += 0.5 * same[1:]
    return a * same


@program(V4, 3)
@program(V4, 2)
def buffers_exchanged_until_a_break(x, n):
    a, b = np.sin(x), np.cos(x)
    for i in range(n):
        for _ in range(2):
            a, b = b, a
            if x[i] > 0.5:
                break
        a[0] *= 2.0 + i
    return a * b * x


@program(V4, 0.5)
@program(V4, 5.0)
def exchanged_and_returned(x, limit):
    a, b = np.sin(x), np.cos(x)
    other = b
    if np.sum(x) > limit:
        a, b = b, a
        return a - b * x
    a *= 3.0
    return a * other
