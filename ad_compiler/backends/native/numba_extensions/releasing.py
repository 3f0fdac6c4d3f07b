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

from numba.core import cgutils, types
from numba.core.callconv import RETCODE_NONE, RETCODE_OK, CPUCallConv
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import BaseNativeLowering, NativeLowering, NopythonTypeInference

from ad_compiler.backends.native.numba_extensions.addressing import Addressing
from ad_compiler.backends.native.numba_extensions.allocating import Allocating
from ad_compiler.backends.native.numba_extensions.comparing import Comparing
from ad_compiler.backends.native.numba_extensions.counting import Counting
from ad_compiler.backends.native.numba_extensions.linking import (
    LinkedLibrary,
    LinkingContext,
    is_linked_only,
)
from ad_compiler.backends.native.numba_extensions.peeling import part
from ad_compiler.backends.native.numba_extensions.reshaping import Reshaping
from ad_compiler.backends.native.numba_extensions.resolving import RememberingTypeInference


class ReleasingCallConvention(CPUCallConv):
    """Of one function that is lowered: errors leave it through its last block."""

    lower: Any

    def _return_errcode_raw(self, builder: Any, code: Any) -> None:
        is_error = code is not RETCODE_OK and code is not RETCODE_NONE
        if is_error and builder.function is self.lower.function:
            self.lower.leave_with(builder, code)
        else:
            super()._return_errcode_raw(builder, code)


class ReleasingLower(Addressing, Allocating, Comparing, Counting, Reshaping):
    """Lowers a function so that its variables are released when it raises."""

    def __init__(self, context: Any, *args: Any, **kwargs: Any) -> None:
        convention = ReleasingCallConvention(context)
        convention.lower = self
        own = context.subtarget()
        kind = type(own)
        own.__class__ = type(kind.__name__, (kind,), {"call_conv": convention})
        self.leave: Any = None  # the block
        self.status: Any = None  # where the status is
        self.counted: dict[Any, bool] = {}
        super().__init__(own, *args, **kwargs)

    def _find_singly_assigned_variable(self) -> None:
        """Which variables need no memory: not those that are released."""
        super()._find_singly_assigned_variable()
        self._singly_assigned_vars = {
            name for name in self._singly_assigned_vars if not self.is_counted(self.typeof(name))
        }

    def is_counted(self, kind: Any) -> bool:
        """Whether references to what is of a type are counted."""
        if kind not in self.counted:
            self.counted[kind] = self.context.data_model_manager[kind].contains_nrt_meminfo()
        return self.counted[kind]

    def incref(self, typ: Any, val: Any) -> None:
        if self.is_counted(typ):
            super().incref(*self.memory_of(typ, val))

    def decref(self, typ: Any, val: Any) -> None:
        if self.is_counted(typ):
            super().decref(*self.memory_of(typ, val))

    def memory_of(self, kind: Any, value: Any) -> tuple[Any, Any]:
        """That of an array alone: Numba takes apart all that describes it."""
        if not isinstance(kind, types.Array):
            return kind, value
        place = self.context.data_model_manager[kind].get_field_position("meminfo")
        return types.MemInfoPointer(kind.dtype), part(self.builder, value, place)

    def delvar(self, name: Any) -> None:
        if name not in self.varmap or self.is_counted(self.typeof(name)):
            super().delvar(name)

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
                if self.is_counted(self.typeof(name)):
                    self.decref(self.typeof(name), self.builder.load(place))
            self.builder.ret(self.builder.load(self.status))


@register_pass(mutates_CFG=True, analysis_only=False)
class ReleasingLowering(BaseNativeLowering):
    """Numba's lowering, by `ReleasingLower`."""

    _name = "releasing_lowering"

    @property
    def lowering_class(self) -> Any:
        return ReleasingLower

    def run_pass(self, state: Any) -> Any:
        if state.library is not None or not is_linked_only(state.flags):
            return super().run_pass(state)
        given = state.targetctx
        state.library = LinkedLibrary(given.codegen(), state.func_id.func_qualname)
        state.targetctx = LinkingContext(given)
        try:
            return super().run_pass(state)
        finally:
            state.targetctx = given


class Releasing(CompilerBase):
    """Numba's compiler with this lowering: `@njit(pipeline_class=Releasing)`."""

    def define_pipelines(self) -> list[Any]:
        made = DefaultPassBuilder.define_nopython_pipeline(self.state)
        # Where Numba's lowering has another name, there is nothing to replace: arrays are lost as before.
        own = {NativeLowering: ReleasingLowering, NopythonTypeInference: RememberingTypeInference}
        made.passes[:] = [(own.get(each, each), why) for each, why in made.passes]
        made.finalize()
        return [made]
