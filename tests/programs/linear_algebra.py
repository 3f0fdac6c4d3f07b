"""Linear algebra as textbooks write it: factorisations, solvers and iterations by loops."""

from __future__ import annotations

import math

import numpy as np

from tests.programs.corpus import program

RNG = np.random.default_rng(11)
SQUARE = RNG.uniform(-1.0, 1.0, (4, 4))
DOMINANT = SQUARE + 4.0 * np.eye(4)
SYMMETRIC = SQUARE @ SQUARE.T + 2.0 * np.eye(4)
TALL = RNG.uniform(-1.0, 1.0, (5, 3))
VECTOR = RNG.uniform(0.5, 1.5, 4)


@program(SYMMETRIC)
def cholesky(A):
    """Cholesky-Banachiewicz, row by row, element by element."""
    n = A.shape[0]
    L = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            total = A[i, j]
            for k in range(j):
                total -= L[i, k] * L[j, k]
            if i == j:
                L[i, j] = math.sqrt(total)
            else:
                L[i, j] = total / L[j, j]
    return L


@program(SYMMETRIC)
def cholesky_by_columns(A):
    n = len(A)
    L = np.zeros_like(A)
    for j in range(n):
        L[j, j] = np.sqrt(A[j, j] - L[j, :j] @ L[j, :j])
        L[j + 1 :, j] = (A[j + 1 :, j] - L[j + 1 :, :j] @ L[j, :j]) / L[j, j]
    return L


@program(SYMMETRIC)
def cholesky_in_place(A):
    """Right-looking: the trailing matrix is updated, the factor replaces the lower triangle."""
    A = A.copy()
    n = A.shape[0]
    for k in range(n):
        A[k, k] = np.sqrt(A[k, k])
        A[k + 1 :, k] /= A[k, k]
        for j in range(k + 1, n):
            A[j:, j] -= A[j:, k] * A[j, k]
    return np.tril(A)


@program(DOMINANT)
def lu(A):
    """Doolittle's LU without pivoting, both factors in one array."""
    LU = A.copy()
    n = len(LU)
    for i in range(n):
        for j in range(i):
            for k in range(j):
                LU[i, j] -= LU[i, k] * LU[k, j]
            LU[i, j] /= LU[j, j]
        for j in range(i, n):
            for k in range(i):
                LU[i, j] -= LU[i, k] * LU[k, j]
    return LU


@program(DOMINANT)
def lu_outer_products(A):
    n = A.shape[0]
    U = A.copy()
    L = np.eye(n)
    for k in range(n - 1):
        L[k + 1 :, k] = U[k + 1 :, k] / U[k, k]
        U[k + 1 :, k:] -= np.outer(L[k + 1 :, k], U[k, k:])
    return L, U


def forward_substitution(L, b):
    n = len(b)
    y = np.zeros(n)
    for i in range(n):
        y[i] = b[i]
        for j in range(i):
            y[i] -= L[i, j] * y[j]
        y[i] /= L[i, i]
    return y


def backward_substitution(U, y):
    n = len(y)
    x = np.zeros(n)
    for i in range(n - 1, -1, -1):
        x[i] = (y[i] - U[i, i + 1 :] @ x[i + 1 :]) / U[i, i]
    return x


@program(DOMINANT, VECTOR)
def triangular_solves(A, b):
    return backward_substitution(A, forward_substitution(A, b))


@program(SYMMETRIC, VECTOR)
def solve_by_cholesky(A, b):
    L = cholesky(A)
    return backward_substitution(L.T, forward_substitution(L, b))


@program(SYMMETRIC, VECTOR)
def gaussian_log_likelihood(covariance, x):
    L = cholesky_by_columns(covariance)
    z = forward_substitution(L, x)
    log_determinant = 0.0
    for i in range(len(x)):
        log_determinant += math.log(L[i, i])
    return -0.5 * (z @ z) - log_determinant - 0.5 * len(x) * math.log(2 * math.pi)


@program(DOMINANT)
def determinant(A):
    """By elimination, with the row of the largest pivot brought up."""
    A = A.copy()
    n = len(A)
    det = 1.0
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if abs(A[i, k]) > abs(A[best, k]):
                best = i
        if best != k:
            row = A[k].copy()
            A[k] = A[best]
            A[best] = row
            det = -det
        det *= A[k, k]
        for i in range(k + 1, n):
            A[i, k:] -= A[i, k] / A[k, k] * A[k, k:]
    return det


@program(DOMINANT)
def gauss_jordan_inverse(A):
    n = A.shape[0]
    M = np.hstack([A, np.eye(n)])
    for i in range(n):
        M[i] /= M[i, i]
        for j in range(n):
            if j != i:
                M[j] -= M[j, i] * M[i]
    return M[:, n:]


@program(TALL)
def gram_schmidt(A):
    m, n = A.shape
    Q = np.zeros((m, n))
    for j in range(n):
        v = A[:, j]
        for i in range(j):
            v = v - (Q[:, i] @ A[:, j]) * Q[:, i]
        Q[:, j] = v / np.linalg.norm(v)
    return Q


@program(TALL)
def modified_gram_schmidt(A):
    Q = A.copy()
    n = A.shape[1]
    R = np.zeros((n, n))
    for i in range(n):
        R[i, i] = np.sqrt(np.sum(Q[:, i] ** 2))
        Q[:, i] /= R[i, i]
        for j in range(i + 1, n):
            R[i, j] = np.dot(Q[:, i], Q[:, j])
            Q[:, j] -= R[i, j] * Q[:, i]
    return Q, R


