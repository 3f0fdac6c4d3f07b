"""Loops under `checkpointed`: the same numbers as without, from a few states."""

from __future__ import annotations

import ast
import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from ad_compiler import (
    Unsupported,
    checkpoint,
    checkpointed,
    cotangent,
    custom_vjp,
    grad,
    hessian,
    hvp,
    implicit,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
)
from tests.helpers import function_from_source
from tests.random_loops import Program, programs
from tests.test_random_loops import draw_arguments, in_structure, numbers_in

# Programs with `TURNS(...)` for what is checkpointed, arguments for a number of turns, and argnums.
PROGRAMS: dict[str, tuple[str, Callable[[int], tuple[Any, ...]], tuple[int, ...]]] = {
    "numbers": (
        """
        def f(x, v, dt, steps):
            for _ in TURNS(range(steps)):
                v = v - dt * np.sin(x)
                x = x + dt * v
            return x * v
        """,
        lambda n: (1.0, 0.3, 0.1, n),
        (0, 1, 2),
    ),
    "in_place": (
        """
        def f(u, c, steps):
            u = u.copy()
            for t in TURNS(range(steps)):
                u[1:-1] += c * u[1:-1] * (u[2:] - 2 * u[1:-1] + u[:-2])
            return np.sum(u * u)
        """,
        lambda n: (np.linspace(0, 1, 7), 0.1, n),
        (0, 1),
    ),
    "argument_written": (
        """
        def f(u, c, steps):
            for t in TURNS(range(steps)):
                u[1:] += c * np.sin(u[:-1]) * u[1:]
            return np.sum(u * u)
        """,
        lambda n: (np.linspace(0, 1, 4), 0.1, n),
        (0, 1),
    ),
    "containers": (
        """
        def f(x, v, dt, steps):
            s = (x, [v, 1.0])
            for k in TURNS(range(steps)):
                a, (b, n) = s
                s = (a + dt * np.cos(b) * n, [b - dt * a * a, n * 1.01])
            return np.sum(s[0]) * s[1][0].sum() * s[1][1]
        """,
        lambda n: (np.ones(3), np.arange(3.0), 0.05, n),
        (0, 1, 2),
    ),
    "step_3": (
        """
        def f(x, steps):
            for k in TURNS(range(2, steps, 3)):
                x = x + np.sin(x) * k * 0.01
            return x
        """,
        lambda n: (1.0, n),
        (0,),
    ),
    "downwards": (
        """
        def f(x, steps):
            for k in TURNS(range(steps, 0, -1)):
                x = x + np.sin(x) * k * 0.01
            return x
        """,
        lambda n: (1.0, n),
        (0,),
    ),
    "start": (
        """
        def f(x, steps):
            for k in TURNS(range(3, steps)):
                x = x + np.sin(x) * k * 0.01
            return x
        """,
        lambda n: (1.0, n),
        (0,),
    ),
    "rows": (
        """
        def f(x, A):
            total = 0.0
            for row in TURNS(A):
                x = np.tanh(x * row)
                total += x @ x
            return total + x.sum()
        """,
        lambda n: (np.ones(3), np.random.default_rng(0).normal(size=(n, 3))),
        (0, 1),
    ),
    "pairs": (
        """
        def f(x, A, b):
            for i, (row, y) in TURNS(enumerate(zip(A, b))):
                x = np.tanh(x * row) + y * i
            return x.sum()
        """,
        lambda n: (np.ones(3), np.random.default_rng(0).normal(size=(n, 3)), np.ones(n)),
        (0, 1, 2),
    ),
    "branches": (
        """
        def f(x, c, steps):
            u = x * 2
            for t in TURNS(range(steps)):
                if t % 3 == 1:
                    continue
                if u[0] > 1.2:
                    u = u * np.sin(u + c)
                else:
                    u = u + c * np.cos(u)
                c = c * 0.99
            return u.sum() * c
        """,
        lambda n: (np.linspace(0.1, 1, 4), 0.1, n),
        (0, 1),
    ),
    "break": (
        """
        def f(x, c, steps):
            for t in TURNS(range(steps)):
                x = x + c * np.sin(x)
                if x > 2.5:
                    break
            return x * x
        """,
        lambda n: (0.3, 0.1, n),
        (0, 1),
    ),
    "return": (
        """
        def f(x, c, steps):
            for t in TURNS(range(2, steps)):
                x = x + c * np.sin(x) * t
                if x > 2.5:
                    return x * 3
            return x * x
        """,
        lambda n: (0.3, 0.1, n),
        (0, 1),
    ),
    "loops_inside": (
        """
        def f(x, c, steps):
            for t in TURNS(range(steps)):
                for k in range(3):
                    x = x + c * np.sin(x) * (k + 1)
                y = x
                while np.sum(y * y) > 2:
                    y = y * 0.8 * np.cos(0.1 * y)
                x = x * 0.5 + y
            return np.sum(x * x)
        """,
        lambda n: (np.linspace(0, 1, 3), 0.1, n),
        (0, 1),
    ),
    "loops_around": (
        """
        def f(x, c, steps):
            for k in range(3):
                c = c * np.cos(x[0])
                for t in TURNS(range(steps)):
                    x = x + c * np.sin(x) * (k + 1)
                x = x * x
            return np.sum(x * x)
        """,
        lambda n: (np.linspace(0, 1, 3), 0.1, n),
        (0, 1),
    ),
    "one_in_the_other": (
        """
        def f(x, c, steps):
            for k in TURNS(range(4)):
                c = c * np.cos(x[0])
                for t in TURNS(range(steps)):
                    x = x + c * np.sin(x) * (k + 1)
                x = x * x
            return np.sum(x * x)
        """,
        lambda n: (np.linspace(0, 1, 3), 0.1, n),
        (0, 1),
    ),
    "on_one_side": (
        """
        def f(x, c, steps):
            if c > 0:
                for t in TURNS(range(steps)):
                    x = x + c * np.sin(x)
            else:
                x = x * c
            return np.sum(x * x)
        """,
        lambda n: (np.linspace(0, 1, 3), 0.1, n),
        (0, 1),
    ),
    "sweep_inside": (
        """
        def f(a, c, steps):
            a = a.copy()
            for t in TURNS(range(steps)):
                for i in range(1, len(a)):
                    a[i] = a[i] + c * np.sin(a[i - 1]) * a[i]
                a *= 0.9
            return np.sum(a * a)
        """,
        lambda n: (np.linspace(0, 1, 5), 0.1, n),
        (0, 1),
    ),
    "runge_kutta": (
        """
        def rk4(g, y, dt):
            k1 = g(y)
            k2 = g(y + 0.5 * dt * k1)
            k3 = g(y + 0.5 * dt * k2)
            k4 = g(y + dt * k3)
            return y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        def solve(p, y, n, dt):
            def rate(y):
                return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[1] * y[0] * y[1] - p[2] * y[1]])
            for _ in TURNS(range(n)):
                y = rk4(rate, y, dt)
            return y
        def f(p, y, n):
            return np.sum(solve(p, y, n, 0.05) ** 2)
        """,
        lambda n: (np.array([1.0, 0.5, 0.8]), np.array([1.0, 2.0]), n),
        (0, 1),
    ),
    "trajectory": (
        """
        def f(x, c, steps):
            xs = np.zeros(steps + 1)
            xs[0] = x
            for t in TURNS(range(steps)):
                xs[t + 1] = xs[t] + c * np.sin(xs[t])
            return np.sum(xs * xs)
        """,
        lambda n: (0.3, 0.1, n),
        (0, 1),
    ),
    "appended": (
        """
        def f(x, c, steps):
            xs = []
            for t in TURNS(range(steps)):
                x = x + c * np.sin(x)
                xs.append(x)
            return np.sum(np.array(xs) ** 2)
        """,
        lambda n: (0.3, 0.1, n),
        (0, 1),
    ),
    "list_read": (
        """
        def f(x, c, steps):
            xs = [x]
            for t in TURNS(range(steps)):
                xs.append(xs[-1] + c * np.sin(xs[-1]) * xs[0])
            return np.sum(np.array(xs) ** 2)
        """,
        lambda n: (0.3, 0.1, n),
        (0, 1),
    ),
    "linear": (
        """
        def f(u, c, steps):
            u = u.copy()
            for _ in TURNS(range(steps)):
                u[1:-1] += c * (u[2:] - 2 * u[1:-1] + u[:-2])
            return np.sum(u * u)
        """,
        lambda n: (np.linspace(0, 1, 7) ** 2, 0.1, n),
        (0,),
    ),
    "running_cost": (
        """
        def f(q, u0, dt, steps):
            u = u0
            cost = 0.0
            for t in TURNS(range(steps)):
                u = u + dt * (np.roll(u, 1) - 2 * u + np.roll(u, -1) - u ** 3 + q[t])
                cost += dt * (np.sum((u - 1) ** 2) + 0.1 * np.sum(q[t] ** 2))
            return cost
        """,
        lambda n: (np.ones((max(n, 1), 4)) * 0.1, np.linspace(0, 1, 4), 0.05, n),
        (0, 1),
    ),
    "names_of_ours": (
        """
        def f(x, c, turns_ahead):
            checkpoints, at, slots, keep, steps = x, c, 2.0, 1.0, turns_ahead
            for t in TURNS(range(steps)):
                checkpoints = checkpoints + at * np.sin(checkpoints) * keep
            turns_ahead = checkpoints * at
            for stop in TURNS(range(steps)):
                checkpoints = checkpoints + at * np.cos(checkpoints) * slots * turns_ahead
            return checkpoints * at
        """,
        lambda n: (0.3, 0.1, n),
        (0, 1),
    ),
    "float32": (
        """
        def f(u, c, steps):
            for t in TURNS(range(steps)):
                u = u + c * np.sin(u)
            return np.sum(u * u)
        """,
        lambda n: (np.linspace(0, 1, 3, dtype=np.float32), np.float32(0.1), n),
        (0, 1),
    ),
    "whole_numbers_at_first": (
        """
        def f(c, steps):
            u = 1
            w = 0
            for t in TURNS(range(steps)):
                u = u + c * np.sin(u) + w
                w = w + 1
            return u * u
        """,
        lambda n: (0.1, n),
        (0,),
    ),
    "recursion": (
        """
        def power(x, n):
            if n == 0:
                return 1.0
            return x * power(x, n - 1)
        def f(x, c, m, steps):
            for t in TURNS(range(steps)):
                x = x + c * power(x, m)
            return x * x
        """,
        lambda n: (0.3, 0.1, 3, n),
        (0, 1),
    ),
    "checks": (
        """
        def f(x, c, steps):
            for t in TURNS(range(steps)):
                if x > 100:
                    raise ValueError("no")
                assert x < 1000
                x = x + c * np.sin(x)
            return x * x
        """,
        lambda n: (0.3, 0.1, n),
        (0, 1),
    ),
    "growing": (
        """
        def f(x, c, steps):
            for t in TURNS(range(steps)):
                x = np.concatenate((x, c * np.sin(x[-1:])))
            return np.sum(x * x)
        """,
        lambda n: (np.ones(1), 0.1, n),
        (0, 1),
    ),
    "shapes": (
        """
        def f(x, c, steps):
            u = x
            for t in TURNS(range(steps)):
                v = u[1:] * c
                u = u * np.sum(v[1:-1] * v[2:]) + np.max(u, axis=0)
                u = u / np.linalg.norm(u)
            return np.sum(u * x)
        """,
        lambda n: (np.linspace(0.1, 1, 6), 0.1, n),
        (0, 1),
    ),
    "two_names": (
        """
        def f(x, c, steps):
            a = x.copy()
            b = np.zeros_like(x)
            for t in TURNS(range(steps)):
                new = a * np.sin(a + c)
                a, b = new, a
            return np.sum(a * a) + np.sum(b)
        """,
        lambda n: (np.linspace(0.1, 1, 6), 0.1, n),
        (0, 1),
    ),
    "no_state": (
        """
        def f(x, c, steps):
            for t in TURNS(range(steps)):
                y = np.sin(c * t)
                x = x + y * y
            return x
        """,
        lambda n: (1.0, 0.1, n),
        (0, 1),
    ),
    "outer_written_later": (
        """
        def f(x, c, steps):
            c = c * np.ones(3)
            for t in TURNS(range(steps)):
                x = x + c[0] * np.sin(x)
            c[0] = 5.0
            c *= x
            return c.sum()
        """,
        lambda n: (1.0, 0.1, n),
        (0, 1),
    ),
    "outer_bound_again": (
        """
        def f(x, c, steps):
            for t in TURNS(range(steps)):
                x = x + c * np.sin(x)
            c = x * c
            steps = 0
            return c * x
        """,
        lambda n: (1.0, 0.1, n),
        (0, 1),
    ),
    "bound_inside": (
        """
        def f(x, c, steps):
            last = x
            for t in TURNS(range(steps)):
                last = np.exp(-x)
                x = x + c * last
            return x * last
        """,
        lambda n: (1.0, 0.1, n),
        (0, 1),
    ),
    "complex_numbers": (
        """
        def f(x, steps):
            z = x * (1 + 0.5j)
            for t in TURNS(range(steps)):
                z = z * z * 0.3 + 0.1j * z
            return np.sum(np.abs(z))
        """,
        lambda n: (np.array([0.5, 0.2]), np.int64(n)),
        (0,),
    ),
    "descent": (
        """
        def inner(w, x):
            return np.sum((w - 1) ** 2 * x) + np.sum(w ** 4)
        def f(x, steps):
            w = np.zeros(3)
            for t in TURNS(range(steps)):
                w = w - 0.05 * grad(inner)(w, x)
            return np.sum(w * w)
        """,
        lambda n: (np.array([0.5, 0.2, 1.0]), n),
        (0,),
    ),
    "rules_of_the_user_s": (
        """
        def f(x, steps):
            for t in TURNS(range(steps)):
                h = np.sin(clipped(x)) + 0.1 * again(x) + stop_gradient(x) * x * 0.1
                with cotangent(h) as h_bar:
                    h_bar = np.clip(h_bar, -0.5, 0.5)
                x = h + 0.1 * root(x)
            return np.sum(x)
        """,
        lambda n: (1.3, n),
        (0,),
    ),
    "matrix": (
        """
        def f(A, x, steps):
            P = np.eye(2)
            for t in TURNS(range(steps)):
                P = A @ P @ A.T + np.outer(x, x)
                P[0, 1] = P[1, 0] * x[0]
                x = np.linalg.solve(P + np.eye(2), x)
            return np.trace(P) + x @ x
        """,
        lambda n: (np.array([[0.9, 0.1], [-0.2, 0.8]]), np.array([0.5, 1.0]), n),
        (0, 1),
    ),
}


