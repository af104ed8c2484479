"""Commands: a name and data in a command frame (RFC 37, "Formal Grammar" and "Connection Heartbeating")."""

from mqbridge.constants import Event
from mqbridge.zmtp.errors import NOT_TOLD, ProtocolError, Refused

# The longest context of a PING, which comes back in the PONG.
_CONTEXT_SIZE = 16
# The reasons by which a server says what its ZAP handler has decided.
_STATUSES = (b"300", b"400", b"500")


class Subscription:
    """A peer's SUBSCRIBE (`add`) or CANCEL of a topic."""

    __slots__ = ("topic", "add")

    def __init__(self, topic: bytes, add: bool) -> None:
        self.topic = topic
        self.add = add


def make(name: bytes, data: bytes = b"") -> bytes:
    """Return the body of a command."""
    return bytes((len(name),)) + name + data


def split(body: bytes, phase: str) -> tuple[bytes, bytes]:
    """Return a command's name and data. Raises ProtocolError."""
    if not body or not 0 < body[0] < len(body):
        code = Event.PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_UNSPECIFIED
        raise ProtocolError(phase, f"malformed command {body[:20]!r}", code)
    size = body[0]
    return body[1 : 1 + size], body[1 + size :]


def make_error(reason: str) -> bytes:
    """Return the body of an ERROR command; the reason is cut at 255 bytes."""
    text = reason.encode("ascii", "replace")[:255]
    return make(b"ERROR", bytes((len(text),)) + text)


def error_reason(data: bytes) -> str:
    """Return the reason in an ERROR command's data, quoted: a peer writes what it likes, and this is for logs."""
    size = data[0] if data else 0
    reason = data[1 : 1 + size].decode("ascii", "backslashreplace")
    return repr(reason) if reason else "no reason given"


def refusal(data: bytes) -> ProtocolError:
    """Return what an ERROR command in a handshake means: a status of RFC 27, or something else."""
    size = data[0] if data else 0
    if size >= len(data):
        code = Event.PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_ERROR
        return ProtocolError("handshake", f"the peer refused in a malformed ERROR: {data[:20]!r}", code)
    if data[1 : 1 + size] in _STATUSES:
        return Refused(int(data[1 : 1 + size]), True)
    return ProtocolError("handshake", f"the peer refused: {error_reason(data)}", NOT_TOLD)


def make_ping(ttl: int, context: bytes) -> bytes:
    """Return the body of a PING; `ttl` is in tenths of a second."""
    return make(b"PING", ttl.to_bytes(2, "big") + context[:_CONTEXT_SIZE])


def make_pong(ping: bytes) -> bytes:
    """Return the body of the PONG to a PING with this data. Raises ProtocolError."""
    if not 2 <= len(ping) <= 2 + _CONTEXT_SIZE:
        raise ProtocolError("traffic", f"a PING has {len(ping)} bytes of data; 2 to 18 are allowed")
    return make(b"PONG", ping[2:])
