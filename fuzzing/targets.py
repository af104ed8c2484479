"""The targets: functions that do with a script what the network may do to us, and raise where the invariant breaks.

Those here need no socket; `serving.py` has the one with real connections.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import mqbridge
from fuzzing.script import NO_LIMIT, Script, dice, packed, pieces
from mqbridge import sodium
from mqbridge.transports.socks import Negotiation
from mqbridge.transports.socks import Refused as SocksRefused
from mqbridge.zap import read_reply
from mqbridge.zmtp import commands, metadata
from mqbridge.zmtp.commands import Subscription
from mqbridge.zmtp.connection import PEERS, Connection
from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.frames import encode, encode_command
from mqbridge.zmtp.mechanisms.mechanism import Security, Verdict
from mqbridge.zmtp.old_frames import encode_old

KINDS = [kind for kind in PEERS if kind != "STREAM"]
LIMITS = [-1, 0, 10, 1000, 100_000]
CUTS = [0, 1, 2, 5, 40]
VERDICTS: list[Verdict | ProtocolError | None] = [
    None,
    Verdict(200, b"user", {"X-Said": b"value"}),
    Verdict(300),
    Verdict(400),
    ProtocolError("handshake", "the ZAP handler has closed without an answer"),
]
# Of what comes back: a handshake's worth, and for each byte that arrives so many.
SMALL_TALK = 4096
ECHO = 12

CURVE = mqbridge.has("curve")


def secret(name: str) -> bytes:
    """Return a secret key, always the same for the same name."""
    return hashlib.sha256(name.encode()).digest()


def securities(number: int) -> Security:
    """Return one of the ways to be secured, with dice that begin anew."""
    roll = dice(str(number))
    if number % 7 == 0:
        return Security()
    if number % 7 == 1:
        return Security(asks=True, enforces=True)
    if number % 7 == 2:
        return Security("PLAIN", username=b"user", password=b"password")
    if number % 7 == 3:
        return Security("PLAIN", True, asks=True, enforces=True)
    if not CURVE:
        return Security("PLAIN", True, asks=True)
    if number % 7 == 4:
        server = sodium.public_key(secret("server"))
        public = sodium.public_key(secret("client"))
        return Security("CURVE", public_key=public, secret_key=secret("client"), server_key=server, random=roll)
    return Security("CURVE", True, secret_key=secret("server"), asks=number % 7 == 6, random=roll)


class Broken(AssertionError):
    """The invariant does not hold."""


def check(holds: object, what: str) -> None:
    """Raise Broken if something does not hold, also where assert statements are left out."""
    if not holds:
        raise Broken(what)


# ---- one connection


class Drive:
    """One connection, the bytes it gets, and what comes of them."""

    def __init__(self, connection: Connection, verdict: Verdict | ProtocolError | None, limit: int) -> None:
        self.connection = connection
        self.verdict = verdict
        self.limit = limit
        self.messages: list[Any] = []
        self.received = 0
        # What the connection has said last.
        self.said = connection.data_to_send()
        self.sent = len(self.said)

    def receive(self, data: bytes) -> None:
        """Let some bytes arrive, and do with the connection what a link does."""
        connection = self.connection
        self.received += len(data)
        over = connection.closed
        self.said = b""
        connection.receive_data(data)
        while connection.question is not None:
            connection.answer(self.verdict)
        while True:
            found = connection.messages(self.limit)
            whole = [message for message in found if type(message) is not Subscription]
            check(len(whole) <= self.limit, f"{len(whole)} messages, where {self.limit} were asked for")
            self.messages += [self.plain(message) for message in found]
            said = connection.data_to_send()
            self.said += said
            self.sent += len(said)
            if not connection.decoder.pending:
                break
        check(not over or (connection.closed and not found), "something comes out of a closed connection")
        check(self.sent <= SMALL_TALK + ECHO * self.received, f"{self.sent} bytes for {self.received}")

    @staticmethod
    def plain(message: Any) -> Any:
        """Return a message as something to compare; raises if it is none."""
        if type(message) is Subscription:
            check(type(message.topic) is bytes, "a topic that is not bytes")
            return ("subscription", message.topic, message.add)
        parts = message if type(message) is tuple else (message,)
        check(all(type(part) is bytes for part in parts), f"a message of {[type(part) for part in parts]}")
        return message

    def end(self) -> tuple[Any, ...]:
        """The peer goes; return what is to be the same however the bytes were cut."""
        connection = self.connection
        check(connection.closed is False or connection.error is not None, "closed, and nobody knows why")
        if connection.error is not None:
            check(isinstance(connection.error, ProtocolError) and str(connection.error), "an error that says nothing")
        state = connection.state, connection.peer_socket_type, sorted(connection.peer.items())
        size = sum(
            len(part)
            for each in self.messages
            for part in (each if type(each) is tuple else (each,))
            if type(part) is bytes
        )
        check(size <= self.received, f"{size} bytes of messages in {self.received}")
        connection.receive_eof()
        self.messages += [self.plain(message) for message in connection.messages(NO_LIMIT)]
        check(connection.messages(NO_LIMIT) == [] and connection.closed, "the end is not the end")
        return (*state, self.messages)


def same_however_cut(make: Callable[[], Drive], data: bytes, cut: int) -> None:
    """Let bytes arrive whole, and cut; both must come to the same."""
    found = []
    for how in (0, cut) if cut else (0,):
        drive = make()
        for piece in pieces(data, how):
            drive.receive(piece)
        found.append(drive.end())
    # What a connection that fails had received before it failed may be known in part.
    check(found[0] == found[-1] or found[0][0] == found[-1][0] == "CLOSED", f"cut {cut}: {found[0]} and {found[-1]}")


def handshake(script: Script) -> None:
    """Anything may arrive from the first byte on: greetings of all versions, handshakes of all mechanisms."""
    kind, how = script.choice(KINDS), script.byte()
    limit, verdict, cut = script.choice(LIMITS), script.choice(VERDICTS), script.choice(CUTS)
    ask = 1 + script.byte() % 4

    def make() -> Drive:
        connection = Connection(kind, securities(how), routing_id=b"me", max_message_size=limit)
        return Drive(connection, verdict, ask)

    same_however_cut(make, script.rest(), cut)


def shaken(kind: str, peer: str, how: int, limit: int) -> tuple[Connection, Connection]:
    """Return two connections after their handshake; `how` says how the first is secured."""
    ours = securities(how)
    theirs = {
        ("NULL", False): 0,
        ("PLAIN", True): 2,
        ("PLAIN", False): 3,
        ("CURVE", True): 4,
        ("CURVE", False): 5,
    }[ours.mechanism, ours.as_server]
    one = Connection(kind, ours, routing_id=b"me", max_message_size=limit)
    other = Connection(peer, securities(theirs))
    for _ in range(8):
        for sender, receiver in ((one, other), (other, one)):
            receiver.receive_data(sender.data_to_send())
            while receiver.question is not None:
                receiver.answer(VERDICTS[1])
    check(one.ready and other.ready, f"{one.error} {other.error}")
    return one, other


def old_greeting(age: tuple[int, int], peer: str) -> bytes:
    """Return the greeting of a peer without an identity, of ZMTP 1.0 or 2.0."""
    if age == (1, 0):
        return b"\x01\x00"
    return b"\xff" + bytes(8) + b"\x7f\x01" + bytes((NUMBERS[peer], 0, 0))


NUMBERS = {"PAIR": 0, "PUB": 1, "SUB": 2, "REQ": 3, "REP": 4, "DEALER": 5, "ROUTER": 6, "PULL": 7, "PUSH": 8}
NUMBERS |= {"XPUB": 1, "XSUB": 2}


def traffic(script: Script) -> None:
    """After a good handshake, of any version and mechanism: frames, commands, subscriptions; also in boxes."""
    kind = script.choice(KINDS)
    peer = script.choice(PEERS[kind])
    age, how = script.choice([(3, 1), (3, 0), (2, 0), (1, 0)]), script.byte()
    limit, cut, ask = script.choice(LIMITS), script.choice(CUTS), 1 + script.byte() % 4
    steps = []
    while not script.over:
        step = script.byte()
        steps.append((step, script.piece() if step < 192 else script.rest()))

    def make() -> tuple[Drive, Connection | None]:
        if age >= (3, 0):
            one, other = shaken(kind, peer, how, limit)
            one.peer_version = age
            return Drive(one, None, ask), other
        one = Connection(kind, routing_id=b"me", max_message_size=limit)
        one.receive_data(old_greeting(age, peer))
        check(one.ready, str(one.error))
        return Drive(one, None, ask), None

    found = []
    for way in (0, cut) if cut else (0,):
        drive, other = make()
        for step, data in steps:
            if other is not None and other.sealing is not None and step & 1:
                # A good box, whatever is in it.
                data = encode(other.sealing.seal(step >> 1 & 7, data))
            for part in pieces(data, way):
                drive.receive(part)
        found.append(drive.end())
    check(found[0] == found[-1] or found[0][0] == found[-1][0] == "CLOSED", f"cut {cut}: {found[0]} and {found[-1]}")


# ---- what is in a box of a handshake


class Meddler:
    """Changes what is in one of the boxes that are made while it is at work."""

    def __init__(self, nth: int, change: Callable[[bytes], bytes]) -> None:
        self._left = nth
        self._change = change

    def _changed(self, text: bytes) -> bytes:
        self._left -= 1
        return self._change(text) if self._left == -1 else text

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Meddle with the boxes that are made meanwhile."""
        box, lock = sodium.box, sodium.lock
        with (
            mock.patch.object(sodium, "box", lambda text, *others: box(self._changed(text), *others)),
            mock.patch.object(sodium, "lock", lambda text, *others: lock(self._changed(text), *others)),
        ):
            yield


