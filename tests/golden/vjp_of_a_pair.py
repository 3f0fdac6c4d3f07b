import numpy as np


def polar_vjp(x, y):
    """Value of polar, and the pullback of cotangents to x and y."""
    radius = np.sqrt(x * x + y * y)
    angle = np.arctan2(y, x)

    def pullback(result_bar):
        # d(angle = np.arctan2(y, x))
        hypot = np.hypot(y, x)
        y_bar = result_bar[1] * (x / hypot / hypot)
        product = result_bar[1] * (y / hypot / hypot)
        # d(radius = np.sqrt(x * x + y * y))
        total_bar = 0.5 * result_bar[0] / np.where(radius == 0.0, np.inf, radius)
        different = total_bar != 0.0
        y_bar += np.where(different, 2.0 * (total_bar * y), 0.0)
        x_bar = np.where(different, 2.0 * (total_bar * x), 0.0) - product
        return x_bar, y_bar

    return (radius, angle), pullback
