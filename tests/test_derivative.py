"""The object a user holds: what it reads from outside, what it shows, and that it survives a process."""

from __future__ import annotations

import bdb
import copy
import functools
import inspect
import linecache
import math
import multiprocessing
import pickle
import pydoc
import sys
import threading
import traceback
from typing import Any

import numpy as np
import pytest

from ad_compiler import Unsupported, grad, parsing, value_and_grad, vjp
from ad_compiler.frontend import code_of_text
from tests.helpers import assert_gradient_matches_finite_differences, function_from_source

VECTOR = np.array([0.5, -1.5, 2.5])


# Globals and cells are read when the derivative is called.

scale: Any = 2.0
squared = True
settings: Any = {"scale": 2.0, "power": 2}
table: Any = np.array([1.0, 2.0, 3.0])


def helper(x):
    return x * x


def with_global(x):
    return scale * x * x


def with_flag(x):
    return x * x if squared else x


def with_settings(x):
    return settings["scale"] * x ** settings["power"]


def with_table(x):
    return np.sum(table * x)


def with_helper(x):
    return 2.0 * helper(x)


def test_global_number(monkeypatch: pytest.MonkeyPatch) -> None:
    derivative = grad(with_global)
    assert derivative(3.0) == 12.0
    for other in (5.0, 5, np.float32(5.0), np.array(5.0)):
        monkeypatch.setitem(globals(), "scale", other)
        assert derivative(3.0) == 30.0
    monkeypatch.setitem(globals(), "scale", np.ones(2))
    with pytest.raises(Unsupported, match="rank 1"):
        derivative(3.0)
    monkeypatch.setitem(globals(), "scale", "text")
    with pytest.raises(Unsupported, match="a str stands where a number or an array is needed"):
        derivative(3.0)
    monkeypatch.undo()
    assert derivative(3.0) == 12.0


def test_global_that_disappears(monkeypatch: pytest.MonkeyPatch) -> None:
    derivative = grad(with_global)
    assert derivative(3.0) == 12.0
    monkeypatch.delitem(globals(), "scale")
    with pytest.raises((NameError, KeyError, Unsupported)):
        derivative(3.0)
    monkeypatch.undo()
    assert derivative(3.0) == 12.0


def test_global_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    derivative = grad(with_flag)
    assert derivative(3.0) == 6.0
    monkeypatch.setitem(globals(), "squared", False)
    assert derivative(3.0) == 1.0
    monkeypatch.undo()
    assert derivative(3.0) == 6.0


def test_global_dict(monkeypatch: pytest.MonkeyPatch) -> None:
    derivative = grad(with_settings)
    assert derivative(3.0) == 12.0
    monkeypatch.setitem(settings, "scale", 5.0)
    assert derivative(3.0) == 30.0
    monkeypatch.setitem(settings, "power", 3)
    assert derivative(3.0) == 135.0
    monkeypatch.setitem(settings, "more", "text")
    assert derivative(3.0) == 135.0


def test_global_array(monkeypatch: pytest.MonkeyPatch) -> None:
    derivative = grad(with_table)
    np.testing.assert_array_equal(derivative(VECTOR), [1.0, 2.0, 3.0])
    derivative(VECTOR)[:] = 99.0
    np.testing.assert_array_equal(table, [1.0, 2.0, 3.0])
    table[0] = 10.0
    np.testing.assert_array_equal(derivative(VECTOR), [10.0, 2.0, 3.0])
    table[0] = 1.0
    monkeypatch.setitem(globals(), "table", np.arange(4.0))
    np.testing.assert_array_equal(derivative(np.ones(4)), np.arange(4.0))
    monkeypatch.setitem(globals(), "table", np.ones((2, 1)))
    np.testing.assert_array_equal(derivative(VECTOR), [2.0, 2.0, 2.0])


def test_helper_defined_again(monkeypatch: pytest.MonkeyPatch) -> None:
    derivative = grad(with_helper)
    assert derivative(3.0) == 12.0
    monkeypatch.setitem(globals(), "helper", function_from_source("def helper(x):\n    return x * x * x\n"))
    assert derivative(3.0) == 54.0
    monkeypatch.setitem(globals(), "helper", math.sqrt)
    assert derivative(4.0) == 0.5
    monkeypatch.undo()
    assert derivative(3.0) == 12.0


def closure():
    factor: Any = 2.0

    def f(x):
        return factor * x

    def change(value: Any) -> None:
        nonlocal factor
        factor = value

    return f, change


