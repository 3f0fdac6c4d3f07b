"""One name for one array: what is renamed, and what is not."""

from __future__ import annotations

import pytest

from ad_compiler.backends.native.affine import Affine
from ad_compiler.backends.native.kernels import lines_of
from ad_compiler.backends.native.nests import Allocate, Code, Line, Load, Nest, Repeat, Store
from ad_compiler.backends.native.passes.aliasing import remove_aliases

N, HERE = Affine.of("n"), Affine.of("i")


def array(name: str) -> Allocate:
    return Allocate(name, (N,), "np.float64")


def line(text: str) -> Line:
    left, right = text.split(" = ")
    return Line(text, frozenset(right.split(", ")), frozenset(left.split(", ")))


def copied(a: str, b: str) -> Nest:
    return Nest([("i", N)], [Store(a, (HERE,), Load(b, (HERE,)))])


@pytest.mark.parametrize(
    ("program", "made", "outputs", "expected"),
    [
        (
            [array("u"), line("v = u"), Repeat("for t in range(n):", [copied("v", "x")]), line("w = v")],
            {"x"},
            ["w"],
            [
                "u = np.empty(n)",
                "for t in range(n):",
                "    for i in range(n):",
                "        u[i] = x[i]",
                "return u",
            ],
        ),
        (
            [array("u"), line("v = u"), Repeat("for t in range(n):", [line("u = v")])],
            set(),
            ["v[0]"],
            ["u = np.empty(n)", "for t in range(n):", "    pass", "return u[0]"],
        ),
        (
            [array("product_1"), line("h = product_1"), copied("h", "x")],
            {"x"},
            ["h"],
            ["h = np.empty(n)", "for i in range(n):", "    h[i] = x[i]", "return h"],
        ),
        (
            [line("v = product"), copied("v", "x")],
            {"x", "product"},
            [],
            ["for i in range(n):", "    product[i] = x[i]"],
        ),
        (
            [array("a"), array("b"), line("c = a"), line("c = b")],
            set(),
            ["c"],
            ["a = np.empty(n)", "b = np.empty(n)", "c = a", "c = b", "return c"],
        ),
        (
            [array("a"), line("c = a"), array("b"), line("a = b")],
            set(),
            ["c", "a"],
            ["a = np.empty(n)", "c = a", "b = np.empty(n)", "a = b", "return c, a"],
        ),
        (
            [array("a"), array("b"), line("c = a"), line("c, b = b, c")],
            set(),
            ["c"],
            ["a = np.empty(n)", "b = np.empty(n)", "c = a", "c, b = b, c", "return c"],
        ),
    ],
)
def test_names(program: list[Code], made: set[str], outputs: list[str], expected: list[str]) -> None:
    left = remove_aliases([program], outputs, made)
    assert lines_of(program, 0) + ([f"return {', '.join(left)}"] if left else []) == expected
