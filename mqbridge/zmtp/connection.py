"""One ZMTP connection, sans-IO: received bytes go in, whole messages and bytes to send come out.

Where a connection stands, and what brings it further, is the table `TRANSITIONS`. Nothing here raises for what the
network sent: the first error is recorded, and what comes after it is discarded.
"""

from collections.abc import Mapping
from typing import Any

from mqbridge.zmtp import commands, greeting, metadata
from mqbridge.zmtp.commands import Subscription
from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.frames import CommandFrame, Decoder, encode, encode_command
from mqbridge.zmtp.mechanisms import MECHANISMS

# The most a handshake command may have; memory is given only for what has arrived.
_HANDSHAKE_LIMIT = 65536
_IDENTITY_LIMIT = 255
# Commands that wait to be sent, more than one read can ask for; PONGs beyond that are dropped.
_MOST_WAITING = 8192

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
    "STREAM": (),
}
_WITH_IDENTITY = ("REQ", "DEALER", "ROUTER")
_PUBLISHERS = ("PUB", "XPUB")

# States.
GREETING = "GREETING"  # signature and major version of the peer are awaited
MECHANISM = "MECHANISM"  # the rest of its greeting is awaited; ours is sent
HANDSHAKE = "HANDSHAKE"  # the mechanism's commands go to and fro
READY = "READY"  # messages flow
ENDED = "ENDED"  # the peer has closed; messages it had sent may still be taken
CLOSED = "CLOSED"  # broken or refused, or ended before messages could flow

# Events.
VERSION = "the peer speaks version 3"
GREETED = "the peer's greeting is complete"
AGREED = "the mechanism is done, and the peer suits"
FAULT = "the protocol is broken, or an ERROR came"
END = "the peer closes"

