"""`jvp`: what it takes and returns, and what it refuses."""

from __future__ import annotations

import copy
import pickle
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ad_compiler import Unsupported, check_grads, custom_jvp, jvp, vjp

Pair = namedtuple("Pair", "scale shift")


@dataclass
class Model:
    weights: Any
    bias: float


def affine(model: Any, x: Any) -> Any:
    return x @ model.weights + model.bias


def polar(x: Any, y: Any) -> Any:
    return np.hypot(x, y), {"angle": np.arctan2(y, x), "count": 2, "kind": "polar", "flag": True}


def scaled(x: Any, factor: float = 2.0, *rest: Any, offset: float = 0.0) -> Any:
    return factor * np.sum(x) + offset + sum(np.sum(each) for each in rest)


def test_value_and_derivative() -> None:
    value, tangent = jvp(lambda x, y: x * x * y, (3.0, 2.0), (1.0, 10.0))
    assert (value, tangent) == (18.0, 12.0 + 90.0)


def test_structure_of_the_result() -> None:
    value, tangent = jvp(polar, (3.0, 4.0), (1.0, 0.0))
    np.testing.assert_allclose(tangent[0], 0.6)
    np.testing.assert_allclose(tangent[1]["angle"], -4 / 25)
    assert value[1] == {"angle": value[1]["angle"], "count": 2, "kind": "polar", "flag": True}
    assert tangent[1] == {"angle": tangent[1]["angle"], "count": 0.0, "kind": None, "flag": None}


def test_arguments_in_containers() -> None:
    model = Model(np.array([2.0, 3.0]), 1.0)
    x = np.array([[1.0, 0.5], [0.0, 1.0]])
    value, tangent = jvp(affine, (model, x), (Model(np.array([1.0, 0.0]), 5.0), None))
    np.testing.assert_allclose(value, [4.5, 4.0])
    np.testing.assert_allclose(tangent, [6.0, 5.0])
    pair = Pair(2.0, np.ones(2))
    value, tangent = jvp(lambda p: p.scale * p.shift, (pair,), (Pair(1.0, None),))
    np.testing.assert_array_equal(tangent, np.ones(2))
    params = {"w": [np.ones(2), 3.0]}
    _, tangent = jvp(lambda p: p["w"][0] * p["w"][1], (params,), ({"w": (None, 1.0)},))
    np.testing.assert_array_equal(tangent, np.ones(2))


def test_whole_numbers_count_as_reals() -> None:
    assert jvp(lambda n: n**3, (2,), (1,)) == (8.0, 12.0)
    _, tangent = jvp(lambda n: n * n, (np.arange(3),), (np.ones(3),))
    np.testing.assert_array_equal(tangent, [0.0, 2.0, 4.0])


def test_none_does_not_move() -> None:
    def power(x: Any, n: int) -> Any:
        result = 1.0
        for _ in range(n):
            result = result * x
        return result

    assert jvp(power, (2.0, 3), (1.0, None)) == (8.0, 12.0)


def test_more_arguments() -> None:
    rest = (np.ones(2), np.ones(3))
    value, tangent = jvp(scaled, (np.ones(2), 3.0, *rest), (np.ones(2), 0.5, np.ones(2), None))
    assert (value, tangent) == (11.0, 6.0 + 1.0 + 2.0)


def test_a_result_that_does_not_move_has_a_tangent_of_zeros() -> None:
    x = np.ones(3)
    _, tangent = jvp(lambda x, y: (np.floor(x), y * 1.0, 7, x > 0, np.arange(2)), (x, 2.0), (x, None))
    np.testing.assert_array_equal(tangent[0], np.zeros(3))
    assert tangent[1:3] == (0.0, 0.0)
    np.testing.assert_array_equal(tangent[3], np.zeros(3))
    np.testing.assert_array_equal(tangent[4], np.zeros(2))


def test_memory_is_the_callers_own() -> None:
    x, t = np.ones(3), np.full(3, 2.0)
    kept = copy.deepcopy((x, t))
    (one, two), (one_dot, two_dot) = jvp(lambda x: (x, x), (x,), (t,))
    assert not any(np.shares_memory(each, other) for each in (one_dot, two_dot) for other in (x, t, one, two))
    assert not np.shares_memory(one_dot, two_dot)
    one_dot[:] = 5.0

    def write(x: Any) -> Any:
        x[0] = x[1] * x[2]
        return x

    _, tangent = jvp(write, (x,), (t,))
    np.testing.assert_array_equal(tangent, [4.0, 2.0, 2.0])
    np.testing.assert_array_equal((x, t), kept)


