"""Connections: two joined by a fake link, and peers that are older, strange or hostile."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqbridge.zmtp.commands import Subscription
from mqbridge.zmtp.connection import PEERS, Connection
from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.frames import encode
from mqbridge.zmtp.mechanisms import MECHANISMS
from mqbridge.zmtp.mechanisms.mechanism import Mechanism, Security
from mqbridge.zmtp.old_frames import OldEncoder

NO_LIMIT = 1 << 30


def plain(items: list[Any]) -> list[Any]:
    """Messages, with Subscriptions as (topic, add)."""
    return [(item.topic, item.add) if type(item) is Subscription else item for item in items]


def refused(connection: Connection, phase: str) -> str:
    """Check that a connection is over for an error of this phase, for good, and return the reason."""
    error = connection.error
    assert type(error) is ProtocolError
    assert error.phase == phase
    assert (connection.state, connection.closed, connection.ready) == ("CLOSED", True, False)
    connection.data_to_send()
    connection.receive_data(b"\x00\x01x" * 100)
    connection.ping(0, b"")
    connection.receive_eof()
    assert connection.messages(NO_LIMIT) == []
    assert connection.data_to_send() == b""
    assert connection.error is error
    assert connection.state == "CLOSED"
    assert len(error.reason) < 1400  # an ERROR's 255 bytes, escaped
    return str(error.reason)


# ---- state


def test_a_new_connection_knows_nothing_of_its_peer() -> None:
    connection = Connection("PULL")
    assert (connection.state, connection.ready, connection.closed, connection.error) == ("GREETING", False, False, None)
    assert (connection.peer, connection.peer_socket_type, connection.peer_routing_id) == ({}, "", b"")
    assert (connection.peer_version, connection.pongs) == ((0, 0), 0)


def test_a_connection_walks_through_its_states(wire: Any) -> None:
    connection = Connection("PULL")
    seen = [connection.state]
    for byte in wire.greeting() + wire.ready(b"PUSH"):
        connection.receive_data(bytes((byte,)))
        if connection.state != seen[-1]:
            seen.append(connection.state)
        assert connection.ready == (connection.state == "READY")
        assert not connection.closed
    assert seen == ["GREETING", "MECHANISM", "HANDSHAKE", "READY"]
    connection.receive_eof()
    assert (connection.state, connection.ready, connection.closed, connection.error) == ("ENDED", True, True, None)


# ---- greeting and handshake


def test_the_bytes_are_those_of_the_specification(wire: Any) -> None:
    connection = Connection("DEALER")
    # RFC 37, "Detecting ZMTP 1.0 and 2.0 Peers": ten bytes, and the rest when the peer has shown its age.
    assert connection.data_to_send() == wire.greeting()[:10]
    assert connection.data_to_send() == b""
    connection.receive_data(wire.greeting()[:9])
    assert connection.data_to_send() == b""
    connection.receive_data(wire.greeting()[9:10])
    assert connection.data_to_send() == wire.greeting()[10:11]
    connection.receive_data(wire.greeting()[10:11])
    assert connection.data_to_send() == wire.greeting()[11:]
    connection.receive_data(wire.greeting()[11:])
    # RFC 37, "Worked Example".
    assert connection.data_to_send() == (
        b"\x04\x29\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"
    )


@pytest.mark.parametrize("socket_type", PEERS)
def test_who_says_an_identity(wire: Any, socket_type: str) -> None:
    connection = Connection(socket_type, routing_id=b"me", properties={"X-Name": b"value"})
    connection.receive_data(wire.greeting())
    properties = wire.property(b"Socket-Type", socket_type.encode())
    if socket_type in ("REQ", "DEALER", "ROUTER"):
        properties += wire.property(b"Identity", b"me")
    properties += wire.property(b"X-Name", b"value")
    own = wire.greeting(padding=bytes(7) + b"\x03")
    assert connection.data_to_send() == own + wire.command(b"READY", properties)


def test_a_server_says_so(wire: Any) -> None:
    connection = Connection("PULL", Security(as_server=True))
    connection.receive_data(wire.greeting()[:11])
    assert connection.data_to_send() == wire.greeting(as_server=1)


@pytest.mark.parametrize(
    ("one", "other"), [(one, other) for one in PEERS for other in PEERS], ids=lambda name: name.lower()
)
def test_two_connections_greet_each_other(exchange: Any, one: str, other: str) -> None:
    left, right = Connection(one, routing_id=b"left"), Connection(other, routing_id=b"right")
    exchange(left, right)
    if other in PEERS[one]:
        assert (left.ready, right.ready) == (True, True)
        assert (left.peer_socket_type, right.peer_socket_type) == (other, one)
        assert left.peer_version == right.peer_version == (3, 1)
        assert right.peer_routing_id == (b"left" if one in ("REQ", "DEALER", "ROUTER") else b"")
        assert left.error is right.error is None
    else:
        assert refused(left, "handshake") == f"a {one} socket does not talk to a {other} socket"
        assert refused(right, "handshake") == f"a {other} socket does not talk to a {one} socket"


def test_peers_are_mutual() -> None:
    for socket_type, peers in PEERS.items():
        for peer in peers:
            assert socket_type in PEERS[peer]


def test_a_peer_that_does_not_suit_is_told(wire: Any) -> None:
    connection = Connection("PUSH")
    connection.data_to_send()
    connection.receive_data(wire.greeting() + wire.ready(b"PUSH"))
    reason = b"a PUSH socket does not talk to a PUSH socket"
    sent = connection.data_to_send()
    assert sent.endswith(wire.ready(b"PUSH") + wire.command(b"ERROR", bytes((len(reason),)) + reason))
    assert refused(connection, "handshake") == reason.decode()


@pytest.mark.parametrize("version", [(3, 0), (3, 1), (3, 2), (4, 0)])
@pytest.mark.parametrize("as_server", [0, 1])
def test_peers_of_all_versions_from_3_on(wire: Any, cut: Any, version: tuple[int, int], as_server: int) -> None:
    connection = Connection("PULL")
    # NULL knows no server: the field "SHALL have no significance".
    for piece in cut(wire.greeting(version, as_server=as_server) + wire.ready(b"PUSH") + wire.message(b"a", b"b")):
        connection.receive_data(piece)
    assert (connection.ready, connection.peer_version) == (True, version)
    assert connection.messages(NO_LIMIT) == [(b"a", b"b")]


def test_what_a_peer_says_of_itself(wire: Any, cut: Any) -> None:
    connection = Connection("ROUTER")
    properties = (
        wire.property(b"socket-TYPE", b"DEALER") + wire.property(b"IDENTITY", b"x" * 255) + wire.property(b"X-a", b"b")
    )
    for piece in cut(wire.greeting() + wire.command(b"READY", properties)):
        connection.receive_data(piece)
    assert connection.ready
    assert connection.peer_socket_type == "DEALER"
    assert connection.peer_routing_id == b"x" * 255
    assert connection.peer == {"socket-TYPE": b"DEALER", "IDENTITY": b"x" * 255, "X-a": b"b"}


@pytest.mark.parametrize("mechanism", [b"PLAIN", b"CURVE", b"", b"null", b"NULL2", b"NULL\0\0X", b"\xff" * 20])
def test_another_mechanism_is_refused(wire: Any, cut: Any, mechanism: bytes) -> None:
    connection = Connection("PULL")
    for piece in cut(wire.greeting(mechanism=mechanism) + wire.ready(b"PUSH")):
        connection.receive_data(piece)
    # The peer is told what this socket wants: RFC 37 demands the full greeting in any case.
    assert connection.data_to_send() == wire.greeting()
    name = mechanism.decode("ascii", "backslashreplace")
    assert refused(connection, "greeting") == f"the peer wants mechanism {name!r}, this socket 'NULL'"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x00\x01", "does not speak ZMTP: it began"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "does not speak ZMTP: it began"),
        (b"\xff" + bytes(7) + b"\x05\x02hello", "does not speak ZMTP: it began"),
    ],
)
def test_garbage_is_refused(cut: Any, data: bytes, reason: str) -> None:
    connection = Connection("PULL")
    sent = connection.data_to_send()
    for piece in cut(data):
        connection.receive_data(piece)
    assert connection.data_to_send() == b""
    assert len(sent) == 10
    assert reason in refused(connection, "greeting")


# ---- older peers

SIGNATURE = b"\xff" + bytes(7) + b"\x01\x7f"


@pytest.mark.parametrize("revision", [1, 2])
def test_a_peer_of_version_2(cut: Any, revision: int) -> None:
    connection = Connection("ROUTER", routing_id=b"me")
    assert connection.data_to_send() == b"\xff" + bytes(7) + b"\x03\x7f"
    for piece in cut(SIGNATURE + bytes((revision,)) + b"\x05\x00\x03you\x01\x00\x00\x02hi"):
        connection.receive_data(piece)
    # Our version is told all the same, then the type and the identity, as RFC 15 has them.
    assert connection.data_to_send() == b"\x03\x06\x00\x02me"
    assert connection.ready
    assert (connection.peer_version, connection.peer_socket_type) == ((2, 0), "DEALER")
    assert connection.peer_routing_id == b"you"
    assert connection.peer == {"Identity": b"you", "Socket-Type": b"DEALER"}
    assert connection.messages(9) == [(b"", b"hi")]
    connection.ping(0, b"")
    assert connection.data_to_send() == b""
    # Frames are those of ZMTP 3.
    assert connection.encoder is None


NUMBERS = {"PAIR": 0, "PUB": 1, "SUB": 2, "REQ": 3, "REP": 4, "DEALER": 5, "ROUTER": 6, "PULL": 7, "PUSH": 8}


@pytest.mark.parametrize("theirs", [*NUMBERS, "XPUB", "XSUB"])
@pytest.mark.parametrize("ours", [name for name in PEERS if name != "STREAM"])
def test_types_of_version_2(ours: str, theirs: str) -> None:
    number = {**NUMBERS, "XPUB": 9, "XSUB": 10}[theirs]
    connection = Connection(ours)
    connection.data_to_send()
    connection.receive_data(SIGNATURE + b"\x01" + bytes((number, 0, 0)))
    assert connection.data_to_send() == b"\x03" + bytes((NUMBERS[ours.replace("X", "")], 0, 0))
    if theirs in PEERS[ours]:
        assert connection.ready
    else:
        assert refused(connection, "greeting") == f"a {ours} socket does not talk to a {theirs} socket"


def test_version_2_has_no_commands() -> None:
    connection = Connection("PULL")
    connection.receive_data(SIGNATURE + b"\x01\x08\x00\x00" + b"\x00\x01x" + b"\x04\x07\x04PING\x00\x00")
    assert connection.messages(9) == [b"x"]
    assert refused(connection, "traffic") == "a frame with flags that ZMTP 2.0 does not define"


@pytest.mark.parametrize(
    "greeting", [b"\x01\x00", b"\x04\x00you", b"\xff" + bytes(7) + b"\x04\x00you"], ids=["anonymous", "short", "long"]
)
def test_a_peer_of_version_1(cut: Any, greeting: bytes) -> None:
    connection = Connection("ROUTER", routing_id=b"me")
    # To the peer that is the head of a long frame: three bytes, its flags among them, and the flags are 0x7F.
    assert connection.data_to_send() == b"\xff" + bytes(7) + b"\x03\x7f"
    for piece in cut(greeting + b"\x01\x01\x03\x00hi"):
        connection.receive_data(piece)
    assert connection.data_to_send() == b"me"
    assert connection.ready
    assert connection.peer_version == (1, 0)
    assert connection.peer_routing_id == greeting[-3:] * (b"you" in greeting)
    assert connection.messages(9) == [(b"", b"hi")]
    assert type(connection.encoder) is OldEncoder
    connection.ping(0, b"")
    assert connection.data_to_send() == b""


@pytest.mark.parametrize("version", [1, 2])
def test_subscriptions_are_messages_to_older_peers(version: int) -> None:
    connection = Connection("SUB")
    connection.receive_data(b"\x01\x00" if version == 1 else SIGNATURE + b"\x01\x01\x00\x00")
    frames = [connection.frame_of(Subscription(b"topic", add)) for add in (True, False)]
    if version == 1:
        assert frames == [b"\x07\x00\x01topic", b"\x07\x00\x00topic"]
    else:
        assert frames == [b"\x00\x06\x01topic", b"\x00\x06\x00topic"]


@pytest.mark.parametrize("socket_type", ["PUB", "XPUB", "PUSH"])
def test_a_subscriber_of_version_1_gets_everything(socket_type: str) -> None:
    """It cannot say what it wants, and chooses among what it is sent (RFC 13, "Broadcast Content")."""
    connection = Connection(socket_type)
    connection.receive_data(b"\x01\x00")
    assert plain(connection.messages(9)) == ([] if socket_type == "PUSH" else [(b"", True)])
    assert connection.messages(9) == []


@pytest.mark.parametrize("early", [b"\x01\x00", b"\x04\x00you", SIGNATURE + b"\x01", SIGNATURE + b"\x02\x08\x00\x00"])
@pytest.mark.parametrize(
    "security",
    [Security("PLAIN"), Security("PLAIN", True, asks=True), Security(asks=True)],
    ids=["client", "server", "NULL with a handler"],
)
def test_there_is_no_way_around_security(cut: Any, early: bytes, security: Security) -> None:
    connection = Connection("PULL", security)
    connection.data_to_send()
    for piece in cut(early):
        connection.receive_data(piece)
    assert "which has no security" in refused(connection, "greeting")
    # At most the major version, which is told before theirs is known.
    assert connection.data_to_send() in (b"", b"\x03")


@pytest.mark.parametrize("greeting", [b"\x04\x00yo", SIGNATURE + b"\x01\x08\x00\x03yo", SIGNATURE + b"\x01"])
def test_an_older_peer_goes_amid_its_greeting(greeting: bytes) -> None:
    connection = Connection("PULL")
    connection.receive_data(greeting)
    assert connection.state == "IDENTITY"
    connection.receive_eof()
    assert refused(connection, "greeting") == "the peer closed the connection"


HANDSHAKES = {
    "no command": (b"\x00\x01x", "a frame with flags 0x00 where a handshake command"),
    "command with MORE": (b"\x05\x01x", "a frame with flags 0x05 where a handshake command"),
    "a command of 65,537 bytes": (struct.pack(">BQ", 6, 65537), "a handshake command of 65537 bytes"),
    "a size of 2^64-1": (struct.pack(">BQ", 6, (1 << 64) - 1), "a handshake command of 18446744073709551615 bytes"),
    "an empty command": (b"\x04\x00", "malformed command b''"),
    "a name cut off": (b"\x04\x03\x05RE", "malformed command"),
    "PING before READY": (b"\x04\x07\x04PING\x00\x00", "b'PING' where READY was expected"),
    "ERROR": (b"\x04\x09\x05ERROR\x02no", "the peer refused: 'no'"),
    "malformed metadata": (b"\x04\x08\x05READY\x01N", "malformed metadata at byte 0"),
    "no Socket-Type": (b"\x04\x06\x05READY", "does not talk to a nameless socket"),
    "a long ERROR": (b"\x04\x86\x05ERROR\x7f" + b"\x07" * 127, r"the peer refused: '\x07\x07"),
}


@pytest.mark.parametrize(("data", "reason"), HANDSHAKES.values(), ids=HANDSHAKES)
def test_a_broken_handshake_is_refused(wire: Any, cut: Any, data: bytes, reason: str) -> None:
    connection = Connection("PULL")
    for piece in cut(wire.greeting() + data):
        connection.receive_data(piece)
    assert reason in refused(connection, "handshake")


@pytest.mark.parametrize("theirs", [b"DISH", b"push", b"PUSH\0", b"\xff\xfe", b"a\nb", b"x" * 60000])
def test_an_unknown_socket_type_is_refused(wire: Any, theirs: bytes) -> None:
    connection = Connection("PULL")
    connection.receive_data(wire.greeting() + wire.ready(theirs))
    name = theirs.decode("ascii", "backslashreplace")[:20]
    assert b"\x05ERROR" in connection.data_to_send()
    assert refused(connection, "handshake") == f"a PULL socket does not talk to a {name!r} socket"


@pytest.mark.parametrize("size", [256, 60000])
def test_a_long_identity_is_refused(wire: Any, size: int) -> None:
    connection = Connection("ROUTER")
    connection.receive_data(wire.greeting() + wire.ready(b"DEALER", b"x" * size))
    assert refused(connection, "handshake") == f"the peer's Identity has {size} bytes; 255 are allowed"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_nobody_has_a_name_that_a_router_makes_for_others(wire: Any, version: int) -> None:
    """RFC 37: an Identity does not begin with zero; who says so all the same has none."""
    name = b"\0\x01\x02\x03\x04"
    said = {
        1: b"\x06\x00" + name,
        2: SIGNATURE + b"\x01\x05\x00\x05" + name,
        3: wire.greeting() + wire.ready(b"DEALER", name),
    }
    connection = Connection("ROUTER")
    connection.receive_data(said[version])
    assert connection.ready
    assert connection.peer_version[0] == version
    assert connection.peer_routing_id == b""


def test_an_end_at_any_byte_is_recorded(wire: Any) -> None:
    stream = wire.greeting() + wire.ready(b"PUSH")
    for length in range(len(stream)):
        connection = Connection("PULL")
        connection.receive_data(stream[:length])
        connection.receive_eof()
        assert refused(connection, "greeting" if length < 64 else "handshake") == "the peer closed the connection"


class InTwoSteps(Mechanism):
    """A mechanism that answers: HELLO, then WELCOME, and each peer is done with the other's WELCOME."""

    def __init__(self, properties: dict[str, bytes], security: Security) -> None:
        super().__init__(security)

    def begin(self) -> list[bytes]:
        return [b"\x05HELLO"]

    def receive(self, body: bytes) -> list[bytes]:
        if body == b"\x05HELLO":
            return [b"\x07WELCOME", b"\x04MORE"]
        self.done = body == b"\x04MORE"
        self.peer = {"Socket-Type": b"PAIR"}
        return []


