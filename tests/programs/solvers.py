"""Equations solved by iteration, and searches that stop when they have found: loops of unknown length.

The derivative is that of the computation as it ran: of the iterates, with every decision as it was
taken. Where an iteration has converged this is the derivative of the solution; a count of turns has
derivative zero.
"""

from __future__ import annotations

import math

import numpy as np

from tests.programs.corpus import program

RNG = np.random.default_rng(12)
POINTS = np.array([[0.1, 0.2], [0.3, -0.1], [2.0, 2.1], [2.2, 1.7], [-1.8, 2.0], [-2.1, 2.3]])
CENTERS = np.array([[0.0, 0.1], [2.1, 2.0], [-1.9, 1.9]])


@program(2.0, 1.0)
def newton_square_root(a, x):
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
    return x


@program(0.4, 1.7)
def kepler(eccentricity, mean_anomaly):
    """Kepler's equation, by Newton's method."""
    E = mean_anomaly
    for _ in range(50):
        step = (E - eccentricity * math.sin(E) - mean_anomaly) / (1 - eccentricity * math.cos(E))
        E -= step
        if abs(step) < 1e-13:
            break
    else:
        raise ValueError("no convergence")
    return E


@program(np.array([0.6, 0.9]), np.array([1.0, 1.5]))
def newton_system(parameters, x):
    """Two equations in two unknowns; the linear system is solved by Cramer's rule."""
    x = x.copy()
    while True:
        f = np.array([x[0] ** 2 + parameters[0] * x[1] - 2.0, np.sin(x[0]) + x[1] ** 3 - 3 * parameters[1]])
        J = np.array([[2 * x[0], parameters[0]], [np.cos(x[0]), 3 * x[1] ** 2]])
        det = J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0]
        step = np.array([J[1, 1] * f[0] - J[0, 1] * f[1], J[0, 0] * f[1] - J[1, 0] * f[0]]) / det
        x -= step
        if np.linalg.norm(step) < 1e-12:
            return x


def newton(f, derivative, x):
    dx = 1.0
    while abs(dx) > 1e-13:
        dx = f(x) / derivative(x)
        x = x - dx
    return x


@program(1.3, 0.7)
def newton_with_functions(a, b):
    root = newton(lambda x: x**3 + a * x - b, lambda x: 3 * x**2 + a, 0.5)
    return root * root + b


@program(0.1, 2.1)
def bisection(lo, hi):
    """The root of x*x = 2 to within 0.2: the midpoint moves with the bracket it started from."""
    mid = 0.5 * (lo + hi)
    for _ in range(100):
        if hi - lo < 0.2:
            break
        if mid * mid > 2.0:
            hi = mid
        else:
            lo = mid
        mid = 0.5 * (lo + hi)
    return mid


@program(1.6, 0.0, 2.0)
def bisection_then_newton(c, lo, hi):
    f_lo = lo * math.exp(lo) - c
    while True:
        mid = (lo + hi) / 2
        f_mid = mid * math.exp(mid) - c
        if f_lo * f_mid <= 0:
            hi = mid
        else:
            lo = mid
            f_lo = f_mid
        if hi - lo < 0.15:
            break
    x = (lo + hi) / 2
    for _ in range(5):
        x -= (x * math.exp(x) - c) / ((1 + x) * math.exp(x))
    return x


@program(0.8, 0.3)
def fixed_point(a, b):
    x = 0.0
    change = 1.0
    while change > 1e-14:
        new = a * math.cos(x) + b
        change = abs(new - x)
        x = new
    return x


@program(2.5, 1.0, 1.8)
def secant(a, x0, x1):
    f0 = x0**3 - a
    f1 = x1**3 - a
    while abs(x1 - x0) > 1e-7:
        x0, x1 = x1, x1 - f1 * (x1 - x0) / (f1 - f0)
        f0, f1 = f1, x1**3 - a
    return x1


