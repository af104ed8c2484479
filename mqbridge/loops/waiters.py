"""Who waits to receive from one socket, or to send to it: in order, each direction by itself.

This is what adapters have in common whose users write `recv()` and wait: asyncio, gevent, trio. An operation goes

    try it at once, unless others wait already (P13)
    Again: `enter` the queue; sleep until woken; try; `again` and sleep on, or done
    `leave` the queue, whatever happened

A message is taken only by the one who is awake and about to return it, so a waiter that is cancelled has lost nothing
(P17); one that was woken and is cancelled then leaves, and the next one is looked after. When to wake is decided by the
machine in `readiness.py`; here is no time, and of the loop just `Loop`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from mqbridge.loops.readiness import POLLIN, POLLOUT, Watch
from mqbridge.loops.sockets import shares_its_edge, view_of

#: So many operations in a row may succeed at once; then the loop's other work gets its turn (P21).
BUDGET = 100
#: To stay awake for a moment counts as so many.
GLANCE = 10


class Loop(Protocol):
    """What waiting needs of an event loop, in the thread of that loop. Nothing here calls back before it returns."""

    def watch(self, fd: int, callback: Callable[[], None]) -> Any:
        """Call `callback()` whenever the descriptor is readable; return a token."""

    def unwatch(self, token: Any) -> None:
        """End that. The descriptor is still open, or its number is no longer ours."""

    def soon(self, callback: Callable[[], None]) -> Any:
        """Call `callback()` once, in the loop's next turn; return a token."""

    def cancel(self, token: Any) -> None:
        """That call is not needed any more."""


class Waiter(Protocol):
    """Somebody asleep. Neither method runs foreign code before it returns."""

    def wake(self) -> None:
        """It may try its operation now."""

    def fail(self, error: Exception) -> None:
        """There is nothing to wait for any more; it raises this."""


class Waiters:
    """The waiters of one socket in one loop, and the socket's view there.

    Raises what the socket raises when it is closed already.
    """

    __slots__ = ("_loop", "_view", "_shared", "_watch", "_queues", "_token", "_turn", "left", "readers", "writers")

    def __init__(self, loop: Loop, socket: Any) -> None:
        self._loop = loop
        self._view = view_of(socket)
        # A stock socket's edge is cleared by any operation, so each is followed by a look (P2, P3, P6).
        self._shared = shares_its_edge(socket)
        self._watch: Watch | None = Watch(self, self._view.events)
        #: Who waits, in order. Who looks at these and at `left` must not change them, but for `left` by what it spends.
        self.readers: deque[Waiter] = deque()
        self.writers: deque[Waiter] = deque()
        self._queues = {POLLIN: self.readers, POLLOUT: self.writers}
        self._turn: Any = None
        #: So many operations may be tried at once before it is the turn of the loop's other work.
        self.left = BUDGET
        try:
            self._token = loop.watch(self._view.fileno(), self._watch.edge)
        except BaseException:
            self._view.close()
            raise

    @property
    def closed(self) -> bool:
        """Whether it was closed, by `close` or because the socket was."""
        return self._watch is None

    def waiting(self, direction: int) -> bool:
        """Return whether anybody waits for this direction, POLLIN or POLLOUT: then who comes now goes behind."""
        return bool(self._queues[direction])

    def is_first(self, direction: int, waiter: Waiter) -> bool:
        """Return whether this waiter is the next one."""
        queue = self._queues[direction]
        return bool(queue) and queue[0] is waiter

    def exhausted(self) -> bool:
        """An operation is about to be tried at once: return whether the loop's other work should come first (P21)."""
        self.left -= 1
        if self.left >= 0:
            return False
        self.left = BUDGET
        return True

    def glance(self, socket: Any) -> bool:
        """Stay awake for a moment if a message is likely to come, and nobody waits for one; return whether one has."""
        if self.readers or not socket.glance(self._view if self._watch is not None and not self.writers else None):
            return False
        # The loop was kept waiting.
        self.left = max(0, self.left - GLANCE)
        return True

    def enter(self, direction: int, waiter: Waiter) -> None:
        """Wait for this direction, behind those who wait already."""
        self.left = BUDGET
        self._queues[direction].append(waiter)
        self._want()

    def again(self, direction: int) -> None:
        """The waiter that was woken has tried and got Again: it waits on, before the others."""
        if self._watch is not None:
            self._watch.done(direction)

    def leave(self, direction: int, waiter: Waiter) -> None:
        """Wait no longer: it has done its operation, has failed, or was cancelled. Whoever is next is looked after."""
        queue = self._queues[direction]
        if waiter not in queue:
            return
        woken = queue[0] is waiter
        queue.remove(waiter)
        self._want()
        # Harmless if it was the first, but not woken yet.
        if woken and self._watch is not None:
            self._watch.done(direction)

    def touched(self) -> None:
        """An operation was made on the socket, in either direction, by whomever."""
        if self._shared and self._watch is not None:
            self._watch.touched()

    def close(self, error: Exception | None = None) -> None:
        """Watch the socket no longer, first of all; then all who wait get `error`. May be called again."""
        watch = self._watch
        if watch is not None:
            self._watch = None
            watch.close()
            self._loop.unwatch(self._token)
            self._view.close()
        if error is not None:
            self._fail(POLLIN | POLLOUT, error)

    def forget(self) -> None:
        """The loop is gone, and with it whoever waited (P34): only the view is closed."""
        if self._watch is not None:
            self._watch = None
            self._view.close()

    # ---- the machine's host

    def soon(self, watch: Watch) -> None:
        """Ask the loop for a turn."""
        self._turn = self._loop.soon(watch.turn)

    def cancel(self, watch: Watch) -> None:
        """Take that back; or the turn has come."""
        self._loop.cancel(self._turn)
        self._turn = None

    def run(self, watch: Watch, mask: int) -> None:
        """Wake the first that waits."""
        for direction, queue in self._queues.items():
            if direction & mask:
                queue[0].wake()

    def fail(self, watch: Watch, mask: int, error: Exception) -> None:
        """The socket is closed, or its context terminated: let go of the descriptor, then tell all (P12, P30, P33)."""
        self.close(error)

    # ---- inside

    def _want(self) -> None:
        if self._watch is not None:
            self._watch.want(sum(direction for direction, queue in self._queues.items() if queue))

    def _fail(self, mask: int, error: Exception) -> None:
        for direction, queue in self._queues.items():
            if direction & mask:
                waiters = list(queue)
                queue.clear()
                for waiter in waiters:
                    waiter.fail(error)
