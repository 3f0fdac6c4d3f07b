"""Threads that take turns of a parallel loop off a compiled function: a pool of the process's own.

    run(kernel, data, chunks)       kernel(data, 0), kernel(data, 1), ... kernel(data, chunks - 1),
                                    by whichever threads are free; back when all of them are done

Numba has such pools, but none that every process may use: its work queue ends the process when two threads of
Python's enter it at once, or when one of its own threads enters it again; GNU OpenMP does when a process has
forked. This one may be entered by anybody at any time. Whoever comes while another is inside does the chunks
alone, and so does a process that has forked, which has none of these threads.

The threads are Python's, but run machine code for good, without Python's lock. What they share with the one
that enters is a table of words:

    busy     1 while somebody is inside
    open     1 while there are chunks to be had; then the next three words are to be read
    kernel, data, chunks
    next     the first chunk that nobody has taken
    active   how many threads may be reading the words above

Who enters writes these words, sets `open`, wakes those asleep, and takes chunks as they do. When none is
left, it resets `open` and waits until nobody is active. A thread becomes active first and looks whether it
is open afterwards, so that one of the two sees the other: words are never written while they are read, and
`data`, which lies on the stack of the one inside, is never read afterwards. A thread that has found nothing
to do for a while (`PATIENCE`) falls asleep: it says so in its own word, and acquires a lock that whoever
resets that word releases.

Locks are Python's (`PyThread_acquire_lock`, which needs no interpreter). All words are read and written in
one order that all threads agree on (LLVM's `seq_cst`); that costs nothing here.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import threading
from typing import Any

from ad_compiler.backends.native.numba_extensions.layouts import address_of
from ad_compiler.backends.native.numba_extensions.machine_code import machine_code

SYMBOL = "ad_compiler_run_chunks"
LINE = 16  # words from one that many threads write to the next, so that they lie in cache lines of their own
BUSY, OPEN, KERNEL, DATA, CHUNKS, NEXT, ACTIVE, WORKERS, NEVER, SLEEPERS = (LINE * n for n in range(10))
ASLEEP, LOCK = 0, 1  # words of each thread, from `SLEEPERS` on
PATIENCE = 4000  # looks, at some 10 to 40 ns each
NAP = 50  # microseconds


@functools.cache
def pool() -> Pool:
    """The pool of the process; machine code finds its entry as `SYMBOL`."""
    return Pool()


class Pool:
    """The words, and the machine code over them; all of it stays as long as the process."""

    def __init__(self) -> None:
        import numba
        from llvmlite import binding

        self.size = max(int(numba.config.NUMBA_NUM_THREADS), 1)  # type: ignore[attr-defined]
        self.lock = threading.Lock()
        words = SLEEPERS + LINE * self.size
        self.words = (ctypes.c_int64 * words).from_address(allocated(8 * words))
        functions = Functions(ctypes.addressof(self.words))
        self.words[NEVER] = held_lock()
        binding.add_symbol(SYMBOL, machine_code(str(functions.run()), SYMBOL))
        worker = machine_code(str(functions.worker()), "worker")
        self.worker = ctypes.CFUNCTYPE(None, ctypes.c_int64)(worker)
        self.is_started = False
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forget)

    def start(self) -> None:
        """Start the threads, once."""
        with self.lock:
            if self.is_started:
                return
            self.is_started = True
            for place in range(self.size - 1):
                self.words[SLEEPERS + LINE * place + LOCK] = held_lock()
                name = f"ad_compiler {place + 1}"
                threading.Thread(target=self.worker, args=(place,), name=name, daemon=True).start()
            self.words[WORKERS] = self.size - 1

    def forget(self) -> None:
        """After a fork there are no threads but one."""
        self.lock = threading.Lock()
        for place in (BUSY, OPEN, ACTIVE, WORKERS):
            self.words[place] = 0


def allocated(size: int) -> int:
    """Memory that nobody frees, filled with zeros."""
    allocate = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)
    address = allocate(address_of(ctypes.pythonapi.PyMem_RawCalloc))(size, 1)
    if address is None:
        raise MemoryError
    return int(address)


def held_lock() -> int:
    """A lock of Python's that is acquired already."""
    make = ctypes.PYFUNCTYPE(ctypes.c_void_p)(address_of(ctypes.pythonapi.PyThread_allocate_lock))
    lock = make()
    acquire = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
    acquire(address_of(ctypes.pythonapi.PyThread_acquire_lock))(lock, 1)
    return int(lock)


