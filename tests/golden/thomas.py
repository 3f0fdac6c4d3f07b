import numpy as np


def thomas_grad(a, b, c, d):
    """Gradient of thomas with respect to a, b, c and d."""
    n = d.shape[0]
    upper = np.zeros(n)
    right = np.zeros(n)
    part = b[0]
    quotient = c[0] / part
    upper[0] = quotient
    quotient_1 = d[0] / part
    right[0] = quotient_1
    tape = []
    for i in range(1, n):
        part_1 = a[i]
        difference = i - 1
        part_2 = upper[difference]
        pivot = b[i] - part_1 * part_2
        quotient_2 = c[i] / pivot
        upper[i] = quotient_2
        part_3 = right[difference]
        quotient_3 = (d[i] - part_1 * part_3) / pivot
        tape.append((part_2, pivot, quotient_2, part_3, quotient_3))
        right[i] = quotient_3
    x = np.zeros(n)
    difference = n - 1
    x[difference] = right[difference]
    difference_1 = n - 2
    tape_1 = []
    for i in range(difference_1, -1, -1):
        part_1 = x[i + 1]
        tape_1.append(part_1)
        x[i] = right[i] - upper[i] * part_1

    # d(return np.sum(x * x))
    x_bar = 2.0 * x
    # d(for i in range(n - 2, -1, -1):)
    right_bar = np.zeros_like(right)
    upper_bar = np.zeros_like(upper)
    for i in reversed(range(difference_1, -1, -1)):
        saved = tape_1.pop()
        # d(x[i] = right[i] - upper[i] * x[i + 1])
        difference_bar = x_bar[i]
        x_bar[i] = 0.0
        x_bar[i + 1] -= difference_bar * upper[i]
        upper_bar[i] -= difference_bar * saved
        right_bar[i] += difference_bar
    # d(x[n - 1] = right[n - 1])
    right_bar[difference] += x_bar[difference]
    # d(for i in range(1, n):)
    b_bar = np.zeros_like(b)
    a_bar = np.zeros_like(a)
    c_bar = np.zeros_like(c)
    d_bar = np.zeros_like(d)
    for i in reversed(range(1, n)):
        saved, pivot, saved_1, saved_2, saved_3 = tape.pop()
        # d(right[i] = (d[i] - a[i] * right[i - 1]) / pivot)
        quotient_3_bar = right_bar[i]
        right_bar[i] = 0.0
        difference_bar = quotient_3_bar / pivot
        product = quotient_3_bar * (saved_3 / pivot)
        product_1 = difference_bar * saved_2
        part_1 = a[i]
        difference = i - 1
        right_bar[difference] -= difference_bar * part_1
        d_bar[i] += difference_bar
        # d(upper[i] = c[i] / pivot)
        quotient_2_bar = upper_bar[i]
        upper_bar[i] = 0.0
        product_bar = product + quotient_2_bar * (saved_1 / pivot)
        pivot_bar = -product_bar
        c_bar[i] += quotient_2_bar / pivot
        # d(pivot = b[i] - a[i] * upper[i - 1])
        upper_bar[difference] += product_bar * part_1
        a_bar[i] += product_bar * saved - product_1
        b_bar[i] += pivot_bar
    # d(right[0] = d[0] / b[0])
    quotient_1_bar = right_bar[0]
    product = quotient_1_bar * (quotient_1 / part)
    d_bar[0] += quotient_1_bar / part
    # d(upper[0] = c[0] / b[0])
    quotient_bar = upper_bar[0]
    b_bar[0] -= product + quotient_bar * (quotient / part)
    c_bar[0] += quotient_bar / part
    return a_bar, b_bar, c_bar, d_bar
