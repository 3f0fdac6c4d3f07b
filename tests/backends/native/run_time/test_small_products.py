"""Products of small matrices and vectors: all remainders of their lengths, and none at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba")

LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 14, 16, 33, 160]


def called(name: str) -> Any:
    """One of the functions as compiled code calls it: they have no entry from Python."""
    from ad_compiler.backends.native.run_time import small_products

    function = getattr(small_products, name)

    @numba.njit(error_model="numpy")
    def call(a: Any, b: Any, out: Any) -> None:
        function(a, b, out)

    return call


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_matrices_and_vectors(dtype: Any) -> None:
    random = np.random.default_rng(0)
    with_vector, with_rows = called("product_with_vector"), called("product_with_rows")
    for rows in LENGTHS:
        for columns in LENGTHS:
            a = random.normal(size=(rows, columns)).astype(dtype)
            right, left = random.normal(size=columns).astype(dtype), random.normal(size=rows).astype(dtype)
            tolerance = 20 * float(np.finfo(dtype).eps) * (1 + rows + columns) ** 0.5
            out = np.full(rows, np.nan, dtype)
            with_vector(a, right, out)
            np.testing.assert_allclose(out, a @ right, rtol=tolerance, atol=tolerance)
            out = np.full(columns, np.nan, dtype)
            with_rows(a, left, out)
            np.testing.assert_allclose(out, left @ a, rtol=tolerance, atol=tolerance)


def test_numbers_that_are_not_finite_stay_where_they_are() -> None:
    a = np.ones((6, 10))
    a[2, 3], a[5, 7] = np.inf, np.nan
    for function, vector, length in (
        (called("product_with_vector"), np.ones(10), 6),
        (called("product_with_rows"), np.ones(6), 10),
    ):
        out = np.empty(length)
        function(a, vector, out)
        np.testing.assert_array_equal(out, (a if length == 6 else a.T) @ vector)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_small_matrices(dtype: Any) -> None:
    """All remainders of rows and columns, and of both kinds of memory; what is around is left alone."""
    random = np.random.default_rng(1)
    from ad_compiler.backends.native.run_time import blas

    product, added = blas.product_of_matrices, blas.add_product_of_matrices

    @numba.njit(error_model="numpy")
    def both(a: Any, b: Any, out: Any, total: Any) -> None:
        product(a, b, out)
        added(a, b, total)

    for rows in (0, 1, 2, 3, 4, 5, 11):
        for columns in (0, 1, 3, 7, 8, 9, 16, 17, 35):
            for inner in (0, 1, 2, 5, 12):
                a = random.normal(size=(rows, inner)).astype(dtype)
                b = random.normal(size=(inner, columns)).astype(dtype)
                tolerance = 20 * float(np.finfo(dtype).eps) * (1 + inner) ** 0.5
                for left in (a, a.T.copy().T):
                    for right in (b, b.T.copy().T):
                        outs = np.full((3, rows, columns), np.nan, dtype)
                        total = np.ones((rows, columns), dtype)
                        both(left, right, outs[1], total)
                        np.testing.assert_allclose(outs[1], a @ b, rtol=tolerance, atol=tolerance)
                        np.testing.assert_allclose(total, 1 + a @ b, rtol=tolerance, atol=tolerance)
                        assert np.isnan(outs[::2]).all()


def test_of_small_matrices_numbers_that_are_not_finite_stay_where_they_are() -> None:
    from ad_compiler.backends.native.run_time import blas

    product = blas.product_of_matrices

    @numba.njit(error_model="numpy")
    def call(a: Any, b: Any, out: Any) -> None:
        product(a, b, out)

    a, b = np.ones((6, 5)), np.ones((5, 11))
    a[2, 3], b[4, 10] = np.inf, np.nan
    out = np.empty((6, 11))
    call(a, b, out)
    with np.errstate(invalid="ignore"):
        expected = a @ b
    np.testing.assert_array_equal(out, expected)
