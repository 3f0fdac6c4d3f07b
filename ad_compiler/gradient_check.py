"""The command `check`: a gradient against finite differences, argument by argument."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from inspect import BoundArguments
from typing import Any

import numpy as np

from ad_compiler.command_target import BadInput, failure
from ad_compiler.errors import Unsupported
from ad_compiler.graph import abbreviated
from ad_compiler.making import derivative_of, has_reals
from ad_compiler.testing import direction, inner, is_real, leaves, rebuilt, scaled_difference

STEP = float(np.finfo(np.float64).eps) ** (1 / 3)  # balances truncation and rounding of a central difference
RELATIVE, ROUNDING = 1e-5, 1e-9


@dataclass(frozen=True, slots=True)
class Comparison:
    """One argument: the largest entry of its gradient (None if it has none) and the difference."""

    name: str
    value: Any
    largest: float | None = None
    difference: float | None = None
    agrees: bool = True

    def cells(self) -> tuple[str, ...]:
        if self.largest is None or self.difference is None:
            return self.name, abbreviated(self.value), "-", "-", "not differentiated"
        verdict = "agrees" if self.agrees else "DIFFERS"
        return (
            self.name,
            abbreviated(self.value),
            f"{self.largest:.6g}",
            f"{self.difference:.1e}",
            verdict,
        )


def compare(function: Callable[..., Any], bound: BoundArguments, names: Sequence[str]) -> list[Comparison]:
    """Compare for the arguments `names`; `Unsupported`, and `BadInput` where the function fails.

    Where the function returns more than a number, its product with random numbers is checked.
    """
    for name in names:
        bound.arguments[name] = rebuilt(bound.arguments[name], as_real)
    with running(function):
        value = function(*bound.args, **bound.kwargs)
    cotangent = 1.0 if is_real(value) and np.ndim(value) == 0 else direction(value, np.random.default_rng(0))
    derivative = derivative_of(function, "vjp", tuple(names), False)
    with contextlib.redirect_stdout(sys.stderr):
        _, pullback = derivative(*bound.args, **bound.kwargs)
        gradients = dict(zip(names, pullback(cotangent), strict=True))
    scale = sum(float(np.sum(np.abs(np.asarray(leaf)))) for leaf in leaves(value) if is_real(leaf))
    compared = []
    for name, argument in bound.arguments.items():
        if name not in gradients:
            compared.append(Comparison(name, argument))
            continue
        with running(function):
            expected = np.array(list(differences(function, bound, name, cotangent)))
        given = [np.ravel(np.asarray(leaf, float)) for leaf in leaves(gradients[name]) if is_real(leaf)]
        found = np.concatenate(given) if given else np.zeros(0)
        difference = float(np.max(np.abs(found - expected), initial=0.0))
        tolerance = RELATIVE * float(np.max(np.abs(expected), initial=0.0)) + ROUNDING * max(1.0, scale)
        largest = float(np.max(np.abs(found), initial=0.0))
        compared.append(Comparison(name, argument, largest, difference, bool(difference <= tolerance)))
    return compared


def as_real(leaf: Any) -> Any:
    if isinstance(leaf, int) and not isinstance(leaf, bool):
        return float(leaf)
    return leaf


def differentiable_names(arguments: dict[str, Any]) -> list[str]:
    """The arguments with real numbers; if there is none, those with whole numbers."""
    real = [name for name, value in arguments.items() if has_reals(value)]
    return real or [name for name, value in arguments.items() if has_reals(rebuilt(value, as_real))]


def differences(
    function: Callable[..., Any], bound: BoundArguments, name: str, cotangent: Any
) -> Iterator[float]:
    """Central differences for every number in the argument, in the order of its leaves."""
    argument = bound.arguments[name]
    for place, leaf in enumerate(leaves(argument)):
        if not is_real(leaf):
            continue
        for index in np.ndindex(np.shape(leaf)):
            step = STEP * max(1.0, abs(float(np.asarray(leaf)[index])))
            moved = []
            for signed in (step, -step):
                bound.arguments[name] = with_step(argument, place, index, signed)
                moved.append(function(*bound.args, **bound.kwargs))
            bound.arguments[name] = argument
            yield inner(cotangent, scaled_difference(moved[0], moved[1], step))


def with_step(tree: Any, place: int, index: tuple[int, ...], step: float) -> Any:
    """The structure with one number of its leaf at `place` moved."""
    places = iter(range(len(leaves(tree))))

    def move(leaf: Any) -> Any:
        if next(places) != place:
            return leaf
        array = np.array(leaf, dtype=np.float64)
        array[index] += step
        return array if isinstance(leaf, np.ndarray) else float(array)

    return rebuilt(tree, move)


@contextlib.contextmanager
def running(function: Callable[..., Any]) -> Iterator[None]:
    """The user's function at work: its errors in one line, its prints on stderr."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except Unsupported:
        raise
    except Exception as error:
        name = getattr(function, "__name__", "the function")
        raise BadInput(f"{name} fails at these arguments: {failure(error)}") from None


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows of text in columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
