"""The machine code between a call and a compiled derivative: it checks, unboxes, calls and boxes.

    gradient(w, X)        two objects, and no Python code to look at them
      w is a float                                       else: the Python function in its place
      X is an ndarray of float64, C-contiguous, rank 2,  else: likewise
        without axes of length 1
      kernel(w, X)                                       departed: the NumPy code
      a tuple of a float and a fresh array

Numba's own entry into compiled code knows less than a derivative is made for (a float64 of NumPy is a float
to it, a matrix an array, an axis of length 1 like any other), and takes and makes arrays with owners of
memory of its own, at a third of a microsecond each. Here an argument is looked at where it lies, for as
long as the call lasts, and small results are copied into arrays that NumPy makes.

The code is a C function (`METH_FASTCALL | METH_KEYWORDS`, PEP 590), written with llvmlite. It knows nothing
of one derivative: what is special to it lies in a tuple, the first argument of the C function:

    (otherwise, the NumPy code, address of the kernel, constants ..., what is kept alive)

So derivatives of the same convention share it, and it is kept for the life of the process. It is left by a
jump to one of the Python functions: whatever that does, no code is freed that it returns to. No other
Python code runs between the first look at an argument and the last one (the kernel calls no library).
"""

from __future__ import annotations

import ctypes
import struct
import threading
import warnings
from collections.abc import Callable
from typing import Any

from ad_compiler.backends.native.entry.boxing import Boxing
from ad_compiler.backends.native.entry.conventions import Convention, Kernel
from ad_compiler.backends.native.entry.unboxing import Unboxing
from ad_compiler.backends.native.numba_extensions.layouts import (
    BYTES,
    FASTCALL_WITH_KEYWORDS,
    MethodDefinition,
    c_function,
    is_known_here,
)
from ad_compiler.backends.native.numba_extensions.machine_code import (
    ADDRESS,
    DEPARTED,
    OTHERWISE,
    Code,
    machine_code,
)
from ad_compiler.forking import in_forked_process

_lock = threading.Lock()
in_forked_process(lambda: globals().update(_lock=threading.Lock()))
_definitions: dict[Convention, MethodDefinition] = {}


def entry(
    convention: Convention,
    constants: list[Any],
    kernel: Kernel,
    otherwise: Callable[..., Any],
    numpy_code: Callable[..., Any],
) -> Callable[..., Any] | None:
    """The C function over a compiled kernel.

    It has `otherwise` answer what is not of the convention, and `numpy_code` where the kernel departs.

    `None` with another Python than those known. What goes wrong with another version of Numba is warned of:
    the derivative is then entered in Python.
    """
    if not is_known_here():
        return None
    compiled = kernel.compiled
    try:
        address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        definition = definition_of(convention, kernel.context)
    except Exception as error:
        reason = f"no machine code for calls of a derivative could be made ({type(error).__name__}: {error})"
        warnings.warn(f"{reason}: they take longer; please report this", RuntimeWarning, stacklevel=2)
        return None
    own = (otherwise, numpy_code, struct.pack("P", address), *constants, compiled)
    made: Callable[..., Any] = c_function(definition, own)
    return made


def definition_of(convention: Convention, context: Any) -> int:
    """The address of the definition of a C function for a convention, made once."""
    with _lock:
        if convention not in _definitions:
            name = f"derivative_{len(_definitions)}"
            address = machine_code(str(module_for(convention, context, name)), name)
            _definitions[convention] = MethodDefinition(b"derivative", address, FASTCALL_WITH_KEYWORDS, None)
        return ctypes.addressof(_definitions[convention])


def module_for(convention: Convention, context: Any, name: str) -> Any:
    """A module in LLVM's language with the C function of a convention, under this name."""
    code = Code(context, name)
    found = Unboxing(code, convention).write()
    returned = call_of_kernel(code, convention, [found[place] for place in convention.given])
    code.builder.ret(Boxing(code, convention).box(returned))
    code.leave(code.otherwise, OTHERWISE)
    code.leave(code.departed, DEPARTED)
    return code.module


def call_of_kernel(code: Code, convention: Convention, given: list[Any]) -> Any:
    """What the kernel returns."""
    calling = code.context.call_conv
    address = code.load(code.item(ADDRESS), BYTES)
    kind = calling.get_function_type(convention.returned, convention.types)
    kernel = code.builder.bitcast(address, kind.as_pointer())
    status, value = calling.call_function(code.builder, kernel, convention.returned, convention.types, given)
    code.demand(code.is_same(status.code, code.half(0)), code.departed)
    return value
