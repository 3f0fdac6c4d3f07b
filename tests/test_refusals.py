"""What is refused: each program with its caret, the reason and the advice.

A line of `^` below a line of a program marks what the error must point at; it is not part of the program.
"""

from __future__ import annotations

import importlib.util
import itertools
import math
import re
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest

from ad_compiler import Unsupported, grad, value_and_grad, vjp

VECTOR = np.array([0.5, 1.5, 2.5])
MATRIX = np.array([[1.0, 2.0], [3.0, 4.0]])
HAS_A_RULE = "write it with NumPy functions that have one (the README lists them)"
ONE_KIND = "give it one kind of value (type, rank) on every path"
BOTH_ONE_KIND = "give both branches one kind of value (type, rank)"
ANY_OR_ALL = "use `.any()` or `.all()`, or choose with `np.where`"
CARRIED_KIND = "give it one kind of value before the loop, and keep it"
SCALAR_ADVICE = "return a scalar (for instance a sum), or use `vjp`, which takes the cotangent of the result"
HEADER = "import dataclasses\nimport math\n\nimport numpy as np\n\nfrom ad_compiler import grad\n\n\n"


class Refused(NamedTuple):
    """A program whose last function is `f`, arguments for it, and what the error must say."""

    name: str
    program: str
    args: tuple[Any, ...]
    reason: str
    advice: str