def test_a_mechanism_may_answer(exchange: Any, wire: Any, cut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MECHANISMS, "STEPS", (InTwoSteps, InTwoSteps))
    steps = Security("STEPS")
    left, right = Connection("PAIR", steps), Connection("PAIR", steps)
    exchange(left, right)
    assert (left.ready, right.ready) == (True, True)
    alone = Connection("PAIR", steps)
    for piece in cut(wire.greeting(mechanism=b"STEPS") + wire.command(b"HELLO")):
        alone.receive_data(piece)
    assert alone.data_to_send() == wire.greeting(mechanism=b"STEPS") + b"".join(
        wire.command(name) for name in (b"HELLO", b"WELCOME", b"MORE")
    )
    assert (alone.state, alone.ready) == ("HANDSHAKE", False)


# ---- traffic


def test_messages_both_ways(exchange: Any, connected: Any) -> None:
    left, right = Connection("PAIR"), Connection("PAIR")
    exchange(left, right)
    for receiver in (left, right):
        receiver.receive_data(encode(b"one") + encode((b"", b"two")) + encode(b""))
        assert receiver.messages(NO_LIMIT) == [b"one", (b"", b"two"), b""]
        assert receiver.messages(NO_LIMIT) == []


def test_nothing_is_delivered_before_the_handshake(wire: Any) -> None:
    connection = Connection("PULL")
    for piece in (b"", wire.greeting()):
        connection.receive_data(piece)
        assert connection.messages(NO_LIMIT) == []


