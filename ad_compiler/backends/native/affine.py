"""Index arithmetic: whole numbers that are sums of names with constant factors, as `n - 1 - i`.

Lengths, offsets and subscripts are of this form, so that it can be seen that two lengths are equal, and
that a subscript lies within its axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

Terms = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Affine:
    """`constant + factor * name + ...`; a name may stand for an expression: `(i // 2)`.

    >>> i, n = Affine.of("i"), Affine.of("n")
    >>> str(n - i - 1), str((i + 1) - i)
    ('n - i - 1', '1')
    """

    terms: Terms = ()
    constant: int = 0

    @staticmethod
    def of(item: str | int | Affine) -> Affine:
        if isinstance(item, Affine):
            return item
        return Affine((), item) if isinstance(item, int) else Affine(((item, 1),), 0)

    def __add__(self, other: Affine | int) -> Affine:
        other = Affine.of(other)
        terms = dict(self.terms)
        for name, factor in other.terms:
            terms[name] = terms.get(name, 0) + factor
        kept = tuple((name, factor) for name, factor in terms.items() if factor)
        return Affine(kept, self.constant + other.constant)

    def __neg__(self) -> Affine:
        return self * -1

    def __sub__(self, other: Affine | int) -> Affine:
        return self + -Affine.of(other)

    def __mul__(self, factor: int) -> Affine:
        if factor == 0:
            return Affine()
        return Affine(tuple((name, each * factor) for name, each in self.terms), self.constant * factor)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int):
            return not self.terms and self.constant == other
        if not isinstance(other, Affine):
            return NotImplemented
        return self.constant == other.constant and dict(self.terms) == dict(other.terms)

    def __hash__(self) -> int:
        return hash((frozenset(self.terms), self.constant))

    @property
    def known(self) -> int | None:
        """The number it is, if that is known while compiling."""
        return None if self.terms else self.constant

    @property
    def is_simple(self) -> bool:
        """Whether it is written as one name or number."""
        if self.terms:
            return len(self.terms) == 1 and self.terms[0][1] == 1 and not self.constant
        return self.constant >= 0

    def substitute(self, known: Mapping[str, Affine]) -> Affine:
        """Names replaced by what they are known to be."""
        result = Affine((), self.constant)
        for name, factor in self.terms:
            result = result + known.get(name, Affine.of(name)) * factor
        return result

    def __str__(self) -> str:
        parts = []
        for name, factor in sorted(self.terms, key=lambda term: term[1] < 0):
            size = abs(factor)
            parts.append(("-" if factor < 0 else "+", name if size == 1 else f"{size} * {name}"))
        if self.constant or not parts:
            parts.append(("-" if self.constant < 0 else "+", str(abs(self.constant))))
        sign, first = parts[0]
        return ("-" if sign == "-" else "") + first + "".join(f" {sign} {part}" for sign, part in parts[1:])


class Ranges:
    """What is known of the sizes of names: enough to prove that a subscript lies within its axis."""

    def __init__(self) -> None:
        self.bounds: dict[str, tuple[Affine | None, Affine | None]] = {}
        self.lengths: set[str] = set()  # names of lengths: not negative
        self.facts: list[Affine] = []  # what is checked not to be negative

    def is_nonnegative(self, number: Affine, depth: int = 6) -> bool:
        """Whether `number >= 0` follows from the bounds (True only where it does)."""
        for rest in (number, *[number - fact for fact in self.facts]):
            if rest.constant >= 0 and all(factor > 0 and name in self.lengths for name, factor in rest.terms):
                return True
        if depth == 0:
            return False
        for name, factor in number.terms:
            low, high = self.bounds.get(name, (None, None))
            if factor > 0 and name in self.lengths and low is None:
                continue
            bound = low if factor > 0 else high
            if bound is None:
                continue
            rest = number - Affine(((name, factor),), 0) + bound * factor
            if self.is_nonnegative(rest, depth - 1):
                return True
        return False

    def least(self, number: Affine, fixed: AbstractSet[str], depth: int = 6) -> Affine | None:
        """The least that a number can be, as a sum of `fixed` names; None where that is not known."""
        for name, factor in number.terms:
            if name in fixed:
                continue
            low, high = self.bounds.get(name, (None, None))
            bound = low if factor > 0 else high
            if bound is None or depth == 0:
                return None
            return self.least(number - Affine(((name, factor),), 0) + bound * factor, fixed, depth - 1)
        return number