def inside(script: Script) -> None:
    """A peer that knows all keys, and puts anything into its boxes: HELLO, WELCOME, cookie, vouch, INITIATE, READY."""
    if not CURVE:
        return
    server, nth = script.byte() & 1, script.byte() % 4
    at, replaced, put = script.byte(), script.byte(), script.rest()
    meddler = Meddler(nth, lambda text: text[:at] + put + text[at + replaced :])
    drive = Drive(Connection("ROUTER", securities(5 if server else 4), routing_id=b"me"), None, NO_LIMIT)
    other = Connection("DEALER", securities(4 if server else 5))
    said = drive.said
    for _ in range(6):
        with meddler.at_work():
            other.receive_data(said)
        drive.receive(other.data_to_send())
        said = drive.said
    drive.end()


# ---- what is smaller than a connection


def zap(script: Script) -> None:
    """A ZAP handler's reply is anything, and what it says of a peer is let in."""
    number = b"17"
    parts: list[bytes] = []
    kind = script.choice(KINDS)
    while not script.over:
        parts.append(script.piece())
    try:
        verdict = read_reply(parts[0] if len(parts) == 1 else tuple(parts), number)
    except ProtocolError as error:
        check(str(error), "an error that says nothing")
        return
    check(verdict.status in (200, 300, 400, 500), f"status {verdict.status}")
    connection = Connection(kind, Security(asks=True))
    connection.receive_data(GREETING + encode_command(ready(PEERS[kind][0].encode())))
    check(connection.question is not None, "nobody was asked")
    connection.answer(verdict)
    check(connection.ready is (verdict.status == 200), "who is let in is not the one the handler lets in")


