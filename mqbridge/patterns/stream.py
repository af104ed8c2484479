"""STREAM: plain TCP connections as peers (zmq_socket, "Native pattern").

Each message received is (routing id, bytes); no bytes mean that the connection has come, or has gone. Sending no bytes
to a connection closes it.
"""

from typing import Any

from mqbridge.patterns.pattern import NOWHERE
from mqbridge.patterns.router import Router
from mqbridge.pipes.pipe import Pipe


class Stream(Router):
    """Any number of plain connections."""

    __slots__ = ("_connected",)

    name = "STREAM"
    raw = True
    lends = -1
    # A connection that we make keeps its routing id when it has to be made again.
    renews = False

    def __init__(self) -> None:
        Router.__init__(self)
        # The pipes that have a connection now.
        self._connected: set[Pipe] = set()

    def connected(self, pipe: Pipe) -> None:
        self._connected.add(pipe)
        self._notify(pipe)

    def disconnected(self, pipe: Pipe) -> None:
        if pipe in self._connected:
            self._connected.discard(pipe)
            self._notify(pipe)

    def _notify(self, pipe: Pipe) -> None:
        """Tell the user that a connection has come, or has gone."""
        if self.options.stream_notify and self.knows(pipe):
            pipe.inbound.push(b"")
            self.readable(pipe)

    def probe(self, pipe: Pipe) -> None:
        pass

    def ended(self, pipe: Pipe) -> None:
        self.disconnected(pipe)
        Router.ended(self, pipe)

    def detach(self, pipe: Pipe) -> None:
        self._connected.discard(pipe)
        Router.detach(self, pipe)

    def check_first(self, part: bytes) -> None:
        # A connection that has gone is always an error here.
        self.check_peer(part)

    def send(self, message: object) -> Pipe | None:
        if type(message) is bytes:
            self.malformed(message)
        parts: Any = message
        if len(parts) != 2:
            self.malformed(message)
        pipe = self.peer(parts[0])
        if parts[1]:
            if self._out.send_to(pipe, parts[1]):
                return pipe
            # The attempt may have found that the connection is gone.
            self.check_peer(parts[0])
            return None
        # What was sent before is written first. Of its own doing the user is not told.
        self.detach(pipe)
        outlet: Any = pipe.outlet
        if outlet is not None:
            outlet.leave()
        return NOWHERE

    def ready_out(self) -> bool:
        return True