@settings(derandomize=True, max_examples=150, deadline=None)
@given(data=st.data())
def test_a_whole_conversation_cut_at_random(wire: Any, random_cut: Any, data: st.DataObject) -> None:
    stream = (
        wire.greeting((3, 0))
        + wire.ready(b"SUB")
        + wire.command(b"SUBSCRIBE", b"a")
        + wire.message(b"\x01b")
        + wire.command(b"PING", b"\x00\x00context")
        + wire.frame(b"1", wire.MORE)
        + wire.command(b"CANCEL", b"a")
        + wire.command(b"NEWER", b"x")
        + wire.frame(bytes(9000), wire.LONG)
        + wire.command(b"PONG", b"y")
    )
    connection = Connection("XPUB")
    sent, found = b"", []
    for piece in random_cut(data.draw, stream):
        connection.receive_data(piece)
        found += plain(connection.messages(data.draw(st.sampled_from([1, 2, NO_LIMIT]))))
        sent += connection.data_to_send()
    found += plain(connection.messages(NO_LIMIT))
    sent += connection.data_to_send()
    assert connection.error is None
    assert found == [(b"a", True), b"\x01b", (b"a", False), (b"1", bytes(9000))]
    assert sent == wire.greeting() + wire.ready(b"XPUB") + wire.command(b"PONG", b"context")
    assert connection.pongs == 1


