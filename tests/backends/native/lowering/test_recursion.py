"""Functions that call themselves, and derivatives that are called, give natively what NumPy code gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ad_compiler import Unsupported, grad, hvp, jvp, vjp
from tests.helpers import function_from_source

numba = pytest.importorskip("numba")


def power(x, n):
    if n == 0:
        return 1.0
    return np.sin(x) * power(x, n - 1)


def quadrature(x, a, b, depth):
    """Simpson's rule, with both halves by itself where it is not exact enough."""
    m = 0.5 * (a + b)
    whole = (b - a) / 6 * (np.exp(-x * a) + 4 * np.exp(-x * m) + np.exp(-x * b))
    if depth == 0 or b - a < 0.3 * x:
        return whole
    return quadrature(x, a, m, depth - 1) + quadrature(x, m, b, depth - 1)


def transform(x):
    """Sums as of a fast Fourier transform: arrays that halve, and loops with tapes of their own."""
    n = x.shape[0]
    if n == 1:
        return x * 1.0
    even, odd = transform(x[::2]), transform(x[1::2])
    joined = np.zeros(n)
    twisted = 1.0
    for k in range(n // 2):
        twisted = twisted * np.cos(even[k] + k)
        joined[k] = even[k] + twisted * odd[k]
        joined[k + n // 2] = even[k] - twisted * odd[k]
    return joined


def in_a_loop(x, n):
    total = 0.0
    for k in range(n):
        total = total * 0.5 + quadrature(x + 0.1 * k, 0.0, 1.0, k)
    return total


def transformed(x):
    return np.sum(transform(x) ** 2)


def descent(x, n):
    """Its derivative is called as a function, in a loop, and the records of its calls are dropped."""
    for k in range(n):
        x = x - 0.1 * grad(quadrature)(x + 0.1 * k, 0.0, 1.0, 2) * x
    return x


def descent_of_arrays(x, n):
    for _ in range(n):
        value, (slope,) = vjp(transform, x)[0][0], vjp(transform, x)[1](x)
        x = x - 0.1 * value * slope
    return np.sum(x * x)


def mutual(x, n):
    """A function that calls itself and its own derivative."""
    if n == 0:
        return x * x
    return np.sin(mutual(x, n - 1)) + grad(power)(x, n)


CASES: list[Any] = [
    (power, (0.7, 6)),
    (quadrature, (1.5, 0.0, 2.0, 4)),
    (in_a_loop, (0.4, 4)),
    (descent, (0.9, 3)),
    (mutual, (0.9, 3)),
    pytest.param(transformed, (np.linspace(0.3, 1.2, 8),), marks=pytest.mark.slow),
    pytest.param(descent_of_arrays, (np.linspace(0.3, 1.2, 4), 2), marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("f", "args"), CASES)
def test_gradients_and_pullbacks(f: Any, args: tuple[Any, ...]) -> None:
    derivative = grad(f, backend="numba", cache=False)
    for _ in range(2):
        np.testing.assert_allclose(derivative(*args), grad(f)(*args), rtol=1e-11)
    np.testing.assert_array_equal(derivative.native(*args), derivative(*args))
    value, pullback = vjp(f, *args, argnums=0, backend="numba", cache=False)
    expected_value, expected = vjp(f, *args, argnums=0)
    np.testing.assert_allclose(value, expected_value, rtol=1e-12)
    for seed in (1.0, -2.0, 1.0):
        np.testing.assert_allclose(pullback(seed), expected(seed), rtol=1e-11)


@pytest.mark.parametrize(("f", "args"), CASES[1:2])
def test_forward_mode_and_second_derivatives(f: Any, args: tuple[Any, ...]) -> None:
    tangents = (1.0, *(None for _ in args[1:]))
    mine = jvp(f, args, tangents, backend="numba", cache=False)
    np.testing.assert_allclose(mine, jvp(f, args, tangents), rtol=1e-12)
    second = hvp(f, backend="numba", cache=False)
    np.testing.assert_allclose(second(*args, 1.0), hvp(f)(*args, 1.0), rtol=1e-11)


def test_calls_deeper_than_python_allows() -> None:
    derivative = grad(power, backend="numba", cache=False)
    assert derivative(1.5, 400) == pytest.approx(grad(power)(1.5, 400), rel=1e-11)
    with pytest.raises(RecursionError):
        derivative(1.5, 100_000)


def test_names_of_ours() -> None:
    f = function_from_source("""
        def f(depth, record, power_pullback):
            if record < 1:
                return depth * power_pullback
            records = f(depth * 0.5, record - 1, power_pullback)
            return records * depth
    """)
    derivative = grad(f, (0, 2), backend="numba", cache=False)
    np.testing.assert_allclose(derivative(1.5, 3, 0.5), grad(f, (0, 2))(1.5, 3, 0.5), rtol=1e-14)


def test_compiled_code_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AD_COMPILER_CACHE_DIR", str(tmp_path))
    for hits in (0, 0 if numba.config.DISABLE_JIT else 1):
        f = function_from_source("""
            def f(x, n):
                return 1.0 if n == 0 else np.sin(x) * f(x, n - 1)
        """)
        derivative = grad(f, backend="numba")
        assert derivative(0.5, 4) == pytest.approx(grad(f)(0.5, 4), rel=1e-12)
        if not numba.config.DISABLE_JIT:
            assert sum(derivative.native.stats.cache_hits.values()) == hits


def test_a_derivative_that_asks_how_its_argument_lies() -> None:
    """Its callers hand on the answer."""
    f = function_from_source("""
        def f(x):
            flat = (x * 1.0).T.ravel()
            flat *= x[0, 1]
            return np.sum(flat**2) * x
    """)
    g = function_from_source(
        """
        def g(x):
            value, pullback = vjp(f, x)
            return pullback(value)[0]
    """,
        f=f,
        vjp=vjp,
    )
    x = np.linspace(0.3, 1.2, 6).reshape(2, 3)
    mine = jvp(g, (x,), (x,), backend="numba", cache=False)
    np.testing.assert_allclose(mine, jvp(g, (x,), (x,)), rtol=1e-12)
    with pytest.raises(ValueError, match="must be C-contiguous"):
        jvp(g, (x.T,), (x.T,), backend="numba", cache=False)


def test_a_list_of_every_call_is_refused() -> None:
    f = function_from_source("""
        def f(x, n):
            if n == 0:
                return x
            xs = [x]
            for k in range(n):
                xs.append(xs[-1] * 0.5)
            return f(xs[n // 2], n - 1) * sum(xs)
    """)
    with pytest.raises(Unsupported, match="what the reverse sweep of a call needs") as caught:
        grad(f, backend="numba", cache=False)(1.5, 3)
    assert caught.value.lineno is not None and 1 <= caught.value.lineno <= 8
    assert 'use backend="numpy"' in caught.value.advice
    assert caught.value.filename is not None and caught.value.filename.startswith("<test program")
