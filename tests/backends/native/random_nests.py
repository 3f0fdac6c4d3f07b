"""Random nests of loops over elements, rows and columns: what passes over loops move, fuse and share.

def f(x, y, w, a, b, c, s, ix):         vectors of n, n and m numbers, arrays of (n, m), (n, m) and
    n, m = a.shape                      (n, n), a number, and subscripts below n
    p, q, u, h = x.copy(), np.zeros(n), 0.5 * a, np.zeros((n, n))
    total = 0.0
    for i1 in range(n - 1):
        t2 = np.tanh(x[i1 + 1] * s)
        for j3 in range(m):
            u[i1, j3] = 0.3 * t2 + a[i1 + 1, j3] * w[j3]
    return total + np.sum(p * q) + np.sum(u * u) + np.sum(np.sin(h))
"""

from __future__ import annotations

import random
from dataclasses import dataclass

Shape = tuple[str, ...]
GIVEN: dict[str, Shape] = {
    "x": ("n",),
    "y": ("n",),
    "w": ("m",),
    "a": ("n", "m"),
    "b": ("n", "m"),
    "c": ("n", "n"),
}
MADE: dict[str, Shape] = {"p": ("n",), "q": ("n",), "u": ("n", "m"), "h": ("n", "n")}
START = {
    "p": ["x.copy()", "np.zeros(n)"],
    "q": ["np.zeros(n)", "0.3 * y"],
    "u": ["np.zeros((n, m))", "0.5 * a"],
}
DEEPEST, LARGEST_OFFSET = 3, 2


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop whose index runs from `first` to `left` below `dim`."""

    index: str
    dim: str
    first: int
    left: int


class Nests:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.count = 0
        self.arrays = GIVEN | MADE

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

    def subscript(self, dim: str, loops: list[Loop]) -> str:
        own = [loop for loop in loops if loop.dim == dim]
        if not own:
            return self.pick(["0", "-1", *(f"{loop.index} % {dim}" for loop in loops)])
        loop = self.random.choice(own)
        i = loop.index
        if self.chance(45):
            return i
        offsets = range(max(-loop.first, -LARGEST_OFFSET), min(loop.left, LARGEST_OFFSET) + 1)
        near = [f"{i} {'-' if n < 0 else '+'} {abs(n)}" for n in offsets if n]
        far = [f"{dim} - 1 - {i}", f"({i} + 1) % {dim}", f"{i} // 2", f"{i} - 1"]
        return self.pick([*near * 4, *far, *([f"ix[{i}]"] if dim == "n" else [])])

    def element(self, name: str, loops: list[Loop]) -> str:
        return f"{name}[{', '.join(self.subscript(dim, loops) for dim in self.arrays[name])}]"

    def leaf(self, loops: list[Loop], numbers: list[str]) -> str:
        if numbers and self.chance(25):
            return self.pick(numbers)
        return self.element(self.pick([*self.arrays]), loops)

    def value(self, loops: list[Loop], numbers: list[str]) -> str:
        one, two = (self.leaf(loops, numbers) for _ in range(2))
        return self.pick(
            [
                *[
                    f"0.3 * {one} + 0.5 * {two}",
                    f"np.tanh({one} + {two})",
                    f"0.5 * {one} * {two}",
                    one,
                    "0.2",
                ],
                *[f"max({one}, {two})", f"np.sin({one})", f"{one} / (1.5 + {two} ** 2)"],
            ]
        )

    def vector(self, dim: str, loops: list[Loop], own: dict[str, str]) -> str:
        """A vector along `dim`: one of the arguments, a row, a column, or one that the turn has made."""
        found = [name for name, shape in self.arrays.items() if shape == (dim,)]
        found += [name for name, along in own.items() if along == dim] * 3
        for name, shape in self.arrays.items():
            if len(shape) == 2 and shape[1] == dim:
                found.append(f"{name}[{self.subscript(shape[0], loops)}]")
            if len(shape) == 2 and shape[0] == dim:
                found.append(f"{name}[:, {self.subscript(shape[1], loops)}]")
        return self.pick(found)

    # Statements

    def block(self, depth: int, loops: list[Loop], numbers: list[str]) -> None:
        numbers, own = list(numbers), dict[str, str]()
        for _ in range(self.random.randrange(1, 4)):
            self.statement(depth, loops, numbers, own)

    def statement(self, depth: int, loops: list[Loop], numbers: list[str], own: dict[str, str]) -> None:
        kinds = [self.write] * 5 + [
            self.name,
            self.add,
            self.branch,
            self.fold,
            self.row,
            self.row,
            self.make,
        ]
        kinds += [self.loop] * (4 if len(loops) < DEEPEST else 0)
        self.random.choice(kinds)(depth, loops, numbers, own)

    def loop(self, depth: int, loops: list[Loop], numbers: list[str], own: dict[str, str]) -> None:
        loop = self.head(depth, loops)
        self.block(depth + 1, [*loops, loop], numbers)

    def head(self, depth: int, loops: list[Loop]) -> Loop:
        """Write the head of a loop; over a triangle, now and then."""
        dim = self.pick(["n", "n", "m"])
        index, (first, left) = self.fresh(self.pick(["i", "j"])), self.random.choices([0, 0, 0, 1, 2], k=2)
        around = [loop for loop in loops if loop.dim == "n"]
        if around and self.chance(15):
            outer = self.random.choice(around)
            self.emit(depth, f"for {index} in range({outer.index} + 1):")
            return Loop(index, "n", 0, outer.left)
        forward = f"{first}, {dim} - {left}"
        bounds = self.pick([*[forward] * 4, f"{dim} - {left + 1}, {first - 1}, -1", f"{forward}, 2"])
        self.emit(depth, f"for {index} in range({bounds}):")
        return Loop(index, dim, first, left)

    def write(self, depth: int, loops: list[Loop], numbers: list[str], own: dict[str, str]) -> None:
        place = self.element(self.pick([*MADE]), loops)
        self.emit(depth, f"{place} {self.pick(['=', '=', '+=', '-='])} {self.value(loops, numbers)}")

    def name(self, depth: int, loops: list[Loop], numbers: list[str], own: dict[str, str]) -> None:
        numbers.append(self.fresh("t"))
        self.emit(depth, f"{numbers[-1]} = {self.value(loops, numbers[:-1])}")

    def add(self, depth: int, loops: list[Loop], numbers: list[str], own: dict[str, str]) -> None:
        value = self.value(loops, numbers)
        self.emit(
            depth, self.pick([f"total += {value}", f"total += {value}", f"total = 0.5 * total + {value}"])
        )

    def branch(self, depth: int, loops: list[Loop], numbers: list[str], own: dict[str, str]) -> None:
        i = loops[-1].index
        self.emit(
            depth, f"if {self.pick([f'{i} % 2 == 0', f'{i} > 1', self.leaf(loops, numbers) + ' > 0.1'])}:"
        )
        self.block(depth + 1, loops, numbers)
        if self.chance(40):
            self.emit(depth, "else:")
            self.block(depth + 1, loops, numbers)

    def fold(self, depth: int, loops: list[Loop], numbers: list[str], own: dict[str, str]) -> None:
        """A sum over a loop of its own."""
        total = self.fresh("sum")
        self.emit(depth, f"{total} = {self.pick(['0.0', 's'])}")
        loop = self.head(depth, loops)
        self.emit(depth + 1, f"{total} += {self.value([*loops, loop], numbers)}")
        numbers.append(total)

    def row(self, depth: int, loops: list[Loop], numbers: list[str], own: dict[str, str]) -> None:
        """A row, a column or a whole vector is written."""
        dim = self.pick(["n", "m"])
        one, two = (self.vector(dim, loops, own) for _ in range(2))
        rows = {"n": ["p[:]", "q[:]", "h[{0}]", "h[:, {0}]", "u[:, {1}]"], "m": ["u[{0}]", "u[{0}]"]}
        target = self.pick(rows[dim]).format(self.subscript("n", loops), self.subscript("m", loops))
        value = self.pick([f"0.3 * {one} + 0.2 * {two}", f"np.sin({one})", f"0.5 * {one} * {two}[::-1]"])
        self.emit(depth, f"{target} {self.pick(['=', '=', '+='])} {value}")

    def make(self, depth: int, loops: list[Loop], numbers: list[str], own: dict[str, str]) -> None:
        """A vector of the turn's own, and a number of it."""
        dim = self.pick(["n", "m"])
        one, two = (self.vector(dim, loops, own) for _ in range(2))
        name = self.fresh("v")
        of_matrix = {
            "n": f"0.3 * (a @ {self.vector('m', loops, own)})",
            "m": f"{self.vector('n', loops, own)} @ b",
        }
        values = [
            f"np.sin({one}) * {two}",
            f"np.where({one} > 0.1, {two}, 0.5)",
            of_matrix[dim],
            f"{one}.copy()",
        ]
        self.emit(depth, f"{name} = {self.pick(values)}")
        own[name] = dim
        numbers.append(self.fresh("t"))
        folds = [f"{name} @ {two}", f"np.sum({name} * {name})", f"np.max({name})"]
        self.emit(depth, f"{numbers[-1]} = {self.pick(folds)}")

    def program(self) -> str:
        self.lines = ["def f(x, y, w, a, b, c, s, ix):", "    n, m = a.shape"]
        for name, values in START.items():
            self.emit(1, f"{name} = {self.pick(values)}")
        self.emit(1, "h = np.zeros((n, n))")
        self.emit(1, "total = 0.0")
        for _ in range(self.random.randrange(1, 4)):
            self.loop(1, [], ["s"], {})
        self.emit(1, "return total + np.sum(p * q) + np.sum(u * u) + np.sum(np.sin(h)) + np.sum(q)")
        return "\n".join(self.lines) + "\n"
