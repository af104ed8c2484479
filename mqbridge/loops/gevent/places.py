"""Where greenlets wait for a socket: a place in each hub, and what the places of one socket have in common."""

from __future__ import annotations

import errno
import weakref
from typing import Any

from gevent.hub import Waiter

from mqbridge.errors import error_for
from mqbridge.loops.gevent.hub import HubLoop, this_hub
from mqbridge.loops.readiness import POLLIN, POLLOUT, Watch
from mqbridge.loops.sockets import shares_its_edge
from mqbridge.loops.waiters import BUDGET, GLANCE, Waiters
from mqbridge.socket import Socket


class Sleeper:
    """A greenlet that sleeps until it is woken, its time is over, or there is nothing to wait for any more."""

    __slots__ = ("error", "expired", "_hub", "_waiter", "_scheduled", "_timer")

    def __init__(self, hub: HubLoop, timeout: float) -> None:
        """`timeout` is in ms, -1 for none."""
        self.error: Exception | None = None
        self.expired = False
        self._hub = hub
        self._waiter: Any = Waiter()
        self._scheduled = False
        self._timer: Any = None
        if timeout >= 0:
            # libuv counts whole milliseconds.
            self._timer = hub.loop.timer(max(timeout, 1) / 1000)
            self._timer.start(self._expire)

    def sleep(self) -> None:
        """Sleep; whatever is thrown into the greenlet, a kill or a `gevent.Timeout`, is raised."""
        self._waiter.get()
        self._waiter.clear()
        self._scheduled = False

    def wake(self) -> None:
        """Let it run in the hub's next turn."""
        if not self._scheduled:
            self._scheduled = True
            self._hub.switch(self._waiter)

    def fail(self, error: Exception) -> None:
        """Let it run, and meet this error."""
        self.error = error
        self.wake()

    def _expire(self) -> None:
        self.expired = True
        self.wake()

    def close(self) -> None:
        """It sleeps no more."""
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()


class Common:
    """What all objects and threads that use one socket share."""

    __slots__ = (
        "calls",
        "places",
        "reads",
        "writes",
        "yielding",
        "rests",
        "begun",
        "_granted",
        "_spent",
        "__weakref__",
    )

    def __init__(self, socket: Any) -> None:
        #: What operations are made on: with mqbridge an object whose FD nobody watches, so that none of them takes an
        #: edge from a user who watches the ordinary socket's.
        self.calls: Any = socket.alias() if isinstance(socket, Socket) else None
        self.places: dict[HubLoop, Place] = {}
        #: So many operations may still be made at once, with no question asked; 0 while there is any question.
        self.reads = 0
        self.writes = 0
        #: The directions in which somebody, before all others, lets the hub's other work come first.
        self.yielding = 0
        #: By greenlet: the parts not yet taken of a message, reversed, and those of one not yet sent (P16).
        self.rests: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()
        self.begun: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()
        self._granted = 0
        self._spent = 0

    def waiting(self, direction: int) -> bool:
        """Return whether anybody waits for this direction, in any hub."""
        return any(place.waiting(direction) for place in list(self.places.values()))

    def touched(self) -> None:
        """An operation on a stock socket may have cleared its edge: look again, in all hubs."""
        for place in list(self.places.values()):
            if place.hub.mine():
                place.touched()
            else:
                place.hub.post(place.touched)

    def exhausted(self) -> bool:
        """Return whether the hub's other work should come first (P21)."""
        self._spent += 1
        if self._granted:
            # Those that were made at once.
            self._spent += max(0, self._granted - self.reads - self.writes)
            self._granted = 0
        if self._spent < BUDGET:
            return False
        self._spent = 0
        return True

    def glanced(self) -> None:
        """The hub was kept waiting for a moment; see `Socket.glance`."""
        self._spent += GLANCE

    def grant(self, direction: int) -> None:
        """An operation has succeeded, and nobody waits: the next ones may be made at once."""
        if direction == POLLIN:
            self.reads = 0 if self.rests else BUDGET
        else:
            self.writes = 0 if self.begun else BUDGET
        self._granted = self.reads + self.writes

    def refuse(self, direction: int) -> None:
        """The next operation has to ask."""
        if direction == POLLIN:
            self.reads = 0
        else:
            self.writes = 0

    def rested(self) -> None:
        """Somebody went to sleep: the hub's other work gets its turn."""
        self._spent = 0
        self._granted = 0


