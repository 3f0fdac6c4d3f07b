"""Expressions that loop, rewritten as the statements they stand for.

    total = sum(f(x) for x in xs if x > 0)    ->    total = 0
                                                    for x in xs:
                                                        if x > 0:
                                                            total = total + f(x)

The statements are lowered in a scope of their own, in which the names of the comprehension live too.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable

from ad_compiler.frontend.context import Context, lower
from ad_compiler.frontend.iteration import Generated, inside, spend
from ad_compiler.frontend.scope import Scope
from ad_compiler.ir import Operand
from ad_compiler.parsing import parse_module


class Rewriting:
    """The loop over one iteration: a generator expression, or anything a `for` can run over."""

    def __init__(self, context: Context, node: ast.AST, iteration: Operand) -> None:
        self.context = context
        self.node = node
        here = context.here
        if isinstance(iteration, Generated):
            spend(context, node, iteration)
            self.node = iteration.node
            here = iteration.scope.enclosing or here
        self.scope = Scope(here.source, here.function, {}, here, comprehension=True)
        self.taken = {inner.id for inner in ast.walk(self.node) if isinstance(inner, ast.Name)}
        self.clauses: list[ast.comprehension] = []
        first = iteration.first if isinstance(iteration, Generated) else iteration
        container = self.load(self.bind("container", first))
        if isinstance(iteration, Generated):
            self.clauses = copy.deepcopy(iteration.node.generators)
            self.clauses[0].iter = container
            self.element = iteration.element
        else:
            item = self.name("item")
            target = self.placed(ast.Name(item, ast.Store()))
            self.clauses = [ast.comprehension(target, container, [], 0)]
            self.element = self.load(item)

    def name(self, wanted: str) -> str:
        """A name that the comprehension does not use."""
        name, number = wanted, 0
        while name in self.taken:
            number += 1
            name = f"{wanted}_{number}"
        self.taken.add(name)
        return name

    def bind(self, wanted: str, operand: Operand) -> str:
        """A name for an operand."""
        name = self.name(wanted)
        self.scope.names[name] = operand
        return name

    def placed(self, node: ast.expr) -> ast.expr:
        return ast.fix_missing_locations(ast.copy_location(node, self.node))

    def load(self, name: str) -> ast.expr:
        return self.placed(ast.Name(name, ast.Load()))

    def statement(self, text: str, item: ast.expr | None = None) -> ast.stmt:
        """A statement from text, in which `_` stands for the item."""
        (node,) = parse_module(text).body
        if item is not None:
            node = _Filling(item).visit(node)
        for inner in ast.walk(node):
            if inner is item:
                continue
            ast.copy_location(inner, self.node)
        return ast.fix_missing_locations(node)

    def run(self, result: str, before: str, body: Callable[[ast.expr], list[ast.stmt]]) -> Operand:
        """What `result` is after the loop."""
        from ad_compiler.frontend.statements import run

        statements = body(self.element)
        for clause in reversed(self.clauses):
            for test in reversed(clause.ifs):
                statements = [ast.copy_location(ast.If(test, statements, []), self.node)]
            loop = ast.For(clause.target, clause.iter, statements, [], None)
            statements = [ast.copy_location(loop, self.node)]
        with inside(self.context, self.scope):
            run(self.context, [self.statement(before), *statements])
            return lower(self.context, self.load(result))


class _Filling(ast.NodeTransformer):
    """Puts an expression where `_` stands."""

    def __init__(self, item: ast.expr) -> None:
        self.item = item

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.item if node.id == "_" else node
