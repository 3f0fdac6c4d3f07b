"""Objects that are given, or read from outside, as numbers and arrays of Numba's.

An array is looked at where it lies, for as long as the call lasts; nobody counts references to it.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ad_compiler.backends.native.entry.conventions import (
    Array,
    Cell,
    Container,
    Convention,
    Given,
    Kind,
    Number,
    Same,
    Source,
)
from ad_compiler.backends.native.numba_extensions.layouts import (
    CONTENT_OF_CELL,
    DATA,
    DTYPE,
    FLAGS,
    HEADER,
    ITEMS_OF_LIST,
    ITEMS_OF_TUPLE,
    LENGTH,
    POINTER,
    RANK,
    READABLE,
    SHAPE,
    STRIDES,
)
from ad_compiler.backends.native.numba_extensions.machine_code import FIRST_CONSTANT, Code


class Unboxing:
    """Writes the first part of the code: every object must be of its kind."""

    def __init__(self, code: Code, convention: Convention) -> None:
        self.code = code
        self.convention = convention
        self.found: list[Any] = []  # numbers and arrays, in order

    def write(self) -> list[Any]:
        """The numbers and arrays, as values of Numba's models of data."""
        self.demand_count()
        for source, kind in zip(self.convention.sources, self.convention.kinds, strict=True):
            self.unbox(self.object(source), kind)
        return self.found

    def demand_count(self) -> None:
        """As many arguments as there are parameters, or those without defaults."""
        code = self.code
        convention, builder = self.convention, code.builder
        given = [source for source in convention.sources if isinstance(source, Given)]
        least = sum(source.default is None for source in given[: convention.arguments])
        if convention.keywords:
            code.demand_same(code.count, code.word(convention.arguments))
            code.demand(builder.not_(code.is_same(code.names, code.null)))
            code.demand_same(code.load(code.names, LENGTH, code.word), code.word(len(convention.keywords)))
            for place, name in enumerate(convention.keywords):
                code.demand_same(code.load(code.names, ITEMS_OF_TUPLE + POINTER * place), code.constant(name))
            return
        code.demand_same(code.names, code.null)
        code.demand(builder.icmp_unsigned("<=", code.count, code.word(convention.arguments)))
        code.demand(builder.icmp_unsigned(">=", code.count, code.word(least)))

    def object(self, source: Source) -> Any:
        """The object at a source; a reference that is not owned."""
        code = self.code
        if isinstance(source, Given):
            place = code.place(code.arguments, POINTER * source.place)
            if source.default is not None and not self.convention.keywords:
                default = ITEMS_OF_TUPLE + POINTER * (FIRST_CONSTANT + source.default)
                is_given = code.builder.icmp_unsigned(">", code.count, code.word(source.place))
                place = code.builder.select(is_given, place, code.place(code.own, default))
            return code.load(place, 0)
        if isinstance(source, Cell):
            obj = code.load(code.constant(source.constant), CONTENT_OF_CELL)
        else:
            namespace, key = code.constant(source.namespace), code.constant(source.key)
            obj = code.call("PyDict_GetItemWithError", code.pointer, namespace, key)
        code.demand(code.builder.not_(code.is_same(obj, code.null)))
        return obj

    def unbox(self, obj: Any, kind: Kind) -> None:
        """Demand that an object is of a kind, and note the numbers and arrays in it."""
        code = self.code
        if isinstance(kind, Same):
            code.demand_same(obj, code.constant(kind.constant))
        elif isinstance(kind, Array):
            self.unbox_array(obj, kind)
        elif isinstance(kind, Container):
            self.unbox_items(obj, kind)
        else:
            code.demand_type(obj, code.of(kind.cls))
            number = self.whole_number(obj) if kind.cls is int else self.number(obj, kind)
            if kind.value is None:
                self.found.append(number)
            else:
                code.demand_same(number, code.word(kind.value))

    def unbox_items(self, obj: Any, kind: Container) -> None:
        code = self.code
        code.demand_type(obj, code.constant(kind.cls))
        if kind.layout is dict:
            items = self.items_of_dict(obj, kind)
        else:
            code.demand_same(code.load(obj, LENGTH, code.word), code.word(len(kind.items)))
            base = code.load(obj, ITEMS_OF_LIST) if kind.layout is list else code.place(obj, ITEMS_OF_TUPLE)
            items = [code.load(base, POINTER * place) for place in range(len(kind.items))]
        for item, inner in zip(items, kind.items, strict=True):
            self.unbox(item, inner)

    def items_of_dict(self, obj: Any, kind: Container) -> list[Any]:
        """The items of a dict, which must have these very keys in their order."""
        code = self.code
        code.demand_same(code.call("PyDict_Size", code.word, obj), code.word(len(kind.items)))
        position, key, value = code.slot(code.word(0)), code.slot(code.null), code.slot(code.null)
        items = []
        for expected in kind.keys:
            more = code.call("PyDict_Next", code.half, obj, position, key, value)
            code.demand(code.builder.not_(code.is_same(more, code.half(0))))
            code.demand_same(code.load(key, 0), code.constant(expected))
            items.append(code.load(value, 0))
        return items

    def whole_number(self, obj: Any) -> Any:
        code = self.code
        overflow = code.slot(code.half(0))
        value = code.call("PyLong_AsLongLongAndOverflow", code.word, obj, overflow)
        code.demand_same(code.load(overflow, 0, code.half), code.half(0))
        return value

    def number(self, obj: Any, kind: Number) -> Any:
        code = self.code
        return self.number_at(code.place(obj, HEADER), np.dtype(kind.cls))

    def number_at(self, place: Any, dtype: np.dtype[Any]) -> Any:
        from numba import from_dtype

        code = self.code
        model = code.context.data_model_manager[from_dtype(dtype)]
        return model.from_data(code.builder, code.load(place, 0, model.get_data_type()))

    def unbox_array(self, obj: Any, kind: Array) -> None:
        code = self.code
        code.demand_type(obj, code.of(np.ndarray))
        code.demand_same(code.load(obj, DTYPE), code.of(kind.dtype))
        code.demand_same(code.load(obj, RANK, code.half), code.half(len(kind.ones)))
        flags = code.builder.and_(code.load(obj, FLAGS, code.half), code.half(READABLE))
        code.demand_same(flags, code.half(READABLE))
        data, lengths = code.load(obj, DATA), code.load(obj, SHAPE)
        if not kind.ones:
            self.found.append(self.number_at(data, kind.dtype))
            return
        shape = [code.load(lengths, POINTER * axis, code.word) for axis in range(len(kind.ones))]
        for length, is_one in zip(shape, kind.ones, strict=True):
            same = code.is_same(length, code.word(1))
            code.demand(same if is_one else code.builder.not_(same))
        self.found.append(self.array(obj, kind, data, shape))

    def array(self, obj: Any, kind: Array, data: Any, shape: list[Any]) -> Any:
        """Numba's view of an array, of whose memory nobody counts the references."""
        from numba import from_dtype, types

        code = self.code
        numba_type = types.Array(from_dtype(kind.dtype), len(shape), "C")
        made = code.tools.create_struct_proxy(numba_type)(code.context, code.builder)
        made.meminfo, made.parent = code.null, obj
        made.nitems = functools.reduce(code.builder.mul, shape)
        made.itemsize = code.word(kind.dtype.itemsize)
        made.data = code.builder.bitcast(data, made.data.type)
        made.shape = code.tools.pack_array(code.builder, shape)
        strides = code.load(obj, STRIDES)
        steps = [code.load(strides, POINTER * axis, code.word) for axis in range(len(shape))]
        made.strides = code.tools.pack_array(code.builder, steps)
        return made._getvalue()