def socks(script: Script) -> None:
    """A SOCKS5 proxy that says anything."""
    negotiation = Negotiation("example.net", 5555, script.choice([b"", b"user"]), script.piece())
    rest = script.rest()
    try:
        while negotiation.missing and rest:
            take = min(negotiation.missing, 1 + len(rest) % 3)
            negotiation.receive(rest[:take])
            rest = rest[take:]
    except SocksRefused as error:
        check(str(error), "an error that says nothing")


# ---- seeds: scripts of what well-behaved peers do, and of some that are not

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)


def ready(kind: bytes) -> bytes:
    """Return the body of a READY."""
    return commands.make(b"READY", metadata.encode({"Socket-Type": kind, "Identity": b"peer"}))


def heard(how: int, kind: str, peer: str) -> bytes:
    """Return all that a good peer says to a connection that is secured in this way."""
    ours = securities(how)
    theirs = {"NULL": 0, "PLAIN": 2 if ours.as_server else 3, "CURVE": 4 if ours.as_server else 5}[ours.mechanism]
    one, other = Connection(kind, ours, routing_id=b"me"), Connection(peer, securities(theirs))
    said = b""
    for _ in range(8):
        for sender, receiver in ((one, other), (other, one)):
            data = sender.data_to_send()
            said += data if sender is other else b""
            receiver.receive_data(data)
            while receiver.question is not None:
                receiver.answer(VERDICTS[1])
    return said


