"""How derivatives read: names, sums, differences and assignments as a person would write them."""

from __future__ import annotations

import numpy as np
import pytest

from ad_compiler import check_grads, grad
from tests.helpers import function_from_source

# mypy: allow-untyped-defs, allow-untyped-calls

X = np.array([0.3, 0.7, 0.4, 0.9])


def emitted(text: str, *args: object) -> str:
    """The gradient of the function defined in `text`, once it is found to be right."""
    f = function_from_source(text)
    check_grads(f, args)
    source: str = grad(f).source_for(*args)
    return source


def test_numbers_are_accumulated_in_place_and_handed_out_as_they_are():
    source = emitted(
        """
        def f(a, n):
            y = 1.0
            for _ in range(n):
                y = y * a + a * a
            return y
        """,
        0.7,
        3,
    )
    assert "a_bar += " in source
    assert "float(" not in source


def test_a_whole_number_that_a_loop_starts_with_is_still_made_a_float():
    f = function_from_source("""
        def f(a, n):
            y = 0
            for _ in range(n):
                y = y + a
            return y * 1.0
    """)
    for n in (0, 2):
        gradient = grad(f)(0.7, n)
        assert (gradient, type(gradient)) == (float(n), float)


def test_parts_are_called_after_their_arrays():
    source = emitted(
        """
        def f(x):
            total = 0.0
            for i in range(len(x) - 1):
                total += x[i] * x[i] * np.sum(x[1:] * x[:-1] * x[1:]) * x[i + 1]
            return total
        """,
        X,
    )
    assert "x_i = x[i]" in source
    assert "x_part = x[1:]" in source
    assert "range(x.shape[0] - 1)" in source
    assert "x[i + 1]" in source


def test_a_name_of_the_users_own_is_not_taken():
    source = emitted(
        """
        def f(x):
            x_0 = 2.0 * x[1]
            return x[0] * x[0] * x_0 * x_0
        """,
        X,
    )
    assert "x_0 = 2.0 * x[1]" in source


def test_what_was_saved_keeps_its_name():
    source = emitted(
        """
        def f(x):
            y = x
            for _ in range(3):
                y = np.tanh(y) * np.exp(-y)
            return np.sum(y)
        """,
        X,
    )
    assert "tape.append((tanh, exp))" in source
    assert "tanh, exp = tape.pop()" in source


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("np.sum(x * x) - 3.0 * np.sum(x[1:] * (x[1:] + x[:-1]))", "x_bar[1:] -= "),
        ("np.sum(x / (2.0 + x))", " - "),
    ],
)
def test_nothing_is_added_that_begins_with_a_minus(expression: str, expected: str):
    source = emitted(f"def f(x):\n    return {expression}", X)
    assert "+ -" not in source
    assert "+= -" not in source
    assert expected in source


def test_conditions_are_negated_as_comparisons():
    source = emitted(
        """
        def f(x, n):
            y = x[0]
            for i in range(n):
                if not i == 1:
                    y = y * x[1]
            return y
        """,
        X,
        3,
    )
    assert "if i != 1:" in source


def test_a_matrix_product_with_itself_has_one_contribution():
    assert "x_bar = 2.0 * x" in emitted("def f(x):\n    return x @ x", X)


def test_selections_of_numbers_keep_the_precision_of_the_array():
    f = function_from_source("""
        def f(x, s):
            y = np.where(x > s, x * s, s) + np.maximum(0.0, x - s)
            return np.sum(y) / len(y)
    """)
    x = X.astype(np.float32)
    source = grad(f).source_for(x, 0.5)
    assert "astype" not in source
    assert grad(f)(x, 0.5).dtype == np.float32
    np.testing.assert_allclose(grad(f)(x, 0.5), grad(f)(X, 0.5), rtol=1e-6)


def test_what_a_turn_saves_is_not_copied_to_be_written_into():
    source = emitted(
        """
        def f(x):
            r = x.copy()
            total = 0.0
            for _ in range(3):
                r -= 0.1 * r * r
                total += np.sum(np.sin(r))
            return total
        """,
        X,
    )
    assert source.count("copy()") <= 1


def test_the_users_own_signs_are_kept():
    source = emitted(
        """
        def f(x):
            v = x[0] + (-2.0 * x[1] - x[2])
            return v * v
        """,
        X,
    )
    assert "v = x[0] + (-2.0 * x[1] - x[2])" in source


def test_what_is_written_into_is_called_like_what_it_becomes():
    source = emitted(
        """
        def f(x):
            total = 0.0
            for i in range(len(x)):
                total += x[i] * x[i]
            return total * x[1]
        """,
        X,
    )
    assert "x_bar[1] = total" in source
    assert "return x_bar\n" in source
    assert "zeros" not in source.replace("np.zeros_like", "")


def test_the_cotangent_of_a_part_is_called_after_it():
    source = emitted(
        """
        def f(x):
            y = x * x
            part = y[1:]
            return part[0] * part[1] * y[0]
        """,
        X,
    )
    assert "part_bar = np.zeros_like(" in source
