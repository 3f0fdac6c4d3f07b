"""Sweeps over a grid begin with what its array would be filled with.

    u = np.empty((n, m))                            u = np.empty((n, m))
    for i in range(n):                              done = sweep_grid(u, x, 2.0, f, ...)
        for j in range(m):                          if done == 0:
            u[i, j] = 2.0 * x[i, j]         ->          for i in range(n):
    done = sweep_grid(u, u, 1.0, f, ...)                    for j in range(m):
    for step in range(done, steps):                             u[i, j] = 2.0 * x[i, j]
        ...                                         for step in range(done, steps):
                                                        ...

`run_time/grid_sweeps.py` takes the numbers to other memory, ten sweeps at a time, and back: it can take them
from x as well, and the array is gone through once less. The adjoint, likewise, assigns the cotangent of what
is added ("=f"), if that is zero, instead of adding to it ("+f").

Legal: the nest makes the whole array of an array of that many elements, each of the one at its place; nothing
between the nest and the sweeps touches the array, or changes what the nest reads. The two may be one array
(`reusing.py`), but not parts of one.
"""

from __future__ import annotations

import re
from collections import Counter

from ad_compiler.backends.native.accessing import accesses, alias_roots
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import (
    Allocate,
    Choice,
    Code,
    Comment,
    Expression,
    Line,
    Load,
    Nest,
    Scalar,
    Store,
    codes_in,
    names_in,
    sides,
    text_of,
)
from ad_compiler.backends.native.passes.clearing import filled_with_zeros
from ad_compiler.backends.native.passes.contracting import factors_of
from ad_compiler.backends.native.passes.linear import ONE
from ad_compiler.backends.native.passes.relaxing import is_invariant
from ad_compiler.backends.native.passes.reusing import names_bound

SWEEPS = re.compile(r'(\w+) = (sweep_grid\w*)\((\w+), \3, 1\.0, (\w+), (.*), "(.*)"\)')


class Starter:
    """Rewrites the sweeps over grids in a program's sweeps, forward and reverse, in place."""

    def __init__(self, programs: list[list[Code]], dtypes: dict[str, str], subscripts: list[str]) -> None:
        self.programs, self.dtypes, self.subscripts = programs, dtypes, subscripts
        self.root = alias_roots(programs)
        codes = [code for program in programs for code in codes_in(program)]
        given = Counter(name for code in codes for name in names_bound(code))
        self.made = {
            code.name: code for code in codes if isinstance(code, Allocate) and given[code.name] == 1
        }
        self.texts = {code.text for code in codes if isinstance(code, Line)}

    def run(self) -> None:
        for program in self.programs:
            self.body(program)

    def body(self, body: list[Code]) -> None:
        for code in list(body):
            for inner in sides(code):
                self.body(inner)
            call = SWEEPS.fullmatch(code.text) if isinstance(code, Line) else None
            if isinstance(code, Line) and call is not None:
                self.start(body, code, call)

    def start(self, body: list[Code], line: Line, call: re.Match[str]) -> None:
        done, function, grid, source, given, order = call.groups()
        start, factor = grid, "1.0"
        left: list[Code] = []  # to be done if no sweeps are
        nest = self.last_to_touch(grid, body, line)
        multiple = self.multiple(nest, grid) if isinstance(nest, Nest) else None
        if nest is not None and multiple is not None and self.may_follow(nest, body, line):
            start, factor = multiple
            left += taken(nest, body)
        made = self.last_to_touch(source, body, line)
        if order == "+f" and isinstance(made, Allocate) and made.zeros:
            order = "=f"
            body[body.index(made)] = Allocate(made.name, made.extents, made.dtype)
            left.append(filled_with_zeros(made, self.subscripts))
        if left:
            line.text = f'{done} = {function}({grid}, {start}, {factor}, {source}, {given}, "{order}")'
            line.reads = names_in(line.text)
            body.insert(body.index(line) + 1, Choice(Scalar(f"{done} == 0"), left))

    def last_to_touch(self, name: str, body: list[Code], line: Line) -> Code | None:
        """The last statement in front of a line that touches an array, by any name."""
        root = self.root(name)
        for code in reversed(body[: body.index(line)]):
            if any(self.root(access.name) == root for access in accesses(code)):
                return code
        return None

    def multiple(self, nest: Nest, grid: str) -> tuple[str, str] | None:
        """The array that a nest makes another one of, whole, and what it is multiplied by."""
        made = self.made.get(self.root(grid))
        store = nest.body[-1]
        others = [code for code in nest.body[:-1] if not isinstance(code, Comment)]
        if made is None or others or not isinstance(store, Store):
            return None
        here = tuple(Affine.of(index) for index, _ in nest.loops)
        extents = tuple(extent for _, extent in nest.loops)
        if (store.array, store.operator, store.index, extents) != (grid, "=", here, made.extents):
            return None
        load, factor = load_and_factor(store.value)
        if not isinstance(load, Load) or load.index != here or not self.is_apart(load.array, grid):
            return None
        is_one_number = is_invariant(factor, {index for index, _ in nest.loops})
        if not is_one_number or self.dtypes.get(load.array) != "np.float64":
            return None
        return load.array, text_of(factor)

    def is_apart(self, start: str, grid: str) -> bool:
        """Whether two arrays have no memory in common, or all of it."""
        is_same = start == grid or f"{grid} = {start}" in self.texts
        return is_same or self.root(start) != self.root(grid)

    def may_follow(self, nest: Code, body: list[Code], line: Line) -> bool:
        """Whether nothing between a nest and a line changes what the nest reads."""
        reads = {self.root(access.name) for access in accesses(nest)}
        between = body[body.index(nest) + 1 : body.index(line)]
        return not any(
            self.root(access.name) in reads
            for code in between
            for access in accesses(code)
            if access.kind != "read"
        )


def load_and_factor(value: Expression) -> tuple[Expression, Expression]:
    """A number times an element, or an element alone."""
    factors = factors_of(value)
    loads = [factor for factor in factors if isinstance(factor, Load)]
    others = [factor for factor in factors if not isinstance(factor, Load)]
    if len(loads) != 1 or len(others) > 1:
        return value, ONE
    return loads[0], (others or [ONE])[0]


def taken(nest: Code, body: list[Code]) -> list[Code]:
    """Take a nest, and the comments on it, out of a body."""
    stop = body.index(nest) + 1
    first = stop - 1
    while first and isinstance(body[first - 1], Comment):
        first -= 1
    found = body[first:stop]
    del body[first:stop]
    return found
