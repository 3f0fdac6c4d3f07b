"""Programs that must be refused, one reason each; the line that is pointed at ends in `# refused`."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import random
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tests.programs.corpus import refused

VECTOR = np.array([0.5, 1.5, 2.5])
MATRIX = np.array([[1.0, 2.0], [3.0, 4.0]])
PLACES = np.array([0, 2, 0])
TABLE = np.array([0.3, 0.6, 0.9])
RNG = np.random.default_rng(16)
HISTORY: list[float] = []
count = 0

HAS_A_RULE = "NumPy functions that have one"
ONE_KIND = "one kind of value (type, rank)"


class Monitor:
    calls = 0
    last = 0.0


MONITOR = Monitor()


def total(a, b):
    return np.sum(a + b)


def pieces(x):
    yield x
    yield x * x


# --- side effects ---


@refused(1.5, reason="writing a global is a side effect", advice="return the value")
def writing_a_global(x):
    global count  # refused
    count = count + 1
    return x * count


@refused(1.5, reason="writing an outer variable in another way", advice="return the value")
def deleting_an_outer_variable(x):
    square = x * x

    def forget():
        nonlocal square  # refused
        del square
        return x

    return forget()


@refused(1.5, reason="writing an attribute changes an object", advice="keep the value in a local name")
def attribute(x):
    MONITOR.last = x  # refused
    return x * x


@refused(1.5, reason="writing an attribute changes an object", advice="keep the value in a local name")
def augmented_attribute(x):
    MONITOR.calls += 1  # refused
    return x * x


@refused(
    MONITOR, 1.5, reason="writing an attribute changes an object", advice="keep the value in a local name"
)
def attribute_of_self(self, x):
    self.last, y = x, 2 * x  # refused
    return y * y


@refused(MATRIX, reason="writing an attribute changes an object", advice="keep the value in a local name")
def shape_by_attribute(x):
    y = 2 * x
    y.shape = (4,)  # refused
    return np.sum(y * y)


@refused(1.5, "last", reason="`setattr` has no derivative rule", advice=HAS_A_RULE)
def attribute_by_name(x, name):
    setattr(MONITOR, name, x)  # refused
    return x * x


# --- what does not run when it is called ---


@refused(1.5, reason="is a generator, whose body does not run", advice="return the values in a tuple")
def generator_function(x):  # refused
    yield x
    yield x * x


@refused(1.5, reason="is an async function, whose body does not run", advice="await outside")
async def async_function(x):  # refused
    await asyncio.sleep(0)
    return x * x


@refused(1.5, reason="generator", advice="return the values")
def local_generator(x):
    def powers():
        yield x  # refused
        yield x * x

    return sum(powers())


@refused(1.5, reason="generator", advice="return the values")
def delegating_generator(x):
    def powers():
        yield from (x, x * x)  # refused

    return sum(powers())


@refused(1.5, reason="is a generator, whose body does not run", advice="return the values in a tuple")
def generator_of_the_module(x):
    return sum(pieces(x))  # refused


@refused(1.5, reason="asynchronous code", advice="await the result before")
def local_async_function(x):
    async def later():  # refused
        return x * x

    return asyncio.run(later())


# --- classes and objects ---


@refused(1.5, reason="a class is defined inside", advice="define it outside")
def local_class(x):
    class Scale:  # refused
        factor = 2.0

    return x * Scale.factor


@refused(1.5, reason="a class is made", advice="define it outside")
def class_by_type(x):
    scale = type("Scale", (), {"factor": 2.0})  # refused
    return x * scale.factor  # type: ignore[attr-defined]


@refused(
    1.5, reason="an instance of the class `Decimal` is made", advice="a named tuple, a dataclass or a dict"
)
def decimal_number(x):
    return float(Decimal(x) ** 2)  # refused


@refused(1.5, reason="a local function has a decorator", advice="decorate it outside")
def decorated_local_function(x):
    def twice(f):
        return lambda y: f(f(y))

    @twice
    def square(y):  # refused
        return y * y

    return square(x)


@refused(1.5, reason="is called, and is not a function", advice="check the name")
def call_of_an_object(x):
    return MONITOR(x)  # type: ignore[operator]  # refused


@refused(1.5, reason="a relative import stands inside of a function", advice="at the top of the file")
def relative_import(x):
    from . import corpus  # refused

    return x * len(corpus.PROGRAMS)


# --- sets, objects in arrays, text ---


@refused(1.5, 2.5, reason="a set has no order", advice="use a tuple or a list")
def set_of_numbers(x, y):
    return sum({x, y})  # refused


@refused(VECTOR, reason="a set", advice="use a tuple or a list")
def set_comprehension(x):
    return sum({v * v for v in x})  # refused


@refused(np.array([1.5, None]), 1.5, reason="`x` is an array of object", advice="floats, ints, bools")
def array_of_objects(x, scale):  # refused
    return x[0] * scale


@refused(
    np.array([(1.5, 2), (2.5, 3)], dtype=[("weight", float), ("number", int)]),
    1.5,
    reason="only numbers are differentiated",
    advice="floats, ints, bools",
)
def structured_array(x, scale):  # refused
    return scale * np.sum(x["weight"])


@refused(
    np.ma.masked_array(VECTOR, [True, False, False]), reason="not a plain array", advice="`.filled(...)`"
)
def masked_array(x):  # refused
    return np.sum(x * x)


@refused(1.5, reason="a str stands where a number or an array is needed", advice="use its parts")
def sum_of_text(x):
    return x + "1.0"  # refused


@refused(1.5, reason="text made of numbers is not known", advice="use an f-string")
def length_of_text(x):
    return x * len("{}".format(x))  # noqa: UP032  # refused


# --- functions without a derivative: other kinds of results, the outside world, chance ---


@refused(VECTOR, reason="draws from the random numbers of the whole process", advice="np.random.Generator")
def random_numbers(x):
    return np.sum(x * np.random.normal(size=3))  # refused


@refused(VECTOR, reason="a generator that is not an argument", advice="pass the `np.random.Generator`")
def random_generator(x):
    return np.sum(x * RNG.standard_normal(3))  # refused


@refused(1.5, reason="has no derivative rule", advice=HAS_A_RULE)
def random_of_the_standard_library(x):
    return x * random.random()  # refused


@refused(1.5, reason="`eval` has no derivative rule", advice=HAS_A_RULE)
def evaluated_text(x):
    return eval("x * x")  # refused


@refused(1.5, reason="`exec` has no derivative rule", advice=HAS_A_RULE)
def executed_text(x):
    names = {"x": x}
    exec("y = x * x", names)  # refused
    return names["y"]


@refused(1.5, reason="`globals` has no derivative rule", advice=HAS_A_RULE)
def names_of_the_module(x):
    return x * globals()["count"]  # refused


@refused(1.5, reason="`locals` has no derivative rule", advice=HAS_A_RULE)
def names_of_the_function(x):
    return locals()["x"] * x  # refused


@refused(1.5, reason="`input` has no derivative rule", advice=HAS_A_RULE)
def asked_number(x):
    return x * float(input())  # refused


@refused(
    VECTOR,
    "weights.txt",
    reason="`numpy.loadtxt` has no derivative rule: it reads",
    advice="load the data before",
)
def loaded_array(x, path):
    return np.sum(x * np.loadtxt(path))  # refused


@refused(
    1.5,
    "scale.txt",
    reason="an instance of the class `Path` is made",
    advice="a named tuple, a dataclass or a dict",
)
def number_in_a_file(x, path):
    return x * float(Path(path).read_text())  # refused


@refused(1.5, reason="`os.getenv` has no derivative rule", advice=HAS_A_RULE)
def number_in_the_environment(x):
    return x * float(os.getenv("SCALE", "1.0"))  # refused


@refused(VECTOR, reason="`id` has no derivative rule", advice=HAS_A_RULE)
def identity_number(x):
    return np.sum(x) if id(x) % 2 == 0 else -np.sum(x)  # refused


@refused(1.5, reason="`hash` has no derivative rule", advice=HAS_A_RULE)
def hashed_number(x):
    return x * (hash(x) % 7)  # refused


@refused(1.5, reason="`datetime.now` has no derivative rule", advice=HAS_A_RULE)
def date(x):
    return x * datetime.now().year  # refused


@refused(VECTOR, reason="`iter` has no derivative rule", advice=HAS_A_RULE)
def iterator_by_hand(x):
    values = iter(x)  # refused
    return next(values) * next(values)


# --- the memory behind an array ---


@refused(VECTOR, reason="`numpy.lib.stride_tricks.as_strided` has no derivative rule", advice=HAS_A_RULE)
def overlapping_strides(x):
    windows = as_strided(x, (2, 2), (8, 8))  # refused
    return np.sum(windows * windows)


@refused(VECTOR, reason="`numpy.frombuffer` has no derivative rule: it reads", advice="load the data before")
def array_of_a_buffer(x):
    y = np.frombuffer(x)  # refused
    return np.sum(y * y)


@refused(
    VECTOR,
    reason="an instance of the class `memoryview` is made",
    advice="a named tuple, a dataclass or a dict",
)
def memory_view(x):
    return memoryview(x)[0] * x[1]  # refused


@refused(VECTOR, reason="the method `resize` of an array", advice="functions the README lists")
def resized_in_place(x):
    y = 2 * x
    y.resize(5)  # refused
    return np.sum(y)


@refused(VECTOR, reason="the method `view` of an array", advice="functions the README lists")
def bits_as_integers(x):
    return np.sum(x.view(np.int64) % 5) * x[0]  # refused


@refused(VECTOR, reason="the method `tobytes` of an array", advice="functions the README lists")
def bytes_of_an_array(x):
    return x.tobytes()[0] * x[0]  # refused


@refused(VECTOR, VECTOR, reason="`numpy.shares_memory` has no derivative rule", advice="do it outside")
def question_of_memory(x, y):
    return np.sum(x) if np.shares_memory(x, y) else np.sum(y)  # refused


@refused(VECTOR, reason="the attribute `strides` of an array", advice="use a NumPy function")
def strides_of_an_array(x):
    return x[0] * x.strides[0]  # refused


@refused(MATRIX, reason="the attribute `flags` of an array", advice="use a NumPy function")
def memory_order(x):
    return np.sum(x) if x.flags.c_contiguous else 2 * np.sum(x)  # refused


# --- results whose form depends on the numbers ---


@refused(VECTOR, reason="`numpy.unique` has no derivative rule: it gives as many", advice="index with them")
def different_values(x):
    return np.sum(np.unique(x))  # refused


@refused(VECTOR, 0.5, reason="`keepdims` is not known", advice="write True or False")
def rank_chosen_by_a_keyword(x, y):
    return np.sum(np.max(x, keepdims=y > 0))  # refused


@refused(1.5, reason="the parts of an array differ", advice="give parts of one shape")
def ragged_array(x):
    rows = np.array([[x, x * x], [x]])  # refused
    return rows[0][1]


@refused(VECTOR, reason="`np.add.reduceat` is not differentiated", advice="use a NumPy function")
def sums_of_segments(x):
    return np.max(np.add.reduceat(x, [0, 2]))  # refused


# --- writes whose meaning is not known ---


@refused(
    1.5, reason="a real number is written into an array of whole numbers", advice="make it a float array"
)
def real_into_whole_numbers(x):
    counts = np.zeros(3, dtype=int)
    counts[0] = x  # refused
    return np.sum(counts) * x


@refused(VECTOR, reason="the result of this write does not fit", advice="assign to a new name")
def whole_numbers_divided_in_place(x):
    counts = np.arange(len(x)).astype(int)
    counts /= 2  # refused
    return np.sum(counts * x)


@refused(
    VECTOR,
    MATRIX[:, :1],
    reason="the result of this write does not fit",
    advice="assign to a new name",
)
def write_that_would_grow(x, columns):
    y = 2 * x
    y += columns  # refused
    return np.sum(y)


@refused(
    VECTOR,
    MATRIX[:, :1],
    reason="does not fit the array given as `out=`",
    advice="leave `out=` out",
)
def out_of_another_shape(x, columns):
    y = np.zeros(3)
    np.multiply(x, columns, out=y)  # refused
    return np.sum(y)


@refused(VECTOR, reason="does not fit the array given as `out=`", advice="leave `out=` out")
def out_of_whole_numbers(x):
    y = np.zeros(3, dtype=int)
    np.multiply(x, 2.0, out=y)  # refused
    return np.sum(y * x)


# --- what a name is depends on the numbers ---


@refused(VECTOR, 0.5, reason="one branch gives an array of rank 1, the other a number", advice=ONE_KIND)
def number_or_array(x, y):
    if y > 0:
        z = x
    else:
        z = np.sum(x)
    return np.sum(z * z)  # refused


@refused(VECTOR, 0.5, reason="one branch gives", advice=ONE_KIND)
def rank_chosen_by_a_ternary(x, y):
    z = x if y > 0 else x[:, np.newaxis]  # refused
    return np.sum(z @ z.T)


@refused(VECTOR, 0.5, reason="the two branches give arrays of float64 and float32", advice=ONE_KIND)
def precision_chosen_by_a_branch(x, y):
    if y > 0:
        z = x
    else:
        z = x.astype(np.float32)
    return np.sum(z)  # refused


@refused(1.5, 0.5, reason="containers of other structure", advice="one kind of value (type, rank)")
def keys_chosen_by_a_branch(x, y):
    if y > 0:
        options = {"scale": x}
    else:
        options = {"shift": x}
    return options.get("scale", 0.0) * x  # refused


@refused(1.5, 0.5, reason="gives None", advice=ONE_KIND)
def number_or_none(x, y):
    scale = None if y < 0 else y  # refused
    return x if scale is None else x * scale


@refused(VECTOR, reason="writes into an array whose pairs it runs over", advice=".copy()")
def written_while_pairs_are_read(x):
    y = 2 * x
    for i, (left, right) in enumerate(itertools.pairwise(y)):  # refused
        y[i + 1] = left * right
    return np.sum(y)


@refused(1.5, reason="has been read before", advice="make a list of it")
def accumulated_twice(x):
    sums = itertools.accumulate([x, 2 * x])
    return sum(sums) + sum(sums)  # refused


@refused(1.5, reason="different kinds of values", advice=ONE_KIND)
def text_chosen_by_a_branch(x):
    kind = "sine" if x > 0 else "cosine"  # refused
    return np.sin(x) if kind == "sine" else np.cos(x)


@refused(1.5, reason="is bound in one branch only", advice=ONE_KIND)
def bound_in_one_branch(x):
    if x > 0:
        y = x * x
    return 2 * y  # refused


@refused(1.5, reason="gives None", advice=ONE_KIND)
def path_without_a_result(x):
    if x > 0:  # refused
        return x * x


@refused(VECTOR, reason="one branch gives a number, the other an array of rank 1", advice=ONE_KIND)
def results_of_different_ranks(x):
    if x[0] > 0:  # refused
        return np.sum(x)
    return x


@refused(1.5, 0.5, reason="which item is meant is not known", advice="use a constant index, or an array")
def item_chosen_by_a_number(x, y):
    values = {"low": x, "high": 2 * x}
    return values[y > 0]  # refused


@refused(1.5, 2, reason="a key is not known", advice="use constant keys")
def key_made_of_a_number(x, k):
    values = {k + 1: x}  # refused
    return values[3] * x


@refused(1.5, 2.5, reason="membership is not known", advice="compare")
def membership(x, y):
    return x if x in (1.0, y) else x * y  # refused


@refused(VECTOR, 0.5, reason="an axis is not known", advice="pass it as a plain int or a default")
def axis_chosen_by_a_number(x, y):
    k = 0 if y > 0 else -1
    return np.sum(np.cumsum(x, axis=k))  # refused


@refused(1.5, reason="the name `y` is not defined", advice="define it before it is used")
def read_before_it_is_bound(x):
    y = x * y  # type: ignore[has-type]  # noqa: F821  # refused
    return y


@refused(1.5, reason="recursion does not end", advice="without recursion")
def recursion_without_end(x):
    return x * recursion_without_end(x - 1)  # refused


# --- what Python or NumPy would not run either ---


@refused(VECTOR, reason="the truth of an array is ambiguous", advice="`.any()` or `.all()`")
def truth_of_an_array(x):
    if x > 0:  # refused
        return np.sum(x)
    return 0.0


@refused(VECTOR, reason="the truth of an array is ambiguous", advice="`.any()` or `.all()`")
def conjunction_of_arrays(x):
    inside = x > 0 and x < 2  # refused
    return np.sum(x[inside])


@refused(VECTOR, VECTOR + 1, reason="`max` and `min` of arrays compare them as wholes", advice="`np.maximum`")
def maximum_of_wholes(x, y):
    return np.sum(max(x, y))  # refused


@refused((1.5, 2.5), reason="2 values are unpacked into 3 names", advice="match them")
def unpacking_too_few(pair):
    a, b, c = pair  # refused
    return a * b * c


@refused(VECTOR, reason="how many elements the array has is not known", advice="take its elements by index")
def arguments_of_unknown_number(x):
    return total(*x)  # refused


@refused(VECTOR, reason="what `**` unpacks is not known", advice="name the arguments")
def keywords_of_an_array(x):
    return total(x, **x)  # refused


@refused(VECTOR, reason="takes 2 positional arguments", advice="give no more")
def too_many_arguments(x):
    return total(x, x, x)  # type: ignore[call-arg]  # refused


@refused(1.5, reason="a number is indexed", advice="index an array")
def item_of_a_number(x):
    return x[0] * 2  # refused


@refused(1.5, reason="a number has no length", advice="use an array")
def length_of_a_number(x):
    return x / len(x)  # refused


@refused(1.5, reason="has no method `sum`", advice="use `np.sum`")
def method_of_a_number(x):
    return x.sum()  # refused


@refused(1.5, 2.5, reason="`@` needs arrays, not numbers", advice="use `*`")
def matrix_product_of_numbers(x, y):
    return x @ y  # refused


@refused(VECTOR, MATRIX, reason="the arrays joined differ in rank", advice="give arrays of one rank")
def joining_different_ranks(x, y):
    return np.sum(np.concatenate([x, y]))  # refused


# --- what only a compiler of loops, views and exceptions meets. Loops: what is carried keeps its kind ---


@refused(VECTOR, reason="rank", advice="one kind of value")
def rank_falls_in_a_loop(x):
    while np.sum(x) > 1.0:  # refused
        x = np.sum(x, axis=0) / 4
    return x


@refused(VECTOR, 3, reason="rank", advice="one kind of value")
def rank_grows_with_the_turns(x, n):
    for _ in range(n):  # refused
        x = x[np.newaxis]
    return np.sum(x * x)


@refused(VECTOR, reason="`out` is a number first", advice="start with an array of zeros")
def number_then_array_written_into(x):
    out = 0.0
    for i in range(x.shape[0]):
        out += x[i : i + 2]  # refused
    return np.sum(out)


@refused(VECTOR, reason="and has another name", advice="`total = total + ...`")
def number_under_two_names_written_into(x):
    """In the first turn `before` stays 0.5; in the others it is what is written into."""
    total = 0.5
    s = 0.0
    for i in range(3):
        before = total
        total += x * i  # refused
        s = s + np.sum(np.sin(before))
    return s + np.sum(total)


@refused(VECTOR, reason="its items are of different kinds", advice="items of one kind")
def list_of_arrays_and_numbers(x):
    parts = [x]
    for v in x:
        parts.append(v * v)  # refused
    return sum(np.sum(part) for part in parts)


@refused(VECTOR, 3, reason="what `f` is must be known while compiling", advice="one kind of value")
def function_that_changes_in_a_loop(x, n):
    def square(v):
        return v * v

    def double(v):
        return 2 * v

    f = square
    for _ in range(n):  # refused
        x = f(x)
        f = double
    return np.sum(x)


@refused(VECTOR, reason="a key is not known", advice="use constant keys")
def dict_that_grows_with_the_numbers(x):
    table = {}
    for v in x:
        table[int(v)] = v * v  # refused
    return table[1]


@refused(1.5, reason="a loop runs over a float", advice="a range, an array or a container")
def loop_over_a_number(x):
    y = 0.0
    for v in x:  # refused
        y += v
    return y


@refused(2.5, reason="whole number", advice="int")
def range_of_a_real_number(x):
    y = 0.0
    for i in range(x):  # refused
        y += x * i
    return y


@refused(1.5, 2.5, reason="a set has no order", advice="use a tuple or a list")
def loop_over_a_set(x, y):
    z = 0.0
    for v in {x, y}:  # refused
        z = z / 2 + v
    return z


@refused(1.5, reason="a container that a loop runs over is changed in the loop", advice="run over a copy")
def list_that_grows_under_its_loop(x):
    parts = [x]
    for part in parts:
        if part < 10.0:
            parts.append(2 * part)  # refused
    return sum(parts)


@refused(VECTOR, reason="the truth of an array is ambiguous", advice="`.any()` or `.all()`")
def truth_of_an_array_in_a_loop(x):
    while x < 10.0:  # refused
        x = 2 * x
    return np.sum(x)


@refused(
    VECTOR,
    reason="an instance of the class `nditer` is made",
    advice="use a named tuple, a dataclass or a dict",
)
def iterator_that_writes(x):
    y = x.copy()
    with np.nditer(y, op_flags=[["readwrite"]]) as elements:  # refused
        for element in elements:
            element[...] = element * element  # type: ignore[index, operator]
    return np.sum(y)


# --- writes that are seen elsewhere, or nobody can say where ---


@refused(VECTOR, reason="global", advice="copy")
def array_of_the_module_written(x):
    TABLE[0] = x[0]  # refused
    return np.sum(TABLE * x)


@refused(1.5, reason="global", advice="return")
def list_of_the_module_extended(x):
    HISTORY.append(x)  # refused
    return x * x


@refused(VECTOR, 0.5, reason="which array", advice=".copy()")
def alias_chosen_by_a_branch(x, y):
    a = 2 * x
    b = 3 * x
    chosen = a if y > 0 else b
    chosen[0] = 1.0  # refused
    return np.sum(a * b)


@refused(VECTOR, 3, reason="which array", advice=".copy()")
def alias_that_changes_in_a_loop(x, n):
    a = 2 * x
    b = 3 * x
    target = a
    for i in range(n):
        target[i] += x[i]  # refused
        target = b
    return np.sum(a * b)


@refused(VECTOR, VECTOR, reason="same array", advice="compare")
def identity_of_arrays(x, y):
    if x is y:  # refused
        return np.sum(x)
    return 2 * np.sum(y)


@refused(VECTOR, reason="read-only", advice=".copy()")
def write_into_a_broadcast(x):
    rows = np.broadcast_to(2 * x, (2, 3))
    rows[0] = 1.0  # refused
    return np.sum(rows)


@refused(MATRIX, reason="read-only", advice=".copy()")
def write_into_a_diagonal(x):
    y = 2 * x
    np.diagonal(y)[0] = 1.0  # refused
    return np.sum(y)


@refused(MATRIX, reason="copy", advice="index")
def write_into_a_view_or_a_copy(x):
    y = 2 * x
    y[:, 1:].reshape(-1)[0] = 1.0  # refused
    return np.sum(y * y)


@refused(VECTOR, PLACES, reason="twice", advice="np.add.at")
def repeated_places_put(x, places):
    y = np.zeros(3)
    np.put(y, places, x)  # refused
    return np.sum(y * y)


@refused(1.5, reason="a real number is written into an array of whole numbers", advice="a float array")
def whole_numbers_filled(x):
    counts = np.zeros(3, dtype=int)
    counts.fill(x)  # refused
    return np.sum(counts) * x


@refused(VECTOR, reason="written into an array of whole numbers", advice="a float array")
def real_numbers_copied_into_whole_ones(x):
    counts = np.zeros(3, dtype=int)
    np.copyto(counts, x, casting="unsafe")  # refused
    return np.sum(counts * x)


# --- exceptions, contexts, deletions ---


@refused(0.5, reason="caught", advice="`if`")
def exception_raised_and_caught(x):
    try:
        if x < 0:
            raise ValueError("negative")  # refused
        y = math.sqrt(x)
    except ValueError:
        y = 0.0
    return y


@refused(
    0.5,
    reason="an instance of the class `suppress` is made",
    advice="use a named tuple, a dataclass or a dict",
)
def exception_suppressed(x):
    y = 0.0
    with suppress(ZeroDivisionError):  # refused
        y = 1 / x
    return y


@refused(VECTOR, reason="`finally`", advice="after the `try`")
def break_in_finally(x):
    y = 0.0
    for v in x:
        try:
            y += 1 / v
        finally:
            if y > 1.0:
                break  # noqa: B012  # refused
    return y


@refused(1.5, reason="`finally`", advice="after the `try`")
def return_in_finally(x):
    try:
        y = 1 / x
    finally:
        return y  # noqa: B012  # refused


@refused(1.5, "scale.txt", reason="open", advice=HAS_A_RULE)
def numbers_in_a_file(x, path):
    with open(path) as lines:  # refused
        for line in lines:
            x = x * float(line)
    return x


@refused(1.5, reason="`y` is not defined", advice="define it before it is used")
def read_after_deletion(x):
    y = x * x
    del y
    return y  # noqa: F821  # refused


@refused(1.5, reason="is bound in one branch only", advice=ONE_KIND)
def deletion_of_what_may_be_unbound(x):
    if x > 0:
        y = x * x
    del y  # refused
    return x


@refused(1.5, reason="an object is deleted", advice="build a new one")
def deletion_of_an_attribute(x):
    del MONITOR.last  # refused
    return x * x


@refused(VECTOR, reason="a view of the same array, made in line", advice=".copy()")
def spread_over_what_it_shows(x):
    y = 2 * x
    front = y[:2]
    y[::2] = front  # refused
    return np.sum(y * y)


@refused(MATRIX, reason="already overwritten", advice=".copy()")
def column_into_a_row(x):
    y = 2 * x
    y[1] = y[:, 0]  # refused
    return np.sum(y * y)


@refused(VECTOR, VECTOR > 1, reason="already overwritten", advice=".copy()")
def masked_places_from_a_view(x, mask):
    y = 2 * x
    y[mask] = y[:2]  # refused
    return np.sum(y * y)


@refused(VECTOR, reason="already overwritten", advice=".copy()")
def flat_places_from_a_view(x):
    y = 2 * x
    y.flat[1:] = y[:-1]  # refused
    return np.sum(y * y)


@refused(VECTOR, VECTOR + 1, reason="`other` may be the same", advice=".copy()")
def buffers_exchanged_under_a_second_name(x, y):
    a, b = 2 * x, 3 * y
    other = b
    for _ in range(3):
        a, b = b, a
    a[0] = 1.0  # refused
    return np.sum(other * a)


@refused(VECTOR, VECTOR + 1, reason="`other` may be the same", advice=".copy()")
def buffers_exchanged_in_a_branch_of_a_loop(x, y):
    a, b = 2 * x, 3 * y
    other = b
    for value in x:
        if value > 1:
            a[0] *= value  # refused
            a, b = b, a
    return np.sum(other * a)


@refused(VECTOR, VECTOR + 1, reason="is decided when the program runs", advice=".copy()")
def buffers_exchanged_while_a_loop_runs_over_one(x, y):
    a, b = 2 * x, 3 * y
    for value in b:  # refused
        a[-1] /= value
        a, b = b, a
    return np.sum(a * b)


@refused(VECTOR, reason="an argument of its own `.append`", advice="list(xs)")
def list_put_into_itself(x):
    xs = [x[0], x[1]]
    xs.append(xs)  # refused
    return xs[0]
