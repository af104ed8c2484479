"""`Event`: what to wait for, and whom to call."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from typing import Any

from mqbridge.loops.libevent.base import EventBase
from mqbridge.loops.libevent.library import (
    EV_ET,
    EV_PERSIST,
    EV_READ,
    EV_SIGNAL,
    EV_TIMEOUT,
    EV_WRITE,
    ffi,
    lib,
    timeval,
)
from mqbridge.loops.libevent.raw import RawEvent, bases
from mqbridge.loops.libevent.sockets import Watched
from mqbridge.loops.sockets import is_socket

_FILE = EV_READ | EV_WRITE
_KINDS = _FILE | EV_SIGNAL | EV_TIMEOUT
_FLAGS = _KINDS | EV_PERSIST | EV_ET


class Event(RawEvent):
    """An `event`: what to wait for, and whom to call then. It waits from `add` on, until it was called or deleted.

    While it is pending its base keeps it alive. The callback of a socket's event is called once more when the socket
    was closed or its context terminated, for all that it waited for, so that its recv or send meets the error; after
    that the event is not pending.

    Parameters
    ----------
    base
        The base that waits.
    source
        An mqbridge or pyzmq socket; anything with a `fileno()`, or a descriptor; for EV_SIGNAL the signal's number;
        None for a timer.
    what
        EV_READ, EV_WRITE, or EV_SIGNAL. EV_PERSIST: it stays pending when it is called. EV_ET: it is called once for
        each arrival, so the callback must go on until Again; for a stock pyzmq socket, whose arrivals cannot be told
        apart from what is left, it is called until then. EV_TIMEOUT says nothing: the time-out is given to `add`.
    callback
        Called as `callback(source, what, arg)`; `what` is EV_READ, EV_WRITE, EV_SIGNAL and EV_TIMEOUT as they are due.
        What it raises comes out of the loop.
    arg
        Given to the callback.

    Raises
    ------
    ValueError
        The source and `what` do not go together.
    OSError
        The descriptor is not open (EBADF).
    RuntimeError
        The base was freed, inherited by a fork, or runs in another thread.
    """

    base: EventBase
    __slots__ = ("source", "what", "callback", "arg", "watched", "_fd", "_is_socket", "_lost", "_priority")

    def __init__(
        self, base: EventBase, source: Any, what: int, callback: Callable[[Any, int, Any], object], arg: Any = None
    ) -> None:
        self.pointer = ffi.NULL
        base.check()
        self.source = source
        self.what = what
        self.callback = callback
        self.arg = arg
        #: The socket as its base watches it, while this waits for it.
        self.watched: Watched | None = None
        self._fd = _descriptor(source, what)
        self._is_socket = self._fd < 0 and bool(what & _FILE)
        self._lost = False
        # Without a descriptor libevent keeps the accounts, and leaves it to us to make the event active.
        if self._fd < 0:
            what &= ~EV_ET
        RawEvent.__init__(self, base, source if what & EV_SIGNAL else self._fd, what)
        self._priority = int(lib.event_get_priority(self.pointer))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.what:#x} of {self.source!r}>"

    def add(self, timeout: float | None = None) -> None:
        """Wait for it; added once more, only the time-out changes.

        Parameters
        ----------
        timeout
            Call the callback with EV_TIMEOUT when nothing has come for so many seconds. With EV_PERSIST it begins anew
            each time the event was called. None: wait for ever, or as long as said before.

        Raises
        ------
        OSError
            The socket is closed (ENOTSOCK) or its context terminated (ETERM). The file is closed (EBADF), or libevent
            cannot wait for such (EPERM).
        ValueError
            The time-out is no number of seconds.
        RuntimeError
            The event or the base was freed, or runs in another thread. A signal: another base has signals pending, and
            libevent delivers to one only.
        """
        self._check()
        value = timeval(timeout)
        if self._is_socket:
            if self.watched is None:
                self._lost = False
                watched = self.base.watch(self)
                watched.attach(self)
                self.watched = watched
        elif self._fd >= 0:
            _check_open(self.source, self._fd)
            self.base.add_file(self, self._fd)
        elif self.what & EV_SIGNAL:
            if any(base.signals for base in bases if base is not self.base):
                raise RuntimeError("another EventBase has signals pending, and libevent delivers them to one base only")
            self.base.signals.add(self)
        if lib.event_add(self.pointer, value) != 0:
            error = ffi.errno
            self._settle()
            raise OSError(error, f"libevent cannot wait for {self.source!r}: {os.strerror(error)}")
        self.base.held.add(self)

    def delete(self) -> None:
        """Wait no longer, and do not call if it is active already. Does nothing if it is not pending, or was freed.

        Raises RuntimeError when the base runs in another thread.
        """
        if self.pointer and not self.base.lost:
            self.base.check()
            lib.event_del(self.pointer)
            self._lost = False
            self._settle()
            if self.base.thread is None:
                self.base.tidy()

    def free(self) -> None:
        """Delete it for good. May be called again, and by its own callback. Raises as `delete`."""
        self.delete()
        self.discard()

    def pending(self, what: int = _KINDS) -> int:
        """Return for which of EV_READ, EV_WRITE, EV_SIGNAL and EV_TIMEOUT it is pending or active, 0 for none."""
        self._check()
        return int(lib.event_pending(self.pointer, what, ffi.NULL))

    def active(self, what: int) -> None:
        """Have the callback called in the loop's turn with this `what`, whether it is pending or not."""
        self._check()
        if not what & _KINDS:
            raise ValueError(f"active({what!r}): give EV_READ, EV_WRITE, EV_SIGNAL, EV_TIMEOUT or several of them")
        self.base.held.add(self)
        lib.event_active(self.pointer, what & _KINDS, 1)

    def remove_timer(self) -> None:
        """Take the time-out back; the event stays pending for the rest."""
        self._check()
        lib.event_remove_timer(self.pointer)
        self._settle_if_over()

    def touched(self) -> None:
        """Somebody used the stock pyzmq socket behind the base's back; see `EventBase.touched`."""
        self._check()
        if self.watched is not None:
            self.watched.touched()

    @property
    def priority(self) -> int:
        """From 0, called first; see `EventBase.priority_init`.

        Setting it raises ValueError if the base has no such priority, or the event is active.
        """
        return self._priority

    @priority.setter
    def priority(self, priority: int) -> None:
        self._check()
        if lib.event_priority_set(self.pointer, priority) != 0:
            raise ValueError(f"priority {priority!r}: give 0 to {self.base.priorities - 1}, while it is not active")
        self._priority = priority
        if self.watched is not None:
            self.watched.prioritise()

    # ---- inside

    def lose(self) -> None:
        """The socket is gone: call once more, for all that was wanted."""
        self.watched = None
        self._lost = True
        lib.event_active(self.pointer, self.what & _FILE, 1)

    def fired(self, what: int) -> None:
        """libevent calls."""
        if self._lost:
            lib.event_del(self.pointer)
        self._settle_if_over()
        self.begun = True
        self.base.ran += 1
        try:
            self.callback(self.source, what, self.arg)
        finally:
            if self.watched is not None:
                self.watched.done(what)

    def _check(self) -> None:
        self.base.check()
        if not self.pointer:
            raise RuntimeError("this Event was freed")

    def _settle_if_over(self) -> None:
        if not lib.event_pending(self.pointer, _KINDS, ffi.NULL):
            self._settle()

    def _settle(self) -> None:
        """It is not pending any more."""
        self.base.held.discard(self)
        self.base.signals.discard(self)
        watched, self.watched = self.watched, None
        if watched is not None:
            watched.detach(self)
        if self._fd >= 0:
            self.base.drop_file(self, self._fd)


