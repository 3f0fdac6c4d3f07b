"""What the tests of gradients share: functions made from text, and finite differences."""

from __future__ import annotations

import ast
import builtins
import itertools
import linecache
import math
import textwrap
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, jvp, value_and_grad, vjp

_program_numbers = itertools.count(1)


def function_from_source(text: str, **namespace: object) -> Callable[..., Any]:
    """Return the last function defined in `text`, with its source known to linecache.

    The text sees `np`, `math` and whatever else is given in `namespace`.
    """
    text = textwrap.dedent(text).lstrip("\n")
    filename = f"<test program {next(_program_numbers)}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    module: dict[str, Any] = {"__name__": "test_program", "np": np, "math": math, **namespace}
    exec(compile(text, filename, "exec"), module)
    definitions = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    function: Callable[..., Any] = module[definitions[-1].name]
    return function


def function_from_expression(expression: str, **namespace: object) -> Callable[..., Any]:
    """Return a function of the expression's free names, in alphabetical order."""
    known = {"np", "math", *namespace, *dir(builtins)}
    names = {node.id for node in ast.walk(ast.parse(expression)) if isinstance(node, ast.Name)}
    arguments = ", ".join(sorted(names - known))
    text = f"def operation({arguments}):\n    return {expression}\n"
    return function_from_source(text, **namespace)


def generator(*name: object) -> np.random.Generator:
    """A random generator that belongs to one test and is the same in every run."""
    return np.random.default_rng(zlib.crc32(repr(name).encode()))


def snapshot(args: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Everything about the arguments that a gradient may not change, their bytes included."""
    return [(type(a), np.asarray(a).dtype, np.shape(a), np.asarray(a).tobytes()) for a in args]


def as_reals(arg: Any) -> Any:
    """The argument in double precision: an array stays an array, a number becomes a float."""
    return arg.astype(np.float64) if isinstance(arg, np.ndarray) else float(arg)


def is_integer(arg: Any) -> bool:
    return bool(np.issubdtype(np.asarray(arg).dtype, np.integer))


def is_single_precision(args: Sequence[Any]) -> bool:
    return any(np.asarray(arg).dtype == np.float32 for arg in args)


def directional_derivative(
    f: Callable[..., Any], args: Sequence[Any], directions: Sequence[Any], step: float = 1e-4
) -> Any:
    """Central differences of fourth order, in double precision whatever the arguments are.

    Arguments whose direction is None are passed on as they are.
    """

    def along(t: float) -> Any:
        pairs = zip(args, directions, strict=True)
        moved = [a if d is None else as_reals(a) + t * d for a, d in pairs]
        return np.asarray(f(*moved), dtype=np.float64)

    near = along(step) - along(-step)
    far = along(2 * step) - along(-2 * step)
    return (8 * near - far) / (12 * step)


def assert_same_kind(gradient: Any, arg: Any) -> None:
    """A gradient has its argument's shape and dtype; that of an integer is a double."""
    expected = np.dtype(np.float64) if is_integer(arg) else np.asarray(arg).dtype
    assert np.shape(gradient) == np.shape(arg), f"{np.shape(gradient)} for {np.shape(arg)}"
    assert np.asarray(gradient).dtype == expected
    if isinstance(arg, np.ndarray) and arg.ndim > 0:
        assert isinstance(gradient, np.ndarray)
    if isinstance(arg, float):
        assert isinstance(gradient, float)


def assert_same_value(value: Any, plain: Any, args: Sequence[Any]) -> None:
    """The differentiated function returns what the function as written returns."""
    assert np.shape(value) == np.shape(plain)
    if not any(map(is_integer, args)):
        assert np.asarray(value).dtype == np.asarray(plain).dtype
    rtol = 1e-6 if is_single_precision(args) else 1e-14
    np.testing.assert_allclose(value, plain, rtol=rtol, atol=rtol)


def random_direction(rng: np.random.Generator, like: Any) -> Any:
    """Entries of either sign and of magnitude about 1, so that none goes unnoticed."""
    shape = np.shape(like)
    entries = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    return entries if shape else float(entries)


def gradients_by_vjp(f: Callable[..., Any], args: Sequence[Any], cotangent: Any) -> tuple[Any, ...]:
    """Pull the cotangent back; the pullback must be a pure function of it."""
    value, pullback = vjp(f, *args, argnums=tuple(range(len(args))))
    assert_same_value(value, f(*args), args)
    before = np.array(cotangent)
    gradients: tuple[Any, ...] = pullback(cotangent)
    assert isinstance(gradients, tuple) and len(gradients) == len(args)
    first = [np.array(g) for g in gradients]
    pullback(-2 * cotangent)
    again = pullback(cotangent)
    np.testing.assert_array_equal(cotangent, before, err_msg="the cotangent was changed")
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two, err_msg="a second call of the pullback differs")
    return gradients


