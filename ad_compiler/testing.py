"""Checks for users' own tests: is the derivative right?"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ad_compiler.api import jvp, vjp
from ad_compiler.drivers import function_of_text


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int = 1,
    modes: Sequence[str] = ("rev",),
    *,
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    seed: int = 0,
) -> None:
    """Compare the derivative of `f` at `args` with central finite differences along random directions.

    Every argument with real numbers is checked by itself, and that the arguments are not changed. `modes` are
    "rev" and "fwd". With an `order` above 1 the derivatives are checked like functions, in every mode, so
    that all combinations of modes are. Raises `AssertionError` that names the argument, `Unsupported` where
    `f` cannot be differentiated.

    >>> check_grads(lambda x: np.sin(x) * x, (np.linspace(0.0, 1.0, 5),), order=2, modes=("fwd", "rev"))
    """
    from ad_compiler.making import has_reals

    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    if order < 1 or not modes or not set(modes) <= {"fwd", "rev"}:
        raise ValueError('check_grads checks orders from 1 on, in the modes "fwd" and "rev"')
    if not callable(f):
        raise TypeError(f"a function is needed, not {type(f).__name__}")
    if not isinstance(args, (tuple, list)):
        raise TypeError(f"the arguments must be a tuple with one entry for each, not {type(args).__name__}")
    random = np.random.default_rng(seed)
    args = tuple(args)
    kept = copy.deepcopy(args)
    value = vjp(f, *args)[0]
    cotangent = direction(value, random)
    tangents = [direction(arg, random) if has_reals(arg) else None for arg in args]
    found: dict[str, list[Any]] = {}
    if "rev" in modes:
        gradients = vjp(f, *args)[1](cotangent)
        pairs = zip(gradients, tangents, strict=True)
        found["reverse"] = [None if t is None else inner(gradient, t) for gradient, t in pairs]
    if "fwd" in modes:
        found["forward"] = [
            None if t is None else inner(cotangent, jvp(f, args, only(tangents, place))[1])
            for place, t in enumerate(tangents)
        ]
    for place, (arg, tangent) in enumerate(zip(args, tangents, strict=True)):
        if tangent is None:
            continue
        single = smallest_precision(arg) == np.float32
        step = eps if eps is not None else (1e-2 if single else 1e-5)
        ahead = f(*args[:place], moved(arg, tangent, step), *args[place + 1 :])
        behind = f(*args[:place], moved(arg, tangent, -step), *args[place + 1 :])
        expected = inner(cotangent, scaled_difference(ahead, behind, step))
        for mode, products in found.items():
            np.testing.assert_allclose(
                products[place],
                expected,
                atol=atol if atol is not None else (2e-2 if single else 1e-6),
                rtol=rtol if rtol is not None else (2e-2 if single else 1e-5),
                err_msg=f"the derivative with respect to argument {place} differs from finite differences "
                f"in {mode} mode",
            )
    assert same(args, kept), "the arguments were changed"
    if order > 1:
        for mode in modes:
            again = derivative_in(mode, f, tangents, cotangent)
            check_grads(again, args, order - 1, modes, atol=atol, rtol=rtol, eps=eps, seed=seed + 1)


def only(tangents: list[Any], place: int) -> tuple[Any, ...]:
    """The tangent of one argument."""
    return tuple(tangent if i == place else None for i, tangent in enumerate(tangents))


def derivative_in(
    mode: str, f: Callable[..., Any], tangents: list[Any], cotangent: Any
) -> Callable[..., Any]:
    """The derivative of `f` along these tangents, or the gradients by this cotangent, as a function."""
    names = ", ".join(f"x{place}" for place in range(len(tangents)))
    moving = [place for place, tangent in enumerate(tangents) if tangent is not None]
    known: dict[str, Any] = {"f": f, "jvp": jvp, "vjp": vjp, "cotangent": cotangent}
    if mode == "fwd":
        known |= {f"t{place}": tangents[place] for place in moving}
        given = ", ".join(f"t{place}" if place in moving else "None" for place in range(len(tangents)))
        body = f"return jvp(f, ({names},), ({given},))[1]"
    else:
        body = f"return vjp(f, {names}, argnums={tuple(moving)})[1](cotangent)"
    return function_of_text(f"def derivative({names}):\n    {body}\n", "derivative", known)


def leaves(tree: Any) -> list[Any]:
    """The numbers and arrays in nested tuples, lists, dicts and dataclasses."""
    if isinstance(tree, (tuple, list)):
        return [leaf for item in tree for leaf in leaves(item)]
    if isinstance(tree, dict):
        return [leaf for item in tree.values() for leaf in leaves(item)]
    if hasattr(tree, "__dataclass_fields__"):
        return [leaf for name in tree.__dataclass_fields__ for leaf in leaves(getattr(tree, name))]
    return [tree]


def rebuilt(tree: Any, change: Callable[[Any], Any]) -> Any:
    """The same structure, with every leaf changed."""
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*[rebuilt(item, change) for item in tree])
    if isinstance(tree, (tuple, list)):
        return type(tree)(rebuilt(item, change) for item in tree)
    if isinstance(tree, dict):
        return {key: rebuilt(item, change) for key, item in tree.items()}
    if hasattr(tree, "__dataclass_fields__"):
        return type(tree)(
            **{name: rebuilt(getattr(tree, name), change) for name in tree.__dataclass_fields__}
        )
    return change(tree)


def is_real(leaf: Any) -> bool:
    return isinstance(leaf, float) or (isinstance(leaf, (np.ndarray, np.floating)) and leaf.dtype.kind == "f")


def smallest_precision(tree: Any) -> Any:
    types = [np.asarray(leaf).dtype for leaf in leaves(tree) if is_real(leaf)]
    return np.float32 if any(dtype == np.float32 for dtype in types) else np.float64


def direction(tree: Any, random: np.random.Generator) -> Any:
    """Random numbers in the structure of `tree`; what is not real stays."""

    def draw(leaf: Any) -> Any:
        if not is_real(leaf):
            return leaf
        drawn = random.standard_normal(np.shape(leaf))
        return float(drawn) if not isinstance(leaf, np.ndarray) else np.asarray(drawn, dtype=leaf.dtype)

    return rebuilt(tree, draw)


def moved(tree: Any, tangent: Any, step: float) -> Any:
    steps = iter(leaves(tangent))

    def move(leaf: Any) -> Any:
        by = next(steps)
        if not is_real(leaf):
            return leaf
        result = leaf + step * by
        return np.asarray(result, dtype=leaf.dtype) if isinstance(leaf, np.ndarray) else type(leaf)(result)

    return rebuilt(tree, move)


def scaled_difference(ahead: Any, behind: Any, step: float) -> list[Any]:
    return [
        (np.asarray(a, dtype=float) - np.asarray(b, dtype=float)) / (2 * step) if is_real(a) else 0.0
        for a, b in zip(leaves(ahead), leaves(behind), strict=True)
    ]


def inner(left: Any, right: Any) -> float:
    """The inner product of two structures."""
    pairs = zip(leaves(left), leaves(right), strict=True)
    return float(sum(np.sum(np.asarray(a, float) * np.asarray(b, float)) for a, b in pairs if is_real(a)))


def same(left: Any, right: Any) -> bool:
    return all(
        np.array_equal(np.asarray(a), np.asarray(b), equal_nan=is_real(a))
        for a, b in zip(leaves(left), leaves(right), strict=True)
    )
