"""Rules of functions of matrices: the exponential, roots, logarithms, and what is made of them.

The derivative of a function `f` of a matrix in a direction is a block of `f` of a block matrix, `f([[a, e],
[0, a]])`, and its transpose is the derivative at the transposed matrix. Sources: Higham, Functions of
Matrices (2008), sections 3.2 and 3.4; Najfeld and Havel, Derivatives of the matrix exponential and their
computation (1995); for Lyapunov and Sylvester equations Giles, An extended collection of matrix derivative
results (2008). `scipy.linalg.expm_frechet` is not used: of small matrices it is slower, and it
raises where a number is not one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from ad_compiler.analysis.types import ArrayType
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand
from ad_compiler.rules.notation import constant, definition, expansion, registry, rule, written_out
from ad_compiler.rules.scipy_precision import double, double_of
from ad_compiler.rules.shapes import bool_type, is_complex, type_of
from ad_compiler.rules.solving import adjoint, square_type, transposed


def block_of(a: Any, e: Any) -> Any:
    """The matrix of the four blocks `a`, `e`, 0 and `a`."""
    top = np.concatenate([a, e], -1)
    return np.concatenate([top, np.concatenate([np.zeros_like(a), a], -1)], -2)


@rule(linalg.expm, infer=square_type, complex=True)
def expm(A: Any, *, g: Any) -> Any:
    n = np.shape(A)[-1]
    return linalg.expm(block_of(transposed(A), g))[..., :n, n:]


def frechet(A: Any, E: Any, method: Any = None, compute_expm: Any = True) -> Any:
    """`scipy.linalg.expm_frechet` without the exponential itself."""


@definition(frechet, text="scipy.linalg.expm_frechet", name="expm_frechet", complex=True)
def frechet_as_block(A: Any, E: Any, method: Any = None, compute_expm: Any = True) -> Any:
    n = np.shape(A)[0]
    return linalg.expm(block_of(double(A), E))[:n, n:]


@written_out(linalg.expm_frechet)
def expm_frechet(A: Any, E: Any, method: Any = None, compute_expm: Any = True) -> Any:
    slope = frechet(A, E, method, False)
    return (linalg.expm(A), slope) if compute_expm else slope


@definition(linalg.coshm, complex=True)
def coshm(A: Any) -> Any:
    return 0.5 * (linalg.expm(A) + linalg.expm(-A))


@definition(linalg.sinhm, complex=True)
def sinhm(A: Any) -> Any:
    return 0.5 * (linalg.expm(A) - linalg.expm(-A))


@definition(linalg.tanhm, complex=True)
def tanhm(A: Any) -> Any:
    return np.linalg.solve(coshm(A), sinhm(A))


@definition(linalg.cosm, complex=True)
def cosm(A: Any) -> Any:
    if is_complex(A):
        return 0.5 * (linalg.expm(1j * A) + linalg.expm(-1j * A))
    return np.real(linalg.expm(1j * A))


@definition(linalg.sinm, complex=True)
def sinm(A: Any) -> Any:
    if is_complex(A):
        return -0.5j * (linalg.expm(1j * A) - linalg.expm(-1j * A))
    return np.imag(linalg.expm(1j * A))


@definition(linalg.tanm, complex=True)
def tanm(A: Any) -> Any:
    return np.linalg.solve(cosm(A), sinm(A))


# --- roots and logarithms: of a real matrix they may be complex, which is found when they are computed ---


@constant("is_real", infer=bool_type, text="np.isrealobj")
def is_real(a: Any) -> None: ...


@expansion()
def kept_real(builder: Builder, a: Operand, result: Operand) -> Operand:
    """The function of a matrix, which of a real one is to be real."""
    if not is_complex(a):
        real = builder.call(registry["is_real"], (result,))
        builder.call(
            registry["assert"], (real, "this function of a real matrix is complex: convert the matrix")
        )
    return result


def root(A: Any) -> Any:
    """`scipy.linalg.sqrtm`, real or complex as the matrix is."""


@rule(root, infer=square_type, text="scipy.linalg.sqrtm", name="sqrtm", complex=True)
def root_rule(A: Any, *, y: Any, g: Any) -> Any:
    return linalg.solve_sylvester(y.T, y.T, g)


@written_out(linalg.sqrtm)
def sqrtm(A: Any) -> Any:
    return kept_real(A, root(A))


def logarithm(A: Any) -> Any:
    """`scipy.linalg.logm`, real or complex as the matrix is."""


def double_type(a: Any) -> ArrayType:
    return ArrayType(double_of(a), square_type(a).shape)


@rule(logarithm, infer=double_type, text="scipy.linalg.logm", name="logm", complex=True)
def logarithm_rule(A: Any, *, g: Any) -> Any:
    n = np.shape(A)[0]
    return logarithm(block_of(A.T, g))[:n, n:]


@written_out(linalg.logm)
def logm(A: Any) -> Any:
    return kept_real(A, logarithm(A))


# --- linear matrix equations ---


def sylvester_type(a: Any, b: Any, q: Any) -> ArrayType:
    square_type(a), square_type(b)
    return ArrayType(np.result_type(type_of(a).dtype, type_of(q).dtype), type_of(q).shape)


@rule(linalg.solve_sylvester, infer=sylvester_type, complex=True)
def solve_sylvester(a: Any, b: Any, q: Any, *, y: Any, g: Any) -> Any:
    q_bar = linalg.solve_sylvester(a.T, b.T, g)
    return -(q_bar @ y.T), -(y.T @ q_bar), q_bar


@written_out(linalg.solve_continuous_lyapunov, linalg.solve_lyapunov)
def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    return linalg.solve_sylvester(a, adjoint(a), q)


def discrete_type(a: Any, q: Any, method: Any = None) -> ArrayType:
    square_type(a)
    return ArrayType(np.result_type(double_of(a), type_of(q).dtype), square_type(q).shape)


@rule(linalg.solve_discrete_lyapunov, infer=discrete_type)
def solve_discrete_lyapunov(a: Any, q: Any, method: Any = None, *, y: Any, g: Any) -> Any:
    """`x = a @ x @ a.T + q`."""
    q_bar = linalg.solve_discrete_lyapunov(a.T, g, method)
    return q_bar @ a @ y.T + q_bar.T @ a @ y, q_bar
