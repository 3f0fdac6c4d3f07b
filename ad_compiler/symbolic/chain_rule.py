"""What the chain rule makes of a formula: the measure of every shortcut."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from ad_compiler.backends.numpy.emit import emit
from ad_compiler.frontend.program import lower_program
from ad_compiler.frontend.source import read_source
from ad_compiler.ir import Function
from ad_compiler.pipeline import Request, differentiate
from ad_compiler.transforms.dead_code import remove_dead_code


def chain_rule(forward: FunctionType, argument: str) -> tuple[Callable[..., Any], str]:
    """The derivative of a function of doubles by one argument, and its text, value included.

    It is compiled as any program is, but no gate is looked for.
    """
    text = emitted(forward, Request(forward, "value_and_grad", (argument,), True))
    namespace: dict[str, Any] = {"np": np, "math": math}
    exec(text, namespace)
    both = namespace[forward.__name__]
    return lambda *numbers: both(*numbers)[1], text


def emitted(forward: FunctionType, request: Request) -> str:
    source = read_source(forward)
    code = forward.__code__
    arguments = dict.fromkeys(code.co_varnames[: code.co_argcount], np.float64(0.5))
    lowered = lower_program(forward, source, arguments, request.argnums, frozenset(), None)
    function: Function = lowered.function
    differentiate(request, source, lowered)
    assert function.reverse is not None
    remove_dead_code([function.forward, function.reverse], (function.result, function.reverse_result))
    return emit(function, None)