TRAFFIC = [
    encode(b"hello"),
    encode((b"", b"multi", b"part")),
    encode(bytes(300)),
    encode_command(commands.make(b"SUBSCRIBE", b"topic")) + encode_command(commands.make(b"CANCEL", b"topic")),
    encode(b"\x01topic") + encode(b"\x00topic"),
    encode_command(commands.make_ping(10, b"context")) + encode_command(commands.make(b"PONG", b"context")),
    encode_command(commands.make_error("go away")),
    encode_command(commands.make(b"JOIN", b"group")),
    b"\x02" + (1 << 62).to_bytes(8, "big") + b"announced",
    b"\x03" + (20_000).to_bytes(8, "big") + bytes(9000),
    b"\x01\x00" * 20,
    b"\x07\x00",
    b"\x04\x00",
    encode_old(b"hello") + encode_old(bytes(300)),
    b"\xff" + (1 << 40).to_bytes(8, "big") + b"\0" + bytes(100),
]


def handshake_seeds() -> Iterator[bytes]:
    """Yield transcripts of all mechanisms and versions, with traffic behind them."""
    for how in range(7):
        for kind in ("ROUTER", "SUB", "PULL", "XPUB"):
            head = packed(KINDS.index(kind), how, 3, 1, how % len(CUTS), 2)
            said = heard(how, kind, PEERS[kind][0])
            yield head + said
            yield head + said + b"".join(TRAFFIC[:7])
    for age in ((1, 0), (2, 0)):
        for kind in ("PULL", "XPUB", "REP"):
            traffic_of = TRAFFIC[-2:] if age == (1, 0) else TRAFFIC[:3]
            yield packed(KINDS.index(kind), 0, 3, 0, 1, 1) + old_greeting(age, PEERS[kind][0]) + b"".join(traffic_of)
    yield packed(0, 0, 0, 0, 0, 0) + b"GET / HTTP/1.1\r\nHost: example.net\r\n\r\n"


def traffic_seeds() -> Iterator[bytes]:
    """Yield traffic of each kind, plain and in boxes."""
    for number, data in enumerate(TRAFFIC):
        for age in range(4):
            for how in (0, 3, 5):
                head = packed(number % len(KINDS), 0, age, how, number % len(LIMITS), number % len(CUTS), 1)
                yield head + b"\xc0" + data
                yield head + packed(1, data[2:200], 3, data[2:100], 1, b"", 5, b"\x04PING\x00\x00")


def inside_seeds() -> Iterator[bytes]:
    """Yield a change in each box."""
    for server in range(2):
        for nth in range(4):
            for at in (0, 32, 128):
                yield packed(server, nth, at, 0)
                yield packed(server, nth, at, 255) + metadata.encode({"Socket-Type": b"DEALER", "X": bytes(300)})


def zap_seeds() -> Iterator[bytes]:
    """Yield replies, good and bad."""
    described = metadata.encode({"X-One": b"1", "User-Id": b"root"})
    for status in (b"200", b"300", b"400", b"500", b"201", b""):
        yield packed(0, b"", b"1.0", b"17", status, b"text", b"user", described)
    yield packed(1, b"", b"1.0", b"17", b"200", b"OK", b"", described[:-1])
    yield packed(1, b"", b"1.0", b"17", b"200")
    yield packed(1, b"alone")


def socks_seeds() -> Iterator[bytes]:
    """Yield answers of proxies, good and bad."""
    for answer in (b"\x01\x7f\0\0\x01\x15\xb3", b"\x03\x04name\x15\xb3", b"\x04" + bytes(18), b"\x09"):
        yield packed(0, b"") + b"\x05\x00\x05\x00\x00" + answer
        yield packed(1, b"password") + b"\x05\x02\x01\x00\x05\x00\x00" + answer
    yield packed(0, b"") + b"\x05\xff"
    yield packed(0, b"") + b"\x05\x00\x05\x01\x00\x01" + bytes(6)


@dataclass(frozen=True)
class Target:
    """Something to fuzz.

    Parameters
    ----------
    run
        Does what a script says; raises where the invariant breaks.
    seeds
        Scripts to begin with.
    """

    run: Callable[[Script], None]
    seeds: Callable[[], Iterator[bytes]]


TARGETS = {
    "handshake": Target(handshake, handshake_seeds),
    "traffic": Target(traffic, traffic_seeds),
    "inside": Target(inside, inside_seeds),
    "zap": Target(zap, zap_seeds),
    "socks": Target(socks, socks_seeds),
}
