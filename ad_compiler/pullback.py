"""The pullback a user holds: it checks the cotangent before the generated code sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class Pullback:
    """Maps a cotangent of the result to cotangents of the arguments."""

    def __init__(
        self,
        function: Callable[[Any], tuple[Any, ...]],
        result: Any,
        names: Sequence[str],
        every: Sequence[str] | None,
    ) -> None:
        self.function = function
        self._result = result
        self._names = tuple(names)
        self._every = None if every is None else tuple(every)

    def __call__(self, cotangent: Any) -> tuple[Any, ...]:
        """The cotangents of the arguments; `TypeError` or `ValueError` where `cotangent` does not fit."""
        gradients = self.function(checked(cotangent, self._result, "the cotangent"))
        if self._every is None:
            return gradients
        by_name = dict(zip(self._names, gradients, strict=True))
        return tuple(by_name.get(name) for name in self._every)


def checked(cotangent: Any, result: Any, what: str) -> Any:
    """The cotangent in the structure, shape and dtype of the result."""
    if isinstance(result, (tuple, list)):
        if not isinstance(cotangent, (tuple, list)) or len(cotangent) != len(result):
            raise TypeError(f"{what} must be a {type(result).__name__} of {len(result)}, as the result is")
        items = [
            checked(c, r, f"{what}[{i}]") for i, (c, r) in enumerate(zip(cotangent, result, strict=True))
        ]
        if hasattr(result, "_fields"):
            return type(result)(*items)
        return items if isinstance(result, list) else tuple(items)
    if isinstance(result, dict):
        if not isinstance(cotangent, dict) or set(cotangent) != set(result):
            raise TypeError(f"{what} must be a dict with the keys {list(result)}, as the result is")
        return {key: checked(cotangent[key], item, f"{what}[{key!r}]") for key, item in result.items()}
    if isinstance(result, np.ndarray):
        array = np.asarray(cotangent)
        if array.shape != result.shape:
            raise ValueError(f"{what} has shape {array.shape}, the result has {result.shape}")
        checked_dtype(array, result.dtype, what)
        return array if array.dtype == result.dtype else array.astype(result.dtype)
    if isinstance(result, (float, complex, np.inexact)):
        if np.ndim(cotangent):
            raise ValueError(f"{what} has shape {np.shape(cotangent)}, the result is a number")
        checked_dtype(np.asarray(cotangent), np.asarray(result).dtype, what)
        return type(result)(cotangent)
    return cotangent


def checked_dtype(array: np.ndarray[Any, Any], dtype: np.dtype[Any], what: str) -> None:
    """Numbers are needed, and real ones where the result is real."""
    if array.dtype.kind not in ("iufc" if dtype.kind == "c" else "iuf"):
        raise TypeError(f"{what} has the dtype {array.dtype}, and {dtype} is needed")
