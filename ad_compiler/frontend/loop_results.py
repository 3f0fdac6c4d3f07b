"""What a loop leaves: its results, and the names and containers that hold them."""

from __future__ import annotations

import itertools

from ad_compiler.analysis.joins import Different
from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import INT
from ad_compiler.frontend.aliases import (
    note_choice,
    replace_storage,
    root_of,
    supersede,
)
from ad_compiler.frontend.carried import (
    as_result,
    kind_of,
    map_leaves,
    unrelated,
)
from ad_compiler.frontend.growing import array_of_number, grows, is_told, number_without_turns
from ad_compiler.frontend.list_checks import check_items, lists_in
from ad_compiler.frontend.lists import lifted
from ad_compiler.frontend.loop_state import (
    MISSING,
    UNKNOWN,
    LoopState,
    Place,
    leaf_name,
    taking_over,
)
from ad_compiler.frontend.merging import is_any_list
from ad_compiler.frontend.outcomes import END, Outcome, tags_of
from ad_compiler.frontend.scope import Undecided
from ad_compiler.ir import UNBOUND, Block, Loop, Operand, Operation, Shortcut, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.traversal import blocks_of, inputs_of, map_values, nodes_in, substitute, values_in

_ONE_KIND = "give it one kind of value before the loop, and keep it"


def finish(
    state: LoopState,
    loop: Loop,
    params: dict[Place, Operand],
    memory: dict[Value, Value],
) -> Outcome:
    """The loop with what it carries, and the names that hold its results."""
    context = state.context
    invariant: dict[Value, Operand] = {}
    carried_before: dict[Value, Operand] = {}
    lists_left: dict[int, Operand] = {}  # one list under two names stays one
    left: dict[Place, Operand] = {}
    shown: dict[Value, list[Value]] = {}  # the root that a turn ends with -> the results that show it
    numbers: list[Value] = []  # which are numbers where there was no turn

    def carry(param: Operand, initial: Operand, operand: Operand) -> Operand:
        assert isinstance(param, Value)
        if param in carried_before:
            return carried_before[param]
        if is_list(param):
            with context.builder.inside(loop.body):
                operand = lifted(context, state.node, operand, state.lists.get(place))
        if operand is param:
            invariant[param] = carried_before[param] = initial
            param.loop = loop
            return initial
        if grows(kind_of(initial), param.type):
            check_unwritten(state, param, loop)
            initial = array_of_number(context, state.node, initial, param)
        result = Value(as_result(param.type), param.name)
        result.immutable = param.immutable and not is_array(operand)
        loop.carry(param, initial, operand, result)
        carried_before[param] = result
        if is_array(operand):
            if param in context.numbers and not state.turns_for_sure():
                context.numbers.add(result)
            if is_told(context, loop, initial):
                numbers.append(result)
            shown.setdefault(root_of(operand), []).append(result)
            note_choice(
                context,
                result,
                (UNBOUND if state.turns_for_sure() else initial, *state.ends.get(place, ())),
            )
        return result

    check_lists(state)
    after_memory: dict[Value, Value] = {}
    for root, param in memory.items():
        end = state.after.latest(param)
        if end is param:
            invariant[param] = root
            param.loop = loop
            continue
        result = taking_over(root)
        loop.carry(param, root, end, result)
        after_memory[root] = result
        shown.setdefault(root_of(end), []).append(result)
    for place in state.in_order(set(params)):
        now = state.content(state.after, place)
        try:
            if now is MISSING:
                raise Different("it is deleted")
            if isinstance(now, Undecided):
                raise Different(now.reason)
            if place in state.different:
                raise Different(state.different[place])
            if place in state.vague:
                raise Different("it is one array or another, and they are written into")
            operand = map_leaves(carry, params[place], state.initial(place), now)
            left[place] = lists_left.setdefault(id(state.bound[place]), operand)
        except Different as error:
            left[place] = Undecided(f"`{place[1]}` changes from turn to turn: {error}")
            check_unread(state, loop, place, params[place], str(error))
    here = context.here
    now = state.after.names_of(here)
    for name in sorted(state.stored):
        if name in now and not state.is_bound(here, name):
            left[state.number(here), name] = bound_inside(state, loop, name, now[name], shown)
    outcome = leaving(state, loop, shown)
    context.builder.append(loop)
    for block in blocks_of(loop):
        context.homes.update(dict.fromkeys(block.operations, (loop, True)))
    told = {result: number_without_turns(context, state.node, loop, result) for result in numbers}
    for place, operand in left.items():
        state.bind(place, map_values(lambda value: told.get(value, value), operand))
    for root, result in after_memory.items():
        replace_storage(context, root, result)
    for root, undecided in state.lost.items():
        supersede(context, root, undecided)
    note_results(state, shown, after_memory)
    if invariant:
        replace(state, loop, invariant)
    check_items(context, state.node, loop)
    return outcome


def check_unwritten(state: LoopState, param: Value, loop: Loop) -> None:
    """Refuse to write into what is still a number in the first turn."""
    for node in nodes_in(loop.body):
        if isinstance(node, Operation) and node.arguments[:1] == (param,) and writes_into(node):
            place = node.place[1] if node.place is not None else state.node
            raise state.context.refuse(
                place,
                f"`{param.name}` is a number first, and then an array that is written into",
                f"write `{param.name} = {param.name} + ...`, or start with an array of zeros",
            )


