"""The driver: one per socket; what is done with a message, a wait, a look.

Whoever is in the socket drives it: a thread inside send, recv or poll, a loop that reads EVENTS, or the caretaker.
There is no other thread behind it. What is due whoever comes is in `upkeep.py`, who has to be told of it in
`wakeups.py`.
"""

import errno
from typing import Any

from mqbridge import _sys
from mqbridge.engine.upkeep import Upkeep
from mqbridge.errors import Again, ZMQError
from mqbridge.patterns.pattern import Pattern
from mqbridge.pipes.pipe import Pipe

POLLIN = 1
POLLOUT = 2

_MILLISECOND = 1_000_000
# A thread that only ever finds work in its queues looks at the network after this many operations all the same.
_LOOK_EVERY = 1024

# Of many messages so many are sent or received before others may have the lock, and the GIL.
_AT_ONCE = 1024

FROM_OPTIONS = -2


class Driver(Upkeep):
    """The engine's side of a socket. `engine` is the context's; `options` are read when they matter."""

    __slots__ = ("more", "_incoming", "_outgoing", "__weakref__")

    def __init__(self, engine: Any, pattern: Pattern, options: Any) -> None:
        Upkeep.__init__(self, engine, pattern, options)
        # The last part received has more parts behind it.
        self.more = False
        self._incoming: list[bytes] | None = None
        self._outgoing: list[bytes] | None = None

    # ---- sending

    def send(self, part: bytes, more: bool, timeout: int, view: Any) -> None:
        """Send one part; the last one sends the message. `timeout` is in ms, -1 for ever, FROM_OPTIONS as set."""
        self.enter()
        try:
            if self._incoming is not None:
                self._send_amid_receiving()
            if not self.dirty:
                self._catch_up()
            if more or self._outgoing is not None:
                self._send_in_parts(part, more, timeout, view)
            else:
                if self.pattern.send(part) is None:
                    self._send_slowly(part, timeout, view)
                self._since_look += 1
                if self._since_look >= _LOOK_EVERY:
                    self._look()
        finally:
            self.leave()

    def send_whole(self, message: object, timeout: int, view: Any) -> None:
        """Send a whole message: bytes or a tuple of at least two."""
        self.enter()
        try:
            self._send_message(message, timeout, view)
        finally:
            self.leave()

    def _send_message(self, message: object, timeout: int, view: Any) -> None:
        if self._incoming is not None:
            self._send_amid_receiving()
        if not self.dirty:
            self._catch_up()
        if self._outgoing is not None:
            message = (*self._outgoing, *((message,) if type(message) is bytes else message))  # type: ignore[misc]
            self._complete(message, timeout, view)
        elif self.pattern.send(message) is None:
            self._send_slowly(message, timeout, view)
        self._since_look += 1
        if self._since_look >= _LOOK_EVERY:
            self._look()

    def send_many(self, messages: list[Any], timeout: int, view: Any) -> int:
        """Send whole messages in turn; return how many were, until one would block or fail. The first one raises."""
        count = 0
        while True:
            self.enter()
            try:
                if not self.dirty:
                    self._catch_up()
                some = messages[count : count + _AT_ONCE] if len(messages) > _AT_ONCE else messages
                for message in some:
                    if self._incoming is None and self._outgoing is None and self.pattern.send(message) is not None:
                        count += 1
                        continue
                    self._send_message(message, timeout, view)
                    count += 1
            except ZMQError:
                if count == 0:
                    raise
                return count
            finally:
                self.leave()
            if count == len(messages):
                return count
            _sys.breathe()

    def _send_amid_receiving(self) -> None:
        """A message is not received to its end; only then it is a lock-step pattern's turn to send."""
        if not self.pattern.lock_step:
            return
        if not self.options.req_relaxed:
            self.pattern.out_of_turn("send", "receive the message to its last part first")
        self._incoming = None
        self.more = False

    def _send_in_parts(self, part: bytes, more: bool, timeout: int, view: Any) -> None:
        if self._outgoing is None:
            # The first part finds out what the whole message would meet.
            self.pattern.check_send()
            self.pattern.check_first(part)
            if not self.pattern.ready_out():
                self._await_room(timeout, view)
            self._outgoing = [part]
            return
        if more:
            self._outgoing.append(part)
            return
        self._complete((*self._outgoing, part), timeout, view)

    def _complete(self, message: object, timeout: int, view: Any) -> None:
        """Send a message that was begun in parts. After Again its last part can be sent once more."""
        try:
            if self.pattern.send(message) is None:
                self._send_slowly(message, timeout, view)
        except Again:
            raise
        except ZMQError:
            self._outgoing = None
            raise
        self._outgoing = None

    def forget_parts(self) -> None:
        """The socket is closed: a message that was begun in parts will not be sent. The caller holds the lock."""
        self._outgoing = None

    def _await_room(self, timeout: int, view: Any) -> None:
        until = self._until(timeout, self.options.sndtimeo)
        while not self.pattern.ready_out():
            self._wait_or_raise(False, until, view, "send")

    def _send_slowly(self, message: object, timeout: int, view: Any) -> None:
        until = self._until(timeout, self.options.sndtimeo)
        while self.pattern.send(message) is None:
            expired = self._wait_or_raise(False, until, view, "send")
            if expired:
                # Room for some message is not room for this one: it may be for one certain peer.
                if self.pattern.send(message) is None:
                    self._raise_again("send", until)
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

    def receive_now(self, view: Any) -> bytes | None:
        """Receive one part if one is there, as `receive` with a time-out of 0; None where that raises Again."""
        self.enter()
        try:
            if self._incoming is None:
                message = self._take()
                if message is None:
                    self._wait_or_raise(True, 0, view, "recv")
                    message = self.pattern.receive()
                if message is None:
                    return None
                if type(message) is bytes:
                    self.more = False
                    return message
                self._incoming = list(message)  # type: ignore[call-overload]
            return self._next_part()
        finally:
            self.leave()

    def _receive_part(self, timeout: int, view: Any) -> bytes:
        if self._incoming is not None:
            return self._next_part()
        message = self._receive(timeout, view)
        if type(message) is bytes:
            self.more = False
            return message
        self._incoming = list(message)  # type: ignore[call-overload]
        return self._next_part()

    def receive_from(self, whole: bool, timeout: int, view: Any) -> tuple[list[bytes], bool, Pipe | None]:
        """Receive one part or a whole message; return the parts, whether more follow, and the pipe they came by."""
        self.enter()
        try:
            parts = [self._receive_part(timeout, view)]
            while whole and self.more:
                parts.append(self._next_part())
            return parts, self.more, self.pattern.last
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

    def receive_many(self, most: int, timeout: int, view: Any) -> list[Any]:
        """Receive whole messages, as many as are there, at least one and at most `most`."""
        message: Any = self.receive_whole(timeout, view)
        found: list[Any] = [message if type(message) is bytes else list(message)]
        while len(found) < most and not self.pattern.lock_step:
            room = most - len(found)
            taken = self._take_many(found, room if room < _AT_ONCE else _AT_ONCE)
            if not taken:
                break
            if len(found) < most:
                _sys.breathe()
        return found

    def _take_many(self, found: list[Any], most: int) -> bool:
        """Add at most `most` messages that are there to `found`; return whether there may be more."""
        self.lock.acquire()
        try:
            # Whatever is wrong now is for the next call to say: what has been taken is not lost.
            if self.stopped:
                return False
            while most > 0:
                message = self.pattern.receive()
                if message is None:
                    self._look()
                    message = self.pattern.receive()
                    if message is None:
                        return False
                found.append(message if type(message) is bytes else list(message))  # type: ignore[call-overload]
                most -= 1
            return True
        finally:
            self.leave()

    def _next_part(self) -> bytes:
        parts: Any = self._incoming
        part: bytes = parts.pop(0)
        self.more = len(parts) > 0
        if not parts:
            self._incoming = None
        return part

    def _take(self) -> object:
        """Return a whole message that is there already; None if none is."""
        if self.dirty:
            self.flush()
        if self._outgoing is not None and self.pattern.lock_step:
            self.pattern.out_of_turn("recv", "send the message to its last part first")
        message = self.pattern.receive()
        if message is not None:
            self._since_look += 1
            if self._since_look >= _LOOK_EVERY:
                self._look()
        return message

    def _receive(self, timeout: int, view: Any) -> object:
        message = self._take()
        return self._receive_slowly(timeout, view) if message is None else message

    def _receive_slowly(self, timeout: int, view: Any) -> object:
        until = self._until(timeout, self.options.rcvtimeo)
        while True:
            expired = self._wait_or_raise(True, until, view, "recv")
            message = self.pattern.receive()
            if message is not None:
                return message
            if expired:
                self._raise_again("recv", until)

    def subscribe(self, topic: bytes, add: bool) -> None:
        """Ask for a topic, or no longer."""
        self.enter()
        try:
            self.pattern.subscribe(topic, add)
            self.flush()
        finally:
            self.leave()

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
                    if view is not None and view.kept != self.news and self._ready_in():
                        # Who sends has learnt nothing about reading, and somebody may be waiting for just that (P2).
                        # Once for all that has come: a loop that only tries to send must not spin (P10).
                        view.kept = self.news
                        view.signaler.signal()
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

    def glance(self, view: Any) -> bool:
        """Stay awake for a moment if a message is likely to come in it; return whether one has.

        What this finds is no news for `view` (None: for all), whose owner is here and sleeps on nothing.
        """
        if not self.pollset.expects():
            return False
        self.enter()
        try:
            self._sleep(True, 0, True)
            if view is not None:
                self.heard(view)
            return self._ready_in()
        finally:
            self.leave()

    def _sleep(self, reading: bool, timeout: int, briefly: bool = False) -> None:
        """Sleep until something happens and do what is due. The lock is held before and after, not while asleep.

        If this is brief, it is a moment, and awake.
        """
        ready: list[int] = []
        if self.dirty:
            self.flush()
        self._in_waiters += reading
        self._out_waiters += not reading
        self.waiters += 1
        try:
            self.leave()
            ready = self.pollset.glance() if briefly else self.pollset.wait(timeout)
        finally:
            # Interpreted, a signal handler's exception may strike here, too, and before the lock was given back.
            try:
                if not self.lock.held():
                    self.lock.acquire()
            finally:
                # A child that a signal handler forked meanwhile has none.
                if self.waiters > 0:
                    self._in_waiters -= reading
                    self._out_waiters -= not reading
                    self.waiters -= 1
            self._finish_if_last()
        if self.stopped:
            # The caller's `finally` releases the lock.
            self._refuse()
        self._since_look = 0
        self.visits += 1
        self.pollset.dispatch(ready)

    def _finish_if_last(self) -> None:
        if self.closing:
            # The last one out lets go of the pollset that all were asleep on.
            self.engine.finish_if_done(self)

    def begin_wait(self, mask: int, waiting: list[tuple[Any, int]]) -> int:
        """For a poller: return what is ready of `mask`; or note this and the mask in `waiting`, and return 0.

        After a 0 the poller sleeps on `pollset.fd`, and then calls `end_wait` of the last one in `waiting`, for each.
        """
        # An enumeration's `&` is made of many steps, interpreted.
        mask = int(mask)
        self.enter()
        try:
            found = self._events() & mask
            if not found:
                # Nothing comes between these, nor in `end_wait`: what is noted is so, whatever strikes.
                self._in_waiters += mask & POLLIN != 0
                self._out_waiters += mask & POLLOUT != 0
                self.waiters += 1
                waiting.append((self, mask))
            return found
        finally:
            self.leave()

    def end_wait(self, waiting: list[tuple[Any, int]]) -> None:
        """Take back the last one of those that are noted, which is this one's."""
        mask: int = waiting[-1][1]
        self.lock.acquire()
        try:
            if self.waiters > 0:
                self._in_waiters -= mask & POLLIN != 0
                self._out_waiters -= mask & POLLOUT != 0
                self.waiters -= 1
            waiting.pop()
            self._finish_if_last()
        finally:
            self.leave()

    # ---- readiness

    def _ready_in(self) -> bool:
        return self._incoming is not None or self.pattern.ready_in()

    def _ready_out(self) -> bool:
        if self._incoming is not None and self.pattern.lock_step and not self.options.req_relaxed:
            return False
        return self.pattern.ready_out()

    def _events(self) -> int:
        self.process()
        found = 0
        if self._ready_in():
            found = POLLIN
        if self._ready_out():
            found |= POLLOUT
        return found

    def events(self, view: Any, expectant: bool = False) -> int:
        """Do what is due and return POLLIN | POLLOUT; clears the edge of `view`, which may be None.

        If it is `expectant`, and not None, it is awake for a moment before it says that no message is there.
        """
        self.enter()
        try:
            if view is None:
                return self._events()
            if view.fileno() < 0:
                raise ZMQError(errno.ENOTSOCK, "this view of the socket is closed")
            view.signaler.clear()
            found = self._events()
            if expectant and not found & POLLIN and self.pollset.expects():
                self.heard(view)
                self._sleep(True, 0, True)
                found = self._events()
            self.heard(view)
            return found
        finally:
            self.leave()
