"""Programs of the corpus differentiated twice: forward over reverse in two ways, and reverse over reverse.

None is refused: where the source of the first derivative cannot be inlined, it is called as a function.
"""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np
import pytest

from ad_compiler import hvp, jvp, vjp
from ad_compiler.testing import is_real, leaves, moved
from tests.helpers import function_from_source
from tests.programs.corpus import PROGRAMS, Example
from tests.programs.test_corpus import name_of, weighted, weights

REPRESENTATIVE = 3  # every so manieth program runs in every test run, the others only with -m slow


def cases() -> list[Any]:
    return [
        pytest.param(example, id=name_of(example), marks=[] if n % REPRESENTATIVE == 0 else pytest.mark.slow)
        for n, example in enumerate(PROGRAMS)
    ]


def weighted_sum_of(example: Example, value: Any, cotangent: Any) -> Any:
    """A program that returns one number: the sum of all that the example computes times a cotangent."""
    given: dict[str, Any] = {}

    def terms(result: Any, weight: Any, text: str) -> list[str]:
        if isinstance(result, (tuple, list)):
            pairs = zip(result, weight, strict=True)
            return [term for n, pair in enumerate(pairs) for term in terms(*pair, f"{text}[{n}]")]
        if isinstance(result, dict):
            return [term for key in result for term in terms(result[key], weight[key], f"{text}[{key!r}]")]
        if not is_real(result):
            return []
        name = f"weight_{len(given)}"
        given[name] = weight
        return [f"np.sum({text} * {name})" if np.ndim(result) else f"{text} * {name}"]

    total = " + ".join(terms(value, cotangent, "value"))
    names = [f"x{place}" for place in range(len(example.args))]
    passed, lines = list(names), ["value = program({})"]
    if example.of is not None:
        place = list(inspect.signature(example.function).parameters).index(example.of)
        passed[place], lines = "value", [f"value = x{place}.copy()", "program({})"]
    body = "\n    ".join([*lines, f"return {total}"]).format(", ".join(passed))
    return function_from_source(
        f"def total({', '.join(names)}):\n    {body}\n", program=example.function, **given
    )


def gradients_of(example: Example) -> tuple[Any, tuple[int, ...], Any]:
    """The gradients of a program by a random cotangent: as a program, the arguments they are by, and they."""
    value, pullback = vjp(example.function, *copy.deepcopy(example.args), of=example.of)
    cotangent = weights(value, np.random.default_rng(7))
    found = pullback(cotangent)
    moving = tuple(
        place
        for place, (gradient, argument) in enumerate(zip(found, example.args, strict=True))
        if gradient is not None and any(map(is_real, leaves(argument)))
    )
    names = ", ".join(f"x{place}" for place in range(len(example.args)))
    text = f"""
    def gradients({names}):
        value, pullback = vjp(program, {names}, argnums={moving}, of={example.of!r})
        return pullback(cotangent)
    """
    return function_from_source(text, vjp=vjp, program=example.function, cotangent=cotangent), moving, found


@pytest.mark.parametrize("example", cases())
def test_second_derivatives(example: Example) -> None:
    args = copy.deepcopy(example.args)
    gradients, moving, found = gradients_of(example)
    rng = np.random.default_rng(3)
    tangents = tuple(weights(g, rng) if place in moving else None for place, g in enumerate(found))
    single = any(np.asarray(leaf).dtype == np.float32 for leaf in leaves((args, found)))
    text = inspect.getsource(example.function)
    single = single or "float32" in text or "SINGLE" in text
    exact = 1e-5 if single else 1e-10
    first, second = jvp(gradients, args, tangents)
    for mine, expected in zip(leaves(first), leaves([found[place] for place in moving]), strict=True):
        if is_real(expected):
            np.testing.assert_allclose(mine, expected, rtol=10 * exact, atol=10 * exact)

    check_against_differences(second, gradients, args, tangents, single)

    cotangent = weights(first, rng)
    backwards = vjp(gradients, *args, argnums=moving)[1](cotangent)
    products = weighted(leaves(second), leaves(cotangent))
    expected = sum(weighted(g, tangents[place]) for g, place in zip(backwards, moving, strict=True))
    size = sum(float(np.sum(np.abs(leaf))) for leaf in leaves(backwards) if is_real(leaf))
    assert abs(products - expected) <= exact * (1 + size)
    product = product_of(example, args, moving, tangents)
    for mine, expected in zip(leaves(product), leaves(second), strict=True):
        if is_real(expected):
            assert np.shape(mine) == np.shape(expected)
            scale = 1 + np.max(np.abs(expected), initial=0.0)
            np.testing.assert_allclose(mine, expected, rtol=exact, atol=exact * scale, err_msg="hvp")
    for mine, before in zip(leaves(args), leaves(example.args), strict=True):
        np.testing.assert_array_equal(mine, before, err_msg="an argument was changed")


def check_against_differences(
    second: Any, gradients: Any, args: tuple[Any, ...], tangents: tuple[Any, ...], single: bool = False
) -> None:
    """The derivative of gradients along tangents is what moving the arguments by a little tells."""

    def at(step: float) -> list[Any]:
        shifted = [a if t is None else moved(a, t, step) for a, t in zip(args, tangents, strict=True)]
        return [leaf for leaf in leaves(gradients(*shifted)) if is_real(leaf)]

    step, rtol = (1e-2, 2e-2) if single else (1e-5, 1e-4)
    for mine, ahead, behind in zip(filter(is_real, leaves(second)), at(step), at(-step), strict=True):
        expected = (np.asarray(ahead, float) - np.asarray(behind, float)) / (2 * step)
        scale = 1 + np.max(np.abs(expected), initial=0.0)
        np.testing.assert_allclose(mine, expected, rtol=rtol, atol=rtol / 100 * scale)


def product_of(
    example: Example, args: tuple[Any, ...], moving: tuple[int, ...], tangents: tuple[Any, ...]
) -> Any:
    """The tangents of the gradients, by `hvp`."""
    value, _ = vjp(example.function, *copy.deepcopy(example.args), of=example.of)
    total = weighted_sum_of(example, value, weights(value, np.random.default_rng(7)))
    return hvp(total, moving)(*args, tuple(tangents[place] for place in moving))
