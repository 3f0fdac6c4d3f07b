"""Identities of generated code: the text they are there for, and the derivative they must not change."""
# mypy: allow-untyped-defs, allow-untyped-calls
# The differentiated functions are written as users write NumPy: without annotations.

import numpy as np
import pytest

from ad_compiler import check_grads, grad

SCORES = np.random.default_rng(0).normal(size=(5, 4))
LABELS = np.array([3, 0, 1, 1, 2])


def log_loss(scores, labels):
    log_probabilities = scores - np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
    return -np.mean(log_probabilities[np.arange(scores.shape[0]), labels])


def squared_margins(scores, labels):
    centred = scores - np.sum(scores, axis=1, keepdims=True)
    return np.sum(centred[np.arange(scores.shape[0]), labels] ** 2)


def by_column(scores, labels):
    centred = scores - np.sum(scores, axis=0)
    return np.sum(centred[labels[: scores.shape[1]], np.arange(scores.shape[1])] ** 3)


def first_rows(scores, labels):
    centred = scores - np.sum(scores, axis=1, keepdims=True)
    return np.sum(centred[np.arange(3), labels[:3]] ** 2)


def shifted_rows(scores, labels):
    centred = scores - np.sum(scores, axis=1, keepdims=True)
    return np.sum(centred[np.arange(1, 5), labels[1:]] ** 2)


def rows_without_order(scores, labels):
    centred = scores - np.sum(scores, axis=1, keepdims=True)
    return np.sum(centred[labels, labels] ** 2)


@pytest.mark.parametrize(
    "function", [log_loss, squared_margins, by_column, first_rows, shifted_rows, rows_without_order]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sums_of_a_scatter_keep_the_gradient(function, dtype):
    scores = SCORES.astype(dtype)
    check_grads(lambda scores: function(scores, LABELS), (scores,))
    assert grad(function)(scores, LABELS).dtype == dtype


def test_one_row_and_several_columns_are_no_scatter_by_row():
    """`np.arange(1)` is stretched along the labels: row 0 gets five contributions."""
    check_grads(lambda scores: squared_margins(scores, LABELS), (SCORES[:1],))


def test_the_sum_of_a_scatter_by_row_is_what_was_scattered():
    text = grad(log_loss).source_for(SCORES, LABELS)
    assert "zeros_like" not in text
    assert "\n    log_probabilities =" not in text
    assert "scores_bar = -(divide / total * exp)\n" in text


def test_a_number_stretched_over_columns_is_added_as_a_number():
    def loss(scores, labels):
        centred = scores - np.sum(scores, axis=1, keepdims=True)
        return np.sum(centred[np.arange(scores.shape[0]), labels])

    assert "scores_bar = centred_bar - 1.0\n" in grad(loss).source_for(SCORES, LABELS)


def test_whole_numbers_beside_reals_are_reals():
    def loss(x, n):
        return np.sum(np.tanh(x) ** 2) * n

    text = grad(loss).source_for(SCORES, 3)
    assert "1.0 - tanh * tanh" in text
    assert "2.0 * tanh" in text or "2.0 * n" in text


def test_the_sum_of_a_product_of_matrices_is_a_product_with_a_vector():
    def loss(b, X, W):
        return np.sum(np.tanh((X + b) @ W))

    args = (np.arange(4.0), SCORES, SCORES[:4, :3].copy())
    check_grads(loss, args)
    assert "b_bar = (1.0 - tanh * tanh).sum(axis=0).dot(W.T)\n" in grad(loss).source_for(*args)


def test_a_sum_does_not_go_into_a_product_with_a_stack_of_matrices():
    stack = np.random.default_rng(1).normal(size=(2, 4, 3))

    def loss(a, b):
        return np.sum(np.dot(a, b).sum(axis=1) ** 2)

    check_grads(loss, (SCORES, stack))


def running_sums(x):
    y = np.sin(x)
    for _ in range(3):
        y[1:] = y[:-1] + y[1:]
    return np.sum(y * y)


def test_what_is_read_is_not_written_again_where_it_stands():
    x = np.linspace(0.3, 1.2, 4)
    check_grads(running_sums, (x,))
    lines = [line.strip() for line in grad(running_sums).source_for(x).splitlines()]
    assert "y_bar[:-1] += y_bar[1:]" in lines
    assert not any(line.startswith("y_bar[1:]") for line in lines)


def no_turns(x):
    total = np.sum(np.sin(x))
    for i in range(0):
        total = total + x[i] * x[i]
    for i in range(3, 1):
        for j in range(i):
            x = x * x[j]
    else:
        total = total * x[0]
    return total


def test_a_loop_without_turns_is_not_emitted():
    x = np.linspace(0.3, 1.2, 4)
    check_grads(no_turns, (x,))
    assert "for " not in grad(no_turns).source_for(x).replace("# d(for ", "")
