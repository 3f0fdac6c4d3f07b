import numpy as np


def half_log_determinant_grad(A):
    """Gradient of half_log_determinant with respect to A."""
    n = A.shape[0]
    L = np.zeros((n, n))
    tape = []
    tape_1 = []
    for i in range(n):
        for j in range(i):
            part = L[i, j]
            tape.append(part)
            L[i, j] = (A[i, j] - L[i, :j] @ L[j, :j]) / L[j, j]
        part = L[i, :i]
        part_1 = L[i, i]
        tape_1.append(part_1)
        L[i, i] = np.sqrt(A[i, i] - part @ part)
    diag = np.diag(L)

    # d(return np.sum(np.log(np.diag(L))))
    L_bar = np.zeros_like(L)
    arange = np.arange(n)
    L_bar[arange, arange] = 1.0 / diag
    # d(for i in range(n):)
    A_bar = np.zeros_like(A)
    for i in reversed(range(n)):
        saved = tape_1.pop()
        # d(L[i, i] = np.sqrt(A[i, i] - L[i, :i] @ L[i, :i]))
        part = L[i, i]
        L[i, i] = saved
        part_1 = L_bar[i, i]
        L_bar[i, i] = 0.0
        difference_bar = 0.5 * part_1 / part if part_1 != 0.0 else 0.0
        L_bar[i, :i] += -2.0 * (difference_bar * L[i, :i])
        A_bar[i, i] += difference_bar
        # d(for j in range(i):)
        for j in reversed(range(i)):
            saved = tape.pop()
            # d(L[i, j] = (A[i, j] - L[i, :j] @ L[j, :j]) / L[j, j])
            part = L[i, j]
            L[i, j] = saved
            part_1 = L[j, j]
            quotient_bar = L_bar[i, j]
            L_bar[i, j] = 0.0
            difference_bar = quotient_bar / part_1
            L_bar[j, j] -= quotient_bar * (part / part_1)
            L_bar[j, :j] -= difference_bar * L[i, :j]
            L_bar[i, :j] -= difference_bar * L[j, :j]
            A_bar[i, j] += difference_bar
    return A_bar
