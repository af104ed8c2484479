"""One ZMTP connection, sans-IO: received bytes go in, whole messages and bytes to send come out.

    GREETING --greeting complete--> HANDSHAKE --mechanism done--> READY
        any of them --protocol broken, ERROR, end of file--> CLOSED

Nothing here raises for what the network sent: the first error is recorded, and what comes after it is discarded.
"""

from mqbridge.zmtp import commands, greeting, metadata
from mqbridge.zmtp.commands import Subscription
from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.frames import CommandFrame, Decoder, encode_command
from mqbridge.zmtp.mechanisms import MECHANISMS

# The most a handshake command may have; memory is given only for what has arrived.
_HANDSHAKE_LIMIT = 65536
_IDENTITY_LIMIT = 255

# Which socket types understand each other (RFC 37, "The Socket-Type Property").
PEERS = {
    "REQ": ("REP", "ROUTER"),
    "REP": ("REQ", "DEALER"),
    "DEALER": ("REP", "DEALER", "ROUTER"),
    "ROUTER": ("REQ", "DEALER", "ROUTER"),
    "PUB": ("SUB", "XSUB"),
    "XPUB": ("SUB", "XSUB"),
    "SUB": ("PUB", "XPUB"),
    "XSUB": ("PUB", "XPUB"),
    "PUSH": ("PULL",),
    "PULL": ("PUSH",),
    "PAIR": ("PAIR",),
}
_WITH_IDENTITY = ("REQ", "DEALER", "ROUTER")

_GREETING = "GREETING"
_HANDSHAKE = "HANDSHAKE"
_READY = "READY"
_CLOSED = "CLOSED"


