"""The context whose sockets are for greenlets, and whose `term` blocks only the greenlet that calls."""

from __future__ import annotations

from typing import Any

import gevent
from gevent import getcurrent
from gevent.exceptions import BlockingSwitchOutError

from mqbridge.context import Context as PlainContext
from mqbridge.loops.gevent.socket import Socket
from mqbridge.loops.wrapped import WrappedSocket


class Context(PlainContext):
    """Makes sockets for greenlets, and ends them; all else is as in `mqbridge.Context`.

    `Context.instance()` is another one than `mqbridge.Context.instance()`.
    """

    _instance = None

    def socket(self, socket_type: int, socket_class: Any = None) -> Any:
        """Return a new socket, e.g. `context.socket(zmq.REQ)`. Errors are those of `mqbridge.Context.socket`.

        Parameters
        ----------
        socket_type
            The type.
        socket_class
            A class derived from `Socket` to be used in its place; an ordinary socket class gives an ordinary socket.
        """
        wanted = socket_class or Socket
        if issubclass(wanted, WrappedSocket):
            return wanted(super().socket(socket_type))
        return super().socket(socket_type, wanted)

    def term(self) -> None:
        """Terminate: all who wait on its sockets get ContextTerminated; then wait until all are closed and lingered.

        While this waits, other greenlets run, so that they can close their sockets.

        Raises BlockingSwitchOutError if it would have to wait and was called by the hub, in a callback of its loop.
        """
        if self.closed or not self._hub.drivers:
            super().term()
            return
        hub = gevent.get_hub()
        if getcurrent() is hub:
            raise BlockingSwitchOutError("term() would block the hub: close the sockets first, or spawn a greenlet")
        hub.threadpool.apply(super().term)

    def destroy(self, linger: int | None = None) -> None:
        """Close all sockets with `linger` (ms, None: as each has it set), then terminate."""
        for socket in list(self._sockets):
            Socket(socket).close(linger)
        self.term()
