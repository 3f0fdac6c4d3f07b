"""The Thomas algorithm for a tridiagonal system of 200 unknowns: two loops of scalars."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.program import Program

Array = NDArray[np.float64]


def thomas(a, b, c, d):
    n = len(d)
    upper = np.zeros(n)
    right = np.zeros(n)
    upper[0] = c[0] / b[0]
    right[0] = d[0] / b[0]
    for i in range(1, n):
        pivot = b[i] - a[i] * upper[i - 1]
        upper[i] = c[i] / pivot
        right[i] = (d[i] - a[i] * right[i - 1]) / pivot
    x = np.zeros(n)
    x[n - 1] = right[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = right[i] - upper[i] * x[i + 1]
    return np.sum(x * x)


def by_hand(a: Array, b: Array, c: Array, d: Array) -> tuple[Array, Array, Array, Array]:
    steps = []  # a, pivot, upper, right of each row
    u = r = 0.0
    for ai, bi, ci, di in zip(a.tolist(), b.tolist(), c.tolist(), d.tolist(), strict=True):
        pivot = bi - ai * u
        u = ci / pivot
        r = (di - ai * r) / pivot
        steps.append((ai, pivot, u, r))
    x = 0.0
    xs = []
    for _, _, u, r in reversed(steps):
        x = r - u * x
        xs.append(x)
    xs.reverse()

    # Forwards through the back substitution: right_bar is x_bar.
    x_bar = 0.0
    upper_before = 0.0
    right_bars = []
    for x, (_, _, u, _) in zip(xs, steps, strict=True):
        x_bar = 2.0 * x - upper_before * x_bar
        right_bars.append(x_bar)
        upper_before = u
    xs.append(0.0)

    # Backwards through the elimination.
    n = len(steps)
    a_bar, b_bar, c_bar, d_bar = [0.0] * n, [0.0] * n, [0.0] * n, [0.0] * n
    upper_carried = right_carried = 0.0
    for i in range(n - 1, -1, -1):
        ai, pivot, u, r = steps[i]
        t = right_bars[i]
        s = (upper_carried - t * xs[i + 1]) / pivot
        t = (t + right_carried) / pivot
        pivot_bar = -t * r - s * u
        c_bar[i] = s
        d_bar[i] = t
        b_bar[i] = pivot_bar
        if i:
            _, _, u, r = steps[i - 1]
            a_bar[i] = -t * r - pivot_bar * u
            right_carried = -t * ai
            upper_carried = -pivot_bar * ai
    return np.array(a_bar), np.array(b_bar), np.array(c_bar), np.array(d_bar)


def in_jax() -> Callable[..., Any]:
    from jax import lax

    def thomas(a: Any, b: Any, c: Any, d: Any) -> Any:
        def eliminate(before: Any, row: Any) -> Any:
            upper, right = before
            a, b, c, d = row
            pivot = b - a * upper
            result = c / pivot, (d - a * right) / pivot
            return result, result

        def substitute(following: Any, row: Any) -> Any:
            upper, right = row
            x = right - upper * following
            return x, x

        start = c[0] / b[0], d[0] / b[0]
        last, rows = lax.scan(eliminate, start, (a[1:-1], b[1:-1], c[1:-1], d[1:-1]))
        end = (d[-1] - a[-1] * last[1]) / (b[-1] - a[-1] * last[0])
        second, xs = lax.scan(substitute, end, rows, reverse=True)
        first = start[1] - start[0] * second
        return first**2 + (xs * xs).sum() + end**2

    return thomas


def in_torch() -> Callable[..., Any]:
    import torch

    def thomas(a: Any, b: Any, c: Any, d: Any) -> Any:
        # Unbound once: an index into a tensor costs several microseconds, here and in the reverse sweep.
        rows = list(zip(*(v.unbind() for v in (a, b, c, d)), strict=True))
        _, b0, c0, d0 = rows[0]
        uppers, rights = [c0 / b0], [d0 / b0]
        for ai, bi, ci, di in rows[1:]:
            pivot = bi - ai * uppers[-1]
            rights.append((di - ai * rights[-1]) / pivot)
            uppers.append(ci / pivot)
        xs = [rights[-1]]
        for upper, right in zip(uppers[-2::-1], rights[-2::-1], strict=True):
            xs.append(right - upper * xs[-1])
        x = torch.stack(xs)
        return (x * x).sum()

    return thomas


def in_autograd() -> Callable[..., Any]:
    import autograd.numpy as np

    def thomas(a: Any, b: Any, c: Any, d: Any) -> Any:
        n = len(d)
        uppers, rights = [c[0] / b[0]], [d[0] / b[0]]
        for i in range(1, n):
            pivot = b[i] - a[i] * uppers[-1]
            rights.append((d[i] - a[i] * rights[-1]) / pivot)
            uppers.append(c[i] / pivot)
        xs = [rights[-1]]
        for i in range(n - 2, -1, -1):
            xs.append(rights[i] - uppers[i] * xs[-1])
        x = np.array(xs)
        return np.sum(x * x)

    return thomas


def inputs(n: int = 200) -> tuple[Array, ...]:
    random = np.random.default_rng(0)
    a, c, d = random.normal(size=(3, n))
    return a, 4 + random.uniform(size=n), c, d


PROGRAM = Program(
    name="thomas",
    title="Thomas solver n=200",
    function=thomas,
    argnums=(0, 1, 2, 3),
    inputs=inputs,
    by_hand=by_hand,
    in_jax=in_jax,
    in_torch=in_torch,
    in_autograd=in_autograd,
)
