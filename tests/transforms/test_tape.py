"""What the turns of loops save: seen in the emitted source, and measured."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ad_compiler import check_grads, grad
from benchmarks.harness.memory import peak_bytes
from benchmarks.loops.burgers import burgers
from benchmarks.loops.cholesky import half_log_determinant
from benchmarks.loops.heat_1d import heat
from benchmarks.loops.jacobi_2d import jacobi
from benchmarks.loops.van_der_pol import van_der_pol
from tests.helpers import function_from_source

# mypy: allow-untyped-defs, allow-untyped-calls


def on_tapes(source: str) -> list[str]:
    """What the emitted function appends to its tapes."""
    return [
        line.split(".append(")[1][:-1] for line in source.split("\n") if "tape" in line and ".append(" in line
    ]


def bytes_per_step(gradient: Any, arguments: Any, few: int, many: int) -> float:
    """How many bytes the peak of a gradient grows by with one more step."""
    gradient(*arguments(few))
    peaks = [peak_bytes(gradient, arguments(steps)) for steps in (few, many)]
    return (peaks[1] - peaks[0]) / (many - few)


def test_a_linear_stencil_saves_nothing():
    u = np.random.default_rng(0).normal(size=1000)
    gradient = grad(heat, "initial")
    assert "tape" not in gradient.source_for(u, 0.2, 5)
    assert bytes_per_step(gradient, lambda steps: (u, 0.2, steps), 20, 220) < 1


def test_two_buffers_of_a_linear_stencil_save_nothing_either():
    A = np.random.default_rng(0).normal(size=(30, 30))
    gradient = grad(jacobi, ("A", "B"))
    source = gradient.source_for(A, A, 3)
    assert "tape" not in source
    assert source.count("copy()") == 2  # the primal's own
    assert bytes_per_step(gradient, lambda steps: (A, A, steps), 10, 110) < 1


def test_a_nonlinear_stencil_saves_one_array_a_step():
    u = 1 + 0.5 * np.sin(np.linspace(0, 6, 1000))
    gradient = grad(burgers, "initial")
    assert on_tapes(gradient.source_for(u, 0.4, 5)) == ["u.copy()"]
    assert bytes_per_step(gradient, lambda steps: (u, 0.4, steps), 20, 120) < 8000 + 300


def test_a_flux_of_many_terms_saves_one_array_a_step():
    f = function_from_source("""
        def f(u, dt, dx, steps):
            for _ in range(steps):
                flux = 0.5 * u * u
                slope = (flux[1:] - flux[:-1]) / dx
                speed = np.maximum(np.abs(u[1:]), np.abs(u[:-1]))
                bend = (u[2:] - 2 * u[1:-1] + u[:-2]) * u[1:-1]
                u = u.copy()
                u[1:-1] -= dt * (slope[1:] * speed[1:] + slope[:-1] * speed[:-1] - bend)
            return np.sum(u * u)
    """)
    u = 1 + 0.5 * np.sin(np.linspace(0, 6, 1000))
    gradient = grad(f, "u")
    assert bytes_per_step(gradient, lambda steps: (u, 1e-3, 1.0, steps), 20, 120) < 8000 + 300
    check_grads(f, (u[::100], 1e-3, 1.0, 4))


def test_a_factorisation_by_loops_saves_a_number_for_each_number_written():
    matrix = np.random.default_rng(0).normal(size=(80, 80))
    A = matrix @ matrix.T + 80 * np.eye(80)
    gradient = grad(half_log_determinant)
    small, large = [peak_bytes(gradient, (A[:n, :n].copy(),)) for n in (40, 40, 80)][1:]
    assert math.log2(large / small) < 2.3


def test_an_integrator_saves_the_stages_and_hoists_what_no_turn_changes():
    source = grad(van_der_pol, ("x", "v", "mu")).source_for(1.0, 0.0, 1.0, 0.01, 10)
    assert on_tapes(source) == ["(v, x, x2, v2, x3, v3, x4, v4)"]
    before = source[: source.index("for _ in range(steps)")]
    assert "product = 0.5 * dt" in before
    assert "quotient = dt / 6" in before


def test_windows_of_an_array_are_saved_and_not_all_of_it_in_every_turn():
    f = function_from_source("""
        def f(u, sweeps):
            u = u.copy()
            for _ in range(sweeps):
                for i in range(1, len(u) - 2):
                    u[i] += 0.1 * np.sum(u[i - 1 : i + 1] * u[i : i + 2])
            return np.sum(u)
    """)
    u = np.random.default_rng(0).uniform(0, 0.1, 200)
    check_grads(f, (u[:9], 2))
    assert bytes_per_step(grad(f), lambda sweeps: (u, sweeps), 1, 4) < 200 * 8 * 100


def test_a_state_is_copied_before_it_is_written_into_wherever_the_tape_is_written():
    f = function_from_source("""
        def f(u, steps):
            u = u.copy()
            for _ in range(steps):
                before = u[1:] * u[:-1]
                u[1:] += 0.1 * before
                s = np.exp(-u[0])
                u[:-1] *= s * u[1:]
            return np.sum(u)
    """)
    check_grads(f, (np.array([0.3, 0.5, 0.7, 0.2]), 3))


def test_what_is_the_same_in_every_turn_is_not_computed_where_there_is_no_turn():
    f = function_from_source("""
        def f(x, a, b, steps):
            for _ in range(steps):
                x = x * (a / b) * (0.5 * a)
            return x
    """)
    gradient = grad(f, ("x", "a"))
    assert gradient(2.0, 3.0, 0.0, 0) == (1.0, 0.0)
    check_grads(f, (2.0, 3.0, 0.7, 3))


def test_invariants_leave_all_the_loops_around_them():
    f = function_from_source("""
        def f(x, a, steps):
            for i in range(steps):
                for j in range(i):
                    x = x * np.sin(a) + 0.1 * i * x * (0.5 * a)
            return x
    """)
    source = grad(f, ("x", "a")).source_for(0.5, 0.3, 4)
    before = source[: source.index("for i in range(steps)")]
    assert "sin = np.sin(a)" in before
    assert "= 0.5 * a\n" in before
    check_grads(f, (0.5, 0.3, 4))


def test_the_square_of_a_number_is_computed_again():
    """It cannot move in front of loops: a float that is too large raises an exception, if there is a turn."""

    def relaxed(u, f, steps, h):
        u = u.copy()
        for _ in range(steps):
            for i in range(1, len(u) - 1):
                u[i] = 0.5 * (u[i - 1] + u[i + 1] - h**2 * f[i])
        return np.sum(u * u)

    u, f = np.random.default_rng(0).normal(size=(2, 6))
    assert "tape" not in grad(relaxed, ("u", "f")).source_for(u, f, 3, 0.1)
    check_grads(lambda u, f: relaxed(u, f, 3, 0.1), (u, f))
    grad(relaxed, ("u", "f"))(u, f, 0, 1e200)
    with pytest.raises(OverflowError):
        grad(relaxed, ("u", "f"))(u, f, 1, 1e200)


def test_an_invariant_that_is_written_into_is_made_anew_in_every_turn():
    f = function_from_source("""
        def f(x, a, steps):
            for i in range(steps):
                b = 2.0 * a
                b[i] = x
                x = np.sum(b * b * a) * 0.1
            return x
    """)
    check_grads(f, (0.5, np.array([0.3, 0.4, 0.2]), 3))


@pytest.mark.parametrize(("n", "m"), [(5, 5), (3, 5), (3, 3)])
def test_an_inner_region_of_one_element_is_broadcast(n: int, m: int):
    A, B = (np.random.default_rng(0).normal(size=(k, k)) for k in (n, m))
    f = function_from_source("""
        def f(A, B, steps):
            A, B = A.copy(), B.copy()
            for _ in range(steps):
                B[1:-1, 1:-1] = 0.2 * (A[1:-1, 1:-1] + A[1:-1, :-2])
            return np.sum(B * B)
    """)
    check_grads(f, (A, B, 2))


def test_a_shape_alone_keeps_no_array():
    f = function_from_source("""
        def f(x, steps):
            total = 0.0
            for k in range(steps):
                y = np.ones_like(x * k)
                total = total + np.sum(x * y)
            return total
    """)
    assert on_tapes(grad(f).source_for(np.ones(3), 2)) in ([], ["y"])
    check_grads(f, (np.array([0.1, 0.2]), 3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_common_factors_keep_the_dtype(dtype: Any):
    u = np.linspace(1, 2, 7, dtype=dtype)
    gradient = grad(burgers, "initial")
    assert gradient(u, 0.4, 3).dtype == dtype
    assert gradient(u, np.float64(0.4), 3).dtype == dtype
    np.testing.assert_allclose(gradient(u, 0.4, 3), gradient(u.astype(float), 0.4, 3), rtol=1e-5)


def test_a_number_that_turns_only_replace_is_saved():
    """The loop computes nothing else that the gradient reads, and runs for what its turns start with."""
    f = function_from_source("""
        def f(x, n):
            y = np.zeros_like(x)
            y[2] = x[2] * x[0]
            factor = 1.0
            for _ in range(n):
                y[2] += factor * np.cos(x[2])
                factor = 0.0
            return np.sum(y)
    """)
    x = np.array([0.3, 0.4, 0.5])
    assert on_tapes(grad(f).source_for(x, 2)) == ["factor"]
    for n in (0, 1, 3):
        check_grads(lambda x, n=n: f(x, n), (x,))
