"""The derivative in native code as users meet it: calls, kinds of arguments, exceptions, options."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest

from ad_compiler import Unsupported, grad, value_and_grad, vjp
from tests.backends.native.processes import HERE, run_tests
from tests.helpers import function_from_source

numba = pytest.importorskip("numba")

RNG = np.random.default_rng(3)


def native(f: Any, argnums: Any = 0) -> Any:
    return grad(f, argnums, backend="numba", cache=False)


def loss(w, X, y):
    h = np.tanh(X @ w)
    return np.mean((h - y) ** 2)


def test_the_gradient_is_that_of_numpy_code() -> None:
    args = RNG.normal(size=3), RNG.normal(size=(5, 3)), RNG.normal(size=5)
    f = grad(loss, (0, 1, 2), backend="numba", cache=False)
    for mine, expected in zip(f(*args), grad(loss, (0, 1, 2))(*args), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-10, atol=1e-15)
    more = RNG.normal(size=(9, 3)), RNG.normal(size=9)
    np.testing.assert_allclose(f(args[0], *more)[0], grad(loss)(args[0], *more), rtol=1e-12)
    assert "# d(h = np.tanh(X @ w))" in f.native_source
    assert "import numpy as np" in f.source


def test_arrays_of_any_layout_are_read_and_none_is_written() -> None:
    w, X, y = RNG.normal(size=3), RNG.normal(size=(5, 3)), RNG.normal(size=5)
    expected = grad(loss)(w, X, y)
    f = native(loss)
    turned = np.asfortranarray(X)
    strided = np.zeros((5, 6))[:, ::2]
    strided[...] = X
    frozen = X.copy()
    frozen.flags.writeable = False
    for other in (turned, strided, frozen):
        before = other.copy()
        np.testing.assert_allclose(f(w, other, y), expected, rtol=1e-12)
        np.testing.assert_array_equal(other, before)


class Layer(NamedTuple):
    weights: Any
    bias: Any


SCALE = 0.5


def layered(params, x):
    layer = params["layer"]
    return SCALE * np.sum(np.exp(layer.weights * x[0]) + layer.bias) * x[1]


def test_containers_and_globals() -> None:
    params = {"layer": Layer(RNG.normal(size=4), 0.5)}
    arguments = params, (RNG.normal(size=4), 1.5)
    mine, expected = (f(*arguments) for f in (native(layered), grad(layered)))
    assert type(mine["layer"]) is Layer
    assert type(mine["layer"].bias) is float
    np.testing.assert_allclose(mine["layer"].weights, expected["layer"].weights, rtol=1e-12)
    assert mine["layer"].bias == pytest.approx(expected["layer"].bias, rel=1e-12)


def test_single_precision_stays_single() -> None:
    def f(x, c):
        return np.sum(np.sqrt(x) * 2.5 / (1 + c * x) ** 2)

    x = np.linspace(0.5, 1.5, 7, dtype=np.float32)
    c = np.float32(0.25)
    mine, expected = native(f, (0, 1))(x, c), grad(f, (0, 1))(x, c)
    assert mine[0].dtype == np.float32 and type(mine[1]) is np.float32
    np.testing.assert_allclose(mine[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(mine[1], expected[1], rtol=1e-6)


def quotient(x, y):
    return x / y


def logarithm(x):
    return math.log(x) * x


def element(x, i):
    return x[i] * x[i + 1]


def sums(x, y):
    return np.sum(x * y)


@pytest.mark.parametrize(
    ("f", "good", "bad", "error"),
    [
        (quotient, (1.0, 2.0), (1.0, 0.0), ZeroDivisionError),
        (logarithm, (2.0,), (-1.0,), ValueError),
        (element, (np.ones(3), 1), (np.ones(3), 2), IndexError),
        (sums, (np.ones(3), np.ones(3)), (np.ones(3), np.ones(4)), ValueError),
    ],
)
def test_exceptions_are_those_of_numpy_code(f: Any, good: Any, bad: Any, error: type[Exception]) -> None:
    derivative = native(f)
    np.testing.assert_allclose(derivative(*good), grad(f)(*good), rtol=1e-12)
    with pytest.raises(error) as mine:
        derivative(*bad)
    with pytest.raises(error) as expected:
        grad(f)(*bad)
    assert str(mine.value) == str(expected.value)
    np.testing.assert_allclose(derivative(*good), grad(f)(*good), rtol=1e-12)


def test_a_length_that_turns_out_to_be_one_is_stretched() -> None:
    def f(a, b):
        return np.sum(a[1:] * b[1:] ** 2)

    derivative = native(f, (0, 1))
    for sizes in ((4, 4), (2, 4), (4, 2)):
        args = RNG.normal(size=sizes[0]), RNG.normal(size=sizes[1])
        for mine, expected in zip(derivative(*args), grad(f, (0, 1))(*args), strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-12)


def test_whole_numbers_that_need_more_than_64_bits() -> None:
    def f(x, k):
        for _ in range(3):
            k = k * k
        return x * x * k

    derivative = native(f)
    assert derivative(1.5, 3) == grad(f)(1.5, 3)
    assert derivative(1.5, 2**20) == grad(f)(1.5, 2**20)
    assert derivative(1.5, 2**80) == grad(f)(1.5, 2**80)


def test_remainders_and_whole_quotients_of_reals() -> None:
    def f(x, y):
        return (x % y) * (x // y) + np.sum(np.array([x, y]) % 0.7) + math.fmod(x, y)

    for x, y in ((5.3, 2.0), (-5.3, 2.0), (5.3, -2.0)):
        assert native(f, (0, 1))(x, y) == pytest.approx(grad(f, (0, 1))(x, y), rel=1e-14)
    with pytest.raises(ZeroDivisionError):
        native(f)(1.0, 0.0)


def test_infinite_and_undefined_numbers() -> None:
    def f(x):
        return np.sum(1 / x + np.log(x) + np.maximum(x, 0.5))

    x = np.array([0.0, -1.0, np.nan, np.inf, 2.0])
    with np.errstate(all="ignore"):
        expected = grad(f)(x)
    np.testing.assert_array_equal(native(f)(x), expected)


def test_value_and_pullback() -> None:
    args = RNG.normal(size=3), RNG.normal(size=(5, 3)), RNG.normal(size=5)
    value, _ = value_and_grad(loss, backend="numba", cache=False)(*args)
    assert type(value) is np.float64
    np.testing.assert_allclose(value, loss(*args), rtol=1e-12)

    def f(x):
        return [np.cumsum(x) * x, {"a": x[::-1]}]

    x = RNG.normal(size=4)
    result, pullback = vjp(f, x, backend="numba", cache=False)
    _, other = vjp(f, x)
    cotangent = [RNG.normal(size=4), {"a": RNG.normal(size=4)}]
    np.testing.assert_allclose(pullback(cotangent)[0], other(cotangent)[0], rtol=1e-12)
    np.testing.assert_array_equal(result[1]["a"], x[::-1])


def test_functions_compiled_by_numba_are_accepted() -> None:
    @numba.njit
    def helper(a, b):
        return a * np.sin(b)

    @numba.njit
    def f(x):
        return helper(x, x) + helper(2.0, x)

    assert native(f)(0.7) == pytest.approx(math.sin(0.7) + 0.7 * math.cos(0.7) + 2 * math.cos(0.7), rel=1e-14)
    assert grad(f)(0.7) == pytest.approx(native(f)(0.7), rel=1e-14)


def test_the_derivative_is_called_from_compiled_code() -> None:
    derivative = native(lambda x, y: x * x * y, (0, 1))
    derivative(1.0, 2.0)
    kernel = derivative.native

    @numba.njit
    def steps(x, y):
        for _ in range(3):
            a, b = kernel(x, y)
            x, y = x - 0.1 * a, y - 0.1 * b
        return x, y

    x, y = 1.0, 2.0
    for _ in range(3):
        a, b = derivative(x, y)
        x, y = x - 0.1 * a, y - 0.1 * b
    assert steps(1.0, 2.0) == pytest.approx((x, y), rel=1e-14)


def test_a_refusal_points_at_what_has_no_native_form() -> None:
    f = function_from_source("""
        def f(x):
            y = x * x
            print(y)
            return y
    """)
    with pytest.raises(Unsupported) as caught:
        native(f)(1.0)
    assert caught.value.lineno == 3
    assert caught.value.text is not None and caught.value.text.strip() == "print(y)"
    assert 'use backend="numpy"' in caught.value.advice


def test_options() -> None:
    assert "fastmath" not in native_source_of(grad(loss, backend="numba", cache=False))
    assert "reassoc" in native_source_of(grad(loss, backend="numba", cache=False, fastmath=True))
    with pytest.raises(TypeError, match="no option 'speed'"):
        grad(loss, backend="numba", speed=True)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="no option 'fastmath'"):
        grad(loss, fastmath=True)
    with pytest.raises(ValueError, match="there is no backend 'jax'"):
        grad(loss, backend="jax")
    with pytest.raises(AttributeError, match="without backend"):
        _ = grad(loss).native_source


def native_source_of(derivative: Any) -> str:
    derivative(np.ones(2), np.ones((3, 2)), np.ones(3))
    source: str = derivative.native_source
    return source


def test_numba_is_needed_only_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "ad-compiler\[native\]"'):
        grad(loss, backend="numba")
    assert grad(loss) is not None


@pytest.mark.exhaustive
def test_the_whole_corpus_as_python_loops() -> None:
    """The loops of every program of the corpus, run by Python: compiling them all takes too long."""
    names = ("test_programs", "test_expressions", "test_recurrences", "test_nests", "passes/test_prologues")
    run_tests([f"{HERE}/{name}.py" for name in names], ["unwritten"], "-m", "slow or not slow")


def test_an_exception_of_a_library_is_that_of_numpy_code() -> None:
    def f(a, b):
        return np.sum(np.linalg.solve(a, b) ** 2)

    derivative = native(f, (0, 1))
    good, singular, b = RNG.normal(size=(3, 3)), np.zeros((3, 3)), RNG.normal(size=3)
    for args in ((good, b), (good.T, b)):
        for mine, expected in zip(derivative(*args), grad(f, (0, 1))(*args), strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-12)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        derivative(singular, b)
    with pytest.raises(ValueError, match="mismatch"):
        derivative(good, b[:2])
    assert "result = array_of(np.linalg.solve(a, b), np.float64)" in derivative.native_source
    for mine, expected in zip(derivative.native(good, b), derivative(good, b), strict=True):
        np.testing.assert_array_equal(mine, expected)  # compiled code has answered, which calls the library


@pytest.mark.filterwarnings("ignore")
def test_a_complex_result_of_a_library_is_no_real_one() -> None:
    linalg = pytest.importorskip("scipy.linalg")
    f = function_from_source("def f(x):\n    return np.sum(linalg.sqrtm(x))", linalg=linalg)
    derivative = native(f)
    good = np.array([[2.0, 0.5], [0.5, 1.0]])
    np.testing.assert_allclose(derivative(good), grad(f)(good), rtol=1e-10)
    np.testing.assert_array_equal(derivative.native(good), derivative(good))
    with pytest.raises(AssertionError, match="convert the matrix"):
        derivative(-good)


def running(x, n):
    xs = []
    for k in range(n):
        xs.append(x[k] * 2.0)
    while len(xs) > 3:
        xs.pop()
    xs[-1] = xs[0] * xs[-1]
    return xs[2] + sum(xs) ** 2


def rows(x, n):
    xs = [x]
    for _ in range(n):
        xs.append(np.tanh(xs[-1] * x[0]) + x)
    pairs = [(row[0], row) for row in xs[1:]]
    ys = np.concatenate(xs)
    return np.sum(np.array(xs) ** 3) + np.sum(ys[1:] * ys[:-1]) + pairs[0][0] * np.sum(pairs[-1][1])


@pytest.mark.parametrize(("f", "good", "bad"), [(running, 5, 2), (running, 3, 0), (rows, 3, 0)])
def test_lists(f: Any, good: int, bad: int) -> None:
    x = RNG.normal(size=6)
    derivative = native(f)
    before = x.copy()
    for _ in range(2):
        np.testing.assert_allclose(derivative(x, good), grad(f)(x, good), rtol=1e-11)
    np.testing.assert_array_equal(x, before)
    with pytest.raises(IndexError) as mine:
        derivative(x, bad)
    with pytest.raises(IndexError) as expected:
        grad(f)(x, bad)
    assert str(mine.value) == str(expected.value)


def made_anew(x, n):
    total = 0.0
    for k in range(n):
        xs = [x[0] * k, x[1]]
        for j in range(k):
            xs.append(np.sin(xs[-1]) * x[j % 3])
        total += sum(xs) * xs[-1]
    return total


def made_of_arrays(x, n):
    total = 0.0
    for k in range(n):
        xs = [(x[: k % 3 + 1] * x[0], x[1])]
        for j in range(k):
            part, number = xs[-1]
            xs.append((np.outer(part, part)[0, : j % 3 + 1] * number, number * x[2]))
        for part, number in xs:
            total += np.sum(part**3) * number
    return total


def carried_along(x, n):
    xs = [x[0]]
    total = 0.0
    for k in range(n):
        xs.append(x[k % 3] * xs[-1])
        ys = xs[k // 2 :]
        total += sum(ys) * ys[0]
    return total * np.sin(sum(xs))


@pytest.mark.parametrize(
    "f",
    [carried_along, *(pytest.param(f, marks=pytest.mark.slow) for f in (made_anew, made_of_arrays))],
)
def test_lists_are_saved_for_the_reverse_sweep(f: Any) -> None:
    x = RNG.normal(size=3)
    derivative = native(f)
    for n in (4, 0, 30):
        np.testing.assert_allclose(derivative(x, n), grad(f)(x, n), rtol=1e-11, atol=1e-300)
        np.testing.assert_array_equal(derivative.native(x, n), derivative(x, n))
    value, pullback = vjp(f, x, 5, argnums=0, backend="numba", cache=False)
    expected_value, expected = vjp(f, x, 5, argnums=0)
    np.testing.assert_allclose(value, expected_value, rtol=1e-12)
    for seed in (1.0, 2.0):
        np.testing.assert_allclose(pullback(seed), expected(seed), rtol=1e-11)


def test_lists_are_returned_and_pulled_back() -> None:
    def f(x, n):
        xs = []
        for k in range(n):
            xs.append((x[k], x * k))
        return xs, x[0] * 2

    x = RNG.normal(size=3)
    cotangent = [(0.5, RNG.normal(size=3)), (np.float64(2.0), RNG.normal(size=3))], 1.0
    value, pullback = vjp(f, x, 2, argnums=0, backend="numba", cache=False)
    expected_value, expected = vjp(f, x, 2, argnums=0)
    assert len(value[0]) == 2 and type(value[0][0]) is tuple
    np.testing.assert_array_equal(value[0][1][1], expected_value[0][1][1])
    for _ in range(2):
        np.testing.assert_allclose(pullback(cotangent), expected(cotangent), rtol=1e-14)


def test_random_generators_draw_what_they_draw_in_numpy_code() -> None:
    def f(x, rng, k):
        for _ in range(3):
            x = x * rng.normal(size=3) + rng.uniform(1.0, 2.0)
        return np.sum(x) / k

    x = RNG.normal(size=3)
    one, other = np.random.default_rng(5), np.random.default_rng(5)
    derivative = native(f)
    for k in (2.0, 4.0):
        np.testing.assert_allclose(derivative(x, one, k), grad(f)(x, other, k), rtol=1e-13)
    for each, rng in ((derivative, one), (grad(f), other)):
        with pytest.raises(IndexError):
            native(broken)(x, rng) if each is derivative else grad(broken)(x, rng)
    _, pullback = vjp(f, x, one, 2.0, argnums=0, backend="numba", cache=False)
    _, expected = vjp(f, x, other, 2.0, argnums=0)
    np.testing.assert_allclose(pullback(1.0), expected(1.0), rtol=1e-13)
    assert one.random() == other.random()


def broken(x, rng):
    y = x * rng.normal(size=3)
    return y[len(y)]


def test_complex_numbers() -> None:
    def f(x, z):
        w = z * np.exp(1j * x) / (1 + z.conj() * z)
        for _ in range(2):
            w = w * w[::-1] + np.fft.fft(w)
        return np.sum(np.abs(w) ** 2) + np.sum(w.real * x)

    args = RNG.normal(size=4), RNG.normal(size=4) + 1j * RNG.normal(size=4)
    for mine, expected in zip(native(f, (0, 1))(*args), grad(f, (0, 1))(*args), strict=True):
        assert mine.dtype == expected.dtype
        np.testing.assert_allclose(mine, expected, rtol=1e-11)
    quotient = native(lambda x, z: (x / z).real)
    assert quotient(1.0, 1 + 2j) == pytest.approx(grad(lambda x, z: (x / z).real)(1.0, 1 + 2j), rel=1e-14)
    with pytest.raises(ZeroDivisionError):
        quotient(1.0, 0j)


def test_a_library_is_called_by_several_threads() -> None:
    def f(x):
        y = x
        for _ in range(5):
            y = np.sort(y)[::-1] + np.linalg.inv(np.outer(x, x) + np.eye(4)) @ y
        return np.sum(y * x)

    derivative = native(f)
    xs = RNG.normal(size=(40, 4))
    derivative(xs[0])
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(derivative, xs))
    for x, mine in zip(xs, found, strict=True):
        np.testing.assert_allclose(mine, grad(f)(x), rtol=1e-12)


@pytest.mark.parametrize("again", [0, 3])
def test_an_index_that_repeats_is_updated_once(again: int) -> None:
    def updated(x: Any, i: Any) -> Any:
        w = x.copy()
        w[i] += x[:3]
        w[i] = x[2:] * w[i]
        w[[1, 1]] += w[3:]
        return w @ w

    x, i = np.array([0.7, 1.2, 0.9, 1.4, 0.6]), np.array([0, again, 4])
    expected = value_and_grad(updated)(x, i)
    found = value_and_grad(updated, backend="numba", cache=False)(x, i)
    assert expected[0] == updated(x, i)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-14)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-14)
