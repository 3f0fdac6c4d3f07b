"""A program of its own, in the midst of another one that is lowered; and a part that may be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ad_compiler.errors import Unsupported
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.snapshots import Snapshot
from ad_compiler.ir import Block

KEPT = ("checks", "newer", "older", "choices", "shortcuts", "written", "wanted", "in_rule", "in_sweep")


@contextmanager
def session(context: Context, block: Block) -> Iterator[Block]:
    """Write into `block`; what is noted about values meanwhile is forgotten afterwards."""
    builder = context.builder
    state = {name: getattr(context, name) for name in KEPT}
    statement, place, generated = builder.statement, builder.place, builder.generated
    for name in ("newer", "older", "choices"):
        setattr(context, name, dict(state[name]))
    context.checks, context.shortcuts, context.written = Block(), {}, set()
    context.wanted, context.in_rule, context.in_sweep = None, None, False
    builder.generated = False
    try:
        with builder.separately(block):
            yield block
    finally:
        for name, value in state.items():
            setattr(context, name, value)
        builder.statement, builder.place, builder.generated = statement, place, generated


@contextmanager
def attempt(context: Context) -> Iterator[None]:
    """Lower a part of a program; if it is refused, all is as it was before."""
    snapshot = Snapshot(context)
    checks, written, older = list(context.checks.operations), set(context.written), dict(context.older)
    try:
        with context.builder.attempt():
            yield
    except Unsupported:
        snapshot.restore()
        context.checks.operations[:], context.written, context.older = checks, written, older
        raise
