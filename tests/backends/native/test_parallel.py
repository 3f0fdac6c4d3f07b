"""`parallel=True`: loops whose turns are independent are shared by threads, with the results of one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ad_compiler import grad, hvp, jvp, value_and_grad, vjp

pytest.importorskip("numba")

from ad_compiler.backends.native.run_time.threads import ACTIVE, BUSY, OPEN, WORKERS, pool

RNG = np.random.default_rng(11)
NATIVE: Any = {"backend": "numba", "cache": False, "parallel": True}
LARGE = 60_000  # turns, of which even few operations pay


def shared(f: Any, argnums: Any = 0, **options: Any) -> Any:
    return grad(f, argnums, **NATIVE, **options)


@contextmanager
def workers(number: int) -> Iterator[None]:
    """So many threads beside the one that calls."""
    words = pool().words
    before, words[WORKERS] = words[WORKERS], number
    try:
        yield
    finally:
        words[WORKERS] = before


def names_shared(f: Any) -> list[str]:
    """The functions that do chunks, by name."""
    lines = f.native_source.split("\n")
    return [line[4 : line.index("(")] for line in lines if line.startswith("def ") and "(chunk" in line]


# Programs


def elementwise(x):
    return np.sum(1 / (1 + np.exp(-x)) * np.sin(x))


def sums(x, y):
    return np.sum(x * x) * np.sum(np.tanh(x * y)) + np.mean(y) ** 3


def softmax(W, X):
    z = X * W[0]
    e = np.exp(z - np.max(z, axis=1)[:, None])
    p = e / np.sum(e, axis=1)[:, None]
    return np.sum(p * p * X)


def mixture(mu, x):
    d = x[:, None, :] - mu[None]
    z = -0.5 * np.sum(d * d, axis=2)
    m = np.max(z, axis=1)
    return np.sum(m + np.log(np.sum(np.exp(z - m[:, None]), axis=1)))


def stencil(u):
    for _ in range(3):
        v = u.copy()
        v[1:-1, 1:-1] = 0.25 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:])
        u = v
    return np.sum(u * u)


def hinge(w, X, y):
    m = 1 - y * (X @ w)
    return np.mean(np.maximum(0, m)) + 0.1 * w @ w


def columns(x, a):
    return np.sum(np.exp(x * a) * np.sum(x, axis=0)) + np.sum(np.max(x, axis=1))


def own_loop(x, y):
    z = np.empty_like(x)
    for own in range(x.shape[0]):
        z[own] = x[own] * y[own] + x[own]
    return np.sum(z * z)


def own_loops(x, y):
    z = np.zeros_like(x)
    for own in range(x.shape[0]):
        a = np.tanh(x[own, 0])
        for inner in range(x.shape[1]):
            z[own, inner] = np.sin(x[own, inner] * a) * y[inner]
    return np.sum(z * z)


def scaled_columns(x, A):
    z = np.zeros_like(A)
    for own in range(x.shape[0]):
        z[:, own] = A[:, own] * x[own]
    return np.sum(z * z)


def vector(*shape: int) -> Any:
    return RNG.normal(size=shape)


PROGRAMS: dict[str, tuple[Any, Any, Callable[[int], tuple[Any, ...]]]] = {
    "elementwise": (elementwise, 0, lambda n: (vector(n),)),
    "sums": (sums, (0, 1), lambda n: (vector(n), vector(n))),
    "softmax": (softmax, (0, 1), lambda n: (vector(2, 5), vector(n, 5))),
    "mixture": (mixture, (0, 1), lambda n: (vector(3, 2), vector(n, 2))),
    "stencil": (stencil, 0, lambda n: (vector(n + 3, 9),)),
    "hinge": (hinge, (0, 1, 2), lambda n: (vector(4), vector(n, 4), vector(n))),
    "columns": (columns, (0, 1), lambda n: (vector(n, 4), vector(4))),
    "own_loops": (own_loops, (0, 1), lambda n: (vector(n, 3), vector(3))),
    "scaled_columns": (scaled_columns, (0, 1), lambda n: (vector(n), vector(5, n))),
    "own_loop": (own_loop, (0, 1), lambda n: (vector(n), vector(n))),
}


def parts(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


USUAL = ["sums", "softmax", "hinge", "own_loops", "scaled_columns"]  # the others run with -m slow
CASES = [pytest.param(name, marks=[] if name in USUAL else pytest.mark.slow) for name in PROGRAMS]


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_that_of_numpy_code_and_of_any_number_of_threads(name: str) -> None:
    f, argnums, arguments = PROGRAMS[name]
    mine, expected = shared(f, argnums), grad(f, argnums)
    for n in (1, 2, 7, LARGE):
        given = arguments(n)
        found = parts(mine(*given))
        for one, other in zip(found, parts(expected(*given)), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12 * max(1.0, np.max(np.abs(other))))
        with workers(0):
            alone = parts(mine(*given))
        for one, other in zip(found, alone, strict=True):
            np.testing.assert_array_equal(one, other)
    assert names_shared(mine)


def test_what_every_turn_makes_may_be_read_as_a_whole() -> None:
    """By a product of vectors, which would read what is behind the row as well."""

    def f(x, A):
        z = np.zeros((x.shape[0], A.shape[0]))
        for own in range(x.shape[0]):
            z[own] = 0.5 * A[:, own] * np.sum(x * A[0])
        return np.sum(z * z)

    x, A = vector(700), vector(40, 700)
    mine = shared(f, (0, 1))
    for one, other in zip(mine(x, A), grad(f, (0, 1))(x, A), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12 * np.max(np.abs(other)))
    assert "_rows[chunk + 1, :" in mine.native_source and "product_of_vectors(" in mine.native_source


def test_arrays_without_elements() -> None:
    def f(x):
        return np.sum(np.exp(x) * np.sum(x, axis=0)) * np.sum(x)

    mine, expected = shared(f), grad(f)
    for shape in ((0, 4), (4, 0), (0, 0)):
        np.testing.assert_array_equal(mine(np.zeros(shape)), expected(np.zeros(shape)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_dtypes_and_layouts(dtype: Any) -> None:
    def f(x, y):
        return np.sum(np.abs(x * np.exp(y)) ** 2)

    x, y = (vector(2, LARGE).T.astype(dtype) for _ in range(2))
    strided = np.zeros((2 * LARGE, 2), dtype)[::2]
    strided[...] = x
    mine, expected = shared(f, (0, 1)), grad(f, (0, 1))
    for a in (x, strided, np.ascontiguousarray(x)):
        for one, other in zip(mine(a, y), expected(a, y), strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_allclose(one, other, rtol=1e-4 if dtype == np.float32 else 1e-10)


def test_other_derivatives() -> None:
    x, v = vector(LARGE), vector(LARGE)
    value, gradient = value_and_grad(elementwise, **NATIVE)(x)
    np.testing.assert_allclose(value, elementwise(x), rtol=1e-10)
    np.testing.assert_allclose(gradient, grad(elementwise)(x), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(
        hvp(elementwise, **NATIVE)(x, v), hvp(elementwise)(x, v), rtol=1e-9, atol=1e-13
    )
    np.testing.assert_allclose(
        jvp(elementwise, (x,), (v,), **NATIVE)[1], jvp(elementwise, (x,), (v,))[1], rtol=1e-9
    )
    y, pullback = vjp(lambda x: np.exp(np.sin(x)) * x, x, **NATIVE)
    np.testing.assert_allclose(y, np.exp(np.sin(x)) * x, rtol=1e-12)
    expected = vjp(lambda x: np.exp(np.sin(x)) * x, x)[1](v)[0]
    np.testing.assert_allclose(pullback(v)[0], expected, rtol=1e-10, atol=1e-14)


# Which loops


def test_what_is_shared_is_written_as_functions_of_chunks() -> None:
    def f(x, y):
        return np.sum(np.tanh(x * y)) * np.sum(x)

    source = shared(f)
    source(vector(3), vector(3))
    text = source.native_source
    assert "from ad_compiler.backends.native.run_time.chunks import chunks_of, first_turn, in_chunks" in text
    assert "total_1_sum_parts[chunk] = total_1_sum" in text or "_parts[chunk] = " in text
    assert "in_chunks" not in native_text(grad(f, backend="numba", cache=False))


def native_text(f: Any) -> str:
    f(vector(3), vector(3))
    return str(f.native_source)


def recurrence(x):
    y = np.zeros(x.shape[0] + 1)
    for own in range(x.shape[0]):
        y[own + 1] = 0.5 * y[own] + x[own]
    return y[-1]


def in_place(x):
    y = x.copy()
    for own in range(1, y.shape[0]):
        y[own] = y[own] + 0.5 * y[own - 1]
    return np.sum(y)


def both_neighbours(x):
    y = x.copy()
    for own in range(1, y.shape[0] - 1):
        y[own] = y[own - 1] + y[own + 1]
    return np.sum(y * y)


def sum_in_order(x):
    total = 0.0
    for own in range(x.shape[0]):
        total += x[own] * x[own]
    return total


def carried(x):
    last = 1.0
    y = np.zeros_like(x)
    for own in range(x.shape[0]):
        y[own] = last * x[own]
        last = x[own]
    return np.sum(y)


def one_place(x):
    y = np.zeros(3)
    for own in range(x.shape[0]):
        y[own % 3] = x[own]
    return np.sum(y * y)


def scattered(x, k):
    y = np.zeros(5)
    for own in range(x.shape[0]):
        y[k[own]] = x[own] * y[k[own]] + x[own]
    return np.sum(y)


def carried_row(x):
    """What a turn writes, the next one reads: it is no row of the turn's own."""
    y, last = np.zeros_like(x), np.empty(1)
    for own in range(x.shape[0]):
        if own > 0:
            y[own] = last[0] * x[own]
        last[0] = x[own]
    return np.sum(y)


