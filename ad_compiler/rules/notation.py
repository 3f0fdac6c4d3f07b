"""The notation of derivative rules, and the registry of the operations that have one.

A rule is an ordinary Python function in the language the compiler accepts. The compiler lowers its body
into the reverse sweep, so a rule costs nothing at run time, and what it does not read is not saved.
Its positional parameters are the ones of the operation that may be given, with their defaults; after
the star it asks for what it needs: `y`, the result, and `g`, the cotangent of the result.

    @elementwise(np.tanh)                 the partial derivatives of a function of numbers; broadcasting,
    def tanh(x, *, y):                    the product with the cotangent and strong zeros are not the
        return 1 - y * y                  rule's business, and both modes follow from it

    @linear(np.transpose, infer=...)      a function linear in its first parameter: the transposed map,
    def transpose(a, axes=None, *, g):    applied to the cotangent; forward mode is the function itself
        return np.transpose(g, ...)

    @rule(np.matmul, infer=...)           everything else: the cotangent of each differentiable
    def matmul(a, b, *, g):               parameter (those without a default), in order
        return g @ b.T, a.T @ g

    @definition(np.cov)                   a function written out in simpler ones: its derivative is that of
    def cov(m, y=None, rowvar=True):      what it is written as, computed in the reverse sweep; the forward
        ...                               sweep calls the function itself

Forward mode follows from the same rules: partial derivatives times tangents, a linear operation of the
tangent, the pullback transposed. A rule of an operation that is linear in all of its parameters together,
or in each of them by itself (a product), says so by `linear=`. Where none of this gives good code, a second
rule gives the tangent of the result, from those of the parameters; one that is not there is 0.0:

    @pushforward(np.maximum)
    def maximum(a, b, *, a_dot, b_dot):
        return np.where(a == b, 0.5 * (a_dot + b_dot), np.where(a < b, b_dot, a_dot))

The mathematics: Griewank and Walther, Evaluating Derivatives (2008), chapter 3; for matrices Giles, An
extended collection of matrix derivative results (2008).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from ad_compiler.analysis.types import Type
from ad_compiler.refusal import Refusal

Infer = Callable[..., Type]
Kind = Literal["elementwise", "linear", "rule", "definition", "constant"]
RuleFunction = Callable[..., Any]


class LoweredRule(Protocol):
    """A rule that lowers itself where it is needed: one that the user has written, in the names it knows."""

    def inline_in(self, context: Any, node: Any, arguments: list[Any], needs: dict[str, Any], /) -> Any:
        """What the rule gives for these arguments, and for what it needs beside them."""
        ...


@runtime_checkable
class LoweredPushforward(LoweredRule, Protocol):
    """Likewise for the tangent of the result."""

    @property
    def needs(self) -> frozenset[str]:
        """What it asks for: `y`, and tangents."""
        ...


_TOTAL = frozenset(
    ["add", "sub", "mul", "neg", "pos", "abs", "lt", "le", "gt", "ge", "eq", "ne", "not", "length", "size"]
)


@dataclass(eq=False, slots=True)
class Primitive:
    """An operation of the program.

    `text` is how emitted code calls it (`np.tanh`, `math.exp`); operators have none. `view` says that
    the result may share memory with the first argument, `cheap` that it is better computed again than
    kept in a variable, `effect` that it must stay where it is even if nobody reads its result, `fresh` that
    the user calls it to get an array of their own, to write into; `singular` that a partial derivative
    is infinite at a point where the function is finite; `guard` that the effect is to check the first
    argument, and is left out where nobody reads that; `module` names what emitted code has to import for a
    function of another library, which is called as it is; `complex` that the rule holds for complex numbers.
    """

    name: str
    text: str
    kind: Kind
    infer: Infer
    rule: RuleFunction | LoweredRule | None = None
    parameters: tuple[str, ...] = ()
    defaults: dict[str, Any] = field(default_factory=dict)
    needs: frozenset[str] = frozenset()  # of `y` and `g`
    differentiable: tuple[str, ...] = ()  # the parameters that get a cotangent
    view: bool = False
    cheap: bool = False
    structures: tuple[str, ...] = ()  # parameters of a definition whose lists are no arrays
    effect: bool = False
    fresh: bool = False
    variadic: bool = False
    singular: bool | Callable[..., bool] = False
    keywords: bool = True  # parameters with defaults are written as keywords
    positional: int | None = None  # how many parameters are in NumPy's own order; the others need names
    method: str | None = None  # its name as a method of arrays
    linear: Literal["together", "each"] | None = None  # in its differentiable parameters
    pushforward: RuleFunction | LoweredPushforward | None = (
        None  # where the tangent does not follow from the rule
    )
    guard: bool = False
    module: str | None = None
    complex: bool = False

    @property
    def pushforward_needs(self) -> frozenset[str]:
        """What the pushforward asks for: `y`, and tangents."""
        if self.pushforward is None:
            return frozenset()
        if isinstance(self.pushforward, LoweredPushforward):
            return self.pushforward.needs
        return signature_of(self.pushforward)[2]

    @property
    def may_raise(self) -> bool:
        """Whether it may raise an exception for some numbers, as Python's division does by zero."""
        return self.name not in _TOTAL and not (self.kind == "elementwise" and self.text.startswith("np."))

    def bind(self, positional: Sequence[Any], keywords: dict[str, Any]) -> tuple[Any, ...]:
        """The arguments in the order of the parameters, defaults filled in; `Refusal` otherwise."""
        if self.variadic:
            if keywords:
                raise Refusal(f"`{self.text}` is called with keyword arguments", "pass them by position")
            return tuple(positional)
        by_position = self.parameters[: self.positional]
        if len(positional) > len(by_position):
            raise Refusal(
                f"`{self.text or self.name}` is called with {len(positional)} positional arguments, and only "
                f"{', '.join(by_position)} may be given by position",
                "leave out the others, or name them",
            )
        bound = dict(zip(self.parameters, positional, strict=False))
        for name, value in keywords.items():
            if name not in self.parameters:
                raise Refusal(
                    f"the argument `{name}` of `{self.text or self.name}` is not supported",
                    f"write the same without it; supported are {', '.join(self.parameters)}",
                )
            if name in bound:
                raise Refusal(f"the argument `{name}` is given twice", "give it once")
            bound[name] = value
        result = []
        for name in self.parameters:
            if name in bound:
                result.append(bound[name])
            elif name in self.defaults:
                result.append(self.defaults[name])
            else:
                raise Refusal(
                    f"the argument `{name}` of `{self.text or self.name}` is missing", f"give `{name}`"
                )
        return tuple(result)

    def argument(self, arguments: Sequence[Any], name: str) -> Any:
        return arguments[self.parameters.index(name)]


