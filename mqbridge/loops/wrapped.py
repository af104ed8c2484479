"""An adapter's own socket: an ordinary one of mqbridge or pyzmq, and in front of it what that loop does differently.

The adapters whose users write `recv()` and wait (asyncio, gevent, trio) build theirs upon `WrappedSocket`: it passes on
all that cannot block, gathers the parts of a message, and keeps the waiters of each loop (P34). `send` and `recv`
are the adapter's.
"""

from __future__ import annotations

import errno
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from mqbridge.constants import Flag, PollEvent, SocketOption
from mqbridge.loops.sockets import own_error, shares_its_edge
from mqbridge.loops.waiters import Loop, Waiters
from mqbridge.socket import Bound

POLLIN = int(PollEvent.POLLIN)
POLLOUT = int(PollEvent.POLLOUT)
DONTWAIT = int(Flag.DONTWAIT)
SNDMORE = int(Flag.SNDMORE)

_Socket = TypeVar("_Socket", bound="WrappedSocket")


class WrappedSocket:
    """A socket of mqbridge, or a stock one of pyzmq, as one loop's users want it.

    Whatever is not defined here is the ordinary socket's own: options as attributes, `set`, `get`, `subscribe`, ...

    Parameters
    ----------
    socket
        The ordinary socket, or another wrapped one: then both stand for the same socket.
    """

    # What the object itself holds; all else is the ordinary socket's.
    __slots__ = ("socket", "context", "_waiters", "_parts", "_shared", "__weakref__")

    def __init__(self, socket: Any, context: Any = None) -> None:
        if isinstance(socket, WrappedSocket):
            context = context or socket.context
            socket = socket.socket
        own = object.__setattr__
        #: The ordinary socket.
        own(self, "socket", socket)
        own(self, "context", context if context is not None else socket.context)
        # The waiters in each loop. All objects for this socket share them, or one would close what others watch.
        own(self, "_waiters", vars(socket).setdefault("_mqbridge_waiters", weakref.WeakKeyDictionary()))
        # The parts of a message so far that is sent with SNDMORE: it waits, and leaves, as a whole (P16).
        own(self, "_parts", [])
        own(self, "_shared", shares_its_edge(socket))

    @classmethod
    def from_socket(cls: type[_Socket], socket: Any) -> _Socket:
        """Return this adapter's socket for an ordinary one."""
        return cls(socket)

    @classmethod
    def shadow(cls: type[_Socket], socket: Any) -> _Socket:
        """Return this adapter's socket for an ordinary or a wrapped one; closing either closes both."""
        return cls(socket)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__} of {self.socket!r}>"

    # ---- what is passed on

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        thing = getattr(self.socket, name)
        return self._followed(thing) if callable(thing) and self._shared else thing

    def __setattr__(self, name: str, value: Any) -> None:
        if name in WrappedSocket.__slots__:
            object.__setattr__(self, name, value)
        else:
            setattr(self.socket, name, value)
            self.touched()

    def bind(self, addr: str | bytes) -> Bound:
        """Accept connections at an endpoint; the result can be used in a `with` statement, which unbinds."""
        self.socket.bind(addr)
        self.touched()
        return Bound(self, self.socket.getsockopt(SocketOption.LAST_ENDPOINT).rstrip(b"\0").decode(), "unbind")

    def connect(self, addr: str | bytes) -> Bound:
        """Connect to an endpoint; the result can be used in a `with` statement, which disconnects."""
        self.socket.connect(addr)
        self.touched()
        return Bound(self, addr.decode() if isinstance(addr, bytes) else addr, "disconnect")

    # ---- the end

    @property
    def closed(self) -> bool:
        """Whether the socket was closed, through this object or another one."""
        return bool(self.socket.closed)

    def close(self, linger: int | None = None) -> None:
        """Close the socket, as the ordinary one's `close` does; all who wait get ZMQError ENOTSOCK (P30)."""
        # A descriptor is let go of before its number can be another file's (P24).
        for key, waiters in list(self._waiters.items()):
            self._close_waiters(key, waiters)
        self._waiters.clear()
        self.socket.close(linger)

    def __enter__(self: _Socket) -> _Socket:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    # ---- for the adapters

    def _close_waiters(self, key: Any, waiters: Waiters) -> None:
        """Close the waiters in the loop that `key` stands for."""
        waiters.close(own_error(self.socket, errno.ENOTSOCK, "the socket was closed while this waited"))

    def touched(self) -> None:
        """Look at the socket again. Needed only for a stock socket, after an operation made behind this object."""
        if self._shared:
            for waiters in list(self._waiters.values()):
                waiters.touched()

    def _waiters_in(self, key: Any, loop: Callable[[], Loop]) -> Waiters:
        """Return the waiters in one loop: `key` stands for it and is held weakly, `loop` makes what they need of it."""
        waiters: Waiters | None = self._waiters.get(key)
        if waiters is None or waiters.closed:
            waiters = self._waiters[key] = Waiters(loop(), self.socket)
        return waiters

    def _whole(self, *last: Any) -> list[Any]:
        """Return the parts that were gathered, and these; what is gathered next is another message."""
        parts = [*self._parts, *last]
        self._parts.clear()
        return parts

    def _followed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return a method of a stock socket that is followed by a look: it may have cleared the edge (P3)."""

        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return method(*args, **kwargs)
            finally:
                self.touched()

        return call