@program(np.array([1.5, -0.7]), np.array([[3.0, 0.4], [0.4, 2.0]]))
def gradient_descent(target, A):
    x = np.zeros(2)
    iterations = 0
    while iterations < 1000:
        gradient = A @ x - target
        if np.max(np.abs(gradient)) < 1e-12:
            break
        x = x - 0.3 * gradient
        iterations += 1
    return x


@program(np.array([0.4, -0.2]), 0.02)
def rosenbrock_with_momentum(x, rate):
    velocity = np.zeros_like(x)
    history = []
    for k in range(4):
        gradient = np.array([2 * (x[0] - 1) - 4 * x[0] * (x[1] - x[0] ** 2), 2 * (x[1] - x[0] ** 2)])
        velocity = 0.8 * velocity - rate / (1 + 0.1 * k) * gradient
        x = x + velocity
        history.append((1 - x[0]) ** 2 + (x[1] - x[0] ** 2) ** 2)
    return sum(history) / len(history), x


@program(np.array([0.3, -1.2, 0.7]), 0.9)
def backtracking_line_search(x, step):
    """A step of steepest descent; it is halved until the function falls enough."""

    def f(x):
        return np.sum(x**4) + 2 * np.sum(x**2)

    gradient = 4 * x**3 + 4 * x
    value = f(x)
    slope = np.sum(gradient * gradient)
    while f(x - step * gradient) > value - 0.1 * step * slope:
        step *= 0.5
    return f(x - step * gradient)


@program(POINTS, CENTERS)
def kmeans_objective(points, centers):
    total = 0.0
    for point in points:
        best = np.inf
        for center in centers:
            distance = np.sum((point - center) ** 2)
            if distance < best:
                best = distance
        total += best
    return total / len(points)


@program(POINTS, CENTERS)
def kmeans(points, centers):
    """Three rounds of Lloyd's algorithm."""
    centers = centers.copy()
    for _ in range(3):
        sums = np.zeros_like(centers)
        counts = np.zeros(len(centers))
        for point in points:
            nearest = np.argmin(np.sum((centers - point) ** 2, axis=1))
            sums[nearest] += point
            counts[nearest] += 1
        for k in range(len(centers)):
            if counts[k] > 0:
                centers[k] = sums[k] / counts[k]
    return centers


def distance_to_scene(p, center, radius):
    """To a ball above a floor."""
    ball = np.sqrt(np.sum((p - center) ** 2)) - radius
    floor = p[1] + 1.0
    return min(ball, floor)


@program(
    np.array([0.0, 0.3, -3.0]),
    np.array([0.1, -0.05, 1.0]),
    np.array([0.2, 0.1, 0.3]),
    0.9,
    np.array([0.5, 0.8, -0.4]),
)
def ray_marcher(origin, direction, center, radius, light):
    """Sphere tracing of one ray, shaded by Lambert's law."""
    direction = direction / np.linalg.norm(direction)
    t = 0.0
    for _ in range(200):
        p = origin + t * direction
        d = distance_to_scene(p, center, radius)
        if d < 1e-12:
            break
        if t > 20.0:
            return 0.0
        t += d
    normal = (p - center) / radius
    brightness = np.dot(normal, light) / np.linalg.norm(light)
    return max(brightness, 0.0) + 0.1 * t


@program(np.array([0.15, 0.1, 0.2]), 1.0, np.array([-0.9, 0.6, -0.1]))
def ray_traced_image(center, radius, light):
    """Nine rays against a ball; those that miss see the sky."""
    image = np.zeros((3, 3))
    for row in range(3):
        for column in range(3):
            direction = np.array([0.5 * (column - 1), 0.5 * (1 - row), 1.5])
            direction /= np.linalg.norm(direction)
            offset = np.array([0.0, 0.0, -3.0]) - center
            b = np.dot(offset, direction)
            discriminant = b * b - (np.dot(offset, offset) - radius * radius)
            if discriminant < 0:
                image[row, column] = 0.5 * direction[1]
                continue
            t = -b - np.sqrt(discriminant)
            normal = (offset + t * direction) / radius
            image[row, column] = max(0.0, np.dot(normal, light))
    return image


