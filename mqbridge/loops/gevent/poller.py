"""Waiting for several sockets and files at once while other greenlets run.

Who polls only looks: no place in any queue, no watch of anybody else's descriptor is taken (P15).
"""

from __future__ import annotations

import errno
import os
from typing import Any

import gevent
from gevent import getcurrent, monkey
from gevent.exceptions import BlockingSwitchOutError

from mqbridge.constants import POLLERR, POLLIN, POLLOUT, POLLPRI, SocketOption
from mqbridge.errors import ZMQError
from mqbridge.loops.gevent.hub import this_hub
from mqbridge.loops.gevent.places import Place, Sleeper, common_of, place_in_this_hub
from mqbridge.loops.sockets import is_socket
from mqbridge.loops.wrapped import WrappedSocket
from mqbridge.poller import Poller as PlainPoller

# The system's own; gevent's in its place would switch greenlets.
_poll: Any = monkey.get_original("select", "poll")
# poll(2)'s bits for a file, and how pyzmq names them.
_FILE_BITS = ((1, POLLIN), (4, POLLOUT), (2, POLLPRI), (8 | 16, POLLERR))
_NOT_OPEN = 32

Items = list[tuple[Any, int]]


class Poller(PlainPoller):
    """Waits for sockets (of this module, mqbridge's, stock pyzmq's) and for files (a descriptor, or `fileno()`).

    Of files POLLIN and POLLOUT are waited for; POLLERR and POLLPRI are only reported with those, or if they are the
    case already.
    """

    def register(self, socket: Any, flags: int = POLLIN | POLLOUT) -> None:
        """Wait for `flags` of a socket or file: POLLIN, POLLOUT, for files also POLLERR and POLLPRI; 0 takes it out."""
        if not flags or not is_socket(socket):
            super().register(socket, flags)
        elif socket in self._places:
            self.sockets[self._places[socket]] = (socket, flags)
        else:
            self._places[socket] = len(self.sockets)
            self.sockets.append((socket, flags))

    def poll(self, timeout: float | None = None) -> Items:
        """Wait up to `timeout` ms (None or negative: for ever); return (socket, events) for those that are ready.

        Raises
        ------
        ZMQError
            ENOTSOCK: a socket is closed, or was while this waited. EBADF: a file is closed.
        ContextTerminated
            A socket's context was terminated.
        BlockingSwitchOutError
            This was called by the hub, in a callback of its loop, and would have had to wait.
        """
        return wait_for(list(self.sockets), timeout)


def select(
    rlist: list[Any], wlist: list[Any], xlist: list[Any], timeout: float | None = None
) -> tuple[list[Any], list[Any], list[Any]]:
    """As `select.select`, for sockets and files; `timeout` in seconds. Errors are those of `Poller.poll`."""
    wanted: dict[Any, int] = {}
    for group, flag in ((rlist, POLLIN), (wlist, POLLOUT), (xlist, POLLERR)):
        for item in group:
            wanted[item] = wanted.get(item, 0) | flag
    ready = dict(wait_for(list(wanted.items()), None if timeout is None else timeout * 1000))
    return (
        [item for item in rlist if ready.get(item, 0) & POLLIN],
        [item for item in wlist if ready.get(item, 0) & POLLOUT],
        [item for item in xlist if ready.get(item, 0) & POLLERR],
    )


def wait_for(items: Items, timeout: float | None) -> Items:
    """Wait for (socket or file, events) pairs and return those that are ready; `timeout` as for `Poller.poll`."""
    found = _ready(items)
    if found or timeout == 0:
        return found
    if getcurrent() is gevent.get_hub():
        raise BlockingSwitchOutError("poll would block the hub: in a callback of its loop, use a timeout of 0")
    sleeper = Sleeper(this_hub(), -1 if timeout is None or timeout < 0 else timeout)
    try:
        while not found and not sleeper.expired:
            _sleep(items, sleeper)
            found = _ready(items)
        return found
    finally:
        sleeper.close()


def _ready(items: Items) -> Items:
    """Return what is ready now."""
    found = []
    files: dict[int, int] = {}
    for item, flags in items:
        if is_socket(item):
            common = common_of(_plain(item))
            ready = (common.calls or _plain(item)).getsockopt(SocketOption.EVENTS) & flags
            common.touched()
            if flags & POLLIN and common.rests.get(getcurrent()):
                ready |= POLLIN
            if ready:
                found.append((item, int(ready)))
        else:
            fd = _number(item)
            files[fd] = files.get(fd, 0) | sum(bits & 7 for bits, flag in _FILE_BITS if flags & flag)
    if not files:
        return found
    system = _poll()
    for fd, bits in files.items():
        system.register(fd, bits)
    answers = dict(system.poll(0))
    for item, flags in items:
        if is_socket(item):
            continue
        bits = answers.get(_number(item), 0)
        if bits & _NOT_OPEN:
            raise ZMQError(errno.EBADF, f"poll: {item!r} is closed; unregister it before closing it")
        ready = sum(flag for mask, flag in _FILE_BITS if bits & mask and (flags & flag or flag == POLLERR))
        if ready:
            found.append((item, int(ready)))
    return found


def _sleep(items: Items, sleeper: Sleeper) -> None:
    """Sleep until something may be ready, or the time is over."""
    places: list[Place] = []
    watchers: list[Any] = []
    loop = this_hub().loop
    try:
        for item, flags in items:
            if is_socket(item):
                place = place_in_this_hub(_plain(item))
                places.append(place)
                place.look(flags & (POLLIN | POLLOUT), sleeper)
            elif flags & (POLLIN | POLLOUT):
                # libev aborts the process when it is given what is no open file (P31).
                os.fstat(_number(item))
                watcher = loop.io(_number(item), (1 if flags & POLLIN else 0) | (2 if flags & POLLOUT else 0))
                watchers.append(watcher)
                watcher.start(sleeper.wake)
        sleeper.sleep()
    finally:
        for watcher in watchers:
            watcher.stop()
            watcher.close()
        for place in places:
            place.look_away(sleeper)


def _plain(item: Any) -> Any:
    return item.socket if isinstance(item, WrappedSocket) else item


def _number(item: Any) -> int:
    fd: int = item if isinstance(item, int) else item.fileno()
    if fd < 0:
        raise ZMQError(errno.EBADF, f"poll: {item!r} is closed; unregister it before closing it")
    return fd
