"""How the loops written by hand are compiled: one place for the options of Numba."""

from collections.abc import Callable
from types import FunctionType
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


def native_with(compiled: F, name: str, **functions: Callable[..., Any]) -> F:
    """Compile the same text under another name, with other `functions` in its module's namespace.

    The name matters: Numba's cache tells functions apart by it, and knows nothing of what globals mean.
    """
    original: FunctionType = compiled.py_func  # type: ignore[attr-defined]
    again = FunctionType(original.__code__, {**original.__globals__, **functions}, name)
    again.__qualname__ = name
    recompiled: Any = native(again)
    return recompiled  # type: ignore[no-any-return]
