"""Clocks: a program that times itself is differentiated; what only measures is left out of the derivative."""

from __future__ import annotations

import time

from ad_compiler.analysis.types import FLOAT
from ad_compiler.rules.notation import constant


@constant(time.perf_counter, time.time, time.monotonic, time.process_time, infer=lambda: FLOAT, fresh=True)
def clock() -> None: ...
