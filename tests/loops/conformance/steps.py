"""Steps that many scripts take: waiting, without the loop, for what happens outside it, and eating edges."""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

import zmq

import mqbridge

DONTWAIT = int(zmq.DONTWAIT)
POLLIN = int(zmq.POLLIN)
POLLOUT = int(zmq.POLLOUT)
AGAIN = (zmq.Again, mqbridge.Again)


def quiet(descriptor: int, timeout: float = 0) -> bool:
    """Return whether a descriptor stays unreadable for so many seconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(timeout * 1000)


def arrived(socket: Any, limit: float) -> None:
    """Wait until a message, or other news, has come to the socket's edge, and leave that as it is."""
    if hasattr(socket, "view"):
        # Its own view: the adapter's edge is another one.
        assert socket.poll(limit * 1000, POLLIN)
    else:
        assert not quiet(socket.getsockopt(zmq.FD), limit), "no edge came"


def eat(socket: Any, operation: Callable[[], object], limit: float) -> None:
    """Make an operation so often that a stock socket's edge is gone; with others there is none to be eaten."""
    for _ in range(20):
        operation()
    if not hasattr(socket, "view"):
        descriptor = socket.getsockopt(zmq.FD)
        for _ in range(1_000_000):
            if quiet(descriptor):
                return
            operation()
        raise AssertionError("the edge stays")


def full(socket: Any, size: int = 100_000) -> int:
    """Send until there is no room; return how many messages that took.

    A thread of the context goes on making room until the kernel's buffers are full as well, so it gets some time.
    """
    alone = not socket.context.get(zmq.IO_THREADS)
    count = 0
    while True:
        try:
            socket.send(bytes(size), DONTWAIT)
        except AGAIN:
            if alone or not socket.poll(150, POLLOUT):
                return count
        else:
            count += 1


def taken(socket: Any) -> list[bytes]:
    """Return all that is there now."""
    found = []
    while socket.getsockopt(zmq.EVENTS) & POLLIN:
        found.append(socket.recv(DONTWAIT))
    return found
