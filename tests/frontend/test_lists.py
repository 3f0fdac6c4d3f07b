"""Lists whose length is known at run time only: derivatives, and what is refused."""

from __future__ import annotations

import linecache
from typing import Any

import numpy as np
import pytest

from ad_compiler import Unsupported, grad

X = np.array([0.3, 1.2, 0.7, 0.9])
W = np.array([0.5, -1.1, 0.3, 0.8])


def array_of_appended_numbers(x):
    xs = []
    for i in range(x.shape[0]):
        xs.append(np.sin(x[i]) * x[i])
    a = np.array(xs)
    return np.sum(a * a)


def recurrence_that_reads_its_list(x):
    xs = [1.0]
    for i in range(len(x)):
        xs.append(xs[-1] * x[i] + xs[i])
    return sum(xs) * len(xs)


def rows_of_a_matrix(x):
    rows = []
    for i in range(3):
        rows.append(x * i + x**2)
    m = np.stack(rows)
    return np.sum(m @ m.T)


def tape_of_pairs(x):
    tape = []
    y = 1.0
    for i in range(len(x)):
        tape.append((y, i))
        y = np.sin(y) * x[i]
    s = 0.0
    for _ in reversed(range(len(x))):
        y, k = tape.pop()
        s = s + y * x[k]
    return s


def generator_and_comprehension(x):
    return sum(np.sin(v) for v in x) + np.sum(np.array([v**2 for v in x]) * x)


def appended_in_a_branch(x):
    xs = []
    for i in range(len(x)):
        if x[i] > 0.5:
            xs.append(x[i] ** 2)
    t = 0.0
    for v in xs:
        t = t + np.exp(v)
    return t


def stack_of_intervals(x):
    stack = [(x[0], x[1])]
    t = 0.0
    while stack:
        a, b = stack.pop()
        if b - a > 0.3:
            m = (a + b) / 2
            stack.append((a, m))
            stack.append((m, b))
        else:
            t = t + a * b
    return t


def items_assigned(x):
    xs = [0.0] * len(x)
    for i in range(len(x)):
        xs[i] = x[i] ** 2
        if i > 0:
            xs[i] += xs[i - 1] * x[i]
    return xs[-1] + sum(xs[1:])


def two_names_of_one_list(x):
    xs = [x[0]]
    ys = xs
    for i in range(len(x)):
        xs.append(x[i] * ys[-1])
    return sum(ys) + max(xs)


def list_of_arrays_joined(x):
    states = [x]
    for _ in range(4):
        states.append(np.tanh(states[-1]) * x)
    return np.sum(np.concatenate(states)) + np.sum(sum(states) ** 2)


def copies_of_an_array_that_is_written(x):
    v = x * 1.0
    xs = []
    for i in range(len(x)):
        v[i] = x[i] * 2 * v[0]
        xs.append(v.copy())
    return np.sum(np.array(xs) ** 2)


def helper_that_appends(x):
    def push(stack, v):
        stack.append(v * 2)

    xs: list[Any] = []
    for i in range(len(x)):
        push(xs, x[i] ** 2)
    return sum(xs)


def lists_exchanged(x):
    xs, ys = [x[0]], [x[1]]
    for i in range(len(x)):
        xs.append(x[i] * ys[-1])
        xs, ys = ys, xs
    return sum(xs) * sum(ys)


def list_in_a_loop_in_a_loop(x):
    out = []
    for i in range(len(x)):
        row = []
        for j in range(i + 1):
            row.append(x[i] * x[j])
        out.append(sum(row) ** 2)
    return np.sum(np.array(out))


def copy_chosen_by_a_branch(x):
    best = [x[0]]
    for i in range(len(x)):
        cur = list(best)
        cur.append(x[i] * cur[-1])
        if sum(cur) > 1.0:
            best = cur
    return sum(best)


def queue(x):
    q = [x[0]]
    s = 0.0
    k = 0
    while q and k < 6:
        v = q.pop(0)
        s = s + v
        q.append(v * x[1])
        q += [v * x[2]]
        k += 1
    return s + len(q) * x[3]


def pairs_read_backwards(x):
    xs = []
    for i in range(len(x)):
        xs.append((x[i], x * x[i]))
    s = 0.0
    for a, v in reversed(xs):
        s = s * a + np.sum(v**2)
    return s


def lists_added_and_sliced(x):
    xs = [x[0]] * 2
    n = 0
    while n < 3:
        xs = xs + [xs[-1] * x[1]]
        n += 1
    xs[0] = xs[1] * 3
    return sum(xs[:2]) + xs[-1] + xs[n]


