"""Comprehensions, generator expressions, iterators, and the functions that read them."""

from __future__ import annotations

import functools
from functools import reduce
from pathlib import Path

import pytest

from ad_compiler import grad
from tests.helpers import assert_gradient_matches_finite_differences, function_from_source
from tests.test_refusals import Refused, assert_refused

PROGRAMS = [
    """
    def f(x, y):
        return sum(u * v for u in (x, y) for v in [y, 2.0])
    """,
    """
    def f(x, y):
        return sum([u**2 if u > 1 else u for u in (x, y)])
    """,
    """
    def f(x, y):
        return sum(u**2 for u in (x, y) if u > 1)
    """,
    """
    def f(x, y):
        return sum([u * i for i, u in enumerate((x, y)) if i > 0], x)
    """,
    """
    def f(x, y):
        d = {k: v * 2 for k, v in zip("ab", (x, y))}
        return d["a"] * d["b"] + math.prod(d.values())
    """,
    """
    def f(x, y):
        return max(u * u for u in (x, y)) + min([x, y]) * max((), default=3.0)
    """,
    """
    def f(x, y):
        return x * y if any(u > 2 for u in (x, y)) else x + y
    """,
    """
    def f(x, y):
        return x * y if all(u > 2 for u in (x, y) if u < 100) else x + y
    """,
    """
    def f(x, y):
        return reduce(lambda a, b: a * b + 1, [x, y, x], y)
    """,
    """
    def f(x, y):
        return functools.reduce(lambda a, b: a * b + 1, [x, y, x])
    """,
    """
    def f(x, y):
        if any((best := u) > 2 for u in (x, y)):
            return best * x
        return y
    """,
    """
    def f(x, y):
        u = 3.0
        s = [u * x for u in (x, y)]
        return s[0] * s[1] * u
    """,
    """
    def f(x, y):
        fs = [lambda z: z * i for i in range(3)]
        return fs[0](x) + fs[1](y)
    """,
    """
    def f(x, y):
        return np.sum(np.array([[x * i + y * j for j in range(2)] for i in range(3)]) ** 2)
    """,
    """
    def f(x, y):
        return max([x, y, 0.5], key=lambda v: -v * v)
    """,
    """
    def f(x, y):
        return dict([("a", x), ("b", y)])["a"] * dict(zip("cd", [x, y]))["d"]
    """,
    """
    def f(x, y):
        return sum(np.stack([np.full(3, x), np.full(3, y)])[0])
    """,
    """
    def f(x, y):
        return sum(v > 1.0 for v in np.array([x, y])) * x
    """,
    """
    def f(x, y):
        return sum(x ** n / math.factorial(n) for n in range(5)) * y
    """,
    """
    def f(x, y):
        return sum(a * b for a, b in zip(*[(x, y), (y, y)], strict=True))
    """,
    """
    def f(x, y):
        g = (u * x for u in (x, y))
        return sum(g)
    """,
    """
    def f(x, y):
        k = 2.0
        g = (u * k for u in (x, y))
        k = 3.0
        return sum(g)
    """,
    """
    def f(x, y):
        return sum(map(lambda a, b: a * b, (x, y), (1.0, 2.0)))
    """,
    """
    def f(x, y):
        return sorted([3, 1, 2])[0] * x + len(sorted("abc", reverse=True)) * y
    """,
    """
    def f(x, y):
        return sum(A * B for A, B in zip(list(reversed([x, y])), (x, y)))
    """,
    """
    def f(x, y):
        return sum((row.sum() * w for row, w in zip(np.array([[x, y], [y, 1.0]]), (x, y))))
    """,
    """
    def f(x, y):
        (a, b), *rest = [(u, u + 1) for u in (x, y)]
        return a * b * rest[0][1]
    """,
    """
    def f(x, y):
        return sum(filter(lambda u: u > 1, (x, y)))
    """,
    """
    def f(x, y):
        return float(any((x, 0.0))) * x + float(all([x, y])) * y
    """,
    """
    def f(x, y):
        return sum(x for _ in range(3)) + sum([]) * y
    """,
]


@pytest.mark.parametrize("text", PROGRAMS)
def test_gradient(text: str) -> None:
    f = function_from_source(text, **{"functools": functools, "reduce": reduce})
    assert_gradient_matches_finite_differences(f, (1.7, 2.9))


