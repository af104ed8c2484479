"""Ctrl-C and SIGTERM, which end a command between two messages and not in the middle of one.

While a command waits, a signal ends the wait at once. While it has a message in its hands, the signal waits until that
is where it belongs; a second signal does not wait.

A signal that comes just before a system call blocks does not end that call: Python only makes a note of it. So all
waits are for a descriptor, too, to which the interpreter writes when a signal comes.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterator
from types import FrameType

from mqbridge.cli.failures import Ended

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """In a `with` statement: SIGINT and SIGTERM raise Ended, and that only where `waiting` or `check` are."""

    def __init__(self) -> None:
        #: The signal that has come.
        self.came = 0
        #: Readable when one has come.
        self.fd = -1
        self._waits = False
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Signals:
        self.fd, writing = os.pipe()
        for fd in (self.fd, writing):
            os.set_blocking(fd, False)
            self._stack.callback(os.close, fd)
        previous = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        self._stack.callback(signal.set_wakeup_fd, previous)
        for number in _NUMBERS:
            # Who runs in the background of a shell does not want to hear of Ctrl-C.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._stack.callback(signal.signal, number, signal.signal(number, self._handle))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.came = self.came, number
        if self._waits or again:
            raise Ended(number)

    def check(self) -> None:
        """Raise Ended if a signal has come."""
        if self.came:
            raise Ended(self.came)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """While this is entered, a signal raises Ended at once; wait for `fd`, too, so that it does for certain."""
        self._waits = True
        try:
            self.check()
            yield
            self.check()
        finally:
            self._waits = False

    def wait(self, timeout: float | None = None, fd: int = -1) -> None:
        """Wait until a file can be read, or for so many seconds, or for a signal, which raises Ended."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        if fd >= 0:
            poll.register(fd, select.POLLIN)
        with self.waiting():
            poll.poll(None if timeout is None else timeout * 1000)
