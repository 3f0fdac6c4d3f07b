"""What the tangents of arguments are called."""

from __future__ import annotations


def tangent_name(name: str, taken: list[str]) -> str:
    """The parameter for the tangent of an argument, under a name that is no other parameter's.

    >>> tangent_name("x", ["x", "x_dot"])
    'x_dot_1'
    """
    wanted, number = f"{name}_dot", 0
    found = wanted
    while found in taken:
        number += 1
        found = f"{wanted}_{number}"
    return found