@program(TALL)
def givens_qr(A):
    """The triangular factor, one rotation of two rows for each element below the diagonal."""
    R = A.copy()
    m, n = R.shape
    for j in range(n):
        for i in range(m - 1, j, -1):
            r = math.hypot(R[i - 1, j], R[i, j])
            c = R[i - 1, j] / r
            s = R[i, j] / r
            upper = R[i - 1].copy()
            lower = R[i].copy()
            R[i - 1] = c * upper + s * lower
            R[i] = c * lower - s * upper
    return R


@program(TALL)
def householder_qr(A):
    m, n = A.shape
    R = A.copy()
    Q = np.eye(m)
    for k in range(n):
        x = R[k:, k]
        v = x.copy()
        v[0] += np.copysign(np.linalg.norm(x), x[0])
        v /= np.linalg.norm(v)
        R[k:, k:] -= 2.0 * np.outer(v, v @ R[k:, k:])
        Q[:, k:] -= 2.0 * np.outer(Q[:, k:] @ v, v)
    return Q, R


@program(SYMMETRIC, VECTOR)
def conjugate_gradients(A, b):
    """For the symmetric part of A."""
    A = (A + A.T) / 2
    x = np.zeros_like(b)
    r = b - A @ x
    p = r.copy()
    rs_old = r @ r
    while np.sqrt(rs_old) > 1e-9:
        Ap = A @ p
        alpha = rs_old / (p @ Ap)
        x += alpha * p
        r -= alpha * Ap
        rs_new = r @ r
        p = r + (rs_new / rs_old) * p
        rs_old = rs_new
    return x


@program(SYMMETRIC, VECTOR)
def preconditioned_conjugate_gradients(M, b, tol=1e-9, maxiter=50):
    A = 0.5 * (M + M.T)
    x = np.zeros(len(b))
    inverse_diagonal = 1.0 / np.diag(A)
    r = b.copy()
    z = inverse_diagonal * r
    p = z.copy()
    rho = r @ z
    for _ in range(maxiter):
        q = A @ p
        alpha = rho / (p @ q)
        x += alpha * p
        r -= alpha * q
        if np.linalg.norm(r) < tol:
            break
        z = inverse_diagonal * r
        previous, rho = rho, r @ z
        p = z + rho / previous * p
    return x


@program(SYMMETRIC, VECTOR)
def power_iteration(A, v):
    for _ in range(12):
        w = A @ v
        v = w / np.linalg.norm(w)
    return v @ A @ v, v


@program(SYMMETRIC, VECTOR)
def power_iteration_to_convergence(A, v):
    while True:
        w = A @ v
        eigenvalue = np.sqrt(np.sum(w * w))
        w = w / eigenvalue
        change = np.max(np.abs(w - v))
        v = w
        if change < 1e-14:
            break
    return eigenvalue


@program(SYMMETRIC, VECTOR)
def lanczos(A, start):
    """The diagonal and off-diagonal of three steps."""
    alpha = np.zeros(3)
    beta = np.zeros(2)
    q = start / np.linalg.norm(start)
    previous = np.zeros_like(q)
    for k in range(3):
        w = A @ q
        alpha[k] = q @ w
        w = w - alpha[k] * q
        if k > 0:
            w -= beta[k - 1] * previous
        if k < 2:
            beta[k] = np.linalg.norm(w)
            previous = q
            q = w / beta[k]
    return alpha, beta


@program(np.array([0.3, -0.4, 0.5]), np.array([2.0, 2.5, 2.2, 1.8]), np.array([0.7, -0.2, 0.4]), VECTOR)
def thomas(lower, diagonal, upper, rhs):
    """A tridiagonal system, by one sweep down and one sweep up."""
    n = len(diagonal)
    c = np.zeros(n - 1)
    d = np.zeros(n)
    c[0] = upper[0] / diagonal[0]
    d[0] = rhs[0] / diagonal[0]
    for i in range(1, n):
        m = diagonal[i] - lower[i - 1] * c[i - 1]
        if i < n - 1:
            c[i] = upper[i] / m
        d[i] = (rhs[i] - lower[i - 1] * d[i - 1]) / m
    x = np.zeros(n)
    x[-1] = d[-1]
    for i in reversed(range(n - 1)):
        x[i] = d[i] - c[i] * x[i + 1]
    return x


@program(TALL, SQUARE[:3])
def matrix_product(A, B):
    n, m = A.shape
    p = B.shape[1]
    C = np.zeros((n, p))
    for i in range(n):
        for j in range(p):
            for k in range(m):
                C[i, j] += A[i, k] * B[k, j]
    return C


@program(0.3 * SQUARE)
def matrix_exponential(A):
    """The Taylor series, until its terms no longer count."""
    term = np.eye(len(A))
    total = np.eye(len(A))
    k = 1
    while np.max(np.abs(term)) > 1e-15:
        term = term @ A / k
        total = total + term
        k += 1
    return total


@program(np.array([0.5, -1.2, 0.8, 2.0]), 0.7)
def horner(coefficients, x):
    value = 0.0
    for c in coefficients[::-1]:
        value = value * x + c
    return value


@program(np.array([0.0, 0.8, 1.9, 3.1]), np.array([1.0, -0.5, 0.3, 1.2]), 1.3)
def newton_interpolation(xs, ys, x):
    """Divided differences in place, then the nested form."""
    n = len(xs)
    c = ys.copy()
    for j in range(1, n):
        for i in range(n - 1, j - 1, -1):
            c[i] = (c[i] - c[i - 1]) / (xs[i] - xs[i - j])
    p = c[n - 1]
    for i in range(n - 2, -1, -1):
        p = p * (x - xs[i]) + c[i]
    return p