def common_of(socket: Any) -> Common:
    """Return what all who use this ordinary socket share."""
    kept = vars(socket)
    common: Common = kept.get("_mqbridge_gevent") or kept.setdefault("_mqbridge_gevent", Common(socket))
    return common


def place_in_this_hub(socket: Any) -> Place:
    """Return where greenlets of this hub wait for an ordinary socket. Raises the socket's errors if it is closed."""
    hub = this_hub()
    common = common_of(socket)
    place = common.places.get(hub)
    if place is not None and not place.closed:
        return place
    place = common.places[hub] = Place(hub, socket, common)
    for other in list(common.places.values()):
        # The socket has moved; its input and output need not be done in two hubs.
        if other is not place and not other.busy:
            if other.hub.gone():
                other.forget()
            elif not other.shared:
                other.hub.post(other.leave_if_idle)
    return place


class Place(Waiters):
    """The waiters of one socket in one hub: in order those who send and receive, beside them those who only look.

    A place of mqbridge's sockets stays, so that the loop does their input and output also while nobody waits, but
    then it does not keep the loop alive. That of a stock socket is there only while somebody waits: its descriptor is
    libzmq's, and might be closed by anybody.
    """

    __slots__ = ("hub", "shared", "busy", "_onlookers", "_common")

    def __init__(self, hub: HubLoop, socket: Any, common: Common) -> None:
        self.hub = hub
        self.shared = shares_its_edge(socket)
        self.busy = False
        self._onlookers: dict[Sleeper, int] = {}
        self._common = common
        super().__init__(hub, socket)
        hub.places.add(self)

    def first(self, direction: int) -> Any:
        """Return the first that waits for this direction."""
        return self._queues[direction][0]

    def enter(self, direction: int, waiter: Any, front: bool = False) -> None:
        """Wait for this direction, behind those who wait already, or in front of them."""
        self._common.refuse(direction)
        super().enter(direction, waiter)
        if front:
            # Who was the first is woken once more, after this one.
            self._queues[direction].rotate(1)

    def look(self, mask: int, onlooker: Sleeper) -> None:
        """Be woken when a direction of `mask` is ready, without taking a place in the queue."""
        self._onlookers[onlooker] = mask
        self._want()

    def look_away(self, onlooker: Sleeper) -> None:
        """Be woken no more."""
        mask = self._onlookers.pop(onlooker, 0)
        self._want()
        # Also if somebody in the queue was woken beside it: then he is woken once more.
        if self._watch is not None:
            self._watch.done(mask)

    def leave_if_idle(self) -> None:
        """Leave this hub, unless somebody waits here."""
        if not self.busy:
            self.close()

    def inherited(self) -> None:
        """This is a forked child, whose copy of the socket can only be closed."""
        self.close(error_for(errno.ENOTSOCK, "the socket was inherited by a fork; make a new context in the child"))

    def close(self, error: Exception | None = None) -> None:
        """Watch the socket no longer, then tell all who wait."""
        self._leave_hub()
        super().close(error)

    def forget(self) -> None:
        """The hub is gone."""
        self._leave_hub()
        super().forget()

    # ---- the machine's host

    def run(self, watch: Watch, mask: int) -> None:
        """Wake those who look, and the first that waits."""
        for onlooker, wanted in self._onlookers.items():
            if wanted & mask:
                onlooker.wake()
        for direction, queue in self._queues.items():
            if direction & mask and queue:
                queue[0].wake()

    # ---- inside

    def _leave_hub(self) -> None:
        self.hub.places.discard(self)
        if self._common.places.get(self.hub) is self:
            del self._common.places[self.hub]

    def _want(self) -> None:
        watch = self._watch
        if watch is None:
            return
        mask = 0
        for wanted in self._onlookers.values():
            mask |= wanted
        for direction in (POLLIN, POLLOUT):
            if self._queues[direction]:
                mask |= direction
        watch.want(mask)
        if self.busy == bool(mask):
            return
        self.busy = not self.busy
        if self.busy:
            self._common.rested()
            self.hub.hold(self._token, True)
            if self.shared:
                self.hub.look_before_sleep()
        elif self.shared:
            self.close()
        else:
            self.hub.hold(self._token, False)

    def _fail(self, mask: int, error: Exception) -> None:
        super()._fail(mask, error)
        for onlooker, wanted in list(self._onlookers.items()):
            if wanted & mask:
                onlooker.fail(error)
