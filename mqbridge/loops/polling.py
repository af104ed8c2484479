"""A poller whose `poll` is a coroutine, for sockets and files, and for any number of tasks at once.

For a socket it waits in the same queue as those who receive or send: what it reports is for whoever polled. A file is
watched by a duplicate of its descriptor, so that the user's own watch of it stays (P15).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mqbridge.constants import SocketOption
from mqbridge.loops.sockets import close_descriptor, is_socket, own_error
from mqbridge.loops.waiters import Waiters
from mqbridge.loops.wrapped import POLLIN, POLLOUT
from mqbridge.poller import Poller, wait_for

if TYPE_CHECKING:
    from mqbridge.loops.awaitable import AwaitableSocket, Sleeper

Items = list[tuple[Any, int]]


class AwaitablePoller(Poller):
    """Waits for sockets, the adapter's, mqbridge's and pyzmq's, and for files. See the adapters."""

    #: The adapter's socket.
    socket_class: type[AwaitableSocket]

    async def poll(self, timeout: float | None = None) -> Items:  # type: ignore[override]
        """Wait up to `timeout` ms (None or negative: for ever); return (socket, events) for those that are ready.

        Raises ZMQError ENOTSOCK for a socket that is closed, also meanwhile; ContextTerminated when its context was
        terminated.
        """
        return await ready(self.socket_class, list(self.sockets), timeout)


class _Place:
    """A place in the queue of one direction of one socket."""

    __slots__ = ("socket", "waiters", "direction", "sleeper", "woken")

    def __init__(self, socket: AwaitableSocket, waiters: Waiters, direction: int, sleeper: Sleeper) -> None:
        self.socket = socket
        self.waiters = waiters
        self.direction = direction
        self.sleeper = sleeper
        self.woken = False

    def wake(self) -> None:
        self.woken = True
        self.sleeper.wake()

    def fail(self, error: Exception) -> None:
        self.sleeper.fail(own_error(self.socket.socket, getattr(error, "errno", None), str(error)))


Wrapped = tuple[Any, int, "AwaitableSocket"]
Places = dict[tuple[int, int], _Place]


async def ready(socket_class: type[AwaitableSocket], items: Items, timeout: float | None) -> Items:
    """Wait for (socket or file, events) pairs, up to `timeout` ms; return those that are ready."""
    wrapped: list[Wrapped] = []
    files: Items = []
    for item, flags in items:
        if is_socket(item):
            wrapped.append((item, flags, item if isinstance(item, socket_class) else socket_class(item)))
        else:
            files.append((item, flags))
    await socket_class._pause()
    try:
        return _look(wrapped, files, {}) or await _wait(socket_class, wrapped, files, timeout)
    finally:
        for item, _, socket in wrapped:
            if item is not socket and socket._shared:
                # Nothing tells of the end of a stock socket that is not closed by the adapter; watch it no longer.
                socket._let_go()


async def _wait(
    socket_class: type[AwaitableSocket], wrapped: list[Wrapped], files: Items, timeout: float | None
) -> Items:
    if timeout == 0:
        return []
    loop = socket_class._loop()
    sleeper = socket_class._sleeper(timeout)
    places: Places = {}
    watched: list[tuple[int, Any]] = []
    try:
        for number, (_, flags, socket) in enumerate(wrapped):
            waiters = socket._open()
            for direction in (POLLIN, POLLOUT):
                if flags & direction:
                    place = places[number, direction] = _Place(socket, waiters, direction, sleeper)
                    waiters.enter(direction, place)
        for item, flags in files:
            for direction in (POLLIN, POLLOUT):
                if flags & direction:
                    fd = os.dup(item if isinstance(item, int) else item.fileno())
                    try:
                        watched.append((fd, loop.watch(fd, sleeper.wake, direction == POLLOUT)))
                    except BaseException:
                        close_descriptor(fd)
                        raise
        while True:
            in_time = await sleeper.sleep()
            if sleeper.error is not None:
                raise sleeper.error
            found = _look(wrapped, files, places)
            if found or not in_time:
                return found
            for place in places.values():
                if place.woken:
                    place.woken = False
                    place.waiters.again(place.direction)
    finally:
        for place in places.values():
            place.waiters.leave(place.direction, place)
        for fd, token in watched:
            loop.unwatch(token)
            close_descriptor(fd)


def _look(wrapped: list[Wrapped], files: Items, places: Places) -> Items:
    """Return what is ready now. A direction that others wait for before us is theirs."""
    found = []
    for number, (item, flags, socket) in enumerate(wrapped):
        mask = socket._calls.getsockopt(SocketOption.EVENTS)
        waiters = socket._open()
        waiters.touched()
        for direction in (POLLIN, POLLOUT):
            if waiters.waiting(direction):
                place = places.get((number, direction))
                if place is None or not waiters.is_first(direction, place):
                    mask &= ~direction
        if socket._mid_message():
            mask |= POLLIN
        if mask & flags:
            found.append((item, mask & flags))
    return found + wait_for(files, 0) if files else found
