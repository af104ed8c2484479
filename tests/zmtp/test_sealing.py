"""Traffic under CURVE: two connections joined, boxes made by libsodium alone, and whatever may be wrong with them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqbridge import _sys
from mqbridge.zmtp.commands import Subscription
from mqbridge.zmtp.connection import Connection
from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.frames import CommandFrame, encode
from mqbridge.zmtp.mechanisms.mechanism import Verdict
from mqbridge.zmtp.sealing import OVERHEAD, Sealer, Sealing

nacl = pytest.importorskip("nacl.bindings", reason="PyNaCl is not installed: pip install mqbridge[curve]")

KEY = bytes(range(32))
NO_LIMIT = 1 << 30
MESSAGES = [b"", b"one", (b"", b"two", b""), b"x" * 300, (b"y" * 70000, b"z"), bytes(222), bytes(223)]


def message(number: int, flags: int, body: bytes, sender: bytes = b"C", key: bytes = KEY) -> bytes:
    """A MESSAGE as RFC 26 has it."""
    nonce = number.to_bytes(8, "big")
    return (
        b"\x07MESSAGE"
        + nonce
        + bytes(nacl.crypto_box_afternm(bytes((flags,)) + body, b"CurveZMQMESSAGE" + sender + nonce, key))
    )


class Stream:
    """A stream that nothing is written from."""

    def __init__(self) -> None:
        self._other, mine = socket.socketpair()
        self._event = _sys.EventFd()
        self.stream = _sys.Stream(mine.detach(), self._event.fd)

    def close(self) -> None:
        self.stream.close()
        self._event.close()
        self._other.close()


# ---- one side


def test_a_message_byte_for_byte() -> None:
    client, server = Sealing(KEY, False, 2, 1), Sealing(KEY, True, 1, 2)
    assert client.seal(0, b"text") == message(3, 0, b"text")
    assert client.seal(1, b"") == message(4, 1, b"")
    assert server.seal(2, b"\x04PING") == message(2, 2, b"\x04PING", b"S")


def test_nonces_never_come_again() -> None:
    sealing = Sealing(KEY, False, (1 << 64) - 3, 0)
    assert sealing.seal(0, b"")[8:16] == b"\xff" * 7 + b"\xfe"
    assert sealing.seal(0, b"")[8:16] == b"\xff" * 8
    for _ in range(2):
        with pytest.raises(OverflowError):
            sealing.seal(0, b"")


def test_opening() -> None:
    server = Sealing(KEY, True, 1, 2)
    assert server.open(message(3, 0, b"text")) == b"text"
    assert server.open(message(4, 1, b"a")) is None
    command = server.open(message(5, 2, b"\x04PING"))
    assert type(command) is CommandFrame
    assert command.body == b"\x04PING"
    assert server.open(message(9, 1, b"")) is None
    assert server.open(message(10, 0, b"c")) == (b"a", b"", b"c")
    assert server.open(message(11, 0, b"")) == b""


WRONG = {
    "replayed": (message(2, 0, b""), "the nonce of a MESSAGE, 2, does not follow 2"),
    "an older one": (message(1, 0, b""), "the nonce of a MESSAGE, 1, does not follow 2"),
    "another nonce than it was made with": (message(3, 0, b"")[:15] + b"\x04" + message(3, 0, b"")[16:], "opened"),
    "our own, sent back": (message(3, 0, b"", b"S"), "opened"),
    "another key": (message(3, 0, b"", key=bytes(32)), "opened"),
    "cut off": (message(3, 0, b"text")[:-1], "opened"),
    "longer": (message(3, 0, b"text") + b"\0", "opened"),
    "no box": (message(3, 0, b"")[:32], "with 32 bytes where a MESSAGE was expected"),
    "another command": (b"\x05READY" + bytes(40), "READY"),
    "plain text": (b"text", "b'text' with 4 bytes where a MESSAGE"),
    "nothing": (b"", "b'' with 0 bytes where a MESSAGE"),
    "flags of a later version": (message(3, 4, b""), "flags 0x04"),
    "a command with MORE": (message(3, 3, b""), "flags 0x03"),
}


@pytest.mark.parametrize(("body", "reason"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_opened(body: bytes, reason: str) -> None:
    server = Sealing(KEY, True, 1, 2)
    with pytest.raises(ProtocolError, match=reason) as caught:
        server.open(body)
    assert caught.value.phase == "traffic"


@pytest.mark.parametrize("position", range(33 + 4))
def test_a_changed_byte_is_found(position: int) -> None:
    body = message(3, 0, b"text")
    with pytest.raises(ProtocolError):
        Sealing(KEY, True, 1, 2).open(body[:position] + bytes((body[position] ^ 1,)) + body[position + 1 :])


@pytest.mark.parametrize("whole", MESSAGES[:4] + MESSAGES[5:], ids=lambda whole: str(len(whole)))
def test_sizes_are_known_before(whole: Any) -> None:
    sealer, sink = Sealer(Sealing(KEY, False, 2, 1)), Stream()
    assert sealer.frames_of(whole) is None
    assert sealer.put(sink.stream, whole, 0) == -1
    assert sink.stream.unwritten() == sealer.size(whole)
    sink.close()


# ---- two connections


@pytest.fixture
def pair(curve_security: Any, exchange: Any) -> Callable[..., tuple[Connection, Connection]]:
    """A function that gives a client and a server after their handshake."""

    def make(one: str = "DEALER", other: str = "ROUTER", **arguments: Any) -> tuple[Connection, Connection]:
        client_side, server_side = curve_security()
        client = Connection(one, client_side, routing_id=b"me", properties={"X-Name": b"value"}, **arguments)
        server = Connection(other, server_side, **arguments)
        exchange(client, server)
        assert (client.state, server.state) == ("READY", "READY"), (client.error, server.error)
        return client, server

    return make


def frames(connection: Connection, whole: Any) -> bytes:
    """A message as the connection's encoder would write it."""
    parts = whole if type(whole) is tuple else (whole,)
    sealed = [connection.sealing.seal(number < len(parts), part) for number, part in enumerate(parts, 1)]
    return b"".join(encode(body) for body in sealed)


