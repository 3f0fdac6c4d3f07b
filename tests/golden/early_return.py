import numpy as np


def return_from_two_loops_grad(A, limit):
    """Gradient of return_from_two_loops with respect to A."""
    tape = []
    leaving = 0
    turns = 0
    for i in range(A.shape[0]):
        turns += 1
        leaving_1 = 0
        turns_1 = 0
        for j in range(A.shape[1]):
            turns_1 += 1
            if A[i, j] > limit:
                leaving_1 = 2
                break
        tape.append((leaving_1, turns_1))
        if leaving_1 == 2:
            leaving = 2
            break
    equal = leaving == 2

    # d(for i in range(A.shape[0]):)
    if equal:
        result_bar = 1.0
        total_bar = 0.0
    else:
        result_bar = 0.0
        total_bar = 1.0
    A_bar = np.zeros_like(A)
    for i in reversed(range(turns)):
        leaving, turns = tape.pop()
        # d(for j in range(A.shape[1]):)
        if leaving != 2:
            result_bar = 0.0
        for j in reversed(range(turns)):
            # d(if A[i, j] > limit:)
            A_ij = A[i, j]
            if A_ij > limit:
                # d(return total + A[i, j] ** 2)
                total_bar += result_bar
                chosen = result_bar * (2.0 * A_ij)
            else:
                # d(total += A[i, j] * (i - j))
                chosen = total_bar * (i - j)
            A_bar[i, j] += chosen
            result_bar = 0.0
        result_bar = 0.0
    return A_bar
