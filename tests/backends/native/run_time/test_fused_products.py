"""Products that compute their operands: all remainders of lengths, both ways, and those for BLAS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler.backends.native.run_time.product_forms import computed, form_of, letters

numba = pytest.importorskip("numba")

if numba.config.DISABLE_JIT:
    pytest.skip("what is called is what is compared with", allow_module_level=True)

FORMS = [
    "ik, kj - k -> ij",
    "k * ik, jk - j -> ij, i",
    "ki, k * kj + j -> ij, j",
    "-(ik - k) * i, _ * (jk - 0.1) -> ij, i, j",
]
LENGTHS = [
    *[(rows, columns, 5) for rows in (0, 1, 2, 3, 4, 7) for columns in (0, 1, 7, 8, 9, 16, 17, 35)],
    *[
        (rows, columns, inner)
        for rows in (0, 1, 3, 4, 6)
        for columns in (1, 2, 5)
        for inner in (0, 1, 7, 8, 33)
    ],
]


def compiled(text: str) -> Callable[..., None]:
    from ad_compiler.backends.native.run_time.fused_products import fused_product

    count = len(getattr(form_of(text), "subscripts", ()))
    results = text.count(",", text.index("->")) + 1
    given = ", ".join([f"a{n}" for n in range(count)] + [f"r{n}" for n in range(results)])
    names: dict[str, Any] = {"fused_product": fused_product}
    exec(f"def call({given}):\n    fused_product('{text}', {given})", names)
    function: Callable[..., None] = numba.njit(error_model="numpy")(names["call"])
    return function


def arguments(text: str, lengths: tuple[int, ...], dtype: Any) -> list[Any]:
    """Random arrays, and results within arrays that nothing may be written to."""
    random = np.random.default_rng(sum(lengths))
    of = dict(zip("ijk", lengths, strict=True))
    form = form_of(text)
    assert form is not None
    shapes = [tuple(of[letter] for letter in letters(each)) for each in form.subscripts]
    arrays = [random.normal(size=shape).astype(dtype) for shape in shapes]
    given = [array if array.ndim else array.dtype.type(array) for array in arrays]
    return [*given, *(np.full((3, *[of[letter] for letter in each]), 7, dtype) for each in form.results)]


def check(call: Callable[..., None], text: str, lengths: tuple[int, ...], dtype: Any) -> None:
    given = arguments(text, lengths, dtype)
    count = text.count(",", text.index("->")) + 1
    results = given[-count:]
    expected = [np.empty_like(each[1]) for each in results]
    computed(text, *given[:-count], *expected)
    call(*given[:-count], *(each[1] for each in results))
    tolerance = 30 * float(np.finfo(dtype).eps) * (1 + lengths[2]) ** 0.5
    for mine, other in zip(results, expected, strict=True):
        np.testing.assert_allclose(mine[1], other, rtol=tolerance, atol=tolerance)
        assert (mine[::2] == 7).all()


@pytest.mark.parametrize(
    ("text", "dtype", "kind"),
    [
        *((text, np.float64, "large") for text in FORMS),
        *((text, np.float32, "small") for text in FORMS),
        *((text, np.float64, "narrow") for text in FORMS[1:3]),
    ],
)
def test_forms(text: str, dtype: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small products, large ones in small slabs, and those for processors of short vectors."""
    constants: dict[str, Any] = {}
    if kind == "large":
        constants = {"products.SMALL": 0, "products.USES": 0, "slabs.INNER": 9, "slabs.ELEMENTS": 40}
    elif kind == "narrow":
        constants = {"products.VECTORS": 1, "products.BLOCKS": (2,)}
    for name, value in constants.items():
        monkeypatch.setattr(f"ad_compiler.backends.native.run_time.fused_{name}", value)
    call = compiled(text)
    for lengths in LENGTHS:
        check(call, text, lengths, dtype)


@pytest.mark.parametrize("large", [False, True])
def test_numbers_that_are_not_finite_stay_where_they_are(
    large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies behind the end of a row is no part of a sum, though shifted by inf."""
    if large:
        monkeypatch.setattr("ad_compiler.backends.native.run_time.fused_products.SMALL", 0)
        monkeypatch.setattr("ad_compiler.backends.native.run_time.fused_products.USES", 0)
    for text in ("ik, kj - k -> ij", "k * ik, jk - j -> ij, i"):
        call = compiled(text)
        given = arguments(text, (5, 11, 13), np.float64)
        count = text.count(",", text.index("->")) + 1
        operands, results = given[:-count], [each[1] for each in given[-count:]]
        for vector, special in ((-1 if count == 2 else 1, np.inf), (0, np.nan)):
            operands[vector][1 if vector else 2] = special
        expected = [np.empty_like(each) for each in results]
        with np.errstate(invalid="ignore"):
            computed(text, *operands, *expected)
        call(*operands, *results)
        for mine, other in zip(results, expected, strict=True):
            np.testing.assert_array_equal(np.isfinite(mine), np.isfinite(other))
            np.testing.assert_allclose(mine, other, rtol=1e-12)
