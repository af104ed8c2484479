"""ZeroMQ sockets in an event_base: their descriptors are libevent's to watch, what is ready the machine's to say.

An `Event` of a socket is a libevent event without descriptor, so that being pending, time-outs and priorities are
libevent's own; here it is made active when the machine has seen the socket ready.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

from mqbridge.loops.libevent.library import EV_PERSIST, EV_READ, EV_WRITE, ffi, lib, timeval
from mqbridge.loops.libevent.raw import RawEvent
from mqbridge.loops.readiness import POLLIN, POLLOUT, Watch
from mqbridge.loops.sockets import SocketView, expectation_of, shares_its_edge, view_of

if TYPE_CHECKING:
    from mqbridge.loops.libevent.event import Event
    from mqbridge.loops.libevent.turns import Base

BOTH = EV_READ | EV_WRITE

# EV_READ and EV_WRITE are twice the machine's directions.
assert (EV_READ, EV_WRITE) == (POLLIN << 1, POLLOUT << 1)

# Views whose base the collector took, perhaps in the middle of some socket: closed at the next occasion.
orphans: deque[SocketView] = deque()


class Watched:
    """A socket in one base, with the events that wait for it: all of them share it, and its edge (P14).

    An edge-triggered event has an mqbridge socket for itself. It is told of a direction once, and that is the end of it
    (`_told`) until the descriptor has an edge again; every look comes after such an edge, so nothing is passed over.
    """

    __slots__ = (
        "base",
        "key",
        "socket",
        "shared",
        "view",
        "events",
        "watch",
        "due",
        "_edge",
        "_turn",
        "_once",
        "_told",
        "_priority",
    )

    def __init__(self, base: Base, key: Any, socket: Any, edge_triggered: bool) -> None:
        self.base = base
        self.key = key
        self.socket = socket
        #: Whether operations that we are not told of clear the edge.
        self.shared = shares_its_edge(socket)
        self.events: dict[Event, None] = {}
        self.due = False
        # A stock socket's edges may be eaten by others, so it is looked at whatever the flags say.
        self._once = edge_triggered and not self.shared
        self._told = 0
        self.view = view_of(socket)
        try:
            self._edge = _Edge(base, self.view.fileno(), EV_READ | EV_PERSIST, self)
            self._turn = _Turn(base, -1, 0, self)
        except BaseException:
            self.view.close()
            raise
        self._priority = -1
        self.watch = Watch(self, self.view.events, expectation_of(self.view))

    # ---- the events

    def attach(self, event: Event) -> None:
        """An event waits for the socket from now on. Raises OSError when its descriptor cannot be watched."""
        # The watch comes first, then the look.
        if not self.events and lib.event_add(self._edge.pointer, ffi.NULL) != 0:
            error = ffi.errno
            self.base.idle[self] = None
            raise OSError(error, f"libevent cannot watch descriptor {self.view.fileno()} of {self.socket!r}")
        self.events[event] = None
        self.prioritise()
        self.watch.want(self._wanted())

    def detach(self, event: Event) -> None:
        """It does not wait any more."""
        if event in self.events:
            del self.events[event]
            self._told = 0
            self.watch.want(self._wanted())
            # It may have been the one that was told, and has not been called yet.
            self.watch.done(POLLIN | POLLOUT)
            if not self.events:
                lib.event_del(self._edge.pointer)
                self.base.idle[self] = None

    def done(self, what: int) -> None:
        """An event has been called for these directions."""
        directions = (what & BOTH) >> 1
        if self._once:
            self._told |= directions
        else:
            self.watch.done(directions)

    def prioritise(self) -> None:
        """The socket's own events are as urgent as the most urgent of those who wait, so that none outruns them."""
        if self.events:
            priority = min(event.priority for event in self.events)
            if priority != self._priority:
                # Not while they are active; then the next event that comes does it.
                done = [lib.event_priority_set(raw.pointer, priority) == 0 for raw in (self._edge, self._turn)]
                self._priority = priority if all(done) else -1

    # ---- what the base tells

    def edge(self) -> None:
        """The descriptor is readable."""
        self._forget_told()
        self.watch.edge()

    def turn(self) -> None:
        """The timer is over."""
        self.due = False
        self.watch.turn()

    def touched(self) -> None:
        """Somebody has used the socket."""
        self._forget_told()
        self.watch.touched()

    def look(self) -> None:
        """Look now, and not in the next turn."""
        self.touched()
        if self.due:
            self.watch.turn()

    def restart(self) -> None:
        """The machine was left in the middle: begin anew."""
        self._told = 0
        self.watch = Watch(self, self.view.events, expectation_of(self.view))
        self.watch.want(self._wanted())

    def release(self) -> None:
        """Nothing is watched any more, and then the view is closed (P24, P28)."""
        self.watch.close()
        self._edge.discard()
        self._turn.discard()
        self.base.forget(self)
        self.view.close()

    # ---- the machine's host

    def soon(self, watch: Watch) -> None:
        """A timer of no time: libevent's other work comes first (P21)."""
        self.due = True
        lib.event_add(self._turn.pointer, _NOW)

    def cancel(self, watch: Watch) -> None:
        """It is not needed."""
        if self.due:
            self.due = False
            lib.event_del(self._turn.pointer)

    def run(self, watch: Watch, mask: int) -> None:
        """Make those active that wait for this."""
        for event in self.events:
            found = event.what & mask << 1
            if found:
                lib.event_active(event.pointer, found, 1)

    def fail(self, watch: Watch, mask: int, error: Exception) -> None:
        """The socket is closed, or its context terminated: each event is called once more, and meets the error."""
        events = list(self.events)
        self.events.clear()
        self.release()
        for event in events:
            event.lose()

    # ---- inside

    def _wanted(self) -> int:
        wanted = 0
        for event in self.events:
            wanted |= event.what & BOTH
        return wanted >> 1

    def _forget_told(self) -> None:
        told, self._told = self._told, 0
        if told:
            self.watch.done(told)


class _Edge(RawEvent):
    """The descriptor's own event."""

    __slots__ = ("watched",)

    def __init__(self, base: Base, fd: int, what: int, watched: Watched) -> None:
        self.watched = watched
        RawEvent.__init__(self, base, fd, what)

    def fired(self, what: int) -> None:
        self.watched.edge()


class _Turn(_Edge):
    """The timer for a look in the next turn."""

    __slots__ = ()

    def fired(self, what: int) -> None:
        self.watched.turn()


_NOW = timeval(0)


def close_orphans() -> None:
    """Close the views that the collector left."""
    while orphans:
        with contextlib.suppress(Exception):
            orphans.popleft().close()
