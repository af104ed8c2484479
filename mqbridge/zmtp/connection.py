"""One ZMTP connection, sans-IO: received bytes go in, whole messages and bytes to send come out.

Where it stands, and what brings it further, is the table in `states.py`. Nothing here raises for what the network sent:
the first error is recorded, and what comes after it is discarded.
"""

from collections.abc import Mapping
from typing import Any

from mqbridge.constants import Event
from mqbridge.zmtp import commands, metadata
from mqbridge.zmtp.commands import Subscription
from mqbridge.zmtp.errors import ProtocolError, Refused
from mqbridge.zmtp.frames import CommandFrame, Decoder, Encoder, encode, encode_command
from mqbridge.zmtp.greeting import Greeting
from mqbridge.zmtp.mechanisms import mechanism_for
from mqbridge.zmtp.mechanisms.mechanism import Question, Security, Verdict
from mqbridge.zmtp.old_frames import OldDecoder, OldEncoder, encode_old
from mqbridge.zmtp.sealing import OVERHEAD, Sealer, Sealing
from mqbridge.zmtp.states import (
    AGREED,
    ANSWERED,
    ASKED,
    ASKING,
    END,
    FAULT,
    GREETED,
    GREETING,
    MEANING,
    OLDER,
    TRANSITIONS,
    VERSION,
)

# The most a handshake command may have; memory is given only for what has arrived.
_HANDSHAKE_LIMIT = 65536
_IDENTITY_LIMIT = 255
# Commands that wait to be sent, more than one read can ask for; PONGs beyond that are dropped.
_MOST_WAITING = 8192
# In a box: the flags of a message, and of a command.
_SEALED_MESSAGE = 0
_SEALED_COMMAND = 2
# Of its metadata, what a peer cannot say itself.
_OURS_TO_SAY = ("user-id", "peer-address")
_OPEN = Security()
# The status of RFC 27 of which the peer is told nothing: it may try again.
_NOT_NOW = 300

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


def _own_name(identity: bytes) -> bytes:
    """Return a peer's Identity; none if it begins with zero, as those do that a ROUTER makes for others (RFC 37)."""
    return b"" if identity[:1] == b"\0" else identity


