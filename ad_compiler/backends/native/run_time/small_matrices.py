"""Products of small matrices, in vectors: BLAS takes longer to be called and to pack them than to multiply.

Compiled loops do not help: where lengths and strides are known only at run time, LLVM keeps a sum in memory,
not in a register. So the vectors are written out. Of the result, four rows of eight numbers (sixteen of 32
bits) are kept in registers, while all products are added to them:

    for each eight columns, for each four rows:
        sums = 0, or what is in `out`
        for k in range(inner):
            row = b[k, the columns]
            sums[r] += a[r, k] * row            for each of the rows
        out[the rows, the columns] = sums

That is the inner kernel of Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication (2008),
without its packing. Columns behind the last one are masked: they are neither read nor written.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS = 4
BYTES = 64  # of a vector; LLVM takes several for it where the processor's are shorter
WORD, HALF = ir.IntType(64), ir.IntType(32)


class Matrix:
    """A matrix of which compiled code knows where it lies, its lengths, and its strides in elements."""

    def __init__(self, builder: Any, data: Any, rows: Any, columns: Any, *strides: Any) -> None:
        self.builder, self.data = builder, data
        self.rows, self.columns, self.strides = rows, columns, strides

    def at(self, row: Any, column: Any) -> Any:
        """The address of an element."""
        parts = [self.builder.mul(*pair) for pair in zip((row, column), self.strides, strict=True)]
        return self.builder.gep(self.data, [self.builder.add(*parts)])


def described(context: Any, builder: Any, kind: Any, value: Any) -> list[Any]:
    """What describes an array: where it lies, its lengths, and its strides in elements."""
    array = context.make_array(kind)(context, builder, value)
    size = WORD(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [builder.sdiv(each, size) for each in cgutils.unpack_tuple(builder, array.strides)]
    return [array.data, *cgutils.unpack_tuple(builder, array.shape), *strides]


def own_function(module: Any, name: str, kinds: list[Any]) -> Any:
    """A function for one module. Its loops are not unrolled, as loops are that are many turns long."""
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
    function.linkage = "internal"
    for attribute in ("noinline", "optsize"):
        function.attributes.add(attribute)
    return function


class Vectors:
    """Instructions on vectors of the numbers of one type."""

    def __init__(self, builder: Any, dtype: Any) -> None:
        self.builder, self.dtype = builder, dtype
        self.size = dtype.bitwidth // 8
        self.lanes = BYTES // self.size
        self.kind = ir.VectorType(ir.FloatType() if self.size == 4 else ir.DoubleType(), self.lanes)
        self.name = f"v{self.lanes}f{dtype.bitwidth}"
        self.zero = ir.Constant(self.kind, [0.0] * self.lanes)

    def call(self, name: str, result: Any, arguments: list[Any]) -> Any:
        kind = ir.FunctionType(result, [each.type for each in arguments])
        function = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.{name}")
        return self.builder.call(function, arguments)

    def filled(self, number: Any) -> Any:
        """A vector with the number in every lane."""
        undefined = ir.Constant(ir.VectorType(number.type, self.lanes), ir.Undefined)
        first = self.builder.insert_element(undefined, number, ir.Constant(HALF, 0))
        lanes = ir.Constant(ir.VectorType(HALF, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, lanes)

    def first_lanes(self, count: Any) -> Any:
        """The mask of the first lanes; of all where they are more than there are."""
        lanes = ir.Constant(ir.VectorType(WORD, self.lanes), list(range(self.lanes)))
        return self.builder.icmp_signed("<", lanes, self.filled(count))

    def load(self, address: Any, mask: Any) -> Any:
        """The elements of the lanes in the mask (of all without one), and zeros in the others."""
        place = self.builder.bitcast(address, self.kind.as_pointer())
        if mask is None:
            return self.builder.load(place, align=self.size)
        given = [place, ir.Constant(HALF, self.size), mask, self.zero]
        return self.call(f"masked.load.{self.name}.p0", self.kind, given)

    def store(self, vector: Any, address: Any, mask: Any) -> None:
        place = self.builder.bitcast(address, self.kind.as_pointer())
        if mask is None:
            self.builder.store(vector, place, align=self.size)
            return
        given = [vector, place, ir.Constant(HALF, self.size), mask]
        self.call(f"masked.store.{self.name}.p0", ir.VoidType(), given)

    def total(self, vector: Any) -> Any:
        """The sum of the lanes, in any order."""
        number = self.kind.element
        kind = ir.FunctionType(number, [number, self.kind])
        name = f"llvm.vector.reduce.fadd.{self.name}"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, [number(-0.0), vector], fastmath=("reassoc",))

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        return self.call(f"fmuladd.{self.name}", self.kind, [a, b, c])


class Product:
    """Writes the loops of `out = a @ b`, or `out += a @ b`: the elements of the rows of `b` and `out` lie
    beside each other."""

    def __init__(self, builder: Any, vectors: Vectors, matrices: list[Matrix], is_added: Any) -> None:
        self.builder = builder
        self.vectors = vectors
        self.a, self.b, self.out = matrices
        self.is_added = is_added

    def write(self) -> None:
        builder, columns, rows = self.builder, self.out.columns, self.out.rows
        lanes = ir.Constant(WORD, self.vectors.lanes)
        with cgutils.for_range_slice(builder, WORD(0), columns, lanes, WORD) as (column, _):
            mask = self.vectors.first_lanes(builder.sub(columns, column))
            whole = builder.mul(builder.sdiv(rows, WORD(ROWS)), WORD(ROWS))
            with cgutils.for_range_slice(builder, WORD(0), whole, WORD(ROWS), WORD) as (row, _):
                self.block(row, ROWS, column, mask)
            with cgutils.for_range_slice(builder, whole, rows, WORD(1), WORD) as (row, _):
                self.block(row, 1, column, mask)

    def block(self, first: Any, count: int, column: Any, mask: Any) -> None:
        """A few rows of the result, of eight columns."""
        builder, vectors = self.builder, self.vectors
        rows = [builder.add(first, WORD(n)) for n in range(count)]
        places = [self.out.at(row, column) for row in rows]
        sums = [cgutils.alloca_once_value(builder, vectors.zero) for _ in rows]
        for place in sums:
            builder.store(vectors.zero, place)
        with builder.if_then(self.is_added):
            for place, address in zip(sums, places, strict=True):
                builder.store(vectors.load(address, mask), place)
        with cgutils.for_range(builder, self.a.columns) as loop:
            beside = vectors.load(self.b.at(loop.index, column), mask)
            for row, place in zip(rows, sums, strict=True):
                factor = vectors.filled(builder.load(self.a.at(row, loop.index)))
                builder.store(vectors.multiply_add(factor, beside, builder.load(place)), place)
        for place, address in zip(sums, places, strict=True):
            vectors.store(builder.load(place), address, mask)


@intrinsic
def small_product(typing_context, a, b, out, is_added):
    """`out = a @ b`, or `out += a @ b` if it is added, of real numbers."""

    def generate(context, builder, signature, arguments):
        pairs = zip(signature.args[:3], arguments[:3], strict=True)
        given = [each for pair in pairs for each in described(context, builder, *pair)]
        given.append(arguments[3])
        name = f"small_product {out.dtype}"
        function = builder.module.globals.get(name)
        if function is None:
            function = own_function(builder.module, name, [each.type for each in given])
            inside = ir.IRBuilder(function.append_basic_block("entry"))
            matrices = [Matrix(inside, *function.args[n : n + 5]) for n in (0, 5, 10)]
            Product(inside, Vectors(inside, out.dtype), matrices, function.args[15]).write()
            inside.ret_void()
        builder.call(function, given)
        return context.get_dummy_value()

    return types.void(a, b, out, types.boolean), generate
