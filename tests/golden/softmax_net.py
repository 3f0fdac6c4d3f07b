import numpy as np


def softmax_net_loss_value_and_grad(params, X, y, regularisation=0.001):
    """Value of softmax_net_loss, and its gradient with respect to params."""
    total = X @ params.hidden_weights + params.hidden_bias
    hidden = np.maximum(0.0, total)
    total_1 = hidden @ params.output_weights + params.output_bias
    largest = total_1.max(axis=1, keepdims=True)
    shifted = total_1 - largest
    exp = np.exp(shifted)
    total_2 = exp.sum(axis=1)
    log_normaliser = np.log(total_2)
    arange = np.arange(y.shape[0])
    losses = log_normaliser - shifted[arange, y]
    data_loss = np.mean(losses)
    squared_weights = (params.hidden_weights ** 2).sum() + (params.output_weights ** 2).sum()

    # d(squared_weights = np.sum(params.hidden_weights**2) + np.sum(params.output_weights**2))
    product = 2 * regularisation
    product_1 = product * params.output_weights
    product = product * params.hidden_weights
    # d(return np.mean(losses))
    divide = np.divide(1.0, y.shape[0])
    # d(losses: FloatArray = log_normaliser - shifted[np.arange(len(y)), y])
    negated = -divide
    # d(log_normaliser = np.log(np.sum(np.exp(shifted), axis=1)))
    shifted_bar = (divide / total_2)[:, None] * exp
    shifted_bar[arange, y] += negated
    # d(shifted = scores - np.max(scores, axis=1, keepdims=True))
    equal = total_1 == largest
    shifted_bar += np.where(equal, -shifted_bar.sum(axis=1, keepdims=True) / equal.sum(axis=1, keepdims=True), 0.0)
    # d(return hidden @ params.output_weights + params.output_bias)
    hidden_bar = shifted_bar @ params.output_weights.T
    # d(hidden = np.maximum(0.0, X @ params.hidden_weights + params.hidden_bias))
    total_bar = np.where(total == 0.0, 0.5 * hidden_bar, np.where(total < 0.0, 0.0, hidden_bar))
    return data_loss + regularisation * squared_weights, type(params)(product + X.T @ total_bar, total_bar.sum(axis=0), product_1 + hidden.T @ shifted_bar, shifted_bar.sum(axis=0))
