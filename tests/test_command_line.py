"""The command line: what it prints, what it writes, and how it says no."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ad_compiler
from ad_compiler.command_line import argnums, main
from ad_compiler.command_target import BadInput, parse_arguments
from ad_compiler.highlight import highlighted, wants_colours

ROOT = Path(ad_compiler.__file__).parent.parent

MODEL = '''\
"""Functions that the tests differentiate."""
import math
import numpy as np
from ad_compiler import grad, value_and_grad

RATE = 2.0
TABLE = np.arange(100.0)
print("printed while importing")


def product_of_sum(x, y, z):
    q = x + y
    return q * z


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def scaled(x):
    return RATE * x * x


def tabled(x):
    return np.sum(x * TABLE)


def squared_norm(W, x):
    return np.sum((W @ x) ** 2)


def waves(x, shift: np.ndarray = np.zeros(2)):
    print("printed while running")
    return np.sin(x + shift)


def hinge(x):
    return abs(x)


def failing(x):
    return 1.0 / x


def looped(x):
    for i in someone_elses(x):
        x = x * i
    return x


def with_aux(x):
    return x * x, x


@value_and_grad(argnums=("x",))
def decorated(x, n=3):
    return x ** n


class Model:
    def __init__(self):
        self.w = 3.0

    def loss(self, x):
        return self.w * x * x


model = Model()
square = lambda x: x * x
CONSTANT = 1.0
'''


@pytest.fixture(autouse=True)
def model_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file `model.py` in the current folder; what the command changes is put back."""
    path = tmp_path / "model.py"
    path.write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield path
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None)
        if file is not None and file.startswith(str(tmp_path)):
            del sys.modules[name]


def run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "ad_compiler", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        timeout=60,
    )


def alone(code: str) -> str:
    """What a program prints in a process where ad_compiler cannot be imported."""
    blocked = f"import sys; sys.modules['ad_compiler'] = None\n{code}"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", blocked],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def output(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(words) == status
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line on stderr for bad input, what the user's file printed left out."""
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if not line.startswith("printed")]
    assert len(lines) == 1, lines
    return lines[0]


# --- show ---


def test_show_prints_the_generated_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "show", "model.py:product_of_sum", "--argnums", "x,y,z")
    heading, rest = text.split("\n", 1)
    assert heading == "# For arguments of these kinds: x: float, y: float, z: float."
    assert rest.startswith("import numpy as np\n\n\ndef product_of_sum_grad(x, y, z):\n")
    assert "\x1b" not in text and "printed" not in text


def test_show_of_a_dotted_module_and_other_modes(capsys: pytest.CaptureFixture[str]) -> None:
    assert "def sigmoid_vjp(x):" in output(capsys, "show", "model:sigmoid", "--mode", "vjp")
    text = output(capsys, "show", "ad_compiler.demo.circuits:product_of_sum", "--mode", "value_and_grad")
    assert "def product_of_sum_value_and_grad(x, y, z):" in text


def test_show_specialises_on_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "show", "model.py:squared_norm", "--args", "[[1, 2]]", "x=[3, 4]")
    assert text.startswith("# For arguments of these kinds: W: float64[1, :], x: float64[:].\n")
    given = output(capsys, "show", "model.py:waves", "--mode", "vjp", "--args", "x=-.5")
    assert "x: float, shift: float64[:]" in given


def test_show_of_what_is_decorated_bound_or_a_lambda(capsys: pytest.CaptureFixture[str]) -> None:
    assert "def decorated_grad(x, n=3):" in output(capsys, "show", "model.py:decorated")
    assert "def loss_grad(x, *, self_w=3.0):" in output(capsys, "show", "model.py:model.loss")
    assert "def function_grad(x):" in output(capsys, "show", "model.py:square")
    assert "def with_aux_grad(x):" in output(capsys, "show", "model.py:with_aux", "--has-aux")


