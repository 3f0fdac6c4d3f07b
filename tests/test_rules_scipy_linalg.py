"""Rules of `scipy.linalg` beyond NumPy's: factors, functions of matrices, equations, patterns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ad_compiler import grad, vjp
from tests.helpers import (
    LAYOUTS,
    assert_gradient_matches_finite_differences,
    assert_second_derivatives_match_finite_differences,
    contiguous_cases,
    function_from_expression,
    generator,
    random_array,
)

scipy = pytest.importorskip("scipy")
from scipy import linalg  # noqa: E402

Shape = tuple[int, ...]
TABLE: list[tuple[str, list[list[Shape]]]] = [
    (
        """
        linalg.lu(x)[1]
        linalg.lu(x)[2]
        """,
        [[(3, 3)], [(4, 2)], [(2, 4)], [(1, 1)]],
    ),
    (
        """
        linalg.lu(x)[1] @ linalg.lu(x)[2]**2
        linalg.lu(x, p_indices=True)[1]
        linalg.lu(x, permute_l=True)[0]
        """,
        [[(3, 3)], [(4, 2)], [(2, 4)]],
    ),
    (
        """
        linalg.lu_factor(x)[0]
        """,
        [[(3, 3)], [(1, 1)], [(4, 4)]],
    ),
    (
        """
        linalg.lu_solve(linalg.lu_factor(x), y)
        linalg.lu_solve(linalg.lu_factor(x), y, 1)
        """,
        [[(3, 3), (3,)], [(3, 3), (3, 2)]],
    ),
    (
        """
        linalg.lu_solve(linalg.lu_factor(x), y, trans=1)
        """,
        [[(3, 3), (3,)], [(4, 4), (4, 2)]],
    ),
    (
        """
        linalg.solve_banded((1,1), x, y)
        """,
        [[(3, 5), (5,)], [(3, 5), (5, 2)]],
    ),
    (
        """
        linalg.solve_banded((2,0), x, y)
        """,
        [[(3, 5), (5,)], [(3, 4), (4, 2)]],
    ),
    (
        """
        linalg.solve_banded((0,1), x, y)
        """,
        [[(2, 4), (4,)]],
    ),
    (
        """
        linalg.eigh(x+x.T, y@y.T+np.eye(3))[0]
        np.abs(linalg.eigh(x+x.T, y@y.T+np.eye(3))[1])
        linalg.eigvalsh(x+x.T, y@y.T+np.eye(3))
        linalg.eigh(x+x.T, y@y.T+np.eye(3), eigvals_only=True)
        linalg.expm_frechet(x,y)[1]
        linalg.expm_frechet(x,y,compute_expm=False)
        linalg.solve_continuous_lyapunov(x+3*np.eye(3), y)
        linalg.solve_discrete_lyapunov(x/9, y)
        """,
        [[(3, 3), (3, 3)]],
    ),
    (
        """
        linalg.eigh_tridiagonal(x,y)[0]
        linalg.eigh_tridiagonal(x,y)[1]**2
        linalg.eigh_tridiagonal(x,y,eigvals_only=True)
        linalg.leslie(x,y)
        """,
        [[(4,), (3,)]],
    ),
    (
        """
        linalg.polar(x)[0]
        linalg.polar(x)[1]
        """,
        [[(3, 3)], [(4, 2)]],
    ),
    (
        """
        linalg.polar(x, "left")[0] @ linalg.polar(x)[1]
        linalg.expm(x)
        linalg.cosm(x)
        linalg.sinm(x)
        linalg.tanm(x)
        linalg.coshm(x)+linalg.sinhm(x)*linalg.tanhm(x)
        linalg.sqrtm(x@x.T+np.eye(3))
        linalg.sqrtm(x/9+np.eye(3))
        linalg.logm(x/9+np.eye(3))
        """,
        [[(3, 3)]],
    ),
    (
        """
        linalg.polar(x, side="left")[0]
        """,
        [[(2, 4)]],
    ),
    (
        """
        linalg.companion(x)
        """,
        [[(4,)], [(2,)]],
    ),
    (
        """
        linalg.fiedler(x)
        """,
        [[(4,)]],
    ),
    (
        """
        linalg.convolution_matrix(x,4)
        """,
        [[(3,)], [(5,)]],
    ),
    (
        """
        linalg.convolution_matrix(x,4,"same")
        linalg.convolution_matrix(x,4,"valid")
        """,
        [[(3,)], [(6,)]],
    ),
    (
        """
        linalg.solve_toeplitz((x,y),z)
        """,
        [[(4,), (4,), (4,)]],
    ),
    (
        """
        linalg.solve_toeplitz(x,z)
        """,
        [[(4,), (4,)]],
    ),
    (
        """
        linalg.matmul_toeplitz((x,y),z)
        """,
        [[(4,), (3,), (3, 2)]],
    ),
    (
        """
        linalg.hilbert(3)@x
        """,
        [[(3,)]],
    ),
    (
        """
        linalg.cho_solve(linalg.cho_factor(x@x.T+np.eye(3)),y)
        linalg.solve_triangular(x,y,'C')
        """,
        [[(3, 3), (3,)]],
    ),
]


@pytest.mark.parametrize(("expression", "shapes"), contiguous_cases(TABLE))
def test_rule(expression: str, shapes: Sequence[Shape]) -> None:
    f = function_from_expression(expression, linalg=linalg)
    args = [random_array(generator(expression, s), s) for s in shapes][: f.__code__.co_argcount]
    assert_gradient_matches_finite_differences(f, args, rtol=1e-6)


@pytest.mark.parametrize(
    ("expression", "shapes"), contiguous_cases([(lines, shapes[-1:]) for lines, shapes in TABLE])
)
def test_second_derivative_and_layouts(expression: str, shapes: Sequence[Shape]) -> None:
    f = function_from_expression(expression, linalg=linalg)
    args = [random_array(generator(expression, s), s) for s in shapes][: f.__code__.co_argcount]
    assert_second_derivatives_match_finite_differences(
        expression, args, rtol=1e-5, linalg=linalg, scipy=scipy
    )
    assert_gradient_matches_finite_differences(f, [LAYOUTS["strided"](a) for a in args], rtol=1e-6)
    singles = [LAYOUTS["float32"](a) for a in args]
    value, pullback = vjp(f, *singles)
    assert value.dtype == f(*singles).dtype
    for gradient in pullback(np.ones_like(value)):
        assert gradient.dtype == np.float32


def test_functions_that_are_complex() -> None:
    """Of a real matrix a root or a logarithm may be complex: that is found when it is computed."""
    turned = np.array([[-1.0, 0.3], [0.0, -2.0]])
    for name in ("sqrtm", "logm"):
        f = function_from_expression(f"np.sum(linalg.{name}(x))", linalg=linalg)
        with pytest.raises(AssertionError, match="convert the matrix"):
            grad(f)(turned)
        text = f"np.imag(np.sum(linalg.{name}(x.astype(complex)) * weights))"
        g = function_from_expression(text, linalg=linalg, weights=np.array([[1j, 2.0], [0.3, 1 + 1j]]))
        assert_gradient_matches_finite_differences(g, [turned], [0])


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("linalg.schur(x)[0]", "not unique"),
        ("linalg.polar(x, 'middle')[0]", "is not known"),
        ("linalg.solve_triangular(x, x, trans=3)", "is not known"),
        ("linalg.lu(x[None])[1]", "where a matrix is needed"),
    ],
)
def test_refused(expression: str, reason: str) -> None:
    with pytest.raises(SyntaxError, match=reason):
        grad(function_from_expression(f"np.sum({expression})", linalg=linalg))(np.eye(2))


def test_wide_polar() -> None:
    with pytest.raises(AssertionError, match="not unique"):
        grad(function_from_expression("np.sum(linalg.polar(x)[0])", linalg=linalg))(np.ones((2, 3)))
