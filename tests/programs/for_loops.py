"""`for` over ranges, arrays and containers, and what such loops carry."""

# ruff: noqa: B905 -- people write zip(xs, ys)

from __future__ import annotations

import math

import numpy as np

from tests.programs.corpus import program


@program(1.3, 0.04, 6)
def compound_interest(balance, rate, years):
    for _ in range(years):
        balance = balance * (1 + rate)
    return balance


@program(np.array([0.3, -1.2, 0.8, 0.5]))
def sum_of_cubes_by_index(x):
    total = 0.0
    for i in range(len(x)):
        total = total + x[i] ** 3
    return total


@program(0.7)
def sine_series(x):
    """The sum runs over the odd numbers: a step of two."""
    total, sign = 0.0, 1.0
    for k in range(1, 12, 2):
        total += sign * x**k / math.factorial(k)
        sign = -sign
    return total


@program(np.array([1.0, -0.5, 0.25, 0.7]), 0.9)
def horner_downwards(coefficients, x):
    value = 0.0
    for i in range(len(coefficients) - 1, -1, -1):
        value = value * x + coefficients[i]
    return value


@program(np.array([0.4, 1.1, -0.6, 0.9, 1.3, 0.2, -0.8]), 3)
def every_kth_sample(signal, k):
    energy = 0.0
    for i in range(1, len(signal), k):
        energy += signal[i] * signal[i]
    return energy


@program(np.array([0.5, -0.3, 0.8, 0.2]), 0.6, False)
@program(np.array([0.5, -0.3, 0.8, 0.2]), 0.6, True)
def sweep_either_way(x, decay, forward):
    """Start, stop and sign of the step are known at run time only."""
    n = len(x)
    start, stop, step = (0, n, 1) if forward else (n - 1, -1, -1)
    state = 0.0
    for i in range(start, stop, step):
        state = decay * state + np.sin(x[i])
    return state


@program(np.array([0.8, 1.2, 0.7, 1.5]))
def running_product(factors):
    product = 1.0
    for factor in factors:
        product *= factor
    return product


@program(np.array([[3.0, 4.0], [1.0, -2.0], [0.5, 0.5]]))
def length_of_all_rows(points):
    total = 0.0
    for point in points:
        total += np.sqrt(point @ point)
    return total


@program(0.4)
def forward_differences_of_several_widths(x):
    estimate = 0.0
    for h in (0.1, 0.2, 0.4):
        estimate += (math.exp(x + h) - math.exp(x)) / h
    return estimate / 3


@program([np.array([[0.5, -0.2], [0.1, 0.9]]), np.array([[1.0, 0.3], [-0.4, 0.6]])], np.array([0.2, 0.7]))
def same_shape_layers(layers, x):
    for W in layers:
        x = np.tanh(W @ x)
    return x


@program((np.ones((3, 2)) * 0.4, np.array([[0.1, -0.5, 0.7]])), np.array([0.3, -0.8]))
def layers_of_different_widths(matrices, x):
    """The carried vector has another length after every turn."""
    for A in matrices:
        x = A @ x
        x = x / (1 + x * x)
    return x


@program({"mass": 1.2, "spring": 0.7, "drag": 0.3})
def log_prior_over_dict(params):
    log_density = 0.0
    for name, value in params.items():
        scale = 2.0 if name == "drag" else 1.0
        log_density -= 0.5 * (value / scale) ** 2
    return log_density


@program({"W": np.array([[0.5, -1.0], [2.0, 0.3]]), "b": np.array([0.1, 0.2])}, 0.3)
def ridge_penalty(params, strength):
    penalty = 0
    for p in params.values():
        penalty += np.sum(p**2)
    return strength * penalty


@program({"a": 0.3, "b": -0.4}, {"a": 1.0, "b": 0.5})
def look_up_by_key(weights, features):
    score = 0.0
    for name in weights:
        score += weights[name] * features[name]
    return 1 / (1 + math.exp(-score))


