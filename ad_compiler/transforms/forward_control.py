"""Tangents through branches and loops: they are yielded and carried beside the values.

    for i in range(n):              for i in range(n):
        y = y * x[i]       ->           y_dot = y_dot * x[i] + y * x_dot[i]
                                        y = y * x[i]

Which of the carried values have a tangent is a fixed point that the analysis of activity has found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ad_compiler.analysis.types import ArrayType, Type
from ad_compiler.ir import UNBOUND, Branch, Call, Loop, Node, Operand, PullbackCall, Value
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.lists import like_type
from ad_compiler.rules.notation import registry
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.traversal import all_blocks, nodes_in

if TYPE_CHECKING:
    from ad_compiler.transforms.forward import ForwardSweep


def push_branch(sweep: ForwardSweep, node: Branch) -> None:
    """Each side yields the tangents of what it yields."""
    places = [place for place, result in enumerate(node.results) if result in sweep.active]
    blocks = (node.then, node.otherwise)
    sides: list[list[Operand]] = []
    for block in blocks:
        with sweep.rewriting(block):
            sides.append([sweep.tangent_of(block.results[place]) for place in places])
    for place, left, right in zip(places, *sides, strict=True):
        result = node.results[place]
        for block, tangent in zip(blocks, (left, right), strict=True):
            block.results.append(tangent)
        merged = Value(kind_of_tangent(result, (left, right)))
        merged.operation = node
        node.results.append(merged)
        sweep.know(result, merged)
    sweep.builder.append(node)


def push_loop(sweep: ForwardSweep, loop: Loop) -> None:
    """What is carried takes its tangent along.

    Whether the tangent of a number is one of Python's own is found by trying.
    """
    places = [place for place, result in enumerate(loop.results) if result in sweep.active]
    initial = [cast(sweep, sweep.tangent_of(loop.initial[place]), loop.results[place]) for place in places]
    before, tangents = Contents(loop), dict(sweep.tangents)
    while True:
        params = []
        for place, start in zip(places, initial, strict=True):
            carried = loop.carried[place]
            kind = kind_of_tangent(carried, (start,), python=carried not in sweep.numpy_scalars)
            params.append(Value(kind))
            params[-1].loop = loop
            sweep.know(carried, params[-1])
        with sweep.rewriting(loop.body):
            results = [loop.body.results[place] for place in places]
            ends = [
                cast(sweep, sweep.tangent_of(result), loop.results[place])
                for result, place in zip(results, places, strict=True)
            ]
        wrong = {
            loop.carried[place]
            for place, param, end in zip(places, params, ends, strict=True)
            if not is_list(param) and type_of(param).python and end is not UNBOUND and not type_of(end).python
        }
        if not wrong:
            break
        sweep.numpy_scalars |= wrong
        before.restore()
        sweep.tangents = dict(tangents)
    for place, param, start, end in zip(places, params, initial, ends, strict=True):
        result = loop.results[place]
        kind = param.type
        if isinstance(kind, ArrayType):
            kind = ArrayType(kind.dtype, type_of(result).shape, kind.python)
        after = Value(kind)
        loop.carry(param, start, end, after)
        sweep.know(result, after)
    sweep.builder.append(loop)


def cast(sweep: ForwardSweep, tangent: Operand, value: Value) -> Operand:
    """A tangent in the dtype of what a loop carries on: an array of whole numbers may become one of reals."""
    if tangent is UNBOUND or is_list(value) or not rank_of(value):
        return tangent
    dtype = type_of(value).dtype
    if type_of(tangent).dtype == dtype:
        return tangent
    return sweep.builder.call(registry[np.ndarray.astype], (tangent, dtype), method=True)


def kind_of_tangent(value: Value, tangents: tuple[Operand, ...], python: bool = True) -> Type:
    """The kind of a tangent that is chosen from several."""
    if is_list(value):
        return like_type(value)
    kinds = [type_of(tangent) for tangent in tangents if tangent is not UNBOUND]
    kind = type_of(value)
    own = kind.python and python and all(each.python for each in kinds)
    return ArrayType(kind.dtype, kind.shape, own)


class Contents:
    """What the blocks inside of a loop hold, to be put back after a try that was wrong."""

    def __init__(self, loop: Loop) -> None:
        blocks = list(all_blocks(loop.body))
        nodes: list[Node] = list(nodes_in(loop.body))
        self.lists = [listed for block in blocks for listed in (block.operations, block.results)]
        for node in nodes:
            if isinstance(node, (Branch, Loop)):
                self.lists.append(node.results)
            if isinstance(node, Loop):
                self.lists += [node.carried, node.initial]
            if isinstance(node, Call):
                self.lists += [node.arguments, node.results]
            if isinstance(node, PullbackCall):
                self.lists += [node.cotangents, node.results]
        self.kept = [list(listed) for listed in self.lists]
        self.called = [(node, node.function) for node in nodes if isinstance(node, Call)]

    def restore(self) -> None:
        for listed, kept in zip(self.lists, self.kept, strict=True):
            listed[:] = kept
        for call, function in self.called:
            call.function = function
