"""Turns of a loop as chunks of them, which threads take: what native modules with `parallel=True` call.

    chunks = chunks_of(n, 40)                   in how many chunks n turns of 40 operations are done
    in_chunks(h_chunk, chunks, n, x, h)         h_chunk(0, chunks, n, x, h), h_chunk(1, chunks, n, x, h), ...

The number of chunks depends on sizes alone, not on the number of threads, and what chunks have in common
(sums) is put together in their order. So a result does not depend on how many threads there are, nor on which
of them did what.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, disable-error-code="misc,call-arg,attr-defined"
# Numba infers the types of these functions, and its decorators have none.

from __future__ import annotations

from llvmlite import ir
from numba import njit, types
from numba.core import callconv, cgutils
from numba.core.typing.templates import signature as signature_of
from numba.extending import intrinsic

from ad_compiler.backends.native.numba_extensions.disabling import is_disabled
from ad_compiler.backends.native.numba_extensions.inlining import OPTIONS
from ad_compiler.backends.native.numba_extensions.layouts import is_known_here
from ad_compiler.backends.native.run_time.threads import SYMBOL, pool

WITH_THREADS = is_known_here() and not is_disabled()
if WITH_THREADS:
    pool().start()  # code that refers to its symbol is loaded by modules that import this one

LEAST = (
    200_000  # operations: some 20 to 200 microseconds; waking a thread takes 5, and it comes after 5 to 50
)
DEARER = 16  # operations of a chunk for each of its sums, and more
MOST = 48  # chunks: a number that 2, 3, 4, 6, 8, 12, 16 or 24 threads share


@njit(**OPTIONS)
def chunks_of(turns, operations):
    """In how many chunks turns of so many operations each are done: in one, where threads do not pay."""
    if turns * operations < LEAST:
        return 1
    return min(turns, MOST)


@njit(**OPTIONS)
def chunks_of_sums(turns, operations, size):
    """Likewise, where every chunk has so many sums of its own, which are set to zero and added up."""
    chunks = min(chunks_of(turns, operations), turns * operations // (DEARER * max(size, 1)))
    return max(chunks, 1)


@njit(**OPTIONS)
def first_turn(turns, chunk, chunks):
    """The first turn of a chunk; that of the chunk behind the last one is the number of turns."""
    return max(turns * chunk // chunks, 0)  # LLVM sees that subscripts are not negative


def one_by_one(turns, chunks, *given):
    """`in_chunks` where the loops run as Python."""
    for chunk in range(chunks):
        turns(chunk, chunks, *given)


def together(typing_context, turns, chunks, *given):
    """`in_chunks` as machine code."""
    given = tuple(given[0]) if len(given) == 1 and isinstance(given[0], types.StarArgTuple) else given
    called = turns.get_call_type(typing_context, (types.intp, types.intp, *given), {})
    signature = signature_of(types.none, turns, types.intp, types.StarArgTuple(given))

    def generate(context, builder, signature, values):
        overload = signature.args[0].dispatcher.overloads[called.args]
        context.active_code_library.add_linking_library(overload.library)
        parts = cgutils.unpack_tuple(builder, values[2])
        Shared(context, overload.fndesc, called, parts).run(builder, values[1], parts)
        return context.get_dummy_value()

    return signature, generate


class Shared:
    """What chunks share, on the stack of the one that calls them.

    These are: how one of them has failed (a code, and where it is said what is raised), how many there are,
    and what they are given.
    """

    def __init__(self, context, callee, called, parts):
        self.context, self.callee, self.called = context, callee, called
        self.word, self.code = context.get_value_type(types.intp), callconv.errcode_t
        self.failure = ir.PointerType(callconv.excinfo_t)
        self.kind = ir.LiteralStructType([self.code, self.failure, self.word, *[part.type for part in parts]])
        self.kernel = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, self.word])

    def run(self, builder, chunks, parts):
        """Have all chunks done, and raise what one of them has raised."""
        shared = cgutils.alloca_once(builder, self.kind)
        for place, part in enumerate([self.code(0), self.failure(None), chunks, *parts]):
            builder.store(part, cgutils.gep_inbounds(builder, shared, 0, place))
        kernel = self.written(builder.module)
        kind = ir.FunctionType(ir.VoidType(), [kernel.type, cgutils.voidptr_t, self.word])
        run = cgutils.get_or_insert_function(builder.module, kind, SYMBOL)
        builder.call(run, [kernel, builder.bitcast(shared, cgutils.voidptr_t), chunks])
        code, failure = (builder.load(cgutils.gep_inbounds(builder, shared, 0, place)) for place in (0, 1))
        status = self.context.call_conv._get_return_status(builder, code, failure)
        with cgutils.if_unlikely(builder, status.is_error):
            self.context.call_conv.return_status_propagate(builder, status)

    def written(self, module):
        """The function that does one chunk."""
        function = ir.Function(module, self.kernel, module.get_unique_name("chunk"))
        function.linkage = "internal"
        builder = ir.IRBuilder(function.append_basic_block("entry"))
        shared = builder.bitcast(function.args[0], self.kind.as_pointer())
        places = range(2, len(self.kind.elements))
        chunks, *parts = (builder.load(cgutils.gep_inbounds(builder, shared, 0, place)) for place in places)
        given = [function.args[1], chunks, *parts]
        status, _ = self.context.call_internal_no_propagate(builder, self.callee, self.called, given)
        with cgutils.if_unlikely(builder, status.is_error):
            builder.store(status.excinfoptr, cgutils.gep_inbounds(builder, shared, 0, 1))
            builder.store(status.code, cgutils.gep_inbounds(builder, shared, 0, 0))
        builder.ret_void()
        return function


in_chunks = intrinsic(together) if WITH_THREADS else njit(**OPTIONS)(one_by_one)
"""Call `turns(chunk, chunks, *given)` for every chunk, by all threads that are free.

An exception that leaves one of these calls leaves this one, when all of them are done.
"""