def truth_of_a_list(x):
    xs = []
    for i in range(len(x)):
        if x[i] > 100:
            xs.append(x[i])
    if not xs:
        return np.sum(x)
    return xs[0]


def two_names_written_by_index(x):
    a = [x[0], x[1]]
    b = a
    for i in range(len(x)):
        a[0] = a[0] * x[i]
        b[1] = b[1] + a[0]
    return b[0] * a[1]


def two_names_in_a_branch(x):
    a = [x[0], x[1]]
    b = a
    if x[0] > 0:
        a[0] = x[2] * 3
        a.append(x[3])
    return b[0] * a[1] * len(b)


def list_in_a_dict_in_a_branch(x):
    a = [x[0], x[1]]
    b = {"p": a}
    if x[0] > 0:
        a[0] = x[2] * 3
    a[1] = x[3] * 2
    return b["p"][0] * b["p"][1]


def recursion_that_appends(x):
    def visit(i, acc):
        acc.append(x[i] ** 2)
        if i < 3:
            visit(i + 1, acc)

    acc: list[Any] = []
    visit(0, acc)
    return sum(acc)


def popped_and_pushed(x):
    stack = [x[0]]
    for i in range(4):
        if x[i] > 0.5 and len(stack) > 0:
            stack.append(stack.pop() * x[i])
        else:
            stack.append(x[i])
    return sum(stack)


def second_name_in_a_helper(x):
    def total(xs):
        ys = xs
        for i in range(3):
            ys.append(ys[-1] * x[i])
        return sum(xs)

    zs = [x[1]]
    return total(zs) + len(zs) * zs[-1]


def copies_stay_as_they_are(x):
    xs = [x[0]]
    ys = list(xs)
    zs = xs[:]
    ws = xs.copy()
    for i in range(3):
        xs.append(x[i])
        ys.append(2 * x[i])
    return sum(xs) + sum(ys) * sum(zs) + sum(ws)


def array_written_in_the_next_turn(x):
    v = np.zeros(4)
    xs = []
    for i in range(len(x)):
        v[0] = x[i] * 2
        xs.append(v)
    return np.sum(np.array(xs) ** 2)


def array_written_after_it_was_appended(x):
    xs = []
    for i in range(len(x)):
        v = x * x[i]
        xs.append(v)
        v[0] = 3.0
    return np.sum(np.array(xs) ** 2)


def list_that_grows_while_it_is_read(x):
    xs = [x[0], x[1]]
    n = 0
    s = 0.0
    for v in xs:
        s = s + v * v
        n = n + 1
        if n < 5:
            xs.append(v * 0.5)
    return s


def name_given_to_another_list(x):
    xs = [x[0]]
    ys = [x[1]]
    for i in range(len(x)):
        xs.append(x[i] * ys[-1])
        ys = xs
    return sum(ys) * 1.0


def name_chosen_by_a_branch(x):
    xs = [x[0]]
    ys = [x[1]]
    if x[0] > 0:
        ys = xs
    xs.append(x[2])
    return sum(ys) * x[3]


def list_in_a_dict(x):
    xs = [x[0]]
    d = {"a": xs}
    for i in range(len(x)):
        xs.append(x[i] * d["a"][0] + len(d["a"]))
    return sum(d["a"])


def sum_of_the_list_put_into_it(x):
    xs = [1.0]
    for v in x:
        xs.append(sum(xs) * v)
    return np.sum(np.array(xs) ** 2)


def grown_by_what_it_gets(xs, v):
    xs.append(v)
    return v * sum(xs)


def changed_by_the_argument_of_append(x):
    xs = [1.0]
    for v in x:
        xs.append(grown_by_what_it_gets(xs, v))
    return np.sum(np.array(xs) ** 2)


def doubled(x):
    xs = [x[0], x[1]]
    for _ in x:
        xs.extend(xs)
    return np.sum(np.array(xs) ** 3)


def read_and_changed_at_once(x):
    xs = [x[0], x[1]]

    def f(s, v):
        return sum(s) * v

    return f(xs, xs.pop())


def item_written_in_place(x):
    xs = []
    for i in range(len(x)):
        xs.append(x * x[i])
    v = xs[1]
    v[0] = 7.0
    return np.sum(sum(xs) ** 2)


def list_replaced_in_a_branch(x):
    xs: list[Any] = []
    ys = xs
    for i in range(3):
        xs.append(x[i])
        if x[i] > 0.5:
            xs = []
        ys.append(x[i] * 2)
    return sum(ys) + sum(xs)


