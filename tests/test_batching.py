"""Jacobians with all directions at once, and in blocks, against those that loop over the directions.

The loop is what `jvp` and `vjp` give column by column and row by row, which are tested by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from ad_compiler import blocks, hessian, jacfwd, jacobian, jacrev
from ad_compiler.analysis.types import ArrayType, Length
from ad_compiler.ir import Parameter, Value
from tests import test_rules_arrays, test_rules_linalg, test_rules_rearranging, test_rules_shapes
from tests.helpers import contiguous_cases, function_from_expression, generator, random_array

TABLE = [
    *test_rules_arrays.REDUCTIONS,
    *test_rules_arrays.PRODUCTS,
    *test_rules_shapes.SHAPES,
    *test_rules_shapes.INDICES,
    *test_rules_rearranging.TABLE,
    *test_rules_linalg.TABLE,
]


def at_once(make: Any, function: Callable[..., Any], block: int | None, **options: Any) -> Any:
    """A Jacobian that does so many directions at once, whatever the sizes are."""
    derivative = make(function, **options)
    derivative.block_for = lambda _: block
    return derivative


def assert_same_in_blocks(
    make: Any, function: Callable[..., Any], args: Sequence[Any], **options: Any
) -> str:
    """The Jacobian is the same, however many directions are done at once. The text that does all."""
    expected = np.asarray(at_once(make, function, 1, **options)(*args))
    tolerance = 1e-4 if expected.dtype == np.float32 else 1e-9
    size = 1 + np.max(np.abs(expected), initial=0.0)
    for block in (2, None):
        derivative = at_once(make, function, block, **options)
        found = np.asarray(derivative(*args))
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype or not found.size
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * size)
    return str(derivative.source)


@pytest.mark.parametrize(("expression", "shapes"), contiguous_cases(TABLE)[::23])
@pytest.mark.parametrize("make", [jacfwd, jacrev])
def test_rules(make: Any, expression: str, shapes: Sequence[tuple[int, ...]]) -> None:
    rng = generator(expression, shapes)
    args = [random_array(rng, shape) for shape in shapes]
    assert_same_in_blocks(make, function_from_expression(expression), args)


SHAPES = {"x": (4,), "y": (4,), "v": (3,), "A": (3, 4), "B": (2, 4, 4)}

BATCHED = """
np.sin(x) * y + x @ y
np.where(x > 0, x**2, y)
np.sum(x) * y
np.mean(x * y, keepdims=True) + x
np.cumsum(x)[::-1]
np.concatenate([x[1:], y, x[:1]])
np.stack([x, y], axis=1)
np.array([[x[0], 1.0], [x[1] * x[2], y[0]]])
x[[0, 2, 2]] * x[np.arange(3)]
x.reshape(2, 2).T @ y.reshape(2, 2)
np.ravel(np.outer(x, x))
v @ A
x @ A.T
x * A
A.T @ v
A @ x
A.sum(axis=0) * x
A[:, 1:] - A[:, :-1]
A[1] * A[:, [0, 1, 3, 3]]
np.transpose(B, (2, 0, 1)) + 1.0
np.einsum('ij,j->i', A, x)
np.tensordot(A, x, 1)
B @ x
x @ B
B @ (A.T @ A)
B @ A.T
np.expand_dims(x, 1) * y
np.squeeze(A[:1], 0) * A
np.roll(x, 1) - np.flip(x)
np.broadcast_to(x, (2, 4)) * x
np.full(3, x[0]) + x[1]
np.pad(x, 1)
np.trace(A[:, :3]) * x
np.diff(x)
np.tril(A) @ x
"""


@pytest.mark.parametrize("expression", BATCHED.strip().split("\n"))
@pytest.mark.parametrize("make", [jacfwd, jacrev])
def test_no_loop_is_left(make: Any, expression: str) -> None:
    function = function_from_expression(expression)
    names = function.__code__.co_varnames
    args = [random_array(generator(name), SHAPES[name]) for name in names]
    text = assert_same_in_blocks(make, function, args)
    assert "for " not in text.split('"""')[2], text
    assert_same_in_blocks(make, function, [arg.astype(np.float32) for arg in args])


def heat(u: Any, c: Any, steps: int) -> Any:
    u = u.copy()
    for _ in range(steps):
        u[1:-1] += c * (u[2:] - 2 * u[1:-1] + u[:-2]) * u[1:-1]
    return u


def recurrence(u: Any, c: Any, steps: int) -> Any:
    v = np.zeros(len(u))
    for i in range(1, len(u)):
        v[i] = v[i - 1] * c + np.sin(u[i])
    return v


def settled(u: Any, c: Any, steps: int) -> Any:
    """A `while`, a branch, an early exit, and numbers carried on."""
    total, turns = 0.0, 0
    while turns < steps:
        total = total + c * u[0] * u[1]
        if total > 1.0:
            total = total * u[2]
            break
        turns += 1
    return np.array([total, total * u[1]])


def number_becomes_array(u: Any, c: Any, steps: int) -> Any:
    total = 0
    for _ in range(steps):
        total = total + c * u
    return total


def grown(u: Any, c: Any, steps: int) -> Any:
    found = []
    for i in range(steps):
        found.append(np.tanh(c * u[i]))
    return np.array(found)


