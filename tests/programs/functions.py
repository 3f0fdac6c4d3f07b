"""Helpers, recursion, functions as values, objects, and the statements around them."""

from __future__ import annotations

import math
import time
from collections import namedtuple
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from tests.programs.corpus import program

GRAVITY = 9.81
QUADRATURE = {"nodes": (-0.7746, 0.0, 0.7746), "weights": (5 / 9, 8 / 9, 5 / 9)}
SINGLE = np.array([0.5, 0.25, -1.5], dtype=np.float32)


def smooth_step(t):
    return t * t * (3 - 2 * t)


@program(np.array([0.2, 0.5, 0.9]))
def helper_in_a_loop(x):
    total = 0.0
    for t in x:
        total += smooth_step(t)
    return total


@program(0.4)
def helper_of_its_own_result(t):
    return smooth_step(smooth_step(smooth_step(t)))


def torque(force, arm):
    return force * math.sin(arm)


@program(0.7)
def same_argument_twice(x):
    return torque(x, x) + torque(x, 0.5)


def polar(x, y):
    return math.hypot(x, y), math.atan2(y, x)


@program(0.7, 0.4)
def helper_with_two_results(x, y):
    radius, angle = polar(x, y)
    back_x, back_y = polar(radius, angle)
    return radius * back_y + back_x


def clamped_log(x):
    if x < 0.5:
        return 2 * x - 1 - math.log(2)
    return math.log(x)


@program(0.2, 1.7)
def helper_leaves_in_both_ways(x, y):
    return clamped_log(x) * clamped_log(y)


def horner(coefficients, x):
    if len(coefficients) == 0:
        return 0.0
    return coefficients[0] + x * horner(coefficients[1:], x)


@program(np.array([0.5, -0.3, 0.8, 0.2]), 0.9)
def recursive_horner(coefficients, x):
    return horner(coefficients, x) ** 2