def writes_into(node: Operation) -> bool:
    return node.primitive.name in ("index_set", "index_add")


def check_lists(state: LoopState) -> None:
    """Refuse a loop after whose turns two names may hold one list that did not before, or the reverse."""
    identities = state.context.lists
    changed = [old for old, _ in identities.changes[state.changes :]]
    places: list[tuple[str, Operand, Operand]] = []  # where lists are held: in a turn, and before
    for number, names in enumerate(state.before.names):
        for name, operand in names.items():
            inside = lists_in(state.bound.get((number, name)))
            places += [(name, next(inside, None), each) for each in lists_in(operand)]
    for name, param, before in places:
        if not any(param is old for old in changed):
            continue
        for other, second, each in places:
            if second is not param and identities.family(before) & identities.family(each):
                raise state.context.refuse(
                    state.node,
                    f"a list of `{name}` is changed in this loop, and `{other}` may hold the same list",
                    "use one name for a list, or copy it: `list(xs)`",
                )
    held = [
        (place[1], param, state.held(state.after, place))
        for place, param in state.bound.items()
        if is_any_list(param)
    ]
    for (name, param, now), (other, second, then) in itertools.combinations(held, 2):
        if (param is second) != (now is then) or (
            now is not then and identities.family(now) & identities.family(then)
        ):
            raise state.context.refuse(
                state.node,
                f"`{name}` and `{other}` may be one list or two after a turn of this loop",
                "use one name for a list, or copy it: `list(xs)`",
            )


def note_results(state: LoopState, shown: dict[Value, list[Value]], after_memory: dict[Value, Value]) -> None:
    """Note which results show one array, and which show one from outside of the loop."""
    choices = state.context.choices
    left = {state.first(root): result for root, result in after_memory.items()}
    for root, results in shown.items():
        first = state.first(root)
        same = [*results, left.get(first, first)]
        for result in results:
            others = [
                other for other in dict.fromkeys(same) if other is not result and other not in state.inside
            ]
            if others and result not in left.values():
                choices[result] = tuple(dict.fromkeys([*choices.get(result, ()), *others]))


def check_unread(state: LoopState, loop: Loop, place: Place, param: Operand, difference: str) -> None:
    """Refuse a loop that reads, at the start of a turn, what has no one kind."""
    wanted = set(values_in(param))
    read = {value for node in loop.body.operations for value in inputs_of(node)}
    if not wanted or wanted & read or wanted & set(values_in(loop.body.results)):
        reason = f"what `{place[1]}` is must be {UNKNOWN}, and it changes from turn to turn: {difference}"
        raise state.context.refuse(state.node, reason, _ONE_KIND)


def bound_inside(
    state: LoopState, loop: Loop, name: str, operand: Operand, shown: dict[Value, list[Value]]
) -> Operand:
    """What a name is after the loop that only the loop binds."""

    def carry(leaf: Operand) -> Operand:
        kind = kind_of(leaf)
        result = Value(as_result(kind), leaf_name(leaf) or name)
        result.immutable = not is_array(leaf)
        loop.carry(Value(unrelated(kind), name), UNBOUND, leaf, result)
        if is_array(leaf):
            shown.setdefault(root_of(leaf), []).append(result)
        return result

    if isinstance(operand, Undecided):
        return operand
    try:
        return map_leaves(carry, operand)
    except Different:
        return Undecided(f"`{name}` is bound in a loop")


def leaving(state: LoopState, loop: Loop, shown: dict[Value, list[Value]]) -> Outcome:
    """How the loop ends: by itself, or as its last turn says."""
    inside = state.outcome
    tags = tags_of(inside.tag)
    if tags == {END}:
        return Outcome(END)
    loop.leave = inside.tag
    endless = state.endless(loop)
    left = tags - {END} if endless else tags | {END}
    tag: Operand
    if len(left) == 1:
        (tag,) = left
    else:
        tag = Value(INT, "leaving")
        loop.carry(Value(INT, "leaving"), min(left), inside.tag, tag)

    def carry(leaf: Value) -> Value:
        name = leaf.name or "result"
        result = Value(as_result(leaf.type), name)
        result.immutable = not is_array(leaf)
        loop.carry(Value(unrelated(leaf.type), name), UNBOUND, leaf, result)
        if is_array(leaf):
            shown.setdefault(root_of(leaf), []).append(result)
        return result

    return Outcome(tag, map_values(carry, inside.result))


def replace(state: LoopState, loop: Loop, invariant: dict[Value, Operand]) -> None:
    """What no turn changes is what it was before the loop."""
    wrapper = Block([loop])
    substitute(wrapper, invariant)
    for result, shortcut in list(state.context.shortcuts.items()):
        if any(value in invariant for value in values_in((shortcut.inputs, shortcut.given))):
            inputs = map_values(lambda v: invariant.get(v, v), shortcut.inputs)
            given = map_values(lambda v: invariant.get(v, v), shortcut.given)
            state.context.shortcuts[result] = Shortcut(
                result, inputs, shortcut.partials, given, shortcut.singular
            )
