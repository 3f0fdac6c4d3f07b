"""Identities applied to generated code while it is built.

    g * 1.0                          ->  g
    g * (1 / x)                      ->  g / x
    g * where(c, 1.0, 0.0)           ->  where(c, g, 0.0)
    where(c, g, 0.0) * p             ->  where(c, g * p, 0.0)        (a strong zero: p may be inf there)
    broadcast_to(g, shape) * p       ->  g * p                       where p has that shape
    a + index_add(zeros, i, v)       ->  index_add(a, i, v)

Only operations that the compiler wrote itself are rewritten; the user's stay as they are. None of these
changes a value other than by rounding, and none drops an inf or a NaN that the mathematics has.
"""

from __future__ import annotations

from ad_compiler.transforms.simplify import arithmetic, arrays, choices
from ad_compiler.transforms.simplify.table import simplifications

__all__ = ["arithmetic", "arrays", "choices", "simplifications"]
