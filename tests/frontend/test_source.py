"""Finding the text of a function: every place it can come from, and every way it can fail."""

import ast
import doctest
import functools
import gc
import importlib.util
import linecache
import math
import os
import subprocess
import sys
import textwrap
import time
import traceback
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ad_compiler.errors import Unsupported
from ad_compiler.frontend.source import Source, read_source

ROOT = Path(__file__).parents[2]
Function = Callable[..., Any]
Load = Callable[[str], types.ModuleType]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Writes a module to a file and imports it (again): `load(text)`."""

    def load_text(text: str) -> types.ModuleType:
        path = tmp_path / "model.py"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        spec = importlib.util.spec_from_file_location("model", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), module.__dict__)
        return module

    return load_text


def body(function: Function) -> str:
    """The text of the value that a function returns."""
    source = read_source(function)
    node = source.node
    if isinstance(node, ast.Lambda):
        return source.text(node.body)
    statement = node.body[-1]
    assert isinstance(statement, ast.Return) and statement.value is not None
    return source.text(statement.value)


def first(source: Source, kind: type[ast.AST]) -> ast.AST:
    """The first node of a kind in a function."""
    return next(node for node in ast.walk(source.node) if isinstance(node, kind))


# --- where functions come from ---


def test_function_in_a_file_has_the_lines_of_the_file() -> None:
    source = read_source(test_function_in_a_file_has_the_lines_of_the_file)
    code = source.function.__code__
    assert isinstance(source.node, ast.FunctionDef)
    assert (source.filename, source.node.lineno) == (code.co_filename, code.co_firstlineno)
    assert source.lines[source.node.lineno - 1].startswith("def test_function_in_a_file")


def test_nested_functions_methods_and_redefinitions(load: Load) -> None:
    module = load(
        """
        def f(x):
            return 1

        def outer(a, b):
            def f(x):
                return a * x
            def g(x):
                nonlocal b
                b = 2
                def f(x):
                    return a + f(x)
                return f(b)
            return f, g

        class C:
            __scale = 3
            def f(self, x):
                return self.__scale * x
            def local(self):
                def f(x):
                    return super().__init__ if x else self.__scale
                return f
            class D:
                @staticmethod
                def f(x, __y=1):
                    return x + __y + C.__scale

        def first(x):
            return "first"
        old = first
        def first(x):
            return "second"
        """
    )
    f, g = module.outer(1, 2)
    assert body(module.f) == "1"
    assert body(f) == "a * x"
    assert body(g) == "f(b)"
    assert body(module.C.f) == "self.__scale * x"
    assert body(module.C().local()) == "super().__init__ if x else self.__scale"
    assert body(module.C.D.f) == body(module.C.D.__dict__["f"]) == "x + __y + C.__scale"
    assert (body(module.old), body(module.first)) == ('"first"', '"second"')


def test_what_the_rest_of_the_file_changes_in_the_code(load: Load) -> None:
    module = load(
        """
        import math, os.path as path
        if True:
            from math import pi as π, tau

        def calls(x):
            return math.sin(path.join(π, x).y(tau.hex()))

        class C:
            def again(self):
                return C(self, super().x())

        def local():
            class D:
                def method(self):
                    return D
            return D().method()

        parent = super
        """
    )
    assert body(module.calls) == "math.sin(path.join(π, x).y(tau.hex()))"
    assert body(module.C.again) == "C(self, super().x())"
    assert body(module.local) == "D().method()"
    assert body(module.local().method) == "D"


def test_decorated_functions(load: Load) -> None:
    module = load(
        """
        import functools

        def same(function):
            return function

        def register(*args, key=None):
            return same

        def double(function):
            @functools.wraps(function)
            def wrapper(*args):
                return 2 * function(*args)
            return wrapper

        @same
        @register(
            "f",
            key=lambda x: x,
        )
        @same
        def f(x):
            return x

        @functools.lru_cache(maxsize=None)
        def cached(x):
            return x + 1

        @double
        def doubled(x):
            return x + 2
        """
    )
    source = read_source(module.f)
    assert isinstance(source.node, ast.FunctionDef)
    assert source.lines[source.node.lineno - 1] == "def f(x):"
    assert body(module.cached) == "x + 1"
    assert read_source(module.cached).function is module.cached.__wrapped__
    # The wrapper is what runs: reading what it wraps would lose the factor 2.
    assert body(module.doubled) == "2 * function(*args)"


def test_lambdas(load: Load) -> None:
    module = load(
        """
        pair = (lambda x: x + 1), (lambda x: x * 2)
        twins = (lambda x: x), (lambda x: x)
        curried = lambda x: lambda x: lambda x: x
        default = lambda f=lambda x: x: lambda x: f
        rows = [lambda x, n=n: x ** n for n in range(3)]
        def call(*functions, key=None):
            return functions
        spread = call(lambda x:
                          x + 1,
                      lambda x: (
            x
            * 2
        ),
            key=lambda x: x)
        """
    )
    assert [body(f) for f in module.pair] == ["x + 1", "x * 2"]
    assert [read_source(f).node.col_offset for f in module.twins] == [9, 24]
    inner = module.curried(0)
    nodes = [read_source(f).node for f in (module.curried, inner, inner(0))]
    assert [node.col_offset for node in nodes] == [10, 20, 30]
    assert [read_source(f).node.col_offset for f in (module.default, module.default())] == [10, 32]
    assert read_source(module.default.__defaults__[0]).node.col_offset == 19
    assert {body(f) for f in module.rows} == {"x ** n"}
    assert [body(f) for f in module.spread] == ["x + 1", "x * 2"]


def test_future_annotations_and_docstrings(load: Load) -> None:
    module = load(
        '''
        from __future__ import annotations

        def f(x: float) -> float:
            """The identity.

                Indented.
            """
            def g(y: int) -> int:
                return y
            return g(x)
        '''
    )
    assert body(module.f) == "g(x)"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters are new in Python 3.12")
def test_generic_functions(load: Load) -> None:
    module = load(
        """
        class C[T]:
            def method[S](self, x: S, y: T) -> S:
                z: T = y
                return x
        def f[T](x: T) -> T:
            return x + 1
        """
    )
    assert body(module.f) == "x + 1"
    assert body(module.C.method) == "x"


def test_unicode_identifiers(load: Load) -> None:
    module = load("def größe(ﬁ):\n    return ﬁ * 2\n")  # Python reads the ligature as `fi`
    source = read_source(module.größe)
    assert source.text(source.node.args) == "ﬁ"
    assert body(module.größe) == "ﬁ * 2"


def test_function_with_assert_rewritten_by_pytest() -> None:
    def f(x, y):
        assert x.ndim == 1 and x.shape in [(1,), (2,), (3,)], f"{x} has a wrong shape"
        return x - 2 * y

    def g(x):
        def h(y: Any) -> Any:
            assert y
            return y

        return h(x)

    assert "@py_assert" in repr(f.__code__.co_varnames)
    assert body(f) == "x - 2 * y"
    assert body(g) == "h(x)"


def test_changed_function_with_assert(load: Load) -> None:
    f = load("def f(x, y):\n    assert x\n    return x - y\n").f
    Path(f.__code__.co_filename).write_text("def f(x, y):\n    assert x\n    return y - x\n")
    with pytest.raises(Unsupported, match="file changed"):
        read_source(f)


def test_doctest_example() -> None:
    """
    >>> def f(x):
    ...     return x + 1
    >>> body(f)
    'x + 1'
    """
    test = doctest.DocTestFinder().find(test_doctest_example, "example", globs=globals())[0]
    assert doctest.DocTestRunner(verbose=False).run(test).failed == 0


def test_traced_function() -> None:
    def f(x: int) -> int:
        return x + 1

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: sys.gettrace())
    try:
        f(1)
        assert body(f) == "x + 1"
    finally:
        sys.settrace(before)


@pytest.fixture
def other_threads_turn() -> Iterator[None]:
    """Threads take turns wherever objects are made, also while text is parsed."""

    def give_turn(*given: object) -> None:
        time.sleep(0)

    before = gc.get_threshold()
    gc.callbacks.append(give_turn)
    gc.set_threshold(50)
    yield
    gc.set_threshold(*before)
    gc.callbacks.remove(give_turn)


@pytest.mark.usefixtures("other_threads_turn")
def test_many_threads(load: Load) -> None:
    for start in range(0, 2000, 200):
        numbers = range(start, start + 200)
        module = load("\n".join(f"def f{i}(x):\n    return x + {i}" for i in numbers))
        functions = [getattr(module, f"f{i}") for i in numbers]
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(body, functions)) == [f"x + {i}" for i in numbers]


def test_notebook_cell() -> None:
    text = "import math\n\ndef f(x):\n    return x + 1\n"
    name = "<ipython-input-1-0123456789ab>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    namespace: dict[str, Any] = {}
    exec(compile(text, name, "exec"), namespace)
    assert body(namespace["f"]) == "x + 1"
    assert read_source(namespace["f"]).filename == name


def run(*arguments: str, text: str = "") -> str:
    """What another Python prints, started with these arguments and this standard input."""
    done = subprocess.run(
        [sys.executable, *arguments],
        input=text,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    return done.stdout + done.stderr


SCRIPT = """\
from ad_compiler.frontend.source import read_source
def f(x):
    return x * 3

