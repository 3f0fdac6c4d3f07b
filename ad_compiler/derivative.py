"""The object a user holds: called like the function, it answers with derivatives.

A derivative is built when it is first called with arguments of a new kind (dtypes, ranks, axes of
length 1, structure), and kept. The newest specialisation is entered directly: its own code checks the
kinds. When they differ, the specialisations used before it are tried in the same way; only then is the
table of all of them searched.
"""

from __future__ import annotations

import functools
import inspect
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import numpy as np

from ad_compiler.backends.loader import module_text
from ad_compiler.collecting import uncollected
from ad_compiler.errors import Unsupported
from ad_compiler.forking import in_forked_process
from ad_compiler.frontend.inputs import kind_of
from ad_compiler.graph import Graph
from ad_compiler.pipeline import SUFFIX, Program, Request, compile_program
from ad_compiler.refusal import NeedsConstant
from ad_compiler.signatures import assumed, forwarded, signature_with_tangents
from ad_compiler.specialisation import MISSED, Specialisation
from ad_compiler.traversal import modules_of

if TYPE_CHECKING:
    from ad_compiler.backends.native.dispatch import Native

MOST_ATTEMPTS = 4  # of the newest specialisations, before the table is searched


def unmapped(value: Any) -> Any:
    """An array in a file as a plain array over the same memory; anything else as it is."""
    return value.view(np.ndarray) if type(value) is np.memmap else value


_made: weakref.WeakSet[Derivative] = weakref.WeakSet()


def forget_all() -> None:
    """Have every derivative built anew when it is called next: a rule has changed."""
    for each in list(_made):
        each.forget()


def renew_locks() -> None:
    for each in list(_made):
        each._lock = threading.RLock()


in_forked_process(renew_locks)


