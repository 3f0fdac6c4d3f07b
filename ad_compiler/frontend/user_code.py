"""The user's own code in a derivative: the body of a rule, or of a hook, in place of a rule of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ad_compiler.frontend.context import Context


@contextmanager
def as_user_code(context: Context) -> Iterator[None]:
    """Lower functions of the user inside of a sweep, their lines counted as those of the call they stand for.

    What they write in place is followed, and nothing of it is rewritten.
    """
    builder = context.builder
    kept = ("in_rule", "wanted", "in_sweep", "newer", "older", "choices")
    state = {name: getattr(context, name) for name in kept}
    generated = builder.generated
    context.in_rule, context.wanted, context.in_sweep = None, None, True
    for name in ("newer", "older", "choices"):
        setattr(context, name, dict(state[name]))
    builder.generated = False
    try:
        yield
    finally:
        builder.generated = generated
        for name, value in state.items():
            setattr(context, name, value)
