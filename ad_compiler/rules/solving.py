"""Rules of inverses, determinants and linear systems.

With a stack of matrices every rule works on the last two axes. Source: Giles, An extended collection of
matrix derivative results for forward and reverse mode algorithmic differentiation (2008), section 2; for the
pseudo-inverse Golub and Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems
whose variables separate (1973), for matrices whose rank does not change nearby.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType, Length, TupleType
from ad_compiler.refusal import Refusal
from ad_compiler.rules.elementwise_types import broadcast_types
from ad_compiler.rules.notation import at_compile_time, definition, rule
from ad_compiler.rules.shapes import _contract, is_complex, rank_of, type_of
from ad_compiler.rules.structure import sum_to_shape_of
from ad_compiler.rules.tuples import several


def real_dtype(kind: ArrayType) -> np.dtype[Any]:
    """The dtype of linear algebra: whole numbers become doubles."""
    return np.dtype(np.float64) if kind.dtype.kind in "biu" else kind.dtype


def magnitude_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype of the absolute values."""
    found: np.dtype[Any] = dtype.type(0).real.dtype
    return found


def square_type(a: Any, *_: Any) -> ArrayType:
    kind = type_of(a)
    if kind.rank < 2:
        raise Refusal(f"an array of rank {kind.rank} stands where a matrix is needed", "pass a matrix")
    _contract(kind.shape[-1], kind.shape[-2])
    return ArrayType(real_dtype(kind), kind.shape)


def transposed(a: Any) -> Any:
    return np.swapaxes(a, -1, -2)


def conjugated(a: Any) -> Any:
    return np.conj(a) if is_complex(a) else a


def adjoint(a: Any) -> Any:
    """The conjugate transpose: of a real matrix, the transpose."""
    return conjugated(transposed(a))


@rule(np.linalg.inv, infer=square_type, complex=True)
def inv(a: Any, *, y: Any, g: Any) -> Any:
    return -(transposed(y) @ g @ transposed(y))


def scalar_of_matrix(a: Any) -> ArrayType:
    kind = square_type(a)
    return ArrayType(kind.dtype, kind.shape[:-2])


@rule(np.linalg.det, infer=scalar_of_matrix, complex=True)
def det(a: Any, *, y: Any, g: Any) -> Any:
    return (g * y)[..., None, None] * transposed(np.linalg.inv(a))


def slogdet_type(a: Any) -> TupleType:
    kind = scalar_of_matrix(a)
    return TupleType((kind, ArrayType(magnitude_dtype(kind.dtype), kind.shape)))


@rule("slogdet", infer=slogdet_type, text="np.linalg.slogdet", complex=True)
def slogdet(a: Any, *, y: Any, g: Any) -> Any:
    """The sign of a real determinant is constant; that of a complex one turns."""
    slope = transposed(np.linalg.inv(a))
    if not is_complex(a) or g[0] is None:
        return 0.0 if g[1] is None else np.asarray(g[1])[..., None, None] * slope
    turn = 1j * np.imag(g[0] * y[0])
    return np.asarray(turn if g[1] is None else g[1] + turn)[..., None, None] * slope


several(np.linalg.slogdet, "slogdet", ("sign", "logabsdet"))


def solve_type(a: Any, b: Any) -> ArrayType:
    left, right = square_type(a), type_of(b)
    dtype = np.result_type(left.dtype, real_dtype(right))
    if right.rank == 1:
        _contract(left.shape[-1], right.shape[0])
        return ArrayType(dtype, (*left.shape[:-2], right.shape[0]))
    _contract(left.shape[-1], right.shape[-2])
    batch = broadcast_types([ArrayType(dtype, left.shape[:-2]), ArrayType(dtype, right.shape[:-2])])
    return ArrayType(dtype, (*batch, *right.shape[-2:]))


@rule(np.linalg.solve, infer=solve_type, complex=True)
def solve(a: Any, b: Any, *, y: Any, g: Any) -> Any:
    if np.ndim(b) == 1 and np.ndim(a) == 2:
        b_bar = np.linalg.solve(a.T, g)
        return -np.outer(b_bar, y), b_bar
    if np.ndim(b) == 1:
        b_bar = solved_vectors(transposed(a), g)
        return sum_to_shape_of(-(b_bar[..., :, None] * y[..., None, :]), a), sum_to_shape_of(b_bar, b)
    b_bar = np.linalg.solve(transposed(a), g)
    return sum_to_shape_of(-(b_bar @ transposed(y)), a), sum_to_shape_of(b_bar, b)


