"""Operations that compute nothing: they mark a value, for the derivative to tell.

`stop_gradient(x)` is `x` without a derivative; a value with a derivative of the user's own stands for the
one that was computed (`custom`); one with a hook, whose cotangent statements of the user's see, for the value
before it (`cotangent_hooks`). Once the program is differentiated they are gone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeGuard

from ad_compiler.ir import Function, Operand, Operation, Shortcut, Value
from ad_compiler.rules.notation import constant, registry
from ad_compiler.traversal import all_blocks, map_values, nodes_in, substitute

MARKER = "marked"
HOOK = "hooked"


def same_type(x: Any, *_: Any) -> Any:
    return x.type


@constant("stopped", infer=same_type, view=True, cheap=True)
def stopped(x: Any) -> None: ...


@constant("stop_gradient", infer=same_type, view=True, text="_stop_gradient")
def stop_gradient(x: Any) -> None:
    """As the user says it: of derivatives of any order."""


def is_marker(node: Any) -> bool:
    names = (MARKER, HOOK, "stopped", "stop_gradient")
    return isinstance(node, Operation) and node.primitive.name in names


def is_hook(node: Any) -> TypeGuard[Any]:
    """Whether it marks a value whose cotangent statements of the user's see."""
    return isinstance(node, Operation) and node.primitive.name == HOOK


class Again:
    """What a text calls to mark a value once more."""

    def __init__(self, rule: Any) -> None:
        self.rule = rule

    def inline_in(self, *call: Any) -> Operand:
        """Call it in a program that is being lowered."""
        return self.rule.again(*call)


def marks_again(function: Function) -> dict[str, Again]:
    """The markers that a text names, because it is to be differentiated."""
    return {
        node.primitive.text: Again(node.primitive.rule)
        for top in function.blocks
        for node in nodes_in(top)
        if isinstance(node, Operation) and node.primitive.name == MARKER and node.primitive.text
    }


def without_derivative(builder: Any, operand: Operand) -> Operand:
    """The same numbers and arrays, as constants."""
    return map_values(lambda value: builder.call(registry["stopped"], (value,)), operand)


def remove_markers(
    function: Function, whole: bool = True, shortcuts: dict[Value, Shortcut] | None = None
) -> None:
    """Let what is marked stand for itself, in `shortcuts`, too.

    In what is not the `whole`, but is differentiated once more, the markers stay that are for derivatives of
    any order.
    """
    known: dict[Value, Operand] = {}

    def is_removed(node: Any) -> bool:
        return is_marker(node) and (whole or not node.primitive.text)

    for top in function.blocks:
        for block in all_blocks(top):
            for node in block.operations:
                if is_removed(node):
                    assert isinstance(node, Operation)
                    marked = node.arguments[0]
                    while isinstance(marked, Value) and marked in known:
                        marked = known[marked]
                    known[node.result] = marked
                    if isinstance(marked, Value) and marked.name is None and marked.operation is not None:
                        marked.name = node.result.name
            block.operations[:] = [node for node in block.operations if not is_removed(node)]
    if not known:
        return
    for top in function.blocks:
        substitute(top, known)
    function.result, function.reverse_result = map_values(
        lambda value: known.get(value, value), (function.result, function.reverse_result)
    )
    for each in list((shortcuts or {}).values()):
        inputs, given = map_values(lambda value: known.get(value, value), (each.inputs, each.given))
        assert shortcuts is not None
        shortcuts[each.result] = replace(each, inputs=inputs, given=given)
