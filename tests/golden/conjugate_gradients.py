import numpy as np


def conjugate_gradients_grad(A, b, tolerance):
    """Gradient of conjugate_gradients with respect to A and b."""
    x = np.zeros_like(b)
    r = b.copy()
    p = r.copy()
    rr = r.dot(r)
    tape = []
    r_1 = r
    turns = 0
    while rr > tolerance ** 2:
        turns += 1
        Ap = A.dot(p)
        product = p.dot(Ap)
        alpha = rr / product
        x += alpha * p
        r_1 = r_1 - alpha * Ap
        rr_1 = r_1.dot(r_1)
        quotient = rr_1 / rr
        tape.append((p, rr, Ap, product, alpha, r_1, quotient))
        p = r_1 + quotient * p
        rr = rr_1

    # d(return np.sum(x * x))
    x_bar = 2.0 * x
    # d(while rr > tolerance ** 2:)
    r_bar = np.zeros_like(r_1)
    p_bar = np.zeros_like(p)
    rr_bar = 0.0
    A_bar = np.zeros_like(A)
    for _ in reversed(range(turns)):
        p, rr, Ap, product, alpha, r_1, quotient = tape.pop()
        # d(p = r + (rr / previous) * p)
        r_bar += p_bar
        quotient_bar = p_bar.dot(p)
        p_bar *= quotient
        product_1 = quotient_bar * (quotient / rr)
        rr_bar_1 = rr_bar + quotient_bar / rr
        # d(rr = r @ r)
        r_bar += 2.0 * (rr_bar_1 * r_1)
        # d(r -= alpha * Ap)
        product_2 = r_bar.dot(Ap)
        product_3 = r_bar * alpha
        # d(x += alpha * p)
        alpha_bar = x_bar.dot(p) - product_2
        p_bar += x_bar * alpha
        # d(alpha = rr / (p @ Ap))
        product_2 = alpha_bar * (alpha / product)
        rr_bar = alpha_bar / product - product_1
        p_bar -= product_2 * Ap
        Ap_bar = -(product_3 + product_2 * p)
        # d(Ap = A @ p)
        A_bar += np.outer(Ap_bar, p)
        p_bar += A.T.dot(Ap_bar)
    # d(rr = r @ r)
    r_bar += 2.0 * (rr_bar * r)
    # d(p = r.copy())
    r_bar += p_bar
    return A_bar, r_bar
