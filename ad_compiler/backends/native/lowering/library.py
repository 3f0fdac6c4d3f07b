"""Operations that have no form as loops: calls of NumPy and SciPy, which Python makes for compiled code.

    y = np.linalg.solve(a, b)    ->    y = solve(a, b)

    @njit
    def solve(a, b):
        with objmode(result="float64[::1]"):
            result = np.ascontiguousarray(np.linalg.solve(a, b), np.float64)
        return result

Such a call costs about a microsecond more than in NumPy code. Its operands are numbers and arrays in memory;
what it returns is brought to the type that is known of it: dtype, rank, rows one behind the other. The
exceptions of the call leave the kernel; the NumPy code of the derivative then runs, and raises them again.

Systems of few equations are solved by compiled code (`small_systems.py`); how many there are is asked when
the program runs.

Every call has a function of its own since Numba allows several `with objmode` in one function only where the
first of them always runs.
"""

from __future__ import annotations

import re

import numpy as np

from ad_compiler.analysis.types import GENERATOR, ArrayType, Axis, TupleType, representative, same_length
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering.elements import Elements
from ad_compiler.backends.native.lowering.frame import Extents, Frame
from ad_compiler.backends.native.lowering.materialising import as_scalar, in_memory
from ad_compiler.backends.native.nests import Define, Line, names_in
from ad_compiler.backends.numpy.expressions import Expressions
from ad_compiler.backends.numpy.precedence import Precedence, Text
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.shapes import type_of
from ad_compiler.traversal import values_in

PARAMETERS = "abcdefghijklmnopqrstuvwxyz"
FEW = 16  # equations
FOR_FEW = {
    ("np.linalg.inv", (2,)): "few_inverse",
    ("np.linalg.solve", (2, 1)): "few_solution_of_vector",
    ("np.linalg.solve", (2, 2)): "few_solution",
    ("np.linalg.det", (2,)): "few_determinant",
    ("np.linalg.slogdet", (2,)): "few_slogdet",
    ("np.linalg.cholesky", (2,)): "few_cholesky",
}


class CallText(Expressions):
    """Prints a call with its operands as parameters; `given` are their names in the kernel."""

    def __init__(self, frame: Frame, elements: Elements) -> None:
        super().__init__(self.parameter)
        self.frame = frame
        self.elements = elements
        self.given: dict[str, str] = {}

    def parameter(self, value: Value) -> str:
        kind = value.type
        if kind is GENERATOR:
            return self.parameter_for(self.frame.names[value])
        name = self.parameter_for(operand_name(self.frame, self.elements, value))
        assert isinstance(kind, ArrayType)
        return name if kind.rank or kind.python else f"{scalars.dtype_text(kind.dtype)}({name})"

    def parameter_for(self, given: str) -> str:
        if given not in self.given:
            self.given[given] = f"{PARAMETERS[len(self.given) % 26]}{len(self.given) // 26 or ''}"
        return self.given[given]

    def constant(self, operand: Operand) -> Text:
        if isinstance(operand, np.ndarray):
            name = self.frame.constant_array(operand, operand.dtype)
            return self.parameter_for(name), Precedence.ATOM
        return super().constant(operand)


def call(frame: Frame, elements: Elements, node: Operation) -> None:
    """Have Python compute the result of an operation, or its results."""
    kind, result = node.result.type, node.result
    if not isinstance(kind, (ArrayType, TupleType)):
        raise Refusal("a list or a string that a function returns has no native form", scalars.ADVICE)
    values = parts_of(result) if isinstance(kind, TupleType) else (result,)
    kinds = kind.parts if isinstance(kind, TupleType) else (kind,)
    for each in kinds:
        if not scalars.has_memory(each):
            raise Refusal(f"numbers of {each.dtype} have no native form", scalars.ADVICE)
    printer = CallText(frame, elements)
    text = printer.operation(node)[0]
    if node.primitive.module is not None:
        body = foreign_body(text, kinds[0])
    else:
        body = function_body(text, kinds, isinstance(kind, TupleType))
    function = f"({', '.join(printer.given.values())}):\n{body}"
    if function not in frame.library:
        frame.library[function] = frame.fresh(node.primitive.name)
    names = [frame.give(value) for value in values]
    reads = names_in(", ".join(printer.given))
    made = f"{frame.library[function]}({', '.join(printer.given)})"
    few = few_equations(node)
    if few is not None:
        operands = [operand_name(frame, elements, value) for value in values_in(node.arguments)]
        order = frame.extents_of(node.arguments[0])[0]
        made = f"{few}({', '.join(operands)}) if {order} <= {FEW} else {made}"
        reads |= names_in(str(order))
    advanced = [frame.names[value] for value in values_in(node.arguments) if value.type is GENERATOR]
    frame.write(Line(f"{', '.join(names)} = {made}", reads, frozenset([*names, *advanced])))
    for value, name, each in zip(values, names, kinds, strict=True):
        frame.extents[value] = extents_of_result(frame, node, name, each)