def test_a_generator_asks_for_its_items_when_it_is_read() -> None:
    text = """
    def f(x, y):
        scale = 2.0
        scaled = (v * scale for v in (x, y))
        scale = 3.0
        return sum(scaled)
    """
    f = function_from_source(text)
    assert grad(f, argnums=(0, 1))(1.0, 2.0) == (3.0, 3.0)


def test_any_stops_at_the_first_true_item() -> None:
    text = """
    def f(x, y):
        if any(1 / v > 0 for v in (x, y)):
            return x * x
        return y
    """
    assert grad(function_from_source(text))(2.0, 0.0) == 4.0
    with pytest.raises(ZeroDivisionError):
        grad(function_from_source(text))(-2.0, 0.0)


def test_a_list_is_an_array_to_numpy() -> None:
    f = function_from_source(
        "def f(x, y):\n    return np.sum(np.array([1.0, 2.0]) * np.sin([x, x * y]) + (y, x))"
    )
    assert_gradient_matches_finite_differences(f, (1.7, 2.9))
    f = function_from_source("def f(x, y):\n    return np.mean([v * v for v in (x, y)]) * np.max((x, y))")
    assert_gradient_matches_finite_differences(f, (1.7, 2.9))


def test_truth_values_are_counted() -> None:
    f = function_from_source("def f(x):\n    return sum(v > 0 for v in np.array([x, x, x])) * x")
    assert grad(f)(2.0) == 3.0
    assert "+" in grad(f).source_for(2.0)


def test_any_gives_a_truth_value_of_python() -> None:
    text = """
    def f(x):
        found = any(v > 0 for v in np.array([x, 1.0]))
        return x * (found + found)
    """
    assert grad(function_from_source(text))(2.0) == 2.0


REFUSED = [
    Refused(
        "an iterator read twice",
        """
        def f(x):
            pairs = zip((x, x), (1.0, 2.0))
            first = list(pairs)
            return list(pairs)[0][0] + first[0][0]
                   ^^^^^^^^^^^
        """,
        (1.0,),
        "this `zip` iterator has been read before, and is empty now",
        "make a list of it, which can be read again",
    ),
    Refused(
        "items chosen at run time",
        """
        def f(x):
            return len([v for v in (x, 1.0) if v > 0]) * x
                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        """,
        (1.0,),
        "which items are kept is not known while compiling",
        "keep all of them, and choose with `... if ... else ...`",
    ),
    Refused(
        "zip of different lengths",
        """
        def f(x):
            return sum(a * b for a, b in zip((x, x), (1.0,), strict=True))
                                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        """,
        (1.0,),
        "this fails with ValueError: zip() argument 2 is shorter than argument 1",
        "zip what has one length",
    ),
    Refused(
        "max of nothing",
        """
        def f(x):
            return max([]) * x
                   ^^^^^^^
        """,
        (1.0,),
        "`max` is asked for nothing: this fails with ValueError",
        "give it a `default=`",
    ),
    Refused(
        "set comprehension",
        """
        def f(x):
            return sum({v * x for v in (1, 2)})
                       ^^^^^^^^^^^^^^^^^^^^^^^
        """,
        (1.0,),
        "a set is not differentiated",
        "use a tuple or a list",
    ),
    Refused(
        "a number is iterated",
        """
        def f(x):
            return sum(v for v in x)
                                  ^
        """,
        (1.0,),
        "a float has no items",
        "give a tuple, a list or an array",
    ),
    Refused(
        "sorted pairs",
        """
        def f(x):
            return sorted([(x, 1), (1.0, 2)])[0][0]
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^
        """,
        (1.0,),
        "the order of these items is not known while compiling",
        "use `np.sort` or `np.argsort`",
    ),
    Refused(
        "keys at run time",
        """
        def f(x):
            return {v: v * x for v in (x, 2)}[2]
                    ^
        """,
        (1.0,),
        "a key is not known while compiling",
        "use constant keys",
    ),
    Refused(
        "an iterator is returned",
        """
        def f(x):
        ^^^^^^^^^
            return (v * x for v in (1, 2))
        """,
        (1.0,),
        "the function returns an iterator, or an object of a class that is no record",
        "return numbers, arrays, tuples, lists, dicts or dataclasses",
    ),
]


@pytest.mark.parametrize("refused", REFUSED, ids=[refused.name for refused in REFUSED])
def test_refusal(refused: Refused, tmp_path: Path) -> None:
    assert_refused(refused, tmp_path)