@settings(derandomize=True, max_examples=300, deadline=None)
@given(noise=st.binary(max_size=120), after=st.sampled_from(["nothing", "greeting", "handshake"]), data=st.data())
def test_noise_never_raises(wire: Any, random_cut: Any, noise: bytes, after: str, data: st.DataObject) -> None:
    stream = {"nothing": b"", "greeting": wire.greeting(), "handshake": wire.greeting() + wire.ready(b"SUB")}[after]
    at_once, in_pieces = Connection("XPUB"), Connection("XPUB")
    at_once.receive_data(stream + noise)
    found = plain(at_once.messages(NO_LIMIT))
    pieces = []
    for piece in random_cut(data.draw, stream + noise):
        in_pieces.receive_data(piece)
        pieces += plain(in_pieces.messages(NO_LIMIT))
    assert pieces == found
    # A greeting is refused at the first byte that is wrong; only how much of it is quoted depends on the cuts.
    assert str(in_pieces.error).partition("it began")[0] == str(at_once.error).partition("it began")[0]
    assert in_pieces.data_to_send() == at_once.data_to_send()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x80\x00", "a frame has flags 0x80, which ZMTP 3 does not define"),
        (struct.pack(">BQ", 2, 1 << 63), "a frame announces a size of 2^63 bytes or more"),
        (b"\x04\x00", "malformed command b''"),
        (b"\x04\x02\x05P", r"malformed command b'\x05P'"),
        (b"\x04\x09\x05ERROR\x02no", "the peer reports: 'no'"),
        (b"\x04\x06\x05ERROR", "the peer reports: no reason given"),
        (b"\x04\x05\x04PING", "a PING has 0 bytes of data; 2 to 18 are allowed"),
        (b"\x04\x18\x04PING" + bytes(19), "a PING has 19 bytes of data; 2 to 18 are allowed"),
    ],
)
def test_broken_traffic_ends_the_connection(wire: Any, connected: Any, cut: Any, data: bytes, reason: str) -> None:
    connection = connected()
    found = []
    for piece in cut(wire.message(b"before") + data + wire.message(b"after")):
        connection.receive_data(piece)
        found += connection.messages(NO_LIMIT)
    assert found == [b"before"]
    assert refused(connection, "traffic") == reason


