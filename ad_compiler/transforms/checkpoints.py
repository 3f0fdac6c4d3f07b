"""The reverse sweep of a loop under `checkpointed`: its turns are run again from a few states, not saved.

    for t in range(n):                  checkpoints = [(0, u)]            in the reverse sweep, u as before
        u = f(u, t)                     for t in reversed(range(n)):      the loop
                              ->            at, u = checkpoints.pop()
                                            while at < t:
                                                checkpoints.append((at, u))
                                                stop = at + (how far)
                                                for i in range(at, stop):
                                                    u = f(u, i)
                                                at = stop
                                            (f once more, and its reverse)

The forward sweep saves nothing but what the loop starts with. Each turn of the reverse sweep takes the last
state that was kept, and runs forwards from there to the turn that is due, keeping states on the way. Where
they are kept is the binomial schedule, which runs the fewest turns for a number of slots: with s slots and
r rounds, binomial(s + r, s) turns can be taken back with none of them run more than r times (Griewank and
Walther, Algorithm 799: revolve, ACM Transactions on Mathematical Software 26, 2000, and Evaluating
Derivatives (2008), section 12.3; a split of the range of optimal ones is chosen that needs no search).

One turn is then a program of its own: its forward sweep stands in front of its reverse sweep, which reads
what is still there. Loops inside of it are taped, or checkpointed, by the turn.
"""

from __future__ import annotations

import builtins
import math
import operator
from typing import Any

from ad_compiler.analysis.types import INT, ObjectType
from ad_compiler.builder import Builder
from ad_compiler.ir import (
    Block,
    Function,
    Loop,
    Operand,
    Pop,
    Statement,
    Value,
    all_blocks,
    inputs_of,
    nodes_in,
    substitute,
    values_in,
)
from ad_compiler.rules.notation import constant, registry
from ad_compiler.transforms.copying import UNSAID, Copy
from ad_compiler.transforms.dead_code import remove_dead_code

CHECKPOINTS = ObjectType("list")
NOTE = "forward again to this turn, from the last state that was kept"


@constant("checkpoints", infer=lambda: CHECKPOINTS, fresh=True)
def checkpoints() -> None: ...


@constant("kept", infer=lambda _: INT)
def kept(stack: Any) -> None: ...


@constant("default_slots", infer=lambda _: INT)
def default_slots(turns: Any) -> None: ...


def run_again(function: Function) -> None:
    """Have the turns of the loops under `checkpointed` run again, where they are differentiated."""
    assert function.reverse is not None
    for loop in nodes_in(function.forward):
        if isinstance(loop, Loop) and loop.checkpoints is not None and loop.body in function.mirrors:
            body = function.mirrors[loop.body]
            for around in list(all_blocks(function.reverse)):
                for node in around.operations:
                    if isinstance(node, Loop) and node.body is body:
                        Repetition(function, loop, node, around).run()
                        break


