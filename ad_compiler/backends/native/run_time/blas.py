"""Products of matrices by the BLAS that NumPy itself uses.

Numba's `np.dot` goes through SciPy, which brings a second OpenBLAS: its threads and those of NumPy's wait,
spinning, on the same processors, and each makes the other several times slower. The functions of NumPy's
are found in the libraries that NumPy has loaded, and given names that compiled code (also that from the
cache) is linked against. Where there are none with whole numbers of 64 bits, as in builds of NumPy with a
BLAS of the system, `np.dot` is what is called.

    product_of_matrices(a, b, out)          out = a @ b
    add_product_of_matrices(a, b, out)      out += a @ b
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg,attr-defined"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from ad_compiler.backends.native.numba_extensions.disabling import is_disabled
from ad_compiler.backends.native.numba_extensions.inlining import OPTIONS
from ad_compiler.backends.native.run_time.small_matrices import small_product

ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112
FEW_PRODUCTS = 4096
FUNCTIONS = [kind + name for kind in "sd" for name in ("gemm", "gemv", "dot")]
SPELLINGS = ("scipy_cblas_{}64_", "cblas_{}64_")


def addresses_in_numpy() -> dict[str, int]:
    """Where NumPy's functions lie; empty if one is missing."""
    try:
        from numpy._core import _multiarray_umath as extension

        library = ctypes.CDLL(extension.__file__)
    except (ImportError, OSError):
        return {}
    for spelling in SPELLINGS:
        try:
            found = {name: library[spelling.format(name)] for name in FUNCTIONS}
        except AttributeError:
            continue
        return {name: ctypes.cast(each, ctypes.c_void_p).value or 0 for name, each in found.items()}
    return {}


ADDRESSES = addresses_in_numpy()
IS_FOUND = bool(ADDRESSES) and not is_disabled()
for _name, _address in ADDRESSES.items():
    llvmlite.binding.add_symbol(f"ad_compiler_cblas_{_name}", _address)


