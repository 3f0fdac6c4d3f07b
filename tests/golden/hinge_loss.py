import numpy as np


def hinge_loss_value_and_grad(W, X, y, regularisation=0.001):
    """Value of hinge_loss, and its gradient with respect to W."""
    scores = X.dot(W)
    arange = np.arange(y.shape[0])
    right_scores = scores[arange, y]
    total = scores - right_scores[:, None] + 1.0
    margins = np.maximum(0.0, total)
    data_loss = margins.sum() / y.shape[0] - 1.0

    # d(return data_loss + regularisation * np.sum(W * W))
    W_bar = 2.0 * (regularisation * W)
    # d(data_loss = np.sum(margins) / len(y) - 1.0)
    total_bar = 1 / y.shape[0]
    # d(margins: FloatArray = np.maximum(0.0, scores - right_scores[:, np.newaxis] + 1.0))
    scores_bar = np.where(total == 0.0, 0.5 / y.shape[0], np.where(total < 0.0, 0.0, total_bar))
    right_scores_bar = -scores_bar.sum(axis=1)
    # d(right_scores = scores[np.arange(len(y)), y])
    scores_bar[arange, y] += right_scores_bar
    # d(scores = X @ W)
    W_bar += X.T.dot(scores_bar)
    return data_loss + regularisation * (W * W).sum(), W_bar
