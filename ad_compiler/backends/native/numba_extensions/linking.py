"""Functions that only compiled code calls: their code becomes part of that of their callers.

Numba makes machine code of each of them, and a way into it from Python, before it links their code into that
of their callers, where all of it is made once more. Nobody ever enters the first: it is not made.
"""
# mypy: allow-untyped-calls, disable-error-code="misc,attr-defined"
# Numba has no types.

from __future__ import annotations

from typing import Any

from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary

from ad_compiler.backends.native.numba_extensions.delegating import Delegate


class LinkedLibrary(JITCodeLibrary):
    """The code of such a function, optimised, and ready to be linked."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class LinkingContext(Delegate):
    """Numba's context of a target, to which such functions are no machine code."""

    def get_executable(self, library: Any, description: Any, environment: Any) -> Any:
        """What stands for the function where one is looked up; it has no address."""
        library._ensure_finalized()
        name = description.qualname.split(".")[-1]
        return _dynfunc.make_function(description.lookup_module(), name, "", 0, environment, (library,))


def is_linked_only(flags: Any) -> bool:
    """Whether there is no way into a function but from compiled code."""
    return bool(flags.no_cpython_wrapper and flags.no_cfunc_wrapper)
