"""Distributions whose parameters are given first: `norm(mu, s).logpdf(x)` is `norm.logpdf(x, mu, s)`."""

from __future__ import annotations

from typing import Any

from scipy import stats

from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Record
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, expansion, replaced, stand_in


@at_compile_time
def method_of(distribution: Any, name: str) -> Any:
    """A method of a distribution that is written out; `Refusal` where it has no rule."""
    found = getattr(distribution, name, None)
    if found is None or found not in replaced:
        raise Refusal(f"`{name}` of this distribution has no derivative rule", "use a method that has one")
    return found


class Frozen:
    """A distribution and its parameters."""

    def __init__(self, distribution: Any, parameters: Any, named: Any) -> None:
        self.distribution = distribution
        self.parameters = parameters
        self.named = named

    def pdf(self, x: Any) -> Any:
        return method_of(self.distribution, "pdf")(x, *self.parameters, **self.named)

    def logpdf(self, x: Any) -> Any:
        return method_of(self.distribution, "logpdf")(x, *self.parameters, **self.named)

    def pmf(self, k: Any) -> Any:
        return method_of(self.distribution, "pmf")(k, *self.parameters, **self.named)

    def logpmf(self, k: Any) -> Any:
        return method_of(self.distribution, "logpmf")(k, *self.parameters, **self.named)

    def cdf(self, x: Any) -> Any:
        return method_of(self.distribution, "cdf")(x, *self.parameters, **self.named)

    def logcdf(self, x: Any) -> Any:
        return method_of(self.distribution, "logcdf")(x, *self.parameters, **self.named)

    def sf(self, x: Any) -> Any:
        return method_of(self.distribution, "sf")(x, *self.parameters, **self.named)

    def logsf(self, x: Any) -> Any:
        return method_of(self.distribution, "logsf")(x, *self.parameters, **self.named)

    def ppf(self, q: Any) -> Any:
        return method_of(self.distribution, "ppf")(q, *self.parameters, **self.named)

    def isf(self, q: Any) -> Any:
        return method_of(self.distribution, "isf")(q, *self.parameters, **self.named)


def freezing(distribution: Any) -> None:
    """Let a call of `distribution` make a frozen one."""

    @expansion(distribution)
    def freeze(builder: Builder, *parameters: Operand, **named: Operand) -> Operand:
        fields = {"distribution": distribution, "parameters": parameters, "named": named}
        return Record(Frozen, fields)


for _distribution in dict.fromkeys([getattr(method, "__self__", None) for method in replaced]):
    if type(_distribution).__module__.startswith("scipy.stats"):
        freezing(_distribution)


@at_compile_time
def thawed(frozen: Any) -> Any:
    """The distribution that a frozen one is of."""
    return getattr(stats, frozen.dist.name, None)


@stand_in(type(stats.norm()), type(stats.poisson(1.0)))
def frozen_outside(frozen: Any) -> Any:
    return Frozen(thawed(frozen), frozen.args, frozen.kwds)
