"""`raise` in guards, `try`, `with`, `del` and declarations."""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path
from typing import Any

import pytest

from ad_compiler import grad
from tests.helpers import assert_gradient_matches_finite_differences, function_from_source
from tests.test_refusals import Refused, assert_refused


def fail_if(v):
    if v < 0:
        raise ArithmeticError("no")
    return math.sqrt(v)


LOG: list[float] = []


@contextlib.contextmanager
def scaled(s):
    t = s * 2
    try:
        yield t
    finally:
        print(end="")


class Manager:
    def __init__(self, s):
        self.s = s

    def __enter__(self):
        return self.s

    def __exit__(self, *exception):
        return None


NAMES = {name: value for name, value in globals().items() if not name.startswith("__")}

PROGRAMS = [
    """
    def f(x, y):
        if x < 0: raise ArithmeticError("neg")
        return x * y
    """,
    """
    def f(x, y):
        if x > 0:
            return x * y
        raise ValueError(f"bad {x}")
    """,
    """
    def f(x, y):
        if x < 0:
            message = f"bad {x:.2f}"
            raise TypeError(message, x)
        elif x > 100:
            raise OverflowError
        else:
            r = x * y
        return r * x
    """,
    """
    def f(x, y):
        if x > 100: raise KeyError("a") from None
        if x > 0:
            y = y * x
        else:
            raise np.linalg.LinAlgError("b")
        return y * y
    """,
    """
    def f(x, y):
        return fail_if(x) * fail_if(y)
    """,
    """
    def f(x, y):
        try:
            r = x / y
        except ZeroDivisionError:
            r = 0.0
        return r * r
    """,
    """
    def f(x, y):
        try:
            return x / y
        except ZeroDivisionError:
            return 0.0
        finally:
            print(end="")
    """,
    """
    def f(x, y):
        t = 0.0
        try:
            t += math.log(y)
        except (ValueError, TypeError) as e:
            return -math.inf
        else:
            t *= x
        finally:
            t = t + 0.1 * x
        return t
    """,
    """
    def f(x, y):
        try:
            if x > 1:
                return math.log(y) * x
            r = x / y
        except ValueError:
            r = 2.0
        return r
    """,
    """
    def f(x, y):
        with np.errstate(divide="ignore", invalid="ignore"):
            r = np.log(x) / y
        return r * x
    """,
    """
    def f(x, y):
        with np.errstate(all="ignore"), contextlib.nullcontext(y) as z:
            return z * x
    """,
    """
    def f(x, y):
        with scaled(y) as z:
            r = z * x
        return r * z
    """,
    """
    def f(x, y):
        with scaled(y) as z:
            if x > 1:
                return z * x
        return y
    """,
    """
    def f(x, y):
        with Manager(y) as z:
            r = z * x
        return r
    """,
    """
    def f(x, y):
        z = x * y
        del x
        return z
    """,
    """
    def f(x, y):
        global LOG
        return x * y * (1 + len(LOG))
    """,
    """
    def f(x, y):
        "Doc."
        ...
        a: float = x
        assert a > 0, "positive"
        pass
        return a * y
    """,
    """
    def f(x, y):
        if x < 0:
            if y < 0:
                raise ValueError("a")
            else:
                raise TypeError("b")
        return x * y
    """,
]


@pytest.mark.parametrize("text", PROGRAMS)
def test_gradient(text: str) -> None:
    f = function_from_source(text, **NAMES)
    assert_gradient_matches_finite_differences(f, (1.7, 2.9))


RAISING: list[tuple[str, tuple[float, ...], Any, str]] = [
    (
        """
        def f(x):
            if x < 0:
                raise KeyError(f"negative: {x}")
            return x * x
        """,
        (-1.0,),
        KeyError,
        "negative: -1.0",
    ),
    (
        """
        def f(x):
            if x > 0:
                return x * x
            what = "low"
            raise ArithmeticError(what)
        """,
        (-1.0,),
        ArithmeticError,
        "low",
    ),
    (
        """
        def f(x, n):
            if n < 1:
                if n < -5:
                    raise ValueError("deep")
                raise TypeError("shallow")
            return x**n
        """,
        (2.0, -1),
        TypeError,
        "shallow",
    ),
    (
        """
        def f(x, y):
            try:
                z = math.log(y) + x
            except ValueError:
                z = 3 * x
            return z
        """,
        (1.0, -1.0),
        ValueError,
        "math domain error",
    ),
    (
        """
        def f(x, y):
            try:
                checked = 1 / y
                return 2 * x
            except ZeroDivisionError:
                return 3 * x
        """,
        (1.0, 0.0),
        ZeroDivisionError,
        "division by zero",
    ),
]