def gradients_by_grad(f: Callable[..., Any], args: Sequence[Any], argnums: Sequence[int]) -> tuple[Any, ...]:
    value, gradients = value_and_grad(f, argnums=tuple(argnums))(*args)
    assert_same_value(value, f(*args), args)
    assert isinstance(gradients, tuple) and len(gradients) == len(argnums)
    return gradients


def assert_gradient_matches_finite_differences(
    f: Callable[..., Any],
    args: Sequence[Any],
    argnums: Sequence[int] | None = None,
    *,
    rtol: float | None = None,
    seed: int = 0,
) -> None:
    """Check `f` at `args`: value, gradients, their kinds, and that the arguments are left alone.

    Without `argnums` all arguments are differentiated by `vjp` under a random cotangent; with
    `argnums` (for functions that also take indices, say) `f` is a scalar and `grad` is used.
    The gradients are compared with finite differences along random directions.
    """
    rng = np.random.default_rng(seed)
    before = snapshot(args)
    plain = f(*args)
    if argnums is None:
        argnums = range(len(args))
        cotangent = random_direction(rng, plain)
        if np.asarray(plain).dtype == np.float32:
            cotangent = np.float32(cotangent)
        gradients = gradients_by_vjp(f, args, cotangent)
    else:
        cotangent = 1.0
        gradients = gradients_by_grad(f, args, argnums)
    assert snapshot(args) == before, "the caller's arguments were changed"

    for argnum, gradient in zip(argnums, gradients, strict=True):
        assert_same_kind(gradient, args[argnum])
    if rtol is None:
        rtol = 2e-4 if is_single_precision(args) else 1e-7
    for _ in range(3):
        directions: list[Any] = [None] * len(args)
        terms = []
        for argnum, gradient in zip(argnums, gradients, strict=True):
            directions[argnum] = random_direction(rng, args[argnum])
            terms.append(np.ravel(np.float64(gradient) * directions[argnum]))
        expected = np.sum(cotangent * directional_derivative(f, args, directions))
        products = np.concatenate(terms)
        error = abs(np.sum(products) - expected)
        allowed = rtol * (1 + np.sum(np.abs(products)))
        assert error <= allowed, f"{np.sum(products)} is not {expected}; gradients {gradients}"
    assert_modes_agree(f, args, directions, cotangent, float(np.sum(products)))
    assert snapshot(args) == before, "the caller's arguments were changed"


def assert_modes_agree(
    f: Callable[..., Any], args: Sequence[Any], directions: Sequence[Any], cotangent: Any, expected: float
) -> None:
    """Forward mode gives what reverse mode gave: <cotangent, J t> = <J^T cotangent, t>."""
    tangents = [
        d if d is None or not isinstance(a, np.ndarray) or is_integer(a) else np.asarray(d, a.dtype)
        for a, d in zip(args, directions, strict=True)
    ]
    value, tangent = jvp(f, tuple(args), tuple(tangents))
    plain = f(*args)
    assert_same_value(value, plain, args)
    assert np.shape(tangent) == np.shape(plain)
    if np.asarray(plain).dtype.kind == "f":
        assert np.asarray(tangent).dtype == np.asarray(value).dtype
    products = np.ravel(np.float64(tangent) * cotangent)
    rtol = 1e-5 if is_single_precision(args) else 1e-10
    allowed = rtol * (1 + abs(expected) + np.sum(np.abs(products)))
    assert abs(np.sum(products) - expected) <= allowed, f"{np.sum(products)} forwards, {expected} backwards"


