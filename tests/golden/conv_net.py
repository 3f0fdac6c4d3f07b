import numpy as np


def conv_net_loss_value_and_grad(params, images, y, regularisation=0.001):
    """Value of conv_net_loss, and its gradient with respect to params."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(1, 2))
    convolved = np.tensordot(windows, params.filters) + params.filter_bias
    features = np.maximum(0.0, convolved)
    n = images.shape[0]
    rows = features.shape[1]
    columns = features.shape[2]
    h = params.filter_bias.shape[0]
    blocks = features.reshape(n, rows // 2, 2, columns // 2, 2, h)
    largest = blocks.max(axis=(2, 4))
    pooled = largest.reshape(n, -1)
    total = pooled.dot(params.output_weights) + params.output_bias
    shifted = total - total.max(axis=1, keepdims=True)
    exp = np.exp(shifted)
    total = exp.sum(axis=1)
    log_normaliser = np.log(total)
    arange = np.arange(y.shape[0])
    losses = log_normaliser - shifted[arange, y]
    data_loss = np.mean(losses)
    squared_weights = (params.filters ** 2).sum() + (params.output_weights ** 2).sum()
    total_1 = data_loss + regularisation * squared_weights

    # d(squared_weights = np.sum(params.filters**2) + np.sum(params.output_weights**2))
    product = 2.0 * regularisation
    output_weights_bar = product * params.output_weights
    filters_bar = product * params.filters
    # d(return np.mean(losses))
    divide = np.divide(1.0, y.shape[0])
    # d(losses: FloatArray = log_normaliser - shifted[np.arange(len(y)), y])
    negated = -divide
    # d(log_normaliser = np.log(np.sum(np.exp(shifted), axis=1)))
    shifted_bar = (divide / total)[:, None] * exp
    shifted_bar[arange, y] += negated
    # d(return pooled @ params.output_weights + params.output_bias)
    output_bias_bar = shifted_bar.sum(axis=0)
    pooled_bar = shifted_bar.dot(params.output_weights.T)
    output_weights_bar += pooled.T.dot(shifted_bar)
    # d(pooled: FloatArray = np.max(blocks, axis=(2, 4)).reshape(n, -1))
    largest_bar = np.reshape(pooled_bar, (y.shape[0], largest.shape[1], largest.shape[2], h))
    either = (blocks == largest[:, :, None, :, None]) | (blocks != blocks)
    quotient = largest_bar[:, :, None, :, None] / either.sum(axis=(2, 4), keepdims=True)
    blocks_bar = np.where(either, quotient, 0.0)
    # d(blocks = features.reshape(n, rows // 2, 2, columns // 2, 2, h))
    features_bar = np.reshape(blocks_bar, (y.shape[0], rows, columns, h))
    # d(features = np.maximum(0.0, convolved))
    convolved_bar = np.where(convolved == 0.0, 0.5 * features_bar, np.where(convolved < 0.0, 0.0, features_bar))
    # d(convolved = np.tensordot(windows, params.filters, axes=2) + params.filter_bias)
    filter_bias_bar = convolved_bar.sum(axis=(0, 1, 2))
    filters_bar += np.tensordot(windows, convolved_bar, axes=((0, 1, 2), (0, 1, 2)))
    return total_1, type(params)(filters_bar, filter_bias_bar, output_weights_bar, output_bias_bar)
