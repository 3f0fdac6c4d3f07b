import numpy as np


def linear_interpolation_grad(knots, values, x):
    """Gradient of linear_interpolation with respect to knots, values and x."""
    for i_1 in range(1, knots.shape[0]):
        if x < knots[i_1]:
            i = i_1
            break
        i = i_1
    knots_part = knots[i - 1]
    difference = knots[i] - knots_part
    t = (x - knots_part) / difference
    difference_1 = 1 - t
    difference_1_bar = values[i - 1]
    values_i = values[i]

    # d(return (1 - t) * values[i - 1] + t * values[i])
    values_bar = np.zeros_like(values)
    values_bar[i] = t
    values_bar[i - 1] += difference_1
    t_bar = values_i - difference_1_bar
    # d(t = (x - knots[i - 1]) / (knots[i] - knots[i - 1]))
    x_bar = t_bar / difference
    product = t_bar * (t / difference)
    knots_bar = np.zeros_like(knots)
    knots_bar[i] = -product
    knots_bar[i - 1] += product - x_bar
    return knots_bar, values_bar, x_bar
