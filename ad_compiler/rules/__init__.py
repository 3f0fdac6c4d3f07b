"""The derivative rules: importing this package registers them all."""

from ad_compiler.rules import (
    arithmetic,
    creation,
    elementary,
    indexing,
    matrices,
    norms,
    reductions,
    selection,
    structure,
)

__all__ = [
    "arithmetic",
    "creation",
    "elementary",
    "indexing",
    "matrices",
    "norms",
    "reductions",
    "selection",
    "structure",
]
