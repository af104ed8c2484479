"""The driver: one per socket; holds its lock, its pollset, its waiters and its views.

Whoever is in the socket drives it: a thread inside send, recv or poll, a loop that reads EVENTS, or the caretaker.
There is no other thread behind it, so the rules that keep every sleeper informed are all here:

- All state is changed under `lock`, which is never held while waiting and under which no foreign code runs.
- `changed` is set by whatever makes a queue non-empty or gives a full one room. Before the lock is released, `_tell`
  passes that on: to views by their eventfd, to levels, and to threads that sleep on the pollset by its own signal.
- A thread registers as waiter, has then looked once more (it holds the lock all the while), and sleeps on the pollset.
  What wakes it is either input or output that is due, which it does itself, or the signal of whoever did it first.
- What other sockets have to say (inproc) and what helper threads found comes as letters, whose descriptor is in the
  pollset like any other.
"""

import errno
from typing import Any

from mqbridge import _sys
from mqbridge.constants import Errno
from mqbridge.engine.pollset import Pollset
from mqbridge.engine.timers import Timers
from mqbridge.engine.views import Level, View
from mqbridge.errors import Again, ContextTerminated, ZMQError
from mqbridge.pipes.pipe import ATTACHED, ENDED, READABLE, WRITABLE, Pipe
from mqbridge.pipes.signaler import Mailbox

POLLIN = 1
POLLOUT = 2
# A letter that carries a call to make under the lock.
CALL = 16

_MILLISECOND = 1_000_000
# A thread that only ever finds work in its queues looks at the network after this many operations all the same.
_LOOK_EVERY = 1024

FROM_OPTIONS = -2


