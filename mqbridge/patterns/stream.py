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

    __slots__ = ()

    name = "STREAM"
    raw = True

    def attach(self, pipe: Pipe) -> bool:
        if self.options.stream_notify:
            pipe.inbound.push(b"")
        return Router.attach(self, pipe)

    def probe(self, pipe: Pipe) -> None:
        pass

    def ended(self, pipe: Pipe) -> None:
        if self.options.stream_notify and self.knows(pipe):
            pipe.inbound.push(b"")
            self.readable(pipe)
        Router.ended(self, pipe)

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
