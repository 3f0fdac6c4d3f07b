"""The program: a computational graph in structured single-assignment form.

Operations are nodes and values are edges; control flow is a node with a graph inside (`Branch`, `Loop`).
Every value is immutable. An array that a program writes into is a chain of values, one per write, which share
one storage: `a[i] = e` is the pure operation `index_set(a, i, e)`, and the emitter, which knows that the
older value is dead, writes it in place again (the same idea as uniqueness types: Henriksen et al.,
Futhark, PLDI 2017). So a write has a derivative rule like any other operation, and dead code, common
subexpressions and the chain rule need no special case for it.

What stands as an argument of an operation is an *operand*: a `Value`, or anything known while compiling
(numbers, None, strings, dtypes, slices), or a tuple or list of operands.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ad_compiler.analysis.types import Equation, Type
from ad_compiler.refusal import Refusal

if TYPE_CHECKING:
    from ad_compiler.frontend.source import Source
    from ad_compiler.rules.notation import Primitive
    from ad_compiler.transforms.derivative_functions import Derivatives

Operand = Any


@dataclass(eq=False, slots=True)
class Statement:
    """A statement of the user's program: what the emitted code is laid out by.

    `note` is the comment above what the reverse sweep computes for it, if that is not its derivative.
    """

    source: Source
    node: ast.stmt
    note: str | None = None

    @property
    def text(self) -> str:
        """One line: the statement, or the head of a compound one."""
        return self.source.text(self.node)


class Value:
    """An edge of the graph: a number or an array, computed once."""

    __slots__ = (
        "access",
        "contiguous",
        "cotangent_of",
        "holds_zeros",
        "immutable",
        "loop",
        "memory_of",
        "name",
        "operation",
        "outside",
        "parts",
        "tangent_of",
        "type",
    )

    def __init__(self, type: Type, name: str | None = None, access: str | None = None) -> None:
        self.type = type
        self.name = name
        self.access = access  # how an input is written: `x`, `params["W"]`
        self.operation: Node | None = None
        self.loop: Loop | None = None  # of which it is the index, or a value that a turn starts with
        self.holds_zeros = False  # a cotangent carried by a loop, whose elements may not all be selected
        self.immutable = False  # an input that is one of NumPy's scalars, not an array of rank 0
        self.contiguous = False  # an input that is checked to be contiguous when the program runs
        self.memory_of: Value | None = None  # the value that was in its memory before a write
        self.outside: str | None = None  # its name, if it is a number read from a global or a cell
        self.cotangent_of: Value | None = None  # of a value that the user gave no name
        self.parts: tuple[Value, ...] = ()  # what it is unpacked into, where it is a tuple
        self.tangent_of: Value | None = None  # likewise

    def __repr__(self) -> str:
        return f"%{self.access or self.name or id(self) % 10000}"


@dataclass(eq=False, slots=True)
class Operation:
    """A node of the graph: `result = primitive(*arguments)`."""

    primitive: Primitive
    arguments: tuple[Operand, ...]
    result: Value
    statement: Statement | None = None
    place: tuple[Source, ast.AST] | None = None
    method: bool = False  # written as a method: `x.sum()`
    kept: bool = False  # it may raise what the program would catch, so it is computed in any case
    equations: tuple[Equation, ...] = ()  # lengths that NumPy finds equal when it runs this

    def __repr__(self) -> str:
        return f"{self.result!r} = {self.primitive.name}{self.arguments!r}"


@dataclass(eq=False, slots=True)
class Block:
    """Operations in order, and the operands it yields to the construct around it."""

    operations: list[Node] = field(default_factory=list)
    results: list[Operand] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Branch:
    """`if`: both blocks yield one operand for every result."""

    condition: Operand
    then: Block
    otherwise: Block
    results: list[Value]
    statement: Statement | None = None
    place: tuple[Source, ast.AST] | None = None


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """What the user says of a loop whose turns are run again: how many states to keep at most (None: few)."""

    slots: int | None = None


@dataclass(eq=False, slots=True)
class Loop:
    """`for` over a range of whole numbers, or `while`: every turn makes the values of the next one.

    A turn starts with `carried` (at first `initial`) and yields as many results of `body`; `results` are
    what the last turn yielded, or `initial` where there was none. `bounds` are start, stop and step of a
    `for`, walked from the end where `backwards`; without them, turns are done while the only result of
    `condition` is true (always, where it is None). A turn whose `leave` is not 0 is the last one: that is
    what `break` and `return` become.
    """

    body: Block
    bounds: tuple[Operand, Operand, Operand] | None = None
    index: Value | None = None
    condition: Block | None = None
    carried: list[Value] = field(default_factory=list)
    initial: list[Operand] = field(default_factory=list)
    results: list[Value] = field(default_factory=list)
    leave: Operand = 0
    backwards: bool = False
    checkpoints: Checkpoints | None = None
    statement: Statement | None = None
    place: tuple[Source, ast.AST] | None = None

    def carry(self, param: Value, initial: Operand, result: Operand, after: Value) -> None:
        """Carry one more value from turn to turn."""
        param.loop = self
        after.operation = self
        self.carried.append(param)
        self.initial.append(initial)
        self.body.results.append(result)
        self.results.append(after)

    def keep(self, places: list[int]) -> None:
        """Carry only these of the values."""
        for listed in (self.carried, self.initial, self.body.results, self.results):
            listed[:] = [listed[place] for place in places]


@dataclass(eq=False, slots=True)
class Pop:
    """Takes the last entry off a tape: the values that a run of a block of the forward sweep put there."""

    tape: Value
    results: list[Value]
    statement: Statement | None = None
    place: tuple[Source, ast.AST] | None = None


@dataclass(eq=False, slots=True)
class Call:
    """Runs a function that calls itself: the numbers and arrays it returns, one by one.

    Once the function is differentiated, the last result is the pullback of this call.
    """

    function: Function
    arguments: list[Operand]
    results: list[Value]
    statement: Statement | None = None
    place: tuple[Source, ast.AST] | None = None


@dataclass(eq=False, slots=True)
class PullbackCall:
    """The cotangents of the active arguments of a call, from those of its active results."""

    pullback: Value
    cotangents: list[Operand]
    results: list[Value]
    statement: Statement | None = None
    place: tuple[Source, ast.AST] | None = None


Node = Operation | Branch | Loop | Pop | Call | PullbackCall


@dataclass(eq=False, slots=True)
class Shortcut:
    """A value whose derivative is known as a whole: a gate.

    The reverse sweep steps from `result` to `inputs` by `partials`, a rule in the notation of
    `rules.notation`, and does not enter the operations between them. `given` are the values that the
    rule asks for after the star: the result, and others computed on the way to it. With a `definition`, a
    call that gives the same value, the derivative is that of its body.
    """

    result: Value
    inputs: tuple[Operand, ...]
    partials: Callable[..., Any]
    given: dict[str, Operand] = field(default_factory=dict)
    singular: bool = False  # a partial derivative is infinite somewhere the gate is finite
    definition: Operation | None = None


@dataclass(eq=False, slots=True)
class Function:
    """A program: the forward sweep, and, once differentiated, the reverse sweep."""

    name: str
    parameters: list[Parameter]
    forward: Block
    result: Operand = None
    reverse: Block | None = None
    reverse_result: Operand = None
    seed: Operand = None
    shortcuts: dict[Value, Shortcut] = field(default_factory=dict)
    mirrors: dict[Block, Block] = field(default_factory=dict)  # a forward block -> its reverse sweep
    indices: dict[Value, Operand] = field(default_factory=dict)  # a loop variable -> in the reverse sweep
    documentation: str | None = None
    derivatives: Derivatives | None = (
        None  # of a function that runs both its sweeps: how it is differentiated
    )

    @property
    def returned(self) -> list[Operand]:
        """What a call of it gives, one by one, but for its pullback."""
        found: list[Operand] = self.result if self.derivatives is None else self.reverse_result
        return found

    @property
    def blocks(self) -> list[Block]:
        """The forward sweep, and the reverse sweep if there is one."""
        return [self.forward] if self.reverse is None else [self.forward, self.reverse]


@dataclass(eq=False, slots=True)
class Parameter:
    """One parameter of the emitted function, and the values that stand for its leaves."""

    name: str
    structure: Operand  # a Value, or a container of Values and static objects
    kind: str  # "positional_only", "positional", "keyword", "var_positional", "var_keyword"
    default: str | None = None  # source text, where it has a default


UNBOUND = float("nan")
"""What a side of a branch yields for a name that it does not bind. Told by identity; nobody reads it."""


@dataclass(eq=False, slots=True)
class Record:
    """A named tuple or a dataclass, its fields known by name."""

    cls: type
    fields: dict[str, Operand]
    access: str | None = None  # how an input is written


@dataclass(eq=False, slots=True, repr=False)
class Iteration:
    """What a loop may run over, described and not built: a run-time `range`, `zip(a, b)`.

    The kinds are in `frontend.iteration`; their fields are operands.
    """

    written: ClassVar[str]  # the name of Python's function that makes it
    iterator: ClassVar[bool] = True  # read once, as Python's iterators are
    spent: bool = field(default=False, init=False)

    def __repr__(self) -> str:
        return f"{self.written}(...)"

    def __bool__(self) -> bool:
        if self.iterator:
            return True
        raise Refusal("whether a range is empty is not known while compiling", "compare its bounds")
