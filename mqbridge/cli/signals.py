"""Ctrl-C and SIGTERM, which end a command between two messages and not in the middle of one.

While a command waits, a signal ends the wait at once. While it has a message in its hands, the signal waits until that
is where it belongs; a second signal does not wait.
"""

from __future__ import annotations

import contextlib
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
        self._waits = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Signals:
        for number in _NUMBERS:
            # Who runs in the background of a shell does not want to hear of Ctrl-C.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

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
        """While this is entered, a signal raises Ended at once."""
        self._waits = True
        try:
            self.check()
            yield
        finally:
            self._waits = False
