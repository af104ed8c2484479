"""What an `EventBase` does within: its turns, and who holds which socket, descriptor and event."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from mqbridge.constants import SocketOption
from mqbridge.loops.libevent.library import (
    COUNT_ADDED,
    COUNT_VIRTUAL,
    EV_ET,
    EVLOOP_NO_EXIT_ON_EMPTY,
    EVLOOP_NONBLOCK,
    EVLOOP_ONCE,
    ffi,
    lib,
)
from mqbridge.loops.libevent.raw import RawBase
from mqbridge.loops.libevent.sockets import Watched, close_orphans
from mqbridge.loops.libevent.wakeup import Wakeup
from mqbridge.loops.sockets import SocketView, shares_its_edge

if TYPE_CHECKING:
    from mqbridge.loops.libevent.event import Event


class Base(RawBase):
    """An `event_base` with sockets."""

    def __init__(self) -> None:
        close_orphans()
        RawBase.__init__(self)
        # Pending or active, so that the collector leaves them alone.
        self.held: set[Event] = set()
        # The sockets in use: mqbridge's by themselves, or by an edge-triggered event; stock ones by their FD.
        self.watched: dict[Any, Watched] = {}
        # Those of them that no event waits for.
        self.idle: dict[Watched, None] = {}
        # The signals' events that are pending.
        self.signals: set[Event] = set()
        self._files: dict[int, set[Event]] = {}
        # How the last loop ended.
        self.broken = False
        self.exited = False
        try:
            self.wakeup = Wakeup(self)
        except BaseException:
            self.dispose()
            raise

    # ---- the loop

    def run(self, flags: int) -> int:
        """Run the loop in this thread; the result is `EventBase.loop`'s."""
        self.broken = self.exited = False
        self.thread = threading.get_ident()
        try:
            if not flags & EVLOOP_NONBLOCK:
                self.wakeup.listen()
            return self._turns(flags)
        except BaseException:
            # A signal handler may have struck anywhere, also in the middle of a machine (P37).
            for watched in self.watched.values():
                watched.restart()
            raise
        finally:
            self.thread = None
            self.wakeup.ignore()

    def _turns(self, flags: int) -> int:
        inner = flags | EVLOOP_NO_EXIT_ON_EMPTY
        if not flags & EVLOOP_NONBLOCK:
            # After each turn comes a look at what our callbacks may have done to stock sockets.
            inner |= EVLOOP_ONCE
        seen = -1
        while True:
            self.tidy()
            if seen != self.ran:
                seen = self.ran
                for watched in [each for each in self.watched.values() if each.shared and each.events]:
                    watched.look()
            if not flags & EVLOOP_NO_EXIT_ON_EMPTY and self._is_empty():
                return 1
            status = lib.event_base_loop(self.pointer, inner)
            self.broken |= bool(lib.event_base_got_break(self.pointer))
            self.exited |= bool(lib.event_base_got_exit(self.pointer))
            if self.errors:
                errors, self.errors = self.errors, []
                raise errors[0]
            self.check()
            if status < 0:
                raise OSError(ffi.errno, f"event_base_loop: {os.strerror(ffi.errno)}")
            if self.broken or self.exited:
                return 0
            if flags & EVLOOP_NONBLOCK and (flags & EVLOOP_ONCE or seen == self.ran):
                return 0
            if flags & EVLOOP_ONCE and seen != self.ran:
                return 0

    def _is_empty(self) -> bool:
        if len(self.watched) > len(self.idle):
            # A socket that an event waits for; libevent need not be asked.
            return False
        # The one is the wake-up's.
        return lib.event_base_get_num_events(self.pointer, COUNT_ADDED | COUNT_VIRTUAL) <= 1 and not self.wakeup.busy

    def tidy(self) -> None:
        """Let go of what nobody waits for."""
        self.sweep()
        close_orphans()
        for watched in list(self.idle):
            watched.release()

    # ---- sockets and files

    def watch(self, event: Event) -> Watched:
        """Return what watches an event's socket here. Raises what the socket raises when it is closed."""
        socket = event.source
        key: Any = event if event.what & EV_ET else socket
        if shares_its_edge(socket):
            # Other objects for the same socket share its watch.
            key = socket.getsockopt(SocketOption.FD)
            self.free_number(key)
        watched = self.watched.get(key)
        if watched is None:
            watched = self.watched[key] = Watched(self, key, socket, bool(event.what & EV_ET))
        self.idle.pop(watched, None)
        return watched

    def forget(self, watched: Watched) -> None:
        """A socket is not watched any more."""
        self.watched.pop(watched.key, None)
        self.idle.pop(watched, None)

    def add_file(self, event: Event, fd: int) -> None:
        """An event waits for a descriptor: nobody else may, whose file had that number before it was closed (P24)."""
        self.free_number(fd)
        self._files.setdefault(fd, set()).add(event)

    def drop_file(self, event: Event, fd: int) -> None:
        """It does not wait any more."""
        events = self._files.get(fd, set())
        events.discard(event)
        if not events:
            self._files.pop(fd, None)

    def free_number(self, fd: int) -> None:
        """Let go of a descriptor if what had its number is closed: libevent would take the next file for it (P24)."""
        watched = self.watched.get(fd)
        if watched is not None and watched.socket.closed:
            watched.fail(watched.watch, 0, ValueError("closed while watched"))
        for event in list(self._files.get(fd, ())):
            if not isinstance(event.source, int) and event.source.fileno() != fd:
                event.delete()

    # ---- the end

    def end(self) -> list[SocketView]:
        """Free all; return the views that are to be closed then."""
        views = [watched.view for watched in self.watched.values()]
        self.dispose()
        self.wakeup.close()
        for collection in (self.held, self.watched, self.idle, self.signals, self._files):
            collection.clear()
        return views
