"""What a refusal looks like, and that it survives a process boundary."""

import copy
import pickle
import traceback

import pytest

from ad_compiler.errors import Unsupported

PLACE = ("models/loss.py", 3, 5, "    for row in rows:", 3, 20)


def refusal() -> Unsupported:
    return Unsupported("a `for` loop has no derivative yet", "use `np.sum(rows, axis=0)`", *PLACE)


def test_is_a_syntax_error_with_its_place() -> None:
    error = refusal()
    assert isinstance(error, SyntaxError)
    place = (error.filename, error.lineno, error.offset, error.text)
    assert (*place, error.end_lineno, error.end_offset) == PLACE


def test_traceback_shows_line_caret_reason_and_advice() -> None:
    assert "".join(traceback.format_exception_only(refusal())) == (
        '  File "models/loss.py", line 3\n'
        "    for row in rows:\n"
        "    ^^^^^^^^^^^^^^^\n"
        "ad_compiler.errors.Unsupported: a `for` loop has no derivative yet\n"
        "    Instead: use `np.sum(rows, axis=0)`\n"
    )


def test_str_is_one_line() -> None:
    message = "a `for` loop has no derivative yet; instead: use `np.sum(rows, axis=0)`"
    assert str(refusal()) == f"{message} (loss.py, line 3)"


def test_without_a_place() -> None:
    error = Unsupported("`sin` has no text", "write it in Python")
    assert str(error) == "`sin` has no text; instead: write it in Python"
    assert "".join(traceback.format_exception_only(error)) == (
        "ad_compiler.errors.Unsupported: `sin` has no text\n    Instead: write it in Python\n"
    )


@pytest.mark.parametrize("duplicate", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_and_pickles(duplicate) -> None:
    error = refusal()
    error.add_note("while differentiating `loss`")
    other = duplicate(error)
    assert type(other) is Unsupported
    assert (other.reason, other.advice) == (error.reason, error.advice)
    assert traceback.format_exception_only(other) == traceback.format_exception_only(error)
