import numpy as np
import math


def sweeps_vjp(u, c, steps):
    """Value of sweeps, and the pullback of cotangents to u and c."""

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

    def pullback(result_bar):
        # d(for _ in checkpointed(range(steps), slots=4):)
        checkpoints = []
        checkpoints.append((0, u_1.copy()))
        u_bar = result_bar.copy()
        c_bar = 0.0
        for j in reversed(range(turns)):
            # forward again to this turn, from the last state that was kept
            at, u_3 = checkpoints.pop()
            u_3 = u_3.copy()
            while at < j:
                checkpoints.append((at, u_3.copy()))
                stop = at + turns_ahead(j + 1 - at, 5 - len(checkpoints))
                for __1 in range(at, stop):
                    for i_1 in range(1, u_2.shape[0]):
                        u_3[i_1] += c * np.sin(u_3[i_1 - 1])
                at = stop
            tape = []
            for i_1 in range(1, u_2.shape[0]):
                sin = np.sin(u_3[i_1 - 1])
                tape.append(sin)
                u_3[i_1] += c * sin
            # d(for i in range(1, len(u)):)
            for i_1 in reversed(range(1, u_2.shape[0])):
                sin = tape.pop()
                # d(u[i] = u[i] + c * np.sin(u[i - 1]))
                product_bar = u_bar[i_1]
                c_bar += product_bar * sin
                u_bar[i_1 - 1] += product_bar * c * np.cos(u_3[i_1 - 1])
        return u_bar.copy(), c_bar

    return u_2, pullback
