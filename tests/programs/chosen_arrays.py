"""Arrays that branches bind or choose between, and that are written into in later branches and loops."""

from __future__ import annotations

import numpy as np

from tests.programs.corpus import program, refused

V3 = np.array([0.3, 0.4, 0.5])
OTHER = np.array([-0.3, 0.4, 0.5])
UNKNOWN = "one that it may be was written into"


# --- one side binds, the same side of a later branch writes ---


@program(V3, 1.0)
@program(V3, -1.0)
def view_written_array_chosen(x, c):
    first = c > 0
    if first:
        t = np.sin(x)
        b = t
        u = t[1:]
    else:
        b = np.cos(x)
    if first:
        u[0] = x[0] * x[1]
    return np.sum(b * b)


@program(V3, 1.0)
@program(V3, -1.0)
def rebound_on_one_side(x, c):
    first = c > 0
    b = np.sin(x)
    a = b
    if first:
        t = np.sin(x)
        b = t
    if first:
        t[0] = x[0] * x[1]
    return np.sum(b * b * a)


@program(V3, 1.0)
@program(V3, -1.0)
@program(OTHER, 1.0)
def view_of_a_view_two_branches_deep(x, c):
    first = c > 0
    second = x[0] > 0
    if first:
        b = np.sin(x)
        u = b[1:]
        if second:
            v = u[1:]
            u[1] = 3.0 * x[1]
    if first:
        b[2] = x[0] * x[1]
        b[0] = 1.0
    if first:
        if second:
            v[0] += x[0]
        return b[2] * u[1]
    return np.sum(x * x)


@program(V3, 1.0)
@program(V3, -1.0)
@program(OTHER, 1.0)
def conditions_in_another_order(x, c):
    first = c > 0
    second = x[0] > 0
    if first:
        a = np.sin(x)
        if second:
            z = a[1:]
    if second:
        y = x * x
        if first:
            z[0] = 2 * x[2] * y[1]
    if first:
        return np.sum(a * a)
    return np.sum(x)


@program(V3, 1.0)
@program(V3, -1.0)
def written_in_a_loop(x, c):
    first = c > 0
    if first:
        a = np.sin(x)
    for k in range(2):
        if first:
            z = a[k:]
            z[0] = x[k] * x[2] * z[1]
    if first:
        return np.sum(a * a)
    return np.sum(x)


@program(V3, 1.0)
@program(V3, -1.0)
def reshaped_before_the_write(x, c):
    y = np.sin(x)
    first = c > 0
    if first:
        z = y.reshape(3, 1)
    if first:
        y[0] = x[1] * x[2]
    if first:
        z[1, 0] = y[0] * z[0, 0]
        return np.sum(z * x)
    return np.sum(y)


@program(V3, 1.0)
@program(V3, -1.0)
def list_of_arrays(x, c):
    first = c > 0
    a = np.sin(x)
    if first:
        b = np.cos(x)
        xs = [b, a]
    else:
        xs = [a, a]
    if first:
        b[0] = x[0] * x[1]
    return np.sum(xs[0] * a)


@program(V3, 1.0)
@program(V3, -1.0)
def local_list_of_outside(x, c):
    first = c > 0
    xs = [x[1]]
    if first:
        ys = xs
    if first:
        ys[0] = x[0] * x[2]
    return sum(xs)


@program(V3, 1.0)
@program(V3, -1.0)
def pair_chosen_in_either_order(x, c):
    first = c > 0
    y = np.sin(x)
    z = np.cos(x)
    a, b = (y, z) if first else (z, y)
    a[0] = x[0] * x[1]
    b[1] = x[1] * x[2]
    return np.sum(a * b * b)


@program(V3, 1.0)
@program(V3, -1.0)
def lists_that_change_places(x, c):
    a = np.sin(x)
    b = np.cos(x)
    ys = [a, b]
    xs = [b, a]
    if c > 0:
        a[1:] *= np.sum(a)
        ys = xs
    return np.sum(a) + np.sum(ys[0] * ys[1] * x)