class Derivative(functools.partial[Any]):
    """A function's derivative. Call it with the arguments of the function.

    Attributes: `source`, the generated code (of the newest kinds called with); `primal`, the function
    as written; `graph`, its computational graph.
    """

    __name__: str
    __qualname__: str
    request: Request
    primal: Callable[..., Any]
    argnums_given: Any  # as the user wrote them: an int, a name, or a tuple of these
    forwarding: list[str]  # how the arguments are passed on to `dispatch`
    needs_whole_numbers: dict[Hashable, bool]  # kinds of arguments whose ints `vjp` must leave alone
    _specialisations: dict[Hashable, list[Specialisation]]
    _newest: Specialisation | None
    _recent: tuple[Specialisation, ...]  # the newest first
    _constants: frozenset[str]
    _lock: threading.RLock
    _first_call: Callable[..., Any]
    _bound: dict[int, tuple[Any, Derivative]]
    _signature: inspect.Signature
    __signature__: inspect.Signature

    def __new__(cls, primal: Callable[..., Any], request: Request, argnums_given: Any) -> Derivative:
        def first_call(*args: Any, **kwargs: Any) -> Any:
            return self.dispatch(*args, **kwargs)

        self = super().__new__(cls, first_call)
        if isinstance(primal, (FunctionType, MethodType, Derivative)):
            functools.update_wrapper(self, primal)  # first: of a derivative, it takes over all that one has
        else:  # what an object holds is its own
            functools.update_wrapper(self, primal, updated=())
            self.__name__ = self.__qualname__ = getattr(primal, "__qualname__", request.primal.__name__)
            self.__module__ = getattr(primal, "__module__", None) or type(primal).__module__
        self.request = request
        self.primal = primal
        self.argnums_given = argnums_given
        self.needs_whole_numbers = {}
        self._specialisations = {}
        self._newest = None
        self._recent = ()
        self._constants = frozenset()
        self._lock = threading.RLock()
        self._bound = {}
        self._signature = signature_with_tangents(inspect.signature(primal), request)
        self.forwarding = [forwarded(parameter) for parameter in self._signature.parameters.values()]
        self.__signature__ = self._signature
        self._first_call = first_call
        _made.add(self)
        return self

    def forget(self) -> None:
        """Build it anew when it is called next."""
        with self._lock:
            self._specialisations.clear()
            self._newest = None
            self._recent = ()
            self._enter(self._first_call)

    def _enter(self, function: Callable[..., Any]) -> None:
        # The callable inside of a partial object can be exchanged only so. The stubs of Python leave it out.
        self.__setstate__((function, (), {}, self.__dict__))  # type: ignore[attr-defined]

    def dispatch(self, *args: Any, **kwargs: Any) -> Any:
        """Find or build the specialisation for these arguments, and run it."""
        args = tuple(map(unmapped, args))
        kwargs = {name: unmapped(value) for name, value in kwargs.items()}
        for known in self._recent[1:]:  # the first one has been entered
            answer = known.attempted(*args, **kwargs)
            if answer is not MISSED:
                with self._lock:
                    if known in self._recent:  # not forgotten meanwhile
                        self._use(known, known.entered)
                return answer
        return self.specialise(self._bind(args, kwargs).arguments).unguarded(*args, **kwargs)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments:
        """The arguments of a call by the names of parameters, defaults included."""
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound

    def specialise(self, arguments: Mapping[str, Any]) -> Specialisation:
        """The specialisation for these arguments, found or built; it is the one entered first."""
        with self._lock:
            found = self._specialisations.setdefault(self._kinds(arguments), [])
            specialisation = next((known for known in found if known.is_current()), None)
            is_known = specialisation is not None
            if specialisation is None:
                with uncollected():
                    program = self._compile(arguments)
                    specialisation = Specialisation(
                        program, arguments, self._constants, self.dispatch, self.forwarding
                    )
                found = self._specialisations.setdefault(self._kinds(arguments), [])
                found[:] = [specialisation, *found[:7]]
            # Machine code that is entered takes a moment to make, and is made for the second call.
            is_ready = is_known or specialisation.convention is None
            self._use(specialisation, specialisation.entered if is_ready else self._first_call)
            return specialisation

    def _use(self, specialisation: Specialisation, entered: Callable[..., Any]) -> None:
        """Have the next call enter this one; the lock is held."""
        self._newest = specialisation
        others = [known for known in self._recent if known is not specialisation]
        self._recent = (specialisation, *others[: MOST_ATTEMPTS - 1])
        self._enter(entered)

    @property
    def current(self) -> Specialisation | None:
        """The newest specialisation, if what it reads from outside is of the same kind still."""
        newest = self._newest
        return newest if newest is not None and newest.is_current() else None

    def _kinds(self, arguments: Mapping[str, Any]) -> Hashable:
        constants = self._constants
        return (constants, *[kind_of(value, name, constants) for name, value in arguments.items()])

    def _compile(self, arguments: Mapping[str, Any]) -> Program:
        """Compile, again and again until every number that must be known while compiling is."""
        while True:
            try:
                return compile_program(self.request, arguments, self._constants)
            except NeedsConstant as needed:
                if needed.access in self._constants:
                    raise
                self._constants |= {needed.access}

    def source_for(self, *args: Any, **kwargs: Any) -> str:
        """The generated code for arguments like these: a module of its own that imports only NumPy."""
        return self.specialise(self._bind(args, kwargs).arguments).text

    @property
    def source(self) -> str:
        """The generated code for the newest kinds called with.

        Before a call, the kinds are taken from annotations, then defaults, then floats are assumed, and
        the first line says so. Raises `Unsupported` where the function cannot be differentiated so.
        """
        if self._newest is not None:
            return self._newest.text
        with self._assuming() as (arguments, kinds):
            program = self._compile(arguments)
        text = module_text(program.source, modules_of(program.function))
        return f"# Made for {kinds} (not called yet; see `source_for`).\n{text}"

    @contextmanager
    def _assuming(self) -> Iterator[tuple[dict[str, Any], str]]:
        """Arguments of the kinds assumed before a call, and these kinds as text, which a refusal notes."""
        arguments = {name: assumed(p) for name, p in self._signature.parameters.items()}
        kinds = ", ".join(f"{name}: {type(value).__name__}" for name, value in arguments.items())
        try:
            yield arguments, kinds
        except Unsupported as refused:
            refused.add_note(f"Not called yet: assumed {kinds}. Annotate, or give examples to `source_for`.")
            raise

    @property
    def native_source(self) -> str:
        """The loops that Numba compiles, for the newest kinds called with."""
        return self._compiled().source

    @property
    def native(self) -> Any:
        """The compiled function itself, for calls from other compiled code.

        It takes the numbers and arrays in the arguments one by one (contiguous arrays, in the order of
        `native_source`), and returns the gradients as one tuple.
        """
        return self._compiled().kernel

    def _compiled(self) -> Native:
        if self.request.backend.name != "numba":
            raise AttributeError('there is no native code: the derivative was made without backend="numba"')
        if self._newest is None:
            with self._assuming() as (arguments, _):
                self.specialise(arguments)
        assert self._newest is not None and self._newest.native is not None
        return self._newest.native

    def program_for(self, *args: Any, **kwargs: Any) -> Program:
        """The differentiated program for arguments like these."""
        return self.specialise(self._bind(args, kwargs).arguments).program

    @property
    def graph(self) -> Graph:
        """The computational graph of the program, for the kinds that `source` is of."""
        from ad_compiler.graph_evaluation import examples, graph_of

        if self._newest is not None:
            return graph_of(self.request, examples(self._newest.program.lowered))
        with self._assuming() as (arguments, _):
            return graph_of(self.request, arguments)

    def graph_at(self, *args: Any, **kwargs: Any) -> Graph:
        """The computational graph with the value and the gradient of one evaluation on every edge."""
        from ad_compiler.graph_evaluation import graph_at

        bound = self._bind(args, kwargs)
        return graph_at(self.request, bound.arguments, bound.args, bound.kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Bound to an instance, the derivative of the method: `self` is not differentiated."""
        if instance is None:
            return self
        known = self._bound.get(id(instance))
        if known is None or known[0] is not instance:
            from ad_compiler.making import derivative_of

            bound = MethodType(self.request.primal, instance)
            self._bound[id(instance)] = known = (instance, derivative_of(bound, *self._options))
        return known[1]

    def __reduce__(self) -> Any:
        """Pickled by name where it replaced its function or method, else as the call that made it."""
        import sys

        from ad_compiler.making import derivative_of

        found: Any = sys.modules.get(self.__module__)
        for part in self.__qualname__.split("."):
            found = getattr(found, part, None)
        if found is self:
            return self.__qualname__
        if isinstance(self.primal, MethodType):
            instance, name = self.primal.__self__, self.primal.__name__
            if getattr(instance, name, None) is self:
                return getattr, (instance, name)
        return derivative_of, (self.primal, *self._options)

    @property
    def _options(self) -> tuple[Any, ...]:
        """What `derivative_of` is to be given behind the function."""
        request = self.request
        return (
            request.mode,
            self.argnums_given,
            request.has_aux,
            request.of_given,
            request.backend,
            request.holomorphic,
        )

    @property
    def suffix(self) -> str:
        """What is put behind the name of the function."""
        return SUFFIX[self.request.mode]

    def inline_in(self, context: Any, node: Any, positional: list[Any], keywords: dict[str, Any]) -> Any:
        """Call it in a program that is being lowered."""
        from ad_compiler.callees import NestedDerivative

        mode, has_aux = self.request.mode, self.request.has_aux
        nested = NestedDerivative(self.primal, mode, self.argnums_given, has_aux, self.request.of_given)
        return nested.inline_in(context, node, positional, keywords)

    def __repr__(self) -> str:
        return f"<{self.request.mode} of {self.__qualname__}>"
