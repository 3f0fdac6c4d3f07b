"""Every program that a test compiles is verified between all steps; rules that it gives are gone after it."""

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("AD_COMPILER_VERIFY", "1")


@pytest.fixture(autouse=True)
def no_rules_are_left() -> Iterator[None]:
    """Take back what a test has given functions of other libraries by `custom_rule`."""
    from ad_compiler.frontend.builtin_calls import BUILTINS
    from ad_compiler.rules.notation import ruled

    before = set(ruled)
    yield
    for function in set(ruled) - before:
        del ruled[function], BUILTINS[function]
