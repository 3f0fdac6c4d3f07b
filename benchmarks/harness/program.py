"""One benchmark program: a user's function, its rivals, and what is expected of its gradient."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any


@dataclass(frozen=True)
class Target:
    """A bound on the ratio of the times of `slower` and `faster`, one of which is `subject`."""

    slower: str
    faster: str
    at_least: float = 0.0
    at_most: float = math.inf
    subject: str = "ad_compiler"

    def is_met(self, ratio: float) -> bool:
        """Whether the time of `slower` divided by that of `faster` is within the bounds."""
        return self.at_least <= ratio <= self.at_most

    def __str__(self) -> str:
        bound = f">= {self.at_least:g}" if self.at_least else f"<= {self.at_most:g}"
        return f"{self.slower} / {self.faster} {bound}"


def times_faster(factor: float, rival: str, subject: str = "ad_compiler") -> Target:
    """The target that `subject` is at least `factor` times faster than `rival`."""
    return Target(rival, subject, at_least=factor, subject=subject)


def times_slower(factor: float, rival: str, subject: str = "ad_compiler") -> Target:
    """The target that `subject` is at most `factor` times slower than `rival`."""
    return Target(subject, rival, at_most=factor, subject=subject)


Rewrite = Callable[[], Callable[..., Any]]  # imports the rival's package, so it is called only then


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A function in plain NumPy, its arguments, and which of them are differentiated.

    `in_jax()` returns the function as a JAX user would write it; without it, JAX is given the same
    text with its own `np`.
    """

    name: str
    title: str
    function: Callable[..., Any]
    argnums: tuple[int, ...]
    inputs: Callable[[], tuple[Any, ...]]
    in_jax: Rewrite | None = None


@dataclass(frozen=True, kw_only=True)
class Compared(Problem):
    """A problem whose derivative is known and timed against others.

    ad_compiler is given `function` as it is. `in_autograd()` returns the function that a user of autograd
    would write; without it, autograd is given the same text with its own `np`. `left_out` says, by contender,
    why one takes no part. `by_hand` takes `arguments()` and returns what is compared.
    """

    by_hand: Callable[..., Any]
    in_autograd: Rewrite | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[Target, ...] = ()

    def arguments(self) -> tuple[Any, ...]:
        """What the derivative is called with."""
        return self.inputs()


@dataclass(frozen=True, kw_only=True)
class Program(Compared):
    """A problem with everything needed to time its gradient against others.

    `in_torch()` returns the function that a user of PyTorch would write. `by_hand` returns the gradients for
    `argnums`, in that order; so does what `in_numba()` returns, compiled loops, and `in_numba_with_libm()`,
    the same with the functions of the platform's library.
    """

    in_torch: Rewrite
    in_numba: Rewrite | None = None
    in_numba_with_libm: Rewrite | None = None


def with_numpy_replaced(function: Callable[..., Any], numpy_like: ModuleType) -> Callable[..., Any]:
    """Return `function` with the name `np` meaning `numpy_like`, in its module's helpers too."""
    assert isinstance(function, FunctionType)
    module = function.__globals__
    namespace = dict(module, np=numpy_like)
    for name, value in module.items():
        if isinstance(value, FunctionType) and value.__globals__ is module:
            namespace[name] = FunctionType(value.__code__, namespace, name, value.__defaults__)
    return FunctionType(function.__code__, namespace, function.__name__, function.__defaults__)
