"""What every socket type answers to.

A pattern decides which pipe a message goes to and comes from. "Would block" is None; an operation that the pattern
does not allow now raises. `ready_in` and `ready_out` are exact: they say whether `receive` and `send` would succeed.
"""

import errno

from mqbridge.constants import Errno
from mqbridge.errors import ZMQError
from mqbridge.options import Options
from mqbridge.pipes.fifo import Fifo
from mqbridge.pipes.pipe import Pipe

# What `send` returns for a message that it has dropped, as the pattern wants it.
NOWHERE = Pipe(Fifo(0), Fifo(0))


class Pattern:
    """The base of all patterns. `options` are the socket's, read when they matter."""

    __slots__ = ("lock_step", "displaced", "overdone", "last", "options")

    # The Socket-Type property on the wire (RFC 37).
    name = ""

    # Whether a pipe means nothing without the connection it was made for, so that each connection gets a new one.
    renews = False
    # Whether peers speak no ZMTP: bytes as they come.
    raw = False
    # Whether one message goes to many peers.
    fans_out = False
    # The first part of a message that may lie in the user's buffer until it is written; -1: none. What comes before it
    # is looked at.
    lends = 0
    # Whether CONFLATE applies: not where messages have an order that matters, or an envelope.
    conflates = False

    def __init__(self) -> None:
        # The driver puts the socket's own here.
        self.options = Options()
        # Sends and receives alternate, so every message is written at once.
        self.lock_step = False
        # The peer whose place the one attached last has taken, for the driver to see off.
        self.displaced: Pipe | None = None
        # The peer that has asked for more than is given to one, for its link to end.
        self.overdone: Pipe | None = None
        # The pipe of the last message received.
        self.last: Pipe | None = None

    def prepare(self, options: Options) -> None:
        """Set the defaults of this socket type."""

    def attach(self, pipe: Pipe) -> bool:
        """Take a new pipe; False rejects it."""
        raise NotImplementedError

    def connected(self, pipe: Pipe) -> None:
        """A connection has been made for a pipe, which may have been there before."""

    def disconnected(self, pipe: Pipe) -> None:
        """A pipe's connection has gone, and there will be another."""

    def ended(self, pipe: Pipe) -> None:
        """The peer is gone: keep what it sent, write to it no more."""
        raise NotImplementedError

    def detach(self, pipe: Pipe) -> None:
        """Forget a pipe with all it has."""
        raise NotImplementedError

    def readable(self, pipe: Pipe) -> None:
        """A pipe has messages."""
        raise NotImplementedError

    def writable(self, pipe: Pipe) -> None:
        """A pipe has room."""
        raise NotImplementedError

    def send(self, message: object) -> Pipe | None:
        """Send a whole message; the pipe it went to, or None if that would block."""
        raise NotImplementedError

    def receive(self) -> object:
        """Return the next whole message, or None if that would block."""
        raise NotImplementedError

    def check_send(self) -> None:
        """Raise ZMQError if a message may not be sent now."""

    def subscribe(self, topic: bytes, add: bool) -> None:
        """Ask for a topic, or no longer; only for socket types that have the options."""
        raise NotImplementedError

    def check_first(self, part: bytes) -> None:
        """Raise ZMQError if a message that begins with this part may not be sent now."""

    def ready_in(self) -> bool:
        """Return whether `receive` would return a message."""
        raise NotImplementedError

    def ready_out(self) -> bool:
        """Return whether `send` would take a message."""
        raise NotImplementedError

    def knows(self, pipe: Pipe) -> bool:
        """Return whether a pipe's peer is one of those that messages come from."""
        return True

    def probe(self, pipe: Pipe) -> None:
        """Greet a new peer with an empty message, if PROBE_ROUTER says so."""
        if self.options.probe_router:
            pipe.write(b"")

    def refuse(self, operation: str, advice: str) -> None:
        """Raise for an operation that this socket type does not have (libzmq's ENOTSUP)."""
        raise ZMQError(errno.ENOTSUP, f"{operation}(): a {self.name} socket {advice}")

    def malformed(self, message: object) -> None:
        """Raise for a message that this socket type cannot send (EINVAL)."""
        shown = repr(message)[:60]
        raise ZMQError(errno.EINVAL, f"send({shown}): a {self.name} socket sends two parts: routing id and data")

    def out_of_turn(self, operation: str, advice: str) -> None:
        """Raise for an operation that is not next in a lock-step pattern (EFSM)."""
        raise ZMQError(Errno.EFSM, f"{operation}(): out of turn on a {self.name} socket: {advice}")
