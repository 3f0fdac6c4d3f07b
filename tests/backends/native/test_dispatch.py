"""From a call to compiled code and back: whatever is passed, in whatever order, gets NumPy code's answer.

Every derivative here is called three times before it is called with something else: the third call enters
by machine code.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import sys
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import BuiltinFunctionType
from typing import Any, NamedTuple

import numpy as np
import pytest

from ad_compiler import Unsupported, grad, jvp, value_and_grad
from ad_compiler.backends.native.entry import entering
from ad_compiler.making import _derivative_of
from ad_compiler.pipeline import Backend

numba = pytest.importorskip("numba")

RNG = np.random.default_rng(11)


def native(f: Callable[..., Any], argnums: Any = 0, **options: Any) -> Any:
    return grad(f, argnums, backend="numba", cache=False, **options)


def settle(derivative: Any, *args: Any, **kwargs: Any) -> None:
    """Call it until machine code is entered."""
    for _ in range(3):
        derivative(*args, **kwargs)
    assert type(derivative.func) is BuiltinFunctionType


def answers_alone(derivative: Any, *args: Any, **kwargs: Any) -> bool:
    """Whether machine code answers a call without any of the Python functions in its place."""
    newest, left = derivative._newest, object()

    def python(*args: Any, **kwargs: Any) -> Any:
        return left

    convention, constants = newest.convention
    entered = entering.entry(convention, constants, newest.native.entered, python, python)
    assert entered is not None
    return entered(*args, **kwargs) is not left


def outcome(derivative: Any, *args: Any, **kwargs: Any) -> Any:
    """What a call gives, or the exception that it raises."""
    try:
        return derivative(*args, **kwargs)
    except Exception as error:
        return type(error), str(error)


def assert_same(mine: Any, expected: Any) -> None:
    """The same values of the same kinds, but that a float64 may be a float of Python's."""
    if isinstance(expected, dict):
        assert list(mine) == list(expected)
        mine, expected = list(mine.values()), list(expected.values())
    if isinstance(expected, (tuple, list)):
        assert len(mine) == len(expected)
        for one, other in zip(mine, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, np.ndarray):
        assert type(mine) is np.ndarray and mine.dtype == expected.dtype and mine.shape == expected.shape
        np.testing.assert_allclose(mine, expected, rtol=1e-6 if expected.itemsize == 4 else 1e-12)
        assert mine.flags.c_contiguous and mine.flags.writeable
    else:
        assert type(mine) is type(expected) or (type(mine) is float and type(expected) is np.float64)
        number = isinstance(mine, (float, complex, np.inexact))
        assert mine == (pytest.approx(expected, rel=1e-6, nan_ok=True) if number else expected)


# Numbers

NUMBERS: list[Any] = [
    1.5,
    3,
    True,
    2.0 + 1.0j,
    2**70,
    np.float64(0.5),
    np.float32(0.5),
    np.int64(3),
    np.bool_(True),
    np.uint8(200),
    np.complex64(1 + 2j),
    np.array(2.5),
    np.array(2.5, np.float32),
    np.array([2.5]),
    None,
    "1.5",
    [1.5],
]


def of_numbers(x, y):
    return (x * y + 1) / (y * 3)


def test_numbers_of_one_kind_after_those_of_another() -> None:
    derivative, expected = native(of_numbers), grad(of_numbers)
    for x, other in itertools.permutations(NUMBERS, 2):
        for each in (x, x, x, other):
            assert_same(outcome(derivative, each, 2.0), outcome(expected, each, 2.0))


def test_a_division_by_zero_is_that_of_the_kind() -> None:
    derivative, expected = native(of_numbers), grad(of_numbers)
    for zero in (0.0, np.float64(0.0), 0.0, np.float64(0.0)):
        settle(derivative, 1.0, type(zero)(2.0))
        with np.errstate(all="ignore"):
            assert_same(outcome(derivative, 1.0, zero), outcome(expected, 1.0, zero))
        assert_same(derivative(1.0, type(zero)(2.0)), expected(1.0, type(zero)(2.0)))
    assert outcome(derivative, 1.0, 0.0)[0] is ZeroDivisionError


