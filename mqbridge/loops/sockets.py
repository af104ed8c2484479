"""What an adapter sees of a socket, mqbridge's or stock pyzmq's: FD, EVENTS, and whether others move its edge."""

from __future__ import annotations

import _socket
import contextlib
import errno
import os
from collections.abc import Callable
from typing import Any, Protocol

from mqbridge.constants import Flag, SocketOption
from mqbridge.errors import error_for
from mqbridge.socket import Socket

_DONTWAIT = int(Flag.DONTWAIT)

#: Closes any descriptor. `os.close`, where gevent has patched it, lets other greenlets run, and closes later.
close_descriptor: Callable[[int], None] = _socket.close


def what_is_there(socket: Any, most: int) -> list[Any]:
    """Receive at most `most` messages from an ordinary socket, none if none is there: bytes, or lists of parts."""
    # Whatever is wrong, beyond "no more", is still so for the next call; what has been taken is not lost.
    found: list[Any] = []
    with contextlib.suppress(Exception):
        if isinstance(socket, Socket):
            return socket.recv_many(most, 0)
        while len(found) < most:
            parts = socket.recv_multipart(_DONTWAIT)
            found.append(parts[0] if len(parts) == 1 else parts)
    return found


class SocketView(Protocol):
    """A descriptor with an edge, and what it stands for."""

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed."""

    def events(self) -> int:
        """Do what is due, clear the edge and return POLLIN | POLLOUT as they are now."""

    def close(self) -> None:
        """Take the view back; the socket stays as it is."""


class StockView:
    """A stock pyzmq socket's one and only edge: any operation on the socket, by anybody, may clear it (P2, P6).

    The descriptor is a duplicate. So the user's own watch of FD is another one for the loop (P14, P15), and a socket
    that is closed while it is watched leaves no number behind that may be another file's (P24).
    """

    __slots__ = ("_socket", "_fd", "_open")

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        fd: int = socket.getsockopt(SocketOption.FD)
        self._fd = os.dup(fd)
        self._open = True

    def fileno(self) -> int:
        """Return the descriptor; its number is known also when it is closed."""
        return self._fd

    def events(self) -> int:
        """Return EVENTS. Raises the socket's own errors."""
        mask: int = self._socket.getsockopt(SocketOption.EVENTS)
        return mask

    def close(self) -> None:
        """Close the duplicate, which the loop has let go of before (P28); the socket stays as it is."""
        if self._open:
            self._open = False
            close_descriptor(self._fd)

    def __del__(self) -> None:
        # A loop that still watches the descriptor refers to this; so that loop is gone.
        if getattr(self, "_open", False):
            self.close()


def is_socket(thing: object) -> bool:
    """Return whether this is a ZeroMQ socket, and not one of the operating system's."""
    return hasattr(thing, "getsockopt") and hasattr(thing, "recv_multipart")


def shares_its_edge(socket: Any) -> bool:
    """Return whether operations that nobody tells us of may clear the edge: so it is with stock pyzmq sockets."""
    return not hasattr(socket, "view")


def view_of(socket: Any) -> SocketView:
    """Return a view of a socket: its own independent one if it has such (mqbridge), or the one FD (pyzmq)."""
    if shares_its_edge(socket):
        return StockView(socket)
    view: SocketView = socket.view()
    return view


def expectation_of(view: SocketView) -> Callable[[], int] | None:
    """Return a view's `expect`; a stock pyzmq socket has none."""
    return getattr(view, "expect", None)


def own_error(socket: Any, number: int | None, text: str) -> Exception:
    """Return the error that the socket's own library raises for an error number."""
    if not shares_its_edge(socket):
        return error_for(number or errno.EINVAL, text)
    import zmq

    if number == zmq.EAGAIN:
        return zmq.Again(number, text)
    if number == zmq.ETERM:
        return zmq.ContextTerminated(number, text)
    return zmq.ZMQError(number, text)
