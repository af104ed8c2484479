"""How long `import mqbridge` takes in a fresh interpreter, and that it imports nothing of third parties."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from typing import Any

from benchmarks.case import Case, Contestant, Result, Side
from benchmarks.cases.push_pull import PURE
from benchmarks.goals import AtMost

# Prints what an import took in ms, and the top-level modules it brought that are neither Python's nor its own. What has
# no spec was not imported from anywhere: Cython keeps such a module in each extension.
PROGRAM = """
import sys, time
before = set(sys.modules)
began = time.perf_counter()
__import__(sys.argv[1])
elapsed = time.perf_counter() - began
new = [name for name in set(sys.modules) - before if getattr(sys.modules[name], "__spec__", None) is not None]
tops = {name.partition(".")[0] for name in new} - sys.stdlib_module_names - {sys.argv[1]}
import json
print(json.dumps({"elapsed": elapsed * 1000, "third_party": sorted(tops)}))
"""


def imported(module: str) -> dict[str, Any]:
    """Return what a fresh interpreter's import of a module came to: `elapsed` in ms, `third_party` names."""
    # An installed package has its bytecode beside it; let a checkout have it, too.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", PROGRAM, module]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def importer(side: Side) -> Result:
    """Import again and again; the value is the median time, in ms."""
    module = side.library.__name__
    imported(module)
    with side.measured():
        found = [imported(module) for _ in range(side.count)]
    return {
        "value": statistics.median(each["elapsed"] for each in found),
        "third_party": len(found[0]["third_party"]),
    }


CASES = [
    Case(
        name="import",
        title="import in a fresh interpreter",
        unit="ms",
        less_is_better=True,
        roles=(("importer", importer),),
        count=7,
        quick=1,
        contestants=(
            Contestant("mqbridge", ("mqbridge",)),
            Contestant("mqbridge interpreted", ("mqbridge",), environment=PURE),
            Contestant("pyzmq", ("pyzmq",)),
            Contestant("pynng", ("pynng",)),
        ),
        goals=(AtMost(60, "ms"), AtMost(0, "third-party modules", key="third_party")),
    )
]
