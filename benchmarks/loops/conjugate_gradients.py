"""Conjugate gradients until the residual is small: a `while` over matrix-vector products, n = 50.

The gradient is that of the iterates, through every step taken. (An implicit derivative would be
another function: it takes the system for solved exactly and the matrix for symmetric.)
"""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.program import Program

Array = NDArray[np.float64]


def conjugate_gradients(A, b, tolerance):
    x = np.zeros_like(b)
    r = b.copy()
    p = r.copy()
    rr = r @ r
    while rr > tolerance**2:
        Ap = A @ p
        alpha = rr / (p @ Ap)
        x += alpha * p
        r -= alpha * Ap
        previous = rr
        rr = r @ r
        p = r + (rr / previous) * p
    return np.sum(x * x)


def by_hand(A: Array, b: Array, tolerance: float) -> tuple[Array, Array]:
    x = np.zeros_like(b)
    r = p = b
    rr = r.dot(r).item()
    bound = tolerance**2
    tape = []
    while rr > bound:
        Ap = A.dot(p)
        pAp = p.dot(Ap).item()
        alpha = rr / pAp
        x += alpha * p
        following = Ap * -alpha
        following += r
        previous, rr = rr, following.dot(following).item()
        beta = rr / previous
        tape.append((p, Ap, pAp, alpha, previous, following, beta))
        r = following
        p = beta * p
        p += r

    # x_bar is the same before and after `x += alpha * p`.
    x_bar = x
    x_bar *= 2.0
    r_bar, p_bar, rr_bar = np.zeros_like(b), np.zeros_like(b), 0.0
    Ap_bars, ps = [], []
    for p, Ap, pAp, alpha, previous, following, beta in reversed(tape):
        # p = r + beta * p, beta = rr / previous, rr = r @ r
        r_bar += p_bar
        beta_bar = p_bar.dot(p).item()
        p_bar *= beta
        rr_bar += beta_bar / previous
        previous_bar = -beta_bar * beta / previous
        r_bar += (2.0 * rr_bar) * following
        # r -= alpha * Ap, x += alpha * p, alpha = rr / (p @ Ap)
        alpha_bar = x_bar.dot(p).item() - r_bar.dot(Ap).item()
        s = -alpha_bar * alpha / pAp
        rr_bar = previous_bar + alpha_bar / pAp
        Ap_bar = s * p
        Ap_bar -= alpha * r_bar
        p_bar += alpha * x_bar
        p_bar += s * Ap
        # Ap = A @ p; the outer products for A_bar are summed at the end, by one product of matrices
        p_bar += Ap_bar.dot(A)
        Ap_bars.append(Ap_bar)
        ps.append(p)
    r_bar += p_bar
    r_bar += (2.0 * rr_bar) * b
    if not tape:
        return np.zeros_like(A), r_bar
    return np.array(Ap_bars).T @ np.array(ps), r_bar


def in_jax() -> Callable[..., Any]:
    import jax
    import jax.numpy as jnp
    from jax import lax

    def conjugate_gradients(A: Any, b: Any, tolerance: Any) -> Any:
        # `lax.while_loop` has no reverse mode: as many steps as could be needed, the last ones idle.
        def step(state: Any) -> Any:
            x, r, p, rr = state
            Ap = A @ p
            alpha = rr / (p @ Ap)
            x = x + alpha * p
            r = r - alpha * Ap
            following = r @ r
            return x, r, r + (following / rr) * p, following

        def step_unless_done(_: Any, state: Any) -> Any:
            return lax.cond(state[3] > tolerance**2, step, lambda state: state, state)

        state = jnp.zeros_like(b), b, b, b @ b
        x = lax.fori_loop(0, b.shape[0], jax.checkpoint(step_unless_done), state)[0]
        return (x * x).sum()

    return conjugate_gradients


def without_writes(A, b, tolerance):
    """The program for PyTorch and autograd, which do not overwrite what they will read."""
    x = 0 * b
    r = p = b
    rr = r @ r
    while rr > tolerance**2:
        Ap = A @ p
        alpha = rr / (p @ Ap)
        x = x + alpha * p
        r = r - alpha * Ap
        previous = rr
        rr = r @ r
        p = r + (rr / previous) * p
    return (x * x).sum()


def inputs() -> tuple[Any, ...]:
    random = np.random.default_rng(0)
    factor = random.normal(size=(50, 50))
    return factor @ factor.T / 50 + np.eye(50), random.normal(size=50), 1e-8


PROGRAM = Program(
    name="conjugate_gradients",
    title="conjugate gradients n=50",
    function=conjugate_gradients,
    argnums=(0, 1),
    inputs=inputs,
    by_hand=by_hand,
    in_jax=in_jax,
    in_torch=lambda: without_writes,
    in_autograd=lambda: without_writes,
)
