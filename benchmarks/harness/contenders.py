"""How each system is given a program: its arrays, its gradient, and how to wait for the result."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.harness.program import Problem, Program, with_numpy_replaced

PRIMAL = "primal"  # the NumPy function itself, timed beside its gradients
OURS = "ad_compiler"
BY_HAND = "by hand"
JAX = "JAX jit"
TORCH = "PyTorch"
AUTOGRAD = "autograd"


@dataclass(frozen=True)
class Gradient:
    """A gradient ready to be called: `wait(function(*arguments))`, `wait` being None if not needed.

    `compiles` says whether the first call does work that later calls do not.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    wait: Callable[[Any], Any] | None = None
    compiles: bool = False

    def __call__(self) -> Any:
        result = self.function(*self.arguments)
        return result if self.wait is None else self.wait(result)


def primal(problem: Problem) -> Gradient:
    """The function as it is, without a gradient."""
    return Gradient(problem.function, problem.inputs())


def ours(problem: Problem) -> Gradient:
    """Give ad_compiler (NumPy backend) the function as it is."""
    ad_compiler = import_module("ad_compiler")
    gradient = ad_compiler.grad(problem.function, argnums=_one_or_many(problem.argnums))
    return Gradient(gradient, problem.inputs(), compiles=True)


def by_hand(program: Program) -> Gradient:
    """The gradient a careful numerical programmer writes in NumPy."""
    return Gradient(program.by_hand, program.inputs())


def in_jax(problem: Problem) -> Gradient:
    """`jax.jit(jax.grad(f))` in float64, on arrays already converted; whole numbers are static."""
    jax = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    if problem.in_jax is None:
        function = with_numpy_replaced(problem.function, import_module("jax.numpy"))
    else:
        function = problem.in_jax()
    inputs = problem.inputs()
    static = [position for position, argument in enumerate(inputs) if isinstance(argument, int)]
    arguments = tuple(
        argument if position in static else jax.numpy.asarray(argument)
        for position, argument in enumerate(inputs)
    )
    gradient = jax.grad(function, argnums=_one_or_many(problem.argnums))
    compiled = jax.jit(gradient, static_argnums=static)
    return Gradient(compiled, arguments, wait=jax.block_until_ready, compiles=True)


def in_torch(program: Program) -> Gradient:
    """Eager PyTorch through `torch.autograd.grad`, on tensors that share the inputs' memory.

    Numbers that are not differentiated stay Python numbers, which is faster than tensors of rank 0.
    """
    torch = import_module("torch")
    numpy = import_module("numpy")
    function = program.in_torch()
    arguments = [
        torch.as_tensor(numpy.asarray(argument))  # through NumPy: a Python float becomes float64
        if position in program.argnums or isinstance(argument, numpy.ndarray)
        else argument
        for position, argument in enumerate(program.inputs())
    ]
    wanted = [arguments[position].requires_grad_() for position in program.argnums]

    def gradient(*arguments: Any) -> Any:
        return torch.autograd.grad(function(*arguments), wanted)

    return Gradient(gradient, tuple(arguments))


def in_autograd(program: Program) -> Gradient:
    """`autograd.grad(f)` on NumPy arrays."""
    autograd = import_module("autograd")
    if program.in_autograd is None:
        function = with_numpy_replaced(program.function, import_module("autograd.numpy"))
    else:
        function = program.in_autograd()
    gradient = autograd.grad(function, _one_or_many(program.argnums))
    return Gradient(gradient, program.inputs())


CONTENDERS: dict[str, Callable[[Program], Gradient]] = {
    OURS: ours,
    BY_HAND: by_hand,
    JAX: in_jax,
    TORCH: in_torch,
    AUTOGRAD: in_autograd,
}

_PACKAGES = {JAX: "jax", TORCH: "torch", AUTOGRAD: "autograd"}


def installed() -> dict[str, Callable[[Program], Gradient]]:
    """The contenders that can be imported; ad_compiler is never left out."""
    return {
        name: build
        for name, build in CONTENDERS.items()
        if name not in _PACKAGES or find_spec(_PACKAGES[name]) is not None
    }


def _one_or_many(argnums: tuple[int, ...]) -> int | tuple[int, ...]:
    return argnums[0] if len(argnums) == 1 else argnums
