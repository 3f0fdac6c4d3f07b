"""What all names and containers hold at one moment: what branches and loops compare and put back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ad_compiler.frontend.aliases import current_value, made_in, reachable_scopes, root_of
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.scope import Scope, Undecided, containers_in, names_of_fields
from ad_compiler.ir import Branch, Iteration, Operand, Record, Value
from ad_compiler.refusal import Refusal

Contents = list[Operand] | dict[Any, Operand]


def contents_of(container: Any) -> Contents | None:
    """The items of a container that can change, copied."""
    if isinstance(container, list):
        return list(container)
    if isinstance(container, (dict, Record)):
        return dict(container if isinstance(container, dict) else container.fields)
    if isinstance(container, Iteration):
        return {name: getattr(container, name) for name in names_of_fields(container)}
    return None


class Snapshot:
    """What all names and containers hold at one moment, and which arrays have been written into."""

    def __init__(self, context: Context, also: Iterable[Any] = ()) -> None:
        self.context = context
        self.scopes = reachable_scopes(context)
        self.names = [dict(scope.names) for scope in self.scopes]
        self.containers: dict[int, tuple[Any, Contents]] = {}
        for names in [*self.names, {"": [each for each in also if not isinstance(each, Scope)]}]:
            for container in containers_in(list(names.values())):
                contents = contents_of(container)
                if contents is not None and id(container) not in context.outside:
                    self.containers[id(container)] = (container, contents)
        self.newer = dict(context.newer)
        self.choices = dict(context.choices)

    def restore(self) -> None:
        for scope, names in zip(self.scopes, self.names, strict=True):
            scope.names.clear()
            scope.names.update(names)
        for container, contents in self.containers.values():
            fill(container, contents)
        self.context.newer = dict(self.newer)
        self.context.choices = dict(self.choices)

    def names_of(self, scope: Scope) -> dict[str, Operand]:
        return self.names[self.scopes.index(scope)] if scope in self.scopes else {}

    def contents(self, container: Any) -> Contents | None:
        """What a container held then: of one that was not there yet, what it holds."""
        known = self.containers.get(id(container))
        return contents_of(container) if known is None else known[1]

    def latest(self, root: Value) -> Operand:
        """What a root had become then."""
        found: Operand = root
        while isinstance(found, Value) and found in self.newer:
            found = self.newer[found]
        return found


def fill(container: Any, contents: Contents) -> None:
    """Make a container hold these items."""
    if isinstance(container, list):
        container[:] = contents
        return
    if isinstance(container, Iteration):
        for name, item in dict(contents).items():
            setattr(container, name, item)
        return
    fields = container if isinstance(container, dict) else container.fields
    fields.clear()
    fields.update(contents)


def merge_memory(
    context: Context, branch: Branch, before: Snapshot, then: Snapshot, otherwise: Snapshot
) -> None:
    """After a branch: one value for every array that either side has written into."""
    inside = {value for block in (branch.then, branch.otherwise) for value in made_in(block)}
    merged = dict(before.newer)
    context.choices = {**before.choices, **then.choices, **context.choices}
    pairs: list[tuple[Value, Value, Value]] = []
    for root in dict.fromkeys([*then.newer, *otherwise.newer]):
        if root in inside:
            context.left[root] = then.newer.get(root, otherwise.newer.get(root))
        if root in before.newer or root in inside:
            continue
        left, right = then.latest(root), otherwise.latest(root)
        undecided = next((side for side in (left, right) if isinstance(side, Undecided)), None)
        if undecided is not None:
            merged[root] = undecided
            continue
        if left is right:
            merged[root] = left
            continue
        result = Value(root.type, root.name)
        result.operation = branch
        result.memory_of = root
        branch.results.append(result)
        branch.then.results.append(left)
        branch.otherwise.results.append(right)
        merged[root] = result
        context.older[result] = root
        pairs += [(side, root, result) for side in (left, right) if side is not root]
    for side, _, result in pairs:
        if root_of(side) is side:
            merged.setdefault(side, result)
    context.newer = merged
    for root, newer in list(merged.items()):
        if isinstance(newer, Value) and newer not in merged and root_of(newer) in merged:
            try:
                merged[root] = current_value(context, newer)  # it was a view of what a side has written into
            except Refusal as refusal:
                merged[root] = Undecided(refusal.reason, advice=refusal.advice)