def few_equations(node: Operation) -> str | None:
    """The function that does this for a system of few equations (`small_systems.py`)."""
    kinds = [operand.type for operand in node.arguments if isinstance(operand, Value)]
    if not all(isinstance(kind, ArrayType) and kind.dtype == np.float64 for kind in kinds):
        return None
    if any(operand for operand in node.arguments if not isinstance(operand, Value)):
        return None  # an option
    ranks = tuple([type_of(operand).rank for operand in node.arguments if isinstance(operand, Value)])
    return FOR_FEW.get((node.primitive.text, ranks))


def function_body(text: str, kinds: tuple[ArrayType, ...], several: bool) -> str:
    """The call by Python, and the results with the types that are known of them."""
    names = [f"result_{n}" for n in range(len(kinds))] if several else ["result"]
    types = ", ".join(f'{name}="{type_text(kind)}"' for name, kind in zip(names, kinds, strict=True))
    lines = [f"    with objmode({types}):"]
    if several:
        lines.append(f"        {', '.join(names)} = {text}")
        for name, kind in zip(names, kinds, strict=True):
            if converted(name, kind, text) != name:
                lines.append(f"        {name} = {converted(name, kind, text)}")
    else:
        lines.append(f"        result = {converted(text, kinds[0], text)}")
    return "\n".join([*lines, f"    return {', '.join(names)}", ""])


def foreign_body(text: str, kind: ArrayType) -> str:
    """The call of a function with a rule of the user's: what it gives is compared, and may be a view."""
    made = f"of_kind({text}, {scalars.dtype_text(kind.dtype)}, {kind.rank})"
    return (
        f'    with objmode(result="{type_text(kind)}"):\n'
        f"        result = {made if kind.rank else converted(made, kind, text)}\n"
        "    return result\n"
    )


def parts_of(whole: Value) -> tuple[Value, ...]:
    """The values that are read from a tuple; made here where the program reads none of them."""
    assert isinstance(whole.type, TupleType)
    if not whole.parts:
        whole.parts = tuple(Value(kind) for kind in whole.type.parts)
    return whole.parts


def type_text(kind: ArrayType) -> str:
    """The type as Numba writes it."""
    dtype = "boolean" if kind.dtype.kind == "b" else kind.dtype.name
    return dtype if kind.rank == 0 else f"{dtype}[{':, ' * (kind.rank - 1)}::1]"


def converted(text: str, kind: ArrayType, call: str) -> str:
    """What a call gives, or a part of it, with the type that is known of it."""
    if kind.rank:
        function = "array_of" if may_be_complex(call) else "np.ascontiguousarray"
        return f"{function}({text}, {scalars.dtype_text(kind.dtype)})"
    return f"{scalars.dtype_text(kind.dtype)}({text})" if kind.dtype.kind in "bc" else text


def may_be_complex(call: str) -> bool:
    """Whether the numbers given may decide the dtype of a result, not their dtypes alone."""
    return re.search(r"\b(linalg|scipy)\.", call) is not None


def operand_name(frame: Frame, elements: Elements, value: Value) -> str:
    """A name for an operand: of an array in memory, or of a number."""
    kind = value.type
    if not isinstance(kind, ArrayType):
        raise Refusal("a list or a string that a function is given has no native form", scalars.ADVICE)
    if kind.rank:
        return in_memory(frame, elements, value)
    name = frame.names.get(value)
    if name is None:
        name = frame.fresh(frame.wanted(value))
        frame.write(Define(name, as_scalar(frame, elements, value, kind)))
    return name


def extents_of_result(frame: Frame, node: Operation, name: str, kind: ArrayType) -> Extents:
    """The lengths of a result: what its type says of them is checked, the others are asked for."""
    if node.primitive.kind == "elementwise" and node.primitive.module is None:
        return frame.broadcast([frame.extents_of(each) for each in values_in(node.arguments)])
    found, unknown = [], False
    for n, axis in enumerate(kind.shape):
        extent = known_extent(frame, node, axis)
        unknown = unknown or extent is None
        found.append(extent or frame.define_number(f"{name}.shape[{n}]", f"{name}_{n}"))
    if kind.rank and not unknown:
        lengths = f"({found[0]},)" if kind.rank == 1 else f"({', '.join(map(str, found))})"
        frame.depart_if(f"{name}.shape != {lengths}")
    elif unknown:
        for n, (extent, axis) in enumerate(zip(found, kind.shape, strict=True)):
            if known_extent(frame, node, axis) is not None:
                frame.depart_if(f"{name}.shape[{n}] != {extent}")
    return tuple(found)


def known_extent(frame: Frame, node: Operation, axis: Axis) -> Affine | None:
    """What the type says of a length: a number, or that of an operand."""
    axis = representative(axis)
    if isinstance(axis, int):
        return Affine.of(axis)
    for value in values_in(node.arguments):
        if value.type is GENERATOR:
            continue
        for extent, length in zip(frame.extents_of(value), type_of(value).shape, strict=True):
            if same_length(axis, length):
                return extent
    return None
