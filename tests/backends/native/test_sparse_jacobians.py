"""Sparse Jacobians by compiled loops, which read off the entries themselves: against those by NumPy code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad_compiler import hessian, jacfwd, jacobian, jacrev
from tests.test_sparse_jacobians import arrow, assert_dense, bands, broyden, point, rosenbrock

pytest.importorskip("numba")
NATIVE: dict[str, Any] = {"backend": "numba", "cache": False}


def test_entries_are_read_off_in_the_loops() -> None:
    derivative = jacfwd(broyden, sparsity="auto", **NATIVE)
    for n in (1, 2, 3, 50):
        for _ in range(2):  # compared with NumPy code, and not
            assert_dense(derivative(point(n)), jacfwd(broyden)(point(n)))
    assert "listed[places]" in derivative.native_source
    single = point(7).astype(np.float32)
    assert_dense(derivative(single), jacfwd(broyden)(single))


def test_by_rows_and_the_cheaper_side() -> None:
    for make, function in ((jacrev, broyden), (jacobian, arrow), (hessian, rosenbrock)):
        x = point(8)
        assert_dense(make(function, sparsity="auto", **NATIVE)(x), make(function)(x))


def test_auxiliary_results() -> None:
    derivative = jacfwd(lambda x, n: (broyden(x) * n, n + 1), has_aux=True, sparsity="auto", **NATIVE)
    matrix, aux = derivative(point(6), 2)
    assert aux == 3
    assert_dense(matrix, 2.0 * jacfwd(broyden)(point(6)))


def test_results_of_other_lengths() -> None:
    """The pattern is derived again, or does not fit; nothing is read behind the end of the products."""

    def positive(x: Any) -> Any:
        return x[x > 0.0] ** 2

    given = jacfwd(positive, sparsity=np.eye(4), **NATIVE)
    x = np.array([1.0, 2.0, 3.0, 4.0])
    assert_dense(given(x), np.diag(2.0 * x))
    for other in (np.array([1.0, 2.0, -3.0, 4.0]), -x):
        with pytest.raises(ValueError, match="the result another one"):
            given(other)
    assert_dense(given(x), np.diag(2.0 * x))


def test_a_pattern_that_lacks_entries_is_found_out() -> None:
    with pytest.raises(ValueError, match="lacks entries"):
        jacfwd(broyden, sparsity=bands(5, 0), **NATIVE)(point(5))
