"""Sequences: dynamic programming, hidden states, filters, recurrent networks, attention, sampled paths."""

from __future__ import annotations

import math

import numpy as np

from tests.programs.corpus import program

RNG = np.random.default_rng(15)
DISTANCES = np.array(
    [[0.1, 0.4, 2.0, 3.1], [0.7, 0.2, 0.5, 1.9], [1.6, 0.9, 0.1, 0.6], [0.3, 1.2, 2.4, 0.2]],
)
TRANSITION = np.array([[0.62, 0.27, 0.11], [0.2, 0.46, 0.34], [0.25, 0.15, 0.6]])
EMISSION = np.array([[0.68, 0.22, 0.1], [0.12, 0.3, 0.58], [0.27, 0.55, 0.18]])
INITIAL = np.array([0.5, 0.3, 0.2])
SYMBOLS = np.array([1, 0, 2, 1, 1])
NORMALS = RNG.standard_normal((6, 4))


@program(DISTANCES)
def floyd_warshall(weights):
    """Shortest paths between all pairs."""
    dist = weights.copy()
    n = len(dist)
    for k in range(n):
        for i in range(n):
            for j in range(n):
                if dist[i, k] + dist[k, j] < dist[i, j]:
                    dist[i, j] = dist[i, k] + dist[k, j]
    return dist


@program(DISTANCES)
def floyd_warshall_of_rows(path):
    path = path.copy()
    for k in range(path.shape[0]):
        for i in range(path.shape[0]):
            path[i, :] = np.minimum(path[i, :], path[i, k] + path[k, :])
    return path


@program(DISTANCES, np.array([0.3, 1.1, 0.8, 0.5]))
def min_plus_product(A, b):
    result = np.full(len(b), np.inf)
    for i in range(len(b)):
        for j in range(len(b)):
            result[i] = min(result[i], A[i, j] + b[j])
    return result


@program(INITIAL, TRANSITION, EMISSION, SYMBOLS)
def hmm_forward(initial, transition, emission, observations):
    """The probability of the observations, scaled at every step."""
    alpha = initial * emission[:, observations[0]]
    log_likelihood = 0.0
    for t in range(1, len(observations)):
        scale = np.sum(alpha)
        log_likelihood += np.log(scale)
        alpha = (alpha / scale) @ transition * emission[:, observations[t]]
    return log_likelihood + np.log(np.sum(alpha))


@program(INITIAL, TRANSITION, EMISSION, SYMBOLS)
def hmm_forward_by_loops(pi, A, B, obs):
    T = len(obs)
    N = len(pi)
    alpha = np.zeros((T, N))
    for i in range(N):
        alpha[0, i] = pi[i] * B[i, obs[0]]
    for t in range(1, T):
        for j in range(N):
            for i in range(N):
                alpha[t, j] += alpha[t - 1, i] * A[i, j]
            alpha[t, j] *= B[j, obs[t]]
    return math.log(alpha[T - 1].sum())


@program(INITIAL, TRANSITION, EMISSION, SYMBOLS)
def viterbi(initial, transition, emission, observations):
    """The log-probability of the likeliest path, and the path's."""
    T, N = len(observations), len(initial)
    score = np.log(initial) + np.log(emission[:, observations[0]])
    back = np.zeros((T, N), dtype=int)
    for t in range(1, T):
        candidates = score[:, None] + np.log(transition)
        back[t] = np.argmax(candidates, axis=0)
        score = np.max(candidates, axis=0) + np.log(emission[:, observations[t]])
    state = int(np.argmax(score))
    along = 0.0
    for t in range(T - 1, -1, -1):
        along += emission[state, observations[t]]
        state = back[t, state]
    return score[np.argmax(score)], along


@program(RNG.uniform(-1, 1, (4, 3)), RNG.uniform(-1, 1, (3, 3)), np.array([0, 2, 1, 2]))
def conditional_random_field(scores, transitions, tags):
    """Log-likelihood of a linear chain: the score of the tags minus the log partition function."""
    gold = scores[0, tags[0]]
    log_alpha = scores[0]
    for t in range(1, len(tags)):
        gold = gold + scores[t, tags[t]] + transitions[tags[t - 1], tags[t]]
        both = log_alpha[:, np.newaxis] + transitions
        top = np.max(both, axis=0)
        log_alpha = top + np.log(np.sum(np.exp(both - top), axis=0)) + scores[t]
    top = log_alpha.max()
    return gold - (top + np.log(np.sum(np.exp(log_alpha - top))))


