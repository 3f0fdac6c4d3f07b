"""The reverse sweep of a loop under `checkpointed`: its turns are run again from a few states, not saved.

                                        for t in range(n):
                                            if t == keep:
                                                checkpoints.append((t, u))
                                                keep = t + turns_ahead(n + 1 - t, (free slots))
    for t in range(n):                      u = f(u, t)
        u = f(u, t)           ->
                                        for t in reversed(range(n)):
                                            at, u = checkpoints.pop()
                                            while at < t:
                                                checkpoints.append((at, u))
                                                stop = at + turns_ahead(t + 1 - at, (free slots))
                                                for i in range(at, stop):
                                                    u = f(u, i)
                                                at = stop
                                            (f once more, and its reverse)

Each turn of the reverse sweep takes the last state that was kept, and runs forwards from there to the turn
that is due, keeping states on the way. Where they are kept is the binomial schedule, which runs the fewest
turns for a number of slots: with s slots and r rounds, binomial(s + r, s) turns can be taken back, none of
them run more than r times (Griewank and Walther, Algorithm 799: revolve, ACM Transactions on Mathematical
Software 26, 2000; Evaluating Derivatives (2008), section 12.3).

The forward sweep keeps the first states, if it knows how many turns there will be and runs the loop once.
Otherwise it keeps what the loop starts with, and the reverse sweep runs all turns once more. One turn is a
program of its own: its forward sweep stands in front of its reverse sweep, which reads what is still there;
loops inside of it are taped, or checkpointed, by the turn. Of what loops carry only that is kept which a
turn needs, its reverse sweep or the next turns.
"""

from __future__ import annotations

import operator
from dataclasses import replace
from typing import Any

import numpy as np

from ad_compiler.analysis.types import INT, ArrayType, Axis, Length, ObjectType, may_be_one, same_length
from ad_compiler.builder import Builder
from ad_compiler.ir import UNBOUND, Block, Branch, Function, Loop, Operand, Pop, Statement, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import constant, registry
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.transforms.copying import UNSAID, Copy
from ad_compiler.transforms.dead_code import remove_dead_code
from ad_compiler.transforms.templates import use_templates
from ad_compiler.traversal import all_blocks, inputs_of, nodes_in, results_of, substitute, values_in

CHECKPOINTS = ObjectType("list")
NOTE = "forward again to this turn, from the last state that was kept"


@constant("checkpoints", infer=lambda _: CHECKPOINTS, fresh=True)
def checkpoints(slots: Any) -> None: ...


@constant("kept", infer=lambda _: INT)
def kept(stack: Any) -> None: ...


@constant("turns_ahead", infer=lambda *_: INT)
def turns_ahead(turns: Any, free: Any) -> None: ...


def run_again(function: Function, repeated: bool) -> None:
    """Have the turns of the loops under `checkpointed` run again, where they are differentiated.

    `repeated` if the reverse sweep may run more than once (a pullback).
    """
    assert function.reverse is not None
    once = [node for block in outside_of_loops(function.forward) for node in block.operations]
    for loop in nodes_in(function.forward):
        if isinstance(loop, Loop) and loop.checkpoints is not None and loop.body in function.mirrors:
            body = function.mirrors[loop.body]
            for around in list(all_blocks(function.reverse)):
                for node in around.operations:
                    if isinstance(node, Loop) and node.body is body:
                        Repetition(function, loop, node, around, loop in once, repeated).run()
                        break


def outside_of_loops(block: Block) -> list[Block]:
    """The blocks that run once at most."""
    found = [block]
    for node in block.operations:
        if isinstance(node, Branch):
            found += [*outside_of_loops(node.then), *outside_of_loops(node.otherwise)]
    return found


