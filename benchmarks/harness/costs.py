"""Costs beside the run time: building a gradient, importing the package, the way into compiled code."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.util import module_from_spec, spec_from_file_location
from inspect import getsource
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from benchmarks.harness.agreement import require_equal
from benchmarks.harness.contenders import JAX, OURS, in_jax, is_installed, ours
from benchmarks.harness.program import Problem

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class CostResult:
    """Seconds by contender, against a limit in seconds for `subject`."""

    name: str
    title: str
    limit: float
    subject: str = OURS
    seconds: dict[str, float] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def verdict(self) -> tuple[str, str, str]:
        """The limit, what was measured, and whether the subject stays within the limit."""
        bound = f"<= {duration(self.limit)}"
        if self.subject not in self.seconds:
            return bound, "-", "NOT met"
        measured = self.seconds[self.subject]
        return bound, duration(measured), "met" if measured <= self.limit else "NOT met"


Measurement = Callable[[bool], list[CostResult]]  # it is given whether to be quick


def duration(seconds: float) -> str:
    """Write seconds in the unit that suits them: s, ms or us."""
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if seconds * scale >= 1.0:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e6:.3g} us"


def build_time(problem: Problem, limit: float, repeats: int) -> CostResult:
    """Time from the function to its first gradient, on a function never seen before in each repeat.

    Every repeat defines the function under another name in a file of its own, so that no cache of
    sources or of gradients can help. The first build of a process, which may import modules, counts
    as one repeat and is also reported by itself.
    """
    result = CostResult(problem.name, problem.title, limit)
    gradients: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        for name, build, count in ((JAX, in_jax, min(repeats, 3)), (OURS, ours, repeats)):
            if not is_installed(name):
                continue
            times = []
            try:
                for repeat in range(count):
                    fresh = _defined_again(problem, Path(folder) / f"{build.__name__}_{repeat}.py")
                    start = perf_counter()
                    gradients[name] = build(fresh)()
                    times.append(perf_counter() - start)
                if name == OURS and JAX in gradients:
                    require_equal(gradients[OURS], gradients[JAX])
            except Exception as error:
                result.errors[name] = f"{type(error).__name__}: {error}"
            else:
                result.seconds[name] = median(times)
                result.seconds[f"{name}, first"] = times[0]
    return result


def _defined_again(problem: Problem, file: Path) -> Problem:
    """Return `problem` with its function written under a new name to `file` and imported."""
    old_name = problem.function.__name__
    new_name = f"{old_name}_{file.stem}"
    text = getsource(problem.function).replace(f"def {old_name}(", f"def {new_name}(")
    file.write_text(f"import numpy as np\n\n\n{text}", encoding="utf-8")
    spec = spec_from_file_location(new_name, file)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Callable[..., Any] = getattr(module, new_name)
    return replace(problem, function=function)


_IMPORT = """
import json, sys, time, numpy
start = time.perf_counter()
import ad_compiler
print(json.dumps([time.perf_counter() - start, "sympy" in sys.modules]))
"""


def in_new_process(*arguments: str, **variables: str) -> Any:
    """Run a new interpreter that finds the package, with environment `variables`; return the JSON it prints.

    Raises RuntimeError, with the last line of its errors, if it fails.
    """
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | variables
    command = [sys.executable, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if run.returncode != 0:
        raise RuntimeError((run.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(run.stdout)


def import_time(limit: float, repeats: int) -> CostResult:
    """Time `import ad_compiler` after `import numpy`, in a new interpreter for each repeat.

    An import that fails, or that loads SymPy, is an error in the result.
    """
    result = CostResult("import_time", "import ad_compiler, after NumPy", limit)
    times = []
    for _ in range(repeats + 1):
        try:
            seconds, loads_sympy = in_new_process("-c", _IMPORT)
        except RuntimeError as error:
            result.errors[OURS] = str(error)
            return result
        if loads_sympy:
            result.errors[OURS] = "import ad_compiler loads SymPy"
            return result
        times.append(seconds)
    result.seconds[OURS] = median(times[1:])  # the first import may write bytecode
    return result
