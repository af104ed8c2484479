"""DEALER: deals its messages out, takes its peers' in turn, and keeps their frames as they are (RFC 28)."""

from mqbridge.patterns.fair_queue import FairQueue
from mqbridge.patterns.load_balancer import LoadBalancer
from mqbridge.patterns.pattern import Pattern
from mqbridge.pipes.pipe import Pipe


class Dealer(Pattern):
    """Any number of peers, both directions."""

    __slots__ = ("_in", "_out")

    name = "DEALER"
    conflates = True

    def __init__(self) -> None:
        Pattern.__init__(self)
        self._in = FairQueue()
        self._out = LoadBalancer()

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

    def readable(self, pipe: Pipe) -> None:
        self._in.activate(pipe)

    def writable(self, pipe: Pipe) -> None:
        self._out.activate(pipe)

    def send(self, message: object) -> Pipe | None:
        return self._out.send(message)

    def receive(self) -> object:
        message = self._in.receive()
        self.last = self._in.last
        return message

    def ready_in(self) -> bool:
        return self._in.ready()

    def ready_out(self) -> bool:
        return self._out.ready()
