"""Runs cases: each side in a process of its own, the contestants taking turns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.case import Case, Contestant, Outcome, Result

ROOT = Path(__file__).resolve().parent.parent
# A round that has not ended by then hangs.
PATIENCE = 120.0


class BenchmarkFailed(Exception):
    """A side has died, or hangs; the text says which."""


class SideProcess:
    """A process that runs one side of a case. `wrapper` is a command to run it under."""

    def __init__(
        self, case: Case, contestant: Contestant, role: str, count: int, endpoint: str, wrapper: Sequence[str] = ()
    ) -> None:
        self.what = f"{case.name}: the {role} of {contestant.name}"
        command = [sys.executable, "-m", "benchmarks.side", case.name, contestant.name, role, str(count), endpoint]
        self.process = subprocess.Popen(
            [*wrapper, *command],
            cwd=ROOT,
            env=dict(os.environ, **dict(contestant.environment)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def hear(self, key: str) -> Result:
        """Return the next thing the side says, which has `key`. Raises BenchmarkFailed if it dies instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            if status == -signal.SIGKILL:
                raise BenchmarkFailed(f"{self.what} was stopped: nothing came of it in {PATIENCE:.0f} s")
            raise BenchmarkFailed(f"{self.what} ended with status {status} before it had a result")
        said: Result = json.loads(line)
        if key not in said:
            raise BenchmarkFailed(f"{self.what} said {line.strip()!r} where its {key} was due")
        return said

    def leave(self) -> None:
        """Tell the side that all have reported, so that it can end."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close(self) -> None:
        """End the process if it has not ended by itself, and forget it."""
        if self.process.poll() is None:
            self.process.kill()
        assert self.process.stdout is not None
        self.leave()
        self.process.stdout.close()
        self.process.wait()


def run_round(
    case: Case, contestant: Contestant, count: int, wrap: Callable[[str], Sequence[str]] = lambda role: ()
) -> dict[str, Result]:
    """Run a case once; return by role what it said last: its `result` and `usage`.

    `wrap` gives the command to run a role under. Raises BenchmarkFailed.
    """
    sides: dict[str, SideProcess] = {}
    said: dict[str, Result] = {}
    endpoint = ""

    def stop() -> None:
        for side in list(sides.values()):
            side.process.kill()

    watchdog = threading.Timer(PATIENCE, stop)
    watchdog.start()
    try:
        last, _ = case.roles[-1]
        for role, _ in case.roles:
            sides[role] = SideProcess(case, contestant, role, count, endpoint, wrap(role))
            if role != last:
                endpoint = sides[role].hear("endpoint")["endpoint"]
        # Whoever dies first is the news, and the one that connects is the more likely.
        for role in reversed(sides):
            said[role] = sides[role].hear("result")
        for side in sides.values():
            side.leave()
        for side in sides.values():
            side.process.wait()
    finally:
        watchdog.cancel()
        for side in sides.values():
            side.close()
    return {role: said[role] for role, _ in case.roles}


def present(contestants: Sequence[Contestant]) -> list[Contestant]:
    """Return those whose libraries can be used here."""
    return [contestant for contestant in contestants if not contestant.missing()]


def run_case(
    case: Case, contestants: Sequence[Contestant], count: int, rounds: int, progress: Callable[[], None] = lambda: None
) -> list[Outcome]:
    """Run all rounds of a case, forward and backward in turn; return what each contestant has reached."""
    outcomes = [Outcome(contestant) for contestant in present(contestants)]
    for number in range(min(rounds, case.rounds or rounds)):
        for outcome in outcomes if number % 2 == 0 else reversed(outcomes):
            said = run_round(case, outcome.contestant, max(1, int(count * outcome.contestant.share)))
            outcome.rounds.append(case.judge([side["result"] for side in said.values()]))
            for role, side in said.items():
                outcome.usage.setdefault(role, []).append(side["usage"])
            progress()
    return outcomes
