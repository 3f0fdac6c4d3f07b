"""Gates that are known by heart: chains of operations whose derivative as a whole is simpler.

    @gates("1/(1 + exp(-x))")             the chain, as `transforms.chains` writes it
    def sigmoid(x, *, y):                 its partial derivative: `y` is the result
        return (1 - y) * y

What else is asked for after the star is a value on the way, given as a chain by that name. A chain
registered by `leave` gains nothing, and is left to the chain rule.

A gate is here if it costs fewer operations than the chain rule's reverse code and is as accurate, by the
measure of `symbolic.accuracy`: an error of some units in the last place of the largest derivative is
allowed, for `(1 - y) * y` has it where `y` is next to 1. In range they are better: where `exp` overflows
and the result does not, the chain rule has `0 * inf`. The tests compare each with SymPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class KnownGate:
    """The partial derivative of a chain, and the chains of the inner values it reads."""

    partials: Callable[..., Any]
    inner: dict[str, str]


known: dict[str, KnownGate | None] = {}


def gates(*chains: str, **inner: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(partials: Callable[..., Any]) -> Callable[..., Any]:
        known.update(dict.fromkeys(chains, KnownGate(partials, inner)))
        return partials

    return decorate


def leave(*chains: str) -> None:
    known.update(dict.fromkeys(chains))


@gates("1/(1 + exp(-x))", "exp(x)/(1 + exp(x))")
def sigmoid(x: Any, *, y: Any) -> Any:
    return (1 - y) * y


@gates("1/(1 + exp(x))")
def falling_sigmoid(x: Any, *, y: Any) -> Any:
    return (y - 1) * y


@gates("x*(1/(1 + exp(-x)))", s="1/(1 + exp(-x))")
def sigmoid_linear_unit(x: Any, *, y: Any, s: Any) -> Any:
    return s + y * (1 - s)


@gates("x/(1 + exp(-x))", total="1 + exp(-x)")
def sigmoid_linear_unit_as_quotient(x: Any, *, y: Any, total: Any) -> Any:
    s = 1 / total
    return s + y * (1 - s)


@gates("log(1/(1 + exp(-x)))", s="1/(1 + exp(-x))")
def log_sigmoid(x: Any, *, s: Any) -> Any:
    return 1 - s


@gates(
    "(exp(x) - exp(-x))/(exp(x) + exp(-x))",
    "sinh(x)/cosh(x)",
)
def hyperbolic_tangent(x: Any, *, y: Any) -> Any:
    return 1 - y * y


@gates(
    "(exp(x) - 1)/(1 + exp(x))",
    "(1 - exp(-x))/(1 + exp(-x))",
    "2/(1 + exp(-x)) - 1",
)
def half_hyperbolic_tangent(x: Any, *, y: Any) -> Any:
    return 0.5 * (1 - y * y)


@gates("log(cosh(x))")
def log_cosh(x: Any) -> Any:
    return np.tanh(x)


@gates("log(x/(1 - x))")
def log_odds(x: Any) -> Any:
    return 1 / (x * (1 - x))


leave(
    "exp(-x**2)",
    "exp(-0.5*x**2)",
    "log(1 + exp(x))",
    "log(1 + exp(-x))",
    "log1p(exp(x))",
    "log1p(exp(-x))",
    "log(x) - log(1 - x)",
    "x*tanh(log(1 + exp(x)))",
    "x*tanh(log1p(exp(x)))",
)
