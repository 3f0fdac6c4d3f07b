"""Every program that a test compiles is verified between all steps; rules that it gives are gone after it."""

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("AD_COMPILER_VERIFY", "1")

# Tables of rules and programs whose outcome does not depend on the version of Python.
EXHAUSTIVE = (
    "test_batching.py",
    "test_complex.py",
    "test_custom_rule.py",
    "test_every_entry.py",
    "test_gate.py",
    "test_implicit.py",
    "test_independent.py",
    "test_nested_functions.py",
    "test_random_*.py",
    "test_rules*.py",
    "test_second_order.py",
    "test_sparse_jacobians.py",
    "test_stability.py",
    "test_third_derivatives.py",
    "transforms/test_checkpoints.py",
    "transforms/test_coefficients.py",
    "transforms/test_gates.py",
    "transforms/test_tape.py",
    "passes/test_blocking.py",
    "passes/test_bordering.py",
    "native/test_checkpoints.py",
    "passes/test_composing.py",
    "run_time/test_elementary.py",
    "native/test_everything.py",
    "native/test_expressions.py",
    "native/test_forward.py",
    "run_time/test_fused_products.py",
    "passes/test_independence.py",
    "passes/test_interchanging.py",
    "native/test_loops.py",
    "native/test_native.py",
    "native/test_nests.py",
    "passes/test_preaccumulating.py",
    "native/test_programs.py",
    "passes/test_prologues.py",
    "native/test_races.py",
    "native/test_recurrences.py",
    "lowering/test_recursion.py",
    "numba_extensions/test_releasing.py",
    "run_time/test_small_products.py",
    "run_time/test_small_systems.py",
    "native/test_sweeps.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tables, which are run on one version of Python."""
    for item in items:
        if any(item.path.match(pattern) for pattern in EXHAUSTIVE):
            item.add_marker("exhaustive")


@pytest.fixture(autouse=True)
def no_rules_are_left() -> Iterator[None]:
    """Take back what a test has given functions of other libraries by `custom_rule`."""
    from ad_compiler.frontend.builtin_calls import BUILTINS
    from ad_compiler.rules.notation import ruled

    before = set(ruled)
    yield
    for function in set(ruled) - before:
        del ruled[function], BUILTINS[function]
