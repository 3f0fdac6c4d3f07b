"""Rules of `np.einsum`: the cotangent of an operand is the transposed contraction.

With `y = einsum("ij,jk->ik", a, b)` the cotangent of `a` is `einsum("ik,jk->ij", g, b)`. A letter that
stands in one operand alone is summed over: the cotangent is constant in it. A letter repeated in one
operand takes a diagonal: the cotangent is written onto that diagonal.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, Axis, ShapeMismatch, broadcast_axis, is_one, promote
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand
from ad_compiler.refusal import Refusal
from ad_compiler.rules.indexing import index_add
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
        own: dict[str, Axis] = {}
        for letter, axis in zip(term, shape_of(operand), strict=True):
            _contract(own.setdefault(letter, axis), axis)  # no stretching along a diagonal
        for letter, axis in own.items():
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
    kept_letters = "".join(c for c in diagonal_letters(terms[place]) if c not in left_out)
    factors = list(zip([result, *others_than(place, terms)], [g, *others_than(place, operands)], strict=True))
    product: Operand = 1.0
    for term, factor in factors:
        if not term:
            product = builder.call(registry[operator.mul], (product, factor))
    arrays = [(term, factor) for term, factor in factors if term]
    if not arrays:
        return product
    if len(arrays) == 1 and arrays[0][0] == kept_letters:
        return builder.call(registry[operator.mul], (product, arrays[0][1]))
    transposed = f"{','.join(term for term, _ in arrays)}->{kept_letters}"
    contracted = builder.call(registry[np.einsum], (transposed, *(factor for _, factor in arrays)))
    return builder.call(registry[operator.mul], (product, contracted))


@at_compile_time
def left_out_axes(place: int, subscripts: str, operands: Any) -> tuple[int, ...]:
    terms, _ = einsum_terms(subscripts, tuple(rank_of(operand) for operand in operands))
    left_out = left_out_letters(place, subscripts, operands)
    return tuple(i for i, c in enumerate(diagonal_letters(terms[place])) if c in left_out)


@at_compile_time
def to_diagonal(place: int, subscripts: str, operands: Any) -> str | None:
    """The einsum that takes the diagonal of one operand, None where it has no repeated letter."""
    terms, _ = einsum_terms(subscripts, tuple(rank_of(operand) for operand in operands))
    own = terms[place]
    return f"{own}->{diagonal_letters(own)}" if len(set(own)) < len(own) else None


def repeated_letters(own: str) -> list[str]:
    return [c for c in dict.fromkeys(own) if own.count(c) > 1]


def diagonal_letters(own: str) -> str:
    """Every letter once, in the order of the axes of `a[diagonal_index(a, own)]`."""
    repeated = repeated_letters(own)
    places = [i for i, c in enumerate(own) if c in repeated]
    together = places == list(range(places[0], places[-1] + 1)) if places else True
    front = own[: places[0]] if places and together else ""
    rest = [c for c in own if c not in repeated and c not in front]
    return "".join([*front, *repeated, *rest])


@expansion()
def diagonal_index(builder: Builder, a: Operand, diagonal: str) -> Operand:
    """The index of the diagonal that `np.einsum(diagonal, a)` is: an `np.arange` for each repeated letter."""
    own = diagonal.partition("->")[0]
    repeated = repeated_letters(own)
    index: list[Operand] = []
    for letter in own:
        item: Operand = slice(None)
        if letter in repeated:
            item = builder.call(registry[np.arange], (length(builder, a, own.index(letter)), None, None))
            after = len(repeated) - 1 - repeated.index(letter)
            if after:
                item = builder.call(registry[np.expand_dims], (item, tuple(range(1, after + 1))))
        index.append(item)
    return tuple(index)


@rule(np.einsum, infer=einsum_type, variadic=True)
def einsum(subscripts: Any, *operands: Any, place: Any, g: Any) -> Any:
    # One operand at a time: `place` counts the operands.
    partial = contracted_with_others(place, subscripts, operands, g)
    partial = np.expand_dims(partial, left_out_axes(place, subscripts, operands))
    diagonal = to_diagonal(place, subscripts, operands)
    if diagonal is None:
        return stretched_to(partial, operands[place])
    return index_add(
        np.zeros_like(operands[place]),
        diagonal_index(operands[place], diagonal),
        stretched_to(partial, np.einsum(diagonal, operands[place])),
    )


def stretched_to(partial: Any, x: Any) -> Any:
    """A cotangent in the shape of `x`, where lengths of 1 may have been stretched on either side."""
    return np.broadcast_to(sum_to_shape_of(partial, x), np.shape(x))
