"""Random expressions over names that are known to be bound: numbers, arrays, indices, views, conditions.

Every expression is bounded by its operands or nearly so (sines, means, weighted sums), so that loops over it
neither overflow nor amplify rounding, and finite differences stay accurate.
"""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Shape = tuple[int, ...]
View = tuple[str, Shape, bool]  # text, shape, whether it is surely contiguous


@dataclass(frozen=True, slots=True)
class Name:
    """What is known of a bound name wherever it is in scope."""

    kind: Literal["float", "int", "array", "list"]
    shape: Shape = ()  # of an array, or of the items of a list
    low: int = 0  # bounds of a whole number
    high: int = 0
    memory: int = 0  # arrays that may share memory have the same number
    flat: bool = False  # surely contiguous, so that `ravel` and `reshape` give views
    origin: str = "local"  # argument, parameter, view, second name, local
    locked: bool = False  # a loop depends on it: not to be bound or resized


Scope = dict[str, Name]

RECURSIVE = {"nest", "power"}  # of the helpers that expressions call
UNARY = [
    *["np.sin({})", "0.5 * {}", "np.tanh({})", "-{}", "np.cos({})", "np.exp(-({} ** 2))"],
    *["np.sqrt(1 + {} ** 2)", "0.7 * {} + 0.2", "1 / (2 + np.sin({}))"],
]
BINARY = [
    *["0.5 * {} + 0.4 * {}", "{} * np.tanh({})", "{} / (2 + np.sin({}))", "0.6 * ({} - {})"],
    *["np.arctan2({}, 2 + {} ** 2)", "0.3 * {} * {}", "{} + {}", "np.maximum({}, {})"],
]
CONSTANTS = ["0.5", "0.2", "-0.3", "1.5", "0.9", "-1"]


def atom(text: str) -> str:
    """The text, in parentheses if it could not be an operand as it is."""
    body = ast.parse(text, mode="eval").body
    plain = isinstance(body, (ast.Name, ast.Constant, ast.Call, ast.Subscript, ast.Attribute))
    return text if plain else f"({text})"


def fill(template: str, *operands: str) -> str:
    """The template with its braces replaced, operands that are no arguments of a call in parentheses."""
    for operand in operands:
        start = template.index("{}")
        before, after = template[:start], template[start + 2 :]
        alone = before.rstrip()[-1:] in ("(", ",") and after[:1] in (")", ",")
        template = before + (operand if alone else atom(operand)) + after
    return template


def is_place(text: str) -> bool:
    """Whether the text names memory that is there already, and not a new array."""
    return isinstance(ast.parse(text, mode="eval").body, (ast.Name, ast.Subscript, ast.Attribute))


def arrays(scope: Scope, shape: Shape | None = None) -> list[str]:
    return [a for a, known in scope.items() if known.kind == "array" and shape in (None, known.shape)]


def vectors(scope: Scope) -> list[str]:
    return [a for a in arrays(scope) if len(scope[a].shape) == 1]


def whole_numbers(scope: Scope) -> Iterator[tuple[str, int, int]]:
    return ((name, known.low, known.high) for name, known in scope.items() if known.kind == "int")


