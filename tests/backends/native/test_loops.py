"""Adjoints of stencils as gathers, and loops that are products of matrices: their text and their results."""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, value_and_grad
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.kernels import lines_of
from ad_compiler.backends.native.nests import Allocate, Apply, Code, Load, Nest, Store
from ad_compiler.backends.native.passes.gathering import Gatherer

pytest.importorskip("numba")

Function = Callable[..., Any]


def against_numpy(f: Function, *args: Any) -> str:
    """Compare native with NumPy code; the native code."""
    argnums = tuple(n for n, arg in enumerate(args) if isinstance(arg, np.ndarray) and arg.dtype.kind == "f")
    native = value_and_grad(f, argnums, backend="numba", cache=False)
    for arguments in (args, args):
        value, gradients = native(*arguments)
        expected_value, expected = value_and_grad(f, argnums)(*arguments)
        np.testing.assert_allclose(value, expected_value, rtol=1e-11)
        for mine, other in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12)
    source: str = native.native_source
    given = dict(zip(inspect.signature(f).parameters, args, strict=True))
    head = source[source.index("def ") :]
    parameters = head[head.index("(") + 1 : head.index("):")].split(", ")
    native.native(*(given[name] for name in parameters))  # raises `Departure` where NumPy code answered
    return source


def random(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def jacobi(A: Any, B: Any, steps: Any) -> Any:
    A, B = A.copy(), B.copy()
    for _ in range(steps):
        B[1:-1, 1:-1] = 0.2 * (A[1:-1, 1:-1] + A[1:-1, :-2] + A[1:-1, 2:] + A[2:, 1:-1] - A[:-2, 1:-1])
        A[1:-1, 1:-1] = 0.2 * (B[1:-1, 1:-1] + B[1:-1, :-2] + B[1:-1, 2:] + B[2:, 1:-1] + B[:-2, 1:-1])
    return np.sum(A * A * A) + np.sum(B * A)


def asymmetric(x: Any, w: Any) -> Any:
    y = w[0] * x[:-4] - w[1] * x[3:-1] + np.sin(x[4:]) * x[1:-3]
    z = y[1:] - y[:-1]
    return np.sum(z * z) + np.sum(x[2:] * x[:-2])


def of_rows(x: Any, k: Any) -> Any:
    total = 0.0
    for t in range(k, len(x)):
        total = total + np.sum((x[t, 1:] - x[t, :-1]) ** 2 * (x[t - k, 2:] - x[t - k, :-2])[0])
    return total


def in_three_axes(u: Any) -> Any:
    v = u[1:-1, 1:-1, 1:-1] * 6.0 - u[2:, 1:-1, 1:-1] - u[:-2, 1:-1, 1:-1] - u[1:-1, 2:, 1:-1]
    v = v - u[1:-1, :-2, 1:-1] - u[1:-1, 1:-1, 2:] - u[1:-1, 1:-1, :-2]
    return np.sum(v * v)


def test_a_stencil_gathers() -> None:
    source = against_numpy(jacobi, random(6, 7), random(6, 7) + 1, 3)
    (written,) = [line for line in source.split("\n") if line.lstrip().startswith("A_bar[i + 2, j + 2] = ")]
    assert written.count("[") == 6
    f = value_and_grad(jacobi, (0, 1), backend="numba", cache=False)
    for shape in ((3, 3), (3, 9), (4, 4), (5, 3), (5, 5), (2, 6), (9, 4)):
        A, B = random(*shape), random(*shape) - 1
        for steps in (0, 1, 4):
            value, gradients = f(A, B, steps)
            expected_value, expected = value_and_grad(jacobi, (0, 1))(A, B, steps)
            np.testing.assert_allclose(value, expected_value, rtol=1e-11)
            np.testing.assert_allclose(gradients, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (asymmetric, (random(11), random(2))),
        (of_rows, (random(5, 8), 2)),
        pytest.param(in_three_axes, (random(5, 4, 6),), marks=pytest.mark.slow),
    ],
)
def test_gathers(f: Function, args: tuple[Any, ...]) -> None:
    against_numpy(f, *args)


def test_an_array_that_a_second_run_reads_stays() -> None:
    """`p` is read by both runs, by the first one also through `m`."""
    i, n = Affine.of("i"), Affine.of("n")
    negated = Apply("-{0}", (Load("p", (i,)),))
    body: list[Code] = [
        Allocate("p", (n,), "np.float64"),
        Nest([("i", n)], [Store("p", (i,), Apply("2.0 * {0}", (Load("x", (i,)),)))]),
        Allocate("m", (n,), "np.float64"),
        Nest([("i", n)], [Store("m", (i,), negated)]),
        *[
            Nest([("i", n)], [Store(array, (i + distance,), Load(added, (i,)), "+=")])
            for array, distance, added in (("a", 0, "m"), ("a", 1, "p"), ("b", 0, "x"), ("b", 1, "p"))
        ],
    ]
    Gatherer([body], ["a", "b"], lambda extent: True).run()
    text = "\n".join(lines_of(body, 0))
    assert "p = np.empty(n)" in text and "b[i + 1] += x[i + 1] + p[i]" in text


