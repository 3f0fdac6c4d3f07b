"""Rules of `scipy.special`: the gamma and beta functions, their integrals and inverses, zeta, combinations.

Source: NIST Digital Library of Mathematical Functions, chapters 5 (gamma), 8 (incomplete gamma and beta
functions) and 25 (zeta). A derivative by a parameter that has no closed form is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import (
    at_compile_time,
    constant,
    definition,
    written_out,
)
from ad_compiler.rules.scipy_precision import double
from ad_compiler.rules.scipy_special import not_known, of_special, real_type


@of_special("gamma")
def gamma(z: Any, *, y: Any) -> Any:
    return y * special.psi(z)


@of_special("gammaln", "loggamma")
def gammaln(x: Any) -> Any:
    return special.psi(x)


@of_special("rgamma")
def rgamma(z: Any, *, y: Any) -> Any:
    return -y * special.psi(z)


@of_special("psi", "digamma", infer=real_type)
def psi(z: Any) -> Any:
    return special.polygamma(1, z)


@of_special("polygamma", infer=real_type)
def polygamma(n: Any, x: Any) -> Any:
    return not_known("the order of `polygamma`"), special.polygamma(n + 1, x)


@of_special("beta")
def beta(a: Any, b: Any, *, y: Any) -> Any:
    total = special.psi(a + b)
    return y * (special.psi(a) - total), y * (special.psi(b) - total)


@of_special("betaln")
def betaln(a: Any, b: Any) -> Any:
    total = special.psi(a + b)
    return special.psi(a) - total, special.psi(b) - total


@of_special("poch")
def poch(z: Any, m: Any, *, y: Any) -> Any:
    return y * (special.psi(z + m) - special.psi(z)), y * special.psi(z + m)


@of_special("binom")
def binom(n: Any, k: Any, *, y: Any) -> Any:
    rest = special.psi(n - k + 1)
    return y * (special.psi(n + 1) - rest), y * (rest - special.psi(k + 1))


@of_special("gammainc")
def gammainc(a: Any, x: Any) -> Any:
    return not_known("the shape of `gammainc`"), gamma_density(a, x)


@of_special("gammaincc")
def gammaincc(a: Any, x: Any) -> Any:
    return not_known("the shape of `gammaincc`"), -gamma_density(a, x)


@of_special("gammaincinv")
def gammaincinv(a: Any, p: Any, *, y: Any) -> Any:
    return not_known("the shape of `gammaincinv`"), 1 / gamma_density(a, y)


@of_special("gammainccinv")
def gammainccinv(a: Any, p: Any, *, y: Any) -> Any:
    return not_known("the shape of `gammainccinv`"), -1 / gamma_density(a, y)


def gamma_density(a: Any, x: Any) -> Any:
    return np.exp(special.xlogy(a - 1, x) - x - special.gammaln(a))


@of_special("betainc")
def betainc(a: Any, b: Any, x: Any) -> Any:
    return not_known("a shape of `betainc`"), not_known("a shape of `betainc`"), beta_density(a, b, x)


@of_special("betaincc")
def betaincc(a: Any, b: Any, x: Any) -> Any:
    return not_known("a shape of `betaincc`"), not_known("a shape of `betaincc`"), -beta_density(a, b, x)


@of_special("betaincinv")
def betaincinv(a: Any, b: Any, p: Any, *, y: Any) -> Any:
    return (
        not_known("a shape of `betaincinv`"),
        not_known("a shape of `betaincinv`"),
        1 / beta_density(a, b, y),
    )


def beta_density(a: Any, b: Any, x: Any) -> Any:
    return np.exp(special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b))


@of_special("zeta", infer=real_type)
def zeta(x: Any, q: Any) -> Any:
    return not_known("the exponent of `zeta`"), -x * special.zeta(x + 1, q)


@definition(special.multigammaln, text="scipy.special.multigammaln")
def multigammaln(a: Any, d: Any) -> Any:
    return multigamma_terms(a, d - 1) + 0.25 * d * (d - 1) * np.log(np.pi)


def multigamma_terms(a: Any, j: Any) -> Any:
    term = special.gammaln(a - 0.5 * j)
    return term if j == 0 else term + multigamma_terms(a, j - 1)


@written_out(special.comb)
def comb(N: Any, k: Any, *, exact: Any = False, repetition: Any = False) -> Any:
    check_inexact(exact)
    n = N + k - 1 if repetition else N
    possible = (k <= n) & (n >= 0) & (k >= 0)
    return np.where(possible, special.binom(n, k), 0.0)


@written_out(special.factorial)
def factorial(n: Any, exact: Any = False) -> Any:
    check_inexact(exact)
    return np.where(n < 0, 0.0, special.gamma(double(n) + 1.0))


@at_compile_time
def check_inexact(exact: Any) -> None:
    if exact:
        raise Refusal("an exact number of combinations is a whole number", "use exact=False")


constant(special.gammasgn, text="scipy.special.gammasgn", name="gammasgn")(lambda x: None)
