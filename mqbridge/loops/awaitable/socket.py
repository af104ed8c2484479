"""The socket for coroutines, whole."""

from __future__ import annotations

from typing import Any, TypeVar

from mqbridge.constants import SocketOption
from mqbridge.loops.awaitable.receiving import Receiving
from mqbridge.loops.awaitable.sending import Sending
from mqbridge.loops.codecs import AwaitableCodecs
from mqbridge.loops.wrapped import POLLIN, WrappedSocket
from mqbridge.socket import Bound

_RCVMORE = int(SocketOption.RCVMORE)
_EVENTS = int(SocketOption.EVENTS)

_Socket = TypeVar("_Socket", bound="AwaitableSocket")


class AwaitableSocket(Receiving, Sending, AwaitableCodecs):
    """The socket; see the adapters."""

    __slots__ = ()

    # ---- endpoints

    def bind(self, addr: str | bytes) -> Bound:
        """Accept connections at an endpoint; the result can be used in a `with` statement, which unbinds."""
        bound = WrappedSocket.bind(self, addr)
        self._attend()
        return bound

    def connect(self, addr: str | bytes) -> Bound:
        """Connect to an endpoint; the result can be used in a `with` statement, which disconnects."""
        bound = WrappedSocket.connect(self, addr)
        self._attend()
        return bound

    def get_monitor_socket(self, *arguments: Any, **options: Any) -> Any:
        """Return a socket that reports what happens to connections, as the ordinary one's, for coroutines."""
        return type(self)(self.socket.get_monitor_socket(*arguments, **options))

    # ---- readiness and options

    async def poll(self, timeout: float | None = None, flags: int = POLLIN) -> int:
        """Wait up to `timeout` ms (None or negative: for ever) and return which of `flags` are ready, 0 for none."""
        from mqbridge.loops.polling import ready

        found = await ready(type(self), [(self, int(flags))], timeout)
        return found[0][1] if found else 0

    def get(self, option: int) -> Any:
        """Return an option's value; RCVMORE is the running task's."""
        if option == _RCVMORE:
            return int(self._mid_message())
        value = self.socket.getsockopt(option)
        self.touched()
        return value | POLLIN if option == _EVENTS and self._mid_message() else value

    getsockopt = get

    @property
    def rcvmore(self) -> int:
        """Whether more parts follow of the message that this task receives."""
        return int(self._mid_message())

    RCVMORE = rcvmore

    @property
    def events(self) -> int:
        """POLLIN | POLLOUT as they are now."""
        mask: int = self.get(_EVENTS)
        return mask

    EVENTS = events

    # ---- the end

    def release(self) -> None:
        """Let go of the descriptor in all loops; who waits gets ZMQError ENOTSOCK. The socket itself stays open."""
        for key, waiters in list(self._waiters.items()):
            self._close_waiters(key, waiters)
        self._waiters.clear()

    async def __aenter__(self: _Socket) -> _Socket:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()