def test_a_number_of_numpy_widens_what_one_of_python_does_not() -> None:
    def f(x, c):
        return np.sum(x * c)

    derivative, expected = native(f), grad(f)
    x = np.ones(3, np.float32)
    for c in (2.0, np.float64(2.0), 2.0, np.float32(2.0), 2.0, 2, np.int64(2)):
        for _ in range(3):
            assert_same(derivative(x, c), expected(x, c))


def test_what_a_derivative_by_numbers_is() -> None:
    def f(x, y):
        return np.exp(x) * y

    for kind in (float, np.float64):
        value, (by_x, by_y) = settled(
            value_and_grad(f, (0, 1), backend="numba", cache=False), kind(0.5), kind(2)
        )
        assert type(value) is np.float64
        assert type(by_x) is type(by_y) is float
    single = settled(native(f, (0, 1)), np.float32(0.5), np.float32(2))
    assert [type(each) for each in single] == [np.float32, np.float32]


def settled(derivative: Any, *args: Any) -> Any:
    settle(derivative, *args)
    return derivative(*args)


def test_all_that_a_result_is_made_of() -> None:
    def f(x, z, k):
        y = x * (z * z).real
        aux = {"k": k + 1, "z": z * 2, "flag": k > 2, "parts": [x, (y, "text", None)], "w": np.sin(k), "n": 4}
        return np.sum(y * y), aux

    mine = value_and_grad(f, (0, 1), has_aux=True, backend="numba", cache=False)
    expected = value_and_grad(f, (0, 1), has_aux=True)
    for dtype, z, k in (
        (float, 1 + 2j, 3),
        (np.float32, np.complex64(1 + 2j), np.int16(2)),
        (complex, np.complex128(1 + 2j), np.uint64(2)),
        (float, np.array(0.5 + 1j), np.array(3)),
        (np.float32, np.float32(2), np.array(2, np.int32)),
        (float, np.array(2.0, np.float32), -1.5),
    ):
        x = RNG.normal(size=3).astype(dtype)
        if dtype is complex:
            x = x.real.copy()
        settle(mine, x, z, k)
        found, other = mine(x, z, k), expected(x, z, k)
        assert_same(found, other)
        assert answers_alone(mine, x, z, k)
        assert found[0][1]["parts"][0] is x and other[0][1]["parts"][0] is x


# Arrays


class Own(np.ndarray):
    pass


def misaligned(array: Any) -> Any:
    memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
    made = memory.view(array.dtype).reshape(array.shape)
    made[...] = array
    return made


def read_only(array: Any) -> Any:
    array = array.copy()
    array.flags.writeable = False
    return array


def arrays() -> list[Any]:
    plain = RNG.normal(size=(3, 4))
    return [
        plain,
        np.asfortranarray(plain),
        np.repeat(plain, 2, axis=1)[:, ::2],
        plain[::-1],
        read_only(plain),
        misaligned(plain),
        plain.astype(np.float32),
        plain.astype(complex),
        (plain * 10).astype(int),
        plain > 0,
        plain[:1].copy(),
        plain[:, :1].copy(),
        plain[:1, :1].copy(),
        plain[:0].copy(),
        plain[:, :0].copy(),
        plain[0].copy(),
        plain[0],
        plain[None],
        np.array(1.5),
        np.broadcast_to(plain[0], (3, 4)),
        plain.view(Own),
        np.matrix(plain),
        np.ma.masked_array(plain, plain > 0),
        plain.tolist(),
        plain[0, 0],
        1.5,
        np.array([[1.0, None]], object),
        np.zeros((3, 4), [("x", float)]),
    ]


