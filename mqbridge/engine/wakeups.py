"""A socket's lock, and who is told before it is let go: threads that sleep, views, and levels.

The rules that keep every sleeper informed are all here:

- All state of a socket is changed under `lock`, which is never held while waiting; under it no foreign code runs.
- `changed` is set by whatever makes a queue non-empty or gives a full one room. Before the lock is released, `_tell`
  passes that on: to views by their eventfd, to levels, and to threads that sleep on the pollset by its own signal.
- A thread registers as waiter, has then looked once more (it holds the lock all the while), and sleeps on the pollset.
  What wakes it is either input or output that is due, which it does itself, or the signal of whoever did it first.

What is done under the lock is in `driver.py`.
"""

import errno
import sys
from typing import Any

from mqbridge import _sys
from mqbridge.constants import Errno
from mqbridge.engine.pollset import Pollset
from mqbridge.engine.views import Level, View
from mqbridge.errors import ContextTerminated, ZMQError
from mqbridge.pipes.signaler import Mailbox


class Wakeups:
    """The base of a driver."""

    __slots__ = (
        "lock",
        "pollset",
        "mailbox",
        "waiters",
        "attached",
        "changed",
        "news",
        "unfinished",
        "stopped",
        "lends",
        "_views",
        "_recv_level",
        "_send_level",
        "_in_waiters",
        "_out_waiters",
        "_observed",
    )

    def __init__(self) -> None:
        self.lock = _sys.Lock()
        self.pollset = Pollset()
        self.mailbox = Mailbox()
        # Threads asleep on the pollset.
        self.waiters = 0
        # A loop watches this socket: a descriptor was handed out.
        self.attached = False
        self.changed = False
        # How often something has changed.
        self.news = 0
        # A link stopped reading before it had seen the end of what is there.
        self.unfinished = False
        # The errno that every operation fails with: the socket was closed, or its context terminated.
        self.stopped = 0
        # Some of what was sent lies in users' buffers, which are given back when no lock is held.
        self.lends = False
        self._views: list[View] = []
        self._recv_level: Level | None = None
        self._send_level: Level | None = None
        # How many of the waiters wait for input, and for output. (Counted where they begin and end to wait, and not by
        # functions of their own: interpreted, the exception of a signal handler strikes where a function begins.)
        self._in_waiters = 0
        self._out_waiters = 0
        # How many are to be told beside them: views and levels.
        self._observed = 0

    # ---- what the driver knows

    def _ready_in(self) -> bool:
        """Return whether a recv would succeed."""
        raise NotImplementedError

    def _ready_out(self) -> bool:
        """Return whether a send would succeed."""
        raise NotImplementedError

    # ---- the lock

    def enter(self) -> None:
        """Take the lock; raises if the socket is closed or its context terminated."""
        self.lock.take()
        if self.stopped:
            self.lock.give()
            self._refuse()

    def leave(self) -> None:
        """Tell those who wait, and release the lock."""
        if self._observed or self.waiters:
            self._tell()
        self.lock.give()
        if self.lends:
            _sys.give_back()

    def _refuse(self) -> None:
        if self.stopped == Errno.ETERM:
            raise ContextTerminated()
        if self.stopped == errno.ECHILD:
            raise ZMQError(
                errno.ENOTSOCK,
                "this socket is the parent process's, which made it before the fork; make a Context and Socket anew",
            )
        raise ZMQError(errno.ENOTSOCK, "the socket is closed")

    def _tell(self) -> None:
        if self.unfinished:
            self.unfinished = False
            self.changed = True
        if self.changed:
            self.changed = False
            self.news += 1
            for view in self._views:
                view.signaler.signal()
        if self._views:
            # Asked on their behalf: who finds a queue empty, or full, is told when that changes (P4, P8).
            self._ready_in()
            self._ready_out()
        if self.waiters:
            if self.stopped or (self._in_waiters and self._ready_in()) or (self._out_waiters and self._ready_out()):
                self.mailbox.signaler.signal()
        if self._recv_level is not None:
            self._recv_level.show(self._ready_in())
        if self._send_level is not None:
            self._send_level.show(self._ready_out())

    # ---- views and levels

    def view(self, outlives: bool) -> View:
        """Return a new view; one that `outlives` the socket is closed by its owner only."""
        self.enter()
        try:
            view = View(self, self.pollset.fd, outlives)
            self._views.append(view)
            self._observed += 1
            self.attached = True
            # What is there already makes the first edge (P1).
            self.changed = True
            return view
        finally:
            self.leave()

    def drop_view(self, view: View, finalizing: Any = sys.is_finalizing) -> None:
        """Close a view."""
        if not finalizing():
            self.lock.acquire()
        elif not self.lock.try_acquire():
            # The interpreter ends, and whoever has the lock is gone.
            return
        try:
            if view in self._views:
                self._views.remove(view)
                self._observed -= 1
                self.attached = bool(self._views or self._recv_level or self._send_level)
                if self.stopped == errno.ECHILD:
                    view.abandon()
                else:
                    view.shut(self.pollset.fd)
            else:
                # The socket is closed, and has parted from it.
                view.shut(-1)
        finally:
            self.leave()

    def heard(self, view: View) -> None:
        """A view has just looked: what changed until now goes to the others only. The caller holds the lock."""
        if self.changed and not self.unfinished:
            self.changed = False
            self.news += 1
            for other in self._views:
                if other is not view:
                    other.signaler.signal()

    def level_fd(self, reading: bool) -> int:
        """Return `recv_fd` or `send_fd`, made when first asked for."""
        self.enter()
        try:
            level = self._recv_level if reading else self._send_level
            if level is None:
                level = Level(self.pollset.fd)
                self._observed += 1
                self.attached = True
                if reading:
                    self._recv_level = level
                else:
                    self._send_level = level
            return level.fileno()
        finally:
            self.leave()

    def shut_windows(self, forked: bool) -> None:
        """Close the views and levels. The caller holds the lock."""
        pollset = self.pollset.fd
        for view in self._views:
            if forked:
                view.abandon()
            elif view.outlives:
                view.part(pollset)
            else:
                view.shut(pollset)
        self._views = []
        for level in (self._recv_level, self._send_level):
            if level is not None and forked:
                level.abandon()
            elif level is not None:
                level.shut(pollset)
        self._recv_level = self._send_level = None
        self._observed = 0
        self.attached = False

    # ---- the end

    def stop(self, error: int) -> None:
        """Let every operation fail with `error` from now on, and wake all who wait."""
        self.lock.acquire()
        if not self.stopped:
            self.stopped = error
        self.changed = True
        if self.waiters:
            self.mailbox.signaler.signal()
        self.leave()

    def forked(self) -> None:
        """This is a copy in a forked child: it can only be closed."""
        self.lock = _sys.Lock()
        self.stopped = errno.ECHILD
        self.waiters = self._in_waiters = self._out_waiters = 0
        self._observed = 0
