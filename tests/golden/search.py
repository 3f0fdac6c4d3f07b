import numpy as np


def linear_interpolation_grad(knots, values, x):
    """Gradient of linear_interpolation with respect to knots, values and x."""
    for i_1 in range(1, knots.shape[0]):
        if x < knots[i_1]:
            i = i_1
            break
        i = i_1
    difference = i - 1
    part = knots[difference]
    difference_1 = knots[i] - part
    t = (x - part) / difference_1
    difference_2 = 1 - t
    difference_2_bar = values[difference]
    part = values[i]

    # d(return (1 - t) * values[i - 1] + t * values[i])
    values_bar = np.zeros_like(values)
    values_bar[i] = t
    values_bar[difference] += difference_2
    t_bar = part - difference_2_bar
    # d(t = (x - knots[i - 1]) / (knots[i] - knots[i - 1]))
    x_bar = t_bar / difference_1
    product = t_bar * (t / difference_1)
    knots_bar = np.zeros_like(knots)
    knots_bar[i] = -product
    knots_bar[difference] += product - x_bar
    return knots_bar, values_bar, x_bar
