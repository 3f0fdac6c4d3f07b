"""What autograd and JAX differentiate: the lists in `rules.peers`, and that none is missing here."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import pytest

from ad_compiler.rules import load_rules_of, peers
from ad_compiler.rules.inventory import named, status_of

scipy = pytest.importorskip("scipy")

MODULES = [
    *("numpy", "numpy.linalg", "numpy.fft"),
    *(f"scipy.{m}" for m in ("special", "linalg", "signal", "ndimage", "fft", "integrate", "stats")),
    *("scipy.interpolate", "scipy.cluster.vq", "scipy.optimize", "scipy.sparse.linalg"),
]


def listed(peer: str, counts: Callable[[Any], bool]) -> dict[str, str]:
    """The names that the modules of a peer share with ours: functions, and methods of distributions."""
    found: dict[str, str] = {}
    for module in MODULES:
        try:
            theirs = importlib.import_module(f"{peer}.{module}")
        except ImportError:
            continue
        ours = importlib.import_module(module)
        names = [
            name for name in dir(theirs) if not name.startswith("_") and callable(getattr(ours, name, None))
        ]
        functions = [name for name in names if counts(getattr(theirs, name))]
        if module == "scipy.stats":
            functions += methods(theirs, ours, counts)
        if functions:
            found[module] = " ".join(functions)
    return found


def methods(theirs: Any, ours: Any, counts: Callable[[Any], bool]) -> Iterator[str]:
    for name, distribution in vars(theirs).items():
        if inspect.ismodule(distribution) and not name.startswith("_"):
            for method in dir(distribution):
                of_ours = getattr(getattr(ours, name, None), method, None)
                if not method.startswith("_") and callable(of_ours) and counts(getattr(distribution, method)):
                    yield f"{name}.{method}"


@pytest.mark.parametrize("peer", ["autograd", "jax"])
def test_lists_are_current(peer: str) -> None:
    """`python -m tests.test_peers` prints them."""
    pytest.importorskip(peer)
    if (version("numpy"), version("scipy"), version(peer)) != (*peers.COUNTED_ON, peers.VERSIONS[peer]):
        pytest.skip("the lists are of other versions")
    written = {module: names.split() for module, names in peers.DIFFERENTIATED[peer].items()}
    assert written == {module: names.split() for module, names in listing(peer).items()}


def listing(peer: str) -> dict[str, str]:
    if peer == "jax":
        return listed("jax", lambda function: callable(function) and not inspect.isclass(function))
    import autograd
    from autograd.core import primitive_vjps

    for module in pkgutil.walk_packages(autograd.__path__, "autograd."):
        importlib.import_module(module.name)

    def has_derivative(function: Any) -> bool:
        """It has a rule, or is made of functions that have."""
        own = (getattr(function, "__module__", None) or "").startswith(("autograd.numpy", "autograd.scipy"))
        return function in primitive_vjps or (inspect.isfunction(function) and own)

    return listed("autograd", has_derivative)


@pytest.mark.parametrize("peer", ["autograd", "jax"])
def test_none_is_unknown(peer: str) -> None:
    """What a peer has is differentiated, constant, or refused with a reason."""
    load_rules_of(scipy.special.gamma)
    for module, names in peers.DIFFERENTIATED[peer].items():
        functions = {name: named(f"{module}.{name}") for name in names.split()}
        unknown = [name for name, f in functions.items() if f is not None and status_of(f) is None]
        assert unknown == [], module


if __name__ == "__main__":
    import textwrap

    for each in ("autograd", "jax"):
        print(f'    "{each}": {{')
        for where, text in listing(each).items():
            lines = textwrap.wrap(text, 96, break_long_words=False)
            print(f'        "{where}": """\n            ' + "\n            ".join(lines) + '\n        """,')
        print("    },")
