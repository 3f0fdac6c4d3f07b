"""Lists on tapes: their items one behind the other, in arrays, and where each list starts.

    tape.append(xs)                    starts = with_number(starts, count, items)
                             ->        tape_xs = with_numbers(tape_xs, items, xs)
                                       items += len(xs)

    xs = tape.pop()          ->        length = items - starts[count]
                                       items = starts[count]
                                       xs = [tape_xs[k] for k in range(items, items + length)]

Of items that are tuples each part has an array. Of items that are arrays the elements lie one behind the
other, and `shapes` holds a row for each: where its elements end, and its lengths. So what a pullback is given
of a list are arrays and whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ad_compiler.analysis.types import ArrayType, Element, ListType, leaves_of
from ad_compiler.backends.native import scalars
from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.lowering.frame import Frame
from ad_compiler.backends.native.lowering.lists import check_element
from ad_compiler.backends.native.nests import Allocate, Code, Define, Line, Scalar, names_in
from ad_compiler.backends.numpy.lists import subscripts

WHOLE = scalars.dtype_text(np.dtype(np.int64))


@dataclass(eq=False, slots=True)
class Leaf:
    """The numbers or arrays that stand in one place of all items."""

    name: str
    kind: ArrayType
    access: str  # where they stand in an item
    shapes: str = ""  # the rows that say where arrays end, and their lengths


@dataclass(eq=False, slots=True)
class ListEntry:
    """The rows of one saved list."""

    kind: ListType
    starts: str
    items: str  # how many there are in all
    leaves: list[Leaf]

    def arrays(self) -> list[str]:
        return [self.starts, *(name for leaf in self.leaves for name in (leaf.name, leaf.shapes) if name)]

    def renamed(self, names: dict[str, str], items: str) -> ListEntry:
        """With copies of its arrays in their places, and a number of items of its own."""
        leaves = [
            Leaf(names[leaf.name], leaf.kind, leaf.access, names.get(leaf.shapes, "")) for leaf in self.leaves
        ]
        return ListEntry(self.kind, names[self.starts], items, leaves)


def make(frame: Frame, kind: ListType, wanted: str, rows: str) -> tuple[ListEntry, list[Code]]:
    """The arrays for lists of a kind, and what allocates them."""
    check_element(kind.element)
    name = frame.fresh(f"tape_{wanted}")
    entry = ListEntry(kind, frame.fresh(f"{name}_starts"), frame.fresh(f"{name}_items"), [])
    frame.whole.add(entry.items)
    codes: list[Code] = [Allocate(entry.starts, (Affine.of(rows),), WHOLE), Define(entry.items, Scalar("0"))]
    for path, leaf in leaves_of(kind.element):
        own = Leaf(frame.fresh("_".join(map(str, (name, *path)))) if path else name, leaf, subscripts(path))
        entry.leaves.append(own)
        codes.append(Allocate(own.name, (Affine.of(64),), scalars.dtype_text(leaf.dtype)))
        if leaf.rank:
            own.shapes = frame.fresh(f"{own.name}_shapes")
            shape = (Affine.of(16), Affine.of(leaf.rank + 1))
            codes.append(Allocate(own.shapes, shape, WHOLE, zeros=True))
    return entry, codes


def push(frame: Frame, entry: ListEntry, count: str, xs: str) -> None:
    """Keep the list that the variable `xs` is."""
    change(frame, entry.starts, f"with_number({entry.starts}, {count}, {entry.items})")
    for leaf in entry.leaves:
        source = xs
        if leaf.access:
            item = frame.fresh("item")
            source = f"[{item}{leaf.access} for {item} in {xs}]"
        if leaf.kind.rank:
            text = f"with_arrays({leaf.name}, {leaf.shapes}, {entry.items}, {source})"
            change(frame, leaf.name, text)
            change(frame, leaf.shapes, f"with_shapes({leaf.shapes}, {entry.items}, {source})")
        else:
            change(frame, leaf.name, f"with_numbers({leaf.name}, {entry.items}, {source})")
    frame.write(Define(entry.items, Scalar(f"len({xs})"), "+="))


def change(frame: Frame, name: str, text: str) -> None:
    frame.write(Line(f"{name} = {text}", names_in(text), frozenset({name})))


def pop(frame: Frame, entry: ListEntry, count: str, name: str) -> None:
    """Make the list that was kept last, under the name `name`."""
    length, place = frame.fresh(f"{name}_length"), frame.fresh("place")
    frame.write(Define(length, Scalar(f"{entry.items} - {entry.starts}[{count}]", scalars.ADD)))
    frame.write(Define(entry.items, Scalar(length), "-="))
    leaves = iter(entry.leaves)

    def item(element: Element) -> str:
        if isinstance(element, tuple):
            parts = list(map(item, element))
            return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
        leaf = next(leaves)
        if not leaf.kind.rank:
            return f"{leaf.name}[{place}]"
        lengths = ", ".join(f"{leaf.shapes}[{place}, {axis + 1}]" for axis in range(leaf.kind.rank))
        part = f"{leaf.name}[{leaf.shapes}[{place} - 1, 0] if {place} else 0 : {leaf.shapes}[{place}, 0]]"
        return f"{part}.reshape(({lengths},)).copy()"

    text = f"[{item(entry.kind.element)} for {place} in range({entry.items}, {entry.items} + {length})]"
    change(frame, name, text)
