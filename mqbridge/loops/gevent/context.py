"""The context whose sockets are for greenlets, and whose `term` blocks only the greenlet that calls."""

from __future__ import annotations

from typing import Any

import gevent
from gevent import getcurrent
from gevent.exceptions import BlockingSwitchOutError

from mqbridge.context import Context as PlainContext
from mqbridge.loops.contexts import WrappedContext
from mqbridge.loops.gevent.socket import Socket


class Context(WrappedContext[Socket]):
    """Makes sockets for greenlets, and ends them; all else is as in `mqbridge.Context`.

    `Context.instance()` is another one than `mqbridge.Context.instance()`.

    Parameters
    ----------
    io_threads
        As for `mqbridge.Context`; or an ordinary context of mqbridge or pyzmq, or another of these: then both stand
        for the same context.
    shadow
        Such a context, as pyzmq names this parameter.
    """

    __slots__ = ()

    socket_class = Socket

    def socket(self, socket_type: int, socket_class: Any = None, **kwargs: Any) -> Socket:
        """Return a new socket, e.g. `context.socket(zmq.REQ)`. Errors are those of the ordinary context's `socket`.

        Parameters
        ----------
        socket_type
            The type.
        socket_class
            A class derived from `Socket` to be used in its place; an ordinary socket class gives an ordinary socket.
        """
        wanted = socket_class or self.socket_class
        if not issubclass(wanted, Socket):
            return self.context.socket(socket_type, socket_class=wanted, **kwargs)  # type: ignore[no-any-return]
        made: Socket = wanted(self, socket_type)
        self._sockets.add(made)
        return made

    # ---- the end

    def term(self) -> None:
        """Terminate: all who wait on its sockets get ContextTerminated; then wait until all are closed and lingered.

        While this waits, other greenlets run, so that they can close their sockets.

        Raises BlockingSwitchOutError if it would have to wait and was called by the hub, in a callback of its loop.
        """
        self._blocking(self.context.term)

    def destroy(self, linger: int | None = None) -> None:
        """Close all sockets with `linger` (ms, None: as each has it set), then terminate. Errors: as `term`."""
        # A loop lets go of a descriptor before its number can be another file's (P24).
        for socket in list(self._sockets):
            socket.close(linger)
        self._blocking(self.context.destroy, linger)

    def __exit__(self, *exc_info: object) -> None:
        # The ordinary context closes its sockets then, with a word about those that should have been closed.
        for socket in list(self._sockets):
            socket.release()
        self._blocking(self.context.__exit__, *exc_info)

    def _blocking(self, function: Any, *arguments: Any) -> None:
        """Call what may block in a thread of the hub's pool."""
        context = self.context
        if context.closed or (isinstance(context, PlainContext) and not context._hub.drivers):
            function(*arguments)
            return
        hub = gevent.get_hub()
        if getcurrent() is hub:
            raise BlockingSwitchOutError("term() would block the hub: close the sockets first, or spawn a greenlet")
        hub.threadpool.apply(function, arguments)