def test_cell_of_a_closure() -> None:
    f, change = closure()
    derivative = grad(f)
    assert derivative(1.0) == 2.0
    for value in (5.0, 7, np.float64(9.0)):
        change(value)
        assert derivative(1.0) == value
    other, _ = closure()
    assert grad(other)(1.0) == 2.0
    assert derivative(1.0) == 9.0


def test_functions_made_in_a_loop_are_told_apart() -> None:
    derivatives = [grad(function) for function in [lambda x, n=n: n * x for n in (1.0, 2.0, 3.0)]]
    assert [each(5.0) for each in derivatives] == [1.0, 2.0, 3.0]


# Methods.


class Model:
    def __init__(self, weight: Any) -> None:
        self.weight = weight
        self.table = np.array([1.0, 2.0])

    def loss(self, x):
        return self.weight * np.sum(self.table * self.squared(x))

    def squared(self, x):
        return x * x

    @grad
    def slope(self, x):
        """The slope."""
        return self.weight * x * x

    @value_and_grad(argnums="y")
    def both(self, x, y=3.0):
        return self.weight * x * y

    @staticmethod
    def static(x):
        return x * x

    @classmethod
    def of_class(cls, x):
        return x * x

    @property
    def doubled(self):
        return 2.0 * self.weight

    def with_property(self, x):
        return self.doubled * x


def test_bound_method() -> None:
    one, two = Model(1.0), Model(2.0)
    np.testing.assert_array_equal(grad(one.loss)(np.ones(2)), [2.0, 4.0])
    np.testing.assert_array_equal(grad(two.loss)(np.ones(2)), [4.0, 8.0])
    two.weight = 10.0
    two.table = np.array([1.0, 1.0])
    np.testing.assert_array_equal(grad(two.loss)(np.ones(2)), [20.0, 20.0])
    two.weight = 3
    np.testing.assert_array_equal(grad(two.loss)(np.ones(2)), [6.0, 6.0])
    assert vjp(one.loss, np.ones(2))[1](1.0)[0].tolist() == [2.0, 4.0]


def test_decorated_method() -> None:
    one, two = Model(1.0), Model(2.0)
    assert (one.slope(3.0), two.slope(3.0), one.slope(3.0)) == (6.0, 12.0, 6.0)
    assert two.both(5.0) == (30.0, 10.0)
    assert two.both(5.0, y=1.0) == (10.0, 10.0)
    assert one.slope is one.slope
    assert one.slope.primal(3.0) == 9.0
    assert "weight" in one.slope.source
    assert Model.slope.__doc__ == "The slope."


def test_methods_without_an_instance() -> None:
    assert grad(Model.static)(3.0) == 6.0
    assert grad(Model.of_class)(3.0) == 6.0
    assert grad(Model(1.0).static)(3.0) == 6.0


def test_property_of_self() -> None:
    assert grad(Model(2.0).with_property)(3.0) == 4.0


# What it shows.


def documented(x: float, y: float = 2.0, *rest: float, scale: float = 1.0) -> float:
    """What it is for."""
    return x * y * scale + sum(rest)


def test_it_looks_like_its_function() -> None:
    derivative = grad(documented)
    assert inspect.signature(derivative) == inspect.signature(documented)
    assert derivative.__name__ == "documented"
    assert derivative.__qualname__ == "documented"
    assert derivative.__module__ == __name__
    assert derivative.__doc__ == "What it is for."
    assert vars(derivative)["__wrapped__"] is documented
    assert derivative.primal is documented
    assert repr(derivative) == "<grad of documented>"
    assert callable(derivative)
    assert "What it is for." in pydoc.render_doc(derivative)


def test_source_before_a_call_says_what_it_assumes() -> None:
    def f(x: np.ndarray, n: int, *rest, flag: bool = False, y=2, **named):
        return np.sum(x) * n * y

    source = grad(f).source
    assert source.splitlines()[0].startswith("# Made for x: ndarray, n: int, ")
    assert "def f_grad(x, n, *rest, flag=False, y=2, **named):" in source


def test_source_is_that_of_the_newest_call() -> None:
    def f(x, y):
        return np.sum(x * y)

    derivative = grad(f)
    derivative(VECTOR, 2.0)
    of_arrays = derivative.source
    assert "full" in of_arrays
    derivative(1.0, 2.0)
    assert derivative.source != of_arrays
    assert derivative.source_for(VECTOR, 2.0) == of_arrays
    assert "Made for" not in of_arrays


