"""Jacobians and Hessians, and what is taken from them: products with vectors, the diagonal."""

from __future__ import annotations

from typing import Any, Unpack

from ad_compiler.api import settings
from ad_compiler.api.settings import Argnums, NativeOptions


def jacfwd(
    fun: Any = None,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    sparsity: Any = None,
    check: bool = True,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Any:
    """The Jacobian by columns, in forward mode: for functions of few arguments.

    Its axes are those of the result, then those of the argument; a tuple of `argnums` gives a tuple. The
    arguments are arrays or numbers. The columns are computed at once, or in blocks if they are large. The
    other options are those of `grad`; it works as a decorator, too.

    With `sparsity`, a `scipy.sparse.csr_array` of the elements of the result by those of one array. It is
    "auto", or a pattern: a sparse matrix or an array that is not 0 where the Jacobian may not be. The first
    matrix is compared with the product of the Jacobian and a random vector (`check=False` leaves that out).
    Columns without a common row are computed together (Curtis, Powell and Reid, On the estimation of sparse
    Jacobian matrices, 1974).

    Raises `ValueError` for a pattern that does not fit or lacks entries, and where "auto" would give a full
    matrix of more than 2^26 entries; `TypeError` for arguments of another kind; `Unsupported` for programs.

    >>> import numpy as np
    >>> jacfwd(lambda x: x * x)(np.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    return derived(fun, "jacfwd", argnums, has_aux, backend, options, sparsity, check)


def jacrev(
    fun: Any = None,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    sparsity: Any = None,
    check: bool = True,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Any:
    """The Jacobian by rows, in reverse mode: for functions with few results. As `jacfwd` otherwise.

    >>> import numpy as np
    >>> jacrev(lambda x: x * x)(np.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    return derived(fun, "jacrev", argnums, has_aux, backend, options, sparsity, check)


def jacobian(
    fun: Any = None,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    sparsity: Any = None,
    check: bool = True,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Any:
    """The Jacobian, by columns or by rows, whichever are fewer when it is called. As `jacfwd` otherwise.

    >>> import numpy as np
    >>> jacobian(lambda x: x[1:] * x[:-1])(np.array([1.0, 2.0, 4.0])).tolist()
    [[2.0, 1.0, 0.0], [0.0, 4.0, 2.0]]
    """
    return derived(fun, "jacobian", argnums, has_aux, backend, options, sparsity, check)


def hessian(
    fun: Any = None,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    sparsity: Any = None,
    check: bool = True,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Any:
    """The matrix of second derivatives of a function that returns one number: forward over reverse mode.

    Its axes are those of the argument, twice: `(*x.shape, *x.shape)`. With a tuple of `argnums` a tuple of
    tuples of blocks. As `jacfwd` otherwise.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] * x[1] ** 2)(np.array([3.0, 2.0])).tolist()
    [[0.0, 4.0], [4.0, 6.0]]
    """
    return derived(fun, "hessian", argnums, has_aux, backend, options, sparsity, check)


def hvp(
    fun: Any = None,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Any:
    """The product of the Hessian and a vector, which is given as one more argument: `hvp(f)(x, v)`.

    Vector and product have the shape of the argument; with a tuple of `argnums` they are tuples. The Hessian
    itself is not made: a product costs about as much as two gradients (Pearlmutter, Fast exact multiplication
    by the Hessian, 1994). The options are those of `grad`.

    >>> import numpy as np
    >>> hvp(lambda x: np.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 1.0])).tolist()
    [6.0, 12.0]
    """
    return derived(fun, "hvp", argnums, has_aux, backend, options)


def elementwise_grad(
    fun: Any = None,
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    backend: str = "numpy",
    **options: Unpack[NativeOptions],
) -> Any:
    """The derivative of a function that works element by element, at every element.

    It is the diagonal of the Jacobian. The options are those of `grad`.

    >>> import numpy as np
    >>> elementwise_grad(lambda x: x**3)(np.array([1.0, 2.0])).tolist()
    [3.0, 12.0]
    """
    return derived(fun, "elementwise_grad", argnums, has_aux, backend, options)


def derived(
    fun: Any,
    kind: Any,
    argnums: Argnums,
    has_aux: bool,
    backend: str,
    options: NativeOptions,
    sparsity: Any = None,
    check: bool = True,
) -> Any:
    from ad_compiler.jacobians import Derived

    chosen = settings.backend_of(backend, options)

    def made(function: Any) -> Any:
        if sparsity is None:
            return Derived(function, kind, argnums, has_aux, chosen)
        from ad_compiler.sparse_jacobians import SparseJacobian

        return SparseJacobian(function, kind, argnums, has_aux, sparsity, check, chosen)

    return made if fun is None else made(fun)
