"""Hooks: statements of a program that see its cotangents."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from typing import Any

import numpy as np
import pytest

from ad_compiler import Unsupported, checkpoint, cotangent, grad, hvp, jvp, value_and_grad, vjp
from tests.helpers import function_from_source

X = np.array([0.5, -1.0, 2.0])


def clipped(x: Any) -> Any:
    h = np.sin(x)
    with cotangent(h) as h_bar:
        h_bar = np.clip(h_bar, -1.0, 1.0)
    return np.sum(3.0 * h * h)


def test_a_cotangent_is_replaced_and_the_value_is_not() -> None:
    value, gradient = value_and_grad(clipped)(X)
    assert value == clipped(X) == pytest.approx(np.sum(3.0 * np.sin(X) ** 2))
    np.testing.assert_allclose(gradient, np.clip(6.0 * np.sin(X), -1.0, 1.0) * np.cos(X), rtol=1e-15)


def test_it_shows_in_the_source() -> None:
    lines = grad(clipped).source_for(X).splitlines()
    place = lines.index("    # d(with cotangent(h) as h_bar:)")
    assert lines[place + 1] == "    h_bar = np.clip(h_bar, -1.0, 1.0)"
    assert lines[place + 2] == "    # d(h = np.sin(x))"


def test_nothing_happens_without_a_derivative() -> None:
    def norms(h: Any) -> Any:
        with np.errstate(all="raise"), cotangent(h) as h_bar:
            h_bar = h_bar / np.sqrt(np.sum(h_bar * h_bar))
        return h

    for h in (2.0, 3, np.float32(1.0), X, np.arange(3)):
        assert norms(h) is h
    with cotangent(np.ones((2, 3), np.float32)) as bar:
        assert bar.shape == (2, 3) and bar.dtype == np.float32 and not bar.any()
    with pytest.raises(TypeError, match="cotangent takes a number or an array, not str"), cotangent("x"):
        pass


def test_prints_in_loops_come_in_the_order_of_the_reverse_sweep(capsys: Any) -> None:
    def f(x: Any, n: int) -> Any:
        for i in range(n):
            x = 2.0 * x
            with cotangent(x) as x_bar:
                print("turn", i, x_bar, x)
                if abs(x_bar) > 3.0:
                    x_bar = 0.5 * x_bar
        return x

    assert f(1.0, 3) == 8.0
    capsys.readouterr()
    assert grad(f)(1.0, 3) == 4.0
    assert capsys.readouterr().out.splitlines() == ["turn 2 1.0 8.0", "turn 1 2.0 4.0", "turn 0 4.0 2.0"]


def test_a_branch_in_which_it_stands_decides() -> None:
    def f(x: Any) -> Any:
        y = x * x
        if x > 1.0:
            with cotangent(y) as y_bar:
                y_bar = 10.0 * y_bar
        return 3.0 * y

    assert grad(f)(2.0) == 120.0 and grad(f)(0.5) == 3.0


def identity_that_scales(h: Any, factor: Any) -> Any:
    with cotangent(h) as g:
        g = g * factor
    return h


def test_in_a_function_of_its_own_it_sees_one_way_only() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        return np.sum(identity_that_scales(y, 10.0) + y + identity_that_scales(y, 100.0))

    np.testing.assert_allclose(grad(f)(X), 111.0 * np.cos(X), rtol=1e-15)


def test_names_are_read_as_they_were_there() -> None:
    def f(x: Any) -> Any:
        k = 2.0

        def scaled(g: Any) -> Any:
            return k * g

        y = x * x
        with cotangent(y) as y_bar:
            y_bar = scaled(y_bar) * k * x
        k = 100.0
        x = 0.0 * k
        return y + x

    assert grad(f)(3.0) == 4.0 * 3.0 * 6.0


def test_an_array_is_written_into_in_a_hook() -> None:
    def f(x: Any) -> Any:
        with cotangent(x) as x_bar:
            x_bar[0] = 0.0
            x_bar *= 2.0
        return np.sum(x)

    np.testing.assert_array_equal(grad(f)(X), [0.0, 2.0, 2.0])
    _, pullback = vjp(lambda x: f(x) * np.ones(2), X)
    given = np.array([1.0, 2.0])
    for _ in range(2):
        np.testing.assert_array_equal(pullback(given)[0], [0.0, 6.0, 6.0])


def test_checks_of_a_cotangent() -> None:
    def f(x: Any) -> Any:
        y = x * 1.0
        with cotangent(y) as y_bar:
            assert y_bar.ndim == 1
            if not np.all(np.isfinite(y_bar)):
                raise ValueError("not finite")
        return np.sum(np.log(y))

    np.testing.assert_array_equal(grad(f)(np.array([1.0, 2.0])), [1.0, 0.5])
    with pytest.raises(ValueError, match="not finite"), np.errstate(divide="ignore"):
        grad(f)(np.array([0.0, 2.0]))


def test_the_body_is_a_part_of_the_program_that_is_differentiated_again() -> None:
    def f(x: Any) -> Any:
        y = x * x
        with cotangent(y) as y_bar:
            y_bar = y_bar * x
        return np.sum(y * y)

    np.testing.assert_allclose(grad(f)(X), 4.0 * X**4, rtol=1e-15)  # 2 y * x * 2 x
    np.testing.assert_allclose(hvp(f)(X, np.ones(3)), 16.0 * X**3, rtol=1e-15)
    assert grad(grad(lambda x: f(np.array([x]))))(2.0) == 16.0 * 8.0


def test_forward_mode_has_no_cotangents() -> None:
    with pytest.raises(
        Unsupported, match="replaces a cotangent, and in forward mode there are none"
    ) as caught:
        jvp(clipped, (X,), (X,))
    assert "custom_jvp" in caught.value.advice and "cotangent(h)" in str(caught.value.text)

    def printed(x: Any) -> Any:
        y = x * x
        with cotangent(y) as y_bar:
            print(y_bar)
        return y

    assert jvp(printed, (3.0,), (1.0,)) == (9.0, 6.0)


def test_within_other_derivatives_and_functions() -> None:
    recomputed = checkpoint(identity_that_scales)
    assert grad(lambda x: recomputed(x * x, 10.0))(3.0) == 60.0
    assert grad(lambda x: x * grad(lambda y: identity_that_scales(y * y, 10.0))(x))(3.0) == 120.0

    def deep(x: Any, n: int) -> Any:
        if n == 0:
            return x
        with cotangent(x) as g:
            g = 2.0 * g
        return deep(x * 1.0, n - 1)

    assert grad(deep)(1.0, 5) == 32.0


def test_other_arguments_and_integers_are_left_alone() -> None:
    def f(x: Any, n: int) -> Any:
        with cotangent(n) as n_bar:
            n_bar = 0.0 * n_bar
        return x * n

    assert grad(f)(2.0, 3) == 3.0
    assert grad(f, "n")(2.0, 3) == 0.0


def test_single_precision_and_numbers_without_axes() -> None:
    def f(x: Any) -> Any:
        with cotangent(x) as g:
            g = 2.0 * g
        return np.sum(x)

    for x in (np.float32(1.0), np.ones(2, np.float32), np.array(1.0), np.ones((1, 0)), np.ones((2, 3)).T):
        gradient = grad(f)(x)
        assert np.shape(gradient) == np.shape(x) and np.asarray(gradient).dtype == np.asarray(x).dtype
        np.testing.assert_array_equal(gradient, np.full(np.shape(x), 2.0))


def test_native_code() -> None:
    pytest.importorskip("numba")
    np.testing.assert_allclose(grad(clipped, backend="numba")(X), grad(clipped)(X), rtol=1e-14)


def test_arrays_that_are_written_into() -> None:
    def f(x: Any) -> Any:
        h = 2.0 * x
        other, part = h, h[1:]
        with cotangent(h) as g:
            g = 10.0 * g
        h[0] = 5.0 * x[1]
        return np.sum(h * other) + np.sum(part)

    # h is (5 x1, 2 x1, 2 x2) after the write; what flows through the hook is that of the last two
    np.testing.assert_allclose(
        grad(f)(X), [0.0, 50.0 * X[1] + 20.0 * (4.0 * X[1] + 1.0), 20.0 * (4.0 * X[2] + 1.0)]
    )

    def heat(u: Any, steps: int) -> Any:
        u = u.copy()
        for _ in range(steps):
            u[1:-1] += 0.1 * (u[2:] - 2.0 * u[1:-1] + u[:-2])
            with cotangent(u) as u_bar:
                u_bar = 2.0 * u_bar
        return np.sum(u * u)

    def plain(u: Any, steps: int) -> Any:
        u = u.copy()
        for _ in range(steps):
            u[1:-1] += 0.1 * (u[2:] - 2.0 * u[1:-1] + u[:-2])
        return np.sum(u * u)

    u = np.linspace(0.0, 1.0, 7) ** 2
    np.testing.assert_allclose(grad(heat)(u, 5), 32.0 * grad(plain)(u, 5), rtol=1e-14)


def test_a_view_of_what_is_written_into_is_refused() -> None:
    def f(x: Any) -> Any:
        h = 2.0 * x
        part = h[1:]
        with cotangent(part) as g:
            g = 10.0 * g
        h[0] = 1.0
        return np.sum(part * part)

    with pytest.raises(Unsupported, match="an array is written into whose cotangent has a hook"):
        grad(f)(X)


class Hooked(ast.NodeTransformer):
    """Puts a hook that changes nothing behind every assignment of a name."""

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return node

    def visit_Assign(self, node: ast.Assign) -> Any:
        if len(node.targets) > 1 or not isinstance(node.targets[0], ast.Name):
            return node
        text = f"with cotangent({node.targets[0].id}) as hooked_bar:\n    hooked_bar = 1.0 * hooked_bar\n"
        return [node, *ast.parse(text).body]


def hooked(program: Any) -> Any:
    tree = ast.parse(textwrap.dedent(inspect.getsource(program)))
    assert isinstance(tree.body[0], ast.FunctionDef)
    tree.body[0].decorator_list = []
    text = ast.unparse(ast.fix_missing_locations(Hooked().visit(tree)))
    namespace = {k: v for k, v in program.__globals__.items() if not k.startswith("__")}
    return function_from_source(text, **{**namespace, "cotangent": cotangent})


def test_hooks_that_change_nothing_change_nothing() -> None:
    from tests.programs import test_corpus  # noqa: F401 -- registers the programs
    from tests.programs.corpus import PROGRAMS

    same = 0
    for example in [each for each in PROGRAMS if each.of is None][::10]:
        value, pullback = vjp(example.function, *example.args)
        if not isinstance(value, (float, np.floating, np.ndarray)):
            continue
        seed = np.ones_like(value) if isinstance(value, np.ndarray) else 1.0
        try:
            hooked_value, hooked_pullback = vjp(hooked(example.function), *example.args)
        except Unsupported:
            continue  # lists and dicts are bound to names, too
        np.testing.assert_equal(hooked_value, value)
        for found, expected in zip(leaves(hooked_pullback(seed)), leaves(pullback(seed)), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
        same += 1
    assert same > 20


def leaves(tree: Any) -> list[Any]:
    if isinstance(tree, (tuple, list)):
        return [leaf for item in tree for leaf in leaves(item)]
    if isinstance(tree, dict):
        return leaves(list(tree.values()))
    if dataclasses.is_dataclass(tree):
        return leaves(list(vars(tree).values()))
    return [] if tree is None else [tree]


def test_what_only_decides_may_read_it_above() -> None:
    def f(x: Any, n: int) -> Any:
        for _ in range(n):
            if x[0] > 3.0 or x.shape[0] > 5:
                break
            with cotangent(x) as g:
                g = 2.0 * g
            x = x * 1.5
        return np.sum(x)

    np.testing.assert_array_equal(grad(f)(X, 0), np.ones(3))
    np.testing.assert_array_equal(grad(f)(X, 3), np.full(3, 27.0))


MISUSED = [
    ("with cotangent(h[0]) as g: print(g)", "takes the name of one value", "cotangent(h[0])"),
    ("with cotangent(h, x) as g: print(g)", "takes the name of one value", "cotangent(h, x)"),
    ("with cotangent(np) as g: print(g)", "`np` is no local name", "cotangent(np)"),
    ("with cotangent(pair) as g: print(g)", "the cotangent of .* is asked for", "cotangent(pair)"),
    ("with cotangent(text) as g: print(g)", "the cotangent of a str is asked for", "cotangent(text)"),
    ("with cotangent(h) as h: print(h)", "given to something else than a name of its own", "h"),
    ("with cotangent(h) as (a, b): print(a)", "given to something else than a name", "(a, b)"),
    ("with cotangent(h) as g, cotangent(x) as k: print(g)", "one `with` to itself", "cotangent(x)"),
    ("with cotangent(h) as g: h = 2.0 * g", "a hook assigns `g` alone: `h`", "h"),
    ("with cotangent(h) as g: g, k = g, 1.0", "a hook assigns `g` alone: `k`", "k"),
    ("with cotangent(h) as g: h[0] = 1.0", "a hook assigns `g` alone: `h.0.`", "h[0]"),
    ("with cotangent(h) as g: g.x = 1.0", "a hook assigns `g` alone: `g.x`", "g.x"),
    ("with cotangent(h) as g: print((n := 2))", "a hook assigns `g` alone: `n`", "n"),
    ("with cotangent(h): h = 2.0 * h", "a hook assigns no name: `h`", "h"),
    ("with cotangent(h) as g: return g", "a `return` stands in a hook", "return g"),
    ("with cotangent(h) as g: import os", "a `import` stands in a hook", "import os"),
    ("m = cotangent(h)", "stands outside of the head of a `with`", "cotangent(h)"),
    (
        "with cotangent(h) as g: g = np.sum(g)",
        "leaves as the cotangent of `h` is a float64",
        "cotangent(h)",
    ),
    ("with cotangent(h) as g: g = (g, g)", "leaves as the cotangent of `h` is a tuple", "cotangent(h)"),
    ("with cotangent(h) as g: g = None", "leaves as the cotangent of `h` is None", "cotangent(h)"),
    ("with cotangent(h) as g: g = 1j * g", "is an array of complex128", "cotangent(h)"),
    ("with cotangent(h) as g: print(g)\n    h = g", "`g` holds a cotangent", "g"),
]


@pytest.mark.parametrize(("lines", "message", "pointed_at"), MISUSED)
def test_misuse_is_refused(lines: str, message: str, pointed_at: str) -> None:
    text = (
        f"def f(x):\n    h = x * 2.0\n    pair = (h, h)\n    text = 's'\n    {lines}\n    return np.sum(h)\n"
    )
    f = function_from_source(text, cotangent=cotangent)
    with pytest.raises(Unsupported, match=message) as caught:
        grad(f)(X)
    error = caught.value
    assert error.advice
    assert error.text is not None and error.offset is not None and error.end_offset is not None
    assert error.text[error.offset - 1 : error.end_offset - 1].startswith(pointed_at)


def test_a_hook_that_no_cotangent_reaches_is_refused() -> None:
    def f(x: Any) -> Any:
        h = x * x
        with cotangent(h) as g:
            print(g)
        return x + 1.0

    with pytest.raises(Unsupported, match="nothing reads `h` after its hook"):
        grad(f)(2.0)


def test_a_hook_that_would_see_a_part_of_a_cotangent_is_refused() -> None:
    def f(x: Any) -> Any:
        h = x * x
        penalty = h * h
        with cotangent(h) as g:
            print(g)
        return h + penalty

    with pytest.raises(Unsupported, match=r"`h` is read in line \d+, above its hook, which would see a part"):
        grad(f)(2.0)


def test_another_length_is_found_when_it_runs() -> None:
    def f(x: Any) -> Any:
        h = x * x
        with cotangent(h) as g:
            g = g[:1]
        return np.sum(h)

    with pytest.raises(ValueError, match="what the hook leaves as the cotangent of `h` has another length"):
        grad(f)(X)
    np.testing.assert_array_equal(grad(f)(np.array([3.0])), [6.0])
