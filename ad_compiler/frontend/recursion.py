"""Recursion whose end is known at run time only: the function becomes a function of the emitted code.

A call whose recursion ends while compiling is inlined as every other call is. Where a call differs from
one that it stands in by numbers of the run only, inlining it would not end: then the function is lowered
by itself, on parameters that stand for what any of its calls may be given, and its calls become `Call`s.

    def power(x, n):                                power(x, n):
        if n == 0:                                      if n == 0
            return 1.0                     ->               yield 1.0
        return x * power(x, n - 1)                      else
                                                            rest = power(x, n - 1)
                                                            yield x * rest

The kinds of the parameters are the join of those of all calls, and the kind of the result that of all
returns. Both are found by lowering the body again and again until nothing has to be joined any more. In
the first round the result of the recursive call is not known; a side of a branch that needs it is left
out, so that the others tell (a least fixed point: Nielson, Nielson and Hankin, Principles of Program
Analysis (1999), chapter 2). What the body reads from the functions around it becomes a parameter.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Hashable
from types import FunctionType

from ad_compiler.analysis.joins import Different, any_length
from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.storage import storages_of
from ad_compiler.analysis.types import (
    ArrayType,
    Axis,
    Length,
    ListType,
    Type,
    may_be_one,
    representative,
)
from ad_compiler.builder import key_of
from ad_compiler.closures import add_parameters, close, made_in, reads_in
from ad_compiler.frontend.activations import key_of_function
from ad_compiler.frontend.aliases import COPY_ADVICE, active_scopes, current, root_of
from ad_compiler.frontend.carried import (
    joined,
    kind_of,
    map_leaves,
    same_kind,
)
from ad_compiler.frontend.context import UNKNOWN, Context
from ad_compiler.frontend.scope import LocalFunction, Scope
from ad_compiler.frontend.sharing import possible_roots
from ad_compiler.frontend.source import Source
from ad_compiler.ir import Block, Call, Function, Operand, Operation, Value
from ad_compiler.refusal import ResultUnknown
from ad_compiler.traversal import map_values, nodes_in, values_in

MOST_ROUNDS = 12  # of lowering a body until the kinds fit: dtypes and lengths can be joined a few times only
UPDATES = ("index_add", "index_set")
ENDLESS = "this recursion does not end while compiling: what ends it is known at run time only"
Body = Callable[[Scope], Operand]


def call_recursive(
    context: Context, node: ast.AST, scope: Scope, callee: ast.FunctionDef | ast.Lambda, body: Body
) -> Operand:
    """The result of a function that is known to call itself; its arguments are the names of `scope`."""
    key, name = key_of_function(scope, callee), getattr(callee, "name", "function")
    lowering = next(
        (
            each
            for each in reversed(context.recursions)
            if each.key == key and each.scope.enclosing is scope.enclosing
        ),
        None,
    )
    if lowering is None:
        return Recursion(context, node, scope, name, body, key).run()
    if lowering is not context.recursions[-1]:
        raise context.refuse(
            node,
            f"`{name}` is called by a function inside of it that calls itself, too",
            "let one of the two functions call itself only",
        )
    return lowering.call(node, scope)


class Recursion:
    """Lowers one function that calls itself."""

    def __init__(
        self, context: Context, node: ast.AST, scope: Scope, name: str, body: Body, key: Hashable
    ) -> None:
        self.context = context
        self.node = node
        self.scope = scope
        self.name = name
        self.body = body
        self.key = key
        self.arguments = dict(scope.names)
        self.kinds: dict[int, Type] = {}  # of the arguments that are parameters, by their number
        self.lengths: set[Length] = set()  # in these, those that differ from call to call
        self.arrays: set[int] = set()  # of those, the ones that may be arrays in memory
        self.written: dict[int, None] = {}  # of those, the ones that are written into
        self.result: Operand = UNKNOWN  # its structure, on values of the kinds it may have
        self.result_lengths: set[Length] = set()  # likewise
        self.same: dict[int, int] | None = None  # results that are arguments: their numbers -> the places
        self.settled = False
        self.calls: list[tuple[Source, ast.AST, dict[str, Operand]]] = []  # of the function by itself
        self.function = Function("", [], Block())
        self.parameters: dict[int, Value] = {}

        def note(place: int, argument: Operand) -> None:
            if isinstance(argument, Value):
                self.kinds[place] = argument.type
            if is_array(argument):
                self.arrays.add(place)

        self.each_argument(note, self.arguments)

    def each_argument(
        self, function: Callable[..., Operand], *names: dict[str, Operand]
    ) -> dict[str, Operand]:
        """The arguments with `function` of their number, and of the numbers and arrays at each place."""
        places = iter(range(10**6))
        return {
            name: map_leaves(lambda *leaves: function(next(places), *leaves), *[each[name] for each in names])
            for name in self.arguments
        }

    def run(self) -> Operand:
        context = self.context
        for _ in range(MOST_ROUNDS):
            self.settled = True
            written = set(context.written)
            self.lower()
            if self.settled:
                self.check_writes(context.written - written)
                return self.finish()
        raise context.refuse(
            self.node,
            f"the kinds of what `{self.name}` is given and returns do not settle",
            "give every call arguments of one kind, and return one kind of value",
        )

    def lower(self) -> None:
        """One round: the body on parameters of the kinds known so far."""
        context = self.context
        self.function = Function(self.name, [], Block())
        self.parameters = {}
        self.calls.clear()
        scopes = active_scopes(context)
        before = [dict(scope.names) for scope in scopes]
        newer, choices = dict(context.newer), dict(context.choices)
        names: dict[str, Operand] = {}
        for name, operand in self.each_argument(self.parameter, self.arguments).items():
            names[name] = operand
            for value in values_in(operand):
                value.name = name if operand is value else value.name or name
        scope = Scope(self.scope.source, self.scope.function, names, self.scope.enclosing)
        context.recursions.append(self)
        try:
            with context.builder.separately(self.function.forward):
                result = self.body(scope)
        except ResultUnknown as unknown:
            context.newer, context.choices = newer, choices
            if self.learns_arguments():
                return
            raise unknown.refusal from None
        finally:
            context.recursions.pop()
        result = current(context, result)
        left = self.find_written()
        latest = {place: current(context, each) for place, each in self.parameters.items()}
        context.newer, context.choices = newer, choices
        if any(changed(each.names, names) for each, names in zip(scopes, before, strict=True)):
            raise context.refuse(
                self.node,
                f"`{self.name}` calls itself, and changes what other functions hold",
                "return what it makes",
            )
        self.learns_arguments()
        self.join_result(result)
        self.find_same(latest)
        self.function.result = [
            each for number, each in enumerate(self.function.result) if number not in (self.same or {})
        ]
        self.function.result += left

    def find_same(self, latest: dict[int, Operand]) -> None:
        """Which results are arrays that the function was given, whichever way it takes."""
        same = {
            number: place
            for number, each in enumerate(self.function.result)
            for place, array in latest.items()
            if each is array and place in self.arrays
        }
        if self.same is not None:
            same = {number: place for number, place in same.items() if self.same.get(number) == place}
        if same != self.same:
            self.same = same
            self.settled = False

    def find_written(self) -> list[Operand]:
        """What the arrays that are written into are at the end: more results, in the order of `written`."""
        newer = self.context.newer
        written = {place: None for place, value in self.parameters.items() if value in newer}
        if not written.keys() <= self.written.keys():
            self.written |= written
            self.settled = False
        return [current(self.context, self.parameters[place]) for place in self.written]

    def learns_arguments(self) -> bool:
        """Join the kinds of what the calls of this round are given; whether that shows anything new.

        What ends the recursion may have been known in a round for which a call was given constants.
        """
        settled, self.settled = self.settled, True
        for source, node, given in self.calls:
            self.join_arguments(source, node, given)
        learned = not self.settled
        self.settled = settled and self.settled
        return learned

    def join_arguments(self, source: Source, node: ast.AST, given: dict[str, Operand]) -> None:
        """The kinds that fit a call, too; lengths that its body found equal are told apart again by now."""
        try:
            self.each_argument(self.join_argument, self.arguments, given)
        except Different as error:
            raise source.refuse(
                node,
                f"`{self.name}` calls itself with arguments of another kind: {reworded(error)}",
                "give every call arguments of one kind",
            ) from None

    def parameter(self, place: int, argument: Operand) -> Operand:
        """What stands for an argument: itself, if every call is given the same constant."""
        if place not in self.kinds:
            return argument
        value = Value(self.kinds[place], argument.name if isinstance(argument, Value) else None)
        value.immutable = place not in self.arrays
        self.parameters[place] = value
        return value

    def call(self, node: ast.AST, scope: Scope) -> Operand:
        """A call of the function by itself."""
        try:
            self.each_argument(lambda place, first, given: given, self.arguments, scope.names)
        except Different as error:
            raise self.context.refuse(
                node,
                f"`{self.name}` calls itself with arguments of another structure: {reworded(error)}",
                "give every call arguments of one structure",
            ) from None
        self.calls.append((self.context.here.source, node, dict(scope.names)))
        if self.result is UNKNOWN:
            raise ResultUnknown(self.context.refuse(node, ENDLESS, "rewrite it without recursion"))
        return self.called(node, scope.names)

    def join_argument(self, place: int, first: Operand, given: Operand) -> Operand:
        if place not in self.kinds:
            if key_of(first) == key_of(given):
                return given
            kind = kind_of(first)
        else:
            kind = self.kinds[place]
        wider = joined(kind, given, self.lengths)
        if place not in self.kinds or not same_kind(wider, kind) or is_array(given) > (place in self.arrays):
            self.settled = False
        if is_array(given):
            self.arrays.add(place)
        self.kinds[place] = wider
        return given

    def join_result(self, result: Operand) -> None:
        """What is returned, joined to what was returned before; `settled` says whether it was the same."""
        if holds_function(result):
            raise self.context.refuse(
                self.node, f"`{self.name}` calls itself, and returns a function", "return numbers and arrays"
            )
        if self.result is UNKNOWN:
            self.result = map_values(like, result)
            self.settled = False

        def join(known: Operand, now: Operand) -> Operand:
            if not isinstance(known, Value) and key_of(known) == key_of(now):
                return known
            kind = kind_of(known)
            kind = joined(kind, now, self.result_lengths)
            immutable = not is_array(known) and not is_array(now)
            if isinstance(known, Value) and same_kind(kind, known.type) and known.immutable == immutable:
                return known
            self.settled = False
            value = Value(kind)
            value.immutable = immutable
            return value

        try:
            self.result = map_leaves(join, self.result, result)
        except Different as error:
            raise self.context.refuse(
                self.node,
                f"what `{self.name}` returns has no one kind: {reworded(error)}",
                "return one kind of value",
            ) from None
        self.function.result = [
            leaf for known, leaf in pairs(self.result, result) if isinstance(known, Value)
        ]

    def called(self, node: ast.AST, names: dict[str, Operand]) -> Operand:
        """The result of a call, as a node of the program."""
        builder = self.context.builder
        given: list[Operand] = []
        arguments: dict[int, Operand] = {}
        lengths: list[tuple[Axis, Axis]] = []

        def note(place: int, argument: Operand) -> None:
            if place in self.parameters:
                given.append(argument)
                arguments[place] = argument
                lengths.extend(zip(axes(self.parameters[place]), axes(argument), strict=True))

        self.each_argument(note, names)
        call = Call(self.function, given, [], builder.statement, (self.context.here.source, node))

        numbers = {value: number for number, value in enumerate(values_in(self.result))}
        same = self.same or {}

        def made(value: Value) -> Value:
            if numbers.get(value) in same:
                return value
            result = Value(self.at_call(value.type, lengths))
            result.immutable = value.immutable
            result.operation = call
            call.results.append(result)
            return result

        result = map_values(made, self.result)
        returned = list(call.results)
        left = {place: made(like(self.parameters[place])) for place in self.written if place in arguments}
        builder.append(call)
        self.context.choices.update({value: () for value in returned if is_array(value)})
        self.check_separate(node, arguments)
        for place, updated in left.items():
            self.leave(node, arguments[place], updated)

        def given_back(value: Value) -> Operand:
            number = numbers.get(value)
            return arguments[same[number]] if number in same else value

        return current(self.context, map_values(given_back, result))

    def check_separate(self, node: ast.AST, arguments: dict[int, Operand]) -> None:
        """Refuse a call that is given an array twice, if it writes into it."""
        roots = {place: root_of(given) for place, given in arguments.items() if is_array(given)}
        for place, other in itertools.permutations(roots, 2):
            mine, theirs = ({roots[n], *possible_roots(self.context, roots[n])} for n in (place, other))
            if place in self.written and mine & theirs:
                raise self.context.refuse(
                    node,
                    f"`{self.name}` calls itself, writes into an array, and may be given it twice",
                    COPY_ADVICE,
                )

    def leave(self, node: ast.AST, given: Operand, updated: Value) -> None:
        """Make what the function has left of an array the content of the array that it was given."""
        from ad_compiler.frontend.writes import overwritten_by

        given = current(self.context, given)
        if not is_array(given):
            raise self.context.refuse(node, f"`{self.name}` writes into what is no array here", "give it one")
        overwritten_by(self.context, node, given, updated)

    def at_call(self, kind: Type, lengths: list[tuple[Axis, Axis]]) -> Type:
        """The kind of a result where the arguments have these lengths."""
        if not isinstance(kind, ArrayType):
            return kind

        def length(axis: Axis) -> Axis:
            axis = representative(axis)
            if not isinstance(axis, Length):
                return axis
            given = next((given for own, given in lengths if representative(own) is axis), None)
            return any_length(may_be_one(axis)) if given is None else given

        return ArrayType(kind.dtype, tuple(map(length, kind.shape)), kind.python)

    def check_writes(self, written: set[Value]) -> None:
        """Refuse a write into an array that the function neither made itself nor was given."""
        block = self.function.forward
        made = made_in(block) | {self.parameters[place] for place in self.written}
        bases = [
            (node.arguments[0], node.place)
            for node in nodes_in(block)
            if isinstance(node, Operation) and node.primitive.name in UPDATES
        ]
        for value, place in [*bases, *((value, None) for value in written)]:
            if isinstance(value, Value) and not storages_of(value) <= made:
                source, node = place or (self.context.here.source, self.node)
                raise source.refuse(
                    node,
                    f"`{self.name}` calls itself, and writes into an array from outside of it",
                    "pass it as an argument",
                )

    def check_lists(self, made: set[Value]) -> None:
        """Refuse lists whose length is known at run time only, unless the function makes and keeps them."""
        given = [value for value in reads_in(self.function) if value not in made]
        for value in [*given, *self.parameters.values(), *values_in(self.result)]:
            if isinstance(value.type, ListType):
                raise self.context.refuse(
                    self.node,
                    f"`{self.name}` calls itself, and is given or returns a list that grows",
                    "give it arrays and numbers, and return those",
                )

    def finish(self) -> Operand:
        """The function with its parameters, and the call that was to be lowered."""
        function = self.function
        made = made_in(function.forward)
        self.check_lists(made)
        own = list(self.parameters.values())
        outside = [
            value for value in dict.fromkeys(reads_in(function)) if value not in made and value not in own
        ]
        operations = self.context.builder.block.operations
        before = len(operations)
        result = self.called(self.node, self.arguments)
        calls = [node for node in operations[before:] if isinstance(node, Call)]
        add_parameters(function, own)
        close(self.context.shortcuts, function, outside, calls)
        return result


def holds_function(operand: Operand) -> bool:
    if isinstance(operand, (tuple, list)):
        return any(map(holds_function, operand))
    return isinstance(operand, (LocalFunction, FunctionType))


def like(value: Value) -> Value:
    """A value that stands for any of this kind."""
    result = Value(value.type)
    result.immutable = not is_array(value)
    return result


def reworded(error: Different) -> str:
    return str(error).replace("after a turn", "in another call")


def changed(names: dict[str, Operand], before: dict[str, Operand]) -> bool:
    return names.keys() != before.keys() or any(names[name] is not before[name] for name in names)


def pairs(known: Operand, now: Operand) -> list[tuple[Operand, Operand]]:
    """What stands at the same places of two structures."""
    found: list[tuple[Operand, Operand]] = []
    map_leaves(lambda a, b: found.append((a, b)), known, now)
    return found


def axes(operand: Operand) -> tuple[Axis, ...]:
    kind = kind_of(operand)
    return kind.shape if isinstance(kind, ArrayType) else ()
