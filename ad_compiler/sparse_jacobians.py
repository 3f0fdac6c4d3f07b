"""Sparse Jacobians and Hessians: a direction for each colour of the columns, and the entries read off.

    pattern    x x . .      colours  0 1 2 0      one product of the Jacobian with each of
               x x x .                            (1, 0, 0, 1), (0, 1, 0, 0), (0, 0, 1, 0)
               . x x x
               . . x x

A compiled program makes the products with the rows of an array of directions, all at once
(`sparse_products`). The colouring and the places of the entries are kept for the next call (`colouring`).
With "auto", the pattern is that of the compiled derivative (`dependencies`). By rows, the same is done with
the transpose.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Hashable
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ad_compiler.colouring import column_colours
from ad_compiler.dependencies import NotFollowed, pattern_of
from ad_compiler.derivative import Derivative
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.inputs import is_dataclass_instance, kind_of
from ad_compiler.ir import Operand
from ad_compiler.pipeline import NUMPY, Backend
from ad_compiler.ready import kinds_of, remember
from ad_compiler.sparse_products import DirectionalProducts
from ad_compiler.specialisation import Specialisation

SparseKind = Literal["jacfwd", "jacrev", "jacobian", "hessian"]
DENSE = 2**26  # entries of a pattern that may be taken to be full
KEPT = 16  # plans
FEW = 16  # directions
FULL = "give the pattern as `sparsity=`, or leave it out for a dense matrix"


@dataclass(eq=False)
class Plan:
    """What is kept for a pattern: the directions, and where each entry stands among the products."""

    pattern: Any  # a CSR array of truth values
    by_rows: bool
    narrow: bool  # places are 32-bit numbers, where those do
    empty: Any = field(init=False)  # the matrix, without its arrays
    size: int = field(init=False)  # of all products
    places: Any = field(init=False)  # of its entries among them
    seeds: Any = field(init=False)
    checked: bool = False

    def __post_init__(self) -> None:
        from scipy.sparse import csr_array

        pattern = self.pattern
        self.empty = csr_array(pattern.shape)
        matrix = pattern.T.tocsr() if self.by_rows else pattern
        colours, count = column_colours(matrix)
        rows = np.repeat(np.arange(pattern.shape[0]), np.diff(pattern.indptr))
        one, other = (rows, pattern.indices) if self.by_rows else (pattern.indices, rows)
        self.places = colours[one] * matrix.shape[0] + other
        self.size = count * matrix.shape[0]
        if self.narrow and self.size < 2**32:
            self.places = self.places.astype(np.uint32)
        self.seeds = np.zeros((count, matrix.shape[1]))
        self.seeds[colours, np.arange(matrix.shape[1])] = 1.0

    def matrix(self, entries: Any) -> Any:
        """The sparse matrix with these entries."""
        matrix = copy(self.empty)  # its arrays fit together: they are not checked again
        matrix.data = entries
        matrix.indices, matrix.indptr = self.pattern.indices.copy(), self.pattern.indptr.copy()
        return matrix


class SparseJacobian:
    """A Jacobian or Hessian as a `scipy.sparse.csr_array`. Called like the function.

    Its rows are the elements of the result, its columns those of the argument, in the order of `ravel`.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        kind: SparseKind,
        argnums: Any,
        has_aux: bool,
        sparsity: Any,
        check: bool,
        backend: Backend = NUMPY,
    ) -> None:
        if isinstance(argnums, (tuple, list)):
            raise ValueError("`sparsity` is of one argument: give a number or a name as `argnums`")
        if isinstance(sparsity, str) and sparsity != "auto":
            raise ValueError(f'`sparsity` is "auto" or a pattern, not {sparsity!r}')
        self.options = (kind, argnums, has_aux, sparsity, check, backend)
        self.primal, self.kind, self.has_aux, self.check = fun, kind, has_aux, check
        self.pattern = None if isinstance(sparsity, str) else checked_pattern(sparsity)
        columns: Any = kind if kind in ("jacfwd", "hessian") else "jacfwd"
        self.by_columns = DirectionalProducts(fun, columns, argnums, has_aux, backend)
        self.by_rows = DirectionalProducts(fun, "jacrev", argnums, has_aux, backend)
        self.chosen = self.by_columns.chosen[0]
        self.narrow = backend.name == "numba"  # its loops read 32-bit places, which NumPy would convert
        self.__name__, self.__signature__ = self.by_columns.__name__, self.by_columns.__signature__
        self._plans: dict[Hashable, Plan] = {}
        self._followed: dict[Hashable, tuple[Derivative, Specialisation]] = {}
        self._newest = self.by_columns

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = self.by_columns.bound(args, kwargs)
        x = given[self.chosen]
        if not isinstance(x, np.ndarray) or not x.ndim:
            raise TypeError(f"{self!r} is taken by an array, and {self.chosen} is a {type(x).__name__}")
        plan = self.plan_for(given)
        found = self.matrix(plan, given)
        if found is None:  # a result of another length than at the last call
            self._plans.clear()
            plan = self.plan_for(given)
            found = self.matrix(plan, given)
        if found is None:
            raise ValueError(
                f"the sparsity pattern has the shape {plan.pattern.shape}, the result another one"
            )
        matrix, aux = found
        if self.check and not plan.checked:
            self.compare(plan, matrix, given)
        return (matrix, aux) if self.has_aux else matrix

    def matrix(self, plan: Plan, given: dict[str, Any]) -> tuple[Any, Any] | None:
        """The matrix, and the auxiliary result; None if the products do not fit the pattern."""
        self._newest = self.by_rows if plan.by_rows else self.by_columns
        directions = self.fitting(plan.seeds, plan, given)
        entries, fits, aux = self._newest.entries(given, directions, plan.places, plan.size)
        return (plan.matrix(entries), aux) if fits else None

    def fitting(self, directions: Any, plan: Plan, given: dict[str, Any]) -> Any:
        """Directions in the precision of the argument that they move."""
        x = given[self.chosen]
        return (
            directions.astype(x.dtype, copy=False) if x.dtype.kind == "f" and not plan.by_rows else directions
        )

    # --- patterns ---

    def plan_for(self, given: dict[str, Any]) -> Plan:
        """The plan for arguments like these."""
        size = given[self.chosen].size
        key = () if self.pattern is not None else self.structure_of(given)
        plan = self._plans.get(key)
        if plan is None:
            pattern = self.pattern if self.pattern is not None else self.derived_pattern(given)
            plan = self._plans[key] = self.best(pattern)
            if len(self._plans) > KEPT:
                del self._plans[next(iter(self._plans))]
        if plan.pattern.shape[1] != size:
            reason = f"the sparsity pattern has {plan.pattern.shape[1]} columns"
            raise ValueError(f"{reason}, and {self.chosen} has {size} elements")
        return plan

    def best(self, pattern: Any) -> Plan:
        """By columns or by rows; `jacobian` takes what needs fewer directions."""
        if self.kind != "jacobian":
            return Plan(pattern, self.kind == "jacrev", self.narrow)
        plans = [Plan(pattern, by_rows, self.narrow) for by_rows in (False, True)]
        return min(plans, key=lambda plan: len(plan.seeds))

    def structure_of(self, given: dict[str, Any]) -> Hashable:
        """What the pattern of a program may depend on: shapes and whole numbers, and what is read outside."""
        special = self.specialised(given)
        outside = tuple([whole(capture.read()) for capture in special.captures])
        inside = tuple([whole(each) for name, each in given.items() if name != self.chosen])
        return special, given[self.chosen].shape, inside, outside

    def specialised(self, given: dict[str, Any]) -> Specialisation:
        """The program of one direction, for arguments of these kinds, and for what is read outside now."""
        kinds = kinds_of(tuple(given.values()))
        if kinds in self._followed:
            derivative, known = self._followed[kinds]
            if derivative.current is known:
                return known
        derivative = self.following(given)
        arguments = [*given.values(), self.moving(given)]
        known = derivative.specialise(dict(zip(derivative.forwarding, arguments, strict=True)))
        remember(self._followed, kinds, (derivative, known))
        return known

    def following(self, given: dict[str, Any]) -> Derivative:
        """The program of one direction, which is followed for the pattern."""
        return self.by_columns.made_for(given, 1, NUMPY, one=True)

    def moving(self, given: dict[str, Any]) -> Any:
        """A direction, for its kind."""
        x = np.ravel(given[self.chosen])
        return x if x.dtype.kind == "f" else x.astype(float)

    def derived_pattern(self, given: dict[str, Any]) -> Any:
        """The pattern of the compiled derivative; all of it where that cannot be told."""
        from scipy.sparse import csr_array

        derivative = self.following(given)
        x, direction = given[self.chosen], self.moving(given)
        program = derivative.program_for(*given.values(), direction)
        names = list(derivative.__signature__.parameters)
        arguments = dict(zip(names, [*given.values(), direction], strict=True))
        for capture in program.lowered.context.captures.values():
            arguments[capture.name] = capture.read()
        try:
            return narrow(pattern_of(program.function, arguments, names[-1], self.chosen))
        except NotFollowed as reason:
            rows = np.size(self.by_columns.products(given, direction[None])[0])
            if rows * x.size > DENSE:
                what = f"the dependencies of {self.__name__} are not followed ({reason})"
                full = f"a full pattern has {rows} times {x.size} entries"
                raise ValueError(f"{what}, and {full}: {FULL}") from None
            return csr_array(np.ones((rows, x.size), dtype=bool))

    # --- checks ---

    def compare(self, plan: Plan, matrix: Any, given: dict[str, Any]) -> None:
        """Compare the product with a random vector; raises ValueError where a pattern lacks entries."""
        transposed = matrix.T if plan.by_rows else matrix
        count = len(plan.seeds)
        count = count if count <= FEW else 2  # a few: with the same compiled program
        vectors = np.random.default_rng(0).uniform(0.5, 1.5, (count, transposed.shape[1]))
        compiled = self.by_rows if plan.by_rows else self.by_columns
        products, *_ = compiled.products(given, self.fitting(vectors, plan, given))
        exact = np.reshape(products, (count, -1)).astype(float)
        found = (transposed @ vectors.T).T
        finite = np.isfinite(exact) & np.isfinite(found)
        size = (abs(transposed) @ vectors.T).T + np.max(np.abs(exact[finite]), initial=0.0)
        tolerance = np.sqrt(np.finfo(matrix.dtype).eps)
        wrong = np.any(finite & (np.abs(exact - found) > tolerance * size), axis=0)
        if np.any(wrong):
            row = int(np.argmax(wrong))
            what = f"{'column' if plan.by_rows else 'row'} {row} times a vector is {exact[0, row]:.6g}"
            raise ValueError(
                f"the sparsity pattern lacks entries of the {self.what}: {what}, and with this pattern "
                f"{found[0, row]:.6g}; give every entry that may not be zero"
            )
        plan.checked = bool(np.all(finite))

    @property
    def what(self) -> str:
        return "Hessian" if self.kind == "hessian" else "Jacobian"

    @property
    def source(self) -> str:
        """The generated code of the products, of the newest call."""
        return self._newest.source

    @property
    def native_source(self) -> str:
        """The loops that Numba compiles, of the newest call."""
        return self._newest.native_source

    def inline_in(
        self, context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
    ) -> Operand:
        """Programs hold no sparse matrices."""
        reason = f"a sparse {self.what} is computed in a program that is compiled"
        raise context.refuse(node, reason, "leave out `sparsity=`, or call it outside")

    def __reduce__(self) -> Any:
        return SparseJacobian, (self.primal, *self.options)

    def __repr__(self) -> str:
        return f"<sparse {self.kind} of {self.__name__}>"


