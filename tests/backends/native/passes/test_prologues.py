"""Which operands products compute while they read them, and which must stay in memory.

Everything is compared with NumPy code; the kernels themselves are in `test_fused_products.py`. Most are
compiled only with -m slow; `test_native.py` runs them as Python loops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, value_and_grad

numba = pytest.importorskip("numba")

from ad_compiler.backends.native.lowering.products import are_fused  # noqa: E402

Function = Callable[..., Any]
RNG = np.random.default_rng(8)

if not are_fused():
    pytest.skip("this NumPy has no BLAS that native code may call", allow_module_level=True)


def compare(f: Function, argnums: tuple[int, ...], *args: Any, tolerance: float = 1e-12) -> str:
    """Compare native with NumPy code; the text of what answered."""
    native = value_and_grad(f, argnums, backend="numba", cache=False)
    with np.errstate(all="ignore"):
        value, gradients = native(*args)
        expected, others = value_and_grad(f, argnums)(*args)
    np.testing.assert_allclose(value, expected, rtol=tolerance)
    for mine, other in zip(gradients, others, strict=True):
        assert type(mine) is type(other) and np.asarray(mine).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(mine, other, rtol=tolerance, atol=tolerance)
    source: str = native.native_source
    return source


def forms(source: str) -> list[str]:
    """The forms of the products in a text."""
    return [part.split('"')[1] for part in source.split("fused_product(")[1:]]


def shifted(Q: Any, x: Any, means: Any) -> Any:
    return np.sum((Q @ (x - means[:, np.newaxis])) ** 2)


def scaled(x: Any, scales: Any, y: Any) -> Any:
    """The columns of the left operand, and the rows of the right one."""
    return np.sum(np.sin((x * scales) @ (y * scales[:, np.newaxis])))


def normalised(x: Any, means: Any, scales: Any, w: Any) -> Any:
    """Features as they are fed to a layer."""
    return np.sum(np.tanh(((x - means) * scales) @ w.T))


def batched(Q: Any, x: Any, means: Any) -> Any:
    """As in a mixture: all matrices of a batch, of one matrix of points."""
    white = Q @ (x - means[:, :, np.newaxis])
    weights = np.exp(-0.5 * np.sum(white**2, axis=1))
    return np.sum(np.log(np.sum(weights, axis=0)))


def turned(x: Any, means: Any, y: Any) -> Any:
    return np.sum(np.sin((x - means) @ (y - means).T))


def with_numbers(x: Any, c: float, w: Any, rows: Any) -> Any:
    return np.sum(np.exp(w @ (-2.0 * x * c + rows[:, np.newaxis])))


def with_an_outer_product(u: Any, v: Any, w: Any) -> Any:
    return np.sum(np.sin(w @ np.outer(u, v)))


CASES: list[tuple[Function, list[tuple[int, ...]], tuple[int, ...], list[str]]] = [
    (shifted, [(3, 4), (4, 9), (4,)], (1, 2), ["ik, kj - k -> ij"]),
    (shifted, [(3, 4), (4, 9), (4,)], (0, 2), ["2.0 * ik, jk -> ij, i"]),
    (scaled, [(5, 7), (7,), (7, 3)], (2,), ["ik, kj * k -> ij"]),
    (normalised, [(9, 4), (4,), (4,), (5, 4)], (0, 1), ["(ik - k) * k, jk -> ij"]),
    (batched, [(3, 2, 2), (2, 11), (3, 2)], (0, 2), ["ik, kj - k -> ij", "k * ik, jk - j -> ij, i"]),
    (batched, [(3, 2, 2), (2, 11), (3, 2)], (0, 1, 2), ["ik, kj - k -> ij", "ik, jk - j -> ij"]),
    (turned, [(5, 12), (12,), (4, 12)], (0,), ["ik - k, jk -> ij"]),
    (with_numbers, [(3, 5), (), (4, 3), (3,)], (0, 3), ["ik, -2.0 * kj * _ + k -> ij"]),
    (with_an_outer_product, [(3,), (17,), (4, 3)], (0, 2), ["ik, k * j -> ij", "ik, j * k -> ij"]),
]


def arguments(shapes: list[tuple[int, ...]], dtype: Any = np.float64) -> list[Any]:
    given = [RNG.normal(size=shape).astype(dtype) for shape in shapes]
    return [array if array.ndim else float(array) for array in given]


@pytest.mark.parametrize(
    ("f", "shapes", "argnums", "expected"),
    [pytest.param(*case, marks=[] if case[0] is batched else pytest.mark.slow) for case in CASES],
)
def test_forms(
    f: Function, shapes: list[tuple[int, ...]], argnums: tuple[int, ...], expected: list[str]
) -> None:
    source = compare(f, argnums, *arguments(shapes))
    assert forms(source) == expected, source


@pytest.mark.parametrize("dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.slow)])
def test_lengths(dtype: Any) -> None:
    """Of one, of none, and so many that the products are large; arrays of all layouts."""
    tolerance = 1e-11 if dtype == np.float64 else 2e-4
    native = grad(batched, (0, 1, 2), backend="numba", cache=False)
    plain = grad(batched, (0, 1, 2))
    for k, d, n in (
        (1, 1, 1),
        (2, 1, 5),
        (2, 3, 1),
        (1, 2, 9),
        (2, 3, 0),
        (2, 0, 3),
        (2, 18, 400),
        (2, 5, 3000),
    ):
        Q, x, means = arguments([(k, d, d), (d, n), (k, d)], dtype)
        Q *= 0.3
        for given in ((Q, x, means), (Q.transpose(0, 2, 1), x[:, ::-1], np.asfortranarray(means))):
            for mine, other in zip(native(*given), plain(*given), strict=True):
                assert mine.dtype == other.dtype == dtype
                scale = 1 + float(np.max(np.abs(other), initial=0))
                np.testing.assert_allclose(mine / scale, other / scale, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
def test_special_values() -> None:
    for place, special in ((1, np.nan), (1, np.inf), (2, -np.inf), (0, np.nan), (2, 1e200)):
        given = arguments([(3, 2, 2), (2, 11), (3, 2)])
        given[place].flat[3] = special
        with np.errstate(all="ignore"):
            native = grad(batched, (0, 1, 2), backend="numba")(*given)
            plain = grad(batched, (0, 1, 2))(*given)
        for mine, other in zip(native, plain, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11)


# What must stay in memory


def changed(w: Any, x: Any, means: Any) -> Any:
    """What the operand was made of is another thing when the product comes."""
    means = means.copy()
    centred = x - means[:, np.newaxis]
    means[0] = 5.0
    return np.sum(w @ centred) * np.sum(means)


def read_elsewhere(w: Any, x: Any, means: Any) -> Any:
    centred = x - means[:, np.newaxis]
    return np.sum(w @ centred) * np.sum(centred[0] ** 3)


def summed_otherwise(w: Any, x: Any, means: Any) -> Any:
    """Sums along the other axis, and of squares."""
    centred = x - means[:, np.newaxis]
    return np.sum(w @ centred) + np.sum(np.sum(centred, axis=0) ** 2)


def of_two_matrices(w: Any, x: Any, means: Any) -> Any:
    return np.sum(np.sin(w @ (x * np.sin(x) + means[:, np.newaxis])))


def squared(w: Any, x: Any, means: Any) -> Any:
    centred = x - means[:, np.newaxis]
    return np.sum(centred.T @ centred) + np.sum(w)


def of_another_dtype(w: Any, x: Any, means: Any) -> Any:
    return np.sum(np.sin(w @ (x - np.arange(len(means))[:, np.newaxis] * 1)))


def written_over(w: Any, x: Any, means: Any) -> Any:
    """The operand is no more what it was when the product reads it."""
    centred = x - means[:, np.newaxis]
    centred[0] = 2.0
    return np.sum(np.sin(w @ centred))


@pytest.mark.slow
@pytest.mark.parametrize(
    "f",
    [changed, read_elsewhere, summed_otherwise, of_two_matrices, squared, of_another_dtype, written_over],
)
def test_what_stays(f: Function) -> None:
    for argnums in ((1,), (0, 1, 2)):
        compare(f, argnums, *arguments([(4, 3), (3, 7), (3,)]), tolerance=1e-11)


@pytest.mark.slow
def test_sums_that_are_read_before() -> None:
    """Sums are computed with the product only where nothing reads them in between."""

    def f(x: Any, means: Any, w: Any) -> Any:
        centred = (x - means) * 2.0
        totals = np.sum(centred, axis=1)
        return np.sum(np.sin((centred * 1.0) @ (w * totals[0])))

    compare(f, (0,), *arguments([(5, 9), (9,), (9, 2)]), tolerance=1e-11)
