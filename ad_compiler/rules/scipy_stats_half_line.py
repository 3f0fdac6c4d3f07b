"""Distributions of `scipy.stats` on the half line; see `scipy_stats`.

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


@method(stats.expon, "sf")
def expon_sf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, 1.0, np.exp(-z))


@method(stats.expon, "logsf")
def expon_logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, 0.0, -z)


@method(stats.expon, "ppf")
def expon_ppf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc - positive(scale) * np.log1p(-double(q))


@method(stats.expon, "isf")
def expon_isf(q: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc - positive(scale) * np.log(double(q))


@method(stats.gamma, "logpdf")
def gamma_logpdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, -np.inf, special.xlogy(a - 1, z) - z - special.gammaln(positive(a)) - np.log(scale))


@method(stats.gamma, "cdf")
def gamma_cdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, 0.0, special.gammainc(a, z))


@method(stats.gamma, "sf")
def gamma_sf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, 1.0, special.gammaincc(a, z))


@method(stats.gamma, "ppf")
def gamma_ppf(q: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc + positive(scale) * special.gammaincinv(a, double(q))


@method(stats.chi2, "logpdf")
def chi2_logpdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return gamma_logpdf(x, 0.5 * df, loc, 2 * scale)


@method(stats.chi2, "pdf")
def chi2_pdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return np.exp(gamma_logpdf(x, 0.5 * df, loc, 2 * scale))


@method(stats.chi2, "cdf")
def chi2_cdf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return gamma_cdf(x, 0.5 * df, loc, 2 * scale)


@method(stats.chi2, "sf")
def chi2_sf(x: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return gamma_sf(x, 0.5 * df, loc, 2 * scale)


@method(stats.chi2, "ppf")
def chi2_ppf(q: Any, df: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return gamma_ppf(q, 0.5 * df, loc, 2 * scale)


@method(stats.invgamma, "logpdf")
def invgamma_logpdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(
        z <= 0, -np.inf, -(a + 1) * np.log(z) - special.gammaln(positive(a)) - 1 / z - np.log(scale)
    )


@method(stats.invgamma, "cdf")
def invgamma_cdf(x: Any, a: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z <= 0, 0.0, special.gammaincc(a, 1 / z))


@method(stats.lognorm, "logpdf")
def lognorm_logpdf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    log = np.log(z)
    return outside(z <= 0, -np.inf, -0.5 * (log / s) ** 2 - log - np.log(s * scale) - HALF_LOG_TWO_PI)


@method(stats.lognorm, "cdf")
def lognorm_cdf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z <= 0, 0.0, special.ndtr(np.log(z) / positive(s)))


@method(stats.lognorm, "sf")
def lognorm_sf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z <= 0, 1.0, special.ndtr(-np.log(z) / positive(s)))


@method(stats.lognorm, "logcdf")
def lognorm_logcdf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z <= 0, -np.inf, special.log_ndtr(np.log(z) / positive(s)))


@method(stats.lognorm, "logsf")
def lognorm_logsf(x: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z <= 0, 0.0, special.log_ndtr(-np.log(z) / positive(s)))


@method(stats.lognorm, "ppf")
def lognorm_ppf(q: Any, s: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc + positive(scale) * np.exp(s * special.ndtri(double(q)))


@method(stats.pareto, "logpdf")
def pareto_logpdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 1, -np.inf, np.log(positive(b)) - (b + 1) * np.log(z) - np.log(scale))


@method(stats.pareto, "cdf")
def pareto_cdf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 1, 0.0, -np.expm1(-b * np.log(z)))


@method(stats.pareto, "sf")
def pareto_sf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 1, 1.0, np.exp(-b * np.log(z)))


@method(stats.pareto, "logsf")
def pareto_logsf(x: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 1, 0.0, -b * np.log(z))


@method(stats.pareto, "ppf")
def pareto_ppf(q: Any, b: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc + positive(scale) * np.exp(-np.log1p(-double(q)) / b)


@method(stats.weibull_min, "logpdf")
def weibull_min_logpdf(x: Any, c: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, -np.inf, np.log(positive(c)) + special.xlogy(c - 1, z) - z**c - np.log(scale))


@method(stats.weibull_min, "cdf")
def weibull_min_cdf(x: Any, c: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, 0.0, -np.expm1(-(z**c)))


@method(stats.weibull_min, "sf")
def weibull_min_sf(x: Any, c: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, 1.0, np.exp(-(z**c)))


@method(stats.weibull_min, "logsf")
def weibull_min_logsf(x: Any, c: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, 0.0, -(z**c))


@method(stats.weibull_min, "ppf")
def weibull_min_ppf(q: Any, c: Any, loc: Any = 0, scale: Any = 1) -> Any:
    return loc + positive(scale) * (-np.log1p(-double(q))) ** (1 / c)


@method(stats.halfnorm, "logpdf")
def halfnorm_logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, -np.inf, -0.5 * z * z - 0.22579135264472744 - np.log(scale))  # log(pi / 2) / 2


@method(stats.halfnorm, "cdf")
def halfnorm_cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, 0.0, special.erf(0.7071067811865476 * z))


@method(stats.halfcauchy, "logpdf")
def halfcauchy_logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, -np.inf, -0.4515827052894549 - np.log1p(z * z) - np.log(scale))  # log(pi / 2)


@method(stats.rayleigh, "logpdf")
def rayleigh_logpdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, -np.inf, np.log(z) - 0.5 * z * z - np.log(scale))


@method(stats.rayleigh, "cdf")
def rayleigh_cdf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, 0.0, -np.expm1(-0.5 * z * z))


@method(stats.rayleigh, "logsf")
def rayleigh_logsf(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    return outside(z < 0, 0.0, -0.5 * z * z)


@method(stats.f, "logpdf")
def f_logpdf(x: Any, dfn: Any, dfd: Any, loc: Any = 0, scale: Any = 1) -> Any:
    z = standard(x, loc, scale)
    ways = 0.5 * (dfn * np.log(dfn) + dfd * np.log(dfd)) - special.betaln(0.5 * dfn, 0.5 * dfd)
    spread = special.xlogy(0.5 * dfn - 1, z) - 0.5 * (dfn + dfd) * np.log(dfd + dfn * z)
    return outside(z < 0, -np.inf, ways + spread - np.log(scale))


# --- what follows from these ---

follow(
    exponential,
    {
        stats.gamma.pdf: gamma_logpdf,
        stats.invgamma.pdf: invgamma_logpdf,
        stats.lognorm.pdf: lognorm_logpdf,
        stats.pareto.pdf: pareto_logpdf,
        stats.weibull_min.pdf: weibull_min_logpdf,
        stats.halfnorm.pdf: halfnorm_logpdf,
        stats.halfcauchy.pdf: halfcauchy_logpdf,
        stats.rayleigh.pdf: rayleigh_logpdf,
        stats.f.pdf: f_logpdf,
    },
)
follow(
    logarithm,
    {
        stats.expon.logcdf: expon_cdf,
        stats.gamma.logcdf: gamma_cdf,
        stats.gamma.logsf: gamma_sf,
        stats.chi2.logcdf: chi2_cdf,
        stats.chi2.logsf: chi2_sf,
        stats.pareto.logcdf: pareto_cdf,
    },
)
