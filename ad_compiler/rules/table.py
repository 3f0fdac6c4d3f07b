"""Writes docs/operations.md from the registry: what is differentiated, constant, or refused, and why.

python -m ad_compiler.rules.table            print the page
python -m ad_compiler.rules.table --write    write it to docs/operations.md
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ad_compiler.rules.inventory import MODULES, named, public_names, refusal_of, status_of
from ad_compiler.rules.notation import expansions, registry, replaced
from ad_compiler.rules.peers import DIFFERENTIATED, VERSIONS

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
OF_SCIPY = tuple(
    f"scipy.{name}" for name in ["special", "linalg", "signal", "ndimage", "interpolate", "fft", "integrate"]
)
OTHERS = (
    "scipy.stats",
    "scipy.optimize",
    "scipy.cluster.vq",
    "scipy.sparse.linalg",
)
TESTED = "F R 2"  # tests/test_every_entry.py has every function that the page lists
PEERS = """\
Public callables of each module that are differentiated here, of which the result is constant, that autograd
{autograd} has a derivative for, and that JAX {jax} has under the same name; of JAX's, those that are
differentiated here, constant, and refused with a reason. For `scipy.stats` methods of distributions count.

| module | here | constant | autograd | JAX | of these: here | constant | refused |
|---|---|---|---|---|---|---|---|
"""
METHODS = ("logpdf", "pdf", "logpmf", "pmf", "cdf", "sf", "logcdf", "logsf", "ppf", "isf", "entropy")
HEAD = """\
# Operations

<!-- Written by `python -m ad_compiler.rules.table --write`; a test compares. -->

Every public function of NumPy is *differentiated*, *constant* (its result carries no derivative: whole
numbers, truth values, shapes), or *refused* with the reason below. Modes: reverse (`grad`, `vjp`) and
forward (`jvp`), of any order: what the compiler writes, it can differentiate again. The backend is NumPy
(and SciPy where the program uses it). Arguments that are not named here are refused. Arrays may be of any
shape and layout, in half, single, double or extended precision, and complex where the last column says so.

Every function in the tables is tested as the column "tested" says: F is forward mode, R reverse mode, and 2
the order of the derivatives, by both modes; in single and double precision, with real numbers and with
complex ones where the last column says so, on arrays with strides, read-only ones, axes of length 1 and 0,
and NaN.

