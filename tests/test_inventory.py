"""NumPy's own listing against the registry: every public function is known, and the page is current."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad_compiler import grad
from ad_compiler.rules.inventory import MODULES, REFUSALS, named, public_names, refusal_of, status_of
from tests.helpers import function_from_source

LISTED = [(module, name, obj) for module in MODULES for name, obj in public_names(module)]


@pytest.mark.parametrize("module", MODULES)
def test_no_function_is_unknown(module: str) -> None:
    unknown = [name for where, name, obj in LISTED if where == module and status_of(obj) is None]
    assert unknown == []


def test_most_are_differentiated() -> None:
    """No module was forgotten: the counts only grow."""
    counts = {
        status: sum(status_of(obj) == status for _, _, obj in LISTED)
        for status in ("differentiable", "refused")
    }
    assert counts["differentiable"] > 260
    assert counts["refused"] < 130


def test_every_reason_is_of_a_function_that_is_refused() -> None:
    """A function that got a rule loses its reason; names are those of some version of NumPy."""
    for names, _, _ in REFUSALS:
        for name in names.split():
            obj = named(name)
            assert obj is None or status_of(obj) == "refused", name


REFUSED = [
    (module, name, obj)
    for module, name, obj in LISTED
    if status_of(obj) == "refused" and not isinstance(obj, type)
]


@pytest.mark.parametrize(("module", "name", "obj"), REFUSED, ids=[f"{m}.{n}" for m, n, _ in REFUSED])
def test_refusal_gives_the_reason(module: str, name: str, obj: Any) -> None:
    reason = refusal_of(obj)
    assert reason is not None
    place = module.replace("numpy", "np", 1)
    f = function_from_source(f"def f(x):\n    return np.sum({place}.{name}(x)) + x[0]\n")
    with pytest.raises(SyntaxError) as caught:
        grad(f)(np.ones(3))
    assert reason[0] in str(caught.value)
    assert getattr(caught.value, "advice", None) == reason[1]


def test_page_is_current() -> None:
    """`python -m ad_compiler.rules.table --write` writes it again, under the versions it names."""
    scipy = pytest.importorskip("scipy")
    if not (np.__version__.startswith("2.4.") and scipy.__version__.startswith("1.17.")):
        pytest.skip("the page lists the functions of other versions")
    from ad_compiler.rules.table import PAGE, page

    assert PAGE.read_text(encoding="utf-8") == page()
