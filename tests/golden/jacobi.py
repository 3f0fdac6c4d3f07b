import numpy as np


def jacobi_grad(A, B, steps):
    """Gradient of jacobi with respect to A and B."""
    A = A.copy()
    B = B.copy()
    for _ in range(steps):
        B[1:-1, 1:-1] = 0.2 * (A[1:-1, 1:-1] + A[1:-1, :-2] + A[1:-1, 2:] + A[2:, 1:-1] + A[:-2, 1:-1])
        A[1:-1, 1:-1] = 0.2 * (B[1:-1, 1:-1] + B[1:-1, :-2] + B[1:-1, 2:] + B[2:, 1:-1] + B[:-2, 1:-1])

    # d(return np.sum(A * A))
    A_bar = 2.0 * A
    # d(for _ in range(steps):)
    B_bar = np.zeros_like(B)
    for _ in reversed(range(steps)):
        # d(A[1:-1, 1:-1] = 0.2 * (B[1:-1, 1:-1] + B[1:-1, :-2] + B[1:-1, 2:] + B[2:, 1:-1] + B[:-2,...)
        A_bar_part = A_bar[1:-1, 1:-1]
        total = A_bar_part.sum(axis=0, keepdims=True) if B.shape[0] == 3 else A_bar_part
        product_bar = total.sum(axis=1, keepdims=True) if B.shape[1] == 3 else total
        total_bar = 0.2 * product_bar
        A_bar[1:-1, 1:-1] = 0.0
        B_bar[:-2, 1:-1] += total_bar
        B_bar[2:, 1:-1] += total_bar
        B_bar[1:-1, 2:] += total_bar
        B_bar[1:-1, :-2] += total_bar
        B_bar[1:-1, 1:-1] += total_bar
        # d(B[1:-1, 1:-1] = 0.2 * (A[1:-1, 1:-1] + A[1:-1, :-2] + A[1:-1, 2:] + A[2:, 1:-1] + A[:-2,...)
        B_bar_part = B_bar[1:-1, 1:-1]
        total = B_bar_part.sum(axis=0, keepdims=True) if A.shape[0] == 3 else B_bar_part
        product_bar = total.sum(axis=1, keepdims=True) if A.shape[1] == 3 else total
        total_bar = 0.2 * product_bar
        B_bar[1:-1, 1:-1] = 0.0
        A_bar[:-2, 1:-1] += total_bar
        A_bar[2:, 1:-1] += total_bar
        A_bar[1:-1, 2:] += total_bar
        A_bar[1:-1, :-2] += total_bar
        A_bar[1:-1, 1:-1] += total_bar
    return A_bar, B_bar