def overlapping(x):
    y = x.copy()
    z = y[1:]
    for own in range(z.shape[0]):
        z[own] = 2.0 * y[own]
    return np.sum(y * y)


DEPENDENT = [
    recurrence,
    in_place,
    both_neighbours,
    sum_in_order,
    carried,
    carried_row,
    one_place,
    scattered,
    overlapping,
]


@pytest.mark.parametrize("f", DEPENDENT)
def test_loops_whose_turns_depend_on_each_other_stay(f: Any) -> None:
    mine, expected = (value_and_grad(f, **NATIVE), value_and_grad(f))
    for size in (3, 40 if f in (in_place, both_neighbours, overlapping) else LARGE):
        given = [0.1 * vector(size), *([RNG.integers(0, 5, size)] if f is scattered else [])]
        for one, other in zip(mine(*given), expected(*given), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12 * np.max(np.abs(other)))
    assert "for own in range(" in mine.native_source.replace("# for own in range(", "")
    assert "own = first + turn" not in mine.native_source


def test_loops_of_the_users_own_are_shared() -> None:
    mine = shared(own_loop)
    mine(vector(4), vector(4))
    assert "own = first + turn" in mine.native_source
    assert " for own in range(" not in mine.native_source.replace("# for own in range(", "")


def test_departures_leave_chunks() -> None:
    def f(x, y):
        z = np.zeros(x.shape[0])
        for i in range(x.shape[0]):
            z[i] = float(x[i]) / float(y[i])
        return np.sum(z)

    x, y = vector(LARGE), np.ones(LARGE)
    g = shared(f)
    np.testing.assert_allclose(g(x, y), grad(f)(x, y))
    y[LARGE // 2] = 0.0
    with pytest.raises(ZeroDivisionError):
        g(x, y)
    words = pool().words
    assert [words[each] for each in (BUSY, OPEN, ACTIVE)] == [0, 0, 0]


# Processes and threads


def test_threads_of_pythons_that_enter_at_once() -> None:
    g = shared(mixture)
    given = [(vector(3, 2), vector(LARGE, 2)) for _ in range(4)]
    expected = [g(*each) for each in given]
    with ThreadPoolExecutor(4) as executor:
        for _ in range(20):
            for one, other in zip(executor.map(lambda each: g(*each), given), expected, strict=True):
                np.testing.assert_array_equal(one, other)


def run(program: str, directory: Path, **environment: str) -> str:
    path = directory / "program.py"
    path.write_text(textwrap.dedent(HEAD) + textwrap.dedent(program))
    cache = {"AD_COMPILER_CACHE_DIR": str(directory / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, str(path)],
        env={**os.environ, **cache, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


HEAD = """
    import os
    import numpy as np
    from ad_compiler import grad

    def f(x):
        return np.sum(np.tanh(x) * np.exp(-x * x))

    x = np.linspace(-1.0, 1.0, 50000)
    g = grad(f, backend="numba", parallel=True)
    expected = grad(f)(x)
    def check():
        np.testing.assert_allclose(g(x), expected, rtol=1e-10, atol=1e-14)
"""


def test_it_is_kept_on_disk(tmp_path: Path) -> None:
    program = """
        check()
        print(sum(g.native.stats.cache_hits.values()))
    """
    assert run(program, tmp_path) == "0\n"
    assert run(program, tmp_path) == "1\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_process_that_has_forked(tmp_path: Path) -> None:
    program = """
        check()
        child = os.fork()
        if child == 0:
            check()
            os._exit(7)
        check()
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert run(program, tmp_path) == "7\n"


@pytest.mark.parametrize("layer", ["workqueue", pytest.param("omp", marks=pytest.mark.slow)])
def test_parallel_code_of_the_users_own_calls_it(tmp_path: Path, layer: str) -> None:
    program = """
        import numba
        check()
        native = g.native

        @numba.njit(parallel=True)
        def all_of(rows):
            found = np.empty_like(rows)
            for i in numba.prange(rows.shape[0]):
                found[i] = native(rows[i])
            return found

        try:
            found = all_of(np.stack([x, x, x, x]))
        except ValueError as error:
            assert "No threading layer" in str(error)
            found = np.stack([expected] * 4)
        np.testing.assert_allclose(found, np.stack([expected] * 4), rtol=1e-10, atol=1e-14)
        print("done")
    """
    assert run(program, tmp_path, NUMBA_THREADING_LAYER=layer) == "done\n"


def test_threads_are_there_before_numba_has_compiled_anything() -> None:
    module = "ad_compiler.backends.native.run_time.chunks"
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True, timeout=300)


def test_one_thread_and_loops_as_python(tmp_path: Path) -> None:
    program = "check()\nprint('done')\n"
    assert run(program, tmp_path, NUMBA_NUM_THREADS="1") == "done\n"
    assert (
        run(program.replace("check()", "x = x[:50]\nexpected = expected[:50]\ncheck()"), tmp_path) == "done\n"
    )
    small = "x, expected = x[:50], expected[:50]\n" + program
    assert run(small, tmp_path, NUMBA_DISABLE_JIT="1") == "done\n"
