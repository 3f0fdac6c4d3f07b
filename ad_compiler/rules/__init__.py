"""The derivative rules: importing this package registers them all."""

from ad_compiler.rules import (
    arithmetic,
    clocks,
    creation,
    derived,
    einsum,
    elementary,
    indexing,
    joining,
    lists,
    matrices,
    norms,
    rearranging,
    reductions,
    selection,
    special,
    structure,
)

__all__ = [
    "arithmetic",
    "clocks",
    "creation",
    "derived",
    "einsum",
    "elementary",
    "indexing",
    "joining",
    "lists",
    "matrices",
    "norms",
    "rearranging",
    "reductions",
    "selection",
    "special",
    "structure",
]
