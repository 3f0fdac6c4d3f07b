"""Text to syntax tree, in one thread at a time.

CPython counts the depth of this conversion in a place that its threads share: before 3.11.8 and 3.12.2, two
that parse at once may get a `SystemError` (python/cpython issue 106905).
"""

from __future__ import annotations

import ast
import threading

from ad_compiler.forking import in_forked_process

_one_at_a_time = threading.Lock()
in_forked_process(lambda: globals().update(_one_at_a_time=threading.Lock()))


def parse_module(text: str, filename: str = "<unknown>") -> ast.Module:
    """The tree of a module; raises `SyntaxError`."""
    with _one_at_a_time:
        return ast.parse(text, filename)


def parse_expression(text: str) -> ast.Expression:
    """The tree of an expression; raises `SyntaxError`."""
    with _one_at_a_time:
        return ast.parse(text, mode="eval")
