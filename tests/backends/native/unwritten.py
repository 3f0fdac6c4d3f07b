"""Memory that nobody has written, such that reading it shows: for loops that run as Python.

`np.empty` gives what happens to lie there: often zeros, with which a gradient is right by chance. Native
modules, and what they call, get arrays of NaN from it here. Whole numbers are large and odd: they are no
subscripts, and no numbers of turns.

    pytest -p tests.backends.native.unwritten PATHS
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from ad_compiler.backends.native import loading
from ad_compiler.backends.native.run_time import arrays_of_lists, blas, growing_tapes, small_systems

LARGE = 1_000_003
HELPERS = [arrays_of_lists, blas, growing_tapes, small_systems]  # they call `np.empty`


def unwritten(shape: Any, dtype: Any = np.float64) -> Any:
    """`np.empty`, as its memory may happen to be."""
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        return np.full(shape, min(LARGE, np.iinfo(kind).max), kind)
    return np.full(shape, True if kind.kind == "b" else np.nan, kind)


def pytest_configure() -> None:
    """Have native modules, and the functions that they call, use `unwritten` from here on."""
    numpy, load_text = ModuleType("numpy"), loading.load_text
    numpy.__dict__.update({**np.__dict__, "empty": unwritten})

    def loaded(text: str, name: str) -> ModuleType:
        module = load_text(text, name)
        module.__dict__["np"] = numpy
        return module

    loading.load_text = loaded
    for helper in HELPERS:
        helper.__dict__["np"] = numpy
