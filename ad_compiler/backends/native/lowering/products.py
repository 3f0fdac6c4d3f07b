"""Products of matrices and tensors: calls of BLAS for matrices, loops for everything else.

A product is described as an einsum. Those of matrices and vectors are calls (of loops, where the arrays are
small); everything else becomes loops over all letters, the last letter of the result innermost where it fits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering.elements import Elements, order_of
from ad_compiler.backends.native.lowering.frame import Extents, Frame
from ad_compiler.backends.native.lowering.materialising import in_memory
from ad_compiler.backends.native.lowering.reductions import wrapped
from ad_compiler.backends.native.nests import (
    WHOLE,
    Code,
    Define,
    Expression,
    Line,
    Load,
    Nest,
    Scalar,
    Store,
    names_in,
    size_of,
)
from ad_compiler.backends.native.numba_extensions.disabling import is_disabled
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.rules.einsum import einsum_terms
from ad_compiler.rules.matrices import contraction
from ad_compiler.rules.shapes import rank_of, type_of

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def terms_of(node: Operation) -> tuple[list[str], str, list[Operand]]:
    """The product as an einsum: the letters of the operands, those of the result, and the operands."""
    name = node.primitive.name
    if name == "einsum":
        subscripts, *operands = node.arguments
        terms, result = einsum_terms(subscripts, tuple(rank_of(operand) for operand in operands))
        return terms, result, operands
    a, b, *rest = node.arguments
    left, right = rank_of(a), rank_of(b)
    if name == "matmul" and (left > 2 or right > 2):
        batch = LETTERS[3 : 3 + max(left, right) - 2]
        own = (batch[len(batch) - max(left - 2, 0) :], batch[len(batch) - max(right - 2, 0) :])
        first = own[0] + ("a" if left > 1 else "") + "b"
        second = own[1] + "b" + ("c" if right > 1 else "")
        return [first, second], batch + ("a" if left > 1 else "") + ("c" if right > 1 else ""), [a, b]
    first, second = LETTERS[:left], LETTERS[left : left + right]
    if name in ("matmul", "dot"):
        pairs = [(left - 1, max(right - 2, 0))] if left and right else []
    elif name == "inner":
        pairs = [(left - 1, right - 1)] if left and right else []
    else:
        pairs = list(zip(*contraction(a, b, rest[0]), strict=True))
    for i, j in pairs:
        second = second[:j] + first[i] + second[j + 1 :]
    contracted = {first[i] for i, _ in pairs}
    result = "".join(c for c in first + second if c not in contracted)
    return [first, second], result, [a, b]


def product_extents(frame: Frame, node: Operation) -> Extents:
    terms, result, operands = terms_of(node)
    lengths = lengths_of(frame, terms, operands)
    return tuple(lengths[c] for c in result)


def lengths_of(frame: Frame, terms: list[str], operands: list[Operand]) -> dict[str, Affine]:
    lengths: dict[str, Affine] = {}
    for term, operand in zip(terms, operands, strict=True):
        for letter, extent in zip(term, frame.extents_of(operand), strict=True):
            if letter not in lengths or frame.normal(lengths[letter]) == 1:
                lengths[letter] = extent
            elif frame.normal(extent) != 1:
                frame.require_equal(lengths[letter], extent)
    return lengths


def multiply(frame: Frame, elements: Elements, node: Operation, extents: Extents) -> None:
    terms, result, operands = terms_of(node)
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    kinds = {type_of(operand).dtype for operand in operands}
    is_real = kinds == {kind.dtype} and kind.dtype in (np.dtype(np.float64), np.dtype(np.float32))
    if is_real and len(terms) == 2 and all(isinstance(operand, Value) for operand in operands):
        by_call = called(frame, elements, node, extents, terms, result, operands)
        if by_call:
            return
    by_loops(frame, elements, node, extents, terms, result, operands)


def called(
    frame: Frame,
    elements: Elements,
    node: Operation,
    extents: Extents,
    terms: list[str],
    result: str,
    operands: list[Any],
) -> bool:
    """Products that are calls."""
    (first, second), (a, b) = terms, operands
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    if any(e == 1 for operand in operands for e in frame.extents_of(operand)):
        return False
    batch = "".join(c for c in first if c in second and c in result)
    if not all(term.startswith(batch) for term in (first, second, result)):
        return False
    first, second, result = (term[len(batch) :] for term in (first, second, result))
    shared = [c for c in first if c in second]
    if len(shared) != 1 or shared[0] in result or max(len(first), len(second)) > 2:
        return False
    (k,) = shared
    left_over = (first + second).replace(k, "")
    if sorted(left_over) != sorted(result):  # a letter of one operand alone is summed over
        return False
    indices = frame.subscripts[: len(batch)]
    picked = f"[{', '.join(indices)}]" if batch else ""
    loops = list(zip(indices, extents, strict=False))
    if len(first) == 2 and len(second) == 2:
        rows, columns = first.replace(k, ""), second.replace(k, "")
        if result == columns + rows:
            (first, second), (a, b) = (second, first), (b, a)
        left, left_turned = matrix(frame, elements, a, first[0] == k)
        right, right_turned = matrix(frame, elements, b, second[1] == k)
        name = frame.give(node.result)
        frame.allocate(name, extents, kind.dtype)
        texts = [f"{left}{picked}{'.T' * left_turned}", f"{right}{picked}{'.T' * right_turned}"]
        line = call_line("product_of_matrices", texts[0], texts[1], f"{name}{picked}")
        leading = tuple(map(Affine.of, indices))
        line.parts = dict.fromkeys((left, right, name), (*leading, WHOLE, WHOLE)) if batch else {}
        frame.write(*wrapped(loops, [line]))
        return True
    if len(first) == 1 and len(second) == 1:
        if batch:
            return False
        left, right = in_memory(frame, elements, a), in_memory(frame, elements, b)
        frame.write(Define(frame.give(node.result), Scalar(f"product_of_vectors({left}, {right})", 20)))
        return True
    if len(first) == 1:
        (first, second), (a, b) = (second, first), (b, a)
    left, turned = matrix(frame, elements, a, first[0] == k)
    right = in_memory(frame, elements, b)
    name = frame.give(node.result)
    frame.allocate(name, extents, kind.dtype)
    function = "product_with_rows" if turned else "product_with_vector"
    line = call_line(function, f"{left}{picked}", f"{right}{picked}", f"{name}{picked}")
    if batch:
        leading = tuple(map(Affine.of, indices))
        line.parts = dict.fromkeys((right, name), (*leading, WHOLE))
        line.parts[left] = (*leading, WHOLE, WHOLE)
    frame.write(*wrapped(loops, [line]))
    return True


def are_fused() -> bool:
    """Whether products may compute their operands: larger ones need NumPy's BLAS (`fused_products.py`)."""
    from ad_compiler.backends.native.run_time.blas import IS_FOUND

    return IS_FOUND or is_disabled()


