"""Random straight-line programs: their gradients against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from ad_compiler import grad, value_and_grad
from tests.helpers import (
    assert_same_kind,
    directional_derivative,
    function_from_source,
    random_direction,
    snapshot,
)

Shape = tuple[int, ...]
Scope = dict[str, Shape]

SCALAR: Shape = ()
SHAPES: list[Shape] = [(), (1,), (3,), (2, 3), (2, 1), (1, 3)]

HELPERS = '''
def blend(a, b, weight=0.3):
    """Something between a and b."""
    rest = 1 - weight
    return weight * a + rest * np.sin(b)


def bump(t):
    if np.ndim(t) == 0:
        return math.tanh(t)
    return np.exp(-t * t)


def polar(t):
    r = np.sqrt(1 + t * t)
    return r, np.arctan(t) * r

'''

# Shapes of two operands that broadcast to the shape.
OPERANDS: dict[Shape, list[tuple[Shape, Shape]]] = {
    (): [((), ())],
    (1,): [((1,), (1,)), ((1,), ()), ((), (1,))],
    (3,): [((3,), (3,)), ((3,), ()), ((), (3,)), ((1,), (3,))],
    (2, 1): [((2, 1), (2, 1)), ((2, 1), ()), ((1,), (2, 1))],
    (1, 3): [((1, 3), (1, 3)), ((1, 3), (3,)), ((), (1, 3)), ((1, 3), (1,))],
    (2, 3): [((2, 3), (2, 3)), ((2, 1), (1, 3)), ((3,), (2, 1)), ((2, 3), (3,)), ((2, 3), ())],
}
UNARY = [
    *["np.sin({})", "np.cos({})", "np.tanh({})", "np.arctan({})", "-{}", "({} + 0.5) ** 2"],
    *["np.sqrt(1.5 + np.cos({}))", "np.log(2.5 + np.sin({}))", "bump({})", "1 / (1 + np.exp(-{}))"],
    *["np.square(np.sin({}))", "2.0 ** np.tanh({})", "blend({}, 0.7)", "0.5 * {}"],
]
BINARY = [
    *["({} + {})", "({} - {})", "({} * {})", "({} / (2.5 + np.cos({})))", "np.logaddexp({}, {})"],
    *["blend({}, {})", "blend({}, weight=0.6, b={})", "np.arctan2({}, 3 + np.sin({}))"],
    *["np.maximum({}, {})", "np.hypot(1 + {}, {})", "np.multiply({}, np.cos({}))"],
    *["(1.2 + np.sin({})) ** np.cos({})"],
]
# How to get a shape out of an array of another shape.
READS: dict[Shape, list[tuple[Shape, str]]] = {
    (): [
        *[((3,), "np.sum({})"), ((3,), "{}.mean()"), ((3,), "{}[1]"), ((3,), "{}[-1]")],
        *[((2, 3), "np.mean({})"), ((2, 3), "{}[1, 2]"), ((2, 3), "{}.sum() / 6"), ((1,), "{}[0]")],
        *[
            ((3,), "np.var({})"),
            ((2, 1), "np.prod({})"),
            ((2, 1), "{}[0, 0]"),
            ((3,), "np.max({})"),
        ],
        *[((2, 3), "np.sqrt(np.sum({} ** 2) + 1)"), ((3,), "np.dot({}, np.array([1, 2, 3]))")],
    ],
    (1,): [((3,), "{}[1:2]"), ((2, 3), "{}[0, :1]"), ((3,), "{}.sum(keepdims=True)")],
    (3,): [
        *[((2, 3), "np.sum({}, axis=0)"), ((2, 3), "{}.mean(axis=0)"), ((2, 3), "{}[1]")],
        *[((2, 3), "{}[0, ::-1]"), ((3,), "{}[::-1]"), ((3,), "{}[[0, 2, 2]]")],
        *[((3,), "np.concatenate([{0}[1:], {0}[:1]])"), ((1, 3), "{}.ravel()")],
        *[
            ((), "np.array([{0}, 0.5, {0} * 2])"),
            ((3,), "np.cumsum({})"),
            ((2, 3), "{}.max(axis=0)"),
        ],
        *[
            ((2, 3), "{0} @ {0}[0] @ {0} / 3"),
            ((3,), "{}.copy()"),
            ((1,), "np.broadcast_to({}, 3)"),
        ],
    ],
    (2, 1): [
        *[((2, 3), "np.sum({}, axis=1, keepdims=True)"), ((2, 3), "{}[:, -1:]")],
        *[((3,), "{}[:2, None]"), ((3,), "np.expand_dims({}[1:], -1)"), ((2, 1), "{}[::-1]")],
    ],
    (1, 3): [((3,), "{}[None]"), ((2, 3), "{}.mean(axis=0, keepdims=True)"), ((2, 3), "{}[1:]")],
    (2, 3): [
        *[((2, 3), "{}[::-1]"), ((2, 3), "{}[:, [2, 0, 0]]"), ((2, 3), "{}.T.reshape(2, 3)")],
        *[((3,), "np.stack([{0}, {0} * 2])"), ((3,), "np.outer({0}[:2], {0})")],
        *[((2, 1), "np.hstack([{0}, {0}, -{0}])"), ((3,), "np.broadcast_to({}, (2, 3))")],
        *[((1, 3), "np.vstack([{0}, np.sin({0})])"), ((2, 3), "{0} @ {0}.T @ {0} / 3")],
        *[((2, 3), "({0} - {0}.max(axis=1, keepdims=True))"), ((2, 3), "np.swapaxes({}.T, 0, 1)")],
    ],
}


class Writer:
    """Writes one program, line by line, and knows the shape of every name in it."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.lines: list[str] = []

    def pick(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(list(choices)))

    def chance(self, percent: int) -> bool:
        """Whether something rare happens; what Hypothesis shrinks to is that it does not."""
        return self.draw(st.integers(0, 99)) >= 100 - percent

    def constant(self) -> str:
        return str(self.pick([0.5, 1.25, -0.75, 2, 0.1, -1]))

    def names(self, scope: Scope, shape: Shape) -> list[str]:
        return [name for name, found in scope.items() if found == shape]

    def leaf(self, scope: Scope, shape: Shape) -> str:
        names = self.names(scope, shape)
        if names:
            return str(self.pick(names))
        readable = [(s, text) for s, text in READS[shape] if self.names(scope, s)]
        source, text = self.pick(readable)
        return str(text.format(self.pick(self.names(scope, source))))

    def expression(self, scope: Scope, shape: Shape, depth: int = 2) -> str:
        kind = self.draw(st.integers(0, 11)) if depth > 0 else 0
        if kind <= 1:
            return self.leaf(scope, shape)
        if kind <= 3:
            return str(self.pick(UNARY)).format(self.expression(scope, shape, depth - 1))
        if kind <= 7:
            shapes = self.pick(OPERANDS[shape])
            operands = [self.expression(scope, s, depth - 1) for s in shapes]
            if self.chance(15) and () in shapes:
                operands[shapes.index(())] = self.constant()
            return str(self.pick(BINARY)).format(*operands)
        if kind <= 9:
            source, text = self.pick(READS[shape])
            name = self.leaf(scope, source)
            return str(text.format(name if name.isidentifier() else f"({name})"))
        if kind == 10 or shape == SCALAR:
            a, b = (self.expression(scope, shape, depth - 1) for _ in range(2))
            return f"({a} if {self.condition(scope)} else {b})"
        a, b = (self.expression(scope, shape, depth - 1) for _ in range(2))
        return f"np.where({self.leaf(scope, shape)} > {self.constant()}, {a}, {b})"

    def condition(self, scope: Scope) -> str:
        a, b = self.leaf(scope, SCALAR), self.leaf(scope, SCALAR)
        c, d = self.constant(), self.constant()
        forms = [
            *[f"{a} > {c}", f"{a} < {b}", f"{a} > {c} and {b} < {d}", f"{a} > {c} or {b} > {d}"],
            *[f"not {a} > {c}", f"-1 < {a} <= 1.5", f"{self.leaf(scope, (3,))}.shape[0] == 3"],
        ]
        return str(self.pick(forms))

    def target(self, scope: Scope, shape: Shape, same_shape: bool) -> str:
        """A new name, or an old one; an old one keeps its shape where a branch may rebind it."""
        fresh = [name for name in "abcdetuxyz" if name not in scope]
        kept = self.names(scope, shape)
        locals_ = [name for name in scope if name in "abcde" and not same_shape]
        return str(self.pick(kept + fresh[:1] + locals_ or ["another"]))

    def emit(self, indent: int, line: str) -> None:
        self.lines.append("    " * indent + line)

    def assign(self, scope: Scope, indent: int, same_shape: bool = False) -> None:
        shape = self.pick(SHAPES)
        value = self.expression(scope, shape)
        name = self.target(scope, shape, same_shape)
        self.emit(indent, f"{name} = {value}")
        scope[name] = shape

    def augment(self, scope: Scope, indent: int) -> None:
        name = self.pick(self.names(scope, SCALAR))
        self.emit(indent, f"{name} {self.pick('+-*')}= {self.expression(scope, SCALAR, 1)}")

    def unpack(self, scope: Scope, indent: int) -> None:
        shape, other = self.pick(SHAPES), self.pick(SHAPES)
        kind = self.pick(["pair", "nested", "polar", "swap"])
        if kind == "pair":
            values = f"{self.expression(scope, shape, 1)}, {self.expression(scope, other, 1)}"
            self.emit(indent, f"a, b = {values}")
            scope |= {"a": shape, "b": other}
        elif kind == "nested":
            inner = f"({self.expression(scope, other, 1)}, {self.expression(scope, shape, 1)})"
            self.emit(indent, f"c, (a, d) = {self.expression(scope, shape, 1)}, {inner}")
            scope |= {"c": shape, "a": other, "d": shape}
        elif kind == "polar":
            self.emit(indent, f"b, c = polar({self.expression(scope, shape, 1)})")
            scope |= {"b": shape, "c": shape}
        elif {"a", "b"} <= scope.keys():
            self.emit(indent, "a, b = b, a * 1.5")
            scope["a"], scope["b"] = scope["b"], scope["a"]

    def local_function(self, scope: Scope, indent: int) -> None:
        """A closure over a scalar that may be bound anew before it is called."""
        self.emit(indent, f"scale = lambda t, k=0.5: k * t + np.sin(t) * {self.pick('sr')}")
        if self.chance(50):
            self.emit(indent, f"{self.pick('sr')} = {self.expression(scope, SCALAR, 1)}")
        shape = self.pick(SHAPES)
        name = self.target(scope, shape, same_shape=True)
        value = f"scale({self.leaf(scope, shape)})"
        if self.chance(30):
            value = f"scale({self.leaf(scope, shape)}, k={self.constant()})"
        self.emit(indent, f"{name} = {value}")
        scope[name] = shape

    def branch(self, scope: Scope, indent: int) -> None:
        """An if statement; a name that all its branches bind is there afterwards."""
        shape = self.pick(SHAPES)
        common = next(name for name in "fghijklnopqABC" if name not in scope)
        heads = [f"if {self.condition(scope)}:"]
        if self.chance(40):
            heads.append(f"elif {self.condition(scope)}:")
        exhaustive = self.chance(70)
        if exhaustive:
            heads.append("else:")
        for head in heads:
            inside = dict(scope)
            self.emit(indent, head)
            for _ in range(self.draw(st.integers(0, 2))):
                self.statement(inside, indent + 1, same_shape=True)
            self.emit(indent + 1, f"{common} = {self.expression(inside, shape)}")
        if exhaustive:
            scope[common] = shape

    def leave_early(self, scope: Scope, indent: int) -> None:
        self.emit(indent, f"if {self.condition(scope)}:")
        self.emit(indent + 1, f"return {self.expression(scope, SCALAR)}")

    def statement(self, scope: Scope, indent: int, same_shape: bool = False) -> None:
        kind = self.draw(st.integers(0, 9))
        if kind <= 3:
            self.assign(scope, indent, same_shape)
        elif kind == 4:
            self.augment(scope, indent)
        elif kind <= 6 and indent < 3:
            self.branch(scope, indent)
        elif same_shape:
            self.assign(scope, indent, same_shape)
        elif kind == 7:
            self.local_function(scope, indent)
        elif kind == 8 and self.chance(40):
            self.leave_early(scope, indent)
        else:
            self.unpack(scope, indent)


