"""Forward mode in native code, and what is made of it: products with a Hessian, Jacobians."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from ad_compiler import (
    Unsupported,
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    linearize,
)
from ad_compiler.testing import is_real, leaves
from tests.backends.native.argued import REFUSED
from tests.backends.native.test_programs import cases
from tests.programs.corpus import Example
from tests.programs.test_corpus import result_of, weights
from tests.test_jacobians import POINTS, number_of_number, scalar, vector

pytest.importorskip("numba")

NATIVE: dict[str, Any] = {"backend": "numba", "cache": False}


def assert_same(mine: Any, expected: Any) -> None:
    """The kinds, and the numbers but for rounding."""
    for one, other in zip(leaves(mine), leaves(expected), strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype and np.shape(one) == np.shape(other)
        if is_real(other):
            scale = 1 + np.max(np.abs(other), initial=0.0)
            single = np.asarray(other).dtype == np.float32
            rtol, atol = (1e-5, 1e-6) if single else (1e-10, 1e-12)
            np.testing.assert_allclose(one, other, rtol=rtol, atol=atol * scale)


@pytest.mark.parametrize("example", cases())
def test_program(example: Example) -> None:
    args = copy.deepcopy(example.args)
    rng = np.random.default_rng(11)
    tangents = tuple(weights(each, rng) if any(map(is_real, leaves(each))) else None for each in example.args)
    assert result_of(example, args) is not None
    expected = jvp(example.function, args, tangents, of=example.of)
    try:
        found = jvp(example.function, args, tangents, of=example.of, **NATIVE)
    except Unsupported as refusal:
        known = any(reason in refusal.reason for reason in REFUSED)
        if not known or refusal.lineno is None or not refusal.text:
            raise
        return
    assert_same(found, expected)
    for mine, before in zip(leaves(args), leaves(example.args), strict=True):
        np.testing.assert_array_equal(mine, before, err_msg="an argument was changed")


JACOBIANS = [jacfwd, jacrev, jacobian]


@pytest.mark.parametrize("make", JACOBIANS)
@pytest.mark.parametrize(("f", "x"), POINTS)
def test_jacobian(make: Any, f: Any, x: Any) -> None:
    assert_same(make(f, **NATIVE)(x), make(f)(x))
    if isinstance(x, np.ndarray):
        assert_same(make(f, **NATIVE)(x.astype(np.float32)), make(f)(x.astype(np.float32)))


def both(x: Any, y: Any, scale: Any = 2.0) -> Any:
    return np.sin(x) * np.sum(y * y) * scale, {"seen": scale}


def energy(x: Any, y: Any) -> Any:
    return np.sum(np.exp(x) * (y @ x)) + np.sum(y**3)


X, Y = np.array([0.5, -1.0, 0.25]), np.array([[0.3, 0.2, -1.0], [1.0, 0.5, 0.1], [0.0, 2.0, -0.7]])


@pytest.mark.parametrize("make", JACOBIANS)
def test_several_arguments_and_what_is_handed_on(make: Any) -> None:
    found = make(both, argnums=(0, 1), has_aux=True, **NATIVE)(X, Y)
    assert_same(found, make(both, argnums=(0, 1), has_aux=True)(X, Y))


def test_second_derivatives() -> None:
    for argnums in (0, 1, (0, 1)):
        f = hessian(energy, argnums, **NATIVE)
        assert_same(f(X, Y), hessian(energy, argnums)(X, Y))
        assert_same(pickle.loads(pickle.dumps(f))(X, Y), f(X, Y))
    assert_same(hvp(energy, **NATIVE)(X, Y, 2 * X), hvp(energy)(X, Y, 2 * X))
    assert_same(hvp(energy, (0, 1), **NATIVE)(X, Y, (X, Y)), hvp(energy, (0, 1))(X, Y, (X, Y)))
    assert_same(hessian(number_of_number, **NATIVE)(0.5), 3.0)
    assert_same(hessian(scalar, **NATIVE)(np.zeros(0)), np.zeros((0, 0)))
    assert_same(elementwise_grad(lambda x: np.tanh(x), **NATIVE)(X), 1 - np.tanh(X) ** 2)


def test_whole_numbers_have_a_jacobian_of_reals() -> None:
    def rounded(x: Any) -> Any:
        return np.floor(x).astype(np.int64)

    for make in (jacfwd, jacobian):
        assert_same(make(rounded, **NATIVE)(X), np.zeros((3, 3)))
    assert_same(jacfwd(vector, **NATIVE)(np.array([1, 2, 3])), jacfwd(vector)(np.array([1, 2, 3])))


def test_linearize() -> None:
    value, derivative = linearize(vector, X, **NATIVE)
    assert_same((value, derivative(Y[0])), jvp(vector, (X,), (Y[0],)))


def test_a_derivative_in_native_code_can_be_differentiated() -> None:
    def product(x: Any) -> Any:
        return x @ hvp(scalar, **NATIVE)(x, X) + np.sum(jvp(vector, (x,), (X,), **NATIVE)[1])

    def plain(x: Any) -> Any:
        return x @ hvp(scalar)(x, X) + np.sum(jvp(vector, (x,), (X,))[1])

    assert_same(grad(product, **NATIVE)(X), grad(plain)(X))
    assert_same(grad(product)(X), grad(plain)(X))


def test_text() -> None:
    along = jvp(scalar, **NATIVE)
    with pytest.raises(ValueError, match="before it is called"):
        along.native_source  # noqa: B018
    along((X,), (Y[0],))
    assert (
        along.native_source
        == """import numpy as np
