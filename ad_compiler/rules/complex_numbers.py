"""Rules of complex numbers, and the convention they share with all other rules.

A cotangent `g` of a complex value `z` stands for the linear map that takes a small change dz to `Re(g * dz)`,
without a conjugate (this is JAX's convention: the gradient of a real function of `z = x + iy` is `df/dx - i
df/dy`). So a function that has a complex derivative is pulled back by the product with it, as real ones are,
and a product of matrices by transposes without conjugation: the rules of real functions hold as they are.
What is not analytic, such as `conj` and `abs`, has rules of its own here and where they stand. A real
argument takes the real part of what comes to it.

A rule is used for complex numbers only if it says so (`complex=True`), for not every formula that holds for
real ones does.
"""

from __future__ import annotations

import operator
from collections.abc import Set
from typing import Any

import numpy as np

from ad_compiler.analysis.types import ArrayType
from ad_compiler.builder import Builder
from ad_compiler.ir import Operand, Operation, Value
from ad_compiler.refusal import Refusal
from ad_compiler.rules.notation import elementwise, expansion, linear, methods, registry
from ad_compiler.rules.shapes import is_complex, type_of
from ad_compiler.traversal import values_in


def check_complex(node: Operation, active: Set[Value]) -> None:
    """Refuse to differentiate an operation on complex numbers by a rule that holds for real ones only."""
    name = node.primitive.name
    if node.primitive.complex or name.startswith("list_"):
        return
    for value in (*values_in(node.arguments), node.result):
        if isinstance(value.type, ArrayType) and value.type.dtype.kind == "c" and value in active:
            raise Refusal(
                f"`{node.primitive.text or name}` of complex numbers has no derivative rule",
                "write it with the real and the imaginary part, or with functions that have one",
            )


def fitted_part(builder: Builder, value: Value, contribution: Operand) -> Operand:
    """What comes to a value: the real part, if the value is real."""
    if not isinstance(value.type, ArrayType) or is_complex(value):
        return contribution
    if isinstance(contribution, (Value, complex, np.complexfloating)) and is_complex(contribution):
        return builder.call(registry[np.real], (contribution,))
    return contribution


def real_type(val: Any) -> ArrayType:
    kind = type_of(val)
    if kind.dtype.kind != "c":
        return kind
    return ArrayType(kind.dtype.type(0).real.dtype, kind.shape, kind.python and kind.dtype == np.complex128)


@linear(np.real, infer=real_type, view=True, complex=True)
def real(val: Any, *, g: Any) -> Any:
    return g


@linear(np.imag, infer=real_type, view=True, complex=True)
def imag(val: Any, *, g: Any) -> Any:
    return g * -1j if is_complex(val) else 0.0


@linear(np.conjugate, infer=type_of, method="conjugate", complex=True)
def conjugate(x: Any, *, g: Any) -> Any:
    return np.conj(g)


methods["conj"] = registry[np.conjugate]


def angle_type(z: Any, deg: Any = False) -> ArrayType:
    kind = real_type(z)
    return ArrayType(np.dtype(np.float64) if kind.dtype.kind in "biu" else kind.dtype, kind.shape)


@elementwise(np.angle, infer=angle_type, differentiable=("z",), complex=True)
def angle(z: Any, deg: Any = False) -> Any:
    if not is_complex(z):
        return 0.0
    return -1j / z * (57.29577951308232 if deg else 1.0)  # 180 / pi


@expansion(np.iscomplexobj)
def iscomplexobj(builder: Builder, x: Operand) -> Operand:
    return is_complex(x)


@expansion(np.isrealobj)
def isrealobj(builder: Builder, x: Operand) -> Operand:
    return not is_complex(x)


@expansion(complex)
def python_complex(builder: Builder, real: Operand = 0, imag: Operand = 0) -> Operand:
    """`complex(x, y)` is `x + 1j * y`."""
    if not isinstance(imag, Value) and imag == 0:
        return builder.call(registry[complex], (real,))
    turned = builder.call(registry[operator.mul], (1j, imag))
    return builder.call(registry[operator.add], (real, turned))
