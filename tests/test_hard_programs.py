"""Short programs that random ones have found to be hard, in each of their branches."""

from __future__ import annotations

import numpy as np
import pytest

from ad_compiler import grad
from tests.helpers import (
    assert_gradient_matches_finite_differences,
    function_from_source,
    generator,
    random_array,
)

HARD_PROGRAMS = {
    "the branches of an elif chain contribute alike": """
        def program(s, v, m):
            if s > 1.0:
                f = s
            elif s > 0.3:
                f = s
            else:
                f = s + np.sum(v)
            return np.sum(np.sin(f)) + np.sum(m)
    """,
    "a branch in a branch, both binding the same name": """
        def program(s, v, m):
            if s > 1.0:
                f = m[0]
            else:
                f = v
                if s > 0.3:
                    f = f * v
                    if s > 0.4:
                        f = f + v
                else:
                    f = v * s
            return np.sum(np.sin(f) * v)
    """,
    "an entry of an array is a number, augmenting it changes no array": """
        def program(s, v, m):
            t = m[0, 1]
            t -= s
            u = v[0]
            u *= t
            return u * np.sum(m) + np.sum(v)
    """,
    "a number from either branch may be augmented": """
        def program(s, v, m):
            if s > 0.1:
                t = s
            else:
                t = np.max(v)
            r = t
            t *= np.sum(m)
            return t * r
    """,
    "a closure reads what its names are bound to when it is called": """
        def program(s, v, m):
            scale = lambda t: t * s + np.sin(t)
            s = s * s
            return np.sum(scale(v)) + np.sum(scale(m)) * s
    """,
    "a row of unknown length 1 broadcasts": """
        def program(s, v, m):
            row = m[1:]
            column = m[:, :1]
            return np.sum(np.sin(row * m) * column) + np.sum(row * v) * s
    """,
    "a chained comparison chooses": """
        def program(s, v, m):
            t = (s + v[0]) if 0 < s <= 1 else s
            return np.sin(t) + np.sum(np.cos(t) * m)
    """,
    "a name bound to a picked part of itself, in a branch of a branch": """
        def program(s, v, m):
            if s > 0.0:
                m = m - v
                if s > 0.5:
                    m = m[:, [2, 0, 0]]
            return np.sum(np.sin(m))
    """,
    "a difference of equal things, after an early return": """
        def program(s, v, m):
            if s > 1.0:
                return np.max(v)
            a = np.maximum(np.hypot(1 + v[None], v), m.mean(axis=0, keepdims=True))
            return np.sum(a - a) + np.sum(np.sin(v)) * s
    """,
    "a condition asked again where it is known": """
        def program(s, v, m):
            if s > 0.5:
                return s * np.sum(v)
            t = s * s
            if s > 0.5:
                z = np.sum(m)
            elif t < 0.2:
                z = t * t
            else:
                z = s
            return z * s
    """,
    "a sum over a number, twice": """
        def program(s, v, m):
            return np.sum(s) + np.sum(s) + np.sum(v) * np.sum(m)
    """,
    "a view from one side of a branch": """
        def program(s, v, m):
            m = (m if s > 0.5 else m[::-1])
            return 0.5 * np.sum(np.sin(m)) + s
    """,
}


@pytest.mark.parametrize("name", HARD_PROGRAMS)
@pytest.mark.parametrize("s", [-0.5, 0.35, 0.7, 1.3])
def test_hard_programs(name: str, s: float) -> None:
    f = function_from_source(HARD_PROGRAMS[name])
    rng = generator(name, s)
    args = [s, random_array(rng, (3,)), random_array(rng, (2, 3))]
    for argnums in ([0], [1], [2], [2, 1], [0, 1, 2]):
        assert_gradient_matches_finite_differences(f, args, argnums=argnums)


def test_a_whole_number_chosen_by_a_branch_does_not_make_the_gradient_one() -> None:
    def f(x, y):
        return np.sum(x * y) + np.sum(np.maximum(x, 0) * y)

    gradient = grad(f)(2, 3)
    assert gradient == 6.0
    assert isinstance(gradient, float)
