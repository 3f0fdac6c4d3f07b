"""What a turn of a loop has changed, against what was expected: places, arrays, kinds.

Each function compares names and containers after a turn with those when it started, and notes in the
`LoopState` what the next try to lower the body must carry.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ad_compiler.analysis.joins import Different, same_element
from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import Type
from ad_compiler.builder import key_of
from ad_compiler.frontend.aliases import (
    made_in,
    reference_of,
    root_of,
)
from ad_compiler.frontend.carried import (
    joined,
    kind_of,
    map_leaves,
    same_kind,
)
from ad_compiler.frontend.growing import grown, grows
from ad_compiler.frontend.lists import joined_list
from ad_compiler.frontend.loop_state import MISSING, UNKNOWN, LoopState, Place
from ad_compiler.frontend.merging import is_any_list, items_of
from ad_compiler.frontend.scope import Scope, Undecided
from ad_compiler.ir import Iteration, Loop, Operand, Record, Value
from ad_compiler.refusal import Refusal
from ad_compiler.traversal import values_in


def changed(state: LoopState, carried: set[Place]) -> set[Place]:
    """Places that the body did bind anew, against expectation: through another name, or in a caller."""
    found: set[Place] = set()
    for number, holder in enumerate(state.holders):
        if isinstance(holder, Scope):
            before, start, after = (s.names_of(holder) for s in (state.before, state.start, state.after))
        else:
            before, start, after = (
                items_of(holder, s.contents(holder)) for s in (state.before, state.start, state.after)
            )
        if not isinstance(holder, Scope) and list(before) != list(after):
            kind = holder.cls.__name__ if isinstance(holder, Record) else type(holder).__name__
            raise state.context.refuse(
                state.node,
                f"the structure of a {kind} must be {UNKNOWN}, and it changes from turn to turn",
                "run over a container or a range of constants, or write into an array",
            )
        for name, operand in before.items():
            place = (number, name)
            if place in carried or place in state.vague or isinstance(operand, Undecided):
                continue
            if name not in after or not is_same(state, start[name], after[name]):
                found.add(place)
    return found


def is_same(state: LoopState, start: Operand, now: Operand) -> bool:
    """Whether two operands are the same object, written into or not."""
    if start is now or isinstance(start, Undecided):
        return True
    if isinstance(start, Value) and isinstance(now, (Value, Undecided)):
        if isinstance(now, Undecided):
            return isinstance(state.after.latest(root_of(start)), Undecided)
        context = state.context
        return is_array(start) and reference_of(context, start) is reference_of(context, now)
    if type(start) is tuple and type(now) is tuple and len(start) == len(now):
        return all(is_same(state, *items) for items in zip(start, now, strict=True))
    return (
        not isinstance(start, Value)
        and not is_any_list(start)
        and not isinstance(start, (dict, Record, Iteration))
        and key_of(start) == key_of(now)
    )


def writes(state: LoopState, loop: Loop, params: dict[Place, Operand], memory: dict[Value, Value]) -> bool:
    """Note which arrays a turn has written into; whether there are new ones, or new doubts."""
    before = len(state.memory), len(state.lost), len(state.vague), sum(map(len, state.ends.values()))
    state.inside = {*made_in(loop.body), *values_in(list(params.values())), *memory.values()}
    if loop.condition is not None:
        state.inside.update(made_in(loop.condition))
    known = state.start.newer
    unwritten = {root for root in state.expected if state.after.latest(memory[root]) is memory[root]}
    state.expected.clear()
    for root in unwritten:
        del state.memory[root], memory[root]
    for root in [*memory, *state.after.newer]:
        if root in state.inside or (root in known and root not in memory):
            continue
        latest = state.after.latest(root)
        if isinstance(latest, Undecided):
            state.lost[root] = latest
            state.memory.pop(root, None)
        elif root not in state.lost:
            state.memory[root] = None
    written = {
        state.first(root)
        for root, newer in state.after.newer.items()
        if root not in known and newer in state.inside
    }
    note_vague(state, params, written)
    return bool(unwritten) or before != (
        len(state.memory),
        len(state.lost),
        len(state.vague),
        sum(map(len, state.ends.values())),
    )


def note_vague(state: LoopState, params: dict[Place, Operand], written: set[Value]) -> None:
    """Find the places whose array is not one of their own, and written into by this name or another."""
    carried = {state.first(root) for root in state.memory}
    starts: dict[Value, list[Place]] = {}
    ends: dict[Value, list[Place]] = {}
    for place, operand in params.items():
        mine = written & set(values_in(operand))
        held = state.held(state.after, place)
        for root in state.roots_in(state.initial(place)):
            starts.setdefault(root, []).append(place)
            if root in carried:
                state.vague.add(place)
        for root in state.roots_in(() if held is MISSING else held):
            ends.setdefault(root, []).append(place)
            if root in carried:
                state.vague.add(place)
            elif root not in state.inside and (mine or root in written):
                state.note_end(place, [root])
        state.note_end(place, arrays_handed_on(state, place, () if held is MISSING else held, params))
    for groups in (starts, ends):
        for root, places in groups.items():
            written_here = any(written & set(values_in(params[place])) for place in places)
            if len(places) > 1 and (written_here or root in written):
                state.vague.update(places)


def arrays_handed_on(
    state: LoopState, place: Place, held: Operand, params: dict[Place, Operand]
) -> list[Value]:
    """The arrays from outside that a place may hold after a turn because of what other places held, or
    a branch has chosen."""
    ends = state.roots_in(held)
    choices = [state.first(each) for root in ends for each in state.after.choices.get(root, ())]
    chosen = dict.fromkeys(choices)
    found = [root for root in chosen if root not in state.inside]
    for other, param in params.items():
        if other != place and set(values_in(param)) & {*ends, *chosen}:
            found += [*state.roots_in(state.initial(other)), *state.ends.get(other, ())]
    return found


def join(state: LoopState, carried: set[Place], params: dict[Place, Operand]) -> bool:
    """Join the kinds after a turn to those before; whether they were that already."""
    state.different.clear()
    fits = True
    for place in state.in_order(carried):
        kinds = state.kinds[place]
        places = itertools.count()
        now = state.held(state.after, place)
        if now is not state.bound[place] and is_any_list(now) and is_any_list(state.initial(place)):
            fits = join_lists(state, place, params[place], now) and fits
            if place in state.lists or place in state.different:
                continue

        def join(
            param: Operand,
            initial: Operand,
            operand: Operand,
            place: Place = place,
            kinds: dict[int, Type] = kinds,
            places: Iterator[int] = places,
        ) -> Operand:
            nonlocal fits
            number = next(places)
            if operand is not param:
                made, start = state.lengths[place, number], kind_of(initial)
                if grows(kinds[number], kind_of(operand)):
                    kind = kind_of(operand)
                else:
                    kind = joined(kinds[number], operand, made, state.unions)
                if grows(start, kind):
                    assert isinstance(param, Value)
                    kind = grown(state.context, state.node, param, start, kind, made)
                fits = fits and same_kind(kind, kinds[number])
                kinds[number] = kind
            return operand

        try:
            map_leaves(join, params[place], state.initial(place), state.content(state.after, place))
        except Different as error:
            state.different[place] = str(error)
    return fits


def join_lists(state: LoopState, place: Place, param: Operand, now: Operand) -> bool:
    """The kind of the items of a list, if turns change its length; whether it was that already."""
    initial = state.initial(place)
    static = isinstance(param, list) and isinstance(now, list) and isinstance(initial, list)
    if static and len(now) == len(initial):
        return True
    try:
        element = joined_list(initial, param, now).element
    except (Refusal, Different) as error:
        state.different[place] = str(error)
        return True
    fits = place in state.lists and same_element(state.lists[place], element)
    if not fits:
        state.lifted.clear()
    state.lists[place] = element
    return fits