@program(0.5, 0.8)
def escape_trajectory(cr, ci):
    """The iterates of z*z + c, up to the one that escapes: the derivative is the trajectory's."""
    zr, zi = 0.0, 0.0
    for _ in range(50):
        if zr * zr + zi * zi > 4.0:
            break
        zr, zi = zr * zr - zi * zi + cr, 2 * zr * zi + ci
    return zr * zr + zi * zi


@program(np.array([-1.3, -0.4, 0.6]), np.array([0.8, 1.2]))
def escape_counts(real, imaginary):
    """How long points stay: whole numbers, whose derivative is zero."""
    counts = np.zeros((len(real), len(imaginary)))
    for i, cr in enumerate(real):
        for j, ci in enumerate(imaginary):
            x = y = 0.0
            turns = 0
            while x * x + y * y <= 4.0 and turns < 20:
                x, y = x * x - y * y + cr, 2 * x * y + ci
                turns += 1
            counts[i, j] = turns
    return counts


@program(np.array([-1.3, 0.3, 0.6]), 0.9)
def smooth_escape(real, imaginary):
    """The usual smooth colouring: a count and a fraction."""
    colours = []
    for cr in real:
        x, y, n = 0.0, 0.0, 0
        while x * x + y * y < 25.0 and n < 30:
            x, y = x * x - y * y + cr, 2 * x * y + imaginary
            n += 1
        colours.append(n + 1 - math.log(math.log(x * x + y * y) / 2) / math.log(2))
    return np.array(colours)


@program(1.7, 0.6)
def arithmetic_geometric_mean(a, g):
    while abs(a - g) > 1e-13 * a:
        a, g = (a + g) / 2, math.sqrt(a * g)
    return a


@program(0.3)
def series(x):
    """The arc tangent by its power series, to the last digit."""
    power = x
    total = 0.0
    k = 0
    while abs(power) > 1e-18:
        term = power / (2 * k + 1)
        total = total + term if k % 2 == 0 else total - term
        power *= x * x
        k += 1
    return total


@program(0.2, 1.4, 0.8)
def adaptive_simpson(a, b, scale):
    """An interval is halved where the rule is not good enough; pending ones wait on a stack."""
    stack = [(a, b, 0)]
    total = 0.0
    while stack:
        lo, hi, depth = stack.pop()
        mid = (lo + hi) / 2
        f_lo, f_mid, f_hi = math.exp(-scale * lo), math.exp(-scale * mid), math.exp(-scale * hi)
        f_left = math.exp(-scale * (lo + mid) / 2)
        f_right = math.exp(-scale * (mid + hi) / 2)
        coarse = (hi - lo) / 6 * (f_lo + 4 * f_mid + f_hi)
        fine = (hi - lo) / 12 * (f_lo + 4 * f_left + 2 * f_mid + 4 * f_right + f_hi)
        if abs(fine - coarse) < 1e-6 or depth == 3:
            total += fine
        else:
            stack.append((lo, mid, depth + 1))
            stack.append((mid, hi, depth + 1))
    return total


@program(0.3, 1.9)
def trapezoids(a, b):
    n = 16
    h = (b - a) / n
    total = 0.5 * (math.sin(a * a) + math.sin(b * b))
    for i in range(1, n):
        x = a + i * h
        total += math.sin(x * x)
    return h * total


@program(np.array([0.5, -0.3, 0.2]), np.array([[1.0, 0.4, -0.2], [0.3, 1.0, 0.5]]))
def projected_gradient(x, A):
    """Least squares over the box [-1, 1], five steps."""
    b = np.array([2.5, -1.5])
    for _ in range(5):
        x = x - 0.2 * (A.T @ (A @ x - b))
        for i in range(len(x)):
            if x[i] > 1.0:
                x[i] = 1.0
            elif x[i] < -1.0:
                x[i] = -1.0
    return x
