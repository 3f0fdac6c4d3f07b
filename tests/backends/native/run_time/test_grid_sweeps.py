"""Sweeps over grids, ten at once: the same bits as the loops, of every shape that is special to them."""
# mypy: disable-error-code="call-arg"
# Numba hands the first parameter of an intrinsic in.

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from ad_compiler.backends.native.run_time.grid_layout import BEFORE, BEHIND, LANES  # noqa: E402
from ad_compiler.backends.native.run_time.grid_sweeps import (  # noqa: E402
    has_vectors,
    sweep_grid,
    sweep_grid_back,
)

if numba.config.DISABLE_JIT:
    pytest.skip("where loops run as Python, no sweep is done", allow_module_level=True)
if not has_vectors():
    pytest.skip("on this processor, no sweep is done", allow_module_level=True)

ROWS = [*range(53, 63), 64, 77, 130]
COLUMNS = [3, 4, 5, 9, 13, 14, 15, 16, 17, 31, 60]
SPECIAL = [np.inf, -np.inf, np.nan, 5e-324, 1e308, -1e308, -0.0]


@numba.njit
def swept(u: Any, f: Any, rows: int, columns: int, weight: float, steps: int) -> Any:
    return sweep_grid(u, u, 1.0, f, rows, columns, weight, 1.0, steps, "nswef")


@numba.njit
def swept_back(u_bar: Any, f_bar: Any, rows: int, columns: int, weight: float, steps: int) -> Any:
    return sweep_grid_back(u_bar, u_bar, 1.0, f_bar, rows, columns, weight, 1.0, steps, "+f")


@numba.njit
def in_loops(u: Any, f: Any, rows: int, columns: int, weight: float, steps: int) -> None:
    for _ in range(steps):
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                u[i, j] = weight * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] + f[i, j])


@numba.njit
def in_loops_back(u_bar: Any, f_bar: Any, rows: int, columns: int, weight: float, steps: int) -> None:
    for _ in range(steps):
        for i in range(rows - 2, 0, -1):
            for j in range(columns - 2, 0, -1):
                part = weight * u_bar[i, j]
                u_bar[i, j] = 0.0
                u_bar[i - 1, j] += part
                u_bar[i + 1, j] += part
                u_bar[i, j - 1] += part
                u_bar[i, j + 1] += part
                f_bar[i, j] += part


def arrays(rows: int, columns: int) -> tuple[Any, Any]:
    random = np.random.default_rng(rows * 1000 + columns)
    return random.normal(size=(rows, columns)), random.normal(size=(rows, columns))


@pytest.mark.parametrize("rows", ROWS)
def test_shapes(rows: int) -> None:
    for columns in COLUMNS:
        u, f = arrays(rows, columns)
        expected = u.copy()
        assert swept(u, f, rows, columns, 0.25, 25) == 20
        in_loops(expected, f, rows, columns, 0.25, 20)
        np.testing.assert_array_equal(u, expected)


@pytest.mark.parametrize("rows", ROWS)
def test_shapes_back(rows: int) -> None:
    for columns in COLUMNS:
        found, expected = arrays(rows, columns), arrays(rows, columns)
        assert swept_back(*found, rows, columns, 0.25, 25) == 20
        in_loops_back(*expected, rows, columns, 0.25, 20)
        for mine, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-14)