def test_precision_is_that_of_the_argument() -> None:
    x = np.ones(3, np.float32)
    value, tangent = jvp(lambda x: np.where(x > 0, x * 2.0, 1.0), (x,), (x,))
    assert value.dtype == tangent.dtype == np.float32
    _, tangent = jvp(lambda x: x + np.ones(3), (x,), (x,))
    assert tangent.dtype == np.float64


@pytest.mark.parametrize("kind", [np.complex128, np.complex64, complex, np.array])
def test_complex_tangents(kind: Any) -> None:
    """The derivative along a complex direction, of analytic functions and of others; a real one will do."""
    z = kind(1.5 - 0.5j)
    for direction in (kind(0.3 + 2j), 1.0):
        square, moved = jvp(lambda z: z * z, (z,), (direction,))
        assert np.asarray(moved).dtype == np.asarray(square).dtype == np.asarray(z).dtype
        np.testing.assert_allclose(moved, 2 * z * direction, rtol=1e-6)
        _, moved = jvp(lambda z: abs(z) ** 2, (z,), (direction,))
        np.testing.assert_allclose(moved, 2 * np.real(np.conj(z) * direction), rtol=1e-6)
    with pytest.raises(TypeError, match="complex128, and complex64 is needed"):
        jvp(lambda z: z, (np.ones(2, np.complex64),), (np.ones(2, np.complex128),))


def test_auxiliary_result() -> None:
    value, tangent, aux = jvp(lambda x: (x * x, {"seen": x}), (3.0,), (1.0,), has_aux=True)
    assert (value, tangent, aux) == (9.0, 6.0, {"seen": 3.0})
    with pytest.raises(Unsupported, match="must return"):
        jvp(lambda x: x, (3.0,), (1.0,), has_aux=True)


def test_result_written_into_an_argument() -> None:
    def fill(out: Any, x: Any) -> None:
        out[:] = x * x

    x = np.array([1.0, 2.0])
    value, tangent = jvp(fill, (np.zeros(2), x), (None, np.ones(2)), of="out")
    np.testing.assert_array_equal(value, [1.0, 4.0])
    np.testing.assert_array_equal(tangent, [2.0, 4.0])


def test_the_function_without_primals() -> None:
    pushforward = jvp(polar)
    assert "def polar_jvp(x, y, *, x_dot, y_dot):" in pushforward.source
    assert pushforward((3.0, 4.0), (1.0, None))[1][0] == pytest.approx(0.6)
    assert "def polar_jvp(x, y, *, x_dot):" in pushforward.source
    text = pushforward.source_for((np.ones(2), 1.0), (None, 1.0))
    assert "def polar_jvp(x, y, *, y_dot):" in text
    again = pickle.loads(pickle.dumps(pushforward))
    assert again((3.0, 4.0), (1.0, None))[1][0] == pytest.approx(0.6)
    assert repr(again) == "<jvp of polar>"


def test_names_of_tangents_are_free() -> None:
    def f(x: Any, x_dot: Any) -> Any:
        return x * x_dot

    assert jvp(f, (2.0, 3.0), (1.0, 0.0)) == (6.0, 3.0)
    assert "def f_jvp(x, x_dot, *, x_dot_1, x_dot_dot):" in jvp(f).source


