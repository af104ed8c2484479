"""What an adapter sees of a socket, mqbridge's or stock pyzmq's: FD, EVENTS, and whether others move its edge."""

from __future__ import annotations

from typing import Any, Protocol

from mqbridge.constants import SocketOption


class SocketView(Protocol):
    """A descriptor with an edge, and what it stands for."""

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed."""

    def events(self) -> int:
        """Do what is due, clear the edge and return POLLIN | POLLOUT as they are now."""

    def close(self) -> None:
        """Take the view back; the socket stays as it is."""


class StockView:
    """A stock pyzmq socket's one and only FD: any operation on the socket, by anybody, may clear its edge (P2, P6)."""

    __slots__ = ("_socket", "_fd")

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._fd: int = socket.getsockopt(SocketOption.FD)

    def fileno(self) -> int:
        """Return the descriptor as it was when the view was made; libzmq owns it."""
        return self._fd

    def events(self) -> int:
        """Return EVENTS. Raises the socket's own errors."""
        mask: int = self._socket.getsockopt(SocketOption.EVENTS)
        return mask

    def close(self) -> None:
        """Do nothing: the descriptor is the socket's."""


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
