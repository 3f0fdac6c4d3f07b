"""Programs that write in loops: recurrences, tables, sweeps, overlaps, permutations in place."""

from __future__ import annotations

import numpy as np

from tests.programs.corpus import program

V3 = np.array([0.7, -1.2, 0.4])
V4 = np.array([0.3, -0.8, 1.1, 0.6])
V6 = np.array([0.5, -1.3, 0.9, 1.7, -0.4, 0.2])
V8 = np.array([0.5, -1.3, 0.9, 1.7, -0.4, 0.2, 1.1, -0.6])
M34 = np.array([[0.2, 1.1, -0.5, 0.7], [-0.3, 0.9, 0.6, -1.2], [1.4, -0.8, 0.1, 0.5]])


def damp(rows, factor, rounds):
    if rounds > 0:
        inner = rows[:, 1:-1]
        for t in range(rounds):
            inner[t] *= factor
            inner += rows[:, :-2] * rows[:, 2:]


@program(M34, 0.7, 2)
def through_a_view_in_a_loop_in_a_branch_of_a_helper(A, factor, rounds):
    work = np.sin(A)
    damp(work, factor, rounds)
    damp(work[1:], factor**2, rounds - 1)
    damp(work.T, factor, 0)
    return work


@program(V6, 0.6)
def exponential_smoothing(x, alpha):
    level = np.empty(len(x))
    level[0] = x[0]
    for t in range(1, len(x)):
        level[t] = alpha * x[t] + (1 - alpha) * level[t - 1]
    return level**2


@program(0.3, 2.9)
def logistic_orbit(start, r):
    orbit = np.zeros(8)
    orbit[0] = start
    for t in range(7):
        orbit[t + 1] = r * orbit[t] * (1 - orbit[t])
    return orbit


@program(V6, V4)
def delay_line(signal, taps):
    line = np.zeros(4)
    out = np.zeros(len(signal))
    for t, sample in enumerate(signal):
        line[1:] = line[:-1]
        line[0] = sample
        out[t] = taps @ line
    return out * line[0]


@program(V4)
def shifted_against_the_copy_order(x):
    a, b = x**2, x**3
    for _ in range(2):
        a[1:] = a[:-1] * a[1:]
        b[:-1] = b[1:] + a[0]
    return a + b


@program(M34, V3)
def weighted_covariance(points, weights):
    C = np.zeros((4, 4))
    for w, p in zip(weights, points, strict=True):
        C += w**2 * np.outer(p, p)
    C /= np.sum(weights**2)
    return C


@program(M34)
def summed_area_table(image):
    rows, columns = image.shape
    table = np.zeros((rows + 1, columns + 1))
    for i in range(rows):
        for j in range(columns):
            table[i + 1, j + 1] = image[i, j] ** 2 + table[i, j + 1] + table[i + 1, j] - table[i, j]
    return table[2:, 3:] * image[:2, :2]


@program(V4, V3)
def soft_time_warping(x, y):
    cost = np.full((len(x) + 1, len(y) + 1), 10.0)
    cost[0, 0] = 0.0
    for i in range(1, len(x) + 1):
        for j in range(1, len(y) + 1):
            best = np.exp(-cost[i - 1, j - 1]) + np.exp(-cost[i - 1, j]) + np.exp(-cost[i, j - 1])
            cost[i, j] = (x[i - 1] - y[j - 1]) ** 2 - np.log(best)
    return cost[-1, -1]


@program(V6, np.array([2, 0, 1, 2, 2, 0]))
def histogram(weights, bins):
    counts = np.zeros(3)
    for k, w in zip(bins, weights, strict=True):
        counts[k] += w * (1.0 + counts[k])
    return counts


@program(V8)
def prefix_sums_by_doubling(x):
    s = np.sin(x)
    step = 1
    while step < len(s):
        s[step:] += s[:-step]
        step *= 2
    return s * x


@program(V6)
def reversed_in_place(x):
    a = x**2
    i, j = 0, len(a) - 1
    while i < j:
        a[i], a[j] = a[j], a[i]
        i += 1
        j -= 1
    return a * x


