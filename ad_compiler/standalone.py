"""Generated code as a module of its own: what it is for, and what it needs."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from ad_compiler.derivative import Derivative
from ad_compiler.frontend.inputs import is_dataclass_instance, is_named_tuple
from ad_compiler.parsing import parse_module
from ad_compiler.specialisation import Specialisation


def described(made: Specialisation, arguments: Mapping[str, Any]) -> str:
    """The generated code, below a comment that says for what kinds of arguments it was made."""
    return f"{kinds_line(made, arguments)}\n{made.text}"


def standalone_module(made: Specialisation, arguments: Mapping[str, Any], name: str) -> str:
    """A module that imports only NumPy; `name` is the function it was made from."""
    what = made.program.function.documentation or made.program.name
    advice = f"Written by ad_compiler: change {name}, and write this module again."
    return f'"""{what}\n\n{advice}\n"""\n\n{described(made, arguments)}'


def kinds_line(made: Specialisation, arguments: Mapping[str, Any]) -> str:
    """A comment that says what arguments the code is for."""
    kinds = [f"{name}: {kind_text(value)}" for name, value in arguments.items()]
    parameters = {parameter.name for parameter in made.program.function.parameters}
    read = [capture for capture in made.captures if capture.name in parameters]
    kinds += [f"{capture.name}: {kind_text(capture.example)}" for capture in read]
    return f"# For arguments of these kinds: {', '.join(kinds)}."


def kind_text(obj: Any) -> str:
    """The kind of an argument as a derivative tells kinds apart.

    >>> kind_text((1.0, np.ones((3, 1))))
    '(float, float64[:, 1])'
    """
    if isinstance(obj, np.ndarray):
        return f"{obj.dtype}[{', '.join('1' if n == 1 else ':' for n in obj.shape)}]"
    if is_named_tuple(obj) or is_dataclass_instance(obj):
        return type(obj).__name__
    if isinstance(obj, (tuple, list)):
        left, right = "()" if isinstance(obj, tuple) else "[]"
        return f"{left}{', '.join(map(kind_text, obj))}{right}"
    if isinstance(obj, dict):
        return f"{{{', '.join(f'{key!r}: {kind_text(item)}' for key, item in obj.items())}}}"
    if obj is None or isinstance(obj, (bool, str)):
        return repr(obj)
    return type(obj).__name__


def notes(derivative: Derivative, made: Specialisation) -> list[str]:
    """What a caller of the emitted function has to know that its signature does not say."""
    name = made.program.name
    emitted = {parameter.name: parameter.default for parameter in made.program.function.parameters}
    result = [
        f"{name} reads {capture.location.name}{capture.path} from outside: pass {capture.name}=... by keyword"
        for capture in made.captures
        if emitted.get(capture.name, "constant") is None
    ]
    for parameter in inspect.signature(derivative.primal).parameters.values():
        has_default = parameter.default is not inspect.Parameter.empty
        if has_default and parameter.default is not None and emitted.get(parameter.name) == "None":
            result.append(f"the default of {parameter.name!r} is no literal: pass it to {name}")
    return result


def unknown_names(text: str) -> list[str]:
    """Names that a module reads but does not define."""
    names = [node for node in ast.walk(parse_module(text)) if isinstance(node, ast.Name)]
    made = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    made |= {node.arg for node in ast.walk(parse_module(text)) if isinstance(node, ast.arg)}
    made |= {node.name for node in ast.walk(parse_module(text)) if isinstance(node, ast.FunctionDef)}
    imports = [node for node in ast.walk(parse_module(text)) if isinstance(node, ast.Import)]
    made |= {alias.asname or alias.name.split(".")[0] for node in imports for alias in node.names}
    made |= {"np", "math", "scipy", "pullback", *dir(builtins)}
    return sorted({node.id for node in names} - made)
