"""The examples of the pages in docs/ that are Python sessions run as they are written."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
PAGES_WITH_SESSIONS = [page for page in PAGES if "```pycon" in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", PAGES_WITH_SESSIONS, ids=lambda page: page.name)
def test_sessions(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    examples = []
    for match in re.finditer(r"^```pycon\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for example in parser.get_examples(match.group(1)):
            example.lineno += text.count("\n", 0, match.start(1))
            examples.append(example)
    runner.run(doctest.DocTest(examples, {"__name__": page.stem}, page.name, str(page), 0, None))
    assert runner.failures == 0


def test_pages_have_examples() -> None:
    assert "sharp_bits.md" in [page.name for page in PAGES_WITH_SESSIONS]
