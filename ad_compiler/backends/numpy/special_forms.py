"""Operations with a form of their own in Python: `x.shape[0]`, `a[i]`, `f"{x}"`, `raise`, `x.T`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ad_compiler.backends.numpy.precedence import Precedence, Text, quoted
from ad_compiler.ir import Operation, Value
from ad_compiler.rules.shapes import normalized_axes, rank_of

if TYPE_CHECKING:
    from ad_compiler.backends.numpy.expressions import Expressions


def _getitem(printer: Expressions, node: Operation) -> Text:
    array, index = node.arguments
    return f"{printer.at_least(array, Precedence.ATOM)}[{printer.index(index)}]", Precedence.ATOM


def _select(printer: Expressions, node: Operation) -> Text:
    condition, x, y = node.arguments
    if rank_of(node.result) == 0:
        return printer.choice(condition, x, y)
    return f"np.where({', '.join(map(printer.text, node.arguments))})", Precedence.ATOM


def _length(printer: Expressions, node: Operation) -> Text:
    array, axis = node.arguments
    return f"{printer.at_least(array, Precedence.ATOM)}.shape[{axis}]", Precedence.ATOM


def _size(printer: Expressions, node: Operation) -> Text:
    return f"{printer.at_least(node.arguments[0], Precedence.ATOM)}.size", Precedence.ATOM


def _transpose(printer: Expressions, node: Operation) -> Text:
    array, axes = node.arguments
    if axes is None:
        return f"{printer.at_least(array, Precedence.ATOM)}.T", Precedence.ATOM
    return (
        f"{printer.at_least(array, Precedence.ATOM)}.transpose({', '.join(map(str, axes))})",
        Precedence.ATOM,
    )


def _reshape(printer: Expressions, node: Operation) -> Text:
    array, shape = node.arguments
    text = printer.shape(shape)
    if text.startswith("(") and node.method and len(shape) > 1:
        text = text[1:-1]
    receiver = printer.at_least(array, Precedence.ATOM)
    return (
        f"{receiver}.reshape({text})" if node.method else f"np.reshape({receiver}, {text})"
    ), Precedence.ATOM


def _broadcast_to(printer: Expressions, node: Operation) -> Text:
    array, shape = node.arguments
    return f"np.broadcast_to({printer.text(array)}, {printer.shape(shape)})", Precedence.ATOM


def _expand_dims(printer: Expressions, node: Operation) -> Text:
    array, axis = node.arguments
    axes = axis if isinstance(axis, tuple) else (axis,)
    places = normalized_axes(axes, rank_of(node.result))
    items = ["None" if i in places else ":" for i in range(max(places) + 1)]
    if not isinstance(array, Value) or rank_of(array) == 0:
        return f"np.expand_dims({printer.text(array)}, {printer.text(axis)})", Precedence.ATOM
    return f"{printer.at_least(array, Precedence.ATOM)}[{', '.join(items)}]", Precedence.ATOM


def _not(printer: Expressions, node: Operation) -> Text:
    return printer.negation(node.arguments[0])


def _format(printer: Expressions, node: Operation) -> Text:
    parts = []
    for part in node.arguments:
        if isinstance(part, str):
            parts.append(repr(part)[1:-1].replace('"', '\\"').replace("{", "{{").replace("}", "}}"))
            continue
        operand, conversion, spec = part
        suffix = f"!{chr(conversion)}" if conversion > 0 else ""
        parts.append(f"{{{printer.text(operand)}{suffix}{':' + spec if spec else ''}}}")
    return 'f"' + "".join(parts) + '"', Precedence.ATOM


def _assert(printer: Expressions, node: Operation) -> Text:
    condition, message = node.arguments
    suffix = "" if message is None else f", {printer.text(message)}"
    return f"assert {printer.text(condition)}{suffix}", Precedence.TERNARY


def _require(printer: Expressions, node: Operation) -> Text:
    failed, message = node.arguments
    return f"if {printer.text(failed)}:\n    raise ValueError({printer.text(message)})", Precedence.TERNARY


def _check_result(printer: Expressions, node: Operation) -> Text:
    result, dtype, lengths, called = node.arguments
    text = printer.at_least(result, Precedence.ATOM)
    if not lengths:
        classes = {"float64": "float", "complex128": "complex", "int64": "(int, np.integer)"}
        failed = [f"not isinstance({text}, {classes.get(dtype.name, printer.text(dtype))})"]
    elif None in lengths:
        known = [(axis, length) for axis, length in enumerate(lengths) if length is not None]
        failed = [f"{text}.ndim != {len(lengths)}", f"{text}.dtype != {printer.text(dtype)}"]
        failed += [
            f"{text}.shape[{axis}] != {printer.at_least(length, Precedence.COMPARE + 1)}"
            for axis, length in known
        ]
    else:
        failed = [f"{text}.shape != {printer.shape(lengths)}", f"{text}.dtype != {printer.text(dtype)}"]
    message = quoted(f"{called} gives another shape or dtype than its rule says")
    return f"if {' or '.join(failed)}:\n    raise TypeError({message})", Precedence.TERNARY


def _raise(printer: Expressions, node: Operation) -> Text:
    error, *arguments = node.arguments
    module = "np.linalg." if error is np.linalg.LinAlgError else ""
    return f"raise {module}{error.__name__}({', '.join(map(printer.text, arguments))})", Precedence.TERNARY


def _is_contiguous(printer: Expressions, node: Operation) -> Text:
    return f"{printer.at_least(node.arguments[0], Precedence.ATOM)}.flags.c_contiguous", Precedence.ATOM


def _shares_memory(printer: Expressions, node: Operation) -> Text:
    return f"np.shares_memory({', '.join(map(printer.text, node.arguments))})", Precedence.ATOM


def _print(printer: Expressions, node: Operation) -> Text:
    arguments, keywords = node.arguments
    parts = [
        *map(printer.text, arguments),
        *(f"{key}={printer.text(item)}" for key, item in keywords.items()),
    ]
    return f"print({', '.join(parts)})", Precedence.ATOM


def _sum_where_broadcast(printer: Expressions, node: Operation) -> Text:
    array, count, one, axis, _ = node.arguments
    summed = f"{printer.at_least(array, Precedence.ATOM)}.sum(axis={axis}, keepdims=True)"
    condition = f"{printer.at_least(count, Precedence.COMPARE + 1)} == {one}"
    return (
        f"{summed} if {condition} else {printer.at_least(array, Precedence.TERNARY + 1)}",
        Precedence.TERNARY,
    )


def _bit_length(printer: Expressions, node: Operation) -> Text:
    (n,) = node.arguments
    number = printer.at_least(n, Precedence.ATOM) if n.type.python else f"int({printer.text(n)})"
    return f"{number}.bit_length()", Precedence.ATOM


def _push(printer: Expressions, node: Operation) -> Text:
    recorded, values = node.arguments
    return f"{printer.text(recorded)}.append({printer.text(values)})", Precedence.ATOM


def _marked(printer: Expressions, node: Operation) -> Text:
    if node.primitive.text:
        arguments = ", ".join(map(printer.text, node.arguments))
        return f"{node.primitive.text}({arguments})", Precedence.ATOM
    return printer.operand(node.arguments[0])


def _draw(printer: Expressions, node: Operation) -> Text:
    generator, method, *_, (positional, keywords) = node.arguments
    parts = [printer.text(item) for item in positional]
    parts += [f"{name}={printer.text(item)}" for name, item in keywords.items()]
    return f"{printer.text(generator)}.{method}({', '.join(parts)})", Precedence.ATOM


def _matmul(printer: Expressions, node: Operation) -> Text:
    """`a @ b`; of matrices and vectors `a.dot(b)`, which is the same at half the overhead (0.5 us)."""
    a, b = node.arguments
    if isinstance(a, Value) and rank_of(a) <= 2 and rank_of(b) <= 2:
        return f"{printer.at_least(a, Precedence.ATOM)}.dot({printer.text(b)})", Precedence.ATOM
    right = printer.at_least(b, Precedence.MULTIPLY + 1)
    return f"{printer.at_least(a, Precedence.MULTIPLY)} @ {right}", Precedence.MULTIPLY


def _lu_solve(printer: Expressions, node: Operation) -> Text:
    packed, exchanges, b, trans = node.arguments
    form = f", trans={trans}" if trans else ""
    factors = f"({printer.text(packed)}, {printer.text(exchanges)})"
    return f"scipy.linalg.lu_solve({factors}, {printer.text(b)}{form})", Precedence.ATOM


SPECIAL: dict[str, Callable[[Expressions, Operation], Text]] = {
    "getitem": _getitem,
    "select": _select,
    "length": _length,
    "size": _size,
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_to": _broadcast_to,
    "expand_dims": _expand_dims,
    "not": _not,
    "format": _format,
    "assert": _assert,
    "print": _print,
    "require": _require,
    "check_result": _check_result,
    "is_contiguous": _is_contiguous,
    "shares_memory": _shares_memory,
    "raise": _raise,
    "tape": lambda printer, node: ("[]", Precedence.ATOM),
    "checkpoints": lambda printer, node: ("[]", Precedence.ATOM),
    "kept": lambda printer, node: (f"len({printer.text(node.arguments[0])})", Precedence.ATOM),
    "turns_ahead": lambda printer, node: (
        f"{printer.schedule}({', '.join(map(printer.text, node.arguments))})",
        Precedence.ATOM,
    ),
    "bit_length": _bit_length,
    "tape_copy": lambda printer, node: (f"{printer.text(node.arguments[0])}.copy()", Precedence.ATOM),
    "push": _push,
    "marked": _marked,
    "stopped": _marked,
    "stop_gradient": _marked,
    "hooked": _marked,
    "draw": _draw,
    "real": lambda printer, node: (
        f"{printer.at_least(node.arguments[0], Precedence.ATOM)}.real",
        Precedence.ATOM,
    ),
    "imag": lambda printer, node: (
        f"{printer.at_least(node.arguments[0], Precedence.ATOM)}.imag",
        Precedence.ATOM,
    ),
    "singular_values": lambda printer, node: (
        f"np.linalg.svd({printer.text(node.arguments[0])}, compute_uv=False)",
        Precedence.ATOM,
    ),
    "lu_solve": _lu_solve,
    "matmul": _matmul,
    "part_of": lambda printer, node: (
        f"{printer.at_least(node.arguments[0], Precedence.ATOM)}[{node.arguments[1]}]",
        Precedence.ATOM,
    ),
    "sum_where_broadcast": _sum_where_broadcast,
}
