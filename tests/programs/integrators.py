"""Differential equations stepped through time: one state after the other, stored or overwritten."""

from __future__ import annotations

import math

import numpy as np

from tests.programs.corpus import program

RNG = np.random.default_rng(13)
BODIES = np.array([[1.0, 0.1, 0.0], [-0.9, 0.2, 0.3], [0.1, -1.1, 0.2], [0.2, 1.2, -0.4]])
VELOCITIES = RNG.uniform(-0.3, 0.3, (4, 3))
MASSES = np.array([1.0, 0.7, 0.5, 0.9])
LATTICE = np.array([[0.0, 0.0], [1.1, 0.1], [0.1, 1.2], [1.2, 1.15], [2.3, 0.1]])


@program(0.6, 0.4, 0.05)
def euler(y, rate, dt):
    for _ in range(6):
        y = y + dt * (rate * y - y * y)
    return y


@program(1.0, -0.5, 0.8)
def rk4_van_der_pol(x, v, mu):
    dt = 0.05
    for _ in range(20):
        k1x = v
        k1v = mu * (1 - x * x) * v - x
        x2 = x + 0.5 * dt * k1x
        v2 = v + 0.5 * dt * k1v
        k2x = v2
        k2v = mu * (1 - x2 * x2) * v2 - x2
        x3 = x + 0.5 * dt * k2x
        v3 = v + 0.5 * dt * k2v
        k3x = v3
        k3v = mu * (1 - x3 * x3) * v3 - x3
        x4 = x + dt * k3x
        v4 = v + dt * k3v
        k4x = v4
        k4v = mu * (1 - x4 * x4) * v4 - x4
        x += dt / 6 * (k1x + 2 * k2x + 2 * k3x + k4x)
        v += dt / 6 * (k1v + 2 * k2v + 2 * k3v + k4v)
    return x, v


