import numpy as np


def loss_grad(Wx, Wh, b, V, series):
    """Gradient of loss with respect to Wx, Wh, b and V."""
    h = np.zeros(14)
    c = np.zeros(14)
    tape = []
    for t in range(series.shape[0] - 1):
        z = series[t].dot(Wx) + h.dot(Wh) + b
        z_part = z[:14]
        i = 1 / (1 + np.exp(-z_part))
        z_part = z[14:28]
        f = 1 / (1 + np.exp(-z_part))
        z_part = z[28:42]
        o = 1 / (1 + np.exp(-z_part))
        g = np.tanh(z[42:])
        c_1 = f * c + i * g
        tanh = np.tanh(c_1)
        h_1 = o * tanh
        tape.append((c, h, i, f, o, g, tanh, h_1.dot(V) - series[t + 1]))
        c = c_1
        h = h_1

    # d(for t in range(len(series) - 1):)
    c_bar = np.zeros_like(c)
    h_bar = np.zeros_like(h)
    Wx_bar = np.zeros_like(Wx)
    Wh_bar = np.zeros_like(Wh)
    b_bar = np.zeros_like(b)
    V_bar = np.zeros_like(V)
    for t in reversed(range(series.shape[0] - 1)):
        c, h, i, f, o, g, tanh, difference = tape.pop()
        # d(error = error + np.sum((h @ V - series[t + 1]) ** 2))
        difference_bar = 2.0 * difference
        h_1 = o * tanh
        h_bar += V.dot(difference_bar)
        V_bar += np.outer(h_1, difference_bar)
        # d(h = o * np.tanh(c))
        product = h_bar * tanh
        o_bar = product.sum(axis=0, keepdims=True) if o.shape[0] == 1 else product
        c_bar += h_bar * o * (1.0 - tanh * tanh)
        # d(c = f * c + i * g)
        i_bar = c_bar * g
        product = c_bar * i
        g_bar = product.sum(axis=0, keepdims=True) if g.shape[0] == 1 else product
        product = c_bar * c
        f_bar = product.sum(axis=0, keepdims=True) if f.shape[0] == 1 else product
        c_bar *= f
        # d(g = np.tanh(z[3 * UNITS :]))
        z_bar = np.zeros_like(b_bar)
        z_bar[42:] = g_bar * (1.0 - g * g)
        # d(return 1 / (1 + np.exp(-z)))
        z_part_bar = o_bar * ((1.0 - o) * o)
        # d(o = sigmoid(z[2 * UNITS : 3 * UNITS]))
        z_bar[28:42] += z_part_bar
        # d(return 1 / (1 + np.exp(-z)))
        z_part_bar = f_bar * ((1.0 - f) * f)
        # d(f = sigmoid(z[UNITS : 2 * UNITS]))
        z_bar[14:28] += z_part_bar
        # d(return 1 / (1 + np.exp(-z)))
        i_bar *= (1.0 - i) * i
        # d(i = sigmoid(z[:UNITS]))
        z_bar[:14] += i_bar
        # d(z = series[t] @ Wx + h @ Wh + b)
        b_bar += z_bar
        h_bar = Wh.dot(z_bar)
        Wh_bar += np.outer(h, z_bar)
        Wx_bar += np.outer(series[t], z_bar)
    return Wx_bar, Wh_bar, b_bar, V_bar