REFUSED = [
    Refused(
        "set in a loop",
        """
        def f(x, y):
            total = 0.0
            for v in {x, y}:
                     ^^^^^^
                total = total / 2 + v
            return total
        """,
        (1.0, 2.0),
        "a set has no order and is not differentiated",
        "use a tuple or a list",
    ),
    Refused(
        "loop without an exit",
        """
        def f(x):
            while True:
            ^^^^^^^^^^^
                x = 2 * x
        """,
        (1.0,),
        "this loop does not end",
        "leave it with `break` or `return`",
    ),
    Refused(
        "rank changed by a loop of a helper",
        """
        def total(y, n):
            for _ in range(n):
            ^^^^^^^^^^^^^^^^^^
                y = np.sum(y)
            return y

        def f(x, n):
            return total(x, n)
        """,
        (VECTOR, 3),
        "what `y` is must be known while compiling, and it changes from turn to turn: "
        "it is an array of rank 1 first, and a number after a turn",
        CARRIED_KIND,
    ),
    Refused(
        "rank changed by a while loop",
        """
        def f(x):
            while np.sum(x) > 1:
            ^^^^^^^^^^^^^^^^^^^^
                x = x[0]
            return np.sum(x)
        """,
        (VECTOR,),
        "what `x` is must be known while compiling, and it changes from turn to turn: "
        "it is an array of rank 1 first, and a number after a turn",
        CARRIED_KIND,
    ),
    Refused(
        "structure changed by a loop",
        """
        def f(x, n):
            y = x
            for _ in range(n):
                y = (y, x)
            return y
                   ^
        """,
        (1.0, 3),
        "what `y` is here is not known: `y` changes from turn to turn: "
        "it is a number first, and a tuple after a turn",
        ONE_KIND,
    ),
    Refused(
        "function changed by a loop",
        """
        def f(x, n):
            wave = np.sin
            for _ in range(n):
            ^^^^^^^^^^^^^^^^^^
                x = wave(x)
                wave = np.cos
            return x
        """,
        (1.0, 3),
        "what `wave` is must be known while compiling, and it changes from turn to turn: "
        "it is not a number or an array",
        CARRIED_KIND,
    ),
    Refused(
        "loop over a number",
        """
        def f(x):
            total = 0.0
            for v in x:
                     ^
                total += v
            return total
        """,
        (1.0,),
        "a loop runs over a float",
        "run over a range, an array or a container",
    ),
    Refused(
        "range of a real number",
        """
        def f(x):
            y = 1.0
            for _ in range(x):
                     ^^^^^^^^
                y *= x
            return y
        """,
        (2.0,),
        "a bound of a range is not a whole number",
        "convert it with `int`",
    ),
    Refused(
        "loop that returns arrays and numbers",
        """
        def f(x):
            for v in x:
            ^^^^^^^^^^^
                if v > 1:
                    return x
            return np.sum(x)
        """,
        (VECTOR,),
        "one branch gives an array of rank 1, the other a number",
        BOTH_ONE_KIND,
    ),
    Refused(
        "loop that may end without a return",
        """
        def f(x):
            for v in x:
            ^^^^^^^^^^^
                if v > 1:
                    return v
        """,
        (VECTOR,),
        "one of the two branches gives None",
        BOTH_ONE_KIND,
    ),
    Refused(
        "truth of an array in a loop",
        """
        def f(x):
            while x < 10.0:
                  ^^^^^^^^
                x = 2 * x
            return np.sum(x)
        """,
        (VECTOR,),
        "the truth of an array is ambiguous",
        "use `.any()` or `.all()`",
    ),
    Refused(
        "attribute write in a loop",
        """
        class Log:
            calls = 0

        log = Log()

        def f(x):
            total = 0.0
            for v in x:
                log.calls += 1
                ^^^^^^^^^^^^^^
                total += v
            return total
        """,
        (VECTOR,),
        "writing an attribute changes an object in place, which a derivative cannot follow",
        "keep the value in a local name, and return it",
    ),
    Refused(
        "unknown function in a loop",
        """
        def f(x):
            y = 0.0
            while y < 10.0:
                y += np.unique(x)[0]
                     ^^^^^^^^^^^^
            return y
        """,
        (VECTOR,),
        "`numpy.unique` has no derivative rule: it gives as many elements as are different, which a small "
        "change of them alters by jumps",
        "compute the indices before, and index with them",
    ),
    Refused(
        "generator of a local function",
        """
        def f(x):
            def squares():
                for v in x:
                    yield v * v
                    ^^^^^^^^^^^
            return sum(squares())
        """,
        (VECTOR,),
        "a generator cannot be differentiated",
        "return the values together",
    ),
    Refused(
        "real number written into whole ones",
        """
        def f(x):
            counts = np.zeros(3, dtype=int)
            counts[0] = x
            ^^^^^^^^^
            return x * np.sum(counts)
        """,
        (1.5,),
        "a real number is written into an array of whole numbers",
        "make it a float array",
    ),
    Refused(
        "real number written into an argument of whole ones",
        """
        def f(x, counts):
            for i in range(len(counts)):
                counts[i] = i * x
                ^^^^^^^^^
            return x * np.sum(counts)
        """,
        (1.5, np.array([1, 2])),
        "a real number is written into an array of whole numbers",
        "make it a float array",
    ),
    Refused(
        "shape written",
        """
        def f(x):
            y = 2 * x
            y.shape = (3, 1)
            ^^^^^^^
            return np.sum(y)
        """,
        (VECTOR,),
        "writing an attribute changes an object in place, which a derivative cannot follow",
        "keep the value in a local name, and return it",
    ),
    Refused(
        "resizing in place",
        """
        def f(x):
            y = 2 * x
            y.resize(5)
            ^^^^^^^^^^^
            return np.sum(y)
        """,
        (VECTOR,),
        "the method `resize` of an array cannot be differentiated",
        "use functions the README lists",
    ),
    Refused(
        "unknown NumPy function",
        """
        def f(x):
            return np.sum(np.unique(x))
                          ^^^^^^^^^^^^
        """,
        (VECTOR,),
        "`numpy.unique` has no derivative rule: it gives as many elements as are different, which a small "
        "change of them alters by jumps",
        "compute the indices before, and index with them",
    ),
    Refused(
        "unknown function of the standard library",
        """
        import statistics

        def f(x):
            return statistics.mean([x, 2.0])
                   ^^^^^^^^^^^^^^^^^^^^^^^^^
        """,
        (1.0,),
        "`statistics.mean` has no derivative rule",
        HAS_A_RULE,
    ),
    Refused(
        "unknown function in a helper",
        """
        def rank(m):
            return 1.0 * np.unique(m)[0]
                         ^^^^^^^^^^^^

        def f(x):
            return rank(x)
        """,
        (MATRIX,),
        "`numpy.unique` has no derivative rule: it gives as many elements as are different, which a small "
        "change of them alters by jumps",
        "compute the indices before, and index with them",
    ),
    Refused(
        "unknown method",
        """
        def f(x):
            return x.dump("file")
                   ^^^^^^^^^^^^^^
        """,
        (VECTOR,),
        "the method `dump` of an array cannot be differentiated",
        "use functions the README lists",
    ),
    Refused(
        "unknown keyword",
        """
        def f(x):
            return np.var(x, where=x > 0)
                   ^^^^^^^^^^^^^^^^^^^^^^
        """,
        (VECTOR,),
        "the argument `where` of `np.var` is not supported",
        "write the same without it; supported are a, axis, ddof, keepdims",
    ),
    Refused(
        "attribute write",
        """
        class Log:
            last = 0.0

        log = Log()

        def f(x):
            log.last = x
            ^^^^^^^^
            return x * x
        """,
        (1.0,),
        "writing an attribute changes an object in place, which a derivative cannot follow",
        "keep the value in a local name, and return it",
    ),
    Refused(
        "augmented attribute write",
        """
        class Log:
            calls = 0

        log = Log()

        def f(x):
            log.calls += 1
            ^^^^^^^^^^^^^^
            return x * x
        """,
        (1.0,),
        "writing an attribute changes an object in place, which a derivative cannot follow",
        "keep the value in a local name, and return it",
    ),
    Refused(
        "branches of different ranks",
        """
        def f(x, c):
            if c > 0:
                y = x
            else:
                y = np.sum(x)
            return np.sum(y * y)
                          ^
        """,
        (VECTOR, 1.0),
        "what `y` is here is not known: one branch gives an array of rank 1, the other a number",
        ONE_KIND,
    ),
    Refused(
        "branches of different dtypes",
        """
        def f(x, c):
            if c > 0:
                y = x
            else:
                y = x.astype(np.float32)
            return np.sum(y)
                          ^
        """,
        (VECTOR, 1.0),
        "what `y` is here is not known: the two branches give arrays of float64 and float32",
        ONE_KIND,
    ),
    Refused(
        "ternary of different ranks",
        """
        def f(x, c):
            y = x if c > 0 else 0.0
                ^^^^^^^^^^^^^^^^^^^
            return np.sum(y)
        """,
        (VECTOR, 1.0),
        "one branch gives an array of rank 1, the other a number",
        BOTH_ONE_KIND,
    ),
    Refused(
        "name bound in one branch",
        """
        def f(x):
            if x > 0:
                y = x
            return 2 * y
                       ^
        """,
        (1.0,),
        "what `y` is here is not known: `y` is bound in one branch only",
        ONE_KIND,
    ),
    Refused(
        "path without a return",
        """
        def f(x):
            if x > 0:
            ^^^^^^^^^
                return x
        """,
        (1.0,),
        "one of the two branches gives None",
        BOTH_ONE_KIND,
    ),
    Refused(
        "returns of different ranks",
        """
        def f(x):
            if x[0] > 0:
            ^^^^^^^^^^^^
                return np.sum(x)
            return x
        """,
        (VECTOR,),
        "one branch gives a number, the other an array of rank 1",
        BOTH_ONE_KIND,
    ),
    Refused(
        "unknown item",
        """
        def f(x, i):
            return (x, 2 * x)[i > 0]
                   ^^^^^^^^^^^^^^^^^
        """,
        (1.0, 1),
        "which item is meant is not known while compiling",
        "use a constant index, or an array",
    ),
    Refused(
        "unpacking too few",
        """
        def f(pair):
            a, b, c = pair
            ^^^^^^^
            return a * b
        """,
        ((1.0, 2.0),),
        "2 values are unpacked into 3 names",
        "match them",
    ),
    Refused(
        "axis that is no int",
        """
        def f(x, axis):
        ^^^^^^^^^^^^^^^
            return np.sum(np.sum(x, axis=axis))
        """,
        (VECTOR, 0.0),
        "`axis` must be a whole number known while compiling (as an axis is), and it is a float",
        "pass a Python int",
    ),
    Refused(
        "truth of an array",
        """
        def f(x):
            if x > 0:
            ^^^^^^^^^
                return np.sum(x)
            return 0.0
        """,
        (VECTOR,),
        "the truth of an array is ambiguous",
        ANY_OR_ALL,
    ),
    Refused(
        "and of arrays",
        """
        def f(x):
            return np.sum(np.where((x > 0) and (x < 1), x, 0))
                                   ^^^^^^^^^^^^^^^^^^^
        """,
        (VECTOR,),
        "the truth of an array is ambiguous",
        ANY_OR_ALL,
    ),
    Refused(
        "chained comparison of arrays",
        """
        def f(x):
            return np.sum(np.where(0 < x < 1, x, 0))
                                   ^^^^^^^^^
        """,
        (VECTOR,),
        "the truth of an array is ambiguous",
        ANY_OR_ALL,
    ),
    Refused(
        "not of an array",
        """
        def f(x):
            return np.sum(np.where(not x, x, 0))
                                   ^^^^^
        """,
        (VECTOR,),
        "the truth of an array is ambiguous",
        "use `.any()`, `.all()` or `np.logical_not`",
    ),
    Refused(
        "global statement",
        """
        count = 0

        def f(x):
            global count
            ^^^^^^^^^^^^
            count = count + 1
            return x
        """,
        (1.0,),
        "writing a global is a side effect that a derivative cannot follow",
        "return the value",
    ),
    Refused(
        "class inside",
        """
        def f(x):
            class Local:
            ^^^^^^^^^^^^
                pass
            return x
        """,
        (1.0,),
        "a class is defined inside of a differentiated function",
        "define it outside",
    ),
    Refused(
        "set",
        """
        def f(x):
            return sum({x, 2.0})
                       ^^^^^^^^
        """,
        (1.0,),
        "a set has no order and is not differentiated",
        "use a tuple or a list",
    ),
    Refused(
        "generator function",
        """
        def f(x):
        ^^^^^^^^^
            yield x
        """,
        (1.0,),
        "`f` is a generator, whose body does not run when it is called",
        "return the values in a tuple, a list or an array",
    ),
    Refused(
        "async function",
        """
        async def f(x):
        ^^^^^^^^^^^^^^^
            return x
        """,
        (1.0,),
        "`f` is an async function, whose body does not run when it is called",
        "await outside, and differentiate a plain function",
    ),
    Refused(
        "recursion without end",
        """
        def f(x):
            return x * f(x - 1)
                       ^^^^^^^^
        """,
        (3.0,),
        "this recursion does not end while compiling: what ends it is known at run time only",
        "rewrite it without recursion",
    ),
    Refused(
        "undefined name",
        """
        def f(x):
            return x * undefined
                       ^^^^^^^^^
        """,
        (1.0,),
        "the name `undefined` is not defined",
        "define it before it is used",
    ),
    Refused(
        "text",
        """
        def f(x):
            return x + "one"
                   ^^^^^^^^^
        """,
        (1.0,),
        "a str stands where a number or an array is needed",
        "use its parts",
    ),
    Refused(
        "array result",
        """
        def f(x):
        ^^^^^^^^^
            return 2 * x
        """,
        (VECTOR,),
        "the function returns an array of float64 and rank 1, and a gradient is defined for a single number",
        SCALAR_ADVICE,
    ),
    Refused(
        "tuple result",
        """
        def f(x):
        ^^^^^^^^^
            return x, 2 * x
        """,
        (1.0,),
        "the function returns a tuple, and a gradient is defined for a single number",
        SCALAR_ADVICE,
    ),
    Refused(
        "no result",
        """
        def f(x):
        ^^^^^^^^^
            x * x
        """,
        (1.0,),
        "the function returns None, and a gradient is defined for a single number",
        SCALAR_ADVICE,
    ),
    Refused(
        "array of objects",
        """
        def f(x):
        ^^^^^^^^^
            return np.sum(x)
        """,
        (np.array([1.0, None]),),
        "`x` is an array of object, and only numbers are differentiated",
        "pass an array of floats, ints, bools or complex numbers",
    ),
    Refused(
        "masked array",
        """
        def f(x):
        ^^^^^^^^^
            return np.sum(x * x)
        """,
        (np.ma.masked_array(VECTOR, [True, False, False]),),
        "`x` is a MaskedArray, not a plain array",
        "pass `np.asarray` of it (of a masked array `.filled(...)`)",
    ),
    Refused(
        "matrix",
        """
        def f(x):
        ^^^^^^^^^
            return np.sum(x)
        """,
        (MATRIX.view(np.matrix),),
        "`x` is a matrix, not a plain array",
        "pass `np.asarray` of it (of a masked array `.filled(...)`)",
    ),
    Refused(
        "argument without numbers",
        """
        def f(x):
        ^^^^^^^^^
            return 2.0
        """,
        ("text",),
        "the argument `x` holds no number to differentiate",
        "name another one in `argnums`",
    ),
    Refused(
        "characters wider than a byte",
        """
        def f(θ):
            return "größer" and np.unique(θ)
                                ^^^^^^^^^^^^
        """,
        (VECTOR,),
        "`numpy.unique` has no derivative rule: it gives as many elements as are different, which a small "
        "change of them alters by jumps",
        "compute the indices before, and index with them",
    ),
]