@program(np.array([0.9, 1.1, 1.6, 1.4, 2.1]), 0.5, 1.2, 0.3, 0.4)
def kalman_filter(measurements, x, p, process_noise, measurement_noise):
    """A random walk observed with noise: the log-likelihood of the measurements."""
    log_likelihood = 0.0
    estimates = []
    for z in measurements:
        p = p + process_noise
        s = p + measurement_noise
        gain = p / s
        innovation = z - x
        log_likelihood += -0.5 * (innovation**2 / s + math.log(2 * math.pi * s))
        x = x + gain * innovation
        p = (1 - gain) * p
        estimates.append(x)
    return log_likelihood, np.array(estimates)


@program(
    RNG.uniform(-1, 1, (4, 1)),
    np.array([[1.0, 0.1], [0.0, 0.9]]),
    np.array([[1.0, 0.3]]),
    np.array([[0.2, 0.05], [0.05, 0.1]]),
    np.array([[0.5]]),
)
def kalman_filter_of_vectors(Z, F, H, Q, R):
    x = np.zeros(2)
    P = np.eye(2)
    states = np.zeros((len(Z), 2))
    for t, z in enumerate(Z):
        x = F @ x
        P = F @ P @ F.T + Q
        S = H @ P @ H.T + R
        K = P @ H.T / S[0, 0]
        x = x + K @ (z - H @ x)
        P = (np.eye(2) - K @ H) @ P
        states[t] = x
    return states, P


@program(
    RNG.uniform(-1, 1, (5, 2)), RNG.uniform(-1, 1, (2, 3)), RNG.uniform(-1, 1, (3, 3)), RNG.uniform(-1, 1, 3)
)
def rnn(inputs, W, U, b):
    h = np.zeros(3)
    loss = 0.0
    for x in inputs:
        h = np.tanh(x @ W + h @ U + b)
        loss += np.sum(h**2)
    return loss, h


@program(
    {
        "W": RNG.uniform(-0.5, 0.5, (5, 12)),
        "b": RNG.uniform(-0.5, 0.5, 12),
        "out": RNG.uniform(-1, 1, (3, 2)),
    },
    RNG.uniform(-1, 1, (4, 2, 2)),
    RNG.uniform(-1, 1, (4, 2, 2)),
)
def lstm(params, inputs, targets):
    """One layer over a batch: gates in one product, the mean squared error of the outputs."""
    steps, batch, _ = inputs.shape
    width = 3
    h = np.zeros((batch, width))
    c = np.zeros((batch, width))
    outputs = []
    for t in range(steps):
        gates = np.concatenate([inputs[t], h], axis=1) @ params["W"] + params["b"]
        i = 1 / (1 + np.exp(-gates[:, :width]))
        f = 1 / (1 + np.exp(-gates[:, width : 2 * width]))
        o = 1 / (1 + np.exp(-gates[:, 2 * width : 3 * width]))
        g = np.tanh(gates[:, 3 * width :])
        c = f * c + i * g
        h = o * np.tanh(c)
        outputs.append(h @ params["out"])
    return np.mean((np.array(outputs) - targets) ** 2)


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


@program(
    RNG.uniform(-1, 1, (2, 4, 3)),
    RNG.uniform(-1, 1, (2, 4, 3)),
    RNG.uniform(-1, 1, (2, 3)),
    [np.array([0.2, -0.1]), np.array([0.0, 0.4]), np.array([-0.3, 0.5])],
)
def stacked_lstm(weights_forget, weights_other, bias, characters):
    """Two layers of two units; the state of each is kept in a list and replaced in place."""
    state = [[np.zeros(2), np.zeros(2)] for _ in range(2)]
    total = 0.0
    for character in characters:
        x = character
        for layer in range(2):
            hidden, cell = state[layer]
            joined = np.concatenate([x, hidden])
            forget = sigmoid(joined @ weights_forget[layer][:, :2] + bias[layer][:2])
            change = np.tanh(joined @ weights_other[layer][:, 1:] + bias[layer][1:])
            cell = forget * cell + (1 - forget) * change
            hidden = sigmoid(joined @ weights_other[layer][:, :2]) * np.tanh(cell)
            state[layer] = [hidden, cell]
            x = hidden
        total += np.sum(x * x)
    return total


