"""A differentiated program to the iteration-space program: one walk over the blocks.

Every operation is lowered where it stands: its lengths (and the checks that they fit) always, its elements
there if it gets memory, else where they are read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ad_compiler.analysis.types import GENERATOR, ArrayType, ListType, Type
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.lowering import joining, library, lists, products, reductions
from ad_compiler.backends.native.lowering.arranging import arrange
from ad_compiler.backends.native.lowering.calling import Calling
from ad_compiler.backends.native.lowering.elements import Elements, affine, sum_of_names
from ad_compiler.backends.native.lowering.extents import find_extents
from ad_compiler.backends.native.lowering.forms import has_loops
from ad_compiler.backends.native.lowering.frame import Extents, Frame, is_placed
from ad_compiler.backends.native.lowering.materialising import materialise
from ad_compiler.backends.native.lowering.planning import UPDATES, Writes, is_plain_reshape
from ad_compiler.backends.native.lowering.recursion import Callees
from ad_compiler.backends.native.lowering.updates import update
from ad_compiler.backends.native.nests import (
    Code,
    Comment,
    Line,
    text_of,
)
from ad_compiler.backends.native.passes.aliasing import remove_aliases
from ad_compiler.backends.native.passes.fusing import normalise
from ad_compiler.backends.native.passes.optimising import optimise
from ad_compiler.backends.native.passes.recomputing import recompute
from ad_compiler.ir import Block, Branch, Function, Loop, Node, Operand, Operation, Pop, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.shapes import type_of
from ad_compiler.traversal import modules_of, values_in

Nested = Callable[[Frame, Elements, Operation, Extents], None]

NESTED: dict[str, Nested] = {
    **dict.fromkeys([*reductions.KINDS, "argmax", "argmin", "count_nonzero"], reductions.reduce),
    "norm": reductions.reduce,
    "trace": reductions.reduce_diagonal,
    "var": reductions.reduce_to_spread,
    "std": reductions.reduce_to_spread,
    "cumsum": reductions.accumulate,
    "cumprod": reductions.accumulate,
    **dict.fromkeys(["matmul", "dot", "inner", "tensordot", "einsum"], products.multiply),
    "concatenate": joining.concatenate,
    "stack": joining.stack,
    "linspace": joining.linspace,
}
DEPARTING = frozenset({"require", "assert", "raise"})


@dataclass(eq=False, slots=True)
class Lowered:
    """The iteration-space program of a function."""

    frame: Frame
    callees: Callees
    inputs: list[Value]
    forward: list[Code] = field(default_factory=list)
    reverse: list[Code] = field(default_factory=list)
    results: list[str] = field(default_factory=list)  # what the forward sweep returns, as expressions
    gradients: list[str] = field(default_factory=list)
    seeds: list[Value] = field(default_factory=list)
    apart: set[frozenset[str]] = field(default_factory=set)  # names of arrays that are never the same one


def lower(
    function: Function, separate: bool, reserved: frozenset[str], callees: Callees, parallel: bool = False
) -> Lowered:
    """Lower a program, or a function that it calls; raises `Unsupported` for what has no native form.

    Where the code is to be `parallel`, sweeps that follow each other stay apart: each has rows to be shared.
    """
    arrange(function)
    modules = modules_of(function)
    reserved |= {module.split(".")[0] for module in modules}
    reserved |= callees.names | set(callees.library.values())
    frame = Frame(function, Writes(function, separate), reserved)
    frame.library, frame.modules = callees.library, callees.modules
    frame.modules |= modules - {"numpy"}
    return Lowering(frame, callees).run(separate, parallel)


class Lowering(Calling):
    """The walk: inputs, operations; calls as `Calling`, branches and loops as `ControlFlow` has them."""

    def run(self, separate: bool, parallel: bool) -> Lowered:
        frame, function = self.frame, self.frame.function
        try:
            inputs = [v for parameter in function.parameters for v in values_in(parameter.structure)]
            for value in inputs:
                self.input(value)
            self.inputs = inputs
            lowered = Lowered(frame, self.callees, inputs)
            with frame.into(lowered.forward):
                self.block(function.forward)
                frame.node = None
                if separate:
                    lowered.results = self.outputs(function.result)
                equal, known = frame.equal, frame.known
            frame.equal, frame.known = equal, known
            self.reverse, self.statement = True, None
            lowered.seeds = list(values_in(function.seed)) if separate else []
            for value in lowered.seeds:
                self.input(value)
            with frame.into(lowered.reverse):
                if function.reverse is not None:
                    self.block(function.reverse)
                frame.node = None
                if not separate:
                    lowered.results = self.outputs(function.result)
                lowered.gradients = self.outputs(function.reverse_result)
            for sweep in (lowered.forward, lowered.reverse):
                normalise(sweep, frame.facts)
            if not separate:  # one sweep goes over into the other
                outputs = [*lowered.results, *lowered.gradients]
                recompute(lowered.forward, lowered.reverse, outputs, frame.fresh)
                lowered.forward, lowered.reverse = [*lowered.forward, *lowered.reverse], []
            outputs = [*lowered.results, *lowered.gradients]
            sweeps = [lowered.forward, lowered.reverse]
            inputs_made = {frame.names[value] for value in (*self.inputs, *lowered.seeds)}
            outputs = remove_aliases(sweeps, outputs, inputs_made)
            count = len(lowered.results)
            lowered.results, lowered.gradients = outputs[:count], outputs[count:]
            lowered.apart = optimise(sweeps, outputs, frame, parallel)
            return lowered
        except Refusal as refusal:
            raise frame.refused(refusal) from None

    def input(self, value: Value) -> None:
        kind = value.type
        if isinstance(kind, ListType) or kind is GENERATOR:
            if isinstance(kind, ListType):
                lists.check_element(kind.element)
            self.frame.give(value, self.frame.fresh(str(value.access)))
            return
        if not isinstance(kind, ArrayType) or not scalars.has_memory(kind):
            raise Refusal(f"`{value.access}` is a {kind}, which has no native form", scalars.ADVICE)
        name = self.frame.give(value, self.frame.fresh(str(value.access)))
        self.frame.extents[value] = self.frame.input_extents(name, kind, self.reverse)
        if kind.rank == 0 and kind.python and kind.dtype.kind == "i" and not self.reverse:
            self.frame.fixed.add(name)

    def outputs(self, structure: Operand) -> list[str]:
        found = []
        if self.frame.function in self.callees.known:  # its results, one by one
            return [self.given(each) for each in structure or ()]
        for value in values_in(structure):
            if not isinstance(value.type, (ArrayType, ListType)):
                raise Refusal("the program returns a string", scalars.ADVICE)
            if is_number(value.type):
                found.append(text_of(self.elements.element(value, ())))
            else:
                found.append(self.memory(value))
        return found

    # Blocks

    def block(self, block: Block) -> None:
        for node in block.operations:
            self.frame.node = node
            if is_placed(node):
                self.frame.placed = node
            self.comment(node)
            if isinstance(node, Operation):
                self.operation(node)
            elif isinstance(node, Branch):
                self.branch(node)
            elif isinstance(node, Loop):
                self.loop(node)
            elif isinstance(node, Pop):
                self.tapes.pop(node)
            else:
                self.call(node)

    def comment(self, node: Node) -> None:
        statement = node.statement
        if statement is None or (self.statement is not None and statement.node is self.statement.node):
            return
        self.statement = statement
        text = statement.text if len(statement.text) <= 90 else f"{statement.text[:86]} ..."
        self.frame.write(Comment(f"# d({text})" if self.reverse else f"# {text}"))

    def operation(self, node: Operation) -> None:
        """Lower an operation by what it is for, then by its form as loops; others are calls of a library."""
        frame, name = self.frame, node.primitive.name
        result = node.result
        if name in DEPARTING:
            self.departure(node)
            return
        if name in ("is_contiguous", "shares_memory"):
            self.ask(node)
            return
        if name in ("tape", "checkpoints"):
            self.tapes.make(node)
            return
        if name == "tape_copy":
            self.tapes.copy(node)
            return
        if name == "push":
            self.tapes.push(node)
            return
        if name in ("kept", "turns_ahead"):
            self.tapes.count(node)
            return
        if node.primitive.guard:
            return  # what a library gives is compared where it is called
        if name == "draw":
            library.call(frame, self.elements, node)
            return
        if node.primitive.effect:
            raise Refusal(f"`{node.primitive.text or name}` has no native form", scalars.ADVICE)
        if name == "part_of" and node.result in frame.names:
            return
        if name in lists.OPERATIONS:
            lists.OPERATIONS[name](frame, self.elements, node)
            return
        if not has_loops(node):
            library.call(frame, self.elements, node)
            return
        if not isinstance(result.type, ArrayType):
            return  # a message: NumPy code makes it
        if not scalars.has_memory(result.type):
            raise Refusal(f"numbers of {result.type.dtype} have no native form", scalars.ADVICE)
        extents = find_extents(frame, self.elements, node)
        frame.extents[result] = extents
        number = sum_of_names(frame, self.elements, node)
        if number is not None:
            frame.numbers[result] = frame.normal(number)
            return
        if result in frame.inlined:
            return
        if name in UPDATES:
            update(frame, self.elements, node)
            return
        nested = NESTED.get(name) if node.primitive.kind != "elementwise" else None
        if name in ("reshape", "ravel", "flatten") and (name == "flatten" or not is_plain_reshape(node)):
            nested = joining.reshape
        if name in ("array", "asarray") and not is_single(node):
            nested = joining.array
        if nested is not None:
            nested(frame, self.elements, node, extents)
            return
        materialise(frame, self.elements, node, extents)

    def departure(self, node: Operation) -> None:
        name = node.primitive.name
        if name == "raise":
            self.frame.write(Line("raise Departure"))
            return
        condition = node.arguments[0]
        if name == "require" and self.requires_lengths(condition):
            return
        if not isinstance(condition, Value):
            if bool(condition) == (name == "require"):
                self.frame.write(Line("raise Departure"))
            return
        text = text_of(self.elements.element(condition, ()), scalars.COMPARE)
        self.frame.depart_if(text if name == "require" else f"not {text}")

    def requires_lengths(self, condition: Operand) -> bool:
        """Note that two lengths are equal, where that is what is checked."""
        test = condition.operation if isinstance(condition, Value) else None
        if not isinstance(test, Operation) or test.primitive.name != "ne":
            return False
        if any(type_of(argument).dtype.kind != "i" for argument in test.arguments):
            return False
        a, b = (affine(self.frame, self.elements, argument) for argument in test.arguments)
        self.frame.require_equal(a, b)
        return True


def is_single(node: Operation) -> bool:
    """Whether `np.array` is given one value, not a list of them."""
    return isinstance(node.arguments[0], Value)


def is_number(kind: Type) -> bool:
    return isinstance(kind, ArrayType) and kind.rank == 0
