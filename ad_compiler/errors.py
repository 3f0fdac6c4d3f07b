"""The error a user meets: what cannot be differentiated, where, why, and what to write instead."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["Unsupported"]


class Unsupported(SyntaxError):
    """A program that the compiler refuses to differentiate.

    It is a `SyntaxError`, so tracebacks, notebooks and editors show the line with a caret.
    `reason` says what was met and why it is refused, `advice` (an imperative) what to do instead.
    `lineno`, `offset` and `end_offset` count from 1, the last two in characters.
    """

    reason: str
    advice: str

    def __init__(
        self,
        reason: str,
        advice: str,
        filename: str | None = None,
        lineno: int | None = None,
        offset: int | None = None,
        text: str | None = None,
        end_lineno: int | None = None,
        end_offset: int | None = None,
    ) -> None:
        # Tracebacks print `msg` below the caret: reason and advice read best on a line each there.
        message = f"{reason}\n    Instead: {advice}"
        place = (filename, lineno, offset, text, end_lineno, end_offset)
        super().__init__(message, place)
        self.reason = reason
        self.advice = advice

    def __str__(self) -> str:
        """One line for logs and the command line: reason, advice and place."""
        message = f"{self.reason}; instead: {self.advice}"
        if self.filename is None:
            return message
        return f"{message} ({os.path.basename(self.filename)}, line {self.lineno})"

    def __reduce__(self) -> tuple[Any, ...]:
        # BaseException would rebuild from `args`, which hold the message and not its two parts.
        place = (self.filename, self.lineno, self.offset, self.text)
        end = (self.end_lineno, self.end_offset)
        return type(self), (self.reason, self.advice, *place, *end), self.__dict__