def generated_function(derivative: Any, *args: Any) -> Any:
    derivative(*args)
    return derivative.func


def failing(x):
    y = np.sin(x)
    return math.log(y[0]) * y[1]


def test_traceback_lands_in_the_generated_source() -> None:
    with pytest.raises(ValueError, match=r"math domain error|positive") as caught:
        grad(failing)(np.array([0.0, 1.0]))
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert frame.name == "failing_grad"
    assert frame.filename.startswith("<ad_compiler failing_grad")
    assert frame.line is not None
    assert "math.log(" in frame.line


def test_generated_source_is_known_to_inspect() -> None:
    derivative = grad(failing)
    function = generated_function(derivative, np.array([1.0, 1.0]))
    assert inspect.getsource(function) in derivative.source
    linecache.checkcache()
    assert inspect.getsource(function).startswith("def failing_grad(x):")


def test_debugger_stops_in_the_generated_source() -> None:
    derivative = grad(failing)
    x = np.array([1.0, 1.0])
    function = generated_function(derivative, x)
    lines, start = inspect.getsourcelines(function)
    (lineno,) = [start + i for i, line in enumerate(lines) if line.strip() == "y = np.sin(x)"]

    class Debugger(bdb.Bdb):
        stops: list[tuple[int, Any]] = []  # noqa: RUF012

        def user_line(self, frame: Any) -> None:
            self.stops.append((frame.f_lineno, frame.f_locals.get("x")))
            self.set_continue()

    debugger = Debugger()
    problem = debugger.set_break(function.__code__.co_filename, lineno)
    assert problem is None
    tracing = sys.gettrace()
    try:
        debugger.runcall(derivative, x)
    finally:
        sys.settrace(tracing)
    line, seen = debugger.stops[-1]  # the first stop is where `runcall` begins
    assert line == lineno
    assert seen is x


# Derivatives are made once, and can be thrown away.


def test_a_new_batch_size_compiles_nothing() -> None:
    def f(x, w):
        return np.sum(np.tanh(x @ w))

    derivative = grad(f, "w")
    derivative(np.ones((4, 3)), np.ones(3))
    function = derivative.func
    derivative(np.ones((9, 5)), np.ones(5))
    assert derivative.func is function
    derivative(np.ones((1, 5)), np.ones(5))
    assert derivative.func is not function


def test_same_function_and_options_give_the_same_object() -> None:
    assert grad(documented) is grad(documented)
    assert grad(documented, "y") is not grad(documented)
    assert value_and_grad(documented) is not grad(documented)


def test_kinds_one_after_the_other() -> None:
    derivative = grad(lambda x: np.sum(x * x))
    for x in (3.0, VECTOR, 3, VECTOR.reshape(3, 1), np.float32(3), VECTOR.astype(np.float32)) * 3:
        gradient = derivative(x)
        np.testing.assert_array_equal(gradient, 2 * np.asarray(x))
        assert np.shape(gradient) == np.shape(x)


# Processes and threads.


@grad
def decorated(x):
    """A function that its derivative replaced."""
    return x * x * x


