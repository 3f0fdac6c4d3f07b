"""Whole numbers of 64 bits, one or a tuple of them: subscripts and lengths."""
# mypy: allow-untyped-calls, disable-error-code="misc,attr-defined"
# Numba has no types.

from __future__ import annotations

from typing import Any

from numba.core import types

from ad_compiler.backends.native.numba_extensions.peeling import part


def is_word(kind: Any) -> bool:
    """Whether this is the type of a signed whole number of 64 bits."""
    kind = types.unliteral(kind)
    return isinstance(kind, types.Integer) and kind.signed and kind.bitwidth == 64


def count_of_words(kind: Any) -> int:
    """How many such numbers a type has; 0 where it has others."""
    kinds = kind.types if isinstance(kind, types.BaseTuple) else (kind,)
    return len(kinds) if all(map(is_word, kinds)) else 0


def words(builder: Any, kind: Any, value: Any) -> list[Any]:
    """The numbers in a value of such a type."""
    if not isinstance(kind, types.BaseTuple):
        return [value]
    return [part(builder, value, place) for place in range(len(kind.types))]