@program(1.1, 11)
def recursive_power(x, n):
    if n == 0:
        return 1.0
    half = recursive_power(x, n // 2)
    return half * half * x if n % 2 else half * half


def pairwise(x):
    n = len(x)
    if n <= 2:
        return np.sum(np.sin(x))
    return pairwise(x[: n // 2]) + 0.9 * pairwise(x[n // 2 :])


@program(np.array([0.5, 0.3, 0.8, 0.2, 1.1, 0.7, 0.4]))
def tree_sum_of_halves(x):
    return pairwise(x)


def shrink(x, rate):
    """As deep as it takes."""
    if x < 1:
        return x
    return rate * shrink(math.sqrt(x) - 0.05, rate) + 0.1


@program(6.3, 0.8)
def recursion_until_small(x, rate):
    return shrink(x, rate)


def even_turn(x, n):
    return x if n == 0 else odd_turn(math.sin(x), n - 1)


def odd_turn(x, n):
    return x if n == 0 else even_turn(x * x + 0.3, n - 1)


@program(0.8, 5)
def mutual_recursion(x, n):
    return even_turn(x, n)


def evaluate(tree, x):
    if not isinstance(tree, tuple):
        return tree
    operator, left, right = tree
    if operator == "+":
        return evaluate(left, x) + evaluate(right, x)
    return evaluate(left, x) * evaluate(right, x) * x


@program(("+", 0.4, ("*", 0.9, ("+", 1.2, 0.3))), 0.7)
def expression_tree(tree, x):
    return evaluate(tree, x)


@program(0.6, 6)
def two_recursive_calls(x, n):
    """Chebyshev polynomials by their definition."""
    if n == 0:
        return 1.0
    if n == 1:
        return x
    return 2 * x * two_recursive_calls(x, n - 1) - two_recursive_calls(x, n - 2)


def sine_and_cosine(x, depth):
    if depth == 0:
        return x, 1 - x * x / 2
    s, c = sine_and_cosine(x / 2, depth - 1)
    return 2 * s * c, c * c - s * s


@program(0.9)
def recursion_returns_a_pair(x):
    s, c = sine_and_cosine(x, 4)
    return s / c


def integrate(f, low, high, n):
    h = (high - low) / n
    total = 0.0
    for i in range(n):
        total += f(low + (i + 0.5) * h)
    return h * total


@program(0.2, 1.1, 0.7)
def integrand_is_a_lambda(low, high, decay):
    return integrate(lambda t: math.exp(-decay * t), low, high, 4)


@program(math.cos, smooth_step, 0.4)
def functions_as_arguments(outer, inner, x):
    return outer(inner(x)) * inner(outer(x))


def runge_kutta(f, y, h):
    k1 = f(y)
    k2 = f(y + h / 2 * k1)
    k3 = f(y + h / 2 * k2)
    k4 = f(y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def polynomial(*coefficients):
    def evaluate_at(x):
        value = 0.0
        for c in coefficients:
            value = value * x + c
        return value

    return evaluate_at


@program(0.4, -0.8, 0.3)
def function_that_makes_a_function(a, b, x):
    p = polynomial(a, b, 1.0)
    return p(x) * p(1.5)


def compose(*functions):
    def composed(x):
        for f in functions:
            x = f(x)
        return x

    return composed


@program(0.6)
def composition(x):
    return compose(math.sin, math.exp, smooth_step)(x)


@program(0.3, "tanh")
@program(0.3, "bump")
def looked_up_in_a_table_of_functions(x, name):
    table = {"tanh": math.tanh, "bump": lambda v: math.exp(-v * v)}
    return table[name](x) * x


def pendulum_energy(angle, speed=0.5, *, length=1.2):
    return 0.5 * (length * speed) ** 2 + GRAVITY * length * (1 - math.cos(angle))


@program(0.4, 0.9)
def defaults_keywords_and_a_global(angle, length):
    return 0.1 * (pendulum_energy(angle) - pendulum_energy(angle / 2, length=length))


@program(0.8)
@program(0.8, 1.3, 3)
def its_own_defaults(x, scale=0.7, turns=2):
    for _ in range(turns):
        x = scale * math.sin(x)
    return x


def weighted_norm(x, *weights, power=2):
    return sum(w * v**power for w, v in zip(weights, x, strict=True))


@program(0.3, 1.2)
def gauss_rule_from_a_global(center, width):
    total = 0.0
    for node, weight in zip(QUADRATURE["nodes"], QUADRATURE["weights"], strict=True):
        total += weight * math.exp(-((center + node * width) ** 2))
    return total * width


@program(np.array([0.4, 1.1, 0.7]))
def single_precision_table(x):
    """The table is single precision, the sum is not."""
    total = 0.0
    for value, weight in zip(x, SINGLE, strict=True):
        total += value**2 * weight
    return total + np.sum(SINGLE * np.cos(x))


class Spring:
    """A class as people write them."""

    def __init__(self, stiffness, rest):
        self.stiffness = stiffness
        self.rest = rest

    def __eq__(self, other):
        return isinstance(other, Spring) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def softness(self):
        return 1 / self.stiffness

    def energy(self, x):
        return 0.5 * self.stiffness * (x - self.rest) ** 2

    def __call__(self, x):
        return -self.stiffness * (x - self.rest)

    @staticmethod
    def damping(speed):
        return 0.1 * speed**3


SPRING = Spring(1.4, 0.3)


@program(0.9)
def attributes_of_a_global_object(x):
    return SPRING.stiffness * math.sin(x - SPRING.rest)


@program(np.array([0.9, 0.2, 0.5]))
def method_of_a_global_object(x):
    return sum(SPRING.energy(v) for v in x)


@program(Spring(0.8, 0.1), 0.7, 0.4)
def object_as_an_argument(spring, x, speed):
    for _ in range(3):
        speed = speed + 0.1 * (spring(x) - Spring.damping(speed))
        x = x + 0.1 * speed
    return spring.energy(x) + spring.softness * speed**2


def oscillator_with(spring):
    @program(0.9, 0.2)
    def attributes_of_an_object_in_a_closure(x, h):
        speed = 0.0
        for _ in range(4):
            speed = speed - h * spring.stiffness * (x - spring.rest)
            x = x + h * speed
        return x

    return attributes_of_an_object_in_a_closure


oscillator_with(Spring(1.1, 0.2))


@dataclass
class Body:
    mass: float
    position: np.ndarray

    def attraction(self, other):
        d = other.position - self.position
        return self.mass * other.mass / np.sqrt(d @ d)


@program(
    [Body(0.7, np.array([0.1, 0.4])), Body(1.2, np.array([0.9, -0.3])), Body(0.5, np.array([-0.6, 0.2]))]
)
def methods_of_dataclasses(bodies):
    energy = 0.0
    for i, body in enumerate(bodies):
        for other in bodies[:i]:
            energy -= body.attraction(other)
    return energy


Point = namedtuple("Point", ["x", "y"])


@program([Point(0.1, 0.2), Point(1.1, 0.4), Point(0.6, 1.3)])
def shoelace_area_of_named_tuples(polygon):
    area = 0.0
    for i, p in enumerate(polygon):
        q = polygon[(i + 1) % len(polygon)]
        area += 0.5 * (p.x * q.y - q.x * p.y)
    return area


@program(0.5, 0.8)
def object_made_on_the_way(stiffness, x):
    """The fields of the object are differentiated."""
    spring = Spring(stiffness, 0.5 * x)
    return spring.energy(x) * spring.softness**2


@program(0.7, "log")
@program(0.7, "square")
@program(0.7, "other")
def match_on_a_word(x, link):
    match link:
        case "log":
            return math.log(x)
        case "square" | "quadratic":
            return x * x
        case _:
            return 3 * x


@program([("move", 0.4, 0.1), ("turn", 0.7), ("move", 0.3, -0.2), ("stop",)], 0.9)
def match_on_shapes(commands, heading):
    x = 0.0
    for command in commands:
        match command:
            case ("move", dx, dy):
                x += dx * math.cos(heading) + dy * math.sin(heading)
            case ("turn", angle):
                heading += angle
            case ("stop",):
                break
    return x


@program(np.array([0.6, 1.4]), 3)
def match_with_a_guard(x, order):
    total = 0.0
    for v in x:
        match order:
            case 0:
                total += 1.0
            case n if v > 1:
                total += v ** (1 / n)
            case n:
                total += v**n
    return total


@program(0.9, 0.4)
def division_guarded_by_try(a, b):
    try:
        ratio = a / b
    except ZeroDivisionError:
        ratio = 0.0
    return math.atan(ratio)


@program(np.array([0.3, 0.6]))
def try_else_finally(x):
    total = 0.0
    try:
        for v in x:
            total += math.log(v)
    except ValueError:
        return -math.inf
    else:
        total *= 0.5
    finally:
        total = total + 0.1
    return total


@program({"mass": 0.8}, 0.7)
def default_for_a_key_that_is_there(params, x):
    try:
        mass = params["mass"]
    except KeyError:
        mass = 1.0
    return mass * x**2


@program(np.array([0.3, 0.6, 0.9]))
def return_inside_try(x):
    visited = []
    try:
        for v in x:
            visited.append(v)
            if v > 0.5:
                return v**3 / len(visited)
        return x[0]
    finally:
        visited.clear()


@program(np.array([0.3, 0.6]), np.array([0.4, 1.2]))
def quiet_division(x, y):
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = x / y
        score = ratio * np.log(ratio)
    return np.sum(score)


@contextmanager
def timed(durations):
    start = time.perf_counter()
    try:
        yield
    finally:
        durations.append(time.perf_counter() - start)


@program(np.array([0.3, 0.6]), 4)
def timed_iterations(x, n):
    durations: list[float] = []
    for _ in range(n):
        with timed(durations):
            x = np.sin(x) + 0.2
    assert len(durations) == n
    return x


@program(np.array([1.3, 1.6, 1.8]), 2)
def guards_that_raise(x, order):
    if order < 1:
        raise ValueError(f"the order must be positive, not {order}")
    if x.ndim != 1:
        raise TypeError("one axis, please")
    total = 0.0
    for i, v in enumerate(x):
        if v <= 0:
            raise ValueError(f"element {i} is not positive")
        total += math.log(v) ** order
    return total


def positive_root(a, b, c):
    discriminant = b * b - 4 * a * c
    if discriminant < 0:
        raise ArithmeticError("no real root")
    return (-b + math.sqrt(discriminant)) / (2 * a)


@program(0.6, 0.3, -0.9)
def guard_in_a_helper(a, b, c):
    return positive_root(a, b, c) + positive_root(a, b, 2 * c)


@program(np.array([0.3, 0.6]), 0.7)
def names_deleted(x, w):
    total = 0.0
    for v in x:
        scaled = w * v
        total += scaled * scaled
        del scaled
    y = total * w
    del total
    return y


@program(np.array([0.4, 0.9, 0.3]))
def assertions_and_annotations(x):
    total: float = 0.0
    for v in x:
        assert v > 0, "positive only"
        total += math.sqrt(v)
    return total


@program(0.8, 3)
def functions_in_a_list(x, n):
    stages = [math.sin, lambda v: v + 0.2, smooth_step]
    for _ in range(n):
        for stage in stages:
            x = stage(x)
    return x


def newton(f, slope, x):
    for _ in range(20):
        step = f(x) / slope(x)
        x = x - step
        if abs(step) < 1e-10:
            return x
    raise RuntimeError("no convergence")


@program(1.7, 0.4)
def solver_takes_function_and_slope(a, b):
    return newton(lambda x: x**3 + b * x - a, lambda x: 3 * x**2 + b, 1.0)


@program(0.7)
def simpson_refined_by_recursion(width):
    """Refines a fixed depth, deeper on the left."""

    def area(low, high, depth):
        middle = 0.5 * (low + high)
        if depth == 0:
            return (high - low) / 6 * (math.exp(low) + 4 * math.exp(middle) + math.exp(high))
        return area(low, middle, depth - 1) + area(middle, high, depth // 2)

    return area(0.0, width, 3)


def sort_between(a, low, high):
    """Quicksort."""
    if low >= high:
        return
    middle = low
    for i in range(low, high):
        if a[i] < a[high]:
            a[i], a[middle] = a[middle], a[i]
            middle += 1
    a[middle], a[high] = a[high], a[middle]
    sort_between(a, low, middle - 1)
    sort_between(a, middle + 1, high)


@program(np.array([0.3, -0.8, 1.1, 0.6, -0.2, 0.9]))
def recursion_writes(x):
    ordered = np.sin(x)
    sort_between(ordered, 0, len(ordered) - 1)
    return ordered @ np.arange(1, len(ordered) + 1) * x[0]


def haar(signal):
    n = len(signal)
    if n < 2:
        return
    even, odd = signal[::2].copy(), signal[1::2].copy()
    signal[: n // 2] = even + odd
    signal[n // 2 :] = (even - odd) ** 2
    haar(signal[: n // 2])


@program(np.array([0.3, -0.8, 1.1, 0.6, -0.2, 0.9, 0.4, -0.5]))
def recursion_writes_through_views(x):
    signal = x.copy()
    haar(signal)
    return signal


def grown_until(a, limit):
    if a[0] > limit:
        return a
    a *= 1.5
    a[1:] += a[0]
    return grown_until(a, limit)


@program(np.array([0.3, -0.8, 1.1]), 2.0)
def recursion_returns_what_it_writes(x, limit):
    a = np.exp(x)
    b = grown_until(a, limit)
    b[-1] *= x[0]
    return a * x
