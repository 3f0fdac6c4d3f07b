"""The derivative of a function at one point, as a linear function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ad_compiler.pipeline import NUMPY, Backend


class Linearized:
    """The derivative of a function at one point: a linear function of tangents."""

    def __init__(self, fun: Callable[..., Any], primals: tuple[Any, ...], backend: Backend = NUMPY) -> None:
        from ad_compiler.pushforward import Pushforward

        self.pushforward = Pushforward(fun, backend=backend)
        self.primals = primals

    def value(self) -> Any:
        """The value of the function."""
        zeros = tuple([zero_tangent(primal) for primal in self.primals])
        return self.pushforward(self.primals, zeros)[0]

    def __call__(self, *tangents: Any) -> Any:
        """The derivative along these tangents, one for each of the primals (None: it does not move)."""
        return self.pushforward(self.primals, tangents)[1]

    @property
    def source(self) -> str:
        """The generated code."""
        return self.pushforward.source


def zero_tangent(primal: Any) -> Any:
    """A tangent of zeros; None for what holds no real numbers."""
    from ad_compiler.making import has_reals
    from ad_compiler.pushforward import checked_tangent

    return checked_tangent(None, primal, "") if has_reals(primal) else None
