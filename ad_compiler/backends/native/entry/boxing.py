"""What a kernel returns as objects: numbers, fresh arrays, new containers.

Numba makes an array with an owner of its memory, which costs a third of a microsecond. Small arrays are
copied into arrays that NumPy makes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ad_compiler.backends.native.entry.conventions import Boxed, Convention, Made, Same, Structure, leaves_of
from ad_compiler.backends.native.numba_extensions.layouts import (
    DATA,
    ITEMS_OF_LIST,
    ITEMS_OF_TUPLE,
    POINTER,
    RANK,
    SHAPE,
)
from ad_compiler.backends.native.numba_extensions.machine_code import Code

COPIED = 1 << 12
"""Results up to so many bytes are copied; larger ones keep the memory they are in."""


class Boxing:
    """Writes the last part of the code."""

    def __init__(self, code: Code, convention: Convention) -> None:
        self.code = code
        self.convention = convention

    def box(self, returned: Any) -> Any:
        """The object for what is returned; NULL, with an exception, where one cannot be made."""
        from numba import types

        code = self.code
        builder, kind, result = code.builder, self.convention.returned, self.convention.result
        is_tuple: bool = isinstance(kind, types.BaseTuple)
        kinds = [*kind] if is_tuple else [kind]
        values = [builder.extract_value(returned, n) for n in range(len(kinds))] if is_tuple else [returned]
        # Arrays first, for they may be copied from the memory of an argument: to make a container may have
        # garbage collected, and that may run anything.
        leaves = {
            leaf.place: self.boxed(values[leaf.place], kinds[leaf.place], leaf) for leaf in leaves_of(result)
        }
        containers = {path: self.new(made) for path, made in containers_of(result, ())}
        made = [*leaves.values(), *containers.values()]
        failed = functools.reduce(builder.or_, [code.is_same(each, code.null) for each in made])
        with builder.if_then(failed, likely=False):
            for each in made:
                code.call("Py_DecRef", code.nothing, each)
            builder.ret(code.null)
        return self.filled(result, (), leaves, containers)

    def new(self, made: Made) -> Any:
        code = self.code
        if made.layout is dict:
            return code.call("PyDict_New", code.pointer)
        function = "PyList_New" if made.layout is list else "PyTuple_New"
        return code.call(function, code.pointer, code.word(len(made.items)))

    def filled(
        self, part: Structure, path: tuple[int, ...], leaves: dict[int, Any], containers: dict[Any, Any]
    ) -> Any:
        """The object for a part of the result, a reference that is owned; containers get their items."""
        code = self.code
        if isinstance(part, Boxed):
            return leaves[part.place]
        if isinstance(part, Same):
            obj = code.constant(part.constant)
            code.call("Py_IncRef", code.nothing, obj)
            return obj
        container = containers[path]
        base = container
        if part.layout is list:
            base = code.load(container, ITEMS_OF_LIST)
        for place, item in enumerate(part.items):
            obj = self.filled(item, (*path, place), leaves, containers)
            if part.layout is dict:
                key = code.constant(part.keys[place])
                code.call("PyDict_SetItem", code.half, container, key, obj)
                code.call("Py_DecRef", code.nothing, obj)
            else:
                first = ITEMS_OF_TUPLE if part.layout is tuple else 0
                code.store(obj, base, first + POINTER * place)
        return container

    def boxed(self, value: Any, kind: Any, leaf: Boxed) -> Any:
        """The object for one number or array."""
        from numba import from_dtype, types

        code = self.code
        if leaf.rank:
            return self.boxed_array(value, kind, leaf)
        wanted = from_dtype(leaf.dtype)
        if not leaf.python:
            data = code.context.data_model_manager[wanted].as_data(code.builder, value)
            scalar = (code.slot(data), code.of(leaf.dtype), code.null)
            return code.call("PyArray_Scalar", code.pointer, *scalar)
        if isinstance(wanted, types.Boolean):
            return code.call("PyBool_FromLong", code.pointer, code.builder.zext(value, code.word))
        if isinstance(wanted, types.Integer):
            return code.call("PyLong_FromLongLong", code.pointer, value)
        if isinstance(wanted, types.Complex):
            parts = code.tools.create_struct_proxy(wanted)(code.context, code.builder, value=value)
            return code.call("PyComplex_FromDoubles", code.pointer, parts.real, parts.imag)
        return code.call("PyFloat_FromDouble", code.pointer, value)

    def boxed_array(self, value: Any, kind: Any, leaf: Boxed) -> Any:
        """An array for one of Numba's, whose reference to memory is given back."""
        code = self.code
        builder = code.builder
        array = code.tools.create_struct_proxy(kind)(code.context, builder, value=value)
        size = builder.mul(array.nitems, code.word(leaf.dtype.itemsize))
        found = code.tools.alloca_once(builder, code.pointer)
        is_counted = builder.not_(code.is_same(array.meminfo, code.null))
        is_large = builder.icmp_unsigned(">", size, code.word(COPIED))
        with builder.if_else(builder.and_(is_counted, is_large), likely=False) as (taken, other):
            with taken:
                whole = (code.slot(value), code.of(np.ndarray), code.half(leaf.rank), code.half(1))
                builder.store(code.call("take_over", code.pointer, *whole, code.of(leaf.dtype)), found)
            with other, builder.if_else(self.is_argument(array, leaf.rank), likely=False) as (same, copied):
                with same:
                    code.call("Py_IncRef", code.nothing, array.parent)
                    builder.store(array.parent, found)
                with copied:
                    builder.store(self.copy(array, leaf, size), found)
        code.call("NRT_decref", code.nothing, array.meminfo)
        return builder.load(found)

    def is_argument(self, array: Any, rank: int) -> Any:
        """Whether it is one of the arrays given, and not a part of it."""
        code = self.code
        builder = code.builder
        found = code.tools.alloca_once_value(builder, code.flag(0))
        with builder.if_then(builder.not_(code.is_same(array.parent, code.null)), likely=False):
            parent = array.parent
            same = code.is_same(code.load(parent, DATA), builder.bitcast(array.data, code.pointer))
            same = builder.and_(same, code.is_same(code.load(parent, RANK, code.half), code.half(rank)))
            with builder.if_then(same):
                lengths = code.load(parent, SHAPE)
                for axis in range(rank):
                    length = code.load(lengths, POINTER * axis, code.word)
                    own = builder.extract_value(array.shape, axis)
                    same = builder.and_(same, code.is_same(length, own))
                builder.store(same, found)
        return builder.load(found)

    def copy(self, array: Any, leaf: Boxed, size: Any) -> Any:
        """A new array of NumPy's with the same items; NULL where there is no memory."""
        code = self.code
        builder, zero = code.builder, code.half(0)
        rank, number, shape = code.half(leaf.rank), code.half(leaf.dtype.num), code.slot(array.shape)
        plain = (shape, number, code.null, code.null, zero, zero, code.null)
        made = code.call("PyArray_New", code.pointer, code.of(np.ndarray), rank, *plain)
        with builder.if_then(builder.not_(code.is_same(made, code.null)), likely=True):
            source = builder.bitcast(array.data, code.pointer)
            code.tools.raw_memcpy(builder, code.load(made, DATA), source, size, 1)
        return made


def containers_of(result: Structure, path: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Made]]:
    """The containers of a result, by their paths."""
    if isinstance(result, Made):
        yield path, result
        for place, item in enumerate(result.items):
            yield from containers_of(item, (*path, place))
