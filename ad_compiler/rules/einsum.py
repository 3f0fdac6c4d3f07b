"""Rules of `np.einsum`: the cotangent of an operand is the transposed contraction.

With `y = einsum("ij,jk->ik", a, b)` the cotangent of `a` is `einsum("ik,jk->ij", g, b)`. A letter that
stands in one operand alone is summed over: the cotangent is constant in it. A letter repeated in one
operand takes a diagonal, which `np.diagonal` does first.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ad_compiler.analysis.broadcasting import broadcast_axis
from ad_compiler.analysis.types import (
    ArrayType,
    Axis,
    ShapeMismatch,
    is_one,
    may_be_one,
    promote,
    same_length,
)
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import at_compile_time, expansion, registry, rule
from ad_compiler.rules.shapes import _contract, rank_of, shape_of, type_of
from ad_compiler.rules.structure import length, sum_to_shape_of


def einsum_terms(subscripts: Any, ranks: tuple[int, ...]) -> tuple[list[str], str]:
    """The subscripts of every operand and of the result, ellipses spelled out."""
    if not isinstance(subscripts, str):
        raise Refusal("the subscripts of `np.einsum` are not known while compiling", "write them as a string")
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise Refusal(
            f"`{subscripts}` names {len(terms)} operands, {len(ranks)} are given", "name each operand"
        )
    if not arrow:
        letters = sorted(set(left) - set(",."))
        right = ("..." if "." in left else "") + "".join(c for c in letters if left.count(c) == 1)
    free = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in subscripts]
    extra = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    # An ellipsis stands for axes aligned on the right, so its letters are taken from the end.
    spelled = [
        term.replace("...", "".join(free[len(free) - n :])) for term, n in zip(terms, extra, strict=True)
    ]
    longest = max((n for term, n in zip(terms, extra, strict=True) if "..." in term), default=0)
    for term, whole, rank in zip(terms, spelled, ranks, strict=True):
        if len(whole) != rank:
            raise Refusal(f"`{term}` in `{subscripts}` does not name {rank} axes", "name each axis once")
    return spelled, right.replace("...", "".join(free[len(free) - longest :]))


def einsum_lengths(subscripts: Any, operands: Any) -> dict[str, Axis]:
    """The length of every letter: an axis of length 1 is stretched to the length it has elsewhere."""
    terms, _ = einsum_terms(subscripts, tuple(rank_of(operand) for operand in operands))
    lengths: dict[str, Axis] = {}
    for term, operand in zip(terms, operands, strict=True):
        for letter, axis in zip(term, shape_of(operand), strict=True):
            try:
                lengths[letter] = broadcast_axis(lengths.get(letter, axis), axis)
            except ShapeMismatch as mismatch:
                reason = f"the axes `{letter}` of `{subscripts}` differ: {mismatch}"
                raise Refusal(reason, "check the shapes") from None
    return lengths


def einsum_type(subscripts: Any, *operands: Any) -> ArrayType:
    _, result = einsum_terms(subscripts, tuple(rank_of(operand) for operand in operands))
    lengths = einsum_lengths(subscripts, operands)
    return ArrayType(promote([type_of(operand) for operand in operands]), tuple([lengths[c] for c in result]))


@at_compile_time
def left_out_letters(place: int, subscripts: str, operands: Any) -> str:
    """The letters of one operand that its cotangent is constant in, or has the length 1 in.

    Those are the letters the operand is merely summed over, which stand nowhere else, and those of its
    axes of length 1 that were stretched.
    """
    terms, result = einsum_terms(subscripts, tuple(rank_of(operand) for operand in operands))
    elsewhere = "".join([result, *others_than(place, terms)])
    lengths = einsum_lengths(subscripts, operands)
    axes = zip(terms[place], shape_of(operands[place]), strict=True)
    return "".join(c for c, n in axes if c not in elsewhere or (is_one(n) and not is_one(lengths[c])))


@at_compile_time
def others_than(place: int, operands: Any) -> tuple[Any, ...]:
    return tuple(operand for i, operand in enumerate(operands) if i != place)


@expansion()
def contracted_with_others(
    builder: Builder, place: int, subscripts: str, operands: Any, g: Operand
) -> Operand:
    """The einsum of `g` and the other operands with the remaining letters of this one."""
    terms, result = einsum_terms(subscripts, tuple(rank_of(operand) for operand in operands))
    left_out = left_out_letters(place, subscripts, operands)
    kept_letters = "".join(c for c in terms[place] if c not in left_out)
    factors = list(zip([result, *others_than(place, terms)], [g, *others_than(place, operands)], strict=True))
    product: Operand = 1.0
    for term, factor in factors:
        if not term:
            product = builder.call(registry[operator.mul], (product, factor))
    arrays = [(term, factor) for term, factor in factors if term]
    if not arrays:
        return product
    transposed = f"{','.join(term for term, _ in arrays)}->{kept_letters}"
    contracted = einsum_of_diagonals(builder, transposed, *(factor for _, factor in arrays))
    return builder.call(registry[operator.mul], (product, contracted))


@at_compile_time
def left_out_axes(place: int, subscripts: str, operands: Any) -> tuple[int, ...]:
    terms, _ = einsum_terms(subscripts, tuple(rank_of(operand) for operand in operands))
    left_out = left_out_letters(place, subscripts, operands)
    return tuple(i for i, c in enumerate(terms[place]) if c in left_out)


@rule(np.einsum, infer=einsum_type, linear="each", variadic=True, complex=True)
def einsum(subscripts: Any, *operands: Any, place: Any, g: Any) -> Any:
    # One operand at a time: `place` counts the operands.
    partial = contracted_with_others(place, subscripts, operands, g)
    partial = np.expand_dims(partial, left_out_axes(place, subscripts, operands))
    return fitted(partial, operands[place])


@expansion()
def fitted(builder: Builder, partial: Operand, x: Operand) -> Operand:
    """A cotangent in the shape of `x`: an axis of length 1 may have been stretched on either side."""
    found, own = shape_of(partial), shape_of(x)
    pairs = [(m, n) for m, n in zip(found, own, strict=True) if may_be_one(m) and may_be_one(n)]
    if not all(is_one(m) or is_one(n) or same_length(m, n) for m, n in pairs):
        # Which of the two is stretched shows only at run time.
        ones = builder.call(registry[np.ones_like], (x, None))
        return sum_to_shape_of(builder, builder.call(registry[operator.mul], (partial, ones)), x)
    stretched = [
        may_be_one(m) and not is_one(n) and not same_length(m, n) for m, n in zip(found, own, strict=True)
    ]
    if any(stretched):
        shape = tuple(length(builder, x if flag else partial, i) for i, flag in enumerate(stretched))
        partial = builder.call(registry[np.broadcast_to], (partial, shape))
    return sum_to_shape_of(builder, partial, x)


@expansion(np.einsum)
def einsum_of_diagonals(builder: Builder, subscripts: Any, *operands: Operand) -> Operand:
    """`np.einsum`, the diagonals that repeated letters mean taken first.

    Where nothing is multiplied or summed NumPy gives a view, as `np.diagonal` and `np.transpose` do.
    """
    terms, result = einsum_terms(subscripts, tuple(rank_of(operand) for operand in operands))
    views = list(operands)
    for i, operand in enumerate(operands):
        views[i], terms[i] = without_repeated_letters(builder, operand, terms[i])
    if len(terms) == 1 and result and set(terms[0]) == set(result):
        if views[0] is not operands[0] and terms[0] == result:
            return views[0]
        order = tuple(terms[0].index(c) for c in result)
        return builder.call(registry[np.transpose], (views[0], order if len(order) > 1 else None))
    if any(view is not operand for view, operand in zip(views, operands, strict=True)):
        subscripts = f"{','.join(terms)}->{result}"
    return builder.call(registry[np.einsum], (subscripts, *views))


def without_repeated_letters(builder: Builder, a: Operand, letters: str) -> tuple[Operand, str]:
    """The diagonals of an operand of `np.einsum`, and their letters."""
    while repeated := [c for c in letters if letters.count(c) > 1]:
        first = letters.index(repeated[0])
        second = letters.index(repeated[0], first + 1)
        _contract(shape_of(a)[first], shape_of(a)[second])
        a = builder.call(registry[np.diagonal], (a, 0, first, second))
        letters = letters.replace(repeated[0], "", 2) + repeated[0]
    return a, letters
