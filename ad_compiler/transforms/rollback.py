"""An array that loops fill, taken back step by step in the reverse sweep, instead of saving what was read.

    for i in range(n):                        for i in reversed(range(n)):
        a[i] = f(a[:i])               ->          a[i] = tape.pop()           as it was before the turn
                                                  ... a[:i] ...               is read from `a` again

What a turn reads of the array can be much more than what it writes: a Cholesky factorisation writes n^2
numbers and reads n^3. So the old value of what is overwritten is saved, and put back on the way (Griewank
and Walther, Evaluating Derivatives (2008), section 4.2, on restoring overwritten values; Hascoet and
Pascual, The Tapenade automatic differentiation tool, 2013). It is done where the reads cost more than the
writes, by the number of loops around them and their ranks, and where the array is changed by indexed
writes and loops of them alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.ir import Block, Function, Loop, Node, Operation, Value
from ad_compiler.rules.notation import registry
from ad_compiler.rules.subscripts import is_basic
from ad_compiler.traversal import inputs_of, nodes_in, substitute, values_in

UPDATES = ("index_add", "index_set")


@dataclass(eq=False, slots=True)
class Chain:
    """What happens to an array in one block: writes, and loops that carry it on, in order."""

    block: Block
    start: Value
    links: list[tuple[Node, Value, Chain | None]] = field(default_factory=list)  # with what they make of it

    def members(self) -> Iterator[Value]:
        yield self.start
        for _, made, inner in self.links:
            if inner is not None:
                yield from inner.members()
            yield made

    def chains(self, depth: int) -> Iterator[tuple[Chain, int]]:
        """This chain and those inside, each with the number of loops around it."""
        yield self, depth
        for _, _, inner in self.links:
            if inner is not None:
                yield from inner.chains(depth + 1)


def roll_back(function: Function) -> None:
    """Let the reverse sweep take back the arrays for which that is cheaper."""
    if function.reverse is None:
        return
    for loop in function.forward.operations:
        mirror = mirror_of(loop, function.reverse, function) if isinstance(loop, Loop) else None
        if mirror is None or not isinstance(loop, Loop):
            continue
        for param, end, result in list(zip(loop.carried, loop.body.results, loop.results, strict=True)):
            chain = chain_to(loop.body, param, end)
            if chain is not None and chain.links and is_worth_it(chain, function):
                carry_back(chain, mirror, result, function)


def chain_to(block: Block, start: Value, end: object) -> Chain | None:
    """The writes and loops between two values of a block; None where anything else is on the way."""
    chain = Chain(block, start)
    current = end
    while current is not start:
        node = current.operation if isinstance(current, Value) else None
        if node is None or node not in block.operations:
            return None
        assert isinstance(current, Value)
        if isinstance(node, Operation) and is_plain_write(node):
            chain.links.insert(0, (node, current, None))
            current = node.arguments[0]
        elif isinstance(node, Loop):
            place = node.results.index(current)
            inner = chain_to(node.body, node.carried[place], node.body.results[place])
            if inner is None:
                return None
            chain.links.insert(0, (node, current, inner))
            current = node.initial[place]
        else:
            return None
    return chain


def is_plain_write(node: Operation) -> bool:
    """Whether a part is written that can be read by the same index."""
    return node.primitive.name in UPDATES and is_basic(node.arguments[1]) and not any(node.arguments[3:])


def mirror_of(loop: Loop, block: Block, function: Function) -> Loop | None:
    """The mirror image of a loop, among the operations of a block."""
    body = function.mirrors.get(loop.body)
    found = [node for node in block.operations if isinstance(node, Loop) and node.body is body]
    return found[0] if found else None


def parts_read(chain: Chain, mirror: Block) -> dict[Value, Value]:
    """What the mirror image of a block reads of the array: parts, each with the state it is a part of."""
    members = {chain.start, *(made for _, made, _ in chain.links)}
    written = {
        node.arguments[2]: made
        for node, made, _ in chain.links
        if isinstance(node, Operation) and node.primitive.name == "index_set"
    }
    found: dict[Value, Value] = {}
    for value in reads_in(mirror):
        node = value.operation
        if not isinstance(node, Operation) or node not in chain.block.operations:
            continue
        if node.primitive.name == "getitem" and is_basic(node.arguments[1]) and node.arguments[0] in members:
            found[value] = node.arguments[0]
        elif value in written and rank(value) == 0:
            found[value] = written[value]
    return found


def is_worth_it(chain: Chain, function: Function) -> bool:
    """Whether more is read than written, and nothing but parts is read."""
    members = set(chain.members())
    reads, writes = 0, 0
    for inner, depth in chain.chains(1):
        mirror = function.mirrors.get(inner.block)
        if mirror is None or not has_mirrors(inner, mirror, function):
            return False
        if any(value in members for value in reads_in(mirror)):
            return False
        parts = parts_read(inner, mirror)
        reads = max([reads, *(depth + rank(part) for part in parts)])
        sizes = [depth + rank_of_part(node) for node, _, _ in inner.links if isinstance(node, Operation)]
        writes = max([writes, *sizes])
    return reads > writes


def has_mirrors(chain: Chain, mirror: Block, function: Function) -> bool:
    """Whether every loop that carries the array has a mirror image, one after the other."""
    places = []
    for node, _, inner in reversed(chain.links):
        if inner is not None:
            assert isinstance(node, Loop)
            image = mirror_of(node, mirror, function)
            if image is None:
                return False
            places.append(mirror.operations.index(image))
    return places == sorted(places)


def rank(value: Value) -> int:
    return value.type.rank if isinstance(value.type, ArrayType) else 0


def rank_of_part(node: Operation) -> int:
    part = registry["getitem"].infer(node.arguments[0], node.arguments[1])
    assert isinstance(part, ArrayType)
    return part.rank


def carry_back(chain: Chain, mirror: Loop, state: Value, function: Function) -> None:
    """Let a mirror image carry the array, from the state after the loop to the one before it."""
    param, after = Value(chain.start.type, chain.start.name), Value(chain.start.type, chain.start.name)
    end = take_back(chain, mirror.body, param, function)
    mirror.carry(param, state, end, after)


def take_back(chain: Chain, mirror: Block, state: Value, function: Function) -> Value:
    """Undo the writes of one block, from its end to its start, and read its parts from each state."""
    place = 0
    for number, (node, made, inner) in reversed(list(enumerate(chain.links))):
        image = mirror_of(node, mirror, function) if isinstance(node, Loop) else None
        is_late = functools.partial(is_behind, mirror, image)
        place = read_parts(chain, mirror, made, state, place, is_late)
        if inner is not None:
            assert image is not None
            after = Value(state.type, state.name)
            param = Value(state.type, state.name)
            image.carry(param, state, take_back(inner, image.body, param, function), after)
            place = mirror.operations.index(image) + 1
            state = after
        else:
            assert isinstance(node, Operation)
            before = chain.links[number - 1][1] if number else chain.start
            old = operation("getitem", (before, node.arguments[1]), node)
            chain.block.operations.insert(chain.block.operations.index(node), old)
            restored = operation(
                "index_set", (state, node.arguments[1], old.result, *node.arguments[3:]), node
            )
            restored.result.name = state.name
            mirror.operations.insert(place, restored)
            place += 1
            state = restored.result
    read_parts(chain, mirror, chain.start, state, place, lambda node: False)
    return state


def is_behind(mirror: Block, image: Loop | None, node: Node) -> bool:
    """Whether a node runs after the array has changed again: in or behind the next mirror image."""
    return image is None or mirror.operations.index(node) >= mirror.operations.index(image)


def read_parts(
    chain: Chain, mirror: Block, member: Value, state: Value, place: int, is_late: Callable[[Node], bool]
) -> int:
    """Read the parts of one state again, at `place`: as copies where they are read late."""
    earlier = {value for node in mirror.operations[:place] for value in inputs_of(node)}
    for part, of in parts_read(chain, mirror).items():
        if of is not member or part in earlier:
            continue
        node = part.operation
        assert isinstance(node, Operation)
        index = node.arguments[1] if node.primitive.name == "getitem" else index_written(chain, of)
        again = operation("getitem", (state, index), node)
        again.result.name = part.name
        mirror.operations.insert(place, again)
        place += 1
        read = again.result
        late = any(is_late(n) for n in mirror.operations if part in set(inputs_of(n)))
        if rank(part) and (late or part in set(values_in(mirror.results))):
            copied = Value(part.type, part.name)
            copied.operation = Operation(registry[np.copy], (read,), copied, node.statement, method=True)
            mirror.operations.insert(place, copied.operation)
            place += 1
            read = copied
        substitute(mirror, {part: read})
    return place


def index_written(chain: Chain, made: Value) -> object:
    """Where the write that made this state wrote."""
    node = next(link for link, result, _ in chain.links if result is made)
    assert isinstance(node, Operation)
    return node.arguments[1]


def operation(name: str, arguments: tuple[object, ...], like: Operation) -> Operation:
    primitive = registry[name]
    result = Value(primitive.infer(*arguments))
    result.operation = Operation(primitive, arguments, result, like.statement, like.place)
    return result.operation


def reads_in(block: Block) -> list[Value]:
    """Every value that a block reads, and that the blocks inside of it read, once."""
    reads = [value for node in nodes_in(block) for value in inputs_of(node)]
    return list(dict.fromkeys([*reads, *values_in(block.results)]))
