"""Rules of the special functions of `math`: the error function and the gamma function.

Source: NIST Digital Library of Mathematical Functions, 7.2.1 (erf) and chapter 5 (gamma, digamma).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ad_compiler.rules.notation import elementwise


@elementwise(math.erf)
def erf(x: Any) -> Any:
    return 1.1283791670955126 * np.exp(-x * x)  # 2 / sqrt(pi)


@elementwise(math.erfc)
def erfc(x: Any) -> Any:
    return -1.1283791670955126 * np.exp(-x * x)


@elementwise(math.gamma)
def gamma(x: Any, *, y: Any) -> Any:
    return y * digamma(x)


@elementwise(math.lgamma)
def lgamma(x: Any) -> Any:
    return digamma(x)


def digamma(x: Any) -> Any:
    """The derivative of log(gamma(x)), to about 1e-14: NumPy and `math` have none.

    digamma(z) = digamma(z + 6) - (1/z + ... + 1/(z + 5)) leads to where the asymptotic series, cut after
    seven terms, holds (DLMF 5.5.2, 5.11.2); negative arguments are reflected first (DLMF 5.5.4).
    """
    z = 1 - x if x < 0 else x
    w = z + 6
    t = w**-2
    far = 1 / 252 - t * (1 / 240 - t * (1 / 132 - t * (691 / 32760 - t / 12)))
    series = t * (1 / 12 - t * (1 / 120 - t * far))
    steps = 1 / z + 1 / (z + 1) + 1 / (z + 2) + 1 / (z + 3) + 1 / (z + 4) + 1 / (z + 5)
    right = np.log(w) - 0.5 / w - series - steps
    return right - math.pi / np.tan(math.pi * math.remainder(x, 1.0)) if x < 0 else right
