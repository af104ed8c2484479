"""What is done for a socket whoever is in it: input and output that is due, letters, and peers that come and go.

What other sockets have to say (inproc) and what helper threads found comes as letters, whose descriptor is in the
pollset like any other. Sending and receiving are in `driver.py`; who has to be told of what is done, in `wakeups.py`.
"""

import errno
from typing import Any

from mqbridge import _sys
from mqbridge.engine import notices
from mqbridge.engine.ledger import Ledger
from mqbridge.engine.timers import Timers
from mqbridge.engine.wakeups import Wakeups
from mqbridge.patterns.pattern import Pattern
from mqbridge.pipes.pipe import ATTACHED, ENDED, READABLE, WRITABLE, Crossing, Pipe
from mqbridge.zmtp.frames import Encoder, FanOut

# A letter that carries a call to make under the lock.
CALL = 16

# A sender between two batches looks at what has come at most so often, in ns.
_CATCHES_UP_EVERY = 1_000_000


class Upkeep(Wakeups):
    """The base of a driver. `engine` is the context's; `options` are read when they matter."""

    __slots__ = (
        "engine",
        "options",
        "pattern",
        "encoder",
        "timers",
        "pipes",
        "links",
        "endpoints",
        "departing",
        "last_endpoint",
        "dirty",
        "last_write",
        "visits",
        "closing",
        "gathers",
        "sinks",
        "ledger",
        "_since_look",
        "_caught_up",
    )

    def __init__(self, engine: Any, pattern: Pattern, options: Any) -> None:
        Wakeups.__init__(self)
        self.engine = engine
        self.options = options
        self.pattern: Pattern = pattern
        pattern.options = options
        pattern.prepare(options)
        # All connections' messages become frames by it.
        self.encoder = FanOut() if pattern.fans_out else Encoder()
        self.pollset.watch(self.mailbox.signaler.fd, _sys.READ, self)
        self.timers = Timers(self.pollset)
        self.pipes: set[Pipe] = set()
        self.links: set[Any] = set()
        # Endpoint text -> listeners and connectors.
        self.endpoints: dict[str, list[Any]] = {}
        # Connectors that were disconnected and still write what is left.
        self.departing: list[Any] = []
        self.last_endpoint = ""
        # Links with a batch that is not written yet.
        self.dirty: list[Any] = []
        # When the last send returned, in ns.
        self.last_write = 0
        # How often somebody looked at the pollset; the caretaker leaves a visited socket alone.
        self.visits = 0
        self.closing = False
        # Batches may wait: somebody writes them if nobody comes (the flusher or the caretaker).
        self.gathers = not pattern.lock_step and engine.flushes
        # Told of connections that come and go; see `emit`.
        self.sinks: list[Any] = []
        # What came by and went to peers that are gone.
        self.ledger = Ledger()
        self._since_look = 0
        # When a send last looked at what had come before it, in ns.
        self._caught_up = 0

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

    def _look(self) -> None:
        """Look at the network between two operations. Not `process`: a batch that gathers goes on gathering."""
        self._since_look = 0
        self.visits += 1
        self.pollset.dispatch(self.pollset.wait(0))

    def _catch_up(self) -> None:
        """What came before a send counts for it: that peers by inproc have left, and for a publisher subscriptions.

        For a socket that is not in the middle of a batch, at most every millisecond; libzmq keeps it likewise.
        """
        now = _sys.clock()
        if now - self._caught_up > _CATCHES_UP_EVERY:
            self._caught_up = now
            if self.pattern.fans_out:
                self.process()
            else:
                self.ready(0)

    def operations(self) -> int:
        """Return how many operations were made since the last visit."""
        return self._since_look

    def drive(self) -> bool:
        """Do what is due for a socket that nobody visits; False if somebody is in it."""
        if not self.lock.try_acquire():
            return False
        try:
            # In a forked child its descriptors are the parent's (P35).
            if self.pollset.fd >= 0 and self.stopped != errno.ECHILD:
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
                # Asking also says once more that we wait, should it be full again already (P8).
                if about.can_write():
                    self.pattern.writable(about)
            elif what == ATTACHED:
                self.attach(about)
            elif what == ENDED:
                notices.left(self, about)
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
        former = self.pattern.displaced
        if former is not None:
            self.pattern.displaced = None
            gone: Any = former.outlet
            if gone is not None:
                gone.end()
            # Who dials anew writes on, by the same pipe.
            self.end(former, not isinstance(gone, Crossing))
        self.changed = True
        return True

    def marks_changed(self) -> None:
        """SNDHWM or RCVHWM were set: they hold for the peers that are there, too. Whoever waits for room may get it."""
        self.enter()
        try:
            for pipe in list(self.pipes):
                pipe.set_marks(self.options.rcvhwm, self.options.sndhwm)
                inbound, outbound = pipe.inbound, pipe.outbound
                outlet: Any = pipe.outlet
                if inbound.writer_sleeps and inbound.low() and outlet is not None:
                    outlet.resume(pipe)
                if outbound.writer_sleeps and not outbound.full():
                    outbound.writer_sleeps = False
                    self.pattern.writable(pipe)
            self.changed = True
        finally:
            self.leave()

    def end(self, pipe: Pipe, writes: bool = False) -> None:
        """A peer is gone; what it sent stays readable. If this side `writes` on what it is to get, once more then."""
        pipe.ended = True
        if pipe in self.pipes:
            self.pipes.discard(pipe)
            self.ledger.pipe_ended(pipe)
            self.pattern.ended(pipe)
            self.changed = True
        if not writes:
            pipe.drop()

    def made(self) -> list[Any]:
        """Return all that this socket has bound and connected, and what is left of what it has disconnected."""
        return [item for items in self.endpoints.values() for item in items] + self.departing

    def emit(self, event: int, endpoint: str, value: int, cause: object = "", link: Any = None) -> None:
        """Report what happened to a connection: `value` is what libzmq tells, `cause` an errno or a text of why."""
        for sink in self.sinks:
            sink.told(event, endpoint, value, cause, link)
