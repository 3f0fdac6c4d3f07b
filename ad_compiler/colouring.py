"""Columns of a sparse matrix that one direction serves together: a colouring of its column graph.

Two columns with an entry in the same row must differ in colour; the Jacobian times the sum of the directions
of one colour then shows each entry by itself (Curtis, Powell and Reid, On the estimation of sparse Jacobian
matrices (1974); Gebremedhin, Manne and Pothen, What color is your Jacobian? (2005), section 3). Columns are
taken one after the other, and get the first colour that is free; the number of colours is at least the number
of entries of the fullest row, and for bands it is that number.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def column_colours(pattern: Any) -> tuple[Any, int]:
    """A colour for each column of a pattern (a CSR array), and how many there are.

    Two orders are tried, as the columns stand and the fullest first, unless the first cannot be bettered.
    """
    columns = pattern.tocsc()
    least = int(np.max(np.diff(pattern.indptr), initial=1))
    best, count = greedy(columns, range(columns.shape[1]))
    if count > least:
        order = np.argsort(-np.diff(columns.indptr), kind="stable").tolist()
        other, fewer = greedy(columns, order)
        if fewer < count:
            best, count = other, fewer
    return best, count


def greedy(columns: Any, order: Any) -> tuple[Any, int]:
    """The first free colour for each column in turn. The colours met in a row are the bits of a number."""
    starts, rows = columns.indptr.tolist(), columns.indices.tolist()
    met = [0] * columns.shape[0]
    colours = [0] * columns.shape[1]
    count = 1
    for column in order:
        touched = rows[starts[column] : starts[column + 1]]
        taken = 0
        for row in touched:
            taken |= met[row]
        free = ~taken & (taken + 1)
        for row in touched:
            met[row] |= free
        colours[column] = free.bit_length() - 1
        count = max(count, free.bit_length())
    return np.array(colours, dtype=np.intp), count