registry: dict[Any, Primitive] = {}
methods: dict[str, Primitive] = {}
compile_time: set[Any] = set()
expansions: dict[Any, Callable[..., Any]] = {}
replaced: dict[Any, RuleFunction] = {}  # functions and what is written out instead of a call
stand_ins: dict[
    type, RuleFunction
] = {}  # classes of libraries, and what makes an object of ours of one of theirs
ruled: dict[Any, Any] = {}  # functions that the user has given a rule, and the rule

_MODULE_TEXTS = {
    "math": "math.",
    "time": "time.",
    "numpy": "np.",
    "numpy.linalg": "np.linalg.",
    "numpy.fft": "np.fft.",
    "_operator": "",
    "builtins": "",
}


def spelling(function: Any) -> str:
    """How emitted code names a library function: `np.tanh`; operators and our own have no name."""
    if isinstance(function, str):
        return ""
    module = getattr(function, "__module__", None) or "numpy"
    if "stride_tricks" in module:
        return f"np.lib.stride_tricks.{function.__name__}"
    prefix = _MODULE_TEXTS.get(module, "np.")
    if module.startswith("scipy."):
        prefix = f"{'.'.join(module.split('.')[:2])}."
    return "" if module == "_operator" else f"{prefix}{function.__name__}"


def signature_of(rule_function: RuleFunction) -> tuple[tuple[str, ...], dict[str, Any], frozenset[str]]:
    code = rule_function.__code__
    names = code.co_varnames[: code.co_argcount]
    given = rule_function.__defaults__ or ()
    defaults = dict(zip(names[len(names) - len(given) :], given, strict=True))
    needs = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    return names, defaults, frozenset(needs)


def no_inference(*_: Any) -> Type:
    raise AssertionError("the type of a definition is found by lowering it")


