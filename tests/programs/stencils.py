"""Grids: stencils in one, two and three dimensions, waves, transport, convolution and pooling."""

from __future__ import annotations

import numpy as np

from tests.programs.corpus import program

RNG = np.random.default_rng(14)
LINE = RNG.uniform(0.5, 1.5, 8)
PLANE = RNG.uniform(0.5, 1.5, (5, 6))
CUBE = RNG.uniform(0.5, 1.5, (4, 4, 5))


@program(LINE)
def jacobi_1d(A):
    A = A.copy()
    B = A.copy()
    for _ in range(3):
        B[1:-1] = 0.33333 * (A[:-2] + A[1:-1] + A[2:])
        A[1:-1] = 0.33333 * (B[:-2] + B[1:-1] + B[2:])
    return A


@program(LINE, np.array([0.2, 0.5, 0.3]))
def jacobi_1d_by_loops(a, weights):
    """The two arrays change places after every sweep."""
    old = a.copy()
    new = a.copy()
    for _ in range(3):
        for i in range(1, len(a) - 1):
            new[i] = weights[0] * old[i - 1] + weights[1] * old[i] + weights[2] * old[i + 1]
        old, new = new, old
    return old


@program(PLANE)
def jacobi_2d(A):
    A = A.copy()
    B = np.copy(A)
    for _ in range(2):
        B[1:-1, 1:-1] = 0.2 * (A[1:-1, 1:-1] + A[1:-1, :-2] + A[1:-1, 2:] + A[2:, 1:-1] + A[:-2, 1:-1])
        A[1:-1, 1:-1] = 0.2 * (B[1:-1, 1:-1] + B[1:-1, :-2] + B[1:-1, 2:] + B[2:, 1:-1] + B[:-2, 1:-1])
    return A


@program(np.zeros((4, 5)) + 0.3, 1.0 + RNG.uniform(0.0, 1.0, (4, 5)))
def jacobi_poisson_to_convergence(u, f):
    change = 1.0
    while change > 1e-13:
        new = u.copy()
        new[1:-1, 1:-1] = 0.25 * (u[1:-1, :-2] + u[1:-1, 2:] + u[:-2, 1:-1] + u[2:, 1:-1] + f[1:-1, 1:-1])
        change = np.max(np.abs(new - u))
        u = new
    return u


@program(LINE)
def gauss_seidel_1d(a):
    a = a.copy()
    for _ in range(4):
        for i in range(1, len(a) - 1):
            a[i] = (a[i - 1] + a[i] * a[i] + a[i + 1]) / 3.0
    return a


@program(PLANE)
def gauss_seidel_2d(A):
    A = A.copy()
    n, m = A.shape
    for _ in range(2):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                A[i, j] = (
                    A[i - 1, j - 1]
                    + A[i - 1, j]
                    + A[i - 1, j + 1]
                    + A[i, j - 1]
                    + A[i, j]
                    + A[i, j + 1]
                    + A[i + 1, j - 1]
                    + A[i + 1, j]
                    + A[i + 1, j + 1]
                ) / 9.0
    return A


@program(PLANE)
def gauss_seidel_2d_by_rows(A):
    """The part of a row that does not depend on itself at once, the rest element by element."""
    A = A.copy()
    n, m = A.shape
    for i in range(1, n - 1):
        A[i, 1:-1] += A[i - 1, :-2] + A[i - 1, 1:-1] + A[i - 1, 2:]
        A[i, 1:-1] += A[i, 2:] + A[i + 1, :-2] + A[i + 1, 1:-1] + A[i + 1, 2:]
        for j in range(1, m - 1):
            A[i, j] += A[i, j - 1]
            A[i, j] /= 9.0
    return A


@program(PLANE, RNG.uniform(-1.0, 1.0, (5, 6)), 1.4)
def red_black_relaxation(u, f, omega):
    u = u.copy()
    for _ in range(2):
        for colour in (0, 1):
            for i in range(1, u.shape[0] - 1):
                for j in range(1 + (i + colour) % 2, u.shape[1] - 1, 2):
                    residual = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - f[i, j] - 4 * u[i, j]
                    u[i, j] += omega * residual / 4
    return u


@program(LINE, 0.2)
def heat_1d(u, r):
    u = u.copy()
    for _ in range(10):
        u[1:-1] += r * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u


@program(LINE, 0.2)
def nonlinear_heat_1d(u, r):
    """The conductivity grows with the square of the temperature."""
    for _ in range(5):
        k = 1 + 0.5 * u**2
        flux = 0.5 * (k[1:] + k[:-1]) * (u[1:] - u[:-1])
        new = u.copy()
        new[1:-1] = u[1:-1] + r * (flux[1:] - flux[:-1])
        u = new
    return u


