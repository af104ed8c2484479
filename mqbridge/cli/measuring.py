"""The measurements of `mqbridge bench`: each side in a process of its own, the libraries taking turns."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import mqbridge
from mqbridge.cli.bench_side import LIBRARIES

# More than a round takes, by far.
_PATIENCE = 30.0


class MeasuringFailed(Exception):
    """A side has died, or hangs; the text says which."""


@dataclasses.dataclass(frozen=True)
class Case:
    """What is measured."""

    name: str
    title: str
    unit: str
    less_is_better: bool
    #: What `bench_side` calls it, and the size of a message in bytes.
    kind: str
    size: int

    def value(self, measured: float) -> float:
        """Return what is shown of what a side has measured."""
        return measured * self.size / 1e6 if self.unit == "MB/s" else measured


CASES = {
    case.name: case
    for case in (
        Case("round-trip", "REQ/REP round trip of 10 B over tcp", "µs", True, "round-trip", 10),
        Case("messages", "PUSH to PULL, messages of 10 B over tcp", "messages/s", False, "stream", 10),
        Case("large", "PUSH to PULL, messages of 64 KiB over tcp", "MB/s", False, "stream", 65536),
    )
}


@dataclasses.dataclass
class Outcome:
    """What one library has reached in one case, in the case's unit; or why it has not."""

    library: str
    version: str
    rounds: list[float] = dataclasses.field(default_factory=list)
    problem: str = ""

    @property
    def median(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rounds)


def installed() -> dict[str, str]:
    """Return the libraries that can take part here, with their versions; mqbridge first."""
    found = {}
    for library, (module, _) in LIBRARIES.items():
        if importlib.util.find_spec(module) is not None:
            try:
                found[library] = mqbridge.__version__ if library == "mqbridge" else importlib.metadata.version(library)
            except importlib.metadata.PackageNotFoundError:
                found[library] = ""
    return found


def circumstances() -> dict[str, Any]:
    """Return on what it was measured."""
    return {
        "mqbridge": mqbridge.__version__,
        "compiled": mqbridge.COMPILED,
        "python": platform.python_version(),
        "processors": os.cpu_count() or 1,
        "system": f"{platform.system()} {platform.machine()}",
    }


def measure(
    cases: list[Case],
    libraries: dict[str, str],
    seconds: float,
    rounds: int,
    progress: Callable[[Case, str], None] = lambda case, library: None,
) -> dict[str, list[Outcome]]:
    """Run all cases, with the libraries taking turns forward and backward; return the outcomes by case.

    Parameters
    ----------
    cases
        What to measure.
    libraries
        Who takes part, with versions.
    seconds
        How long a round is.
    rounds
        How often each library gets its turn.
    progress
        Called before each round.

    Raises
    ------
    MeasuringFailed
        mqbridge itself has failed; if it is another library, its outcome says so.
    """
    found = {}
    for case in cases:
        outcomes = {library: Outcome(library, version) for library, version in libraries.items()}
        for number in range(rounds):
            for library in list(outcomes) if number % 2 == 0 else reversed(list(outcomes)):
                progress(case, library)
                outcome = outcomes[library]
                if outcome.problem:
                    continue
                try:
                    outcome.rounds.append(case.value(run_round(library, case, seconds)))
                except MeasuringFailed as failure:
                    if library == "mqbridge":
                        raise
                    outcome.problem = str(failure)
        found[case.name] = list(outcomes.values())
    return found


def run_round(library: str, case: Case, seconds: float) -> float:
    """Run one round; return what was measured. Raises MeasuringFailed."""
    what = f"{library}, {case.name}"
    sides: list[subprocess.Popen[str]] = []

    def stop() -> None:
        for side in list(sides):
            side.kill()

    watchdog = threading.Timer(_PATIENCE + seconds, stop)
    watchdog.start()
    try:
        for side in ("bind", "connect"):
            sides.append(_start(library, case, seconds, side))
        binding, connecting = sides
        _tell(connecting, _hear(binding, "endpoint", what))
        sent = _hear(connecting, "result", what)
        received = _hear(binding, "result", what)
    finally:
        watchdog.cancel()
        for each in reversed(sides):
            _end(each)
    return float({**received, **sent}["value"])


def _start(library: str, case: Case, seconds: float, side: str) -> subprocess.Popen[str]:
    # Stock pyzmq is to be measured as it is, and nobody watches.
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYZMQ_BACKEND", "MQBRIDGE_INSPECT")
    }
    return subprocess.Popen(
        [sys.executable, "-m", "mqbridge.cli.bench_side", library, case.kind, str(case.size), str(seconds), side],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _tell(side: subprocess.Popen[str], line: str) -> None:
    assert side.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it has died; its last words say why
        side.stdin.write(f"{line}\n")
        side.stdin.flush()


def _hear(side: subprocess.Popen[str], key: str, what: str) -> Any:
    """Return the next thing a side says. Raises MeasuringFailed if it dies instead."""
    assert side.stdout is not None
    assert side.stderr is not None
    line = side.stdout.readline()
    if line:
        return json.loads(line)[key]
    status = side.wait()
    if status == -9:
        raise MeasuringFailed(f"{what}: nothing came of it in {_PATIENCE:.0f} s")
    last = side.stderr.read().strip().splitlines()[-1:] or [f"status {status}"]
    raise MeasuringFailed(f"{what}: {last[0]}")


def _end(side: subprocess.Popen[str]) -> None:
    assert side.stdin is not None
    assert side.stdout is not None
    assert side.stderr is not None
    with contextlib.suppress(BrokenPipeError):  # what was to be told has found nobody
        side.stdin.close()
    try:
        side.wait(5)
    except subprocess.TimeoutExpired:
        side.kill()
        side.wait()
    side.stdout.close()
    side.stderr.close()
