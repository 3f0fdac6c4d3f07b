"""Products of small matrices and vectors as loops; larger ones are calls of BLAS (`blas.py`).

What a product reads again is kept in registers: four rows of a matrix are taken at a time, with one read of
the vector, or one read and one write of the result, for all of them. A narrow matrix has a sum for each
of its columns.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

from ad_compiler.backends.native.numba_extensions.inlining import in_any_order
from ad_compiler.backends.native.run_time.blas import (
    multiply_vectors,
    multiply_with_rows,
    multiply_with_vector,
)

NARROW = 8  # columns: what a vector of the processor holds


@in_any_order
def product_of_vectors(a, b):
    if a.size > 100:
        return multiply_vectors(a, b)
    total = a.dtype.type(0)
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@in_any_order
def product_with_vector(a, b, out):
    """`out = a @ b` of a matrix and a vector."""
    rows, inner = a.shape
    if rows * inner > 2000:
        multiply_with_vector(a, b, out)
        return
    rest = rows % 4
    for i in range(rest):
        total = out.dtype.type(0)
        for k in range(inner):
            total += a[i, k] * b[k]
        out[i] = total
    for i in range(rest, rows, 4):
        total = out.dtype.type(0)
        second = out.dtype.type(0)
        third = out.dtype.type(0)
        fourth = out.dtype.type(0)
        for k in range(inner):
            factor = b[k]
            total += a[i, k] * factor
            second += a[i + 1, k] * factor
            third += a[i + 2, k] * factor
            fourth += a[i + 3, k] * factor
        out[i] = total
        out[i + 1] = second
        out[i + 2] = third
        out[i + 3] = fourth


@in_any_order
def product_with_rows(a, b, out):
    """`out = a.T @ b` of a matrix and a vector: the rows of the matrix are added up."""
    inner, rows = a.shape
    if rows * inner > 20000:
        multiply_with_rows(a, b, out)
        return
    rest = inner % 4
    if rows < NARROW:
        for i in range(rows):
            total = out.dtype.type(0)
            second = out.dtype.type(0)
            third = out.dtype.type(0)
            fourth = out.dtype.type(0)
            for k in range(rest):
                total += a[k, i] * b[k]
            for k in range(rest, inner, 4):
                total += a[k, i] * b[k]
                second += a[k + 1, i] * b[k + 1]
                third += a[k + 2, i] * b[k + 2]
                fourth += a[k + 3, i] * b[k + 3]
            out[i] = (total + second) + (third + fourth)
        return
    for i in range(rows):
        out[i] = 0.0
    for k in range(rest):
        factor = b[k]
        for i in range(rows):
            out[i] += a[k, i] * factor
    for k in range(rest, inner, 4):
        factor, second, third, fourth = b[k], b[k + 1], b[k + 2], b[k + 3]
        for i in range(rows):
            out[i] += a[k, i] * factor + a[k + 1, i] * second + a[k + 2, i] * third + a[k + 3, i] * fourth
