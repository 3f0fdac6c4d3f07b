"""Programs that unpack arrays and lists whose lengths are a matter of the run, and write outer variables."""

from __future__ import annotations

import numpy as np

from tests.programs.corpus import program

V3 = np.array([0.7, -1.2, 0.4])
V4 = np.array([0.3, -0.8, 1.1, 0.6])
M32 = np.array([[0.2, 1.1], [-0.5, 0.7], [0.9, 0.6]])


@program(V3)
def coordinates_of_a_point(p):
    x, y, z = p
    return np.array([y * z, x - z, x * y])


@program(M32)
def coordinates_unpacked(points):
    x, y = points.T
    return np.sum(x * y - y**2)


@program(M32)
def unpacked_rows(A):
    first, second, third = A
    second *= first
    return np.sum(first * second) + third[0]


@program(M32)
def rows_in_a_loop(A):
    total = 0.0
    for a, b in A:
        total += a * b
    return total


@program(V4, M32)
def nested_targets(x, A):
    total = 0.0
    for i, (a, b) in enumerate(A):
        total += a * x[i] - b
    for (a, b), v in zip(A, x, strict=False):
        total += a * v * b
    return total


@program(V4)
def first_and_the_rest(x):
    first, *rest = x
    return first * sum(rest)


@program(V4)
def both_ends_and_the_middle(x):
    first, *middle, last = x
    return first * last + np.sum(np.array(middle) ** 2)


@program(V4)
def ends_of_a_list_that_grows(x):
    xs = []
    for v in x:
        xs.append(v * v)
    first, *_, last = xs
    a, b, c, d = xs
    return first * last + a * c - b * d


@program(np.array([1.0, 2.0, 1.5]), np.array([[0, 1], [1, 2], [2, 3]]))
def stiffness_by_connectivity(k, elements):
    K = np.zeros((4, 4))
    for ke, (i, j) in zip(k, elements, strict=True):
        K[i, i] += ke
        K[j, j] += ke
        K[i, j] -= ke
        K[j, i] -= ke
    return K


@program(np.array([1.0, 2.0, 1.5]), np.array([0.3, -0.2, 0.5, 0.9]))
def stiffness_assembled_from_elements(k, f):
    n = len(f)
    K = np.zeros((n, n))
    local = np.array([[1.0, -1.0], [-1.0, 1.0]])
    for e in range(len(k)):
        nodes = [e, e + 1]
        K[np.ix_(nodes, nodes)] += k[e] * local
    K[0, :] = 0.0
    K[0, 0] = 1.0
    return np.linalg.solve(K, f)


@program(V3.reshape(1, 3) * np.ones((3, 1)), V3, 0.3)
def ridge_through_ravel(A, b, weight):
    G = A.T @ A
    G.ravel()[:: len(G) + 1] += weight
    return np.linalg.solve(G, A.T @ b)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@program(
    np.sin(np.arange(12.0)).reshape(4, 3),
    np.cos(np.arange(24.0)).reshape(3, 2, 4),
    np.sin(np.arange(12.0)).reshape(3, 2, 2),
)
def gru(xs, W, U):
    Wz, Wr, Wh = W
    Uz, Ur, Uh = U
    h = np.zeros(2)
    for x in xs.T:
        z = sigmoid(Wz @ x + Uz @ h)
        r = sigmoid(Wr @ x + Ur @ h)
        h = (1 - z) * h + z * np.tanh(Wh @ x + Uh @ (r * h))
    return h


def runge_kutta_step(f, y, t, h):
    k1 = f(y, t)
    k2 = f(y + 0.5 * h * k1, t + 0.5 * h)
    k3 = f(y + 0.5 * h * k2, t + 0.5 * h)
    k4 = f(y + h * k3, t + h)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


@program(np.array([0.5, 0.1]), 1.3)
def integrator_takes_a_local_function(y, omega):
    def f(state, t):
        x, v = state
        return np.array([v, -(omega**2) * x + np.sin(t)])

    t = 0.0
    for _ in range(4):
        y = runge_kutta_step(f, y, t, 0.1)
        t += 0.1
    return y


@program(V4)
def counter_kept_with_nonlocal(x):
    count = 0

    def scaled(v):
        nonlocal count
        count += 1
        return v * count

    total = 0.0
    for v in x:
        total += scaled(v)
        if v > 1.0:
            scaled(v)
    return total * count


@program(V4, 3)
def inner_count_zero_or_not(x, n):
    total = 0.0
    for i in range(n):
        partial = 0.0
        for j in range(i):
            partial += x[j]
            last = x[j] * partial
        if i > 0:
            total += last
    return total
