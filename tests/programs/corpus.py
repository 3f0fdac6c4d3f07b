"""The corpus: whole programs, one idea each, and how they are registered.

`@program(*args)` lists a function with arguments to check it at; `of=` names the argument that receives
the results of one that returns nothing. `@refused(*args, reason=, advice=)` lists a program that must be
refused, with the caret under the line that ends in the comment `# refused`.

The functions are ordinary NumPy code: `test_corpus.py` differentiates them and compares with central
finite differences in every real argument.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Example:
    """A program, and arguments for it (no kink of the program is near them)."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    of: str | None = None


@dataclass(frozen=True, slots=True)
class RefusedExample:
    """A program that must be refused, and parts of what the refusal says."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    reason: str
    advice: str
    of: str | None = None


PROGRAMS: list[Example] = []
REFUSED: list[RefusedExample] = []


def program(*args: Any, of: str | None = None) -> Callable[[F], F]:
    """Register a program, to be differentiated at `args`."""

    def register(function: F) -> F:
        PROGRAMS.append(Example(function, args, of))
        return function

    return register


def refused(*args: Any, reason: str, advice: str, of: str | None = None) -> Callable[[F], F]:
    """Register a program that must be refused at `args`."""

    def register(function: F) -> F:
        REFUSED.append(RefusedExample(function, args, reason, advice, of))
        return function

    return register
