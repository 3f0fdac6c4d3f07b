"""Automatic differentiation of NumPy programs, from source to source.

>>> from ad_compiler import grad
>>> def f(x, y, z):
...     return (x + y) * z
>>> grad(f, argnums=("x", "y", "z"))(-2.0, 5.0, -4.0)
(-4.0, -4.0, 3.0)
"""

from ad_compiler.api import (
    checkpoint,
    checkpointed,
    cotangent,
    custom_jvp,
    custom_rule,
    custom_vjp,
    elementwise_grad,
    grad,
    hessian,
    hvp,
    implicit,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    linearize,
    stop_gradient,
    value_and_grad,
    vjp,
)
from ad_compiler.errors import Unsupported
from ad_compiler.gate import gate
from ad_compiler.testing import check_grads

__all__ = [
    "Unsupported",
    "check_grads",
    "checkpoint",
    "checkpointed",
    "cotangent",
    "custom_jvp",
    "custom_rule",
    "custom_vjp",
    "elementwise_grad",
    "gate",
    "grad",
    "hessian",
    "hvp",
    "implicit",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "linearize",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]
__version__ = "0.1.0"
