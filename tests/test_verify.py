"""The verifier finds malformed programs, and the printer shows well-formed ones."""

from __future__ import annotations

import inspect
import operator
from types import FunctionType
from typing import cast

import pytest

import ad_compiler.rules  # noqa: F401 -- fills the registry
from ad_compiler.analysis.types import BOOL, FLOAT
from ad_compiler.ir import Block, Branch, Function, Operation, Parameter, Value
from ad_compiler.pipeline import Request, compile_program
from ad_compiler.printer import program_text
from ad_compiler.rules.notation import registry
from ad_compiler.verify import MalformedProgram, verify


def program() -> tuple[Function, Value, Value]:
    """`y = x + x`."""
    x, y = Value(FLOAT, "x", "x"), Value(FLOAT, "y")
    y.operation = Operation(registry[operator.add], (x, x), y)
    return Function("f", [Parameter("x", x, "positional")], Block([y.operation]), y), x, y


def test_a_well_formed_program_passes() -> None:
    function, _, _ = program()
    verify(function)
    assert program_text(function) == "x: float\n%2.y: float = add(x, x)\nreturn %2.y"


def test_a_value_read_before_it_is_made() -> None:
    function, _, _ = program()
    function.forward.operations.clear()
    with pytest.raises(MalformedProgram, match="read before"):
        verify(function)


def test_a_value_made_twice() -> None:
    function, _, _ = program()
    function.forward.operations *= 2
    with pytest.raises(MalformedProgram, match="made twice"):
        verify(function)


def test_a_branch_whose_sides_do_not_match_its_results() -> None:
    function, x, y = program()
    condition, chosen = Value(BOOL, "c", "c"), Value(FLOAT)
    function.parameters.append(Parameter("c", condition, "positional"))
    branch = Branch(condition, Block(results=[x]), Block(), [chosen])
    function.forward.operations.append(branch)
    with pytest.raises(MalformedProgram, match="1 results, 0 yielded"):
        verify(function)
    branch.otherwise.results.append(y)
    verify(function)


def test_what_one_side_made_is_not_known_on_the_other() -> None:
    function, x, _ = program()
    inner = Value(FLOAT)
    inner.operation = Operation(registry[operator.mul], (x, x), inner)
    condition, chosen = Value(BOOL, "c", "c"), Value(FLOAT)
    function.parameters.append(Parameter("c", condition, "positional"))
    branch = Branch(condition, Block([inner.operation], [inner]), Block([], [inner]), [chosen])
    function.forward.operations.append(branch)
    with pytest.raises(MalformedProgram, match="read before"):
        verify(function)


def test_the_steps_of_a_program_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def square(x: float) -> float:
        return x * x

    monkeypatch.setenv("AD_COMPILER_PRINT", "lower")
    arguments = inspect.signature(square).bind(2.0).arguments
    compile_program(Request(cast(FunctionType, square), "grad", ("x",), True), arguments, frozenset())
    assert capsys.readouterr().err == "x: float\n%2: float = mul(x, x)\nreturn %2\n"
