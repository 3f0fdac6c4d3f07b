"""Programs that write into their arguments: the gradient acts as on a private copy.

Those with `of=` return nothing that is wanted: their result is what an argument holds after the call.
"""

from __future__ import annotations

import numpy as np

from tests.programs.corpus import program

V3 = np.array([0.7, -1.2, 0.4])
V4 = np.array([0.3, -0.8, 1.1, 0.6])
V6 = np.array([0.5, -1.3, 0.9, 1.7, -0.4, 0.2])
M33 = np.array([[2.1, 0.4, -0.3], [0.5, 1.8, 0.7], [-0.2, 0.6, 2.4]])
M34 = np.array([[0.2, 1.1, -0.5, 0.7], [-0.3, 0.9, 0.6, -1.2], [1.4, -0.8, 0.1, 0.5]])


@program(V4)
def scaled_argument(x):
    x *= 2.0
    return np.sum(x**3)


@program(V4)
def first_element_lost(x):
    x[0] = 0.5
    x[1] = x[2] * x[1]
    return x**2


@program(V6)
def argument_sorted(x):
    first = x[0]
    x.sort()
    return x[:3] * x[3:] + first


@program({"w": V3, "b": 0.4}, M34, 0.05)
def parameters_stepped(params, X, rate):
    hidden = np.tanh(params["w"] @ X + params["b"])
    params["w"] -= rate * X @ hidden
    params["b"] = params["b"] - rate * np.sum(hidden)
    return np.sum(np.tanh(params["w"] @ X + params["b"]) ** 2)


@program([V3, V4])
def arrays_of_a_list(arrays):
    for a in arrays:
        a -= np.mean(a)
        a[-1] *= a[0]
    return np.outer(arrays[0], arrays[1])


@program(M34)
def argument_through_a_view(A):
    top = A[:2]
    flipped = top.T[::-1]
    flipped[0] *= flipped[1]
    return A * A[0]


@program(V4, V4[::-1] * 1.5)
def both_arguments_returned(x, y):
    x += y
    y -= 0.5 * x
    x *= y
    return x, y


@program(V4, 0.7)
def written_on_one_side_only(x, s):
    before = np.sum(x)
    if s > 0.5:
        x[1:] *= s
        x[0] += before
    else:
        x.fill(s)
    return x**2


@program(V4, 1.4)
def number_updated_beside_an_array(x, s):
    s *= s  # a number: the caller could never see this
    x *= s
    s += np.sum(x)
    return s * x


@program(np.array(0.8), V3)
def argument_without_axes(scale, x):
    y = x * scale
    scale += 1.0
    scale[...] = scale**2
    return y * scale


@program(V4, np.array([3, 1, 0, 2]))
def index_argument_permuted(x, order):
    first = x[order] ** 2
    order[0], order[3] = order[3], order[0]
    order[:2] = order[1::-1]
    return first * x[order]


def take_step(position, velocity, h):
    velocity -= h * np.sin(position)
    position += h * velocity


@program(V3, V3[::-1], 0.2)
def arguments_given_on_to_a_helper(position, velocity, h):
    for _ in range(3):
        take_step(position, velocity, h)
    return np.sum(velocity**2) - np.sum(np.cos(position))


@program((V3, V3**2), 0.5)
def arrays_of_a_tuple(pair, s):
    left, right = pair
    left *= right
    right[:] = np.sin(left) + s
    return pair[0] * pair[1]


@program(np.zeros((0, 3)), np.array([1.2]))
def empty_and_single(none, one):
    none += 1.0
    one *= one[0]
    one[0:1] += np.sum(none)
    return one**2


@program(M34, M34.T + 0.5, np.ones((3, 3)), of="C")
def product_by_three_loops(A, B, C):
    for i in range(A.shape[0]):
        for j in range(B.shape[1]):
            C[i, j] = 0.0
            for k in range(A.shape[1]):
                C[i, j] += A[i, k] * B[k, j]


@program(1.7, V4, V4[::-1] ** 2, of="y")
def axpy(a, x, y):
    y += a * x


@program(V6, np.full(6, 0.3), of="B")
def interior_written_ends_kept(A, B):
    B[1:-1] = (A[:-2] + A[1:-1] + A[2:]) * B[1:-1] / 3


@program(M33 @ M33.T, of="A")
def factor_in_place(A):
    n = len(A)
    for j in range(n):
        A[j, j] = np.sqrt(A[j, j])
        A[j + 1 :, j] /= A[j, j]
        for k in range(j + 1, n):
            A[k:, k] -= A[k:, j] * A[k, j]
        A[j, j + 1 :] = 0.0


@program(V6, 0.2, 3, of="u")
def heat_steps(u, k, steps):
    for _ in range(steps):
        u[1:-1] += k * (u[2:] - 2 * u[1:-1] + u[:-2])
        u[0], u[-1] = u[1] ** 2, u[-2]


@program(V3, V3[::-1] * 2.0, of="B")
def contents_exchanged(A, B):
    kept = A.copy()
    A[:] = B * kept
    B[:] = kept + A


@program(V4, np.zeros(4), 0.9, of="out")
def returns_early(x, out, limit):
    out[:] = x**2
    if np.sum(x) > limit:
        out *= x[0]
        return
    out += 1.0


@program(M34, V4, np.zeros(3), of="result")
def written_by_out(W, x, result):
    np.matmul(W, x, out=result)
    np.tanh(result, out=result)
    result *= result[0]


@program(np.cos(np.arange(5.0)), np.zeros((4, 5)), 0.6, of="path")
def rows_of_a_path(start, path, r):
    path[0] = start
    for t in range(1, len(path)):
        row = path[t]
        row[1:] = r * path[t - 1, 1:] + path[t - 1, :-1] ** 2
        row[0] = row[-1]


@program(V6, np.array([1, 0, 2, 1, 1, 0]), np.array([0.5, 0.1, 0.2]), of="totals")
def accumulated_on_top(x, groups, totals):
    for g, value in zip(groups, x, strict=True):
        if value > 0:
            totals[g] += value**2
    totals /= 1.0 + totals


@program(V4, V4[::-1] * 0.8, of="x")
def returns_something_else_too(x, y):
    y *= x
    x[:2] += y[2:]
    return np.sum(y)
