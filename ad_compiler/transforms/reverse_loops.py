"""The reverse sweep of a loop: a loop over the same turns, from the last to the first.

    for i in range(n):              for i in reversed(range(n)):
        y = y * x[i]        ->          x_bar[i] += y_bar * y       (the y that the turn started with)
                                        y_bar = y_bar * x[i]

What a turn starts with, the turn before has made: so the cotangents of what a loop carries are carried by
its mirror image, the other way round. A value from outside of the loop gets a contribution in every turn:
its cotangent is carried too, and grows. Where a carried value is only added to, its cotangent is the same
in all turns, and is not carried (Griewank and Walther, Evaluating Derivatives (2008), section 3.2). A name
that every turn binds anew, to arrays of different lengths, is read behind the loop as the last turn left it:
its cotangent is zero in all other turns, and not carried either.

The turns of a `while`, and of a loop that may be left early, are counted in the forward sweep. What the
mirror image reads of a turn that has long been over is put on a tape by `transforms.tape`.
"""

from __future__ import annotations

import operator
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from ad_compiler.analysis.activity import differentiable_inputs
from ad_compiler.analysis.turn_lengths import TurnLengths
from ad_compiler.analysis.types import BOOL, INT, ArrayType, Type, same_shape
from ad_compiler.analysis.zeros import may_hold_unselected
from ad_compiler.builder import key_of
from ad_compiler.ir import UNBOUND, Block, Branch, Loop, Operand, Operation, Value
from ad_compiler.rules import lists
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.transforms.cotangents import (
    Cotangents,
    is_broadcast,
    is_zero,
    leaf_name,
    name_cotangent,
    placeholder,
    tags_where_bound,
    zero_like,
)
from ad_compiler.traversal import inputs_of, nodes_in, results_of, substitute, values_in

if TYPE_CHECKING:
    from ad_compiler.transforms.differentiate import ReverseSweep


def reverse_loop(sweep: ReverseSweep, loop: Loop, cotangents: Cotangents) -> None:
    """Append the mirror image of a loop, and add what it contributes."""
    seeds = [cotangents.pop(result, None) for result in loop.results]
    seeds = [None if seed is None or is_zero(seed) else seed for seed in seeds]
    if any(seed is not None for seed in seeds):
        Mirror(sweep, loop, seeds, cotangents).build()