def call_line(function: str, a: str, b: str, out: str) -> Line:
    reads, writes = names_in(f"{a} {b}"), frozenset({out.split("[")[0]})
    return Line(f"{function}({a}, {b}, {out})", reads, writes)


def matrix(frame: Frame, elements: Elements, operand: Operand, transposed: bool) -> tuple[str, bool]:
    """An array in memory, and whether its last axes change places to make the operand (or its transpose)."""
    if isinstance(operand, Value) and operand not in frame.names:
        node = operand.operation
        if isinstance(node, Operation) and node.primitive.name in ("transpose", "swapaxes"):
            rank = rank_of(operand)
            if order_of(node) == (*range(rank - 2), rank - 1, rank - 2):
                return matrix(frame, elements, node.arguments[0], not transposed)
    return in_memory(frame, elements, operand), transposed


def by_loops(
    frame: Frame,
    elements: Elements,
    node: Operation,
    extents: Extents,
    terms: list[str],
    result: str,
    operands: list[Any],
) -> None:
    """Products as loops over all subscripts: the last one of the result innermost, if arrays end with it."""
    kind = node.result.type
    assert isinstance(kind, ArrayType)
    lengths = lengths_of(frame, terms, operands)
    inner = [c for c in lengths if c not in result]
    order = [*result[:-1], *inner, *result[-1:]] if result and inner else [*result, *inner]
    last_fits = result and all(term[-1:] == result[-1] or result[-1] not in term for term in terms)
    if not last_fits:
        order = [*result, *inner]
    subscript = {c: Affine.of(frame.subscripts[n]) for n, c in enumerate(order)}
    subscript = {c: Affine.of(0) if frame.normal(lengths[c]) == 1 else i for c, i in subscript.items()}
    factors = []
    for term, operand in zip(terms, operands, strict=True):
        own = frame.extents_of(operand)
        index = tuple(Affine.of(0) if e == 1 else subscript[c] for c, e in zip(term, own, strict=True))
        part = elements.element(operand, index)
        computed = isinstance(operand, Value) and operand not in frame.names and index
        if computed and size_of(part) > 1 and len(order) > len(term):  # each element is read more than once
            part = Load(in_memory(frame, elements, operand), index)
        factors.append(elements_cast(part, operand, kind))
    product: Expression = factors[0]
    for factor in factors[1:]:
        product = scalars.times(kind.dtype, product, factor)
    loops = [(str(subscript[c]), lengths[c]) for c in order if frame.normal(lengths[c]) != 1]
    name = frame.give(node.result)
    index = tuple(subscript[c] for c in result)
    if kind.rank == 0:
        frame.write(Define(name, scalars.number(0, kind.dtype)))
        frame.write(*wrapped(loops, [Define(name, product, "+=")]))
        return
    frame.allocate(name, extents, kind.dtype)
    outer = [(str(subscript[c]), lengths[c]) for c in result if frame.normal(lengths[c]) != 1]
    if not inner:
        frame.write(*wrapped(outer, [Store(name, index, product)]))
        return
    if order[-1] in inner:
        total = frame.fresh("total")
        along = [loop for loop, c in zip_letters(frame, order, subscript, lengths) if c in inner]
        body: list[Code] = [
            Define(total, scalars.number(0, kind.dtype)),
            *wrapped(along, [Define(total, product, "+=")]),
            Store(name, index, Scalar(total)),
        ]
        frame.write(*wrapped(outer, body))
        return
    frame.write(*wrapped(outer, [Store(name, index, scalars.number(0, kind.dtype))]))
    frame.write(
        Nest(loops, [Store(name, index, product, "+=")]) if loops else Store(name, index, product, "+=")
    )


def zip_letters(
    frame: Frame, order: list[str], subscript: dict[str, Affine], lengths: dict[str, Affine]
) -> list[tuple[tuple[str, Affine], str]]:
    return [((str(subscript[c]), lengths[c]), c) for c in order if frame.normal(lengths[c]) != 1]


def elements_cast(part: Expression, operand: Operand, kind: ArrayType) -> Expression:
    if not isinstance(operand, Value) and not isinstance(operand, (list, tuple, range, np.ndarray)):
        return scalars.number(operand, kind.dtype)
    return scalars.cast(part, type_of(operand).dtype, kind.dtype)
