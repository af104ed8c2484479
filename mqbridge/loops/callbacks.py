"""The callback style: a function that is called while a socket is readable, and one while it is writable."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mqbridge.loops.readiness import POLLIN, POLLOUT, Watch
from mqbridge.loops.sockets import expectation_of, shares_its_edge, view_of
from mqbridge.loops.waiters import Loop
from mqbridge.loops.wrapped import WrappedSocket

Callback = Callable[[], object] | None


class Callbacks:
    """One socket's callbacks in one loop; what the adapters' `watch` returns.

    A callback is called once in each turn of the loop while the socket is ready, whatever is done to it meanwhile, by
    whomever; so it need not drain the socket. It may close this, and the socket. When the socket is closed, or its
    context terminated, each callback is called once more, so that it meets the error; then nothing is watched any more.
    """

    __slots__ = ("_loop", "_socket", "_view", "_shared", "_watch", "_callbacks", "_token", "_turn", "_reports")

    def __init__(self, loop: Loop, socket: Any, on_readable: Callback = None, on_writable: Callback = None) -> None:
        if isinstance(socket, WrappedSocket):
            socket = socket.socket
        self._loop = loop
        self._socket = socket
        self._view = view_of(socket)
        self._shared = shares_its_edge(socket)
        self._watch: Watch | None = Watch(self, self._view.events, expectation_of(self._view))
        self._turn: Any = None
        self._reports: dict[int, Any] = {}
        self._callbacks: dict[int, Callback] = {}
        try:
            self._token = loop.watch(self._view.fileno(), self._watch.edge)
        except BaseException:
            self._view.close()
            raise
        self.modify(on_readable, on_writable)

    @property
    def closed(self) -> bool:
        """Whether nothing is watched any more."""
        return self._watch is None

    def modify(self, on_readable: Callback = None, on_writable: Callback = None) -> None:
        """Call these from now on; None: this direction is of no interest."""
        self._callbacks = {POLLIN: on_readable, POLLOUT: on_writable}
        if self._watch is not None:
            self._watch.want(sum(direction for direction, callback in self._callbacks.items() if callback))

    def touched(self) -> None:
        """Look at the socket again. Needed only for a stock pyzmq socket, after an operation outside a callback."""
        if self._watch is not None and self._shared:
            self._watch.touched()

    def close(self) -> None:
        """Watch the socket no longer; it stays open. Do it before closing a stock pyzmq socket. May be repeated."""
        if self._watch is not None:
            self._release()
            for token in self._reports.values():
                self._loop.cancel(token)
            self._reports.clear()

    # ---- the machine's host

    def soon(self, watch: Watch) -> None:
        """Ask the loop for a turn."""
        self._turn = self._loop.soon(watch.turn)

    def cancel(self, watch: Watch) -> None:
        """Take that back; or the turn has come."""
        self._loop.cancel(self._turn)
        self._turn = None

    def run(self, watch: Watch, mask: int) -> None:
        """Call back, in the loop's next turn."""
        self._report_soon(mask)

    def fail(self, watch: Watch, mask: int, error: Exception) -> None:
        """Let go of the descriptor; then let all callbacks meet the error."""
        self._release()
        for direction, callback in self._callbacks.items():
            if callback:
                self._report_soon(direction)

    # ---- inside

    def _report_soon(self, direction: int) -> None:
        if direction not in self._reports:
            self._reports[direction] = self._loop.soon(partial(self._report, direction))

    def _report(self, direction: int) -> None:
        del self._reports[direction]
        callback = self._callbacks[direction]
        try:
            if callback:
                callback()
        finally:
            # Unless the callback has closed this (P32).
            if self._watch is not None:
                self._watch.done(direction)
                self.touched()

    def _release(self) -> None:
        assert self._watch is not None
        self._watch.close()
        self._watch = None
        self._loop.unwatch(self._token)
        self._view.close()
