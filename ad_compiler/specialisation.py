"""A derivative that is built for arguments of certain kinds: its text, and the functions loaded from it.

The function that a call enters has a guard in front: it compares the kinds of arguments, and of what is read
from outside (globals, cells), with those that the text is made for. Where they differ, it answers with what
`dispatch` gives, or with `MISSED` where another specialisation is to be tried.
"""

from __future__ import annotations

import builtins
import functools
import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any

from ad_compiler.backends.guards import GuardWriter
from ad_compiler.backends.loader import load, module_text
from ad_compiler.frontend.inputs import kind_of
from ad_compiler.frontend.scope import AnyLocation, ArgumentLocation, Location
from ad_compiler.ir import Operand, Record
from ad_compiler.pipeline import Program
from ad_compiler.traversal import modules_of

if TYPE_CHECKING:
    from ad_compiler.backends.native.dispatch import Native
    from ad_compiler.backends.native.entry.conventions import Convention

MISSED = object()


class Specialisation:
    """One built derivative: its text, and the functions loaded from it.

    It is made for `arguments` of these kinds, of which the numbers in `constants` are known while compiling;
    calls with arguments of other kinds go to `dispatch`, passed on as `forwarding` says.
    """

    def __init__(
        self,
        program: Program,
        arguments: Mapping[str, Any],
        constants: frozenset[str],
        dispatch: Callable[..., Any],
        forwarding: list[str],
    ) -> None:
        self.request = program.request
        self.program = program
        self.text = module_text(program.source, modules_of(program.function))
        context = program.lowered.context
        guards = GuardWriter(constants)
        for parameter in program.function.parameters:
            if parameter.name in arguments:
                guards.add(parameter.name, arguments[parameter.name])
        made = classes_made((program.function.result, program.function.reverse_result))
        self.namespace: dict[str, Any] = {"_ad_miss": dispatch, "_ad_missed": MISSED, **made}
        self.reads: dict[str, str] = {}
        self.captures = list(context.captures.values())
        for capture in self.captures:
            self.reads[capture.name] = f"{self.location(capture.location)}{capture.path}"
            guards.add(capture.name, capture.example)
        self.fixed = [
            constant for constant in context.constants_read.values() if not is_builtin(constant.location)
        ]
        for constant in self.fixed:
            guards.add(f"{self.location(constant.location)}{constant.path}", constant.example)
        self.guard = guards.text()
        self.namespace.update(guards.objects)
        self.kinds = [
            kind_of(capture.example, capture.name, constants) for capture in [*self.captures, *self.fixed]
        ]
        self.constants = constants
        self.miss = f"_ad_miss({', '.join(forwarding)})"
        self.native: Native | None = None
        if self.request.backend.name == "numba":
            from ad_compiler.backends.native.dispatch import compile_native

            self.namespace["_ad_numpy"] = self.load(self.text, None)
            self.native = compile_native(program, forwarding)
            self.namespace.update(self.native.namespace)
        self.running = self.text if self.native is None else self.native.wrapper
        self.guarded = self.load(self.running, self.guard)
        self.unguarded = self.load(self.running, None)
        self.convention = self.convention_for(arguments)

    def load(
        self, text: str, guard: str | None, miss: str | None = None, objects: bool = False
    ) -> FunctionType:
        function = load(
            text,
            self.program.name,
            reads=self.reads,
            guard=guard,
            miss=miss or self.miss,
            namespace=self.namespace,
            objects=objects or any(read.path for read in [*self.captures, *self.fixed]),
        )
        primal: Any = inspect.unwrap(self.request.primal)
        function.__defaults__ = None if self.request.mode == "hvp" else primal.__defaults__
        function.__kwdefaults__ = primal.__kwdefaults__  # tangents have none: they must be given
        function.__module__ = primal.__module__
        return function

    @functools.cached_property
    def attempted(self) -> FunctionType:
        """The function that answers `MISSED` where its guard does not hold."""
        return self.load(self.running, self.guard, "_ad_missed", objects=True)

    def convention_for(self, arguments: Mapping[str, Any]) -> tuple[Convention, list[Any]] | None:
        """Which calls machine code answers without Python, if there are any."""
        if self.native is None or self.native.entered is None:
            return None
        from ad_compiler.backends.native.entry.conventions import Unsayable, convention_of

        outside = [(capture.name, capture) for capture in [*self.captures, *self.fixed]]
        defaults = self.guarded.__defaults__ or ()
        parameters = self.program.function.parameters
        try:
            return convention_of(
                self.native.entered, parameters, arguments, defaults, outside, self.constants
            )
        except Unsayable:
            return None

    @functools.cached_property
    def entered(self) -> Callable[..., Any]:
        """What a call enters: the guarded function, or machine code that calls it where it must."""
        if self.convention is None:
            return self.guarded
        from ad_compiler.backends.native.entry.entering import entry

        assert self.native is not None and self.native.entered is not None
        python = self.guarded, self.namespace["_ad_numpy"]
        return entry(*self.convention, self.native.entered, *python) or self.guarded

    def location(self, location: AnyLocation) -> str:
        """The expression that reads a global, a cell or an argument."""
        if isinstance(location, ArgumentLocation):
            return location.name
        holder = next((name for name, known in self.namespace.items() if known is location.holder), None)
        if holder is None:
            holder = f"_ad_outside_{len(self.namespace)}"
            self.namespace[holder] = location.holder
        return (
            f"{holder}[{location.name!r}]" if isinstance(location.holder, dict) else f"{holder}.cell_contents"
        )

    def is_current(self) -> bool:
        """Whether everything read from outside is of the kind it was when this was built."""
        try:
            return all(
                kind_of(capture.read(), capture.name, self.constants) == kind
                for capture, kind in zip([*self.captures, *self.fixed], self.kinds, strict=True)
            )
        except (KeyError, ValueError, AttributeError, IndexError, TypeError):
            return False


def classes_made(result: Operand) -> dict[str, type]:
    """The named tuples and dataclasses that a result is made of, as emitted code names them."""
    if isinstance(result, Record):
        own = {} if result.access else {result.cls.__name__: result.cls}
        return own | classes_made(tuple(result.fields.values()))
    items = (
        result.values() if isinstance(result, dict) else result if isinstance(result, (tuple, list)) else ()
    )
    return {name: cls for item in items for name, cls in classes_made(item).items()}


def is_builtin(location: AnyLocation) -> bool:
    return isinstance(location, Location) and location.holder is vars(builtins)
