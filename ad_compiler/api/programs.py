"""What programs say about their own derivative, where it is computed: constants, cotangents, checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def stop_gradient(x: Any) -> Any:
    """`x` itself; in a derivative a constant. `x` may be a container.

    >>> from ad_compiler import grad
    >>> grad(lambda x: x * stop_gradient(x))(3.0)
    3.0
    """
    return x


@contextmanager
def cotangent(h: Any) -> Iterator[Any]:
    """In a reverse sweep, the cotangent of `h` at this line, to be printed, checked, clipped or replaced.

    `with cotangent(h) as h_bar:` stands behind the line that makes the number or array `h`. Its body runs in
    the reverse sweep of `grad`, `value_and_grad` and `vjp`, where the cotangent of `h` is complete: it may
    read what the program has computed, and assign `h_bar` alone. The value of the program is the same. In
    forward mode there are no cotangents: a body that replaces one is refused, any other is left out.

    Python runs the body of every `with`: without a derivative `h_bar` is zeros like `h`, and nobody reads
    what the body makes of it.

    >>> from ad_compiler import grad
    >>> def f(x):
    ...     y = x * x
    ...     with cotangent(y) as y_bar:
    ...         y_bar = min(y_bar, 1.0)
    ...     return 10.0 * y
    >>> f(3.0), grad(f)(3.0)
    (90.0, 6.0)
    """
    import numpy as np

    array = np.asarray(h)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"cotangent takes a number or an array, not {type(h).__name__}")
    with np.errstate(all="ignore"):
        yield np.zeros_like(array, dtype=None if array.dtype.kind in "fc" else float)[()]


def checkpoint(fun: Callable[..., Any]) -> Any:
    """The same function, computed again in the reverse sweep: only its arguments are saved.

    It trades time (one more evaluation) for memory, in a loop most of all. The result is one number or array,
    and the arguments are given by position.

    >>> from ad_compiler import grad
    >>> grad(checkpoint(lambda x: x * x * x))(2.0)
    12.0
    """
    from ad_compiler.custom import Checkpointed

    return Checkpointed(fun)


def checkpointed(iterable: Any, slots: int | None = None) -> Any:
    """`iterable` itself; the turns of a `for` over it are run again in the reverse sweep, and not saved.

    Of the states that turns start with, at most `slots` are kept at a time, at the places of the binomial
    schedule (Griewank and Walther, Algorithm 799: revolve, 2000): the turns run again are the fewest
    possible. By default the slots are twice the number of binary digits of the number of turns, so that
    memory grows with its logarithm: 28 for 10,000 turns, each of which runs 4 times more at most.

    >>> from ad_compiler import grad
    >>> def decay(x, steps):
    ...     for _ in checkpointed(range(steps)):
    ...         x = x - 0.01 * x * x
    ...     return x
    >>> round(float(grad(decay)(1.0, 100)), 6)
    0.247

    Raises `ValueError` where `slots` is less than 1.
    """
    if slots is not None and slots < 1:
        raise ValueError(f"{slots} slots hold no state to start from: give at least 1")
    return iterable
