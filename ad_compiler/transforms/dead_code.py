"""Drops what nobody reads: operations, branches, and results of branches.

t = np.exp(x)
y = x * x          ->      y = x * x
return y                   return y
"""

from __future__ import annotations

from ad_compiler.ir import Block, Branch, Operand, Operation, Value, values_in


def remove_dead_code(blocks: list[Block], outputs: Operand) -> None:
    """Keep what `outputs` need; `blocks` run in this order."""
    live = set(values_in(outputs))
    for block in reversed(blocks):
        _sweep(block, live, False)


def _sweep(block: Block, live: set[Value], inside: bool) -> None:
    kept: list[Operation | Branch] = []
    for node in reversed(block.operations):
        if isinstance(node, Branch):
            if _sweep_branch(node, live):
                kept.append(node)
        elif node.result in live or node.primitive.effect or checks_alone(node, inside):
            live.update(values_in(node.arguments))
            kept.append(node)
    block.operations[:] = reversed(kept)


def checks_alone(node: Operation, inside: bool) -> bool:
    """Whether NumPy checks something here that cannot be checked up front (`keep_checks`)."""
    return any(inside or None in equation for equation in node.equations)


def _sweep_branch(branch: Branch, live: set[Value]) -> bool:
    wanted = [i for i, result in enumerate(branch.results) if result in live]
    branch.results[:] = [branch.results[i] for i in wanted]
    for block in (branch.then, branch.otherwise):
        block.results[:] = [block.results[i] for i in wanted]
        live.update(values_in(block.results))
        _sweep(block, live, True)
    needed = bool(wanted or branch.then.operations or branch.otherwise.operations)
    if needed:
        live.update(values_in(branch.condition))
    return needed
