"""Random programs with loops, branches, views, writes in place, lists and helpers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from tests.random_blocks import Blocks, Helper
from tests.random_expressions import Name, Scope, Shape

# Helpers that expressions and statements may call; a program begins with those that it needs.
HELPERS = {
    "dot": """
def dot(a, b):
    total = 0
    for x, y in zip(a, b):
        total += x * y
    return total
""",
    "first_above": """
def first_above(a, limit):
    for x in a:
        if x > limit:
            return x
    return limit
""",
    "halve": """
def halve(t):
    while abs(t) > 0.7:
        t = t * 0.5
    return t
""",
    "nest": """
def nest(x, depth):
    if depth <= 0:
        return x
    return np.sin(nest(x, depth - 1)) + 0.1 * x
""",
    "power": """
def power(x, exponent):
    return 1 if exponent == 0 else np.tanh(x) * power(x, exponent - 1)
""",
    "running": """
def running(a):
    out = np.empty_like(a)
    total = 0
    for i, x in enumerate(a):
        total = 0.5 * total + x
        out[i] = total
    return out
""",
    "damp": """
def damp(a, factor):
    a *= factor
""",
    "shift": """
def shift(a, first):
    a[1:] = a[:-1]
    a[0] = first
""",
    "smooth": """
def smooth(a, times):
    for _ in range(times):
        a[1:-1] = 0.5 * a[1:-1] + 0.25 * (a[:-2] + a[2:])
    return a
""",
}


@dataclass(frozen=True)
class Program:
    """The text of a function, the shapes of its arguments (of a whole number: its value), and its parts."""

    text: str = field(repr=False)
    arguments: dict[str, Shape | int]
    constructs: frozenset[str] = field(repr=False)
    any_layout: bool  # whether it means the same where the arrays are not contiguous


class Programs(Blocks):
    """Writes a helper and the program."""

    any_layout = True

    def define_helper(self) -> None:
        """A function with parameters that it may write into."""
        n, m = self.size
        shapes = [self.pick([(n,), (n,), (n - 1,), (m, n)]), (n,)][: 1 + self.chance(40)]
        returns = self.pick(["nothing", "a number", "its parameter"])
        recursive = self.chance(25)
        scope: Scope = {}
        for name, shape in zip("pw", shapes, strict=False):
            scope[name] = Name("array", shape, memory=self.memory(), origin="parameter", locked=True)
        again = list(scope)
        scope["h"] = Name("float")
        if recursive:
            scope["depth"] = Name("int", low=0, high=4, locked=True)
        results: dict[str, Callable[[Scope], str]] = {
            "nothing": lambda inside: "",
            "a number": lambda inside: self.number(inside, 1),
            "its parameter": lambda inside: "p",
        }
        self.result = results[returns]
        self.emit(0, f"def helper({', '.join(scope)}):")
        if recursive:
            self.emit(1, "if depth <= 0:")
            self.emit(2, f"return {self.result(scope)}".rstrip())
        self.write(scope, 1)
        self.budget = 5
        for _ in range(self.below(3)):
            self.statement(scope, 1)
        last = self.result(scope)
        if recursive:
            last = f"helper({', '.join(again)}, {self.number(scope, 1)}, depth - 1)"
        if last:
            self.emit(1, last if returns == "nothing" else f"return {last}")
        self.at_hand = Helper(returns, shapes, recursive, self.lines, self.used)
        self.lines, self.used = [], set()

    def total(self, scope: Scope, most: bool) -> str:
        """A number that depends on most of what is in scope, or on some of it."""
        terms = []
        for name, known in scope.items():
            if known.kind == "int" or self.chance(15 if most else 65):
                continue
            if known.kind == "array":
                texts = ["np.sum(np.sin({}))", "np.sum({})", "np.mean({} ** 2)"]
                texts += [f"np.sin({{}}) @ np.arange({known.shape[0]})"] if not known.shape[1:] else []
            elif known.kind == "list":
                texts = ["np.sum(np.array({}))"] if known.shape else ["sum({})", "np.sum(np.array({}) ** 2)"]
            else:
                texts = ["{}", "np.sin({})"]
            terms.append(str(self.pick(texts)).format(name))
        return " + ".join(terms or [self.number(scope, 1)])

    def define_program(self) -> dict[str, Shape | int]:
        n, m = self.size
        arguments: dict[str, Shape | int] = {"s": (), "r": (), "v": (n,), "w": (n,), "m": (m, n)}
        if self.chance(60):
            arguments["k"] = self.below(5)
        self.any_layout = not self.chance(50)
        scope: Scope = {}
        for name, shape in arguments.items():
            if isinstance(shape, int):
                scope[name] = Name("int", low=shape, high=shape, locked=True)
            elif shape:
                flat = not self.any_layout
                scope[name] = Name("array", shape, memory=self.memory(), flat=flat, origin="argument")
            else:
                scope[name] = Name("float")
        form = self.pick(["number", "number", "number", "array", "pair"])

        def result(inside: Scope, most: bool = False) -> str:
            total = self.total(inside, most)
            if form == "number":
                return total
            array = self.array(inside, (n,), 1)
            return f"{array} + ({total})" if form == "array" else f"{total}, {array}"

        self.result = result
        self.emit(0, f"def program({', '.join(arguments)}):")
        if self.chance(60):
            self.emit(1, f"n = {self.pick(['len(v)', 'v.shape[0]', 'm.shape[1]'])}")
            scope["n"] = Name("int", low=n, high=n, locked=True)
        self.budget = 12
        for _ in range(3 + self.below(6)):
            self.statement(scope, 1)
        self.emit(1, f"return {result(scope, most=True)}")
        return arguments


def write_program(choices: bytes) -> Program:
    writer = Programs(choices)
    if writer.chance(55):
        writer.define_helper()
    arguments = writer.define_program()
    functions = [text.strip() for name, text in HELPERS.items() if name in writer.helpers]
    if writer.called is not None:
        functions.append("\n".join(writer.called.lines))
        writer.used |= writer.called.used
    text = "\n\n\n".join([*functions, "\n".join(writer.lines)]) + "\n"
    return Program(text, arguments, frozenset(writer.used), writer.any_layout)


def programs() -> st.SearchStrategy[Program]:
    """Programs of which each is drawn afresh: no other strategy varies them as much."""
    return st.binary(min_size=500, max_size=700).map(write_program)
