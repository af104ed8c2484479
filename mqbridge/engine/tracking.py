"""Following a message that was sent until it has left: what a MessageTracker asks."""

from __future__ import annotations

from typing import Any

from mqbridge import _sys
from mqbridge.pipes.pipe import Pipe

# Another thread, or an inproc peer, may take the message onwards and has nobody to tell of it.
_GLANCE = 10_000_000


class Sent:
    """One message on its way, by each pipe that took it.

    Begun before the message is sent and completed after that: the pipes that have more in them since then took it.
    """

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._before = {pipe: pipe.outbound.pushed() for pipe in list(driver.pipes)}
        # With each pipe, how many messages will have left it when this one has.
        self._left: list[tuple[Pipe, int]] = []
        # A part waits for the last one of its message.
        self._waits = True
        self._returned = False

    def completed(self) -> Sent:
        """The message was sent; return this. Once more: whatever was sent since then, too."""
        self._waits = self._returned = False
        for pipe in list(self._driver.pipes):
            pushed = pipe.outbound.pushed()
            if pushed > self._before.get(pipe, 0):
                self._left.append((pipe, pushed))
        self._before.clear()
        return self

    def is_set(self) -> bool:
        """Return whether it has left for good: written, taken by its inproc receiver, or dropped with its peer.

        Does the socket's output if need be: what the flusher has written is known only then.
        """
        driver = self._driver
        if self._returned:
            return True
        # Of a message that is not complete when the socket is closed nothing is sent.
        if (self._waits and not driver.closing) or not (self._gone() or (driver.drive() and self._gone())):
            return False
        # Whoever is told so has his buffer back. Nobody is in the middle of letting go of it who has no lock.
        self._returned = not driver.lends or driver.drive()
        return self._returned

    def _gone(self) -> bool:
        self._left = [(pipe, mark) for pipe, mark in self._left if not pipe.over and pipe.outbound.released() < mark]
        return not self._left

    def wait(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds (None: for ever) and return whether it has left. Does the socket's output."""
        until = None if timeout is None else _sys.clock() + int(timeout * 1e9)
        driver = self._driver
        while not self.is_set():
            rest = _GLANCE if until is None else min(_GLANCE, until - _sys.clock())
            if rest <= 0:
                return False
            fd = driver.pollset.fd
            _sys.poll([(fd, _sys.READ)] if fd >= 0 else [], rest)
        return True
