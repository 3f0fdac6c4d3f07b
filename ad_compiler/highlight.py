"""Colours for generated code on a terminal."""

from __future__ import annotations

import io
import keyword
import os
import tokenize
from typing import TextIO

KEYWORD, STRING, NUMBER, COMMENT, DEFINITION = "35", "32", "36", "90", "1;34"  # ANSI colours


def wants_colours(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that shows colours, and NO_COLOR does not say no."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def highlighted(text: str) -> str:
    """Python source with ANSI colours.

    >>> highlighted("return 1")
    '\\x1b[35mreturn\\x1b[0m \\x1b[36m1\\x1b[0m'
    """
    lines = [[line] for line in text.splitlines(keepends=True)]
    before = ""
    spans: list[tuple[int, int, int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        colour = _colour(token, before)
        before = token.string
        if colour is None:
            continue
        (first, start), (last, end) = token.start, token.end
        for row in range(first, last + 1):
            width = len(lines[row - 1][0].rstrip("\n"))
            spans.append((row, start if row == first else 0, end if row == last else width, colour))
    for row, start, end, colour in reversed(spans):  # from the right, so that columns stay valid
        line = lines[row - 1]
        line[0] = f"{line[0][:start]}\x1b[{colour}m{line[0][start:end]}\x1b[0m{line[0][end:]}"
    return "".join(line[0] for line in lines)


def _colour(token: tokenize.TokenInfo, before: str) -> str | None:
    kind = tokenize.tok_name[token.type]
    if kind == "STRING" or kind.startswith("FSTRING"):
        return STRING
    if kind == "NAME":
        if before == "def":
            return DEFINITION
        return KEYWORD if keyword.iskeyword(token.string) else None
    return {"NUMBER": NUMBER, "COMMENT": COMMENT}.get(kind)
