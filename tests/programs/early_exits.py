"""`break`, `continue`, `else` of loops, and `return` from anywhere."""

from __future__ import annotations

import math

import numpy as np

from tests.programs.corpus import program


@program(np.array([0.2, 0.5, 1.4, 0.9]), 1.0)
@program(np.array([0.2, 0.5, 0.4, 0.9]), 1.0)
def first_above_the_limit(x, limit):
    for value in x:
        if value > limit:
            return value * value / limit
    return 0.5 * limit


@program(np.array([0.4, 0.7, 0.3, 0.8]), 1.0)
def spend_until_the_budget_is_gone(costs, budget):
    spent = 0.0
    for i, cost in enumerate(costs):
        if spent + cost > budget:
            break
        spent += cost * (1 + 0.1 * i)
    return spent * cost / (budget + i)


@program(np.array([0.4, -0.7, 0.3, -0.8, 1.2]))
def negative_values_are_skipped(x):
    total = 0.0
    for value in x:
        if value < 0:
            continue
        total += math.log(1 + value)
    return total


@program(np.array([[0.5, 0.9, -0.4], [-0.6, 0.3, 0.8], [0.7, -0.2, 0.1]]))
def continue_in_both_loops(A):
    total = 0.0
    for row in A:
        if row[0] < 0:
            continue
        for entry in row:
            if entry < 0:
                continue
            total += entry**2
        total *= 1.1
    return total


@program(np.array([[0.5, 0.9, 0.4], [0.6, 0.3, 0.8]]), 1.2)
def inner_loop_stops_alone(A, limit):
    total = 0.0
    for row in A:
        partial = 0.0
        for entry in row:
            partial += entry
            if partial > limit:
                break
        total += math.sin(partial)
    return total


@program(np.array([[0.5, 0.9], [1.6, 0.3], [0.2, 0.7]]), 1.3)
def flag_stops_both_loops(A, limit):
    found = False
    total = 0.0
    for row in A:
        for entry in row:
            total = 0.5 * total + entry
            if entry > limit:
                found = True
                break
        if found:
            break
    return total * limit


@program(np.array([[0.5, 0.9], [1.6, 0.3], [0.2, 0.7]]), 1.3)
@program(np.array([[0.5, 0.9], [1.6, 0.3], [0.2, 0.7]]), 2.0)
def return_from_two_loops(A, limit):
    total = 0.0
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            if A[i, j] > limit:
                return total + A[i, j] ** 2
            total += A[i, j] * (i - j)
    return total


@program(np.array([0.3, 0.6, 0.8]), 0.4, -1)
@program(np.array([0.3, 0.6, 0.8]), 0.9, 2)
@program(np.array([0.3, 0.6, 0.8]), 2.5, 2)
@program(np.array([0.3, 0.6, 0.8]), 1.7, 2)
def returns_at_four_depths(x, scale, rounds):
    if rounds < 0:
        return scale**2
    total = 0.0
    for k in range(rounds):
        total += scale * math.sin(x[k])
        if total > 2:
            return total * x[k]
        for value in x:
            total += value * scale / 10
            if total > 1.5:
                return math.sqrt(total)
    return total


@program(2.9, 0.5)
@program(0.9, 0.5)
def else_of_while(x, rate):
    count = 0
    while x > 1:
        x = x * (1 - rate / 2)
        count += 1
        if count == 3:
            break
    else:
        x = math.sin(x)
    return x * x


@program(np.array([0.4, 0.2, 0.9, 0.7, 0.6, 0.3]))
def sum_over_prime_positions(x):
    """A loop's `else` in a loop: the classic search for divisors."""
    total = 0.0
    for n in range(2, len(x)):
        for d in range(2, n):
            if n % d == 0:
                break
        else:
            total += x[n] ** 2 + x[0]
    return total


@program(np.array([[0.3, 0.7], [0.6, 1.4], [0.9, 0.2]]))
def else_continue_break(A):
    """Leaves two loops by the idiom `else: continue`, then `break`."""
    product = 1.0
    for row in A:
        for entry in row:
            if entry > 1:
                break
            product *= 1 + entry
        else:
            continue
        product = product * entry
        break
    return product


@program(np.array([0.6, 0.9, 0.5, 0.8]))
def skip_every_other_while(x):
    i, total = -1, 0.0
    while i < len(x) - 1:
        i += 1
        if i % 2 == 1:
            continue
        total += x[i] ** 3
    return total


@program(1.9)
def forever_until_small(x):
    while True:
        x = math.sin(x)
        if x < 0.7:
            break
    return x * 2


@program(0.5, 1.4)
def forever_until_return(x, growth):
    turns = 0
    while True:
        x = x * growth
        turns += 1
        if x > 3:
            return x / turns


@program(0.6, 2.5)
@program(-0.6, 2.5)
def early_answer_before_the_loop(x, stiffness):
    if x < 0:
        return 0.1 * x * stiffness
    energy = 0.0
    for k in range(1, 4):
        energy += stiffness * x**k / k
    return energy


@program(np.array([0.0, 0.4, 0.9, 1.5]), np.array([1.0, 0.7, 1.2, 0.5]), 0.65)
def linear_interpolation(knots, values, x):
    for i in range(1, len(knots)):
        if x < knots[i]:
            break
    t = (x - knots[i - 1]) / (knots[i] - knots[i - 1])
    return (1 - t) * values[i - 1] + t * values[i]