@program(PLANE, 0.15)
def heat_2d(u, r):
    for _ in range(4):
        laplacian = np.zeros_like(u)
        for i in range(u.shape[0]):
            for j in range(u.shape[1]):
                for di, dj in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                    laplacian[i, j] += u[(i + di) % u.shape[0], (j + dj) % u.shape[1]] - u[i, j]
        u = u + r * laplacian
    return u


@program(CUBE, 0.1)
def heat_3d(A, r):
    A = A.copy()
    for _ in range(2):
        B = A.copy()
        A[1:-1, 1:-1, 1:-1] = (
            r * (B[2:, 1:-1, 1:-1] - 2.0 * B[1:-1, 1:-1, 1:-1] + B[:-2, 1:-1, 1:-1])
            + r * (B[1:-1, 2:, 1:-1] - 2.0 * B[1:-1, 1:-1, 1:-1] + B[1:-1, :-2, 1:-1])
            + r * (B[1:-1, 1:-1, 2:] - 2.0 * B[1:-1, 1:-1, 1:-1] + B[1:-1, 1:-1, :-2])
            + B[1:-1, 1:-1, 1:-1]
        )
    return A


@program(CUBE[:3, :3, :4])
def jacobi_3d_by_loops(a):
    n, m, p = a.shape
    b = a.copy()
    for i in range(1, n - 1):
        for j in range(1, m - 1):
            for k in range(1, p - 1):
                b[i, j, k] = (
                    a[i - 1, j, k]
                    + a[i + 1, j, k]
                    + a[i, j - 1, k]
                    + a[i, j + 1, k]
                    + a[i, j, k - 1]
                    + a[i, j, k + 1]
                ) / 6 + a[i, j, k] ** 2
    return b


@program(CUBE[:3, :3, :4])
def gauss_seidel_3d(a):
    a = a.copy()
    for i in range(1, a.shape[0] - 1):
        for j in range(1, a.shape[1] - 1):
            for k in range(1, a.shape[2] - 1):
                a[i, j, k] += a[i - 1, j, k] + a[i, j - 1, k] + a[i, j, k - 1]
                a[i, j, k] += a[i + 1, j, k] + a[i, j + 1, k] + a[i, j, k + 1]
                a[i, j, k] *= 1.0 / 7.0
    return a


@program(LINE, 0.4)
def upwind_advection(u, c):
    u = u.copy()
    for _ in range(6):
        u[1:] = u[1:] - c * (u[1:] - u[:-1])
        u[0] = u[-1]
    return u


@program(LINE, np.array([0.5, -0.4, 0.3, 0.6, -0.5, 0.4, -0.3, 0.2]))
def upwind_by_sign(u, wind):
    """The difference is taken against the wind of each cell."""
    n = len(u)
    for _ in range(3):
        new = np.empty(n)
        for i in range(n):
            if wind[i] > 0:
                slope = u[i] - u[i - 1]
            else:
                slope = u[(i + 1) % n] - u[i]
            new[i] = u[i] - 0.5 * wind[i] * slope
        u = new
    return u


@program(LINE, 0.05)
def burgers(u, viscosity):
    dx = 0.5
    dt = 0.05
    u = u.copy()
    for _ in range(5):
        un = u.copy()
        u[1:-1] = (
            un[1:-1]
            - un[1:-1] * dt / dx * (un[1:-1] - un[:-2])
            + viscosity * dt / dx**2 * (un[2:] - 2 * un[1:-1] + un[:-2])
        )
        u[0] = un[0] - un[0] * dt / dx * (un[0] - un[-2])
        u[-1] = u[0]
    return u


@program(LINE, 0.3)
def lax_friedrichs_burgers(u, ratio):
    for _ in range(5):
        flux = 0.5 * u**2
        u = 0.5 * (np.roll(u, -1) + np.roll(u, 1)) - 0.5 * ratio * (np.roll(flux, -1) - np.roll(flux, 1))
    return u


@program(LINE, LINE[:-1] - 1.0, 0.4)
def fdtd_1d(ex, hy, c):
    """Maxwell's equations on a staggered grid, driven at the left end."""
    ex = ex.copy()
    hy = hy.copy()
    for t in range(8):
        hy += c * (ex[1:] - ex[:-1])
        ex[1:-1] += c * (hy[1:] - hy[:-1])
        ex[0] = np.sin(0.3 * t)
    return ex, hy


