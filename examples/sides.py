"""How the examples are run: the side that the command line names, or all sides, each in a process of its own."""

from __future__ import annotations

import inspect
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from library import zmq

LINGER = 1000  # milliseconds that messages may still take to leave when a side ends
ENDED = b"\0"


def run(alone: Callable[..., None], *sides: Callable[..., None]) -> None:
    """Call the side that the command line names, with a context and the rest of the command line; or else `alone`.

    A side runs in a thread of its own. The main thread, which signals come to, only waits: for the end of the side, or
    for SIGINT (Ctrl-C) or SIGTERM. Then it terminates the context, so that whatever the side waits for raises
    ContextTerminated, and the side leaves its `with` statements. A KeyboardInterrupt inside the side could come between
    any two steps of anything.
    """
    name, *arguments = sys.argv[1:] or [alone.__name__]
    side = {each.__name__: each for each in (alone, *sides)}.get(name)
    try:
        inspect.signature(side or sys.exit).bind("a context", *arguments)
    except TypeError:
        side = None
    if side is None:
        sys.exit(sys.modules["__main__"].__doc__)

    context = zmq.Context()
    context.linger = LINGER
    reading, writing = socket.socketpair()
    with reading, writing, ThreadPoolExecutor() as threads:
        # A signal writes its number to the pair, and the end of the side ENDED: whatever comes first is read.
        writing.setblocking(False)
        signal.set_wakeup_fd(writing.fileno())
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: None)
        outcome = threads.submit(side, context, *arguments)
        outcome.add_done_callback(lambda _: writing.send(ENDED))
        first = reading.recv(1)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends it at once
        context.term()
        if first == ENDED:
            outcome.result()


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
        self.process.terminate()
        # An error that is on its way already is more to the point than what became of this side.
        with self.process, suppress(*[RuntimeError] if error else []):
            self.wait()
