"""Waiting for several sockets and files at once, pyzmq's Poller.

A poller is no view: it registers with each socket's driver as a thread that waits, so it takes no wake-up from a loop
that watches the same socket.
"""

from __future__ import annotations

import errno
from typing import Any

from mqbridge import _sys
from mqbridge.constants import POLLERR, POLLIN, POLLOUT, POLLPRI
from mqbridge.errors import ZMQError
from mqbridge.socket import Socket

_MILLISECOND = 1_000_000
# poll(2)'s bits for a file, and how pyzmq names them.
_FILE_BITS = ((1, POLLIN), (4, POLLOUT), (2, POLLPRI), (8 | 16, POLLERR))


class Poller:
    """Waits for mqbridge sockets and for files (anything with `fileno()`, or a descriptor)."""

    def __init__(self) -> None:
        self.sockets: list[tuple[Any, int]] = []
        self._places: dict[Any, int] = {}

    def __contains__(self, socket: Any) -> bool:
        return socket in self._places

    def register(self, socket: Any, flags: int = POLLIN | POLLOUT) -> None:
        """Wait for `flags` of a socket or file: POLLIN, POLLOUT, for files also POLLERR and POLLPRI; 0 takes it out."""
        if flags:
            _file_number(socket)
            if socket in self._places:
                self.sockets[self._places[socket]] = (socket, flags)
            else:
                self._places[socket] = len(self.sockets)
                self.sockets.append((socket, flags))
        elif socket in self._places:
            self.unregister(socket)

    def modify(self, socket: Any, flags: int = POLLIN | POLLOUT) -> None:
        """Change what is waited for."""
        self.register(socket, flags)

    def unregister(self, socket: Any) -> None:
        """Wait for a socket no longer. Raises KeyError if it is not registered."""
        place = self._places.pop(socket)
        del self.sockets[place]
        for other, at in self._places.items():
            if at > place:
                self._places[other] = at - 1

    def poll(self, timeout: float | None = None) -> list[tuple[Any, int]]:
        """Wait up to `timeout` ms (None or negative: for ever); return (socket, events) for those that are ready.

        Raises ZMQError ENOTSOCK for a closed socket, ContextTerminated when the context was terminated.
        """
        return wait_for(self.sockets, timeout)


def _file_number(item: Any) -> int:
    """Return -1 for a socket of ours and the descriptor of anything else."""
    if isinstance(item, Socket):
        return -1
    try:
        fd = item if isinstance(item, int) else item.fileno()
    except AttributeError:
        raise TypeError(f"poll: {item!r} is neither a socket nor a file: it has no fileno()") from None
    if not isinstance(fd, int) or fd < 0:
        raise ZMQError(errno.EINVAL, f"poll: {item!r} is not a socket or open file (descriptor {fd!r})")
    return fd


def wait_for(items: list[tuple[Any, int]], timeout: float | None) -> list[tuple[Any, int]]:
    """Wait for (socket or file, events) pairs and return those that are ready."""
    remaining = -1 if timeout is None or timeout < 0 else int(timeout * _MILLISECOND)
    deadline = _sys.clock() + remaining
    sockets = [(item, flags, item._driver) for item, flags in items if isinstance(item, Socket)]
    files = [(item, flags, _file_number(item)) for item, flags in items if not isinstance(item, Socket)]
    while True:
        waiting: list[tuple[Any, int]] = []
        try:
            found = _begin(sockets, waiting)
            watched = [(driver.pollset.fd, _sys.READ) for driver, _ in waiting]
            wanted = [(fd, sum(bits & 7 for bits, flag in _FILE_BITS if flags & flag)) for _, flags, fd in files]
            answers = dict(_sys.poll(watched + wanted, 0 if found else remaining))
        finally:
            try:
                _end(waiting)
            finally:
                # Interpreted, a signal handler's exception may strike there, too.
                _end(waiting)
        for item, flags, fd in files:
            bits = answers.get(fd, 0)
            if bits & 32:
                raise ZMQError(errno.EBADF, f"poll: {item!r} is closed; unregister it before closing it")
            ready = sum(flag for mask, flag in _FILE_BITS if bits & mask and (flags & flag or flag == POLLERR))
            if ready:
                found.append((item, ready))
        if found:
            return found
        if remaining >= 0:
            remaining = deadline - _sys.clock()
            if remaining <= 0:
                # What the last sleep ended for may have made a socket ready.
                return _look(sockets)


def _begin(sockets: list[tuple[Any, int, Any]], waiting: list[tuple[Any, int]]) -> list[tuple[Any, int]]:
    """Return what is ready; what is not is noted in `waiting`."""
    # A function, since CPython 3.13 leaves the way back from an `if` to its loop out of the `try` around them.
    found: list[tuple[Any, int]] = []
    for item, flags, driver in sockets:
        ready = driver.begin_wait(flags, waiting)
        if ready:
            found.append((item, ready))
    return found


def _end(waiting: list[tuple[Any, int]]) -> None:
    while waiting:
        waiting[-1][0].end_wait(waiting)


def _look(sockets: list[tuple[Any, int, Any]]) -> list[tuple[Any, int]]:
    found = [(item, driver.events(None) & flags) for item, flags, driver in sockets]
    return [(item, ready) for item, ready in found if ready]


def select(
    rlist: list[Any], wlist: list[Any], xlist: list[Any], timeout: float | None = None
) -> tuple[list[Any], list[Any], list[Any]]:
    """As `select.select`, for sockets and files; `timeout` in seconds."""
    wanted: dict[Any, int] = {}
    for group, flag in ((rlist, POLLIN), (wlist, POLLOUT), (xlist, POLLERR)):
        for item in group:
            wanted[item] = wanted.get(item, 0) | flag
    found = wait_for(list(wanted.items()), None if timeout is None else timeout * 1000)
    ready = dict(found)
    return (
        [item for item in rlist if ready.get(item, 0) & POLLIN],
        [item for item in wlist if ready.get(item, 0) & POLLOUT],
        [item for item in xlist if ready.get(item, 0) & POLLERR],
    )
