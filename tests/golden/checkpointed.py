import numpy as np
import math


def reaction_and_diffusion_value_and_grad(u, source, dt, steps):
    """Value of reaction_and_diffusion, and its gradient with respect to u and source."""

    def turns_ahead(turns, free):
        """How far to go before the next state is kept (binomial schedule: Griewank and Walther, 2000)."""
        rounds = 0
        while math.comb(free + rounds + 1, free) < turns:
            rounds += 1
        return min(math.comb(free + rounds, free), turns - math.comb(free + rounds - 1, free - 1))

    slots = 2 * steps.bit_length()
    checkpoints = []
    cost, u, keep = 0.0, u.copy(), 0
    for t in range(steps):
        if t == keep:
            checkpoints.append((t, u.copy()))
            keep = t + turns_ahead(steps + 1 - t, slots + 1 - len(checkpoints))
        # a logistic reaction on a ring
        u += dt * (np.roll(u, 1) - 2.0 * u + np.roll(u, -1) + u * (1.0 - u) + t * source)
        cost = cost + dt * ((u - 1.0) ** 2).sum()

    # d(for t in checkpointed(range(steps)):)
    u_bar = np.zeros_like(u)
    source_bar = np.zeros_like(source)
    for t in reversed(range(steps)):
        # forward again to this turn, from the last state that was kept
        at, u = checkpoints.pop()
        u = u.copy()
        while at < t:
            checkpoints.append((at, u.copy()))
            stop = at + turns_ahead(t + 1 - at, slots + 1 - len(checkpoints))
            for t_1 in range(at, stop):
                u += dt * (np.roll(u, 1) - 2.0 * u + np.roll(u, -1) + u * (1.0 - u) + t_1 * source)
            at = stop
        difference = 1.0 - u
        u_1 = u + dt * (np.roll(u, 1) - 2.0 * u + np.roll(u, -1) + u * difference + t * source)
        # d(cost = cost + dt * np.sum((u - 1.0) ** 2))
        u_bar += 2.0 * dt * (u_1 - 1.0)
        # d(u = u + dt * (np.roll(u, 1) - 2.0 * u + np.roll(u, -1) + u * (1.0 - u) + t * source))
        total_bar = u_bar * dt
        source_bar += total_bar * t
        u_bar += total_bar * difference
        u_bar -= total_bar * u
        u_bar += np.roll(total_bar, 1)
        u_bar -= 2.0 * total_bar
        u_bar += np.roll(total_bar, -1)
    return cost, (u_bar, source_bar)
