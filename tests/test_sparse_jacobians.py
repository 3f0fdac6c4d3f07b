"""Sparse Jacobians: against the dense ones, with patterns given and derived, and what is refused."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ad_compiler import Unsupported, custom_vjp, grad, hessian, jacfwd, jacobian, jacrev, sparse_jacobians
from ad_compiler.colouring import column_colours
from tests.helpers import function_from_expression, generator, random_array
from tests.test_batching import BATCHED, SHAPES

sparse = pytest.importorskip("scipy.sparse")
MAKERS = [jacfwd, jacrev, jacobian]


def broyden(x: Any) -> Any:
    r = (3.0 - 2.0 * x) * x + 1.0
    r[1:] -= x[:-1]
    r[:-1] -= 2.0 * x[1:]
    return r


def rosenbrock(x: Any) -> Any:
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def bands(n: int, width: int = 1) -> Any:
    offsets = range(-width, width + 1)
    return sparse.diags_array([np.ones(n - abs(k)) for k in offsets], offsets=list(offsets), shape=(n, n))


def point(n: int) -> Any:
    return random_array(generator("sparse", n), (n,))


def assert_dense(found: Any, expected: Any) -> None:
    assert isinstance(found, sparse.csr_array)
    expected = np.reshape(expected, found.shape)
    assert found.dtype == expected.dtype
    tolerance = 1e-12 if expected.dtype == np.float64 else 1e-5
    np.testing.assert_allclose(found.toarray(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("pattern", ["auto", "given"])
def test_a_tridiagonal_system(make: Any, dtype: Any, pattern: str) -> None:
    x = point(7).astype(dtype)
    derivative = make(broyden, sparsity="auto" if pattern == "auto" else bands(7))
    found = derivative(x)
    assert found.nnz == 19
    assert_dense(found, make(broyden)(x))
    assert_dense(derivative(2.0 * x), make(broyden)(2.0 * x))
    again = pickle.loads(pickle.dumps(derivative))
    assert_dense(again(x), make(broyden)(x))


def test_three_directions_for_three_bands_and_other_lengths() -> None:
    derivative = jacfwd(broyden, sparsity="auto")
    for n in (1, 2, 3, 50):
        assert_dense(derivative(point(n)), jacfwd(broyden)(point(n)))
    assert sorted(len(plan.seeds) for plan in derivative._plans.values()) == [1, 2, 3, 3]


def test_hessian_and_rows_and_auxiliary_results() -> None:
    x = point(6)
    found = hessian(rosenbrock, sparsity="auto")(x)
    assert found.nnz == 16
    assert_dense(found, hessian(rosenbrock)(x))
    assert_dense(hessian(rosenbrock, sparsity=bands(6).toarray())(x), hessian(rosenbrock)(x))
    with_aux = jacfwd(lambda x, n: (broyden(x) * n, n + 1), has_aux=True, sparsity="auto")
    matrix, aux = with_aux(x, 2)
    assert aux == 3
    assert_dense(matrix, 2.0 * jacfwd(broyden)(x))


def arrow(x: Any) -> Any:
    """One result depends on everything: by rows two directions do, by columns none fewer than all."""
    return np.concatenate([x[1:] ** 2, np.array([np.sum(x * x)])])


def test_a_jacobian_takes_the_cheaper_side() -> None:
    derivative = jacobian(arrow, sparsity="auto")
    assert_dense(derivative(point(8)), jacfwd(arrow)(point(8)))
    (plan,) = derivative._plans.values()
    assert plan.by_rows and len(plan.seeds) == 2
    assert "pullback" not in derivative.source and "arrow_jacrev_products" in derivative.source


def test_arguments_and_results_of_other_ranks() -> None:
    def laplacian(u: Any, scale: Any) -> Any:
        return scale * (u[1:, :] - u[:-1, :]) ** 2

    u = random_array(generator("laplacian"), (4, 3))
    for make in MAKERS:
        found = make(laplacian, sparsity="auto")(u, 2.0)
        assert found.shape == (9, 12) and found.nnz == 18
        assert_dense(found, make(laplacian)(u, 2.0))
    assert_dense(jacfwd(lambda x: np.sum(x[:2]), sparsity="auto")(point(4)), [[1.0, 1.0, 0.0, 0.0]])
    assert jacfwd(lambda x: x[:0] * 1.0, sparsity="auto")(point(4)).shape == (0, 4)
    assert jacfwd(lambda x: x * 1.0, sparsity="auto")(np.zeros(0)).shape == (0, 0)


@pytest.mark.parametrize("expression", BATCHED.strip().split("\n"))
def test_derived_patterns_hold_everywhere(expression: str) -> None:
    """The pattern is found at one point, and holds at another one."""
    function = function_from_expression(expression)
    names = function.__code__.co_varnames
    args = [random_array(generator(name), SHAPES[name]) for name in names]
    for argnum in range(len(args)):
        derivative = jacfwd(function, argnum, sparsity="auto")
        derivative(*[np.zeros_like(arg) for arg in args])
        assert_dense(derivative(*args), jacfwd(function, argnum)(*args))


def by_branch(x: Any, k: Any, steps: int) -> Any:
    return x[::-1] * 1.0 if x[0] > 0 else x * 2.0


def by_place(x: Any, k: Any, steps: int) -> Any:
    y = np.zeros(len(x))
    y[np.argmax(x)] = np.sum(x[:2])
    return y + x[np.argsort(x)]


def by_whole_numbers(x: Any, k: Any, steps: int) -> Any:
    return x[k] ** 2


def by_turns(x: Any, k: Any, steps: int) -> Any:
    for _ in range(steps):
        x = x + np.concatenate([x[1:], x[:1]]) ** 2
    return x


def by_convergence(x: Any, k: Any, steps: int) -> Any:
    turns = 0
    while np.sum(x * x) > 1.0 and turns < 50:
        x = 0.5 * np.concatenate([x[1:], x[:1]])
        turns += 1
    return x


def by_recurrence(x: Any, k: Any, steps: int) -> Any:
    y = np.zeros(len(x))
    for i in range(1, len(x)):
        y[i] = 0.5 * y[i - 1] * x[i] if i > 2 else x[i]
    return y


def by_list(x: Any, k: Any, steps: int) -> Any:
    parts = []
    for i in range(steps):
        parts.append(x[i] * x[i + 1])
    return np.array(parts)


def by_mask(x: Any, k: Any, steps: int) -> Any:
    return np.where(x > 0, x, 0.0) * np.sum(x[x > 0])


FUNCTIONS = [
    by_branch,
    by_place,
    by_whole_numbers,
    by_turns,
    by_convergence,
    by_recurrence,
    by_list,
    by_mask,
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_patterns_of_control_flow(function: Any) -> None:
    """What depends on real numbers is never left out, at whatever point the pattern was found."""
    derivative = jacfwd(function, sparsity="auto", check=False)
    rng = generator(function.__name__)
    for k in (np.array([0, 1, 2]), np.array([3, 3, 4])):
        for steps in (1, 3):
            for _ in range(3):
                x = rng.normal(size=6)
                assert_dense(derivative(x, k, steps), jacfwd(function)(x, k, steps))


def test_patterns_are_no_wider_than_need_be() -> None:
    x, k = point(6), np.array([0, 1, 2])
    entries = {function: jacfwd(function, sparsity="auto")(x, k, 2).nnz for function in FUNCTIONS}
    assert entries[by_whole_numbers] == 3
    assert entries[by_turns] == 18
    assert entries[by_list] == 4
    assert entries[by_recurrence] < 16
    assert entries[by_convergence] == 36


def test_a_rule_of_the_users_own_counts() -> None:
    """The function itself has no derivative, its pullback has one."""

    @custom_vjp
    def rounded(x: Any) -> Any:
        return np.round(x)

    rounded.defvjp(lambda x: (np.round(x), None), lambda residuals, g: (g,))
    found = jacfwd(lambda x: rounded(x) * x[::-1], sparsity="auto")(point(4))
    assert_dense(found, jacfwd(lambda x: rounded(x) * x[::-1])(point(4)))


@dataclass
class Options:
    steps: int


def with_options(x: Any, options: Any) -> Any:
    for _ in range(options.steps):
        x = x + np.concatenate([x[1:], x[:1]])
    return x


def by_own_whole_numbers(x: Any, options: Any) -> Any:
    return x[::-1] * 1.0 if x[0] > 0 else x * 2.0


def test_whole_numbers_in_structures_and_at_the_point() -> None:
    derivative = jacfwd(with_options, sparsity="auto", check=False)
    for steps in (1, 3, 2):
        assert_dense(derivative(point(6), Options(steps)), jacfwd(with_options)(point(6), Options(steps)))
    derivative = jacfwd(by_own_whole_numbers, sparsity="auto", check=False)
    for first in (1, -1):
        x = np.array([first, 2, 3])
        assert_dense(derivative(x, None), jacfwd(by_own_whole_numbers)(x, None))


STEPS = 1


def with_a_global(x: Any) -> Any:
    for _ in range(STEPS):
        x = x + np.concatenate([x[1:], x[:1]])
    return x


def test_whole_numbers_read_from_outside_count() -> None:
    global STEPS
    derivative = jacfwd(with_a_global, sparsity="auto", check=False)
    for steps in (1, 3, 2, 1):
        STEPS = steps
        assert_dense(derivative(point(6)), jacfwd(with_a_global)(point(6)))


def test_a_pattern_that_lacks_entries_is_found_out() -> None:
    x = point(6)
    wrong = bands(6, 0)
    for make in (jacfwd, jacrev):
        with pytest.raises(ValueError, match=r"lacks entries of the Jacobian: (row|column) 0 times"):
            make(broyden, sparsity=wrong)(x)
        assert make(broyden, sparsity=wrong, check=False)(x).nnz == 6
    with pytest.raises(ValueError, match="lacks entries of the Hessian"):
        hessian(rosenbrock, sparsity=np.eye(6))(x)


def test_what_cannot_be_compared_is_compared_later() -> None:
    """Where the derivative is not finite, nothing is said about it."""
    derivative = jacfwd(
        lambda x: np.concatenate([x[:1] * x[1:2] * x[2:], x[:1]]), sparsity=[[1, 0, 0], [1, 0, 0]]
    )
    derivative(np.array([1.0, np.nan, np.inf]))
    with pytest.raises(ValueError, match="lacks entries"):
        derivative(np.ones(3))


def test_results_share_no_memory() -> None:
    derivative = jacfwd(broyden, sparsity="auto")
    first, second = derivative(point(5)), derivative(point(5))
    first.data[:] = 0.0
    first.indices[:] = 0
    assert_dense(second, jacfwd(broyden)(point(5)))
    assert_dense(derivative(point(5)), jacfwd(broyden)(point(5)))


def test_dependencies_that_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """All entries, where that is not too much; else it is said why."""
    found = jacfwd(lambda x: np.convolve(x, np.ones(2)), sparsity="auto")(point(4))
    assert_dense(found, jacfwd(lambda x: np.convolve(x, np.ones(2)))(point(4)))
    monkeypatch.setattr(sparse_jacobians, "DENSE", 10)
    with pytest.raises(ValueError, match=r"are not followed .*: give the pattern as `sparsity=`"):
        jacfwd(by_mask, sparsity="auto")(point(6), 0, 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: jacfwd(broyden, sparsity="dense"), ValueError, 'is "auto" or a pattern'),
        (lambda: jacfwd(broyden, (0,), sparsity="auto"), ValueError, "is of one argument"),
        (lambda: jacfwd(broyden, sparsity=np.ones(3)), TypeError, "an array of two axes"),
        (lambda: jacfwd(broyden, sparsity=np.array([["a"]])), TypeError, "an array of two axes"),
        (lambda: jacfwd(broyden, sparsity=bands(4))(point(5)), ValueError, "has 4 columns, and x has 5"),
        (lambda: jacfwd(broyden, sparsity=np.ones((3, 5)))(point(5)), ValueError, "has the shape \\(3, 5\\)"),
        (lambda: jacfwd(lambda x: x * x, sparsity="auto")(2.0), TypeError, "taken by an array"),
        (lambda: jacfwd(lambda *x: x[0], "x", sparsity="auto")(2.0), TypeError, "taken by an array|without"),
        (lambda: hessian(broyden, sparsity="auto")(point(3)), Unsupported, "a single number"),
    ],
)
def test_misuse(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_refused_in_a_program() -> None:
    derivative = jacfwd(broyden, sparsity="auto")
    with pytest.raises(Unsupported, match="a sparse Jacobian is computed in a program") as caught:
        grad(lambda x: np.sum(derivative(x)))(point(3))
    assert "leave out `sparsity=`" in str(caught.value)


@pytest.mark.parametrize("seed", range(5))
def test_columns_of_one_colour_share_no_row(seed: int) -> None:
    pattern = sparse.random_array((30, 40), density=0.08, rng=seed, format="csr") != 0
    colours, count = column_colours(sparse.csr_array(pattern))
    assert set(colours) == set(range(count))
    for row in pattern.toarray():
        used = colours[row]
        assert len(set(used)) == len(used)


def test_a_newton_step_on_many_unknowns() -> None:
    from scipy.sparse.linalg import spsolve

    x, jacobian_of = np.full(1000, -1.0), jacfwd(broyden, sparsity="auto")
    for _ in range(6):
        x = x - spsolve(jacobian_of(x).tocsc(), broyden(x))
    assert np.max(np.abs(broyden(x))) < 1e-12
