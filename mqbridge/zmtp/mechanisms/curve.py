"""CURVE: both sides prove who they are by their keys, and all traffic is encrypted (RFC 25 and RFC 26).

    client: HELLO C', Box[0](C'->S)                    server: WELCOME Box[S', cookie](S->C')
    client: INITIATE cookie, Box[C, vouch, metadata](C'->S')    server: READY Box[metadata](S'->C')

C and S are the long-term keys, C' and S' those of this connection alone; the vouch is Box[C', S](C->S'), and the cookie
is C' and the secret half of S', locked. Between WELCOME and INITIATE the server keeps nothing but the cookie's key.
What is wrong with a peer's boxes is told to the monitor, never to the peer: it finds the connection closed.
"""

from mqbridge import sodium
from mqbridge.constants import Event
from mqbridge.zmtp import commands, metadata
from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.mechanisms.mechanism import Mechanism, Question, Security
from mqbridge.zmtp.sealing import Sealing

_KEY = 32
_COOKIE = 96
_VERSION = b"\x01\x00"
_PADDING = bytes(72)
_ZEROS = bytes(64)
_HELLO_SIZE = 194
_WELCOME_SIZE = 160
# Cookie, nonce and an initiate box with a key and a vouch in it.
_INITIATE_SIZE = _COOKIE + 8 + sodium.BOX_OVERHEAD + _KEY + 96
_READY_SIZE = 8 + sodium.BOX_OVERHEAD


