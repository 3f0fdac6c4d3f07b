"""Distributions of counts of `scipy.stats`: the parameters carry the derivatives; see `scipy_stats`.

A probability is 0 where the count is not a whole number, and a distribution function steps there. Source:
the definitions in SciPy's documentation; Johnson, Kemp and Kotz, Univariate discrete distributions (2005).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special, stats

from ad_compiler.rules.scipy_precision import double
from ad_compiler.rules.scipy_stats import exponential, follow, method, outside, positive, probability


def broken(k: Any) -> Any:
    """Whether a count is no whole number."""
    return k > np.floor(k)


@method(stats.poisson, "logpmf")
def poisson_logpmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    n, mu = k - loc, double(mu)
    return outside((n < 0) | broken(n), -np.inf, special.xlogy(n, mu) - mu - special.gammaln(n + 1))


@method(stats.poisson, "cdf")
def poisson_cdf(k: Any, mu: Any, loc: Any = 0) -> Any:
    n, mu = np.floor(k - loc), double(mu)
    return outside(n < 0, 0.0, special.gammaincc(np.maximum(n, 0.0) + 1, mu))


@method(stats.poisson, "sf")
def poisson_sf(k: Any, mu: Any, loc: Any = 0) -> Any:
    n, mu = np.floor(k - loc), double(mu)
    return outside(n < 0, 1.0, special.gammainc(np.maximum(n, 0.0) + 1, mu))


@method(stats.bernoulli, "logpmf")
def bernoulli_logpmf(k: Any, p: Any, loc: Any = 0) -> Any:
    n, p = k - loc, probability(double(p))
    return outside((n != 0) & (n != 1), -np.inf, special.xlogy(n, p) + special.xlog1py(1 - n, -p))


@method(stats.bernoulli, "cdf")
def bernoulli_cdf(k: Any, p: Any, loc: Any = 0) -> Any:
    n, p = k - loc, probability(double(p))
    return outside(n < 0, 0.0, outside(n >= 1, 1.0, 1 - p))


@method(stats.binom, "logpmf")
def binom_logpmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    m, p = k - loc, probability(double(p))
    ways = special.gammaln(n + 1) - special.gammaln(m + 1) - special.gammaln(n - m + 1)
    return outside(
        (m < 0) | (m > n) | broken(m), -np.inf, ways + special.xlogy(m, p) + special.xlog1py(n - m, -p)
    )


@method(stats.binom, "cdf")
def binom_cdf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    m, p = np.floor(k - loc), probability(double(p))
    some = special.betaincc(np.maximum(m, 0.0) + 1, np.maximum(n - m, 1.0), p)
    return outside(m >= n, 1.0, outside(m < 0, 0.0, some))


@method(stats.betabinom, "logpmf")
def betabinom_logpmf(k: Any, n: Any, a: Any, b: Any, loc: Any = 0) -> Any:
    m, a = k - loc, double(a)
    ways = -np.log(n + 1) - special.betaln(n - m + 1, m + 1)
    density = ways + special.betaln(m + a, n - m + b) - special.betaln(positive(a), positive(b))
    return outside((m < 0) | (m > n) | broken(m), -np.inf, density)


@method(stats.geom, "logpmf")
def geom_logpmf(k: Any, p: Any, loc: Any = 0) -> Any:
    m, p = k - loc, probability(double(p))
    return outside((m < 1) | broken(m), -np.inf, special.xlog1py(m - 1, -p) + np.log(positive(p)))


@method(stats.geom, "cdf")
def geom_cdf(k: Any, p: Any, loc: Any = 0) -> Any:
    m, p = np.floor(k - loc), probability(double(p))
    return outside(m < 1, 0.0, -np.expm1(m * np.log1p(-p)))


@method(stats.nbinom, "logpmf")
def nbinom_logpmf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    m, p = k - loc, probability(double(p))
    ways = special.gammaln(n + m) - special.gammaln(m + 1) - special.gammaln(positive(n))
    return outside((m < 0) | broken(m), -np.inf, ways + n * np.log(positive(p)) + special.xlog1py(m, -p))


@method(stats.nbinom, "cdf")
def nbinom_cdf(k: Any, n: Any, p: Any, loc: Any = 0) -> Any:
    m, p = np.floor(k - loc), probability(double(p))
    return outside(m < 0, 0.0, special.betainc(n, np.maximum(m, 0.0) + 1, p))


@method(stats.multinomial, "logpmf")
def multinomial_logpmf(x: Any, n: Any, p: Any) -> Any:
    """Not a number where the probabilities do not sum to 1, as in SciPy 1.18."""
    counts = np.asarray(x)
    terms = special.xlogy(counts, p) - special.gammaln(counts + 1)
    density = special.gammaln(n + 1) + np.sum(terms, axis=-1)
    possible = outside(np.sum(counts, axis=-1) != n, -np.inf, density)
    return outside(np.abs(1 - np.sum(p, axis=-1)) > 2.3e-15, np.nan, possible)


# --- what follows from these ---

follow(
    exponential,
    {
        stats.poisson.pmf: poisson_logpmf,
        stats.bernoulli.pmf: bernoulli_logpmf,
        stats.binom.pmf: binom_logpmf,
        stats.betabinom.pmf: betabinom_logpmf,
        stats.geom.pmf: geom_logpmf,
        stats.nbinom.pmf: nbinom_logpmf,
        stats.multinomial.pmf: multinomial_logpmf,
    },
)
