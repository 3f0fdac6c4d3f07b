"""An LSTM cell of 14 units over 100 steps, predicting the next value of a series of 3 numbers."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The benchmarked function is written as users write NumPy: without annotations.

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.program import Program

Array = NDArray[np.float64]

UNITS = 14


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def loss(Wx, Wh, b, V, series):
    h = np.zeros(UNITS)
    c = np.zeros(UNITS)
    error = 0.0
    for t in range(len(series) - 1):
        z = series[t] @ Wx + h @ Wh + b
        i = sigmoid(z[:UNITS])
        f = sigmoid(z[UNITS : 2 * UNITS])
        o = sigmoid(z[2 * UNITS : 3 * UNITS])
        g = np.tanh(z[3 * UNITS :])
        c = f * c + i * g
        h = o * np.tanh(c)
        error = error + np.sum((h @ V - series[t + 1]) ** 2)
    return error


def by_hand(Wx: Array, Wh: Array, b: Array, V: Array, series: Array) -> tuple[Array, Array, Array, Array]:
    steps = len(series) - 1
    # What does not go round the loop is done for all steps at once.
    gates = series[:-1] @ Wx
    gates += b
    states = np.zeros((steps + 1, UNITS))  # h before each step, and after the last
    cells = np.zeros((steps + 1, UNITS))
    tanhs = np.empty((steps, UNITS))
    work = np.empty(UNITS)
    parts = gates.reshape(steps, 4, UNITS)
    for t in range(steps):
        z = gates[t]
        z += states[t].dot(Wh)
        three = z[: 3 * UNITS]
        np.negative(three, three)
        np.exp(three, three)
        three += 1.0
        np.reciprocal(three, three)
        i, f, o, g = parts[t]
        np.tanh(g, g)
        c = cells[t + 1]
        np.multiply(f, cells[t], c)
        np.multiply(i, g, work)
        c += work
        tanh_c = tanhs[t]
        np.tanh(c, tanh_c)
        np.multiply(o, tanh_c, states[t + 1])

    error_bar = states[1:] @ V
    error_bar -= series[1:]
    error_bar *= 2.0
    states_bar = error_bar @ V.T
    V_bar = states[1:].T @ error_bar

    # The partials of all gates: of c by i, f, g and of h by o, then through the sigmoids and tanh.
    inputs, forgets, outputs = parts[:, 0], parts[:, 1], parts[:, 2]
    candidates = parts[:, 3]
    partials = np.empty((steps, 4, UNITS))
    sigmoids = parts[:, :3]
    np.subtract(1.0, sigmoids, partials[:, :3])
    partials[:, :3] *= sigmoids
    partials[:, 0] *= candidates
    partials[:, 1] *= cells[:-1]
    partials[:, 2] *= tanhs
    np.square(candidates, partials[:, 3])
    np.subtract(1.0, partials[:, 3], partials[:, 3])
    partials[:, 3] *= inputs
    np.square(tanhs, tanhs)
    np.subtract(1.0, tanhs, tanhs)
    tanhs *= outputs  # the partial of h by c

    Wh_T = np.ascontiguousarray(Wh.T)
    c_bar = np.zeros(UNITS)
    z_bars = partials.reshape(steps, 4 * UNITS)
    for t in range(steps - 1, -1, -1):
        h_bar = states_bar[t]
        if t < steps - 1:
            h_bar += z_bars[t + 1].dot(Wh_T)
        np.multiply(h_bar, tanhs[t], work)
        c_bar += work
        i_f, o, g = partials[t, :2], partials[t, 2], partials[t, 3]
        i_f *= c_bar
        o *= h_bar
        g *= c_bar
        c_bar *= forgets[t]
    return series[:-1].T @ z_bars, states[:-1].T @ z_bars, z_bars.sum(axis=0), V_bar


def in_jax() -> Callable[..., Any]:
    import jax
    import jax.numpy as jnp

    def loss(Wx: Any, Wh: Any, b: Any, V: Any, series: Any) -> Any:
        def step(state: Any, x: Any) -> Any:
            h, c = state
            i, f, o, g = jnp.split(x + h @ Wh, 4)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        start = jnp.zeros(UNITS), jnp.zeros(UNITS)
        states = jax.lax.scan(step, start, series[:-1] @ Wx + b)[1]
        return ((states @ V - series[1:]) ** 2).sum()

    return loss


def in_torch() -> Callable[..., Any]:
    import torch

    def loss(Wx: Any, Wh: Any, b: Any, V: Any, series: Any) -> Any:
        h = torch.zeros(UNITS, dtype=torch.float64)
        c = torch.zeros(UNITS, dtype=torch.float64)
        states = []
        for x in series[:-1] @ Wx + b:
            i, f, o, g = (x + h @ Wh).chunk(4)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            states.append(h)
        return ((torch.stack(states) @ V - series[1:]) ** 2).sum()

    return loss


def inputs() -> tuple[Array, ...]:
    random = np.random.default_rng(0)
    return (
        random.normal(size=(3, 4 * UNITS)) / 2,
        random.normal(size=(UNITS, 4 * UNITS)) / 4,
        random.normal(size=4 * UNITS) / 4,
        random.normal(size=(UNITS, 3)) / 4,
        random.normal(size=(101, 3)),
    )


PROGRAM = Program(
    name="lstm",
    title="LSTM 3-14, 100 steps",
    function=loss,
    argnums=(0, 1, 2, 3),
    inputs=inputs,
    by_hand=by_hand,
    in_jax=in_jax,
    in_torch=in_torch,
)
