"""Rules of norms: the gradient of a norm at its kink is 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import rule
from ad_compiler.rules.reductions import restored
from ad_compiler.rules.shapes import mean_type, rank_of


def norm_type(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> ArrayType:
    if ord not in (None, 2, "fro") or (ord == 2 and axis is None and rank_of(x) != 1):
        raise Refusal(f"the norm of order {ord!r} has no rule", "use the Euclidean norm, or write it out")
    return mean_type(x, axis, keepdims)


@rule(np.linalg.norm, infer=norm_type)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False, *, y: Any, g: Any) -> Any:
    scale = np.where(y == 0, 0.0, g / np.where(y == 0, 1.0, y))
    return restored(scale, x, axis, keepdims) * x
