"""How the examples are run: the side that the command line names, or all sides, each in a process of its own."""

from __future__ import annotations

import inspect
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

PATIENCE = 0.2  # seconds to wait before a side is told once more to stop


def run(alone: Callable[[], None], *sides: Callable[..., None]) -> None:
    """Call the side that the command line names, with the rest of the command line; without arguments, call `alone`.

    SIGINT (Ctrl-C) and SIGTERM end either in good order, by a KeyboardInterrupt.
    """
    name, *arguments = sys.argv[1:] or [alone.__name__]
    side = {each.__name__: each for each in (alone, *sides)}.get(name)
    try:
        inspect.signature(side or sys.exit).bind(*arguments)
    except TypeError:
        side = None
    if side is None:
        sys.exit(sys.modules["__main__"].__doc__)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    try:
        side(*arguments)
    except KeyboardInterrupt:
        pass


def stop(number: int, frame: FrameType | None) -> None:
    """The first signal ends the program in good order; a second Ctrl-C ends it at once."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raise KeyboardInterrupt


class Side:
    """A side of an example in a process of its own, which is stopped at the end of a `with` statement.

    What it prints is shown when it is read: by `line`, by `wait`, and at the end.
    """

    def __init__(self, program: str, *arguments: str) -> None:
        self.name = arguments[0]
        self.process = subprocess.Popen([sys.executable, "-u", program, *arguments], stdout=subprocess.PIPE, text=True)

    def line(self) -> str:
        """Wait for the next line that it prints, and return the last word: where it is bound, say."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the {self.name} has ended, with status {self.process.wait()}")
        print(line, end="")
        return line.split()[-1]

    def wait(self) -> None:
        """Wait until it has ended by itself, which must be a good end."""
        assert self.process.stdout is not None
        print(self.process.stdout.read(), end="")
        if self.process.wait():
            raise RuntimeError(f"the {self.name} has failed, with status {self.process.returncode}")

    def __enter__(self) -> Side:
        return self

    def __exit__(self, error: type[BaseException] | None, *exc_info: object) -> None:
        # A signal that comes while libzmq is busy, just before it sleeps, is noticed with the next one only.
        while self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(PATIENCE)
        with (
            self.process,
            suppress(*[RuntimeError] if error else []),
        ):  # an error that is on its way is more to the point
            self.wait()
