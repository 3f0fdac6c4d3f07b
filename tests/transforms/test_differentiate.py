"""Cotangents of what only one side of a branch makes, read behind another branch on the same condition."""

from __future__ import annotations

import numpy as np
import pytest

from ad_compiler import check_grads
from tests.helpers import function_from_source

# mypy: allow-untyped-defs, allow-untyped-calls


@pytest.mark.parametrize("v", [np.array([0.3, 0.2]), np.array([0.3, 0.2, 0.5])])
@pytest.mark.parametrize("r", [0.05, 0.5])
def test_a_value_of_one_side_has_no_cotangent_on_the_other(v: np.ndarray, r: float):
    f = function_from_source("""
        def f(v, r):
            few = v.shape[0] == 2
            if few:
                y = r * r
            else:
                m = np.stack([v, v * 2])
                above = r > 0.1
                if above:
                    y = v[1] * r
                else:
                    cos = np.cos(m[1:])
                    y = np.sum(m[1:] * cos) + np.sin(r)
            if few:
                w = v * r
            else:
                if above:
                    w = v * r * m[0]
                else:
                    w = v * cos[0] + np.sin(m[1])
            return y + np.sum(w)
    """)
    check_grads(f, (v, r))
