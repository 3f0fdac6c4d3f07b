"""Loops that Numba does not compile."""

from __future__ import annotations


def is_disabled() -> bool:
    """Whether the loops run as Python, for debuggers: NUMBA_DISABLE_JIT=1."""
    import numba

    return bool(numba.config.DISABLE_JIT)  # type: ignore[attr-defined]
