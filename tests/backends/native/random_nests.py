"""Random nests of loops over elements, rows and columns: what passes over loops move, fuse and share.

    def f(x, y, w, a, b, c, s, ix):         vectors of n, n and m numbers, arrays of (n, m), (n, m) and
        n, m = a.shape                      (n, n), a number, and subscripts below n
        p, q, u, h = x.copy(), np.zeros(n), 0.5 * a, np.zeros((n, n))
        total = 0.0
        for i1 in range(0, n - 1):
            t2 = np.tanh(x[i1 + 1] + s)
            for j3 in range(0, m - 0):
                u[i1, j3] = 0.3 * t2 + 0.5 * a[i1 + 1, j3]
        return total + np.sum(p * q) + np.sum(u * u) + np.sum(np.sin(h))

In half of the programs a turn touches elements of its own of what the program makes: those are shared. Each
has only some kinds of statements (swarm testing: Groce and others, ISSTA 2012).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

Shape = tuple[str, ...]
GIVEN: dict[str, Shape] = {"x": ("n",), "y": ("n",), "w": ("m",)}
GIVEN |= {"a": ("n", "m"), "b": ("n", "m"), "c": ("n", "n")}
MADE: dict[str, Shape] = {"p": ("n",), "q": ("n",), "u": ("n", "m"), "h": ("n", "n")}
SHAPES = GIVEN | MADE
HEAD = "def f(x, y, w, a, b, c, s, ix):\n    n, m = a.shape\n"
RESULT = "return total + np.sum(p * q) + np.sum(u * u) + np.sum(np.sin(h)) + np.sum(q)"
FAR = 2


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop whose index runs from `first` to `left` below `dim`."""

    index: str
    dim: str
    first: int
    left: int


@dataclass(frozen=True, slots=True)
class Turn:
    """What a turn knows: the loops around, numbers, and vectors of its own along "n" or "m"."""

    loops: list[Loop] = field(default_factory=list)
    numbers: list[str] = field(default_factory=lambda: ["s"])
    vectors: dict[str, str] = field(default_factory=dict)

    def inside(self, *loops: Loop) -> Turn:
        return Turn([*self.loops, *loops], list(self.numbers), dict(self.vectors))


