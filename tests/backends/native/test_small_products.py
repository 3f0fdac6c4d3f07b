"""Products of small matrices and vectors: all remainders of their lengths, and none at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba")

LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 14, 16, 33, 160]


def called(name: str) -> Any:
    """One of the functions as compiled code calls it: they have no entry from Python."""
    from ad_compiler.backends.native import small_products

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
