"""A differentiated program to the iteration-space program: one walk over the blocks.

Every operation is lowered where it stands: its lengths (and the checks that they fit) always, its elements
there if it gets memory, else where they are read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ad_compiler.analysis.types import GENERATOR, ArrayType, ListType, Type, same_length
from ad_compiler.backends.native import joining, library, lists, products, reductions, scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.aliasing import remove_aliases
from ad_compiler.backends.native.arranging import arrange
from ad_compiler.backends.native.blocking import block_loops
from ad_compiler.backends.native.clearing import clear
from ad_compiler.backends.native.contracting import Contractor
from ad_compiler.backends.native.elements import Elements, affine, sum_of_names
from ad_compiler.backends.native.extents import find_extents
from ad_compiler.backends.native.forms import has_loops
from ad_compiler.backends.native.frame import Extents, Frame, is_placed, names_in
from ad_compiler.backends.native.fusing import fuse, normalise
from ad_compiler.backends.native.gathering import Gatherer
from ad_compiler.backends.native.hoisting import hoist
from ad_compiler.backends.native.jamming import Jammer
from ad_compiler.backends.native.materialising import as_scalar, in_memory, materialise
from ad_compiler.backends.native.nests import (
    Allocate,
    Choice,
    Code,
    Comment,
    Define,
    Expression,
    Line,
    Repeat,
    Scalar,
    codes_in,
    text_of,
)
from ad_compiler.backends.native.planning import UPDATES, Writes, is_plain_reshape
from ad_compiler.backends.native.preaccumulating import Preaccumulator
from ad_compiler.backends.native.recomputing import recompute
from ad_compiler.backends.native.recursion import Callees, function_of
from ad_compiler.backends.native.scalarising import scalarise
from ad_compiler.backends.native.shrinking import shrink
from ad_compiler.backends.native.tapes import Tapes
from ad_compiler.backends.native.tapes import names as names_of
from ad_compiler.backends.native.updates import update
from ad_compiler.backends.native.vectorising import vectorise
from ad_compiler.backends.native.windows import Windower
from ad_compiler.ir import (
    UNBOUND,
    Block,
    Branch,
    Call,
    Function,
    Loop,
    Node,
    Operand,
    Operation,
    Pop,
    PullbackCall,
    Statement,
    Value,
    modules_of,
    values_in,
)
from ad_compiler.refusal import Refusal
from ad_compiler.rules.shapes import type_of

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


def lower(function: Function, separate: bool, reserved: frozenset[str], callees: Callees) -> Lowered:
    """Lower a program, or a function that it calls; raises `Unsupported` for what has no native form."""
    arrange(function)
    modules = modules_of(function)
    reserved |= {module.split(".")[0] for module in modules}
    reserved |= callees.names | set(callees.library.values())
    frame = Frame(function, Writes(function, separate), reserved)
    frame.library, frame.modules = callees.library, callees.modules
    frame.modules |= modules - {"numpy"}
    return Lowering(frame, callees).run(separate)


class Lowering:
    def __init__(self, frame: Frame, callees: Callees) -> None:
        self.frame = frame
        self.callees = callees
        self.elements = Elements(frame)
        self.tapes = Tapes(frame, self.elements)
        self.statement: Statement | None = None
        self.reverse = False
        self.inputs: list[Value] = []

    def run(self, separate: bool) -> Lowered:
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
            Contractor(sweeps, self.dtypes(sweeps), frame.fresh, frame.length_of).run()
            Gatherer(sweeps, outputs, frame.require_nonnegative).run()
            Preaccumulator(sweeps, self.dtypes(sweeps), outputs, frame.fresh).run()
            Jammer(sweeps, outputs, frame.fresh).run()
            Windower(sweeps, self.dtypes(sweeps), frame.fresh).run()
            fuse(sweeps)
            scalarise(sweeps, outputs)
            shrink(sweeps, outputs)
            for sweep in sweeps:
                clear(sweep)
            apart = hoist(sweeps, frame.made_in_loops, outputs)
            for sweep in sweeps:
                vectorise(sweep)
            block_loops(sweeps, apart, frame.fresh)
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

    def memory(self, operand: Operand) -> str:
        """The variable of an array or a list."""
        if isinstance(operand, Value) and isinstance(operand.type, ListType):
            return lists.list_name(self.frame, operand)
        return in_memory(self.frame, self.elements, operand)

    def dtypes(self, sweeps: list[list[Code]]) -> dict[str, str]:
        """The dtypes of arrays, as code names them."""
        known = {
            name: scalars.dtype_text(value.type.dtype)
            for name, value in self.frame.value_of.items()
            if isinstance(value.type, ArrayType)
        }
        made = {
            code.name: code.dtype
            for sweep in sweeps
            for code in codes_in(sweep)
            if isinstance(code, Allocate)
        }
        return known | made

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

    def call(self, node: Call | PullbackCall) -> None:
        """A call of a function that calls itself, or of its pullback."""
        frame = self.frame
        called = node.function if isinstance(node, Call) else function_of(node.pullback, frame.function)
        if called not in self.callees.known or called.derivatives is not None:
            raise Refusal("a derivative that is called as a function has no native form", scalars.ADVICE)
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
            within = self.frame.function in self.callees.known
            given += [*self.callees.records, "depth + 1" if within else "0"]
            count = len(callee.function.returned) + (callee.records is not None)
            names += [frame.fresh("unused") for _ in range(count - len(names))]
            text = f"{callee.name}({', '.join(given)})"
        else:
            seeds = values_in(callee.function.seed)
            given = [self.given(each, seed.type) for each, seed in zip(node.cotangents, seeds, strict=True)]
            given = [frame.names[node.pullback], *given, *self.callees.records]
            text = f"{callee.pullback}({', '.join(given)})"
        if names:
            frame.write(Line(f"{', '.join(names)} = {text}", names_in(text), frozenset(names)))
        else:
            frame.write(Line(text, names_in(text)))
        for value in node.results:
            kind = value.type
            if isinstance(kind, ArrayType):
                name = frame.names[value]
                frame.extents[value] = tuple(
                    frame.define_number(f"{name}.shape[{axis}]", f"{name}_{axis}")
                    for axis in range(kind.rank)
                )

    def given(self, operand: Operand, kind: Type | None = None) -> str:
        """What a function is given, or gives, as a number or a contiguous array of this type."""
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

    def comment(self, node: Node) -> None:
        statement = node.statement
        if statement is None or (self.statement is not None and statement.node is self.statement.node):
            return
        self.statement = statement
        text = statement.text if len(statement.text) <= 90 else f"{statement.text[:86]} ..."
        self.frame.write(Comment(f"# d({text})" if self.reverse else f"# {text}"))

    def operation(self, node: Operation) -> None:
        frame, name = self.frame, node.primitive.name
        result = node.result
        if name in DEPARTING:
            self.departure(node)
            return
        if name in ("is_contiguous", "shares_memory"):
            self.asked(node)
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

    def asked(self, node: Operation) -> None:
        """A question on the caller's arrays, which is answered before they are handed over."""
        if not all(isinstance(value, Value) and value.access is not None for value in node.arguments):
            raise Refusal("whether arrays overlap that are no arguments has no native form", scalars.ADVICE)
        first, *rest = (str(value.access) for value in node.arguments)
        answer = Value(node.result.type)
        answer.access = f"np.shares_memory({first}, {rest[0]})" if rest else f"{first}.flags.c_contiguous"
        answer.immutable = True
        name = self.frame.fresh(node.primitive.name)
        self.frame.give(answer, name)
        self.inputs.append(answer)
        self.frame.give(node.result, name)

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

    # Control flow

    def branch(self, node: Branch) -> None:
        frame = self.frame
        if not isinstance(node.condition, Value):
            condition: Expression = Scalar(str(bool(node.condition)))
        else:
            condition = scalars.cast(
                self.elements.element(node.condition, ()), type_of(node.condition).dtype, type_of(True).dtype
            )
        choice = Choice(condition)
        before = set(frame.taken)
        names = [frame.fresh(self.name_of_choice(value, node, n)) for n, value in enumerate(node.results)]
        found: list[list[Extents | None]] = []
        statement = self.statement
        for block, code in ((node.then, choice.then), (node.otherwise, choice.otherwise)):
            self.statement = statement
            frame.conditional += 1
            with frame.into(code):
                self.block(block)
                frame.node = node
                found.append(
                    [self.assign(*pair) for pair in zip(names, node.results, block.results, strict=True)]
                )
            frame.conditional -= 1
        self.statement = statement
        frame.write(choice)
        for name, value, first, second in zip(names, node.results, *found, strict=True):
            frame.give(value, name)
            if isinstance(value.type, ArrayType) and value.type.rank:
                frame.extents[value] = self.joined(name, first, second, before)
            else:
                frame.extents[value] = ()

    def name_of_choice(self, value: Value, node: Branch, place: int) -> str:
        sides = (node.then.results[place], node.otherwise.results[place])
        return (
            value.name or next((s.name for s in sides if isinstance(s, Value) and s.name), None) or "chosen"
        )

    def joined(self, name: str, first: Extents | None, second: Extents | None, before: set[str]) -> Extents:
        """The lengths of what is one of two arrays."""
        frame = self.frame
        rank = len(first or second or ())
        result = []
        for axis in range(rank):
            pair = (first or second or ())[axis], (second or first or ())[axis]
            if pair[0] == pair[1] and set(names_of(pair[0])) <= before:
                result.append(pair[0])
            else:
                result.append(frame.define_number(f"{name}.shape[{axis}]", f"{name}_{axis}"))
        return tuple(result)

    def assign(self, name: str, value: Value, operand: Operand) -> Extents | None:
        """Give a result of control flow what it is; its lengths, None where it is not bound."""
        frame, kind = self.frame, value.type
        if not isinstance(kind, (ArrayType, ListType)):
            raise Refusal("a string that control flow chooses has no native form", scalars.ADVICE)
        if operand is UNBOUND:
            frame.write(*nothing(name, kind))
            return None
        self.check_rank(operand, kind)
        if isinstance(kind, ArrayType) and kind.rank == 0:
            frame.write(Define(name, as_scalar(frame, self.elements, operand, kind)))
            return ()
        source = self.memory(operand)
        frame.write(Line(f"{name} = {source}", frozenset({source}), frozenset({name})))
        return () if isinstance(kind, ListType) else frame.extents_of(operand)

    def check_rank(self, operand: Operand, kind: ArrayType | ListType) -> None:
        if isinstance(kind, ArrayType) and type_of(operand).rank != kind.rank:
            raise Refusal("a number that becomes an array has no native form", "start with an array of zeros")

    def loop(self, node: Loop) -> None:
        frame = self.frame
        memory = frame.writes.memory
        names = []
        for param, initial, result in zip(node.carried, node.initial, node.results, strict=True):
            kind = param.type
            if not isinstance(kind, (ArrayType, ListType)):
                raise Refusal("a string that a loop changes has no native form", scalars.ADVICE)
            name = frame.fresh(result.name or frame.wanted(param) if param.name is None else param.name)
            names.append(name)
            if initial is not UNBOUND:
                self.check_rank(initial, kind)
            if initial is UNBOUND:
                frame.write(*nothing(name, kind))
            elif isinstance(kind, ArrayType) and kind.rank == 0:
                frame.write(Define(name, as_scalar(frame, self.elements, initial, kind)))
            else:
                source = self.memory(initial)
                copied = ".copy()" if param in memory.copied_at_start else ""
                frame.write(Line(f"{name} = {source}{copied}", frozenset({source}), frozenset({name})))
        head, index, turns, reads = self.head(node)
        starts = self.tapes.starts()
        repeat = Repeat(head, reads=reads, index=index, bounds=self.bounds_of(node), is_reverse=self.reverse)
        self.tapes.turns.append(turns)
        frame.depth += 1
        may_leave = node.condition is not None or node.leave != 0
        frame.leaving += may_leave
        frame.made_in_loops.update(names, [index])
        stable = []
        for name, param, initial in zip(names, node.carried, node.initial, strict=True):
            frame.give(param, name)
            stable.append(self.is_stable(param, initial))
        statement = self.statement
        with frame.into(repeat.body):
            for name, param, initial, is_stable in zip(
                names, node.carried, node.initial, stable, strict=True
            ):
                kind = param.type
                if not isinstance(kind, ArrayType):
                    continue
                if is_stable or kind.rank == 0:
                    frame.extents[param] = frame.extents_of(initial) if kind.rank else ()
                else:
                    frame.extents[param] = tuple(
                        frame.define_number(f"{name}.shape[{axis}]", f"{name}_{axis}")
                        for axis in range(kind.rank)
                    )
            if node.condition is not None:
                self.block(node.condition)
                (condition,) = node.condition.results
                test = as_scalar(frame, self.elements, condition, type_of(True))
                frame.write(Choice(Scalar(f"not {text_of(test, 6)}", 4), [Line("break")]))
            self.block(node.body)
            frame.node = node
            self.end_turn(node, names, stable)
        self.statement = statement
        frame.depth -= 1
        frame.leaving -= may_leave
        self.tapes.turns.pop()
        if starts:
            frame.write(*starts)
        frame.write(repeat)
        for name, result, param, is_stable in zip(names, node.results, node.carried, stable, strict=True):
            frame.give(result, name)
            kind = result.type
            if not isinstance(kind, ArrayType) or kind.rank == 0:
                frame.extents[result] = ()
            elif is_stable:
                frame.extents[result] = frame.extents[param]
            else:
                frame.extents[result] = tuple(
                    frame.define_number(f"{name}.shape[{axis}]", f"{name}_{axis}")
                    for axis in range(kind.rank)
                )

    def is_stable(self, param: Value, initial: Operand) -> bool:
        """Whether the lengths of what is carried stay what they are at the start."""
        kind = param.type
        if initial is UNBOUND or not isinstance(kind, ArrayType):
            return False
        own = type_of(initial).shape
        return all(same_length(a, b) for a, b in zip(own, kind.shape, strict=True))

    def bounds_of(self, node: Loop) -> tuple[Affine, Affine] | None:
        """The first turn of a loop and the one behind its last, if all of them are taken in steps of 1."""
        if node.bounds is None or node.condition is not None or node.leave != 0:
            return None
        start, stop, step = (affine(self.frame, self.elements, bound) for bound in node.bounds)
        if step == -1:
            return stop + 1, start + 1
        return (start, stop) if step == 1 else None

    def head(self, node: Loop) -> tuple[str, str, str | None, frozenset[str]]:
        """The head of a loop, the name of its index, and how many turns it has if that is known outside."""
        frame = self.frame
        if node.bounds is None:
            return "while True:", "", None, frozenset()
        start, stop, step = (affine(frame, self.elements, bound) for bound in node.bounds)
        assert node.index is not None
        name = frame.fresh(node.index.name or "turn")
        frame.give(node.index, name)
        frame.extents[node.index] = ()
        reads = frozenset(each for bound in (start, stop, step) for each in names_of(bound))
        known = step.known
        if known == 1:
            count = f"max({stop - start}, 0)"
            if frame.is_nonnegative(frame.normal(stop - start)):
                count = str(frame.normal(stop - start))
        else:
            count = f"turns({start}, {stop}, {step})"
        if known is not None and known != 0:
            ends = (start, stop - 1) if known > 0 else (stop + 1, start)
            frame.ranges.bounds[name] = ends
        if node.backwards:
            if known == 1:
                head = f"for {name} in range({stop - 1}, {start - 1}, -1):"
            elif known == -1:
                head = f"for {name} in range({stop + 1}, {start + 1}):"
            else:
                last = frame.define_number(f"{start} + ({count} - 1) * ({step})", "last", is_length=False)
                sign = 1 if known is not None and known > 0 else -1
                if known is None:
                    head = f"for {name} in range({last}, {start} - ({step}), -({step})):"
                else:
                    head = f"for {name} in range({last}, {start - sign}, {-known}):"
        elif known == 1:
            head = f"for {name} in range({stop}):" if start == 0 else f"for {name} in range({start}, {stop}):"
        else:
            head = f"for {name} in range({start}, {stop}, {step}):"
        fixed = all(not frame.made_in_loops & set(names_of(bound)) for bound in (start, stop, step))
        if frame.is_settled(count):
            count = str(frame.define_number(count, "turns"))
        wrapped = f"({count})" if not count.replace("_", "").isalnum() else count
        return head, name, wrapped if fixed else None, reads

    def end_turn(self, node: Loop, names: list[str], stable: list[bool]) -> None:
        """Hand on to the next turn."""
        frame = self.frame
        memory = frame.writes.memory
        moves: list[tuple[str, str]] = []
        for name, param, end, is_stable in zip(names, node.carried, node.body.results, stable, strict=True):
            kind = param.type
            if end is UNBOUND:
                continue
            if isinstance(kind, ArrayType) and kind.rank == 0:
                text = text_of(as_scalar(frame, self.elements, end, kind))
            else:
                text = self.memory(end)
                if is_stable:
                    for a, b in zip(frame.extents_of(param), frame.extents_of(end), strict=True):
                        frame.require_equal(a, b)
                if param in memory.copied_at_end:
                    text += ".copy()"
            if text != name:
                moves.append((name, text))
        targets = {name for name, _ in moves}
        reads = frozenset(found for _, text in moves for found in names_of(Affine.of(text)))
        if len(moves) > 1 and targets & reads:
            left, right = ", ".join(n for n, _ in moves), ", ".join(t for _, t in moves)
            frame.write(Line(f"{left} = {right}", reads, frozenset(targets)))
        else:
            for name, text in moves:
                frame.write(Line(f"{name} = {text}", frozenset(names_of(Affine.of(text))), frozenset({name})))
        leave = node.leave
        if isinstance(leave, Value):
            text = text_of(self.elements.element(leave, ()), 6)
            frame.write(Choice(Scalar(f"{text} != 0", scalars.COMPARE), [Line("break")]))
        elif leave != 0:
            frame.write(Line("break"))


def is_single(node: Operation) -> bool:
    """Whether `np.array` is given one value, not a list of them."""
    return isinstance(node.arguments[0], Value)


def is_number(kind: Type) -> bool:
    return isinstance(kind, ArrayType) and kind.rank == 0


def nothing(name: str, kind: ArrayType | ListType) -> list[Code]:
    """What stands for a name that is not bound: nobody reads it."""
    if isinstance(kind, ListType):
        return [Line(f"{name} = {lists.empty_list(kind)}", writes=frozenset({name}))]
    if kind.rank == 0:
        return [Define(name, scalars.number(0, kind.dtype))]
    zeros = ", ".join("0" for _ in range(kind.rank)) + ","
    return [Line(f"{name} = np.empty(({zeros}), {scalars.dtype_text(kind.dtype)})", writes=frozenset({name}))]