@program({"x": 0.3, "y": 0.5, "z": 0.9})
def keys_picked_by_name(point):
    flat = 1.0
    for axis in point.keys():  # noqa: SIM118
        if axis != "z":
            flat *= math.cos(point[axis])
    return flat + point["z"]


@program(np.array([0.2, 0.5, -0.1]), np.array([1.0, 0.4, 0.7]))
def zipped_inner_product(x, y):
    total = 0.0
    for a, b in zip(x, y, strict=True):
        total += a * b
    return total


@program(np.array([0.2, 0.5, -0.1, 0.8]), np.array([1.0, 0.4]))
def zip_stops_at_the_shorter(signal, kernel):
    response = 0.0
    for s, k in zip(signal, kernel):
        response += s * s * k
    return response


@program(
    [np.array([[0.5, -0.2, 0.3], [0.1, 0.9, -0.7]]), np.array([[1.0, 0.3]])],
    [np.zeros(2, dtype=np.float32), np.zeros(1, dtype=np.float32)],
    np.array([0.2, 0.7, -0.4]),
)
def network_with_single_precision_biases(weights, biases, x):
    for W, b in zip(weights, biases):
        x = np.tanh(W @ x + b)
    return np.sum(x)


@program(np.array([0.0, 0.3, 0.5, 1.1]), np.array([1.0, 0.8, 1.4, 0.9]))
def trapezoids_between_neighbours(t, y):
    area = 0.0
    for t0, t1, y0, y1 in zip(t[:-1], t[1:], y[:-1], y[1:]):
        area += 0.5 * (t1 - t0) * (y0 + y1)
    return area


@program(np.array([0.4, -0.3, 0.9]))
def position_weighted(x):
    total = 0.0
    for i, value in enumerate(x):
        total += (i + 1) * np.sin(value)
    return total


@program(np.array([12.0, 13.5, 11.0]) / 10, 0.05)
def discounted_cash_flow(flows, rate):
    present = 0.0
    for year, flow in enumerate(flows, start=1):
        present += flow / (1 + rate) ** year
    return present


@program(np.array([0.5, 0.7]), np.array([1.1, -0.4]), np.array([0.3, 0.6]))
def enumerated_pairs(x, y, scale):
    total = 0.0
    for i, (a, b) in enumerate(zip(x, y)):
        total += scale[i] * a / (1 + b * b)
    return total


@program(np.array([1.0, 0.5, -0.3, 0.8]), np.array([0.1, -0.2, 0.4]))
def returns_to_go(rewards, baseline):
    value, total = 0.0, 0.0
    for i in reversed(range(len(baseline))):
        value = rewards[i] + 0.9 * value
        total += (value - baseline[i]) ** 2
    return total


@program([0.6, 1.2, 0.9])
def continued_fraction(terms):
    value = 1.0
    for term in reversed(terms):
        value = term + 1 / value
    return value


@program(np.array([0.3, -0.2, 0.7]))
def decaying_memory_of_reversed_array(x):
    memory = 0.0
    for value in reversed(x):
        memory = math.tanh(0.5 * memory + value)
    return memory


@program(np.array([[0.1, 0.9], [1.3, -0.4], [-0.7, 0.6]]))
def coulomb_energy_of_pairs(positions):
    n = len(positions)
    energy = 0.0
    for i in range(n):
        for j in range(i + 1, n):
            d = positions[i] - positions[j]
            energy += 1 / np.sqrt(np.sum(d * d))
    return energy


@program(np.array([[0.5, 0.1, 0.2], [0.7, -0.3, 0.4], [0.6, 0.8, 0.9]]), np.array([0.3, 0.2, 0.5]))
def lower_triangle_only(L, x):
    """The inner loop does not run at all in the first turn."""
    total = 0.0
    for i in range(L.shape[0]):
        row = L[i, i] * x[i]
        for j in range(i):
            row -= L[i, j] * x[j] ** 2
        total += row * row
    return total


