"""Time generated gradients against JAX, PyTorch, autograd and gradients written by hand.

python benchmarks/run.py --suite core
python benchmarks/run.py --suite native
python benchmarks/run.py --suite derivatives
python benchmarks/run.py --suite loops --quick --rows van_der_pol heat_1d
python benchmarks/run.py --memory
"""

import argparse
import json
import sys
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import Any

if __package__ is None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.harness import caches, threads

SUITES = ("core", "loops", "native", "derivatives")


def main() -> int:
    """Run the rows asked for; return 1 if a contender failed or gradients differ in any of them."""
    options = _options()
    threads.limit(options.threads)
    with caches.temporary():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    # Only now: BLAS reads the number of threads when NumPy is imported.
    from benchmarks.harness import report

    suite = import_module(f"benchmarks.{options.suite}")
    known = [*suite.MEMORY] if options.memory else [*suite.PROGRAMS, *suite.COSTS]
    if not known:
        print(f"the suite {options.suite} has no rows with --memory", file=sys.stderr)
        return 2
    if unknown := set(options.rows or ()) - set(known):
        print(f"no row {', '.join(sorted(unknown))}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    print(report.header(options.threads), flush=True)
    run = _memory if options.memory else _times
    sections, numbers, failed = run(suite, options.rows or known, options)
    for title, text in sections:
        if text:
            print(f"\n{title}\n\n{text}")
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")
    return 1 if failed else 0


Outcome = tuple[list[tuple[str, str]], dict[str, Any], bool]  # titled texts, numbers, whether any failed


def _times(suite: Any, rows: Collection[str], options: argparse.Namespace) -> Outcome:
    from benchmarks.harness import measure, report
    from benchmarks.harness.run_program import run_program

    effort = measure.QUICK if options.quick else measure.FULL
    statistic = measure.STATISTICS[options.statistic]
    lineup = suite.LINEUP.quick() if options.quick else suite.LINEUP
    wanted = [suite.PROGRAMS[row] for row in rows if row in suite.PROGRAMS]
    programs = [run_program(program, lineup, effort, statistic) for program in wanted]
    costs = [cost for row in rows if row in suite.COSTS for cost in suite.COSTS[row](options.quick)]

    sections = []
    if programs:
        sections += [
            ("Ratios of the times of one call", report.ratios(programs, lineup)),
            ("What gradients by hand reach", report.ratios_by_hand(programs, lineup)),
            (f"Times ({options.statistic} of {effort.rounds} rounds)", report.times(programs, lineup)),
            ("Left out", report.left_out(programs)),
        ]
    if costs:
        sections.append(("Paid beside the run time", report.costs(costs)))
    refusals, errors = report.refusals(programs), report.errors([*programs, *costs])
    sections += [
        ("Targets", report.verdicts(programs, costs)),
        ("Refused", refusals),
        ("Errors", errors),
    ]
    numbers = report.as_json(programs, costs)
    numbers |= {"threads": options.threads, "statistic": options.statistic}
    return sections, numbers, bool(refusals or errors)


def _memory(suite: Any, rows: Collection[str], options: argparse.Namespace) -> Outcome:
    from benchmarks.harness import report
    from benchmarks.harness.memory import run_memory_case

    results = [run_memory_case(suite.MEMORY[row]) for row in rows]
    refusals, errors = report.refusals(results), report.errors(results)
    sections = [
        ("Peak memory of one call", "\n\n".join(map(report.memory, results))),
        ("Targets", report.verdicts(results)),
        ("Refused", refusals),
        ("Errors", errors),
    ]
    return sections, report.memory_as_json(results), bool(refusals or errors)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--suite", choices=SUITES, help="(default: core, or loops with --memory)")
    parser.add_argument(
        "--memory", action="store_true", help="measure peak memory and how it grows, and no times"
    )
    parser.add_argument("--quick", action="store_true", help="few repeats, for continuous integration")
    parser.add_argument(
        "--statistic",
        choices=("median", "fastest"),
        default="median",
        help="taken over the rounds; on a busy machine the fastest tells more (default: median)",
    )
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="only these rows")
    parser.add_argument("--json", type=Path, metavar="OUT", help="also write all numbers to this file")
    parser.add_argument(
        "--threads",
        type=int,
        default=min(2, threads.available()),
        help="threads for BLAS, OpenMP, PyTorch and XLA alike (default: 2, or 1 on one processor)",
    )
    options = parser.parse_args()
    options.suite = options.suite or ("loops" if options.memory else "core")
    return options


if __name__ == "__main__":
    sys.exit(main())