class Expressions:
    """Writes expressions, and notes which constructs it has used.

    Every choice is made by one of the given bytes; when they run out, for what is simplest.
    """

    def __init__(self, choices: bytes) -> None:
        self.choices = iter(choices)
        self.used: set[str] = set()
        self.helpers: set[str] = set()

    def below(self, count: int) -> int:
        """A whole number from 0 to `count` - 1."""
        return next(self.choices, 0) * count // 256

    def pick(self, choices: Iterable[Any]) -> Any:
        listed = choices if isinstance(choices, Sequence) else list(choices)
        return listed[self.below(len(listed))]

    def run(self, choices: Sequence[Callable[[], Any]]) -> Any:
        return self.pick(choices)()

    def chance(self, percent: int) -> bool:
        """Whether something happens; it is simplest if it does not."""
        return self.below(100) >= 100 - percent

    def helper(self, name: str) -> str:
        self.helpers.add(name)
        self.used.add("recursion" if name in RECURSIVE else "helper")
        return name

    # Whole numbers

    def index(self, scope: Scope, length: int) -> str:
        """A valid index into an axis."""
        texts = [*map(str, range(min(length, 3))), "-1"]
        for name, low, high in whole_numbers(scope):
            if -length <= low and high < length:
                texts += [name] * 4
            if -length <= low - 1 and high - 1 < length:
                texts.append(f"{name} - 1")
            if -length <= low + 1 and high + 1 < length:
                texts.append(f"{name} + 1")
            elif low >= 0:
                texts.append(f"({name} + 1) % {self.length(scope, length)}")
        return str(self.pick(texts))

    def length(self, scope: Scope, length: int) -> str:
        """A way to write a length that is known."""
        texts = [name for name, low, high in whole_numbers(scope) if low == high == length and name == "n"]
        texts += [f"len({name})" for name in arrays(scope) if scope[name].shape[0] == length]
        return str(self.pick([*texts[:3], str(length)]))

    def dimensions(self, scope: Scope, shape: Shape) -> str:
        lengths = [self.length(scope, n) for n in shape]
        return lengths[0] if len(lengths) == 1 else f"({', '.join(lengths)})"

    def small(self, scope: Scope) -> str:
        """A whole number from 0 to 4."""
        names = [name for name, low, high in whole_numbers(scope) if low >= 0 and high <= 4]
        return str(self.pick([*names, *names, "2", "3", "0"]))

    # Numbers

    def constant(self) -> str:
        return str(self.pick(CONSTANTS))

    def element(self, scope: Scope) -> str:
        name = self.pick(arrays(scope))
        shape = scope[name].shape
        indices = [self.index(scope, length) for length in shape]
        return f"{name}[{(', ', '][')[self.chance(15)].join(indices)}]"

    def reading(self, scope: Scope) -> str:
        """A name, or a number read out of an array or a list."""
        floats = [name for name, known in scope.items() if known.kind == "float"]
        choices: list[Callable[[], str]] = []
        if floats:
            choices += [lambda: self.pick(floats)] * 6
        if arrays(scope):
            choices += [lambda: self.element(scope)] * 6
            choices += [lambda: self.reduction(scope)] * 3
        choices.append(self.constant)
        counters = [name for name, _, _ in whole_numbers(scope) if name not in ("n", "k")]
        if counters:
            choices.append(lambda: f"0.1 * {self.pick(counters)}")
        lists = [name for name, known in scope.items() if known.kind == "list" and not known.shape]
        if lists:
            texts = ["sum({})", "np.sum(np.array({}))", "0.1 * len({})", "np.tanh(sum({}))"]
            choices += [lambda: str(self.pick(texts)).format(self.pick(lists))] * 6
        return str(self.run(choices))

    def reduction(self, scope: Scope) -> str:
        texts = ["np.sum({})", "np.mean({})", "{}.mean()", "np.tanh(np.sum({}))", "np.max({})"]
        texts.append("0.2 * {}.sum()")
        flat = vectors(scope)
        if not flat or self.chance(50):
            return str(self.pick(texts)).format(self.pick(arrays(scope)))
        name = self.pick(flat)
        other = self.pick(arrays(scope, scope[name].shape))
        bounds = [i for i, low, _ in whole_numbers(scope) if low >= 0]
        choices = [
            lambda: f"np.sin({name} @ {other})",
            lambda: f"{self.helper('dot')}({name}, {other})",
            lambda: f"{self.helper('first_above')}({name}, {self.constant()})",
            lambda: f"sum(e * np.cos(e) for e in {name})",
        ]
        if bounds:
            choices.append(lambda: f"np.sum({name}[:{self.pick(bounds)}])")
            i = self.pick(bounds)
            choices.append(lambda: f"np.sin({name}[:{i}] @ {other}[:{i}])")
        return str(self.run(choices))

    def number(self, scope: Scope, depth: int = 2) -> str:
        kind = self.below(14) if depth > 0 else 0
        if kind <= 4:
            return self.reading(scope)
        operand = functools.partial(self.number, scope, depth - 1)
        if kind <= 7:
            template = str(self.pick(UNARY)).replace("np.", self.pick(["np.", "np.", "np.", "math."]))
            return fill(template, operand())
        if kind <= 11:
            return fill(self.pick(BINARY), operand(), operand())
        if kind == 12:
            return f"{operand()} if {self.condition(scope)} else {operand()}"
        name = self.pick(["halve", "nest", "power"])
        rest = "" if name == "halve" else f", {self.small(scope)}"
        return f"{self.helper(name)}({operand()}{rest})"

    def condition(self, scope: Scope) -> str:
        """A condition on data, or one on lengths and counters."""
        counters = [name for name, low, high in whole_numbers(scope) if low < high]
        if self.chance(30):
            self.used.add("condition on whole numbers")
            a = self.pick(arrays(scope) or ["()"])
            texts = ["len({a}) > 3", "len({a}) % 2 == 0", "np.ndim({a}) == 1", "len({a}) < 2"]
            texts += [f"{i} % 2 == 0" for i in counters] + [f"{i} > 1" for i in counters]
            texts += ["k > 2"] if "k" in scope else []
            texts += [f"{i} < {j}" for i, j in itertools.pairwise(counters)]
            return str(self.pick(texts)).format(a=a)
        self.used.add("condition on data")
        a, b, c = self.reading(scope), atom(self.reading(scope)), self.constant()
        texts = [f"{a} > {c}", f"{a} < {b}", f"abs({a}) < 0.8", f"{b} > {c} and {a} < 0.7"]
        texts += [f"not {b} > {c}", f"-1 < {a} <= 0.9"]
        return str(self.pick(texts))

    # Arrays

    def places(self, scope: Scope, shape: Shape) -> list[tuple[str, str]]:
        """Names and views of this shape, each with the name it is a view of."""
        found = []
        for name in arrays(scope):
            known = scope[name].shape
            if known == shape:
                found += [(name, name)] * 3
            elif len(shape) == len(known) == 1 and known[0] > shape[0] > 1:
                rest = known[0] - shape[0]
                found += [(f"{name}[{rest}:]", name), (f"{name}[:-{rest}]", name)]
            if len(shape) == 1 and len(known) == 2:
                if known[1] == shape[0]:
                    found.append((f"{name}[{self.index(scope, known[0])}]", name))
                if known[0] == shape[0]:
                    found.append((f"{name}[:, {self.index(scope, known[1])}]", name))
            if len(shape) == 2 and known == shape[::-1]:
                found.append((f"{name}.T", name))
        return found

    def array_reading(self, scope: Scope, shape: Shape, exact: bool) -> str:
        texts = [text for text, _ in self.places(scope, shape)]
        choices: list[Callable[[], str]] = []
        if texts:
            choices += [lambda: str(self.pick(texts))] * 8
        if not exact:
            choices += [lambda: self.number(scope, 1)] * 3
        if len(shape) == 1:
            same = arrays(scope, shape)
            if same:
                choices.append(lambda: f"{self.pick(same)}[::-1]")
                choices.append(lambda: f"{self.helper('running')}({self.pick(same)})")
                choices.append(lambda: f"np.array([e * np.sin(e) for e in {self.pick(same)}])")
            matrices = [a for a in arrays(scope) if scope[a].shape[1:] == shape]
            if matrices:
                choices.append(lambda: f"{self.pick(matrices)}.mean(axis=0)")
            rows = [a for a, known in scope.items() if known.kind == "list" and known.shape == shape]
            if rows:
                items = ["{}[-1]", "sum({})", "np.sum(np.array({}), axis=0)", "np.array({}).mean(axis=0)"]
                choices += [lambda: str(self.pick(items)).format(self.pick(rows))] * 3
        elif not texts:
            left, right = arrays(scope, shape[:1]), arrays(scope, shape[1:])
            if left and right:
                choices.append(lambda: f"np.outer({self.pick(left)}, {self.pick(right)})")
        # The product makes it real, also where the number is a whole one.
        size = self.dimensions(scope, shape)
        choices.append(lambda: f"np.full({size}, 0.5 * {atom(self.number(scope, 1))})")
        return str(self.run(choices))

    def array(self, scope: Scope, shape: Shape, depth: int = 2, exact: bool = True) -> str:
        """An expression of this shape, or if not `exact` one that broadcasts to it."""
        if not shape or (not exact and not arrays(scope, shape) and self.chance(60)):
            return self.number(scope, depth)
        kind = self.below(11) if depth > 0 else 0
        if kind <= 3:
            return self.array_reading(scope, shape, exact)
        operand = functools.partial(self.array, scope, shape, depth - 1)
        if kind <= 6:
            return fill(self.pick(UNARY), operand(exact=exact))
        if kind == 10:
            return f"np.where({atom(operand())} > {self.constant()}, {operand()}, {operand(exact=False)})"
        return fill(self.pick(BINARY), operand(exact=exact), operand(exact=False))

    def new_array(self, scope: Scope, shape: Shape) -> tuple[str, bool]:
        """An expression for memory that no name holds yet, and whether it is surely contiguous."""
        same = arrays(scope, shape)
        if self.chance(50):
            size = self.dimensions(scope, shape)
            choices = [f"np.zeros({size})", f"np.ones({size})", *[f"{a}.copy()" for a in same] * 2]
            return str(self.pick(choices)), True
        text = self.array(scope, shape)
        return f"{text}.copy()" if is_place(text) else text, len(shape) == 1

    # Views

    def view(self, scope: Scope, base: str, depth: int = 1) -> View:
        """A view of an array, or of a view of it."""
        known = scope[base]
        found = base, known.shape, known.flat
        for _ in range(depth):
            found = self.pick(list(self.views_of(scope, *found)))
        return found

    def views_of(self, scope: Scope, text: str, shape: Shape, flat: bool) -> Iterator[View]:
        n, *others = shape
        rest = tuple(others)
        yield f"{text}[::-1]", shape, False
        # No slice of length 1: whether it would be broadcast depends on lengths that no reader knows.
        if n > 2:
            yield f"{text}[1:]", (n - 1, *rest), flat
            yield f"{text}[:-1]", (n - 1, *rest), flat
            yield f"{text}[::2]", ((n + 1) // 2, *rest), False
        if n > 3:
            yield f"{text}[1:-1]", (n - 2, *rest), flat
        if not rest:
            if n == 4:
                yield f"{text}.reshape(2, 2)", (2, 2), flat
            yield f"{text}[:, None]", (n, 1), flat
            yield f"{text}.reshape(1, -1)", (1, n), flat
            for _ in range(3 if flat else 0):
                yield f"{text}.ravel()", shape, True
            return
        (m,) = rest
        for _ in range(2):
            yield f"{text}[{self.index(scope, n)}]", rest, flat
            yield f"{text}.T", (m, n), False
        yield f"{text}[:, {self.index(scope, m)}]", (n,), False
        if m > 2:
            yield f"{text}[:, 1:]", (n, m - 1), False
            yield f"{text}[:, :-1]", (n, m - 1), False
        for _ in range(4 if flat else 0):
            yield f"{text}.ravel()", (n * m,), True
            yield f"{text}.reshape(-1)", (n * m,), True
            yield f"{text}.reshape({m}, {n})", (m, n), True