def test_where_a_derivative_is_infinite_what_stands_still_gives_zero() -> None:
    x = np.array([0.0, 4.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        _, tangent = jvp(np_sqrt, (x,), (np.array([0.0, 1.0]),))
    np.testing.assert_array_equal(tangent, [0.0, 0.25])


def np_sqrt(x: Any) -> Any:
    return np.sqrt(x)


def test_agrees_with_the_pullback_in_a_recursion_that_ends_at_run_time() -> None:
    def halves(x: Any) -> Any:
        return x * x if abs(x) < 1.0 else halves(x / 2.0) * np.sin(x)

    for x in (0.5, 5.0, 40.0):
        value, tangent = jvp(halves, (x,), (2.0,))
        plain, pullback = vjp(halves, x)
        assert value == plain
        assert tangent == pytest.approx(2.0 * pullback(1.0)[0], rel=1e-12)


@pytest.mark.parametrize(
    ("primals", "tangents", "error", "message"),
    [
        (
            (np.ones(2),),
            (np.ones(3),),
            ValueError,
            r"the tangent of x has shape \(3,\), the argument has \(2,\)",
        ),
        ((1.0,), (np.ones(3),), ValueError, "the argument is a number"),
        ((np.ones(2, np.float32),), (np.ones(2),), TypeError, "float64, and float32 is needed"),
        ((np.ones(2),), (np.ones(2) * 1j,), TypeError, "complex128, and float64 is needed"),
        ((np.ones(2),), (np.array(["a", "b"]),), TypeError, "and float64 is needed"),
        ((1.0,), (1.0, 2.0), TypeError, "1 primals and 2 tangents"),
        (1.0, 1.0, TypeError, "the primals must be a tuple"),
        ((1.0,), (None,), TypeError, "no argument with numbers has a tangent"),
        (([1.0, 2.0],), ([1.0],), TypeError, "the tangent of x must be a list of 2"),
        (({"a": 1.0},), ({"b": 1.0},), TypeError, r"a dict with the keys \['a'\]"),
        ((Model(1.0, 2.0),), (Pair(1.0, 2.0),), TypeError, "must be a Model"),
        ((Pair(1.0, 2.0),), (1.0,), TypeError, "must be a Pair of 2"),
    ],
)
def test_tangents_that_do_not_fit(primals: Any, tangents: Any, error: Any, message: str) -> None:
    def first(x: Any) -> Any:
        return x

    with pytest.raises(error, match=message):
        jvp(first, primals, tangents)


def test_misuse() -> None:
    with pytest.raises(TypeError, match="needs the primals and the tangents"):
        jvp(polar, (1.0, 2.0))
    with pytest.raises(TypeError, match="a function is needed"):
        jvp(3.0)  # type: ignore[arg-type]


def test_refusal_has_the_place() -> None:
    def unknown(x: Any) -> Any:
        return np.unique(x)

    with pytest.raises(Unsupported, match="has no derivative rule"):
        jvp(unknown, (np.ones(3),), (np.ones(3),))


def test_check_grads_in_both_modes_and_to_higher_orders() -> None:
    check_grads(lambda x, n: np.sin(x) ** n * x, (np.array([0.5, 1.0]), 2), order=3, modes=("fwd", "rev"))
    check_grads(affine, (Model(np.array([2.0, 3.0]), 1.0), np.ones((2, 2))), modes=("fwd",))
    for keywords in ({"order": 0}, {"modes": ()}, {"modes": ("forward",)}):
        with pytest.raises(ValueError, match="check_grads checks orders from 1 on"):
            check_grads(np_sqrt, (1.0,), **keywords)

    @custom_jvp
    def wrong(x: Any) -> Any:
        return x * x

    wrong.defjvp(lambda primals, tangents: (wrong(*primals), 3.0 * tangents[0]))
    for mode in ("fwd", "rev"):
        with pytest.raises(AssertionError, match="argument 0 differs"):
            check_grads(lambda x: wrong(x), (2.0,), modes=(mode,))


def test_calls_of_the_same_kinds_are_told_apart() -> None:
    """What one call was prepared for does for the next one, whatever objects are passed."""

    def f(x: Any, n: Any, y: Any) -> Any:
        return np.sum(x * x * n) + np.sum(y**3)

    x, t, u = np.array([1.0, 2.0]), np.array([1.0, -1.0]), np.array([0.5, 3.0])
    along = jvp(f)
    for first, second in ((t, t), (t, u), (u, t), (u, u)):
        expected = np.sum(2 * x * 2.0 * first) + np.sum(3 * x * x * second)
        assert along((x, 2.0, x), (first, None, second))[1] == expected
        assert jvp(f, (x, 2.0, x), (first, None, second))[1] == expected
    assert along((x, 2.0, x), (t, 1.0, None))[1] == np.sum(2 * x * 2.0 * t) + np.sum(x * x)
    assert along((x, 2, x), (np.array([1, -1]), None, u))[1] == along((x, 2, x), (t, None, u))[1]
    with pytest.raises(ValueError, match="shape"):
        along((x, 2.0, x), (t, None, u[:1]))
