"""The derivative rules: importing this package registers them all.

Those of SciPy are registered when a program first mentions a function of SciPy.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import numpy as np

from ad_compiler.rules import (
    arithmetic,
    array_api,
    assembling,
    choosing,
    clocks,
    complex_numbers,
    convolution,
    creation,
    cumulative,
    decompositions,
    derived,
    eigenvalues,
    einsum,
    elementary,
    fourier,
    indexing,
    interpolation,
    joining,
    list_tangents,
    lists,
    mapping,
    matrices,
    norms,
    options,
    ordering,
    padding,
    polynomials,
    random_numbers,
    rearranging,
    reductions,
    selection,
    solving,
    special,
    statistics,
    structure,
    tuples,
    windows,
)

__all__ = [
    "arithmetic",
    "array_api",
    "assembling",
    "choosing",
    "clocks",
    "complex_numbers",
    "convolution",
    "creation",
    "cumulative",
    "decompositions",
    "derived",
    "eigenvalues",
    "einsum",
    "elementary",
    "fourier",
    "indexing",
    "interpolation",
    "joining",
    "list_tangents",
    "lists",
    "load_rules_of",
    "mapping",
    "matrices",
    "norms",
    "options",
    "ordering",
    "padding",
    "polynomials",
    "random_numbers",
    "rearranging",
    "reductions",
    "selection",
    "solving",
    "special",
    "statistics",
    "structure",
    "tuples",
    "windows",
]

OF_SCIPY = (
    "scipy_special",
    "scipy_gamma",
    "scipy_bessel",
    "scipy_linalg",
    "scipy_factors",
    "scipy_matrix_functions",
    "scipy_signal",
    "scipy_ndimage",
    "scipy_fft",
    "scipy_integrate",
    "scipy_interpolate",
    "scipy_interpolate_linear",
    "scipy_stats",
    "scipy_stats_half_line",
    "scipy_stats_intervals",
    "scipy_stats_counts",
    "scipy_stats_frozen",
)
_loaded: set[str] = set()


def load_rules_of(function: Any) -> None:
    """Register the rules of SciPy, if this function is one of SciPy's."""
    if not _loaded and "scipy" in sys.modules and is_of_scipy(function):
        _loaded.update(OF_SCIPY)
        for module in OF_SCIPY:
            import_module(f"ad_compiler.rules.{module}")


def is_of_scipy(function: Any) -> bool:
    if isinstance(function, np.ufunc):
        return getattr(np, function.__name__, None) is not function
    owner = getattr(function, "__self__", None)
    module = getattr(function, "__module__", None) or type(owner).__module__
    return str(module).startswith("scipy")
