"""Hessians and Jacobians that are refused as a whole: a product, which is compiled, for each direction.

A Jacobian is a program that calls derivatives, which are read again as a part of it. Some of what is
generated is refused there: in native code tapes, which are lists when they are read again. What is generated
for a product alone is not read again:

    for place, direction in enumerate(np.eye(x.size)):
        hessian[..., place] = f_hvp(x, direction.reshape(x.shape))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ad_compiler.derivative import Derivative
from ad_compiler.errors import Unsupported
from ad_compiler.making import derivative_of, value_and_pullback
from ad_compiler.pipeline import Backend


class Products:
    """A Hessian or a Jacobian of `fun`, called like it; `places` are those of the arguments `argnums`.

    Attributes: `source` and `native_source`, the generated code of one product.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        kind: str,
        argnums: int | str | tuple[int | str, ...],
        places: Sequence[int],
        has_aux: bool,
        backend: Backend,
        refusal: Unsupported,
        columns: Callable[..., Any] | None = None,
    ) -> None:
        self.refusal = refusal  # of the whole
        self.columns = columns  # the Jacobian by columns, where that may be chosen
        self.fun, self.kind, self.argnums, self.places = fun, kind, argnums, places
        self.has_aux, self.backend = has_aux, backend
        mode: Any = "hvp" if kind == "hessian" else "vjp"
        numbers = argnums if isinstance(argnums, tuple) or mode == "hvp" else (argnums,)
        self.product: Derivative = derivative_of(fun, mode, numbers, has_aux, backend=backend)

    def __call__(self, *args: Any) -> Any:
        blocks, aux = self.hessian(args) if self.kind == "hessian" else self.rows(args)
        return (blocks, aux) if self.has_aux else blocks

    def hessian(self, args: tuple[Any, ...]) -> tuple[Any, Any]:
        """All blocks, a column of each at a time, and what is handed on."""
        given = [args[place] for place in self.places]
        blocks = [[np.empty((*np.shape(x), np.size(y)), dtype=precision_of(x)) for y in given] for x in given]
        aux, single = None, not isinstance(self.argnums, tuple)
        for number, y in enumerate(given):
            vectors = [np.zeros(np.shape(each), dtype=precision_of(each)) for each in given]
            moved = vectors[number].reshape(-1)
            passed: tuple[Any, ...] = ()
            for place in range(np.size(y)):
                moved[place] = 1.0  # in the vector, too, of which it is a view
                passed = passed or tuple(map(like, vectors, given))  # a number has one place only
                product = self.product(*args, passed[0] if single else passed)
                columns, aux = product if self.has_aux else (product, None)
                for row, column in zip(blocks, (columns,) if single else columns, strict=True):
                    row[number][..., place] = column
                moved[place] = 0.0
        shaped = tuple(
            tuple(block.reshape(np.shape(x) + np.shape(y))[()] for block, y in zip(row, given, strict=True))
            for row, x in zip(blocks, given, strict=True)
        )
        return (shaped[0][0] if single else shaped), aux

    def rows(self, args: tuple[Any, ...]) -> tuple[Any, Any]:
        """The Jacobian by rows, and what is handed on."""
        numbers = self.argnums if isinstance(self.argnums, tuple) else (self.argnums,)
        value, pullback, *aux = value_and_pullback(
            self.fun, args, numbers, self.has_aux, backend=self.backend
        )
        if not is_real(value):
            raise self.refusal
        given = [args[place] for place in self.places]
        if self.columns is not None and sum(map(np.size, given)) <= np.size(value):
            by_columns = self.columns(*args)
            return by_columns if self.has_aux else (by_columns, None)
        found = [np.empty((np.size(value), *np.shape(x)), dtype=precision_of(x)) for x in given]
        for place in range(np.size(value)):
            direction = np.zeros(np.shape(value), dtype=np.asarray(value).dtype)
            direction.reshape(-1)[place] = 1.0
            for rows, row in zip(found, pullback(like(direction, value)), strict=True):
                rows[place] = row
        shaped = tuple(
            rows.reshape(np.shape(value) + np.shape(x))[()] for rows, x in zip(found, given, strict=True)
        )
        return (shaped if isinstance(self.argnums, tuple) else shaped[0]), aux[0] if aux else None

    def source_for(self, *args: Any, **kwargs: Any) -> str:
        """The generated code of the product, for arguments like these."""
        self(*args, **kwargs)
        return self.product.source

    @property
    def source(self) -> str:
        """The generated code of the product."""
        return self.product.source

    @property
    def native_source(self) -> str:
        """The loops of the product that Numba compiles."""
        return self.product.native_source


def is_real(value: Any) -> bool:
    """Whether it is one array of real numbers, or one of them."""
    if isinstance(value, float):
        return True
    return isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "f"


def precision_of(x: Any) -> np.dtype[Any]:
    """The dtype of a derivative by `x`."""
    dtype = np.asarray(x).dtype
    return dtype if dtype.kind == "f" else np.dtype(np.float64)


def like(direction: np.ndarray[Any, Any], x: Any) -> Any:
    """A direction of the kind of `x`: a number for one."""
    if isinstance(x, np.generic):
        return direction[()]
    return direction if isinstance(x, np.ndarray) else float(direction)
