"""Compiled functions that release their arrays when an exception leaves them.

Numba does not: an exception returns from where it was raised, and every array that was alive there is never
freed. Native code departs by an exception (`departure.py`), so a program whose cases are often left to NumPy
code would lose its arrays each time. Here the way out of a function goes through a block that releases what
its variables hold:

    if n != m:                              if n != m:
        return an error             ->          status = an error, go to leave
                                            leave: release a, b, c; return status

Variables hold null before they are given and after they are released, so releasing all of them is right
wherever the error was. For that all of them have memory, which LLVM turns into registers again.
"""
# mypy: allow-untyped-calls, disable-error-code="misc,assignment"
# Numba has no types.

from __future__ import annotations

from typing import Any

from numba.core import cgutils, lowering
from numba.core.callconv import RETCODE_NONE, RETCODE_OK, CPUCallConv
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import BaseNativeLowering, NativeLowering


class ReleasingCallConvention(CPUCallConv):
    """Of one function that is lowered: errors leave it through its last block."""

    lower: Any

    def _return_errcode_raw(self, builder: Any, code: Any) -> None:
        is_error = code is not RETCODE_OK and code is not RETCODE_NONE
        if is_error and builder.function is self.lower.function:
            self.lower.leave_with(builder, code)
        else:
            super()._return_errcode_raw(builder, code)


class ReleasingLower(lowering.Lower):
    """Lowers a function so that its variables are released when it raises."""

    def __init__(self, context: Any, *args: Any, **kwargs: Any) -> None:
        convention = ReleasingCallConvention(context)
        convention.lower = self
        own = context.subtarget()
        kind = type(own)
        own.__class__ = type(kind.__name__, (kind,), {"call_conv": convention})
        self.leave: Any = None  # the block
        self.status: Any = None  # where the status is
        super().__init__(own, *args, **kwargs)

    @property
    def _disable_sroa_like_opt(self) -> bool:
        return True

    def leave_with(self, builder: Any, code: Any) -> None:
        """Go to the block that releases everything."""
        if self.leave is None:
            self.leave = self.function.append_basic_block("leave")
            self.status = cgutils.alloca_once(builder, RETCODE_OK.type, name="status")
        builder.store(code, self.status)
        builder.branch(self.leave)

    def post_lower(self) -> None:
        super().post_lower()
        if self.leave is None:
            return
        with self.builder.goto_block(self.leave):
            for name, place in self.varmap.items():
                self.decref(self.typeof(name), self.builder.load(place))
            self.builder.ret(self.builder.load(self.status))


@register_pass(mutates_CFG=True, analysis_only=False)
class ReleasingLowering(BaseNativeLowering):
    """Numba's lowering, by `ReleasingLower`."""

    _name = "releasing_lowering"

    @property
    def lowering_class(self) -> Any:
        return ReleasingLower


class Releasing(CompilerBase):
    """Numba's compiler with this lowering: `@njit(pipeline_class=Releasing)`."""

    def define_pipelines(self) -> list[Any]:
        made = DefaultPassBuilder.define_nopython_pipeline(self.state)
        # Where Numba's lowering has another name, there is nothing to replace: arrays are lost as before.
        passes = [(ReleasingLowering if each is NativeLowering else each, why) for each, why in made.passes]
        made.passes[:] = passes
        made.finalize()
        return [made]
