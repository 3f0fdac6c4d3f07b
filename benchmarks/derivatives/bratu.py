"""The residual of Bratu's problem on a line: its Jacobian, dense for 200 unknowns, sparse for 100,000."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.derivatives.contenders import DerivativeProgram
from benchmarks.harness.contenders import AUTOGRAD, OURS, PRIMAL
from benchmarks.harness.program import times_slower

Array = NDArray[np.float64]


def residual(u, rate):
    inside = np.concatenate([np.zeros(1), u, np.zeros(1)])
    bent = inside[2:] - 2.0 * u + inside[:-2]
    return bent + rate * np.exp(u / (1.0 + 0.05 * u))


def slope(u: Array, rate: float) -> Array:
    whole = 1.0 + 0.05 * u
    return rate * np.exp(u / whole) / (whole * whole) - 2.0


def jacobian(u: Array, rate: float) -> Array:
    n = len(u)
    return np.diag(slope(u, rate)) + np.eye(n, k=1) + np.eye(n, k=-1)


def entries(u: Array, rate: float) -> Array:
    """Those of the rows, in order: the diagonal, the one above, the one below of the next row, and again."""
    result = np.ones(3 * len(u) - 2)
    result[::3] = slope(u, rate)
    return result


def entries_in_jax() -> Callable[..., Any]:
    """Three directions at once, and the entries read off by places known beforehand."""
    import jax
    import jax.numpy as jnp

    n = 100_000
    seeds = jnp.asarray(np.arange(n) % 3 == np.arange(3)[:, np.newaxis], dtype=jnp.float64)
    row = np.repeat(np.arange(n), 3)[1:-1]
    column = row + np.tile([-1, 0, 1], n)[1:-1]
    places = jnp.asarray((column % 3) * n + row)

    def residual_in_jax(u: Any, rate: Any) -> Any:
        inside = jnp.concatenate([jnp.zeros(1), u, jnp.zeros(1)])
        return inside[2:] - 2.0 * u + inside[:-2] + rate * jnp.exp(u / (1.0 + 0.05 * u))

    def sparse(u: Any, rate: Any) -> Any:
        def along(seed: Any) -> Any:
            return jax.jvp(lambda u: residual_in_jax(u, rate), (u,), (seed,))[1]

        return jax.vmap(along)(seeds).ravel()[places]

    return sparse


def inputs(n: int) -> tuple[Any, ...]:
    return np.random.default_rng(0).uniform(size=n), 1e-4


DENSE = DerivativeProgram(
    name="bratu_jacobian",
    title="Bratu n=200, Jacobian",
    kind="jacfwd",
    function=residual,
    inputs=partial(inputs, 200),
    by_hand=jacobian,
)
SPARSE = DerivativeProgram(
    name="bratu_sparse",
    title="Bratu n=100000, sparse Jacobian",
    kind="sparse",
    function=residual,
    inputs=partial(inputs, 100_000),
    by_hand=entries,
    sparse_in_jax=entries_in_jax,
    is_large=True,
    left_out={AUTOGRAD: "it has no Jacobians of several directions at once"},
    targets=(*DENSE.targets, times_slower(6.0, PRIMAL, OURS)),
)
PROGRAMS = (DENSE, SPARSE)
