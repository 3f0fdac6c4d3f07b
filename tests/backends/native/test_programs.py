"""The corpus of programs in native code, against NumPy code; what may be refused is listed in `argued.py`."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from ad_compiler import Unsupported, vjp
from ad_compiler.testing import is_real, leaves
from tests.backends.native.argued import REFUSED
from tests.programs.corpus import PROGRAMS, Example
from tests.programs.test_corpus import name_of, result_of, weights

pytest.importorskip("numba")


REPRESENTATIVE = 16  # every so manieth program runs in every test run, the others only with -m slow


def cases() -> list[Any]:
    return [
        pytest.param(example, id=name_of(example), marks=[] if n % REPRESENTATIVE == 0 else pytest.mark.slow)
        for n, example in enumerate(PROGRAMS)
    ]


@pytest.mark.parametrize("example", cases())
def test_program(example: Example) -> None:
    args = copy.deepcopy(example.args)
    cotangent = weights(result_of(example, args), np.random.default_rng(7))
    expected_value, expected_pullback = vjp(example.function, *args, of=example.of)
    expected = expected_pullback(cotangent)
    try:
        value, pullback = vjp(example.function, *args, of=example.of, backend="numba", cache=False)
    except Unsupported as refusal:
        known = any(reason in refusal.reason for reason, _ in REFUSED.values())
        if not known or refusal.lineno is None or not refusal.text:
            raise
        return
    gradients = pullback(cotangent)
    again = pullback(cotangent)

    for mine, other in zip(leaves(value), leaves(expected_value), strict=True):
        assert np.asarray(mine).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-12, err_msg="the value")
    for mine, before in zip(leaves(args), leaves(example.args), strict=True):
        np.testing.assert_array_equal(mine, before, err_msg="an argument was changed")
    for mine, other, second in zip(leaves(gradients), leaves(expected), leaves(again), strict=True):
        if is_real(other):
            assert np.asarray(mine).dtype == np.asarray(other).dtype and np.shape(mine) == np.shape(other)
            scale = 1 + np.max(np.abs(other), initial=0.0)
            np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12 * scale, err_msg="a gradient")
            np.testing.assert_array_equal(second, mine, err_msg="a second call of the pullback differs")