_numbers = itertools.count(1)


class Program(NamedTuple):
    """A program in a file, and where the error must point: line, first column, column behind the last."""

    module: ModuleType
    path: Path
    lineno: int
    offset: int
    end_offset: int


def program_of(text: str, folder: Path) -> Program:
    """Write the program to a file, without the line of carets, and import it."""
    lines = (HEADER + textwrap.dedent(text).strip("\n")).split("\n")
    marks = [number for number, line in enumerate(lines) if re.fullmatch(r" *\^+", line)]
    assert len(marks) == 1, "one line of carets marks the place"
    (mark,) = marks
    first, last = lines[mark].index("^"), len(lines[mark])
    path = folder / f"refused_{next(_numbers)}.py"
    path.write_text("\n".join(lines[:mark] + lines[mark + 1 :]) + "\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Program(module, path, mark, first + 1, last + 1)


def refusal_of(action: Callable[[], Any]) -> Unsupported:
    with pytest.raises(Unsupported) as caught:
        action()
    return caught.value


@pytest.mark.parametrize("refused", REFUSED, ids=[refused.name for refused in REFUSED])
def test_refusal(refused: Refused, tmp_path: Path) -> None:
    assert_refused(refused, tmp_path)


def assert_refused(refused: Refused, tmp_path: Path) -> None:
    """The refusal says what it must, points at the place, and is the same at a second call."""
    program = program_of(refused.program, tmp_path)
    derivative = grad(program.module.f)
    error = refusal_of(lambda: derivative(*refused.args))
    assert error.reason == refused.reason.format(module=program.module.__name__)
    assert error.advice == refused.advice
    assert error.filename == str(program.path)
    assert (error.lineno, error.offset, error.end_offset) == program[2:]
    assert error.text is not None
    assert error.text.rstrip("\n") == program.path.read_text(encoding="utf-8").split("\n")[program.lineno - 1]
    again = refusal_of(lambda: derivative(*refused.args))
    assert str(again) == str(error), "a second call says the same"


@pytest.mark.parametrize("refused", REFUSED[:3], ids=[refused.name for refused in REFUSED[:3]])
@pytest.mark.parametrize("make", [value_and_grad, lambda f: lambda *args: vjp(f, *args)])
def test_other_modes_refuse_the_same(make: Any, refused: Refused, tmp_path: Path) -> None:
    program = program_of(refused.program, tmp_path)
    error = refusal_of(lambda: make(program.module.f)(*refused.args))
    assert (error.reason, error.lineno) == (refused.reason, program.lineno)


def test_traceback_shows_the_line_with_a_caret(tmp_path: Path) -> None:
    (refused,) = [refused for refused in REFUSED if refused.name == "rank changed by a while loop"]
    program = program_of(refused.program, tmp_path)
    error = refusal_of(lambda: grad(program.module.f)(*refused.args))
    assert "".join(traceback.format_exception_only(error)) == (
        f'  File "{program.path}", line {program.lineno}\n'
        "    while np.sum(x) > 1:\n"
        "    ^^^^^^^^^^^^^^^^^^^^\n"
        f"ad_compiler.errors.Unsupported: {refused.reason}\n"
        f"    Instead: {refused.advice}\n"
    )


def test_a_refused_branch_that_is_not_taken_is_not_lowered() -> None:
    def f(x, over_a_set=False):
        if over_a_set:
            for v in {x, 2 * x}:
                x = x * v
        return x * x

    assert grad(f)(3.0) == 6.0
    assert "a set" in refusal_of(lambda: grad(f)(3.0, True)).reason


def test_a_refusal_for_one_kind_of_argument_leaves_the_others_alone() -> None:
    def f(x):
        return 2.0 * x

    derivative = grad(f)
    assert derivative(1.0) == 2.0
    assert "rank 1" in refusal_of(lambda: derivative(VECTOR)).reason
    assert derivative(1.0) == 2.0


def test_nonlocal() -> None:
    count = 0

    def f(x):
        nonlocal count
        count = count + 1
        return x * count

    error = refusal_of(lambda: grad(f)(1.0))
    assert error.reason == "writing an outer variable is a side effect that a derivative cannot follow"
    assert error.filename == __file__
    assert error.lineno == f.__code__.co_firstlineno + 1


def test_text_that_was_not_kept() -> None:
    namespace: dict[str, Any] = {}
    exec("def f(x):\n    return x * x", namespace)
    error = refusal_of(lambda: grad(namespace["f"])(1.0))
    assert error.reason == "the text of `f` was run by `exec` and has not been kept"
    assert "linecache" in error.advice


@pytest.mark.parametrize("function", [math.sin, np.sin, float, len])
def test_function_not_written_in_python(function: Any) -> None:
    error = refusal_of(lambda: grad(function))
    assert "not a function written in Python, so it has no text to read" in error.reason
    assert error.advice == "write a Python function (`def` or `lambda`) that computes the same"


def f(x, y):
    return x * y


@pytest.mark.parametrize(
    ("argnums", "message"),
    [
        (2, "argnums 2 is out of range for 2 arguments"),
        (-3, "argnums -3 is out of range for 2 arguments"),
        ("z", "f has no argument 'z'; it has x, y"),
        ((0, "z"), "f has no argument 'z'; it has x, y"),
        ((), "must name at least one argument, and none twice"),
        ((0, 0), "must name at least one argument, and none twice"),
        ((1, "y"), "must name at least one argument, and none twice"),
    ],
)
@pytest.mark.parametrize("make", [grad, value_and_grad])
def test_argnums_that_do_not_fit(make: Any, argnums: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make(f, argnums)


@pytest.mark.parametrize("argnums", [1.5, None, (0, 1.5), (0, (1,))])
def test_argnums_of_another_type(argnums: Any) -> None:
    with pytest.raises(TypeError, match="argnums"):
        grad(f, argnums)


@pytest.mark.parametrize("thing", [3, "f", [f]])
def test_what_is_no_function(thing: Any) -> None:
    with pytest.raises(TypeError, match="a function is needed, not"):
        grad(thing)


def test_unknown_backend() -> None:
    with pytest.raises(ValueError, match="there is no backend 'jax'; there are 'numpy' and 'numba'"):
        grad(f, backend="jax")


@pytest.mark.parametrize(
    ("args", "keywords"),
    [((1.0,), {}), ((1.0, 2.0, 3.0), {}), ((1.0, 2.0), {"z": 3.0}), ((1.0,), {"x": 2.0})],
)
def test_arguments_that_do_not_fit(args: Any, keywords: Any) -> None:
    derivative = grad(f)
    with pytest.raises(TypeError):
        derivative(*args, **keywords)
    assert derivative(1.0, 2.0) == 2.0
    with pytest.raises(TypeError):
        derivative(*args, **keywords)


def test_has_aux_needs_a_pair() -> None:
    error = refusal_of(lambda: grad(f, has_aux=True)(1.0, 2.0))
    assert error.reason == "with `has_aux` the function must return (value, aux)"
    assert error.lineno == f.__code__.co_firstlineno


@pytest.mark.parametrize(
    ("cotangent", "error"),
    [
        (1.0, TypeError),
        ((1.0,), TypeError),
        ((1.0, 1.0), ValueError),
        ((1.0, np.ones(2)), ValueError),
        ((np.ones(3), np.ones(3)), ValueError),
        ({"a": 1.0, "b": 2.0}, TypeError),
    ],
)
def test_cotangent_that_does_not_fit(cotangent: Any, error: type[Exception]) -> None:
    def pair(x):
        return np.sum(x), 2 * x

    _, pullback = vjp(pair, VECTOR)
    with pytest.raises(error, match="cotangent"):
        pullback(cotangent)


@pytest.mark.parametrize(("left", "right"), [((3,), (4,)), ((2, 3), (3, 2)), ((2, 3), (2,))])
def test_shapes_that_do_not_fit_raise_as_in_the_function_itself(left: Any, right: Any) -> None:
    def total(x, y):
        return np.sum(x * y)

    x, y = np.ones(left), np.ones(right)
    with pytest.raises(ValueError, match="broadcast"):
        total(x, y)
    derivative = grad(total, (0, 1))
    derivative(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="broadcast"):
        derivative(x, y)


def test_matrices_that_do_not_fit_raise_as_in_the_function_itself() -> None:
    def total(x):
        return np.sum(x @ np.ones((4, 4)))

    with pytest.raises(ValueError, match="mismatch"):
        total(np.ones(3))
    with pytest.raises((ValueError, Unsupported)):
        grad(total)(np.ones(3))
