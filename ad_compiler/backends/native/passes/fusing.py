"""Fuses loop nests: what one makes, the other reads while it is at hand.

    for i in range(n):                     for i in range(n):
        t[i] = np.exp(x[i])                    t[i] = np.exp(x[i])
    for i in range(n):               ->        y[i] = t[i] * t[i]
        y[i] = t[i] * t[i]

Legal: two nests are fused as far as their outer loops are the same, and no turn of the one needs what another
turn of the other makes: an array that one writes and both touch is touched, in turn i, only where one of its
subscripts is i. Additions into one array commute. A nest may move up past others that it has nothing to do
with; those between the two that it needs move in front of both, as checks of lengths do.

Profitable: where both touch the same array; where only outer loops are the same, where one makes rows that
the other reads. Products of matrices in a loop take part: they say which rows they touch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ad_compiler.backends.native.accessing import Access, accesses, alias_roots, is_check
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.nests import Allocate, Choice, Code, Comment, Nest, Repeat, codes_in

FARTHEST = 8  # nests that may stand between two that are fused


class Fuser:
    """Fuses the nests of one program."""

    def __init__(self, programs: list[list[Code]]) -> None:
        self.programs = programs
        self.root = alias_roots(programs)
        self.known: dict[Code, Touched] = {}

    def run(self) -> None:
        for program in self.programs:
            self.fuse(program)

    def fuse(self, body: list[Code]) -> None:
        """Fuse the nests of one list of statements, then those inside of them."""
        result: list[Code] = []
        for code in body:
            if isinstance(code, Nest):
                self.place(result, code)
            else:
                result.append(code)
        body[:] = result
        for code in body:
            if isinstance(code, (Nest, Repeat)):
                self.fuse(code.body)
            elif isinstance(code, Choice):
                self.fuse(code.then)
                self.fuse(code.otherwise)

    def place(self, result: list[Code], nest: Nest) -> None:
        """Append a nest, or fuse it with an earlier one."""
        passed = 0
        for spot in range(len(result) - 1, -1, -1):
            earlier = result[spot]
            if isinstance(earlier, (Repeat, Choice)) or passed == FARTHEST:
                break
            if isinstance(earlier, Nest):
                if self.joined(result, spot, nest):
                    return
                passed += 1
        result.append(nest)

    def joined(self, result: list[Code], spot: int, nest: Nest) -> bool:
        """Whether a nest is fused with the one at a spot.

        What it needs of what stands between moves in front, and so do checks that lengths fit.
        """
        earlier = result[spot]
        assert isinstance(earlier, Nest)
        depth = self.common(earlier, nest)
        if depth == 0:
            return False
        before: list[Code] = []
        behind: list[Code] = []
        for code in reversed(result[spot + 1 :]):
            is_needed = is_check(code) or any(self.conflict([code], [each], []) for each in (nest, *before))
            (before if is_needed and not isinstance(code, Comment) else behind).insert(0, code)
        comments: list[Code] = []
        comments += [code for code in behind if isinstance(code, Comment)][-1:]
        if any(self.conflict([earlier], [code], []) for code in before):
            return False
        first = inner(earlier, depth)
        if last_comment(first) == last_comment(comments):
            comments = []
        body: list[Code] = [*first, *comments, *inner(nest, depth)]
        result[spot:] = before
        self.place(result, Nest(earlier.loops[:depth], body))
        result += behind if any(not isinstance(code, Comment) for code in behind) else []
        return True

    def common(self, first: Nest, second: Nest) -> int:
        """How many of the outer loops can be one."""
        depth = 0
        while (
            depth < len(first.loops)
            and depth < len(second.loops)
            and first.loops[depth] == second.loops[depth]
        ):
            depth += 1
        while depth > 0:
            if not worthwhile(first, second, depth):
                return 0
            if not self.conflict([first], [second], [name for name, _ in first.loops[:depth]]):
                return depth
            depth -= 1
        return 0

    def conflict(self, first: list[Code], second: list[Code], shared: list[str]) -> bool:
        """Whether the order of two groups of statements matters, turns of `shared` loops taken one by one.

        Where whole groups change places (no loop is shared), additions keep their order, too.
        """
        loops = {name for code in (*first, *second) for name in self.touched(code).loops}
        for root in self.roots(first) & self.roots(second) - loops:
            found = [
                access for code in (*first, *second) for access in self.touched(code).by_root.get(root, ())
            ]
            kinds = {access.kind for access in found}
            if kinds == {"read"}:
                continue
            if shared and kinds == {"add"} and all(access.index is not None for access in found):
                continue
            if not shared or not is_pointwise(found, shared):
                return True
        return False

    def roots(self, group: list[Code]) -> set[str]:
        return {root for code in group for root in self.touched(code).by_root}

    def touched(self, code: Code) -> Touched:
        """What a statement touches, which fusing what is inside of it does not change."""
        found = self.known.get(code)
        if found is None:
            by_root: dict[str, list[Access]] = {}
            for access in accesses(code):
                by_root.setdefault(self.root(access.name), []).append(access)
            loops = [name for name, _ in loops_in(code)] if isinstance(code, Nest) else []
            found = self.known[code] = Touched(by_root, frozenset(loops))
        return found


@dataclass(frozen=True, slots=True)
class Touched:
    """What a statement touches, by the roots of the names, and the indices of its loops."""

    by_root: dict[str, list[Access]]
    loops: frozenset[str]


def worthwhile(first: Nest, second: Nest, depth: int) -> bool:
    """Whether nests touch the same arrays; those of which only the outer loops are the same pass rows on."""
    is_whole = depth == len(first.loops) == len(second.loops)
    touched = {
        access.name
        for access in accesses(first)
        if access.index is not None and (is_whole or access.kind != "read")
    }
    return any(access.name in touched for access in accesses(second))


def last_comment(body: list[Code]) -> str:
    return next((code.text for code in reversed(list(codes_in(body))) if isinstance(code, Comment)), "")


def inner(nest: Nest, depth: int) -> list[Code]:
    rest = nest.loops[depth:]
    return [Nest(rest, nest.body)] if rest else nest.body


def loops_in(nest: Nest) -> Iterator[tuple[str, Affine]]:
    yield from nest.loops
    for code in codes_in(nest.body):
        if isinstance(code, Nest):
            yield from code.loops


def is_pointwise(found: list[Access], shared: list[str]) -> bool:
    """Whether each of the loops' subscripts stands, alone, in one place of all indices of an array."""
    if any(access.index is None for access in found) or len({access.name for access in found}) != 1:
        return False
    indices = [access.index for access in found if access.index is not None]
    rank = len(indices[0])
    return all(
        any(all(index[place] == Affine.of(name) for index in indices) for place in range(rank))
        for name in shared
    )


def normalise(body: list[Code], known: dict[str, Affine]) -> None:
    """Write equal lengths alike, in place."""

    def normal(number: Affine) -> Affine:
        for _ in range(8):
            replaced = number.substitute(known)
            if replaced == number:
                break
            number = replaced
        return number

    for code in codes_in(body):
        if isinstance(code, Nest):
            code.loops = [(name, normal(extent)) for name, extent in code.loops]
        elif isinstance(code, Allocate):
            code.extents = tuple(map(normal, code.extents))


def fuse(programs: list[list[Code]]) -> None:
    """Fuse the nests of the sweeps of a program, in place."""
    Fuser(programs).run()