@program(np.array([0.8, -0.5, 1.7, 0.4, -0.9]), 0.3)
def continue_break_and_fall_through(x, gain):
    state = 1.0
    for value in x:
        if value < 0:
            state = state - gain * value
            continue
        elif value > 1.5:
            state = state * value
            break
        state = state + gain * value * value
    return state


@program(np.array([0.9, 0.5, 0.6]), 0.2)
def swap_then_continue(x, mix):
    a, b = 0.3, 0.7
    for value in x:
        a, b = b, a * value
        if value < 0.55:
            continue
        a = a + mix * b
    return a * b


def position_of_first_sign_change(values):
    for i in range(len(values) - 1):
        if values[i] * values[i + 1] < 0:
            return i
    return -1


@program(np.array([0.0, 0.5, 1.0, 1.5]), np.array([0.9, 0.3, -0.4, -0.6]))
def zero_crossing(t, y):
    i = position_of_first_sign_change(y)
    if i < 0:
        return t[0]
    return t[i] - y[i] * (t[i + 1] - t[i]) / (y[i + 1] - y[i])


def capped_sum(values, cap):
    total = 0.0
    for value in values:
        if total + value > cap:
            return cap
        total += value
    return total


@program(np.array([[0.2, 0.3], [0.9, 0.8], [0.4, 0.1]]), 1.0)
def helper_that_leaves_its_loop_early(rows, cap):
    score = 1.0
    for row in rows:
        score = score * capped_sum(row, cap) + cap
    return score


@program(np.array([1.4, 0.3, 0.8]), 0.6)
def while_true_in_for_returns(starts, rate):
    total = 0.0
    for start in starts:
        x = start
        while True:
            x = x * rate + 0.1
            if x < 0.45:
                break
            if total > 1.5:
                return total + x
            total += x
    return total


@program(np.array([0.3, 0.9]), np.array([[0.4, 0.3], [-0.2, 0.5]]))
def contraction_until_it_settles(x, A):
    for _ in range(200):
        new = np.tanh(A @ x) + 0.1
        if np.max(np.abs(new - x)) < 1e-10:
            break
        x = new
    return x


@program(np.array([0.9, 0.5]))
def break_in_the_first_turn(x):
    scale = 1.0
    for value in x:
        scale = math.exp(-value)
        break
    return scale * x[1]


@program(np.array([0.7, 0.4, -0.3]), 0.8)
@program(np.array([0.7, -0.4, 0.3]), 0.8)
def value_and_slope_from_where_it_stopped(x, weight):
    """Returns pairs from two places."""
    slope = weight
    for i in range(len(x)):
        if x[i] < 0:
            return x[i] * weight, slope
        slope = slope * x[i] + i
    return weight**2, slope


@program(0.6, 1.1, 5, 4)
def break_in_nested_counts(a, b, rows, columns):
    """The inner loop is left at the diagonal, the outer one when the sum is large."""
    total = 0.0
    for i in range(rows):
        for j in range(columns):
            if j > i:
                break
            total += a**i * b**j
        if total > 5:
            break
        total = total * a
    return total


@program(np.array([1.2, 0.7, 0.4]), np.array([0.5, 0.9, 0.8]))
def deepest_of_three_loops_decides(x, y):
    for i in range(3):
        for j in range(3):
            for k in range(i + 1):
                if x[i] * y[j] + k > 1.05:
                    return x[i] * y[j] * (k + 1)
    return 0.0


@program(np.array([0.3, 0.9, -0.4, 1.2, 0.8]), 0.5)
@program(np.array([0.3, -0.9, 1.4, 1.2, 0.8]), 0.9)
def break_inside_of_branches(x, y):
    # what the branches around the `break` have bound is bound after it, too
    z, k = 1.0, 0.0
    for value in x:
        if value > 0:
            k = value * 2
            if y > 0.7:
                if value > 1:
                    z = value * y
                    break
                z = z + value
            else:
                k = k + y
            y = y * 1.5
        z = z * k
    return z * y * k


@program(np.array([0.3, 0.9, -0.4, 1.2]), 0.5)
def first_turns_of_loops_that_count_down(x, y):
    for i in range(4):
        for j in range(i - 1, -1, -1):
            for k in range(j, 0, -1):
                y = y * x[j] + x[k - 1]
                break
    return y


@program(np.array([0.3, 0.9, -0.4, 1.2]), np.array([0.7, -0.3]), 2.0)
@program(np.array([0.3, 0.9, -0.4, 1.2]), np.array([0.7, -0.3]), 1.0)
def returned_from_the_loop_in_known_turns(x, w, limit):
    found = []
    for weight in (w[0], w[1]):
        found.append(weight * x[0])
        for value in x:
            if value > limit:
                return sum(found) * value
    return np.sum(x) + sum(found) * w[1]


@program(np.array([[0.3, 0.9, -0.4], [1.2, 0.5, 0.1]]), 2.0)
@program(np.array([[0.3, 0.9, -0.4], [1.2, 0.5, 0.1]]), 1.0)
def returned_slice_of_unknown_length(A, limit):
    for i, row in enumerate(A):
        if row[0] > limit:
            return row[i:] ** 2
    return A[0, 1:] * limit
