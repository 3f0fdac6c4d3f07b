"""Objects that are called or made: partial applications, callable objects, instances of classes, `super()`.

An object made on the way is a `Record`, its attributes known by name: named tuples and dataclasses by
their fields, other classes by running their `__init__`, which may set attributes of the new object. A
partial application is one too (`func`, `args`, `keywords`).
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from ad_compiler.api.rules import CustomRule
from ad_compiler.frontend.context import Context
from ad_compiler.frontend.inputs import is_named_tuple
from ad_compiler.frontend.scope import locate
from ad_compiler.ir import Iteration, Operand, Record, Value
from ad_compiler.rules import load_rules_of
from ad_compiler.rules.notation import is_definition, stand_ins

MISSING = object()
SIMPLE = "use a named tuple, a dataclass or a dict"


@dataclass(eq=False, slots=True)
class Super:
    """`super()`: the methods of the classes behind `cls`, for `owner`."""

    cls: type
    owner: Operand


def make_partial(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """`functools.partial(function, ...)`."""
    function, *arguments = positional
    fields = {"func": function, "args": tuple(arguments), "keywords": dict(keywords)}
    return Record(functools.partial, fields)


def standing_for(context: Context, node: ast.AST, owner: Operand) -> Operand:
    """The object of ours that stands for a library's; any other as it is."""
    from ad_compiler.frontend.calls import lower_definition

    if context.in_rule or isinstance(owner, (Value, Record, type)):
        return owner
    load_rules_of(owner)
    made = stand_ins.get(type(owner))
    return owner if made is None else lower_definition(context, node, made, [owner], {})


def call_object(
    context: Context,
    node: ast.AST,
    callee: Operand,
    positional: list[Operand],
    keywords: dict[str, Operand],
) -> Operand:
    """What calling an object gives that is no function; MISSING where it is not known."""
    from ad_compiler.frontend.attributes import read_attribute
    from ad_compiler.frontend.calls import call_operand, is_library, write_out_definition
    from ad_compiler.frontend.inlining import inline

    callee = standing_for(context, node, callee)
    cls = callee.cls if isinstance(callee, Record) else type(callee)
    if cls is functools.partial:
        parts = [
            callee.fields[name] if isinstance(callee, Record) else read_attribute(context, callee, name)
            for name in ("func", "args", "keywords")
        ]
        return call_operand(context, node, parts[0], [*parts[1], *positional], {**parts[2], **keywords})
    method = inspect.getattr_static(cls, "__call__", None)
    if isinstance(method, FunctionType) and not is_library(method) and cls is not CustomRule:
        if isinstance(callee, type):
            return MISSING
        if is_definition(method):
            return write_out_definition(context, node, method, [callee, *positional], keywords)
        return inline(context, node, method, [callee, *positional], keywords)
    return MISSING


