"""exp, log and tanh of native loops: their errors against extended precision, and their special values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad_compiler import value_and_grad

numba = pytest.importorskip("numba")

UNITS = 2.0  # of the last place


def over(name: str) -> Any:
    """The function over all elements of an array, compiled as the loops of a kernel are."""
    from ad_compiler.backends.native.run_time import elementary

    function = getattr(elementary, f"vector_{name}")

    @numba.njit(error_model="numpy")
    def loop(x: Any, y: Any) -> None:
        for i in range(x.size):
            y[i] = function(x[i])

    return loop


def arguments(name: str, count: int) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(3)
    near = random.normal(size=count)
    sizes = 10.0 ** random.uniform(-320, 0, size=count) + np.nextafter(0.0, 1.0)
    if name == "log":
        return np.concatenate(
            [np.abs(near), np.exp(random.uniform(-745, 709, count)), 1 + near * 1e-3, sizes]
        )
    wide = random.uniform(-746, 709.7, count) if name == "exp" else random.uniform(-22, 22, count)
    return np.concatenate([near, wide, sizes, -sizes])


@pytest.mark.parametrize("name", ["exp", "log", "tanh"])
def test_errors(name: str) -> None:
    loop = over(name)
    x = arguments(name, 200_000)
    y = np.empty_like(x)
    loop(x, y)
    with np.errstate(all="ignore"):
        exact = getattr(np, name)(x.astype(np.longdouble))
    if np.finfo(np.longdouble).eps > 1e-18:
        pytest.skip("no extended precision here")
    spacing = np.spacing(np.abs(exact.astype(np.float64)))
    assert np.max(np.abs(y - exact) / spacing) <= UNITS


@pytest.mark.parametrize("name", ["exp", "log", "tanh"])
def test_special_values(name: str) -> None:
    loop = over(name)
    tiny = np.nextafter(0.0, 1.0)
    ends = [709.78, 709.79, -745.13, -745.14, 1e308, -1e308]
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, tiny, -tiny, 1.0, -1.0, *ends, 1e-310])
    y = np.empty_like(x)
    loop(x, y)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
    np.testing.assert_allclose(y, expected, rtol=4.5e-16, atol=0)
    here = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(y[here]), np.signbit(expected[here]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["exp", "log", "tanh"])
def test_every_number_of_32_bits(name: str) -> None:
    """Computed in 64 bits, a result is off by half a unit and what rounding twice adds."""
    loop = over(name)
    for start in range(0, 2**32, 2**26):
        x = np.arange(start, start + 2**26, 1 if start % 2**29 == 0 else 97, dtype=np.uint32)
        x = x.view(np.float32)
        y = np.empty_like(x)
        with np.errstate(all="ignore"):
            loop(x, y)
            expected = getattr(np, name)(x.astype(np.float64)).astype(np.float32)
        same = (y == expected) | (np.isnan(y) & np.isnan(expected))
        assert np.all(same | (np.abs(y - expected) <= np.spacing(np.abs(expected))))


def test_in_a_gradient() -> None:
    def f(x: Any, y: Any) -> Any:
        return np.sum(np.exp(x) * np.tanh(y) + np.log(1 + x * x) * y)

    for dtype in (np.float64, np.float32):
        x, y = np.random.default_rng(0).normal(size=(2, 37)).astype(dtype)
        made = value_and_grad(f, (0, 1), backend="numba", cache=False)
        value, gradients = made(x, y)
        expected_value, expected = value_and_grad(f, (0, 1))(x, y)
        tolerance = 20 * float(np.finfo(dtype).eps)
        np.testing.assert_allclose(value, expected_value, rtol=tolerance)
        for mine, other in zip(gradients, expected, strict=True):
            assert mine.dtype == dtype
            np.testing.assert_allclose(mine, other, rtol=tolerance, atol=tolerance)
