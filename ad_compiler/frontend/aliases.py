"""Names that share memory: what a write into an array changes.

There are no references in the graph: values are immutable, and two operands share memory if and only if
they are views of one *root*, the value whose memory it is. A write through a view makes a new root, and
every name and every element of a container that holds the old root, or a view of it, is bound anew: to
the new root, or to the same view of that.

    a = np.sin(x)           a = sin(x)
    row = a[1]              row = getitem(a, (1,))
    row[0] = e       ->     a' = index_set(a, (1, 0), e);  row' = getitem(a', (1,))

What the compiler holds without a name (an operand whose neighbour is still being evaluated) is looked up
when it is used (`current`). Where a branch chooses which array a name means, a write through the name may
change one array or the other: then what the others hold is not known any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MethodType

from ad_compiler.analysis.layout import Sharing, deciding_inputs, is_array, is_identity, sharing
from ad_compiler.analysis.storage import is_item
from ad_compiler.analysis.types import ListType
from ad_compiler.builder import Builder
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.scope import LocalFunction, Scope, Undecided, containers_in, names_of_fields
from ad_compiler.ir import Block, Iteration, Operand, Operation, Record, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.markers import HOOK
from ad_compiler.rules.notation import registry
from ad_compiler.rules.structure import shape_values
from ad_compiler.traversal import map_values, origins_of, values_in

COPY_ADVICE = "write into a copy: `.copy()`"


def root_of(value: Value) -> Value:
    """The value whose memory this one shows, through views only: not through branches and loops."""
    while (operation := viewing(value)) is not None:
        value = operation.arguments[0]
    return value


def viewing(value: Value) -> Operation | None:
    """The operation that makes a value as a view, or perhaps as one."""
    operation = value.operation
    if not isinstance(operation, Operation) or sharing(operation) is Sharing.COPY:
        return None
    return operation


def settled(context: Context, operation: Operation) -> Sharing:
    """Whether an operation gives a view or a copy; arguments are checked to be contiguous to decide it."""
    found = sharing(operation)
    if found is not Sharing.UNKNOWN:
        return found
    inputs = deciding_inputs(operation)
    if inputs is None:
        raise Refusal(*undecided_view(operation))
    checks = Builder(context.checks)
    for value in sorted(inputs, key=lambda each: each.access or ""):
        value.contiguous = True
        contiguous = checks.call(registry["is_contiguous"], (value,))
        message = (
            f"{value.access} must be C-contiguous: whether a part of it is a view depends on it "
            "(pass np.ascontiguousarray of it)"
        )
        checks.call(registry["require"], (checks.call(registry["not"], (contiguous,)), message))
    found = sharing(operation)
    if found is Sharing.UNKNOWN:
        raise Refusal(*undecided_view(operation))
    return found


def undecided_view(operation: Operation) -> tuple[str, str]:
    return (
        f"whether `{operation.primitive.name}` gives a view or a copy here is not known while compiling",
        "write with an index of the array itself, or make a copy first: `.copy()`",
    )


def rederived(context: Context, value: Value, old_root: Value, new_root: Value) -> Operand:
    """The same view of another root; the value itself where it turns out to be a copy."""
    if value is old_root:
        return new_root
    operation = value.operation
    assert isinstance(operation, Operation)
    base = operation.arguments[0]
    moved = rederived(context, base, old_root, new_root)
    if moved is base or settled(context, operation) is Sharing.COPY:
        return value
    result = moved if is_identity(operation) else seen_as(context, operation, moved)
    if result.name is None:
        result.name = value.name
    if result is not value:
        context.older.setdefault(result, value)
    return result


def seen_as(context: Context, operation: Operation, base: Value) -> Value:
    """The result of the same operation on another array."""
    builder = context.builder
    if operation.primitive.name == HOOK:
        reason = (
            "an array is written into whose cotangent has a hook: which of them the hook is for is not plain"
        )
        raise Refusal(reason, "put the hook behind the last write, or write into a copy: `.copy()`")
    before, builder.place = builder.place, operation.place
    result = builder.call(operation.primitive, (base, *operation.arguments[1:]), operation.method)
    builder.place = before
    assert isinstance(result, Value)
    return result


def current(context: Context, operand: Operand) -> Operand:
    """An operand as it is now, where it may have been evaluated before a write."""
    if not context.newer or not any(is_stale(context, value) for value in values_in(operand)):
        return operand
    return map_values(lambda value: current_value(context, value), operand)


def is_stale(context: Context, value: Value) -> bool:
    root = root_of(value)
    return root in context.newer or any(held in context.newer for held in arrays_behind(root))


def arrays_behind(value: Value) -> set[Value]:
    """The arrays that a list of run-time length holds, or that an item of one may be."""
    found: set[Value] = set()
    seen: set[Value] = set()
    waiting = [value] if isinstance(value.type, ListType) or is_item(value) else []
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        if isinstance(each.type, ListType) or is_item(each):
            node = each.operation
            behind = node.arguments if isinstance(node, Operation) else origins_of(each) or ()
            waiting += values_in(behind)
        elif is_array(each):
            found.add(root_of(each))
    return found


def written_behind(root: Value) -> str:
    """Why it is not known what is shown by a list, or an item of one, or what another library gave."""
    made = root.operation
    if isinstance(made, Operation) and made.primitive.module is not None:
        return f"an array was written into that what `{made.primitive.text}` gave may be a part of"
    return "an array in a list of run-time length was written into"


def current_value(context: Context, value: Value) -> Operand:
    root = root_of(value)
    newer = context.newer.get(root)
    if newer is None and is_stale(context, value):
        raise Refusal(written_behind(root), COPY_ADVICE)
    if newer is None:
        return value
    if isinstance(newer, Undecided):
        raise Refusal(newer.reason, newer.advice)
    latest = current_value(context, newer)
    assert isinstance(latest, Value)
    return rederived(context, value, root, latest)


def object_of(context: Context, value: Value) -> Value:
    """The value that a name was bound to before all writes: equal for what is the same object."""
    while value in context.older:
        value = context.older[value]
    return value


def reference_of(context: Context, value: Value) -> Value:
    """The same, and equal for what shows all of an array as it is: `a.ravel()` of a vector."""
    while True:
        value = object_of(context, value)
        seen = viewing(value)
        if seen is None or not is_identity(seen):
            return value
        value = seen.arguments[0]


def replace_storage(context: Context, old_root: Value, new_root: Value) -> None:
    """Bind every name and every element that shows `old_root` to the same view of `new_root`."""
    context.older.setdefault(new_root, old_root)
    if new_root.memory_of is None and root_of(new_root) is new_root:
        new_root.memory_of = old_root
    supersede(context, old_root, new_root)


def supersede(context: Context, root: Value, newer: Value | Undecided) -> None:
    """What shows `root` is a view of `newer` from now on."""
    context.newer[root] = newer

    def rebound(value: Value) -> Operand:
        if root in arrays_behind(root_of(value)):
            return Undecided(written_behind(root_of(value)), advice=COPY_ADVICE)
        if root_of(value) is not root:
            return value
        if isinstance(newer, Undecided):
            return newer
        try:
            return rederived(context, value, root, newer)
        except Refusal as refusal:
            return Undecided(refusal.reason, advice=refusal.advice)

    for older, value in list(context.newer.items()):
        if older is not root and isinstance(value, Value) and root_of(value) is root and value is not root:
            context.newer[older] = rebound(value)  # it had become a view of what is written into now
    replaced = Replacement(rebound)
    for scope in reachable_scopes(context):
        for name, operand in scope.names.items():
            scope.names[name] = replaced(operand)


class Replacement:
    """Replaces values in operands; lists, dicts and records are changed where they are."""

    def __init__(self, function: Callable[[Value], Operand]) -> None:
        self.function = function
        self.seen: dict[int, Operand] = {}

    def __call__(self, operand: Operand) -> Operand:
        if isinstance(operand, Value):
            return self.function(operand)
        if isinstance(operand, tuple) and type(operand) is tuple:
            items = tuple(map(self, operand))
            return operand if all(a is b for a, b in zip(items, operand, strict=True)) else items
        if id(operand) in self.seen:
            return operand
        if isinstance(operand, list):
            self.seen[id(operand)] = operand
            changed = [self(item) for item in operand]
            if any(a is not b for a, b in zip(changed, operand, strict=True)):
                operand[:] = changed
        elif isinstance(operand, (dict, Record)):
            self.seen[id(operand)] = operand
            fields = operand if isinstance(operand, dict) else operand.fields
            for key, item in fields.items():
                if (moved := self(item)) is not item:
                    fields[key] = moved
        elif isinstance(operand, Iteration):
            self.seen[id(operand)] = operand
            for name in names_of_fields(operand):
                item = getattr(operand, name)
                if (moved := self(item)) is not item:
                    setattr(operand, name, moved)
        elif isinstance(operand, LocalFunction):
            self.seen[id(operand)] = operand
            self(operand.defaults)
            self(operand.keyword_defaults)
        elif isinstance(operand, MethodType):
            self(operand.__self__)
        return operand


def active_scopes(context: Context) -> list[Scope]:
    """The scopes of the function that runs, of the functions around it, and of its callers."""
    scopes: list[Scope] = []
    for start in [context.here, *context.callers]:
        scope: Scope | None = start
        while scope is not None:
            if scope not in scopes:
                scopes.append(scope)
            scope = scope.enclosing
    return scopes


def reachable_scopes(context: Context) -> list[Scope]:
    """The active scopes, and those that local functions held by names see."""
    scopes = active_scopes(context)
    for scope in scopes:  # grows while it is walked
        for inner in list(containers_in(list(scope.names.values()))):
            if isinstance(inner, LocalFunction):
                seen: Scope | None = inner.scope
                while seen is not None and seen not in scopes:
                    scopes.append(seen)
                    seen = seen.enclosing
    return scopes


def made_in(block: Block) -> Iterator[Value]:
    """The values that are made in a block, those of inner blocks included."""
    from ad_compiler.ir import Loop
    from ad_compiler.traversal import nodes_in, results_of

    for node in nodes_in(block):
        yield from results_of(node)
        if isinstance(node, Loop):
            yield from node.carried
            if node.index is not None:
                yield node.index


def note_choice(context: Context, chosen: Value, sides: tuple[Operand, ...]) -> None:
    """A branch or a loop has chosen which array `chosen` is."""
    roots: dict[Value, None] = {}
    for side in sides:
        if is_array(side):
            root = root_of(side)
            roots.update(dict.fromkeys([root, *context.choices.get(root, ())]))
    if roots:
        context.choices[chosen] = tuple(roots)


def shape_like(context: Context, value: Value) -> tuple[Operand, ...]:
    return shape_values(context.builder, value)
