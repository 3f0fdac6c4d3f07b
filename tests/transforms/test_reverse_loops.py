"""Cotangents that the turns of a loop add to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad_compiler import grad


def stored_double(x: Any, y: Any, n: Any) -> Any:
    z = np.zeros(x.shape[0])
    for _ in range(n):
        z[:] = z * 0.5 + x * y
    return np.sum(z * z)


def added_double(x: Any, y: Any, n: Any) -> Any:
    z = np.zeros(x.shape[0])
    for _ in range(n):
        z = z + x * y
    return np.sum(z * z)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("f", [stored_double, added_double])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_what_turns_add_to_the_cotangent_of_a_single_array_is_single(f: Any, n: int, backend: str) -> None:
    if backend == "numba":
        pytest.importorskip("numba")
    x, y = np.array([1.0, 0.5, -2.0], np.float32), np.array([0.25, 2.0, 1.0], np.float32)
    found = grad(f, argnums=(0, 1), backend=backend)(x, y, n)
    wanted = grad(f, argnums=(0, 1))(x.astype(np.float64), y.astype(np.float64), n)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