def test_messages_behind_an_error_are_not_taken_later(wire: Any, connected: Any) -> None:
    connection = connected()
    connection.receive_data(wire.message(b"1") + wire.command(b"ERROR", b"\x02no") + wire.message(b"2") * 3)
    # The second call meets the ERROR; two messages are left undecoded then.
    assert connection.messages(1) == [b"1"]
    assert connection.messages(1) == []
    assert refused(connection, "traffic") == "the peer reports: 'no'"
    assert not connection.decoder.pending


def test_the_first_of_two_errors_counts(wire: Any, connected: Any) -> None:
    connection = connected()
    connection.receive_data(wire.command(b"ERROR", b"\x05first") + b"\x80\x00")
    assert connection.messages(NO_LIMIT) == []
    assert refused(connection, "traffic") == "the peer reports: 'first'"


@pytest.mark.parametrize("limit", [-1, 0, 10])
def test_maxmsgsize(wire: Any, connected: Any, limit: int) -> None:
    connection = connected(max_message_size=limit)
    connection.receive_data(wire.message(b"") + wire.message(b"x" * 10) + wire.message(b"x" * 11))
    found = connection.messages(NO_LIMIT)
    assert found == [b"", b"x" * 10, b"x" * 11][: {-1: 3, 0: 1, 10: 2}[limit]]
    if limit >= 0:
        size = 10 if limit == 0 else 11
        assert refused(connection, "traffic") == f"a frame of {size} bytes is larger than MAXMSGSIZE, {limit} bytes"


