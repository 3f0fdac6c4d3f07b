"""How functions are compiled that compiled code calls: each becomes a part of its caller."""

from __future__ import annotations

from numba import njit

from ad_compiler.backends.native.blas import OPTIONS

inlined = njit(**OPTIONS)
# A product and a sum may be rounded once, together.
contracted = njit(**OPTIONS, fastmath={"contract"})
