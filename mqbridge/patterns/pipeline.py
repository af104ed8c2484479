"""PUSH and PULL (RFC 30)."""

from mqbridge.patterns.fair_queue import FairQueue
from mqbridge.patterns.load_balancer import LoadBalancer
from mqbridge.patterns.pattern import Pattern
from mqbridge.pipes.pipe import Pipe


class Push(Pattern):
    """Deals its messages out among its peers; blocks while none has room."""

    __slots__ = ("_out",)

    name = "PUSH"
    conflates = True

    def __init__(self) -> None:
        Pattern.__init__(self)
        self._out = LoadBalancer()

    def attach(self, pipe: Pipe) -> bool:
        self._out.attach(pipe)
        return True

    def ended(self, pipe: Pipe) -> None:
        self._out.detach(pipe)

    def detach(self, pipe: Pipe) -> None:
        self._out.detach(pipe)

    def readable(self, pipe: Pipe) -> None:
        # A PULL has nothing to say; what comes all the same is dropped.
        while pipe.read() is not None:
            pass
        pipe.can_read()

    def writable(self, pipe: Pipe) -> None:
        self._out.activate(pipe)

    def send(self, message: object) -> Pipe | None:
        return self._out.send(message)

    def receive(self) -> object:
        self.refuse("recv", "only sends; receive with PULL")
        return None

    def ready_in(self) -> bool:
        return False

    def ready_out(self) -> bool:
        return self._out.ready()


class Pull(Pattern):
    """Takes messages from its peers in turn."""

    __slots__ = ("_in",)

    name = "PULL"
    conflates = True

    def __init__(self) -> None:
        Pattern.__init__(self)
        self._in = FairQueue()

    def attach(self, pipe: Pipe) -> bool:
        self._in.attach(pipe)
        return True

    def ended(self, pipe: Pipe) -> None:
        if not pipe.can_read():
            self._in.detach(pipe)

    def detach(self, pipe: Pipe) -> None:
        self._in.detach(pipe)

    def readable(self, pipe: Pipe) -> None:
        self._in.activate(pipe)

    def writable(self, pipe: Pipe) -> None:
        pass

    def send(self, message: object) -> Pipe | None:
        self.check_send()
        return None

    def receive(self) -> object:
        message = self._in.receive()
        self.last = self._in.last
        return message

    def check_send(self) -> None:
        self.refuse("send", "only receives; send with PUSH")

    def ready_in(self) -> bool:
        return self._in.ready()

    def ready_out(self) -> bool:
        return False
