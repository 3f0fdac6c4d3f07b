"""Generated source as a reader sees it: every text is kept in `tests/golden`, to be reviewed as prose.

After a change that is meant to change the texts, write them again and read the difference:

    python -m tests.test_golden --update
"""

from __future__ import annotations

import ast
import difflib
import importlib.util
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from ad_compiler import Unsupported, check_grads, value_and_grad
from ad_compiler.demo import circuits, models
from ad_compiler.making import derivative_of
from benchmarks.loops import (
    burgers,
    cholesky,
    conjugate_gradients,
    heat_1d,
    jacobi_2d,
    lstm,
    thomas,
    van_der_pol,
)
from tests import run_standalone
from tests.helpers import function_from_source
from tests.programs import early_exits, lecture, long_loops, solvers
from tests.test_random_programs import programs

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parents[1]


class Case(NamedTuple):
    """A derivative, arguments to make it for, and for a vjp a cotangent."""

    name: str
    function: Callable[..., Any]
    argnums: Any
    args: tuple[Any, ...]
    mode: Any = "grad"
    cotangent: Any = None

    def derivative(self) -> Any:
        return derivative_of(self.function, self.mode, self.argnums, False)

    def text(self) -> str:
        text: str = self.derivative().source_for(*self.args)
        return text

    @property
    def path(self) -> Path:
        return GOLDEN / f"{self.name}.py"

    @property
    def emitted(self) -> str:
        """The name of the generated function."""
        return f"{self.function.__name__}_{self.mode}"

    def golden_function(self) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(self.golden_module(), self.emitted)
        return function

    def golden_module(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"golden_{self.name}", self.path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def cases() -> list[Case]:
    random = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return random.normal(size=shape)

    labels = np.array([3, 0, 9, 3, 1, 7])
    two_layer = models.TwoLayerNet(normal(64, 5), normal(5), normal(5, 10), normal(10))
    conv = models.ConvNet(normal(3, 3, 2), normal(2), normal(18, 10), normal(10))
    params = {"W": normal(4, 3), "b": normal(3), "out": normal(3)}
    layers = (normal(4, 3), normal(3), normal(3, 2), normal(2), normal(5, 4))
    return [
        Case("product_of_sum", circuits.product_of_sum, ("x", "y", "z"), (-2.0, 5.0, -4.0)),
        Case(
            "sigmoid_neuron",
            circuits.sigmoid_neuron,
            ("w0", "w1", "w2", "x0", "x1"),
            (2.0, -3.0, -3.0, -1.0, -2.0),
        ),
        Case(
            "squared_norm",
            lecture.squared_norm,
            ("W", "x"),
            (np.array([[0.1, 0.5], [-0.3, 0.8]]), np.array([0.2, 0.4])),
            "value_and_grad",
        ),
        Case(
            "hinge_loss",
            models.hinge_loss,
            0,
            (normal(65, 10), normal(6, 65), labels, 1e-3),
            "value_and_grad",
        ),
        Case(
            "softmax_net",
            models.softmax_net_loss,
            0,
            (two_layer, normal(6, 64), labels, 1e-3),
            "value_and_grad",
        ),
        Case("conv_net", models.conv_net_loss, 0, (conv, normal(6, 8, 8), labels, 1e-3), "value_and_grad"),
        Case("branch", lecture.huber, (0, 1), (2.5, 1.0)),
        Case("dict_arguments", lecture.dict_loss, 0, (params, normal(6, 4), normal(6)), "value_and_grad"),
        Case(
            "vjp_of_a_pair",
            lecture.polar,
            (0, 1),
            (normal(4), normal(4)),
            "vjp",
            (normal(4), normal(4)),
        ),
        Case("inlined_helper", lecture.two_layers, (0, 1, 2, 3), layers),
        Case(
            "gather_and_scatter",
            lecture.gather_and_scatter,
            0,
            (normal(4, 3), np.array([0, 2, 2]), np.array([1, 1, 0])),
        ),
        *loops(),
    ]


def loops() -> list[Case]:
    """Programs that iterate, and write in place."""
    random = np.random.default_rng(1)

    def normal(*shape: int) -> Any:
        return random.normal(size=shape)

    factor = normal(4, 4)
    positive = factor @ factor.T + 4 * np.eye(4)
    units = lstm.UNITS
    weights = (normal(3, 4 * units), normal(units, 4 * units), normal(4 * units), normal(units, 3))
    return [
        Case("van_der_pol", van_der_pol.van_der_pol, (0, 1, 2), (1.0, -0.5, 0.8, 0.05, 20)),
        Case(
            "checkpointed",
            long_loops.reaction_and_diffusion,
            (0, 1),
            (np.abs(normal(6)), 0.01 * normal(6), 0.01, 20),
            "value_and_grad",
        ),
        Case("checkpointed_sweeps", long_loops.sweeps, (0, 1), (normal(5), 0.1, 20)),
        Case(
            "implicit",
            long_loops.deep_equilibrium,
            (0, 1),
            (normal(3, 3) * 0.2, normal(3), normal(3)),
            "value_and_grad",
        ),
        Case("heat", heat_1d.heat, (0, 1), (normal(8), 0.2, 10)),
        Case("jacobi", jacobi_2d.jacobi, (0, 1), (normal(5, 5), normal(5, 5), 3)),
        Case("burgers", burgers.burgers, 0, (1 + 0.1 * normal(8), 0.4, 5)),
        Case("cholesky", cholesky.half_log_determinant, 0, (positive,)),
        Case(
            "conjugate_gradients",
            conjugate_gradients.conjugate_gradients,
            (0, 1),
            (positive, normal(4), 1e-2),
        ),
        Case("newton", solvers.newton_square_root, (0, 1), (2.0, 1.0)),
        Case("lstm", lstm.loss, (0, 1, 2, 3), (*(0.3 * weight for weight in weights), normal(5, 3))),
        Case("thomas", thomas.thomas, (0, 1, 2, 3), (normal(5), 4 + normal(5), normal(5), normal(5))),
        Case(
            "search",
            early_exits.linear_interpolation,
            (0, 1, 2),
            (np.array([0.0, 0.4, 0.9, 1.5]), np.array([1.0, 0.7, 1.2, 0.5]), 0.65),
        ),
        Case("early_return", early_exits.return_from_two_loops, 0, (abs(normal(3, 2)), 1.3)),
    ]


CASES = cases()
each_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@each_case
def test_text_is_the_golden_file(case: Case) -> None:
    golden, text = case.path.read_text(encoding="utf-8"), case.text()
    difference = difflib.unified_diff(
        golden.splitlines(), text.splitlines(), "golden", "generated", lineterm=""
    )
    assert text == golden, "\n".join(["python -m tests.test_golden --update", *difference])


def test_every_golden_file_has_a_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.py")} == {case.name for case in CASES}


def test_another_process_generates_the_same_texts() -> None:
    """With another order of hashes, and the cases made in another order."""
    program = (
        "import json; from tests.test_golden import CASES; "
        "print(json.dumps({case.name: case.text() for case in reversed(CASES)}))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {case.name: case.text() for case in CASES}


@each_case
def test_text_stands_alone(case: Case) -> None:
    """It imports NumPy and math, defines one function, and reads nothing that it does not define."""
    tree = ast.parse(case.path.read_text(encoding="utf-8"))
    *imports, function = tree.body
    assert isinstance(function, ast.FunctionDef)
    assert function.name == case.emitted
    assert ast.get_docstring(function)
    modules = [alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names]
    assert len(modules) == len(imports)
    assert set(modules) <= {"numpy", "math"}
    names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
    defined = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    defined |= {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    defined |= {node.name for node in ast.walk(function) if isinstance(node, ast.FunctionDef)}
    assert {node.id for node in names} <= defined | {
        "np",
        "math",
        "abs",
        "float",
        "len",
        "type",
        "slice",
        "max",
        "min",
        "range",
        "reversed",
        "sum",
        "ValueError",
        "ArithmeticError",
    }


@pytest.mark.parametrize("limit", [120])
@each_case
def test_text_is_laid_out(case: Case, limit: int) -> None:
    text = case.path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    for line in text.splitlines():
        assert line == line.rstrip()
        assert len(line) <= limit, line


def leaves(tree: Any) -> list[Any]:
    if isinstance(tree, (tuple, list)):
        return [leaf for item in tree for leaf in leaves(item)]
    return [leaf for item in tree.values() for leaf in leaves(item)] if isinstance(tree, dict) else [tree]


def test_golden_files_run_without_ad_compiler_and_give_the_same_numbers(tmp_path: Path) -> None:
    requests, results = tmp_path / "requests", tmp_path / "results"
    calls = [
        (str(case.path), case.emitted, run_standalone.packed(case.args), case.cotangent) for case in CASES
    ]
    requests.write_bytes(pickle.dumps(calls))
    command = [sys.executable, "-I", run_standalone.__file__, str(requests), str(results)]
    subprocess.run(command, check=True)
    for case, alone in zip(CASES, pickle.loads(results.read_bytes()), strict=True):
        ours = run_standalone.packed(run_standalone.called(case.derivative(), case.args, case.cotangent))
        assert len(leaves(ours)) == len(leaves(alone))
        for left, right in zip(leaves(ours), leaves(alone), strict=True):
            np.testing.assert_array_equal(left, right, err_msg=case.name)


@each_case
def test_gradient_is_right(case: Case) -> None:
    check_grads(case.function, case.args)


@each_case
def test_golden_file_can_be_differentiated_again(case: Case) -> None:
    """Gradients of the generated function along random directions, against finite differences."""
    function = case.golden_function()
    if case.mode != "vjp":
        check_grads(function, case.args, rtol=1e-4, atol=1e-5)
        return

    def pulled_back(x, y, result_bar):
        value, pullback = function(x, y)
        return value, pullback(result_bar)

    check_grads(pulled_back, (*case.args, case.cotangent), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", [case for case in CASES if case.mode == "grad"], ids=lambda case: case.name)
def test_text_of_the_second_derivative_stands_alone(case: Case) -> None:
    again = derivative_of(case.golden_function(), "vjp", case.argnums, False)
    text = again.source_for(*case.args)
    assert "ad_compiler" not in text
    assert f"def {case.emitted}_vjp(" in text


GAPS = (
    "does not fit the array",  # lengths that only NumPy knows to be equal
    "is bound in one branch only",  # and read behind the same conditions, three branches deep
    "may be the same",  # which array a branch of the reverse sweep hands on
)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), phases=(Phase.generate,))
@given(programs(), st.integers(0, 2**32 - 1))
def test_generated_code_of_random_programs_can_be_differentiated_again(
    program: tuple[str, list[tuple[int, ...]]], seed: int
) -> None:
    text, shapes = program
    f = function_from_source(text)
    random = np.random.default_rng(seed)
    args = [
        random.uniform(-1.5, 1.5, shape) if shape else float(random.uniform(-1.5, 1.5)) for shape in shapes
    ]
    with np.errstate(all="ignore"):
        assume(np.isfinite(f(*args)))
        generated = function_from_source(value_and_grad(f, tuple(range(len(args)))).source_for(*args))
        try:
            check_grads(generated, args, rtol=1e-3, atol=1e-4)
        except Unsupported as error:
            assume(not any(gap in error.reason for gap in GAPS))
            raise


def update() -> None:
    """Write all golden files."""
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.glob("*.py"):
        path.unlink()
    for case in CASES:
        case.path.write_text(case.text(), encoding="utf-8")
        print(case.path.relative_to(ROOT))


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        sys.exit("usage: python -m tests.test_golden --update")
    update()
