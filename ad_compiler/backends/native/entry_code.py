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

Of Numba, the calling convention and the models of data are used through its target context.
"""

from __future__ import annotations

import ctypes
import functools
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ad_compiler.backends.native.conventions import (
    Array,
    Boxed,
    Cell,
    Container,
    Convention,
    Given,
    Kernel,
    Kind,
    Made,
    Number,
    Same,
    Source,
    Structure,
    leaves_of,
)
from ad_compiler.backends.native.layouts import (
    BYTES,
    CONTENT_OF_CELL,
    DATA,
    DTYPE,
    FASTCALL_WITH_KEYWORDS,
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
    TYPE,
    MethodDefinition,
    addresses,
    c_function,
    is_known_here,
)

COPIED = 1 << 12
"""Results up to so many bytes are copied into arrays of NumPy; larger ones keep the memory they are in."""

OTHERWISE, DEPARTED, ADDRESS, FIRST_CONSTANT = range(4)

_lock = threading.Lock()
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

    `None` where that is impossible: with another Python, or another version of Numba than those known.
    """
    if not is_known_here():
        return None
    compiled = kernel.compiled
    try:
        address = compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)
        definition = definition_of(convention, kernel.context)
    except Exception:
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


def machine_code(text: str, name: str) -> int:
    """A module in LLVM's language as machine code; the address of its function."""
    from llvmlite import binding
    from numba.core.compiler_lock import global_compiler_lock

    with global_compiler_lock:
        machine, engine = compiler()
        module = binding.parse_assembly(text)
        module.verify()
        engine.add_object_file(binding.ObjectFileRef.from_data(machine.emit_object(module)))
        engine.finalize_object()
        address: int = engine.get_function_address(name)
        return address


@functools.cache
def compiler() -> tuple[Any, Any]:
    """What makes the code, without optimisation (that would find nothing), and what holds it."""
    from llvmlite import binding

    target = binding.Target.from_triple(binding.get_process_triple())
    machine, same = (target.create_target_machine(opt=0) for _ in range(2))
    return machine, binding.create_mcjit_compiler(binding.parse_assembly(""), same)


def module_for(convention: Convention, context: Any, name: str) -> Any:
    """A module with the C function of a convention, under this name."""
    from llvmlite import binding, ir

    module = ir.Module(name)
    module.triple = binding.get_process_triple()
    module.data_layout = str(context.codegen().target_data)
    pointer = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(pointer, [pointer, pointer, ir.IntType(64), pointer])
    Writer(convention, context, ir.Function(module, kind, name)).write()
    return module


