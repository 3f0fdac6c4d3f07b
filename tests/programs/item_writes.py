"""Programs that write elements: `a[i] = e`, `a[i] op= e` and `a op= e`, with every kind of index."""

from __future__ import annotations

import numpy as np

from tests.programs.corpus import program

V3 = np.array([0.7, -1.2, 0.4])
V4 = np.array([0.3, -0.8, 1.1, 0.6])
V6 = np.array([0.5, -1.3, 0.9, 1.7, -0.4, 0.2])
M23 = np.array([[0.4, -0.9, 1.2], [0.8, 0.3, -0.6]])
M34 = np.array([[0.2, 1.1, -0.5, 0.7], [-0.3, 0.9, 0.6, -1.2], [1.4, -0.8, 0.1, 0.5]])
C234 = np.sin(np.arange(1.0, 25.0)).reshape(2, 3, 4)


@program(V6, 0.3, -1.1)
def boundary_values(u, left, right):
    u = u.copy()
    u[0] = left
    u[-1] = right
    return u[1:] ** 2 * u[:-1]


@program(V4)
def polynomial_features(x):
    features = np.empty((len(x), 4))
    features[:, 0] = 1
    features[:, 1] = x
    features[:, 2] = x * x
    features[:, 3] = np.sin(x)
    return features.T @ features


@program(0.6, np.array([1.5, -0.5]))
def rotation_matrix(angle, v):
    R = np.zeros((2, 2))
    R[0, 0] = np.cos(angle)
    R[0, 1] = -np.sin(angle)
    R[1, 0] = -R[0, 1]
    R[1, 1] = R[0, 0]
    return R @ v


@program(V4, V4[::-1] + 0.5)
def updates_of_a_fresh_array(x, w):
    y = x * w
    y += np.sin(x)
    y -= 0.5 * w
    y *= 2.0
    return y**2


@program(V4)
def times_itself(x):
    y = x + 2.0
    y *= y
    y -= x * y
    y *= y
    return np.sum(y)


@program(V4)
def power_in_place(x):
    y = 1.0 + x * x
    y **= 1.5
    y /= np.sum(y)
    return y


@program(V3 + 2.0, 1.7)
def exponent_of_a_power_in_place(base, exponent):
    y = base.copy()
    y **= exponent
    y **= y * 0.1
    return y


@program(M34)
def softmax_rows_in_place(scores):
    p = scores - np.max(scores, axis=1, keepdims=True)
    p = np.exp(p)
    p /= p.sum(axis=1, keepdims=True)
    return p[:, 0] * p[:, -1]


@program(M34 + 2.0)
def divided_by_its_own_first_row(A):
    # the first row divides itself as well, and the rows below it by what it was
    B = A.copy()
    B /= B[:1]
    return B[1:] * B[0]


@program(M34, 1.3)
def one_column_scaled(A, s):
    B = A.copy()
    B[:, 1] *= s
    B[:, 1] *= B[:, 0]
    B[:, 2] /= s + B[:, 1] ** 2
    return B


@program(V6)
def filled_from_the_back(x):
    remaining = np.empty_like(x)
    remaining[::-1] = np.cumsum(x[::-1])
    return remaining * x


@program(np.linspace(-1.0, 1.4, 7))
def negative_step_update(x):
    y = x.copy()
    y[-2:0:-2] += y[2:5] ** 2
    y[::-3] *= y[:3]
    return y


@program(C234, np.array([0.5, -0.2, 0.9]))
def ellipsis(T, edge):
    T = T.copy()
    T[..., 0] = edge
    T[0, ...] *= 2.0
    T[1, ..., -1] += T[0, ..., 0] ** 2
    return np.sum(T**2, axis=1)


@program(M34, V4)
def column_vector_with_newaxis(A, w):
    column = A @ w[:, np.newaxis]
    result = np.ones((3, 2))
    result[:, 0, np.newaxis] = column
    result[:, 1, None] -= column**2
    return result


@program(V4, np.array([2, 0, 3, 1]))
def inverse_permutation(x, order):
    restored = np.zeros_like(x)
    restored[order] = x**2
    return restored * x


@program(V6)
def listed_elements(x):
    y = x.copy()
    y[[0, 4]] += x[[3, 1]] * x[0]
    y[[1, 2]] = y[[2, 1]]
    return y**3


@program(V6)
def negative_values_to_zero(x):
    y = x.copy()
    y[y < 0] = 0
    return y**2 + x


@program(V6, np.array([0.4, -0.9]), np.array([False, True, False, False, True, False]))
def values_where_missing(x, guesses, missing):
    filled = x.copy()
    filled[missing] = guesses
    return np.std(filled)


@program(V6)
def outliers_damped(r):
    weighted = r * 1.0
    large = np.abs(weighted) > 1.0
    weighted[large] = np.sign(weighted[large]) * (2 * np.sqrt(np.abs(weighted[large])) - 1)
    weighted[~large] *= 1.5 - 0.5 * weighted[~large] ** 2
    return np.sum(weighted**2)