def taken(connection: Connection, pieces: Iterable[bytes], limit: int = NO_LIMIT) -> list[Any]:
    found = []
    for piece in pieces:
        connection.receive_data(piece)
        found += connection.messages(limit)
        while connection.decoder.pending:
            found += connection.messages(limit)
    return found


def test_what_they_know_of_each_other(pair: Any) -> None:
    client, server = pair()
    assert (client.peer_socket_type, server.peer_socket_type) == ("ROUTER", "DEALER")
    assert server.peer_routing_id == b"me"
    assert server.peer == {"Socket-Type": b"DEALER", "Identity": b"me", "X-Name": b"value"}


@pytest.mark.parametrize("limit", [1, 2, NO_LIMIT])
def test_messages_both_ways(pair: Any, cut: Callable[[bytes], Iterator[bytes]], limit: int) -> None:
    for sender, receiver in (pair(), pair()[::-1]):
        stream = b"".join(frames(sender, whole) for whole in (MESSAGES[:4] + MESSAGES[5:]) * 2)
        assert taken(receiver, cut(stream), limit) == (MESSAGES[:4] + MESSAGES[5:]) * 2
        assert receiver.error is None


def test_a_handshake_cut_anywhere(curve_security: Any, cut: Callable[[bytes], Iterator[bytes]]) -> None:
    client_side, server_side = curve_security()
    client, server = Connection("PUSH", client_side), Connection("PULL", server_side)
    for _ in range(6):
        for sender, receiver in ((client, server), (server, client)):
            for piece in cut(sender.data_to_send()):
                receiver.receive_data(piece)
    assert (client.state, server.state) == ("READY", "READY")


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_cut_at_random(data: st.DataObject, curve_security: Any, random_cut: Any) -> None:
    client_side, server_side = curve_security()
    client, server = Connection("PUSH", client_side), Connection("PULL", server_side)
    while not (client.ready and server.ready):
        for sender, receiver in ((client, server), (server, client)):
            for piece in random_cut(data.draw, sender.data_to_send()):
                receiver.receive_data(piece)
    stream = b"".join(frames(client, whole) for whole in MESSAGES)
    assert taken(server, random_cut(data.draw, stream), data.draw(st.sampled_from([1, 3, NO_LIMIT]))) == MESSAGES


