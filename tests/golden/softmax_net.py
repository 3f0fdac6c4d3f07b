import numpy as np


def softmax_net_loss_value_and_grad(params, X, y, regularisation=0.001):
    """Value of softmax_net_loss, and its gradient with respect to params."""
    total = X.dot(params.hidden_weights) + params.hidden_bias
    hidden = np.maximum(0.0, total)
    total_1 = hidden.dot(params.output_weights) + params.output_bias
    shifted = total_1 - total_1.max(axis=1, keepdims=True)
    exp = np.exp(shifted)
    total_1 = exp.sum(axis=1)
    log_normaliser = np.log(total_1)
    arange = np.arange(y.shape[0])
    losses = log_normaliser - shifted[arange, y]
    data_loss = np.mean(losses)
    squared_weights = (params.hidden_weights ** 2).sum() + (params.output_weights ** 2).sum()
    total_2 = data_loss + regularisation * squared_weights

    # d(squared_weights = np.sum(params.hidden_weights**2) + np.sum(params.output_weights**2))
    product = 2.0 * regularisation
    output_weights_bar = product * params.output_weights
    hidden_weights_bar = product * params.hidden_weights
    # d(return np.mean(losses))
    divide = np.divide(1.0, y.shape[0])
    # d(losses: FloatArray = log_normaliser - shifted[np.arange(len(y)), y])
    negated = -divide
    # d(log_normaliser = np.log(np.sum(np.exp(shifted), axis=1)))
    shifted_bar = (divide / total_1)[:, None] * exp
    shifted_bar[arange, y] += negated
    # d(return hidden @ params.output_weights + params.output_bias)
    output_bias_bar = shifted_bar.sum(axis=0)
    hidden_bar = shifted_bar.dot(params.output_weights.T)
    output_weights_bar += hidden.T.dot(shifted_bar)
    # d(hidden = np.maximum(0.0, X @ params.hidden_weights + params.hidden_bias))
    total_bar = np.where(total == 0.0, 0.5 * hidden_bar, np.where(total < 0.0, 0.0, hidden_bar))
    hidden_bias_bar = total_bar.sum(axis=0)
    hidden_weights_bar += X.T.dot(total_bar)
    return total_2, type(params)(hidden_weights_bar, hidden_bias_bar, output_weights_bar, output_bias_bar)