class Nests:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.count = 0
        self.has_own = self.chance(50)
        others = [self.row, self.make, self.name, self.add, self.branch, self.fold]
        self.kinds = [self.write] * 3 + self.random.sample(others, self.random.randrange(5))

    def program(self) -> str:
        p, u = self.pick(["x.copy()", "np.zeros(n)"]), self.pick(["0.5 * a", "np.zeros((n, m))"])
        self.emit(1, f"p, q, u, h, total = {p}, np.zeros(n), {u}, np.zeros((n, n)), 0.0")
        for _ in range(self.random.randrange(1, 4)):
            self.loop(1, Turn())
        self.emit(1, RESULT)
        return HEAD + "\n".join(self.lines) + "\n"

    def pick(self, items: list[str]) -> str:
        return self.random.choice(items)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def fresh(self, stem: str) -> str:
        self.count += 1
        return f"{stem}{self.count}"

    def emit(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    # Expressions

    def subscript(self, array: str, axis: int, turn: Turn) -> str:
        dim = SHAPES[array][axis]
        own = [loop for loop in turn.loops if loop.dim == dim]
        if not own:
            return self.pick(["0", "-1", *(f"{loop.index} % {dim}" for loop in turn.loops)])
        if self.has_own and array in MADE:
            return own[0].index
        loop = self.random.choice(own)
        i = loop.index
        offsets = range(max(-loop.first, -FAR), min(loop.left, FAR) + 1)
        near = [f"{i} {'-' if n < 0 else '+'} {abs(n)}" for n in offsets if n]
        far = [f"{dim} - 1 - {i}", f"({i} + 1) % {dim}", f"{i} // 2", f"{i} - 1"]
        return i if self.chance(45) else self.pick([*near * 4, *far, *([f"ix[{i}]"] if dim == "n" else [])])

    def element(self, array: str, turn: Turn) -> str:
        subscripts = [self.subscript(array, axis, turn) for axis in range(len(SHAPES[array]))]
        return f"{array}[{', '.join(subscripts)}]"

    def rows(self, array: str, dim: str, turn: Turn) -> list[str]:
        """The rows and columns of an array that are vectors along `dim`."""
        shape = SHAPES[array]
        if len(shape) == 1:
            return [f"{array}[:]"] if shape == (dim,) else []
        rows = [f"{array}[{self.subscript(array, 0, turn)}]"] if shape[1] == dim else []
        return [*rows, *([f"{array}[:, {self.subscript(array, 1, turn)}]"] if shape[0] == dim else [])]

    def leaf(self, turn: Turn) -> str:
        return self.pick(turn.numbers) if self.chance(25) else self.element(self.pick([*SHAPES]), turn)

    def value(self, turn: Turn) -> str:
        one, two = self.leaf(turn), self.leaf(turn)
        values = [f"0.3 * {one} + 0.5 * {two}", f"np.tanh({one} + {two})", f"0.5 * {one} * {two}", one, "0.2"]
        return self.pick([*values, f"max({one}, {two})", f"np.sin({one})", f"{one} / (1.5 + {two} ** 2)"])

    def vector(self, dim: str, turn: Turn) -> str:
        found = [name for name, along in turn.vectors.items() if along == dim] * 3
        return self.pick([*found, *(row for array in SHAPES for row in self.rows(array, dim, turn))])

    # Statements

    def block(self, depth: int, turn: Turn) -> None:
        kinds = [*self.kinds, *([self.loop] * 2 if len(turn.loops) < 3 else [])]
        for kind in self.random.choices(kinds, k=self.random.randrange(1, 4)):
            kind(depth, turn)

    def head(self, depth: int, turn: Turn) -> Loop:
        """Write the head of a loop: over all, over some, backwards, over a triangle."""
        dim, index = self.pick(["n", "n", "m"]), self.fresh(self.pick(["i", "j"]))
        first, left = self.random.choices([0, 0, 0, 1, 2], k=2)
        outer = [loop for loop in turn.loops if loop.dim == "n"]
        if outer and self.chance(15):
            self.emit(depth, f"for {index} in range({outer[-1].index} + 1):")
            return Loop(index, "n", 0, outer[-1].left)
        forward = f"{first}, {dim} - {left}"
        bounds = self.pick([*[forward] * 4, f"{dim} - {left + 1}, {first - 1}, -1", f"{forward}, 2"])
        self.emit(depth, f"for {index} in range({bounds}):")
        return Loop(index, dim, first, left)

    def loop(self, depth: int, turn: Turn) -> None:
        self.block(depth + 1, turn.inside(self.head(depth, turn)))

    def write(self, depth: int, turn: Turn) -> None:
        dims = {loop.dim for loop in turn.loops}
        own = [array for array, shape in MADE.items() if dims.issuperset(shape)]
        place = self.element(self.pick(own if self.has_own and own else [*MADE]), turn)
        self.emit(depth, f"{place} {self.pick(['=', '=', '+=', '-='])} {self.value(turn)}")

    def row(self, depth: int, turn: Turn) -> None:
        """A row, a column or a whole vector is written."""
        dim = self.pick(["n", "m"])
        one, two = self.vector(dim, turn), self.vector(dim, turn)
        places = [row for array in MADE for row in self.rows(array, dim, turn)]
        ends = tuple(f"{before}{loop.index}]" for loop in turn.loops for before in ("[", " "))
        own = [row for row in places if row.endswith(ends)]
        place = self.pick(own if self.has_own and own else places)
        value = self.pick([f"0.3 * {one} + 0.2 * {two}", f"np.sin({one})", f"0.5 * {one} * {two}[::-1]"])
        self.emit(depth, f"{place} {self.pick(['=', '=', '+='])} {value}")

    def make(self, depth: int, turn: Turn) -> None:
        """A vector of the turn's own, and a number of it."""
        dim, name, number = self.pick(["n", "m"]), self.fresh("v"), self.fresh("t")
        one, two = self.vector(dim, turn), self.vector(dim, turn)
        product = f"a @ {self.vector('m', turn)}" if dim == "n" else f"{self.vector('n', turn)} @ b"
        values = [f"np.sin({one}) * {two}", f"np.where({one} > 0.1, {two}, 0.5)", f"0.3 * ({product})"]
        self.emit(depth, f"{name} = {self.pick([*values, f'{one}.copy()'])}")
        folds = [f"{name} @ {two}", f"np.sum({name} * {name})", f"np.max({name})"]
        self.emit(depth, f"{number} = {self.pick(folds)}")
        turn.vectors[name] = dim
        turn.numbers.append(number)

    def name(self, depth: int, turn: Turn) -> None:
        name = self.fresh("t")
        self.emit(depth, f"{name} = {self.value(turn)}")
        turn.numbers.append(name)

    def add(self, depth: int, turn: Turn) -> None:
        value = self.value(turn)
        self.emit(depth, f"total {self.pick(['+=', '+=', '= 0.5 * total +'])} {value}")

    def branch(self, depth: int, turn: Turn) -> None:
        i = turn.loops[-1].index
        self.emit(depth, f"if {self.pick([f'{i} % 2 == 0', f'{i} > 1', f'{self.leaf(turn)} > 0.1'])}:")
        self.block(depth + 1, turn.inside())
        if self.chance(40):
            self.emit(depth, "else:")
            self.block(depth + 1, turn.inside())

    def fold(self, depth: int, turn: Turn) -> None:
        """A sum over a loop of its own."""
        total = self.fresh("sum")
        self.emit(depth, f"{total} = {self.pick(['0.0', 's'])}")
        loop = self.head(depth, turn)
        self.emit(depth + 1, f"{total} += {self.value(turn.inside(loop))}")
        turn.numbers.append(total)