@program(V6)
def bubble_sort(x):
    a = x.copy()
    for last in range(len(a) - 1, 0, -1):
        for i in range(last):
            if a[i] > a[i + 1]:
                swapped = a[i]
                a[i] = a[i + 1]
                a[i + 1] = swapped
    return a @ np.arange(1.0, 7.0) + a[0] ** 2


@program(V6)
def nonlinear_sweeps(x):
    a = x.copy()
    for _ in range(2):
        for i in range(len(a) - 1):
            a[i] = np.sin(a[i]) * a[i + 1] + a[i - 1]
        a[-1] = a[-1] ** 2 * a[0]
    return a


@program(np.array([0.3, 0.6, 0.2, 0.8]))
def distribution_of_a_count(p):
    chance = np.zeros(len(p) + 1)
    chance[0] = 1.0
    for n, hit in enumerate(p):
        for k in range(n + 1, 0, -1):
            chance[k] = chance[k] * (1 - hit) + chance[k - 1] * hit
        chance[0] *= 1 - hit
    return chance


@program(V4, 0.4)
def horner_on_a_grid(coefficients, x):
    grid = x + 0.1 * np.arange(3)
    total = np.zeros_like(grid)
    for c in reversed(coefficients):
        total *= grid
        total += c
    return total


@program(V6)
def positive_values_packed(x):
    packed = np.zeros(len(x))
    k = 0
    for value in x:
        if value < 0:
            continue
        packed[k] = np.sqrt(value)
        k += 1
    return packed[:k] * packed[0]


@program(V8, 1.6)
def written_until_the_budget_is_spent(costs, budget):
    spent = np.zeros_like(costs)
    total = 0.0
    for i, cost in enumerate(costs):
        if total + cost**2 > budget:
            spent[i] = budget - total
            break
        spent[i] = cost**2
        total += spent[i]
    else:
        spent[-1] = 100.0
    return spent


@program(V4, V3)
def vandermonde_by_columns(x, c):
    V = np.ones((len(x), len(c)))
    for j in range(1, len(c)):
        V[:, j] = V[:, j - 1] * x
    return V @ c


@program(V8)
def walsh_transform(x):
    a = x.copy()
    h = 1
    while h < len(a):
        for start in range(0, len(a), 2 * h):
            for j in range(start, start + h):
                s, d = a[j] + a[j + h], a[j] - a[j + h]
                a[j] = s
                a[j + h] = d
        h *= 2
    return a**2 / len(a)


@program(np.array([-1.0, 0.1, 0.8, 2.1]), V4, 0.5)
def neville_interpolation(nodes, values, x):
    p = values.copy()
    n = len(p)
    for k in range(1, n):
        for i in range(n - k):
            p[i] = ((x - nodes[i + k]) * p[i] - (x - nodes[i]) * p[i + 1]) / (nodes[i] - nodes[i + k])
    return p[0]


@program(np.array([-1.0, 0.1, 0.8, 2.1]), V4)
def divided_differences(nodes, values):
    c = np.array(values)
    for k in range(1, len(c)):
        c[k:] = (c[k:] - c[k - 1 : -1]) / (nodes[k:] - nodes[:-k])
    return c


@program(np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.4, 0.2, 0.4]]), V3 + 1.3)
def distribution_of_a_chain(T, start):
    p = start / np.sum(start)
    visits = np.zeros((4, 3))
    for t in range(4):
        visits[t] = p
        p[:] = p @ T
    return visits * p


@program(V3, 0)
def zero_turns(x, turns):
    a = x**2
    for i in range(turns):
        a[i] = 0.0
    while turns > 0:
        a.fill(1.0)
        turns -= 1
    return a * x


@program(0.8)
def self_convolution_recurrence(c0):
    c = np.zeros(6)
    c[0] = c0
    for n in range(1, 6):
        for i in range(n):
            c[n] += c[i] * c[n - 1 - i]
    return c


