"""Every public function of NumPy and SciPy that a program may call, and what becomes of its derivative.

A function is *differentiable* (it has a rule, a definition or an expansion), *constant* (its result carries
no derivative: whole numbers, truth values, shapes), or *refused*, with a reason that the refusal gives. A
test holds this against NumPy's own listing: none is unknown. A name that this version of NumPy lacks is
passed over.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from ad_compiler.rules.notation import expansions, registry, replaced

Status = Literal["differentiable", "constant", "refused"]

NO_RULE = ("has no derivative rule", "write it with NumPy functions that have one (the README lists them)")
_FILES = ("reads or writes files or text", "load the data before, and pass it in")
_TEXT = ("makes text of numbers", "do it outside of the differentiated function")
_DTYPES = ("is about dtypes or settings, not numbers", "do it outside of the differentiated function")
_SETS = (
    "gives as many elements as are different, which a small change of them alters by jumps",
    "compute the indices before, and index with them",
)
_COUNTS = ("counts elements in bins, which changes by jumps", "use a smooth kernel instead of bins")
_BITS = ("works on bits", "do it outside of the differentiated function")
_OBJECTS = ("makes an object that is not a plain array", "use plain arrays and NumPy functions")
_DATES = ("works on dates", "do it outside of the differentiated function")
_TESTS = ("runs tests or shows the configuration", "leave it out")

REFUSALS: list[tuple[str, str, str]] = [
    (
        """numpy.load numpy.loadtxt numpy.save numpy.savetxt numpy.savez numpy.savez_compressed
        numpy.genfromtxt numpy.fromfile numpy.fromregex numpy.fromstring numpy.frombuffer numpy.memmap""",
        *_FILES,
    ),
    (
        """numpy.array2string numpy.array_repr numpy.array_str numpy.base_repr numpy.binary_repr
        numpy.format_float_positional numpy.format_float_scientific numpy.typename numpy.info""",
        *_TEXT,
    ),
    (
        """numpy.can_cast numpy.common_type numpy.finfo numpy.iinfo numpy.isdtype numpy.issubdtype
        numpy.min_scalar_type numpy.mintypecode numpy.promote_types numpy.result_type numpy.dtype
        numpy.errstate numpy.geterr numpy.geterrcall numpy.seterr numpy.seterrcall numpy.getbufsize
        numpy.setbufsize numpy.get_printoptions numpy.set_printoptions numpy.printoptions numpy.get_include
        numpy.iterable numpy.isscalar numpy.isfortran
        numpy.broadcast_shapes numpy.require
        numpy.shares_memory numpy.may_share_memory""",
        *_DTYPES,
    ),
    (
        """numpy.unique numpy.unique_all numpy.unique_counts numpy.unique_inverse numpy.unique_values
        numpy.intersect1d numpy.setdiff1d numpy.setxor1d numpy.union1d numpy.in1d numpy.trim_zeros""",
        *_SETS,
    ),
    (
        """numpy.histogram numpy.histogram2d numpy.histogramdd numpy.histogram_bin_edges""",
        *_COUNTS,
    ),
    ("numpy.packbits numpy.unpackbits numpy.nextafter numpy.frexp", *_BITS),
    (
        """numpy.matrix numpy.asmatrix numpy.bmat numpy.recarray numpy.record numpy.poly1d
        numpy.ndenumerate numpy.nditer numpy.nested_iters numpy.flatiter numpy.frompyfunc numpy.broadcast
        numpy.ufunc numpy.generic numpy.number numpy.integer numpy.inexact numpy.floating
        numpy.complexfloating numpy.signedinteger numpy.unsignedinteger numpy.flexible numpy.character
        numpy.void numpy.str_ numpy.bytes_ numpy.object_ numpy.from_dlpack""",
        *_OBJECTS,
    ),
    (
        """numpy.datetime64 numpy.timedelta64 numpy.datetime_as_string numpy.datetime_data numpy.busday_count
        numpy.busday_offset numpy.busdaycalendar numpy.is_busday numpy.isnat""",
        *_DATES,
    ),
    ("numpy.show_config numpy.show_runtime", *_TESTS),
    (
        "numpy.einsum_path",
        "plans a contraction and computes none",
        "call `np.einsum` itself",
    ),
    (
        "numpy.fromfunction numpy.fromiter",
        "builds an array from calls or an iterator",
        "use whole arrays: `np.arange`, `np.meshgrid`, or a list comprehension in `np.array`",
    ),
    (
        "numpy.place",
        "writes into an array in a way that has no rule",
        "write `a[index] = values`",
    ),
    (
        "numpy.mask_indices numpy.polydiv numpy.sort_complex numpy.real_if_close",
        "gives a result whose kind depends on the values",
        "write it with functions that have a rule",
    ),
    (
        "numpy.ndindex",
        "gives indices one by one",
        "use nested `range` loops",
    ),
    (
        """scipy.linalg.schur scipy.linalg.hessenberg scipy.linalg.rsf2csf scipy.linalg.funm
        scipy.linalg.qr_multiply""",
        "gives factors that are not unique, by a method that decides from the values",
        "use `np.linalg.eig`, `np.linalg.eigh` or `np.linalg.qr`",
    ),
    (
        """scipy.optimize.minimize scipy.integrate.odeint scipy.sparse.linalg.cg
        scipy.sparse.linalg.gmres scipy.sparse.linalg.bicgstab""",
        "takes steps inside of SciPy, which a derivative cannot follow",
        "write the steps as a loop, or give the function a derivative of its own",
    ),
    (
        "scipy.cluster.vq.vq scipy.stats.mode scipy.stats.rankdata scipy.stats.bernoulli.ppf",
        "gives numbers that change by jumps",
        "compute them before, and pass them in",
    ),
    (
        "scipy.stats.poisson.entropy scipy.stats.multivariate_normal.entropy",
        "is an expectation that has no rule",
        "write the sum or the logarithm of the determinant",
    ),
    (
        """scipy.linalg.dft scipy.linalg.hadamard scipy.linalg.helmert scipy.linalg.pascal
        scipy.linalg.invpascal scipy.special.bernoulli""",
        "gives a table of constants",
        "compute it before, and pass it in",
    ),
    (
        "scipy.signal.csd scipy.signal.welch scipy.signal.stft scipy.signal.istft",
        "cuts windows out of a signal by many options",
        "write it with `np.fft.rfft` of the windows",
    ),
    (
        "scipy.special.sph_harm_y scipy.linalg.fiedler_companion",
        "has no derivative rule in SciPy's form",
        "write the polynomial that it stands for",
    ),
    (
        "numpy.linalg.LinAlgError",
        "is an exception",
        "raise it in an `if`",
    ),
]
"""Names, the reason, the advice."""

CONSTANT: list[Any] = [
    np.tril_indices,
    np.triu_indices,
    np.tril_indices_from,
    np.triu_indices_from,
    np.diag_indices,
]
CONSTANT += [
    np.diag_indices_from,
    np.unravel_index,
    np.ravel_multi_index,
    np.nonzero,
    np.shape,
    np.ndim,
    np.size,
]
CONSTANT += [np.isrealobj, np.iscomplexobj, np.ndarray]
CONSTANT += [np.ix_, np.indices, np.fft.fftfreq, np.fft.rfftfreq]
"""Functions that are written out, and give whole numbers, shapes or a fixed grid."""

MODULES = ("numpy", "numpy.linalg", "numpy.fft")


def named(path: str) -> Any:
    """The object a name such as `numpy.linalg.eig` stands for; None where there is none.

    SciPy's modules are not imported for it: a function of one that is not imported is nobody's.
    """
    found: Any = np
    for i, name in enumerate(path.split("."), 1):
        module = sys.modules.get(".".join(path.split(".")[:i]))
        found = getattr(found, name, None) if module is None else module
    return None if found is np else found


def has_rule(function: Any) -> bool:
    """Whether calls of it are differentiated: by a rule, a definition, or a handler of the front end."""
    from ad_compiler.frontend.builtin_calls import BUILTINS
    from ad_compiler.frontend.write_calls import WRITERS

    try:
        known = any(function in table for table in (registry, expansions, replaced, BUILTINS, WRITERS))
    except TypeError:
        return False
    return known or getattr(function, "__name__", None) == "vectorize"


def refusal_of(function: Any) -> tuple[str, str] | None:
    """Why a function is refused; None where no reason is written down."""
    for names, reason, advice in REFUSALS:
        if any(named(path) == function for path in names.split()):
            return reason, advice
    return _TESTS if type(function).__name__ == "PytestTester" else None


def reason_against(callee: Any) -> tuple[str, str]:
    """What a refusal says of a function that has no rule."""
    if isinstance(getattr(callee, "__self__", None), np.random.RandomState):
        return (
            "has no derivative rule: it draws from the random numbers of the whole process",
            "draw them before and pass them in, or pass a `np.random.Generator` as an argument",
        )
    if isinstance(getattr(callee, "__self__", None), np.random.Generator):
        return (
            "has no derivative rule: it draws from a generator that is not an argument",
            "pass the `np.random.Generator` as an argument",
        )
    found = refusal_of(callee)
    return NO_RULE if found is None else (f"has no derivative rule: it {found[0]}", found[1])


def public_names(module: str) -> Iterator[tuple[str, Any]]:
    """The public callables of a module: names and objects."""
    found = importlib.import_module(module)
    for name in sorted(dir(found)):
        obj = getattr(found, name)
        if not name.startswith("_") and callable(obj):
            yield name, obj


def status_of(function: Any) -> Status | None:
    """What becomes of the derivative of a function; None where that is not known."""
    if has_rule(function):
        constant = function in registry and registry[function].kind == "constant"
        return "constant" if constant or function in CONSTANT else "differentiable"
    return None if refusal_of(function) is None else "refused"