class Writer:
    """Writes the function of one convention."""

    def __init__(self, convention: Convention, context: Any, function: Any) -> None:
        from llvmlite import ir
        from numba.core import cgutils
        from numba.core.runtime.nrt import rtsys

        self.tools: Any = cgutils

        self.convention = convention
        self.context = context
        self.function = function
        rtsys.initialize(context)
        released = rtsys.library.get_pointer_to_function("NRT_decref")
        self.addresses = {**addresses(), "NRT_decref": released}
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.otherwise = function.append_basic_block("otherwise")
        self.departed = function.append_basic_block("departed")
        self.flag = ir.IntType(1)
        self.half, self.word, self.nothing = ir.IntType(32), ir.IntType(64), ir.VoidType()
        self.pointer = ir.IntType(8).as_pointer()
        self.null = self.pointer(None)
        self.own, self.arguments, self.count, self.names = function.args
        self.found: list[Any] = []  # numbers and arrays, as values of Numba's models of data

    # Memory, calls, conditions

    def of(self, obj: Any) -> Any:
        """A pointer to an object that lives as long as the process."""
        return self.word(id(obj)).inttoptr(self.pointer)

    def place(self, base: Any, offset: int) -> Any:
        return self.builder.gep(base, [self.word(offset)])

    def load(self, base: Any, offset: int, kind: Any = None) -> Any:
        place = self.builder.bitcast(self.place(base, offset), (kind or self.pointer).as_pointer())
        return self.builder.load(place)

    def store(self, value: Any, base: Any, offset: int) -> None:
        self.builder.store(value, self.builder.bitcast(self.place(base, offset), value.type.as_pointer()))

    def slot(self, value: Any) -> Any:
        """A pointer to memory that holds a value."""

        return self.builder.bitcast(self.tools.alloca_once_value(self.builder, value), self.pointer)

    def constant(self, place: int) -> Any:
        """One of the constants of the derivative."""
        return self.item(FIRST_CONSTANT + place)

    def item(self, place: int) -> Any:
        """An item of the tuple that is special to the derivative."""
        return self.load(self.own, ITEMS_OF_TUPLE + POINTER * place)

    def call(self, name: str, result: Any, *arguments: Any, **options: Any) -> Any:
        from llvmlite import ir

        kind = ir.FunctionType(result, [each.type for each in arguments])
        function = self.builder.inttoptr(self.word(self.addresses[name]), kind.as_pointer())
        return self.builder.call(function, arguments, **options)

    def is_same(self, one: Any, other: Any) -> Any:
        return self.builder.icmp_unsigned("==", one, other)

    def demand(self, condition: Any, or_else: Any = None) -> None:
        """Leave the call to a Python function unless a condition holds."""
        further = self.function.append_basic_block()
        self.builder.cbranch(condition, further, or_else or self.otherwise)
        self.builder.position_at_end(further)

    def demand_same(self, one: Any, other: Any) -> None:
        self.demand(self.is_same(one, other))

    # The whole

    def write(self) -> None:
        self.demand_count()
        for source, kind in zip(self.convention.sources, self.convention.kinds, strict=True):
            self.unbox(self.object(source), kind)
        self.builder.ret(self.box(self.returned()))
        for block, place in ((self.otherwise, OTHERWISE), (self.departed, DEPARTED)):
            self.builder.position_at_end(block)
            self.call("PyErr_Clear", self.nothing)
            given = (self.item(place), self.arguments, self.count, self.names)
            self.builder.ret(self.call("PyObject_Vectorcall", self.pointer, *given, tail="musttail"))

    # Arguments

    def demand_count(self) -> None:
        """As many arguments as there are parameters, or those without defaults."""
        convention, builder = self.convention, self.builder
        given = [source for source in convention.sources if isinstance(source, Given)]
        least = sum(source.default is None for source in given[: convention.arguments])
        if convention.keywords:
            self.demand_same(self.count, self.word(convention.arguments))
            self.demand(builder.not_(self.is_same(self.names, self.null)))
            self.demand_same(self.load(self.names, LENGTH, self.word), self.word(len(convention.keywords)))
            for place, name in enumerate(convention.keywords):
                self.demand_same(self.load(self.names, ITEMS_OF_TUPLE + POINTER * place), self.constant(name))
            return
        self.demand_same(self.names, self.null)
        self.demand(builder.icmp_unsigned("<=", self.count, self.word(convention.arguments)))
        self.demand(builder.icmp_unsigned(">=", self.count, self.word(least)))

    def object(self, source: Source) -> Any:
        """The object at a source; a reference that is not owned."""
        if isinstance(source, Given):
            place = self.place(self.arguments, POINTER * source.place)
            if source.default is not None and not self.convention.keywords:
                default = ITEMS_OF_TUPLE + POINTER * (FIRST_CONSTANT + source.default)
                is_given = self.builder.icmp_unsigned(">", self.count, self.word(source.place))
                place = self.builder.select(is_given, place, self.place(self.own, default))
            return self.load(place, 0)
        if isinstance(source, Cell):
            obj = self.load(self.constant(source.constant), CONTENT_OF_CELL)
        else:
            namespace, key = self.constant(source.namespace), self.constant(source.key)
            obj = self.call("PyDict_GetItemWithError", self.pointer, namespace, key)
        self.demand(self.builder.not_(self.is_same(obj, self.null)))
        return obj

    def demand_type(self, obj: Any, cls: Any) -> None:
        self.demand_same(self.load(obj, TYPE), cls)

    def unbox(self, obj: Any, kind: Kind) -> None:
        """Demand that an object is of a kind, and note the numbers and arrays in it."""
        if isinstance(kind, Same):
            self.demand_same(obj, self.constant(kind.constant))
        elif isinstance(kind, Array):
            self.unbox_array(obj, kind)
        elif isinstance(kind, Container):
            self.unbox_items(obj, kind)
        else:
            self.demand_type(obj, self.of(kind.cls))
            number = self.whole_number(obj) if kind.cls is int else self.number(obj, kind)
            if kind.value is None:
                self.found.append(number)
            else:
                self.demand_same(number, self.word(kind.value))

    def unbox_items(self, obj: Any, kind: Container) -> None:
        self.demand_type(obj, self.constant(kind.cls))
        if kind.layout is dict:
            items = self.items_of_dict(obj, kind)
        else:
            self.demand_same(self.load(obj, LENGTH, self.word), self.word(len(kind.items)))
            base = self.load(obj, ITEMS_OF_LIST) if kind.layout is list else self.place(obj, ITEMS_OF_TUPLE)
            items = [self.load(base, POINTER * place) for place in range(len(kind.items))]
        for item, inner in zip(items, kind.items, strict=True):
            self.unbox(item, inner)

    def items_of_dict(self, obj: Any, kind: Container) -> list[Any]:
        """The items of a dict, which must have these very keys in their order."""
        self.demand_same(self.call("PyDict_Size", self.word, obj), self.word(len(kind.items)))
        position, key, value = self.slot(self.word(0)), self.slot(self.null), self.slot(self.null)
        items = []
        for expected in kind.keys:
            more = self.call("PyDict_Next", self.half, obj, position, key, value)
            self.demand(self.builder.not_(self.is_same(more, self.half(0))))
            self.demand_same(self.load(key, 0), self.constant(expected))
            items.append(self.load(value, 0))
        return items

    def whole_number(self, obj: Any) -> Any:
        overflow = self.slot(self.half(0))
        value = self.call("PyLong_AsLongLongAndOverflow", self.word, obj, overflow)
        self.demand_same(self.load(overflow, 0, self.half), self.half(0))
        return value

    def number(self, obj: Any, kind: Number) -> Any:
        return self.number_at(self.place(obj, HEADER), np.dtype(kind.cls))

    def number_at(self, place: Any, dtype: np.dtype[Any]) -> Any:
        from numba import from_dtype

        model = self.context.data_model_manager[from_dtype(dtype)]
        return model.from_data(self.builder, self.load(place, 0, model.get_data_type()))

    def unbox_array(self, obj: Any, kind: Array) -> None:
        self.demand_type(obj, self.of(np.ndarray))
        self.demand_same(self.load(obj, DTYPE), self.of(kind.dtype))
        self.demand_same(self.load(obj, RANK, self.half), self.half(len(kind.ones)))
        flags = self.builder.and_(self.load(obj, FLAGS, self.half), self.half(READABLE))
        self.demand_same(flags, self.half(READABLE))
        data, lengths = self.load(obj, DATA), self.load(obj, SHAPE)
        if not kind.ones:
            self.found.append(self.number_at(data, kind.dtype))
            return
        shape = [self.load(lengths, POINTER * axis, self.word) for axis in range(len(kind.ones))]
        for length, is_one in zip(shape, kind.ones, strict=True):
            same = self.is_same(length, self.word(1))
            self.demand(same if is_one else self.builder.not_(same))
        self.found.append(self.array(obj, kind, data, shape))

    def array(self, obj: Any, kind: Array, data: Any, shape: list[Any]) -> Any:
        """Numba's view of an array, of whose memory nobody counts the references."""
        from numba import from_dtype, types

        numba_type = types.Array(from_dtype(kind.dtype), len(shape), "C")
        made = self.tools.create_struct_proxy(numba_type)(self.context, self.builder)
        made.meminfo, made.parent = self.null, obj
        made.nitems = functools.reduce(self.builder.mul, shape)
        made.itemsize = self.word(kind.dtype.itemsize)
        made.data = self.builder.bitcast(data, made.data.type)
        made.shape = self.tools.pack_array(self.builder, shape)
        strides = self.load(obj, STRIDES)
        steps = [self.load(strides, POINTER * axis, self.word) for axis in range(len(shape))]
        made.strides = self.tools.pack_array(self.builder, steps)
        return made._getvalue()

    # The kernel

    def returned(self) -> Any:
        """What the kernel returns."""
        convention, calling = self.convention, self.context.call_conv
        given = [self.found[place] for place in convention.given]
        address = self.load(self.item(ADDRESS), BYTES)
        kind = calling.get_function_type(convention.returned, convention.types)
        kernel = self.builder.bitcast(address, kind.as_pointer())
        status, value = calling.call_function(
            self.builder, kernel, convention.returned, convention.types, given
        )
        self.demand(self.is_same(status.code, self.half(0)), self.departed)
        return value

    # Results

    def box(self, returned: Any) -> Any:
        """The object for what is returned; NULL, with an exception, where one cannot be made."""
        from numba import types

        builder, kind, result = self.builder, self.convention.returned, self.convention.result
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
        failed = functools.reduce(builder.or_, [self.is_same(each, self.null) for each in made])
        with builder.if_then(failed, likely=False):
            for each in made:
                self.call("Py_DecRef", self.nothing, each)
            builder.ret(self.null)
        return self.filled(result, (), leaves, containers)

    def new(self, made: Made) -> Any:
        if made.layout is dict:
            return self.call("PyDict_New", self.pointer)
        function = "PyList_New" if made.layout is list else "PyTuple_New"
        return self.call(function, self.pointer, self.word(len(made.items)))

    def filled(
        self, part: Structure, path: tuple[int, ...], leaves: dict[int, Any], containers: dict[Any, Any]
    ) -> Any:
        """The object for a part of the result, a reference that is owned; containers get their items."""
        if isinstance(part, Boxed):
            return leaves[part.place]
        if isinstance(part, Same):
            obj = self.constant(part.constant)
            self.call("Py_IncRef", self.nothing, obj)
            return obj
        container = containers[path]
        base = container
        if part.layout is list:
            base = self.load(container, ITEMS_OF_LIST)
        for place, item in enumerate(part.items):
            obj = self.filled(item, (*path, place), leaves, containers)
            if part.layout is dict:
                key = self.constant(part.keys[place])
                self.call("PyDict_SetItem", self.half, container, key, obj)
                self.call("Py_DecRef", self.nothing, obj)
            else:
                first = ITEMS_OF_TUPLE if part.layout is tuple else 0
                self.store(obj, base, first + POINTER * place)
        return container

    def boxed(self, value: Any, kind: Any, leaf: Boxed) -> Any:
        """The object for one number or array."""
        from numba import from_dtype, types

        if leaf.rank:
            return self.boxed_array(value, kind, leaf)
        wanted = from_dtype(leaf.dtype)
        if not leaf.python:
            data = self.context.data_model_manager[wanted].as_data(self.builder, value)
            scalar = (self.slot(data), self.of(leaf.dtype), self.null)
            return self.call("PyArray_Scalar", self.pointer, *scalar)
        if isinstance(wanted, types.Boolean):
            return self.call("PyBool_FromLong", self.pointer, self.builder.zext(value, self.word))
        if isinstance(wanted, types.Integer):
            return self.call("PyLong_FromLongLong", self.pointer, value)
        if isinstance(wanted, types.Complex):
            parts = self.tools.create_struct_proxy(wanted)(self.context, self.builder, value=value)
            return self.call("PyComplex_FromDoubles", self.pointer, parts.real, parts.imag)
        return self.call("PyFloat_FromDouble", self.pointer, value)

    def boxed_array(self, value: Any, kind: Any, leaf: Boxed) -> Any:
        """An array for one of Numba's, whose reference to memory is given back."""
        builder = self.builder
        array = self.tools.create_struct_proxy(kind)(self.context, builder, value=value)
        size = builder.mul(array.nitems, self.word(leaf.dtype.itemsize))
        found = self.tools.alloca_once(builder, self.pointer)
        is_counted = builder.not_(self.is_same(array.meminfo, self.null))
        is_large = builder.icmp_unsigned(">", size, self.word(COPIED))
        with builder.if_else(builder.and_(is_counted, is_large), likely=False) as (taken, other):
            with taken:
                whole = (self.slot(value), self.of(np.ndarray), self.half(leaf.rank), self.half(1))
                builder.store(self.call("take_over", self.pointer, *whole, self.of(leaf.dtype)), found)
            with other, builder.if_else(self.is_argument(array, leaf.rank), likely=False) as (same, copied):
                with same:
                    self.call("Py_IncRef", self.nothing, array.parent)
                    builder.store(array.parent, found)
                with copied:
                    builder.store(self.copy(array, leaf, size), found)
        self.call("NRT_decref", self.nothing, array.meminfo)
        return builder.load(found)

    def is_argument(self, array: Any, rank: int) -> Any:
        """Whether it is one of the arrays given, and not a part of it."""
        builder = self.builder
        found = self.tools.alloca_once_value(builder, self.flag(0))
        with builder.if_then(builder.not_(self.is_same(array.parent, self.null)), likely=False):
            parent = array.parent
            same = self.is_same(self.load(parent, DATA), builder.bitcast(array.data, self.pointer))
            same = builder.and_(same, self.is_same(self.load(parent, RANK, self.half), self.half(rank)))
            with builder.if_then(same):
                lengths = self.load(parent, SHAPE)
                for axis in range(rank):
                    length = self.load(lengths, POINTER * axis, self.word)
                    own = builder.extract_value(array.shape, axis)
                    same = builder.and_(same, self.is_same(length, own))
                builder.store(same, found)
        return builder.load(found)

    def copy(self, array: Any, leaf: Boxed, size: Any) -> Any:
        """A new array of NumPy's with the same items; NULL where there is no memory."""
        builder, zero = self.builder, self.half(0)
        rank, number, shape = self.half(leaf.rank), self.half(leaf.dtype.num), self.slot(array.shape)
        plain = (shape, number, self.null, self.null, zero, zero, self.null)
        made = self.call("PyArray_New", self.pointer, self.of(np.ndarray), rank, *plain)
        with builder.if_then(builder.not_(self.is_same(made, self.null)), likely=True):
            source = builder.bitcast(array.data, self.pointer)
            self.tools.raw_memcpy(builder, self.load(made, DATA), source, size, 1)
        return made


def containers_of(result: Structure, path: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Made]]:
    """The containers of a result, by their paths."""
    if isinstance(result, Made):
        yield path, result
        for place, item in enumerate(result.items):
            yield from containers_of(item, (*path, place))
