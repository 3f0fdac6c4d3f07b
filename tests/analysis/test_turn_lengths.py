"""Lengths that differ from turn to turn are told from those that do not."""

from __future__ import annotations

import numpy as np

from ad_compiler.analysis.broadcasting import broadcast_axis
from ad_compiler.analysis.joins import any_length
from ad_compiler.analysis.turn_lengths import TurnLengths
from ad_compiler.analysis.types import BOOL, INT, ArrayType, Identity, Length, shortened
from ad_compiler.ir import Value

N, LEFT = Length("x.shape[0]"), any_length(True)
INDEX, MASK, OUTER_MASK = Value(INT), Value(BOOL), Value(BOOL)
OUTSIDE = [Value(ArrayType(np.dtype(float), (N, LEFT))), Value(INT)]
LENGTHS = TurnLengths({INDEX, MASK}, OUTSIDE)


def test_lengths_of_what_is_known_before_the_loop() -> None:
    for length in (
        3,
        N,
        LEFT,
        shortened(N, 1),
        Length(("slice", shortened(LEFT, 1), (1, None, 2))),
        Length(("mask", Identity(OUTER_MASK))),
        broadcast_axis(shortened(N, 1), LEFT),
    ):
        assert not LENGTHS.may_differ(length)


def test_lengths_of_what_turns_compute() -> None:
    other = any_length(True)
    for length in (
        other,
        Length(object()),
        Length(None),
        shortened(other, 1),
        Length(("slice", N, (INDEX, None, None))),
        Length(("slice", N, ((1, INDEX), None, None))),
        Length(("mask", Identity(MASK))),
        broadcast_axis(shortened(N, 1), other),
    ):
        assert LENGTHS.may_differ(length)