class Driver:
    """The engine's side of a socket. `engine` is the context's; `options` are read when they matter."""

    __slots__ = (
        "engine",
        "options",
        "pattern",
        "lock",
        "pollset",
        "mailbox",
        "timers",
        "pipes",
        "links",
        "endpoints",
        "last_endpoint",
        "dirty",
        "last_write",
        "visits",
        "waiters",
        "attached",
        "changed",
        "unfinished",
        "stopped",
        "closing",
        "gathers",
        "sink",
        "more",
        "_incoming",
        "_outgoing",
        "_views",
        "_recv_level",
        "_send_level",
        "_in_waiters",
        "_out_waiters",
        "_observed",
        "_since_look",
        "__weakref__",
    )

    def __init__(self, engine: Any, pattern: Any, options: Any) -> None:
        self.engine = engine
        self.options = options
        self.pattern = pattern
        self.lock = _sys.Lock()
        self.pollset = Pollset()
        self.mailbox = Mailbox()
        self.pollset.watch(self.mailbox.signaler.fd, _sys.READ, self)
        self.timers = Timers(self.pollset)
        self.pipes: set[Pipe] = set()
        self.links: set[Any] = set()
        # Endpoint text -> listeners and connectors.
        self.endpoints: dict[str, list[Any]] = {}
        self.last_endpoint = ""
        # Links with a batch that is not written yet.
        self.dirty: list[Any] = []
        # When the last send returned, in ns.
        self.last_write = 0
        # How often somebody looked at the pollset; the caretaker leaves a visited socket alone.
        self.visits = 0
        # Threads asleep on the pollset.
        self.waiters = 0
        # A loop watches this socket: a view was handed out.
        self.attached = False
        self.changed = False
        # A link stopped reading before it had seen the end of what is there.
        self.unfinished = False
        # The errno that every operation fails with: the socket was closed, or its context terminated.
        self.stopped = 0
        self.closing = False
        # Batches may wait: somebody writes them if nobody comes (the flusher or the caretaker).
        self.gathers = not pattern.lock_step and engine.flushes
        # Told of connections that come and go; see `emit`.
        self.sink: Any = None
        # The last part received has more parts behind it.
        self.more = False
        self._incoming: list[bytes] | None = None
        self._outgoing: list[bytes] | None = None
        self._views: list[View] = []
        self._recv_level: Level | None = None
        self._send_level: Level | None = None
        self._in_waiters = 0
        self._out_waiters = 0
        self._observed = 0
        self._since_look = 0

    # ---- the lock

    def enter(self) -> None:
        """Take the lock; raises if the socket is closed or its context terminated."""
        self.lock.acquire()
        if self.stopped:
            self.lock.release()
            self._refuse()

    def leave(self) -> None:
        """Tell those who wait, and release the lock."""
        if self._observed:
            self._tell()
        self.lock.release()

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
            for view in self._views:
                view.signaler.signal()
        if self.waiters:
            if (
                self.stopped
                or (self._in_waiters and self._ready_in())
                or (self._out_waiters and self.pattern.ready_out())
            ):
                self.mailbox.signaler.signal()
        if self._recv_level is not None:
            self._recv_level.show(self._ready_in())
        if self._send_level is not None:
            self._send_level.show(self.pattern.ready_out())

    def _ready_in(self) -> bool:
        return self._incoming is not None or self.pattern.ready_in()

    # ---- input and output that is due

    def process(self) -> None:
        """Do what is due now, in one bounded pass. The caller holds the lock."""
        self._since_look = 0
        self.visits += 1
        if self.dirty:
            self.flush()
        self.pollset.dispatch(self.pollset.wait(0))
        if self.closing:
            self.engine.finish_if_done(self)

    def flush(self) -> None:
        """Write all batches. The caller holds the lock."""
        dirty = self.dirty
        self.dirty = []
        for link in dirty:
            link.flush_batch()

    def _look_sometimes(self) -> None:
        self._since_look += 1
        if self._since_look >= _LOOK_EVERY:
            # Not `process`: a batch that gathers goes on gathering.
            self._since_look = 0
            self.visits += 1
            self.pollset.dispatch(self.pollset.wait(0))

    def drive(self) -> bool:
        """Do what is due for a socket that nobody visits; False if somebody is in it."""
        if not self.lock.try_acquire():
            return False
        try:
            if self.pollset.fd >= 0:
                self.process()
                if not _sys.HAS_TIMERFD:
                    self.timers.expire()
        finally:
            self.leave()
        return True

    def flush_if_free(self) -> bool:
        """Write all batches; False if somebody is in the socket."""
        if not self.lock.try_acquire():
            return False
        try:
            self.flush()
        finally:
            self.leave()
        return True

    def ready(self, mask: int) -> None:
        """Letters have come (or somebody only wanted to wake a sleeper)."""
        about: Any
        for what, about in self.mailbox.collect():
            if what == READABLE:
                self.pattern.readable(about)
            elif what == WRITABLE:
                if not about.outbound.full():
                    self.pattern.writable(about)
            elif what == ATTACHED:
                self.attach(about)
            elif what == ENDED:
                self.end(about)
            elif what == CALL:
                about()
            self.changed = True

    def attach(self, pipe: Pipe) -> bool:
        """Give the pattern a new pipe; False if it has no place for it."""
        if self.closing or not self.pattern.attach(pipe):
            outlet: Any = pipe.outlet
            if outlet is not None:
                outlet.end()
            return False
        self.pipes.add(pipe)
        self.changed = True
        return True

    def end(self, pipe: Pipe) -> None:
        """A peer is gone; what it sent stays readable."""
        pipe.ended = True
        if pipe in self.pipes:
            self.pipes.discard(pipe)
            self.pattern.ended(pipe)
            self.changed = True

    def emit(self, event: int, endpoint: str, value: object) -> None:
        """Report what happened to a connection: `value` is an errno, a descriptor or a text, as the event has it."""
        if self.sink is not None:
            self.sink(event, endpoint, value)

    # ---- sending

    def send(self, part: bytes, more: bool, timeout: int, view: Any) -> None:
        """Send one part; the last one sends the message. `timeout` is in ms, -1 for ever, FROM_OPTIONS as set."""
        self.enter()
        try:
            if more or self._outgoing is not None:
                self._send_in_parts(part, more, timeout, view)
            else:
                if self.pattern.send(part) is None:
                    self._send_slowly(part, timeout, view)
                self._look_sometimes()
        finally:
            self.leave()

    def send_whole(self, message: object, timeout: int, view: Any) -> None:
        """Send a whole message: bytes or a tuple of at least two."""
        self.enter()
        try:
            if self._outgoing is not None:
                message = (*self._outgoing, *((message,) if type(message) is bytes else message))  # type: ignore[misc]
            if self.pattern.send(message) is None:
                self._send_slowly(message, timeout, view)
            self._outgoing = None
            self._look_sometimes()
        finally:
            self.leave()

    def _send_in_parts(self, part: bytes, more: bool, timeout: int, view: Any) -> None:
        if self._outgoing is None:
            # The first part finds out what the whole message would meet.
            self.pattern.check_send()
            if not self.pattern.ready_out():
                self._await_room(timeout, view)
            self._outgoing = [part]
            return
        if more:
            self._outgoing.append(part)
            return
        message = (*self._outgoing, part)
        if self.pattern.send(message) is None:
            self._send_slowly(message, timeout, view)
        self._outgoing = None

    def _await_room(self, timeout: int, view: Any) -> None:
        until = self._until(timeout, self.options.sndtimeo)
        while not self.pattern.ready_out():
            self._wait_or_raise(False, until, view, "send")

    def _send_slowly(self, message: object, timeout: int, view: Any) -> None:
        until = self._until(timeout, self.options.sndtimeo)
        while self.pattern.send(message) is None:
            if self._wait_or_raise(False, until, view, "send") and self.pattern.send(message) is not None:
                return

    # ---- receiving

    def receive(self, timeout: int, view: Any) -> bytes:
        """Receive one part; `more` says whether others follow. `timeout` is in ms, -1 for ever, FROM_OPTIONS as set."""
        self.enter()
        try:
            if self._incoming is not None:
                return self._next_part()
            message = self._receive(timeout, view)
            if type(message) is bytes:
                self.more = False
                return message
            self._incoming = list(message)  # type: ignore[call-overload]
            return self._next_part()
        finally:
            self.leave()

    def receive_whole(self, timeout: int, view: Any) -> object:
        """Receive a whole message, or what is left of one begun: bytes, or a tuple or list of them."""
        self.enter()
        try:
            self.more = False
            if self._incoming is not None:
                parts = self._incoming
                self._incoming = None
                return parts
            return self._receive(timeout, view)
        finally:
            self.leave()

    def _next_part(self) -> bytes:
        parts: Any = self._incoming
        part: bytes = parts.pop(0)
        self.more = len(parts) > 0
        if not parts:
            self._incoming = None
        return part

    def _receive(self, timeout: int, view: Any) -> object:
        if self.dirty:
            self.flush()
        message = self.pattern.receive()
        if message is None:
            return self._receive_slowly(timeout, view)
        self._look_sometimes()
        return message

    def _receive_slowly(self, timeout: int, view: Any) -> object:
        until = self._until(timeout, self.options.rcvtimeo)
        while True:
            expired = self._wait_or_raise(True, until, view, "recv")
            message = self.pattern.receive()
            if message is not None:
                return message
            if expired:
                self._raise_again("recv", until)

    # ---- waiting

    def _until(self, timeout: int, default: int) -> int:
        """Return when to give up, in ns: 0 for at once, -1 for never."""
        if timeout == FROM_OPTIONS:
            timeout = default
        if timeout <= 0:
            return timeout
        return _sys.clock() + timeout * _MILLISECOND

    def _wait_or_raise(self, reading: bool, until: int, view: Any, operation: str) -> bool:
        """Wait for something to happen and do it; True if that was the last attempt before Again."""
        remaining = -1
        if until >= 0:
            remaining = until - _sys.clock() if until else 0
            if remaining <= 0:
                # The edge is cleared before the last look, so that what comes after the look makes a new one.
                if view is not None:
                    view.signaler.clear()
                self.process()
                if reading:
                    return True
                if not self.pattern.ready_out():
                    self._raise_again(operation, until)
                return True
        self._sleep(reading, remaining)
        return False

    def _raise_again(self, operation: str, until: int) -> None:
        if until == 0:
            raise Again(errno.EAGAIN, f"{operation}(): would block: " + self._reason(operation))
        raise Again(errno.EAGAIN, f"{operation}(): timed out: " + self._reason(operation))

    def _reason(self, operation: str) -> str:
        if operation == "recv":
            return "no message has come"
        if not self.pipes:
            return "there is no peer"
        return "every peer is at its high-water mark"

    def _sleep(self, reading: bool, timeout: int) -> None:
        """Sleep until something happens and do what is due. The lock is held before and after, not while asleep."""
        ready: list[int] = []
        if self.dirty:
            self.flush()
        self._wait_begins(reading, not reading)
        self.leave()
        try:
            ready = self.pollset.wait(timeout)
        finally:
            self.lock.acquire()
            self._wait_ends(reading, not reading)
        if self.stopped:
            # The caller's `finally` releases the lock.
            self._refuse()
        self._since_look = 0
        self.visits += 1
        self.pollset.dispatch(ready)

    def _wait_begins(self, reading: bool, writing: bool) -> None:
        self._in_waiters += reading
        self._out_waiters += writing
        self.waiters += 1
        self._observed += 1

    def _wait_ends(self, reading: bool, writing: bool) -> None:
        self._in_waiters -= reading
        self._out_waiters -= writing
        self.waiters -= 1
        self._observed -= 1
        if self.closing:
            # The last one out lets go of the pollset that all were asleep on.
            self.engine.finish_if_done(self)

    def begin_wait(self, mask: int) -> int:
        """For a poller: return what is ready of `mask`, or register as waiter and return 0.

        After a 0 the poller sleeps on `pollset.fd` and then calls `end_wait` with the same mask.
        """
        self.enter()
        try:
            found = self._events() & mask
            if not found:
                self._wait_begins(mask & POLLIN != 0, mask & POLLOUT != 0)
            return found
        finally:
            self.leave()

    def end_wait(self, mask: int) -> None:
        """Take back a `begin_wait` that returned 0."""
        self.lock.acquire()
        self._wait_ends(mask & POLLIN != 0, mask & POLLOUT != 0)
        self.leave()

    # ---- readiness

    def _events(self) -> int:
        self.process()
        found = 0
        if self._ready_in():
            found = POLLIN
        if self.pattern.ready_out():
            found |= POLLOUT
        return found

    def events(self, view: Any) -> int:
        """Do what is due and return POLLIN | POLLOUT; clears the edge of `view`, which may be None."""
        self.enter()
        try:
            if view is None:
                return self._events()
            if view.fileno() < 0:
                raise ZMQError(errno.ENOTSOCK, "this view of the socket is closed")
            view.signaler.clear()
            found = self._events()
            if self.changed and not self.unfinished:
                # This view has just been told; the others are by the eventfd.
                self.changed = False
                for other in self._views:
                    if other is not view:
                        other.signaler.signal()
            return found
        finally:
            self.leave()

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

    def drop_view(self, view: View) -> None:
        """Close a view."""
        self.lock.acquire()
        try:
            if view in self._views:
                self._views.remove(view)
                self._observed -= 1
                self.attached = bool(self._views)
                view.shut(-1 if self.stopped == errno.ECHILD else self.pollset.fd)
            else:
                # The socket is closed, and has parted from it.
                view.shut(-1)
        finally:
            self.leave()

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

    # ---- the end

    def stop(self, error: int) -> None:
        """Let every operation fail with `error` from now on, and wake all who wait."""
        self.lock.acquire()
        self._stop(error)
        self.leave()

    def _stop(self, error: int) -> None:
        if not self.stopped:
            self.stopped = error
        self.changed = True
        if self.waiters:
            self.mailbox.signaler.signal()

    def forked(self) -> None:
        """This is a copy in a forked child: it can only be closed."""
        self.lock = _sys.Lock()
        self.stopped = errno.ECHILD
        self.waiters = self._in_waiters = self._out_waiters = 0
        self._observed = 0

    def shut_windows(self, forked: bool) -> None:
        """Close the views and levels. The caller holds the lock."""
        pollset = -1 if forked else self.pollset.fd
        for view in self._views:
            if view.outlives and not forked:
                view.part(pollset)
            else:
                view.shut(pollset)
        self._views = []
        for level in (self._recv_level, self._send_level):
            if level is not None:
                level.shut(pollset)
        self._recv_level = self._send_level = None
        self._observed = self.waiters
        self.attached = False