def test_show_of_a_file_in_a_package(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    package = tmp_path / "shapes"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text("def twice(x):\n    return 2.0 * x\n")
    (package / "area.py").write_text("from .base import twice\n\ndef f(x):\n    return twice(x) * x\n")
    assert "def f_grad(x):" in output(capsys, "show", f"shapes{os.sep}area.py:f")


# --- emit ---


def test_emitted_module_runs_without_the_compiler(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, "emit", "model.py:sigmoid", "-o", "generated.py") == ""
    text = Path("generated.py").read_text()
    assert set(re.findall(r"^(?:import|from) .*", text, re.M)) == {
        "import numpy as np",
        "import math",
    }
    assert float(alone("import generated; print(generated.sigmoid_grad(0.0))")) == 0.25


@pytest.mark.parametrize("mode", ["grad", "value_and_grad", "vjp"])
def test_every_mode_can_be_emitted(capsys: pytest.CaptureFixture[str], mode: str) -> None:
    words = ("--mode", mode, "--argnums", "W,x", "-o", "generated.py")
    output(capsys, "emit", "model.py:squared_norm", *words, "--args", "[[1, 2], [3, 4]]", "[1, 1]")
    call = f"generated.squared_norm_{mode}(np.ones((2, 2)), np.ones(2))"
    call = {"vjp": f"{call}[1](1.0)", "value_and_grad": f"{call}[1]"}.get(mode, call)
    code = f"import generated, numpy as np\nprint([g.tolist() for g in {call}])"
    assert alone(code) == "[[[4.0, 4.0], [4.0, 4.0]], [8.0, 8.0]]"


def test_emitted_globals_are_keyword_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    output(capsys, "emit", "model.py:scaled", "-o", "generated.py")
    assert (
        alone("import generated as g; print(g.scaled_grad(1.0), g.scaled_grad(1.0, RATE=5.0))") == "4.0 10.0"
    )
    assert main(["emit", "model.py:tabled", "-o", "generated.py"]) == 0
    assert "tabled_grad reads TABLE from outside: pass TABLE=... by keyword" in capsys.readouterr().err
    assert alone("import generated as g, numpy; print(g.tabled_grad(1.0, TABLE=numpy.ones(3)))") == "3.0"


def test_emit_notes_defaults_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emit", "model.py:waves", "--mode", "vjp"]) == 0
    assert "the default of 'shift' is no literal" in capsys.readouterr().err


def test_emit_is_the_same_text_in_every_process(tmp_path: Path) -> None:
    words = (
        "emit",
        "model.py:squared_norm",
        "--argnums",
        "W,x",
        "--args",
        "[[1, 2], [3, 4]]",
        "[1, 1]",
    )
    first, second = (run(*words, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert first.returncode == second.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert first.stdout.startswith('"""Gradient of squared_norm with respect to W and x.\n')


# --- graph ---


def test_graph_in_dot(capsys: pytest.CaptureFixture[str]) -> None:
    structure = output(capsys, "graph", "model.py:product_of_sum")
    assert structure.startswith('digraph "product_of_sum" {\n')
    assert 'n4 -> n5 [label="q: float"];' in structure
    assert output(capsys, "graph", "model.py:product_of_sum", "-o", "graph.dot") == ""
    assert Path("graph.dot").read_text() == structure


def test_graph_with_values(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "graph", "model.py:product_of_sum", "--args", "-2", "5", "-4")
    assert 'n4 -> n5 [label="3\\n-4", xlabel="q"];' in text
    assert 'n1 -> n4 [label="-2\\n-4", xlabel="x"];' in text
    assert text == output(capsys, "graph", "model.py:product_of_sum", "--args", "-2.0", "z=-4e0", "y=5.0")


# --- check ---


def test_check_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "check", "model.py:squared_norm", "--args", "[[.1, .5], [-.3, .8]]", "[.2, .4]")
    rows = [line.split() for line in text.splitlines()]
    assert [row[0] for row in rows] == ["argument", "W", "x"]
    assert [row[-1] for row in rows[1:]] == ["agrees", "agrees"]
    assert "0.208" in text and "0.636" in text


@pytest.mark.parametrize(
    "words",
    [
        ("waves", "[0.1, 0.2]"),
        ("waves", "[0.1, 0.2]", "shift=[[1.0], [2.0]]"),
        ("product_of_sum", "-2", "5", "-4"),
        ("model.loss", "-1e-3"),
        ("decorated", "2.0"),
        ("square", "x=3"),
    ],
)
def test_check_agrees(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    name, *args = words
    assert "agrees" in output(capsys, "check", f"model.py:{name}", "--args", *args)


def test_check_of_chosen_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "check", "model.py:product_of_sum", "--argnums", "z", "--args", "1.0", "2.0", "3.0")
    assert [line.rsplit("  ", 1)[-1] for line in text.splitlines()[1:]] == [
        "not differentiated",
        "not differentiated",
        "agrees",
    ]


def test_check_finds_a_difference(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "check", "model.py:failing", "--args", "1e-7", status=1)
    assert "DIFFERS" in text and "wrong at kinks" in text


# --- bad input ---


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "COMMAND"),
        (("frobnicate",), "invalid choice: 'frobnicate'"),
        (("show",), "FILE:FUNCTION"),
        (("show", "model.py"), "is not FILE:FUNCTION"),
        (("show", "model.py:"), "is not FILE:FUNCTION"),
        (("show", "missing.py:f"), "no such file: missing.py"),
        (("show", "./:f"), "is a folder"),
        (("show", "no.such.module:f"), "there is no module 'no.such.module'"),
        (("show", "model.py:sigmoidd"), "did you mean 'sigmoid'?"),
        (("show", "model.py:zzz"), "has no function 'zzz'; it has product_of_sum, sigmoid"),
        (("show", "model.py:CONSTANT"), "CONSTANT is of type float, not a function"),
        (("show", "model.py:Model"), "Model is a class, not a function"),
        (("show", "model.py:Model.loss"), "is a method and needs its object"),
        (("show", "model.py:np.sin"), "`sin` of `numpy` is a ufunc"),
        (("show", "math:sin"), "has no text to read"),
        (("show", "model.py:sigmoid", "--argnums", "q"), "no argument 'q'"),
        (("show", "model.py:sigmoid", "--argnums", "3"), "out of range"),
        (("show", "model.py:sigmoid", "--argnums", ","), "at least one argument"),
        (("show", "model.py:sigmoid", "--mode", "jvp"), "invalid choice: 'jvp'"),
        (("show", "model.py:sigmoid", "--args", "1", "2"), "does not fit sigmoid(x)"),
        (("show", "model.py:sigmoid", "--args", "os.system"), "'os.system' is no Python literal"),
        (("show", "model.py:sigmoid", "--args", "[[1], [1, 2]]"), "differ in length"),
        (("show", "model.py:sigmoid", "--args", "x=1", "x=2"), "gives x twice"),
        (("emit", "model.py:sigmoid", "-o", "no/such/folder.py"), "cannot be written"),
        (("graph", "model.py:product_of_sum", "--args", "1.0"), "missing a required argument: 'y'"),
        (
            ("graph", "model.py:failing", "--args", "0.0"),
            "failing fails at these arguments: ZeroDivisionError",
        ),
        (("check", "model.py:sigmoid"), "missing a required argument: 'x'"),
        (("check", "model.py:sigmoid", "--args", "'text'"), "no argument holds a number"),
        (("check", "model.py:failing", "--args", "0"), "(model.py, line 42)"),
    ],
)
def test_bad_input_gets_one_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    line = refused(capsys, *words)
    assert line.startswith("ad-compiler: ") and said in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(x):\n    return x +\n", "broken.py cannot be imported: SyntaxError: "),
        (
            "import no_such_package\n",
            "ModuleNotFoundError: No module named 'no_such_package' (broken.py, line 1)",
        ),
        (
            "x = 1\nraise ValueError('first line\\nsecond')\n",
            "ValueError: first line (broken.py, line 2)",
        ),
        ("raise SystemExit(3)\n", "SystemExit: 3 (broken.py, line 1)"),
    ],
)
def test_files_with_errors(capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    Path("broken.py").write_text(text)
    assert said in refused(capsys, "show", "broken.py:f")


def test_unsupported_programs_are_shown_with_a_caret(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "model.py:looped"]) == 2
    lines = capsys.readouterr().err.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("model.py:"))
    assert re.match(r"model\.py:4[67]: ", lines[place])
    assert set(lines[place + 2].strip()) == {"^"}
    assert lines[place + 3].startswith("    Instead: ")
    assert len(lines) == place + 4


