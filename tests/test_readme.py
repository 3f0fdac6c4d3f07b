"""The README's examples: Python sessions are run as doctests, commands as they are written."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path

import pytest

from ad_compiler.command_line import main

pytest.importorskip("scipy")
pytest.importorskip("sklearn")

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")


def blocks(language: str) -> list[tuple[int, str]]:
    """Line number and text of every fenced block of a language."""
    found = re.finditer(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return [(TEXT.count("\n", 0, match.start(1)), match.group(1)) for match in found]


def commands() -> list[tuple[str, str]]:
    """Every `$ command` with what the README says it prints."""
    parts = [part for _, text in blocks("console") for part in re.split(r"^\$ ", text, flags=re.MULTILINE)]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts if part)]


def test_sessions() -> None:
    """All are one session, so that a function shown once can be used again."""
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    examples = []
    for line, text in blocks("pycon"):
        for example in parser.get_examples(text):
            example.lineno += line
            examples.append(example)
    assert len(examples) > 20
    runner.run(doctest.DocTest(examples, {"__name__": "readme"}, "README.md", str(README), 0, None))
    assert runner.failures == 0


@pytest.mark.parametrize(("command", "output"), commands(), ids=[command for command, _ in commands()])
def test_command(
    command: str, output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    python, *words = shlex.split(command)
    assert [python, *words[:2]] == ["python", "-m", "ad_compiler"]
    main(words[2:])
    captured = capsys.readouterr()
    # The last digits of a difference from finite differences are the machine's.
    rounding = re.compile(r"\d\.\de-\d\d")
    assert rounding.sub("...", captured.out + captured.err) == rounding.sub("...", output)


def test_every_kind_of_refusal_is_shown() -> None:
    shown = "".join(output for command, output in commands() if "refused.py" in command)
    for reason in (
        "changes from turn to turn",
        "is written into",
        "no derivative rule",
        "writing an attribute",
        "one branch gives",
    ):
        assert reason in shown
    assert shown.count("Instead: ") == shown.count("^\n") == 5


@pytest.mark.parametrize("name", ["demo", "test"])
def test_blocks_that_continuous_integration_runs(name: str) -> None:
    (found,) = re.findall(rf"^<!-- ci: {name} -->\n```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert found.count("\n") == 1, "one command"
