"""Random programs with loops, branches, views, writes in place, lists and helpers, as a person writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.random_expressions import HELPERS, Name, Scope, Shape, arrays, atom, vectors
from tests.random_statements import ARRAYS, FLOATS, Statements

LISTS, COUNTERS = ["values", "terms"], "ijlq"


@dataclass(frozen=True)
class Program:
    """The text of a function, the shapes of its arguments (of a whole number: its value), and its parts."""

    text: str
    arguments: dict[str, Shape | int]
    constructs: frozenset[str]
    any_layout: bool  # whether it means the same where the arrays are not contiguous


@dataclass(frozen=True)
class Helper:
    """A helper that was drawn: what it returns, and the shapes of its array parameters."""

    returns: str  # "nothing", "a number", "its parameter"
    shapes: list[Shape]
    recursive: bool


class Writer(Statements):
    """Writes whole programs."""

    def __init__(self, draw: st.DrawFn, size: Shape) -> None:
        super().__init__(draw)
        self.size = size
        self.budget = 0
        self.at_hand: Helper | None = None
        self.result: Callable[[Scope], str] = self.number

    # Blocks

    def block(self, scope: Scope, indent: int, most: int = 2, ends: bool = False) -> Scope:
        """Some statements that may leave the block's names behind; returns what is known at their end."""
        inside = dict(scope)
        before = len(self.lines)
        for _ in range(self.draw(st.integers(0 if ends else 1, most))):
            self.statement(inside, indent)
        if len(self.lines) == before and not ends:
            self.emit(indent, "pass")
        return inside

    def statement(self, scope: Scope, indent: int) -> None:
        simple = [self.bind_number, self.augment_number, self.bind_array, self.bind_view, self.bind_view]
        kinds = [*simple, *[self.write] * 5, self.call, self.call, self.swap, self.append]
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

    def loop(self, scope: Scope, indent: int, first: str = "") -> None:
        """A loop of any form; `first` is a statement to begin its body with."""
        self.used |= {"nested loops"} if self.loops else set()
        forms = [self.for_range] * 4 + [self.for_array] * 3 + [self.while_counter, self.while_tolerance]
        self.loops += 1
        inside = dict(scope)
        self.pick(forms)(inside, indent)
        if first:
            self.emit(indent + 1, first)
        body = self.block(inside, indent + 1, most=3, ends=bool(first))
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
        return next(name for name in [*COUNTERS, "_"] if name not in scope)

    def for_range(self, scope: Scope, indent: int) -> None:
        i = self.counter(scope)
        n = self.size[0]
        known = {name: x for name, x in scope.items() if x.kind == "int"}
        ends = [("3", 3, 3), (self.length(scope, n), n, n), (self.small(scope), 0, 4)]
        ends += [(name, x.low, x.high) for name, x in known.items()]
        text, _, high = self.pick(ends)
        top, steps = max(high - 1, 0), [name for name, x in known.items() if x.low > 0 and name != "n"]
        begin, low = self.pick([("0", 0), ("1", 1), ("1", 1), *[(name, x.low) for name, x in known.items()]])
        form = self.pick(["up", "up", "from", "down", "down", "step", "variable", "none"])
        if form == "up":
            header, bounds = f"range({text})", (0, top)
        elif form == "from":
            header, bounds = f"range({begin}, {text})", (low, top)
        elif form == "down":
            self.used.add("range: negative step")
            header, bounds = self.pick(
                [
                    (f"range({text} - 1, -1, -1)", (0, top)),
                    (f"range({text}, 0, -1)", (1, high)),
                    (f"range({text} - 1, 0, -2)", (1, top)),
                    (f"reversed(range({text}))", (0, top)),
                ]
            )
        elif form == "step":
            header, bounds = f"range({self.pick('01')}, {text}, 2)", (0, top)
        elif form == "variable":
            self.used.add("range: variable step")
            step = self.pick(steps + ["k + 1"] * 2 if "k" in known else steps or ["2"])
            header, bounds = f"range(0, {text}, {step})", (0, top)
            if self.chance(30):
                header = (
                    f"range({text} - 1, -1, -({step}))" if " " in step else f"range({text} - 1, -1, -{step})"
                )
        else:
            header, bounds = self.pick(
                [("range(0)", (0, 0)), ("range(2, 1)", (0, 0)), ("range(0, -1)", (0, 0))]
            )
        if form == "none" or any(name in header for name, x in known.items() if x.low <= 0):
            self.used.add("range: perhaps no turn")
        self.used.add("for over range")
        self.emit(indent, f"for {i} in {header}:")
        scope[i] = Name("int", low=bounds[0], high=max(bounds), locked=True)

    def for_array(self, scope: Scope, indent: int) -> None:
        """Over the numbers or rows of an array, with their indices or other arrays beside them."""
        self.used.add("for over an array")
        a = self.pick(arrays(scope))
        known = scope[a]
        text = self.pick([a, a, a, f"{a}[1:]", f"reversed({a})"])
        item = next(name for name in ["row", "e", "h", "p"] if name not in scope)
        if known.shape[1:]:
            text = self.pick([text, f"{a}.T"])
            shape = known.shape[:1] if text.endswith(".T") else known.shape[1:]
            scope[item] = Name("array", shape, memory=known.memory, origin="view", locked=True)
        else:
            item = next((name for name in FLOATS if name not in scope), "e")
            scope[item] = Name("float")
        form = self.pick(["plain", "plain", "enumerate", "zip", "tuple"])
        if form == "enumerate":
            i = self.counter(scope)
            length = max(known.shape)
            self.emit(indent, f"for {i}, {item} in enumerate({text}):")
            scope[i] = Name("int", low=0, high=length - 1, locked=True)
        elif form == "zip":
            other = self.pick(vectors(scope))
            name = next((name for name in FLOATS if name not in scope), "e")
            self.emit(indent, f"for {item}, {name} in zip({text}, {other}):")
            scope[name] = Name("float")
        elif form == "tuple" and not known.shape[1:]:
            numbers = [self.number(scope | {item: Name("int", low=9, high=9)}, 1) for _ in range(2)]
            self.emit(indent, f"for {item} in ({', '.join(numbers)}):")
        else:
            self.emit(indent, f"for {item} in {text}:")

    def while_counter(self, scope: Scope, indent: int) -> None:
        if "count" in scope:
            return self.for_range(scope, indent)
        self.used.add("while with a counter")
        limit, condition = self.small(scope), self.condition(scope)
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
                return self.loop(scope, indent, self.appended(scope, name))
        name = self.new_name(scope, FLOATS, indent)
        self.used |= {"whole number becomes float", "scalar recurrence"}
        self.emit(indent, f"{name} = {self.pick('01')}")
        scope[name] = Name("float")
        value = atom(self.number(scope))
        self.loop(scope, indent, self.pick([f"{name} += {value}", f"{name} = 0.5 * {name} + {value}"]))

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

    def appended(self, scope: Scope, name: str) -> str:
        shape = scope[name].shape
        value = self.new_array(scope, shape)[0] if shape else self.number(scope)
        return f"{name}.append({value})"

    def append(self, scope: Scope, indent: int) -> None:
        names = [name for name, known in scope.items() if known.kind == "list"]
        if names:
            return self.emit(indent, self.appended(scope, self.pick(names)))
        self.write(scope, indent)

    def search(self, scope: Scope, indent: int) -> None:
        """The index of the largest number, or of the first above a limit; it outlives the loop."""
        a = self.pick(vectors(scope))
        i, last = self.counter(scope), scope[a].shape[0] - 1
        if self.chance(50):
            self.emit(indent, "best = 0")
            self.emit(indent, f"for {i} in range(1, len({a})):")
            self.emit(indent + 1, f"if {a}[{i}] > {a}[best]:")
            self.emit(indent + 2, f"best = {i}")
            scope["best"] = Name("int", low=0, high=last)
        elif i != "_":
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

    def define_helper(self) -> None:
        """A function with parameters that it may write into."""
        n, m = self.size
        shapes = [self.pick([(n,), (n,), (n - 1,), (m, n)]), (n,)][: 1 + self.chance(40)]
        returns = self.pick(["nothing", "a number", "its parameter"])
        recursive = self.chance(25)
        scope = {
            name: Name("array", shape, memory=self.memory(), origin="parameter")
            for name, shape in zip("pw", shapes, strict=False)
        }
        scope["h"] = Name("float")
        if recursive:
            scope["depth"] = Name("int", low=0, high=3, locked=True)
        results = {
            "nothing": lambda _: "",
            "a number": lambda inside: self.number(inside, 1),
            "its parameter": lambda _: "p",
        }
        self.result = results[returns]
        parameters = ", ".join(scope)
        self.emit(0, f"def helper({parameters}):")
        if recursive:
            self.emit(1, "if depth <= 0:")
            self.emit(2, f"return {self.result(scope)}".rstrip())
        scope["p"] = replace(scope["p"], locked=True)
        self.write(scope, 1)
        self.budget = 5
        for _ in range(self.draw(st.integers(0, 2))):
            self.statement(scope, 1)
        last = self.result(scope)
        if recursive:
            again = ", ".join(["w" if name == "w" else "p" for name in list(scope)[: len(shapes)]])
            last = f"helper({again}, {self.number(scope, 1)}, depth - 1)"
        if recursive and returns == "nothing":
            self.emit(1, last)
        elif last:
            self.emit(1, f"return {last}")
        self.emit(0, "\n")
        self.at_hand = Helper(returns, shapes, recursive)

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
            texts.append(text)
            bases.append(base)
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

    # The program

    def total(self, scope: Scope, all_names: bool = True) -> str:
        """A number that depends on most of what is in scope."""
        terms = []
        for name, known in scope.items():
            if known.kind == "int" or self.chance(15 if all_names else 65):
                continue
            if known.kind == "array":
                texts = ["np.sum(np.sin({}))", "np.sum({})", "np.mean({} ** 2)"]
                texts += [f"np.sin({{}}) @ np.arange({known.shape[0]})"] if not known.shape[1:] else []
            elif known.kind == "list":
                texts = ["np.sum(np.array({}))"] if known.shape else ["sum({})", "np.sum(np.array({}) ** 2)"]
            else:
                texts = ["{}", "np.sin({})"]
            terms.append(str(self.pick(texts)).format(name))
        return " + ".join(terms or [self.number(scope, 1)])

    def define_program(self) -> dict[str, Shape | int]:
        n, m = self.size
        arguments: dict[str, Shape | int] = {"s": (), "r": (), "v": (n,), "w": (n,), "m": (m, n)}
        if self.chance(60):
            arguments["k"] = self.draw(st.integers(0, 4))
        scope: Scope = {}
        contiguous = self.any_layout = not self.chance(15)
        for name, shape in arguments.items():
            if isinstance(shape, int):
                scope[name] = Name("int", low=shape, high=shape, locked=True)
            elif shape:
                flat = not contiguous
                scope[name] = Name("array", shape, memory=self.memory(), flat=flat, origin="argument")
            else:
                scope[name] = Name("float")
        form = self.pick(["number", "number", "number", "array", "pair"])
        several = lambda inside: f"{self.total(inside, False)}, {self.array(inside, (n,), 1)}"
        self.emit(0, f"def program({', '.join(arguments)}):")
        self.result = {
            "number": lambda inside: self.total(inside, False),
            "array": lambda inside: self.array(inside, (n,), 1),
            "pair": several,
        }[form]
        if self.chance(60):
            self.emit(1, f"n = {self.pick(['len(v)', 'v.shape[0]', 'm.shape[1]'])}")
            scope["n"] = Name("int", low=n, high=n, locked=True)
        self.budget = 12
        for _ in range(self.draw(st.integers(3, 8))):
            self.statement(scope, 1)
        if form == "array":
            last = f"{self.array(scope, (n,), 1)} + ({self.total(scope)})"
        else:
            last = (
                self.total(scope)
                if form == "number"
                else f"{self.total(scope)}, {self.array(scope, (n,), 1)}"
            )
        self.emit(1, f"return {last}")
        return arguments


@st.composite
def programs(draw: st.DrawFn) -> Program:
    writer = Writer(draw, (draw(st.integers(3, 5)), draw(st.integers(2, 4))))
    if writer.chance(55):
        writer.define_helper()
    arguments = writer.define_program()
    helpers = "\n".join(text for name, text in HELPERS.items() if name in writer.helpers)
    text = f"{helpers}\n\n{chr(10).join(writer.lines)}\n"
    return Program(text.lstrip("\n"), arguments, frozenset(writer.used), writer.any_layout)
