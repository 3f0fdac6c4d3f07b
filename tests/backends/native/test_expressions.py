"""Single operations in native code, against NumPy code.

They are compiled only with -m slow; `test_native.py` runs them as Python loops.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad_compiler import value_and_grad
from tests.helpers import function_from_expression, generator, random_array

pytest.importorskip("numba")
pytestmark = pytest.mark.slow

EXPRESSIONS = """
np.sum(np.var(x[0, 0]) + x * y)
np.sum(np.einsum("ij,kl->jk", x, y) ** 2)
np.sum(np.einsum("ij,jk,kl->il", x, y, x) ** 2)
np.sum(np.matmul(np.stack([x, x]), np.stack([y, 2 * y])) ** 2)
np.sum((np.stack([x, x]) @ y) ** 2)
np.sum(np.tensordot(x, y, axes=((1,), (0,))) ** 2)
np.sum(np.linalg.norm(x, axis=1) * y[:3, 0])
np.sum(np.linalg.norm(x, ord=1, axis=0) * y[0])
np.sum(np.pad(x, ((1, 2), (0, 1))) * np.pad(y.T, ((1, 2), (0, 1))))
np.sum(np.diff(x, axis=0) * np.diff(y.T, axis=0))
np.sum(np.roll(x, (1, -1), axis=(0, 1)) * y.T)
np.sum(np.tile(x, (2, 1))[1:4] * y.T)
np.sum(np.repeat(x, 2, axis=1)[:, ::2] * y.T)
np.sum(np.tril(x) @ np.triu(y.T, 1).T)
np.trace(x @ y) * np.sum(np.diagonal(x) * np.diag(y))
np.sum(np.cumsum(x, axis=0) * y.T)
np.sum(np.max(x, axis=0) * np.argmax(x, axis=0)) + np.sum(np.min(y) * x)
np.sum(np.where(x > 0, x, y.T) ** 3 + np.clip(x, -0.5, 0.5))
np.sum(x.T.reshape(-1)[[0, 2, 2, -1]] * np.sort(y.ravel())[::-1][:4])
np.sum(x[x > 0] ** 2) * np.sum(y[np.arange(3), [2, 0, 1]])
np.sum(np.std(x, axis=1, keepdims=True) * x) + np.prod(y[0])
np.sum(np.maximum(x, y.T) / (1 + np.abs(x)) ** 0.5 - np.hypot(x, y.T))
np.sum(np.concatenate([x, y.T], axis=1)[:, 1:-1] ** 2) + np.mean(np.outer(x[0], y[0]))
np.sum(np.ravel(x, order="F") * y.ravel()) + np.sum(np.outer(x, y) ** 2)
np.sum(np.sort(x, axis=1) * y.T) + np.sum(np.roll(x, 2) * np.repeat(y, [1, 0, 2], axis=1))
np.sum(np.linalg.solve(x, y) ** 2) * np.linalg.det(y) + np.linalg.slogdet(x)[1]
np.sum(np.linalg.eigh(x + x.T)[0] ** 3 * np.linalg.svd(y, compute_uv=False))
np.sum(np.abs(np.fft.fft2(x)) ** 2 * y) + np.sum(np.real(np.exp(1j * x) * (y + 2j) / (1 + 1j * x)))
np.sum(np.pad(x, 1, mode="reflect")[1:-1, 1:-1] * y) + np.sum(np.cumprod(x, axis=1) * y)
np.sum(np.convolve(x[0], y[0]) ** 2)
"""


def lines(text: str) -> list[str]:
    return text.strip().split("\n")


def arguments(expression: str) -> tuple[Any, Any]:
    rng = generator(expression)
    return random_array(rng, (3, 3)), random_array(rng, (3, 3))


@pytest.mark.parametrize("expression", lines(EXPRESSIONS))
def test_expression(expression: str) -> None:
    args = arguments(expression)
    f = function_from_expression(expression)
    value, gradients = value_and_grad(f, (0, 1), backend="numba", cache=False)(*args)
    expected_value, expected = value_and_grad(f, (0, 1))(*args)
    np.testing.assert_allclose(value, expected_value, rtol=1e-12)
    for mine, other in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12)