def branches(u: Any, c: Any, steps: int) -> Any:
    if steps > 2:
        v = np.exp(u) * c
    else:
        v = np.zeros(4)
    return v * u


LOOPS = [heat, recurrence, settled, number_becomes_array, grown, branches]


@pytest.mark.parametrize("function", LOOPS)
@pytest.mark.parametrize("make", [jacfwd, jacrev])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_loops_and_branches(make: Any, function: Any, steps: int) -> None:
    if function is settled and make is jacrev:
        pytest.skip("which array is written into is decided when the program runs: it is refused")
    if function is number_becomes_array and steps == 0:
        pytest.skip("the result is the number 0")
    assert_same_in_blocks(make, function, (np.array([0.5, 1.5, -0.7, 0.9]), 1.1, steps))


def test_a_loop_stays_one_loop() -> None:
    """The primal of a loop is computed once, not once for each direction."""
    text = jacfwd(heat).source_for(np.ones(4), 0.1, 3)
    assert text.count("for ") == 1
    assert "u_dot[:, 1:-1] +=" in text


def energy(x: Any, A: Any) -> Any:
    return np.sum(np.tanh(A @ x) ** 2) + x[0] * x[1] * np.sum(x)


@pytest.mark.parametrize("argnums", [0, 1, (0, 1)])
def test_hessian(argnums: Any) -> None:
    x, A = (random_array(generator(name), SHAPES[name]) for name in "xA")
    if isinstance(argnums, int):
        assert_same_in_blocks(hessian, energy, (x, A), argnums=argnums)
        return
    rows = [at_once(hessian, energy, block, argnums=argnums)(x, A) for block in (1, 2, None)]
    for found in rows[1:]:
        for one, other in zip(found, rows[0], strict=True):
            for part, expected in zip(one, other, strict=True):
                np.testing.assert_allclose(part, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(0,), (1,), (0, 3), (1, 1), (2, 0)])
@pytest.mark.parametrize("make", [jacfwd, jacrev, jacobian])
def test_empty_and_single(make: Any, shape: tuple[int, ...]) -> None:
    x = np.full(shape, 0.5)
    found = make(lambda x: np.sin(x) * np.sum(x))(x)
    assert found.shape == shape + shape
    expected = at_once(make, lambda x: np.sin(x) * np.sum(x), 1)(x)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    nothing = make(lambda x: x[:0] * 2.0)(np.ones(3))
    assert nothing.shape == (0, 3)


def test_results_are_arrays_of_their_own() -> None:
    """Neither of them shares memory with the other, nor with an argument."""
    x, y = np.ones(3), np.ones(3)
    first, second = jacfwd(lambda x, y: x + y, argnums=(0, 1))(x, y)
    assert not np.shares_memory(first, second)
    first[:] = 7.0
    np.testing.assert_array_equal(second, np.eye(3))


def test_how_many_at_once_depends_on_the_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    def product(x: Any, A: Any) -> Any:
        return np.sin(A @ x)

    derivative = jacfwd(product)
    derivative(np.ones(3), np.ones((2, 3)))
    assert "for " not in derivative.source
    monkeypatch.setattr(blocks, "AT_ONCE", 64)
    monkeypatch.setattr(blocks, "LEAST", 2)
    wide = np.full((10, 9), 0.1)
    found = derivative(np.ones(9), wide)
    assert "for start in range(0, np.maximum(x.shape[0], 1), 4):" in derivative.source
    np.testing.assert_allclose(found, np.cos(wide @ np.ones(9))[:, None] * wide)


def test_the_size_of_blocks() -> None:
    """Everything at once while that is little; many in a block, unless one direction is large itself."""
    length = Length("n")
    x = Value(ArrayType(np.dtype(float), (length,)), "x", "x")
    length.origin = (x, 0)
    shapes: list[tuple[int | Length, ...]] = [(length,), (3,)]
    parameters = [Parameter("x", x, "positional")]
    expected = {0: (1, 1), 512: (None, None), 1000: (256, 256), 10**5: (1, 32), 10**7: (1, 1)}
    for n, sizes in expected.items():
        found = [
            blocks.block_size(blocks.Batched(shapes, products), parameters, {"x": np.empty(n)}, n)
            for products in (False, True)
        ]
        assert found == list(sizes)


def test_native_code_makes_one_product_of_many() -> None:
    """Matrix products for all directions at once; what has none is a loop over the directions."""
    pytest.importorskip("numba")
    x, A = (random_array(generator(name), SHAPES[name]) for name in "xA")
    products = hessian(energy, backend="numba", cache=False)
    np.testing.assert_allclose(products(x, A), hessian(energy)(x, A), rtol=1e-12)
    assert "product_of_matrices" in products.native_source
    one_by_one = jacfwd(heat, backend="numba", cache=False)
    np.testing.assert_allclose(one_by_one(x, 0.1, 3), jacfwd(heat)(x, 0.1, 3), rtol=1e-12)
    assert "for place in range(" in one_by_one.native_source


def test_what_has_no_rule_keeps_its_loop() -> None:
    derivative = jacfwd(lambda x: np.convolve(x, x))
    found = derivative(np.array([1.0, 2.0, 3.0]))
    assert "columns.append" in derivative.source
    np.testing.assert_allclose(found[:, 0], [2.0, 4.0, 6.0, 0.0, 0.0])
