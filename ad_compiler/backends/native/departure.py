"""The exception with which compiled code leaves a case to the NumPy code of the same derivative.

Native code assumes the usual: lengths that fit, subscripts within their axes, no division of Python's numbers
by zero, whole numbers of 64 bits. It checks what it assumes, and departs where that does not hold. The
NumPy code then answers, or raises the exception that the program raises.
"""

from __future__ import annotations


class Departure(Exception):
    """Compiled code has met a case that is left to NumPy code."""
