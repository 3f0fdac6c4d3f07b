"""Whether a function works element by element: whether its Jacobian is diagonal.

y = np.exp(x) * x            yes: every operation between is made of one of each element
y = np.cumsum(x) * x         no: `cumsum` mixes elements
"""

from __future__ import annotations

from collections.abc import Iterable

from ad_compiler.analysis.activity import differentiable_inputs
from ad_compiler.ir import Branch, Loop, Node, Operand, Operation, Value
from ad_compiler.traversal import origins_of, values_in

MOVING_NOTHING = frozenset(
    {"astype", "copy", "asarray", "ascontiguousarray", "select", "where", "stopped", "stop_gradient", "real"}
    | {"float", "float64", "float32", "float16", "longdouble"}
)


def mixing_operation(result: Operand, inputs: Iterable[Value]) -> Node | None:
    """An operation between the inputs and the result that is not known to keep elements apart."""
    readers: dict[Value, list[Value]] = {}  # backwards from the result: a value -> what is made of it
    seen: set[Value] = set()
    waiting = list(values_in(result))
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        for source in sources_of(value):
            readers.setdefault(source, []).append(value)
            waiting.append(source)
    carrying: set[Value] = set()  # forwards from the inputs: what carries a derivative
    waiting = [value for value in inputs if value in seen]
    while waiting:
        value = waiting.pop()
        if value not in carrying:
            carrying.add(value)
            waiting += readers.get(value, [])
    made = {value.operation: None for value in carrying - set(inputs) if value.operation is not None}
    return next((node for node in made if mixes(node)), None)


def sources_of(value: Value) -> list[Value]:
    """What the derivative of a value comes from."""
    if not value.type.differentiable:
        return []
    if isinstance(value.operation, Operation):
        return list(differentiable_inputs(value.operation))
    return list(values_in(origins_of(value) or ()))


def mixes(node: Node) -> bool:
    if isinstance(node, Operation):
        return not is_elementwise(node)
    return not isinstance(node, (Branch, Loop))


def is_elementwise(node: Operation) -> bool:
    return node.primitive.kind == "elementwise" or node.primitive.name in MOVING_NOTHING