def solved_vectors(a: Any, g: Any) -> Any:
    return np.linalg.solve(a, g) if np.ndim(g) == 1 else np.linalg.solve(a, g[..., None])[..., 0]


def pinv_type(a: Any, *_: Any, **__: Any) -> ArrayType:
    kind = type_of(a)
    return ArrayType(real_dtype(kind), (*kind.shape[:-2], kind.shape[-1], kind.shape[-2]))


@rule(np.linalg.pinv, infer=pinv_type, complex=True)
def pinv(a: Any, rcond: Any = None, hermitian: Any = False, *, y: Any, g: Any) -> Any:
    p, pt, ph, gt = y, transposed(y), adjoint(y), transposed(g)
    inside = -(pt @ g @ pt)
    rows = (gt - a @ (p @ gt)) @ p @ ph
    columns = ph @ p @ (gt - (gt @ p) @ a)
    return inside + conjugated(rows + columns)


def lstsq_type(a: Any, b: Any, rcond: Any = None) -> TupleType:
    matrix, right = type_of(a), type_of(b)
    _contract(matrix.shape[0], right.shape[0])
    dtype = np.result_type(real_dtype(matrix), real_dtype(right))
    some = Length(object(), may_be_one=True)
    return TupleType(
        (
            ArrayType(dtype, (matrix.shape[1], *right.shape[1:])),
            ArrayType(magnitude_dtype(dtype), (some,)),
            ArrayType(np.dtype(np.int32)),
            ArrayType(magnitude_dtype(dtype), (Length(object(), may_be_one=True),)),
        )
    )


@rule("lstsq", infer=lstsq_type, text="np.linalg.lstsq", complex=True)
def lstsq(a: Any, b: Any, rcond: Any = None, *, y: Any, g: Any) -> Any:
    check_solution_only(g)
    p = np.linalg.pinv(a)
    solution = np.reshape(g[0], (np.shape(g[0])[0], -1))
    right = np.reshape(b, (np.shape(b)[0], -1))
    return pinv(a, y=p, g=solution @ right.T), np.reshape(p.T @ solution, np.shape(b))


@at_compile_time
def check_solution_only(g: Any) -> None:
    if g[1] is not None or g[3] is not None:
        raise Refusal(
            "of `np.linalg.lstsq` only the solution is differentiated", "compute the residuals: `b - a @ x`"
        )


several(np.linalg.lstsq, "lstsq")


@definition(np.linalg.matrix_power, view=True, complex=True)
def matrix_power(a: Any, n: Any) -> Any:
    if n < 0:
        return power_of(np.linalg.inv(a), -n)
    return power_of(a, n) if n > 0 else a * 0.0 + np.eye(np.shape(a)[-1])


def power_of(a: Any, n: Any) -> Any:
    if n == 1:
        return a[...]
    half = power_of(a, n // 2)
    return half @ half if n % 2 == 0 else half @ half @ a


@definition(np.linalg.multi_dot, structures=("arrays",), complex=True)
def multi_dot(arrays: Any) -> Any:
    return chain(arrays[0], arrays[1:])


def chain(product: Any, arrays: Any) -> Any:
    return chain(product @ arrays[0], arrays[1:]) if len(arrays) > 0 else product


@definition(np.linalg.tensorinv)
def tensorinv(a: Any, ind: Any = 2) -> Any:
    shape = np.shape(a)
    matrix = np.reshape(a, (number(shape[:ind]), -1))
    return np.reshape(np.linalg.inv(matrix), shape[ind:] + shape[:ind])


def number(lengths: Any) -> Any:
    return lengths[0] * number(lengths[1:]) if len(lengths) > 0 else 1


@definition(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    moved = a if axes is None else np.transpose(a, axes_last(a, axes))
    shape = np.shape(moved)[np.ndim(b) :]
    matrix = np.reshape(moved, (-1, number(shape)))
    return np.reshape(np.linalg.solve(matrix, np.ravel(b)), shape)


@at_compile_time
def axes_last(a: Any, axes: Any) -> tuple[int, ...]:
    order = [i for i in range(rank_of(a)) if i not in axes]
    return (*order, *axes)
