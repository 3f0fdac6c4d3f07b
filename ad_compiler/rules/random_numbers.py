"""Random numbers drawn from a `np.random.Generator` that is an argument of the program.

A draw is a number like any other: the derivative draws it once, in the forward sweep, in the order of
the program, and reads it again. It changes the generator, so that it is never left out, repeated or
moved. Where a draw is a formula of a standard one (`loc + scale * z`), the derivative by the parameters
of the distribution is that of the formula (the pathwise derivative: Kingma and Welling, Auto-encoding
variational Bayes, 2013); by others it is refused.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from ad_compiler.analysis.types import FLOAT, INT, ArrayType
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.elementwise_types import broadcast_types
from ad_compiler.rules.notation import at_compile_time, registry, rule
from ad_compiler.rules.shapes import (
    axis_from_operand,
    axis_if_not_negative,
    dtype_or,
    shape_argument,
    type_of,
)
from ad_compiler.rules.structure import sum_to_shape_of

# Methods, and their parameters of which the result is a function.
METHODS: dict[str, tuple[str, ...]] = {
    "random": (),
    "standard_normal": (),
    "standard_exponential": (),
    "normal": ("loc", "scale"),
    "uniform": ("low", "high"),
    "exponential": ("scale",),
    "laplace": ("loc", "scale"),
    "logistic": ("loc", "scale"),
    "gumbel": ("loc", "scale"),
    "lognormal": ("mean", "sigma"),
    "rayleigh": ("scale",),
    "gamma": ("shape", "scale"),
    "beta": ("a", "b"),
    "integers": ("low", "high"),
    "poisson": ("lam",),
    "binomial": ("n", "p"),
    "permutation": ("x",),
}
WHOLE = ("integers", "poisson", "binomial", "permutation")


def draw_type(generator: Any, method: Any, items: Any, size: Any, dtype: Any, call: Any) -> ArrayType:
    kind = FLOAT if method not in WHOLE else INT
    types = [type_of(item) for item in items if item is not None]
    if method == "permutation":
        if types[0].rank or not isinstance(items[0], (int, Value)):
            raise Refusal("an array is permuted", "write `x[rng.permutation(len(x))]`")
        return ArrayType(INT.dtype, (axis_if_not_negative(items[0]),))
    if size is not None:
        shape = tuple([axis_from_operand(n) for n in shape_argument(size)])
        return ArrayType(dtype_or(dtype, kind.dtype), shape)
    shape = broadcast_types(types) if types else ()
    return ArrayType(dtype_or(dtype, kind.dtype), shape) if shape or dtype is not None else kind


@rule("draw", infer=draw_type, fresh=True, differentiable=("items",))
def draw(generator: Any, method: Any, items: Any, size: Any, dtype: Any, call: Any, *, y: Any, g: Any) -> Any:
    slopes = slopes_of(method, items, y)
    return [sum_to_shape_of(g * slope, item) for slope, item in zip(slopes, items)]  # noqa: B905


def slopes_of(method: Any, items: Any, y: Any) -> Any:
    """The derivatives of a draw by the parameters of its distribution."""
    if method in ("normal", "laplace", "logistic", "gumbel"):
        return [1.0, (y - items[0]) / items[1]]
    if method == "uniform":
        part = (y - items[0]) / (items[1] - items[0])
        return [1.0 - part, part]
    if method in ("exponential", "rayleigh"):
        return [y / items[0]]
    if method == "lognormal":
        return [y, y * (np.log(y) - items[0]) / items[1]]
    if method == "gamma":
        check_constant(method, items[:1])
        return [0.0, y / items[1]]
    check_constant(method, items)
    return [0.0 for _ in items]


@at_compile_time
def check_constant(method: str, items: Any) -> None:
    if any(isinstance(item, Value) and type_of(item).differentiable for item in items):
        raise Refusal(
            f"how a draw of `{method}` changes with its parameters is not a formula of the draw",
            "differentiate the logarithm of its density, or keep the parameters constant",
        )


def drawn(
    builder: Builder, generator: Value, method: str, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """A call of a method of a generator: it is made where it stands, whatever becomes of the result."""
    if method not in METHODS:
        raise Refusal(f"the method `{method}` of a generator has no rule", f"use one of {', '.join(METHODS)}")
    signature = inspect.signature(getattr(np.random.Generator, method))
    try:
        bound = signature.bind(generator, *positional, **keywords)
    except TypeError as error:
        raise Refusal(f"this call does not fit: {error}", "check the arguments") from None
    bound.apply_defaults()
    given = bound.arguments
    items = tuple([given[name] for name in METHODS[method] if given.get(name) is not None])
    dtype = given.get("dtype") if method not in WHOLE else None
    dtype = None if dtype is np.float64 else dtype
    call = (tuple(positional), dict(keywords))
    result = builder.call(registry["draw"], (generator, method, items, given.get("size"), dtype, call))
    result.operation.kept = True
    return result
