"""The texts of generated functions, where tracebacks, pdb and the compiler itself find them again.

`linecache` is where Python looks, but anybody may clear it; what is kept here stays.
"""

from __future__ import annotations

import linecache

_texts: dict[str, list[str]] = {}


def keep_text(filename: str, text: str) -> None:
    """Make the text of a generated file known under its name (`<ad_compiler f_grad 1>`)."""
    lines = text.splitlines(keepends=True)
    _texts[filename] = lines
    linecache.cache[filename] = (len(text), None, lines, filename)


def kept_lines(filename: str) -> list[str]:
    """The lines of a generated file, or []."""
    return _texts.get(filename, [])
