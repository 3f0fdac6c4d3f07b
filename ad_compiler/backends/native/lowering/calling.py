"""Calls of functions of the module, and what these ask about arrays of the caller's of the program.

Compiled code is given contiguous arrays, and none that overlap. Where what a program does depends on how its
arguments lie in memory, Python answers that before it hands them over, and the answer is a further argument:

    def gradient(x):                                def kernel(x, is_contiguous): ...
        return kernel(x.copy(), x.flags.c_contiguous)

A function that asks so is given the answer by its caller, which asks in its place. (The front end lets no
function ask that calls itself.)
"""

from __future__ import annotations

from collections.abc import Sequence

from ad_compiler.analysis.types import BOOL, GENERATOR, ArrayType, Type
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.lowering.control_flow import ControlFlow
from ad_compiler.backends.native.lowering.frame import Frame
from ad_compiler.backends.native.lowering.lists import shape_of
from ad_compiler.backends.native.lowering.materialising import as_scalar
from ad_compiler.backends.native.lowering.recursion import Callees, function_of
from ad_compiler.backends.native.nests import Line, names_in, text_of
from ad_compiler.ir import Call, Operand, Operation, PullbackCall, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.shapes import type_of
from ad_compiler.traversal import arguments_of, values_in


class Calling(ControlFlow):
    """The part of the walk that lowers calls; `inputs` is what the function is given."""

    def __init__(self, frame: Frame, callees: Callees) -> None:
        super().__init__(frame)
        self.callees = callees
        self.inputs: list[Value] = []

    def call(self, node: Call | PullbackCall) -> None:
        """A call of a function that calls itself, of its pullback, or of a derivative."""
        frame = self.frame
        called = node.function if isinstance(node, Call) else function_of(node.pullback, frame.function)
        callee = self.callees.known[called]
        names = []
        for result in node.results:
            if isinstance(result.type, ArrayType):
                names.append(frame.give(result))
            else:
                names.append(frame.fresh("record"))
                frame.names[result] = names[-1]
                frame.whole.add(names[-1])
        if isinstance(node, Call):
            kinds = [parameter.structure for parameter in callee.function.parameters]
            given = [self.given(each, kind.type) for each, kind in zip(node.arguments, kinds, strict=True)]
            given += [
                self.answer(question, [node.arguments[place] for place in places])
                for question, places in callee.questions
            ]
            own = self.callees.known.get(frame.function)
            counted = own is not None and not (own.has_pullback and self.reverse)
            given += [*self.callees.records, "depth + 1" if counted else "0"]
            count = len(callee.function.returned) + callee.has_pullback
            names += [frame.fresh("unused") for _ in range(count - len(names))]
            text = f"{callee.name}({', '.join(given)})"
        else:
            seeds = values_in(callee.function.seed)
            given = [self.given(each, seed.type) for each, seed in zip(node.cotangents, seeds, strict=True)]
            given = [frame.names[node.pullback], *given, *self.callees.records]
            text = f"{callee.pullback}({', '.join(given)})"
        if names:
            drawn = [frame.names[value] for value in values_in(arguments_of(node)) if value.type is GENERATOR]
            frame.write(Line(f"{', '.join(names)} = {text}", names_in(text), frozenset([*names, *drawn])))
        else:
            frame.write(Line(text, names_in(text)))
        for value in node.results:
            if isinstance(value.type, ArrayType):
                frame.extents[value] = shape_of(frame, frame.names[value], value.type)

    def given(self, operand: Operand, kind: Type | None = None) -> str:
        """What a function is given, or gives, as a number or a contiguous array of this type."""
        if isinstance(operand, Value) and operand.type is GENERATOR:
            return self.frame.names[operand]
        kind = type_of(operand) if kind is None else kind
        if not isinstance(kind, ArrayType):
            raise Refusal(
                "a list that a function which calls itself is given has no native form", scalars.ADVICE
            )
        if kind.rank == 0:
            return text_of(as_scalar(self.frame, self.elements, operand, kind))
        self.check_rank(operand, kind)
        text = self.memory(operand)
        return (
            text
            if type_of(operand).dtype == kind.dtype
            else f"{text}.astype({scalars.dtype_text(kind.dtype)})"
        )

    def ask(self, node: Operation) -> None:
        """A question on arguments of this function."""
        self.frame.give(node.result, self.answer(node.primitive.name, node.arguments))

    def answer(self, question: str, arguments: Sequence[Operand]) -> str:
        """The name of the argument that is the answer to a question on others."""
        own = self.callees.known.get(self.frame.function)
        if not all(isinstance(each, Value) and each.access is not None for each in arguments):
            raise Refusal("how arrays lie in memory that are no arguments has no native form", scalars.ADVICE)
        if own is not None:
            parameters = [parameter.structure for parameter in own.function.parameters]
            own.questions.append((question, [parameters.index(each) for each in arguments]))
        first, *rest = (str(each.access) for each in arguments)
        answer = Value(BOOL)
        answer.access = f"np.shares_memory({first}, {rest[0]})" if rest else f"{first}.flags.c_contiguous"
        answer.immutable = True
        self.inputs.append(answer)
        return self.frame.give(answer, self.frame.fresh(question))
