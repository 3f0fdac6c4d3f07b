"""How large cotangents may be that are multiplied with products of derivatives: as large as loses nothing.

    watch_underflow(states)
    ...                                         products of derivatives, stored in `states`
    limit = 1e5 if saw_underflow(states) else np.inf
    for ...:
        if not abs(x_bar) < limit:
            raise Departure
        x_bar = (product of derivatives) * x_bar

NumPy code multiplies `x_bar` with one derivative after the other. Where no product of derivatives has been
too small for its type, all of this differs by rounding only. Where one has, the error of 5e-324 is multiplied
by `x_bar`, and by what follows; NumPy code has there `x_bar` times that product. If that is a normal number,
of 2e-308 at least, an error of 1e5 * 5e-324 is one of 3e-11 in relation to it.
"""

from __future__ import annotations

from collections.abc import Iterable

from ad_compiler.backends.native.nests import Choice, Define, Line, Scalar

LARGE = "1e5"


def watch(array: str) -> Line:
    """Watch from here on what is computed and stored in this array."""
    return Line(f"watch_underflow({array})", frozenset({array}))


def define_limit(limit: str, array: str) -> Define:
    """How large cotangents may be."""
    return Define(limit, Scalar(f"{LARGE} if saw_underflow({array}) else np.inf", 1))


def demand_below(limit: str, cotangents: Iterable[str]) -> Choice:
    """Leave the case to NumPy code where cotangents are larger, or no numbers."""
    sizes = " + ".join(f"abs({name})" for name in cotangents)
    return Choice(Scalar(f"not {sizes} < {limit}"), [Line("raise Departure")])