# --- what cannot be told ---


@refused(V3, 1.0, reason="an array in a list of run-time length was written into", advice=".copy()")
def list_that_grows_on_one_side(x, c):
    b = np.cos(x)
    xs = [b]
    if c > 0:
        b[0] = -0.7
        xs = [np.sin(b), b]
    return np.sum(b) + np.sum(xs[0])  # refused


@refused(V3, 1.0, reason=UNKNOWN, advice="write into a copy")
def two_choices_of_one_pair(x, c):
    p = np.sin(x)
    q = np.cos(x)
    t = p if c > 0 else q
    v = p[1:] if c > 0 else q[:2]
    t[1] = x[0] * x[2]
    return np.sum(v * v)  # refused


@refused(V3, 1.0, reason=UNKNOWN, advice="write into a copy")
def two_choices_and_a_loop(x, c):
    p = np.sin(x)
    q = np.cos(x)
    t = p if c > 0 else q
    v = p[1:] if c > 0 else q[:2]
    for i in range(3):
        v[0] = x[0] * x[2] + i
        t = t * 1.0  # refused
    return np.sum(t)


@refused(V3, 1.0, reason=UNKNOWN, advice="write into a copy")
def chosen_behind_a_check(x, c):
    t = np.sin(x)
    a = t * -0.7
    if c > 0:
        if x[0] > 5:
            raise ValueError(x)
        a = t
    t[0] = 2.0
    return np.sum(a * a)  # refused


@refused(V3, 1.0, reason=UNKNOWN, advice="write into a copy")
def chosen_in_the_else_of_a_loop(x, c):
    t = np.sin(x)
    a = t * -0.7
    if c > 0:
        for k in range(2):
            a = a * k
        else:
            a = t
    t[0] = 2.0
    return np.sum(a * a)  # refused


@refused(V3, 1.0, reason=UNKNOWN, advice="write into a copy")
def both_chosen_two_branches_deep(x, c):
    first = c > 0
    second = x[0] > 0
    a = np.sin(x)
    if first:
        if second:
            t = np.cos(x)
            b = t[1:]
            a = t
        a[1] = 2.0 * x[1]
    if first:
        a[0] = 0.5
        if second:
            a[1] = b[0] * b[1]  # refused
    return np.sum(a * a)


@refused(V3, 1.0, reason="was decided in another branch", advice="bind it on every path")
def bound_in_a_branch_of_a_loop(x, c):
    first = c > 0
    for i in range(3):
        if first:
            t = np.sin(x * i)
    if first:
        return np.sum(t)  # refused
    return np.sum(x * x)


@refused(V3, 1.0, reason="`k` may hold the list that is changed here", advice="use one name for the list")
def two_names_of_a_list(x, c):
    first = c > 0
    if first:
        xs = [x[0]]
        k = xs
    if first:
        xs.append(x[1] * x[0])  # refused
    if first:
        return sum(k)
    return np.sum(x * x)


@refused(V3, 1.0, reason="`k` may hold the list that is changed here", advice="use one name for the list")
def second_name_on_one_side(x, c):
    first = c > 0
    xs = [x[1]]
    if first:
        k = xs
    xs.append(x[0] * x[1])  # refused
    if first:
        return k[-1]
    return sum(xs)


@refused(V3, 1.0, reason="`d` may hold the dict that is changed here", advice="use one name for the dict")
def two_names_of_a_dict(x, c):
    first = c > 0
    if first:
        d = {"a": np.sin(x), "b": x}
        k = d
    if first:
        k["a"] = x * x  # refused
    if first:
        return np.sum(k["a"] * d["a"])
    return np.sum(x * x)


@refused(V3, 1.0, reason="`pair` is bound in a branch", advice="read it in the branch that binds it")
def one_list_twice_in_a_tuple(x, c):
    first = c > 0
    if first:
        xs = [np.sin(x)]
        pair = (xs, xs)
    if first:
        return np.sum(pair[0][0] * x)  # refused
    return np.sum(x * x)