def of_arrays(x, y):
    return np.sum((x * y) ** 2 * x + y)


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_arrays_of_one_kind_after_those_of_another() -> None:
    derivative, expected = native(of_arrays, (0, 1)), grad(of_arrays, (0, 1))
    given = arrays()
    answers = [outcome(expected, each, given[0]) for each in given]
    for one, other in itertools.permutations(range(len(given)), 2):
        for place in (one, other) if one and other else (one, one, one, other):
            before = np.array(given[place], copy=True) if isinstance(given[place], np.ndarray) else None
            assert_same(outcome(derivative, given[place], given[0]), answers[place])
            if before is not None and before.dtype.kind == "f":
                np.testing.assert_array_equal(np.asarray(given[place]), before)


def test_an_array_in_a_file_is_an_array(tmp_path: Path) -> None:
    x = RNG.normal(size=4)
    mapped = np.memmap(tmp_path / "x", float, "w+", shape=4)
    mapped[:] = x
    derivative = native(lambda x: np.sum(np.sin(x)))
    for each in (x, x, x, mapped, mapped, mapped, x):
        found = derivative(each)
        assert type(found) is np.ndarray
        np.testing.assert_allclose(found, np.cos(x), rtol=1e-14)


def test_lengths_that_do_not_fit() -> None:
    derivative, expected = native(of_arrays, (0, 1)), grad(of_arrays, (0, 1))
    x, row, column, other = (RNG.normal(size=shape) for shape in ((3, 4), (1, 4), (3, 1), (2, 4)))
    for pair in ((x, x), (row, x), (x, row), (column, row), (row, row)):
        for _ in range(3):
            assert_same(derivative(*pair), expected(*pair))
        assert_same(outcome(derivative, x, other), outcome(expected, x, other))
        assert_same(outcome(derivative, other, x), outcome(expected, other, x))
    assert outcome(derivative, x, other)[0] is ValueError


def test_read_only_arrays_are_read_where_they_are() -> None:
    derivative = native(lambda x, y: np.sum(x * y), (0, 1))
    x = RNG.normal(size=3)
    settle(derivative, x, x)
    for each, alone in ((read_only(x), True), (x[::-1], False), (misaligned(x), False), (x.view(Own), False)):
        assert answers_alone(derivative, each, x) is alone
    assert not answers_alone(derivative, x, x[:2])  # departed


def test_one_array_passed_twice() -> None:
    derivative, expected = native(of_arrays, (0, 1)), grad(of_arrays, (0, 1))
    x = RNG.normal(size=(3, 4))
    settle(derivative, x, x.copy())
    mine = derivative(x, x)
    assert_same(mine, expected(x, x))
    assert not np.shares_memory(mine[0], mine[1])


def test_an_argument_that_the_program_writes() -> None:
    def f(x, y):
        x[0] = y[1] * 2.0
        x[1:] *= y[1:]
        y += x
        return np.sum(x * y)

    derivative, expected = native(f, (0, 1)), grad(f, (0, 1))
    x, y = RNG.normal(size=3), RNG.normal(size=3)
    for pair in ((x, y), (x, y), (x, y), (y, x), (x, x), (x, x[:]), (x[::-1], y), (x.copy(), read_only(y))):
        before = [each.copy() for each in pair]
        assert_same(outcome(derivative, *pair), outcome(expected, *pair))
        np.testing.assert_array_equal(pair[0], before[0])
        np.testing.assert_array_equal(pair[1], before[1])


@pytest.mark.parametrize("length", [1, 5, 5000])
def test_results_are_in_memory_of_their_own(length: int) -> None:
    derivative = native(lambda x, y: np.sum(x * y), (0, 1))
    x, y = RNG.normal(size=length), RNG.normal(size=length)
    settle(derivative, x, y)
    results = [derivative(x, y) for _ in range(4)]
    arrays = [x, y, *[each for pair in results for each in pair]]
    for one, other in itertools.combinations(arrays, 2):
        assert not np.shares_memory(one, other)
    for pair in results:
        pair[0][:] = pair[1][:] = np.nan
    assert_same(derivative(x, y), (y, x))
    held, before = derivative(x, y), x.copy()
    x += 1.0
    np.testing.assert_array_equal(held[1], before)
    del derivative, results, arrays
    gc.collect()
    np.testing.assert_array_equal(held[0], y)


