"""Random blocks of statements: loops of all forms, branches, jumps, calls of helpers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.random_expressions import Name, Scope, Shape, arrays, atom, vectors
from tests.random_statements import ARRAYS, FLOATS, Statements

LISTS, COUNTERS = ["values", "terms"], ["i", "j", "l", "q", "ii", "jj", "ll"]
ITEMS = ["row", "line", "part", "piece", "strip"]


@dataclass(frozen=True)
class Helper:
    """A helper that was drawn: what it returns, and the shapes of its array parameters."""

    returns: str  # "nothing", "a number", "its parameter"
    shapes: list[Shape]
    recursive: bool
    lines: list[str]
    used: set[str]  # the constructs in it


class Blocks(Statements):
    """Writes blocks of statements."""

    def __init__(self, choices: bytes) -> None:
        super().__init__(choices)
        self.size = (3 + self.below(3), 2 + self.below(3))  # of the vectors; how many are in the matrix
        self.budget = 0
        self.at_hand: Helper | None = None
        self.called: Helper | None = None
        self.result: Callable[[Scope], str] = self.number

    # Blocks

    def block(self, scope: Scope, indent: int, most: int = 2, ends: bool = False) -> Scope:
        """Some statements that may leave the block's names behind; returns what is known at their end."""
        inside = dict(scope)
        before = len(self.lines)
        for _ in range(self.below(most + 1) if ends else 1 + self.below(most)):
            self.statement(inside, indent)
        if len(self.lines) == before and not ends:
            self.emit(indent, "pass")
        return inside

    def statement(self, scope: Scope, indent: int) -> None:
        kinds = [self.bind_number, self.augment_number, self.bind_array, self.swap, self.append]
        kinds += [self.bind_view] * 3 + [self.write] * 5 + [self.call] * 2
        if self.loops:
            kinds += [self.jump, self.jump, self.write]
        if indent <= 3 and self.budget > 0:
            kinds += [self.loop] * 4 + [self.branch] * 3
        if indent == 1:
            kinds += [self.bind_step, self.accumulate, self.search, self.jump]
        self.budget -= 1
        self.pick(kinds)(scope, indent)

    def branch(self, scope: Scope, indent: int) -> None:
        """An `if` statement; a number that all its branches bind is there afterwards."""
        common = next((name for name in FLOATS if name not in scope), None)
        heads = [f"if {self.condition(scope)}:"]
        heads += [f"elif {self.condition(scope)}:"] if self.chance(25) else []
        exhaustive = self.chance(60)
        heads += ["else:"] if exhaustive else []
        binds = exhaustive and common is not None and self.chance(40)
        ends = []
        for head in heads:
            self.emit(indent, head)
            inside = self.block(scope, indent + 1, ends=binds)
            if binds:
                self.emit(indent + 1, f"{common} = {self.number(inside)}")
            ends.append(inside)
        self.join(scope, ends)
        if binds and common is not None:
            scope[common] = Name("float")

    def jump(self, scope: Scope, indent: int) -> None:
        """`break`, `continue` or `return`, on a condition."""
        kind = self.pick(["break", "continue", "return"] if self.loops else ["return"])
        self.emit(indent, f"if {self.condition(scope)}:")
        inside = self.block(scope, indent + 1, most=1, ends=True)
        self.used.add(f"{kind} in a loop" if self.loops else kind)
        self.emit(indent + 1, f"return {self.result(inside)}".rstrip() if kind == "return" else kind)

    # Loops

    def loop(self, scope: Scope, indent: int, first: Callable[[Scope], str] | None = None) -> None:
        """A loop of any form; `first` writes the statement that its body begins with."""
        self.used |= {"nested loops"} if self.loops else set()
        forms = [self.for_range] * 4 + [self.for_array] * 3 + [self.while_counter, self.while_tolerance]
        self.loops += 1
        inside = dict(scope)
        self.pick(forms)(inside, indent)
        if first is not None:
            self.emit(indent + 1, first(inside))
        body = self.block(inside, indent + 1, most=3, ends=first is not None)
        if self.chance(6):
            self.used.add("one turn at most")
            self.emit(indent + 1, "break")
        self.loops -= 1
        ends = [body, inside]
        if self.chance(12):
            self.used.add("else of a loop")
            self.emit(indent, "else:")
            after = dict(scope)
            self.join(after, ends)
            ends.append(self.block(after, indent + 1))
        self.join(scope, ends)
        if "count" in inside:
            scope["count"] = replace(inside["count"], locked=False)

    def counter(self, scope: Scope) -> str:
        return next(name for name in COUNTERS if name not in scope)

    def for_range(self, scope: Scope, indent: int) -> None:
        i = self.counter(scope)
        n = self.size[0]
        known = {name: x for name, x in scope.items() if x.kind == "int" and x.low >= 0}
        ends = [("3", 3), (self.length(scope, n), n), (self.small(scope), 4)]
        ends += [(name, x.high) for name, x in known.items()]
        text, high = self.pick(ends)
        last = str(int(text) - 1) if text.isdigit() else f"{text} - 1"
        top = max(high - 1, 0)
        begin, low = self.pick([("0", 0), ("1", 1), ("1", 1), *[(name, x.low) for name, x in known.items()]])
        form = self.pick(["up", "up", "from", "down", "down", "step", "variable", "none"])
        if form == "up":
            header, bounds = f"range({text})", (0, top)
        elif form == "from":
            header, bounds = f"range({begin}, {text})", (low, top)
        elif form == "down":
            self.used.add("range: negative step")
            downwards = [(f"range({last}, -1, -1)", (0, top)), (f"range({text}, 0, -1)", (1, high))]
            downwards += [(f"range({last}, 0, -2)", (1, top)), (f"reversed(range({text}))", (0, top))]
            header, bounds = self.pick(downwards)
        elif form == "step":
            header, bounds = f"range({self.pick('01')}, {text}, 2)", (0, top)
        elif form == "variable":
            self.used.add("range: variable step")
            steps = [name for name, x in known.items() if x.low > 0 and name != "n"]
            step = self.pick([*steps, *(["k + 1"] * 2 if "k" in known else [])] or ["2"])
            header, bounds = f"range(0, {text}, {step})", (0, top)
            if self.chance(30):
                header = f"range({last}, -1, -{atom(step)})"
        else:
            header, bounds = self.pick(["range(0)", "range(2, 1)", "range(0, -1)"]), (0, 0)
        if form == "none" or any(name in header for name, x in known.items() if x.low <= 0):
            self.used.add("range: perhaps no turn")
        self.used.add("for over range")
        self.emit(indent, f"for {i} in {header}:")
        scope[i] = Name("int", low=bounds[0], high=max(bounds), locked=True)

    def for_array(self, scope: Scope, indent: int) -> None:
        """Over the numbers or rows of an array, perhaps beside others, or over the numbers of a sequence."""
        self.used.add("for over an array")
        a = self.pick(arrays(scope))
        known = scope[a]
        text = self.pick([a, a, a, f"{a}[1:]", f"reversed({a})"])
        unused = (name for name in FLOATS if name not in scope)
        item = next(unused, "e")
        numbers = [self.number(scope, 1) for _ in range(2)]
        others = vectors(scope)
        sequences = [f"({', '.join(numbers)})"]
        sequences += [name for name in self.lists(scope) if not scope[name].shape] * 3
        if known.shape[1:]:
            text = self.pick([text, f"{a}.T"])
            shape = known.shape[:1] if text.endswith(".T") else known.shape[1:]
            item = next(name for name in ITEMS if name not in scope)
            scope[item] = Name("array", shape, memory=known.memory, origin="view")
        else:
            scope[item] = Name("float")
        form = self.pick(["plain", "plain", "enumerate", "zip", "sequence"])
        if form == "enumerate":
            i = self.counter(scope)
            self.emit(indent, f"for {i}, {item} in enumerate({text}):")
            scope[i] = Name("int", low=0, high=max(known.shape) - 1, locked=True)
        elif form == "zip" and others:
            other, name = self.pick(others), next(unused, "f")
            self.emit(indent, f"for {item}, {name} in zip({text}, {other}):")
            scope[name] = Name("float")
        elif form == "sequence" and not known.shape[1:]:
            sequence = self.pick(sequences)
            self.emit(indent, f"for {item} in {sequence}:")
            if sequence in scope:
                scope[sequence] = replace(scope[sequence], locked=True)
        else:
            self.emit(indent, f"for {item} in {text}:")

    def while_counter(self, scope: Scope, indent: int) -> None:
        if "count" in scope and scope["count"].locked:
            return self.for_range(scope, indent)
        self.used.add("while with a counter")
        rest = {name: known for name, known in scope.items() if name != "count"}
        limit, condition = self.small(rest), self.condition(rest)
        head = self.pick([f"count < {limit}", f"count < {limit} and {condition}", "True"])
        self.emit(indent, "count = 0")
        self.emit(indent, f"while {head}:")
        if head == "True":
            self.emit(indent + 1, f"if count >= {limit}:")
            self.emit(indent + 2, "break")
        self.emit(indent + 1, "count += 1")
        scope["count"] = Name("int", low=0, high=4, locked=True)

    def while_tolerance(self, scope: Scope, indent: int) -> None:
        gap = next((name for name in ["gap", "rest"] if name not in scope), None)
        if gap is None:
            return self.for_range(scope, indent)
        self.used.add("while with a tolerance")
        self.emit(indent, f"{gap} = 1.3 * np.sin({self.number(scope, 1)})")
        self.emit(indent, f"while abs({gap}) > 0.25:")
        self.emit(indent + 1, f"{gap} *= {self.pick(['0.5', '0.4', '-0.6'])}")
        scope[gap] = Name("float", locked=True)

    # Loops with a purpose

    def accumulate(self, scope: Scope, indent: int) -> None:
        """A sum that begins as a whole number, or a list that grows."""
        if self.chance(40):
            name = next((name for name in LISTS if name not in scope), None)
            if name is not None:
                self.new_list(scope, indent, name)
                scope[name] = replace(scope[name], locked=True)
                self.loop(scope, indent, functools.partial(self.appended, name=name))
                scope[name] = replace(scope[name], locked=False)
                return
        name = self.new_name(scope, FLOATS, indent)
        self.used |= {"whole number becomes float", "scalar recurrence"}
        self.emit(indent, f"{name} = {self.pick('01')}")
        scope[name] = Name("float")
        update = self.pick(["{name} += {e}", "{name} = 0.5 * {name} + {e}", "{name} = np.sin({name} + {e})"])
        self.loop(scope, indent, lambda inside: update.format(name=name, e=atom(self.number(inside))))

    def new_list(self, scope: Scope, indent: int, name: str) -> None:
        self.used.add("list that grows")
        if self.chance(25):
            shape = self.size[:1]
            text, _ = self.new_array(scope, shape)
            self.emit(indent, f"{name} = [{text}]")
            scope[name] = Name("list", shape)
        else:
            self.emit(indent, f"{name} = {self.pick(['[]', f'[{self.number(scope, 1)}]'])}")
            scope[name] = Name("list")

    def lists(self, scope: Scope) -> list[str]:
        """The lists that no loop is over."""
        return [name for name, known in scope.items() if known.kind == "list" and not known.locked]

    def appended(self, scope: Scope, name: str) -> str:
        shape = scope[name].shape
        value = self.new_array(scope, shape)[0] if shape else self.number(scope)
        return f"{name}.append({value})"

    def append(self, scope: Scope, indent: int) -> None:
        names = self.lists(scope)
        if names:
            return self.emit(indent, self.appended(scope, self.pick(names)))
        self.write(scope, indent)

    def search(self, scope: Scope, indent: int) -> None:
        """The index of the largest number, or of the first above a limit; it outlives the loop."""
        if not vectors(scope) or "i" in scope:
            return self.write(scope, indent)
        a = self.pick(vectors(scope))
        i, last = self.counter(scope), scope[a].shape[0] - 1
        if self.chance(50):
            self.emit(indent, "best = 0")
            self.emit(indent, f"for {i} in range(1, len({a})):")
            self.emit(indent + 1, f"if {a}[{i}] > {a}[best]:")
            self.emit(indent + 2, f"best = {i}")
            scope["best"] = Name("int", low=0, high=last)
        else:
            self.used.add("break in a loop")
            self.emit(indent, f"for {i} in range(len({a})):")
            self.emit(indent + 1, f"if {a}[{i}] > {self.constant()}:")
            self.emit(indent + 2, "break")
            scope[i] = Name("int", low=0, high=last)

    def swap(self, scope: Scope, indent: int) -> None:
        """Two buffers exchange their names."""
        free = [a for a in arrays(scope) if not scope[a].locked and not self.is_shared(scope, a)]
        pairs = [(a, b) for a in free for b in free if a < b and scope[a].shape == scope[b].shape]
        if not pairs:
            return self.write(scope, indent)
        self.used.add("swapped buffers")
        a, b = self.pick(pairs)
        self.emit(indent, f"{a}, {b} = {b}, {a}")
        flat = scope[a].flat and scope[b].flat
        scope[a], scope[b] = replace(scope[a], flat=flat), replace(scope[b], flat=flat)

    # Helpers

    def call(self, scope: Scope, indent: int) -> None:
        """A call of the helper that was drawn, with arrays and views that do not share memory."""
        if self.at_hand is None:
            return self.write(scope, indent)
        texts: list[str] = []
        bases: list[str] = []
        for shape in self.at_hand.shapes:
            held = [scope[base].memory for base in bases]
            places = [(t, b) for t, b in self.places(scope, shape) if scope[b].memory not in held]
            if not places:
                return self.write(scope, indent)
            text, base = self.pick(places)
            self.note_view(text[len(base) :], scope[base])
            texts.append(text)
            bases.append(base)
        self.called = self.at_hand
        self.used |= {"helper that writes", "recursion" if self.at_hand.recursive else "helper"}
        for base in bases:
            self.wrote(scope, base)
        texts.append(self.number(scope, 1))
        texts += [self.small(scope)] if self.at_hand.recursive else []
        call = f"helper({', '.join(texts)})"
        fresh = [name for name in ARRAYS if name not in scope]
        if self.at_hand.returns == "a number":
            name = self.new_name(scope, FLOATS, indent)
            scope[name] = Name("float")
            call = f"{name} = {call}"
        elif self.at_hand.returns == "its parameter" and fresh and self.chance(60):
            memory = scope[bases[0]].memory
            scope[fresh[0]] = Name("array", self.at_hand.shapes[0], memory=memory, origin="second name")
            call = f"{fresh[0]} = {call}"
        self.emit(indent, call)