def test_maxmsgsize_is_not_for_the_handshake(wire: Any) -> None:
    connection = Connection("PULL", max_message_size=1)
    connection.receive_data(wire.greeting() + wire.ready(b"PUSH") + wire.message(b"x"))
    assert connection.messages(NO_LIMIT) == [b"x"]


@pytest.mark.parametrize("context", [b"", b"x", bytes(range(16))])
def test_a_ping_is_answered_with_its_context(wire: Any, connected: Any, cut: Any, context: bytes) -> None:
    connection = connected()
    answers = b""
    for piece in cut(wire.command(b"PING", b"\x01\x02" + context) * 2):
        connection.receive_data(piece)
        assert connection.messages(NO_LIMIT) == []
        answers += connection.data_to_send()
    assert answers == wire.command(b"PONG", context) * 2


def test_ping_and_pong(exchange: Any, wire: Any) -> None:
    left, right = Connection("PUSH"), Connection("PULL")
    exchange(left, right)
    left.ping(300, b"context")
    sent = left.data_to_send()
    assert sent == wire.command(b"PING", b"\x01\x2ccontext")
    right.receive_data(sent)
    assert right.messages(NO_LIMIT) == []
    left.receive_data(right.data_to_send())
    assert left.messages(NO_LIMIT) == []
    assert (left.pongs, right.pongs) == (1, 0)


