"""Programs that write through views, and views that see what was written elsewhere."""

from __future__ import annotations

import numpy as np

from tests.programs.corpus import program

V4 = np.array([0.3, -0.8, 1.1, 0.6])
V6 = np.array([0.5, -1.3, 0.9, 1.7, -0.4, 0.2])
V8 = np.array([0.5, -1.3, 0.9, 1.7, -0.4, 0.2, 1.1, -0.6])
M33 = np.array([[2.1, 0.4, -0.3], [0.5, 1.8, 0.7], [-0.2, 0.6, 2.4]])
M34 = np.array([[0.2, 1.1, -0.5, 0.7], [-0.3, 0.9, 0.6, -1.2], [1.4, -0.8, 0.1, 0.5]])
C234 = np.sin(np.arange(1.0, 25.0)).reshape(2, 3, 4)


@program(V6, 0.8)
def slice_view(x, s):
    a = np.sin(x)
    middle = a[1:4]
    middle *= s
    middle[0] = middle[2] ** 2
    return a


@program(V6)
def grid_over_a_vector(x):
    flat = x**2
    grid = flat.reshape(2, 3)
    grid[1] -= grid[0] * x[:3]
    grid[:, 1] = 0.5
    return flat * x


@program(M33, np.array([0.4, 1.2, -0.9]))
def diagonal_through_flat(A, d):
    L = np.tril(A)
    L.flat[:: 3 + 1] = d
    return L @ L.T


@program(M34)
def columns_through_the_transpose(A):
    A = A.copy()
    columns = A.T
    columns[1] += columns[0] ** 2
    columns[2, 1:] = columns[3, :-1]
    return A * A[0]


@program(M34)
def element_of_a_row(A):
    B = np.exp(A)
    row = B[1]
    row[2] = row[0] * B[0, 0]
    B[1][3] = row[2] ** 2
    return B


@program(C234)
def four_levels(T):
    cube = T * T
    plane = cube[1]
    block = plane[1:, ::2]
    column = block[:, -1]
    column[1:] *= plane[0, 0]
    block.T[0] -= column
    return cube


@program(V6)
def view_sees_the_base_change(x):
    a = np.cos(x)
    tail = a[3:]
    a[4] = x[0] * x[1]
    a *= 2.0
    return np.sum(tail**2) * x


@program(V6)
def values_before_and_after(x):
    a = x * 1.5
    ends = a[::5]
    before = np.sum(a[0] * a)
    kept = ends * 1.0
    ends[:] = before
    return a[0] * x + kept[1] * a[-1]


@program(V8)
def wavelet_lifting(x):
    signal = x.copy()
    even = signal[::2]
    odd = signal[1::2]
    odd -= even
    even += 0.5 * odd**2
    even[0] *= odd[-1]
    return signal


@program(C234)
def swapped_axes(T):
    cube = np.tanh(T)
    turned = cube.swapaxes(0, 2)
    turned[1] *= turned[0]
    np.moveaxis(cube, 1, 0)[2] += 1.0
    return cube**2


@program(V4)
def unit_axes_added_and_removed(x):
    a = x * 2.0
    column = a[:, np.newaxis]
    column *= column[0]
    stacked = np.expand_dims(a, 0)
    stacked[0, 1:] += 1.0
    np.squeeze(stacked)[-1] = a[0] * a[1]
    return a


@program(M33)
def elimination_by_row_views(A):
    U = A.copy()
    for i in range(1, len(U)):
        row = U[i]
        for k in range(i):
            row -= row[k] / U[k, k] * U[k]
    return np.diag(U) * U[0]


@program(V8, 0.2)
def stencil_views_made_before_the_loop(u, k):
    u = np.sin(u)
    centre, left, right = u[1:-1], u[:-2], u[2:]
    for _ in range(3):
        centre += k * (left - 2 * centre + right) * centre
    return u


@program(V6)
def overlapping_windows(x):
    a = x.copy()
    head, tail = a[:4], a[2:]
    head *= tail
    tail += head**2
    head[3] = tail[0]
    return a


@program(M34)
def rows_of_an_iteration(A):
    B = A + 2.0
    for row in B:
        row /= np.sum(row)
        row[0] *= row[-1]
    return B


