"""How each system is given a program: its arrays, its gradient, and how to wait for the result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.harness.program import Compared, Problem, Program, with_numpy_replaced

PRIMAL = "primal"  # the NumPy function itself, timed beside its gradients
OURS = "ad_compiler"
NATIVE = "ad_compiler native"
NATIVE_FASTMATH = "ad_compiler native, fastmath"  # sums in any order, as the loops by hand are compiled
BY_HAND = "by hand"
HANDWRITTEN = "Numba by hand"
HANDWRITTEN_LIBM = "Numba by hand, libm"
JAX = "JAX jit"
TORCH = "PyTorch"
TORCH_COMPILE = "torch.compile"
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


def native(problem: Problem, **options: bool) -> Gradient:
    """Give ad_compiler (Numba backend) the function as it is."""
    ad_compiler = import_module("ad_compiler")
    argnums = _one_or_many(problem.argnums)
    gradient = ad_compiler.grad(problem.function, argnums=argnums, backend="numba", **options)
    return Gradient(gradient, problem.inputs(), compiles=True)


def by_hand(program: Compared) -> Gradient:
    """The gradient a careful numerical programmer writes in NumPy."""
    return Gradient(program.by_hand, program.arguments())


def handwritten(program: Program) -> Gradient:
    """The gradient written by hand as fused loops for Numba, with exp and tanh that are vectorised."""
    assert program.in_numba is not None
    return Gradient(program.in_numba(), program.inputs(), compiles=True)


def handwritten_with_libm(program: Program) -> Gradient:
    """The same loops with the exp and tanh of the platform's mathematical library."""
    assert program.in_numba_with_libm is not None
    return Gradient(program.in_numba_with_libm(), program.inputs(), compiles=True)


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
    return _torch_gradient(program, program.in_torch(), compiles=False)


def in_torch_compile(program: Program) -> Gradient:
    """`torch.compile` of the same function, its gradient taken in the same way."""
    return _torch_gradient(program, import_module("torch").compile(program.in_torch()), compiles=True)


def _torch_gradient(program: Program, function: Callable[..., Any], compiles: bool) -> Gradient:
    torch = import_module("torch")
    numpy = import_module("numpy")
    arguments = [
        torch.as_tensor(numpy.asarray(argument))  # through NumPy: a Python float becomes float64
        if position in program.argnums or isinstance(argument, numpy.ndarray)
        else argument
        for position, argument in enumerate(program.inputs())
    ]
    wanted = [arguments[position].requires_grad_() for position in program.argnums]

    def gradient(*arguments: Any) -> Any:
        return torch.autograd.grad(function(*arguments), wanted)

    return Gradient(gradient, tuple(arguments), compiles=compiles)


def in_autograd(program: Program) -> Gradient:
    """`autograd.grad(f)` on NumPy arrays."""
    autograd = import_module("autograd")
    if program.in_autograd is None:
        function = with_numpy_replaced(program.function, import_module("autograd.numpy"))
    else:
        function = program.in_autograd()
    gradient = autograd.grad(function, _one_or_many(program.argnums))
    return Gradient(gradient, program.inputs())


Build = Callable[[Any], Gradient]  # of a program of the suite

_PACKAGES = {
    HANDWRITTEN: "numba",
    HANDWRITTEN_LIBM: "numba",
    JAX: "jax",
    TORCH: "torch",
    TORCH_COMPILE: "torch",
    AUTOGRAD: "autograd",
}


_VERSIONS = {HANDWRITTEN: "in_numba", HANDWRITTEN_LIBM: "in_numba_with_libm"}  # not every program has them


@dataclass(frozen=True, kw_only=True)
class Lineup:
    """Who takes part in a suite.

    `subject` is the contender that is judged. Its time is divided by those of the `standards`, and the times
    of all others, the rivals, by its own; `by_hand` is the standard that is compared with everybody, too.
    What is `slow_to_build` is left out of quick runs.
    """

    subject: str
    by_hand: str
    standards: tuple[str, ...]
    contenders: Mapping[str, Build]
    slow_to_build: frozenset[str] = frozenset()

    @property
    def rivals(self) -> list[str]:
        """The contenders that are neither the subject nor standards."""
        return [name for name in self.contenders if name != self.subject and name not in self.standards]

    def taking_part(self, program: Compared) -> dict[str, Build]:
        """The contenders that can be imported and have a version of the program."""
        return {
            name: build
            for name, build in self.contenders.items()
            if is_installed(name) and name not in program.left_out and _has_version(program, name)
        }

    def quick(self) -> "Lineup":
        """Those that are not slow to build."""
        rest = {name: build for name, build in self.contenders.items() if name not in self.slow_to_build}
        return replace(self, contenders=rest)


def is_installed(name: str) -> bool:
    """Whether a contender can take part here."""
    if name in (NATIVE, NATIVE_FASTMATH):
        return _has_native_backend()
    return name not in _PACKAGES or find_spec(_PACKAGES[name]) is not None


def _has_version(program: Compared, name: str) -> bool:
    return name not in _VERSIONS or getattr(program, _VERSIONS[name]) is not None


@cache
def _has_native_backend() -> bool:
    """Found out by asking for it: it may be missing for want of Numba."""
    try:
        import_module("ad_compiler").grad(_square, backend="numba")
    except (ImportError, ValueError):
        return False
    return True


def _square(x: float) -> float:
    return x * x


ON_NUMPY = Lineup(
    subject=OURS,
    by_hand=BY_HAND,
    standards=(PRIMAL, BY_HAND),
    contenders={OURS: ours, BY_HAND: by_hand, JAX: in_jax, TORCH: in_torch, AUTOGRAD: in_autograd},
)

ON_NUMBA = Lineup(
    subject=NATIVE,
    by_hand=HANDWRITTEN,
    standards=(PRIMAL, NATIVE_FASTMATH, HANDWRITTEN, HANDWRITTEN_LIBM, OURS, BY_HAND),
    contenders={
        NATIVE: native,
        NATIVE_FASTMATH: partial(native, fastmath=True),
        HANDWRITTEN: handwritten,
        HANDWRITTEN_LIBM: handwritten_with_libm,
        OURS: ours,
        BY_HAND: by_hand,
        JAX: in_jax,
        TORCH: in_torch,
        TORCH_COMPILE: in_torch_compile,
        AUTOGRAD: in_autograd,
    },
    slow_to_build=frozenset({TORCH_COMPILE}),
)


def _one_or_many(argnums: tuple[int, ...]) -> int | tuple[int, ...]:
    return argnums[0] if len(argnums) == 1 else argnums
