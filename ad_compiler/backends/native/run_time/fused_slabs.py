"""Products of larger matrices that compute their operands: slab by slab, for BLAS.

    for some columns, for some rows, for some of the inner products:
        compute this part of the right operand, and of the left one
        out[the rows, the columns] += their product, by BLAS

What is computed is near at hand when it is used, and takes no more memory than two slabs. Of an operand that
is a matrix in memory, all rows (or columns) are taken at once.
"""
# mypy: allow-untyped-calls, disable-error-code="misc"
# Numba has no types.

from __future__ import annotations

import functools
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from ad_compiler.backends.native.run_time.blas import PLAIN, ROW_MAJOR, TRANSPOSED, declared
from ad_compiler.backends.native.run_time.fused_operands import Operand
from ad_compiler.backends.native.run_time.product_forms import Form
from ad_compiler.backends.native.run_time.small_matrices import HALF, WORD, Vectors

INNER = 2048  # products in a slab
ELEMENTS = 2**18  # of a slab

Places = dict[str, Any]


class Slabs:
    """Writes the loops over the slabs of one product."""

    def __init__(
        self,
        vectors: Vectors,
        form: Form,
        lengths: Places,
        sides: dict[str, Operand],
        results: Places,
        apart: Any,
    ) -> None:
        self.builder, self.vectors, self.lanes = vectors.builder, vectors, form.lanes
        self.lengths, self.sides, self.results, self.apart = lengths, sides, results, apart

    def size(self) -> Any:
        """How many bytes of memory are needed."""
        builder, steps = self.builder, self.steps()
        inner = self.least(steps["k"], self.lengths["k"])
        elements = [
            builder.mul(self.least(steps[axis], self.lengths[axis]), inner)
            for axis in self.sides
            if self.is_computed(axis)
        ]
        return builder.mul(functools.reduce(builder.add, elements), WORD(self.vectors.size))

    def steps(self) -> Places:
        """How long slabs are: all along an axis of a matrix that is in memory."""
        inner = self.least(self.lengths["k"], WORD(INNER))
        count = self.builder.sdiv(WORD(ELEMENTS), inner)
        steps = {axis: count if self.is_computed(axis) else self.lengths[axis] for axis in self.sides}
        return {**steps, "k": inner}

    def sum(self, axis: str) -> None:
        """The sums of an operand alone."""
        size = self.builder.mul(self.lengths[axis], WORD(self.vectors.size))
        cgutils.memset(self.builder, self.results[axis], size, 0)
        self.fill(axis, None, dict.fromkeys("ijk", WORD(0)), self.lengths)

    def write(self, memory: Any) -> None:
        """The product. There are some rows, columns and inner products."""
        builder = self.builder
        steps = self.steps()
        behind = memory
        if self.is_computed("i"):
            rows = self.least(steps["i"], self.lengths["i"])
            behind = builder.gep(memory, [builder.mul(rows, steps["k"])])
        with (
            self.turns(self.lengths["j"], steps["j"]) as (j, _),
            self.turns(self.lengths["i"], steps["i"]) as (i, _),
            self.turns(self.lengths["k"], steps["k"]) as (k, _),
        ):
            first = {"i": i, "j": j, "k": k}
            counts = {
                axis: self.least(step, builder.sub(self.lengths[axis], first[axis]))
                for axis, step in steps.items()
            }
            self.multiply(memory, behind, first, counts)

    def multiply(self, memory: Any, behind: Any, first: Places, counts: Places) -> None:
        """Compute the slabs that start at these places, and let BLAS add their product."""
        builder, real = self.builder, self.vectors.kind.element
        left, left_apart, ends_in_k = self.stored("i", memory, first, counts)
        right, right_apart, ends_in_k_too = self.stored("j", behind, first, counts)
        is_first = builder.icmp_signed("==", first["k"], WORD(0))
        place = builder.add(builder.mul(first["i"], self.apart), first["j"])
        function = declared(builder, "gemm", self.vectors.dtype, "eeeiiirpipirpi")
        given = [
            HALF(ROW_MAJOR),
            HALF(PLAIN if ends_in_k else TRANSPOSED),
            HALF(TRANSPOSED if ends_in_k_too else PLAIN),
            *counts.values(),
            real(1.0),
            left,
            left_apart,
            right,
            right_apart,
            builder.select(is_first, real(0.0), real(1.0)),
            builder.gep(self.results["ij"], [place]),
            self.at_least(self.apart, self.lengths["j"]),
        ]
        kinds = function.function_type.args
        pairs = zip(given, kinds, strict=True)
        builder.call(function, [builder.bitcast(*p) if p[1] == cgutils.voidptr_t else p[0] for p in pairs])

    def is_computed(self, axis: str) -> bool:
        return not self.sides[axis].is_plain or axis in self.results

    def stored(self, axis: str, memory: Any, first: Places, counts: Places) -> tuple[Any, Any, bool]:
        """A slab in memory: where, how far rows are apart there, and whether these go along `k`."""
        operand = self.sides[axis]
        if self.is_computed(axis):
            self.fill(axis, memory, first, counts)
            return memory, counts["k" if axis != self.lanes else axis], axis != self.lanes
        term = operand.terms[0]
        beside, last = tuple(term.subscripts)
        apart = self.at_least(term.strides[beside], self.lengths[last])
        return operand.address(term, first), apart, last == "k"

    def fill(self, axis: str, memory: Any, first: Places, counts: Places) -> None:
        """Compute a slab, row by row, if there is memory for it, and add its sums along `k`."""
        builder, vectors, lanes, operand = self.builder, self.vectors, self.lanes, self.sides[axis]
        row, column = ("k", axis) if axis == lanes else (axis, "k")
        with self.turns(counts[row], WORD(1)) as (beside, _):
            total = cgutils.alloca_once(builder, vectors.kind)
            builder.store(vectors.zero, total)
            start = builder.mul(beside, counts[column])
            with self.turns(counts[column], WORD(vectors.lanes)) as (along, _):
                own = {row: beside, column: along}
                at = {each: builder.add(first[each], number) for each, number in own.items()}
                place = builder.add(start, along)
                mask = vectors.first_lanes(builder.sub(counts[column], along))
                vector = operand.vector(at, lanes, mask)
                if memory is not None:
                    vectors.store(vector, builder.gep(memory, [place]), mask)
                if axis == lanes:
                    self.add_to_sums(axis, vector, mask, at)
                else:
                    vector = builder.select(mask, vector, vectors.zero)
                    builder.store(builder.fadd(builder.load(total), vector), total)
            if axis != lanes:
                at = {**first, axis: builder.add(first[axis], beside)}
                self.add_to_sums(axis, vectors.total(builder.load(total)), None, at)

    def add_to_sums(self, axis: str, part: Any, mask: Any, at: Places) -> None:
        """Add to the sums of an operand, if they are asked for: a vector of them, or one number."""
        if axis not in self.results:
            return
        builder, zero = self.builder, ir.Constant(part.type, None)
        place = builder.gep(self.results[axis], [at[axis]])
        before = builder.load(place) if mask is None else self.vectors.load(place, mask)
        before = builder.select(builder.icmp_signed("==", at["k"], WORD(0)), zero, before)
        if mask is None:
            builder.store(builder.fadd(before, part), place)
        else:
            self.vectors.store(builder.fadd(before, part), place, mask)

    def turns(self, stop: Any, step: Any) -> Any:
        return cgutils.for_range_slice(self.builder, WORD(0), stop, step, WORD)

    def least(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def at_least(self, apart: Any, length: Any) -> Any:
        """How far rows are apart, as BLAS wants to have it where there is one row."""
        return self.builder.select(self.builder.icmp_signed(">", apart, length), apart, length)
