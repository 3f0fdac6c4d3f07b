"""Machine code for a C function that handles objects of Python, and what it is written with.

A thin layer over llvmlite: offsets in memory, calls of functions by address, conditions that leave the
function. Of Numba, the models of data are used through its target context.
"""

from __future__ import annotations

import functools
from typing import Any

from ad_compiler.backends.native.numba_extensions.layouts import ITEMS_OF_TUPLE, POINTER, TYPE, addresses

OTHERWISE, DEPARTED, ADDRESS, FIRST_CONSTANT = range(4)
"""Places in the tuple that is the first argument of the C function."""


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

    binding.initialize_native_target()  # Numba does so only when it compiles something itself
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(binding.get_process_triple())
    machine, same = (target.create_target_machine(opt=0) for _ in range(2))
    return machine, binding.create_mcjit_compiler(binding.parse_assembly(""), same)


class Code:
    """The code of one C function (`METH_FASTCALL | METH_KEYWORDS`, PEP 590), as it is written."""

    def __init__(self, context: Any, name: str) -> None:
        from llvmlite import binding, ir
        from numba.core import cgutils
        from numba.core.runtime.nrt import rtsys

        self.tools: Any = cgutils
        self.context = context
        rtsys.initialize(context)
        released = rtsys.library.get_pointer_to_function("NRT_decref")
        self.addresses = {**addresses(), "NRT_decref": released}
        self.flag, self.half, self.word = ir.IntType(1), ir.IntType(32), ir.IntType(64)
        self.nothing = ir.VoidType()
        self.pointer = ir.IntType(8).as_pointer()
        self.null = self.pointer(None)
        self.module = ir.Module(name)
        self.module.triple = binding.get_process_triple()
        self.module.data_layout = str(context.codegen().target_data)
        kind = ir.FunctionType(self.pointer, [self.pointer, self.pointer, self.word, self.pointer])
        self.function = ir.Function(self.module, kind, name)
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.otherwise = self.function.append_basic_block("otherwise")
        self.departed = self.function.append_basic_block("departed")
        self.own, self.arguments, self.count, self.names = self.function.args

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

    def demand_type(self, obj: Any, cls: Any) -> None:
        self.demand_same(self.load(obj, TYPE), cls)

    def leave(self, block: Any, place: int) -> None:
        """Write a block that has a Python function answer the call, in the place of a return."""
        self.builder.position_at_end(block)
        self.call("PyErr_Clear", self.nothing)
        given = (self.item(place), self.arguments, self.count, self.names)
        self.builder.ret(self.call("PyObject_Vectorcall", self.pointer, *given, tail="musttail"))
