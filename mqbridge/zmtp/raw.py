"""Bytes as they come, for STREAM: no greeting, no frames. The same verbs as a ZMTP connection."""

from typing import Any

from mqbridge.zmtp.connection import Connection
from mqbridge.zmtp.frames import Encoder

# Like a large frame: written from where it lies instead of being copied.
_LARGE = 16384


class RawConnection(Connection):
    """One side of a plain connection; a message is what one read has brought."""

    __slots__ = ("_received",)

    def __init__(self, socket_type: str) -> None:
        Connection.__init__(self, socket_type)
        self._to_send = []
        self._received: list[bytes] = []
        self.ready = True

    def receive_data(self, data: bytes) -> None:
        """Take received bytes."""
        self._received.append(data)

    def receive_eof(self) -> None:
        """The peer has ended the connection."""
        self.closed = True

    def messages(self, limit: int) -> list[Any]:
        """Return at most `limit` pieces of what was received."""
        found = self._received[:limit]
        del self._received[:limit]
        self.decoder.pending = len(self._received) > 0
        return found


class RawEncoder(Encoder):
    """Puts messages into a stream as they are."""

    __slots__ = ()

    def put(self, stream: Any, message: Any, index: int) -> int:
        """Put a message into `stream`; returns -1, since it has no parts."""
        if len(message) < _LARGE:
            stream.put(b"", message)
        else:
            stream.hold(b"", message)
        return -1

    def size(self, message: Any) -> int:
        """Return how many bytes `put` makes of a message."""
        return len(message)
