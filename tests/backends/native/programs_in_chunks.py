"""Programs with `parallel=True`, and random nests: run as Python by `test_races.py`, which says how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import value_and_grad, vjp
from ad_compiler.backends.native.passes import independence
from tests.backends.native.races import Race
from tests.backends.native.random_nests import Nests
from tests.backends.native.test_parallel import DEPENDENT, PROGRAMS, vector
from tests.helpers import function_from_source, generator

SEEDS = range(40)
SIZES = [(5, 4), (1, 3), (3, 1), (4, 7)]


def outcome(f: Callable[..., Any], args: list[Any]) -> list[Any] | type[Exception]:
    """The value and the gradients, or what the program raises."""
    try:
        value, gradients = f(*args)
    except (IndexError, ZeroDivisionError) as error:
        return type(error)
    return [value, *(gradients if isinstance(gradients, tuple) else [gradients])]


def compare(f: Callable[..., Any], argnums: Any, cases: list[list[Any]]) -> None:
    """What chunks compute, in any order, is what NumPy code does."""
    mine = value_and_grad(f, argnums, backend="numba", parallel=True, cache=False)
    plain = value_and_grad(f, argnums)
    for args in cases:
        with np.errstate(all="ignore"):
            found, expected = outcome(mine, args), outcome(plain, args)
        if isinstance(expected, type) or isinstance(found, type):
            assert found is expected
            continue
        largest = max(np.max(np.abs(each), initial=1e-300) for each in expected)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10 * largest)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    f, argnums, arguments = PROGRAMS[name]
    compare(f, argnums, [list(arguments(n)) for n in (1, 2, 3, 7, 12)])


@pytest.mark.parametrize("f", DEPENDENT)
def test_programs_whose_turns_depend_on_each_other(f: Any) -> None:
    given = [generator(f.__name__).integers(0, 5, 9)] if f.__code__.co_argcount == 2 else []
    compare(f, 0, [[vector(9), *given]])


@pytest.mark.parametrize("seed", SEEDS)
def test_random_nests(seed: int) -> None:
    text = Nests(seed).program()
    random = generator(seed)
    cases = []
    for n, m in SIZES:
        shapes = [(n,), (n,), (m,), (n, m), (n, m), (n, n)]
        indices = random.permutation(n) if n % 2 else random.integers(0, n, n)
        cases.append([*(random.uniform(-1.0, 1.0, shape) for shape in shapes), 0.7, indices])
    compare(function_from_source(text), tuple(range(7)), cases)


def test_a_pullback_is_not_given_the_number_of_a_chunk() -> None:
    """Both sweeps add up parts, the first one on one side of a branch only."""

    def f(x, c):
        total = 0.0
        if c > 0:
            total = np.sum(np.sin(x))
        return np.maximum(x, total)

    x = np.array([0.0, 1.0, 2.0])
    for c in (1.0, -1.0):
        value, pullback = vjp(f, x, c, backend="numba", parallel=True, cache=False)
        expected, plain = vjp(f, x, c)
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        np.testing.assert_allclose(pullback(np.ones(3))[0], plain(np.ones(3))[0], rtol=1e-12)


def test_races_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every loop is taken for one whose turns write elements of their own."""
    monkeypatch.setattr(independence, "is_apart", lambda *args: True)

    def f(x, k):
        y = np.zeros(5)
        for i in range(x.shape[0]):
            y[k[i]] = x[i] * y[k[i]] + x[i]
        return np.sum(y)

    with pytest.raises(Race, match=r"_chunk: chunk \d of \d"):
        compare(f, 0, [[np.ones(9), np.array([0, 1, 2, 3, 4, 3, 2, 1, 0])]] * 5)


def test_what_nobody_has_written_is_seen() -> None:
    def f(x):
        made = np.empty(3)
        made[0] = x[0]
        return np.sum(made)

    value, gradient = value_and_grad(f, backend="numba", cache=False)(np.ones(2))
    assert np.isnan(value)
    np.testing.assert_array_equal(gradient, [1.0, 0.0])