def test_bad_input_in_a_process() -> None:
    done = run("show", "missing.py:f")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ad-compiler: no such file: missing.py\n"
    assert run("show", "model.py:looped").stderr.count("Traceback") == 0


def test_help() -> None:
    assert "FILE:FUNCTION" in run("show", "--help").stdout
    text = run("--help").stdout
    assert all(command in text for command in ("show", "emit", "graph", "check", "demo"))


def test_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    from ad_compiler.demo import run as demo

    monkeypatch.setattr(demo, "main", lambda: 1)
    assert main(["demo"]) == 1


# --- parts ---


def test_parsing_of_arguments() -> None:
    positional, named = parse_arguments(
        ["-2", " 1.5", "[1, 2]", "(1, [2])", "a=None", "b={'k': [True]}", "-inf"]
    )
    assert (positional[:2], type(positional[0])) == ([-2, 1.5], int)
    assert (positional[2].dtype, positional[2].tolist()) == (np.float64, [1.0, 2.0])
    assert positional[3][0] == 1 and positional[3][1].dtype == np.float64
    assert positional[4] == -np.inf
    assert named["a"] is None and named["b"]["k"].dtype == bool
    assert parse_arguments(["['a', 1]"])[0] == [["a", 1]]
    with pytest.raises(BadInput, match="no Python literal"):
        parse_arguments(["1 +"])


def test_parsing_of_argnums() -> None:
    assert [argnums(text) for text in (None, "x", "-1", "x,", "0, y")] == [
        0,
        "x",
        -1,
        ("x",),
        (0, "y"),
    ]


def test_highlighting() -> None:
    text = 'def f(x):\n    """One\n    two."""\n    return x + 1.5  # note\n'
    coloured = highlighted(text)
    assert "\x1b[1;34mf\x1b[0m" in coloured and "\x1b[90m# note\x1b[0m" in coloured
    assert '\x1b[32m    two."""\x1b[0m' in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == text


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(type(sys.stdout)):  # type: ignore[misc]
        def __init__(self) -> None: ...

        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert wants_colours(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colours(Terminal())
