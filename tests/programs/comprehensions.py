"""Comprehensions, generators, `map` and its family, and lists that grow and shrink."""

# ruff: noqa: B905 -- people write zip(xs, ys)

from __future__ import annotations

import functools
import math
from functools import partial, reduce

import numpy as np

from tests.programs.corpus import program


@program(np.array([0.4, -0.9, 1.1]))
def sum_of_a_generator(x):
    return sum(v * v for v in x) / 2


@program(np.array([0.4, -0.9, 1.1]), 0.7)
def array_of_a_list_comprehension(x, frequency):
    return np.array([math.sin(frequency * v) for v in x])


@program(np.array([0.4, -0.9, 1.1, -0.2]))
def comprehension_with_a_filter(x):
    kept = [v**3 for v in x if v > 0]
    return sum(kept) / len(kept)


@program(np.array([0.4, -0.9, 1.1]))
def comprehension_with_a_choice(x):
    return np.array([v * v if v > 0 else -0.1 * v for v in x])


@program(np.array([0.3, 0.8]), np.array([0.5, -0.4, 0.7]))
def two_clauses(x, y):
    return sum(a * math.exp(b) for a in x for b in y)


@program(np.array([0.2, 0.5, 0.9, 0.4]))
def inner_bound_depends_on_outer(x):
    return sum(x[i] * x[j] for i in range(len(x)) for j in range(i) if (i + j) % 2)


@program({"a": 0.4, "b": 1.2}, 0.3)
def dict_comprehension(params, rate):
    moved = {name: value - rate * math.sin(value) for name, value in params.items()}
    return moved["a"] * moved["b"]


@program(
    {"a": np.array([0.4, 0.1]), "b": np.array([1.2, -0.3])},
    {"a": np.array([0.5, 0.9]), "b": np.array([0.2, 0.6])},
)
def two_trees_joined(params, gradients):
    new = {k: p - 0.1 * gradients[k] ** 2 for k, p in params.items()}
    return sum(np.sum(p * p) for p in new.values())


@program(np.array([0.4, 0.9]), 0.7)
@program(np.array([0.4, -0.9]), 0.7)
def all_and_any_choose(x, scale):
    if all(v > 0 for v in x):
        return scale * np.sum(np.log(x))
    if any(v < -0.5 for v in x):
        return scale**2 * np.sum(x)
    return scale


@program(0.6)
def list_of_a_generator(x):
    powers = list(x**k for k in range(1, 5))  # noqa: C400
    return powers[0] + powers[-1] * powers[1]


@program(np.array([0.5, 1.3, 0.8]))
def product_of_a_generator(x):
    return math.prod(1 + v for v in x)


def bump(v):
    return math.exp(-v * v)


@program(np.array([0.4, 0.9, 0.2]))
def map_a_function(x):
    return np.array(list(map(bump, x)))


@program(np.array([0.4, 0.9]), np.array([1.5, 0.3]))
def map_over_two_arrays(x, y):
    return sum(map(math.atan2, x, y))


@program([np.array([[0.4, 0.9], [0.2, -0.3]]), np.array([[1.0, 0.1], [0.5, 0.7]]), np.eye(2)])
def reduce_matrices(factors):
    return np.trace(reduce(lambda A, B: A @ B, factors))


@program(np.array([0.7, 0.2, -0.4]), 0.8)
def reduce_with_a_start(coefficients, x):
    return functools.reduce(lambda value, c: value * x + c, coefficients, 0.0)


def hill(x, height, width):
    return height / (1 + (x / width) ** 2)


@program(np.array([0.4, 0.9, -0.2]), 1.1)
def partial_application(x, height):
    low = partial(hill, height=0.5 * height, width=2.0)
    high = partial(hill, height=height, width=0.7)
    return np.sum(high(x) * low(x))


@program(0.4, 0.15, 5)
def trajectory_as_an_array(x, dt, steps):
    path = [x]
    for _ in range(steps):
        x = x + dt * math.cos(x)
        path.append(x)
    return np.array(path)


@program(np.array([0.3, -0.4]), np.array([[0.7, 0.2], [-0.5, 0.6]]))
def stacked_states(h, W):
    states = []
    for _ in range(3):
        h = np.tanh(W @ h)
        states.append(h)
    return np.stack(states)