def _short_nonce(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _fault(what: str, code: int = Event.PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC) -> ProtocolError:
    return ProtocolError("handshake", what, code)


class CurveClient(Mechanism):
    """The side that knows the server's key."""

    __slots__ = ("_properties", "_expected", "_public", "_secret", "_key")

    def __init__(self, properties: dict[str, bytes], security: Security) -> None:
        Mechanism.__init__(self, security)
        self._properties = properties
        self._expected = "WELCOME"
        # C', and what C' and S' make.
        self._secret = security.random(_KEY)
        self._public = sodium.public_key(self._secret)
        self._key = b""

    def begin(self) -> list[bytes]:
        nonce = _short_nonce(1)
        box = sodium.box(_ZEROS, b"CurveZMQHELLO---" + nonce, self.security.server_key, self._secret)
        if box is None:
            raise _fault("CURVE_SERVERKEY is not a key")
        return [commands.make(b"HELLO", _VERSION + _PADDING + self._public + nonce + box)]

    def receive(self, body: bytes) -> list[bytes]:
        name, data = commands.split(body, "handshake")
        if name != self._expected.encode():
            raise self._wrong(name, data, self._expected)
        return self._welcome(data) if name == b"WELCOME" else self._ready(data)

    def _welcome(self, data: bytes) -> list[bytes]:
        security = self.security
        if len(data) != _WELCOME_SIZE:
            raise _fault(f"a WELCOME with {len(data)} bytes of data; CURVE's has {_WELCOME_SIZE}")
        text = sodium.open_box(data[16:], b"WELCOME-" + data[:16], security.server_key, self._secret)
        key = None if text is None else sodium.shared_key(text[:_KEY], self._secret)
        if text is None or key is None:
            raise _fault("the WELCOME cannot be opened: the server does not own CURVE_SERVERKEY")
        server, cookie = text[:_KEY], text[_KEY:]
        vouch_nonce = security.random(16)
        vouch = sodium.box(self._public + security.server_key, b"VOUCH---" + vouch_nonce, server, security.secret_key)
        if vouch is None:
            raise _fault("CURVE_SECRETKEY is not a key")
        text = security.public_key + vouch_nonce + vouch + metadata.encode(self._properties)
        nonce = _short_nonce(2)
        box = sodium.box(text, b"CurveZMQINITIATE" + nonce, server, self._secret)
        assert box is not None, "the key was used a moment ago"
        self._key = key
        self._secret = b""
        self._expected = "READY"
        return [commands.make(b"INITIATE", cookie + nonce + box)]

    def _ready(self, data: bytes) -> list[bytes]:
        if len(data) < _READY_SIZE:
            what = f"a READY with {len(data)} bytes of data; CURVE's has at least {_READY_SIZE}"
            raise _fault(what, Event.PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_READY)
        nonce = data[:8]
        text = sodium.unlock(data[8:], b"CurveZMQREADY---" + nonce, self._key)
        if text is None:
            raise _fault("the READY cannot be opened")
        self.peer = metadata.decode(text)
        self.sealing = Sealing(self._key, False, 2, int.from_bytes(nonce, "big"))
        self._key = b""
        self.done = True
        return []


class CurveServer(Mechanism):
    """The side whose key is known to all."""

    __slots__ = ("_properties", "_expected", "_cookie_key", "_key", "_nonce")

    def __init__(self, properties: dict[str, bytes], security: Security) -> None:
        Mechanism.__init__(self, security)
        self._properties = properties
        self._expected = "HELLO"
        self._cookie_key = b""
        self._key = b""
        # The client's last short nonce.
        self._nonce = 0

    def receive(self, body: bytes) -> list[bytes]:
        name, data = commands.split(body, "handshake")
        if name != self._expected.encode():
            # A client must not send ERROR; it is no refusal.
            raise self._unexpected(name, self._expected)
        return self._hello(data) if name == b"HELLO" else self._initiate(data)

    def _hello(self, data: bytes) -> list[bytes]:
        security = self.security
        if len(data) != _HELLO_SIZE or data[:74] != _VERSION + _PADDING:
            what = f"a malformed HELLO: {len(data)} bytes of data, version {data[:2].hex()}"
            raise _fault(what, Event.PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_HELLO)
        client, nonce = data[74:106], data[106:114]
        text = sodium.open_box(data[114:], b"CurveZMQHELLO---" + nonce, client, security.secret_key)
        if text is None or not sodium.same(text, _ZEROS):
            raise _fault("the HELLO cannot be opened: the client wants another server's key")
        self._nonce = int.from_bytes(nonce, "big")
        secret = security.random(_KEY)
        self._cookie_key = security.random(_KEY)
        cookie_nonce = security.random(16)
        cookie = cookie_nonce + sodium.lock(client + secret, b"COOKIE--" + cookie_nonce, self._cookie_key)
        welcome_nonce = security.random(16)
        text = sodium.public_key(secret) + cookie
        box = sodium.box(text, b"WELCOME-" + welcome_nonce, client, security.secret_key)
        assert box is not None, "the keys were used a moment ago"
        self._expected = "INITIATE"
        return [commands.make(b"WELCOME", welcome_nonce + box)]

    def _initiate(self, data: bytes) -> list[bytes]:
        if len(data) < _INITIATE_SIZE:
            what = f"an INITIATE with {len(data)} bytes of data; CURVE's has at least {_INITIATE_SIZE}"
            raise _fault(what, Event.PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_INITIATE)
        cookie, nonce, box = data[:_COOKIE], data[_COOKIE : _COOKIE + 8], data[_COOKIE + 8 :]
        number = int.from_bytes(nonce, "big")
        if number <= self._nonce:
            what = "the nonce of the INITIATE is not greater than that of the HELLO"
            raise _fault(what, Event.PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE)
        keys = sodium.unlock(cookie[16:], b"COOKIE--" + cookie[:16], self._cookie_key)
        self._cookie_key = b""
        if keys is None:
            raise _fault("the INITIATE has a cookie that was not made for this connection")
        client, secret = keys[:_KEY], keys[_KEY:]
        text = sodium.open_box(box, b"CurveZMQINITIATE" + nonce, client, secret)
        key = sodium.shared_key(client, secret)
        if text is None or key is None:
            raise _fault("the INITIATE cannot be opened")
        identity, vouch, described = text[:_KEY], text[_KEY:128], text[128:]
        vouched = sodium.open_box(vouch[16:], b"VOUCH---" + vouch[:16], identity, secret)
        if vouched is None:
            raise _fault("the vouch in the INITIATE cannot be opened: the client does not own its key")
        if not sodium.same(vouched, client + sodium.public_key(self.security.secret_key)):
            what = "the vouch in the INITIATE is for another connection"
            raise _fault(what, Event.PROTOCOL_ERROR_ZMTP_KEY_EXCHANGE)
        self.peer = metadata.decode(described)
        self._key = key
        self._nonce = number
        if self.security.asks:
            self.question = Question("CURVE", (identity,))
            return []
        return self._admitted()

    def _admitted(self) -> list[bytes]:
        nonce = _short_nonce(1)
        box = sodium.lock(metadata.encode(self._properties), b"CurveZMQREADY---" + nonce, self._key)
        self.sealing = Sealing(self._key, True, 1, self._nonce)
        self._key = b""
        self.done = True
        return [commands.make(b"READY", nonce + box)]
