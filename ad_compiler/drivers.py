"""Small programs that call derivatives and other objects: what is differentiated again, and Jacobians.

A derivative is an object, not a text, and so is a partial application. To differentiate one, a function is
written that calls it, and that is compiled like a user's:

    def f_grad(x, y):
        return derivative(x, y)
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import math
from types import FunctionType
from typing import Any

import numpy as np

from ad_compiler.generated import keep_text
from ad_compiler.parsing import parse_expression

_counter = itertools.count(1)
STARS: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def function_of_text(text: str, name: str, namespace: dict[str, Any]) -> FunctionType:
    """The function `name` of a text that sees NumPy and `namespace`; the compiler finds its text again."""
    filename = f"<ad_compiler driver {name} {next(_counter)}>"
    keep_text(filename, text)
    module: dict[str, Any] = {"__name__": f"ad_compiler.drivers.{name}", "np": np, "math": math, **namespace}
    exec(compile(text, filename, "exec"), module)
    function: FunctionType = module[name]
    return function


def header_of(signature: inspect.Signature) -> str:
    """The parameters, as a `def` has them; a default that has no text of its own is set afterwards."""
    parts: list[str] = []
    starred, only = False, False
    for parameter in signature.parameters.values():
        if only and parameter.kind is not parameter.POSITIONAL_ONLY:
            parts.append("/")
        only = parameter.kind is parameter.POSITIONAL_ONLY
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
        starred = starred or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        star = STARS.get(parameter.kind, "")
        parts.append(f"{star}{parameter.name}{default_of(parameter)}")
    return ", ".join([*parts, *["/"] * only])


def default_of(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return ""
    text = repr(parameter.default)
    try:
        return f"={text}" if ast.literal_eval(parse_expression(text)) == parameter.default else "=None"
    except (ValueError, SyntaxError, TypeError):
        return "=None"


def arguments_of(signature: inspect.Signature) -> str:
    """The parameters, as a call passes them on."""
    parts = []
    for parameter in signature.parameters.values():
        star = STARS.get(parameter.kind, "")
        keyword = f"{parameter.name}=" if parameter.kind is parameter.KEYWORD_ONLY else ""
        parts.append(f"{star}{keyword}{parameter.name}")
    return ", ".join(parts)


def with_defaults(function: FunctionType, signature: inspect.Signature) -> FunctionType:
    """The function with the default values themselves."""
    empty = inspect.Parameter.empty
    parameters = signature.parameters.values()
    function.__defaults__ = tuple(
        each.default for each in parameters if each.kind < each.VAR_POSITIONAL and each.default is not empty
    )
    given = {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}
    function.__kwdefaults__ = {name: default for name, default in given.items() if default is not empty}
    return function


def free_name(wanted: str, signature: inspect.Signature) -> str:
    """A name that is no parameter's."""
    while wanted in signature.parameters:
        wanted += "_"
    return wanted


def called_name(fun: Any) -> str:
    """A name for a callable: its own, that of what a partial application calls, or that of its class."""
    while isinstance(fun, functools.partial) and not hasattr(fun, "__name__"):
        fun = fun.func
    name = str(getattr(fun, "__name__", type(fun).__name__))
    return name if name.isidentifier() else "function"


def caller_of(derivative: Any) -> FunctionType:
    """A function that calls a derivative, or another object, and that can be differentiated."""
    name = called_name(derivative)
    suffix = getattr(derivative, "suffix", "")
    name = f"{name}_{suffix}" if suffix else name
    signature = inspect.signature(derivative)
    called, given = parts_of(derivative, signature)
    text = f"def {name}({header_of(signature)}):\n    return {called}({given}{arguments_of(signature)})\n"
    function = function_of_text(text, name, namespace_of(derivative, signature))
    return with_defaults(function, signature)


def parts_of(fun: Any, signature: inspect.Signature) -> tuple[str, str]:
    """The names under which a text calls a callable, and passes what a partial application has bound.

    What is bound by keyword are defaults, which is what `inspect.signature` makes of it.
    """
    if hasattr(type(fun), "inline_in"):
        return free_name("derivative", signature), ""
    bound = isinstance(fun, functools.partial) and fun.args
    return free_name("function", signature), f"*{free_name('bound', signature)}, " if bound else ""


def namespace_of(fun: Any, signature: inspect.Signature) -> dict[str, Any]:
    """What these names stand for."""
    called, given = parts_of(fun, signature)
    if hasattr(type(fun), "inline_in") or not isinstance(fun, functools.partial):
        return {called: fun}
    return {called: fun.func} | ({given.strip("*, "): fun.args} if given else {})


def by_position(fun: Any) -> FunctionType:
    """A function that calls one whose arguments are given by keyword, and takes all of them by position."""
    signature = inspect.signature(fun)
    names = ", ".join(signature.parameters)
    called, given = parts_of(fun, signature)
    text = f"def f({names}):\n    return {called}({given}{arguments_of(signature)})\n"
    return function_of_text(text, "f", namespace_of(fun, signature))
