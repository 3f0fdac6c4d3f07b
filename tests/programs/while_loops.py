"""`while` loops: tolerances, counters, pointers, flags."""

from __future__ import annotations

import math

import numpy as np

from tests.programs.corpus import program


@program(3.7)
def halve_until_below_one(x):
    while x > 1:
        x = x / 2
    return x


@program(0.9)
def cosine_fixed_point(scale):
    old, new = 0.0, 1.0
    while abs(new - old) > 1e-12:
        old = new
        new = scale * math.cos(old)
    return new


@program(np.array([0.5, 0.2, -0.9, 0.4]))
def counted_by_hand(x):
    i = 0
    total = 0.0
    while i < len(x):
        total += (i + 1) * x[i] ** 2
        i += 1
    return total


@program(np.array([0.5, 0.2, -0.9, 0.4, 0.7]))
def pointers_from_both_ends(x):
    low, high = 0, len(x) - 1
    total = 0.0
    while low < high:
        total += x[low] * x[high]
        low += 1
        high -= 1
    return total * x[low]


@program(0.8, 6)
def collatz_path(x, n):
    """Which of two maps is applied follows the path of a whole number."""
    while n != 1:
        if n % 2 == 0:
            n //= 2
            x = math.sin(x)
        else:
            n = 3 * n + 1
            x = x * x + 0.5
    return x


@program(0.7, 0.4, 21, 15)
def euclid_carries_reals(x, y, m, n):
    while n > 0:
        quotient = m // n
        m, n = n, m % n
        x, y = y, x - quotient * y
    return x * y / m


@program(0.9, 13)
def power_by_squaring(base, exponent):
    result = 1.0
    while exponent:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


@program(0.6, 1.1)
def series_until_the_terms_vanish(x, scale):
    term, total, k = 1.0, 0.0, 0
    while abs(term) > 1e-15:
        total += term
        k += 1
        term *= -scale * x * x / k
    return total


@program(0.4, 50)
@program(0.4, 3)
def tolerance_or_count(x, most):
    change, turns = 1.0, 0
    while change > 1e-10 and turns < most:
        new = math.exp(-x)
        change = abs(new - x)
        x = new
        turns += 1
    return x


@program(1.4)
def until_a_flag_is_set(volume):
    """The edge of a cube."""
    x, done = 1.0, False
    while not done:
        step = (x**3 - volume) / (3 * x**2)
        x = x - step
        done = abs(step) < 1e-9
    return x


@program(0.3, 2.0)
def unchanged_when_false_at_once(x, limit):
    while x > limit:
        x = x * 0.1
    return x * limit


@program(0.9, 1.6)
def steps_that_grow_and_end_on_time(y, end):
    """The last step is cut, so that the integration ends exactly at `end`."""
    t, h = 0.0, 0.25
    while t < end:
        if t + h > end:
            h = end - t
        y = y + h * (math.cos(t) - y)
        t = t + h
        h = 1.5 * h
    return y


@program(np.array([1.2, -0.7]), 0.15)
def gradient_descent_until_flat(x, rate):
    """Minimises sum(x**4 / 4 + x**2 / 2) until the gradient is short."""
    gradient = x**3 + x
    while np.sqrt(np.sum(gradient**2)) > 0.8:
        x = x - rate * gradient
        gradient = x**3 + x
    return x


@program(4.3, 0.8)
def while_in_while(x, y):
    while x > 1:
        x = x - 1
        while y < x:
            y = y * 1.5
        x = x - 0.1 * y
    return x + y


@program(np.array([5.2, 0.4, 2.9]))
def reduce_every_element(x):
    total = 1.0
    for value in x:
        while value > 1:
            value = math.sqrt(value) - 0.05
        total *= value
    return total


@program(np.array([0.5, 0.2, 0.9]), 4.1)
def for_in_while(increments, target):
    total, rounds = 0.0, 0
    while total < target:
        for increment in increments:
            total = total + increment * (1 + 0.1 * total)
        rounds += 1
    return total / (rounds * target)


@program(0.3, 0.9)
def escape_count_with_last_point(x, c):
    steps = 0
    while x * x < 4 and steps < 100:
        x = x * x + c
        steps += 1
    return x - 0.1 * steps


@program(3.0)
def step_assigned_in_the_condition(y):
    """Newton's method for log(y)."""
    x = y / 2
    while abs(step := 1 - y * math.exp(-x)) > 1e-9:
        x -= step
    return x


@program(np.array([0.9, 0.4, 1.3, 0.6]))
def shrinking_array(x):
    """Pairs are joined until a single number is left: the length halves at every turn."""
    while len(x) > 1:
        x = x[0::2] * x[1::2] + x[1::2]
    return x[0]
