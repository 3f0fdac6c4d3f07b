"""The loops written by hand for Numba are a reference: they are held against the gradients in NumPy."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba")

from benchmarks.handwritten import elementary
from benchmarks.harness.agreement import require_equal
from benchmarks.native import PROGRAMS

pytestmark = pytest.mark.slow  # each is compiled: a second or two

VERSIONS = [(name, version) for name in PROGRAMS for version in ("in_numba", "in_numba_with_libm")]


@pytest.mark.parametrize(
    ("name", "version"), [case for case in VERSIONS if getattr(PROGRAMS[case[0]], case[1]) is not None]
)
def test_gradient_is_the_one_in_numpy(name: str, version: str) -> None:
    program = PROGRAMS[name]
    arguments = program.inputs()
    gradient = getattr(program, version)()
    first = gradient(*arguments)
    expected = program.by_hand(*program.inputs())
    require_equal(first, expected)
    gradient(*program.inputs())
    require_equal(first, expected)  # no later call writes into what an earlier one returned
    for argument, before in zip(arguments, program.inputs(), strict=True):
        np.testing.assert_array_equal(argument, before)


Array = NDArray[np.float64]


def logistic(x: Array) -> Array:
    values: Array = np.reciprocal(1 + np.exp(-x))
    return values


SPECIAL = [0.0, -0.0, 1e-310, 1e-8, 40.0, 709.7, 709.8, 745.0, 746.0, 1e300, np.inf, np.nan]


@pytest.mark.parametrize(
    ("compiled", "exact", "units"),
    [(elementary.exp, np.exp, 3), (elementary.tanh, np.tanh, 6), (elementary.logistic, logistic, 4)],
)
def test_elementary_functions_are_exact_to_some_units_in_the_last_place(
    compiled: Callable[[float], float], exact: Callable[[Array], Array], units: int
) -> None:
    random = np.random.default_rng(0)
    scales = (1e-8, 1e-3, 0.3, 1.0, 5.0, 100.0)
    points = np.concatenate([SPECIAL, np.negative(SPECIAL), *(random.normal(size=300) * s for s in scales)])
    with np.errstate(all="ignore"):
        expected = exact(points)
    found = np.array([compiled(x) for x in points])
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite])  # NaN equals NaN here
    off = np.abs(found[finite] - expected[finite]) / np.spacing(np.abs(expected[finite]))
    assert off.max() <= units
