"""Traced programs, and recordings written by hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mqbridge.tracing import commands, recording
from mqbridge.tracing.recording import Recording

ROOT = Path(__file__).resolve().parent.parent.parent


class Traced:
    """A program that has run traced: its `recording`, `status`, `output` and `errors`."""

    def __init__(self, directory: Path, words: list[str], limit: float, **settings: Any) -> None:
        directory.mkdir()
        follow = settings.get("follow", False)
        command, in_path = commands.traced(words)
        environment = commands.environment(
            str(directory), str(directory / "bin"), in_path, follow, settings.get("capacity", 100_000)
        )
        commands.write_shims(str(directory / "bin"))
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment |= {"PYTHONPATH": paths, **settings.get("environment", {})}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit)
        self.status, self.output, self.errors = done.returncode, done.stdout, done.stderr
        self.recording = recording.read_directory(directory)

    def kinds(self) -> list[str]:
        """Return the kinds of the events in their order."""
        return [event["k"] for event in self.recording.events]

    def told(self, kind: str) -> list[dict[str, Any]]:
        """Return the events of a kind."""
        return [event for event in self.recording.events if event["k"] == kind]


@pytest.fixture
def trace(tmp_path: Path, scaled: Callable[[float], float]) -> Callable[..., Traced]:
    """A function that runs a program traced: `trace(code, *arguments)`, or `trace(words=[...])`."""
    runs: list[Traced] = []

    def run(code: str = "", *arguments: str, words: list[str] | None = None, **settings: Any) -> Traced:
        script = tmp_path / f"program{len(runs)}.py"
        script.write_text(code)
        where = tmp_path / f"recording{len(runs)}"
        runs.append(Traced(where, words or [str(script), *arguments], scaled(60), **settings))
        return runs[-1]

    return run


@pytest.fixture
def record() -> Callable[..., Recording]:
    """A function that makes a recording of events: `record(("send", {"s": 1}), ...)`, a millisecond apart.

    There is a PULL, socket 1, of the library that is given, with FD 7 from the beginning.
    """

    def make(*events: tuple[str, dict[str, Any]], library: str = "libzmq 4.3.5", kind: str = "PULL") -> Recording:
        first: list[tuple[str, dict[str, Any]]] = [
            ("process", {"argv": ["program.py"]}),
            ("socket", {"s": 1, "type": kind, "lib": library}),
            ("fd", {"s": 1, "fd": 7, "o": 1, "what": "FD", "by": "__main__"}),
        ]
        made = []
        for at, (name, fields) in enumerate([*first, *events]):
            usual: dict[str, Any] = {"t": at * 1_000_000, "k": name, "p": 1, "th": "main", "tid": 1}
            if name in recording.CALLS:
                usual |= {"s": 1, "o": 1, "d": 1000, "before": [], "after": []}
            if name == "wait":
                usual |= {"wait": 1, "fds": {7: "r"}, "ready": [], "api": "select", "timeout": None}
            if name == "woke":
                usual |= {"wait": 1, "found": {}}
            if name == "look":
                usual |= {"s": 1, "mask": 0, "before": [], "why": "close"}
            made.append({**usual, **fields})
        return Recording(made)

    return make
