"""Products of matrices whose operands are computed while they are read (`product_forms.py`), in vectors.

A product with few rows, or columns, does so little with an element of the other operand that writing it and
reading it back takes as long. So nothing is written: an element is computed when it is needed, once for each
few rows (or columns) of the result, which are kept in registers while all products are added to them, as in
`small_matrices.py`. What the lanes of a vector are follows from how the arrays lie in memory:

    columns     a vector is a part of a row of the right operand; an element of the left one (a matrix in
                memory: to compute numbers one by one costs more) is in all lanes
    parts       a vector is a part of a row, or column, along the subscript that is summed over; at the end
                its lanes are added

Where each element is used more often, slabs of the operands are computed for BLAS (`fused_slabs.py`).
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from ad_compiler.backends.native.numba_extensions.disabling import is_disabled
from ad_compiler.backends.native.run_time.blas import FEW_PRODUCTS
from ad_compiler.backends.native.run_time.fused_operands import Operand, Term
from ad_compiler.backends.native.run_time.fused_slabs import Slabs
from ad_compiler.backends.native.run_time.product_forms import Form, computed, form_of, letters, subscripts_in
from ad_compiler.backends.native.run_time.small_matrices import WORD, Vectors, described, own_function

SMALL = FEW_PRODUCTS  # of two numbers: less than BLAS is called for
USES = 16  # of an element of an operand: memory costs no more than so many products
SHORT = 64  # a sum, so that adding its lanes costs more than memory
HAS_LONG_VECTORS = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
ROWS = (4, 2, 1)  # of the result that are computed together; its columns are vectors
VECTORS = 2 if HAS_LONG_VECTORS else 1
BLOCKS = (4, 2) if HAS_LONG_VECTORS else (2,)  # rows, and columns, where the lanes are parts of sums


class FusedProduct:
    """Writes a function that computes a product of one form.

    It is given the lengths of `i`, `j` and `k`, how far the rows of the result are apart, where the results
    and the arrays lie, and the strides of the arrays, subscript by subscript.
    """

    def __init__(self, context: Any, module: Any, form: Form, dtype: Any, name: str) -> None:
        self.context, self.dtype, self.form = context, dtype, form
        pointer = context.get_data_type(dtype).as_pointer()
        strides = sum(len(letters(each)) for each in form.subscripts)
        kinds = [WORD] * 4 + [pointer] * (len(form.results) + len(form.subscripts)) + [WORD] * strides
        self.function = own_function(module, name, kinds)
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.vectors = Vectors(self.builder, dtype)
        given = iter(self.function.args)
        self.lengths = {subscript: next(given) for subscript in "ijk"}
        self.apart = next(given)
        self.results = {result: next(given) for result in form.results}
        places = [next(given) for _ in form.subscripts]
        terms = [
            Term(each, place, {letter: next(given) for letter in letters(each)})
            for each, place in zip(form.subscripts, places, strict=True)
        ]
        count = len(subscripts_in(form.operands[0]))
        self.left = Operand(self.vectors, form.operands[0], terms[:count])
        self.right = Operand(self.vectors, form.operands[1], terms[count:])
        self.sides = {"i": self.left, "j": self.right}

    def write(self) -> None:
        builder = self.builder
        rows, columns, _ = self.lengths.values()
        slabs = Slabs(self.vectors, self.form, self.lengths, self.sides, self.results, self.apart)
        nothing = self.results["ij"].type(None)
        memory = cgutils.alloca_once_value(builder, nothing)
        with builder.if_then(self.is_for_library(), likely=False):
            allocated = self.context.nrt.allocate_unchecked(builder, slabs.size())
            builder.store(builder.bitcast(allocated, nothing.type), memory)
        if len(self.results) > 1:  # the rows of a matrix without columns have sums, too
            is_empty = builder.icmp_signed("==", builder.mul(rows, columns), WORD(0))
            with builder.if_then(is_empty, likely=False):
                for axis in self.form.results[1:]:
                    slabs.sum(axis)
        found = builder.load(memory)
        with builder.if_else(builder.icmp_unsigned("==", found, nothing)) as (without, within):
            with without:
                (self.by_columns if self.form.lanes == "j" else self.by_parts)()
            with within:
                slabs.write(found)
                self.context.nrt.free(builder, builder.bitcast(found, cgutils.voidptr_t))
        builder.ret_void()

    def is_for_library(self) -> Any:
        """Whether BLAS takes less time, though the operands go through memory."""
        builder = self.builder
        rows, columns, inner = self.lengths.values()
        uses = [rows] * (not self.right.is_plain) + [columns] * (not self.left.is_plain)
        used = builder.select(builder.icmp_signed("<", uses[0], uses[-1]), uses[0], uses[-1])
        found = builder.icmp_signed(">", used, WORD(USES))
        if self.form.lanes == "k":
            found = builder.or_(found, builder.icmp_signed("<", inner, WORD(SHORT)))
        work = builder.mul(builder.mul(rows, columns), inner)
        return builder.and_(found, builder.icmp_signed(">", work, WORD(SMALL)))

    def turns(self, start: Any, stop: Any, step: int) -> Any:
        return cgutils.for_range_slice(self.builder, start, stop, WORD(step), WORD)

    def mask(self, subscript: str, first: Any) -> Any:
        """Which lanes from there on are not behind the end."""
        return self.vectors.first_lanes(self.builder.sub(self.lengths[subscript], first))

    def sums(self, count: int) -> list[Any]:
        places = [cgutils.alloca_once(self.builder, self.vectors.kind) for _ in range(count)]
        for place in places:
            self.builder.store(self.vectors.zero, place)
        return places

    def add(self, vector: Any, place: Any) -> None:
        self.builder.store(self.builder.fadd(self.builder.load(place), vector), place)

    def add_product(self, a: Any, b: Any, place: Any) -> None:
        self.builder.store(self.vectors.multiply_add(a, b, self.builder.load(place)), place)

    def total(self, place: Any) -> Any:
        return self.vectors.total(self.builder.load(place))

    def at(self, row: Any, column: Any) -> Any:
        """The address of an element of the result."""
        builder = self.builder
        return builder.gep(self.results["ij"], [builder.add(builder.mul(row, self.apart), column)])

    # Lanes are columns

    def by_columns(self) -> None:
        builder, lanes = self.builder, self.vectors.lanes
        columns = self.lengths["j"]
        whole = builder.and_(columns, WORD(-VECTORS * lanes))
        with self.turns(WORD(0), whole, VECTORS * lanes) as (first, _):
            self.columns([(builder.add(first, WORD(n * lanes)), None) for n in range(VECTORS)])
        with self.turns(whole, columns, VECTORS * lanes) as (first, _):
            places = [builder.add(first, WORD(n * lanes)) for n in range(VECTORS)]
            self.columns([(place, self.mask("j", place)) for place in places])

    def columns(self, columns: list[tuple[Any, Any]]) -> None:
        """These columns of all rows."""
        builder, rows, start = self.builder, self.lengths["i"], WORD(0)
        for count in ROWS:
            stop = builder.and_(rows, WORD(-count))
            with self.turns(start, stop, count) as (row, _):
                self.rows_of_columns([builder.add(row, WORD(n)) for n in range(count)], columns)
            start = stop

    def rows_of_columns(self, rows: list[Any], columns: list[tuple[Any, Any]]) -> None:
        builder, vectors = self.builder, self.vectors
        sums = [self.sums(len(columns)) for _ in rows]
        totals = self.sums(len(columns)) if "j" in self.results else []
        with cgutils.for_range(builder, self.lengths["k"]) as loop:
            beside = [self.right.vector({"k": loop.index, "j": j}, "j", mask) for j, mask in columns]
            for vector, place in zip(beside, totals, strict=False):
                self.add(vector, place)
            for row, places in zip(rows, sums, strict=True):
                factor = vectors.filled(self.left.number({"i": row, "k": loop.index}))
                for vector, place in zip(beside, places, strict=True):
                    self.add_product(factor, vector, place)
        for row, places in zip(rows, sums, strict=True):
            for (column, mask), place in zip(columns, places, strict=True):
                vectors.store(builder.load(place), self.at(row, column), mask)
        for (column, mask), place in zip(columns, totals, strict=False):
            vectors.store(builder.load(place), builder.gep(self.results["j"], [column]), mask)

    # Lanes are parts of the sums

    def by_parts(self) -> None:
        """In place of rows and columns behind the last one, that is computed once more."""
        rows, columns, _ = self.lengths.values()
        for number, first, last in self.pieces(columns):
            with self.turns(first, last, number) as (column, _):
                for count, start, stop in self.pieces(rows):
                    with self.turns(start, stop, count) as (row, _):
                        self.block_of_parts(
                            self.beside(row, count, rows), self.beside(column, number, columns)
                        )

    def pieces(self, length: Any) -> Iterator[tuple[int, Any, Any]]:
        start = WORD(0)
        for count in BLOCKS:
            stop = length if count == BLOCKS[-1] else self.builder.and_(length, WORD(-count))
            yield count, start, stop
            start = stop

    def beside(self, first: Any, count: int, length: Any) -> list[Any]:
        builder, last = self.builder, self.builder.sub(length, WORD(1))
        found = [builder.add(first, WORD(n)) for n in range(count)]
        return [builder.select(builder.icmp_signed("<", each, last), each, last) for each in found]

    def block_of_parts(self, rows: list[Any], columns: list[Any]) -> None:
        builder = self.builder
        sums = [self.sums(len(columns)) for _ in rows]
        indices = {
            subscript: at for subscript, at in (("i", rows), ("j", columns)) if subscript in self.results
        }
        totals = {subscript: self.sums(len(at)) for subscript, at in indices.items()}
        inner, lanes = self.lengths["k"], self.vectors.lanes
        whole = builder.and_(inner, WORD(-lanes))

        def add(k: Any, mask: Any) -> None:
            parts = {
                "i": [self.part(self.left, {"i": row, "k": k}, mask) for row in rows],
                "j": [self.part(self.right, {"j": column, "k": k}, mask) for column in columns],
            }
            for subscript, places in totals.items():
                for part, place in zip(parts[subscript], places, strict=True):
                    self.add(part, place)
            for left, places in zip(parts["i"], sums, strict=True):
                for right, place in zip(parts["j"], places, strict=True):
                    self.add_product(left, right, place)

        with self.turns(WORD(0), whole, lanes) as (k, _):
            add(k, None)
        with self.turns(whole, inner, lanes) as (k, _):
            add(k, self.mask("k", k))
        for row, places in zip(rows, sums, strict=True):
            for column, place in zip(columns, places, strict=True):
                builder.store(self.total(place), self.at(row, column))
        for subscript, places in totals.items():
            for index, place in zip(indices[subscript], places, strict=True):
                builder.store(self.total(place), builder.gep(self.results[subscript], [index]))

    def part(self, operand: Operand, at: dict[str, Any], mask: Any) -> Any:
        """A part of a row or column along `k`, with zeros behind its end."""
        vector = operand.vector(at, "k", mask)
        return vector if mask is None else self.builder.select(mask, vector, self.vectors.zero)


class Array:
    """An array, or a number, that compiled code has: where it lies, its lengths and its strides."""

    def __init__(self, context: Any, builder: Any, kind: Any, value: Any, dtype: Any) -> None:
        if isinstance(kind, types.Array):
            self.data, *rest = described(context, builder, kind, value)
            self.lengths, self.strides = rest[: kind.ndim], rest[kind.ndim :]
        else:
            self.data = cgutils.alloca_once_value(builder, context.cast(builder, value, kind, dtype))
            self.lengths, self.strides = [], []


@intrinsic(prefer_literal=True)
def fused_product(typing_context, text, *given):
    """A product of this form, which must be known while compiling, of real numbers of one type.

    All arrays are contiguous. A result of sums may have further axes of length 1.
    """
    form = form_of(text.literal_value) if isinstance(text, types.StringLiteral) else None
    if form is None:
        raise TypingError("the form of a product is not known, or none that vectors can compute")
    dtype = given[-1].dtype
    for kind, subscripts in zip(given, (*form.subscripts, *form.results), strict=True):
        is_array = isinstance(kind, types.Array) and kind.layout == "C" and kind.dtype == dtype
        if subscripts == "_" and isinstance(kind, types.Float):
            continue
        if not is_array or kind.ndim < len(subscripts) or dtype not in (types.float64, types.float32):
            raise TypingError(f"{kind} is no operand, or result, of a product of {dtype}")

    def generate(context, builder, signature, arguments):
        name = f"fused_product {dtype} {text.literal_value}"
        function = builder.module.globals.get(name)
        if function is None:
            product = FusedProduct(context, builder.module, form, dtype, name)
            product.write()
            function = product.function
        pairs = zip(given, cgutils.unpack_tuple(builder, arguments[1]), strict=True)
        arrays = [Array(context, builder, *pair, dtype) for pair in pairs]
        count = len(form.subscripts)
        operands, results = arrays[:count], arrays[count:]
        inner = next(
            array.lengths[subscripts.index("k")]
            for array, subscripts in zip(operands, form.subscripts, strict=True)
            if "k" in subscripts
        )
        handed = [*results[0].lengths, inner, results[0].strides[0]]
        handed += [each.data for each in (*results, *operands)]
        handed += [stride for each in operands for stride in each.strides]
        builder.call(function, handed)
        return context.get_dummy_value()

    return types.void(text, types.StarArgTuple(given)), generate


if is_disabled():
    fused_product = computed  # type: ignore[assignment]
