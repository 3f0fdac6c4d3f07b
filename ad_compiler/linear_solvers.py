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
    r = g - product(u)
    turns = 0
    while not np.max(np.abs(r)) <= tolerance * np.max(np.abs(u)):
        if turns == 10_000:
            raise ArithmeticError("the linear system of a derivative was not solved by its iteration")
        turns += 1
        u = u + r
        r = g - product(u)
    return u


def conjugate_gradients(product: Product, g: Any) -> Any:
    """For a symmetric matrix that is positive or negative definite, as Hessians at a minimum are."""
    tolerance = 1e-13 if g.dtype == np.float64 else 1e-5
    u = np.zeros_like(g)
    r = g
    p = g
    rr = np.sum(r * r)
    target = tolerance * tolerance * rr
    turns = 0
    while not rr <= target:
        if turns == 10_000:
            raise ArithmeticError("the linear system of a derivative was not solved by conjugate gradients")
        turns += 1
        q = product(p)
        step = rr / np.sum(p * q)
        u = u + step * p
        r = r - step * q
        before = rr
        rr = np.sum(r * r)
        p = r + rr / before * p
    return u


def stabilised_biconjugate_gradients(product: Product, g: Any) -> Any:
    """BiCGSTAB, for any matrix."""
    tolerance = 1e-12 if g.dtype == np.float64 else 1e-5
    u = np.zeros_like(g)
    r = g
    p = g
    rho = np.sum(g * g)
    target = tolerance * tolerance * rho
    turns = 0
    while not np.sum(r * r) <= target:
        if turns == 10_000:
            raise ArithmeticError("the linear system of a derivative was not solved by BiCGSTAB")
        turns += 1
        v = product(p)
        step = rho / np.sum(v * g)
        s = r - step * v
        t = product(s)
        tt = np.sum(t * t)
        damping = np.sum(t * s) / tt if tt > 0 else 1.0
        u = u + step * p + damping * s
        r = s - damping * t
        before = rho
        rho = np.sum(r * g)
        p = r + rho / before * step / damping * (p - damping * v)
    return u


SOLVERS: dict[str, Product | Any] = {
    "iterate": iterate,
    "cg": conjugate_gradients,
    "bicgstab": stabilised_biconjugate_gradients,
}
