"""How the loops written by hand are compiled: one place for the options of Numba."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

# What may change the last bits of a result, and nothing else: fused multiply-add, the sign of a
# zero, a product with the reciprocal for a quotient, sums in another order. NaN and inf stay what they are.
REASSOCIATE = frozenset({"contract", "nsz", "arcp", "reassoc"})

# Without reassociation, for code that relies on its order of rounding.
CONTRACT = frozenset({"contract"})


def native(function: F) -> F:
    """Compile on the first call, for its argument types, with sums in any order.

    `error_model="numpy"`: the check for a division by zero would keep a loop from being vectorised.
    """
    compiled: F = njit(function, error_model="numpy", fastmath=set(REASSOCIATE), cache=True)
    return compiled


def native_in_order(function: F) -> F:
    """Compile as `native` does, but with every sum in the order written."""
    compiled: F = njit(function, error_model="numpy", fastmath=set(CONTRACT), cache=True)
    return compiled
