"""How functions of this package are told what to do: the options that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from ad_compiler.pipeline import Backend

Argnums = int | str | Sequence[int | str]
Of = str | Sequence[str] | None


class NativeOptions(TypedDict, total=False):
    """Options of `backend="numba"`."""

    fastmath: bool  # sums may run in another order
    parallel: bool  # loops that are large enough are done by several threads
    cache: bool  # compiled code is kept for later processes


def backend_of(name: str, options: NativeOptions) -> Backend:
    """The backend of this name; `ValueError` where there is none, `TypeError` where it has no such option."""
    from ad_compiler.pipeline import NUMPY, Backend

    if name not in ("numpy", "numba"):
        raise ValueError(f"there is no backend {name!r}; there are 'numpy' and 'numba'")
    known = NativeOptions.__annotations__ if name == "numba" else {}
    for option in options:
        if option not in known:
            raise TypeError(f"the backend {name!r} has no option {option!r}")
    if name == "numpy":
        return NUMPY
    from ad_compiler.backends.native.loading import require_numba

    require_numba()
    return Backend("numba", **options)