@program(np.array([0.3, -0.4, 0.8, 0.5]))
def concatenated_pieces(x):
    pieces = []
    for width in range(1, len(x)):
        pieces.append(np.cumsum(x[:width]) * width)
    return np.concatenate(pieces)


@program(np.array([[0.3, -0.4], [0.8, 0.5], [0.1, 0.2]]))
def sum_of_a_list_of_arrays(rows):
    terms = []
    for row in rows:
        terms.append(row * np.sum(row))
    return sum(terms)


@program(np.array([0.3, 0.7, 1.2, 0.4]))
def stack_machine(values):
    """Joins the two topmost numbers until one is left."""
    stack = []
    for value in values:
        stack.append(value)
    while len(stack) > 1:
        right = stack.pop()
        left = stack.pop()
        stack.append(left / (1 + right))
    return stack[0]


@program([0.3, 0.7, 1.2, 0.4])
def queue_from_the_front(values):
    queue = list(values)
    while len(queue) > 1:
        a, b = queue.pop(0), queue.pop(0)
        queue.append(a * b + 0.5)
    return queue[0]


@program(0.6, 0.9)
def recurrence_that_reads_its_list(a, b):
    terms = [a, b]
    for n in range(2, 6):
        terms.append(terms[n - 1] * a + terms[n - 2] * b / n)
    return terms[-1]


@program(0.4, 5)
def sum_over_all_earlier_terms(x, n):
    """Catalan's convolution, with a weight: every turn reads the whole list."""
    c = [x]
    for k in range(1, n):
        c.append(sum(c[i] * c[k - 1 - i] for i in range(k)))
    return sum(c)


@program(np.array([0.4, 1.1, -0.7, 0.2, -0.3]))
def split_into_two_lists(x):
    up, down = [], []
    for value in x:
        if value > 0:
            up.append(math.sqrt(value))
        else:
            down.append(value * value)
    return sum(up) - 2 * sum(down) / len(down)


@program([(0.4, 0.9), (0.2, 0.7), (1.1, 0.3)])
def unzip_with_a_star(pairs):
    xs, ys = zip(*pairs)
    return np.dot(xs, np.tanh(ys))


@program(np.array([[0.4, 0.9], [0.2, 0.7]]), np.array([0.1, 0.5]))
def sum_with_an_array_as_start(rows, offset):
    return sum((row**2 for row in rows), offset)


@program(np.array([0.4, 0.9, 0.3]))
def inner_name_does_not_leak(x):
    v = x[0] * x[1]
    squares = [v * v for v in x]
    return v + sum(squares)


@program(0.8, 0.3)
def list_literals_joined(a, b):
    edge = [a] * 2
    inside = [b, a * b]
    profile = edge + inside + edge[:1]
    return np.array(profile) ** 2


@program([("a", 0.4), ("b", 0.9), ("a", 0.3)])
def totals_per_label(records):
    totals: dict[str, float] = {}
    for label, amount in records:
        totals[label] = totals.get(label, 0.0) + amount**2
    return totals["a"] * totals["b"]


@program(np.array([0.2, 0.6, 1.1]), np.array([0.9, 0.1, 0.5]))
def zip_in_a_generator(p, q):
    return -sum(a * math.log(b) for a, b in zip(p, q))


@program(np.array([0.2, 0.6, 1.1]))
def enumerate_in_a_comprehension(x):
    return np.array([v**i for i, v in enumerate(x, 2)])


@program(np.array([[0.2, 0.6], [1.1, 0.4], [0.3, 0.5]]))
def list_of_arrays_becomes_a_matrix(points):
    unit = np.array([p / np.linalg.norm(p) for p in points])
    return unit @ unit.T


@program([np.array([0.2, 0.6]), np.array([1.1, 0.4, 0.3]), np.array([0.5])])
def ragged_segments(segments):
    means = [np.mean(s) for s in segments]
    return sum(np.sum((s - m) ** 2) for s, m in zip(segments, means)) + np.prod(means)


@program(0.3, 0.8)
def numpy_functions_of_a_list(x, y):
    return np.array([1.0, 2.0]) * np.sin([x, x * y]) + (y, x)


@program([0.3, 0.8, 0.5])
def mean_of_a_list(values):
    return np.mean([v * v for v in values]) + np.max(values) * np.sum((values[0], values[1]))
