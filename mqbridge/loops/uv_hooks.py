"""What the Polls of one libuv loop have in common: the loop's turn, and the machine's host.

In a turn of the loop, what is due is looked at just before the wait, edges are followed while it polls, and callbacks
are called after that: each Poll's at most once. So whatever a callback did to whichever socket is looked at before the
loop sleeps again (P2 to P6), no callback runs inside another one (P32), and all else has its turn (P21).

Everything here is there only while a Poll is started; then nothing is left in the loop.
"""

from __future__ import annotations

import errno
import os
import sys
import weakref
from typing import TYPE_CHECKING, Any

from mqbridge.loops.readiness import Watch
from mqbridge.loops.sockets import expectation_of, shares_its_edge, view_of
from mqbridge.loops.uv_backends import Backend, backend_for

if TYPE_CHECKING:
    from mqbridge.loops.uv import Poll


class Started:
    """A Poll that is started: its descriptor, its watch, and what is to be reported."""

    __slots__ = ("poll", "hooks", "view", "watch", "token", "ready", "error")

    def __init__(self, poll: Poll, hooks: Hooks) -> None:
        self.poll = poll
        self.hooks = hooks
        self.view = view_of(poll.socket)
        self.watch = Watch(hooks, self.view.events, expectation_of(self.view))
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


class Hooks:
    """One loop, while a Poll is started there: what is due before the loop waits, and what is to be reported after."""

    def __init__(self, loop: Any) -> None:
        self.loop = loop
        self._backend: Backend = backend_for(loop)(loop, self.before_wait, self.after_wait)
        self._started: dict[Watch, Started] = {}
        # Those whose edge is cleared by operations that we are not told of.
        self._shared: dict[Started, None] = {}
        self._due: dict[Watch, None] = {}
        self._ready: dict[Started, None] = {}
        self._looking = False
        # Whether the loop may sleep before `before_wait` is called again.
        self._waiting = True

    def start(self, poll: Poll) -> Started:
        """Watch a Poll's socket."""
        try:
            started = Started(poll, self)
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

    def stop(self, started: Started) -> None:
        """Watch it no longer, and forget what was to be reported."""
        self._release(started)
        self._ready.pop(started, None)
        self._started.pop(started.watch, None)
        self._close_unless_used()

    def set_ref(self, started: Started) -> None:
        """The Poll's `ref` has changed."""
        self._backend.set_ref(started.token, started.poll.ref)

    @property
    def gone(self) -> bool:
        """Whether the loop has lost them behind our back."""
        return self._backend.gone

    # ---- the loop's turn

    def before_wait(self) -> None:
        """Look at what is due; the loop does not sleep if something is ready."""
        self._looking = True
        for started in list(self._shared):
            started.watch.touched()
        for watch in list(self._due):
            watch.turn()
        self._looking = False
        self._waiting = True
        if self._due or self._ready:
            self._backend.hurry()
        else:
            self._backend.relax()

    def after_wait(self) -> None:
        """Report what is ready, unless an earlier callback has stopped it."""
        self._waiting = self._backend.EMBEDDED
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
        if self._waiting and not self._looking:
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

    def _release(self, started: Started) -> None:
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
_hooks: weakref.WeakValueDictionary[int, Hooks] = weakref.WeakValueDictionary()


def hooks_of(loop: Any) -> Hooks:
    hooks = _hooks.get(id(loop))
    if hooks is None or hooks.gone:
        hooks = _hooks[id(loop)] = Hooks(loop)
    return hooks
