import numpy as np


def thomas_grad(a, b, c, d):
    """Gradient of thomas with respect to a, b, c and d."""
    n = d.shape[0]
    upper = np.zeros(n)
    right = np.zeros(n)
    b_0 = b[0]
    quotient = c[0] / b_0
    upper[0] = quotient
    quotient_1 = d[0] / b_0
    right[0] = quotient_1
    tape = []
    for i in range(1, n):
        a_i = a[i]
        pivot = b[i] - a_i * upper[i - 1]
        tape.append(pivot)
        upper[i] = c[i] / pivot
        right[i] = (d[i] - a_i * right[i - 1]) / pivot
    x = np.zeros(n)
    x[n - 1] = right[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = right[i] - upper[i] * x[i + 1]

    # d(return np.sum(x * x))
    x_bar = 2.0 * x
    # d(for i in range(n - 2, -1, -1):)
    right_bar = np.zeros_like(right)
    upper_bar = np.zeros_like(upper)
    for i in reversed(range(n - 2, -1, -1)):
        # d(x[i] = right[i] - upper[i] * x[i + 1])
        difference_bar = x_bar[i]
        x_bar[i] = 0.0
        x_bar[i + 1] -= difference_bar * upper[i]
        upper_bar[i] -= difference_bar * x[i + 1]
        right_bar[i] += difference_bar
    # d(x[n - 1] = right[n - 1])
    right_bar[n - 1] += x_bar[n - 1]
    # d(for i in range(1, n):)
    b_bar = np.zeros_like(b)
    a_bar = np.zeros_like(a)
    c_bar = np.zeros_like(c)
    d_bar = np.zeros_like(d)
    for i in reversed(range(1, n)):
        pivot = tape.pop()
        # d(right[i] = (d[i] - a[i] * right[i - 1]) / pivot)
        quotient_bar = right_bar[i]
        right_bar[i] = 0.0
        difference_bar = quotient_bar / pivot
        product = quotient_bar * (right[i] / pivot)
        product_1 = difference_bar * right[i - 1]
        a_i = a[i]
        right_bar[i - 1] -= difference_bar * a_i
        d_bar[i] += difference_bar
        # d(upper[i] = c[i] / pivot)
        quotient_bar = upper_bar[i]
        upper_bar[i] = 0.0
        product_bar = product + quotient_bar * (upper[i] / pivot)
        pivot_bar = -product_bar
        c_bar[i] += quotient_bar / pivot
        # d(pivot = b[i] - a[i] * upper[i - 1])
        upper_bar[i - 1] += product_bar * a_i
        a_bar[i] += product_bar * upper[i - 1] - product_1
        b_bar[i] += pivot_bar
    # d(right[0] = d[0] / b[0])
    quotient_1_bar = right_bar[0]
    product = quotient_1_bar * (quotient_1 / b_0)
    d_bar[0] += quotient_1_bar / b_0
    # d(upper[0] = c[0] / b[0])
    quotient_bar = upper_bar[0]
    b_bar[0] -= product + quotient_bar * (quotient / b_0)
    c_bar[0] += quotient_bar / b_0
    return a_bar, b_bar, c_bar, d_bar
