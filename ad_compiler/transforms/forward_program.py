"""A whole program in forward mode: it takes the tangents of its arguments, and returns that of its result.

def f(x, y):                def f_jvp(x, y, *, x_dot):
    return x * y     ->         return x * y, x_dot * y
"""

from __future__ import annotations

from functools import partial

import numpy as np

from ad_compiler.analysis.saturation import saturation_of
from ad_compiler.analysis.shift import shift_maxima
from ad_compiler.analysis.types import ListType, leaves_of
from ad_compiler.frontend.inputs import real_type
from ad_compiler.frontend.program import Lowered
from ad_compiler.ir import Operand, Parameter, Record, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.shapes import type_of
from ad_compiler.transforms.apply_definitions import unread_parts
from ad_compiler.transforms.cotangents import converted, leaf_name
from ad_compiler.transforms.forward import ForwardSweep
from ad_compiler.transforms.tangent_names import tangent_name
from ad_compiler.traversal import map_values, values_in


def push_forward(lowered: Lowered, argnums: tuple[str, ...], has_aux: bool) -> Operand:
    """Differentiate a program in place: the tangent of its result (of the first of two, with `has_aux`).

    The tangents of the arguments `argnums` become keyword arguments.
    """
    function, context = lowered.function, lowered.context
    tangents: dict[Value, Operand] = {}
    added: list[Parameter] = []
    for parameter in function.parameters:
        if parameter.name not in argnums:
            continue
        name = tangent_name(parameter.name, [each.name for each in function.parameters])
        structure = map_values(partial(tangent_input, name), parameter.structure)
        added.append(Parameter(name, structure, "keyword"))
        differentiated = values_in(lowered.differentiated[parameter.name])
        tangents.update(zip(differentiated, values_in(structure), strict=True))
    blocked = frozenset(shift_maxima(function.forward, function.result))
    saturation = saturation_of(function.forward, function.result)
    sweep = ForwardSweep(context, function.forward, tangents, function.shortcuts, blocked, saturation)
    sweep.unread = unread_parts(function.forward, function.result)
    sweep.run(function.forward)
    builder = context.builder
    builder.block, builder.statement = function.forward, None
    with builder.generating():
        tangent = derivative_of_output(sweep, function.result[0] if has_aux else function.result)
    end = len(function.parameters) - (
        bool(function.parameters) and function.parameters[-1].kind == "var_keyword"
    )
    function.parameters[end:end] = added
    return tangent


def tangent_input(name: str, value: Value) -> Value:
    """The tangent of a number or array of an argument, at the same place of the argument `name`."""
    assert value.access is not None
    stem = leaf_length(value.access)
    access = f"{name}{value.access[stem:]}"
    tangent = Value(
        real_type(type_of(value)), name if access == name and name.isidentifier() else None, access
    )
    tangent.immutable = value.immutable
    if tangent.name is None:
        leaf = leaf_name(value.access)
        tangent.name = None if leaf is None else f"{leaf}_dot"
    return tangent


def leaf_length(access: str) -> int:
    """How long the name is that an access begins with."""
    return next((place for place, letter in enumerate(access) if letter in "[."), len(access))


def derivative_of_output(sweep: ForwardSweep, output: Operand) -> Operand:
    """The tangent of a result in its own structure; 0.0 beside what is not a real number."""
    if isinstance(output, Value):
        if isinstance(output.type, ListType):
            parts = [leaf for _, leaf in leaves_of(output.type.element)]
            flat = not isinstance(output.type.element, tuple) or len(parts) == len(output.type.element)
            if not flat or not all(leaf.differentiable for leaf in parts):
                reason = "a list whose items are nested, or hold whole numbers, is returned"
                raise Refusal(reason, "return one list for each part")
            return sweep.tangent_of(output)
        tangent = sweep.tangent_of(output)
        if not type_of(output).differentiable:
            return tangent if type_of(output).rank else 0.0
        kinds = (type_of(output), type_of(tangent))
        if any(kind.rank or kind.dtype != np.float64 for kind in kinds):  # any double will do for one
            tangent = converted(sweep.context, output, tangent)
        sweep.know(output, tangent)
        return tangent
    if isinstance(output, tuple):
        return tuple([derivative_of_output(sweep, item) for item in output])
    if isinstance(output, list):
        return [derivative_of_output(sweep, item) for item in output]
    if isinstance(output, dict):
        return {key: derivative_of_output(sweep, item) for key, item in output.items()}
    if isinstance(output, Record):
        fields = {key: derivative_of_output(sweep, item) for key, item in output.fields.items()}
        return Record(output.cls, fields)
    return 0.0 if isinstance(output, (int, float, np.generic)) and not isinstance(output, bool) else None