@program(V8, 3)
def ring_buffer(x, size):
    ring = np.zeros(size)
    smooth = np.zeros(len(x))
    for t in range(len(x)):
        ring[t % size] = x[t] ** 2
        smooth[t] = np.mean(ring) * ring[(t + 1) % size]
    return smooth


def relax(u, limit):
    for turn in range(10):
        change = 0.5 * (u[:-2] + u[2:]) - u[1:-1]
        if np.max(np.abs(change)) < limit:
            return turn
        u[1:-1] += change / (1.0 + u[1:-1] ** 2)
    return 10


@program(V6, 0.3)
def helper_returns_from_its_loop(x, limit):
    u = x.copy()
    turns = relax(u, limit)
    return u**2 * turns


@program(V8)
def red_black_sweeps(u):
    u = u.copy()
    for sweep in range(4):
        first = 1 + sweep % 2
        u[first:-1:2] = 0.5 * (u[first - 1 : -2 : 2] + u[first + 1 :: 2]) + 0.1 * u[first:-1:2] ** 2
    return u


@program(V3, V3[::-1] * 0.5, 0.1)
def adam_steps(w, target, rate):
    w = w.copy()
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t in range(1, 4):
        g = 2 * (w - target) * w
        m *= 0.9
        m += 0.1 * g
        v *= 0.99
        v += 0.01 * g**2
        w -= rate * m / (1 - 0.9**t) / (np.sqrt(v / (1 - 0.99**t)) + 0.1)
    return w


@program(np.array([0.2, 0.9, 0.5]), np.array([1.1, 0.7, -1.3]))
def balls_between_walls(position, velocity):
    position, velocity = position.copy(), velocity.copy()
    for _ in range(5):
        position += 0.11 * velocity
        for i in range(len(position)):
            if position[i] > 1.0:
                position[i] = 2.0 - position[i]
                velocity[i] *= -0.8
            elif position[i] < 0.0:
                position[i] *= -1.0
                velocity[i] = -velocity[i]
    return position, velocity


@program(M34)
def gated_cells(A):
    B = A.copy()
    for i in range(B.shape[0]):
        if i % 2 == 0:
            for j in range(1, B.shape[1]):
                if B[i, j] > B[i, j - 1]:
                    B[i, j] -= B[i, j - 1] ** 2
                else:
                    B[i, j - 1] *= B[i, j]
        else:
            B[i] = B[i - 1] * A[i]
    return B


@program(V6, np.array([3, 0, 4, 1, 5, 2]))
def permutation_along_its_cycles(x, destination):
    a = np.exp(x)
    for start in range(len(a)):
        i = destination[start]
        while i > start:
            i = destination[i]
        if i == start:
            carried = a[start]
            i = destination[start]
            while i != start:
                a[i], carried = carried, a[i]
                i = destination[i]
            a[start] = carried
    return a * x


@program(M34)
def masked_writes_each_turn(A):
    B = A.copy()
    for _ in range(3):
        B[B > 0.55] **= 2
        B[:, 0] += 0.1 * B[:, -1]
    return B


@program(V4, 0.5)
def steps_kept_in_a_table(start, h):
    path = np.zeros((4, len(start)))
    path[0] = start
    for t in range(3):
        path[t + 1, :2] = path[t, :2] + h * path[t, 2:]
        path[t + 1, 2:] = path[t, 2:] - h * np.sin(path[t + 1, :2])
    return path


@program(V6, 0.4)
def copied_in_each_turn(u, k):
    for _ in range(3):
        old = u
        u = u.copy()
        u[1:-1] += k * (old[2:] - old[:-2]) * old[1:-1]
        u[0] = old[-1] * u[1]
    return u


@program(V6)
def buffer_overwritten_in_each_turn(x):
    work = np.empty(3)
    total = 0.0
    for i in range(4):
        work[:] = x[i : i + 3]
        work *= work[1]
        work.sort()
        total += work[2] * work[0] + total * work[1]
    return total