def checked_pattern(sparsity: Any) -> Any:
    """A pattern as a CSR array of truth values: the entries of a sparse matrix, what is not 0 in an array."""
    from scipy.sparse import csr_array, issparse

    if not issparse(sparsity):
        sparsity = np.asarray(sparsity)
        if sparsity.dtype.kind not in "biuf" or sparsity.ndim != 2:
            raise TypeError('`sparsity` is "auto", a matrix of `scipy.sparse`, or an array of two axes')
        sparsity = sparsity != 0
    pattern = csr_array(sparsity)
    pattern = csr_array(
        (np.ones(pattern.nnz, bool), pattern.indices.copy(), pattern.indptr.copy()), pattern.shape
    )
    pattern.sum_duplicates()
    return narrow(pattern)


def narrow(pattern: Any) -> Any:
    """The same with 32-bit indices, where they do."""
    if max(pattern.nnz, *pattern.shape) < 2**31:
        pattern.indices, pattern.indptr = pattern.indices.astype(np.int32), pattern.indptr.astype(np.int32)
    return pattern


def whole(obj: Any) -> Hashable:
    """What the pattern may depend on: the shape of reals, and whole numbers themselves."""
    if isinstance(obj, np.ndarray):
        return (obj.shape, obj.dtype, obj.tobytes() if obj.dtype.kind in "biu" else None)
    if isinstance(obj, (int, np.integer, np.bool_)):
        return obj
    if isinstance(obj, (tuple, list)):
        return (type(obj), *map(whole, obj))
    if isinstance(obj, dict):
        return (dict, *[(key, whole(item)) for key, item in obj.items()])
    if is_dataclass_instance(obj):
        return (type(obj), *[whole(getattr(obj, part.name)) for part in dataclasses.fields(obj)])
    kind: Hashable = kind_of(obj)
    return kind