from numba import njit

from ad_compiler.backends.native.numba_extensions.releasing import Releasing
from ad_compiler.backends.native.run_time.departure import Departure
from ad_compiler.backends.native.run_time.support import plus, vector_tanh


@njit(error_model="numpy", no_cfunc_wrapper=True, pipeline_class=Releasing)
def scalar_jvp(x, x_dot):
    x_0 = x.shape[0]
    x_dot_0 = x_dot.shape[0]
    if x_0 != x_dot_0:
        raise Departure
    # return np.sum(np.tanh(x) * x)
    total_1 = 0.0
    total_2 = 0.0
    for i in range(x_dot_0):
        tanh = vector_tanh(x[i])
        total_1 = plus(total_1, tanh * x[i])
        total_2 = plus(total_2, x[i] * ((1.0 - tanh * tanh) * x_dot[i]) + tanh * x_dot[i])
    return (total_1, total_2)
"""
    )
    matrix = hessian(scalar, **NATIVE)
    matrix(X)
    assert "for place in range(" in matrix.native_source
    assert "import numpy as np" in matrix.source


def test_tangents_are_left_alone() -> None:
    frozen = Y[0].copy()
    frozen.flags.writeable = False
    assert_same(jvp(vector, (X,), (frozen,), **NATIVE), jvp(vector, (X,), (Y[0],)))
    assert_same(jvp(vector, (X,), (Y[:, 0],), **NATIVE), jvp(vector, (X,), (Y[:, 0].copy(),)))
    np.testing.assert_array_equal(frozen, Y[0])
    with pytest.raises(ValueError, match="shape"):
        jvp(vector, (X,), (np.ones(2),), **NATIVE)


def steps_of(x: Any, v: Any, k: Any = 0.3) -> Any:
    for _ in range(5):
        v = v - k * np.sin(x)
        x = x + 0.1 * v
    return x, v


def energy_after(x: Any, v: Any, k: Any = 0.3) -> Any:
    x, v = steps_of(x, v, k)
    return np.sum(x * x) * np.sum(v) + k


def with_aux(x: Any, v: Any, k: Any = 0.3) -> Any:
    x, v = steps_of(x, v, k)
    return np.sum(x * x * v), k


def test_products_with_tapes() -> None:
    """What reads a tape is made of one compiled product for each direction."""
    for argnums in (0, 2, (0, 1), (0, 2)):
        assert_same(
            hessian(energy_after, argnums, **NATIVE)(X, Y[0], 0.4),
            hessian(energy_after, argnums)(X, Y[0], 0.4),
        )
    f = hessian(with_aux, (0, 1), True, **NATIVE)
    assert_same(f(X, Y), hessian(with_aux, (0, 1), True)(X, Y))
    assert_same(f(X, Y[:2]), hessian(with_aux, (0, 1), True)(X, Y[:2]))
    assert_same(f(X, Y[0]), hessian(with_aux, (0, 1), True)(X, Y[0]))
    assert "tape" in f.native_source and "import numpy as np" in f.source
    single = X.astype(np.float32), Y[0].astype(np.float32), 0.5
    assert_same(hessian(energy_after, **NATIVE)(*single), hessian(energy_after)(*single))
    assert_same(hvp(energy_after, **NATIVE)(X, Y[0], 0.4, Y[1]), hvp(energy_after)(X, Y[0], 0.4, Y[1]))

    def positions(x: Any, v: Any) -> Any:
        return steps_of(x, v)[0]

    def total(x: Any, v: Any) -> Any:
        return np.sum(steps_of(x, v)[0], axis=0) * 2.0, v

    for make in JACOBIANS:
        assert_same(make(positions, (0, 1), **NATIVE)(X, Y), make(positions, (0, 1))(X, Y))
        assert_same(make(total, 1, True, **NATIVE)(X, Y), make(total, 1, True)(X, Y))


def test_what_the_program_itself_does_is_refused_where_it_is() -> None:
    def with_print(x: Any) -> Any:
        y = x.copy()
        for i in range(1, len(x)):
            y[i] = np.sin(y[i - 1]) * x[i]
            print(y[i])
        return np.sum(y)

    with pytest.raises(Unsupported, match="print") as caught:
        hessian(with_print, **NATIVE)(X)
    assert caught.value.filename == __file__