source = read_source(f)
print("body:", source.text(source.node.body[0]))
"""


def test_command_line_program() -> None:
    assert "body: return x * 3" in run("-c", SCRIPT)
    assert "body: return x * 3" in run(
        "-I", "-c", f"import sys; sys.path[:0] = [{str(ROOT)!r}]\n" + SCRIPT, "-c", "other"
    )


def test_code_executed_in_a_command_line_program() -> None:
    text = f"exec({SCRIPT.replace('f(x)', 'g(x)').replace('(f)', '(g)')!r})"
    assert "was run by `exec` and has not been kept" in run("-c", text)
    # The same line and name in the program and in the text that it runs: the code differs.
    other = SCRIPT.replace("* 3", "* 4") + f"exec({SCRIPT!r})"
    printed = run("-c", other)
    assert "body: return x * 4" in printed and "body: return x * 3" not in printed


def test_prompt() -> None:
    printed = run("-i", text=SCRIPT)
    if sys.version_info >= (3, 13):
        assert "body: return x * 3" in printed
    else:
        assert "did not keep the text of `f`" in printed
        assert "Instead: define it in a file" in printed


def test_standard_input() -> None:
    printed = run("-", text=SCRIPT)
    assert "body: return x * 3" in printed or "did not keep the text of `f`" in printed


@pytest.mark.parametrize("options", [["-O"], ["-OO"], ["-X", "no_debug_ranges"]])
def test_interpreter_options(options: list[str], tmp_path: Path) -> None:
    """A compiled file may have been written with columns and be read without."""
    lines = ['    """Docs."""', "    assert x", "    return x * 3"]
    text = "\n".join(["def f(x):", *lines, "a, b = (lambda x: x), (lambda x: -x)"])
    (tmp_path / "model.py").write_text(text)
    program = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
import model
from ad_compiler.frontend.source import read_source
source = read_source(model.f)
print(source.text(source.node.body[-1]))
print(source.text(read_source(model.b).node))
"""
    expected = "return x * 3\nlambda x: -x\n"
    assert run("-c", program) == expected
    assert run(*options, "-c", program) == expected


