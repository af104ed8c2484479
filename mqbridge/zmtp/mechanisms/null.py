"""NULL: each peer says READY with its metadata, and that is all (RFC 37, "The NULL Security Mechanism")."""

from mqbridge.zmtp import commands, metadata
from mqbridge.zmtp.mechanisms.mechanism import Mechanism, Question, Security


class Null(Mechanism):
    """One side of a NULL handshake."""

    __slots__ = ("_ready",)

    def __init__(self, properties: dict[str, bytes], security: Security) -> None:
        Mechanism.__init__(self, security)
        self._ready = commands.make(b"READY", metadata.encode(properties))

    def begin(self) -> list[bytes]:
        if self.security.asks:
            # Where the peer is may be enough to send it away.
            self.question = Question("NULL")
            return []
        return self._admitted()

    def _admitted(self) -> list[bytes]:
        return [self._ready]

    def receive(self, body: bytes) -> list[bytes]:
        name, data = commands.split(body, "handshake")
        if name != b"READY":
            raise self._wrong(name, data, "READY")
        self.peer = metadata.decode(data)
        self.done = True
        return []