def pointer_to(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    array = context.make_array(kind)(context, builder, value)
    return builder.bitcast(array.data, cgutils.voidptr_t)


def declared(builder: Any, name: str, dtype: Any, parts: str, result: str = "v") -> Any:
    """The function of BLAS: `e` is an enumeration, `i` a whole number, `r` a real, `p` a pointer."""
    real = ir.FloatType() if dtype == types.float32 else ir.DoubleType()
    letters = {
        "e": ir.IntType(32),
        "i": ir.IntType(64),
        "r": real,
        "p": cgutils.voidptr_t,
        "v": ir.VoidType(),
    }
    kind = ir.FunctionType(letters[result], [letters[letter] for letter in parts])
    prefix = "s" if dtype == types.float32 else "d"
    return cgutils.get_or_insert_function(builder.module, kind, f"ad_compiler_cblas_{prefix}{name}")


def layout(context: Any, builder: Any, kind: Any, value: Any) -> tuple[Any, Any, Any, Any]:
    """The two lengths of a matrix, whether it is transposed in memory, and how far its rows are apart."""
    array = context.make_array(kind)(context, builder, value)
    rows, columns = cgutils.unpack_tuple(builder, array.shape)
    first, second = cgutils.unpack_tuple(builder, array.strides)
    whole, size = ir.IntType(64), context.get_abi_sizeof(context.get_data_type(kind.dtype))
    is_plain = builder.icmp_signed("==", second, ir.Constant(whole, size))
    apart = builder.sdiv(builder.select(is_plain, first, second), ir.Constant(whole, size))
    least = builder.select(is_plain, columns, rows)  # where there is one row, its stride may be anything
    apart = builder.select(builder.icmp_signed(">", apart, least), apart, least)
    plain, transposed = (ir.Constant(ir.IntType(32), each) for each in (PLAIN, TRANSPOSED))
    return rows, columns, builder.select(is_plain, plain, transposed), apart


@intrinsic
def gemm(typing_context, a, b, out, beta):
    """`out = a @ b + beta * out`: `out` is contiguous, `a` and `b` are, or are transposed."""

    def generate(context, builder, signature, arguments):
        kinds = signature.args[:3]
        a, b, out = (pointer_to(context, builder, *each) for each in zip(kinds, arguments[:3], strict=True))
        m, k, a_turned, a_apart = layout(context, builder, kinds[0], arguments[0])
        _, n, b_turned, b_apart = layout(context, builder, kinds[1], arguments[1])
        function = declared(builder, "gemm", kinds[0].dtype, "eeeiiirpipirpi")
        real = function.function_type.args[6]
        order, one = ir.Constant(ir.IntType(32), ROW_MAJOR), ir.Constant(real, 1.0)
        beta = builder.fptrunc(arguments[3], real) if real == ir.FloatType() else arguments[3]
        given = [order, a_turned, b_turned, m, n, k, one, a, a_apart, b, b_apart, beta, out, n]
        builder.call(function, given)
        return context.get_dummy_value()

    return types.void(a, b, out, types.float64), generate


@intrinsic
def gemv(typing_context, a, a_turned, a_stride, rows, columns, x, out):
    """`out = a @ x` (or of the transposed matrix) with the arguments of cblas_?gemv."""
    signature = types.void(a, types.int32, types.int64, types.int64, types.int64, x, out)

    def generate(context, builder, signature, arguments):
        matrix, a_turned, a_stride, rows, columns, vector, result = arguments
        a, x, out = (
            pointer_to(context, builder, signature.args[place], value)
            for place, value in ((0, matrix), (5, vector), (6, result))
        )
        function = declared(builder, "gemv", signature.args[0].dtype, "eeiirpipirpi")
        real = function.function_type.args[4]
        order, step = ir.Constant(ir.IntType(32), ROW_MAJOR), ir.Constant(ir.IntType(64), 1)
        one, zero = ir.Constant(real, 1.0), ir.Constant(real, 0.0)
        given = [order, a_turned, rows, columns, one, a, a_stride, x, step, zero, out, step]
        builder.call(function, given)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def dot(typing_context, a, b):
    """The product of two contiguous vectors."""
    signature = a.dtype(a, b)

    def generate(context, builder, signature, arguments):
        x, y = (pointer_to(context, builder, *each) for each in zip(signature.args, arguments, strict=True))
        function = declared(builder, "dot", signature.args[0].dtype, "ipipi", "r")
        length = context.make_array(signature.args[0])(context, builder, arguments[0]).nitems
        step = ir.Constant(ir.IntType(64), 1)
        return builder.call(function, [length, x, step, y, step])

    return signature, generate


if IS_FOUND:

    @njit(**OPTIONS)
    def multiply(a, b, out, beta):
        """`out = a @ b + beta * out`: own code where the call of BLAS would take longer than that.

        `X.T @ s` for a narrow `s` is computed as `(s.T @ X).T`: OpenBLAS takes half of the time for it.
        """
        rows, columns = out.shape
        inner = a.shape[1]
        if rows * columns * inner <= FEW_PRODUCTS and b.strides[1] == b.itemsize:
            small_product(a, b, out, beta != 0)
        elif rows * columns * inner <= FEW_PRODUCTS // 4:
            for i in range(rows):
                for j in range(columns):
                    total = out.dtype.type(0) if beta == 0 else out[i, j]
                    for k in range(inner):
                        total += a[i, k] * b[k, j]
                    out[i, j] = total
        elif a.strides[1] != a.itemsize and beta == 0 and rows > 16 * columns and columns * inner > 500:
            turned = np.empty((columns, rows), out.dtype)
            gemm(b.T, a.T, turned, 0.0)
            for i in range(rows):
                for j in range(columns):
                    out[i, j] = turned[j, i]
        else:
            gemm(a, b, out, beta)

    def for_any_layout(beta):
        """A call of `multiply`, which is compiled once for all matrices, transposed or not."""

        @intrinsic
        def call(typing_context, a, b, out):
            function = typing_context.resolve_value_type(multiply)
            given = (a.copy(layout="A"), b.copy(layout="A"), out, types.float64)
            signature = typing_context.resolve_function_type(function, given, {})

            def generate(context, builder, own, arguments):
                implementation = context.get_function(function, signature)
                context.add_linking_libs(getattr(implementation, "libs", ()))
                implementation(builder, (*arguments, ir.Constant(ir.DoubleType(), beta)))
                return context.get_dummy_value()

            return types.void(a, b, out), generate

        return call

    product_of_matrices = for_any_layout(0.0)
    add_product_of_matrices = for_any_layout(1.0)

    @njit(**OPTIONS)
    def multiply_with_vector(a, x, out):
        """`out = a @ x` of a contiguous matrix and vector."""
        gemv(a, np.int32(PLAIN), a.shape[1], a.shape[0], a.shape[1], x, out)

    @njit(**OPTIONS)
    def multiply_vectors(a, b):
        return dot(a, b)

    @njit(**OPTIONS)
    def multiply_with_rows(a, x, out):
        """`out = a.T @ x` of a contiguous matrix and vector."""
        gemv(a, np.int32(TRANSPOSED), a.shape[1], a.shape[0], a.shape[1], x, out)

else:

    @njit(**OPTIONS)
    def product_of_matrices(a, b, out):
        np.dot(a, b, out)

    @njit(**OPTIONS)
    def add_product_of_matrices(a, b, out):
        out += np.dot(a, b)

    @njit(**OPTIONS)
    def multiply_with_vector(a, x, out):
        np.dot(a, x, out)

    @njit(**OPTIONS)
    def multiply_vectors(a, b):
        return np.dot(a, b)

    @njit(**OPTIONS)
    def multiply_with_rows(a, x, out):
        np.dot(a.T, x, out)
