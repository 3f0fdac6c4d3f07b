"""Distributions of `scipy.stats` on intervals; see `scipy_stats`.

Source: the definitions in SciPy's documentation; Johnson, Kotz and Balakrishnan, Continuous univariate
distributions (1994).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special, stats

from ad_compiler.rules.scipy_precision import double
from ad_compiler.rules.scipy_stats import (
    HALF_LOG_TWO_PI,
    exponential,
    follow,
    logarithm,
    method,
    outside,
    positive,
    standard,
)


@method(stats.beta, "logpdf")
def beta_logpdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    density = (
        special.xlogy(a - 1, z)
        + special.xlog1py(b - 1, -z)
        - special.betaln(positive(a), positive(b))
        - np.log(scale)
    )
    return outside((z < 0) | (z > 1), -np.inf, density)


@method(stats.beta, "cdf")
def beta_cdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return special.betainc(a, b, np.clip(standard(x, loc, scale), 0.0, 1.0))


@method(stats.beta, "sf")
def beta_sf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return special.betaincc(a, b, np.clip(standard(x, loc, scale), 0.0, 1.0))


@method(stats.beta, "ppf")
def beta_ppf(q: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc + positive(scale) * special.betaincinv(a, b, double(q))


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


@method(stats.uniform, "sf")
def uniform_sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return np.clip(1 - standard(x, loc, scale), 0.0, 1.0)


@method(stats.uniform, "ppf")
def uniform_ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc + positive(scale) * double(q)


def log_difference(p: Any, q: Any) -> Any:
    """`log(exp(p) - exp(q))`, where `p` is not less."""
    return p + np.log(-np.expm1(q - p))


def log_mass(a: Any, b: Any) -> Any:
    """The logarithm of the mass of the standard normal distribution between two points, `a <= b`."""
    right = a > 0
    tails = log_difference(special.log_ndtr(np.where(right, -a, b)), special.log_ndtr(np.where(right, -b, a)))
    return np.where((a < 0) & (b > 0), np.log1p(-special.ndtr(a) - special.ndtr(-b)), tails)


@method(stats.truncnorm, "logpdf")
def truncnorm_logpdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    density = -0.5 * z * z - HALF_LOG_TWO_PI - log_mass(a, b) - np.log(scale)
    return outside((z < a) | (z > b), -np.inf, density)


@method(stats.truncnorm, "logcdf")
def truncnorm_logcdf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    lower = outside(z <= a, -np.inf, log_mass(a, np.where(z <= a, b, z)) - log_mass(a, b))
    return outside(z >= b, 0.0, lower)


@method(stats.truncnorm, "logsf")
def truncnorm_logsf(x: Any, a: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    upper = outside(z >= b, -np.inf, log_mass(np.where(z >= b, a, z), b) - log_mass(a, b))
    return outside(z <= a, 0.0, upper)


@method(stats.vonmises, "logpdf")
def vonmises_logpdf(x: Any, kappa: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return kappa * special.cosm1(z) - 2 * HALF_LOG_TWO_PI - np.log(special.i0e(kappa)) - np.log(scale)


@method(stats.wrapcauchy, "pdf")
def wrapcauchy_pdf(x: Any, c: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    density = (1 - c * c) / (2 * np.pi * (1 + c * c - 2 * c * np.cos(z)) * scale)
    return outside((z < 0) | (z > 2 * np.pi), 0.0, density)


@method(stats.dirichlet, "logpdf")
def dirichlet_logpdf(x: Any, alpha: Any) -> Any:
    normalizer = special.gammaln(np.sum(alpha)) - np.sum(special.gammaln(alpha))
    return normalizer + np.sum(special.xlogy(np.asarray(alpha) - 1, x))


# --- what follows from these ---

follow(
    exponential,
    {
        stats.beta.pdf: beta_logpdf,
        stats.truncnorm.pdf: truncnorm_logpdf,
        stats.truncnorm.cdf: truncnorm_logcdf,
        stats.truncnorm.sf: truncnorm_logsf,
        stats.vonmises.pdf: vonmises_logpdf,
        stats.dirichlet.pdf: dirichlet_logpdf,
    },
)
follow(
    logarithm,
    {
        stats.beta.logcdf: beta_cdf,
        stats.beta.logsf: beta_sf,
        stats.wrapcauchy.logpdf: wrapcauchy_pdf,
    },
)
