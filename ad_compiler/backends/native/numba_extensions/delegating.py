"""A context of Numba's with some answers of our own."""

from __future__ import annotations

from typing import Any


class Delegate:
    """Has all that another object has, but for what its class says."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def __getattr__(self, name: str) -> Any:
        return getattr(self.given, name)
