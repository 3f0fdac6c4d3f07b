"""Signatures of derivatives, how their arguments are passed on, and examples for those not given."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from ad_compiler.pipeline import Request
from ad_compiler.transforms.tangent_names import tangent_name, vector_name


def signature_with_tangents(signature: inspect.Signature, request: Request) -> inspect.Signature:
    """The signature of the derivative: in forward mode the tangents are keyword arguments."""
    if request.mode == "hvp":
        return with_vector(signature)
    return with_tangents(signature, request.argnums) if request.mode == "jvp" else signature


def with_vector(signature: inspect.Signature) -> inspect.Signature:
    """The signature with one more argument by position, without defaults in front of it."""
    parameters = list(signature.parameters.values())
    by_position = [each for each in parameters if each.kind < inspect.Parameter.VAR_POSITIONAL]
    plain = [each.replace(default=inspect.Parameter.empty) for each in by_position]
    vector = inspect.Parameter(
        vector_name(list(signature.parameters)), inspect.Parameter.POSITIONAL_OR_KEYWORD
    )
    return signature.replace(parameters=[*plain, vector, *parameters[len(by_position) :]])


def with_tangents(signature: inspect.Signature, argnums: Sequence[str]) -> inspect.Signature:
    """The signature with a keyword argument for the tangent of each of these."""
    parameters = list(signature.parameters.values())
    end = len(parameters) - (bool(parameters) and parameters[-1].kind is inspect.Parameter.VAR_KEYWORD)
    names = [tangent_name(name, list(signature.parameters)) for name in argnums]
    added = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
    return signature.replace(parameters=[*parameters[:end], *added, *parameters[end:]])


def forwarded(parameter: inspect.Parameter) -> str:
    """How a parameter is passed on to the search for a specialisation."""
    name = parameter.name
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        return f"*{name}"
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        return f"**{name}"
    return f"{name}={name}" if parameter.kind is inspect.Parameter.KEYWORD_ONLY else name


def assumed(parameter: inspect.Parameter) -> Any:
    """An example for a parameter that was not given: by annotation, by default, or a float."""
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        return ()
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        return {}
    annotation = parameter.annotation
    by_name = {"float": 1.0, "int": 1, "bool": True, "np.ndarray": np.ones(2), "ndarray": np.ones(2)}
    if isinstance(annotation, str) and annotation in by_name:
        return by_name[annotation]
    if annotation in (float, int, bool):
        return annotation(1)
    if annotation is np.ndarray:
        return np.ones(2)
    if parameter.default is not inspect.Parameter.empty:
        return parameter.default
    return 1.0