def construct(
    context: Context, node: ast.AST, cls: type, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """An instance of a class."""
    if is_named_tuple(cls):
        named: Any = cls
        names: list[str] = list(named._fields)
        given = dict(named._field_defaults)
    elif is_made_by_dataclass(cls):
        return construct_dataclass(context, node, cls, positional, keywords)
    elif is_plain_class(cls):
        record = Record(cls, {})
        initialiser = inspect.getattr_static(cls, "__init__")
        if isinstance(initialiser, FunctionType):
            initialise(context, node, record, initialiser, positional, keywords)
        elif positional or keywords:
            raise context.refuse(node, f"`{cls.__name__}` takes no arguments", "give none")
        return record
    else:
        raise context.refuse(node, f"an instance of the class `{cls.__name__}` is made", SIMPLE)
    given.update(zip(names, positional, strict=False))
    given.update(keywords)
    if len(positional) > len(names) or set(given) != set(names):
        raise context.refuse(node, f"the arguments do not fit `{cls.__name__}`", f"give {', '.join(names)}")
    return Record(cls, {name: given[name] for name in names}, context.records.get(cls))


def initialise(
    context: Context,
    node: ast.AST,
    record: Record,
    method: Any,
    positional: list[Operand],
    keywords: dict[str, Operand],
) -> None:
    """Run a method that may set attributes of a new object."""
    from ad_compiler.frontend.inlining import inline

    context.unfinished.append((record, context.builder.block))
    try:
        inline(context, node, method, [record, *positional], keywords)
    finally:
        context.unfinished.pop()


def construct_dataclass(
    context: Context, node: ast.AST, cls: type, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    from ad_compiler.frontend.calls import call_operand

    fields = {field.name: field for field in dataclasses.fields(cls)}
    names = [name for name, field in fields.items() if not field.kw_only]
    given = dict(zip(names, positional, strict=False))
    if len(positional) > len(names) or not set(keywords) <= set(fields) or set(keywords) & set(given):
        raise context.refuse(node, f"the arguments do not fit `{cls.__name__}`", f"give {', '.join(fields)}")
    given.update(keywords)
    for name, field in fields.items():
        if name not in given and field.default is not dataclasses.MISSING:
            given[name] = field.default
        elif name not in given and field.default_factory is not dataclasses.MISSING:
            given[name] = call_operand(context, node, field.default_factory, [], {})
        elif name not in given:
            raise context.refuse(node, f"`{cls.__name__}` needs `{name}`", f"give {', '.join(fields)}")
    record = Record(cls, {name: given[name] for name in fields}, context.records.get(cls))
    after = inspect.getattr_static(cls, "__post_init__", None)
    if after is not None:
        initialise(context, node, record, after, [], {})
    return record


def is_made_by_dataclass(cls: type) -> bool:
    """Whether an instance is made by the `__init__` that `dataclass` writes, of all of its fields."""
    if not dataclasses.is_dataclass(cls):
        return False
    maker = next(parent for parent in cls.__mro__ if "__init__" in vars(parent))
    parameters = vars(maker).get("__dataclass_params__")
    after = inspect.getattr_static(cls, "__post_init__", None)
    return (
        parameters is not None
        and parameters.init
        and all(field.init for field in dataclasses.fields(cls))
        and (after is None or (isinstance(after, FunctionType) and not parameters.frozen))
    )


def is_plain_class(cls: type) -> bool:
    """Whether making an instance is to run an `__init__` written in Python."""
    initialiser = inspect.getattr_static(cls, "__init__")
    return (
        type(cls) is type
        and cls.__module__ != "builtins"
        and (isinstance(initialiser, FunctionType) or initialiser is vars(object)["__init__"])
        and all(
            inspect.getattr_static(cls, name) is vars(object)[name]
            for name in ("__new__", "__setattr__", "__getattribute__")
        )
        and not dataclasses.is_dataclass(cls)
        and not any(hasattr(cls, name) for name in ("__getattr__", "__slots__"))
    )


def set_attribute(context: Context, node: ast.AST, owner: Operand, name: str, operand: Operand) -> bool:
    """`self.name = ...` in `__init__`; False where it is no object that is being made here."""
    for record, block in context.unfinished:
        if record is owner:
            found = inspect.getattr_static(record.cls, name, None)
            if context.builder.block is not block:
                reason = "an attribute is set in a branch that is taken at run time, or in a loop"
                raise context.refuse(node, reason, "choose the value first, and set the attribute once")
            if hasattr(type(found), "__set__"):
                return False
            record.fields[name] = operand
            return True
    return False


def record_attribute(context: Context, node: ast.AST, record: Record, name: str) -> Operand:
    """`record.name`; MISSING where it is not known."""
    from ad_compiler.frontend.inlining import inline

    if name == "__class__":
        return record.cls
    found = inspect.getattr_static(record.cls, name, MISSING)
    if isinstance(found, property) and isinstance(found.fget, FunctionType):
        return inline(context, node, found.fget, [record], {})
    if name in record.fields:
        return record.fields[name]
    return MISSING if found is MISSING else bound(context, found, record, record.cls, name)


def bound(context: Context, found: Any, owner: Operand, cls: type, name: str) -> Operand:
    """What the attribute `found` of a class is for an instance."""
    from ad_compiler.frontend.attributes import read_attribute

    if isinstance(found, FunctionType):
        return MethodType(found, owner)
    if isinstance(found, staticmethod):
        return found.__func__
    if isinstance(found, classmethod):
        return MethodType(found.__func__, cls)
    if hasattr(type(found), "__get__"):
        return MISSING
    return read_attribute(context, cls, name)


def make_super(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    if positional:
        cls, owner = positional
        return Super(cls, owner)
    here = context.here
    while here.enclosing is not None:
        here = here.enclosing
    location = locate(here.function, "__class__")
    arguments = here.source.node.args
    first = next((a.arg for a in [*arguments.posonlyargs, *arguments.args]), None)
    if location is None or first is None:
        raise context.refuse(node, "`super()` stands outside of a method", "name the class")
    return Super(location.read(), here.names[first])


def super_attribute(context: Context, node: ast.AST, owner: Super, name: str) -> Operand:
    from ad_compiler.frontend.inlining import inline

    instance = owner.owner
    cls = instance.cls if isinstance(instance, Record) else instance
    cls = cls if isinstance(cls, type) else type(cls)
    order = cls.__mro__
    for parent in order[order.index(owner.cls) + 1 :]:
        found = vars(parent).get(name, MISSING)
        if found is MISSING:
            continue
        if found is object.__init__:
            return MethodType(nothing, instance)
        if isinstance(found, property) and isinstance(found.fget, FunctionType):
            return inline(context, node, found.fget, [instance], {})
        return bound(context, found, instance, parent, name)
    return MISSING


def nothing(self: Any) -> None:
    """`object.__init__`, as Python text."""


def replace(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    """`dataclasses.replace`, and `_replace` of named tuples."""
    (record,) = positional
    if not isinstance(record, Record):
        raise context.refuse(node, "what is replaced is no record known while compiling", "use its fields")
    unknown = next((name for name in keywords if name not in record.fields), None)
    if unknown is not None:
        raise context.refuse(node, f"`{record.cls.__name__}` has no field `{unknown}`", "check the name")
    return Record(record.cls, {**record.fields, **keywords}, record.access)


def has_attribute(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    owner, name = positional
    if isinstance(owner, Record):
        return name in owner.fields or hasattr(owner.cls, name)
    if isinstance(owner, Value):
        from ad_compiler.frontend.builtin_calls import class_of

        return hasattr(class_of(owner), name)
    return hasattr(owner, name)


def is_value(operand: Operand) -> bool:
    """Whether an operand can leave the program: be returned, or printed."""
    if isinstance(operand, Record):
        return (is_named_tuple(operand.cls) or dataclasses.is_dataclass(operand.cls)) and all(
            map(is_value, operand.fields.values())
        )
    if isinstance(operand, (tuple, list)):
        return all(map(is_value, operand))
    if isinstance(operand, dict):
        return all(map(is_value, operand.values()))
    return not isinstance(operand, (Iteration, Super))


def is_callable(
    context: Context, node: ast.AST, positional: list[Operand], keywords: dict[str, Operand]
) -> Operand:
    from ad_compiler.frontend.scope import LocalFunction

    (operand,) = positional
    if isinstance(operand, Record):
        return callable(getattr(operand.cls, "__call__", None))  # noqa: B004 -- the class, not an instance
    return isinstance(operand, LocalFunction) or (not isinstance(operand, Value) and callable(operand))


OBJECTS: dict[Any, Any] = {
    functools.partial: make_partial,
    super: make_super,
    dataclasses.replace: replace,
    hasattr: has_attribute,
    callable: is_callable,
}
