"""How a rule of the user's is given: `custom_rule` and its kinds, and what is refused there."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from ad_compiler.custom_rules import CustomRule, Kind
from ad_compiler.derivative import forget_all
from ad_compiler.frontend.builtin_calls import BUILTINS
from ad_compiler.frontend.calls import is_library
from ad_compiler.frontend.source import compiled_function
from ad_compiler.rules import load_rules_of
from ad_compiler.rules.notation import expansions, registry, replaced, ruled, signature_of

MAY_ASK: dict[Kind, set[str]] = {"elementwise": {"y"}, "linear": {"g"}, "rule": {"y", "g"}, "constant": set()}


def give_rule(
    function: Any, kind: Kind, rule: Any, result: Callable[..., Any] | None, name: str | None
) -> CustomRule:
    """Register a rule; `TypeError` and `ValueError` for what does not fit."""
    if not callable(function) or isinstance(function, type):
        raise TypeError(f"a rule is for a function, not for {getattr(function, '__name__', repr(function))}")
    if not isinstance(rule, FunctionType):
        raise TypeError("a rule is a function in Python")
    if result is not None and not isinstance(result, FunctionType):
        raise TypeError("`result` is a function of the same arguments that gives what is like the result")
    try:
        load_rules_of(function)
        known = any(function in table for table in (registry, expansions, replaced, BUILTINS))
    except TypeError:
        raise TypeError(
            f"{type(function).__name__} objects cannot be told apart: they have no hash"
        ) from None
    if hasattr(type(function), "inline_in") or (known and function not in ruled):
        raise ValueError(f"{called_by(function)} has a derivative rule already")
    check_rule(function, kind, rule)
    plain: Any = compiled_function(function)
    entered = result is None and name is None and isinstance(plain, FunctionType) and not is_library(plain)
    if entered:
        made = CustomRule(function, kind, rule, result, plain.__qualname__, None)
    else:
        if result is None and kind != "elementwise":
            raise ValueError(f"{called_by(function)} is called as it is: say by `result=` what it gives")
        made = CustomRule(function, kind, rule, result, *import_of(function, name))
    ruled[function] = BUILTINS[function] = made
    forget_all()
    return made


def give_pushforward(function: Any, rule: Any) -> None:
    """Add the rule for tangents to a function that has one for cotangents."""
    made = ruled.get(function) if getattr(type(function), "__hash__", None) else None
    if made is None or made.kind == "constant":
        raise ValueError(f"{called_by(function)} has no rule of yours yet: give it one by `custom_rule`")
    if not isinstance(rule, FunctionType):
        raise TypeError("a rule is a function in Python")
    parameters, defaults, needs = signature_of(rule)
    if (parameters, defaults) != (made.primitive.parameters, made.primitive.defaults):
        own = ", ".join(made.primitive.parameters)
        raise TypeError(f"the rule for tangents takes the parameters of the other one: {own}")
    known = {f"{each}_dot" for each in made.primitive.differentiable}
    if not needs <= known | {"y"} or not needs & known:
        raise TypeError(
            f"behind the star a rule for tangents asks for {', '.join(sorted(known))}, and may for y"
        )
    made.pushforward = rule
    forget_all()


def check_rule(function: Any, kind: Kind, rule: FunctionType) -> None:
    """Refuse a rule whose parameters are not those of the function."""
    parameters, defaults, needs = signature_of(rule)
    flags = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
    if rule.__code__.co_flags & flags:
        raise TypeError("a rule names all of its parameters: it has no * and **")
    if not needs <= MAY_ASK[kind] or (kind in ("linear", "rule") and "g" not in needs):
        allowed = {"elementwise": "for y alone", "linear": "for g", "rule": "for g, and may for y"}
        raise TypeError(f"behind the star a rule of this kind asks {allowed.get(kind, 'for nothing')}")
    if kind != "constant" and len(defaults) == len(parameters):
        raise TypeError("a rule is for the parameters without a default, and there is none")
    try:
        own = inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C: what it takes is not known
        return
    if isinstance(function, np.ufunc):
        return
    named = [each for each in own.values() if each.kind < each.VAR_POSITIONAL]
    starred = {each.kind for each in own.values()}
    for place, name in enumerate(parameters):
        mine = own.get(name)
        if name in defaults:
            fits = (
                inspect.Parameter.VAR_KEYWORD in starred
                if mine is None
                else mine.kind is not mine.POSITIONAL_ONLY
            )
            if mine is not None and fits and not is_same(mine.default, defaults[name]):
                reason = f"the default of {name!r} is {mine.default!r} in {called_by(function)}"
                raise ValueError(f"{reason}, and {defaults[name]!r} in the rule")
        elif place < len(named):
            fits = named[place].name == name or named[place].kind is inspect.Parameter.POSITIONAL_ONLY
        else:
            fits = inspect.Parameter.VAR_POSITIONAL in starred
        if not fits:
            raise ValueError(
                f"{called_by(function)} takes {', '.join(own)}, and the rule {', '.join(parameters)}"
            )
    missing = [each.name for each in named[len(parameters) :] if each.default is each.empty]
    if missing:
        raise ValueError(f"{called_by(function)} needs {', '.join(missing)}, which the rule does not name")


def is_same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and bool(np.all(one == other)))


def called_by(function: Any) -> str:
    return str(
        getattr(function, "__qualname__", None) or getattr(function, "__name__", None) or repr(function)
    )


def import_of(function: Any, name: str | None) -> tuple[str, str]:
    """How emitted code calls a function, and the module it imports for that."""
    if name is not None:
        paths = [name]
    else:
        module = str(getattr(function, "__module__", None) or "")
        inner = str(getattr(function, "__qualname__", None) or getattr(function, "__name__", ""))
        parts = module.split(".") if module not in ("", "__main__", "builtins") else []
        paths = [".".join([*parts[:count], inner]) for count in range(1, len(parts) + 1)]
        if not module:  # as that of many a function written in C
            paths = [f"{each}.{inner}" for each in modules_with(function, inner)]
    for path in paths:
        parts = path.split(".")
        for count in range(len(parts) - 1, 0, -1):
            module = ".".join(parts[:count])
            if module in sys.modules and found_in(sys.modules[module], parts[count:]) is function:
                return path.replace("numpy.", "np.", 1) if parts[0] == "numpy" else path, module
    if name is not None:
        raise ValueError(
            f"{name!r} is no name under which {called_by(function)} is found in an imported module"
        )
    raise ValueError(
        f"{called_by(function)} cannot be imported by its name, and emitted code has to: "
        "define it at the top of a module, or say by `name=` where it is found"
    )


def modules_with(function: Any, name: str) -> list[str]:
    """The public modules in which a function is found under its own name, those nearest to the top first."""
    named = [each for each, module in list(sys.modules.items()) if vars(module).get(name) is function]
    public = [each for each in named if not any(part.startswith("_") for part in each.split("."))]
    return sorted(public, key=lambda each: (each.count("."), each))


def found_in(module: Any, path: list[str]) -> Any:
    found = module
    for part in path:
        found = getattr(found, part, None)
    return found
