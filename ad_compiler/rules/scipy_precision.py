"""What SciPy gives in double precision at least, whatever precision its arguments have."""

from __future__ import annotations

from typing import Any

import numpy as np

from ad_compiler.rules.notation import at_compile_time
from ad_compiler.rules.shapes import type_of


def double(x: Any) -> Any:
    """`x` itself, or a copy of `x` in double precision."""
    return x if is_double(x) else np.asarray(x).astype(double_of(x))


@at_compile_time
def is_double(x: Any) -> bool:
    return bool(type_of(x).dtype == double_of(x))


@at_compile_time
def double_of(x: Any) -> np.dtype[Any]:
    return np.result_type(type_of(x).dtype, np.float64)