def rk4_step(f, t, y, h):
    k1 = f(t, y)
    k2 = f(t + h / 2, y + h / 2 * k1)
    k3 = f(t + h / 2, y + h / 2 * k2)
    k4 = f(t + h, y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


@program(np.array([1.2, 0.8]), np.array([1.1, 0.4, 0.4, 0.9]))
def rk4_lotka_volterra(y, parameters):
    alpha, beta, gamma, delta = parameters[0], parameters[1], parameters[2], parameters[3]

    def f(t, y):
        prey, predators = y[0], y[1]
        eaten = prey * predators
        return np.array([alpha * prey - beta * eaten, delta * eaten - gamma * predators])

    t = 0.0
    h = 0.1
    while t < 0.95:
        y = rk4_step(f, t, y, h)
        t += h
    return y


@program(np.array([0.5, 0.0]), 1.3, np.linspace(0.0, 0.9, 7))
def rk4_driven_pendulum_path(state, amplitude, times):
    """The whole path, one row for each time."""

    def f(t, y):
        return np.array([y[1], -np.sin(y[0]) - 0.2 * y[1] + amplitude * np.cos(1.5 * t)])

    path = np.empty((len(times), 2))
    path[0] = state
    for k in range(len(times) - 1):
        path[k + 1] = rk4_step(f, times[k], path[k], times[k + 1] - times[k])
    return path


@program(np.array([1.0, 1.2, 0.9]), 10.0, 28.0, 8.0 / 3.0)
def heun_lorenz(state, sigma, rho, beta):
    dt = 0.01

    def lorenz(s):
        x, y, z = s[0], s[1], s[2]
        return np.array([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])

    trajectory = [state]
    for _ in range(10):
        slope = lorenz(state)
        guess = state + dt * slope
        state = state + dt / 2 * (slope + lorenz(guess))
        trajectory.append(state)
    return np.array(trajectory)


@program(np.array([1.0, 0.0]), np.array([0.1, 0.9]))
def leapfrog_kepler(position, velocity):
    dt = 0.05
    position = position.copy()
    velocity = velocity.copy()
    acceleration = -position / np.sum(position**2) ** 1.5
    for _ in range(15):
        velocity += 0.5 * dt * acceleration
        position += dt * velocity
        acceleration = -position / np.sum(position**2) ** 1.5
        velocity += 0.5 * dt * acceleration
    return position, velocity


@program(np.array([0.3, -0.2, 0.4]), np.array([0.0, 0.1, -0.3]), 1.5)
def leapfrog_chain(x, p, stiffness):
    """Three masses on nonlinear springs between two walls (Fermi-Pasta-Ulam)."""
    h = 0.1
    n = len(x)
    for step in range(10):
        force = np.zeros(n)
        for i in range(n):
            left = x[i] - x[i - 1] if i > 0 else x[i]
            right = x[i + 1] - x[i] if i < n - 1 else -x[i]
            force[i] = stiffness * (right - left) + 0.3 * (right**3 - left**3)
        p = p + (h / 2 if step == 0 else h) * force
        x = x + h * p
    return x, p


@program(BODIES, VELOCITIES, MASSES)
def n_body(positions, velocities, masses):
    """Newton's gravity between all pairs, symplectic Euler."""
    x = positions.copy()
    v = velocities.copy()
    n = len(masses)
    dt = 0.05
    for _ in range(4):
        for i in range(n):
            for j in range(i + 1, n):
                d = x[i] - x[j]
                r2 = np.dot(d, d) + 0.01
                magnitude = dt / (r2 * np.sqrt(r2))
                v[i] -= d * masses[j] * magnitude
                v[j] += d * masses[i] * magnitude
        for i in range(n):
            x[i] += dt * v[i]
    return x


@program(BODIES, VELOCITIES, MASSES)
def n_body_energy(x, v, m):
    energy = 0.0
    for i in range(len(m)):
        energy += 0.5 * m[i] * np.sum(v[i] ** 2)
        for j in range(i):
            energy -= m[i] * m[j] / np.linalg.norm(x[i] - x[j])
    return energy


@program(LATTICE, 1.0, 1.05)
def lennard_jones(positions, epsilon, sigma):
    """The potential energy of all pairs within the cutoff."""
    cutoff2 = 1.8**2
    energy = 0.0
    for i in range(len(positions)):
        for j in range(i + 1, len(positions)):
            r2 = 0.0
            for k in range(positions.shape[1]):
                d = positions[i, k] - positions[j, k]
                r2 += d * d
            if r2 > cutoff2:
                continue
            s6 = (sigma * sigma / r2) ** 3
            energy += 4 * epsilon * (s6 * s6 - s6)
    return energy


@program(LATTICE, 0.9)
def lennard_jones_dynamics(positions, sigma):
    """Velocity Verlet with forces within a cutoff, in a periodic box."""
    box = 3.6
    dt = 0.02
    x = positions.copy()
    v = np.zeros_like(x)

    def forces(x):
        f = np.zeros_like(x)
        n = len(x)
        for i in range(n - 1):
            for j in range(i + 1, n):
                d = x[i] - x[j]
                d = d - box * np.round(d / box)
                r2 = np.sum(d * d)
                if r2 < 3.0:
                    s6 = (sigma**2 / r2) ** 3
                    pull = 24 * (2 * s6**2 - s6) / r2 * d
                    f[i] += pull
                    f[j] -= pull
        return f

    f = forces(x)
    for _ in range(3):
        v += 0.5 * dt * f
        x += dt * v
        f = forces(x)
        v += 0.5 * dt * f
    return x, v


@program(0.4, 1.5, 1.0)
def adaptive_heun(y, rate, t_end):
    """Euler inside Heun: the step follows the error, and steps that are too bold are taken again."""
    t = 0.0
    h = 0.5
    tol = 0.02
    while t < t_end:
        if t + h > t_end:
            h = t_end - t
        k1 = rate * y * (1 - y)
        guess = y + h * k1
        k2 = rate * guess * (1 - guess)
        error = abs(h / 2 * (k2 - k1))
        if error > tol:
            h *= 0.5
            continue
        y = y + h / 2 * (k1 + k2)
        t = t + h
        h = h * min(2.0, 0.9 * math.sqrt(tol / error))
    return y


@program(0.2, 3.0)
def backward_euler(y, stiffness):
    """Implicit steps; each is solved by Newton's method."""
    dt = 0.1
    for step in range(5):
        t = (step + 1) * dt
        new = y
        for _ in range(20):
            residual = new - y - dt * (-stiffness * new**3 + math.cos(t))
            correction = residual / (1 + 3 * dt * stiffness * new * new)
            new -= correction
            if abs(correction) < 1e-14:
                break
        y = new
    return y


@program(np.array([1.0, 0.4]), 0.7)
def adams_bashforth(y, omega):
    """Two steps back; the first step is Euler's."""
    h = 0.1
    matrix = np.array([[0.0, 1.0], [-1.0, 0.0]])
    previous = omega * (matrix @ y)
    y = y + h * previous
    for _ in range(8):
        current = omega * (matrix @ y) - 0.1 * y**3
        y = y + h * (1.5 * current - 0.5 * previous)
        previous = current
    return y


@program(1.0, 2.0, 0.8)
def bouncing_ball(height, gravity, restitution):
    """The time of each bounce decides where the next arc begins."""
    h = height
    v = 0.0
    dt = 0.11
    bounces = 0
    for _ in range(25):
        v_new = v - gravity * dt
        h_new = h + dt * v - 0.5 * gravity * dt * dt
        if h_new < 0:
            impact = (v + math.sqrt(v * v + 2 * gravity * h)) / gravity
            v_impact = v - gravity * impact
            v_new = -restitution * v_impact
            rest = dt - impact
            h_new = v_new * rest - 0.5 * gravity * rest * rest
            v_new -= gravity * rest
            bounces += 1
        h, v = h_new, v_new
    return h, v, 1.0 * bounces
