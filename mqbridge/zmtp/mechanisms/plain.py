"""PLAIN: the client names a user and a password, which a ZAP handler checks (RFC 24). Nothing is encrypted.

client: HELLO user, password -> server: WELCOME -> client: INITIATE metadata -> server: READY metadata
"""

from mqbridge.constants import Event
from mqbridge.zmtp import commands, metadata
from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.mechanisms.mechanism import Mechanism, Question, Security

# How libzmq's PLAIN servers begin an ERROR (a slip: the C text "\\x5ERROR" has the number 0x5E in it).
_ERROR_OF_LIBZMQ = b"^RROR"


class PlainClient(Mechanism):
    """The side that names a user."""

    __slots__ = ("_properties", "_expected")

    def __init__(self, properties: dict[str, bytes], security: Security) -> None:
        Mechanism.__init__(self, security)
        self._properties = properties
        self._expected = "WELCOME"

    def begin(self) -> list[bytes]:
        return [commands.make(b"HELLO", _short(self.security.username) + _short(self.security.password))]

    def receive(self, body: bytes) -> list[bytes]:
        if body.startswith(_ERROR_OF_LIBZMQ):
            raise commands.refusal(body[len(_ERROR_OF_LIBZMQ) :])
        name, data = commands.split(body, "handshake")
        if name != self._expected.encode():
            raise self._wrong(name, data, self._expected)
        if name == b"WELCOME":
            if data:
                text = f"a WELCOME with {len(data)} bytes of data; PLAIN's has none"
                raise ProtocolError("handshake", text, Event.PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_WELCOME)
            self._expected = "READY"
            return [commands.make(b"INITIATE", metadata.encode(self._properties))]
        self.peer = metadata.decode(data)
        self.done = True
        return []


class PlainServer(Mechanism):
    """The side that asks the ZAP handler."""

    __slots__ = ("_properties", "_expected")

    def __init__(self, properties: dict[str, bytes], security: Security) -> None:
        Mechanism.__init__(self, security)
        self._properties = properties
        self._expected = "HELLO"

    def receive(self, body: bytes) -> list[bytes]:
        name, data = commands.split(body, "handshake")
        if name != self._expected.encode():
            # Only a server says ERROR; it is no refusal.
            raise self._unexpected(name, self._expected)
        if name == b"HELLO":
            self.question = Question("PLAIN", _credentials(data))
            return []
        self.peer = metadata.decode(data)
        self.done = True
        return [commands.make(b"READY", metadata.encode(self._properties))]

    def _admitted(self) -> list[bytes]:
        self._expected = "INITIATE"
        return [commands.make(b"WELCOME")]


def _short(text: bytes) -> bytes:
    return bytes((len(text),)) + text


def _credentials(data: bytes) -> tuple[bytes, bytes]:
    """Return user and password of a HELLO; an error tells nothing of them."""
    after_user = 1 + data[0] if data else 0
    if after_user and after_user < len(data) and after_user + 1 + data[after_user] == len(data):
        return data[1:after_user], data[after_user + 1 :]
    text = f"a malformed HELLO: user and password do not make up its {len(data)} bytes"
    raise ProtocolError("handshake", text, Event.PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_HELLO)
