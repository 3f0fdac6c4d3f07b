"""Attributes, items and methods of operands."""

from __future__ import annotations

import ast
import inspect
import math
import sys
from types import BuiltinMethodType, MethodType, ModuleType
from typing import Any

import numpy as np

from ad_compiler.analysis.layout import is_array
from ad_compiler.analysis.types import GENERATOR, ArrayType, python_type
from ad_compiler.frontend import lists
from ad_compiler.frontend.calls import call_operand
from ad_compiler.frontend.containers import change, is_changing
from ad_compiler.frontend.context import Capture, Context
from ad_compiler.frontend.inputs import has_inputs, is_named_tuple
from ad_compiler.frontend.lists import CHANGING
from ad_compiler.frontend.objects import (
    MISSING,
    Super,
    record_attribute,
    replace,
    standing_for,
    super_attribute,
)
from ad_compiler.frontend.scope import LocalFunction, containers_in
from ad_compiler.frontend.write_calls import METHODS, taken_out, write_at
from ad_compiler.frontend.writes import write_out
from ad_compiler.ir import Iteration, Operand, Record, Value
from ad_compiler.refusal import NeedsConstant, Refusal
from ad_compiler.rules.list_elements import is_list
from ad_compiler.rules.notation import expansions, is_definition, methods, registry
from ad_compiler.rules.random_numbers import drawn
from ad_compiler.rules.shapes import rank_of, type_of

_METHOD_EXPANSIONS: dict[str, Any] = {"take": np.take}
_PROPERTIES: dict[str, Any] = {"shape": np.shape, "ndim": np.ndim, "size": np.size}


def get(context: Context, node: ast.Attribute, owner: Operand, name: str) -> Operand:
    """`owner.name`."""
    owner = standing_for(context, node, owner)
    if isinstance(owner, Value):
        return array_attribute(context, node, owner, name)
    if isinstance(owner, Record):
        found = record_attribute(context, node, owner, name)
        if found is not MISSING:
            return found
        if is_definition(owner.cls):
            raise context.refuse(
                node,
                f"`{ast.unparse(node)}` has no derivative rule",
                "docs/operations.md lists the methods that have one",
            )
    elif isinstance(owner, Super):
        found = super_attribute(context, node, owner, name)
        if found is not MISSING:
            return found
    elif isinstance(owner, (int, float)) and name in ("shape", "ndim", "size"):
        raise context.refuse(node, f"a Python number has no attribute `{name}`", f"use `np.{name}`")
    elif isinstance(owner, (tuple, list, dict, LocalFunction, Iteration)):
        raise context.refuse(
            node, f"the attribute `{name}` of a {type(owner).__name__} is not known", "use its items"
        )
    elif hasattr(owner, name):
        return read_attribute(context, owner, name)
    raise context.refuse(node, f"`{ast.unparse(node)}` is not known", "check the name")


def read_attribute(context: Context, owner: Any, name: str) -> Operand:
    """An attribute of a constant object: a number or array in it is an input, read at every call."""
    obj = getattr(owner, name)
    if inspect.ismodule(owner) and (is_of_library(owner) if not has_inputs(obj) else owner in (math, np)):
        return obj
    origin = origin_of(context, owner)
    if origin is not None:
        if isinstance(obj, (MethodType, BuiltinMethodType)):
            return obj  # made anew by every read; the class of the owner is checked
        return context.found(origin.location, f"{origin.path}.{name}", obj)
    context.outside.update({id(inner): inner for inner in containers_in(obj)})
    if has_inputs(obj):
        raise Refusal(f"the attribute `{name}` cannot be read again at call time", "pass it as an argument")
    return obj


def is_of_library(module: ModuleType) -> bool:
    """Whether what a module holds is taken to stay the same."""
    top = module.__name__.split(".")[0]
    return top in ("numpy", "scipy") or top in sys.stdlib_module_names


def origin_of(context: Context, owner: Any) -> Capture | None:
    """How a constant object is reached from a name."""
    origin = context.origins.get(id(owner))
    if origin is not None and origin.example is owner:
        return origin
    return None


def array_attribute(context: Context, node: ast.AST, owner: Value, name: str) -> Operand:
    if not isinstance(owner.type, ArrayType):
        raise context.refuse(node, f"`{name}` of {owner.type} is not known", "use numbers and arrays")
    if owner.type.python and name not in ("real", "imag"):
        raise context.refuse(node, f"a Python {owner.type} has no attribute `{name}`", f"use `np.{name}`")
    context.builder.place = (context.here.source, node)
    if name == "T":
        if owner.type.rank < 2:
            return owner
        return context.builder.call(registry[np.transpose], (owner, None))
    if name in _PROPERTIES:
        return expansions[_PROPERTIES[name]](context.builder, owner)
    if name == "dtype":
        return owner.type.dtype
    if name in ("real", "imag"):
        return context.builder.call(registry[getattr(np, name)], (owner,))
    raise context.refuse(
        node, f"the attribute `{name}` of an array cannot be differentiated", "use a NumPy function"
    )


