"""Whether two gradients are the same, before anyone is timed."""

from typing import Any

import numpy as np

RELATIVE_TOLERANCE = 1e-8


def require_equal(found: Any, expected: Any) -> None:
    """Raise ValueError unless both hold the same float64 arrays.

    An entry that cancels to almost nothing is compared on the scale of its array, not its own.
    """
    found_arrays, expected_arrays = _arrays(found), _arrays(expected)
    if len(found_arrays) != len(expected_arrays):
        raise ValueError(f"{len(found_arrays)} gradients instead of {len(expected_arrays)}")
    for position, (one, other) in enumerate(zip(found_arrays, expected_arrays, strict=True)):
        if one.dtype != np.float64 or one.shape != other.shape:
            raise ValueError(f"gradient {position} is {one.dtype} of shape {one.shape}")
        smallest = 1e-12 * float(np.max(np.abs(other)))
        if not np.allclose(one, other, rtol=RELATIVE_TOLERANCE, atol=smallest):
            raise ValueError(f"gradient {position} is off by {float(np.max(np.abs(one - other)))}")


def _arrays(gradients: Any) -> list[Any]:
    several = gradients if isinstance(gradients, tuple | list) else (gradients,)
    return [np.asarray(gradient) for gradient in several]
