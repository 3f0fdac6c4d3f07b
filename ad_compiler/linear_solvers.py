"""Solvers of linear systems whose matrix is known by its products only: `product(u) == g`.

They are programs in NumPy that derivatives of implicit functions call, and are written out in them. A
solution is one array of any rank. What does not converge raises `ArithmeticError`, instead of giving a
derivative that is not one. (Saad, Iterative Methods for Sparse Linear Systems (2003), algorithms 6.18 and
7.7; section 4.2 for the first.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Product = Callable[[Any], Any]


def iterate(product: Product, g: Any) -> Any:
    """`u = u + (g - product(u))`: converges where the fixed-point iteration of the program does."""
    tolerance = 1e-13 if g.dtype == np.float64 else 1e-5
    u = g
    for _ in range(10_000):
        r = g - product(u)
        u = u + r
        if np.max(np.abs(r)) <= tolerance * np.max(np.abs(u)):
            return u
    raise ArithmeticError("the linear system of a derivative was not solved by its iteration")


def conjugate_gradients(product: Product, g: Any) -> Any:
    """For a symmetric matrix that is positive or negative definite, as Hessians at a minimum are."""
    tolerance = 1e-13 if g.dtype == np.float64 else 1e-5
    u = np.zeros_like(g)
    r = g
    p = g
    rr = np.sum(r * r)
    target = tolerance * tolerance * rr
    for _ in range(10_000):
        if rr <= target:
            return u
        q = product(p)
        step = rr / np.sum(p * q)
        u = u + step * p
        r = r - step * q
        old = rr
        rr = np.sum(r * r)
        p = r + rr / old * p
    raise ArithmeticError("the linear system of a derivative was not solved by conjugate gradients")


def stabilised_biconjugate_gradients(product: Product, g: Any) -> Any:
    """BiCGSTAB, for any matrix."""
    tolerance = 1e-12 if g.dtype == np.float64 else 1e-5
    u = np.zeros_like(g)
    r = g
    p = g
    rho = np.sum(r * g)
    target = tolerance * tolerance * rho
    for _ in range(10_000):
        if np.sum(r * r) <= target:
            return u
        v = product(p)
        step = rho / np.sum(v * g)
        s = r - step * v
        if np.sum(s * s) <= target:
            return u + step * p
        t = product(s)
        damping = np.sum(t * s) / np.sum(t * t)
        u = u + step * p + damping * s
        r = s - damping * t
        old = rho
        rho = np.sum(r * g)
        p = r + rho / old * step / damping * (p - damping * v)
    raise ArithmeticError("the linear system of a derivative was not solved by BiCGSTAB")


SOLVERS: dict[str, Product | Any] = {
    "iterate": iterate,
    "cg": conjugate_gradients,
    "bicgstab": stabilised_biconjugate_gradients,
}
