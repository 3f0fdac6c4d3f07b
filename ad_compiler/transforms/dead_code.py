"""Drops what nobody reads: operations, branches and loops, and what those yield.

t = np.exp(x)
y = x * x          ->      y = x * x
return y                   return y

First everything is marked that is needed, from the end to the beginning (a loop again and again, until
its turns ask for nothing more of each other); then the rest is removed.
"""

from __future__ import annotations

from ad_compiler.ir import Block, Branch, Call, Loop, Node, Operand, Operation, Pop, PullbackCall, Value
from ad_compiler.traversal import arguments_of, blocks_of, functions_called, nodes_in, values_in


def remove_dead_code(blocks: list[Block], outputs: Operand, inside: bool = False) -> None:
    """Keep what `outputs` need; `blocks` run in this order, `inside` of a function that is called."""
    live = set(values_in(outputs))
    kept: set[Node] = set()
    for block in reversed(blocks):
        _mark(block, live, kept, inside)
    for block in blocks:
        _remove(block, live, kept)


def _mark(block: Block, live: set[Value], kept: set[Node], inside: bool) -> bool:
    """Whether anything in the block is needed; everything it needs is added to `live`."""
    needed = False
    for node in reversed(block.operations):
        if isinstance(node, Operation):
            alive = node.result in live or has_effect(node, live) or node.kept or checks_alone(node, inside)
            if alive:
                live.update(values_in(node.arguments))
        elif isinstance(node, Branch):
            alive = _mark_branch(node, live, kept)
        elif isinstance(node, Pop):
            alive = True
            live.add(node.tape)
        elif isinstance(node, (Call, PullbackCall)):
            alive = any(result in live for result in node.results) or must_run(node)
            if alive:
                live.update(values_in(arguments_of(node)))
        else:
            alive = _mark_loop(node, live, kept)
        if alive:
            kept.add(node)
            needed = True
    return needed


def has_effect(node: Operation, live: set[Value]) -> bool:
    """Whether it does something that is to be done, be its result read or not."""
    return node.primitive.effect and not (node.primitive.guard and node.arguments[0] not in live)


def must_run(call: Call | PullbackCall) -> bool:
    """Whether a call does or may find something that the user would miss: a check, a message."""
    return isinstance(call, Call) and any(
        isinstance(node, Operation) and (node.primitive.effect or node.kept)
        for function in (call.function, *functions_called(call.function))
        for node in nodes_in(function.forward)
    )


def checks_alone(node: Operation, inside: bool) -> bool:
    """Whether NumPy checks something here that cannot be checked up front (`keep_checks`)."""
    return any(inside or None in equation for equation in node.equations)


def _mark_branch(branch: Branch, live: set[Value], kept: set[Node]) -> bool:
    needed = any(result in live for result in branch.results)
    for block in (branch.then, branch.otherwise):
        for result, operand in zip(branch.results, block.results, strict=True):
            if result in live:
                live.update(values_in(operand))
        needed |= _mark(block, live, kept, True)
    if needed:
        live.update(values_in(branch.condition))
    return needed


def _mark_loop(loop: Loop, live: set[Value], kept: set[Node]) -> bool:
    needed = any(value in live for value in [*loop.results, *loop.carried])  # of a turn: for the reverse
    before = -1
    while len(live) > before:
        before = len(live)
        for place in live_places(loop, live):
            live.update(values_in((loop.body.results[place], loop.initial[place])))
        needed |= _mark(loop.body, live, kept, True)
        if needed:
            live.update(values_in((loop.bounds, loop.leave)))
            if loop.condition is not None:
                live.update(values_in(loop.condition.results))
                _mark(loop.condition, live, kept, True)
    return needed


def live_places(loop: Loop, live: set[Value]) -> list[int]:
    """The places of the values that it must carry."""
    pairs = zip(loop.carried, loop.results, strict=True)
    return [place for place, pair in enumerate(pairs) if any(value in live for value in pair)]


def _remove(block: Block, live: set[Value], kept: set[Node]) -> None:
    block.operations[:] = [node for node in block.operations if node in kept]
    for node in block.operations:
        if isinstance(node, Loop):
            node.keep(live_places(node, live))
            for inner in blocks_of(node):
                _remove(inner, live, kept)
        elif isinstance(node, Branch):
            wanted = [place for place, result in enumerate(node.results) if result in live]
            node.results[:] = [node.results[place] for place in wanted]
            for side in (node.then, node.otherwise):
                side.results[:] = [side.results[place] for place in wanted]
                _remove(side, live, kept)
