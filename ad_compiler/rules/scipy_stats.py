"""Densities and distribution functions of `scipy.stats`, written out in elementary and special functions.

A call such as `norm.logpdf(x, loc, scale)` becomes the formula itself, in double precision at least, as in
SciPy. Outside of its support a density is 0 and its logarithm minus infinity, and neither has a slope there;
what is not a number is on neither side, and stays so. A scale that is not positive gives NaN, as do other
parameters outside of their range. What is the exponential or the logarithm of another method, and nothing
better, stands in the tables at the end. Here are the distributions on the whole line. Source: the definitions
in SciPy's documentation; Johnson, Kotz and Balakrishnan, Continuous univariate distributions (1994).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy import special, stats

from ad_compiler.rules.notation import RuleFunction, at_compile_time, written_out
from ad_compiler.rules.scipy_precision import double

HALF_LOG_TWO_PI = 0.9189385332046727


def method(distribution: Any, name: str) -> Callable[[RuleFunction], RuleFunction]:
    """What a method of a distribution is written out as."""
    return written_out(getattr(distribution, name))


def follow(form: Callable[[RuleFunction], RuleFunction], table: Mapping[Any, RuleFunction]) -> None:
    """Methods that are one function of another method of their distribution."""
    for found, of in table.items():
        written_out(found)(form(of))


def exponential(density: RuleFunction) -> RuleFunction:
    """A density or probability, of its logarithm."""

    def of_logarithm(x: Any, *parameters: Any, **named: Any) -> Any:
        return np.exp(density(x, *parameters, **named))

    return of_logarithm


def logarithm(probability: RuleFunction) -> RuleFunction:
    """The logarithm of a probability that has no form of its own."""

    def of_probability(x: Any, *parameters: Any, **named: Any) -> Any:
        return np.log(probability(x, *parameters, **named))

    return of_probability


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


@method(stats.norm, "isf")
def norm_isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc - positive(scale) * special.ndtri(double(q))


@method(stats.multivariate_normal, "logpdf")
def multivariate_normal_logpdf(x: Any, mean: Any, cov: Any) -> Any:
    deviation = double(np.asarray(x) - mean)
    factor = np.linalg.cholesky(np.asarray(cov))
    white = np.linalg.solve(factor, np.atleast_2d(deviation).T)
    squares = np.sum(white * white, axis=0)
    half_log_det = np.sum(np.log(np.diagonal(factor)))
    result = -0.5 * squares - half_log_det - HALF_LOG_TWO_PI * np.shape(factor)[0]
    return result[0] if np.ndim(deviation) == 1 else result


# --- distributions on the whole line ---


@method(stats.t, "logpdf")
def t_logpdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    normalizer = (
        special.gammaln(0.5 * (df + 1)) - special.gammaln(0.5 * positive(df)) - 0.5 * np.log(np.pi * df)
    )
    return normalizer - np.log(scale) - 0.5 * (df + 1) * np.log1p(z * z / df)


@method(stats.t, "cdf")
def t_cdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return special.stdtr(df, standard(x, loc, scale))


@method(stats.t, "sf")
def t_sf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return special.stdtr(df, -standard(x, loc, scale))


@method(stats.t, "ppf")
def t_ppf(q: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc + positive(scale) * special.stdtrit(df, double(q))


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
    return np.arctan2(1, -standard(x, loc, scale)) / np.pi


@method(stats.cauchy, "sf")
def cauchy_sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return np.arctan2(1, standard(x, loc, scale)) / np.pi


@method(stats.cauchy, "ppf")
def cauchy_ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc + positive(scale) * np.tan(np.pi * (double(q) - 0.5))


@method(stats.cauchy, "isf")
def cauchy_isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc + positive(scale) * np.tan(np.pi * (0.5 - double(q)))


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


@method(stats.laplace, "sf")
def laplace_sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return laplace_cdf(-x, -loc, scale)


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


@method(stats.logistic, "sf")
def logistic_sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return special.expit(-standard(x, loc, scale))


@method(stats.logistic, "logsf")
def logistic_logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return -np.logaddexp(0, standard(x, loc, scale))


@method(stats.logistic, "ppf")
def logistic_ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc + positive(scale) * special.logit(double(q))


@method(stats.logistic, "isf")
def logistic_isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc - positive(scale) * special.logit(double(q))


@method(stats.gumbel_r, "logpdf")
def gumbel_r_logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return -z - np.exp(-z) - np.log(scale)


@method(stats.gumbel_r, "cdf")
def gumbel_r_cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return np.exp(-np.exp(-standard(x, loc, scale)))


@method(stats.gumbel_r, "logcdf")
def gumbel_r_logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return -np.exp(-standard(x, loc, scale))


@method(stats.gumbel_r, "sf")
def gumbel_r_sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return -np.expm1(-np.exp(-standard(x, loc, scale)))


@method(stats.gumbel_r, "logsf")
def gumbel_r_logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return np.log(gumbel_r_sf(x, loc, scale))


@method(stats.gumbel_r, "ppf")
def gumbel_r_ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc - positive(scale) * np.log(-np.log(double(q)))


@method(stats.gumbel_l, "logpdf")
def gumbel_l_logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return gumbel_r_logpdf(-x, -loc, scale)


@method(stats.gumbel_l, "pdf")
def gumbel_l_pdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return np.exp(gumbel_r_logpdf(-x, -loc, scale))


@method(stats.gumbel_l, "cdf")
def gumbel_l_cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return gumbel_r_sf(-x, -loc, scale)


@method(stats.gumbel_l, "logcdf")
def gumbel_l_logcdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return gumbel_r_logsf(-x, -loc, scale)


@method(stats.gumbel_l, "sf")
def gumbel_l_sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return gumbel_r_cdf(-x, -loc, scale)


@method(stats.gumbel_l, "logsf")
def gumbel_l_logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return gumbel_r_logcdf(-x, -loc, scale)


@method(stats.gumbel_l, "ppf")
def gumbel_l_ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc + positive(scale) * np.log(-np.log1p(-double(q)))


@method(stats.gennorm, "logpdf")
def gennorm_logpdf(x: Any, beta: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = np.abs(standard(x, loc, scale))
    return np.log(0.5 * beta) - special.gammaln(1 / beta) - z**beta - np.log(scale)


@method(stats.gennorm, "cdf")
def gennorm_cdf(x: Any, beta: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    tail = 0.5 * special.gammaincc(1 / beta, np.abs(z) ** beta)
    return np.where(z < 0, tail, 1 - tail)


@method(stats.skewnorm, "logpdf")
def skewnorm_logpdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return 0.6931471805599453 + norm_logpdf(z) + special.log_ndtr(a * z) - np.log(scale)


# --- what follows from these ---

follow(
    exponential,
    {
        stats.multivariate_normal.pdf: multivariate_normal_logpdf,
        stats.t.pdf: t_logpdf,
        stats.gumbel_r.pdf: gumbel_r_logpdf,
        stats.gennorm.pdf: gennorm_logpdf,
        stats.skewnorm.pdf: skewnorm_logpdf,
    },
)
follow(
    logarithm,
    {
        stats.t.logcdf: t_cdf,
        stats.t.logsf: t_sf,
        stats.cauchy.logcdf: cauchy_cdf,
        stats.cauchy.logsf: cauchy_sf,
    },
)