@st.composite
def programs(draw: st.DrawFn) -> tuple[str, list[Shape]]:
    """The text of a scalar function of s, v, m and others, and the shapes of its arguments."""
    scope: Scope = {"s": (), "v": (3,), "m": (2, 3), "r": ()}
    for name, shape in {"column": (2, 1), "row": (1, 3), "one": (1,), "w": (3,)}.items():
        if draw(st.booleans()):
            scope[name] = shape
    arguments, shapes = list(scope), list(scope.values())
    writer = Writer(draw)
    writer.emit(0, f"def program({', '.join(scope)}):")
    for _ in range(draw(st.integers(1, 7))):
        writer.statement(scope, 1)
    terms = [f"np.sum({writer.expression(scope, draw(st.sampled_from(SHAPES)))})" for _ in range(2)]
    used = [name for name in scope if not writer.chance(70 if name in arguments else 25)]
    terms += [f"0.5 * np.sum(np.sin({name}))" for name in used]
    writer.emit(1, f"return {' + '.join(terms)}")
    return HELPERS + "\n" + "\n".join(writer.lines) + "\n", shapes


def differences(f: Any, args: list[Any], directions: list[Any]) -> float:
    """Finite differences; rejects the example where a kink or a branch is within their reach."""
    coarse = float(directional_derivative(f, args, directions, step=1e-4))
    fine = float(directional_derivative(f, args, directions, step=1.7e-5))
    assume(abs(coarse - fine) <= 3e-7 * (1 + abs(fine)))
    return coarse