@custom_vjp
def clipped(x: Any) -> Any:
    return x * 1.5


clipped.defvjp(lambda x: (x * 1.5, x), lambda x, g: (np.clip(g, -1.0, 1.0) * x,))


@implicit(root=lambda y, a: y + y**3 - a)
def root(a: Any) -> Any:
    y = a
    for _ in range(40):
        y = y - (y + y**3 - a) / (1 + 3 * y * y)
    return y


KNOWN: dict[str, Any] = {
    "checkpointed": checkpointed,
    "grad": grad,
    "stop_gradient": stop_gradient,
    "cotangent": cotangent,
    "clipped": clipped,
    "root": root,
    "again": checkpoint(lambda x: np.sin(x) * x),
}


def with_and_without(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    text = PROGRAMS[name][0]
    return (
        function_from_source(text.replace("TURNS(", "("), **KNOWN),
        function_from_source(text.replace("TURNS(", "checkpointed("), **KNOWN),
    )


def exactly_equal(one: Any, other: Any) -> bool:
    if isinstance(one, (tuple, list)):
        return len(one) == len(other) and all(map(exactly_equal, one, other))
    a, b = np.asarray(one), np.asarray(other)
    return a.dtype == b.dtype and a.shape == b.shape and a.tolist() == b.tolist()


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_numbers_are_the_same_bit_for_bit(name: str) -> None:
    _, arguments, argnums = PROGRAMS[name]
    plain, again = with_and_without(name)
    one, other = (value_and_grad(f, argnums=argnums) for f in (plain, again))
    for turns in (1, 2, 7, 23, 0):
        if turns == 0 and name in ("rows", "pairs"):
            continue  # of another kind: an axis of length 0
        assert exactly_equal(one(*arguments(turns)), other(*arguments(turns)))
    assert exactly_equal(plain(*arguments(7)), again(*arguments(7)))
    if "cotangent(" in PROGRAMS[name][0]:
        return  # it is refused in forward mode
    args = arguments(9)
    tangents = tuple(
        np.ones_like(x) if i in argnums and np.ndim(x) else type(x)(1) if i in argnums else None
        for i, x in enumerate(args)
    )
    assert exactly_equal(jvp(plain, args, tangents), jvp(again, args, tangents))


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_pullback_may_be_called_again(name: str) -> None:
    _, arguments, _ = PROGRAMS[name]
    plain, again = with_and_without(name)
    value, pullback = vjp(plain, *arguments(9))
    same_value, same_pullback = vjp(again, *arguments(9))
    assert exactly_equal(value, same_value)
    kind = type(value)
    for seed in (kind(1.0), kind(2.0), kind(1.0)):
        wanted, found = pullback(seed), same_pullback(seed)
        assert all(exactly_equal(a, b) for a, b in zip(wanted, found, strict=True) if a is not None)


TWICE = ["numbers", "in_place", "containers", "branches", "break", "on_one_side", "running_cost", "matrix"]
TWICE += ["descent", "loops_inside", "loops_around", "list_read", "one_in_the_other"]


@pytest.mark.parametrize("name", TWICE)
def test_second_derivatives(name: str) -> None:
    _, arguments, _ = PROGRAMS[name]
    args = arguments(5)
    direction = np.ones_like(args[0]) if np.ndim(args[0]) else 1.0
    one, other = (hvp(f)(*args, direction) for f in with_and_without(name))
    np.testing.assert_allclose(other, one, rtol=1e-12)


def decay(x: Any, steps: int) -> Any:
    for _ in checkpointed(range(steps), slots=5):
        x = x - 0.1 * np.sin(x)
    return x


def test_hessian() -> None:
    def plain(x: Any, steps: int) -> Any:
        for _ in range(steps):
            x = x - 0.1 * np.sin(x)
        return x

    assert hessian(decay)(1.0, 12) == pytest.approx(hessian(plain)(1.0, 12), rel=1e-12)
    assert grad(grad(decay))(1.0, 12) == pytest.approx(grad(grad(plain))(1.0, 12), rel=1e-12)


def test_without_a_derivative_it_is_what_it_is_given() -> None:
    turns = range(3)
    assert checkpointed(turns) is turns
    assert checkpointed(turns, slots=2) is turns
    with pytest.raises(ValueError, match="0 slots hold no state"):
        checkpointed(turns, slots=0)


class Stack(list[Any]):
    """A list that knows how long it has been."""

    longest = 0

    def append(self, entry: Any) -> None:
        super().append(entry)
        Stack.longest = max(Stack.longest, len(self))


class Counting:
    """NumPy, with the calls of `sin` counted."""

    def __init__(self) -> None:
        self.sines = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def sin(self, x: Any) -> Any:
        self.sines += 1
        return np.sin(x)


def fewest_runs(turns: int, slots: int) -> int:
    """Of turns, to take back so many (Griewank and Walther, Evaluating Derivatives, proposition 12.3)."""
    rounds = 0
    while math.comb(slots + rounds, slots) < turns:
        rounds += 1
    return rounds * turns - math.comb(slots + rounds, rounds - 1) if rounds else 0


@pytest.mark.parametrize("slots", [1, 2, 3, 5, 10, None])
@pytest.mark.parametrize("turns", [1, 2, 3, 10, 64, 100])
def test_as_few_turns_are_run_as_with_revolve(turns: int, slots: int | None) -> None:
    program = function_from_source(
        f"""
        def f(x, steps):
            for _ in checkpointed(range(steps), slots={slots}):
                x = x + 0.1 * np.sin(x)
            return np.sum(x)
        """,
        checkpointed=checkpointed,
    )
    text = grad(program).source_for(np.ones(2), turns)
    counting = Counting()
    namespace: dict[str, Any] = {"math": math, "Stack": Stack, "np": counting}
    body = text.replace("import numpy as np\n", "").replace("checkpoints = []", "checkpoints = Stack()")
    exec(body, namespace)
    Stack.longest = 0
    namespace["f_grad"](np.ones(2), turns)
    allowed = 2 * turns.bit_length() if slots is None else slots
    assert Stack.longest <= allowed
    # The state after the last turn is the one that is reached first.
    assert counting.sines == fewest_runs(turns + 1, allowed)


def test_memory_of_ten_thousand_turns() -> None:
    """No more than 40 states, where the tape has 10,000 of each array that is read."""

    def burgers(u: Any, c: float, steps: int) -> Any:
        u = u.copy()
        for _ in checkpointed(range(steps)):
            u[1:] -= c * u[1:] * (u[1:] - u[:-1])
        return np.sum(u * u)

    state, steps = 1.0 + 0.5 * np.sin(np.linspace(0.0, 6.0, 1024)), 10_000
    derivative = grad(burgers)
    derivative(state, 0.4, 3)
    tracemalloc.start()
    try:
        derivative(state, 0.4, steps)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * state.nbytes


def test_nothing_is_kept_of_what_is_linear() -> None:
    text, arguments, _ = PROGRAMS["linear"]
    derivative = grad(
        function_from_source(text.replace("TURNS(", "checkpointed("), checkpointed=checkpointed)
    )
    assert "checkpoints" not in derivative.source_for(*arguments(3)).replace("checkpointed", "")


def test_only_the_state_is_kept() -> None:
    """Not the running cost, which no turn reads."""
    _, arguments, _ = PROGRAMS["running_cost"]
    derivative = grad(with_and_without("running_cost")[1])
    assert "checkpoints.append((t, u.copy()))" in derivative.source_for(*arguments(3))


def test_the_caller_s_array_is_left_alone() -> None:
    _, arguments, _ = PROGRAMS["argument_written"]
    derivative = grad(with_and_without("argument_written")[1])
    u, *rest = arguments(20)
    before = u.copy()
    derivative(u, *rest)
    assert u.tolist() == before.tolist()


def test_slots_may_be_an_argument() -> None:
    def program(x: Any, steps: int, slots: int) -> Any:
        for _ in checkpointed(range(steps), slots):
            x = x + 0.1 * np.sin(x)
        return x

    derivative = grad(program)
    assert derivative(1.0, 20, 3) == derivative(1.0, 20, 1) == derivative(1.0, 20, 50)
    assert "4 - len(checkpoints)" in derivative.source_for(1.0, 20, 3)


ELSEWHERE = (
    "`checkpointed` is for the turns of a `for` statement",
    "put it around all that the statement runs over",
)
REFUSED = {
    "checkpointed(3)": ("`3` has no items", "give a tuple"),
    "checkpointed()": ("this call does not fit", "write `checkpointed(range(n), slots=10)`"),
    "checkpointed(range(n), slots=0)": ("0 slots hold no state to start from", "give at least 1"),
    "checkpointed(range(n), slots=2.5)": ("is given as the number of slots", "give a whole number"),
    "checkpointed(range(n), slots=int(x))": ("the number of slots is not known", "as a whole number"),
    "checkpointed(checkpointed(range(n)))": ELSEWHERE,
    "checkpointed([x, x])": ("whose items are taken one by one", "run over a range or an array"),
    "enumerate(checkpointed(range(n)))": ELSEWHERE,
    "zip(xs, checkpointed(range(n)))": ELSEWHERE,
    "reversed(checkpointed(range(n)))": ELSEWHERE,
}


@pytest.mark.parametrize("iterable", REFUSED)
def test_refusals_of_what_is_run_over(iterable: str) -> None:
    reason, advice = REFUSED[iterable]
    program = function_from_source(
        f"""
        def f(x, n, xs):
            for k in {iterable}:
                x = x * x
            return x
        """,
        checkpointed=checkpointed,
    )
    with pytest.raises(Unsupported) as caught:
        grad(program)(2.0, 3, np.ones(3))
    error = caught.value
    assert reason in error.reason
    assert advice in error.advice
    assert error.lineno == 2
    assert error.text is not None and error.offset is not None and error.end_offset is not None
    assert "checkpointed" in error.text[error.offset - 1 : error.end_offset]


INSIDE = {
    "x * rng.normal()": ("this one draws random numbers", "draw them before the loop"),
    "x * draw(rng)": ("this one draws random numbers", "draw them before the loop"),
    "x * time.perf_counter()": ("this one reads a clock", "read it outside of the loop"),
    "x * np.sum(np.ones((2, 3, 4)), axis=k)[0, 0]": ("an axis is not known while compiling", "plain int"),
    "sum([x * t for t in checkpointed(range(3))])": ELSEWHERE,
    "sum(map(np.sin, checkpointed(range(3))))": ELSEWHERE,
}


@pytest.mark.parametrize("expression", INSIDE)
def test_refusals_of_what_a_turn_does(expression: str) -> None:
    import time

    reason, advice = INSIDE[expression]
    program = function_from_source(
        f"""
        def draw(rng):
            return rng.normal()
        def f(x, rng):
            for k in checkpointed(range(3)):
                x = {expression}
            return x
        """,
        checkpointed=checkpointed,
        time=time,
    )
    with pytest.raises(Unsupported) as caught:
        grad(program)(2.0, np.random.default_rng(0))
    assert reason in caught.value.reason
    assert advice in caught.value.advice
    assert caught.value.lineno in (2, 5)


def test_messages_are_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    program = function_from_source(
        """
        def f(x, steps):
            for t in checkpointed(range(steps)):
                print("turn", t)
                x = x + 0.1 * np.sin(x)
            return x
        """,
        **KNOWN,
    )
    grad(program)(1.0, 5)
    assert capsys.readouterr().out.splitlines() == [f"turn {t}" for t in range(5)]


def in_checkpoints(text: str, slots: int | None) -> str:
    """A program with all its `for` statements under `checkpointed`."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.For):
            node.iter = ast.Call(ast.Name("checkpointed", ast.Load()), [node.iter, ast.Constant(slots)], [])
    return ast.unparse(ast.fix_missing_locations(tree))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.generate,))
@given(programs(), st.sampled_from([None, 1, 2, 3]))
def test_random_programs(program: Program, slots: int | None) -> None:
    """Pullbacks with all loops checkpointed, nested ones too: those of the loops as they are."""
    rng = np.random.default_rng(0)
    args = draw_arguments(program, rng)
    again = function_from_source(in_checkpoints(program.text, slots), **KNOWN)
    plain = function_from_source(program.text)
    with np.errstate(all="ignore"):
        try:
            value, pullback = vjp(plain, *copied(args))
            same, repeated = vjp(again, *copied(args))
        except (Unsupported, ValueError, ArithmeticError):
            assume(False)
        numbers = numbers_in(value)
        assume(numbers.size)
        seed = in_structure(rng.uniform(-1.0, 1.0, numbers.size), value)
        np.testing.assert_array_equal(numbers_in(same), numbers)
        wanted, *found = pullback(seed), repeated(seed), repeated(seed)
    for cotangents in found:
        for one, other in zip(wanted, cotangents, strict=True):
            if one is not None:
                np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-14)


def copied(args: list[Any]) -> list[Any]:
    return [arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args]
