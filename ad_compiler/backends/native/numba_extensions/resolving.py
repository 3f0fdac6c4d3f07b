"""Types of what operators give, found once for the same operator and types of operands.

A program adds and reads elements hundreds of times, and Numba asks some forty overloads of `+` each time: a
tenth of the time of a compilation.
"""
# mypy: allow-untyped-calls, disable-error-code="misc"
# Numba has no types.

from __future__ import annotations

import operator
from typing import Any

from numba.core import types
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NopythonTypeInference

from ad_compiler.backends.native.numba_extensions.allocating import allocation
from ad_compiler.backends.native.numba_extensions.comparing import comparison
from ad_compiler.backends.native.numba_extensions.delegating import Delegate

OPERATORS = frozenset(each for each in vars(operator).values() if type(each) is type(operator.add))


class Remembering(Delegate):
    """Numba's context of types, which answers the same question once."""

    def __init__(self, given: Any) -> None:
        super().__init__(given)
        self.known: dict[Any, Any] = {}

    def resolve_function_type(self, func: Any, args: Any, kws: Any) -> Any:
        own = allocation(func, args, kws) or comparison(func, args, kws)
        if own is not None:
            return own
        called = func.typing_key if isinstance(func, types.Function) else func
        if kws or not is_operator(called):
            return self.given.resolve_function_type(func, args, kws)
        return self.remembered(called, args, lambda: self.given.resolve_function_type(func, args, kws))

    def resolve_setitem(self, target: Any, index: Any, value: Any) -> Any:
        args = target, index, value
        return self.remembered(operator.setitem, args, lambda: self.given.resolve_setitem(*args))

    def remembered(self, function: Any, args: Any, find: Any) -> Any:
        question = function, tuple(args)
        if question not in self.known:
            self.known[question] = find()
        return self.known[question]


def is_operator(function: Any) -> bool:
    return type(function) is type(operator.add) and function in OPERATORS


@register_pass(mutates_CFG=True, analysis_only=False)
class RememberingTypeInference(NopythonTypeInference):
    """Numba's inference of types, in such a context."""

    _name = "remembering_type_inference"

    def run_pass(self, state: Any) -> Any:
        given = state.typingctx
        state.typingctx = Remembering(given)
        try:
            return super().run_pass(state)
        finally:
            state.typingctx = given