class Mirror:
    """Builds the mirror image of one loop."""

    def __init__(self, sweep: ReverseSweep, loop: Loop, seeds: list[Operand], cotangents: Cotangents) -> None:
        self.sweep = sweep
        self.builder = sweep.builder
        self.loop = loop
        self.seeds = seeds
        self.cotangents = cotangents
        self.inside = {value for node in nodes_in(loop.body) for value in results_of(node)}
        self.inside.update(
            value
            for node in [loop, *nodes_in(loop.body)]
            if isinstance(node, Loop)
            for value in [*node.carried, *([] if node.index is None else [node.index])]
        )
        self.places, self.outer = self.dependencies()

    def dependencies(self) -> tuple[list[int], list[Value]]:
        """The carried values, and those from outside, that what is seeded depends on."""
        loop, active = self.loop, self.sweep.active
        places = {place for place, seed in enumerate(self.seeds) if seed is not None}
        while True:
            needed = {
                value for place in places for value in values_in(loop.body.results[place]) if value in active
            }
            extend(loop.body, needed, active)
            more = {place for place, value in enumerate(loop.carried) if value in needed} - places
            if not more:
                outer = [value for value in ordered(loop) if value in needed and value not in self.inside]
                return sorted(places), outer
            places |= more

    def build(self) -> None:
        """The kinds of the cotangents are found by trying: a try that was wrong tells what to change."""
        loop, sweep = self.loop, self.sweep
        reads = Counter(value for value in all_reads(loop.body))
        unchanged = {
            place for place in self.places if self.seeds[place] is not None and passes_on(loop, place, reads)
        }
        self.last = [place for place in self.places if self.is_of_last_turn(place)]
        while True:
            mirror, inner, params, totals = self.attempt(unchanged)
            wrong = {
                place
                for place in unchanged
                if key_of(inner.get(loop.carried[place])) != key_of(self.seeds[place])
            }
            unchanged -= wrong
            if not wrong and self.settled(mirror):
                break
        sweep.mirrors[loop.body] = mirror.body
        kept: dict[Value, Operand] = {}
        for value, total in totals.items():
            place = mirror.carried.index(total)
            if mirror.body.results[place] is total:
                kept[total] = mirror.initial[place]  # no turn contributes
            else:
                self.cotangents[value] = mirror.results[place]
        changing = [place for place, value in enumerate(mirror.carried) if value not in kept]
        ends = [
            (loop.initial[place], mirror.results[mirror.carried.index(params[place])]) for place in params
        ]
        mirror.keep(changing)
        indices = self.index(mirror)
        sweep.indices |= indices
        substitute(Block([mirror]), {**kept, **indices})
        self.builder.append(mirror)
        for initial, cotangent in ends:
            sweep.add(self.cotangents, initial, cotangent)
        for place in unchanged:
            sweep.add(self.cotangents, loop.initial[place], self.seeds[place])

    def attempt(self, unchanged: set[int]) -> tuple[Loop, Cotangents, dict[int, Value], dict[Value, Value]]:
        """One try: the mirror image, the cotangents at the start of a turn, and what is carried for them."""
        loop, builder = self.loop, self.builder
        mirror = Loop(Block(), backwards=True, statement=loop.statement, place=loop.place)
        inner: Cotangents = {}
        params: dict[int, Value] = {}
        totals: dict[Value, Value] = {}
        before: list[tuple[Value, Operand]] = []
        seeds = dict(enumerate(self.seeds))
        for place in self.places:
            if place in unchanged:
                continue
            result, after = loop.body.results[place], loop.results[place]
            initial = self.materialised(self.seeds[place], after, None)
            name_cotangent(after, initial)
            if place in self.last:
                seeds[place] = initial
                continue
            kind = self.cotangent_kind(result if isinstance(result, Value) else after, loop.carried[place])
            params[place] = self.param(mirror, loop.carried[place], kind, initial, before)
        for value in self.outer:
            initial = self.materialised(self.cotangents.get(value), value, None)
            totals[value] = self.param(mirror, value, self.cotangent_kind(value, value), initial, before)
            inner[value] = totals[value]
        with builder.inside(mirror.body):
            if self.last:
                first = self.first_turn(mirror)
                for place in self.last:
                    seeds[place] = self.where_first(first, seeds[place], loop.body.results[place])
            for place in self.places:
                self.sweep.add(inner, loop.body.results[place], params.get(place, seeds[place]))
            self.sweep.block(loop.body, inner)
            builder.statement = loop.statement
            ends: dict[Value, Operand] = {
                total: self.materialised(inner[value], value, total) for value, total in totals.items()
            }
            for place, param in params.items():
                start = loop.carried[place]
                unread = loop.initial[place] is UNBOUND and not is_list(start)  # of one shape in all turns
                ends[param] = self.materialised(inner.get(start), param if unread else start, param)
        for param, initial in before:
            end = ends[param]
            source = end if param in totals.values() else None
            if is_list(param):
                mirror.carry(param, initial, end, Value(param.type, param.name))
                continue
            kind = type_of(initial if isinstance(initial, Value) else param)
            shape = type_of(source).shape if source is not None else kind.shape
            result = Value(ArrayType(kind.dtype, shape, type_of(param).python), param.name)
            mirror.carry(param, initial, end, result)
        return mirror, inner, params, totals

    def is_of_last_turn(self, place: int) -> bool:
        """Whether each turn leaves an array of another length at a place, whatever was there before."""
        param, result = self.loop.carried[place], self.loop.body.results[place]
        if self.loop.initial[place] is not UNBOUND or not isinstance(result, Value) or is_list(result):
            return False
        if same_shape(type_of(param).shape, type_of(result).shape):
            return False
        outside = [value for value in ordered(self.loop) if value not in self.inside]
        lengths = TurnLengths(self.inside, [*outside, *values_in(self.loop.initial)])
        return any(map(lengths.may_differ, type_of(result).shape))

    def first_turn(self, mirror: Loop) -> Value:
        """Whether a turn of the mirror image is its first one."""
        first = Value(BOOL, "first")
        mirror.carry(first, True, False, Value(BOOL, "first"))
        return first

    def where_first(self, first: Value, seed: Operand, value: Operand) -> Value:
        """The cotangent of what a turn leaves, if it is that of the last turn; zero in all others."""
        context, builder = self.sweep.context, self.builder
        assert isinstance(value, Value)
        branch = Branch(first, Block(results=[seed]), Block(), [], self.loop.statement, self.loop.place)
        tags = tags_where_bound(value, self.loop.leave)
        is_left_behind = tags is not None and 0 not in tags  # by the turn that leaves the loop
        with builder.inside(branch.otherwise):
            zero = (placeholder if is_left_behind else zero_like)(context, value)
            branch.otherwise.results.append(zero)
        result = Value(ArrayType(type_of(seed).dtype, type_of(value).shape))
        result.operation = branch
        name_cotangent(value, result)
        branch.results.append(result)
        builder.append(branch)
        return result

    def param(
        self,
        mirror: Loop,
        value: Value,
        kind: Type,
        initial: Operand,
        before: list[tuple[Value, Operand]],
    ) -> Value:
        """The cotangent of `value` as a turn of the mirror image starts with it."""
        param = Value(kind)
        param.loop = mirror
        param.holds_zeros = value in self.sweep.unselected
        name = value.name or leaf_name(value.access)
        param.name = None if name is None else f"{name}_bar"
        param.cotangent_of = value
        self.sweep.carried_cotangents[param] = value
        before.append((param, initial))
        return param

    def cotangent_kind(self, value: Value, carried: Value) -> Type:
        if is_list(value):
            return lists.like_type(value)
        kind = type_of(value)
        dtype = kind.dtype if kind.dtype.kind in "fc" else type_of(carried).dtype
        return ArrayType(dtype, kind.shape, kind.python and carried not in self.sweep.numpy_scalars)

    def materialised(self, cotangent: Operand, value: Value, like: Value | None) -> Operand:
        """A cotangent of the shape of `value`, whatever shorthand it is given in."""
        builder, context = self.builder, self.sweep.context
        if is_list(value):
            return zero_like(context, value) if cotangent is None else cotangent
        kind = type_of(value)
        template = value
        if like is not None and same_shape(type_of(like).shape, kind.shape):
            template = like  # at hand, where `value` would have to be kept for its shape
        if cotangent is None:
            return zero_like(context, template)
        if kind.rank and (rank_of(cotangent) == 0 or is_broadcast(cotangent)):
            filling = cotangent.operation.arguments[0] if is_broadcast(cotangent) else cotangent
            if rank_of(filling) == 0:
                return builder.call(registry[np.full_like], (template, filling, None))
            return builder.call(registry[operator.add], (zero_like(context, template), filling))
        if kind.rank and type_of(cotangent).dtype != kind.dtype and kind.dtype.kind in "fc":
            return builder.call(registry[np.ndarray.astype], (cotangent, kind.dtype), method=True)
        return float(cotangent) if isinstance(cotangent, int) else cotangent

    def settled(self, mirror: Loop) -> bool:
        """Whether the carried cotangents are of the kinds they were taken to be of."""
        sweep = self.sweep
        settled = True
        for param, initial, end in zip(mirror.carried, mirror.initial, mirror.body.results, strict=True):
            value = sweep.carried_cotangents.get(param)
            if value is None:  # whether the turn is the first
                continue
            python = not is_list(param) and type_of(param).python
            if python and not all(type_of(each).python for each in (initial, end)):
                sweep.numpy_scalars.add(value)
                settled = False
            if not param.holds_zeros and any(map(may_hold_unselected, (initial, end))):
                sweep.unselected.add(value)
                settled = False
        return settled

    def index(self, mirror: Loop) -> dict[Value, Operand]:
        """Set the turns of the mirror image; what the loop variable is in them."""
        loop, builder = self.loop, self.builder
        index = Value(INT, None if loop.index is None else loop.index.name)
        index.loop = mirror
        mirror.index = index
        if loop.bounds is not None and loop.leave == 0:
            mirror.bounds = loop.bounds
            assert loop.index is not None
            return {loop.index: index}
        turns = counter(loop)
        if loop.bounds is None or loop.index is None:
            mirror.bounds = (0, turns, 1)
            return {}
        start, _, step = loop.bounds
        walked = builder.call(registry[operator.mul], (turns, step))
        mirror.bounds = (start, builder.call(registry[operator.add], (start, walked)), step)
        return {loop.index: index}


