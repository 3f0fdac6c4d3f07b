"""What this package lowers by itself in compiled code: elements, loops over ranges, types of operators."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba")
if numba.config.DISABLE_JIT:
    pytest.skip("the loops run as Python", allow_module_level=True)

from ad_compiler.backends.native.numba_extensions.inlining import OPTIONS  # noqa: E402
from ad_compiler.backends.native.numba_extensions.releasing import Releasing  # noqa: E402


@functools.cache
def lowered(function: Any) -> Any:
    return numba.njit(function, error_model="numpy", pipeline_class=Releasing)


def agrees(function: Any, given: Callable[[], tuple[Any, ...]]) -> None:
    """Compiled code gives what Python gives, and leaves in its arguments what Python leaves."""
    here, there = given(), given()
    assert plain(lowered(function)(*here)) == plain(function(*there))
    assert plain(here) == plain(there)


def plain(result: Any) -> Any:
    """Lists and numbers of Python's, with the dtypes of arrays."""
    if isinstance(result, np.ndarray):
        return result.dtype, result.tolist()
    if isinstance(result, (tuple, list)):
        return [plain(each) for each in result]
    return result.item() if isinstance(result, np.generic) else result


def numbers_of(start: Any, stop: Any, step: Any, known: Any) -> Any:
    found = [start]
    for i in range(stop):
        found.append(i)
    for i in range(start, stop):
        found.append(i)
    for i in range(start, stop, 1):
        found.append(-i)
    for i in range(stop, start, -1):
        found.append(i)
    for i in range(start, stop, 3):
        found.append(i)
    for i in range(start, stop, step):
        found.append(i)
        if i == known:
            break
    else:
        found.append(known)
    for i in range(len(range(start, stop)) + 1):
        for j in range(i, -1, -1):
            found.append(i * j)
    return found


@pytest.mark.parametrize("start", [-3, 0, 2])
@pytest.mark.parametrize("stop", [-2, 0, 1, 7])
@pytest.mark.parametrize("step", [1, -1, 2, -3])
def test_loops_over_ranges(start: int, stop: int, step: int) -> None:
    agrees(numbers_of, lambda: (start, stop, step, 4))


def test_a_range_of_the_largest_numbers() -> None:
    def last(start: Any, stop: Any) -> Any:
        total = 0
        for i in range(start, stop):
            total += i % 7
        for i in range(stop, start, -1):
            total += i % 5
        return total

    agrees(last, lambda: (2**63 - 4, 2**63 - 1))
    agrees(last, lambda: (-(2**63) + 1, -(2**63) + 5))


def test_a_step_of_zero_is_an_error() -> None:
    def endless(step: Any) -> Any:
        total = 0
        for i in range(0, 3, step):
            total += i
        return total

    with pytest.raises(ValueError, match="zero"):
        lowered(endless)(0)


def moved(a: Any, b: Any, i: Any) -> Any:
    a[i, i] = b[-1] + b[i]
    a[-1, 0] += a[0, -2] * 2
    a[1, i - 2] = a[i - 3, -1] - b[0]
    b[i] -= a[i - 2][i - 1]
    b[-2] = a[(-2, i)]
    return a[0, 0], a[-1, -1], b[i - 3]


def compared(a: Any, b: Any, i: Any) -> Any:
    a[i, i] = b[-1]
    a[-1, 0] = a[0, -2]
    a[1, i - 2] = a[i - 3, -1]
    b[i] = a[i - 2][i - 1]
    b[-2] = a[(-2, i)]
    return a[0, 0] == a[-1, -1], b[i - 3] == b[-4]


def stored(a: Any, how: str) -> Any:
    if how == "in another order":
        return np.asfortranarray(a)
    if how == "apart":
        return np.repeat(a, 2, 1)[:, ::2]
    if how == "not aligned":
        moved = np.frombuffer(bytearray(a.nbytes + 1), np.uint8)[1:].view(a.dtype).reshape(a.shape)
        moved[...] = a
        return moved
    return a