class Connection:
    """One side of a connection.

    `socket_type` is the name in the Socket-Type property, `max_message_size` MAXMSGSIZE in bytes (-1: no limit),
    `properties` more metadata for the peer.
    """

    __slots__ = (
        "socket_type",
        "state",
        "ready",
        "closed",
        "error",
        "peer",
        "peer_socket_type",
        "peer_routing_id",
        "peer_version",
        "decoder",
        "pongs",
        "_as_server",
        "_mechanism_name",
        "_mechanism",
        "_max_message_size",
        "_greeting",
        "_second_step_sent",
        "_to_send",
    )

    def __init__(
        self,
        socket_type,
        as_server=False,
        mechanism="NULL",
        routing_id=b"",
        max_message_size=-1,
        properties=None,
    ):  # type: ignore[no-untyped-def]
        own = {"Socket-Type": socket_type.encode("ascii")}
        if socket_type in _WITH_IDENTITY:
            own["Identity"] = routing_id
        if properties:
            own.update(properties)
        self.socket_type = socket_type
        self.state = _GREETING
        # The handshake is done: messages may flow.
        self.ready = False
        # Broken, refused or ended; `error` says why, and is None after an orderly end.
        self.closed = False
        self.error = None
        # What the peer says of itself.
        self.peer = {}
        self.peer_socket_type = ""
        self.peer_routing_id = b""
        self.peer_version = (0, 0)
        self.decoder = Decoder(_HANDSHAKE_LIMIT)
        # PONGs received.
        self.pongs = 0
        self._as_server = as_server
        self._mechanism_name = mechanism
        self._mechanism = MECHANISMS[mechanism](own)
        self._max_message_size = max_message_size
        self._greeting = greeting.Greeting()
        self._second_step_sent = False
        self._to_send = greeting.FIRST_STEP

    # ---- bytes

    def data_to_send(self) -> bytes:
        """Return what the protocol itself has to say, once; it goes between two messages."""
        data = self._to_send
        if data:
            self._to_send = b""
        return data

    def receive_data(self, data: bytes) -> None:
        """Take received bytes, cut anywhere."""
        if self.ready:
            self.decoder.feed(data)
        elif not self.closed:
            self._receive_early(data)

    def receive_eof(self) -> None:
        """The peer has ended the connection."""
        if not self.closed:
            self.closed = True
            if not self.ready:
                self.error = ProtocolError(self._phase(), "the peer closed the connection")
            self.state = _CLOSED

    def messages(self, limit: int) -> list:  # type: ignore[type-arg]
        """Return at most `limit` whole messages, and the peer's Subscriptions among them."""
        if not self.ready:
            return []
        decoder = self.decoder
        found = decoder.decode(limit)
        if decoder.has_commands:
            found = self._without_commands(found)
        if decoder.error is not None and not self.closed:
            self._fail("traffic", decoder.error)
        return found

    def ping(self, ttl: int, context: bytes) -> None:
        """Send a PING; `ttl` is in tenths of a second."""
        self._send_command(commands.make_ping(ttl, context))

    # ---- greeting and handshake

    def _receive_early(self, data: bytes) -> None:
        try:
            if self.state == _GREETING:
                data = self._greeting.receive(data)
                if self._greeting.version_known and not self._second_step_sent:
                    self._second_step_sent = True
                    self._to_send += greeting.second_step(self._mechanism_name, self._as_server)
                if not self._greeting.complete:
                    return
                self._greeted()
            self._shake_hands(data)
        except ProtocolError as error:
            self._fail(error.phase, error.reason)

    def _greeted(self) -> None:
        """The peer's greeting is here."""
        peer = self._greeting
        self.peer_version = peer.version
        if peer.mechanism != self._mechanism_name:
            raise ProtocolError(
                "greeting", f"the peer wants mechanism {peer.mechanism!r}, this socket {self._mechanism_name!r}"
            )
        if peer.as_server and peer.mechanism == "NULL":
            raise ProtocolError("greeting", "the peer claims to be a server, which the NULL mechanism does not have")
        self.state = _HANDSHAKE
        for body in self._mechanism.begin():
            self._send_command(body)

    def _shake_hands(self, data: bytes) -> None:
        """Take the handshake's commands; what follows the last of them is traffic."""
        decoder = self.decoder
        decoder.feed(data)
        while not self._mechanism.done:
            body = decoder.next_command()
            if decoder.error is not None:
                raise ProtocolError("handshake", decoder.error)
            if body is None:
                return
            for answer in self._mechanism.receive(body):
                self._send_command(answer)
        self.peer = self._mechanism.peer
        self._check_peer()
        decoder.max_size = self._max_message_size
        self.state = _READY
        self.ready = True

    def _check_peer(self) -> None:
        self.peer_socket_type = metadata.lookup(self.peer, "Socket-Type").decode("ascii", "backslashreplace")
        self.peer_routing_id = metadata.lookup(self.peer, "Identity")
        if self.peer_socket_type not in PEERS[self.socket_type]:
            reason = f"a {self.socket_type} socket does not talk to a {self.peer_socket_type or 'nameless'} socket"
            self._send_command(commands.make_error(reason))
            raise ProtocolError("handshake", reason)
        if len(self.peer_routing_id) > _IDENTITY_LIMIT:
            size = len(self.peer_routing_id)
            raise ProtocolError("handshake", f"the peer's Identity has {size} bytes; {_IDENTITY_LIMIT} are allowed")

    # ---- traffic

    def _without_commands(self, found: list) -> list:  # type: ignore[type-arg]
        """Act on commands and return the messages (and Subscriptions)."""
        messages: list = []  # type: ignore[type-arg]
        for item in found:
            if type(item) is not CommandFrame:
                messages.append(item)
                continue
            try:
                subscription = self._command(item.body)
            except ProtocolError as error:
                self._fail(error.phase, error.reason)
                break
            if subscription is not None:
                messages.append(subscription)
        return messages

    def _command(self, body: bytes):  # type: ignore[no-untyped-def]
        name, data = commands.split(body, "traffic")
        if name == b"PING":
            self._send_command(commands.make_pong(data))
        elif name == b"PONG":
            self.pongs += 1
        elif name == b"SUBSCRIBE":
            return Subscription(data, True)
        elif name == b"CANCEL":
            return Subscription(data, False)
        elif name == b"ERROR":
            raise ProtocolError("traffic", f"the peer reports: {commands.error_reason(data) or 'no reason given'}")
        # Commands of later versions are passed over, as libzmq does.
        return None

    def _send_command(self, body: bytes) -> None:
        self._to_send += encode_command(body)

    def _phase(self) -> str:
        return "greeting" if self.state == _GREETING else "handshake" if self.state == _HANDSHAKE else "traffic"

    def _fail(self, phase: str, reason: str) -> None:
        self.error = ProtocolError(phase, reason)
        self.state = _CLOSED
        self.closed = True