def convolution(X: Any, W: Any) -> Any:
    images, height, width, channels = X.shape
    rows, columns, _, filters = W.shape
    Y = np.zeros((images, height - rows + 1, width - columns + 1, filters))
    for n in range(images):
        for i in range(height - rows + 1):
            for j in range(width - columns + 1):
                for k in range(filters):
                    for r in range(rows):
                        for s in range(columns):
                            for c in range(channels):
                                Y[n, i, j, k] += X[n, i + r, j + s, c] * W[r, s, c, k]
    return np.sum(Y * Y * Y)


def product_with_offsets(A: Any, B: Any) -> Any:
    C = np.ones((A.shape[0], B.shape[0]))
    for i in range(1, A.shape[0]):
        for k in range(1, A.shape[1] - 1):
            for j in range(B.shape[0]):
                C[i - 1, j] -= A[i, k + 1] * B[j, 2 * k - 1]
    return np.sum(C * C)


def no_product(A: Any, B: Any) -> Any:
    C = np.zeros((A.shape[0], B.shape[1]))
    for i in range(A.shape[0]):
        for j in range(B.shape[1]):
            for k in range(i, A.shape[1]):
                C[i, j] += A[i, k] * B[k, j]
    D = C.copy()
    for i in range(1, A.shape[0]):
        for j in range(B.shape[1]):
            for k in range(A.shape[0]):
                D[i, j] += D[i - 1, k % B.shape[1]] * A[i, k]
    return np.sum(D * D)


def test_a_convolution_is_products_of_matrices() -> None:
    source = against_numpy(convolution, random(2, 6, 7, 2), random(3, 2, 2, 4))
    assert source.count("product_of_matrices(") == 3 and "for c in range" in source


def test_loops_that_are_products() -> None:
    source = against_numpy(product_with_offsets, random(4, 6), random(5, 8))
    assert source.count("product_of_matrices(") == 3
    f = value_and_grad(product_with_offsets, (0, 1), backend="numba", cache=False)
    for rows, columns in ((3, 3), (2, 2), (0, 6), (0, 0), (40, 30)):  # few turns, and none
        A, B = random(rows, columns), random(5, 80)
        value, gradients = f(A, B)
        expected_value, expected = value_and_grad(product_with_offsets, (0, 1))(A, B)
        assert value == pytest.approx(expected_value, rel=1e-12)
        np.testing.assert_allclose(gradients[0], expected[0], rtol=1e-12)
        np.testing.assert_allclose(gradients[1], expected[1], rtol=1e-12)


def test_loops_that_are_none() -> None:
    source = against_numpy(no_product, random(3, 3), random(3, 2))
    assert "product_of_matrices(" not in source


def test_subscripts_are_checked_in_front_of_loops() -> None:
    def f(x: Any, y: Any, n: Any) -> Any:
        total = 0.0
        for i in range(1, n):
            total = total + x[i - 1] * y[i]
        return total

    native = value_and_grad(f, (0, 1), backend="numba", cache=False)
    x, y = random(5), random(6)
    value, _ = native(x, y, 6)
    assert value == pytest.approx(f(x, y, 6), rel=1e-14)
    assert "at(" not in native.native_source
    with pytest.raises(IndexError):
        native(x, y, 8)
    assert native(x, y, -3)[0] == 0.0


def test_what_is_added_may_be_read_of_the_array_itself() -> None:
    def overlapping(x: Any) -> Any:
        a = x.copy()
        head, tail = a[:4], a[2:]
        head *= tail
        tail += head**2
        return np.sum(a * np.arange(6.0))

    against_numpy(overlapping, random(6))


def sum_of_rows(x: Any, w: Any) -> Any:
    total = 0.0
    for i in range(w.shape[0]):
        total = total + w[i] * x[i]
    return np.sum(total * total)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_number_that_becomes_an_array(dtype: Any) -> None:
    x, w = np.arange(6.0).reshape(3, 2).astype(dtype), np.array([0.5, -2.0, 1.0], dtype=dtype)
    source = against_numpy(sum_of_rows, x, w)
    assert re.search(r"total\w* = np.zeros\(x_1", source)
    derivative = grad(sum_of_rows, argnums=(0, 1), backend="numba", cache=False)
    for gradient, argument in zip(derivative(x, w), (x, w), strict=True):
        assert gradient.dtype == dtype, argument
    without_turns = derivative(x, w[:0])
    np.testing.assert_array_equal(without_turns[0], np.zeros((3, 2)))