def test_part_of_arrays() -> None:
    """Arrays may be larger than the grid; the last row and column of what is added are not read."""
    found, expected = arrays(70, 81), arrays(70, 81)
    others, others_expected = arrays(57, 23), arrays(57, 23)
    assert swept(found[0], others[0], 58, 24, 0.125, 10) == 10
    in_loops(expected[0], others[0], 58, 24, 0.125, 10)
    np.testing.assert_array_equal(found[0], expected[0])
    assert swept_back(found[1], others[1], 58, 24, 0.3, 10) == 10
    in_loops_back(expected[1], others_expected[1], 58, 24, 0.3, 10)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(others[1], others_expected[1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("u", "f", "rows", "columns", "steps"),
    [
        ((60, 60), (60, 60), 60, 60, 9),
        ((60, 60), (60, 60), 60, 60, 0),
        ((60, 60), (60, 60), 60, 60, -10),
        ((52, 60), (52, 60), 52, 60, 10),
        ((60, 2), (60, 2), 60, 2, 10),
        ((60, 60), (60, 60), 61, 60, 10),
        ((60, 60), (60, 60), 60, 61, 10),
        ((60, 60), (58, 60), 60, 60, 10),
        ((60, 60), (60, 58), 60, 60, 10),
        ((0, 0), (0, 0), 0, 0, 10),
        ((1024, 1025), (1024, 1025), 1024, 1025, 10),
    ],
)
def test_nothing_is_done(u: Any, f: Any, rows: int, columns: int, steps: int) -> None:
    """Where there are too few rows, columns or sweeps, too many cells, or arrays smaller than the grid."""
    for function in (swept, swept_back):
        first, second = np.ones(u), np.ones(f)
        assert function(first, second, rows, columns, 0.25, steps) == 0
        assert (first == 1).all() and (second == 1).all()


@pytest.mark.parametrize("kind", ["float32", "strided", "transposed"])
def test_other_arrays(kind: str) -> None:
    u: Any = {
        "float32": np.ones((60, 60), np.float32),
        "strided": np.ones((60, 120))[:, ::2],
        "transposed": np.ones((60, 60)).T,
    }[kind]
    assert swept(u, np.ones((60, 60)), 60, 60, 0.25, 10) == 0
    assert swept_back(np.ones((60, 60)), u, 60, 60, 0.25, 10) == 0
    assert (u == 1).all()


@pytest.mark.parametrize(
    ("weight", "tolerance"),
    [(0.0, 0), (-0.0, 0), (1.0, 0), (-0.5, 0), (2.0**-1000, 0), (0.3, 1e-14), (-0.24, 1e-14), (0.2, 1e-14)],
)
def test_weights(weight: float, tolerance: float) -> None:
    """With a weight that is no power of two, the product and the last sum are rounded once."""
    found, expected = arrays(60, 37), arrays(60, 37)
    assert swept(*found, 60, 37, weight, 10) == 10
    in_loops(*expected, 60, 37, weight, 10)
    np.testing.assert_allclose(found[0], expected[0], rtol=tolerance, atol=tolerance)
    assert swept_back(*found, 60, 37, weight, 10) == 10
    in_loops_back(*expected, 60, 37, weight, 10)
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("weight", [1.5, -1e200, np.inf, -np.inf, np.nan])
def test_large_weights(weight: float) -> None:
    """Nothing is done: the weighted sum may be finite, and that of weighted terms be nan."""
    u, f = np.ones((60, 37)), np.ones((60, 37))
    assert swept(u, f, 60, 37, weight, 10) == swept_back(u, f, 60, 37, weight, 10) == 0
    assert (u == 1).all() and (f == 1).all()


@pytest.mark.parametrize("place", [(0, 0), (0, 5), (1, 1), (13, 20), (14, 36), (30, 0), (44, 35), (59, 10)])
def test_special_numbers(place: tuple[int, int]) -> None:
    """They go where the loops have them go, and no farther."""
    for special in SPECIAL:
        for changed in (0, 1):
            found, expected = arrays(60, 37), arrays(60, 37)
            found[changed][place] = expected[changed][place] = special
            swept(*found, 60, 37, 0.25, 10)
            in_loops(*expected, 60, 37, 0.25, 10)
            np.testing.assert_array_equal(found, expected)
            back, back_expected = arrays(60, 37), arrays(60, 37)
            back[changed][place] = back_expected[changed][place] = special
            swept_back(*back, 60, 37, 0.25, 10)
            in_loops_back(*back_expected, 60, 37, 0.25, 10)
            for mine, other in zip(back, back_expected, strict=True):
                np.testing.assert_array_equal(np.isfinite(mine), np.isfinite(other))
                np.testing.assert_allclose(mine, other, rtol=1e-12, atol=1e-14)


def test_signs_of_zeros() -> None:
    u = np.full((60, 37), -0.0)
    swept(u, u.copy(), 60, 37, 0.25, 10)
    assert np.signbit(u).all()


@pytest.mark.parametrize("order", ["ewsn", "fnwse", "nfesw", "senwf"])
def test_orders(order: str) -> None:
    """The numbers are added in the order that is given: each has other bits."""
    names: dict[str, Any] = {"sweep_grid": sweep_grid, "numba": numba}
    weight = 0.25 if order.endswith("f") else 0.3
    cells = {
        "n": "u[i - 1, j]",
        "s": "u[i + 1, j]",
        "w": "u[i, j - 1]",
        "e": "u[i, j + 1]",
        "f": "-1.7 * f[i, j]",
    }
    exec(
        f"""
@numba.njit
def swept(u, f, rows, columns):
    return sweep_grid(u, u, 1.0, f, rows, columns, {weight}, -1.7, 10, "{order}")

@numba.njit
def in_loops(u, f, rows, columns):
    for _ in range(10):
        for i in range(1, rows - 1):
            for j in range(1, columns - 1):
                u[i, j] = {weight} * ({" + ".join(cells[term] for term in order)})
""",
        names,
    )
    (u, f), (expected, _) = arrays(61, 45), arrays(61, 45)
    assert names["swept"](u, f, 61, 45) == 10
    names["in_loops"](expected, f, 61, 45)
    np.testing.assert_array_equal(u, expected)


@numba.njit
def swept_from(u: Any, start: Any, factor: float, f: Any, rows: int, columns: int, steps: int) -> Any:
    return sweep_grid(u, start, factor, f, rows, columns, 0.25, 1.7, steps, "nswef")


@numba.njit
def swept_back_from(
    u_bar: Any, start: Any, factor: float, f_bar: Any, rows: int, columns: int, steps: int
) -> Any:
    return sweep_grid_back(u_bar, start, factor, f_bar, rows, columns, 0.25, 1.7, steps, "=f")


STARTS: dict[str, Any] = {
    "lines": lambda start: start,
    "columns": np.asfortranarray,
    "strided": lambda start: np.repeat(start, 3, axis=1)[:, ::3],
    "backwards": lambda start: start[::-1, ::-1].copy()[::-1, ::-1],
}


@pytest.mark.parametrize("kind", STARTS)
@pytest.mark.parametrize("shape", [(53, 3), (60, 37), (71, 80)])
def test_starts(kind: str, shape: tuple[int, int]) -> None:
    """The grid is a multiple of another array, and the cotangent of what is added is new: all is written."""
    rows, columns = 53, min(shape[1], 30)
    for steps in (10, 25):
        start, f = arrays(*shape)
        expected, others = -1.5 * start, np.zeros(shape)
        given = STARTS[kind](start)
        u, f_bar = np.full(shape, np.nan), np.full(shape, np.nan)
        assert swept_from(u, given, -1.5, f, rows, columns, steps) == steps // 10 * 10
        in_loops(expected, 1.7 * f, rows, columns, 0.25, steps // 10 * 10)
        np.testing.assert_array_equal(u, expected)
        u[...] = np.nan
        assert swept_back_from(u, given, -1.5, f_bar, rows, columns, steps) == steps // 10 * 10
        expected = -1.5 * start
        in_loops_back(expected, others, rows, columns, 0.25, steps // 10 * 10)
        np.testing.assert_allclose(u, expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(f_bar, 1.7 * others, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(given, start)
    smaller = np.full((rows - 1, columns - 1), np.nan)  # as small as what is added may be
    assert swept_back_from(u, given, -1.5, smaller, rows, columns, steps) == 20
    np.testing.assert_array_equal(smaller, f_bar[: rows - 1, : columns - 1])


def test_an_array_that_starts_as_a_multiple_of_itself() -> None:
    (u, f), (expected, _) = arrays(60, 37), arrays(60, 37)
    assert swept_from(u, u, 2.0, f, 57, 31, 10) == 10
    expected *= 2.0
    in_loops(expected, 1.7 * f, 57, 31, 0.25, 10)
    np.testing.assert_array_equal(u, expected)


@pytest.mark.parametrize("kind", STARTS)
def test_too_few_sweeps_to_start(kind: str) -> None:
    """Nothing has been written."""
    start, f = arrays(60, 37)
    for function in (swept_from, swept_back_from):
        u, other = np.full((60, 37), 7.0), f.copy()
        assert function(u, STARTS[kind](start), 2.0, other, 60, 37, 9) == 0
        assert (u == 7.0).all()
        np.testing.assert_array_equal(other, f)


@pytest.mark.parametrize("order", ["nsw", "nswee", "nswex", "nsweff"])
def test_no_order(order: str) -> None:
    with pytest.raises(numba.TypingError, match="does not say what the terms are"):
        numba.njit(lambda u: sweep_grid(u, u, 1.0, u, 60, 60, 0.25, 1.0, 10, order))(np.ones((60, 60)))


def leave_nan(rows: int, columns: int) -> None:
    """Give memory of about the size of the planes back, full of nan: it is what is given out next."""
    size = 2 * (columns + BEFORE + BEHIND) * -(-rows // LANES) * LANES
    arrays = [np.full(size + more, np.nan) for more in (-8, -4, 0, 4, 8, 16)]
    del arrays


@pytest.mark.parametrize("columns", [3, 5, 14, 37])
def test_what_memory_was_before(columns: int) -> None:
    for rows in (53, 55, 60):
        found, expected = arrays(rows, columns), arrays(rows, columns)
        leave_nan(rows, columns)
        swept(*found, rows, columns, 0.25, 20)
        in_loops(*expected, rows, columns, 0.25, 20)
        np.testing.assert_array_equal(found[0], expected[0])
        leave_nan(rows, columns)
        swept_back(*found, rows, columns, 0.25, 20)
        in_loops_back(*expected, rows, columns, 0.25, 20)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [("MALLOC_PERTURB_", "90"), ("MALLOC_PERTURB_", "0"), ("NUMBA_CPU_NAME", "haswell")],
)
def test_memory_and_processors(name: str, value: str) -> None:
    """What is in new memory does not matter, nor whether there are longer vectors."""
    environment = {**os.environ, name: value}
    if name == "NUMBA_CPU_NAME":
        environment["NUMBA_CPU_FEATURES"] = "+avx,+avx2,+fma,+sse4.2"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout[-3000:]


def test_processors_without_these_vectors() -> None:
    text = """
import numba, numpy as np
from ad_compiler.backends.native.run_time.grid_sweeps import sweep_grid
u = np.ones((60, 60))
print(numba.njit(lambda u, f: sweep_grid(u, u, 1.0, f, 60, 60, 0.25, 1.0, 10, "nswef"))(u, u.copy()))
"""
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run(
        [sys.executable, "-c", text], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "0\n"


def test_threads() -> None:
    """Each call has memory of its own."""
    from concurrent.futures import ThreadPoolExecutor

    call = numba.njit(nogil=True)(swept.py_func)
    given = [arrays(60 + n, 50) for n in range(8)]
    expected = [u.copy() for u, _ in given]
    for u, (_, f) in zip(expected, given, strict=True):
        in_loops(u, f, *u.shape, 0.25, 10)
    with ThreadPoolExecutor(4) as pool:
        for (u, f), other in zip(given, expected, strict=True):
            copies = [u.copy() for _ in range(8)]
            counts = pool.map(lambda each, f=f: call(each, f, *each.shape, 0.25, 10), copies)
            assert list(counts) == [10] * 8
            assert all(np.array_equal(each, other) for each in copies)


def test_all_remainders() -> None:
    """Rows of blocks that are special to one sweep or another meet columns that are."""
    for rows, columns in itertools.product((53, 54, 55, 56), range(3, 32)):
        (u, f), (expected, _) = arrays(rows, columns), arrays(rows, columns)
        swept(u, f, rows, columns, 0.25, 10)
        in_loops(expected, f, rows, columns, 0.25, 10)
        np.testing.assert_array_equal(u, expected)