@program(0.1 * PLANE, 0.2 * PLANE, PLANE, np.array([0.0, 0.4, 0.9]))
def fdtd_2d(ex, ey, hz, source):
    ex, ey, hz = ex.copy(), ey.copy(), hz.copy()
    for t in range(len(source)):
        ey[0, :] = source[t]
        ey[1:, :] -= 0.5 * (hz[1:, :] - hz[:-1, :])
        ex[:, 1:] -= 0.5 * (hz[:, 1:] - hz[:, :-1])
        hz[:-1, :-1] -= 0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1])
    return ex, ey, hz


@program(LINE, 0.8)
def wave_1d(u, courant):
    previous = u
    current = u.copy()
    for _ in range(8):
        following = np.zeros_like(u)
        following[1:-1] = (
            2 * current[1:-1] - previous[1:-1] + courant**2 * (current[2:] - 2 * current[1:-1] + current[:-2])
        )
        previous, current = current, following
    return current


@program(PLANE, 0.6)
def wave_2d_energy(u, c):
    """Three time levels in one array, used in turn."""
    levels = np.zeros((3, *u.shape))
    levels[0] = u
    levels[1] = u
    for t in range(1, 5):
        past, now, coming = levels[(t - 1) % 3], levels[t % 3], levels[(t + 1) % 3]
        coming[1:-1, 1:-1] = (
            2 * now[1:-1, 1:-1]
            - past[1:-1, 1:-1]
            + c**2 * (now[2:, 1:-1] + now[:-2, 1:-1] + now[1:-1, 2:] + now[1:-1, :-2] - 4 * now[1:-1, 1:-1])
        )
    return np.sum(coming**2)


@program(RNG.uniform(-1, 1, (2, 4, 4, 2)), RNG.uniform(-1, 1, (2, 2, 2, 3)))
def conv2d(images, weights):
    """Seven nested loops."""
    N, H, W, C = images.shape
    K = weights.shape[0]
    F = weights.shape[3]
    out = np.zeros((N, H - K + 1, W - K + 1, F))
    for n in range(N):
        for i in range(H - K + 1):
            for j in range(W - K + 1):
                for f in range(F):
                    for di in range(K):
                        for dj in range(K):
                            for c in range(C):
                                out[n, i, j, f] += images[n, i + di, j + dj, c] * weights[di, dj, c, f]
    return out


@program(RNG.uniform(-1, 1, (2, 4, 4, 2)), RNG.uniform(-1, 1, (2, 2, 2, 3)), np.array([0.1, -0.2, 0.3]))
def conv2d_by_windows(images, weights, bias):
    K = weights.shape[0]
    H_out = images.shape[1] - K + 1
    W_out = images.shape[2] - K + 1
    output = np.empty((images.shape[0], H_out, W_out, weights.shape[3]))
    for i in range(H_out):
        for j in range(W_out):
            output[:, i, j, :] = np.sum(
                images[:, i : i + K, j : j + K, :, np.newaxis] * weights[np.newaxis, :, :, :],
                axis=(1, 2, 3),
            )
    return output + bias


@program(np.random.default_rng(5).permutation(36).reshape(1, 6, 6) / 18 - 1)
def max_pool(x):
    channels, height, width = x.shape
    size = 2
    out = np.zeros((channels, height // size, width // size))
    for c in range(channels):
        for i in range(0, height - size + 1, size):
            for j in range(0, width - size + 1, size):
                best = -np.inf
                for a in range(size):
                    for b in range(size):
                        if x[c, i + a, j + b] > best:
                            best = x[c, i + a, j + b]
                out[c, i // size, j // size] = best
    return out


@program(np.random.default_rng(6).permutation(32).reshape(2, 4, 4) / 16 - 1)
def max_pool_of_windows(x):
    n, h, w = x.shape
    out = np.empty((n, h // 2, w // 2))
    for i in range(h // 2):
        for j in range(w // 2):
            out[:, i, j] = np.max(x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2], axis=(1, 2))
    return np.maximum(out, 0.03125)


@program(LINE, np.array([0.25, 0.5, 0.3]))
def convolution_1d(signal, kernel):
    """Full convolution; the loop asks where the kernel ends."""
    n = len(signal)
    k = len(kernel)
    out = np.zeros(n + k - 1)
    for i in range(n + k - 1):
        for j in range(k):
            if 0 <= i - j < n:
                out[i] += signal[i - j] * kernel[j]
    return out


@program(PLANE)
def summed_area_table(image):
    """Each entry from its neighbours above and to the left; then the sum over a box."""
    h, w = image.shape
    S = np.zeros((h + 1, w + 1))
    for i in range(h):
        for j in range(w):
            S[i + 1, j + 1] = image[i, j] ** 2 + S[i, j + 1] + S[i + 1, j] - S[i, j]
    return S[4, 5] - S[1, 5] - S[4, 1] + S[1, 1]
