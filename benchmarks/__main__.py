"""The command line: `python -m benchmarks [CASE ...]`; `--help` tells the rest."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import profiling, report
from benchmarks.case import Result, available
from benchmarks.cases import CASES
from benchmarks.runner import BenchmarkFailed, run_case

RESULT = Path("build") / "benchmarks.json"


def arguments(given: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    names = ", ".join(CASES)
    parser = argparse.ArgumentParser("benchmarks", description="mqbridge against pyzmq, in turns, in the same run.")
    parser.add_argument("case", nargs="*", help=f"what to run (all): {names}; a beginning such as `tail` takes several")
    parser.add_argument("--quick", action="store_true", help="few operations and rounds: a try, not a measurement")
    parser.add_argument("--rounds", type=int, help="how often each contestant runs (4, with --quick 2)")
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    parser.add_argument("--json", type=Path, default=RESULT, help=f"where the result goes ({RESULT})")
    parsed = parser.parse_args(given)
    for name in parsed.case:
        if not any(case.startswith(name) for case in CASES):
            parser.error(f"there is no case {name!r}; there are {names}")
    if parsed.rounds is None:
        parsed.rounds = 2 if parsed.quick else 4
    if parsed.rounds < 1:
        parser.error(f"--rounds {parsed.rounds}: at least 1")
    return parsed


def main(given: list[str]) -> int:
    """Run what was asked for; return the exit status."""
    asked = arguments(given)
    chosen = [case for case in CASES.values() if not asked.case or case.name.startswith(tuple(asked.case))]
    result: Result = report.circumstances() | {"rounds": asked.rounds, "quick": asked.quick, "cases": {}}
    print(report.headline(result))
    if not available("pyzmq"):
        print("there is nothing to compare with: install pyzmq (it is in the `test` extra) for ratios")
    strace = asked.profile and profiling.strace_works()
    for case in chosen:
        count = case.quick if asked.quick else case.count
        try:
            outcomes = run_case(case, count, asked.rounds, progress)
            found = report.summary(case, outcomes)
            if asked.profile and case.profiled_by is not None:
                found["profile"] = profiling.profile(case, outcomes, count, strace)
        except BenchmarkFailed as failure:
            print(f"\n{failure}", file=sys.stderr)
            return 1
        progress(done=True)
        print(f"\n{report.table(found)}", flush=True)
        if "profile" in found:
            print(profiling.table("  profile", found["profile"]), flush=True)
        result["cases"][case.name] = found
    report.write_json(asked.json, result)
    print(f"\nwritten to {asked.json}")
    return 0


def progress(done: bool = False) -> None:
    """Show that something is going on, to a person who waits."""
    if sys.stderr.isatty():
        print("\r\033[K" if done else ".", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