@program(0.7, 0)
def loop_that_does_not_run(x, count):
    value = x
    for _ in range(count):
        value = math.sin(value) * value
    return 3 * value


@program(np.zeros(0), 0.8)
def empty_array(x, offset):
    total = offset
    for value in x:
        total = total * value
    return total**2


@program(np.zeros((0, 3)), np.array([0.1, 0.5, -0.2]))
def empty_batch(batch, w):
    loss = np.sum(w**2)
    for i in range(batch.shape[0]):
        loss += (batch[i] @ w) ** 2
    return loss


@program(np.array([0.2, 1.4, -0.6]))
def whole_zero_becomes_float(x):
    total = 0
    for value in x:
        total = total + value * value
    return total / len(x)


@program(np.array([[0.2, 1.4], [-0.6, 0.3], [0.8, 0.1]]), np.array([0.5, 0.3, 0.2]))
def whole_zero_becomes_array(points, weights):
    centre = 0
    for point, weight in zip(points, weights):
        centre = centre + weight * point
    return centre


@program(np.array([0.5, 0.8, 1.3]))
def loop_variables_read_afterwards(x):
    total = 0.0
    for i, value in enumerate(x):  # noqa: B007
        total += value
    return total + i * value**2


@program(np.array([0.4, 0.1]), 5)
def carried_tuple(start, steps):
    state = (start[0], start[1])
    for _ in range(steps):
        position, speed = state
        state = (position + 0.1 * speed, speed - 0.1 * math.sin(position))
    return state


@program(np.array([[2.0, 0.5], [0.3, 1.0]]), np.array([0.6, 0.8]))
def carried_array(A, v):
    for _ in range(4):
        v = A @ v
        v = v / np.sqrt(v @ v)
    return v @ A @ v


@program(0.3, 0.2)
def carried_dict(prey, predators):
    state = {"prey": prey, "predators": predators}
    for _ in range(3):
        eaten = state["prey"] * state["predators"]
        state = {
            "prey": state["prey"] * 1.1 - 0.4 * eaten,
            "predators": 0.9 * state["predators"] + 0.3 * eaten,
        }
    return state["prey"] + 2 * state["predators"]


@program(0.5, 0.8, 0.6)
def fibonacci_with_a_weight(a, b, weight):
    for _ in range(5):
        a, b = b, a + weight * b
    return b


@program(np.array([0.2, 0.4, -0.5]), 0.7, True, 2)
@program(np.array([0.2, 0.4, -0.5]), 0.7, False, 2)
def loop_in_branch_in_loop(x, gain, refine, depth):
    total = 0.0
    for value in x:
        if refine:
            for _ in range(depth):
                value = math.sin(gain * value)
        else:
            value = gain * value
        total += value * value
    return total


@program(np.array([0.7, -0.9, 0.3, 1.5, -0.2]))
def sign_decides_each_turn(x):
    gains, losses = 0.0, 1.0
    for value in x:
        if value > 0:
            gains += value**2
        else:
            losses *= 1 - value
    return gains / losses


@program(np.array([1.1, 0.8, 1.3, 0.9, 1.2]))
def simpson_weights_by_parity(y):
    n = len(y)
    total = y[0] + y[n - 1]
    for i in range(1, n - 1):
        if i % 2 == 1:
            total += 4 * y[i]
        else:
            total += 2 * y[i]
    return total / (3 * (n - 1))


@program(np.array([0.4, 0.6, 0.9]), 0.5, 1.2)
def loop_invariant_norm(x, a, b):
    total = 0.0
    for value in x:
        norm = math.sqrt(a * a + b * b)
        total += math.cos(value / norm)
    return total


@program(np.array([0.4, -0.6, 0.9]))
def first_bound_inside(x):
    for value in x:
        square = value * value
        damped = square / (1 + square)
    return damped + square


@program(np.array([0.9, 0.4, 0.7]), 0.3)
def last_velocity_is_unused(gradients, momentum):
    position, velocity = 0.0, 0.0
    for g in gradients:
        position = position + velocity
        velocity = momentum * velocity - g
    return position