@pytest.mark.parametrize(("text", "args", "error", "message"), RAISING)
def test_the_derivative_raises(text: str, args: Any, error: Any, message: str) -> None:
    """What a guard raises, and what a handler of the program would have caught: never a wrong gradient."""
    derivative = grad(function_from_source(text))
    with pytest.raises(error, match=message):
        derivative(*args)


def test_a_guard_is_written_as_a_guard() -> None:
    source = grad(function_from_source(RAISING[0][0])).source_for(1.0)
    assert '    if x < 0:\n        raise KeyError(f"negative: {x}")\n' in source


@contextlib.contextmanager
def timed(label):
    start = time.perf_counter()
    try:
        yield
    finally:
        print(label, time.perf_counter() >= start)


class Timer:
    def __enter__(self):
        self.start = time.monotonic()
        return self

    def __exit__(self, *args):
        self.elapsed = time.monotonic() - self.start


def test_timers(capsys: Any) -> None:
    def f(x):
        with timed("f"), Timer():
            y = x * x
        return y

    derivative = grad(f)
    assert derivative(3.0) == 6.0
    assert capsys.readouterr().out == "f True\n"
    assert derivative.source.startswith("import numpy as np\nimport time\n")


def test_clocks_are_not_shared() -> None:
    f = function_from_source(
        "def f(x):\n    a = time.time()\n    b = time.time()\n    return x * (b - a + 1)", time=time
    )
    assert grad(f).source_for(1.0).count("time.time()") == 2


REFUSED = [
    Refused(
        "always raises",
        """
        def f(x):
            raise ValueError("no")
            ^^^^^^^^^^^^^^^^^^^^^^
        """,
        (1.0,),
        "this `raise` is reached whatever the numbers are",
        "raise under a condition: `if ...:`",
    ),
    Refused(
        "an exception of the user",
        """
        class Diverged(Exception):
            pass

        def f(x):
            if x < 0:
                raise Diverged("x")
                ^^^^^^^^^^^^^^^^^^^
            return x
        """,
        (1.0,),
        "`Diverged` is not an exception that Python or NumPy define",
        "raise a built-in one, as ValueError",
    ),
    Refused(
        "raise that is caught",
        """
        def f(x):
            try:
                if x < 0:
                    raise ValueError("no")
                    ^^^^^^^^^^^^^^^^^^^^^^
                return x
            except ValueError:
                return 0.0
        """,
        (1.0,),
        "this `raise` may be caught by the program itself",
        "choose with `if` and `else`",
    ),
    Refused(
        "return in finally",
        """
        def f(x):
            try:
                y = x
            finally:
                return y
                ^^^^^^^^
        """,
        (1.0,),
        "`finally` is left early",
        "leave after the `try`",
    ),
    Refused(
        "NumPy told to raise",
        """
        def f(x):
            with np.errstate(divide="raise"):
                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^
                return 1 / x
        """,
        (1.0,),
        "under this setting NumPy raises exceptions, and its derivative would raise others",
        "check the numbers with `if ...: raise`",
    ),
    Refused(
        "a manager of a library",
        """
        import threading

        lock = threading.Lock()

        def f(x):
            with lock:
                 ^^^^
                return x * x
        """,
        (1.0,),
        "what this context manager does is not known",
        "enter it around the call of the gradient",
    ),
    Refused(
        "a deleted name",
        """
        def f(x):
            y = x * x
            del y
            return y
                   ^
        """,
        (1.0,),
        "the name `y` is not defined",
        "define it before it is used",
    ),
    Refused(
        "nonlocal",
        """
        def f(x):
            total = x

            def forget():
                nonlocal total
                ^^^^^^^^^^^^^^
                del total

            forget()
            return x
        """,
        (1.0,),
        "writing an outer variable in another way than by `=` is a side effect "
        "that a derivative cannot follow",
        "return the value",
    ),
]


@pytest.mark.parametrize("refused", REFUSED, ids=[refused.name for refused in REFUSED])
def test_refusal(refused: Refused, tmp_path: Path) -> None:
    assert_refused(refused, tmp_path)
