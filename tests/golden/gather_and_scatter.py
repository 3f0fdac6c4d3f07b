import numpy as np


def gather_and_scatter_grad(table, rows, columns):
    """Gradient of gather_and_scatter with respect to table."""
    picked = table[rows]
    crossed = table[1:, columns]
    counts = np.zeros(4)
    np.add.at(counts, rows, picked[:, 0])
    counts[:2] = counts[:2] * 3.0

    # d(return np.sum(picked * picked) + np.sum(np.sin(crossed)) + np.sum(counts**2))
    counts_bar = 2.0 * counts
    crossed_bar = np.cos(crossed)
    picked_bar = 2.0 * picked
    # d(counts[:2] *= 3.0)
    counts_bar[:2] = 3.0 * counts_bar[:2]
    # d(np.add.at(counts, rows, picked[:, 0]))
    picked_bar[:, 0] += counts_bar[rows]
    # d(crossed = table[1:, columns])
    table_bar = np.zeros_like(table)
    np.add.at(table_bar, (slice(1, None), columns), crossed_bar)
    # d(picked = table[rows])
    np.add.at(table_bar, rows, picked_bar)
    return table_bar
