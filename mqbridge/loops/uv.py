"""ZeroMQ sockets on libuv: `Poll` is to a socket what `pyuv.Poll` is to a file.

The loop is a `pyuv.Loop`, or gevent's when that runs on libuv (`gevent.libuv.loop`). pyuv does not build by itself on
Python 3.10 and newer; `python -m mqbridge.loops.build_pyuv` makes it.

What happens in a turn of the loop is in `uv_hooks.py`, and what differs between the two libuvs in `uv_backends.py`.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

from mqbridge.errors import ZMQError
from mqbridge.loops.readiness import POLLIN, POLLOUT
from mqbridge.loops.sockets import is_socket
from mqbridge.loops.uv_backends import COMMAND, HandleClosedError, backend_for
from mqbridge.loops.uv_hooks import Started, hooks_of

__all__ = ["UV_READABLE", "UV_WRITABLE", "HandleClosedError", "Poll"]

#: A recv would succeed.
UV_READABLE = 1
#: A send would succeed.
UV_WRITABLE = 2

# The machine's directions are libuv's events.
assert (UV_READABLE, UV_WRITABLE) == (POLLIN, POLLOUT)

PollCallback = Callable[["Poll", "int | None", "int | None"], object]


def __getattr__(name: str) -> Any:
    """`pyuv`, the module, or an ImportError that says how to get it."""
    if name == "pyuv":
        try:
            import pyuv
        except ImportError as error:
            raise ImportError(f"pyuv is not installed; this builds it: {COMMAND}", name="pyuv") from error
        return pyuv
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Poll:
    """Calls back in each turn of a libuv loop while a ZeroMQ socket is ready, as `pyuv.Poll` does for a file.

    The socket is mqbridge's or stock pyzmq's. It can have any number of Polls, on one loop or several. A started Poll
    lives on without a reference to it. Only the loop's thread may use a Poll.

    Parameters
    ----------
    loop
        A `pyuv.Loop` or a `gevent.libuv.loop.loop`.
    socket
        The socket. Close the Poll first, or stop it; if it is closed all the same, or its context is terminated, the
        callback gets an error.

    Raises
    ------
    TypeError
        It is not such a loop, or not a ZeroMQ socket.
    ZMQError
        ENOTSOCK: the socket is closed.
    """

    def __init__(self, loop: Any, socket: Any) -> None:
        self._backend = backend_for(loop)
        if not is_socket(socket):
            raise TypeError(f"Poll(..., {socket!r}): a ZeroMQ socket is required; pyuv.Poll takes descriptors")
        if socket.closed:
            raise ZMQError(errno.ENOTSOCK, "Poll(): the socket is closed")
        #: The loop; None when the Poll is closed.
        self.loop: Any = loop
        #: The socket.
        self.socket = socket
        self._events = 0
        self._callback: PollCallback | None = None
        self._ref = True
        self._closed = False
        self._started: Started | None = None

    def __repr__(self) -> str:
        state = "closed" if self._closed else "active" if self.active else "stopped"
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self.socket!r}, {state}>"

    def start(self, events: int, callback: PollCallback) -> None:
        """Call `callback` in each turn of the loop in which the socket is ready; or change what was started.

        Parameters
        ----------
        events
            UV_READABLE, UV_WRITABLE or both; 0 stops. There is no UV_DISCONNECT: a ZeroMQ socket outlives its
            connections.
        callback
            `callback(handle, events, error)`. `events` is what is ready of what was asked for, and `error` None. If
            the socket is closed, or its context terminated: `events` is None, `error` is negative, as libuv's error
            numbers are: -ENOTSOCK (`pyuv.errno.UV_ENOTSOCK`) or -ETERM, and the Poll is stopped. What a callback
            raises goes to the loop's `excepthook`; gevent's loops have `handle_error`.

        Raises
        ------
        HandleClosedError
            The Poll is closed.
        ValueError
            `events` has something else.
        TypeError
            `callback` cannot be called.
        ZMQError
            ENOTSOCK, ETERM: the socket is closed, or its context terminated.
        OSError
            There are no descriptors left.
        """
        self._check()
        if events & ~(UV_READABLE | UV_WRITABLE):
            raise ValueError(f"start({events!r}, ...): give UV_READABLE, UV_WRITABLE or both")
        if not callable(callback):
            raise TypeError("a callable is required")
        if not events:
            self._stop()
            return
        if self._started is not None and self._started.error:
            self._stop()
        if self._started is None:
            self._started = hooks_of(self.loop).start(self)
        self._events, self._callback = events, callback
        self._started.watch.want(events)

    def stop(self) -> None:
        """Call back no more, until started again; nothing is watched meanwhile. Raises HandleClosedError if closed."""
        self._check()
        self._stop()

    def close(self, callback: Callable[[Poll], object] | None = None) -> None:
        """Stop, for good. The socket stays open; from now on it may be closed, too.

        Parameters
        ----------
        callback
            `callback(handle)` is called by the loop when the Poll is closed, in this turn or the next.

        Raises
        ------
        HandleClosedError
            It was closed before.
        TypeError
            `callback` cannot be called.
        """
        self._check()
        if callback is not None and not callable(callback):
            raise TypeError("a callable or None is required")
        self._stop()
        self._closed = True

        def closed() -> None:
            try:
                if callback is not None:
                    callback(self)
            finally:
                # As it is with pyuv's closed handles.
                self.loop, self._ref = None, False

        self._backend.later(self.loop, closed)

    def touched(self) -> None:
        """Look at the socket again before the loop sleeps; harmless, and mostly unnecessary.

        mqbridge's sockets never need it. All stock sockets are looked at before each wait. So this is for operations
        on a stock socket after that: in a `pyuv.Prepare` of yours that was started before the first Poll.
        """
        if self._started is not None:
            self._started.watch.touched()

    def fileno(self) -> int:
        """Return the descriptor that is watched, -1 while stopped. It is the Poll's own, and shows edges only."""
        self._check()
        return -1 if self._started is None else self._started.view.fileno()

    @property
    def active(self) -> bool:
        """Whether it is started."""
        return self._started is not None and not self._started.error

    @property
    def closed(self) -> bool:
        """Whether it is closed, or being closed."""
        return self._closed

    @property
    def ref(self) -> bool:
        """Whether the loop runs on because of this Poll while it is active; True until it is set."""
        return self._ref

    @ref.setter
    def ref(self, value: bool) -> None:
        self._ref = bool(value)
        if self.active and self._started is not None:
            self._started.hooks.set_ref(self._started)

    def _check(self) -> None:
        if self._closed:
            raise HandleClosedError("Handle is closing/closed")

    def _stop(self) -> None:
        started, self._started, self._callback = self._started, None, None
        if started is not None:
            started.hooks.stop(started)
