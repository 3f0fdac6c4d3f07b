"""Products with cotangents that may hold zeros are guarded; those with others are written as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad_compiler import grad
from ad_compiler.making import derivative_of
from tests.helpers import function_from_source

# mypy: allow-untyped-defs, allow-untyped-calls

X = np.array([0.3, -0.7, 1.9])


def pullback_text(source: str) -> str:
    return derivative_of(function_from_source(source), "vjp", 0, False).source_for(X)


WITHOUT_GUARD = {
    "product = result_bar * a_1 * a": """
        def f(x):
            a = np.sin(x)
            a[0] = 1.0
            return np.cos(x) * a
    """,
    "x_bar += a_bar * cos": """
        def f(x):
            a = np.sin(x)
            a[1:] += np.cos(x)[:-1]
            return a * a
    """,
    "a_bar[2] += product_bar * a_0": """
        def f(x):
            a = np.sin(x)
            a[1] = a[0] * a[2]
            return a * a
    """,
}
WRITES_OF_ZEROS = {
    "zeros": """
        a = x * x
        a[0] = 0.0
    """,
    "some of zeros": """
        a = np.zeros(3)
        a[0] = x[0]
    """,
    "whole numbers": """
        a = np.array([3, 4, 5])
        a[1] = len(x) - 3
    """,
    "a choice": """
        a = np.sin(x)
        a[0] = np.where(x[0] > 0, x[1], 0.0)
    """,
    "zeros, and a number after": """
        a = x * x
        a[0] = 0.0
        a[1] += 3.0
    """,
}


@pytest.mark.parametrize("line", WITHOUT_GUARD)
def test_products_without_a_guard(line: str) -> None:
    assert f"{line}\n" in pullback_text(WITHOUT_GUARD[line])


@pytest.mark.parametrize("written", WRITES_OF_ZEROS)
def test_products_with_a_guard(written: str) -> None:
    source = f"def f(x):\n{WRITES_OF_ZEROS[written].rstrip()}\n        return np.exp(x) * a\n"
    assert "np.where(exp_bar != 0.0, exp_bar * exp, 0.0)" in pullback_text(source)


def masked(x: Any) -> Any:
    out = np.log(x)
    out[0] = 0.0
    out[1:] += 1.0
    return np.sum(out * out)


def copied_in_a_loop(x: Any) -> Any:
    a = np.sqrt(x)
    for i in range(1, 3):
        a[:-1] += a[1:] * a[i]
    return a[2]


@pytest.mark.parametrize(("f", "infinite"), [(masked, 0), (copied_in_a_loop, None)])
def test_what_is_not_selected_gives_zero(f: Any, infinite: int | None) -> None:
    """Partial derivatives that are infinite where an element was overwritten, or is not read."""
    x = np.array([0.0, 0.5, 2.0])
    with np.errstate(all="ignore"):
        found = grad(f)(x)
    assert np.all(np.isfinite(found))
    assert infinite is None or found[infinite] == 0.0
