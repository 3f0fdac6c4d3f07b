"""What unpacking says at run time, where the lengths do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from ad_compiler import grad
from tests.programs.unpacking import coordinates_of_a_point


def first_coordinate(p):
    return coordinates_of_a_point(p)[0]


@pytest.mark.parametrize("length", [2, 4])
def test_another_length_raises_as_in_python(length: int) -> None:
    with pytest.raises(ValueError, match=r"3 values are needed for `\(?x, y, z\)?`"):
        grad(first_coordinate)(np.ones(length))


def first_of_two_or_more(x, n):
    first, *_, last = x[:n]
    return first * last


def test_too_few_for_a_star() -> None:
    derivative = grad(first_of_two_or_more)
    np.testing.assert_array_equal(derivative(np.array([2.0, 3.0, 4.0]), 3), [4.0, 0.0, 2.0])
    with pytest.raises(ValueError, match=r"at least 2 values are needed for `\(?first, \*_, last\)?`"):
        derivative(np.ones(3), 1)
