import numpy as np


def huber_grad(residual, width):
    """Gradient of huber with respect to residual and width."""
    size = abs(residual)
    # the two pieces meet with equal slopes
    below = size <= width
    if below:
        loss = 0.5 * residual ** 2
    else:
        excess = size - width
        loss = width * excess + 0.5 * width ** 2
    total = 1 + loss

    # d(if size <= width:)
    if below:
        # d(loss = 0.5 * residual**2)
        residual_bar = residual / total
        width_bar = 0.0
        size_bar = 0.0
    else:
        # d(loss = width * excess + 0.5 * width**2)
        size_bar = width / total
        width_bar = size_bar + excess / total
        # d(excess = size - width)
        width_bar -= size_bar
        residual_bar = 0.0
    # d(size = abs(residual))
    residual_bar += size_bar * np.sign(residual) if size_bar != 0.0 else 0.0
    return residual_bar, width_bar
