"""How functions are compiled that compiled code calls: each becomes a part of its caller."""

from __future__ import annotations

from typing import Any

from numba import njit

from ad_compiler.backends.native.numba_extensions.releasing import Releasing

OPTIONS: Any = {
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "pipeline_class": Releasing,
}
inlined = njit(**OPTIONS)
# A product and a sum may be rounded once, together.
contracted = njit(**OPTIONS, fastmath={"contract"})
# Sums that have no order of their own.
in_any_order = njit(**OPTIONS, fastmath={"contract", "nsz", "reassoc"})