@pytest.mark.parametrize(
    ("dtype", "how"),
    [
        *[(dtype, "contiguous") for dtype in ("float64", "float32", "complex128", "int64", "int32", "bool")],
        *[("float64", how) for how in ("in another order", "apart", "not aligned")],
    ],
)
def test_elements_wherever_they_are(dtype: str, how: str) -> None:
    a, b = np.arange(12).reshape(3, 4).astype(dtype), np.arange(5).astype(dtype)
    agrees(compared if dtype == "bool" else moved, lambda: (stored(a.copy(), how), b.copy(), 2))


def test_elements_of_arrays_of_many_and_of_no_axes() -> None:
    def each(a: Any, b: Any, n: Any) -> Any:
        total = b[()] * 1.0
        for i in range(a.shape[0]):
            for j in range(a.shape[1]):
                for k in range(n):
                    a[i, j, k, -1 - i] += a[i - 1, j, k, 0] + np.uint8(k)
                    total += a[i, j, np.int32(k), np.uint64(0)]
        return total

    agrees(each, lambda: (np.arange(24.0).reshape(2, 3, 2, 2), np.array(3.0), 2))
    agrees(each, lambda: (np.zeros((0, 3, 2, 2)), np.array(3.0), 2))


def test_an_array_under_changing_names() -> None:
    def swapped(a: Any, n: Any) -> Any:
        b = a * 2
        for i in range(n):
            a, b = b, a
            c = a[i : i + 2] if i % 2 else b[:3].copy()
            b[i] += c[0] + a[-1]
            if i == 2:
                b = np.zeros(4)
        return a, b

    agrees(swapped, lambda: (np.arange(4.0), 3))


def test_an_operator_has_the_type_that_its_operands_have() -> None:
    def mixed(x: Any, k: Any, z: Any, flag: Any) -> Any:
        whole = k + 1 + k * k - (k << 2) + flag + flag
        real = x + 1 + x * k - k / 3 + flag * x + (x + x) * (k + k)
        return whole, real, z * x + z + k, (k, x) + (x, k), k + k, x + x

    agrees(mixed, lambda: (2.5, 7, 1j, True))
    agrees(mixed, lambda: (2, 7, 1j, 3))


def larger_and_smaller(n: Any, m: Any, x: Any, flag: Any) -> Any:
    whole = max(n, m), min(n, m), max(n - 1, 0), min(0, m + 1), max(m, 0) - min(m, 0), max(n, 3)
    others = max(x, n), min(m, x), max(x, 0.0), min(flag, flag), max(n, m, 7), min((n, m))
    return whole, others, max(flag, n)


@pytest.mark.parametrize("n", [0, 3, -4, 1 << 62, -(1 << 62)])
def test_the_larger_and_the_smaller_of_two_numbers(n: int) -> None:
    for m in (0, 3, -4, 1 << 62):
        agrees(larger_and_smaller, lambda m=m: (n, m, 2.5, True))  # type: ignore[misc]
    function = numba.njit(lambda n: max(n - 1, 0) + min(n, 5), pipeline_class=Releasing)
    assert function(n >> 2) == max((n >> 2) - 1, 0) + min(n >> 2, 5)
    (text,) = function.inspect_llvm().values()
    assert "ol_max" not in text and "ol_min" not in text


def test_a_name_of_ones_own_is_no_comparison() -> None:
    @numba.njit
    def max(a: Any, b: Any) -> Any:
        return a - b

    assert numba.njit(lambda n: max(n, 2), pipeline_class=Releasing)(9) == 7


def reshaped(a: Any, n: Any, m: Any) -> Any:
    b = a.reshape((n, m))
    c = b.reshape(a.size).reshape((m, n, 1))
    d = np.zeros((n, m)) + b
    if d.size > 0:
        d.reshape((m, n))[0, 0] = 9.0
    return b, c, d, d.reshape((1, n * m)), a[1:].reshape((a.size - 1, 1)) if a.size > 0 else b


