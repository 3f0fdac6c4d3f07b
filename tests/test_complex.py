"""Complex numbers and Fourier transforms against JAX, whose conventions they follow, and differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, hessian, value_and_grad, vjp
from tests.helpers import function_from_expression, function_from_source, generator

# Real functions of complex arrays z, w of shape (4,), A of shape (4, 4), and a real x of shape (4,).
EXPRESSIONS = """
np.sum(np.abs(z) ** 2)
np.sum((z * x).real)
np.sum((z * np.conj(z)).real * x)
np.sum(z.imag * w.real + abs(w))
np.sum(np.imag(z * z * np.exp(1j * x)))
np.sum(np.angle(z) * x) + np.angle(w[0], deg=True)
np.abs(np.sum(z @ A)) + np.abs(w @ A @ z)
np.linalg.norm(z) + np.sum(np.linalg.norm(A, axis=0))
np.real(np.vdot(z, A @ w))
np.sum(np.abs(np.sqrt(z) * np.log(w) / (1 + z ** 3)))
np.sum(np.abs(z ** x)) + np.sum(np.abs(z ** w))
np.sum(np.real(np.sin(z) * np.cos(w) + np.tan(z) - np.sinh(z) * np.cosh(w) + np.tanh(w)))
np.sum(np.real(np.arcsin(z) + np.arccos(w) + np.arctan(z)))
np.sum(np.real(np.arcsinh(w) + np.arccosh(2 + z) + np.arctanh(w)))
np.sum(np.abs(np.exp2(z) + np.expm1(w) + np.log1p(z) + np.log2(w) + np.log10(z)))
np.abs(np.linalg.det(A)) + np.sum(np.abs(np.linalg.solve(A, z)))
np.sum(np.abs(np.linalg.inv(A) * x)) + np.abs(np.linalg.matrix_power(A, 3)[0, 1])
np.sum(np.abs(z.conj() * z[::-1] + z.conjugate()[np.array([0, 0, 1, 2])]))
np.sum(np.real(np.where(x > 0, z, np.conj(z)) * w))
np.sum(np.abs(z) * np.tanh(x)) + np.abs(z[0]) * np.abs(w[1])
np.real(np.prod(z)) + np.imag(np.sum(np.cumsum(w) * np.cumprod(z)))
np.sum(np.abs(np.einsum("ij,j->i", A, z) + np.tensordot(A, w, 1) + np.outer(z, w)[0]))
np.sum(np.real(np.concatenate([z, w])[2:6] * np.stack([z, w])[1] + np.pad(z[1:3], 1)))
np.var(z) + np.sum(np.std(A, axis=1)) + np.sum(np.square(z).real)
np.sum(np.reciprocal(w).imag) + np.mean(np.abs(z - np.mean(w)))
np.sum((x + 1j * x ** 2).imag * x) + np.real(complex(1.0, 2.0) * z[0])
np.sum(np.abs(np.convolve(z, w)) ** 2) + np.sum(np.abs(np.convolve(z, x, "same")))
np.sum(np.abs(np.correlate(z, w, "full")) ** 2) + np.sum(np.abs(np.correlate(x, w)))
np.sum(np.abs(np.cov(A, z)) ** 2) + np.sum(np.abs(np.corrcoef(A)) ** 2)
np.sum(np.abs(np.fft.fft(z)) * x)
np.sum(np.abs(np.fft.fft(x)) ** 2 * x)
np.sum(np.real(np.fft.ifft(z * w)))
np.sum(np.abs(np.fft.fft(z, 3)) + np.abs(np.fft.ifft(w, 6)[:3]) + np.abs(np.fft.fft(x, 3)))
np.sum(np.abs(np.fft.rfft(x))) + np.sum(np.abs(np.fft.rfft(x, 3, norm="ortho")))
np.sum(np.abs(np.fft.rfft(x, 7)))
np.sum(np.fft.irfft(z) ** 2) + np.sum(np.fft.irfft(w, 5) ** 2)
np.sum(np.fft.irfft(z, 4, norm="forward") ** 2)
np.sum(np.fft.irfft(w, 9) ** 3)
np.sum(np.abs(np.fft.fft2(A)) * x) + np.sum(np.abs(np.fft.ifftn(A, axes=(0,))))
np.sum(np.abs(np.fft.fftn(A * x))) + np.sum(np.abs(np.fft.ifft2(A, (3, 5))))
np.sum(np.abs(np.fft.rfft2(np.abs(A))) ** 2) + np.sum(np.fft.irfft2(A) ** 2)
np.sum(np.abs(np.fft.rfftn(np.outer(x, x)))) + np.sum(np.fft.irfftn(A, (3, 4), axes=(0, 1)) ** 2)
np.sum(np.fft.hfft(z) ** 2) + np.sum(np.abs(np.fft.ihfft(x)))
np.sum(np.abs(np.fft.fftshift(z) * w + np.fft.ifftshift(A)[1] + np.fft.fftshift(A, axes=1)[0]))
np.sum(np.abs(np.fft.fft(A, axis=0)) * x) + np.sum(np.abs(np.fft.rfft(np.real(A), axis=0)))
np.sum(np.real(np.fft.ifft(np.fft.fft(x) * 1j * np.fft.fftfreq(4, 0.5)) * z))
""".strip().split("\n")


def arguments(expression: str) -> list[Any]:
    rng = generator(expression)
    z, w, A = (
        rng.uniform(0.5, 1.5, shape) * np.exp(1j * rng.uniform(-2, 2, shape))
        for shape in ((4,), (4,), (4, 4))
    )
    return [A + 2 * np.eye(4), w, rng.uniform(-1.5, 1.5, 4), z]


def names_of(function: Any) -> tuple[str, ...]:
    code = function.__code__
    return tuple(code.co_varnames[: code.co_argcount])


def chosen(function: Any, expression: str) -> list[Any]:
    given = dict(zip(("A", "w", "x", "z"), arguments(expression), strict=True))
    return [given[name] for name in names_of(function)]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_gradient_is_that_of_finite_differences(expression: str) -> None:
    """The gradient with respect to z = x + iy is df/dx - i df/dy."""
    f = function_from_expression(expression)
    args = chosen(f, expression)
    value, gradients = value_and_grad(f, argnums=tuple(range(len(args))))(*args)
    np.testing.assert_allclose(value, f(*args), rtol=1e-13)
    rng, step = generator(expression, "directions"), 1e-4
    for place, gradient in enumerate(gradients):
        arg = args[place]
        assert gradient.dtype == arg.dtype and gradient.shape == arg.shape
        for unit in (1.0, 1j) if np.iscomplexobj(arg) else (1.0,):
            direction = rng.uniform(-1, 1, arg.shape) * unit

            def along(t: float, place: int = place, direction: Any = direction) -> Any:
                return f(*args[:place], args[place] + t * direction, *args[place + 1 :])

            near, far = along(step) - along(-step), along(2 * step) - along(-2 * step)
            expected = (8 * near - far) / (12 * step)
            found = np.sum(gradient * direction).real
            assert abs(found - expected) < 1e-6 * (1 + np.sum(np.abs(gradient))), (found, expected)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_gradient_is_that_of_jax(expression: str) -> None:
    jax = pytest.importorskip("jax")
    f = function_from_expression(expression)
    args = chosen(f, expression)
    argnums = tuple(range(len(args)))
    with jax.enable_x64(True):
        theirs = jax.grad(function_from_expression(expression, np=jax.numpy), argnums=argnums)(*args)
        for mine, other in zip(grad(f, argnums=argnums)(*args), theirs, strict=True):
            np.testing.assert_allclose(mine, np.asarray(other), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_single_precision_and_strides(expression: str) -> None:
    f = function_from_expression(expression)
    args = chosen(f, expression)
    exact = grad(f, argnums=tuple(range(len(args))))(*args)
    singles = [a.astype(np.complex64 if np.iscomplexobj(a) else np.float32) for a in args]
    for single, double in zip(grad(f, argnums=tuple(range(len(args))))(*singles), exact, strict=True):
        assert single.dtype == (np.complex64 if np.iscomplexobj(double) else np.float32)
        np.testing.assert_allclose(single, double, rtol=2e-3, atol=2e-3)
    backwards = []
    for a in args:
        spread = np.zeros([2 * n for n in a.shape], a.dtype)[tuple([slice(None, None, -2)] * a.ndim)]
        spread[...] = a
        backwards.append(spread)
    for mine, other in zip(grad(f, argnums=tuple(range(len(args))))(*backwards), exact, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-12)


def test_loops_and_writes() -> None:
    f = function_from_source(
        """
        def f(z, steps):
            out = np.zeros(3, dtype=complex)
            for i in range(steps):
                z = z * z + 0.25j
                out[i] = z
            return np.sum(np.abs(out) ** 2)
        """
    )
    z, step = 0.3 + 0.4j, 1e-6
    dx = (f(z + step, 3) - f(z - step, 3)) / (2 * step)
    dy = (f(z + 1j * step, 3) - f(z - 1j * step, 3)) / (2 * step)
    assert grad(f)(z, 3) == pytest.approx(dx - 1j * dy, rel=1e-7)
    assert type(grad(f)(z, 3)) is complex


def test_pullback_of_a_complex_result() -> None:
    """The cotangent of a complex result is complex, and a real argument takes the real part."""
    value, pullback = vjp(lambda x, z: x * z, 2.0, 1 + 2j)
    assert value == 2 + 4j
    assert pullback(1j) == ((1j * (1 + 2j)).real, 2j)


REFUSED: Sequence[tuple[str, str]] = [
    ("np.sum(z)", "a gradient is defined for a single"),
    ("np.sum(np.abs(np.sort(z)))", "of complex numbers has no derivative rule"),
    ("np.abs(np.max(z))", "of complex numbers has no derivative rule"),
    ("np.sum(np.abs(np.sign(z)))", "turns with it"),
    ("np.sum(np.abs(np.fft.rfft(z)))", "a real Fourier transform is given complex numbers"),
]


@pytest.mark.parametrize(("expression", "reason"), REFUSED)
def test_refused(expression: str, reason: str) -> None:
    f = function_from_expression(expression)
    with pytest.raises(SyntaxError, match=reason):
        grad(f)(*chosen(f, expression))


def test_holomorphic() -> None:
    """The gradient of a function with a complex derivative is that derivative."""
    z = 0.4 + 0.3j
    assert grad(lambda z: z**3 + np.exp(z), holomorphic=True)(z) == pytest.approx(3 * z**2 + np.exp(z))
    x = np.array([1 + 1j, 2.0, -0.5j])
    value, gradient = value_and_grad(lambda x: np.sum(x * x), holomorphic=True)(x)
    assert value == pytest.approx(np.sum(x * x))
    np.testing.assert_allclose(gradient, 2 * x)
    for f, argument in ((lambda z: abs(z), z), (lambda z: z * 1j, 1.0)):
        with pytest.raises(SyntaxError, match="must be complex numbers"):
            grad(f, holomorphic=True)(argument)


UNARY = [
    "np.exp({})",
    "np.sin({})",
    "np.conj({})",
    "np.sqrt({})",
    "np.log({})",
    "1j*{}",
    "np.tanh({})",
    "np.square({})",
    "{}[::-1]",
    "{}*x",
    "np.abs({})",
    "np.real({})",
    "np.imag({})",
    "np.fft.fft({})",
    "np.fft.ifft({})",
    "A@{}",
    "np.cumsum({})",
    "np.where(x>0,{},z)",
    "np.fft.irfft({},4)",
    "np.roll({},1)",
    "np.angle({})",
    "({})**2",
]
BINARY = [
    "{} + {}",
    "{} * {}",
    "{} - {}",
    "{} / (3.0 + np.abs({}))",
    "np.outer({}, {})[1]",
    "{} * np.sum({})",
]


def random_expression(rng: np.random.Generator, depth: int) -> str:
    """A vector made of the complex z, w, A and the real x."""
    if depth == 0:
        return str(rng.choice(["z", "w", "x"]))
    if rng.random() < 0.6:
        return str(rng.choice(UNARY)).replace("{}", f"({random_expression(rng, depth - 1)})")
    return str(rng.choice(BINARY)).format(
        f"({random_expression(rng, depth - 1)})", f"({random_expression(rng, depth - 1)})"
    )


@pytest.mark.parametrize("number", range(12))
def test_random_program(number: int) -> None:
    """Gradients of random programs are those of JAX, where JAX's are numbers."""
    jax = pytest.importorskip("jax")
    expression = f"np.sum(np.abs({random_expression(generator('complex', number), 4)} + z) ** 2) + x[0]"
    f = function_from_expression(expression)
    args = chosen(f, expression)
    argnums = tuple(range(len(args)))
    with jax.enable_x64(True), np.errstate(all="ignore"):
        theirs = jax.grad(function_from_expression(expression, np=jax.numpy), argnums=argnums)(*args)
        mine = grad(f, argnums=argnums)(*args)
        for ours, other in zip(mine, theirs, strict=True):
            expected = np.asarray(other)
            known = np.isfinite(expected)
            scale = 1 + np.max(np.abs(expected), where=known, initial=0.0)
            np.testing.assert_allclose(ours[known] / scale, expected[known] / scale, rtol=1e-7, atol=1e-9)


