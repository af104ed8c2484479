"""NULL: each peer says READY with its metadata, and that is all (RFC 37, "The NULL Security Mechanism")."""

from mqbridge.zmtp import commands, metadata
from mqbridge.zmtp.errors import ProtocolError


class Null:
    """One side of a NULL handshake. A mechanism takes command bodies and returns those to send."""

    __slots__ = ("done", "peer", "_ready")

    def __init__(self, properties: dict[str, bytes]) -> None:
        # The peer's READY is here (ours leaves with the greeting).
        self.done = False
        self.peer: dict[str, bytes] = {}
        self._ready = commands.make(b"READY", metadata.encode(properties))

    def begin(self) -> list[bytes]:
        """Return the commands to send first."""
        return [self._ready]

    def receive(self, body: bytes) -> list[bytes]:
        """Take a command of the peer's and return what to answer. Raises ProtocolError."""
        name, data = commands.split(body, "handshake")
        if name == b"READY":
            self.peer = metadata.decode(data)
            self.done = True
            return []
        if name == b"ERROR":
            raise ProtocolError("handshake", f"the peer refused: {commands.error_reason(data)}")
        raise ProtocolError("handshake", f"{name[:20]!r} where READY was expected")
