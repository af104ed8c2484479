"""ZeroMQ sockets on libuv: `Poll` is to a socket what `pyuv.Poll` is to a file.

The loop is a `pyuv.Loop`, or gevent's when that runs on libuv (`gevent.libuv.loop`). pyuv does not build by itself on
Python 3.10 and newer; `python -m mqbridge.loops.build_pyuv` makes it.

In a turn of the loop, what is due is looked at just before the wait, edges are followed while it polls, and callbacks
are called after that: each Poll's at most once. So whatever a callback did to whichever socket is looked at before
the loop sleeps again.
"""

from __future__ import annotations

import errno
import os
import sys
import weakref
from collections.abc import Callable
from typing import Any

from mqbridge.errors import ZMQError
from mqbridge.loops.readiness import POLLIN, POLLOUT, Watch
from mqbridge.loops.sockets import SocketView, StockView, is_socket, shares_its_edge, view_of
from mqbridge.loops.uv_backends import COMMAND, Backend, HandleClosedError, backend_for

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
        self._started: _Started | None = None

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
            self._started = _hooks_of(self.loop).start(self)
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


class _Started:
    """A Poll that is started: its descriptor, its watch, and what is to be reported."""

    __slots__ = ("poll", "hooks", "view", "watch", "token", "ready", "error")

    def __init__(self, poll: Poll, hooks: _Hooks) -> None:
        self.poll = poll
        self.hooks = hooks
        self.view = _own_view(poll.socket)
        self.watch = Watch(hooks, self.view.events)
        self.token: Any = None
        self.ready = 0
        # Negative when the socket has failed and is no longer watched.
        self.error = 0

    def edge(self, error: int) -> None:
        """The descriptor is readable, or libuv will not watch it any more."""
        if self.error or self.poll._started is not self:
            return
        if error:
            self.hooks.fail(self.watch, 0, OSError(-error, os.strerror(-error)))
        else:
            self.watch.edge()


class _Hooks:
    """One loop, while a Poll is started there: what is due before the loop waits, and what is to be reported after."""

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self._backend: Backend = backend_for(loop)(loop, self.before_wait, self.after_wait)
        self._started: dict[Watch, _Started] = {}
        # Those whose edge is cleared by operations that we are not told of.
        self._shared: dict[_Started, None] = {}
        self._due: dict[Watch, None] = {}
        self._ready: dict[_Started, None] = {}
        self._looking = False

    def start(self, poll: Poll) -> _Started:
        """Watch a Poll's socket."""
        try:
            started = _Started(poll, self)
            try:
                started.token = self._backend.watch(started.view.fileno(), started.edge, poll.ref)
            except BaseException:
                started.view.close()
                raise
        except BaseException:
            self._close_unless_used()
            raise
        self._started[started.watch] = started
        if shares_its_edge(poll.socket):
            self._shared[started] = None
        return started

    def stop(self, started: _Started) -> None:
        """Watch it no longer, and forget what was to be reported."""
        self._release(started)
        self._ready.pop(started, None)
        self._started.pop(started.watch, None)
        self._close_unless_used()

    def set_ref(self, started: _Started) -> None:
        """The Poll's `ref` has changed."""
        self._backend.set_ref(started.token, started.poll.ref)

    # ---- the loop's turn

    def before_wait(self) -> None:
        """Look at what is due; the loop does not sleep if something is ready."""
        self._looking = True
        for started in list(self._shared):
            started.watch.touched()
        for watch in list(self._due):
            watch.turn()
        self._looking = False
        if self._due or self._ready:
            self._backend.hurry()
        else:
            self._backend.relax()

    def after_wait(self) -> None:
        """Report what is ready, unless an earlier callback has stopped it."""
        for started in list(self._ready):
            if started not in self._ready:
                continue
            del self._ready[started]
            poll, ready, error = started.poll, started.ready, started.error
            started.ready = 0
            callback, events = poll._callback, ready & poll._events
            if error:
                poll._stop()
            if callback is not None and (events or error):
                try:
                    callback(poll, None if error else events, error or None)
                except BaseException:
                    self._backend.uncaught(poll, *sys.exc_info())
            started.watch.done(ready)

    # ---- the machine's host

    def soon(self, watch: Watch) -> None:
        """Look at it before the next wait."""
        self._due[watch] = None
        if not self._looking:
            self._backend.hurry()

    def cancel(self, watch: Watch) -> None:
        """It needs no look."""
        self._due.pop(watch, None)

    def run(self, watch: Watch, mask: int) -> None:
        """Report it after the wait."""
        started = self._started[watch]
        started.ready |= mask
        self._ready[started] = None

    def fail(self, watch: Watch, mask: int, error: Exception) -> None:
        """Let go of the descriptor, and report the error after the wait."""
        started = self._started[watch]
        started.error = -(getattr(error, "errno", None) or errno.EBADF)
        self._release(started)
        self._ready[started] = None

    # ---- inside

    def _release(self, started: _Started) -> None:
        """Unwatch the descriptor, then close it: may be done twice."""
        if started.token is None:
            return
        token, started.token = started.token, None
        started.watch.close()
        self._due.pop(started.watch, None)
        self._shared.pop(started, None)
        self._backend.unwatch(token)
        started.view.close()

    def _close_unless_used(self) -> None:
        if not self._started and _hooks.get(id(self.loop)) is self:
            del _hooks[id(self.loop)]
            self._backend.close()


# By the loop's id, which stays its own as long as its hooks are there. The loop itself keeps them, through its handles.
_hooks: weakref.WeakValueDictionary[int, _Hooks] = weakref.WeakValueDictionary()


def _hooks_of(loop: Any) -> _Hooks:
    hooks = _hooks.get(id(loop))
    if hooks is None:
        hooks = _hooks[id(loop)] = _Hooks(loop)
    return hooks


class _StockCopy(StockView):
    """A stock socket's descriptor under a number that nobody else has.

    libuv takes one handle for each number (P25), and libzmq closes its own whenever it likes, so that the number may be
    another file's while the loop still has it (P24, P27).
    """

    __slots__ = ()

    def __init__(self, socket: Any) -> None:
        super().__init__(socket)
        self._fd = os.dup(self._fd)

    def close(self) -> None:
        """Close the copy."""
        os.close(self._fd)


def _own_view(socket: Any) -> SocketView:
    return _StockCopy(socket) if shares_its_edge(socket) else view_of(socket)