# --- files that change ---


def test_file_changed_since_import_is_refused(load: Load) -> None:
    text = "def f(x):\n    return x + 1\n"
    for other in ("x * 1", "x + 2", "y + 1", "x +", "1 + x", "x\n    nonlocal x"):
        f = load(text).f
        load_path = Path(f.__code__.co_filename)
        linecache.checkcache(str(load_path))
        load_path.write_text(text.replace("x + 1", other) + "#" * len(other) + "\n")
        linecache.clearcache()
        with pytest.raises(Unsupported, match="file changed since it was imported") as caught:
            read_source(f)
        assert (caught.value.filename, caught.value.lineno) == (str(load_path), 1)
        load_path.unlink()
        linecache.clearcache()
        with pytest.raises(Unsupported, match="cannot be read"):
            read_source(f)


def test_text_first_read_is_kept_and_the_new_text_found(load: Load) -> None:
    old = load("def f(x):\n    return x + 1\n").f
    assert body(old) == "x + 1"
    new = load("# a comment\n\ndef f(x):\n    return x * 22\n").f
    assert body(old) == "x + 1"
    assert body(new) == "x * 22"
    with pytest.raises(Unsupported, match="file changed"):
        read_source(old)


def test_new_layout_of_the_same_code_is_accepted(load: Load) -> None:
    f = load("def f(x):\n    return x+1\n").f
    Path(f.__code__.co_filename).write_text("def f(x):\n    # Why.\n    return x  +  1\n")
    linecache.clearcache()
    assert body(f) == "x + 1"


# --- functions without a text ---


class Callable_:
    def __call__(self, x: float) -> float:
        return x


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (math.sin, "`sin` of `math` is a builtin_function_or_method and not a function written in"),
        (print, "`print` of `builtins`"),
        (float, "`float` of `builtins` is a type"),
        (Callable_(), "an object of class `Callable_`"),
        (functools.partial(math.atan2, 1), "an object of class `partial`"),
    ],
)
def test_not_a_python_function(function: Function, reason: str) -> None:
    with pytest.raises(Unsupported) as caught:
        read_source(function)
    assert reason in caught.value.reason
    assert caught.value.advice


