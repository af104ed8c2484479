"""Starting the programs of this folder in processes of their own, and talking to them by lines of JSON."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# Nothing here takes that long; whoever does hangs.
PATIENCE = 30.0 * float(os.environ.get("MQBRIDGE_TEST_SCALE", "1"))


def environment() -> dict[str, str]:
    """Return an environment in which the programs find the package of this checkout."""
    root = str(HERE.parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


class Peer:
    """A program with a role. What it says is one JSON object a line; it is told things the same way."""

    def __init__(self, program: str, role: str, **settings: Any) -> None:
        self.what = f"{program} {role} {settings}"
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / program), role, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        # None: it has ended.
        self._said: queue.Queue[Any] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # All the time, so that no program ever waits for a reader of what it says.
        assert self.process.stdout is not None
        for line in self.process.stdout:
            # A line without its end was cut off by a kill.
            if line.endswith("\n"):
                self._said.put(json.loads(line))
        self._said.put(None)

    def hear(self, key: str) -> Any:
        """Return what the program says of `key`, passing over what it says before; fails when it ends instead."""
        while True:
            try:
                said = self._said.get(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError(f"{self.what} does not tell its {key}") from None
            if said is None:
                raise AssertionError(f"{self.what} ended with {self.process.wait()} and had not told its {key}")
            if key in said:
                return said[key]

    def next(self) -> dict[str, Any]:
        """Return what the program has said next."""
        said: dict[str, Any] = self._said.get(timeout=PATIENCE)
        assert said is not None, f"{self.what} has ended"
        return said

    def is_silent(self) -> bool:
        """Return whether it has said nothing that was not heard yet."""
        return self._said.empty()

    def rest(self, key: str) -> list[Any]:
        """Return all the program says of `key` until it ends, or has ended."""
        found = []
        while (said := self._said.get(timeout=PATIENCE)) is not None:
            if key in said:
                found.append(said[key])
        return found

    def tell(self, **what: Any) -> None:
        """Tell the program something."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """End the program at once, in the middle of what it does."""
        self.process.kill()
        self.process.wait()

    def ended(self) -> int:
        """Wait until the program has ended by itself; return its status."""
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """End the program if need be, and forget it."""
        if self.process.poll() is None:
            self.process.kill()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # what it was told last it did not read
        self.process.wait()


def run_alone(program: str, role: str, patience: float = 2 * PATIENCE, **settings: Any) -> list[dict[str, Any]]:
    """Run a program to its end, which must be a good one; return all it said."""
    # Files, not pipes: a forked child that hangs must not keep this process waiting for the end of a pipe.
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-X", "faulthandler", "-W", "error", str(HERE / program), role, json.dumps(settings)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=complaints,
            env=environment(),
            start_new_session=True,
        )
        try:
            status = process.wait(patience)
        except subprocess.TimeoutExpired:
            # Who hangs tells where, its children too.
            os.killpg(process.pid, signal.SIGABRT)
            status = process.wait(PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        said.seek(0)
        complaints.seek(0)
        text = complaints.read()
        assert status == 0, f"{program} {role} ended with {status}:\n{said.read()}{text}"
        assert not text, f"{program} {role} complained:\n{text}"
        return [json.loads(line) for line in said]
