"""`match`: cases chosen while compiling, and at run time."""

from __future__ import annotations

import collections
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import assert_gradient_matches_finite_differences, function_from_source
from tests.test_refusals import Refused, assert_refused


@dataclasses.dataclass
class P:
    a: float
    b: float = 2.0


NT = collections.namedtuple("NT", "x y")

PROGRAMS = [
    """
    def f(x, y):
        match x > 0:
            case True: r = x * y
            case _: raise ValueError("negative")
        return r * x
    """,
    """
    def f(x, y):
        match x:
            case 0: return y
            case 1.5: return x * y
            case n if n > 1: return n
        return x
    """,
    """
    def f(x, y):
        match x:
            case 0 | 1: return y
            case n if n > 5: return n * 3
            case _: r = x * x
        return r * y
    """,
    """
    def f(x, y):
        match ("move", x, [y, 1.0, 2.0]):
            case ("turn", a): return a
            case ("move", a, [b, *rest]): return a * b * rest[1]
    """,
    """
    def f(x, y):
        match {"kind": "a", "v": x, "w": y}:
            case {"kind": "b", "v": v}: return v
            case {"kind": "a", "v": v, **rest}: return v * rest["w"]
    """,
    """
    def f(x, y):
        match P(x, y):
            case NT(a, b): return a
            case P(a=0.0): return y
            case P(a, b=q): return a * q * q
    """,
    """
    def f(x, y):
        match x:
            case int(): return y
            case float(v): return v * y * y
    """,
    """
    def f(x, y):
        match (x, y):
            case (1.5, b) if b > 5: return b
            case (a, 2.5 as b): return a * b * b
        return 0.0 * x
    """,
    """
    def f(x, y):
        match None:
            case True: return x
            case None: return y * x
    """,
    """
    def f(x, y):
        match x > 1:
            case True: return x * y
            case False: return y
    """,
]


@pytest.mark.parametrize("text", PROGRAMS)
def test_gradient(text: str) -> None:
    f = function_from_source(text, **{"P": P, "NT": NT})
    assert_gradient_matches_finite_differences(f, (1.7, 2.9))


REFUSED = [
    Refused(
        "an array is matched",
        """
        def f(x):
            match x:
                case 0.0:
                ^^^^^^^^
                    return 1.0
            return np.sum(x)
        """,
        (np.array([1.0, 2.0]),),
        "the truth of an array is ambiguous",
        "use `.any()` or `.all()`, or choose with `np.where`",
    ),
    Refused(
        "alternatives that bind",
        """
        def f(x):
            match (x, 2 * x):
                case (1.0, y) | (y, 1.0):
                     ^^^^^^^^^^^^^^^^^^^
                    return y
            return x
        """,
        (1.0,),
        "which alternative binds these names is not known while compiling",
        "write a `case` for each alternative",
    ),
]


@pytest.mark.parametrize("refused", REFUSED, ids=[refused.name for refused in REFUSED])
def test_refusal(refused: Refused, tmp_path: Path) -> None:
    assert_refused(refused, tmp_path)
