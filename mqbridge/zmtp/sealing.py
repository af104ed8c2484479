"""Traffic under CURVE: each frame, of a message or a command, is in a box of its own, a MESSAGE (RFC 26).

A box is made at the moment its bytes join the stream, so that the counting nonces of a connection come in order; what
is kept to be sent again on another connection is never encrypted.
"""

from typing import Any

from mqbridge import sodium
from mqbridge.constants import Event
from mqbridge.zmtp.boxes import Maker, Opener
from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.frames import CommandFrame, Encoder, header, too_many_parts

# In a box, other than in the head of a frame, a command has this flag (as libzmq has it).
_MORE = 1
_COMMAND = 2
_MESSAGE = b"\x07MESSAGE"
# Name, nonce, what a box adds, and flags.
OVERHEAD = 8 + 8 + sodium.BOX_OVERHEAD + 1
# A box with at least this much in it is written from where it was made, and not copied into the batch.
_LARGE = 16384
# As for plain frames: what all parts of a message may have beyond MAXMSGSIZE, and what each counts as.
_TOGETHER = 1 << 20
_PART = 64


class Sealing:
    """Both directions of one connection: `key` is what both sides' keys make.

    `sent` and `received` are the last short nonces of the handshake; they go on from there, so none comes twice.
    `limit` is MAXMSGSIZE in bytes, -1 for none; here only the parts of one message are held against it.
    """

    __slots__ = ("limit", "_maker", "_opener", "_parts", "_gathered")

    def __init__(self, key: bytes, as_server: bool, sent: int, received: int) -> None:
        us, them = (b"S", b"C") if as_server else (b"C", b"S")
        self._maker = Maker(key, b"CurveZMQMESSAGE" + us, sent)
        self._opener = Opener(key, b"CurveZMQMESSAGE" + them, received)
        # The parts of a message whose last one is still to come.
        self._parts: list[bytes] | None = None
        # What they count as, together.
        self._gathered = 0
        self.limit = -1

    def seal(self, flags: int, body: bytes) -> bytes:
        """Return the body of a frame with a frame in it; `flags` are 1 for MORE and 2 for a command.

        Raises OverflowError beyond the last nonce, rather than to begin again.
        """
        return self._maker.make(flags, body)

    def put(self, stream: Any, flags: int, body: bytes) -> None:
        """Put a frame with a frame in it into a stream."""
        if len(body) < _LARGE:
            self._maker.put(stream, flags, body)
        else:
            sealed = self._maker.make(flags, body)
            stream.hold(header(0, len(sealed)), sealed)

    def open(self, body: bytes) -> Any:
        """Take the body of a frame; return a message, a CommandFrame, or None: more parts are to come.

        Raises ProtocolError.
        """
        frame = self._opener.open(body)
        if frame is None:
            raise self._wrong(body)
        flags = self._opener.flags
        if flags == 0 and self._parts is None:
            return frame
        if flags == _COMMAND:
            return CommandFrame(frame)
        if flags > _MORE:
            raise ProtocolError("traffic", f"a MESSAGE with flags 0x{flags:02x}, which CURVE does not define")
        if self._parts is None:
            self._parts = []
        self._parts.append(frame)
        self._gathered += len(frame) + _PART
        if self.limit >= 0 and self._gathered > self.limit + _TOGETHER:
            raise ProtocolError("traffic", too_many_parts(len(self._parts), self.limit))
        if flags:
            return None
        message = tuple(self._parts)
        self._parts = None
        self._gathered = 0
        return message

    def _wrong(self, body: bytes) -> ProtocolError:
        """Return why this could not be opened."""
        if len(body) < OVERHEAD or body[:8] != _MESSAGE:
            wrong = f"{body[:8]!r} with {len(body)} bytes where a MESSAGE was expected"
            return ProtocolError("traffic", wrong, Event.PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_MESSAGE)
        number = int.from_bytes(body[8:16], "big")
        if number <= self._opener.number:
            wrong = f"the nonce of a MESSAGE, {number}, does not follow {self._opener.number}"
            return ProtocolError("traffic", wrong, Event.PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE)
        return ProtocolError("traffic", "a MESSAGE cannot be opened", Event.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)


class Sealer(Encoder):
    """Puts messages into a stream, each part in a box."""

    __slots__ = ("_sealing",)

    def __init__(self, sealing: Sealing) -> None:
        self._sealing = sealing

    def size(self, message: Any) -> int:
        """Return how many bytes `put` makes of a message."""
        parts = (message,) if isinstance(message, bytes) else tuple(message)
        size = 0
        for part in parts:
            body = len(part) + OVERHEAD
            size += body + (2 if body < 256 else 9)
        return size

    def _frame(self, stream: Any, flags: int, body: bytes) -> None:
        self._sealing.put(stream, flags, body)

    def _lent(self, stream: Any, flags: int, body: Any) -> None:
        # What is encrypted is a copy anyway.
        self._sealing.put(stream, flags, bytes(body))