TRANSITIONS = {
    (GREETING, VERSION): MECHANISM,
    (GREETING, FAULT): CLOSED,
    (GREETING, END): CLOSED,
    (MECHANISM, GREETED): HANDSHAKE,
    (MECHANISM, FAULT): CLOSED,
    (MECHANISM, END): CLOSED,
    (HANDSHAKE, AGREED): READY,
    (HANDSHAKE, FAULT): CLOSED,
    (HANDSHAKE, END): CLOSED,
    (READY, FAULT): CLOSED,
    (READY, END): ENDED,
    (ENDED, FAULT): CLOSED,
    (ENDED, END): ENDED,
    (CLOSED, END): CLOSED,
}
# In which phase a state's errors are, whether messages may be taken, and whether nothing more is received.
_MEANING = {
    GREETING: ("greeting", False, False),
    MECHANISM: ("greeting", False, False),
    HANDSHAKE: ("handshake", False, False),
    READY: ("traffic", True, False),
    ENDED: ("traffic", True, True),
    CLOSED: ("traffic", False, True),
}


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
        "ttl",
        "_phase",
        "_as_server",
        "_mechanism_name",
        "_mechanism",
        "_max_message_size",
        "_greeting",
        "_to_send",
    )

    def __init__(
        self,
        socket_type: str,
        as_server: bool = False,
        mechanism: str = "NULL",
        routing_id: bytes = b"",
        max_message_size: int = -1,
        properties: Mapping[str, bytes] | None = None,
    ) -> None:
        own = {"Socket-Type": socket_type.encode("ascii")}
        if socket_type in _WITH_IDENTITY:
            own["Identity"] = routing_id
        if properties:
            own.update(properties)
        self.socket_type = socket_type
        # Broken, refused or ended; `error` says why, and is None after an orderly end.
        self.error: ProtocolError | None = None
        self._enter(GREETING)
        # What the peer says of itself.
        self.peer: dict[str, bytes] = {}
        self.peer_socket_type = ""
        self.peer_routing_id = b""
        self.peer_version = (0, 0)
        self.decoder = Decoder(_HANDSHAKE_LIMIT)
        # PONGs received.
        self.pongs = 0
        # How long the peer's last PING allows it to be silent, in tenths of a second; 0 for ever.
        self.ttl = 0
        self._as_server = as_server
        self._mechanism_name = mechanism
        self._mechanism = MECHANISMS[mechanism](own)
        self._max_message_size = max_message_size
        self._greeting = greeting.Greeting()
        self._to_send = [greeting.FIRST_STEP]

    # ---- bytes

    def data_to_send(self) -> bytes:
        """Return what the protocol itself has to say, once; it goes between two messages."""
        if not self._to_send:
            return b""
        data = b"".join(self._to_send)
        self._to_send.clear()
        return data

    def receive_data(self, data: bytes) -> None:
        """Take received bytes, cut anywhere."""
        if self.closed:
            return
        if self.ready:
            self.decoder.feed(data)
        else:
            self._receive_early(data)

    def receive_eof(self) -> None:
        """The peer has ended the connection; messages it had sent can still be taken."""
        if not self.ready and not self.closed:
            self.error = ProtocolError(self._phase, "the peer closed the connection")
        self._proceed(END)

    def messages(self, limit: int) -> list[Any]:
        """Return at most `limit` whole messages, and the peer's Subscriptions among them."""
        if not self.ready:
            return []
        decoder = self.decoder
        found = decoder.decode(limit)
        if decoder.has_commands:
            found = self._without_commands(found)
        if decoder.error is not None and self.error is None:
            self._fail(ProtocolError(self._phase, decoder.error))
        return found

    def frame_of(self, subscription: Subscription) -> bytes:
        """Return a subscription as a frame: a command since ZMTP 3.1, a message to older peers."""
        if self.peer_version >= (3, 1):
            return encode_command(commands.make(b"SUBSCRIBE" if subscription.add else b"CANCEL", subscription.topic))
        return encode((b"\x01" if subscription.add else b"\x00") + subscription.topic)

    def ping(self, ttl: int, context: bytes) -> None:
        """Send a PING; `ttl` is in tenths of a second. Nothing happens before the handshake and after the end."""
        if self.ready and not self.closed:
            self._send_command(commands.make_ping(ttl, context))

    # ---- state

    def _proceed(self, event: str) -> None:
        self._enter(TRANSITIONS[self.state, event])

    def _enter(self, state: str) -> None:
        self.state = state
        # `ready`: the handshake is done, and messages may be taken. `closed`: nothing more is received.
        self._phase, self.ready, self.closed = _MEANING[state]

    def _fail(self, error: ProtocolError) -> None:
        self.error = error
        self.decoder.fail(error.reason)
        self._proceed(FAULT)

    # ---- greeting and handshake

    def _receive_early(self, data: bytes) -> None:
        try:
            if not self._greeting.complete:
                data = self._receive_greeting(data)
            if self._greeting.complete:
                self._shake_hands(data)
        except ProtocolError as error:
            self._fail(error)

    def _receive_greeting(self, data: bytes) -> bytes:
        """Take the greeting's bytes and return those after it."""
        peer = self._greeting
        version_known = peer.version_known
        rest = peer.receive(data)
        if peer.version_known and not version_known:
            self._to_send.append(greeting.second_step(self._mechanism_name, self._as_server))
            self._proceed(VERSION)
        if peer.complete:
            self.peer_version = peer.version
            if peer.mechanism != self._mechanism_name:
                raise ProtocolError(
                    "greeting", f"the peer wants mechanism {peer.mechanism!r}, this socket {self._mechanism_name!r}"
                )
            # Who is the server means nothing to NULL; libzmq does not look either.
            for body in self._mechanism.begin():
                self._send_command(body)
            self._proceed(GREETED)
        return rest

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
        self._proceed(AGREED)

    def _check_peer(self) -> None:
        self.peer_socket_type = metadata.lookup(self.peer, "Socket-Type").decode("ascii", "backslashreplace")
        self.peer_routing_id = metadata.lookup(self.peer, "Identity")
        if self.peer_socket_type not in PEERS[self.socket_type]:
            theirs = self.peer_socket_type
            if theirs not in PEERS:
                theirs = repr(theirs[:20]) if theirs else "nameless"
            reason = f"a {self.socket_type} socket does not talk to a {theirs} socket"
            self._send_command(commands.make_error(reason))
            raise ProtocolError("handshake", reason)
        if len(self.peer_routing_id) > _IDENTITY_LIMIT:
            size = len(self.peer_routing_id)
            raise ProtocolError("handshake", f"the peer's Identity has {size} bytes; {_IDENTITY_LIMIT} are allowed")

    # ---- traffic

    def _without_commands(self, found: list[Any]) -> list[Any]:
        """Act on commands and return the messages (and Subscriptions)."""
        messages: list[Any] = []
        for item in found:
            if type(item) is not CommandFrame:
                messages.append(item)
                continue
            try:
                subscription = self._command(item.body)
            except ProtocolError as error:
                self._fail(error)
                break
            if subscription is not None:
                messages.append(subscription)
        return messages

    def _command(self, body: bytes) -> Subscription | None:
        name, data = commands.split(body, self._phase)
        if name == b"PING":
            self.ttl = int.from_bytes(data[:2], "big")
            pong = commands.make_pong(data)
            # Who asks on and on and never reads the answers is not worth more memory.
            if len(self._to_send) < _MOST_WAITING:
                self._send_command(pong)
        elif name == b"PONG":
            self.pongs += 1
        elif name in (b"SUBSCRIBE", b"CANCEL"):
            # To a socket that does not publish it means nothing, and must not get among its messages.
            if self.socket_type in _PUBLISHERS:
                return Subscription(data, name == b"SUBSCRIBE")
        elif name == b"ERROR":
            raise ProtocolError(self._phase, f"the peer reports: {commands.error_reason(data)}")
        # Commands of later versions are passed over, as libzmq does.
        return None

    def _send_command(self, body: bytes) -> None:
        self._to_send.append(encode_command(body))
