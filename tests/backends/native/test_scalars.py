"""Products of numbers, and of choices of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad_compiler import value_and_grad
from ad_compiler.backends.native.nests import Expression, Scalar, text_of
from ad_compiler.backends.native.scalars import choice, number, times

REAL = np.dtype(np.float64)
CONDITION = Scalar("here")


def chosen(then: float, otherwise: float) -> Expression:
    return choice(CONDITION, number(then, REAL), number(otherwise, REAL))


@pytest.mark.parametrize(
    ("factor", "other", "expected"),
    [
        (3.0, chosen(1.0, 0.0), "3.0 if here else 0.0"),
        (-0.1, chosen(0.0, -1.0), "-0.0 if here else 0.1"),
        (
            3.0,
            choice(CONDITION, number(0.5, REAL), chosen(1.0, 0.0)),
            "1.5 if here else 3.0 if here else 0.0",
        ),
        (1.0, Scalar("x"), "x"),
        # What may be inf or nan at 0.0, or is rounded, or has not a number on each side:
        (np.inf, chosen(1.0, 0.0), "np.inf * (1.0 if here else 0.0)"),
        (np.nan, chosen(1.0, 0.0), "np.nan * (1.0 if here else 0.0)"),
        (1e200, chosen(1e200, 0.0), "1e+200 * (1e+200 if here else 0.0)"),
        (0.1, chosen(0.7, 0.0), "0.1 * (0.7 if here else 0.0)"),
        (5e-324, chosen(0.5, 1.0), "5e-324 * (0.5 if here else 1.0)"),
        (2.0, choice(CONDITION, Scalar("x"), number(0.0, REAL)), "2.0 * (x if here else 0.0)"),
        (0.0, Scalar("x"), "0.0 * x"),
    ],
)
def test_a_number_times_a_choice(factor: float, other: Expression, expected: str) -> None:
    assert text_of(times(REAL, number(factor, REAL), other)) == expected
    turned = " * ".join(reversed(expected.split(" * ")))
    assert text_of(times(REAL, other, number(factor, REAL))) == turned


def test_other_dtypes_keep_their_products() -> None:
    single = np.dtype(np.float32)
    parts = number(2.0, single), choice(CONDITION, number(1.0, single), number(0.0, single))
    assert (
        text_of(times(single, *parts)) == "np.float32(2.0) * (np.float32(1.0) if here else np.float32(0.0))"
    )
    assert text_of(times(np.dtype(bool), Scalar("a"), Scalar("b"))) == "a & b"


def identity(x: Any) -> Any:
    return np.sum((3 * np.eye(x.shape[0]) + np.tril(np.ones((x.shape[0], x.shape[0]))) * 0.5) @ x)


def step(x: Any) -> Any:
    return np.sum(2.5 * np.where(x > 0, 1.0, 0.0) * x * 1.0)


@pytest.mark.parametrize(
    ("f", "texts"),
    [
        (identity, ["3.0 if j == i else 0.0", "0.5 if j <= i else 0.0"]),
        (step, ["2.5 if x[i] > 0.0 else 0.0"]),
    ],
)
def test_programs(f: Any, texts: list[str]) -> None:
    pytest.importorskip("numba")
    x = np.array([1.0, -2.0, 0.0, np.inf, np.nan])
    mine, expected = value_and_grad(f, backend="numba", cache=False), value_and_grad(f)
    with np.errstate(invalid="ignore"):
        for given in (x, x[:3]):
            np.testing.assert_array_equal(mine(given)[0], expected(given)[0])
            np.testing.assert_array_equal(mine(given)[1], expected(given)[1])
    for text in texts:
        assert text in mine.native_source