def counter(loop: Loop) -> Value:
    """How many turns a loop has done: carried by it from now on."""
    for param, operand, result in zip(loop.carried, loop.body.results, loop.results, strict=True):
        if is_counter(param, operand):
            return result
    param, result = Value(INT, "turns"), Value(INT, "turns")
    counted = Value(INT, "turns")
    counted.operation = Operation(registry[operator.add], (param, 1), counted)
    loop.body.operations.insert(0, counted.operation)
    loop.carry(param, 0, counted, result)
    return result


def is_counter(param: Value, operand: Operand) -> bool:
    node = operand.operation if isinstance(operand, Value) else None
    return isinstance(node, Operation) and node.statement is None and node.arguments == (param, 1)


def extend(block: Block, needed: set[Value], active: set[Value]) -> None:
    """Add the active values that needed ones are made from, inside of branches and loops too."""

    def need(operand: Operand) -> None:
        needed.update(value for value in values_in(operand) if value in active)

    for node in reversed(block.operations):
        wanted = [place for place, result in enumerate(results_of(node)) if result in needed]
        if not wanted:
            continue
        if isinstance(node, Branch):
            for side in (node.then, node.otherwise):
                need([side.results[place] for place in wanted])
                extend(side, needed, active)
        elif isinstance(node, Loop):
            places = set(wanted)
            while True:
                need([node.body.results[place] for place in places])
                extend(node.body, needed, active)
                more = {place for place, value in enumerate(node.carried) if value in needed} - places
                if not more:
                    break
                places |= more
            need([node.initial[place] for place in places])
        else:
            need(list(differentiable_inputs(node) if isinstance(node, Operation) else inputs_of(node)))


