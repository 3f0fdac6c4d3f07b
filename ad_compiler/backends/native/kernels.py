"""The iteration-space program as the text of a module that Numba compiles.

The text is for reading too: the user's lines stand above what computes them, as in the NumPy source.
"""

from __future__ import annotations

import re

from ad_compiler.backends.native.lowering.frame import Frame
from ad_compiler.backends.native.lowering.program import Lowered
from ad_compiler.backends.native.nests import (
    Allocate,
    Choice,
    Code,
    Comment,
    Define,
    Line,
    Nest,
    Repeat,
    Store,
    codes_in,
    names_in,
    text_of,
)
from ad_compiler.backends.native.run_time.support import MODULE_OF

INDENT = "    "
HELPERS = frozenset(MODULE_OF)
CHUNKED = ("chunks_of", "chunks_of_sums", "first_turn", "in_chunks")


def lines_of(body: list[Code], depth: int) -> list[str]:
    indent = INDENT * depth
    lines: list[str] = []
    for place, code in enumerate(body):
        if isinstance(code, Comment):
            if place + 1 < len(body) and not isinstance(body[place + 1], Comment):
                lines.append(indent + code.text)
        elif isinstance(code, Define):
            lines.append(f"{indent}{code.name} {code.operator} {text_of(code.value)}")
        elif isinstance(code, Store):
            index = ", ".join(map(str, code.index))
            lines.append(f"{indent}{code.array}[{index}] {code.operator} {text_of(code.value)}")
        elif isinstance(code, Line):
            lines += [indent + line for line in code.text.split("\n")]
        elif isinstance(code, Allocate):
            lines.append(indent + allocation(code))
        elif isinstance(code, Choice):
            then, otherwise = (lines_of(side, depth + 1) for side in (code.then, code.otherwise))
            if then or not otherwise:
                lines += [f"{indent}if {text_of(code.condition)}:", *(then or [f"{indent}{INDENT}pass"])]
                if otherwise:
                    lines += [f"{indent}else:", *otherwise]
            else:
                lines += [f"{indent}if not {text_of(code.condition, 6)}:", *otherwise]
        elif isinstance(code, Repeat):
            inner = lines_of(code.body, depth + 1)
            lines += [indent + code.head, *(inner or [f"{indent}{INDENT}pass"])]
        else:
            lines += nest_lines(code, depth)
    return lines


def nest_lines(nest: Nest, depth: int) -> list[str]:
    lines = []
    for level, (index, extent) in enumerate(nest.loops):
        lines.append(f"{INDENT * (depth + level)}for {index} in range({extent}):")
    return [*lines, *lines_of(nest.body, depth + len(nest.loops))]


def allocation(code: Allocate) -> str:
    extents = ", ".join(map(str, code.extents))
    shape = extents if len(code.extents) == 1 else f"({extents})"
    function = "np.zeros" if code.zeros else "np.empty"
    dtype = "" if code.dtype == "np.float64" else f", {code.dtype}"
    return f"{code.name} = {function}({shape}{dtype})"


def prologue_lines(frame: Frame, used: frozenset[str]) -> list[str]:
    """What is needed of the lengths of the inputs, and of constant arrays."""
    lines: list[str] = []
    wanted = set(used)
    for code in reversed(frame.prologue):
        if names_defined(code) & wanted:
            own = lines_of([code], 1)
            wanted |= names_in("\n".join(own))
            lines = own + lines
    return lines


def conditional_names(body: list[Code]) -> frozenset[str]:
    """Names that only one side of a branch, or a loop, may define."""
    found: set[str] = set()
    for code in body:
        sides = [code.then, code.otherwise] if isinstance(code, Choice) else []
        sides += [code.body] if isinstance(code, (Repeat, Nest)) else []
        for side in sides:
            for inner in codes_in(side):
                found |= names_defined(inner)
    return frozenset(found)


def names_defined(code: Code) -> frozenset[str]:
    if isinstance(code, (Define, Allocate)):
        return frozenset({code.name})
    if isinstance(code, Line):
        return code.writes
    return frozenset({code.index}) if isinstance(code, Repeat) and code.index else frozenset()


def tuple_text(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"({', '.join(items)})"


def function(lowered: Lowered, name: str, body: list[str], inputs: list[str]) -> str:
    used = names_in(code_only(body))
    body = [*prologue_lines(lowered.frame, used), *body]
    used = names_in(code_only(body))
    head = f"def {name}({', '.join(each for each in inputs if each in used)}):"
    return "\n".join([head, *body]) + "\n"


def code_only(lines: list[str]) -> str:
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def module(
    functions: list[str],
    options: str,
    library: dict[str, str],
    modules: set[str],
    called: list[str],
    chunks: list[str],
) -> str:
    """The whole module: imports, and its functions.

    These are those that call a library, those `called`, those that do `chunks` of loops, and those to be
    called from outside. The last three have Numba's `options`.
    """
    calls = [f"def {name}{text}" for text, name in library.items()]
    text = "\n".join([*calls, *called, *chunks, *functions])
    helpers = sorted(HELPERS & names_in(code_only(text.split("\n"))))
    lines = []
    if re.search(r"\bmath\.", text):
        lines.append("import math\n")
    modules = modules | set(re.findall(r"\bscipy\.\w+(?=\.)", text))
    lines += [f"import {module}" for module in (["time"] if re.search(r"\btime\.\w+\(\)", text) else [])]
    lines.append("import numpy as np")
    lines += [f"import {module}" for module in sorted(modules)]
    lines.append(f"from numba import njit{', objmode' if calls else ''}")
    departing = [name for name in ("Departure", "of_kind", "array_of") if re.search(rf"\b{name}\b", text)]
    shared = [name for name in CHUNKED if re.search(rf"\b{name}\(", text)]
    raises = bool(departing or helpers or calls or shared)  # and would leave arrays behind
    if raises:
        lines.append("")
    if raises:
        lines.append("from ad_compiler.backends.native.numba_extensions.releasing import Releasing")
    if shared:
        lines.append(f"from ad_compiler.backends.native.run_time.chunks import {', '.join(shared)}")
    if departing:
        lines.append(f"from ad_compiler.backends.native.run_time.departure import {', '.join(departing)}")
    if helpers:
        listed = ", ".join(helpers)
        head = "from ad_compiler.backends.native.run_time.support import "
        lines.append(f"{head}{listed}")
        if len(head) + len(listed) > 110:
            lines[-1] = head + "(\n" + "".join(f"    {each},\n" for each in helpers) + ")"
    within = options.removesuffix(", cache=True")
    releasing = ["pipeline_class=Releasing"] if raises else []
    given: list[list[str]] = [[]] * len(calls) + [[within]] * len(called)
    given += [[within, "no_cpython_wrapper=True"]] * len(chunks) + [[options]] * len(functions)
    heads = [f"@njit({', '.join([*each, *releasing])})".replace("()", "") for each in given]
    pairs = zip(heads, [*calls, *called, *chunks, *functions], strict=True)
    decorated = "\n\n".join(f"\n{head}\n{each}".rstrip("\n") for head, each in pairs)
    return "\n".join(lines) + "\n\n" + decorated + "\n"


def parameters_of(text: str) -> list[str]:
    """The parameters of a function of the module, as its head says."""
    head = text[text.index("(") + 1 : text.index("):")]
    return [name for name in head.split(", ") if name]