@settings(
    max_examples=200,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(programs(), st.integers(0, 2**32 - 1), st.data())
def test_gradients_of_random_programs(
    program: tuple[str, list[Shape]], seed: int, data: st.DataObject
) -> None:
    text, shapes = program
    note(text)
    f = function_from_source(text)
    rng = np.random.default_rng(seed)
    args = [rng.uniform(-1.5, 1.5, s) if s else float(rng.uniform(-1.5, 1.5)) for s in shapes]
    numbers = range(len(args))
    argnums = data.draw(st.lists(st.sampled_from(numbers), unique=True, min_size=1))
    names = f.__code__.co_varnames
    asked = tuple(names[i] if data.draw(st.booleans()) else i for i in argnums)
    before = snapshot(args)

    plain = f(*args)
    assume(np.isfinite(plain) and abs(plain) < 1e4)
    value, gradients = value_and_grad(f, argnums=asked)(*args)
    np.testing.assert_allclose(value, plain, rtol=1e-14, atol=1e-14)
    again = grad(f, argnums=asked[0])(*args)
    assert snapshot(args) == before, "the caller's arguments were changed"

    assert len(gradients) == len(asked)
    np.testing.assert_allclose(again, gradients[0], rtol=1e-12, atol=1e-12)
    for argnum, gradient in zip(argnums, gradients, strict=True):
        arg = args[argnum]
        assert_same_kind(gradient, arg)
        for _ in range(2):
            directions: list[Any] = [None] * len(args)
            directions[argnum] = random_direction(rng, arg)
            products = np.ravel(gradient * directions[argnum])
            expected = differences(f, args, directions)
            allowed = 1e-6 * (1 + np.sum(np.abs(products)))
            assert abs(np.sum(products) - expected) <= allowed, (names[argnum], gradient, expected)
