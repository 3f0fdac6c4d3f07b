"""Programs in which NumPy functions and methods write: `out=`, `np.add.at`, `fill`, `sort`, `np.copyto`."""

from __future__ import annotations

import numpy as np

from tests.programs.corpus import program

V3 = np.array([0.7, -1.2, 0.4])
V4 = np.array([0.3, -0.8, 1.1, 0.6])
V6 = np.array([0.5, -1.3, 0.9, 1.7, -0.4, 0.2])
M34 = np.array([[0.2, 1.1, -0.5, 0.7], [-0.3, 0.9, 0.6, -1.2], [1.4, -0.8, 0.1, 0.5]])
M43 = np.cos(np.arange(12.0)).reshape(4, 3)


@program(V4, V4[::-1])
def product_into_a_buffer(x, y):
    buffer = np.empty_like(x)
    np.multiply(x, y, out=buffer)
    z = buffer * x
    np.add(buffer, z, out=buffer)
    return buffer + z


@program(M34, V4, V3)
def activation_in_place(W, x, b):
    h = W @ x
    h += b
    np.tanh(h, out=h)
    np.square(h, h)
    return h


@program(V6)
def out_into_a_slice(u):
    slopes = np.zeros(len(u))
    np.subtract(u[1:], u[:-1], out=slopes[1:])
    np.multiply(slopes[1:], u[:-1], out=slopes[:-1])
    return slopes * u


@program(V4 + 2.0, V4[::-1])
def out_is_an_operand(a, b):
    a = a.copy()
    c = np.sqrt(a)
    np.subtract(b, a, out=a)
    np.exp(c, out=c)
    np.divide(a, c, out=a)
    return a, c


@program(V6)
def squares_from_even_to_odd(x):
    a = x.copy()
    np.sin(a[::2], out=a[1::2])
    np.negative(a[::-1], out=a)
    return a**2


@program(M34, M43)
def matmul_into_a_buffer(A, B):
    C = np.empty((3, 3))
    np.matmul(A, B, out=C)
    D = np.zeros((3, 3))
    np.dot(C, C, out=D)
    return D


@program(V6)
def running_sum_in_place(x):
    total = np.sin(x)
    np.cumsum(total, out=total)
    return total**2


@program(M34)
def column_sums_into_a_row(A):
    table = np.zeros((2, 4))
    np.sum(A, axis=0, out=table[0])
    np.mean(A**2, axis=0, out=table[1])
    return table[1] - table[0] ** 2


@program(V6, np.array([1, 0, 1, 2, 1, 0]))
def sums_of_groups(x, groups):
    sums = np.full(3, 0.5)
    np.add.at(sums, groups, x**2)
    return sums / np.sum(sums)


@program(V4, np.array([0, 2, 0, 1]), np.array([1, 1, 1, 0]))
def transfers_between_accounts(amount, payer, receiver):
    balance = np.ones(3)
    np.subtract.at(balance, payer, amount)
    np.add.at(balance, receiver, amount * 0.9)
    return balance**2


@program(M34, np.array([3, 3, 0]))
def scatter_into_a_matrix(A, columns):
    B = A * A
    np.add.at(B, (np.arange(3), columns), A[:, 1])
    np.add.at(B, (1, [2, 2]), B[0, :2] ** 2)
    return B


@program(V4, 1.2)
def filled_with_a_variable(x, level):
    y = x * level
    loss = np.sum(y**2)
    y.fill(loss)
    y[0] = level
    return y * x


@program(M34)
def columns_sorted_in_place(A):
    B = np.sin(A)
    B.sort(axis=0)
    return B[1] * B[2] + B[0]


@program(V6)
def trimmed_mean(x):
    y = x.copy()
    y[1:].sort()
    y = y[::-1]
    return np.mean(y[1:-1]) * y[-1]


@program(V4, V4[::-1] ** 2)
def content_replaced(x, y):
    a = x * y
    s = np.sum(a)
    np.copyto(a, y)
    a *= s
    np.copyto(a[1:3], x[0])
    return a


@program(V6, V6[::-1] * 0.5, np.array([True, False, False, True, True, False]))
def copied_where(x, y, keep):
    a = np.sin(x)
    np.copyto(a, y * x, where=keep)
    np.copyto(a, 0.0, where=a < -0.4)
    return a**2


@program(M34, np.array([0.6, -0.7, 1.3]))
def put_by_flat_position(A, values):
    B = A.copy()
    np.put(B, [0, 5, 10], values)
    np.put(B, [3], values[0] * B[0, 1])
    return B**2


@program(M34[:, :3], V3)
def diagonal_filled(A, d):
    K = A @ A.T
    trace = np.trace(K)
    np.fill_diagonal(K, d)
    K += trace * 0.1
    return K


@program(V6, np.array([0.5, 0.1, -1.5, 0.05, 2.0, 1.0]))
def division_where_defined(x, weight):
    ratio = np.zeros_like(x)
    np.divide(x, x**2 + 1.0, out=ratio, where=weight > 0.3)
    return np.sum(ratio * weight)


@program(V6)
def clipped_in_place(x):
    y = 2.0 * x
    np.clip(y, -1.0, 1.5, out=y)
    np.maximum(y, x, out=y)
    return y * x


@program(M43, M34)
def contraction_into_a_buffer(A, B):
    C = np.ones((4, 4))
    np.einsum("ij,jk->ki", A, B, out=C)
    return C * C.T


@program(M34, np.array([[0], [2], [3]]), 0.8)
def put_along_an_axis(A, columns, value):
    B = np.exp(A)
    largest = np.take_along_axis(B, columns, axis=1)
    np.put_along_axis(B, columns, value * largest**2, axis=1)
    return B


@program(V6, 0.7)
def masked_by_putmask(x, ceiling):
    y = x.copy()
    np.putmask(y, y > ceiling, ceiling)
    return y * x


@program(V6)
def maximum_into_part_of_a_table(x):
    history = np.zeros((2, len(x)))
    np.maximum(x, 0.0, out=history[0])
    np.minimum(x, 0.0, out=history[1])
    history[1] *= -0.1
    return history[0] ** 2 - history[1] * x
