"""A refusal that does not know its place yet: the front end adds file, line and caret."""

from __future__ import annotations

from collections.abc import Hashable

from ad_compiler.errors import Unsupported


class Refusal(Exception):
    """Raised where a rule or a type says no; becomes `Unsupported` at the expression being lowered."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason, advice)
        self.reason = reason
        self.advice = advice


class NeedsConstant(Exception):
    """An argument is used where its value must be known while compiling (an axis, a window).

    The pipeline starts again with that argument's value as part of the signature.
    """

    def __init__(self, access: str) -> None:
        super().__init__(access)
        self.access = access


class RecursionFound(Exception):
    """A function cannot be inlined, for it calls itself without an end: lowering starts again."""

    def __init__(self, function: Hashable) -> None:
        super().__init__(function)
        self.function = function


class StretchingFound(Exception):
    """Numbers that the turns of loops make arrays are told from arrays: lowering starts again.

    In a turn of the loops `inside`, or only `behind` those that had no turn.
    """

    def __init__(self, inside: frozenset[Hashable], behind: frozenset[Hashable]) -> None:
        super().__init__(inside, behind)
        self.inside, self.behind = inside, behind


class ResultUnknown(Exception):
    """What a recursive call returns is asked for before its kind is known.

    Where no other way through the function tells it, `refusal` is what to say.
    """

    def __init__(self, refusal: Unsupported) -> None:
        super().__init__(refusal)
        self.refusal = refusal
