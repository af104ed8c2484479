"""A tap: where a socket's events leave the engine, on their way to a PAIR that reads them (zmq_socket_monitor).

A driver emits its events under its lock. A tap puts each into an inproc pipe at once, or counts it as missed: nothing
here blocks, and no other socket's lock is taken. A tap is no socket, only what a PAIR finds at the other end of its
pipe: it reads its letters in the thread that posts them.
"""

import errno
import struct
from collections import deque
from typing import Any

from mqbridge import _sys
from mqbridge.constants import Event
from mqbridge.errors import ZMQError
from mqbridge.options import Options
from mqbridge.pipes.pipe import ATTACHED, ENDED, WRITABLE, Pipe
from mqbridge.pipes.signaler import Mailbox
from mqbridge.transports.endpoint import parse

# Events that are kept until a PAIR connects; those beyond are missed.
_KEPT = 1000
_NUMBER_AND_VALUE = struct.Struct("=Hi")


class Tap(Mailbox):
    """The end of a pipe that leads to a reader of events. `mask` says which events it wants."""

    def __init__(self, mask: int) -> None:
        # Not Mailbox.__init__: there is nobody here to be woken, and no descriptor for it.
        self.mask = mask
        # The last lock ever taken: by a driver that emits, and by the reader's driver that posts.
        self._lock: Any = _sys.allocate_lock()
        self._pipe: Pipe | None = None
        self._missed = 0

    def letter(self, event: int, endpoint: str, value: int, cause: object, link: Any) -> object:
        """Return the message that tells of an event."""
        raise NotImplementedError

    def apology(self, missed: int) -> object:
        """Return the message that tells how many events were missed, or None for none."""
        return None

    def told(self, event: int, endpoint: str, value: int, cause: object, link: Any) -> None:
        """Take an event. The caller holds the lock of the driver that emits it."""
        if event & self.mask:
            message = self.letter(event, endpoint, value, cause, link)
            with self._lock:
                self._put(message)

    def last(self) -> None:
        """Say that this was all, also to a reader that has no room; what was told can still be read."""
        if Event.MONITOR_STOPPED & self.mask:
            message = self.letter(Event.MONITOR_STOPPED, "", 0, "", None)
            with self._lock:
                self._put_last(message)
        self.close()

    def _put_last(self, message: object) -> None:
        pipe = self._pipe
        if pipe is not None:
            apology = self.apology(self._missed) if self._missed else None
            outlet: Any = pipe.outlet
            for each in (apology, message):
                if each is not None:
                    pipe.outbound.push(each)
                    outlet.written(pipe)

    def _put(self, message: object) -> None:
        if self._missed or self._pipe is None or not self._pipe.write(message):
            self._apologise()
            if self._missed or self._pipe is None or not self._pipe.write(message):
                self._missed += 1

    def _apologise(self) -> None:
        """Tell the reader what it has missed, if it has room for that now."""
        if self._missed and self._pipe is not None and self._pipe.can_write():
            message = self.apology(self._missed)
            if message is not None:
                self._pipe.write(message)
            self._missed = 0

    def post(self, what: int, about: Any) -> None:
        """Take a letter from the reader, who holds a lock of its own."""
        with self._lock:
            if what == ATTACHED:
                self.attached(about)
            elif what == WRITABLE:
                self._apologise()
            elif what == ENDED and about is self._pipe:
                self._pipe = None
                self._left()

    def attached(self, pipe: Pipe) -> None:
        """Take the pipe to the reader."""
        self._pipe = pipe

    def _left(self) -> None:
        """The reader has closed."""

    def close(self) -> None:
        """Tell nothing more."""
        with self._lock:
            self.mask = 0
            pipe = self._pipe
            self._pipe = None
            if pipe is not None:
                outlet: Any = pipe.outlet
                outlet.end()


class FrameTap(Tap):
    """Tells of events in libzmq's two frames, to one PAIR at a time that connects to an inproc name.

    Until one has connected, the first thousand events are kept for it.
    """

    def __init__(self, names: Any, name: str, mask: int) -> None:
        Tap.__init__(self, mask)
        # What a socket that had bound the name would have: its high-water marks count.
        self.options = Options()
        self._names = names
        self._name = name
        self._kept: deque[object] = deque()

    @property
    def mailbox(self) -> Mailbox:
        """Where the letters of whoever connects go."""
        return self

    def bind(self) -> bool:
        """Take the name, and connect who waits for it; False if somebody else has it."""
        with self._names.lock:
            waiting = self._names.bind(self._name, self)
            for connection in waiting or ():
                connection.join(self)
        return waiting is not None

    def letter(self, event: int, endpoint: str, value: int, cause: object, link: Any) -> object:
        return (_NUMBER_AND_VALUE.pack(event, value), endpoint.encode("utf-8", "surrogateescape"))

    def _put(self, message: object) -> None:
        if self._pipe is None and len(self._kept) < _KEPT:
            self._kept.append(message)
        else:
            Tap._put(self, message)

    def _put_last(self, message: object) -> None:
        if self._pipe is None:
            self._put(message)
        else:
            Tap._put_last(self, message)

    def attached(self, pipe: Pipe) -> None:
        if self._pipe is not None:
            # A PAIR has one peer.
            outlet: Any = pipe.outlet
            outlet.end()
            return
        self._pipe = pipe
        while self._kept and pipe.write(self._kept[0]):
            self._kept.popleft()
        self._missed += len(self._kept)
        self._kept.clear()

    def close(self) -> None:
        self._names.unbind(self._name, self)
        Tap.close(self)


def monitor(driver: Any, text: str | bytes | None, mask: int) -> None:
    """Tell of a socket's events at an inproc endpoint, and nowhere else any more; None: no longer at all.

    Raises ZMQError: EINVAL, EPROTONOSUPPORT, EADDRINUSE.
    """
    where = None
    if text is not None:
        if mask >> 16:
            raise ZMQError(errno.EINVAL, f"monitor(events={mask:#x}): events have 16 bits; take some of EVENT_ALL")
        where = parse(text, "monitor")
        if where.transport != "inproc":
            advice = "events are told by inproc only, e.g. inproc://monitor"
            raise ZMQError(errno.EPROTONOSUPPORT, f'monitor("{where}"): {advice}')
    driver.enter()
    try:
        for former in [sink for sink in driver.sinks if isinstance(sink, FrameTap)]:
            detach(driver, former)
        if where is not None:
            made = FrameTap(driver.engine.names, where.address, mask)
            if not made.bind():
                raise ZMQError(errno.EADDRINUSE, f'monitor("{where}"): a socket of this context has that name')
            driver.sinks.append(made)
    finally:
        driver.leave()


def detach(driver: Any, tap: Tap) -> None:
    """End a tap, which says so as its last event. The caller holds the lock."""
    if tap in driver.sinks:
        driver.sinks.remove(tap)
        tap.last()
