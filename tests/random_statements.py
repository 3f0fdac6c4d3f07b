"""Random statements: bindings, views that are held in names, and writes in place in all their forms.

The writer knows which names are bound, what they hold, which arrays share memory and which indices are in
range, so that what it writes is valid whatever is drawn. A name keeps its kind in the blocks of a loop or a
branch; it is bound to other memory there only while no second name holds the old memory, since nobody,
a compiler included, could say afterwards what a write into it changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.random_expressions import Expressions, Name, Scope, Shape, arrays, atom, fill

FLOATS, ARRAYS = "xyztu", "abcdfg"


class Statements(Expressions):
    """Writes statements without a body, line by line."""

    def __init__(self, choices: bytes) -> None:
        super().__init__(choices)
        self.lines: list[str] = []
        self.loops = 0  # how many loops are open
        self.memories = 0

    # Names

    def memory(self) -> int:
        self.memories += 1
        return self.memories

    def new_name(self, scope: Scope, names: Sequence[str], indent: int, shape: Shape | None = None) -> str:
        """A name not in use, or one that may be bound anew here; if there is neither, ""."""
        fresh = [name for name in names if name not in scope][:1]
        old = [name for name in names if name in scope and not scope[name].locked]
        if shape is not None:
            old += [name for name in "vwm" if name in scope and not scope[name].locked]
            if indent > 1:
                old = [a for a in old if scope[a].shape == shape and not self.is_shared(scope, a)]
        return str(self.pick([*fresh, *old, *fresh] or [""]))

    def is_shared(self, scope: Scope, name: str) -> bool:
        return any(a != name and scope[a].memory == scope[name].memory for a in arrays(scope))

    def join(self, scope: Scope, ends: Sequence[Scope]) -> None:
        """What is known after a block that ends in one of several ways."""
        for name, known in scope.items():
            others = [end[name] for end in ends if end[name] != known]
            if others:
                joined = replace(
                    known,
                    low=min(known.low, *(other.low for other in others)),
                    high=max(known.high, *(other.high for other in others)),
                    flat=known.flat and all(other.flat for other in others),
                )
                moved = any(other.memory != known.memory for other in others)
                scope[name] = replace(joined, memory=self.memory(), origin="local") if moved else joined

    # Lines

    def emit(self, indent: int, line: str) -> None:
        self.lines.append("    " * indent + line)

    def bind_number(self, scope: Scope, indent: int) -> None:
        name = self.new_name(scope, [*FLOATS, "s", "r"], indent)
        old = name in scope and scope[name].kind == "float"
        if self.loops and old and self.chance(60):
            self.used.add("scalar recurrence")
            text = f"0.6 * {name} + {atom(self.number(scope))}"
        else:
            text = self.number(scope)
        self.emit(indent, f"{name} = {text if text != name else f'-{name}'}")
        scope[name] = Name("float")

    def augment_number(self, scope: Scope, indent: int) -> None:
        floats = [a for a, known in scope.items() if known.kind == "float" and not known.locked]
        if not floats:
            return self.bind_number(scope, indent)
        self.used |= {"scalar recurrence"} if self.loops else set()
        self.emit(indent, f"{self.pick(floats)} {self.amount(scope, ())}")

    def bind_array(self, scope: Scope, indent: int) -> None:
        shape = scope[self.pick(arrays(scope))].shape
        name = self.new_name(scope, ARRAYS, indent, shape)
        if not name:
            return self.write(scope, indent)
        text, flat = self.new_array(scope, shape)
        self.emit(indent, f"{name} = {text}")
        scope[name] = Name("array", shape, memory=self.memory(), flat=flat)

    def bind_view(self, scope: Scope, indent: int) -> None:
        fresh = [name for name in ARRAYS if name not in scope]
        if not fresh:
            return self.write(scope, indent)
        base = self.pick(arrays(scope))
        known = scope[base]
        text, shape, flat = (base, known.shape, known.flat)
        if self.chance(75):
            text, shape, flat = self.view(scope, base, self.pick([1, 1, 2]))
        self.note_view(text[len(base) :], known)
        self.emit(indent, f"{fresh[0]} = {text}")
        origin = "second name" if text == base else "view"
        scope[fresh[0]] = Name("array", shape, memory=known.memory, flat=flat, origin=origin)

    def note_view(self, text: str, known: Name) -> None:
        kinds = {".T": "transpose", "reshape": "reshape", "ravel": "ravel", ":": "slice"}
        self.used |= {f"view: {kind}" for mark, kind in kinds.items() if mark in text}
        self.used |= {"view: row"} if "[" in text and ":" not in text else set()
        self.used |= {"view of a view"} if known.origin == "view" or text.count("[") > 1 else set()

    def bind_step(self, scope: Scope, indent: int) -> None:
        """A whole number that data decide."""
        low = self.pick([1, 1, 0])
        self.emit(indent, f"step = {low + 1} if {self.condition(scope)} else {low}")
        scope["step"] = Name("int", low=low, high=low + 1)

    # Writes in place

    def amount(self, scope: Scope, shape: Shape) -> str:
        """The right half of an assignment with an operator, such that loops over it do not grow fast."""
        operand = self.array(scope, shape, 1, exact=False)
        texts = ["+= 0.5 * {}", "-= 0.3 * {}", "*= 0.6 + 0.3 * np.sin({})", "/= 1.5 + np.sin({}) ** 2"]
        return fill(self.pick(texts), operand)

    def wrote(self, scope: Scope, name: str) -> None:
        known = scope[name]
        self.used.add(f"write: into {known.origin}")
        if self.is_shared(scope, name):
            self.used.add("alias held across a write")

    def write(self, scope: Scope, indent: int) -> None:
        names = arrays(scope)
        aliases = [name for name in names if scope[name].origin != "local"]
        name = self.pick([*names, *aliases])
        self.wrote(scope, name)
        forms = [self.write_element, self.write_part, self.write_whole, self.write_overlap] * 2
        forms += [self.write_selected, self.write_masked, self.write_by_call]
        self.emit(indent, self.pick(forms)(scope, name))

    def write_element(self, scope: Scope, a: str) -> str:
        indices = [self.index(scope, length) for length in scope[a].shape]
        element = f"{a}[{(', ', '][')[self.chance(20)].join(indices)}]"
        if len(indices) == 1 and self.chance(15):
            other = f"{a}[{self.index(scope, scope[a].shape[0])}]"
            return f"{element}, {other} = {other}, 0.9 * {element}"
        if self.chance(40):
            self.used.add("write: a[i] op= e")
            return f"{element} {self.amount(scope, ())}"
        self.used.add("write: a[i] = e")
        return f"{element} = {self.number(scope)}"

    def write_part(self, scope: Scope, a: str) -> str:
        text, shape, _ = self.view(scope, a, self.pick([1, 1, 1, 2]))
        self.used.add("write: slice or row")
        self.used |= {"write: through a view"} if not text.endswith("]") else set()
        target = text if text.endswith("]") else f"{text}[:]"
        if self.chance(40):
            return f"{target} {self.amount(scope, shape)}"
        return f"{target} = {self.array(scope, shape, exact=False)}"

    def write_whole(self, scope: Scope, a: str) -> str:
        if self.chance(65):
            self.used.add("write: a op= e")
            return f"{a} {self.amount(scope, scope[a].shape)}"
        return f"{a}[{self.pick([':', '...'])}] = {self.array(scope, scope[a].shape, exact=False)}"

    def write_overlap(self, scope: Scope, a: str) -> str:
        shape = scope[a].shape
        if shape[0] == 1:
            return self.write_whole(scope, a)
        self.used.add("write: overlap")
        texts = ["{a}[1:] = {a}[:-1]", "{a}[:-1] += 0.5 * {a}[1:]", "{a}[1:] = 0.5 * ({a}[1:] + {a}[:-1])"]
        texts += ["{a}[:] = {a}[::-1]", "{a}[::-1] = {a}", "{a}[:-1] = np.sin({a}[1:])"]
        if len(shape) == 2:
            texts += ["{a}[0] = {a}[-1]", "{a}[0] *= {a}[1]"]
            texts += ["{a}[:, 1:] = 0.9 * {a}[:, :-1]"] if shape[1] > 1 else []
            texts += ["{a}[:] = {a}.T", "{a} += 0.3 * {a}.T"] if shape[0] == shape[1] else []
        return str(self.pick(texts)).format(a=a)

    def write_selected(self, scope: Scope, a: str) -> str:
        self.used.add("write: fancy index")
        shape = scope[a].shape
        last = shape[0] - 1
        if len(shape) == 2 and shape[1] > 1 and self.chance(50):
            columns = f"{a}[:, [{shape[1] - 1}, 0]]"
            return f"{columns} {self.amount(scope, (shape[0], 2))}"
        several = [("[0, -1]", 2), (f"[{last}, 0]", 2), ("[-1]", 1)]
        indices, count = self.pick(several if last else [("[0]", 1)])
        part = (count, *shape[1:])
        if self.chance(30):
            return f"np.add.at({a}, [0, -1, 0], {self.number(scope, 1)})"
        if self.chance(40):
            return f"{a}[{indices}] {self.amount(scope, part)}"
        return f"{a}[{indices}] = {self.array(scope, part, 1, exact=False)}"

    def write_masked(self, scope: Scope, a: str) -> str:
        self.used.add("write: mask")
        other = self.pick(arrays(scope, scope[a].shape))
        mask = f"{other} {self.pick('<>')} {self.constant()}"
        if self.chance(30):
            return f"{a}[{mask}] = {self.pick(arrays(scope, scope[a].shape))}[{mask}]"
        if self.chance(50):
            return f"{a}[{mask}] {self.amount(scope, ())}"
        return f"{a}[{mask}] = {self.number(scope, 1)}"

    def write_by_call(self, scope: Scope, a: str) -> str:
        shape = scope[a].shape
        if self.chance(30):
            source = self.array(scope, shape, 1)
            texts = ["{a}.fill({x})", "np.copyto({a}, {e})", "np.sin({e}, out={a})"]
            texts.append("np.add({e}, {x}, out={a})")
            return str(self.pick(texts)).format(a=a, e=source, x=self.number(scope, 1))
        self.used.add("helper that writes")
        choices = [lambda: f"{self.helper('damp')}({a}, {self.number(scope, 1)})"]
        if len(shape) == 1:
            choices.append(lambda: f"{self.helper('shift')}({a}, {self.number(scope, 1)})")
        if shape[0] >= 3:
            choices.append(lambda: f"{self.helper('smooth')}({a}, {self.small(scope)})")
        return str(self.run(choices))
