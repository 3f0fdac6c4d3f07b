"""Products of matrices by the BLAS that NumPy itself uses.

Numba's `np.dot` goes through SciPy, which brings a second OpenBLAS: its threads and those of NumPy's wait,
spinning, on the same processors, and each makes the other several times slower. The functions of NumPy's
are found in the libraries that NumPy has loaded, and given names that compiled code (also that from the
cache) is linked against. Where there are none with whole numbers of 64 bits, as in builds of NumPy with a
BLAS of the system, `np.dot` is what is called.

    multiply_matrices(a, b, out, 0.0)      out = a @ b, for any strides that BLAS can take
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg,attr-defined"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

import ctypes
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import config, njit, types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

OPTIONS: Any = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112
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
IS_FOUND = bool(ADDRESSES) and not config.DISABLE_JIT
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


@intrinsic
def with_strides(typing_context, array):
    """The array as one of any layout: products are compiled once for matrices, turned or not."""
    general = array.copy(layout="A")

    def generate(context, builder, signature, arguments):
        return impl_ret_borrowed(context, builder, general, arguments[0])

    return general(array), generate


@intrinsic
def gemm(typing_context, a, a_turned, a_stride, b, b_turned, b_stride, out, m, n, k, beta):
    """`out = a @ b + beta * out` with the arguments of cblas_?gemm."""
    enumeration, whole = types.int32, types.int64
    matrices = (a, enumeration, whole, b, enumeration, whole, out)
    signature = types.void(*matrices, whole, whole, whole, types.float64)

    def generate(context, builder, signature, arguments):
        first, a_turned, a_stride, second, b_turned, b_stride, result, m, n, k, beta = arguments
        a, b, out = (
            pointer_to(context, builder, signature.args[place], value)
            for place, value in ((0, first), (3, second), (6, result))
        )
        function = declared(builder, "gemm", signature.args[0].dtype, "eeeiiirpipirpi")
        real = function.function_type.args[6]
        order = ir.Constant(ir.IntType(32), ROW_MAJOR)
        beta = builder.fptrunc(beta, real) if real == ir.FloatType() else beta
        one = ir.Constant(real, 1.0)
        given = [order, a_turned, b_turned, m, n, k, one, a, a_stride, b, b_stride, beta, out, n]
        builder.call(function, given)
        return context.get_dummy_value()

    return signature, generate


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
    def multiply_matrices(a, b, out, beta):
        """`out = a @ b + beta * out`; `out` is contiguous, `a` and `b` are, or are transposed.

        `X.T @ s` for a narrow `s` is computed as `(s.T @ X).T`: OpenBLAS takes half of the time for it.
        """
        rows, columns = out.shape
        is_tall = a.strides[1] != a.itemsize and rows > 16 * columns
        if is_tall and beta == 0 and rows * columns * a.shape[1] > 1000000:
            turned = np.empty((columns, rows), out.dtype)
            multiply_as_given(b.T, a.T, turned, 0.0)
            for i in range(rows):
                for j in range(columns):
                    out[i, j] = turned[j, i]
            return
        multiply_as_given(a, b, out, beta)

    @njit(**OPTIONS)
    def multiply_as_given(a, b, out, beta):
        a_turned, a_stride = PLAIN, max(a.strides[0] // a.itemsize, a.shape[1])
        if a.strides[1] != a.itemsize:
            a_turned, a_stride = TRANSPOSED, max(a.strides[1] // a.itemsize, a.shape[0])
        b_turned, b_stride = PLAIN, max(b.strides[0] // b.itemsize, b.shape[1])
        if b.strides[1] != b.itemsize:
            b_turned, b_stride = TRANSPOSED, max(b.strides[1] // b.itemsize, b.shape[0])
        m, n = out.shape
        gemm(a, np.int32(a_turned), a_stride, b, np.int32(b_turned), b_stride, out, m, n, a.shape[1], beta)

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
    if config.DISABLE_JIT:

        def with_strides(array):
            return array

    @njit(**OPTIONS)
    def multiply_matrices(a, b, out, beta):
        if beta == 0:
            np.dot(a, b, out)
        else:
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