def test_commands_go_in_boxes_and_in_order(pair: Any) -> None:
    """A PONG is encrypted when it is sent, and not when it is thought of."""
    client, server = pair()
    client.ping(7, b"context")
    server.receive_data(client.data_to_send())
    assert server.messages(NO_LIMIT) == []
    assert server.ttl == 7
    later = frames(server, b"sent before the PONG")
    client.receive_data(later + server.data_to_send())
    assert client.messages(NO_LIMIT) == [b"sent before the PONG"]
    assert (client.pongs, client.error) == (1, None)


def test_commands_stand_between_the_parts_of_a_message(pair: Any) -> None:
    client, server = pair()
    one = encode(client.sealing.seal(1, b"one"))
    client.ping(0, b"")
    ping = client.data_to_send()
    server.receive_data(one + ping + encode(client.sealing.seal(0, b"two")))
    assert server.messages(NO_LIMIT) == [(b"one", b"two")]
    assert server.data_to_send() != b""


@pytest.mark.parametrize("version", [(3, 0), (3, 1)])
def test_subscriptions(pair: Any, version: tuple[int, int]) -> None:
    client, server = pair("SUB", "XPUB")
    client.peer_version = version
    for add in (True, False):
        frame = client.frame_of(Subscription(b"topic", add))
        assert b"topic" not in frame
        server.receive_data(frame)
        (found,) = server.messages(NO_LIMIT)
        if version == (3, 1):
            assert (found.topic, found.add) == (b"topic", add)
        else:
            assert found == bytes((add,)) + b"topic"


def test_maxmsgsize_is_that_of_what_is_in_the_box(pair: Any) -> None:
    client, server = pair(max_message_size=1000)
    server.receive_data(frames(client, bytes(1000)))
    assert server.messages(NO_LIMIT) == [bytes(1000)]
    server.receive_data(frames(client, bytes(1001)))
    assert server.messages(NO_LIMIT) == []
    assert str(server.error) == f"traffic: a frame of {1001 + OVERHEAD} bytes is larger than MAXMSGSIZE, 1033 bytes"


def test_many_parts_do_not_make_more_of_maxmsgsize(pair: Any) -> None:
    client, server = pair(max_message_size=1000)
    for _ in range(25):
        server.receive_data(b"".join(encode(client.sealing.seal(1, bytes(900))) for _ in range(50)))
        assert server.messages(NO_LIMIT) == []
    assert "parts of a message are together much larger than MAXMSGSIZE, 1000 bytes" in str(server.error)
    client, server = pair(max_message_size=1000)
    for _ in range(30):
        parts = (bytes(900),) * 50
        server.receive_data(frames(client, parts))
        assert server.messages(NO_LIMIT) == [parts]


BAD_TRAFFIC = {
    "plain text": lambda _: encode(b"text"),
    "a MESSAGE in two frames": lambda client: struct.pack("BB", 1, 0) + encode(client.sealing.seal(0, b"")),
    "twice the same": lambda client: frames(client, b"again") * 2,
    "a malformed command": lambda client: encode(client.sealing.seal(2, b"\x09PING")),
    "a plain command": lambda _: b"\x04\x07\x04PING\x00\x00",
    "READY once more": lambda _: b"\x04\x2c\x05READY" + bytes(38),
}


@pytest.mark.parametrize("traffic", BAD_TRAFFIC.values(), ids=BAD_TRAFFIC)
def test_bad_traffic_ends_the_connection_in_silence(pair: Any, traffic: Callable[[Any], bytes]) -> None:
    client, server = pair()
    server.receive_data(frames(client, b"good") + traffic(client) + frames(client, b"too late"))
    found = server.messages(NO_LIMIT)
    assert found[0] == b"good"
    assert b"too late" not in found
    assert server.error is not None
    assert server.error.phase == "traffic"
    assert (server.state, server.data_to_send()) == ("CLOSED", b"")