def test_arrays_that_turns_hand_on() -> None:
    """The reverse sweep reads the first one: it is not taken over."""

    def chain(T: Any, start: Any) -> Any:
        p = start / np.sum(start)
        total = 0.0
        for _ in range(4):
            p = np.tanh(p @ T) + 0.1 * p
            total = total + p[0]
        return total + np.sum(p)

    against_numpy(chain, random(3, 3), random(3) + 2)


def pendulum(angle: Any, speed: Any, length: Any, steps: Any) -> Any:
    for _ in range(steps):
        half = speed - 0.05 / length * np.sin(angle)
        angle = angle + 0.1 * half
        speed = half - 0.05 / length * np.sin(angle)
    return angle * speed + angle


def logistic_map(x: Any, r: Any, steps: Any) -> Any:
    total = 0.0
    for _ in range(steps):
        total = total + x * x
        x = r * x * (1 - x)
    return total + x


def largest_of_turns(x: Any, r: Any, steps: Any) -> Any:
    for _ in range(steps):
        x = max(r * x * (1 - x), 0.3)
    return x


def unlike_turns(x: Any, r: Any, steps: Any) -> Any:
    for n in range(steps):
        x = r * x * (1 - x) + n * x / 100
    return x


@pytest.mark.parametrize(
    ("f", "args", "is_rewritten"),
    [
        (pendulum, (0.5, 0.1, 1.3), True),
        (logistic_map, (0.3, 2.9), True),
        (largest_of_turns, (0.2, 2.1), False),
        (unlike_turns, (0.2, 2.1), True),
    ],
)
def test_the_derivative_of_a_turn(f: Function, args: tuple[float, ...], is_rewritten: bool) -> None:
    argnums = tuple(range(len(args)))
    native = value_and_grad(f, argnums, backend="numba", cache=False)
    for steps in (0, 1, 2, 9):
        value, gradients = native(*args, steps)
        expected_value, expected = value_and_grad(f, argnums)(*args, steps)
        assert value == pytest.approx(expected_value, rel=1e-12)
        np.testing.assert_allclose(gradients, expected, rtol=1e-11)
    assert ("# the derivatives of " in native.native_source) is is_rewritten
    native.native(*args, 9)


def gauss_seidel(u: Any, f: Any, steps: Any) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])
    return np.sum(u * u * u)


def running_average(x: Any, c: Any) -> Any:
    y = x.copy()
    for i in range(1, len(x)):
        y[i] = c[0] * y[i - 1] + (1 - c[0]) * x[i]
    for i in range(len(x) - 2, -1, -1):
        y[i] = y[i] - c[1] * y[i + 1]
    return np.sum(y * y)


def two_back(x: Any) -> Any:
    y = x.copy()
    for i in range(2, len(x)):
        y[i] = 0.5 * y[i - 1] - 0.3 * y[i - 2] + y[i] * y[i]
    return np.sum(y * y)


@pytest.mark.parametrize(
    ("f", "args", "is_carried"),
    [
        (gauss_seidel, (random(5, 6), random(5, 6) + 1, 2), True),
        (running_average, (random(7), np.array([0.3, 0.4])), True),
        (two_back, (random(8),), True),
    ],
)
def test_a_recurrence_is_carried(f: Function, args: tuple[Any, ...], is_carried: bool) -> None:
    source = against_numpy(f, *args)
    assert ("y_before" in source or "_bar_after" in source) is is_carried
    native = value_and_grad(f, backend="numba", cache=False)
    for length in (2, 3, 4):
        fewer = [arg[:length] if isinstance(arg, np.ndarray) and len(arg) > 2 else arg for arg in args]
        value, gradient = native(*fewer)
        expected_value, expected = value_and_grad(f)(*fewer)
        assert value == pytest.approx(expected_value, rel=1e-12)
        np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-13)


def test_a_tape_that_nobody_reads() -> None:
    """The reverse loop has nothing to do, and is gone; how often the loop was left is still written down."""

    def program(s: Any, r: Any, w: Any, k: Any) -> Any:
        x = np.maximum(s, w[0])
        if len(w) % 2 == 1:
            return np.sum(np.sin(w))
        for _ in range(0, k, k + 1):
            for j in range(0, 4, 2):
                if r > -0.3 and x < 0.7:
                    break
                s += 0.05 * j
        return s + np.sin(r) + np.sum(w)

    native = value_and_grad(program, argnums=(0, 1, 2), backend="numba", cache=False)
    for size, k, r in itertools.product((3, 4), (0, 2), (-0.5, 0.5)):
        given = (0.2, r, np.linspace(-0.5, 0.5, size), k)
        found, expected = native(*given), value_and_grad(program, argnums=(0, 1, 2))(*given)
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-14)
        for gradient, other in zip(found[1], expected[1], strict=True):
            np.testing.assert_allclose(gradient, other, rtol=1e-14)