# Calls


def with_defaults(x, y=2.0, *, z=3.0):
    return x * y * y + z * x


def test_keywords_and_defaults() -> None:
    derivative, expected = native(with_defaults, (0, 1)), grad(with_defaults, (0, 1))
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((1.0,), {}),
        ((1.0, 4.0), {}),
        ((), {"x": 1.0}),
        ((1.0,), {"y": 5.0}),
        ((1.0,), {"z": 5.0}),
        ((1.0, 2.0), {"z": 5.0}),
        ((), {"z": 5.0, "x": 1.0}),
        ((), {}),
        ((1.0, 2.0, 3.0), {}),
        ((1.0,), {"x": 2.0}),
        ((1.0,), {"w": 2.0}),
    ]
    for (args, kwargs), (more, others) in itertools.permutations(calls, 2):
        for _ in range(3):
            assert_same(outcome(derivative, *args, **kwargs), outcome(expected, *args, **kwargs))
        assert_same(outcome(derivative, *more, **others), outcome(expected, *more, **others))


def test_a_default_is_not_passed() -> None:
    def f(x, y=2.0, n=3):
        return x * y**n

    derivative, expected = native(f), grad(f)
    settle(derivative, 1.0)
    for args in ((1.0,), (1.0, 3.0), (1.0, 3.0, 2), (1.0,)):
        assert_same(derivative(*args), expected(*args))
        assert answers_alone(derivative, *args)


def test_directions_are_keywords() -> None:
    def f(x, y):
        return np.exp(x) * y

    mine, expected = jvp(f, backend="numba", cache=False), jvp(f)
    for tangents in ((1.0, 3.0), (1.0, 3.0), (1.0, 3.0), (np.float64(1.0), 3.0), (0.0, None), (2.0, 1.0)):
        assert_same(mine((0.5, 2.0), tangents), expected((0.5, 2.0), tangents))
    derivative, other = mine._newest, expected._newest
    assert type(derivative.func) is BuiltinFunctionType
    assert answers_alone(derivative, 0.5, 2.0, x_dot=1.0, y_dot=3.0)
    assert not answers_alone(derivative, 0.5, 2.0, x_dot=1.0)
    for directions in ({"x_dot": 1.0, "y_dot": 3.0}, {"y_dot": 3.0, "x_dot": 1.0}, {"x_dot": 1.0}, {}):
        assert_same(outcome(derivative, 0.5, 2.0, **directions), outcome(other, 0.5, 2.0, **directions))
        assert_same(outcome(derivative, 0.5, **directions), outcome(other, 0.5, **directions))


class Model:
    def __init__(self, scale: float) -> None:
        self.scale = scale

    def loss(self, x):
        return np.sum(x * x) * self.scale


def test_methods() -> None:
    one, other = Model(2.0), Model(3.0)
    x = RNG.normal(size=3)
    for model in (one, other):
        derivative = native(model.loss)
        for scale in (model.scale, 7.0, 8):
            model.scale = scale
            for _ in range(3):
                np.testing.assert_allclose(derivative(x), 2 * x * scale)


# What is read from outside

SCALE: Any = 2.0
POWER: Any = 2


def of_globals(x):
    return SCALE * np.sum(x) ** POWER


def test_globals(monkeypatch: pytest.MonkeyPatch) -> None:
    derivative, expected = native(of_globals), grad(of_globals)
    x = RNG.normal(size=3)
    settle(derivative, x)
    for scale, power in ((2.0, 2), (3.0, 3), (np.float32(2), 2), (2, 2), (3, 2.0), (RNG.normal(size=()), 2)):
        monkeypatch.setitem(globals(), "SCALE", scale)
        monkeypatch.setitem(globals(), "POWER", power)
        for _ in range(3):
            assert_same(derivative(x), expected(x))
        assert answers_alone(derivative, x)
    monkeypatch.delitem(globals(), "SCALE")
    assert_same(outcome(derivative, x), outcome(expected, x))
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    assert_same(derivative(x), expected(x))