def ordered(loop: Loop) -> list[Value]:
    """What the body reads, every value once, in order."""
    return list(dict.fromkeys(all_reads(loop.body)))


def all_reads(block: Block) -> list[Value]:
    return [*(value for node in block.operations for value in inputs_of(node)), *values_in(block.results)]


def passes_on(loop: Loop, place: int, reads: Counter[Value]) -> bool:
    """Whether a turn only adds to this carried value, so that its cotangent stays as it is."""
    used: Counter[Value] = Counter()
    start = loop.carried[place]
    return follows(loop.body.results[place], start, used) and all(
        reads[value] == count for value, count in used.items()
    )


def follows(operand: Operand, start: Value, used: Counter[Value]) -> bool:
    """Whether `operand` is `start` plus something else; the values on the way are counted in `used`."""
    if not isinstance(operand, Value):
        return False
    used[operand] += 1
    if operand is start:
        return True
    node = operand.operation
    if isinstance(node, Branch):
        place = node.results.index(operand)
        return all(follows(side.results[place], start, used) for side in (node.then, node.otherwise))
    if isinstance(node, Loop):
        place = node.results.index(operand)
        reads = Counter(all_reads(node.body))
        return follows(node.initial[place], start, used) and passes_on(node, place, reads)
    if not isinstance(node, Operation) or node.primitive.name not in ("add", "sub", "index_add"):
        return False
    summands = node.arguments[:2] if node.primitive.name == "add" else node.arguments[:1]
    for summand in summands:
        if isinstance(summand, Value) and same_shape(type_of(summand).shape, type_of(operand).shape):
            trial: Counter[Value] = Counter()
            if follows(summand, start, trial):
                used.update(trial)
                return True
    return False