def random_array(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Entries of either sign, none near 0 and no two near each other."""
    count = math.prod(shape)
    steps = np.arange(count) + rng.uniform(0.2, 0.8, count)
    entries = 0.3 + steps * (1.5 / max(count, 1))
    return rng.permutation(entries * rng.choice([-1, 1], count)).reshape(shape)


def strided(array: Any) -> Any:
    """The same entries in memory that is neither contiguous nor in order."""
    spread: Any = np.zeros([2 * n for n in array.shape[::-1]])
    view = spread.T[(..., *[slice(None, None, -2)] * array.ndim)]
    view[...] = array
    return view


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "contiguous": np.copy,
    "strided": strided,
    "float32": lambda array: array.astype(np.float32),
}


Table = Sequence[tuple[str, Sequence[Sequence[tuple[int, ...]]]]]


def contiguous_cases(table: Table) -> list[Any]:
    """Parameters for pytest: every expression, at every shape of its row."""
    return [
        pytest.param(line.strip(), shapes, id=f"{line.strip()} at {shapes}")
        for lines, all_shapes in table
        for line in lines.strip().split("\n")
        for shapes in all_shapes
    ]


def array_cases(table: Table) -> list[Any]:
    """Parameters for pytest: every expression, at every shape of its row, in every layout."""
    return [
        pytest.param(*case.values, layout, id=f"{case.id} {layout}")
        for case in contiguous_cases(table)
        for layout in LAYOUTS
    ]


def assert_array_rule(
    expression: str, shapes: Sequence[tuple[int, ...]], layout: str, **namespace: object
) -> None:
    """Check one of `array_cases` at random arrays."""
    rng = generator(expression, shapes)
    args = [LAYOUTS[layout](random_array(rng, shape)) for shape in shapes]
    f = function_from_expression(expression, **namespace)
    assert_gradient_matches_finite_differences(f, args)


def assert_second_derivatives_match_finite_differences(
    expression: str, args: Sequence[Any], rtol: float = 1e-6, **namespace: object
) -> None:
    """Differentiate the generated gradient of `sum(expression ** 2) / 2` once more, along a direction.

    What the compiler writes it can read: the gradient's source is compiled as if a user had written it.
    """
    primal = function_from_expression(f"0.5 * np.sum(({expression}) ** 2)", **namespace)
    argnums = tuple(range(len(args)))
    names = primal.__code__.co_varnames[: len(args)]
    rng = np.random.default_rng(len(expression))
    directions = {f"direction_{name}": random_direction(rng, a) for name, a in zip(names, args, strict=True)}
    terms = [f"np.sum(gradients[{i}] * direction_{name})" for i, name in enumerate(names)]
    text = f"""
{grad(primal, argnums=argnums).source_for(*args)}

def along({", ".join(names)}):
    gradients = operation_grad({", ".join(names)})
    return {" + ".join(terms)}
"""
    along = function_from_source(text, **namespace, **directions)
    gradients = gradients_by_grad(along, args, argnums)
    for argnum, gradient in enumerate(gradients):
        moved: list[Any] = [None] * len(args)
        moved[argnum] = random_direction(rng, args[argnum])
        products = np.ravel(gradient * moved[argnum])
        expected = directional_derivative(along, args, moved)
        allowed = rtol * (1 + np.sum(np.abs(products)))
        assert abs(np.sum(products) - expected) <= allowed, f"{gradient} for {names[argnum]}:\n{text}"
