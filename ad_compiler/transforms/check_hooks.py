"""Refuses hooks of cotangents that would see none, or a part of one, before a program is differentiated.

h = np.tanh(x)                         h = np.tanh(x)
penalty = np.sum(h * h)      ->        with cotangent(h) as h_bar: ...     what the penalty contributes
with cotangent(h) as h_bar: ...        penalty = np.sum(h * h)             reaches the hook
"""

from __future__ import annotations

import ast

from ad_compiler.analysis.activity import active_values, differentiable_inputs
from ad_compiler.ir import Function, Loop, Node, Operand, Operation, Value
from ad_compiler.rules.markers import is_hook
from ad_compiler.transforms.reverse_loops import extend
from ad_compiler.traversal import arguments_of, blocks_of, functions_called, nodes_in, values_in


def check_hooks(function: Function, inputs: list[Value]) -> None:
    """Refuse hooks of a program to be differentiated that would see no cotangent, or a part of one."""
    functions = [function, *functions_called(function)]
    nodes = {each: list(nodes_in(each.forward)) for each in functions}
    if not any(is_hook(node) for listed in nodes.values() for node in listed):
        return
    active = active_values(function.forward, inputs)
    for each, listed in nodes.items():
        needed = {value for value in values_in(each.result) if value in active}
        extend(each.forward, needed, active)
        for place, node in enumerate(listed):
            if is_hook(node) and node.arguments[0] in active:
                check_hook(each, listed, place, needed)


def check_hook(function: Function, nodes: list[Node], place: int, needed: set[Value]) -> None:
    """Refuse the hook at this place among all nodes, in their order, if it would."""
    node = nodes[place]
    assert isinstance(node, Operation) and node.place is not None
    value, made, (source, call) = node.arguments[0], node.result, node.place
    assert isinstance(call, ast.Call)
    name = source.text(call.args[0])
    for other in nodes[:place]:
        if (
            isinstance(other, Operation)
            and not is_hook(other)
            and other.statement is not None
            and other.statement.source is source
            and other.result in needed
            and value in differentiable_inputs(other)
        ):
            line = other.statement.node.lineno
            reason = (
                f"`{name}` is read in line {line}, above its hook, which would see a part of the cotangent"
            )
            raise source.refuse(call, reason, f"put the hook right behind the line that makes `{name}`")
    everything = (function.result, [block_reads(each) for each in nodes])
    if not any(each is made for each in values_in(everything)):
        reason = f"nothing reads `{name}` after its hook: no cotangent reaches it"
        raise source.refuse(call, reason, f"put the hook in front of the lines that read `{name}`")


def block_reads(node: Node) -> Operand:
    """What a node reads, and what the blocks inside it yield."""
    read: list[Operand] = [arguments_of(node), [block.results for block in blocks_of(node)]]
    return [*read, node.leave] if isinstance(node, Loop) else read