class Repetition:
    """Rewrites the mirror image of one loop."""

    def __init__(self, function: Function, loop: Loop, mirror: Loop, around: Block) -> None:
        self.function = function
        self.loop = loop
        self.mirror = mirror
        self.around = around

    def run(self) -> None:
        """Put a turn in front of its reverse, and have the state that it starts with."""
        due = [like(param) for param in self.loop.carried]
        turn = self.turn(due)
        places = self.needed(due, [turn, self.mirror.body])
        self.mirror.body.operations[:0] = turn.operations
        if places:
            self.schedule(places, [due[place] for place in places])

    def turn(self, due: list[Value]) -> Block:
        """The forward sweep of one turn, as far as its reverse sweep reads it: the two are a program."""
        from ad_compiler.transforms.tape import record

        function, mirror = self.function, self.mirror
        assert mirror.index is not None
        copy = self.copy(mirror.index, due)
        forward = copy.block(self.loop.body)
        forward.results = []
        substitute(mirror.body, copy.known)
        mirrors = {copied: function.mirrors.pop(block) for block, copied in copy.blocks.items() if block in function.mirrors}
        indices = {copied: function.indices[index] for index, copied in copy.indices.items() if index in function.indices}
        record(Function("turn", [], forward, reverse=mirror.body, mirrors=mirrors, indices=indices), repeated=False)
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
            start = [like(param) for param in self.loop.carried]
            read = set(reads_in(self.step(Value(INT), start, places)))
            more = [place for place, value in enumerate(start) if place in places or value in read]
            if more == places:
                return places
            places = more

    def schedule(self, places: list[int], due: list[Value]) -> None:
        """Have the state that is `due` at the start of every turn of the mirror image."""
        mirror, loop = self.mirror, self.loop
        assert mirror.bounds is not None and mirror.index is not None and loop.checkpoints is not None
        first, last, _ = mirror.bounds
        builder = Builder(Block())
        builder.generated, builder.statement = True, loop.statement
        stack = builder.call(registry["checkpoints"], ())
        builder.call(registry["push"], (stack, (first, *[loop.initial[place] for place in places])))
        slots: Operand = loop.checkpoints.slots
        if slots is None:
            turns = builder.call(registry[operator.sub], (last, first))
            slots = 2 * turns.bit_length() if isinstance(turns, int) else builder.call(registry["default_slots"], (turns,))
        for value, name in ((stack, "checkpoints"), (slots, "slots")):
            if isinstance(value, Value):
                value.name = name
        where = self.around.operations.index(mirror)
        self.around.operations[where:where] = builder.block.operations
        pop = Pop(stack, [Value(INT, "at"), *map(like, due)], self.said(NOTE))
        for value in pop.results:
            value.operation = pop
        builder.block, builder.statement = mirror.body, None
        advance = self.advance(builder, pop.results, mirror.index, stack, slots, places)
        substitute(mirror.body, dict(zip(due, advance.results[1:], strict=True)))
        mirror.body.operations[:0] = [pop, advance]

    def said(self, note: str) -> Statement | None:
        statement = self.loop.statement
        return None if statement is None else Statement(statement.source, statement.node, note)

    def advance(self, builder: Builder, entry: list[Value], due: Value, stack: Value, slots: Operand, places: list[int]) -> Loop:
        """Forwards from an entry to the turn that is due, keeping states on the way."""
        loop = Loop(Block(), condition=Block(), statement=self.said(NOTE), place=self.loop.place)
        at, *state = params = list(map(like, entry))
        assert loop.condition is not None
        with builder.inside(loop.condition):
            builder.statement = loop.statement  # written in its line
            loop.condition.results.append(builder.call(registry[operator.lt], (at, due)))
            builder.statement = None
        with builder.inside(loop.body):
            builder.call(registry["push"], (stack, (at, *state)))
            stop = binomial_split(builder, at, due, slots, stack)
            run = self.run_to(at, stop, state, places)
            builder.append(run)
        for param, initial, end in zip(params, entry, [stop, *run.results], strict=True):
            loop.carry(param, initial, end, like(param))
        return loop

    def run_to(self, at: Value, stop: Operand, state: list[Value], places: list[int]) -> Loop:
        """The loop over the turns from `at` to `stop`."""
        index = Value(INT, None if self.loop.index is None else self.loop.index.name)
        start = [like(param) for param in self.loop.carried]
        body = self.step(index, start, places)
        loop = Loop(body, (at, stop, 1), index, statement=self.said(UNSAID), place=self.loop.place)
        index.loop = loop
        ends, body.results = body.results, []
        for place, initial, end in zip(places, state, ends, strict=True):
            loop.carry(start[place], initial, end, like(start[place]))
        return loop


def binomial_split(builder: Builder, at: Value, due: Value, slots: Operand, stack: Value) -> Operand:
    """How far to go before the next state is kept, so that the fewest turns are run again.

    With `free` slots, that of the state at hand included, `rounds` is such that binomial(free + rounds, free)
    is less than the number of turns that are left, and binomial(free + rounds + 1, free) is not.
    """

    def call(function: Any, *arguments: Operand, name: str | None = None) -> Any:
        result = builder.call(registry[function], arguments)
        if name is not None and isinstance(result, Value):
            result.name = name
        return result

    def comb(n: Operand, k: Operand, name: str | None = None) -> Any:
        return call(math.comb, n, k, name=name)

    turns = call(operator.sub, call(operator.add, due, 1), at, name="turns")
    free = call(operator.sub, call(operator.add, slots, 1), call("kept", stack), name="free")
    rounds, found = Value(INT, "rounds"), Value(INT, "rounds")
    loop = Loop(Block(), condition=Block())
    assert loop.condition is not None
    with builder.inside(loop.condition):
        one_more = call(operator.add, call(operator.add, free, rounds), 1)
        loop.condition.results.append(call(operator.lt, comb(one_more, free), turns))
    with builder.inside(loop.body):
        more = call(operator.add, rounds, 1, name="rounds")
    loop.carry(rounds, 0, more, found)
    builder.append(loop)
    both = call(operator.add, free, found)
    most = comb(both, free, name="most")
    rest = comb(call(operator.sub, both, 1), call(operator.sub, free, 1), name="rest")
    ahead = call(builtins.min, most, call(operator.sub, turns, rest))
    return call(operator.add, at, ahead, name="stop")


def like(value: Value) -> Value:
    """Another value of the same kind and name."""
    found = Value(value.type, value.name)
    found.immutable = value.immutable
    return found


def reads_in(block: Block) -> list[Value]:
    return [*(value for node in block.operations for value in inputs_of(node)), *values_in(block.results)]