In the column "derivative": `elementwise` is a partial derivative for each argument, `linear` a transposed
map, `rule` a formula for the cotangents, `written out` the derivative of a definition in simpler functions.
"""


def signature_text(function: Any) -> str:
    """The arguments of a function that are supported."""
    made = replaced.get(function) or expansions.get(function)
    if made is not None:
        names = list(inspect.signature(made).parameters.values())
        shown = [str(p).split(":")[0].split(" ")[0] for p in names if p.name not in ("builder",)]
        if shown not in (["*positional", "**keywords"],):
            return ", ".join(shown)
        return ", ".join(registry_parameters(getattr(function, "__name__", "")))
    primitive = registry.get(function)
    return "" if primitive is None else ", ".join(primitive.parameters)


def registry_parameters(name: str) -> tuple[str, ...]:
    return registry[name].parameters if name in registry else ()


def kind_text(function: Any) -> str:
    """How a function is differentiated."""
    primitive = registry.get(function)
    if function in replaced or function in expansions or primitive is None:
        return "rule" if getattr(function, "__name__", "") in registry else "written out"
    return "written out" if primitive.kind == "definition" else primitive.kind


# What is written out in functions of which one takes real numbers only.
OF_REAL_NUMBERS = (
    *("amax", "amin", "clip", "divmod", "max", "min", "modf", "poly", "ptp", "sort", "comb", "factorial"),
    *("BSpline", "CubicHermiteSpline", "CubicSpline", "PchipInterpolator", "RegularGridInterpolator"),
    *("interp1d", "interpn"),
)


def is_complex_too(function: Any) -> str:
    """Whether complex numbers are differentiated: a test calls every function with them, and compares."""
    written_out = function in replaced or function in expansions or function not in registry
    name = getattr(function, "__name__", "")
    if written_out and name not in registry:
        return "" if name in OF_REAL_NUMBERS else "yes"
    return "yes" if registry[name if written_out else function].complex else ""


def paragraph(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 110, break_long_words=False, break_on_hyphens=False))


def differentiated(module: str, names: list[tuple[str, Any]]) -> Iterator[str]:
    yield f"\n## Differentiated: {module}\n"
    yield "| function | arguments | derivative | tested | complex |"
    yield "|---|---|---|---|---|"
    for name, function in names:
        arguments = signature_text(function).replace("*", r"\*")
        yield f"| `{name}` | {arguments} | {kind_text(function)} | {TESTED} | {is_complex_too(function)} |"


def with_status(module: str, status: str) -> list[tuple[str, Any]]:
    return [(name, obj) for name, obj in public_names(module) if status_of(obj) == status]


def page() -> str:
    """The text of docs/operations.md."""
    from ad_compiler.rules import load_rules_of

    try:
        from scipy import special
    except ImportError:
        raise SystemExit("the page lists SciPy's functions: install SciPy") from None
    load_rules_of(special.gamma)
    lines = [HEAD, PEERS.format(**VERSIONS).rstrip(), *counts()]
    for module in MODULES:
        lines += differentiated(module, with_status(module, "differentiable"))
    for module in OF_SCIPY:
        found = [(n, f) for n, f in public_names(module) if is_registered(f)]
        lines += differentiated(module, found)
    lines += distributions()
    for module in MODULES:
        constant = [f"`{name}`" for name, _ in with_status(module, "constant")]
        lines += [f"\n## Constant: {module}\n", paragraph(" ".join(constant))]
    return "\n".join([*lines, *refused(), ""])


def counts() -> Iterator[str]:
    """The rows of the comparison with autograd and JAX."""
    for module in [*MODULES, *OF_SCIPY, "scipy.stats"]:
        ours = [len(with_status(module, status)) for status in ("differentiable", "constant")]
        if module == "scipy.stats":
            ours = [sum(map(len, distribution_methods().values())), 0]
        theirs = [DIFFERENTIATED[peer].get(module, "").split() for peer in ("autograd", "jax")]
        found = [status_of(named(f"{module}.{name}")) for name in theirs[1]]
        split = [found.count(status) for status in ("differentiable", "constant", "refused")]
        yield f"| `{module}` | {' | '.join(map(str, [*ours, *map(len, theirs), *split]))} |"


def is_registered(function: Callable[..., Any]) -> bool:
    try:
        known = function in registry or function in expansions or function in replaced
    except TypeError:
        return False
    return known and status_of(function) == "differentiable"


def distribution_methods() -> dict[str, list[str]]:
    """The methods of distributions that have a rule."""
    found: dict[str, list[str]] = {}
    for function in replaced:
        owner = getattr(function, "__self__", None)
        if owner is not None and type(owner).__module__.startswith("scipy.stats"):
            name = getattr(owner, "name", None) or type(owner).__name__.removesuffix("_gen")
            found.setdefault(name, []).append(function.__name__)
    return {name: sorted(methods, key=METHODS.index) for name, methods in found.items()}


def distributions() -> Iterator[str]:
    yield "\n## Differentiated: scipy.stats\n"
    yield "| distribution | methods | tested |"
    yield "|---|---|---|"
    for name, methods in distribution_methods().items():
        yield f"| `{name}` | {' '.join(f'`{method}`' for method in methods)} | {TESTED} |"


def refused() -> Iterator[str]:
    """The functions that are refused, by reason: NumPy's, and those of SciPy that a peer has."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for module in MODULES:
        for name, function in with_status(module, "refused"):
            short = name if module == "numpy" else f"{module.partition('.')[2]}.{name}"
            note(by_reason, short, function)
    for module in [*OF_SCIPY, *OTHERS]:
        names = [name for peer in DIFFERENTIATED.values() for name in peer.get(module, "").split()]
        for path in dict.fromkeys(f"{module}.{name}" for name in names):
            if status_of(named(path)) == "refused":
                note(by_reason, path, named(path))
    yield "\n## Refused\n"
    for (why, advice), names in by_reason.items():
        yield paragraph(f"* {' '.join(names)}: {why}; {advice}.")


def note(by_reason: dict[tuple[str, str], list[str]], name: str, function: Any) -> None:
    reason = refusal_of(function)
    assert reason is not None
    by_reason.setdefault(reason, []).append(f"`{name}`")


def main(arguments: list[str]) -> None:
    if arguments == ["--write"]:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
