"""Every program of the corpus: value, gradient in every real argument, and that arguments are left alone."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
import pytest

import tests.programs as package
from ad_compiler import Unsupported, jvp, vjp
from ad_compiler.testing import is_real, leaves, rebuilt
from tests.programs.corpus import PROGRAMS, REFUSED, Example, RefusedExample

for module in pkgutil.iter_modules(package.__path__):
    if not module.name.startswith("test_"):
        importlib.import_module(f"{package.__name__}.{module.name}")


def name_of(example: Example | RefusedExample) -> str:
    module = example.function.__module__.rpartition(".")[2]
    return f"{module}.{example.function.__name__}"


def result_of(example: Example, args: tuple[Any, ...]) -> Any:
    """What the program computes: what it returns, or what it writes into the argument `of`."""
    args = copy.deepcopy(args)
    returned = example.function(*args)
    if example.of is None:
        return returned
    names = list(inspect.signature(example.function).parameters)
    return args[names.index(example.of)]


def weights(tree: Any, rng: np.random.Generator) -> Any:
    """A cotangent: random numbers in the structure and the kinds of a result."""

    def draw(leaf: Any) -> Any:
        if not is_real(leaf):
            return leaf
        drawn = rng.uniform(0.5, 1.5, np.shape(leaf)) * rng.choice([-1.0, 1.0], np.shape(leaf))
        return np.asarray(drawn, dtype=leaf.dtype) if isinstance(leaf, np.ndarray) else float(drawn)

    return rebuilt(tree, draw)


def weighted(tree: Any, cotangent: Any) -> float:
    pairs = zip(leaves(tree), leaves(cotangent), strict=True)
    return float(sum(np.sum(np.asarray(a, float) * np.asarray(b, float)) for a, b in pairs if is_real(a)))


def numerical_gradient(scalar: Callable[[tuple[Any, ...]], float], args: tuple[Any, ...]) -> Any:
    """Central differences of fourth order, one element of one argument at a time."""
    moved = copy.deepcopy(args)
    step = 1e-3

    def difference(move: Callable[[float], Any]) -> float:
        def at(shift: float) -> float:
            return scalar(move(shift))

        return (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step)

    places = [0]

    def gradient_of_leaf(leaf: Any) -> Any:
        place = places[0]
        places[0] += 1
        if not is_real(leaf):
            return leaf

        def changed(index: Any, shift: float) -> Any:
            numbers = iter(range(1_000_000))

            def change(other: Any) -> Any:
                if next(numbers) != place:
                    return other
                if not isinstance(other, np.ndarray):
                    return type(other)(other + shift)
                result = other.copy()
                result[index] += shift
                return result

            return rebuilt(moved, change)

        if not isinstance(leaf, np.ndarray):
            return difference(lambda shift: changed((), shift))
        entries = [difference(functools.partial(changed, index)) for index in np.ndindex(leaf.shape)]
        return np.array(entries).reshape(leaf.shape)

    return rebuilt(args, gradient_of_leaf)


@pytest.mark.parametrize("example", PROGRAMS, ids=name_of)
def test_program(example: Example) -> None:
    args = copy.deepcopy(example.args)
    expected_value = result_of(example, args)
    cotangent = weights(expected_value, np.random.default_rng(7))
    value, pullback = vjp(example.function, *args, of=example.of)
    gradients = pullback(cotangent)

    for mine, expected in zip(leaves(value), leaves(expected_value), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-12, atol=1e-12, err_msg="the value")
    for mine, before in zip(leaves(args), leaves(example.args), strict=True):
        np.testing.assert_array_equal(mine, before, err_msg="an argument was changed")

    numerical = numerical_gradient(lambda moved: weighted(result_of(example, moved), cotangent), args)
    kept = [place for place, gradient in enumerate(gradients) if gradient is not None]
    assert all(not any(map(is_real, leaves(args[n]))) for n in range(len(args)) if n not in kept)
    triples = [[leaves(each[n]) for n in kept] for each in (gradients, numerical, args)]
    for mine, expected, primal in zip(*map(leaves, triples), strict=True):
        if is_real(primal):
            assert np.shape(mine) == np.shape(primal)
            scale = 1 + np.max(np.abs(expected), initial=0.0)
            np.testing.assert_allclose(mine, expected, rtol=1e-6, atol=1e-7 * scale, err_msg="a gradient")
    check_forward_mode(example, value, cotangent, gradients)


def check_forward_mode(example: Example, value: Any, cotangent: Any, gradients: tuple[Any, ...]) -> None:
    """The derivative along random tangents is what the gradients say: <c, J t> = <J^T c, t>."""
    args = copy.deepcopy(example.args)
    rng = np.random.default_rng(11)
    tangents = tuple(None if gradient is None else weights(gradient, rng) for gradient in gradients)
    forward_value, tangent = jvp(example.function, args, tangents, of=example.of)
    single = any(np.asarray(leaf).dtype == np.float32 for leaf in leaves(args))
    for mine, expected in zip(leaves(forward_value), leaves(value), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-12, atol=1e-12, err_msg="the value")
    for mine, before in zip(leaves(args), leaves(example.args), strict=True):
        np.testing.assert_array_equal(mine, before, err_msg="an argument was changed in forward mode")
    for mine, primal in zip(leaves(tangent), leaves(value), strict=True):
        assert np.shape(mine) == np.shape(primal)
    moved = list(zip(leaves(tangent), leaves(value), leaves(cotangent), strict=True))
    forwards = weighted([t for t, v, _ in moved if is_real(v)], [c for _, v, c in moved if is_real(v)])
    known = [pair for pair in zip(gradients, tangents, strict=True) if pair[0] is not None]
    backwards = sum(weighted(gradient, each) for gradient, each in known)
    size = sum(float(np.sum(np.abs(leaf))) for each, _ in known for leaf in leaves(each) if is_real(leaf))
    assert abs(forwards - backwards) <= (1e-6 if single else 1e-10) * (1 + size)


@pytest.mark.parametrize("example", REFUSED, ids=name_of)
def test_refused_program(example: RefusedExample) -> None:
    assert isinstance(example.function, FunctionType)
    lines, start = inspect.getsourcelines(example.function)
    (marked,) = [n for n, line in enumerate(lines) if line.rstrip().endswith("# refused")]
    with pytest.raises(Unsupported) as caught:
        vjp(example.function, *copy.deepcopy(example.args), of=example.of)
    error = caught.value
    assert error.lineno == start + marked
    assert error.filename == inspect.getsourcefile(example.function)
    assert error.text is not None and error.text.strip() == lines[marked].strip()
    assert error.offset is not None and error.offset >= 1
    assert example.reason in error.reason
    assert example.advice in error.advice


def test_the_corpus_is_large() -> None:
    assert len(PROGRAMS) >= 150
    assert len(REFUSED) >= 60
