"""Which elements of the result of a program depend on which elements of an argument.

The program is run once, operation by operation, and beside each number goes the set of elements it depends
on: a row of a sparse boolean matrix. What moves elements about is done to their numbers, and these say which
rows are meant:

    y = x[1:] * c          ->    rows of y = rows of x [1, 2, 3, ...]

It is done with the program that computes a derivative along a direction, and for the direction: so the sets
are those of what is computed, with rules of the user's own and everything else a derivative may be made of.

The sets hold for every call with arguments of the same shapes and the same whole numbers, whatever the reals
are: a value counts as known only where no real number went into it. Where a condition, an index or the number
of turns is not known, the results depend on all that is read there; so do the results of operations that have
no rule here. Where a shape is not known, nothing is said. So a set may be too large, and is never too small
(propagation of bit patterns: Griewank and Walther, Evaluating Derivatives (2008), section 7.1, here for all
points at once).
"""

from __future__ import annotations

from ad_compiler.dependencies.following import pattern_of
from ad_compiler.dependencies.values import NotFollowed

__all__ = ["NotFollowed", "pattern_of"]
