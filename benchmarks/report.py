"""What came out: medians, spread and ratios, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import mqbridge
from benchmarks.case import Case, Outcome, Result
from benchmarks.cases import CASES
from benchmarks.peers import available


def median_of(outcome: Outcome) -> float:
    """Return the median of a contestant's rounds."""
    median: float = statistics.median(each["value"] for each in outcome.rounds)
    return median


def ratio(case: Case, outcome: Outcome, outcomes: Sequence[Outcome]) -> float | None:
    """Return how many times better a contestant is than the reference; None if that did not take part."""
    for other in outcomes:
        if other.contestant.name == case.reference:
            mine, reference = median_of(outcome), median_of(other)
            return reference / mine if case.less_is_better else mine / reference
    return None


def summary(case: Case, outcomes: Sequence[Outcome]) -> Result:
    """Return what a case came to, for JSON."""
    contestants = {}
    for outcome in outcomes:
        values = [each["value"] for each in outcome.rounds]
        found: Result = {
            "libraries": dict(zip((role for role, _ in case.roles), outcome.contestant.libraries, strict=True)),
            "median": median_of(outcome),
            "min": min(values),
            "max": max(values),
            "ratio": ratio(case, outcome, outcomes),
        }
        if "worst" in outcome.rounds[0]:
            found["worst"] = max(each["worst"] for each in outcome.rounds)
        if "busy" in outcome.rounds[0]:
            found["busy"] = statistics.median(each["busy"] for each in outcome.rounds)
        if "lost" in outcome.rounds[0]:
            found["lost"] = sum(each["lost"] for each in outcome.rounds)
        contestants[outcome.contestant.name] = found | {"rounds": outcome.rounds, "usage": outcome.usage}
    absent = {contestant.name: contestant.missing() for contestant in case.contestants}
    found = {
        "title": case.title,
        "unit": case.unit,
        "less_is_better": case.less_is_better,
        "size": case.size,
        "reference": case.reference,
        "contestants": contestants,
        "left_out": {name: reason for name, reason in absent.items() if reason},
    }
    found["goals"] = [judged for judged in (goal.judge(found) for goal in case.goals) if judged is not None]
    return found


def table(found: Result) -> str:
    """Return a case's summary as text."""
    better = "less" if found["less_is_better"] else "more"
    lines = [f"{found['title']} ({found['unit']}, {better} is better)"]
    contestants: dict[str, Result] = found["contestants"]
    extra = [name for name in ("worst", "busy", "lost") if any(name in each for each in contestants.values())]
    labels = {"busy": "busy %"}
    heads = ["median", "min", "max", *(labels.get(name, name) for name in extra), f" to {found['reference']}"]
    lines.append(f"  {'':22}" + "".join(f"{head:>12}" for head in heads))
    for name, each in contestants.items():
        times = "" if each["ratio"] is None else f"{each['ratio']:.2f} x"
        numbers = [shown(each["median"]), shown(each["min"]), shown(each["max"])]
        numbers += [shown(each.get(one)) for one in extra]
        lines.append(f"  {name:22}" + "".join(f"{number:>12}" for number in [*numbers, times]))
    lines += [f"  {name}: left out, {reason}" for name, reason in found["left_out"].items()]
    lines += [f"  goal: {verdict(goal)}" for goal in found["goals"]]
    return "\n".join(lines)


def verdict(goal: Result) -> str:
    """Return what was asked for and what came of it."""
    return f"{goal['goal']}: {goal['measured']}, {'reached' if goal['reached'] else 'NOT REACHED'}"


def conclusion(result: Result) -> str:
    """Return all goals of a run as text, those that were not reached first."""
    judged = [(name, goal) for name, found in result["cases"].items() for goal in found["goals"]]
    judged.sort(key=lambda one: bool(one[1]["reached"]))
    reached = sum(goal["reached"] for _, goal in judged)
    lines = [f"{reached} of {len(judged)} goals reached"]
    lines += [f"  {name + ':':24}{verdict(goal)}" for name, goal in judged]
    return "\n".join(lines)


def shown(number: float | None) -> str:
    """Return a number with about four figures."""
    if number is None:
        return ""
    if number >= 1000 or isinstance(number, int):
        return f"{number:,.0f}"
    return f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def circumstances() -> Result:
    """Return what took part, and on which machine."""
    found: Result = {
        "mqbridge": mqbridge.__version__,
        "compiled": mqbridge.COMPILED,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    if available("pyzmq"):
        import zmq

        found |= {"pyzmq": zmq.pyzmq_version(), "libzmq": zmq.zmq_version()}
    return found


def processor() -> str:
    """Return the processor's name, where the system tells."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def headline(found: Result) -> str:
    """Return the circumstances as one line."""
    kind = "compiled" if found["compiled"] else "interpreted"
    peer = f"pyzmq {found['pyzmq']} (libzmq {found['libzmq']})" if "pyzmq" in found else "pyzmq is not installed"
    return (
        f"mqbridge {found['mqbridge']} ({kind}), {peer}, {found['implementation']} {found['python']}, "
        f"{found['system']}, {found['cores']} cores of {found['processor'] or 'an unknown processor'}"
    )


def keep(result: Result, former: Result) -> None:
    """Add to a result the cases that only a former one has, and put all in the order of `CASES`."""
    for kind in ("cases", "left_out"):
        new = {**result["cases"], **result["left_out"]}
        result[kind] |= {name: found for name, found in former[kind].items() if name not in new}
    places = {name: place for place, name in enumerate(CASES)}
    result["cases"] = dict(sorted(result["cases"].items(), key=lambda one: places.get(one[0], len(places))))


def read_json(path: Path) -> Result:
    """Return a result that was written."""
    result: Result = json.loads(path.read_text())
    return result


def write_json(path: Path, result: dict[str, Any]) -> None:
    """Write the machine-readable result."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