def _descriptor(source: Any, what: int) -> int:
    """Return the descriptor that libevent is to wait for, -1 for none. Raises ValueError, OSError."""
    if what & ~_FLAGS:
        raise ValueError(f"what {what!r}: there are EV_READ, EV_WRITE, EV_SIGNAL, EV_TIMEOUT, EV_PERSIST and EV_ET")
    if what & EV_SIGNAL:
        if what & (_FILE | EV_ET) or source not in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            raise ValueError(
                f"EV_SIGNAL of {source!r}, what {what!r}: give a signal's number, and no EV_READ or EV_WRITE"
            )
        return -1
    if not what & _FILE:
        return -1
    if source is None:
        raise ValueError("EV_READ or EV_WRITE of None: give a socket, a file or a descriptor; a timer has neither")
    if is_socket(source):
        return -1
    fd = source if isinstance(source, int) else getattr(source, "fileno", lambda: None)()
    if not isinstance(fd, int) or fd < 0:
        raise ValueError(f"{source!r} is neither a socket nor an open file or descriptor")
    os.fstat(fd)
    return fd


def _check_open(source: Any, fd: int) -> None:
    """Raise OSError EBADF when a file was closed; libevent would go on with its number (P24, P31)."""
    if not isinstance(source, int) and source.fileno() != fd:
        raise OSError(errno.EBADF, f"add(): {source!r} was closed")
    os.fstat(fd)