def item_updated_in_place(x):
    h = [x * 1.0]
    for _ in range(3):
        h[-1] += x
        h.append(h[-1] * x)
    return np.sum(h[-1])


def one_list_twice_in_a_list(x):
    a = [x[0]]
    b = [a, a]
    for i in range(3):
        b[0].append(x[i])
    return sum(b[1]) * 1.0


def one_list_twice_in_a_dict(x):
    a = [x[0]]
    b = {"p": a, "q": a}
    for i in range(len(x)):
        b["p"].append(x[i])
    return sum(b["q"]) * 1.0


PROGRAMS = [
    list_that_grows_while_it_is_read,
    array_of_appended_numbers,
    recurrence_that_reads_its_list,
    rows_of_a_matrix,
    tape_of_pairs,
    generator_and_comprehension,
    appended_in_a_branch,
    stack_of_intervals,
    items_assigned,
    two_names_of_one_list,
    list_of_arrays_joined,
    copies_of_an_array_that_is_written,
    helper_that_appends,
    lists_exchanged,
    list_in_a_loop_in_a_loop,
    copy_chosen_by_a_branch,
    queue,
    pairs_read_backwards,
    lists_added_and_sliced,
    truth_of_a_list,
    two_names_written_by_index,
    two_names_in_a_branch,
    list_in_a_dict_in_a_branch,
    recursion_that_appends,
    popped_and_pushed,
    second_name_in_a_helper,
    copies_stay_as_they_are,
    sum_of_the_list_put_into_it,
    changed_by_the_argument_of_append,
    doubled,
]
KEEP_LISTS = (
    sum_of_the_list_put_into_it,
    changed_by_the_argument_of_append,
    doubled,
    list_in_a_loop_in_a_loop,
    copy_chosen_by_a_branch,
    queue,
    lists_added_and_sliced,
)  # their derivatives hold lists of lists, or choose between lists
REFUSED = [
    (array_written_in_the_next_turn, "which array `xs` is changes from turn to turn"),
    (array_written_after_it_was_appended, "stands where a number or an array is needed"),
    (name_given_to_another_list, "may be one list or two"),
    (name_chosen_by_a_branch, "`ys` may hold the list"),
    (list_in_a_dict, "`d` may hold the same list"),
    (read_and_changed_at_once, "is read in the statement"),
    (item_written_in_place, "an item of a list of run-time length is written in place"),
    (list_replaced_in_a_branch, "may hold the list"),
    (item_updated_in_place, "an item of a list of run-time length is written in place"),
    (one_list_twice_in_a_list, "may hold the same list"),
    (one_list_twice_in_a_dict, "may hold the same list"),
]


def differences(f, x):
    """The gradient by central differences."""
    steps = 1e-6 * np.eye(len(x))
    return np.array([(f(x + step) - f(x - step)) / 2e-6 for step in steps])


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_gradient(program):
    x = X.copy()
    gradient = grad(program)(x)
    np.testing.assert_allclose(gradient, differences(program, X), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(x, X)


def along_a_direction(program):
    """The function from x and w to the derivative of the program at x along w, from the emitted text."""
    derivative = grad(program)
    derivative(X)
    text = f"{derivative.source}\n\ndef along(x, w):\n    return np.sum({program.__name__}_grad(x) * w)\n"
    filename = f"<second derivative of {program.__name__}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    namespace = {"__name__": "emitted"}
    exec(compile(text, filename, "exec"), namespace)
    return namespace["along"]


@pytest.mark.parametrize("program", KEEP_LISTS, ids=lambda program: program.__name__)
def test_emitted_derivative_with_lists_of_lists_is_refused(program):
    with pytest.raises(Unsupported, match="list"):
        grad(along_a_direction(program))(X, W)


AGAIN = [program for program in PROGRAMS if program not in KEEP_LISTS]


@pytest.mark.parametrize("program", AGAIN, ids=lambda program: program.__name__)
def test_emitted_derivative_is_differentiated_again(program):
    """The language emitted, with its tapes, is a subset of the language accepted."""
    along = along_a_direction(program)
    expected = differences(lambda x: along(x, W), X)
    np.testing.assert_allclose(grad(along)(X, W), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("program", "message"), REFUSED, ids=lambda each: getattr(each, "__name__", ""))
def test_refused(program, message):
    with pytest.raises(Unsupported) as error:
        grad(program)(X)
    assert message in str(error.value)


def test_lists_are_changed_in_place():
    derivative = grad(stack_of_intervals)
    derivative(X)
    assert "stack.pop()" in derivative.source
    assert "stack.append((m, b))" in derivative.source
    assert "[*" not in derivative.source
    assert "[:-1]" not in derivative.source