@program(RNG.uniform(-1, 1, (2, 2, 3, 2)), RNG.uniform(-1, 1, (2, 2, 4, 2)), RNG.uniform(-1, 1, (2, 2, 4, 2)))
def batched_attention(Q, K, V):
    """One batch and one head after the other."""
    B, H, _, D = Q.shape
    out = np.zeros_like(Q)
    for b in range(B):
        for h in range(H):
            scores = Q[b, h] @ K[b, h].T / np.sqrt(D)
            scores = scores - np.max(scores, axis=-1, keepdims=True)
            weights = np.exp(scores)
            weights /= np.sum(weights, axis=-1, keepdims=True)
            out[b, h] = weights @ V[b, h]
    return out


@program(RNG.uniform(-1, 1, (4, 2)), RNG.uniform(-1, 1, (4, 2)), RNG.uniform(-1, 1, (4, 2)))
def causal_attention_online(q, k, v):
    """Running maximum, sum and average, as FlashAttention keeps them; no position sees the future."""
    n, d = q.shape
    out = np.zeros((n, d))
    for i in range(n):
        m = -np.inf
        total = 0.0
        accumulated = np.zeros(d)
        for j in range(i + 1):
            s = np.dot(q[i], k[j]) / math.sqrt(d)
            m_new = max(m, s)
            rescale = np.exp(m - m_new)
            p = np.exp(s - m_new)
            total = total * rescale + p
            accumulated = accumulated * rescale + p * v[j]
            m = m_new
        out[i] = accumulated / total
    return out