def test_no_ping_outside_of_traffic(wire: Any, connected: Any) -> None:
    # It would end up between the two steps of the greeting.
    connection = Connection("PULL")
    for data in (b"", wire.greeting()[:20], wire.greeting()[20:]):
        connection.receive_data(data)
        connection.data_to_send()
        connection.ping(0, b"early")
        assert connection.data_to_send() == b""
    connection = connected()
    connection.receive_eof()
    connection.ping(0, b"late")
    assert connection.data_to_send() == b""


@pytest.mark.parametrize("socket_type", ["PUB", "XPUB"])
def test_subscriptions_reach_publishers_in_order(wire: Any, connected: Any, cut: Any, socket_type: str) -> None:
    connection = connected(socket_type, b"SUB")
    stream = wire.command(b"SUBSCRIBE", b"") + wire.message(b"m") + wire.command(b"CANCEL", b"t" * 300)
    found = []
    for piece in cut(stream):
        connection.receive_data(piece)
        found += plain(connection.messages(1))
        while connection.decoder.pending:
            found += plain(connection.messages(1))
    assert found == [(b"", True), b"m", (b"t" * 300, False)]


@pytest.mark.parametrize(("socket_type", "peer"), [("PULL", b"PUSH"), ("PAIR", b"PAIR"), ("XSUB", b"XPUB")])
def test_subscriptions_do_not_reach_others(wire: Any, connected: Any, socket_type: str, peer: bytes) -> None:
    connection = connected(socket_type, peer)
    connection.receive_data(wire.command(b"SUBSCRIBE", b"a") + wire.message(b"m") + wire.command(b"CANCEL", b"a"))
    assert connection.messages(NO_LIMIT) == [b"m"]
    assert connection.error is None


@pytest.mark.parametrize("name", [b"READY", b"JOIN", b"LEAVE", b"x", b"\xff" * 255])
def test_unknown_commands_are_passed_over(wire: Any, connected: Any, cut: Any, name: bytes) -> None:
    connection = connected()
    found = []
    for piece in cut(wire.frame(b"a", wire.MORE) + wire.command(name, b"data") + wire.frame(b"b")):
        connection.receive_data(piece)
        found += connection.messages(NO_LIMIT)
    assert found == [(b"a", b"b")]
    assert (connection.error, connection.data_to_send()) == (None, b"")


def test_messages_stop_at_the_limit(wire: Any, connected: Any) -> None:
    connection = connected()
    connection.receive_data(b"".join(wire.message(b"%d" % number) for number in range(5)))
    assert connection.messages(2) == [b"0", b"1"]
    assert connection.decoder.pending
    assert connection.messages(2) == [b"2", b"3"]
    assert connection.messages(2) == [b"4"]
    assert not connection.decoder.pending


def test_what_came_before_the_end_can_still_be_taken(wire: Any, connected: Any) -> None:
    connection = connected()
    connection.receive_data(wire.message(b"1") + wire.message(b"2") + wire.message(b"3")[:2])
    assert connection.messages(1) == [b"1"]
    for _ in range(2):
        connection.receive_eof()
        assert (connection.state, connection.closed, connection.error) == ("ENDED", True, None)
    connection.receive_data(b"3")
    assert connection.messages(NO_LIMIT) == [b"2"]
    assert connection.messages(NO_LIMIT) == []


