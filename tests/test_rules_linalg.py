"""Rules of linear algebra against finite differences, in first and second order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, vjp
from tests.helpers import (
    LAYOUTS,
    assert_gradient_matches_finite_differences,
    assert_second_derivatives_match_finite_differences,
    contiguous_cases,
    function_from_expression,
    function_from_source,
    generator,
    random_array,
)

Shape = tuple[int, ...]
Row = tuple[str, Sequence[Sequence[Shape]]]


def spd(a: Any) -> Any:
    """A symmetric positive definite matrix made of any one."""
    return a @ np.swapaxes(a, -1, -2) + np.eye(a.shape[-1])


def sym(a: Any) -> Any:
    return a + np.swapaxes(a, -1, -2)


FUNCTIONS = {"spd": spd, "sym": sym}
SQUARE: list[list[Shape]] = [[(3, 3)], [(1, 1)], [(2, 3, 3)]]

TABLE: list[Row] = [
    (
        """
        np.linalg.inv(x)
        np.linalg.det(x)
        np.linalg.slogdet(x)[1]
        np.linalg.slogdet(x).logabsdet
        """,
        SQUARE,
    ),
    ("np.linalg.det(x) * np.linalg.slogdet(x)[0]\nnp.linalg.matrix_power(x, 3)", SQUARE),
    (
        """
        np.linalg.matrix_power(x, -2)
        np.linalg.matrix_power(x, 1)
        np.linalg.matrix_power(x, 0) * x
        """,
        SQUARE,
    ),
    ("np.linalg.solve(x, y)", [[(3, 3), (3,)], [(3, 3), (3, 2)], [(2, 3, 3), (3,)], [(2, 3, 3), (2, 3, 2)]]),
    ("np.linalg.solve(x, y)", [[(2, 3, 3), (3, 2)], [(3, 3), (2, 3, 1)], [(1, 1), (1,)]]),
    ("np.linalg.pinv(x)", [[(3, 2)], [(2, 3)], [(3, 3)], [(2, 4, 3)]]),
    (
        "np.linalg.lstsq(x, y)[0]\nnp.linalg.lstsq(x, y, rcond=None)[0]",
        [[(4, 2), (4,)], [(4, 2), (4, 3)], [(2, 4), (2,)]],
    ),
    ("np.linalg.cholesky(spd(x))", SQUARE),
    (
        """
        np.linalg.eigvalsh(sym(x))
        np.linalg.eigh(sym(x))[0]
        np.linalg.eigh(sym(x)).eigenvalues
        """,
        SQUARE,
    ),
    ("np.abs(np.linalg.eigh(sym(x))[1])", SQUARE),
    ("np.linalg.eigh(sym(x))[1] ** 2 * np.linalg.eigh(sym(x))[0]", SQUARE[:2]),
    (
        "np.linalg.qr(x)[1]\nnp.linalg.qr(x)[0]\nnp.linalg.qr(x).Q[0] * np.linalg.qr(x).R[0]",
        [[(3, 3)], [(4, 2)]],
    ),
    ('np.linalg.qr(x, mode="r")', [[(3, 3)], [(4, 2)], [(2, 4, 2)], [(2, 2, 4)]]),
    ("np.linalg.qr(x)[0]\nnp.linalg.qr(x)[0] @ np.linalg.qr(x)[1] ** 2", [[(2, 4)], [(3, 1)], [(1, 3)]]),
    ('np.linalg.qr(x, mode="complete")[1]', [[(3, 3)], [(1, 2)]]),
    (
        "np.linalg.svd(x, compute_uv=False)\nnp.linalg.svd(x)[1]\nnp.linalg.svdvals(x)",
        [[(3, 3)], [(3, 2)], [(2, 3)], [(2, 3, 2)]],
    ),
    (
        """
        np.abs(np.linalg.svd(x, full_matrices=False)[0])
        np.linalg.svd(x, full_matrices=False)[2] ** 2
        """,
        [[(3, 3)], [(3, 2)], [(2, 3)]],
    ),
    (
        "np.linalg.svd(x, full_matrices=False).U[0] * np.linalg.svd(x, full_matrices=False).S",
        [[(3, 2)], [(3, 3)]],
    ),
    ("np.linalg.svd(x)[0] ** 2\nnp.abs(np.linalg.svd(x).Vh)", [[(3, 3)]]),
    (
        "np.linalg.norm(x)\nnp.linalg.norm(x, axis=0)\nnp.linalg.norm(x, axis=-1, keepdims=True)",
        [[(3, 2)], [(2, 3, 2)]],
    ),
    (
        """
        np.linalg.norm(x, 1)
        np.linalg.norm(x, np.inf)
        np.linalg.norm(x, -np.inf)
        np.linalg.norm(x, 3)
        """,
        [[(4,)]],
    ),
    (
        """
        np.linalg.norm(x, 2)
        np.linalg.norm(x, 0) * x
        np.linalg.norm(x, 1.5, keepdims=True)
        """,
        [[(4,)]],
    ),
    (
        "\n".join(
            f"np.linalg.norm(x, {o})" for o in ("1", "-1", "2", "-2", "np.inf", "-np.inf", '"nuc"', '"fro"')
        ),
        [[(3, 3)], [(3, 2)]],
    ),
    (
        """
        np.linalg.norm(x, 1, axis=(0, 2))
        np.linalg.norm(x, 2, (1, 2), keepdims=True)
        np.linalg.norm(x, 1, 0)
        """,
        [[(2, 3, 2)]],
    ),
    (
        """
        np.linalg.vector_norm(x)
        np.linalg.vector_norm(x, axis=0, ord=1)
        np.linalg.matrix_norm(x)
        np.linalg.matrix_norm(x, ord=2)
        """,
        [[(3, 2)]],
    ),
    (
        """
        np.linalg.cond(x)
        np.linalg.cond(x + 4 * np.eye(3), 1)
        np.linalg.cond(x, -2)
        np.linalg.cond(x + 4 * np.eye(3), 'fro')
        """,
        [[(3, 3)]],
    ),
    ("np.linalg.multi_dot([x, y, x])\nnp.linalg.multi_dot((x, y))", [[(2, 3), (3, 2)]]),
    ("np.linalg.tensorinv(x)\nnp.linalg.tensorsolve(x, y)", [[(2, 2, 4, 1), (2, 2)]]),
    ("np.linalg.tensorsolve(x, y, axes=(1,))", [[(2, 3, 3, 2), (2, 3)]]),
    (
        """
        np.linalg.cross(x, y)
        np.linalg.outer(x, y)
        np.linalg.vecdot(x, y)
        np.vecdot(x, y)
        """,
        [[(3,), (3,)]],
    ),
    (
        """
        np.linalg.matmul(x, y)
        np.linalg.tensordot(x, y, axes=1)
        np.linalg.trace(x @ y)
        """,
        [[(2, 3), (3, 2)]],
    ),
    (
        "np.linalg.diagonal(x)\nnp.linalg.matrix_transpose(x)\nnp.linalg.trace(x, offset=1)",
        [[(3, 3)], [(2, 3, 3)]],
    ),
]
if hasattr(np, "matvec"):
    TABLE.append(("np.matvec(x, y)\nnp.vecmat(y, x)", [[(3, 3), (3,)], [(2, 3, 3), (3,)]]))


def prepared(expression: str, shapes: Sequence[Shape]) -> list[Any]:
    return [random_array(generator(expression, shape, 1), shape) for shape in shapes]


@pytest.mark.parametrize(("expression", "shapes"), contiguous_cases(TABLE))
def test_rule(expression: str, shapes: Sequence[Shape]) -> None:
    f = function_from_expression(expression, **FUNCTIONS)
    args = prepared(expression, shapes)[: f.__code__.co_argcount]
    assert_gradient_matches_finite_differences(f, args, rtol=1e-6)


@pytest.mark.parametrize(
    ("expression", "shapes"), contiguous_cases([(lines, shapes[:1]) for lines, shapes in TABLE])
)
def test_second_derivative_and_layouts(expression: str, shapes: Sequence[Shape]) -> None:
    f = function_from_expression(expression, **FUNCTIONS)
    args = prepared(expression, shapes)[: f.__code__.co_argcount]
    assert_second_derivatives_match_finite_differences(expression, args, rtol=1e-5, **FUNCTIONS)
    assert_gradient_matches_finite_differences(f, [LAYOUTS["strided"](a) for a in args], rtol=1e-6)
    singles = [LAYOUTS["float32"](a) for a in args]
    for gradient in vjp(f, *singles)[1](np.ones_like(f(*singles))):
        assert gradient.dtype == np.float32


def test_parts_of_a_tuple_in_a_loop() -> None:
    f = function_from_source(
        """
        def f(a, n):
            total = 0.0
            for _ in range(n):
                w, v = np.linalg.eigh(a + a.T)
                a = a + 0.1 * v @ np.diag(np.sin(w)) @ v.T
                total = total + w[-1] * np.sum(v[:, 0] ** 4)
            return total
        """
    )
    a = random_array(generator("loop"), (3, 3))
    assert_gradient_matches_finite_differences(f, [a, 3], [0], rtol=1e-6)


def test_equal_eigenvalues() -> None:
    """Values have finite gradients, vectors do not; nothing is silently finite."""
    assert np.all(np.isfinite(grad(lambda a: np.sum(np.linalg.eigvalsh(a)))(np.eye(3))))
    with np.errstate(all="ignore"):
        vectors = grad(lambda a: np.linalg.eigh(a)[1][0, 0] * np.linalg.eigh(a)[1][1, 0])(np.eye(2))
    assert not np.all(np.isfinite(vectors))


def test_decompositions_that_are_not_differentiable() -> None:
    with pytest.raises(AssertionError, match="tall matrix"):
        grad(lambda a: np.sum(np.linalg.qr(a, "complete")[1]))(np.ones((3, 2)))
    with pytest.raises(AssertionError, match="not square"):
        grad(lambda a: np.sum(np.linalg.svd(a)[0]))(np.ones((2, 3)))
    with pytest.raises(SyntaxError, match="only the solution"):
        grad(lambda a, b: np.sum(np.linalg.lstsq(a, b)[3]))(np.ones((2, 3)), np.ones(2))
