"""The proxy: what comes in at one socket goes out at another, both ways (the libzmq manual, zmq_proxy)."""

from __future__ import annotations

import errno
from typing import Any

from mqbridge.constants import POLLIN, POLLOUT, SocketType
from mqbridge.errors import Again, ZMQError
from mqbridge.poller import wait_for
from mqbridge.socket import Socket

_DONTWAIT = 1
# Messages taken from one side before the other one has its turn.
_BATCH = 100


class _Way:
    """One direction. While `target` has no room nothing is taken from `source`: no message is ever held here."""

    def __init__(self, source: Socket, target: Socket, capture: Socket | None) -> None:
        self.source = source
        self.target = target
        self.capture = capture
        self.blocked = False

    def waits_for(self) -> tuple[Socket, int]:
        """Return what must come before this can go on."""
        return (self.target, POLLOUT) if self.blocked else (self.source, POLLIN)

    def forward(self) -> None:
        """Pass on what is there, up to a batch of whole messages."""
        for _ in range(_BATCH):
            self.blocked = self.target is not self.source and not self.target._driver.events(None) & POLLOUT
            if self.blocked:
                return
            try:
                parts = self.source.recv_multipart(_DONTWAIT)
            except Again:
                return
            if self.capture is not None:
                self.capture.send_multipart(parts)
            self.target.send_multipart(parts)


def proxy(frontend: Socket, backend: Socket, capture: Socket | None = None) -> None:
    """Pass whole messages on from `frontend` to `backend` and back, until the context is terminated.

    Blocks. A side without room stops what is meant for it, and nothing else.

    Parameters
    ----------
    frontend, backend
        The two sides, usually ROUTER and DEALER, XSUB and XPUB, or PULL and PUSH. Both may be the same socket.
    capture
        Gets a copy of every message: a PUB, PUSH, DEALER or PAIR.

    Raises
    ------
    ContextTerminated
        The context was terminated; that is how a proxy ends.
    ZMQError
        ENOTSOCK: a socket was closed. ENOTSUP: a side cannot do what is asked of it.
    TypeError
        Something is not a socket of mqbridge.
    """
    for role, socket in (("frontend", frontend), ("backend", backend), ("capture", capture)):
        if not isinstance(socket, Socket) and not (role == "capture" and socket is None):
            raise TypeError(f"proxy({role}={socket!r}): expected a socket of mqbridge")
    ways = [_Way(frontend, backend, capture)]
    if frontend is not backend:
        ways.append(_Way(backend, frontend, capture))
    # A socket that only sends is never read from.
    ways = [way for way in ways if _receives(way.source)]
    while True:
        wanted: dict[Any, int] = {}
        for way in ways:
            socket, event = way.waits_for()
            wanted[socket] = wanted.get(socket, 0) | event
        ready = dict(wait_for(list(wanted.items()), None))
        for way in ways:
            socket, event = way.waits_for()
            if ready.get(socket, 0) & event:
                way.forward()


def _receives(socket: Socket) -> bool:
    return socket.socket_type not in (SocketType.PUSH, SocketType.PUB)


def device(device_type: int, frontend: Socket, backend: Socket) -> None:
    """Run a proxy, under libzmq's old name; `device_type` (QUEUE, FORWARDER, STREAMER) makes no difference."""
    if not isinstance(device_type, int):
        raise ZMQError(errno.EINVAL, f"device({device_type!r}): expected QUEUE, FORWARDER or STREAMER")
    proxy(frontend, backend)
