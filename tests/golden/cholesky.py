import numpy as np


def half_log_determinant_grad(A):
    """Gradient of half_log_determinant with respect to A."""
    n = A.shape[0]
    L = np.zeros((n, n))
    tape = []
    tape_1 = []
    for i in range(n):
        for j in range(i):
            tape.append(L[i, j])
            L[i, j] = (A[i, j] - L[i, :j].dot(L[j, :j])) / L[j, j]
        L_part = L[i, :i]
        tape_1.append(L[i, i])
        L[i, i] = np.sqrt(A[i, i] - L_part.dot(L_part))
    diag = np.diag(L)

    # d(return np.sum(np.log(np.diag(L))))
    L_bar = np.zeros_like(L)
    arange = np.arange(n)
    L_bar[arange, arange] = 1.0 / diag
    # d(for i in range(n):)
    A_bar = np.zeros_like(A)
    for i in reversed(range(n)):
        # d(L[i, i] = np.sqrt(A[i, i] - L[i, :i] @ L[i, :i]))
        L_ii = L[i, i]
        L[i, i] = tape_1.pop()
        sqrt_bar = L_bar[i, i]
        L_bar[i, i] = 0.0
        difference_bar = 0.5 * sqrt_bar / L_ii if sqrt_bar != 0.0 else 0.0
        L_bar[i, :i] -= 2.0 * (difference_bar * L[i, :i])
        A_bar[i, i] += difference_bar
        # d(for j in range(i):)
        for j in reversed(range(i)):
            # d(L[i, j] = (A[i, j] - L[i, :j] @ L[j, :j]) / L[j, j])
            L_ij = L[i, j]
            L[i, j] = tape.pop()
            L_jj = L[j, j]
            quotient_bar = L_bar[i, j]
            L_bar[i, j] = 0.0
            difference_bar = quotient_bar / L_jj
            L_bar[j, j] -= quotient_bar * (L_ij / L_jj)
            L_bar[j, :j] -= difference_bar * L[i, :j]
            L_bar[i, :j] -= difference_bar * L[j, :j]
            A_bar[i, j] += difference_bar
    return A_bar
