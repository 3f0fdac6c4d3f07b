"""What the tangents of arguments are called, and the vector of a product with a Hessian."""

from __future__ import annotations

import sys


def tangent_name(name: str, taken: list[str]) -> str:
    """The parameter for the tangent of an argument, under a name that is no other parameter's.

    >>> tangent_name("x", ["x", "x_dot"])
    'x_dot_1'
    """
    return free_name(f"{name}_dot", taken)


def free_name(wanted: str, taken: list[str]) -> str:
    """The name itself, or with a number; interned, as names of arguments in calls are."""
    found, number = wanted, 0
    while found in taken:
        number += 1
        found = f"{wanted}_{number}"
    return sys.intern(found)


def vector_name(taken: list[str]) -> str:
    """The parameter for the vector.

    >>> vector_name(["x", "vector"])
    'vector_1'
    """
    return free_name("vector", taken)
