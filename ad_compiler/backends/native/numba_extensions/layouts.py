"""Where CPython and NumPy keep what they keep, for the machine code that a call of a derivative enters.

Python/C API reference; NumPy C-API, "PyArrayObject" and "Array scalars". What is written here is compared
with the objects that are met, once: `is_known_here`.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import platform
import struct
import sys
from types import CellType
from typing import Any

import numpy as np

POINTER = struct.calcsize("P")
HEADER = object.__basicsize__
TYPE = HEADER - POINTER
LENGTH = HEADER  # of all objects whose size varies
ITEMS_OF_TUPLE = tuple.__basicsize__
ITEMS_OF_LIST = HEADER + POINTER  # where a pointer to them lies
CONTENT_OF_CELL = HEADER
BYTES = bytes.__basicsize__ - 1
DATA, RANK, SHAPE, STRIDES, DTYPE, FLAGS = (HEADER + place * POINTER for place in (0, 1, 2, 3, 5, 6))
READABLE = 0x0001 | 0x0100  # flags: contiguous in C's order, aligned

OF_PYTHON = [
    "PyBool_FromLong",
    "PyComplex_FromDoubles",
    "PyDict_GetItemWithError",
    "PyDict_New",
    "PyDict_Next",
    "PyDict_SetItem",
    "PyDict_Size",
    "PyErr_Clear",
    "PyFloat_FromDouble",
    "PyList_New",
    "PyLong_AsLongLongAndOverflow",
    "PyLong_FromLongLong",
    "PyObject_Vectorcall",
    "PyTuple_New",
    "Py_DecRef",
    "Py_IncRef",
]
OF_NUMPY = {"PyArray_Scalar": 60, "PyArray_New": 93}
"""Places in the table of NumPy's functions, which its stable interface keeps."""


@functools.cache
def is_known_here() -> bool:
    """Whether objects lie in memory as this file says, and the functions are there."""
    if sys.implementation.name != "cpython" or POINTER != 8 or sys.byteorder != "little":
        return False
    if platform.machine().lower() not in ("x86_64", "amd64", "aarch64", "arm64"):
        return False  # a call in the place of a return (LLVM's `musttail`) is not to be had everywhere
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    try:
        addresses()
    except (ImportError, AttributeError):
        return False
    array = np.zeros((2, 3))[:, ::2]
    one, other = object(), object()
    row, pair = [one, other], (one, other)
    of_array = [word(array, offset) for offset in (TYPE, DATA, DTYPE)]
    shape = [word_at(word(array, SHAPE) + POINTER * axis) for axis in range(2)]
    strides = [word_at(word(array, STRIDES) + POINTER * axis) for axis in range(2)]
    items = [word_at(word(row, ITEMS_OF_LIST) + POINTER * place) for place in range(2)]
    return (
        of_array == [id(np.ndarray), array.ctypes.data, id(array.dtype)]
        and word(array, RANK) & 0xFFFFFFFF == 2
        and word(array, FLAGS) & READABLE == 0x0100
        and shape == list(array.shape)
        and strides == list(array.strides)
        and [word(pair, ITEMS_OF_TUPLE + POINTER * place) for place in range(2)] == items
        and items == [id(one), id(other)]
        and word(pair, LENGTH) == word(row, LENGTH) == 2
        and word(CellType(one), CONTENT_OF_CELL) == id(one)
        and bytes_of(b"known", BYTES, 5) == b"known"
        and all(
            bytes_of(each, HEADER, np.asarray(each).nbytes) == np.asarray(each).tobytes()
            for each in examples()
        )
    )


def examples() -> list[Any]:
    """Numbers of all the classes that keep their bytes behind the header of an object."""
    return [1.25, 1.25 - 2j, *[np.dtype(character).type(1) for character in "?bhilqBHILQfdFD"]]


def word_at(address: int) -> int:
    return ctypes.c_ssize_t.from_address(address).value


def word(obj: Any, offset: int) -> int:
    return word_at(id(obj) + offset)


def bytes_of(obj: Any, offset: int, size: int) -> bytes:
    return ctypes.string_at(id(obj) + offset, size)


@functools.cache
def addresses() -> dict[str, int]:
    """Where the functions of Python, NumPy and Numba lie that machine code calls."""
    of_numba: Any = importlib.import_module("numba.core.runtime._nrt_python")
    of_numpy: Any = importlib.import_module("numpy._core._multiarray_umath")
    found = {name: address_of(getattr(ctypes.pythonapi, name)) for name in OF_PYTHON}
    pointer = address_of(ctypes.pythonapi.PyCapsule_GetPointer)
    prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    table = prototype(pointer)(of_numpy._ARRAY_API, None)
    found |= {name: word_at(table + POINTER * place) for name, place in OF_NUMPY.items()}
    return found | {"take_over": of_numba.c_helpers["adapt_ndarray_to_python_acqref"]}


def address_of(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


class MethodDefinition(ctypes.Structure):
    """`PyMethodDef`."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("documentation", ctypes.c_char_p),
    )


FASTCALL_WITH_KEYWORDS = 0x0080 | 0x0002


def c_function(definition: int, own: Any) -> Any:
    """The object by which Python calls a C function (`PyCFunction_NewEx`); `own` is its first argument."""
    prototype = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    return prototype(address_of(ctypes.pythonapi.PyCFunction_NewEx))(definition, own, None)