class Connection:
    """One side of a connection.

    `socket_type` is the name in the Socket-Type property, `security` which mechanism is used and with what,
    `max_message_size` MAXMSGSIZE in bytes (-1: no limit), `properties` more metadata for the peer.
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
        "question",
        "sealing",
        "encoder",
        "_phase",
        "_security",
        "_mechanism",
        "_verdict",
        "_max_message_size",
        "_greeting",
        "_early",
        "_takes_all",
        "_to_send",
        "_to_seal",
    )

    def __init__(
        self,
        socket_type: str,
        security: Security = _OPEN,
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
        # What a ZAP handler is to be asked; `answer` takes what it says.
        self.question: Question | None = None
        # How traffic is encrypted, once the handshake is done; None if it is not.
        self.sealing: Sealing | None = None
        # What encodes messages, once the handshake is done; None: as any ZMTP 3 peer takes them.
        self.encoder: Encoder | None = None
        self._security = security
        # Both are gone, with the keys they have, when the handshake is over.
        self._mechanism: Any = mechanism_for(own, security)
        self._verdict: Verdict | None = None
        self._max_message_size = max_message_size
        self._greeting = Greeting(security.mechanism, security.as_server, socket_type, routing_id)
        # How much came while a question was open.
        self._early = 0
        # A subscriber that does not say what it wants has not been given everything yet.
        self._takes_all = False
        self._to_send = [self._greeting.to_send]
        self._greeting.to_send = b""
        # Commands that are encrypted when they are sent, so that their nonces come in order.
        self._to_seal: list[bytes] = []

    # ---- bytes

    def data_to_send(self) -> bytes:
        """Return what the protocol itself has to say, once; it goes between two messages."""
        if not self._to_send and not self._to_seal:
            return b""
        data = b"".join(self._to_send + [self._sealed(_SEALED_COMMAND, body) for body in self._to_seal])
        self._to_send.clear()
        self._to_seal.clear()
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
            self.error = ProtocolError(self._phase, "the peer closed the connection", 0)
        self._proceed(END)

    def messages(self, limit: int) -> list[Any]:
        """Return at most `limit` whole messages, and the peer's Subscriptions among them."""
        if not self.ready:
            return []
        decoder = self.decoder
        if self.sealing is not None:
            return self._open_messages(limit)
        found = decoder.decode(limit)
        if self._takes_all:
            self._takes_all = False
            found.insert(0, Subscription(b"", True))
        if decoder.has_commands:
            found = self._without_commands(found)
        if decoder.error is not None and self.error is None:
            self._fail(ProtocolError(self._phase, decoder.error))
        return found

    def frame_of(self, subscription: Subscription) -> bytes:
        """Return a subscription as a frame: a command since ZMTP 3.1, a message to older peers."""
        if self.peer_version >= (3, 1):
            body = commands.make(b"SUBSCRIBE" if subscription.add else b"CANCEL", subscription.topic)
            return encode_command(body) if self.sealing is None else self._sealed(_SEALED_COMMAND, body)
        message = (b"\x01" if subscription.add else b"\x00") + subscription.topic
        if self.peer_version < (2, 0):
            return encode_old(message)
        return encode(message) if self.sealing is None else self._sealed(_SEALED_MESSAGE, message)

    def ping(self, ttl: int, context: bytes) -> None:
        """Send a PING; `ttl` is in tenths of a second. Nothing happens before the handshake and after the end."""
        if self.ready and not self.closed and self.has_commands():
            self._send_command(commands.make_ping(ttl, context))

    def has_commands(self) -> bool:
        """Return whether the peer knows commands: since ZMTP 3."""
        return self.peer_version >= (3, 0)

    def answer(self, verdict: Verdict | ProtocolError | None) -> None:
        """Go on with the handshake: what the ZAP handler says of the question, None if there is no handler."""
        if self.state != ASKING:
            return
        self.question = None
        self._proceed(ANSWERED)
        try:
            if isinstance(verdict, ProtocolError):
                raise verdict
            self._verdict = verdict
            self._send_commands(self._mechanism.answer(verdict))
            self._shake_hands(b"")
        except Refused as error:
            if not error.by_peer and error.status != _NOT_NOW:
                self._send_command(commands.make_error(str(error.status)))
            self._fail(error)
        except ProtocolError as error:
            self._fail(error)

    # ---- state

    def _proceed(self, event: str) -> None:
        self._enter(TRANSITIONS[self.state, event])

    def _enter(self, state: str) -> None:
        self.state = state
        # `ready`: the handshake is done, and messages may be taken. `closed`: nothing more is received.
        self._phase, self.ready, self.closed = MEANING[state]
        if self.closed:
            self._mechanism = self.question = None
            self._security = _OPEN

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
                if self.ready:
                    self.decoder.feed(data)
                else:
                    self._shake_hands(data)
        except ProtocolError as error:
            self._fail(error)

    def _receive_greeting(self, data: bytes) -> bytes:
        """Take the greeting's bytes and return those after it."""
        peer = self._greeting
        security = self._security
        version_known = peer.version_known
        rest = peer.receive(data)
        older = peer.version_known and peer.version < (3, 0)
        if older and (security.mechanism != "NULL" or security.asks):
            # They know nothing else than NULL, and must not be a way around what is wanted here.
            wanted = "a ZAP handler is to be asked" if security.mechanism == "NULL" else security.mechanism
            text = f"the peer speaks ZMTP {peer.version[0]}.0, which has no security; here it is {wanted}"
            raise ProtocolError("greeting", text, Event.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        if peer.to_send:
            self._to_send.append(peer.to_send)
            peer.to_send = b""
        if peer.version_known and not version_known:
            self._proceed(OLDER if older else VERSION)
        if peer.complete and older:
            self._meet_older(peer)
        elif peer.complete:
            self.peer_version = peer.version
            if peer.mechanism != security.mechanism:
                text = f"the peer wants mechanism {peer.mechanism!r}, this socket {security.mechanism!r}"
                raise ProtocolError("greeting", text, Event.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
            # Who is the server means nothing to NULL, and libzmq never says that it is one.
            if peer.as_server and security.as_server and security.mechanism != "NULL":
                text = f"both sides are {security.mechanism} servers"
                raise ProtocolError("greeting", text, Event.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
            self._proceed(GREETED)
            self._send_commands(self._mechanism.begin())
        return rest

    def _meet_older(self, peer: Greeting) -> None:
        """An older peer has said all it has to say of itself."""
        self.peer_version = peer.version
        told = {"Identity": peer.identity}
        if peer.version == (2, 0):
            told["Socket-Type"] = peer.socket_type.encode()
            self._check_peer(told)
            self.decoder.max_size = self._max_message_size
        else:
            self.peer_routing_id = _own_name(peer.identity)
            self.decoder = OldDecoder(self._max_message_size)
            self.encoder = OldEncoder()
            # Its subscribers choose among what they receive.
            self._takes_all = self.socket_type in _PUBLISHERS
        self.peer = told
        self._mechanism = None
        self._proceed(AGREED)

    def _send_commands(self, bodies: list[bytes]) -> None:
        """Send what the mechanism has to say, and see whether it has a question."""
        for body in bodies:
            self._to_send.append(encode_command(body))
        if self._mechanism.question is not None:
            self.question = self._mechanism.question
            self._early = 0
            self._proceed(ASKED)

    def _shake_hands(self, data: bytes) -> None:
        """Take the handshake's commands; what follows the last of them is traffic."""
        decoder = self.decoder
        decoder.feed(data)
        mechanism = self._mechanism
        while not mechanism.done:
            if self.state == ASKING:
                self._early += len(data)
                if self._early > _HANDSHAKE_LIMIT:
                    raise ProtocolError("handshake", f"the peer sent {self._early} bytes before it was let in")
                return
            body = decoder.next_command()
            if decoder.error is not None:
                raise ProtocolError("handshake", decoder.error, Event.PROTOCOL_ERROR_ZMTP_UNEXPECTED_COMMAND)
            if body is None:
                return
            self._send_commands(mechanism.receive(body))
        self.sealing = mechanism.sealing
        if self.sealing is not None:
            self.encoder = Sealer(self.sealing)
            self.sealing.limit = self._max_message_size
        self._check_peer(mechanism.peer)
        self.peer = self._described(mechanism.peer)
        limit = self._max_message_size
        decoder.max_size = limit + OVERHEAD if limit >= 0 and self.sealing is not None else limit
        self._mechanism = None
        self._security = _OPEN
        self._proceed(AGREED)

    def _check_peer(self, peer: dict[str, bytes]) -> None:
        self.peer_socket_type = metadata.lookup(peer, "Socket-Type").decode("ascii", "backslashreplace")
        self.peer_routing_id = _own_name(metadata.lookup(peer, "Identity"))
        if self.peer_socket_type not in PEERS[self.socket_type]:
            theirs = self.peer_socket_type
            if theirs not in PEERS:
                theirs = repr(theirs[:20]) if theirs else "nameless"
            reason = f"a {self.socket_type} socket does not talk to a {theirs} socket"
            if self._security.mechanism == "NULL" and self.has_commands():
                self._send_command(commands.make_error(reason))
            raise ProtocolError(self._phase, reason, Event.PROTOCOL_ERROR_ZMTP_INVALID_METADATA)
        if len(self.peer_routing_id) > _IDENTITY_LIMIT:
            size = len(self.peer_routing_id)
            text = f"the peer's Identity has {size} bytes; {_IDENTITY_LIMIT} are allowed"
            raise ProtocolError(self._phase, text, Event.PROTOCOL_ERROR_ZMTP_INVALID_METADATA)

    def _described(self, peer: dict[str, bytes]) -> dict[str, bytes]:
        """Return what is known of the peer: what the ZAP handler says goes before what it says itself."""
        known: dict[str, bytes] = {}
        if self._verdict is not None:
            known.update(self._verdict.metadata)
            known["User-Id"] = self._verdict.user_id
        names = {name.lower() for name in known}.union(_OURS_TO_SAY)
        known.update({name: value for name, value in peer.items() if name.lower() not in names})
        return known

    # ---- traffic

    def _open_messages(self, limit: int) -> list[Any]:
        """Return at most `limit` messages, each made of as many frames as it has parts."""
        decoder = self.decoder
        opened: list[Any] = []
        while len(opened) < limit:
            opened += self._without_commands(self._opened(decoder.decode(limit - len(opened))))
            if decoder.error is not None and self.error is None:
                self._fail(ProtocolError(self._phase, decoder.error))
            if not decoder.pending:
                break
        return opened

    def _opened(self, frames: list[Any]) -> list[Any]:
        sealing: Any = self.sealing
        opened: list[Any] = []
        for frame in frames:
            try:
                if type(frame) is tuple:
                    raise ProtocolError(self._phase, "a MESSAGE in several frames")
                item = sealing.open(frame.body if type(frame) is CommandFrame else frame)
            except ProtocolError as error:
                self._fail(error)
                break
            if item is not None:
                opened.append(item)
        return opened

    def _sealed(self, flags: int, body: bytes) -> bytes:
        """Return a frame with a frame in it."""
        sealing: Any = self.sealing
        return encode(sealing.seal(flags, body))

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
        if not self.has_commands():
            raise ProtocolError(self._phase, "a frame with flags that ZMTP 2.0 does not define")
        name, data = commands.split(body, self._phase)
        if name == b"PING":
            self.ttl = int.from_bytes(data[:2], "big")
            pong = commands.make_pong(data)
            # Who asks on and on and never reads the answers is not worth more memory.
            if len(self._to_send) + len(self._to_seal) < _MOST_WAITING:
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
        if self.sealing is None:
            self._to_send.append(encode_command(body))
        else:
            self._to_seal.append(body)
