"""Elements of operands that are computed (`product_forms.py`), one by one or a vector of them at a time."""
# mypy: allow-untyped-calls, disable-error-code="misc"
# Numba has no types.

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from ad_compiler.backends.native.run_time.product_forms import is_matrix
from ad_compiler.backends.native.run_time.small_matrices import WORD, Vectors

OPERATORS = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul"}


@dataclass(frozen=True)
class Term:
    """An array of an operand, or a number: where it lies, and how far apart its elements are."""

    subscripts: str
    data: Any
    strides: dict[str, Any]


class Operand:
    """Computes elements of one of the two matrices."""

    def __init__(self, vectors: Vectors, expression: ast.expr, terms: list[Term]) -> None:
        self.builder = vectors.builder
        self.vectors = vectors
        self.expression = expression
        self.terms = terms

    @property
    def is_plain(self) -> bool:
        return is_matrix(self.expression)

    def number(self, at: dict[str, Any]) -> Any:
        """An element of a matrix in memory."""
        return self.builder.load(self.address(self.terms[0], at))

    def vector(self, at: dict[str, Any], lanes: str, mask: Any) -> Any:
        """The elements from there on along `lanes`. Where the mask is not set they may be anything."""
        return self.value(self.expression, iter(self.terms), at, lanes, mask)

    def value(self, part: ast.expr, terms: Iterator[Term], at: dict[str, Any], lanes: str, mask: Any) -> Any:
        builder = self.builder
        if isinstance(part, ast.BinOp):
            a, b = (self.value(each, terms, at, lanes, mask) for each in (part.left, part.right))
            return getattr(builder, OPERATORS[type(part.op)])(a, b)
        if isinstance(part, ast.UnaryOp):
            return builder.fneg(self.value(part.operand, terms, at, lanes, mask))
        if isinstance(part, ast.Constant):
            number = ir.Constant(self.vectors.kind.element, float(part.value))  # type: ignore[arg-type]
            return self.vectors.filled(number)
        term = next(terms)
        address = self.address(term, at)
        if lanes in term.subscripts:
            return self.vectors.load(address, mask)
        return self.vectors.filled(builder.load(address))

    def address(self, term: Term, at: dict[str, Any]) -> Any:
        place = WORD(0)
        for subscript, stride in term.strides.items():
            place = self.builder.add(place, self.builder.mul(at[subscript], stride))
        return self.builder.gep(term.data, [place])
