"""REQ and REP (RFC 28).

On the wire a request is an empty delimiter and the body; routers on the way put frames in front. Both sides drop
what is not of that form, so being readable means that a recv will return a body.
"""

from mqbridge._sys import chance
from mqbridge.patterns.fair_queue import FairQueue
from mqbridge.patterns.load_balancer import LoadBalancer
from mqbridge.patterns.pattern import NOWHERE, Pattern
from mqbridge.pipes.pipe import Pipe


def split_envelope(message: object) -> tuple[tuple[bytes, ...], object] | None:
    """Return (envelope with its delimiter, body) of a message, or None if it has no delimiter or no body."""
    if type(message) is bytes:
        return None
    parts: tuple[bytes, ...] = tuple(message)  # type: ignore[arg-type]
    for index in range(len(parts) - 1):
        if not parts[index]:
            body = parts[index + 1 :]
            return parts[: index + 1], body[0] if len(body) == 1 else body
    return None


def with_envelope(envelope: tuple[bytes, ...], body: object) -> tuple[bytes, ...]:
    """Return a message of an envelope, which ends with its delimiter, and a body."""
    if type(body) is bytes:
        return (*envelope, body)
    return (*envelope, *body)  # type: ignore[misc]


_DELIMITER = (b"",)


class Req(Pattern):
    """Sends a request, then receives its reply."""

    __slots__ = ("_in", "_out", "_asked", "_expecting", "_reply", "_envelope", "_request_id")

    name = "REQ"

    def __init__(self) -> None:
        Pattern.__init__(self)
        self.lock_step = True
        self._in = FairQueue()
        self._out = LoadBalancer()
        # Where the request went; None when that peer is gone.
        self._asked: Pipe | None = None
        self._expecting = False
        # The reply's body when it was looked at before it was asked for.
        self._reply: object = None
        # What goes before the request, and comes back before its reply.
        self._envelope: tuple[bytes, ...] = _DELIMITER
        self._request_id = chance()

    def attach(self, pipe: Pipe) -> bool:
        self.probe(pipe)
        self._in.attach(pipe)
        self._out.attach(pipe)
        return True

    def ended(self, pipe: Pipe) -> None:
        self._out.detach(pipe)
        if not pipe.can_read():
            self._in.detach(pipe)

    def detach(self, pipe: Pipe) -> None:
        self._out.detach(pipe)
        self._in.detach(pipe)
        if self._asked is pipe:
            self._asked = None

    def readable(self, pipe: Pipe) -> None:
        self._in.activate(pipe)

    def writable(self, pipe: Pipe) -> None:
        self._out.activate(pipe)

    def send(self, message: object) -> Pipe | None:
        if self._expecting:
            self.check_send()
        if not self._out.ready():
            return None
        # What came unasked, or late, is not the reply to what is asked now.
        while self._in.receive() is not None:
            pass
        envelope = self._next_envelope() if self.options.req_correlate else _DELIMITER
        pipe = self._out.send(with_envelope(envelope, message))
        if pipe is not None:
            self._envelope = envelope
            self._reply = None
            self._asked = pipe
            self._expecting = True
        return pipe

    def _next_envelope(self) -> tuple[bytes, ...]:
        """Return the delimiter with a number before it, by which a late reply is known."""
        self._request_id = (self._request_id + 1) & 0xFFFFFFFF
        return (self._request_id.to_bytes(4, "big"), b"")

    def receive(self) -> object:
        if not self._expecting:
            self.out_of_turn("recv", "send a request first")
        if self._reply is None and not self._fetch():
            return None
        reply = self._reply
        self._reply = None
        self._expecting = False
        self._asked = None
        return reply

    def _fetch(self) -> bool:
        """Look for the reply among what has come; drop what is something else."""
        while True:
            message = self._in.receive()
            if message is None:
                return False
            if self._in.last is not self._asked:
                continue
            split = split_envelope(message)
            if split is not None and split[0] == self._envelope:
                self.last = self._asked
                self._reply = split[1]
                return True

    def check_send(self) -> None:
        if self._expecting and not self.options.req_relaxed:
            self.out_of_turn("send", "receive the reply first")

    def ready_in(self) -> bool:
        return self._expecting and (self._reply is not None or self._fetch())

    def ready_out(self) -> bool:
        return (not self._expecting or bool(self.options.req_relaxed)) and self._out.ready()


class Rep(Pattern):
    """Receives a request, then sends its reply."""

    __slots__ = ("_in", "_pipes", "_envelope", "_asker", "_replying", "_request", "_request_envelope", "_request_pipe")

    name = "REP"

    def __init__(self) -> None:
        Pattern.__init__(self)
        self.lock_step = True
        self._in = FairQueue()
        self._pipes: set[Pipe] = set()
        # Whom the reply goes to (None when that peer is gone), and the frames to put before it.
        self._asker: Pipe | None = None
        self._envelope: tuple[bytes, ...] = ()
        self._replying = False
        # The next request's body when it was looked at before it was asked for.
        self._request: object = None
        self._request_envelope: tuple[bytes, ...] = ()
        self._request_pipe: Pipe | None = None

    def attach(self, pipe: Pipe) -> bool:
        self._pipes.add(pipe)
        self._in.attach(pipe)
        return True

    def ended(self, pipe: Pipe) -> None:
        self._pipes.discard(pipe)
        if not pipe.can_read():
            self._in.detach(pipe)

    def detach(self, pipe: Pipe) -> None:
        self._pipes.discard(pipe)
        self._in.detach(pipe)

    def readable(self, pipe: Pipe) -> None:
        self._in.activate(pipe)

    def writable(self, pipe: Pipe) -> None:
        pass

    def send(self, message: object) -> Pipe | None:
        if not self._replying:
            self.check_send()
        pipe = self._asker
        self._replying = False
        self._asker = None
        if pipe is None or pipe not in self._pipes:
            return NOWHERE
        # A peer that asks on and never reads its replies gets none; libzmq drops it too.
        pipe.write(with_envelope(self._envelope, message))
        return pipe

    def receive(self) -> object:
        if self._replying:
            self.out_of_turn("recv", "send the reply to the last request first")
        if self._request is None and not self._fetch():
            return None
        request = self._request
        self._request = None
        self._envelope = self._request_envelope
        self._asker = self._request_pipe
        self.last = self._request_pipe
        self._request_pipe = None
        self._replying = True
        return request

    def _fetch(self) -> bool:
        """Look for the next request; drop what is none."""
        while True:
            message = self._in.receive()
            if message is None:
                return False
            split = split_envelope(message)
            if split is not None:
                self._request_envelope, self._request = split
                self._request_pipe = self._in.last
                return True

    def check_send(self) -> None:
        if not self._replying:
            self.out_of_turn("send", "receive a request first")

    def ready_in(self) -> bool:
        return not self._replying and (self._request is not None or self._fetch())

    def ready_out(self) -> bool:
        return self._replying
