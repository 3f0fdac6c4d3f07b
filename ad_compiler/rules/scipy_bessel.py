"""Rules of the Bessel functions, integrals and hypergeometric functions of `scipy.special`.

Source: NIST Digital Library of Mathematical Functions, chapters 6 (exponential integrals), 10 (Bessel
functions), 13 and 15 (hypergeometric functions), 19 (elliptic integrals). An order or parameter has no
closed form, and is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from ad_compiler.rules.scipy_special import not_known, of_special

# --- Bessel functions ---


@of_special("j0")
def j0(x: Any) -> Any:
    return -special.j1(x)


@of_special("j1")
def j1(x: Any) -> Any:
    return 0.5 * (special.j0(x) - special.jv(2, x))


@of_special("y0")
def y0(x: Any) -> Any:
    return -special.y1(x)


@of_special("y1")
def y1(x: Any) -> Any:
    return 0.5 * (special.y0(x) - special.yv(2, x))


@of_special("i0")
def i0(x: Any) -> Any:
    return special.i1(x)


@of_special("i1")
def i1(x: Any) -> Any:
    return 0.5 * (special.i0(x) + special.iv(2, x))


@of_special("i0e")
def i0e(x: Any, *, y: Any) -> Any:
    return special.i1e(x) - np.sign(x) * y


@of_special("i1e")
def i1e(x: Any, *, y: Any) -> Any:
    return 0.5 * (special.i0e(x) + special.ive(2, x)) - np.sign(x) * y


@of_special("k0")
def k0(x: Any) -> Any:
    return -special.k1(x)


@of_special("k1")
def k1(x: Any) -> Any:
    return -0.5 * (special.k0(x) + special.kv(2, x))


@of_special("k0e")
def k0e(x: Any, *, y: Any) -> Any:
    return y - special.k1e(x)


@of_special("k1e")
def k1e(x: Any, *, y: Any) -> Any:
    return y - 0.5 * (special.k0e(x) + special.kve(2, x))


@of_special("jv", "jn")
def jv(v: Any, z: Any) -> Any:
    return not_known("the order of `jv`"), 0.5 * (special.jv(v - 1, z) - special.jv(v + 1, z))


@of_special("yv", "yn")
def yv(v: Any, z: Any) -> Any:
    return not_known("the order of `yv`"), 0.5 * (special.yv(v - 1, z) - special.yv(v + 1, z))


@of_special("iv")
def iv(v: Any, z: Any) -> Any:
    return not_known("the order of `iv`"), 0.5 * (special.iv(v - 1, z) + special.iv(v + 1, z))


@of_special("ive")
def ive(v: Any, z: Any, *, y: Any) -> Any:
    slope = 0.5 * (special.ive(v - 1, z) + special.ive(v + 1, z))
    return not_known("the order of `ive`"), slope - np.sign(z) * y


@of_special("kv", "kn")
def kv(v: Any, z: Any) -> Any:
    return not_known("the order of `kv`"), -0.5 * (special.kv(v - 1, z) + special.kv(v + 1, z))


@of_special("kve")
def kve(v: Any, z: Any, *, y: Any) -> Any:
    return not_known("the order of `kve`"), y - 0.5 * (special.kve(v - 1, z) + special.kve(v + 1, z))


# --- integrals, hypergeometric functions ---


@of_special("exp1")
def exp1(z: Any) -> Any:
    return -np.exp(-z) / z


@of_special("expi")
def expi(x: Any) -> Any:
    return np.exp(x) / x


@of_special("expn")
def expn(n: Any, x: Any) -> Any:
    return not_known("the order of `expn`"), -special.expn(n - 1, x)


@of_special("spence")
def spence(z: Any) -> Any:
    return np.where(z == 1, -1.0, np.log(z) / np.where(z == 1, 1.0, 1 - z))


@of_special("ellipk")
def ellipk(m: Any, *, y: Any) -> Any:
    return (special.ellipe(m) / (1 - m) - y) / (2 * m)


@of_special("ellipe")
def ellipe(m: Any, *, y: Any) -> Any:
    return (y - special.ellipk(m)) / (2 * m)


@of_special("hyp1f1")
def hyp1f1(a: Any, b: Any, x: Any) -> Any:
    by_x = a / b * special.hyp1f1(a + 1, b + 1, x)
    return not_known("a parameter of `hyp1f1`"), not_known("a parameter of `hyp1f1`"), by_x


@of_special("hyp2f1")
def hyp2f1(a: Any, b: Any, c: Any, z: Any) -> Any:
    return (
        not_known("a parameter of `hyp2f1`"),
        not_known("a parameter of `hyp2f1`"),
        not_known("a parameter of `hyp2f1`"),
        a * b / c * special.hyp2f1(a + 1, b + 1, c + 1, z),
    )