class Repetition:
    """Rewrites one loop and its mirror image, which stands in the block `around`."""

    def __init__(
        self, function: Function, loop: Loop, mirror: Loop, around: Block, once: bool, repeated: bool
    ) -> None:
        self.function = function
        self.loop = loop
        self.mirror = mirror
        self.around = around
        self.keeps_forwards = once and loop.bounds is not None and loop.leave == 0
        self.repeated = repeated
        self.places: list[int] = []  # of the carried values that are the state
        self.changing = changing_lengths(loop)
        self.builder = Builder(Block())
        self.builder.generated = True

    def run(self) -> None:
        """Put a turn in front of its reverse, and have the state that it starts with."""
        due = [self.like(param) for param in self.loop.carried]
        turn = self.turn(due)
        self.places = self.needed(due, [turn, self.mirror.body])
        self.mirror.body.operations[:0] = turn.operations
        if self.places:
            self.schedule(self.of_state(due))

    def turn(self, due: list[Value]) -> Block:
        """The forward sweep of one turn, as far as its reverse sweep reads it: the two are a program."""
        from ad_compiler.transforms.tape import record

        function, mirror = self.function, self.mirror
        assert mirror.index is not None
        copy = self.copy(mirror.index, due)
        forward = copy.block(self.loop.body)
        forward.results = []
        substitute(mirror.body, copy.known)
        made = {value for node in forward.operations for value in results_of(node)}
        assert function.reverse is not None
        use_templates(function.reverse, mirror.body, made)
        own = Function("turn", [], forward, reverse=mirror.body)
        own.mirrors = {
            new: function.mirrors.pop(old) for old, new in copy.blocks.items() if old in function.mirrors
        }
        own.indices = {
            new: function.indices[old] for old, new in copy.indices.items() if old in function.indices
        }
        record(own, repeated=False)
        substitute(mirror.body, copy.known)  # what is read for its shape
        remove_dead_code([forward], reads_in(mirror.body))
        return forward

    def copy(self, index: Value, start: list[Value]) -> Copy:
        """Copies a turn of this number, and this state."""
        known: dict[Value, Operand] = dict(zip(self.loop.carried, start, strict=True))
        return Copy(known if self.loop.index is None else {self.loop.index: index, **known})

    def step(self, index: Value, start: list[Value], places: list[int]) -> Block:
        """A turn, as far as it makes these of the values that the next one starts with."""
        block = self.copy(index, start).block(self.loop.body)
        block.results = [block.results[place] for place in places]
        remove_dead_code([block], block.results)
        return block

    def needed(self, due: list[Value], blocks: list[Block]) -> list[int]:
        """The places of what blocks read of a state, and of what turns make that from."""
        read = {value for block in blocks for value in reads_in(block)}
        places = [place for place, value in enumerate(due) if value in read]
        while True:
            start = [self.like(param) for param in self.loop.carried]
            read = set(reads_in(self.step(Value(INT), start, places)))
            more = [place for place, value in enumerate(start) if place in places or value in read]
            if more == places:
                return places
            places = more

    def like(self, value: Value) -> Value:
        """Another value of the same kind and name; lengths that change from turn to turn are its own."""
        kind = value.type
        if isinstance(kind, ArrayType) and self.changing.intersection(kind.shape):
            shape = tuple(
                Length("changing", may_be_one(axis)) if axis in self.changing else axis for axis in kind.shape
            )
            self.changing.update(own for own, axis in zip(shape, kind.shape, strict=True) if own is not axis)
            kind = replace(kind, shape=shape)
        found = Value(kind, value.name)
        found.immutable = value.immutable
        return found

    def of_state(self, listed: list[Any]) -> list[Any]:
        return [listed[place] for place in self.places]

    def schedule(self, due: list[Value]) -> None:
        """Have the state that is `due` at the start of every turn of the mirror image."""
        mirror, loop, builder = self.mirror, self.loop, self.builder
        assert mirror.bounds is not None and mirror.index is not None and loop.checkpoints is not None
        first, last, _ = mirror.bounds
        builder.statement = loop.statement
        slots: Operand = loop.checkpoints.slots
        if slots is None:
            turns = self.call(operator.sub, last, first)
            digits = turns.bit_length() if isinstance(turns, int) else self.call("bit_length", turns)
            slots = self.call(operator.mul, 2, digits, name="slots")
        stack = self.call("checkpoints", slots, name="checkpoints")
        taken = stack
        if self.keeps_forwards:
            around = next(block for block in all_blocks(self.function.forward) if loop in block.operations)
            insert_before(loop, around, builder.block.operations)
            self.keep(first, last, slots, stack)
            if self.repeated:
                builder.block = Block()
                taken = self.call("tape_copy", stack, name="checkpoints")
        else:
            self.push(stack, first, self.of_state(loop.initial))
        if not self.keeps_forwards or self.repeated:
            insert_before(mirror, self.around, builder.block.operations)
        builder.statement = None
        pop = Pop(taken, [Value(INT, "at"), *map(self.like, due)], self.said(NOTE))
        for value in pop.results:
            value.operation = pop
        advance = self.advance(pop.results, mirror.index, slots, taken)
        substitute(mirror.body, dict(zip(due, advance.results[1:], strict=True)))
        mirror.body.operations[:0] = [pop, advance]

    def keep(self, first: Operand, last: Operand, slots: Operand, stack: Value) -> None:
        """Have the forward sweep keep the states that the first turn of the reverse sweep would keep."""
        loop, builder = self.loop, self.builder
        assert loop.index is not None
        due = Value(INT, "keep")
        test = Block()
        builder.statement = None
        with builder.inside(test):
            condition = self.call(operator.eq, loop.index, due)
        branch = Branch(condition, Block(results=[due]), Block(results=[due]), [Value(INT, "keep")])
        with builder.inside(branch.then):
            self.push(stack, loop.index, self.of_state(loop.carried))
            branch.then.results = [self.next_kept(loop.index, last, slots, stack, "keep")]
        (following,) = branch.results
        following.operation = branch
        loop.body.operations[:0] = [*test.operations, branch]
        loop.carry(due, first, following, Value(INT, "keep"))

    def advance(self, entry: list[Value], due: Value, slots: Operand, stack: Value) -> Loop:
        """Forwards from an entry to the turn that is due, keeping states on the way."""
        builder = self.builder
        loop = Loop(Block(), condition=Block(), statement=self.said(NOTE), place=self.loop.place)
        at, *state = params = list(map(self.like, entry))
        assert loop.condition is not None
        with builder.inside(loop.condition):
            builder.statement = loop.statement  # written in its line
            loop.condition.results.append(self.call(operator.lt, at, due))
            builder.statement = None
        with builder.inside(loop.body):
            self.push(stack, at, state)
            stop = self.next_kept(at, due, slots, stack, "stop")
            run = self.run_to(at, stop, state)
            builder.append(run)
        for param, initial, end in zip(params, entry, [stop, *run.results], strict=True):
            loop.carry(param, initial, end, self.like(param))
        return loop

    def run_to(self, at: Value, stop: Operand, state: list[Value]) -> Loop:
        """The loop over the turns from `at` to `stop`."""
        index = Value(INT, None if self.loop.index is None else self.loop.index.name)
        start = [self.like(param) for param in self.loop.carried]
        body = self.step(index, start, self.places)
        loop = Loop(body, (at, stop, 1), index, statement=self.said(UNSAID), place=self.loop.place)
        index.loop = loop
        ends, body.results = body.results, []
        for place, initial, end in zip(self.places, state, ends, strict=True):
            loop.carry(start[place], initial, end, self.like(start[place]))
        return loop

    def next_kept(self, at: Value, due: Operand, slots: Operand, stack: Value, name: str) -> Operand:
        """The turn whose state is kept next, on the way from `at` to the one that is due."""
        turns = self.call(operator.sub, self.call(operator.add, due, 1), at)
        free = self.call(operator.sub, self.call(operator.add, slots, 1), self.call("kept", stack))
        return self.call(operator.add, at, self.call("turns_ahead", turns, free), name=name)

    def push(self, stack: Value, at: Operand, state: list[Operand]) -> None:
        """Keep a state: copies of its arrays and lists, which the next turns may write into."""
        self.call("push", stack, (at, *map(self.copied, state)))

    def copied(self, operand: Operand) -> Operand:
        if is_list(operand):
            return self.call("list_copy", operand)
        return self.call(np.copy, operand) if rank_of(operand) else operand

    def call(self, function: Any, *arguments: Operand, name: str | None = None) -> Any:
        result = self.builder.call(registry[function], arguments, method=function is np.copy)
        if name is not None and isinstance(result, Value):
            result.name = name
        return result

    def said(self, note: str) -> Statement | None:
        statement = self.loop.statement
        return None if statement is None else Statement(statement.source, statement.node, note)


def insert_before(node: Loop, block: Block, operations: list[Any]) -> None:
    where = block.operations.index(node)
    block.operations[where:where] = operations


def changing_lengths(loop: Loop) -> set[Axis]:
    """The lengths of what a loop carries that differ from turn to turn."""
    found: set[Axis] = set()
    for param, initial in zip(loop.carried, loop.initial, strict=True):
        if isinstance(param.type, ArrayType):
            own = (None,) * param.type.rank if initial is UNBOUND else type_of(initial).shape
            pairs = zip(own, param.type.shape, strict=True)
            found |= {
                axis
                for first, axis in pairs
                if isinstance(axis, Length) and (first is None or not same_length(first, axis))
            }
    return found


def reads_in(block: Block) -> list[Value]:
    return [*(value for node in block.operations for value in inputs_of(node)), *values_in(block.results)]