def test_object_that_wraps_a_function() -> None:
    wrapper = functools.update_wrapper(Callable_(), test_notebook_cell)
    with pytest.raises(Unsupported, match="pass its `__wrapped__`"):
        read_source(wrapper)


def test_executed_text() -> None:
    namespace: dict[str, Any] = {}
    exec("def f(x):\n    return x", namespace)
    with pytest.raises(Unsupported, match="`f` was run by `exec`"):
        read_source(namespace["f"])


def test_generators_and_async_functions() -> None:
    def generator(x: float):
        yield x

    async def coroutine(x: float) -> float:
        return x

    async def stream(x: float):
        yield x

    for function, kind in (
        (generator, "a generator"),
        (coroutine, "an async function"),
        (stream, "an async function"),
        (lambda x: (yield x), "a generator"),
    ):
        with pytest.raises(Unsupported, match=f"is {kind}") as caught:
            read_source(function)
        assert caught.value.lineno == function.__code__.co_firstlineno
        assert caught.value.text is not None


# --- what a source says ---


COMMENTED = '''
def f(x, y):  # after the header
    # first
    a = x + y  # after a statement
    """
    # not a comment
    """
    if (x  >  # why
            0):
        # deep
        a  =  f(x,   # one
                y)

    b = max(  x,
        y)
    c = "two  spaces";  d  =  x  +  b
    for i in range(3):  # "why"
        a = a + i
    return a
# outside
g = [
    lambda x: (  # opens
        # alone
  x  # after
        + 1),  # outside
]
'''


def test_comments(load: Load) -> None:
    module = load(COMMENTED)
    assert read_source(module.f).comments == {3: "# first", 10: "# deep"}
    assert read_source(module.g[0]).comments == {23: "# alone"}


def test_text_of_nodes(load: Load) -> None:
    source = read_source(load(COMMENTED).f)
    assert isinstance(source.node, ast.FunctionDef)
    assert [source.text(statement) for statement in source.node.body] == [
        "a = x + y",
        r"'\n    # not a comment\n    '",
        "if x > 0:",
        "b = max(x, y)",
        'c = "two  spaces"',
        "d = x + b",
        "for i in range(3):",
        "return a",
    ]
    assert source.text(source.node) == "def f(x, y):"
    assert source.text(first(source, ast.If).body[0]) == "a = f(x, y)"  # type: ignore[attr-defined]


def caret(error: Unsupported) -> tuple[str, str]:
    """The line a traceback shows, and what of it is underlined."""
    _, line, carets, *_ = "".join(traceback.format_exception_only(error)).splitlines()
    assert set(carets.strip()) == {"^"}
    return line.strip(), line[carets.index("^") : carets.rindex("^") + 1]


def test_refuse_points_at_the_node(load: Load) -> None:
    source = read_source(load(COMMENTED).f)
    error = source.refuse(first(source, ast.Compare), "reason", "advice")
    assert (error.reason, error.advice, error.lineno) == ("reason", "advice", 8)
    assert caret(error) == ("if (x  >  # why", "x  >")
    shown = {
        ast.If: "if (x  >",
        ast.For: "for i in range(3):",
        ast.FunctionDef: "def f(x, y):",
        ast.arguments: "x",
    }
    for kind, underlined in shown.items():
        assert caret(source.refuse(first(source, kind), "", ""))[1] == underlined


def test_caret_behind_tabs_and_letters_of_several_bytes(load: Load) -> None:
    text = 'def f(x):\n\tif x:\n\t\tü = "αβγ", [x\t@ x]; naïve = x << ü\n\treturn x\n'
    source = read_source(load(text).f)
    for operation, underlined in ((ast.MatMult, "x\t@ x"), (ast.LShift, "x << ü")):
        node = next(
            node
            for node in ast.walk(source.node)
            if isinstance(node, ast.BinOp) and isinstance(node.op, operation)
        )
        error = source.refuse(node, "reason", "advice")
        assert error.text is not None and error.offset is not None and error.end_offset is not None
        assert error.text[error.offset - 1 : error.end_offset - 1] == underlined
        assert caret(error)[1] == underlined
        assert source.text(node) == " ".join(underlined.split())


# --- speed ---


def test_reading_again_is_fast() -> None:
    function = test_text_of_nodes
    read_source(function)
    best = math.inf
    for _ in range(20):
        start = time.perf_counter()
        read_source(function)
        best = min(best, time.perf_counter() - start)
    assert best < 50e-6
