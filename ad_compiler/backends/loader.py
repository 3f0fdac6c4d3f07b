"""Text to function: the generated source is loaded so that tracebacks, pdb and inspect find it.

The loaded function is the text and two things more, both on its `def` line as far as a debugger is
concerned: it reads the user's globals and cells, and it checks its guard. So what is shown is what runs.
"""

from __future__ import annotations

import ast
import itertools
import math
import re
import time
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import Any

import numpy as np

from ad_compiler.generated import keep_text
from ad_compiler.parsing import parse_module

_counter = itertools.count(1)
IMPORTS = "import numpy as np\n"


def module_text(source: str, modules: Iterable[str] = ()) -> str:
    """The source as a module of its own: what it imports, `modules` among it, and the function."""
    lines = IMPORTS + ("import math\n" if "math." in source else "")
    if re.search(r"\btime\.\w+\(\)", source):
        lines += "import time\n"
    named = {*re.findall(r"\bscipy\.\w+(?=\.\w)", source), *modules} - {"numpy", "math", "time"}
    lines += "".join(f"import {module}\n" for module in sorted(named))
    return f"{lines}\n\n{source}"


def guarded_reads(lines: list[str], guard: str, miss: str) -> list[str]:
    """Reads of attributes and items, which may be there no longer, and the guard."""
    return [
        "try:",
        *[f"    {line}" for line in lines],
        f"    _ad_current = {guard}",
        "except (AttributeError, LookupError, TypeError):",
        "    _ad_current = False",
        f"if not _ad_current: return {miss}",
    ]


def load(
    text: str,
    name: str,
    *,
    reads: Mapping[str, str],
    guard: str | None,
    miss: str,
    namespace: Mapping[str, Any],
    objects: bool = False,
) -> FunctionType:
    """The function `name` of a module text.

    `reads` gives, for the parameters that stand for globals and cells, the expression that reads them;
    they are no parameters of the loaded function; with `objects` there are attributes and items among
    them, which another call may not find. Where `guard` does not hold, the call `miss` answers.
    """
    filename = f"<ad_compiler {name} {next(_counter)}>"
    tree = parse_module(text, filename)
    definition = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    arguments = definition.args
    kept = [
        (argument, default)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if argument.arg not in reads
    ]
    arguments.kwonlyargs = [argument for argument, _ in kept]
    arguments.kw_defaults = [default for _, default in kept]
    lines = [f"{parameter} = {expression}" for parameter, expression in reads.items()]
    if guard is not None and guard != "True":
        if objects:
            lines = guarded_reads(lines, guard, miss)
        else:
            lines.append(f"if not ({guard}): return {miss}")
    prologue = parse_module("\n".join(lines)).body
    for node in prologue:
        for inner in ast.walk(node):
            if hasattr(inner, "lineno"):
                ast.copy_location(inner, definition)
                setattr(inner, "end_lineno", definition.lineno)  # noqa: B010 -- not every node has one
                setattr(inner, "end_col_offset", definition.col_offset + 1)  # noqa: B010
    has_docstring = isinstance(definition.body[0], ast.Expr)
    definition.body[has_docstring:has_docstring] = prologue
    keep_text(filename, text)
    module: dict[str, Any] = {
        "__name__": f"ad_compiler.generated.{name}",
        "np": np,
        "math": math,
        "time": time,
        **namespace,
    }
    exec(compile(tree, filename, "exec"), module)
    function: FunctionType = module[name]
    return function
