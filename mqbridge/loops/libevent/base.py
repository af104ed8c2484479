"""`EventBase`: the loop."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from mqbridge.loops.libevent.library import ffi, lib, timeval
from mqbridge.loops.libevent.raw import bases
from mqbridge.loops.libevent.sockets import orphans
from mqbridge.loops.libevent.turns import Base
from mqbridge.loops.sockets import shares_its_edge


class EventBase(Base):
    """An `event_base`: the events, and the loop that waits for them.

    It keeps the events that are pending alive. One thread at a time may use it; `post`, `loopbreak` and `loopexit` may
    be called by any. Leaving a `with` statement frees it.

    Raises OSError if libevent cannot make one.
    """

    def __init__(self) -> None:
        Base.__init__(self)
        self._ending = False
        bases.add(self)

    def __enter__(self) -> EventBase:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.free()

    def __repr__(self) -> str:
        state = f"{len(self.held)} events pending" if self.pointer else "freed"
        return f"<{type(self).__name__} at {id(self):#x}, {state}>"

    # ---- the loop

    def dispatch(self) -> int:
        """Run the loop until nothing is pending, or somebody ends it; `loop` without flags."""
        return self.loop()

    def loop(self, flags: int = 0) -> int:
        """Wait for events and call their callbacks; return 1 when none was pending any more, 0 when ended otherwise.

        Parameters
        ----------
        flags
            EVLOOP_ONCE: return when events were active and their callbacks have run. EVLOOP_NONBLOCK: do not wait;
            return when nothing is active. EVLOOP_NO_EXIT_ON_EMPTY: wait on although no event is pending, until
            `loopexit`, `loopbreak` or an exception.

        Raises
        ------
        RuntimeError
            The loop runs already; or the base was freed, or inherited by a fork.
        OSError
            libevent's way to wait fails.
        BaseException
            What a callback raised, or a Python signal handler, such as KeyboardInterrupt: the loop ends at once. What
            was active then is called by the next loop.
        """
        self.check()
        if self.thread is not None:
            raise RuntimeError("this EventBase's loop runs already; its callbacks cannot run it once more")
        try:
            return self.run(flags)
        finally:
            if self._ending:
                self.free()

    def loopbreak(self) -> None:
        """End the running loop after the callback that is being called. Does nothing when no loop runs."""
        if self.foreign:
            self.post(self.loopbreak)
            return
        self.check()
        if self.thread is not None:
            self.broken = True
            lib.event_base_loopbreak(self.pointer)

    def loopexit(self, timeout: float | None = None) -> None:
        """End the loop, this one or the next, when the active callbacks have run.

        Parameters
        ----------
        timeout
            After so many seconds; None or 0: in the turn that is being run, or comes next.
        """
        value = timeval(timeout)
        if self.foreign:
            self.post(self.loopexit, timeout)
            return
        self.check()
        if lib.event_base_loopexit(self.pointer, value) != 0:
            raise OSError(ffi.errno, f"event_base_loopexit: {os.strerror(ffi.errno)}")

    def got_exit(self) -> bool:
        """Return whether this loop, or the last one, was ended by `loopexit`."""
        self.check()
        return self.exited or (self.thread is not None and bool(lib.event_base_got_exit(self.pointer)))

    def got_break(self) -> bool:
        """Return whether this loop, or the last one, was ended by `loopbreak` or an exception."""
        self.check()
        return self.broken or (self.thread is not None and bool(lib.event_base_got_break(self.pointer)))

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        """Let the loop call `callback(*args)` in its thread, the running loop or the next one; any thread may ask.

        Raises RuntimeError when the base was freed, or inherited by a fork.
        """
        if self.lost:
            raise RuntimeError("post(): this EventBase was freed, or inherited by a fork")
        self.wakeup.call(callback, args)

    # ---- sockets, priorities, forks

    def touched(self, socket: Any) -> None:
        """Somebody used a stock pyzmq socket behind this base's back: look at it again.

        Not needed for what callbacks of this base do, or what is done before the loop begins; nor for mqbridge sockets.
        """
        self.check()
        for watched in list(self.watched.values()):
            if watched.socket is socket or (watched.shared and shares_its_edge(socket)):
                watched.touched()

    @property
    def method(self) -> str:
        """What libevent waits with: epoll, poll, select, ..."""
        self.check()
        return bytes(ffi.string(lib.event_base_get_method(self.pointer))).decode()

    @property
    def priorities(self) -> int:
        """How many priorities there are: 1, unless `priority_init` said otherwise."""
        self.check()
        return int(lib.event_base_get_npriorities(self.pointer))

    def priority_init(self, priorities: int) -> None:
        """Have priorities 0 (called first) to `priorities` - 1; an event begins in the middle.

        While events of one priority are active, those of the next are not called. Raises ValueError unless it is 1 to
        255, RuntimeError when events were made before.
        """
        self.check()
        if self.has_events:
            raise RuntimeError("priority_init(): call it before the base's first Event is made")
        if not 0 < priorities < 256 or lib.event_base_priority_init(self.pointer, priorities) != 0:
            raise ValueError(f"priority_init({priorities!r}): give 1 to 255")

    def reinit(self) -> None:
        """Make an inherited base the forked child's own; its files, signals and timers stay pending.

        ZeroMQ sockets do not survive a fork: their events are not pending any more, and their callbacks not called.
        Raises RuntimeError when the base was freed, OSError if libevent cannot do it.
        """
        if not self.pointer:
            raise RuntimeError("reinit(): this EventBase was freed")
        self.adopt()
        self.wakeup.renew()
        for event in list(self.held):
            if event.watched is not None:
                event.delete()
        self.tidy()

    def free(self) -> None:
        """Free the base and all its events. Sockets and files stay open. May be called again, and by its callbacks.

        Called by a callback it ends the loop, and takes effect when that has ended. Raises RuntimeError when the loop
        runs in another thread.
        """
        if not self.pointer:
            return
        if self.lost:
            # Made ours first, so that the parent, with which we share its descriptors, is not disturbed.
            self.adopt()
        self.check()
        if self.thread is not None:
            self._ending = True
            self.loopbreak()
            return
        for view in self.end():
            view.close()

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # At the interpreter's end all is closed with the process; and what a child has inherited is not its own.
        if not finalizing() and not self.lost:
            # A socket may be in use at this very moment, by whom the collector has interrupted.
            orphans.extend(self.end())
