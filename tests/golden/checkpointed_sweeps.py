import numpy as np
import math


def sweeps_grad(u, c, steps):
    """Gradient of sweeps with respect to u and c."""

    def turns_ahead(turns, free):
        """How far to go before the next state is kept (binomial schedule: Griewank and Walther, 2000)."""
        rounds = 0
        while math.comb(free + rounds + 1, free) < turns:
            rounds += 1
        return min(math.comb(free + rounds, free), turns - math.comb(free + rounds - 1, free - 1))

    u_1 = u.copy()
    u_2 = u_1.copy()
    turns = 0
    for _ in range(steps):
        turns += 1
        for i in range(1, u.shape[0]):
            u_2[i] += c * np.sin(u_2[i - 1])
        if u_2[-1] > 2.0:
            break

    # d(return np.sum(u * u))
    u_bar = 2.0 * u_2
    # d(for _ in checkpointed(range(steps), slots=4):)
    checkpoints = []
    checkpoints.append((0, u_1.copy()))
    c_bar = 0.0
    for i in reversed(range(turns)):
        # forward again to this turn, from the last state that was kept
        at, u = checkpoints.pop()
        u = u.copy()
        while at < i:
            checkpoints.append((at, u.copy()))
            stop = at + turns_ahead(i + 1 - at, 5 - len(checkpoints))
            for _ in range(at, stop):
                for i_1 in range(1, u_2.shape[0]):
                    u[i_1] += c * np.sin(u[i_1 - 1])
            at = stop
        tape = []
        for i in range(1, u_2.shape[0]):
            sin = np.sin(u[i - 1])
            tape.append(sin)
            u[i] += c * sin
        # d(for i in range(1, len(u)):)
        for i in reversed(range(1, u_2.shape[0])):
            sin = tape.pop()
            # d(u[i] = u[i] + c * np.sin(u[i - 1]))
            product_bar = u_bar[i]
            c_bar += product_bar * sin
            u_bar[i - 1] += product_bar * c * np.cos(u[i - 1])
    return u_bar, c_bar
