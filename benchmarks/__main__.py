"""The command line: `python -m benchmarks [CASE ...]`; `--help` tells the rest."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks import awake, page, pictures, profiling, report
from benchmarks.case import Case, Result
from benchmarks.cases import BACKEND_CASES, CASES
from benchmarks.peers import available
from benchmarks.runner import ROOT, BenchmarkFailed, run_case

RESULT = Path("build") / "benchmarks.json"
BACKEND_RESULT = Path("build") / "backend.json"


def arguments(given: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    names = ", ".join(CASES)
    parser = argparse.ArgumentParser(
        "benchmarks", description="mqbridge against pyzmq and others, in turns, in the same run."
    )
    parser.add_argument("case", nargs="*", help=f"what to run (all): {names}; a beginning such as `tail` takes several")
    parser.add_argument(
        "--backend", action="store_true", help="pyzmq on the backend mqbridge.pyzmq against pyzmq on libzmq, instead"
    )
    parser.add_argument("--quick", action="store_true", help="few operations and rounds: a try, not a measurement")
    parser.add_argument("--rounds", type=int, help="how often each contestant runs (4, with --quick 1)")
    parser.add_argument(
        "--jobs", type=int, help="with --quick: how many cases to run at a time (two for each processor)"
    )
    parser.add_argument("--judged", action="store_true", help="only those whom the ratio and the goals are about")
    parser.add_argument("--profile", action="store_true", help="also say where the time goes")
    parser.add_argument("--awake", action="store_true", help="keep the processors from going to sleep meanwhile")
    parser.add_argument("--json", type=Path, help=f"where the result goes ({RESULT}, with --backend {BACKEND_RESULT})")
    parser.add_argument("--keep", action="store_true", help="keep the cases that the result at --json has already")
    parser.add_argument("--page", action="store_true", help="run nothing: write the result at --json into the docs")
    parsed = parser.parse_args(given)
    parsed.cases = BACKEND_CASES if parsed.backend else CASES
    for name in parsed.case:
        if not any(case.startswith(name) for case in parsed.cases):
            parser.error(f"there is no case {name!r}; there are {', '.join(parsed.cases)}")
    if parsed.json is None:
        parsed.json = BACKEND_RESULT if parsed.backend else RESULT
    if parsed.rounds is None:
        parsed.rounds = 1 if parsed.quick else 4
    if parsed.rounds < 1:
        parser.error(f"--rounds {parsed.rounds}: at least 1")
    if parsed.jobs is None:
        parsed.jobs = 2 * (os.cpu_count() or 1) if parsed.quick else 1
    if parsed.jobs < 1 or (parsed.jobs > 1 and not parsed.quick):
        parser.error(f"--jobs {parsed.jobs}: at least 1, and more only with --quick: they disturb each other")
    if parsed.awake and not awake.possible():
        parser.error("--awake: this system has no SCHED_IDLE")
    return parsed


def write_page(path: Path, backend: bool = False) -> int:
    """Write a result into the documentation; return the exit status."""
    try:
        written = page.write_backends(path, ROOT) if backend else page.write(path, ROOT)
    except (OSError, page.NoSuchPlace) as failure:
        print(f"--page: {failure}", file=sys.stderr)
        return 1
    print("written: " + ", ".join(str(each.relative_to(ROOT)) for each in written))
    if pictures.missing() and not backend:
        print(f"no picture: {pictures.missing()}")
    return 0


def run_one(case: Case, asked: argparse.Namespace, strace: bool) -> Result:
    """Run a case and return its summary. Raises BenchmarkFailed."""
    count = case.quick if asked.quick else case.count
    began = time.monotonic()
    contestants = case.judged() if asked.judged else case.contestants
    outcomes = run_case(case, contestants, count, asked.rounds, progress)
    found = report.summary(case, outcomes) | {"took": round(time.monotonic() - began, 1)}
    if asked.profile and case.profiled_by is not None:
        found["profile"] = profiling.profile(case, outcomes, count, strace)
    return found


def main(given: list[str]) -> int:
    """Run what was asked for; return the exit status."""
    asked = arguments(given)
    if asked.page:
        return write_page(asked.json, asked.backend)
    chosen = [case for case in asked.cases.values() if not asked.case or case.name.startswith(tuple(asked.case))]
    result: Result = report.circumstances()
    result |= {"rounds": asked.rounds, "quick": asked.quick, "awake": asked.awake, "cases": {}, "left_out": {}}
    print(report.headline(result))
    if not available("pyzmq"):
        print("there is nothing to compare with: install pyzmq (it is in the `test` extra) for ratios")
    strace = asked.profile and profiling.strace_works()
    with (
        awake.awake() if asked.awake else contextlib.nullcontext(),
        ThreadPoolExecutor(asked.jobs) as pool,
    ):
        missing = {case.name: case.contestants[0].missing() for case in chosen}
        running = {case.name: pool.submit(run_one, case, asked, strace) for case in chosen if not missing[case.name]}
        for case in chosen:
            if case.name not in running:
                print(f"\n{case.title}: left out, {missing[case.name]}", flush=True)
                result["left_out"][case.name] = missing[case.name]
                continue
            try:
                found = running[case.name].result()
            except BenchmarkFailed as failure:
                print(f"\n{failure}", file=sys.stderr)
                pool.shutdown(cancel_futures=True)
                return 1
            progress(done=True)
            print(f"\n{report.table(found)}", flush=True)
            if "profile" in found:
                print(profiling.table("  profile", found["profile"]), flush=True)
            result["cases"][case.name] = found
    if asked.keep and asked.json.exists():
        report.keep(result, report.read_json(asked.json))
    report.write_json(asked.json, result)
    print(f"\n{report.conclusion(result)}\nwritten to {asked.json}")
    print(picture(result, asked.json))
    return 0


def picture(result: Result, path: Path) -> str:
    """Draw the result beside its JSON, if that can be done; return what to say about it."""
    if pictures.missing():
        return f"no picture was drawn: {pictures.missing()}"
    paths = [path.with_suffix(".svg"), path.with_suffix(".png")]
    if not pictures.draw(result, report.headline(result), paths):
        return "no picture was drawn: these cases are in none"
    return f"drawn in {' and '.join(map(str, paths))}"


def progress(done: bool = False) -> None:
    """Show that something is going on, to a person who waits."""
    if sys.stderr.isatty():
        print("\r\033[K" if done else ".", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
