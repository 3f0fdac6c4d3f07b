"""Programs that put in order, search, filter and combine numbers that are known at run time."""

from __future__ import annotations

import itertools

import numpy as np

from tests.programs.corpus import program

V4 = np.array([0.3, -0.8, 1.1, 0.6])
M32 = np.array([[0.2, 1.1], [-0.5, 0.7], [0.9, 0.6]])


@program(V4)
def sorted_in_place(x):
    values = [x[0] * 2, x[1], x[2] ** 2]
    values.sort()
    return values[0] * values[1] - values[2]


@program(V4)
def sorted_and_unpacked(x):
    a, b, c, d = sorted([x[0], x[1], x[2], x[3]], reverse=True)
    return a * b - c * d


@program(V4)
def sorted_elements(x):
    total = 0.0
    for rank, value in enumerate(sorted(x * x)):
        total += rank * value
    return total


@program(M32)
def sorted_by_second(A):
    pairs = sorted([(row[0], row[1]) for row in A], key=lambda pair: pair[1])
    return pairs[0][0] * 2 + pairs[-1][0]


@program(M32)
def rows_sorted_by_their_sums(A):
    rows = sorted(A, key=lambda row: -np.sum(row))
    return rows[0] @ rows[1] + rows[2][0]


@program(V4, np.array([2.0, 1.0, 0.5, 0.25]))
def weights_by_rank(x, weights):
    rank = np.empty(len(x), dtype=int)
    rank[np.argsort(x)] = np.arange(len(x))
    return np.sum(x * weights[rank])


@program(V4)
def max_of_a_generator(x):
    return max(v * v for v in x) + min(v for v in x) * max(x)


@program(M32, np.array([0.1, 0.8]))
def nearest_by_min_with_key(points, p):
    nearest = min(points, key=lambda q: np.sum((q - p) ** 2))
    return np.sum(nearest**2) * p[0]


@program(V4)
def filter_then_sum(x):
    return sum(filter(lambda v: v > 0, x)) * x[1]


@program(V4)
def mapped_generator(x):
    return sum(map(lambda v: v * v, (w + 1 for w in x if w > 0)))  # noqa: C417


@program(V4)
def tuple_of_a_generator(x):
    squares = tuple(v * v for v in x)
    return squares[0] * squares[-1] + sum(squares)


@program(M32, 0.7)
def kernel_matrix(X, length):
    return np.array([[np.exp(-np.sum((a - b) ** 2) / length) for b in X] for a in X])


@program(V4)
def three_levels_of_comprehensions(x):
    cube = np.array([[[a * b * k for k in (1, 2)] for b in x] for a in x])
    return np.sum(cube**2, axis=(0, 1))


@program(V4)
def powers_by_accumulate(x):
    powers = list(itertools.accumulate([x[0], x[1], x[2]], lambda a, b: a * b))
    return sum(powers)


@program(V4)
def total_variation(x):
    return sum((b - a) ** 2 for a, b in itertools.pairwise(x))


@program(V4)
def elementary_symmetric(x):
    pairs = sum(a * b for a, b in itertools.combinations([x[0], x[1], x[2]], 2))
    return pairs + sum(x[i] * x[j] for i, j in itertools.product(range(2), range(3)))


@program(V4, 0.2)
@program(V4, -0.2)
def functions_chosen_by_a_condition(x, s):
    activation = np.tanh if s > 0 else np.sin
    return np.sum(activation(x) * s)


@program(V4, 0.2)
@program(V4, -0.2)
def lambdas_chosen_by_a_branch(x, s):
    if s > 0:
        scale = s * 3.0
        act = lambda v: np.tanh(v) * scale  # noqa: E731
    else:

        def act(v):
            return v * 2

    return act(act(x))


@program(V4, 0.2)
@program(V4, -0.4)
def functions_chosen_in_every_turn(x, s):
    for v in x:
        if s > 0:
            c = v * s
            g = np.sin if c > 0.3 else np.cos
        else:
            g = np.exp  # type: ignore[assignment]
        s = g(s) * v + g(v)
    return s


@program(V4)
def remembered_in_a_dict(x):
    known: dict[int, float] = {}
    for i in range(4):
        known[i] = x[i] * (known[i - 1] if i - 1 in known else 1.0)  # noqa: SIM401
    return known[3] + known[1]


@program(M32)
def rows_of_a_table(A):
    table = [(row[0], row[1] * 2) for row in A]
    return sum(a * b for a, b in table)


@program(V4)
def extend_and_insert(x):
    xs = [x[0]]
    xs.extend([x[1], x[2] * 2])
    xs.insert(1, x[3])
    return np.sum(np.array(xs) * np.arange(4))


@program(M32.T @ M32, M32)
def block_matrix(A, B):
    return np.block([[A, B.T], [B, np.eye(3)]])
