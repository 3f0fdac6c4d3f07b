"""Rules of `scipy.special`: partial derivatives of special functions, in terms of functions of the same
module. The gamma and beta functions are in `scipy_gamma.py`, those of Bessel in `scipy_bessel.py`.

Source: NIST Digital Library of Mathematical Functions, chapters 6 (integrals of sines and cosines) and 7
(error functions). A derivative by a parameter that has no closed form is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from ad_compiler.analysis.types import ArrayType, TupleType
from ad_compiler.refusal import Refusal
from ad_compiler.rules.elementwise_types import broadcast_types
from ad_compiler.rules.notation import (
    RuleFunction,
    at_compile_time,
    elementwise,
    rule,
)
from ad_compiler.rules.reductions import restored
from ad_compiler.rules.shapes import mean_type, type_of
from ad_compiler.rules.tuples import several


def of_special(*names: str, **options: Any) -> Callable[[RuleFunction], RuleFunction]:
    """Register an elementwise rule for functions of `scipy.special`; those that SciPy lacks are passed
    over."""

    def decorate(rule_function: RuleFunction) -> RuleFunction:
        for name in names:
            function = getattr(special, name, None)
            if function is not None:
                elementwise(function, text=f"scipy.special.{name}", name=name, **options)(rule_function)
        return rule_function

    return decorate


@at_compile_time
def not_known(what: str) -> None:
    """Refuse a partial derivative: it is asked for only if the parameter carries one."""
    raise Refusal(f"the derivative by {what} has no closed form", "keep it constant")


def real_type(*operands: Any) -> ArrayType:
    types = [type_of(operand) for operand in operands if operand is not None]
    strong = [t.dtype for t in types if not t.python and t.dtype.kind == "f"]
    dtype = np.result_type(*strong) if len(strong) == len(types) else np.dtype(np.float64)
    return ArrayType(dtype, broadcast_types(types))


# --- the error function and the normal distribution ---


@of_special("erf")
def erf(x: Any) -> Any:
    return 1.1283791670955126 * np.exp(-x * x)  # 2 / sqrt(pi)


@of_special("erfc")
def erfc(x: Any) -> Any:
    return -1.1283791670955126 * np.exp(-x * x)


@of_special("erfcx")
def erfcx(x: Any, *, y: Any) -> Any:
    return 2 * x * y - 1.1283791670955126


@of_special("erfi")
def erfi(x: Any) -> Any:
    return 1.1283791670955126 * np.exp(x * x)


def faddeeva_type(z: Any) -> ArrayType:
    """It is computed in double precision."""
    return ArrayType(np.dtype(np.complex128), type_of(z).shape)


@of_special("wofz", infer=faddeeva_type, complex=True)
def wofz(z: Any, *, y: Any) -> Any:
    return 1.1283791670955126j - 2 * z * y


@of_special("dawsn")
def dawsn(x: Any, *, y: Any) -> Any:
    return 1 - 2 * x * y


@of_special("erfinv")
def erfinv(x: Any, *, y: Any) -> Any:
    return 0.886226925452758 * np.exp(y * y)  # sqrt(pi) / 2


@of_special("erfcinv")
def erfcinv(x: Any, *, y: Any) -> Any:
    return -0.886226925452758 * np.exp(y * y)


@of_special("ndtr")
def ndtr(x: Any) -> Any:
    return 0.3989422804014327 * np.exp(-0.5 * x * x)  # 1 / sqrt(2 pi)


@of_special("log_ndtr")
def log_ndtr(x: Any, *, y: Any) -> Any:
    # exp(-x*x/2 - y) would lose digits far to the left; erfcx is the same quotient without the exponentials.
    return np.where(
        x > 0,
        0.3989422804014327 * np.exp(-0.5 * x * x - y),
        0.7978845608028654 / special.erfcx(-0.7071067811865476 * np.minimum(x, 0.0)),
    )


@of_special("ndtri")
def ndtri(p: Any, *, y: Any) -> Any:
    return 2.5066282746310002 * np.exp(0.5 * y * y)  # sqrt(2 pi)


@of_special("stdtr")
def stdtr(df: Any, t: Any) -> Any:
    return not_known("the degrees of freedom of `stdtr`"), student_density(df, t)


@of_special("stdtrit")
def stdtrit(df: Any, p: Any, *, y: Any) -> Any:
    return not_known("the degrees of freedom of `stdtrit`"), 1 / student_density(df, y)


def student_density(df: Any, t: Any) -> Any:
    normalizer = special.gammaln(0.5 * (df + 1)) - special.gammaln(0.5 * df) - 0.5 * np.log(np.pi * df)
    return np.exp(normalizer - 0.5 * (df + 1) * np.log1p(t * t / df))


@of_special("owens_t")
def owens_t(h: Any, a: Any) -> Any:
    width = 1 + a * a
    by_height = -0.19947114020071635 * np.exp(-0.5 * h * h) * special.erf(0.7071067811865476 * a * h)
    return by_height, 0.15915494309189535 * np.exp(-0.5 * h * h * width) / width


# --- logistic functions, entropies ---


@of_special("expit")
def expit(x: Any, *, y: Any) -> Any:
    return y * special.expit(-x)


@of_special("log_expit")
def log_expit(x: Any) -> Any:
    return special.expit(-x)


@of_special("softplus")
def softplus(x: Any) -> Any:
    return special.expit(x)


@of_special("logit")
def logit(x: Any) -> Any:
    return 1 / (x * (1 - x))


@of_special("xlogy")
def xlogy(x: Any, b: Any) -> Any:
    return np.log(b), np.where(x == 0, 0.0, x / np.where(x == 0, 1.0, b))


@of_special("xlog1py")
def xlog1py(x: Any, b: Any) -> Any:
    return np.log1p(b), np.where(x == 0, 0.0, x / np.where(x == 0, 1.0, 1 + b))


@of_special("entr")
def entr(x: Any) -> Any:
    return -np.log(x) - 1


@of_special("rel_entr")
def rel_entr(x: Any, b: Any) -> Any:
    return np.log(x / b) + 1, -x / b


@of_special("kl_div")
def kl_div(x: Any, b: Any) -> Any:
    return np.log(x / b), 1 - x / b


@of_special("boxcox")
def boxcox(x: Any, lmbda: Any, *, y: Any) -> Any:
    return x ** (lmbda - 1), by_exponent(np.log(x), x**lmbda, lmbda, y)


@of_special("boxcox1p")
def boxcox1p(x: Any, lmbda: Any, *, y: Any) -> Any:
    return (1 + x) ** (lmbda - 1), by_exponent(np.log1p(x), (1 + x) ** lmbda, lmbda, y)


def by_exponent(log: Any, power: Any, lmbda: Any, y: Any) -> Any:
    """Of `(power - 1) / lmbda`; it is `log**2 / 2` where the exponent is 0."""
    return np.where(lmbda == 0, 0.5 * log * log, (power * log - y) / np.where(lmbda == 0, 1.0, lmbda))


@of_special("huber")
def huber(delta: Any, r: Any) -> Any:
    size = np.abs(r)
    return np.where(size <= delta, 0.0, size - delta), np.clip(r, -delta, delta)


@of_special("pseudo_huber")
def pseudo_huber(delta: Any, r: Any) -> Any:
    root = np.sqrt(1 + (r / delta) ** 2)
    return 2 * delta * (root - 1) - r * r / (delta * root), r / root


@of_special("exp10")
def exp10(x: Any, *, y: Any) -> Any:
    return 2.302585092994046 * y  # log 10


@of_special("cosm1")
def cosm1(x: Any) -> Any:
    return -np.sin(x)


# --- reductions ---


@rule(
    special.logsumexp,
    infer=lambda a, axis=None, keepdims=False: mean_type(a, axis, keepdims),
    text="scipy.special.logsumexp",
)
def logsumexp(a: Any, axis: Any = None, keepdims: Any = False, *, y: Any, g: Any) -> Any:
    total = restored(y, a, axis, keepdims)
    weights = np.where(np.isinf(total), np.where(a == total, 1.0, 0.0), np.exp(a - total))
    return restored(g, a, axis, keepdims) * weights


@rule(special.softmax, infer=lambda x, axis=None: mean_type(x, ()), text="scipy.special.softmax")
def softmax(x: Any, axis: Any = None, *, y: Any, g: Any) -> Any:
    weighed = y * g
    return weighed - y * np.sum(weighed, axis=axis, keepdims=True)


@rule(special.log_softmax, infer=lambda x, axis=None: mean_type(x, ()), text="scipy.special.log_softmax")
def log_softmax(x: Any, axis: Any = None, *, y: Any, g: Any) -> Any:
    return g - np.exp(y) * np.sum(g, axis=axis, keepdims=True)


# --- integrals that come in pairs ---


def pair_type(x: Any) -> TupleType:
    kind = type_of(x)
    dtype = np.dtype(np.float64) if kind.dtype.kind in "biu" else kind.dtype
    return TupleType((ArrayType(dtype, kind.shape), ArrayType(dtype, kind.shape)))


def pair(name: str) -> Callable[[RuleFunction], RuleFunction]:
    """A function that gives two integrals: the rule gives both integrands."""

    def decorate(rule_function: RuleFunction) -> RuleFunction:
        rule(name, infer=pair_type, text=f"scipy.special.{name}")(rule_function)
        several(getattr(special, name), name)
        return rule_function

    return decorate


def both(g: Any, first: Any, second: Any) -> Any:
    if g[0] is None:
        return g[1] * second
    return g[0] * first if g[1] is None else g[0] * first + g[1] * second


@pair("fresnel")
def fresnel(z: Any, *, g: Any) -> Any:
    angle = 0.5 * np.pi * z * z
    return both(g, np.sin(angle), np.cos(angle))


@pair("sici")
def sici(x: Any, *, g: Any) -> Any:
    return both(g, np.sinc(x / np.pi), np.cos(x) / x)


@pair("shichi")
def shichi(x: Any, *, g: Any) -> Any:
    return both(g, np.where(x == 0, 1.0, np.sinh(x) / np.where(x == 0, 1.0, x)), np.cosh(x) / x)
