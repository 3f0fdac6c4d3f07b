"""Which lists may be one list at run time, and which dicts one dict."""

from __future__ import annotations

import ast

from ad_compiler.ir import Operand, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.traversal import origins_of


class Lists:
    """Which lists may be one at run time: those that branches chose from, and what they were before."""

    def __init__(self) -> None:
        self.parents: dict[int, list[Operand]] = {}
        self.kept: list[object] = []  # an `id` is one only while its object lives
        self.chosen: dict[tuple[int, int, int], Operand] = {}
        self.changes: list[tuple[Operand, ast.AST]] = []

    def same(self, made: Operand, *others: Operand) -> None:
        """`made` may be any of the others."""
        self.kept += [made, *others]
        self.parents.setdefault(id(made), []).extend(others)

    def family(self, operand: Operand) -> set[int]:
        """The lists that this one may be."""
        found: set[int] = set()
        waiting = [operand]
        while waiting:
            current = waiting.pop()
            if id(current) in found:
                continue
            found.add(id(current))
            waiting += self.parents.get(id(current), [])
            if isinstance(current, Value):
                waiting += [each for each in origins_of(current) or () if is_list(each)]
        return found
