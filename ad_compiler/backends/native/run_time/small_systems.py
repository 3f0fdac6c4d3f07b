"""Inverses, determinants and solutions of systems of few equations, for compiled code.

A call of NumPy from compiled code takes 5 microseconds, and the arithmetic of a system of four equations a
tenth of one. So systems of few equations (`library.py` asks how many) are solved by loops: Gaussian
elimination with partial pivoting, `P a = L U`, as LAPACK does it (Golub and Van Loan, Matrix Computations,
algorithm 3.4.1), and Cholesky's factors row by row (algorithm 4.2.1). Larger ones are left to NumPy.

Elements that are not finite, and matrices that are singular or not positive definite, are left to NumPy, too
(`departure.py`), which raises what there is to raise.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

import numpy as np
from numba import njit

from ad_compiler.backends.native.run_time.departure import Departure


@njit
def copied_if_finite(a):
    rows, columns = a.shape
    copy = np.empty((rows, columns))
    for i in range(rows):
        for j in range(columns):
            if not np.isfinite(a[i, j]):
                raise Departure
            copy[i, j] = a[i, j]
    return copy


@njit
def eliminated(a, right):
    """Make `a` the factors L and U in place, and solve L for the rows of `right`; the sign of P."""
    n = a.shape[0]
    if a.shape[1] != n or right.shape[0] != n:
        raise Departure
    sign = 1.0
    for k in range(n):
        chosen = k
        for i in range(k + 1, n):
            if abs(a[i, k]) > abs(a[chosen, k]):
                chosen = i
        if a[chosen, k] == 0.0 or not np.isfinite(a[chosen, k]):
            raise Departure
        if chosen != k:
            sign = -sign
            for j in range(n):
                a[k, j], a[chosen, j] = a[chosen, j], a[k, j]
            for j in range(right.shape[1]):
                right[k, j], right[chosen, j] = right[chosen, j], right[k, j]
        for i in range(k + 1, n):
            factor = a[i, k] / a[k, k]
            a[i, k] = factor
            for j in range(k + 1, n):
                a[i, j] -= factor * a[k, j]
            for j in range(right.shape[1]):
                right[i, j] -= factor * right[k, j]
    return sign


@njit
def substituted(a, right):
    """Solve U, the upper triangle of `a`, for the columns of `right`, in place."""
    for k in range(a.shape[0] - 1, -1, -1):
        for i in range(k + 1, a.shape[0]):
            for j in range(right.shape[1]):
                right[k, j] -= a[k, i] * right[i, j]
        for j in range(right.shape[1]):
            right[k, j] /= a[k, k]


@njit
def few_inverse(a):
    factors = copied_if_finite(a)
    inverse = np.eye(a.shape[0])
    eliminated(factors, inverse)
    substituted(factors, inverse)
    return inverse


@njit
def few_solution(a, b):
    """The solution for a matrix of right sides."""
    factors, solution = copied_if_finite(a), copied_if_finite(b)
    eliminated(factors, solution)
    substituted(factors, solution)
    return solution


@njit
def few_solution_of_vector(a, b):
    return few_solution(a, b.reshape((b.shape[0], 1))).reshape(b.shape[0])


@njit
def few_determinant(a):
    factors = copied_if_finite(a)
    product = eliminated(factors, np.empty((a.shape[0], 0)))
    for k in range(a.shape[0]):
        product *= factors[k, k]
    return product


@njit
def few_slogdet(a):
    factors = copied_if_finite(a)
    sign = eliminated(factors, np.empty((a.shape[0], 0)))
    logarithm = 0.0
    for k in range(a.shape[0]):
        sign *= np.sign(factors[k, k])
        logarithm += np.log(abs(factors[k, k]))
    return sign, logarithm


@njit
def few_cholesky(a):
    factor = copied_if_finite(a)
    if a.shape[1] != a.shape[0]:
        raise Departure
    for i in range(a.shape[0]):
        for j in range(i + 1):
            total = factor[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if j < i:
                factor[i, j] = total / factor[j, j]
            elif total > 0.0:
                factor[i, i] = np.sqrt(total)
            else:
                raise Departure
        for j in range(i + 1, a.shape[0]):
            factor[i, j] = 0.0
    return factor
