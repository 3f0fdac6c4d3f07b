"""Densities and distribution functions of `scipy.stats`, written out in elementary and special functions.

A call such as `norm.logpdf(x, loc, scale)` becomes the formula itself, in double precision at least, as in
SciPy. Outside of its support a density is 0 and its logarithm minus infinity, and neither has a slope there;
what is not a number is on neither side, and stays so. A scale that is not positive gives NaN, as do other
parameters outside of their range. Source: the definitions in SciPy's
documentation; Johnson, Kotz and Balakrishnan, Continuous univariate distributions (1994).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special, stats

from ad_compiler.rules.notation import RuleFunction, at_compile_time, written_out
from ad_compiler.rules.scipy_precision import double

HALF_LOG_TWO_PI = 0.9189385332046727


def method(distribution: Any, name: str) -> Callable[[RuleFunction], RuleFunction]:
    """What a method of a distribution is written out as."""
    return written_out(getattr(distribution, name))


def outside(condition: Any, there: Any, value: Any) -> Any:
    return np.where(condition, there, value)


def standard(x: Any, loc: Any, scale: Any) -> Any:
    return double((x - loc) / positive(scale))


def positive(parameter: Any) -> Any:
    return parameter if is_known(parameter) else parameter * np.where(parameter > 0, 1.0, np.nan)


def probability(p: Any) -> Any:
    return p if is_known(p) else p * np.where((p >= 0) & (p <= 1), 1.0, np.nan)


@at_compile_time
def is_known(parameter: Any) -> bool:
    return isinstance(parameter, (int, float))


# --- the normal distribution ---


@method(stats.norm, "logpdf")
def norm_logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return -0.5 * z * z - HALF_LOG_TWO_PI - np.log(scale)


@method(stats.norm, "pdf")
def norm_pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return np.exp(-0.5 * z * z - HALF_LOG_TWO_PI) / scale


@method(stats.norm, "cdf")
def norm_cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return special.ndtr(standard(x, loc, scale))


@method(stats.norm, "logcdf")
def norm_logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return special.log_ndtr(standard(x, loc, scale))


@method(stats.norm, "sf")
def norm_sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return special.ndtr(-standard(x, loc, scale))


@method(stats.norm, "logsf")
def norm_logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return special.log_ndtr(-standard(x, loc, scale))


@method(stats.norm, "ppf")
def norm_ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc + positive(scale) * special.ndtri(double(q))


@method(stats.multivariate_normal, "logpdf")
def multivariate_normal_logpdf(x: Any, mean: Any, cov: Any) -> Any:
    deviation = double(np.asarray(x) - mean)
    factor = np.linalg.cholesky(np.asarray(cov))
    white = np.linalg.solve(factor, np.atleast_2d(deviation).T)
    squares = np.sum(white * white, axis=0)
    half_log_det = np.sum(np.log(np.diagonal(factor)))
    result = -0.5 * squares - half_log_det - HALF_LOG_TWO_PI * np.shape(factor)[0]
    return result[0] if np.ndim(deviation) == 1 else result


@method(stats.multivariate_normal, "pdf")
def multivariate_normal_pdf(x: Any, mean: Any, cov: Any) -> Any:
    return np.exp(multivariate_normal_logpdf(x, mean, cov))


# --- distributions on the whole line ---


@method(stats.t, "logpdf")
def t_logpdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    df = positive(df)
    normalizer = special.gammaln(0.5 * (df + 1)) - special.gammaln(0.5 * df) - 0.5 * np.log(np.pi * df)
    return normalizer - np.log(scale) - 0.5 * (df + 1) * np.log1p(z * z / df)


@method(stats.t, "pdf")
def t_pdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return np.exp(t_logpdf(x, df, loc, scale))


@method(stats.cauchy, "logpdf")
def cauchy_logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return -np.log(np.pi * scale) - np.log1p(z * z)


@method(stats.cauchy, "pdf")
def cauchy_pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return 1 / (np.pi * scale * (1 + z * z))


@method(stats.cauchy, "cdf")
def cauchy_cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return 0.5 + np.arctan(standard(x, loc, scale)) / np.pi


@method(stats.laplace, "logpdf")
def laplace_logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return -np.abs(standard(x, loc, scale)) - np.log(2 * scale)


@method(stats.laplace, "pdf")
def laplace_pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return np.exp(-np.abs(standard(x, loc, scale))) / (2 * scale)


@method(stats.laplace, "cdf")
def laplace_cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    tail = 0.5 * np.exp(-np.abs(z))
    return np.where(z < 0, tail, 1 - tail)


@method(stats.logistic, "logpdf")
def logistic_logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return -z - 2 * np.logaddexp(0, -z) - np.log(scale)


@method(stats.logistic, "pdf")
def logistic_pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return special.expit(z) * special.expit(-z) / scale


@method(stats.logistic, "cdf")
def logistic_cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return special.expit(standard(x, loc, scale))


@method(stats.logistic, "logcdf")
def logistic_logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return -np.logaddexp(0, -standard(x, loc, scale))


# --- distributions on the positive half line ---


@method(stats.expon, "logpdf")
def expon_logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, -np.inf, -z - np.log(scale))


@method(stats.expon, "pdf")
def expon_pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, 0.0, np.exp(-z) / scale)


@method(stats.expon, "cdf")
def expon_cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, 0.0, -np.expm1(-z))


@method(stats.gamma, "logpdf")
def gamma_logpdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z, a = standard(x, loc, scale), positive(a)
    return outside(z < 0, -np.inf, special.xlogy(a - 1, z) - z - special.gammaln(a) - np.log(scale))


@method(stats.gamma, "pdf")
def gamma_pdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return np.exp(gamma_logpdf(x, a, loc, scale))


@method(stats.gamma, "cdf")
def gamma_cdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, 0.0, special.gammainc(positive(a), z))


@method(stats.chi2, "logpdf")
def chi2_logpdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return gamma_logpdf(x, 0.5 * df, loc, 2 * scale)


@method(stats.chi2, "pdf")
def chi2_pdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return np.exp(gamma_logpdf(x, 0.5 * df, loc, 2 * scale))


@method(stats.chi2, "cdf")
def chi2_cdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return gamma_cdf(x, 0.5 * df, loc, 2 * scale)


@method(stats.invgamma, "logpdf")
def invgamma_logpdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z, a = standard(x, loc, scale), positive(a)
    return outside(z <= 0, -np.inf, -(a + 1) * np.log(z) - special.gammaln(a) - 1 / z - np.log(scale))


@method(stats.lognorm, "logpdf")
def lognorm_logpdf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    log = np.log(z)
    return outside(z <= 0, -np.inf, -0.5 * (log / s) ** 2 - log - np.log(s * scale) - HALF_LOG_TWO_PI)


@method(stats.lognorm, "pdf")
def lognorm_pdf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return np.exp(lognorm_logpdf(x, s, loc, scale))


@method(stats.lognorm, "cdf")
def lognorm_cdf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z <= 0, 0.0, special.ndtr(np.log(z) / positive(s)))


@method(stats.pareto, "logpdf")
def pareto_logpdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z, b = standard(x, loc, scale), positive(b)
    return outside(z < 1, -np.inf, np.log(b) - (b + 1) * np.log(z) - np.log(scale))


@method(stats.weibull_min, "logpdf")
def weibull_logpdf(x: Any, c: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z, c = standard(x, loc, scale), positive(c)
    return outside(z < 0, -np.inf, np.log(c) + special.xlogy(c - 1, z) - z**c - np.log(scale))


@method(stats.halfnorm, "logpdf")
def halfnorm_logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, -np.inf, -0.5 * z * z - 0.22579135264472744 - np.log(scale))  # log(pi / 2) / 2


# --- distributions on an interval ---


@method(stats.beta, "logpdf")
def beta_logpdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z, a, b = standard(x, loc, scale), positive(a), positive(b)
    density = special.xlogy(a - 1, z) + special.xlog1py(b - 1, -z) - special.betaln(a, b) - np.log(scale)
    return outside((z < 0) | (z > 1), -np.inf, density)


@method(stats.beta, "pdf")
def beta_pdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return np.exp(beta_logpdf(x, a, b, loc, scale))


@method(stats.beta, "cdf")
def beta_cdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return special.betainc(positive(a), positive(b), np.clip(standard(x, loc, scale), 0.0, 1.0))


@method(stats.uniform, "logpdf")
def uniform_logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside((z < 0) | (z > 1), -np.inf, -np.log(scale + 0.0 * z))


@method(stats.uniform, "pdf")
def uniform_pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside((z < 0) | (z > 1), 0.0, 1 / (scale + 0.0 * z))


@method(stats.uniform, "cdf")
def uniform_cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return np.clip(standard(x, loc, scale), 0.0, 1.0)


@method(stats.dirichlet, "logpdf")
def dirichlet_logpdf(x: Any, alpha: Any) -> Any:
    normalizer = special.gammaln(np.sum(alpha)) - np.sum(special.gammaln(alpha))
    return normalizer + np.sum(special.xlogy(np.asarray(alpha) - 1, x))


# --- counts: the parameters carry the derivatives ---


@method(stats.poisson, "logpmf")
def poisson_logpmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    n, mu = k - loc, double(mu)
    return outside(n < 0, -np.inf, special.xlogy(n, mu) - mu - special.gammaln(n + 1))


@method(stats.poisson, "pmf")
def poisson_pmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    return np.exp(poisson_logpmf(k, mu, loc))


@method(stats.bernoulli, "logpmf")
def bernoulli_logpmf(k: Any, p: Any, loc: Any = 0) -> Any:
    n, p = k - loc, probability(double(p))
    return outside((n != 0) & (n != 1), -np.inf, special.xlogy(n, p) + special.xlog1py(1 - n, -p))


@method(stats.bernoulli, "pmf")
def bernoulli_pmf(k: Any, p: Any, loc: Any = 0) -> Any:
    return np.exp(bernoulli_logpmf(k, p, loc))


@method(stats.binom, "logpmf")
def binom_logpmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    m, p = k - loc, probability(double(p))
    ways = special.gammaln(n + 1) - special.gammaln(m + 1) - special.gammaln(n - m + 1)
    return outside((m < 0) | (m > n), -np.inf, ways + special.xlogy(m, p) + special.xlog1py(n - m, -p))


@method(stats.binom, "pmf")
def binom_pmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    return np.exp(binom_logpmf(k, n, p, loc))


@method(stats.geom, "logpmf")
def geom_logpmf(k: Any, p: Any, loc: Any = 0) -> Any:
    m, p = k - loc, positive(probability(double(p)))
    return outside(m < 1, -np.inf, special.xlog1py(m - 1, -p) + np.log(p))


@method(stats.nbinom, "logpmf")
def nbinom_logpmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    m, n, p = k - loc, positive(n), positive(probability(double(p)))
    ways = special.gammaln(n + m) - special.gammaln(m + 1) - special.gammaln(n)
    return outside(m < 0, -np.inf, ways + n * np.log(p) + special.xlog1py(m, -p))
