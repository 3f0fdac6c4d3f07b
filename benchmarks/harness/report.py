"""The printed tables, ratios first, and the same numbers as JSON."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.harness.contenders import PRIMAL, Lineup, is_installed
from benchmarks.harness.costs import CostResult, duration
from benchmarks.harness.memory import MEASURED, MemoryResult
from benchmarks.harness.run_program import ProgramResult

_DISTRIBUTIONS = ("numpy", "ad-compiler", "numba", "jax", "torch", "autograd")


def header(threads: int) -> str:
    """State the machine, the versions and the threads, and what is not installed."""
    lines = [
        f"Python {platform.python_version()} on {platform.machine()}, float64",
        f"{threads} thread(s) for BLAS, OpenMP, PyTorch and XLA alike",
        "; ".join(f"{name} {_version(name)}" for name in _DISTRIBUTIONS),
    ]
    if hasattr(os, "getloadavg"):
        load = os.getloadavg()[0]
        lines.append(f"load average before the run: {load:.1f}")
        if load > 0.5:
            lines.append("The machine is busy: threads wait for each other, and ratios are not reliable.")
    return "\n".join(lines)


def ratios(results: Sequence[ProgramResult], lineup: Lineup) -> str:
    """How many times slower the subject is than the standards, and each rival than it."""
    subject = lineup.subject
    titles = ["program", *(f"{subject} / {standard}" for standard in lineup.standards)]
    titles += [f"{rival} / {subject}" for rival in lineup.rivals]
    rows = []
    for result in results:
        row = [result.title, *(_ratio(result, subject, standard) for standard in lineup.standards)]
        rows.append([*row, *(_ratio(result, rival, subject) for rival in lineup.rivals)])
    return _table(titles, rows)


def ratios_by_hand(results: Sequence[ProgramResult], lineup: Lineup) -> str:
    """How the gradient by hand compares with everybody else: what is within reach."""
    by_hand = lineup.by_hand
    others = [name for name in lineup.standards if name not in (PRIMAL, by_hand)] + lineup.rivals
    titles = ["program", f"{by_hand} / {PRIMAL}", *(f"{other} / {by_hand}" for other in others)]
    rows = []
    for result in results:
        row = [result.title, _ratio(result, by_hand, PRIMAL)]
        rows.append([*row, *(_ratio(result, other, by_hand) for other in others)])
    return _table(titles, rows)


def times(results: Sequence[ProgramResult], lineup: Lineup) -> str:
    """Microseconds of one call, and milliseconds of the build for those that compile."""
    names = [PRIMAL, *lineup.contenders]
    compiling = [name for name in lineup.contenders if any(name in result.build for result in results)]
    titles = ["program", *(f"{name}, us" for name in names), *(f"{name} build, ms" for name in compiling)]
    rows = []
    for result in results:
        row = [result.title, *(_cell(result, name, result.call, 1e6) for name in names)]
        rows.append([*row, *(_cell(result, name, result.build, 1e3) for name in compiling)])
    return _table(titles, rows)


def costs(results: Sequence[CostResult]) -> str:
    """One line for each cost that is not run time."""
    lines = []
    for result in results:
        found = ", ".join(f"{name} {duration(value)}" for name, value in result.seconds.items())
        lines.append(f"{result.title}: {found or 'no result'}")
    return "\n".join(lines)


def memory(result: MemoryResult) -> str:
    """Peak kilobytes at each size, and how they grow."""
    case = result.case
    titles = [result.title, *(f"{case.grows}={size}, KB" for size in case.sizes)]
    rows = []
    for name in MEASURED:
        if name in result.peaks:
            cells = [f"{peak / 1000:,.1f}" for peak in result.peaks[name]]
            growth = [f"{result.exponent(name):.2f}", f"{result.bytes_per_step(name):,.0f}"]
            rows.append([name, *cells, *growth])
        else:
            gap = "refused" if name in result.refused else "error"
            rows.append([name, *[gap] * (len(case.sizes) + 2)])
    return _table([*titles, "exponent", f"bytes per {case.grows}"], rows)


def verdicts(results: Sequence[ProgramResult | MemoryResult], paid_once: Sequence[CostResult] = ()) -> str:
    """One line for each target, or an empty string."""
    rows = [[result.title, *line] for result in results for line in result.verdicts()]
    rows += [[result.title, *result.verdict()] for result in paid_once]
    return _table(["program", "target", "measured", "verdict"], rows) if rows else ""


def errors(results: Sequence[ProgramResult | MemoryResult | CostResult]) -> str:
    """One line for each contender that failed, or an empty string."""
    lines = []
    for result in results:
        lines += [f"{result.title}: {name}: {message}" for name, message in result.errors.items()]
    return "\n".join(lines)


def refusals(results: Sequence[ProgramResult | MemoryResult]) -> str:
    """One line for each program that ad_compiler does not differentiate, or an empty string."""
    return "\n".join(
        f"{result.title}: refused: {reason}" for result in results for reason in result.refused.values()
    )


def left_out(results: Sequence[ProgramResult]) -> str:
    """One line for each rival that takes no part in a program, or an empty string."""
    return "\n".join(
        f"{result.title}: {name}: {reason}"
        for result in results
        for name, reason in result.program.left_out.items()
    )


def as_json(results: Sequence[ProgramResult], paid_once: Sequence[CostResult]) -> dict[str, Any]:
    """All numbers, in seconds, under the names of the rows."""
    programs = {
        result.program.name: {
            "call": result.call,
            "build": result.build,
            "errors": result.errors,
            "refused": result.refused,
            "left_out": dict(result.program.left_out),
            "targets": [" | ".join(line) for line in result.verdicts()],
        }
        for result in results
    }
    once = {
        result.name: {
            "seconds": result.seconds,
            "errors": result.errors,
            "targets": [" | ".join(result.verdict())],
        }
        for result in paid_once
    }
    return programs | once


def memory_as_json(results: Sequence[MemoryResult]) -> dict[str, Any]:
    """All peaks, in bytes, under the names of the rows."""
    return {
        result.case.program.name: {
            "sizes": list(result.case.sizes),
            "peak_bytes": result.peaks,
            "errors": result.errors,
            "refused": result.refused,
            "targets": [" | ".join(line) for line in result.verdicts()],
        }
        for result in results
    }


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def _ratio(result: ProgramResult, numerator: str, denominator: str) -> str:
    ratio = result.ratio(numerator, denominator)
    if ratio is not None:
        return _three_digits(ratio)
    missing = numerator if numerator not in result.call else denominator
    return _gap(result, missing)


def _cell(result: ProgramResult, name: str, seconds: dict[str, float], scale: float) -> str:
    if name in seconds:
        return _three_digits(scale * seconds[name])
    return _gap(result, name)


def _three_digits(number: float) -> str:
    return f"{number:.2f}" if number < 100 else f"{number:,.0f}"


def _gap(result: ProgramResult, name: str) -> str:
    """Why there is no number: the contender failed, takes no part, or is not installed."""
    if name in result.refused:
        return "refused"
    if name in result.errors:
        return "error"
    if name in result.program.left_out:
        return "left out"
    return "-" if is_installed(name) else "absent"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align the first column left and the others right."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    lines = []
    for row in [titles, ["-" * width for width in widths], *rows]:
        first, *others = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
