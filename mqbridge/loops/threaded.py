"""Watching descriptors on behalf of a loop that cannot (P38): a thread that waits for them, one for each such loop.

A descriptor is watched for one event at a time: the thread takes it out, posts the callback to the loop, and the loop
puts it in again after the callback, which has dealt with the event. So the thread never spins. It ends when there is
nothing left to watch, and with its loop.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable
from functools import partial


class Watched:
    """One descriptor; the token."""

    __slots__ = ("fd", "callback", "events", "armed", "wanted")

    def __init__(self, fd: int, callback: Callable[[], None], events: int) -> None:
        self.fd = fd
        self.callback = callback
        self.events = events
        self.armed = False
        self.wanted = True


class Watcher:
    """The thread and what it waits for. `post(callback)` lets the loop call, from whichever thread, or raises."""

    def __init__(self, post: Callable[[Callable[[], None]], object]) -> None:
        self._post = post
        # Held around whatever changes the selector; not while the thread waits.
        self._lock = threading.Lock()
        self._selector: selectors.BaseSelector | None = None
        self._ours: socket.socket | None = None
        self._count = 0

    def watch(self, fd: int, callback: Callable[[], None], writing: bool = False) -> Watched:
        """Let the loop call `callback()` whenever the descriptor is readable, or writable; return the token."""
        watched = Watched(fd, callback, selectors.EVENT_WRITE if writing else selectors.EVENT_READ)
        with self._lock:
            if self._selector is None:
                self._begin()
            self._count += 1
            self._arm(watched)
        return watched

    def unwatch(self, watched: Watched) -> None:
        """End that; the descriptor is out of the selector when this returns."""
        with self._lock:
            if not watched.wanted or self._selector is None:
                return
            watched.wanted = False
            self._count = max(0, self._count - 1)
            if watched.armed and self._selector is not None:
                watched.armed = False
                self._selector.unregister(watched.fd)
            self._nudge()

    def end(self) -> None:
        """The loop is closed: there is nobody to tell of anything any more."""
        with self._lock:
            self._count = 0
            self._nudge()

    def _begin(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._ours, theirs = socket.socketpair()
        self._ours.setblocking(False)
        theirs.setblocking(False)
        self._selector.register(theirs, selectors.EVENT_READ)
        threading.Thread(
            target=self._run, args=(self._selector, self._ours, theirs), name="mqbridge-watcher", daemon=True
        ).start()

    def _arm(self, watched: Watched) -> None:
        assert self._selector is not None
        self._selector.register(watched.fd, watched.events, watched)
        watched.armed = True
        self._nudge()

    def _nudge(self) -> None:
        """Let the thread see what was changed."""
        if self._ours is not None:
            with contextlib.suppress(BlockingIOError):  # it has enough of them already
                self._ours.send(b"\0")

    def _run(self, selector: selectors.BaseSelector, ours: socket.socket, theirs: socket.socket) -> None:
        while True:
            found = selector.select()
            fired = []
            with self._lock:
                for key, _ in found:
                    if key.data is None:
                        theirs.recv(4096)
                    elif key.data.armed:
                        key.data.armed = False
                        selector.unregister(key.fd)
                        fired.append(key.data)
                if not self._count:
                    self._selector = self._ours = None
                    break
            for watched in fired:
                # A loop that is closed has nobody to tell.
                with contextlib.suppress(RuntimeError):
                    self._post(partial(self._fire, watched))
        selector.close()
        ours.close()
        theirs.close()

    def _fire(self, watched: Watched) -> None:
        """In the loop: the callback, then the next event."""
        try:
            if watched.wanted:
                watched.callback()
        finally:
            with self._lock:
                if watched.wanted and self._selector is not None:
                    self._arm(watched)
