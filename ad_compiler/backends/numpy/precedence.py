"""How tightly expressions bind.

>>> Precedence.ADD < Precedence.MULTIPLY
True
"""

from __future__ import annotations

from enum import IntEnum


class Precedence(IntEnum):
    """How tightly an expression binds (The Python Language Reference, section 6.17)."""

    TERNARY = 1
    OR = 2
    AND = 3
    NOT = 4
    COMPARE = 5
    BIT_OR = 6
    BIT_XOR = 7
    BIT_AND = 8
    SHIFT = 9
    ADD = 10
    MULTIPLY = 11
    UNARY = 12
    POWER = 13
    ATOM = 15


Text = tuple[str, Precedence]


def quoted(text: object) -> str:
    """A literal in double quotes where it is a plain string."""
    written = repr(text)
    if isinstance(text, str) and written[0] == "'" and '"' not in written:
        return f'"{written[1:-1]}"'
    return written
