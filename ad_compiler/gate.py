"""gate"""
from __future__ import annotations
from typing import Any
def gate(expression: Any) -> Any:
    raise TypeError(expression)
