"""Attributes, methods, callable objects, objects made on the way, partial applications."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import math
import operator
import types
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from ad_compiler import Unsupported, grad
from tests.helpers import assert_gradient_matches_finite_differences, function_from_source
from tests.test_refusals import Refused, assert_refused


class Spring:
    unit = 2.0
    table = {"a": 1.5}  # noqa: RUF012 -- as users write

    def __init__(self, k, rest):
        self.k = k
        self.rest = rest

    @property
    def soft(self):
        return 1 / self.k

    def energy(self, x):
        return 0.5 * self.k * (x - self.rest) ** 2

    def __call__(self, x):
        return -self.k * (x - self.rest)

    @staticmethod
    def damping(v):
        return 0.1 * v**3

    @classmethod
    def scaled(cls, v):
        return cls.unit * v


class Stiff(Spring):
    unit = 5.0

    def energy(self, x):
        return super().energy(x) * 2


class Layer:
    def __init__(self, W, b):
        self.W = W
        self.b = b

    def forward(self, x):
        return np.tanh(self.W @ x + self.b)


class Net:
    def __init__(self):
        W = np.arange(4.0).reshape(2, 2) / 5
        self.layers = [Layer(W, np.array([0.1, 0.2])), Layer(np.eye(2), np.ones(2))]
        self.cfg = types.SimpleNamespace(rate=0.1, inner=types.SimpleNamespace(deep=2.5))
        self.name = "net"
        self.spring = SP
        self.by = {"one": Layer(np.eye(2) * 2, 0.5)}

    def forward(self, x):
        h = self.layers[0].forward(x)
        return self.layers[1].forward(h) * self.cfg.rate * self.cfg.inner.deep


class Color(enum.Enum):
    RED = 1.5
    BLUE = "blue"


class Kind(enum.IntEnum):
    A = 3


@dataclasses.dataclass
class P:
    a: float
    b: float = 2.0

    def norm(self):
        return math.hypot(self.a, self.b)


@dataclasses.dataclass
class R:
    a: float
    items: list[float] = dataclasses.field(default_factory=list)
    double: float = 0.0

    def __post_init__(self):
        self.double = 2 * self.a


def hill(x, height, width):
    return height / (1 + (x / width) ** 2)


NT = collections.namedtuple("NT", "x y", defaults=[3.0])
SP, ST = Spring(1.4, 0.3), Stiff(1.1, np.array([0.2, 0.5]))
NET = Net()
PT = partial(lambda a, b, c=1.0: a * b + c, 2.0)
HILL = partial(hill, height=3.0)
NAMES = {name: value for name, value in globals().items() if not name.startswith("__")}
NAMES |= {"functools": functools, "operator": operator}

PROGRAMS = [
    """
    def f(x, y):
        return R(x).double * Stiff(x, y).energy(1.0)
    """,
    """
    def f(x, y):
        return operator.mul(x, y) + operator.neg(x) + operator.pow(x, 2) * operator.truediv(x, y)
    """,
    """
    def f(x, y):
        return PT(x, y) + PT(y)
    """,
    """
    def f(x, y):
        return HILL(x, width=y) + partial(HILL, x)(width=2.0)
    """,
    """
    def f(x, y):
        g = partial(hill, height=x)
        h = partial(g, width=y)
        return g(x, width=2.0) * h(y)
    """,
    """
    def f(x, y):
        return SP.k * x + SP.rest * y
    """,
    """
    def f(x, y):
        return SP.energy(x) * SP.soft * SP(y)
    """,
    """
    def f(x, y):
        return Spring.damping(x) + SP.damping(y) + Spring.scaled(x) + SP.scaled(y) + Spring.unit * x
    """,
    """
    def f(x, y):
        return Stiff.scaled(x) * y + ST.rest.sum()
    """,
    """
    def f(x, y):
        return ST.energy(x).sum() * y
    """,
    """
    def f(x, y):
        return NET.forward(np.array([x, y])).sum()
    """,
    """
    def f(x, y):
        first, second = NET.layers
        return first.W.sum() * x + second.b[0] * y + NET.cfg.inner.deep * x
    """,
    """
    def f(x, y):
        return NET.spring.k * x + NET.spring.energy(y)
    """,
    """
    def f(x, y):
        return NET.by["one"].b * x + NET.by["one"].W[0, 0] * y
    """,
    """
    def f(x, y):
        return Color.RED.value * x + y if Color.BLUE is Color.BLUE else x
    """,
    """
    def f(x, y):
        return (x if Color.RED == Color.BLUE else y) * Kind.A * x
    """,
    """
    def f(x, y):
        return P(x).b * P(y, x).norm() + P(a=x, b=y).a
    """,
    """
    def f(x, y):
        return NT(x).y * NT(x, y).x * NT(y, x)[1]
    """,
    """
    def f(x, y):
        return x * SP.table["a"] + y
    """,
    """
    def f(x, y):
        return functools.reduce(operator.add, [x, y, x * y])
    """,
    """
    def f(x, y):
        return sum(map(operator.mul, [x, y], [y, 2.0]))
    """,
    """
    def f(x, y):
        s = sum(map(SP, (x, y)))
        return s + sum(map(SP.energy, [x]))
    """,
    """
    def f(x, y):
        return getattr(SP, "k") * x + getattr(SP, "none", 2.0) * y
    """,
    """
    def f(x, y):
        return (x if hasattr(SP, "k") else y) * x
    """,
    """
    def f(x, y):
        return (x if callable(SP) else y) * round(2.7) * int(3.9)
    """,
    """
    def f(x, y):
        return P(x, y).__class__(y, x).a
    """,
    """
    def f(x, y):
        return Spring.energy(SP, x) * y
    """,
    """
    def f(x, y):
        return NT(x, y)._replace(x=y).x + sum(NT(x, y)._asdict().values())
    """,
    """
    def f(x, y):
        return R(x).a * dataclasses.replace(P(x, y), a=y * y).a
    """,
    """
    def f(x, y):
        return (lambda *a, **k: a[0] * k["z"])(x, z=y)
    """,
    """
    def f(x, y):
        return Spring(x, y).energy(1.0)
    """,
]


@pytest.mark.parametrize("text", PROGRAMS)
def test_gradient(text: str) -> None:
    f = function_from_source(text, **NAMES)
    assert_gradient_matches_finite_differences(f, (1.7, 2.9))


class Model:
    def __init__(self):
        self.squared = True
        self.rate = 2.0
        self.parts = [Layer(np.eye(2), 1.0)]

    def loss(self, x):
        return self.rate * x * x if self.squared else self.rate * x


def test_flags_and_numbers_of_objects_are_read_at_every_call() -> None:
    model = Model()

    def of_a_cell(x):
        return model.loss(x)

    def of_an_argument(x, model):
        return model.loss(x)

    for f in (lambda x: grad(of_a_cell)(x), grad(model.loss), lambda x: grad(of_an_argument)(x, model)):
        model.squared, model.rate = True, 2.0
        assert f(3.0) == 12.0
        model.rate = 5.0
        assert f(3.0) == 30.0
        model.squared = False
        assert f(3.0) == 5.0


def test_a_derivative_follows_what_is_put_into_an_object_later() -> None:
    model = Model()

    @grad
    def f(x):
        return sum(part.W[0, 0] * x + part.b * x for part in model.parts)

    assert f(1.0) == 2.0
    model.parts[0].b = 3.0
    assert f(1.0) == 4.0
    model.parts.append(Layer(np.eye(2), 2.0))
    assert f(1.0) == 7.0
    model.parts = []
    assert f(1.0) == 0.0
    model.parts = [Layer(np.eye(2), 2.0)]
    assert f(1.0) == 3.0


def test_a_member_of_an_enumeration_is_a_number() -> None:
    f = function_from_source("def f(x):\n    return x * Kind.A", Kind=Kind)
    assert grad(f)(2.0) == 3.0


class Celsius(float):
    pass


def test_subclasses_of_numbers_are_refused() -> None:
    with pytest.raises(Unsupported, match="is a Celsius, not a plain number"):
        grad(lambda x: x * x)(Celsius(2.0))


REFUSED = [
    Refused(
        "attribute set in a branch",
        """
        class Spring:
            def __init__(self, k):
                if k > 0:
                    self.k = k
                    ^^^^^^

        def f(x):
            return Spring(x).k * x
        """,
        (1.0,),
        "an attribute is set in a branch that is taken at run time, or in a loop",
        "choose the value first, and set the attribute once",
    ),
    Refused(
        "object is returned",
        """
        class Spring:
            def __init__(self, k):
                self.k = k

        def f(x):
        ^^^^^^^^^
            return Spring(x)
        """,
        (1.0,),
        "the function returns an iterator, or an object of a class that is no record",
        "return numbers, arrays, tuples, lists, dicts or dataclasses",
    ),
    Refused(
        "class with slots",
        """
        class Spring:
            __slots__ = ("k",)

            def __init__(self, k):
                self.k = k

        def f(x):
            return Spring(x).k
                   ^^^^^^^^^
        """,
        (1.0,),
        "an instance of the class `Spring` is made",
        "use a named tuple, a dataclass or a dict",
    ),
    Refused(
        "unknown field",
        """
        @dataclasses.dataclass
        class P:
            a: float

        def f(x):
            return dataclasses.replace(P(x), b=x).a
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        """,
        (1.0,),
        "`P` has no field `b`",
        "check the name",
    ),
]


@pytest.mark.parametrize("refused", REFUSED, ids=[refused.name for refused in REFUSED])
def test_refusal(refused: Refused, tmp_path: Path) -> None:
    assert_refused(refused, tmp_path)
