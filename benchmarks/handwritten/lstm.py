"""LSTM: one loop over the steps each way, with the products by `Wh` as loops over its rows.

Saved of a step: its four gates, the cell, its tanh and the state. The products with the series, which do not
go round the loop, are done before it. Backwards the adjoint of `Wh` grows row by row while a step's
cotangents are in the cache.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.handwritten.compiling import native, native_with
from benchmarks.handwritten.elementary import logistic, logistic_of_libm, tanh, tanh_of_libm
from benchmarks.loops.lstm import UNITS

Array = NDArray[np.float64]


@native
def gradient(Wx: Array, Wh: Array, b: Array, V: Array, series: Array) -> tuple[Array, Array, Array, Array]:
    steps, inputs = series.shape[0] - 1, series.shape[1]
    gates = np.empty((steps, 4 * UNITS))
    states = np.empty((steps + 1, UNITS))
    cells = np.empty((steps + 1, UNITS))
    tanhs = np.empty((steps, UNITS))
    errors = np.empty((steps, inputs))
    for u in range(UNITS):
        states[0, u] = 0.0
        cells[0, u] = 0.0
    z = np.empty(4 * UNITS)
    for t in range(steps):
        for j in range(4 * UNITS):
            z[j] = b[j]
        for k in range(inputs):
            x = series[t, k]
            for j in range(4 * UNITS):
                z[j] += x * Wx[k, j]
        for u in range(UNITS):
            h = states[t, u]
            for j in range(4 * UNITS):
                z[j] += h * Wh[u, j]
        for j in range(3 * UNITS):
            gates[t, j] = logistic(z[j])
        for u in range(UNITS):
            gates[t, 3 * UNITS + u] = tanh(z[3 * UNITS + u])
        for u in range(UNITS):
            c = gates[t, UNITS + u] * cells[t, u] + gates[t, u] * gates[t, 3 * UNITS + u]
            cells[t + 1, u] = c
            tanh_c = tanh(c)
            tanhs[t, u] = tanh_c
            states[t + 1, u] = gates[t, 2 * UNITS + u] * tanh_c
        for k in range(inputs):
            error = -series[t + 1, k]
            for u in range(UNITS):
                error += states[t + 1, u] * V[u, k]
            errors[t, k] = 2.0 * error

    Wx_bar = np.zeros((inputs, 4 * UNITS))
    Wh_bar = np.zeros((UNITS, 4 * UNITS))
    b_bar = np.zeros(4 * UNITS)
    V_bar = np.zeros((UNITS, inputs))
    h_bar = np.zeros(UNITS)
    c_bar = np.zeros(UNITS)
    z_bar = z
    for step in range(steps):
        t = steps - 1 - step
        for u in range(UNITS):
            for k in range(inputs):
                h_bar[u] += errors[t, k] * V[u, k]
                V_bar[u, k] += states[t + 1, u] * errors[t, k]
        for u in range(UNITS):
            i, f = gates[t, u], gates[t, UNITS + u]
            o, g = gates[t, 2 * UNITS + u], gates[t, 3 * UNITS + u]
            c = c_bar[u] + h_bar[u] * o * (1.0 - tanhs[t, u] * tanhs[t, u])
            z_bar[u] = c * g * i * (1.0 - i)
            z_bar[UNITS + u] = c * cells[t, u] * f * (1.0 - f)
            z_bar[2 * UNITS + u] = h_bar[u] * tanhs[t, u] * o * (1.0 - o)
            z_bar[3 * UNITS + u] = c * i * (1.0 - g * g)
            c_bar[u] = c * f
        for j in range(4 * UNITS):
            b_bar[j] += z_bar[j]
        for k in range(inputs):
            x = series[t, k]
            for j in range(4 * UNITS):
                Wx_bar[k, j] += x * z_bar[j]
        for u in range(UNITS):
            h = states[t, u]
            total = 0.0
            for j in range(4 * UNITS):
                Wh_bar[u, j] += h * z_bar[j]
                total += Wh[u, j] * z_bar[j]
            h_bar[u] = total
    return Wx_bar, Wh_bar, b_bar, V_bar


gradient_with_libm = native_with(gradient, "gradient_with_libm", logistic=logistic_of_libm, tanh=tanh_of_libm)