def test_a_message_in_a_command_frame_is_taken(pair: Any) -> None:
    """RFC 26 calls MESSAGE a command; libzmq sends it without the flag."""
    client, server = pair()
    body = client.sealing.seal(0, b"text")
    server.receive_data(struct.pack("BB", 4, len(body)) + body)
    assert server.messages(NO_LIMIT) == [b"text"]


# ---- the handshake of whole connections


def test_a_failed_handshake_tells_the_peer_nothing(curve_security: Any, keys: Any, exchange: Any) -> None:
    client_side, server_side = curve_security(server_key=keys("another server").public)
    client, server = Connection("PUSH", client_side), Connection("PULL", server_side)
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    client.receive_data(server.data_to_send())
    server.receive_data(client.data_to_send())
    assert server.state == "CLOSED"
    assert server.data_to_send() == b""


def test_types_that_do_not_suit_are_not_told_either(curve_security: Any) -> None:
    client_side, server_side = curve_security()
    client, server = Connection("PUSH", client_side), Connection("PUSH", server_side)
    for _ in range(4):
        server.receive_data(client.data_to_send())
        said = server.data_to_send()
        assert b"ERROR" not in said
        client.receive_data(said)
    assert str(server.error) == "handshake: a PUSH socket does not talk to a PUSH socket"


@pytest.mark.parametrize("status", [300, 400, 500])
def test_what_a_client_is_told_of_a_refusal(curve_security: Any, status: int) -> None:
    client_side, server_side = curve_security(asks=True)
    client, server = Connection("PUSH", client_side), Connection("PULL", server_side)
    for _ in range(4):
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
    assert server.state == "ASKING"
    server.answer(Verdict(status))
    assert server.data_to_send() == (b"" if status == 300 else b"\x04\x0a\x05ERROR\x03%d" % status)
    assert server.state == "CLOSED"
    server.answer(Verdict(200))
    assert server.state == "CLOSED"


def test_what_the_handler_says_goes_before_what_the_peer_says(curve_security: Any) -> None:
    client_side, server_side = curve_security(asks=True)
    mine = {"X-a": b"mine", "X-b": b"mine", "user-id": b"root", "PEER-address": b"1.2.3.4"}
    client, server = Connection("PUSH", client_side, properties=mine), Connection("PULL", server_side)
    for _ in range(4):
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
    server.answer(Verdict(200, b"joe", {"x-A": b"theirs"}))
    assert server.state == "READY"
    assert server.peer == {"x-A": b"theirs", "User-Id": b"joe", "Socket-Type": b"PUSH", "X-b": b"mine"}


def test_nobody_says_himself_who_he_is(curve_security: Any, exchange: Any) -> None:
    client_side, server_side = curve_security()
    client = Connection("PUSH", client_side, properties={"User-Id": b"root"})
    server = Connection("PULL", server_side)
    exchange(client, server)
    assert server.peer == {"Socket-Type": b"PUSH"}


def test_who_talks_on_while_the_handler_thinks(curve_security: Any) -> None:
    client_side, server_side = curve_security(asks=True)
    client, server = Connection("PUSH", client_side), Connection("PULL", server_side)
    for _ in range(4):
        server.receive_data(client.data_to_send())
        client.receive_data(server.data_to_send())
    for _ in range(65):
        assert server.state in ("ASKING", "CLOSED")
        server.receive_data(bytes(1024))
    assert server.state == "CLOSED"
    assert "before it was let in" in str(server.error)


def test_two_servers(curve_security: Any) -> None:
    _, one = curve_security()
    _, other = curve_security()
    left, right = Connection("PUSH", one), Connection("PULL", other)
    for _ in range(3):
        left.receive_data(right.data_to_send())
        right.receive_data(left.data_to_send())
    assert str(left.error) == str(right.error) == "greeting: both sides are CURVE servers"


def test_two_clients(curve_security: Any, exchange: Any) -> None:
    one, _ = curve_security()
    other, _ = curve_security()
    left, right = Connection("PUSH", one), Connection("PULL", other)
    for _ in range(3):
        left.receive_data(right.data_to_send())
        right.receive_data(left.data_to_send())
    assert "b'HELLO' where WELCOME was expected" in str(left.error)