@program(M34)
def mask_of_a_matrix(A):
    B = np.array(A)
    B[A > 0.65] -= 0.65
    B[1, B[1] < 0] **= 2
    return B * A


@program(M34, np.array([2, 0]), np.array([[0.6, -0.4], [1.2, 0.1]]))
def rows_from_an_array_columns_from_a_slice(A, rows, patch):
    A = A.copy()
    A[rows, 1:3] = patch
    A[rows, -1] *= patch[:, 0]
    A[:, [0, 3]] += A[:, 1:3] ** 2
    return A


@program(C234, V3)
def arrays_around_a_slice(T, x):
    # the axis of the index array comes first: the target has shape (2, 3)
    T = T.copy()
    T[0, :, [1, 3]] = x
    T[1, :, [0, 2]] *= T[0, :, [1, 3]]
    return T


@program(M34, np.array([1, 3, 0]))
def labels_subtracted(scores, labels):
    # the gradient of the cross entropy, as taught
    p = np.exp(scores)
    p /= np.sum(p, axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return p / len(labels)


@program(M34, np.array([[0.5, 0.9], [-0.3, 0.8]]))
def open_mesh(A, block):
    A = 1.0 * A
    A[np.ix_([0, 2], [1, 3])] += block @ A[np.ix_([0, 2], [1, 3])]
    return A


@program(0.7, 1.9)
def cell_used_three_times(x, y):
    cell = np.zeros(2)
    cell[0] = x * y
    first = cell[0] ** 2
    cell[0] = first + x
    second = cell[0] * y
    cell[0] += second
    return cell[0] * first + cell[1]


@program(0.8, 1.4)
def full_of_a_variable(level, bump):
    profile = np.full(5, level)
    profile[2] += bump
    profile[[0, -1]] = 0.0
    return np.sum(profile**2) * level


@program(V4, V3)
def broadcast_into_a_table(row, column):
    table = np.empty((3, 4))
    table[:] = row
    table[:, :] += column[:, None]
    table[1:, ::2] *= column[1:, None]
    return np.tanh(table)


@program(np.array(0.4), 1.5)
def accumulator_without_axes(x, y):
    total = np.array(0.0)
    total += x * y
    total[...] = np.sin(total) + y
    total[()] *= total
    return total


@program(np.array([0.9]), np.array([]))
def length_one_and_empty(one, none):
    a = np.ones(3)
    a[:] = one
    a[1:2] *= one
    a[3:] = none
    a[:0] += none**2
    return a**2


@program(V3, 2)
def bound_from_an_argument(x, n):
    a = np.sin(x)
    a[:n] *= x[-n:]
    a[n - 3] += 1.0
    return a


@program(V6, np.array([0, 2, 1, 0, 2, 0]))
def whole_number_counts(x, groups):
    counts = np.zeros(3, dtype=int)
    for group in groups:
        counts[group] += 1
    sums = np.zeros(3)
    np.add.at(sums, groups, x)
    sums /= counts
    return sums**2


@program(V6)
def boolean_buffer(x):
    chosen = np.zeros(len(x), dtype=bool)
    chosen[1::2] = True
    chosen[0] |= True
    return np.sum(np.where(chosen, x**3, np.cos(x)))


@program(V4)
def swapped_elements(x):
    y = np.exp(x)
    y[0], y[2] = y[2], y[0]
    y[1], y[3] = y[3] * y[0], y[1] * y[3]
    return y * x


@program(M34)
def swapped_rows(A):
    A = A.copy()
    A[[0, 2]] = A[[2, 0]]
    A[0] -= A[2] * A[1, 1]
    return A


@program(0.6, -1.3)
def chained_assignment(x, y):
    a = np.zeros(3)
    b = np.ones(3)
    a[0] = b[1] = x * y
    a[1:] = b[:2] = x + y
    return a * b


@program(0.6, -1.3)
def numbers_into_a_slice(x, y):
    v = np.zeros(5)
    v[:2] = x, y
    v[2:] = [x * y, 1.0, np.sin(y)]
    return np.outer(v, v)


@program(M23[:, :2] + np.eye(2), M23[:, 1:])
def matrix_product_in_place(A, B):
    A = A.copy()
    A @= B
    A @= A.T
    return A


@program(V6)
def largest_replaced(x):
    y = x.copy()
    k = np.argmax(y)
    y[k] = 0.5 * y[k - 1] + 0.1 * y[k] ** 2
    return y**2


@program(V6)
def differences_in_place(x):
    y = x**2
    y[1:] -= y[:-1]
    y[:-1] *= y[1:]
    return y


@program(M34 + 2.0)
def diagonal_by_two_index_arrays(A):
    A = A.copy()
    i = np.arange(3)
    A[i, i] = np.log(A[i, i]) + A[i, i + 1]
    A[i[:-1] + 1, i[:-1]] *= 0.5 * A[0, 0]
    return A