def aux(x):
    return x * x, "aux"


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_kinds_that_alternate(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Specialisations used before are tried first; one that reads what is gone is left out."""
    if backend == "numba":
        pytest.importorskip("numba")

    def f(x, by_table=None):
        return np.sum(x * x) if by_table is None else with_table(x)

    derivative = grad(f, backend=backend)
    vector, row, single = np.ones(3), np.ones(1), np.ones(3, np.float32)
    for _ in range(3):
        for x in (vector, row, single, 2.0, np.float64(2.0), [1.0]):
            found, expected = outcome(derivative, x), outcome(grad(f), x)
            assert found == expected if type(x) is list else np.array_equal(found, expected)
            assert getattr(found, "dtype", float) == getattr(expected, "dtype", float)
            assert type(x) is list or derivative.source == derivative.source_for(x)
        np.testing.assert_array_equal(derivative(vector, True), table)
    derivative(vector)
    with monkeypatch.context() as patched:
        patched.delitem(globals(), "table")
        for x in (row, vector, row):
            np.testing.assert_array_equal(derivative(x), 2 * x)
    np.testing.assert_array_equal(derivative(vector, True), table)


def outcome(derivative: Any, *args: Any) -> Any:
    try:
        return derivative(*args)
    except Exception as error:
        return type(error), str(error)


def test_structures_that_alternate() -> None:
    """A guard looks into a container only behind the condition that it is of the length known."""

    def f(layers, x):
        for weight, (bias, _) in layers:
            x = x * weight + bias
        return x

    derivative = grad(f)
    for number in (2, 1, 3, 1):
        layers = [(1.5, (float(n), None)) for n in range(number)]
        found = derivative(layers, 2.0)
        assert [type(layer) for layer in found] == [tuple] * number
    assert outcome(derivative, [(1.5, None)], 2.0)[0] is not IndexError
    assert derivative([(1.5, (0.0, None))], 2.0)[0][0] == 2.0


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles(protocol: int) -> None:
    def again(obj: Any) -> Any:
        return pickle.loads(pickle.dumps(obj, protocol))

    assert again(decorated) is decorated
    assert again(decorated)(3.0) == 27.0
    wrapped = value_and_grad(aux, argnums=("x",), has_aux=True)
    assert again(wrapped)(3.0) == ((9.0, "aux"), (6.0,))
    wrapped(3.0)
    assert again(wrapped)(3.0) == ((9.0, "aux"), (6.0,))
    assert again(grad(Model(2.0).loss))(np.ones(2)).tolist() == [4.0, 8.0]
    assert again(Model(2.0).slope)(3.0) == 12.0
    assert again(Model(2.0).both)(3.0) == (18.0, 6.0)


def test_a_local_function_does_not_pickle() -> None:
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(grad(lambda x: x * x))


def test_copies() -> None:
    assert copy.copy(decorated)(3.0) == copy.deepcopy(decorated)(3.0) == 27.0
    assert copy.deepcopy(grad(documented, "y"))(3.0) == 3.0


def test_spawned_processes() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(decorated, [1.0, 2.0]) == [3.0, 12.0]
        assert pool.map(functools.partial(grad(documented), y=5.0), [1.0, 2]) == [5.0, 5.0]


def test_threads() -> None:
    def f(x, n=1.0):
        y = np.sin(x) * n
        return np.sum(y * y)

    kinds: list[Any] = [
        0.5,
        VECTOR,
        VECTOR.reshape(3, 1),
        VECTOR.astype(np.float32),
        np.float64(0.5),
        np.ones((2, 0)),
    ]
    expected = [2 * np.sin(x) * np.cos(x) for x in kinds]
    derivative = grad(f)
    start = threading.Barrier(8)
    failures: list[BaseException] = []

    def work(offset: int) -> None:
        try:
            start.wait()
            for step in range(120):
                i = (step + offset) % len(kinds)
                np.testing.assert_allclose(derivative(kinds[i]), expected[i], rtol=1e-6)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not failures, failures[0]


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes do not fork")
@pytest.mark.filterwarnings("ignore:.*fork")  # of threads: those of other tests, and of libraries
def test_a_process_is_forked_while_a_derivative_is_made() -> None:
    derivative = grad(with_table)
    forked, held = threading.Event(), threading.Event()

    def hold() -> None:
        with derivative._lock, parsing._one_at_a_time, code_of_text._quiet:
            held.set()
            forked.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        held.wait()
        process = multiprocessing.get_context("fork").Process(target=derivative, args=(VECTOR,))
        process.start()
        process.join(60)
        process.kill()
    finally:
        forked.set()
        thread.join()
    assert process.exitcode == 0


window = 3


def test_whole_numbers_that_must_be_known_are_kinds() -> None:
    """What is computed from arguments or globals may be an axis, a count or a size: a new value, new code."""

    def of_argument(x, n):
        padded = np.pad(np.tile(x, n), (n - 1, 2 * n), mode="edge")
        return np.sum(np.lib.stride_tricks.sliding_window_view(padded, n + 1).sum(axis=n - 2) ** 2)

    def of_global(x):
        return np.sum(np.lib.stride_tricks.sliding_window_view(x, window) ** 2)

    for n in (2, 3, 2):
        assert_gradient_matches_finite_differences(of_argument, (VECTOR, n), (0,))
    global window
    gradient = grad(of_global)
    window = 3
    np.testing.assert_array_equal(gradient(VECTOR), 2 * VECTOR)
    window = 2
    np.testing.assert_array_equal(gradient(VECTOR), [2, 4, 2] * VECTOR)
