"""Where the time goes: processor time, context switches and system calls of each side, for one round trip or burst.

Processor time and context switches are what each process counts for itself (getrusage) in an extra round. System calls
are counted by strace, if it is there: in two runs of different length, so that the difference leaves out what a process
does before and after. strace slows each call down, so less is gathered into one than without it.
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from benchmarks.case import SAME_LIBRARY, Case, Contestant, Outcome, Result
from benchmarks.runner import run_round

# "100.00    0.000241           8        29         1 total"; the column of errors may be empty.
STRACE_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.MULTILINE)
# Two runs under strace: this many units (round trips, bursts) and twice as many.
_UNITS = {1: 1000, 1000: 20}


def strace_works() -> bool:
    """Return whether strace is installed and allowed here."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-c", "-f", "true"], stderr=subprocess.DEVNULL).returncode == 0


def counted(case: Case, contestant: Contestant, count: int) -> dict[str, Counter[str]]:
    """Return by role how often each system call was made in a round of `count` operations."""
    with tempfile.TemporaryDirectory() as directory:

        def wrap(role: str) -> list[str]:
            return ["strace", "-c", "-f", "-o", str(Path(directory, role))]

        run_round(case, contestant, count, wrap)
        found = {}
        for role, _ in case.roles:
            lines = STRACE_LINE.findall(Path(directory, role).read_text())
            found[role] = Counter({call: int(calls) for calls, call in lines if call != "total"})
        return found


def system_calls(case: Case, contestant: Contestant) -> dict[str, dict[str, float]]:
    """Return by role how often each system call is made for one unit of the case's profile."""
    assert case.profiled_by is not None
    size = case.profiled_by[1]
    units = _UNITS[size]
    short = counted(case, contestant, units * size)
    long = counted(case, contestant, 2 * units * size)
    found: dict[str, dict[str, float]] = {}
    for role in long:
        calls = {call: (number - short[role][call]) / units for call, number in long[role].most_common()}
        found[role] = {call: round(number, 2) for call, number in calls.items() if number >= 0.01}
    return found


def profile(case: Case, outcomes: list[Outcome], count: int, strace: bool) -> Result:
    """Return the profile of those contestants of a case that have the same library on all sides."""
    assert case.profiled_by is not None
    unit, size = case.profiled_by
    contestants: Result = {}
    for outcome in outcomes:
        # The others show nothing that these do not, or would take long.
        if outcome.contestant not in SAME_LIBRARY:
            continue
        calls = system_calls(case, outcome.contestant) if strace else {}
        contestants[outcome.contestant.name] = {
            role: {
                "user": statistics.median(each["user"] for each in usage) / count * size * 1e6,
                "system": statistics.median(each["system"] for each in usage) / count * size * 1e6,
                "switches": statistics.median(each["switches"] for each in usage) / count * size,
                "system_calls": calls.get(role),
            }
            for role, usage in outcome.usage.items()
        }
    return {"unit": unit, "contestants": contestants}


def table(title: str, found: Result) -> str:
    """Return a profile as text."""
    lines = [f"{title}: what each side spends on {found['unit']} (processor time in µs)"]
    lines.append(f"  {'':22}{'user':>10}{'system':>10}{'switches':>10}   system calls")
    for name, sides in found["contestants"].items():
        for role, each in sides.items():
            calls = each["system_calls"]
            text = "not counted: strace is not here"
            if calls is not None:
                listed = ", ".join(f"{call} {number:g}" for call, number in list(calls.items())[:5])
                text = f"{sum(calls.values()):.1f}: {listed}" if calls else "none"
            lines.append(
                f"  {name + ' ' + role:22}{each['user']:10.1f}{each['system']:10.1f}{each['switches']:10.2f}   {text}"
            )
    return "\n".join(lines)