@program(V8)
def halves_by_split(x):
    a = np.sin(x)
    first, second = np.split(a, 2)
    first += second
    second *= first
    left, right = np.hsplit(a.reshape(2, 4), 2)
    left[0] = right[1]
    return a


@program(V6)
def added_to_its_reverse(x):
    # the old values are added, though target and source overlap
    a = x**2
    a[::-1] += a
    mirror = a[::-1]
    mirror[1:] -= a[1:] * x[0]
    return a


@program(M33)
def diagonal_read_after_a_write(A):
    B = A.copy()
    d = np.diagonal(B)
    before = np.prod(d)
    B[1, 1] = B[0, 2] * before
    B[2] *= 0.5
    return d * before


@program(V4)
def broadcast_view_sees_the_write(x):
    a = np.exp(x)
    copies = np.broadcast_to(a, (3, 4))
    s = np.sum(copies)
    a[1] = s
    a *= 0.1
    return copies * np.array([[1.0], [0.5], [-2.0]])


@program(M34)
def ravel_of_a_transpose_is_a_copy(A):
    B = A * 1.0
    flat = B.T.ravel()
    flat *= B[0, 1]
    flat[0] = 0.0
    return np.sum(flat**2) * B


@program(V6, np.array([4, 1]))
def selections_are_copies(x, chosen):
    a = x**2
    picked = a[chosen]
    positive = a[x > 0]
    flat = a.flatten()
    picked *= 3.0
    positive[0] = 7.0
    flat += picked[0]
    return np.sum(picked) * a + np.sum(positive**2) + flat


@program(V6)
def reshape_with_a_view_in_between(x):
    a = 1.0 * x
    pairs = a.reshape(-1, 2)[1:]
    lows = pairs[:, 0]
    lows[:] = np.exp(-(pairs[:, 1] ** 2))
    a[2] *= a[4]
    return np.sum(pairs, axis=0) * lows


@program(M34)
def view_chosen_in_each_turn(A):
    work = A.copy()
    for j in range(work.shape[1] - 1):
        panel = work[:, j:]
        panel[:, 1] -= panel[:, 0] * work[0, j]
        panel[-1] *= 0.5
    return work


def interior(grid):
    return grid[1:-1, 1:-1]


@program(np.cos(np.arange(20.0)).reshape(4, 5), 0.3)
def helper_returns_a_view(grid, source):
    grid = grid + source
    inside = interior(grid)
    inside *= inside
    inside += grid[:-2, 1:-1]
    interior(grid.T)[0] *= source
    return grid


@program(np.array([0.8]))
def view_of_length_one(x):
    a = np.zeros((1, 1, 4))
    a[0] = x
    inner = a[0, 0, 1:2]
    inner += x**2
    a[:, 0, :1] *= inner
    return a


@program(M34)
def flattened_in_both_orders(A):
    B = np.sin(A)
    rows, columns = B.ravel(), B.ravel(order="F")  # the second is a copy
    rows[1] *= 3.0
    columns[2] = 7.0
    return B * A


@program(V6)
def written_through_a_new_shape_in_a_loop(x):
    a = np.tanh(x)
    grid = a.reshape(2, 3)
    for i in range(1, 6):
        grid[i % 2] *= 1.0 + 0.1 * a[i - 1]
        a[i] += grid[0, 0] ** 2
    return a * grid.ravel()


@program(M34, 1.5)
def searched_through_the_flat_array(A, limit):
    B = A**2
    flat = B.ravel()
    for i in range(len(flat)):
        if flat[i] > limit:
            flat[i:] *= 0.5
            break
        flat[i] += A[0, 0]
    return B


@program(C234)
def planes_as_rows_of_a_matrix(T):
    cube = np.cos(T)
    for plane in cube:
        rows = plane.reshape(-1, 2)
        rows[1:] += rows[:-1] * rows[0]
        plane[0, 0] = np.sum(rows)
    return cube


@program(M33)
def triangle_mirrored(A):
    S = A.copy()
    for i in range(1, len(S)):
        S[i, :i] = S[:i, i]
    S[0] *= S[:, 0]
    return S**2


@program(V8)
def every_second_one_packed(x):
    a = np.exp(x)
    a[:4] = a[::2]
    a[4:] = a[3] * a[:4]
    return a
