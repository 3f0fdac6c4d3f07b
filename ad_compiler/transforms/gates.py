"""Gate fusion: chains whose derivative as a whole is simpler than the chain rule's.

    y = 1 / (1 + np.exp(-z))     ->     z_bar = y_bar * ((1 - y) * y)

A chain is a part of the program that makes one value from one other, and whose inner values nobody else
reads. Known chains, of numbers or of arrays, are looked up in `rules.gates`. For other chains of numbers
that contain functions such as `exp` and `log`, SymPy is asked (`symbolic.chains`), once per chain and
process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache

from ad_compiler.analysis.activity import active_values
from ad_compiler.analysis.types import ArrayType
from ad_compiler.frontend.program import Lowered
from ad_compiler.ir import Block, Function, Operation, Shortcut, Value
from ad_compiler.rules.gates import KnownGate, known
from ad_compiler.rules.shapes import rank_of, type_of
from ad_compiler.transforms.chains import Chain, chains_to, may_contain, operands_of
from ad_compiler.traversal import blocks_of, inputs_of, values_in

SHORTEST, LONGEST = 3, 8  # operations, for which it may be worth to ask SymPy
_EXPONENTIAL = frozenset({"exp", "expm1", "tanh", "sinh", "cosh"})
_TELLING = _EXPONENTIAL | {"log"}  # no gate is without one of these
_UNDOING = frozenset({"log", "log1p", "truediv", "divide", "reciprocal"})
_AFFINE = frozenset(
    {"add", "sub", "subtract", "mul", "multiply", "truediv", "divide", "neg", "negative", "pos", "positive"}
)


def find_gates(lowered: Lowered, inputs: Iterable[Value]) -> dict[Value, Shortcut]:
    """The values of the forward sweep whose derivative is known as a whole: the user's gates and chains."""
    search = Search(lowered.function, list(inputs), lowered.context.shortcuts)
    search.block(lowered.function.forward, search.known, every_rank=True)
    search.block(lowered.function.forward, search.asked, every_rank=False)  # goes around the known gates
    return search.found


class Search:
    """Finds the gates of one function, from its end to its beginning."""

    def __init__(self, function: Function, inputs: list[Value], shortcuts: dict[Value, Shortcut]) -> None:
        self.function = function
        self.inputs = frozenset(inputs)
        self.found = dict(shortcuts)
        self.inside: set[Value] = set()  # of gates found, and of chains SymPy was asked about

    @cached_property
    def active(self) -> set[Value]:
        return active_values(self.function.forward, self.inputs)

    @cached_property
    def reads(self) -> Counter[Value]:
        return Counter([*reads_of(self.function.forward), *values_in(self.function.result)])

    def block(self, block: Block, look: Callable[[list[Chain]], None], every_rank: bool) -> None:
        """Show `look` the chains that end in each value, and that may be gates."""
        places: dict[Value, int] = {}
        telling = False  # whether any of them is more than arithmetic
        for place, node in enumerate(block.operations):
            if not isinstance(node, Operation):
                for inner in blocks_of(node):
                    self.block(inner, look, every_rank)
            elif may_contain(node) and (every_rank or not rank_of(node.result)):
                places[node.result] = place
                telling = telling or node.primitive.name in _TELLING
        if telling:
            for value in reversed(places):
                if value in self.active and value not in self.found and value not in self.inside:
                    look([chain for chain in chains_to(value, places, self.may_enter) if self.is_gate(chain)])

    def add(self, chain: Chain, texts: dict[Value, str], gate: KnownGate) -> None:
        self.found[chain.result] = shortcut_over(chain, texts, gate)
        self.inside.update(chain.inner)

    def may_enter(self, value: Value, reads: int) -> bool:
        return self.reads[value] == reads and value not in self.inputs and value not in self.found

    def is_gate(self, chain: Chain) -> bool:
        """Whether a chain may be a gate: all its values are active, of one dtype and so of one shape."""
        kind = chain.start.type
        return (
            any(node.primitive.name in _TELLING for node in chain.operations)
            and isinstance(kind, ArrayType)
            and kind.dtype.kind == "f"
            and chain.start in self.active
            and all(type_of(value).dtype == kind.dtype for value in (chain.result, *chain.inner))
        )

    def known(self, chains: list[Chain]) -> None:
        """The longest chain that is in the table."""
        for chain in reversed(chains):
            texts = texts_of(chain)
            gate = None if texts is None else known.get(texts[chain.result])
            if texts is not None and gate is not None:
                return self.add(chain, texts, gate)

    def asked(self, chains: list[Chain]) -> None:
        """The longest chain of numbers that bends more than once, if SymPy knows a simpler derivative."""
        for chain in reversed(chains):
            if not is_bent(chain) or begins_affinely(chain):
                continue
            texts = texts_of(chain)
            if texts is not None and texts[chain.result] not in known:
                self.inside.update(chain.inner)
                gate = ask(texts[chain.result], tuple([texts[value] for value in chain.inner]))
                if gate is not None:
                    self.add(chain, texts, gate)
            return


def reads_of(block: Block) -> Iterator[Value]:
    for node in block.operations:
        yield from inputs_of(node)


def texts_of(chain: Chain) -> dict[Value, str] | None:
    terms = chain.terms()
    return None if terms is None else {value: term.show(0) for value, term in terms.items()}


def shortcut_over(chain: Chain, texts: dict[Value, str], gate: KnownGate) -> Shortcut:
    """The gate as a step from the result of the chain to its start."""
    values = {text: value for value, text in texts.items()}
    code = gate.partials.__code__
    asked = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    given = {name: chain.result if name == "y" else values[gate.inner[name]] for name in asked}
    return Shortcut(chain.result, (chain.start,), gate.partials, given)


def is_affine(node: Operation) -> bool:
    arguments = operands_of(node)
    only = sum(isinstance(operand, Value) for operand in arguments) == 1
    divides = node.primitive.name in ("truediv", "divide") and isinstance(arguments[-1], Value)
    return node.primitive.name in _AFFINE and only and not divides


def is_bent(chain: Chain) -> bool:
    """Whether a simpler derivative can be hoped for: exponentials in logarithms, quotients or each other."""
    bent = [node.primitive.name for node in chain.operations if not is_affine(node)]
    if is_affine(chain.operations[0]) or not SHORTEST <= len(chain.operations) <= LONGEST:
        return False
    return (
        any(name in _EXPONENTIAL for name in bent)
        and sum(name in _EXPONENTIAL | _UNDOING for name in bent) >= 2
    )


def begins_affinely(chain: Chain) -> bool:
    """Whether the chain could begin one operation later: `0.1 * x + 1` is no part of a gate."""
    readers = [node for node in chain.operations if any(x is chain.start for x in node.arguments)]
    return len(readers) == 1 and is_affine(readers[0])


@lru_cache(maxsize=1024)
def ask(chain: str, inner: tuple[str, ...]) -> KnownGate | None:
    """What SymPy finds for a chain. It is imported here, when it is needed."""
    from ad_compiler.symbolic.chains import simpler

    return simpler(chain, inner)