SECOND = [
    "np.sum(np.abs(np.fft.fft(x)) ** 3)",
    "np.sum(np.abs(np.exp(1j * x) * x + 1j) * np.angle(1 + 1j * x))",
    "np.sum(np.fft.irfft(np.fft.rfft(x) ** 2, 4) ** 2) + np.linalg.norm(x + 1j * x[::-1] ** 2)",
    "np.var(x * np.exp(1j * x)) + np.std(x + 1j * x ** 2)",
    "np.real(np.prod(1 + 1j * x)) + np.abs(np.linalg.det(np.diag(x) + 1j * np.outer(x, x)))",
    "np.sum(np.abs(np.sqrt(x + 2j) * np.conj(np.log(3 + 1j * x)) / (1 + 1j * x)))",
    "np.sum(np.real((1j + x) ** 2.5) + np.imag(np.tanh(x + 0.5j)) * np.abs(x - 1j))",
]


@pytest.mark.parametrize("expression", SECOND)
def test_second_derivative(expression: str) -> None:
    f = function_from_expression(expression)
    x = arguments(expression)[2]
    gradient, step = grad(f), 1e-5
    expected = [(gradient(x + step * e) - gradient(x - step * e)) / (2 * step) for e in np.eye(4)]
    np.testing.assert_allclose(hessian(f)(x), expected, rtol=1e-6, atol=1e-7)
    reverse = function_from_source(
        f"{gradient.source_for(x)}\n\ndef along(x, w):\n    return np.sum(operation_grad(x) * w)\n"
    )
    weights = np.array([1.0, -2.0, 0.5, 1.5])
    np.testing.assert_allclose(grad(reverse)(x, weights), weights @ expected, rtol=1e-6, atol=1e-7)