@program(np.array([0.3, 1.2, 0.7, -0.4]), np.array([0.1, 0.9, 1.1, 0.2, -0.3]), 0.7)
def soft_dtw(x, y, gamma):
    """Dynamic time warping with a smooth minimum."""
    n, m = len(x), len(y)
    D = np.full((n + 1, m + 1), 1e3)
    D[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost = (x[i - 1] - y[j - 1]) ** 2
            a = -D[i - 1, j] / gamma
            b = -D[i, j - 1] / gamma
            c = -D[i - 1, j - 1] / gamma
            top = max(a, b, c)
            softmin = -gamma * (math.log(math.exp(a - top) + math.exp(b - top) + math.exp(c - top)) + top)
            D[i, j] = cost + softmin
    return D[n, m]


@program(np.array([0.3, 1.2, 0.7, -0.4]), np.array([0.1, 0.95, 1.4, 0.2, -0.7]))
def dynamic_time_warping(s, t):
    n, m = len(s), len(t)
    D = np.full((n + 1, m + 1), np.inf)
    D[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            D[i, j] = abs(s[i - 1] - t[j - 1]) + min(D[i - 1, j], D[i, j - 1], D[i - 1, j - 1])
    return D[-1, -1]


@program(np.array([2, 0, 1, 1]), np.array([0, 1, 2]), RNG.uniform(0.3, 1.2, (3, 3)), 0.83)
def edit_distance(a, b, substitution, gap):
    """Two rows of the table, exchanged after every letter."""
    previous = gap * np.arange(len(b) + 1)
    for i in range(len(a)):
        current = np.zeros(len(b) + 1)
        current[0] = gap * (i + 1)
        for j in range(len(b)):
            match = previous[j]
            if a[i] != b[j]:
                match = match + substitution[a[i], b[j]]
            current[j + 1] = min(match, previous[j + 1] + gap, current[j] + gap)
        previous = current
    return previous[len(b)]


@program(np.array([1.2, 0.7, 2.1, 1.6]), 0.9)
def optimal_stopping(rewards, discount):
    """Backward induction: stop and take the reward, or go on."""
    value = rewards[-1]
    for reward in rewards[-2::-1]:
        value = max(reward, discount * value)
    return value


@program(
    np.array([[0.2, 0.9], [0.7, 0.1], [0.4, 0.8]]),
    np.array(
        [
            [[0.6, 0.3, 0.2], [0.1, 0.5, 0.9]],
            [[0.3, 0.8, 0.4], [0.7, 0.2, 0.5]],
            [[0.9, 0.1, 0.3], [0.2, 0.6, 0.5]],
        ]
    ),
    0.6,
)
def value_iteration(rewards, transitions, discount):
    """Until the values no longer change."""
    V = np.zeros(3)
    while True:
        new = np.zeros(3)
        for s in range(3):
            best = -np.inf
            for a in range(2):
                p = transitions[s, a] / np.sum(transitions[s, a])
                q = rewards[s, a] + discount * (p @ V)
                if q > best:
                    best = q
            new[s] = best
        if np.max(np.abs(new - V)) < 1e-13:
            return new
        V = new


@program(1.0, 0.95, 0.04, 0.3, 1.0, NORMALS[:, 0])
def european_call(spot, strike, rate, volatility, maturity, normals):
    payoff = 0.0
    for z in normals:
        drift = (rate - 0.5 * volatility**2) * maturity
        price = spot * math.exp(drift + volatility * math.sqrt(maturity) * z)
        payoff += max(price - strike, 0.0)
    return math.exp(-rate * maturity) * payoff / len(normals)


@program(1.0, 0.98, 0.03, 0.25, NORMALS)
def asian_option(spot, strike, rate, volatility, normals):
    """The payoff of the average along each path."""
    paths, steps = normals.shape
    dt = 1.0 / steps
    total = 0.0
    for i in range(paths):
        s = spot
        average = 0.0
        for j in range(steps):
            s *= np.exp((rate - 0.5 * volatility**2) * dt + volatility * np.sqrt(dt) * normals[i, j])
            average += s / steps
        if average > strike:
            total += average - strike
    return np.exp(-rate) * total / paths


@program(1.0, 0.6, 0.02, 0.35, NORMALS)
def knock_out_option(spot, barrier, rate, volatility, normals):
    """A path that touches the barrier pays nothing."""
    payoffs = []
    for path in normals:
        log_price = math.log(spot)
        for z in path:
            log_price += (rate - 0.5 * volatility**2) / 4 + volatility / 2 * z
            if log_price < math.log(barrier):
                payoffs.append(0.0)
                break
        else:
            payoffs.append(max(math.exp(log_price) - 0.9, 0.0))
    return math.exp(-rate) * sum(payoffs) / len(payoffs)


@program(1.0, 0.95, 0.03, 0.2)
def binomial_american_put(spot, strike, rate, volatility):
    """Backwards through the tree; exercise where it pays."""
    n = 5
    dt = 1.0 / n
    up = math.exp(volatility * math.sqrt(dt))
    p = (math.exp(rate * dt) - 1 / up) / (up - 1 / up)
    values = np.zeros(n + 1)
    for i in range(n + 1):
        values[i] = max(strike - spot * up ** (2 * i - n), 0.0)
    for step in range(n - 1, -1, -1):
        for i in range(step + 1):
            hold = math.exp(-rate * dt) * (p * values[i + 1] + (1 - p) * values[i])
            exercise = strike - spot * up ** (2 * i - step)
            values[i] = max(hold, exercise)
    return values[0]


@program(np.array([0.3, -0.5, 0.8, -0.2, 0.4]), 0.1, 0.25, 0.6)
def garch(returns, omega, alpha, beta):
    variance = np.zeros(len(returns))
    variance[0] = omega / (1 - alpha - beta)
    for t in range(1, len(returns)):
        variance[t] = omega + alpha * returns[t - 1] ** 2 + beta * variance[t - 1]
    return 0.5 * np.sum(np.log(variance) + returns**2 / variance)


@program(np.array([1.0, 1.4, 1.1, 1.9, 1.6]), 0.4, 0.3)
def exponential_smoothing(series, alpha, beta):
    """Holt's method: a level and a trend; the sum of squared one-step errors."""
    level, trend = series[0], series[1] - series[0]
    errors = 0.0
    for observed in series[1:]:
        forecast = level + trend
        errors += (observed - forecast) ** 2
        last = level
        level = alpha * observed + (1 - alpha) * forecast
        trend = beta * (level - last) + (1 - beta) * trend
    return errors


@program(np.array([0.5, -1.0, 0.3, 0.8, -0.4, 0.6]), np.array([0.2, 0.3]), np.array([0.5, -0.2]))
def iir_filter(x, b, a):
    y = np.zeros(len(x))
    for n in range(len(x)):
        y[n] = b[0] * x[n]
        if n >= 1:
            y[n] += b[1] * x[n - 1] - a[0] * y[n - 1]
        if n >= 2:
            y[n] -= a[1] * y[n - 2]
    return y


@program(np.array([0.4, 1.3, -0.7, 0.9, 0.2, -1.1, 0.6]))
def nearest_smaller_to_the_left(x):
    """A monotone stack: empty before the loop, and a `while` that empties it."""
    stack = []  # type: ignore[var-annotated]
    total = 0.0
    for v in x:
        while stack and stack[-1] > v:
            total += stack.pop() * v
        if stack:
            total += stack[-1] * v * v
        stack.append(v)
    return total + sum(stack)