def call_method(
    context: Context,
    node: ast.Call,
    owner: Operand,
    name: str,
    positional: list[Operand],
    keywords: dict[str, Operand],
) -> Operand:
    """`owner.name(...)`."""
    assert isinstance(node.func, ast.Attribute)
    if is_list(owner) or (isinstance(owner, list) and name in (*CHANGING, "copy")):
        return lists.method(context, node, owner, name, positional, keywords)
    if isinstance(owner, Value) and owner.type is GENERATOR:
        context.builder.place = (context.here.source, node)
        return drawn(context.builder, owner, name, positional, keywords)
    if isinstance(owner, Value):
        return array_method(context, node, owner, name, positional, keywords)
    if isinstance(owner, dict) and name in ("items", "keys", "values", "get"):
        if any(isinstance(key, Value) for key in positional):
            raise context.refuse(node, "a key is not known while compiling", "use constant keys")
        found = getattr(owner, name)(*positional)
        return found if name == "get" else list(found)
    if isinstance(owner, (tuple, list)) and name in ("index", "count"):
        if any(isinstance(item, Value) for item in [*owner, *positional]):
            raise context.refuse(node, f"`{name}` is not known while compiling", "compare the elements")
        return getattr(owner, name)(*positional)
    if isinstance(owner, dict) and is_changing(name):
        return change(context, node, owner, name, positional, keywords)
    if isinstance(owner, dict) and name == "copy":
        return dict(owner)
    if isinstance(owner, (list, dict)):
        raise context.refuse(node, f"`.{name}` of a {type(owner).__name__} is not known", "use its items")
    if isinstance(owner, str):
        if any(isinstance(item, Value) for item in positional):
            raise context.refuse(node, "text made of numbers is not known while compiling", "use an f-string")
        return getattr(owner, name)(*positional, **keywords)
    if isinstance(owner, np.ufunc) and name == "at":
        write_at(context, node, owner, positional)
        return None
    if isinstance(owner, Record) and name in ("_replace", "_asdict") and is_named_tuple(owner.cls):
        return dict(owner.fields) if name == "_asdict" else replace(context, node, [owner], keywords)
    if isinstance(owner, np.ufunc):
        raise context.refuse(
            node, f"`np.{owner.__name__}.{name}` is not differentiated", "use a NumPy function"
        )
    return call_operand(context, node, get(context, node.func, owner, name), positional, keywords)


def array_method(
    context: Context,
    node: ast.Call,
    owner: Value,
    name: str,
    positional: list[Operand],
    keywords: dict[str, Operand],
) -> Operand:
    several = len(positional) > 1 or (name == "transpose" and positional and isinstance(positional[0], int))
    if name in ("reshape", "transpose") and several:
        positional = [tuple(positional)]
    context.builder.place = (context.here.source, node)
    if name == "bit_length" and is_whole(owner) and not positional and not keywords:
        return context.builder.call(registry["bit_length"], (owner,))
    if isinstance(owner.type, ArrayType) and owner.type.python and name != "conjugate":
        raise context.refuse(node, f"a Python {owner.type} has no method `{name}`", f"use `np.{name}`")
    if name in METHODS and is_array(owner):
        METHODS[name](context, node, owner, positional, keywords)
        return None
    if "out" in keywords:
        out, where = taken_out(context, node, None, positional, keywords)
        result = array_method(context, node, owner, name, positional, keywords)
        return write_out(context, node, out, result, where)
    function = np.reshape if name == "reshape" and keywords else _METHOD_EXPANSIONS.get(name)
    if function is not None:
        return call_operand(context, node, function, [owner, *positional], keywords)
    if name == "tolist" and rank_of(owner) == 1 and not positional:
        return context.builder.call(registry["list_rows"], (owner, python_type(type_of(owner).dtype)))
    primitive = methods.get(name)
    if primitive is None:
        raise context.refuse(
            node,
            f"the method `{name}` of an array cannot be differentiated",
            "use functions the README lists",
        )
    if name == "astype" and keywords.pop("copy", True) is not True:
        raise context.refuse(node, "`astype` with `copy=False` may give the array itself", "leave `copy` out")
    arguments = primitive.bind([owner, *positional], keywords)
    return context.builder.call(primitive, arguments, method=True)


def item(context: Context, node: ast.Subscript, container: Operand, index: Operand) -> Operand:
    """`container[index]`."""
    if is_list(container):
        return lists.subscript(context, node, container, index)
    if isinstance(container, list) and isinstance(index, Value) and index.access is None:
        return lists.subscript(context, node, lists.lifted(context, node, container), index)
    if isinstance(container, Value):
        if rank_of(container) == 0 and type_of(container).python:
            raise context.refuse(node, "a number is indexed", "index an array")
        items = index if isinstance(index, tuple) else (index,)
        context.builder.place = (context.here.source, node)
        return context.builder.call(registry["getitem"], (container, tuple(items)))
    if isinstance(container, Record) and issubclass(container.cls, tuple):
        container = tuple(container.fields.values())
    if isinstance(container, (tuple, list, dict, str, range)):
        if isinstance(index, Value):
            if index.access is not None and not isinstance(container, dict):
                raise NeedsConstant(index.access)
            raise context.refuse(
                node, "which item is meant is not known while compiling", "use a constant index, or an array"
            )
        if isinstance(index, slice) and any(
            isinstance(p, Value) for p in (index.start, index.stop, index.step)
        ):
            raise context.refuse(
                node, "which items are meant is not known while compiling", "use constant bounds"
            )
        try:
            return container[index]
        except (KeyError, IndexError, TypeError) as error:
            message = f"this fails with {type(error).__name__}: {error}"
            raise context.refuse(node, message, "correct the index") from None
    raise context.refuse(node, f"`{ast.unparse(node.value)}` is not an array or a container", "index one")


def is_whole(value: Value) -> bool:
    """Whether it is one of Python's whole numbers."""
    kind = value.type
    return isinstance(kind, ArrayType) and kind.python and kind.dtype.kind == "i"
