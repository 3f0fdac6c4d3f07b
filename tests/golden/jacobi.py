import numpy as np


def jacobi_grad(A, B, steps):
    """Gradient of jacobi with respect to A and B."""
    A = A.copy()
    B = B.copy()
    tape = []
    for _ in range(steps):
        total = A[1:-1, 1:-1] + A[1:-1, :-2]
        total = total + A[1:-1, 2:] + A[2:, 1:-1]
        product = 0.2 * (total + A[:-2, 1:-1])
        B[1:-1, 1:-1] = product
        total = B[1:-1, 1:-1] + B[1:-1, :-2]
        total = total + B[1:-1, 2:] + B[2:, 1:-1]
        product_1 = 0.2 * (total + B[:-2, 1:-1])
        tape.append((product, product_1))
        A[1:-1, 1:-1] = product_1

    # d(return np.sum(A * A))
    A_bar = 2.0 * A
    # d(for _ in range(steps):)
    B_bar = np.zeros_like(B)
    for _ in reversed(range(steps)):
        saved, saved_1 = tape.pop()
        # d(A[1:-1, 1:-1] = 0.2 * (B[1:-1, 1:-1] + B[1:-1, :-2] + B[1:-1, 2:] + B[2:, 1:-1] + B[:-2,...)
        product_1_bar = (A_bar[1:-1, 1:-1].sum(axis=0, keepdims=True) if saved_1.shape[0] == 1 else A_bar[1:-1, 1:-1]).sum(axis=1, keepdims=True) if saved_1.shape[1] == 1 else (A_bar[1:-1, 1:-1].sum(axis=0, keepdims=True) if saved_1.shape[0] == 1 else A_bar[1:-1, 1:-1])
        updated = A_bar.copy()
        updated[1:-1, 1:-1] = 0.0
        product = 0.2 * product_1_bar
        B_bar_1 = B_bar.copy()
        B_bar_1[:-2, 1:-1] += product
        B_bar_1[2:, 1:-1] += product
        B_bar_1[1:-1, 2:] += product
        B_bar_1[1:-1, :-2] += product
        B_bar_1[1:-1, 1:-1] += product
        # d(B[1:-1, 1:-1] = 0.2 * (A[1:-1, 1:-1] + A[1:-1, :-2] + A[1:-1, 2:] + A[2:, 1:-1] + A[:-2,...)
        product_bar = (B_bar_1[1:-1, 1:-1].sum(axis=0, keepdims=True) if saved.shape[0] == 1 else B_bar_1[1:-1, 1:-1]).sum(axis=1, keepdims=True) if saved.shape[1] == 1 else (B_bar_1[1:-1, 1:-1].sum(axis=0, keepdims=True) if saved.shape[0] == 1 else B_bar_1[1:-1, 1:-1])
        B_bar = B_bar_1.copy()
        B_bar[1:-1, 1:-1] = 0.0
        product = 0.2 * product_bar
        updated[:-2, 1:-1] += product
        updated[2:, 1:-1] += product
        updated[1:-1, 2:] += product
        updated[1:-1, :-2] += product
        A_bar = updated.copy()
        A_bar[1:-1, 1:-1] += product
    return A_bar, B_bar