@pytest.mark.parametrize("lengths", [(3, 4), (1, 1), (0, 3), (5, 0), (0, 0), (70, 3)])
def test_other_lengths(lengths: tuple[int, int]) -> None:
    for dtype in (np.float64, np.float32, np.int64, np.bool_, np.complex128):
        agrees(reshaped, lambda dtype=dtype: (np.arange(np.prod(lengths)).astype(dtype), *lengths))  # type: ignore[misc]
    a = np.arange(float(np.prod(lengths)))
    for ours, theirs in zip(lowered(reshaped)(a, *lengths), reshaped(a, *lengths), strict=True):
        assert ours.shape == theirs.shape and ours.flags.c_contiguous
        assert np.shares_memory(ours, a) is np.shares_memory(theirs, a)
    a.flags.writeable = False
    assert not lowered(reshaped)(a, *lengths)[0].flags.writeable
    (text, *_) = lowered(reshaped).inspect_llvm().values()
    assert "normalize_reshape" not in text


@pytest.mark.parametrize("lengths", [(2, 3), (-1, 4), (4, -1), (-2, -2), (0, 4), (5, 1)])
def test_lengths_of_another_size(lengths: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="size of new array"):
        lowered(reshaped)(np.zeros(4), *lengths)


def test_transposed_arrays_are_left_to_numba() -> None:
    def turned(a: Any) -> Any:
        return a.T.reshape((3, 1, 2)), a.reshape((6,))

    agrees(turned, lambda: (np.arange(6.0).reshape(2, 3),))


def made(n: Any, m: Any) -> Any:
    a, b, c = np.zeros(n), np.zeros((n, m)), np.zeros((m, 3, n), np.int64)
    d, e, f = np.zeros((2, n), np.bool_), np.zeros(4, np.float32), np.zeros((n, 1), np.complex128)
    g, h, i = np.empty(n), np.empty((m, n), np.float32), np.empty((3, 2))
    g[:] = 1.5
    h[:] = 2.5
    i[:] = 3.5
    if n > 0:
        a[n - 1], f[0, 0] = n, 2j
    return a, b, c, d, e, f, g, h, i


@pytest.mark.parametrize("lengths", [(3, 2), (0, 2), (3, 0), (0, 0), (1, 1), (200, 70)])
def test_new_arrays(lengths: tuple[int, int]) -> None:
    agrees(made, lambda: lengths)
    for ours, theirs in zip(lowered(made)(*lengths), made(*lengths), strict=True):
        assert ours.flags.c_contiguous and ours.flags.writeable and ours.ctypes.data % 32 == 0
        assert ours.strides == theirs.strides or not ours.size


def long_row(n: Any) -> Any:
    return np.empty(n)


def wide(n: Any) -> Any:
    return np.zeros((2, n, 8), np.float32)


@pytest.mark.parametrize(
    ("f", "n", "error"),
    [
        (long_row, -1, ValueError),
        (wide, -(1 << 62), ValueError),
        (long_row, 1 << 60, ValueError),
        (wide, 1 << 58, ValueError),
        (wide, (1 << 63) - 1, ValueError),
        (long_row, 1 << 57, MemoryError),
        (wide, 1 << 53, MemoryError),
    ],
)
def test_arrays_that_cannot_be(f: Any, n: int, error: type[Exception]) -> None:
    for each in (lowered(f), f):
        with pytest.raises(error):
            each(n)


def test_new_arrays_are_not_functions_of_numba() -> None:
    function = numba.njit(made, pipeline_class=Releasing)
    function(3, 2)
    (text,) = function.inspect_llvm().values()
    assert "ol_np_empty" not in text and "ol_np_zeros" not in text and "allocate" not in text


def test_functions_that_only_compiled_code_calls_are_no_machine_code() -> None:
    @numba.njit(**OPTIONS)
    def rooted(x: Any) -> Any:
        if x < 0.0:
            raise ValueError("below zero", 3)
        return np.sqrt(np.zeros(3) + x)

    @numba.njit(**OPTIONS)
    def twice(x: Any) -> Any:
        return rooted(x)[0] + rooted(4.0 * x)[1]

    rooted.compile((numba.float64,))
    (made,) = rooted.overloads.values()
    assert not made.library._codegen._engine.is_symbol_defined(made.fndesc.llvm_func_name)

    @numba.njit(pipeline_class=Releasing)
    def outer(x: Any) -> Any:
        return twice(x) + rooted(x)[2]

    for _ in range(3):
        assert outer(4.0) == 8.0
        with pytest.raises(ValueError, match="below zero") as caught:
            outer(-1.0)
        assert caught.value.args == ("below zero", 3)