class Functions:
    """The two functions, in LLVM's language."""

    def __init__(self, words: int) -> None:
        from llvmlite import ir

        self.ir: Any = ir
        self.words = words
        self.word, self.half = ir.IntType(64), ir.IntType(32)
        self.pointer = ir.IntType(8).as_pointer()
        self.kernel = ir.FunctionType(ir.VoidType(), [self.pointer, self.word])
        self.builder: Any = None

    def begin(self, name: str, kinds: list[Any]) -> Any:
        from llvmlite import binding

        module = self.ir.Module(name)
        module.triple = binding.get_process_triple()
        function = self.ir.Function(module, self.ir.FunctionType(self.ir.VoidType(), kinds), name)
        self.builder = self.ir.IRBuilder(function.append_basic_block("entry"))
        return function

    # Words

    def at(self, place: int, offset: Any = None) -> Any:
        address = self.word(self.words + 8 * place)
        if offset is not None:
            address = self.builder.add(address, offset)
        return self.builder.inttoptr(address, self.word.as_pointer())

    def get(self, place: int, offset: Any = None) -> Any:
        return self.builder.load_atomic(self.at(place, offset), "seq_cst", 8)

    def put(self, place: int, value: Any, offset: Any = None) -> None:
        self.builder.store_atomic(value, self.at(place, offset), "seq_cst", 8)

    def change(self, how: str, place: int, value: Any, offset: Any = None) -> Any:
        """Change a word; what it was."""
        return self.builder.atomic_rmw(how, self.at(place, offset), value, "seq_cst")

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of Python's that deals with locks."""
        kind = self.ir.FunctionType(self.half, [each.type for each in arguments])
        address = self.word(address_of(getattr(ctypes.pythonapi, name)))
        self.builder.call(self.builder.inttoptr(address, kind.as_pointer()), arguments)

    def own(self, place: Any) -> Any:
        """Where the words of a thread are, from `SLEEPERS` on."""
        return self.builder.mul(place, self.word(8 * LINE))

    # Control flow

    def is_same(self, one: Any, number: int) -> Any:
        return self.builder.icmp_signed("==", one, self.word(number))

    def block(self, name: str) -> Any:
        return self.builder.append_basic_block(name)

    def go(self, block: Any) -> None:
        """End here, and write on there."""
        if not self.builder.block.is_terminated:
            self.builder.branch(block)
        self.builder.position_at_end(block)

    def pause(self) -> None:
        """Tell the processor that this is a loop that waits."""
        on_intel = platform.machine().lower() in ("x86_64", "amd64")
        name, given = ("llvm.x86.sse2.pause", []) if on_intel else ("llvm.aarch64.hint", [self.half(1)])
        kind = self.ir.FunctionType(self.ir.VoidType(), [each.type for each in given])
        module = self.builder.module
        function = module.globals.get(name) or self.ir.Function(module, kind, name)
        self.builder.call(function, given)

    def patient(self, count: Any, further: Any) -> None:
        """Go `further` for so many times, with a pause; then write on."""
        builder = self.builder
        seen = builder.add(builder.load(count), self.word(1))
        builder.store(seen, count)
        again, enough = self.block("again"), self.block("enough")
        builder.cbranch(builder.icmp_signed("<", seen, self.word(PATIENCE)), again, enough)
        builder.position_at_end(again)
        self.pause()
        builder.branch(further)
        builder.position_at_end(enough)
        builder.store(self.word(0), count)

    def take_chunks(self, kernel: Any, data: Any, chunks: Any) -> None:
        """Do the chunks that nobody has taken."""
        builder = self.builder
        take, do, done = (self.block(name) for name in ("take", "do", "done"))
        self.go(take)
        chunk = self.change("add", NEXT, self.word(1))
        builder.cbranch(builder.icmp_signed("<", chunk, chunks), do, done)
        builder.position_at_end(do)
        builder.call(kernel, [data, chunk])
        builder.branch(take)
        builder.position_at_end(done)

    def is_work(self) -> Any:
        """Whether there are chunks that nobody has taken."""
        is_left = self.builder.icmp_signed("<", self.get(NEXT), self.get(CHUNKS))
        return self.builder.and_(self.is_same(self.get(OPEN), 1), is_left)

    # The functions

    def run(self) -> Any:
        """`run(kernel, data, chunks)`."""
        function = self.begin(SYMBOL, [self.kernel.as_pointer(), self.pointer, self.word])
        builder = self.builder
        kernel, data, chunks = function.args
        place, count = builder.alloca(self.word), builder.alloca(self.word)
        for each in (place, count):
            builder.store(self.word(0), each)
        enter, inside, wake, woken, opened, closed, waiting, nap, leave, alone, next_alone, end = (
            self.block(name)
            for name in (
                *("enter", "inside", "wake", "woken", "opened", "closed", "waiting", "nap", "leave"),
                *("alone", "next_alone", "end"),
            )
        )
        workers = self.get(WORKERS)
        is_one = builder.icmp_signed("<=", chunks, self.word(1))
        builder.cbranch(builder.or_(is_one, self.is_same(workers, 0)), alone, enter)
        builder.position_at_end(enter)
        was_busy = self.change("xchg", BUSY, self.word(1))
        builder.cbranch(self.is_same(was_busy, 0), inside, alone)

        builder.position_at_end(inside)
        self.put(KERNEL, builder.ptrtoint(kernel, self.word))
        self.put(DATA, builder.ptrtoint(data, self.word))
        self.put(CHUNKS, chunks)
        self.put(NEXT, self.word(0))
        self.put(OPEN, self.word(1))
        self.go(wake)
        worker = builder.load(place)
        builder.store(builder.add(worker, self.word(1)), place)
        look = self.block("look")
        builder.cbranch(builder.icmp_signed("<", worker, workers), look, opened)
        builder.position_at_end(look)
        own = self.own(worker)
        was_asleep = self.change("xchg", SLEEPERS + ASLEEP, self.word(0), own)
        builder.cbranch(self.is_same(was_asleep, 1), woken, wake)
        builder.position_at_end(woken)
        self.call("PyThread_release_lock", self.get(SLEEPERS + LOCK, own))
        builder.branch(wake)

        builder.position_at_end(opened)
        self.take_chunks(kernel, data, chunks)
        self.go(closed)
        self.put(OPEN, self.word(0))
        self.go(waiting)
        builder.cbranch(self.is_same(self.get(ACTIVE), 0), leave, nap)
        builder.position_at_end(nap)
        self.patient(count, waiting)
        self.call("PyThread_acquire_lock_timed", self.get(NEVER), self.word(NAP), self.half(0))
        builder.branch(waiting)
        builder.position_at_end(leave)
        self.put(BUSY, self.word(0))
        builder.ret_void()

        builder.position_at_end(alone)
        chunk = builder.load(place)
        builder.cbranch(builder.icmp_signed("<", chunk, chunks), next_alone, end)
        builder.position_at_end(next_alone)
        builder.call(kernel, [data, chunk])
        builder.store(builder.add(chunk, self.word(1)), place)
        builder.branch(alone)
        builder.position_at_end(end)
        builder.ret_void()
        return function.module

    def worker(self) -> Any:
        """`worker(place)`, which does not return."""
        function = self.begin("worker", [self.word])
        builder = self.builder
        own = self.own(function.args[0])
        count = builder.alloca(self.word)
        builder.store(self.word(0), count)
        look, wait, sleep, awake, asleep, active, work, rest = (
            self.block(name)
            for name in ("look", "wait", "sleep", "awake", "asleep", "active", "work", "rest")
        )
        self.go(look)
        builder.cbranch(self.is_work(), active, wait)

        builder.position_at_end(wait)
        self.patient(count, look)
        self.go(sleep)
        self.put(SLEEPERS + ASLEEP, self.word(1), own)
        builder.cbranch(self.is_work(), awake, asleep)
        builder.position_at_end(awake)  # unless somebody wakes it, and releases the lock
        was_asleep = self.change("xchg", SLEEPERS + ASLEEP, self.word(0), own)
        builder.cbranch(self.is_same(was_asleep, 1), look, asleep)
        builder.position_at_end(asleep)
        self.call("PyThread_acquire_lock", self.get(SLEEPERS + LOCK, own), self.half(1))
        builder.branch(look)

        builder.position_at_end(active)
        builder.store(self.word(0), count)
        self.change("add", ACTIVE, self.word(1))
        builder.cbranch(self.is_same(self.get(OPEN), 1), work, rest)
        builder.position_at_end(work)
        kernel = builder.inttoptr(self.get(KERNEL), self.kernel.as_pointer())
        data = builder.inttoptr(self.get(DATA), self.pointer)
        self.take_chunks(kernel, data, self.get(CHUNKS))
        self.go(rest)
        self.change("sub", ACTIVE, self.word(1))
        builder.branch(look)
        return function.module