@program(np.array([0.2, 0.8, -0.4, 0.5]))
def neighbours_on_a_ring(x):
    n = len(x)
    energy = 0.0
    for i in range(n):
        energy -= math.cos(x[i] - x[(i + 1) % n])
    return energy


@program(np.array([0.2, 0.8, -0.4, 0.5]))
def index_below_zero_wraps(x):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * x[i - 1] ** 2
    return total


@program(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), 2, 3)
def flat_index_of_a_matrix(flat, rows, columns):
    trace_like = 0.0
    for i in range(rows):
        for j in range(columns):
            trace_like += flat[i * columns + j] * flat[j * rows + i]
    return trace_like


@program(np.array([[0.5, -0.2, 0.3], [0.1, 0.9, -0.7]]), np.array([[1.0, 0.3], [0.2, -0.5], [0.8, 0.4]]))
def product_of_matrices_entry_by_entry(A, B):
    n, m = A.shape
    p = B.shape[1]
    total = 0.0
    for i in range(n):
        for j in range(p):
            entry = 0.0
            for k in range(m):
                entry += A[i, k] * B[k, j]
            total += entry * entry
    return total


@program(3.1, 0.4, 8)
def logistic_map(r, x, steps):
    for _ in range(steps):
        x = r * x * (1 - x)
    return x


@program(np.array(0.7), np.array(1.2))
def arrays_of_rank_zero(x, scale):
    y = x
    for k in range(1, 4):
        y = y + scale * np.sin(k * x) / k
    return y


@program(np.array([1.0, 1.4, 0.7, 1.1]), 0.3)
def exponential_moving_average(prices, alpha):
    average = prices[0]
    for price in prices[1:]:
        average = alpha * price + (1 - alpha) * average
    return average


@program(0.8)
def powers_from_a_list(x):
    total = 0.0
    for n in [1, 2, 4, 7]:
        total += x**n / n
    return total


@program(np.array([0.3, 1.1, -0.5, 0.8]), np.array([2, 0, 2, 3]))
def visit_in_given_order(values, order):
    trace = 0.5
    for i in order:
        trace = math.tanh(trace + values[i])
    return trace


@program(0.6, ("sin", "square", "sin"))
def chain_by_name(x, kinds):
    for kind in kinds:
        if kind == "sin":
            x = math.sin(x)
        elif kind == "square":
            x = x * x + 1
    return x


@program((0.9, 0.3, 0.5))
def first_and_the_rest(values):
    first, *rest = values
    for value in rest:
        first = first / (1 + value)
    return first


@program(0.4, 1.1)
def midpoints_of_a_grid(frequency, width):
    area = 0.0
    for t in np.linspace(0.1, 0.9, 5):
        area += width / 5 * np.sin(frequency * t * width) ** 2
    return area


@program(np.array([[0.4, 0.2, 0.1], [-0.3, 0.8, 0.5]]))
def loop_over_the_columns(A):
    product = 1.0
    for column in A.T:
        product = product * (1 + column @ column)
    return product


@program(np.array([[[0.1, 0.4], [0.8, -0.3]], [[0.5, 0.6], [-0.2, 0.9]]]))
def matrices_of_a_stack(stack):
    total = np.eye(2)
    for matrix in stack:
        total = total @ matrix
    return np.trace(total)


@program(np.array([0.3, 0.7, 1.2]), np.array([[0.5, 0.1], [0.2, 0.9], [0.4, 0.3]]))
def running_softmax_average(scores, values):
    """One pass with a running maximum: the form that never overflows."""
    peak, total, average = -math.inf, 0.0, np.zeros(2)
    for score, value in zip(scores, values):
        raised = max(peak, score)
        shrink = math.exp(peak - raised)
        weight = math.exp(score - raised)
        total = total * shrink + weight
        average = average * shrink + weight * value
        peak = raised
    return average / total
