"""Rules of `scipy.integrate` for samples: sums of trapezoids."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import integrate, stats

from ad_compiler.rules.notation import definition, written_out


@written_out(integrate.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    return np.trapezoid(y, x, dx, axis)


@definition(integrate.cumulative_trapezoid)
def cumulative_trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1, initial: Any = None) -> Any:
    heights = np.moveaxis(y, axis, -1)
    sums = 0.5 * (heights[..., 1:] + heights[..., :-1])
    widths = dx if x is None else np.diff(x if np.ndim(x) == 1 else np.moveaxis(x, axis, -1))
    areas = np.cumsum(widths * sums, axis=-1)
    if initial is not None:
        areas = np.concatenate([initial + 0.0 * heights[..., :1], areas], -1)
    return np.moveaxis(areas, -1, axis)


@written_out(stats.sem)
def sem(a: Any, axis: Any = 0, ddof: Any = 1) -> Any:
    number = np.size(a) if axis is None else np.shape(a)[axis]
    return np.std(a, axis=axis, ddof=ddof) / np.sqrt(number)