def test_cells() -> None:
    n: Any = 2
    weights: Any = (RNG.normal(size=3), 0.5)

    def f(x):
        for _ in range(n):
            x = x * weights[0] + weights[1]
        return np.sum(x)

    derivative, expected = native(f), grad(f)
    x, w = RNG.normal(size=3), weights[0]
    settle(derivative, x)
    for each in (
        (3, weights),
        (0, (2.0 * w, 1.5)),
        (2, [w, 1]),
        (2, (w, 1.5)),
        (2, (w[0], 1.5)),
        (2, (w, w)),
    ):
        n, weights = each
        for _ in range(3):
            assert_same(derivative(x), expected(x))
        assert answers_alone(derivative, x)


def slope(x):
    return x * 2.0


def of_function(x):
    return slope(x) * x


def test_a_function_that_is_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    derivative = native(of_function)
    settle(derivative, 1.0)
    assert derivative(1.0) == 4.0
    monkeypatch.setitem(globals(), "slope", lambda x: x * x)
    assert [derivative(1.0) for _ in range(3)] == [3.0] * 3


# Containers


class Pair(NamedTuple):
    a: Any
    b: Any


def test_containers() -> None:
    def f(params, x):
        return np.sum(np.tanh(params["w"] * x + params["b"][0])) * params["b"][1]

    derivative, expected = native(f), grad(f)
    w, b, x = RNG.normal(size=4), RNG.normal(size=4), RNG.normal(size=4)
    settle(derivative, {"w": w, "b": (b, 2.0)}, x)
    given: list[Any] = [
        {"w": w, "b": (b, 2.0)},
        {"b": (b, 2.0), "w": w},
        {"w": w, "b": [b, 2.0]},
        {"w": w, "b": (b, 2)},
        {"w": w, "b": Pair(b, 2.0)},
        {"w": w, "b": (b, 2.0, 3.0)},
        {"w": w, "b": (b, 2.0), "c": 1.0},
        {"w": w, "b": (b, 2.0), "c": None},
        {"".join(["", "w"]): w, "".join(["", "b"]): (b, 2.0)},
        OrderedDict({"w": w, "b": (b, 2.0)}),
        {"w": w[::-1], "b": (b, 2.0)},
        {"w": w, "b": (1.0, 2.0)},
        {"w": w},
        {"w": w, "b": ()},
        {"W": w, "b": (b, 2.0)},
        None,
    ]
    answers = [outcome(expected, each, x) for each in given]
    for one, other in itertools.permutations(range(len(given)), 2):
        for place in (one, one, other):
            assert_same(outcome(derivative, given[place], x), answers[place])
    settle(derivative, given[0], x)
    assert answers_alone(derivative, given[0], x)
    assert not any(answers_alone(derivative, each, x) for each in given[1:])
    first, second = derivative(given[0], x), derivative(given[0], x)
    assert first is not second and type(first) is dict and type(first["b"]) is tuple
    assert not np.shares_memory(first["w"], second["w"])
    first["w"][:] = 0
    assert_same(derivative(given[0], x), answers[0])


def test_lists_and_named_tuples() -> None:
    def f(layers):
        total = 0.0
        for w, pair in layers:
            total = total + w * pair.a * pair.b
        return total

    layers = [(1.0, Pair(2.0, 3.0)), (4.0, Pair(5.0, 6.0))]
    derivative, expected = native(f), grad(f)
    for given in (layers, layers, layers, layers[:1], layers, tuple(layers), layers):
        found = derivative(given)
        assert_same(found, expected(given))
        assert type(found) is type(given) and type(found[0][1]) is Pair
    value = settled(native(lambda x, pair: x * pair.a * pair.b), 2.0, Pair(3.0, 4.0))
    assert value == 12.0


# Life and threads