def register(
    function: Any,
    kind: Kind,
    infer: Infer,
    rule_function: RuleFunction,
    *,
    name: str | None = None,
    method: str | None = None,
    text: str | None = None,
    differentiable: tuple[str, ...] | None = None,
    **flags: Any,
) -> Primitive:
    names, defaults, needs = signature_of(rule_function)
    if differentiable is None:
        differentiable = tuple(each for each in names if each not in defaults and kind != "constant")
    if kind == "linear":
        flags.setdefault("linear", "together")
    primitive = Primitive(
        name=name or (function if isinstance(function, str) else function.__name__),
        text=spelling(function) if text is None else text,
        kind=kind,
        infer=infer,
        rule=None if kind == "constant" else rule_function,
        parameters=names,
        defaults=defaults,
        needs=needs,
        differentiable=differentiable,
        method=method,
        **flags,
    )
    registry[function] = primitive
    if method is not None:
        methods.setdefault(method, primitive)
    return primitive


def elementwise(
    *functions: Any, infer: Infer | None = None, **options: Any
) -> Callable[[RuleFunction], RuleFunction]:
    """The rule gives one partial derivative for each parameter."""
    from ad_compiler.rules.elementwise_types import elementwise_type

    def decorate(rule_function: RuleFunction) -> RuleFunction:
        for function in functions:
            register(function, "elementwise", infer or elementwise_type(function), rule_function, **options)
        return rule_function

    return decorate


def linear(
    *functions: Any, infer: Infer, of: str | None = None, **options: Any
) -> Callable[[RuleFunction], RuleFunction]:
    """The rule applies the transposed linear map to `g`; linear in the first parameter, or in `of`."""

    def decorate(rule_function: RuleFunction) -> RuleFunction:
        for function in functions:
            register(
                function,
                "linear",
                infer,
                rule_function,
                differentiable=(of or signature_of(rule_function)[0][0],),
                **options,
            )
        return rule_function

    return decorate


def pushforward(*functions: Any) -> Callable[[RuleFunction], RuleFunction]:
    """The rule gives the tangent of the result, from tangents `a_dot` it asks for after the star."""

    def decorate(rule_function: RuleFunction) -> RuleFunction:
        for function in functions:
            registry[function].pushforward = rule_function
        return rule_function

    return decorate


def rule(*functions: Any, infer: Infer, **options: Any) -> Callable[[RuleFunction], RuleFunction]:
    """The rule gives the cotangent of every parameter that has no default."""

    def decorate(rule_function: RuleFunction) -> RuleFunction:
        for function in functions:
            register(function, "rule", infer, rule_function, **options)
        return rule_function

    return decorate


def constant(
    *functions: Any, infer: Infer | None = None, **options: Any
) -> Callable[[RuleFunction], RuleFunction]:
    """An operation whose derivative is zero or does not exist: the decorated function is its signature."""
    from ad_compiler.rules.elementwise_types import elementwise_type

    def decorate(rule_function: RuleFunction) -> RuleFunction:
        for function in functions:
            register(function, "constant", infer or elementwise_type(function), rule_function, **options)
        return rule_function

    return decorate


def definition(*functions: Any, **options: Any) -> Callable[[RuleFunction], RuleFunction]:
    """A function in terms of simpler ones, without control flow that depends on numbers."""

    def decorate(rule_function: RuleFunction) -> RuleFunction:
        names = signature_of(rule_function)[0]
        for function in functions:
            register(
                function, "definition", no_inference, rule_function, **{"differentiable": names, **options}
            )
        return rule_function

    return decorate


def written_out(*functions: Any) -> Callable[[RuleFunction], RuleFunction]:
    """A function that is replaced by its definition where it is called: one that gives several results."""

    def decorate(rule_function: RuleFunction) -> RuleFunction:
        replaced.update(dict.fromkeys(functions, rule_function))
        return rule_function

    return decorate


def stand_in(*classes: type) -> Callable[[RuleFunction], RuleFunction]:
    """An object of these classes that a program reads from outside is taken for the one this gives.

    That is of a class of ours, whose methods are written out where they are called.
    """

    def decorate(rule_function: RuleFunction) -> RuleFunction:
        stand_ins.update(dict.fromkeys(classes, rule_function))
        return rule_function

    return decorate


def is_definition(function: Any) -> bool:
    """Whether it is a function or method of the rules, to be written out where it is called."""
    return (getattr(function, "__module__", None) or "").startswith("ad_compiler.rules.")


def at_compile_time(function: Callable[..., Any]) -> Callable[..., Any]:
    """A helper of rules that is called while compiling, on operands known by then (axes, ranks)."""
    compile_time.add(function)
    return function


def expansion(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A function that stands for several operations: it is called while compiling, with the builder first.

    Without `functions` the decorated function itself is what rules call.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in functions or (function,):
            expansions[name] = function
        return function

    return decorate
