"""How each system is asked for a Hessian, a product with one, or a Jacobian."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from benchmarks.harness.contenders import (
    AUTOGRAD,
    BY_HAND,
    JAX,
    NATIVE,
    OURS,
    PRIMAL,
    Gradient,
    Lineup,
    by_hand,
)
from benchmarks.harness.program import Compared, Rewrite, times_faster, with_numpy_replaced

Kind = Literal["hessian", "hvp", "jacfwd", "sparse"]


@dataclass(frozen=True, kw_only=True)
class DerivativeProgram(Compared):
    """A function, and which derivative of it is timed, with respect to its first argument.

    `vector` makes the vector of a product with the Hessian; it is the last argument of `by_hand`. A sparse
    Jacobian is compared by the entries of its rows, in order; `sparse_in_jax` returns a function that gives
    them. `is_large` says that its loops are worth threads.
    """

    kind: Kind
    argnums: tuple[int, ...] = (0,)
    vector: Callable[[], Any] | None = None
    sparse_in_jax: Rewrite | None = None
    is_large: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[Any, ...] = (times_faster(1.0, JAX, NATIVE),)

    def arguments(self) -> tuple[Any, ...]:
        """The arguments, with the vector behind."""
        return self.inputs() if self.vector is None else (*self.inputs(), self.vector())


def ours(program: DerivativeProgram) -> Gradient:
    """ad_compiler on the function as it is."""
    return _ours(program)


def native(program: DerivativeProgram) -> Gradient:
    """The same with the Numba backend; where loops are large with threads, as XLA has them."""
    return _ours(program, backend="numba", parallel=program.is_large)


def _ours(program: DerivativeProgram, **options: Any) -> Gradient:
    ad_compiler = import_module("ad_compiler")
    if program.kind == "sparse":
        jacobian = ad_compiler.jacfwd(program.function, sparsity="auto", **options)
        return Gradient(lambda *arguments: jacobian(*arguments).data, program.inputs(), compiles=True)
    derivative = getattr(ad_compiler, program.kind)(program.function, **options)
    return Gradient(derivative, program.arguments(), compiles=True)


def in_jax(program: DerivativeProgram) -> Gradient:
    """`jit` of JAX's own: `hessian`, `jacfwd`, and `jvp` of `grad` for the product; whole numbers static."""
    jax = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    function = (
        with_numpy_replaced(program.function, import_module("jax.numpy"))
        if program.in_jax is None
        else program.in_jax()
    )

    def product(x: Any, *others: Any) -> Any:
        def gradient(x: Any) -> Any:
            return jax.grad(function)(x, *others[:-1])

        return jax.jvp(gradient, (x,), others[-1:])[1]

    if program.kind == "sparse":
        assert program.sparse_in_jax is not None
        derivative = program.sparse_in_jax()
    else:
        derivative = product if program.kind == "hvp" else getattr(jax, program.kind)(function)
    inputs = program.arguments()
    static = [position for position, argument in enumerate(inputs) if isinstance(argument, int)]
    arguments = tuple(
        argument if position in static else jax.numpy.asarray(argument)
        for position, argument in enumerate(inputs)
    )
    compiled = jax.jit(derivative, static_argnums=static)
    return Gradient(compiled, arguments, wait=jax.block_until_ready, compiles=True)


def in_autograd(program: DerivativeProgram) -> Gradient:
    """`autograd.hessian`, `hessian_vector_product` and `jacobian`."""
    autograd = import_module("autograd")
    function = (
        with_numpy_replaced(program.function, import_module("autograd.numpy"))
        if program.in_autograd is None
        else program.in_autograd()
    )
    names = {"hessian": "hessian", "hvp": "hessian_vector_product", "jacfwd": "jacobian"}
    return Gradient(getattr(autograd, names[program.kind])(function), program.arguments())


LINEUP = Lineup(
    subject=NATIVE,
    by_hand=BY_HAND,
    standards=(PRIMAL, OURS, BY_HAND),
    contenders={NATIVE: native, OURS: ours, BY_HAND: by_hand, JAX: in_jax, AUTOGRAD: in_autograd},
)