def test_references_are_given_back() -> None:
    def f(params, x):
        return np.sum(params["w"] * x) * SCALE

    derivative = native(f, (0, 1))
    params, x = {"w": RNG.normal(size=4)}, RNG.normal(size=4)
    settle(derivative, params, x)
    watched = [params, params["w"], x, x.dtype, SCALE, np.ndarray, "w", None, derivative.func, float]

    def counts() -> list[int]:
        return [sys.getrefcount(each) for each in watched]

    counts()
    before = counts()
    for _ in range(1000):
        derivative(params, x)
        outcome(derivative, params, x[:3])
        outcome(derivative, params)
    difference = np.subtract(counts(), before)
    assert np.all(np.abs(difference) < 100), difference


def test_memory_is_given_back() -> None:
    runtime: Any = importlib.import_module("numba.core.runtime.nrt")
    counting: Any = importlib.import_module("numba.core.runtime._nrt_python")
    derivative = native(lambda x, y: np.sum(x * y), (0, 1))
    counting.memsys_enable_stats()
    try:
        for length in (3, 3000):
            x, y = np.ones(length), np.ones(length)
            settle(derivative, x, y)
            before = runtime.rtsys.get_allocation_stats()
            for _ in range(100):
                derivative(x, y)
            gc.collect()
            after = runtime.rtsys.get_allocation_stats()
            assert after.mi_alloc - before.mi_alloc == after.mi_free - before.mi_free
    finally:
        counting.memsys_disable_stats()


def test_a_derivative_is_collected() -> None:
    def f(x):
        return x * x

    derivative = _derivative_of.__wrapped__(f, "grad", 0, False, None, Backend("numba", cache=False), False)
    settle(derivative, 1.0)
    entered, made = derivative.func, weakref.ref(derivative)
    assert entered(3.0) == 6.0
    del derivative, f
    assert entered(np.float64(3.0)) == 6.0  # left to Python code, which is there still
    del entered
    gc.collect()
    assert made() is None


def test_threads_with_arguments_of_different_kinds() -> None:
    def f(x, c):
        return np.sum(np.sin(x) * c)

    derivative = native(f)
    x = RNG.normal(size=50)
    given: list[Any] = [
        (x, 2.0),
        (x.astype(np.float32), 2.0),
        (x[::2], 3),
        (x[:1], 2.0),
        (x.reshape(5, 10), 0.5),
    ] * 40
    expected = [np.cos(each) * c for each, c in given]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            for mine, other in zip(pool.map(lambda pair: derivative(*pair), given), expected, strict=True):
                np.testing.assert_allclose(mine, other, rtol=1e-6)
                assert mine.dtype == other.dtype


def test_rules_that_change_between_calls() -> None:
    from ad_compiler.derivative import forget_all

    derivative = native(lambda x: x * x)
    for _ in range(3):
        settle(derivative, 1.5)
        forget_all()
        assert derivative(1.5) == 3.0


def test_without_machine_code_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another Python: the guarded function is entered."""
    monkeypatch.setattr(entering, "is_known_here", lambda: False)
    derivative = native(lambda x: np.sum(x * x))
    x = RNG.normal(size=(3, 4))
    for _ in range(3):
        assert_same(derivative(x), 2 * x)
    assert type(derivative.func) is not BuiltinFunctionType


def test_machine_code_of_our_own_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another Numba: likewise, and what went wrong is said."""

    def fails(*arguments: Any) -> None:
        raise AttributeError("no attribute 'call_conv'")

    monkeypatch.setattr(entering, "definition_of", fails)
    derivative = native(lambda x: np.sum(x * x))
    x = RNG.normal(size=(3, 4))
    with pytest.warns(RuntimeWarning, match=r"AttributeError: no attribute 'call_conv'.*report this"):
        found = [derivative(x) for _ in range(3)]
    assert_same([*found, derivative(x)], [2 * x] * 4)
    assert type(derivative.func) is not BuiltinFunctionType


def test_a_refusal_is_one_at_every_call() -> None:
    derivative = native(lambda x: np.sum(x * x))
    settle(derivative, np.ones(3))
    for _ in range(3):
        with pytest.raises(Unsupported):
            derivative(np.array(["a", "b"]))
    np.testing.assert_array_equal(derivative(np.ones(3)), 2 * np.ones(3))
