"""Sets of elements of an argument, one for each element of an array: the rows of a sparse boolean matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.dependencies.values import NotFollowed, Seen

MOST = 2**26  # entries of a pattern that is dense


class Sets:
    """Makes rows of rows, each of `count` truth values."""

    def __init__(self, count: int) -> None:
        self.count = count  # elements of the argument

    def of(self, seen: Seen) -> Any:
        """The rows, of none where it depends on nothing."""
        from scipy.sparse import csr_array

        size = np.size(seen.value)
        return csr_array((size, self.count), dtype=bool) if seen.rows is None else seen.rows

    def spread(self, seen: Any, shape: tuple[int, ...]) -> Any:
        """The rows of what is broadcast to a shape; None where it depends on nothing."""
        if not isinstance(seen, Seen):
            raise NotFollowed("a list")
        return None if seen.rows is None else self.spread_rows(seen.rows, np.shape(seen.value), shape)

    def spread_rows(self, rows: Any, own: tuple[int, ...], shape: tuple[int, ...]) -> Any:
        while len(own) > len(shape) and own[0] == 1:
            own = own[1:]
        if own == shape:
            return rows
        numbers = np.arange(rows.shape[0]).reshape(own)
        return self.pick(rows, np.ravel(np.broadcast_to(numbers, shape)))

    def sum(self, parts: list[Any]) -> Any:
        """The union of rows, element by element."""
        found = [part for part in parts if part is not None]
        total = found[0]
        for part in found[1:]:
            total = total if part is total else total + part
        return total

    def pick(self, rows: Any, numbers: Any) -> Any:
        """Rows by number; none for a negative one."""
        from scipy.sparse import csr_array

        if np.all(numbers >= 0):
            return rows[numbers]
        empty = csr_array((1, self.count), dtype=bool)
        return self.stack([rows, empty])[np.where(numbers < 0, rows.shape[0], numbers)]

    def collect(self, rows: Any, groups: Any, count: int) -> Any:
        """The union of the rows of each group."""
        from scipy.sparse import csr_array

        size = len(groups)
        selection = csr_array((np.ones(size, bool), (groups, np.arange(size))), shape=(count, size))
        return csr_array(selection @ rows)

    def stack(self, tables: list[Any]) -> Any:
        from scipy.sparse import vstack

        return tables[0] if len(tables) == 1 else vstack(tables, format="csr")

    def union(self, parts: list[Seen]) -> Any:
        """One row: all that any element of these depends on; None where that is nothing."""
        found = [part.rows for part in parts if part.rows is not None]
        if not found:
            return None
        table = self.stack(found)
        return self.collect(table, np.zeros(table.shape[0], np.intp), 1)

    def everything(self, value: Any, row: Any) -> Any:
        """Every element of a value depends on this row."""
        if row is None:
            return self.of(Seen(value))
        size = np.size(value)
        if row.nnz * size > MOST:
            raise NotFollowed("too much depends on too much")
        return self.pick(row, np.zeros(size, np.intp))
