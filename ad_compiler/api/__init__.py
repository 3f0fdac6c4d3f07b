"""What a user imports. Names and order of arguments are JAX's.

The compiler itself is loaded when the first derivative is made: importing the package costs nothing.
"""

from ad_compiler.api.gradients import grad, jvp, linearize, value_and_grad, vjp
from ad_compiler.api.matrices import elementwise_grad, hessian, hvp, jacfwd, jacobian, jacrev
from ad_compiler.api.programs import checkpoint, checkpointed, cotangent, stop_gradient
from ad_compiler.api.rules import custom_jvp, custom_rule, custom_vjp, implicit

__all__ = [
    "checkpoint",
    "checkpointed",
    "cotangent",
    "custom_jvp",
    "custom_rule",
    "custom_vjp",
    "elementwise_grad",
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
