"""What a product of matrices with computed operands is, as a text: an einsum of expressions.

    fused_product("ik * k, jk - j -> ij, i", a, weights, b, means, out, totals)

    out[i, j]   the sum over k of (a[i, k] * weights[k]) * (b[j, k] - means[j])
    totals[i]   the sum over k of  a[i, k] * weights[k]

The rows of the result are `i`, its columns `j`, and `k` is summed over. The two operands are made of arrays,
which follow in their order, of numbers (`_`) and constants. Behind the product may be asked for the sums
along `k` of the rows of the first operand (`i`), and those of the columns of the second one (`j`).
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ad_compiler.parsing import parse_expression

OPERATORS = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply}


@dataclass(frozen=True)
class Form:
    """What the text of a product says."""

    operands: tuple[ast.expr, ast.expr]
    subscripts: tuple[str, ...]  # of the arrays
    results: tuple[str, ...]
    lanes: str  # the subscript along which what is computed can be read in vectors


@functools.cache
def form_of(text: str) -> Form | None:
    """The form of a product; None for one whose operands cannot be computed in vectors.

    >>> form_of("ki, kj - k -> ij").lanes, form_of("ik * k, jk - j -> ij").lanes, form_of("ik * k, kj -> ij")
    ('j', 'k', None)
    """
    operands, results = text.split(" -> ")
    parsed = parse_expression(operands).body
    assert isinstance(parsed, ast.Tuple)
    left, right = parsed.elts
    subscripts = (*subscripts_in(left), *subscripts_in(right))
    asked = tuple(results.split(", "))
    if not any("k" in each for each in subscripts):
        return None
    for lanes, is_fit in (("j", is_matrix(left) and "i" not in asked), ("k", True)):
        if is_fit and all(each.endswith(lanes) for each in subscripts if lanes in each):
            return Form((left, right), subscripts, asked, lanes)
    return None


def is_matrix(operand: ast.expr) -> bool:
    """Whether an operand is an array in memory, as it is."""
    return isinstance(operand, ast.Name) and len(operand.id) == 2


def subscripts_in(operand: ast.expr) -> tuple[str, ...]:
    """Those of the arrays in an operand, as they are read."""
    if isinstance(operand, ast.Name):
        return (operand.id,)
    if isinstance(operand, ast.BinOp):
        return (*subscripts_in(operand.left), *subscripts_in(operand.right))
    return subscripts_in(operand.operand) if isinstance(operand, ast.UnaryOp) else ()


def letters(subscripts: str) -> str:
    return subscripts.replace("_", "")


def computed(text: str, *given: Any) -> None:
    """Compute a product, as NumPy code does: where native code runs as Python."""
    form = form_of(text)
    assert form is not None
    arrays = iter(given)
    lengths = {
        letter: length
        for array, subscripts in zip(given, form.subscripts, strict=False)
        for letter, length in zip(letters(subscripts), np.shape(array), strict=True)
    }
    first, *others = given[len(form.subscripts) :]
    lengths["i"], lengths["j"] = first.shape
    left = np.broadcast_to(value(form.operands[0], arrays, "ik"), (lengths["i"], lengths["k"]))
    right = np.broadcast_to(value(form.operands[1], arrays, "kj"), (lengths["k"], lengths["j"]))
    first[...] = left @ right
    for out, subscript in zip(others, form.results[1:], strict=True):
        out.reshape(-1)[...] = left.sum(axis=1) if subscript == "i" else right.sum(axis=0)


def value(part: ast.expr, arrays: Iterator[Any], axes: str) -> Any:
    """An operand as an array of these axes, of length 1 where it is the same all along."""
    if isinstance(part, ast.BinOp):
        a, b = (value(each, arrays, axes) for each in (part.left, part.right))
        return OPERATORS[type(part.op)](a, b)
    if isinstance(part, ast.UnaryOp):
        return -value(part.operand, arrays, axes)
    if isinstance(part, ast.Constant):
        return part.value
    assert isinstance(part, ast.Name)
    array = next(arrays)
    own = letters(part.id)
    if own not in ("", *axes, axes):
        own, array = axes, array.T
    return np.expand_dims(array, [n for n, axis in enumerate(axes) if axis not in own])
