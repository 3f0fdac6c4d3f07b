"""A gradient has the dtype and shape of its argument, wherever the argument lies in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, jacobian, value_and_grad
from tests.helpers import function_from_expression

EXPRESSIONS = """
np.sum(x * x)
np.sum(np.exp(x) / (1 + x ** 2))
np.mean(np.sin(x)) + np.std(x)
np.sum(np.maximum(x, 1.0) * np.where(x > 1, x, 2.0))
np.sum(np.cumsum(x) * np.sort(x)) + np.median(x)
np.sum(np.sqrt(x) * np.log1p(x)) + np.max(x)
np.sum(np.pad(x, 1, mode="reflect") * 2.0) + np.trapezoid(x)
np.sum(np.convolve(x, [1.0, 2.0, 1.0]).astype(x.dtype)) + np.dot(x, x)
np.sum(np.hypot(x, 2 * x)) + np.prod(x) + np.linalg.norm(x.astype(np.float64))
np.sum(np.tensordot(x, x, 0)) + np.einsum("i,i->", x, x)
np.sum(x[np.array([0, 0, 2])] * x[1:]) + np.sum(x * np.arange(4))
""".strip().split("\n")
REAL: list[Any] = [np.float16, np.float32, np.float64, np.longdouble]


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("dtype", REAL)
def test_dtype_of_the_gradient(expression: str, dtype: type[np.floating[Any]]) -> None:
    expression = expression.replace("x[1:]", "x[1:4]")
    f = function_from_expression(expression)
    x = np.array([0.75, 1.5, 2.25, 1.25])
    with np.errstate(all="ignore"):
        value, gradient = value_and_grad(f)(x.astype(dtype))
    assert gradient.dtype == dtype and gradient.shape == x.shape
    assert np.asarray(value).dtype == np.asarray(f(x.astype(dtype))).dtype
    rtol = {np.float16: 5e-2, np.float32: 1e-5}.get(dtype, 1e-12)
    np.testing.assert_allclose(gradient.astype(np.float64), grad(f)(x), rtol=rtol, atol=rtol)


def test_extended_precision_is_kept() -> None:
    """No step of these derivatives falls back to doubles."""
    if np.finfo(np.longdouble).eps == np.finfo(np.float64).eps:
        pytest.skip("long doubles are doubles on this machine")
    x = np.array([1, 2, 3], np.longdouble) / 3
    for f, slope in (
        (lambda x: np.sum(np.exp(x) * x), lambda x: np.exp(x) * (1 + x)),
        (lambda x: np.sum(x**3 / (1 + x)), lambda x: (3 * x**2 * (1 + x) - x**3) / (1 + x) ** 2),
        (lambda x: np.sum(np.tanh(x)) + np.mean(x * x), lambda x: 1 - np.tanh(x) ** 2 + 2 * x / 3),
    ):
        error = np.max(np.abs(grad(f)(x) - slope(x)))
        assert error < 1e-18


def test_mixed_dtypes() -> None:
    f = function_from_expression("np.sum(a * b + c * d)")
    args: list[Any] = [np.ones(2, np.float32), np.ones(2), np.arange(2), np.ones(2, np.complex64)]
    f = function_from_expression("np.sum(a * b + c).real + np.abs(np.sum(d * a))")
    gradients = grad(f, argnums=(0, 1, 2, 3))(*args)
    assert [g.dtype for g in gradients] == [np.float32, np.float64, np.float64, np.complex64]


def test_memory_of_every_kind(tmp_path: Path) -> None:
    f = function_from_expression("np.sum(np.sin(x) * x[::-1]) + x[0, 1] * x[1, 0]")
    plain = np.arange(6.0).reshape(2, 3) / 5
    expected = grad(f)(plain)
    mapped = np.memmap(tmp_path / "numbers", np.float64, "w+", shape=(2, 3))
    mapped[...] = plain
    frozen = plain.copy()
    frozen.flags.writeable = False
    shifted = np.zeros(49, np.int8)[1:].view(np.float64).reshape(2, 3)
    shifted[...] = plain
    backwards = plain[::-1, ::-1].copy()[::-1, ::-1]
    for array in (mapped, np.asarray(mapped), frozen, shifted, backwards, np.asfortranarray(plain)):
        np.testing.assert_array_equal(grad(f)(array), expected)
        np.testing.assert_array_equal(jacobian(f)(array), expected)
        np.testing.assert_array_equal(array, plain)
    assert type(grad(lambda x, y: np.sum(x * y))(plain, mapped)) is np.ndarray


@pytest.mark.parametrize("made", [np.ma.array, np.matrix, lambda x: np.asarray(x).view(np.recarray)])
def test_subclasses_are_refused(made: Any) -> None:
    with pytest.warns(PendingDeprecationWarning) if made is np.matrix else nothing():
        array = made([[1.0, 2.0]])
    with pytest.raises(SyntaxError, match="not a plain array"):
        grad(lambda x: np.sum(x * x))(array)


class nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def test_byte_order_is_the_machines() -> None:
    """Arrays in the other byte order are not mistaken for doubles."""
    swapped = np.arange(3.0).astype(np.dtype(np.float64).newbyteorder())
    gradient = grad(lambda x: np.sum(x * x))(swapped)
    np.testing.assert_array_equal(gradient, 2 * np.arange(3.0))