def test_an_error_found_after_the_end_is_recorded(connected: Any) -> None:
    connection = connected()
    connection.receive_data(b"\x80\x00")
    connection.receive_eof()
    assert connection.messages(NO_LIMIT) == []
    assert "flags 0x80" in refused(connection, "traffic")


def test_the_owner_may_receive_into_a_large_frame(wire: Any, connected: Any) -> None:
    connection = connected()
    data = wire.frame(bytes(50000)) + wire.message(b"next")
    connection.receive_data(data[:1000])
    assert connection.messages(NO_LIMIT) == []
    large = connection.decoder.large
    large.append(data, 1000, 40000)
    assert connection.messages(NO_LIMIT) == []
    connection.receive_data(data[40000:])
    assert connection.messages(NO_LIMIT) == [bytes(50000), b"next"]
    assert connection.decoder.large is None


def test_many_pings_cost_what_they_weigh(wire: Any, connected: Any) -> None:
    connection = connected()
    connection.receive_data(wire.command(b"PING", bytes(2)) * 8000)
    assert connection.messages(1) == []
    assert connection.data_to_send() == wire.command(b"PONG") * 8000


def test_who_asks_on_and_never_reads_gets_no_more_memory(wire: Any, connected: Any) -> None:
    connection = connected()
    for _ in range(10):
        connection.receive_data(wire.command(b"PING", bytes(2)) * 8000)
        assert connection.messages(1) == []
    assert connection.data_to_send() == wire.command(b"PONG") * 8192
    connection.receive_data(wire.command(b"PING", bytes(2)))
    assert connection.messages(1) == []
    assert connection.data_to_send() == wire.command(b"PONG")


# ---- subscriptions and time-outs


@pytest.mark.parametrize("topic", [b"", b"topic", b"x" * 300])
def test_a_peer_of_3_1_is_told_of_topics_by_commands(wire: Any, connected: Any, topic: bytes) -> None:
    connection = connected("SUB", b"PUB")
    assert connection.peer_version == (3, 1)
    assert connection.frame_of(Subscription(topic, True)) == wire.command(b"SUBSCRIBE", topic)
    assert connection.frame_of(Subscription(topic, False)) == wire.command(b"CANCEL", topic)


@pytest.mark.parametrize("topic", [b"", b"topic", b"x" * 300])
def test_a_peer_of_3_0_is_told_of_topics_by_messages(wire: Any, topic: bytes) -> None:
    connection = Connection("SUB")
    connection.receive_data(wire.greeting(version=(3, 0)) + wire.ready(b"PUB"))
    assert connection.ready
    assert connection.frame_of(Subscription(topic, True)) == wire.message(b"\x01" + topic)
    assert connection.frame_of(Subscription(topic, False)) == wire.message(b"\x00" + topic)


@pytest.mark.parametrize("add", [True, False])
def test_what_one_side_frames_the_other_takes_for_a_subscription(connected: Any, add: bool) -> None:
    frame = connected("XSUB", b"XPUB").frame_of(Subscription(b"topic", add))
    publisher = connected("XPUB", b"XSUB")
    publisher.receive_data(frame)
    assert plain(publisher.messages(NO_LIMIT)) == [(b"topic", add)]


def test_the_ttl_of_the_last_ping_is_known(wire: Any, connected: Any) -> None:
    connection = connected()
    assert connection.ttl == 0
    connection.receive_data(wire.command(b"PING", b"\x01\x02context") + wire.message(b"x"))
    assert connection.messages(NO_LIMIT) == [b"x"]
    assert connection.ttl == 0x102
    connection.receive_data(wire.command(b"PING", b"\x00\x05") + wire.command(b"PING", b"\x00\x00"))
    assert connection.messages(NO_LIMIT) == []
    assert connection.ttl == 0


def test_a_stream_has_no_peers_that_speak_zmtp(wire: Any) -> None:
    connection = Connection("STREAM")
    connection.receive_data(wire.greeting() + wire.ready(b"STREAM"))
    assert refused(connection, "handshake") == "a STREAM socket does not talk to a STREAM socket"
