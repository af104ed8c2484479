"""How a loop that sleeps in C hears of Python's signals, and of what other threads ask it to do."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from mqbridge.loops.libevent.library import EV_PERSIST, EV_READ, ffi, lib
from mqbridge.loops.libevent.raw import RawBase, RawEvent
from mqbridge.loops.sockets import close_descriptor

_CALL = b"\0"  # no signal has this number


class Wakeup(RawEvent):
    """A pipe in the base. Python writes the number of a signal to it, and so its handler runs, in our callback."""

    __slots__ = ("_reader", "_writer", "_calls", "_previous")

    def __init__(self, base: RawBase) -> None:
        self.pointer = ffi.NULL
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        # The wake-up descriptor that was there before the loop began; None: it has not.
        self._previous: int | None = None
        self._open(base)

    def _open(self, base: RawBase) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        RawEvent.__init__(self, base, self._reader, EV_READ | EV_PERSIST)
        lib.event_add(self.pointer, ffi.NULL)

    def renew(self) -> None:
        """After a fork: the pipe is the parent's."""
        self.discard()
        self.close()
        self._open(self.base)
        if self._calls:
            self._write(self._writer, _CALL)
        if self._previous is not None:
            signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)

    @property
    def busy(self) -> bool:
        """Whether there are calls to make."""
        return bool(self._calls)

    def call(self, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        """Let the loop call this, from any thread."""
        self._calls.append((callback, args))
        self._write(self._writer, _CALL)

    def listen(self) -> None:
        """The loop begins to wait: hear of signals, if this is the thread that runs their handlers."""
        if threading.current_thread() is threading.main_thread():
            found = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
            # A signal may have struck while the last loop ended.
            if self._previous is None:
                self._previous = found if found != self._writer else -1

    def ignore(self) -> None:
        """The loop waits no longer: whoever heard of signals before does so again."""
        if self._previous is not None:
            current = signal.set_wakeup_fd(self._previous)
            self._previous = None
            if current != self._writer:
                # Somebody has taken over meanwhile.
                signal.set_wakeup_fd(current)

    def fired(self, what: int) -> None:
        """Pass the signals on; make the calls. Handlers of signals have run by now, or run here."""
        try:
            signals = os.read(self._reader, 65536).replace(_CALL, b"")
        except BlockingIOError:
            signals = b""
        self.base.ran += 1
        if signals and self._previous is not None and self._previous >= 0:
            self._write(self._previous, signals)
        # Not those that these calls ask for: the others have their turn first (P21).
        for _ in range(len(self._calls)):
            callback, args = self._calls.popleft()
            callback(*args)
        if self._calls:
            self._write(self._writer, _CALL)

    def close(self) -> None:
        """Give the pipe back; the event was freed before."""
        close_descriptor(self._reader)
        close_descriptor(self._writer)

    @staticmethod
    def _write(fd: int, data: bytes) -> None:
        try:
            os.write(fd, data)
        except BlockingIOError:
            return  # there is enough to wake up for
        except OSError:
            return  # somebody else's wake-up descriptor, which is closed
