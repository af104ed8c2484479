"""Framing: messages out of bytes cut anywhere, and bytes out of messages (RFC 37, "Framing")."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqbridge import _sys
from mqbridge.zmtp.frames import CommandFrame, Decoder, Encoder, FanOut, encode, encode_command, encoded_size, header

SIZES = [0, 1, 255, 256, 8191, 8192, 16383, 16384, 65536, 1 << 20]
NO_LIMIT = 1 << 30


def body(size: int) -> bytes:
    """Bytes in which no two places look alike."""
    return (b"".join(struct.pack(">I", number) for number in range(size // 4 + 1)))[:size]


def plain(items: Iterable[Any]) -> list[Any]:
    """What was decoded, with commands as ("command", body)."""
    return [("command", item.body) if type(item) is CommandFrame else item for item in items]


def decoded(decoder: Decoder, pieces: Iterable[bytes], limit: int = NO_LIMIT) -> list[Any]:
    """What comes out when pieces arrive and are decoded at once, `limit` messages at a time."""
    found: list[Any] = []
    for piece in pieces:
        decoder.feed(piece)
        found += decoder.decode(limit)
        while decoder.pending:
            found += decoder.decode(limit)
    return plain(found)


# ---- out of bytes


def test_a_new_decoder_has_nothing(wire: Any) -> None:
    decoder = Decoder(-1)
    assert (decoder.pending, decoder.has_commands, decoder.large, decoder.error) == (False, False, None, None)
    assert decoder.next_command() is None
    assert decoder.decode(NO_LIMIT) == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("flags", ["", "LONG"])
def test_a_frame_of_any_size(wire: Any, size: int, flags: str) -> None:
    data = wire.frame(body(size), wire.LONG if flags else 0)
    decoder = Decoder(-1)
    assert decoded(decoder, [data]) == [body(size)]
    # In two pieces, and then with something behind it.
    for cut_at in {1, 2, 8, 9, 10, len(data) - 1} & set(range(1, len(data))):
        assert decoded(decoder, [data[:cut_at], data[cut_at:]]) == [body(size)]
        assert decoded(decoder, [data[:cut_at], data[cut_at:] + b"\0\1x"]) == [body(size), b"x"]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 8191, 8192])
def test_a_frame_byte_by_byte(wire: Any, cut: Any, size: int) -> None:
    data = wire.frame(body(size)) + wire.message(b"", b"two", b"") + wire.frame(b"x", wire.LONG)
    assert decoded(Decoder(-1), cut(data)) == [body(size), (b"", b"two", b""), b"x"]


def test_a_stream_cut_once_anywhere(wire: Any) -> None:
    messages = [b"a", (b"", body(300)), b"", body(9000), (body(256), b"end")]
    stream = b"".join(wire.message(*(message if type(message) is tuple else (message,))) for message in messages)
    for position in [*range(330), *range(9280, len(stream))]:
        assert decoded(Decoder(-1), [stream[:position], stream[position:]]) == messages


def test_messages_come_as_bytes_and_tuples(wire: Any, cut: Any) -> None:
    stream = wire.message(b"one") + wire.message(b"", b"") + wire.message(b"a", b"", b"c") + wire.message(b"")
    assert decoded(Decoder(-1), cut(stream)) == [b"one", (b"", b""), (b"a", b"", b"c"), b""]


def test_a_message_is_whole_or_not_there(wire: Any) -> None:
    decoder = Decoder(-1)
    assert decoded(decoder, [wire.frame(b"a", wire.MORE), wire.frame(b"b", wire.MORE)]) == []
    assert decoded(decoder, [wire.frame(b"c")]) == [(b"a", b"b", b"c")]


def test_commands_between_the_parts_of_a_message(wire: Any, cut: Any) -> None:
    stream = (
        wire.frame(b"a", wire.MORE)
        + wire.command(b"PING", bytes(2))
        + wire.frame(body(9000), wire.MORE)
        + wire.frame(body(9000), wire.COMMAND)
        + wire.frame(b"", wire.COMMAND)
        + wire.frame(b"c")
    )
    assert decoded(Decoder(-1), cut(stream)) == [
        ("command", b"\x04PING\0\0"),
        ("command", body(9000)),
        ("command", b""),
        (b"a", body(9000), b"c"),
    ]


def test_it_says_when_there_are_commands(wire: Any) -> None:
    decoder = Decoder(-1)
    decoder.feed(wire.command(b"PING") + wire.message(b"a"))
    assert decoder.decode(1)
    assert decoder.has_commands
    decoder.feed(wire.message(b"b"))
    assert decoder.decode(1)
    assert not decoder.has_commands


@pytest.mark.parametrize("flags", range(256))
def test_every_combination_of_flags(wire: Any, cut: Any, flags: int) -> None:
    head = bytes((flags,)) + (bytes(7) if flags & wire.LONG else b"") + b"\x01"
    decoder = Decoder(-1)
    found = decoded(decoder, cut(head + b"x" + wire.message(b"next")))
    expected: dict[int, list[Any]] = {
        0: [b"x", b"next"],
        wire.MORE: [(b"x", b"next")],
        wire.COMMAND: [("command", b"x"), b"next"],
    }
    if flags & ~wire.LONG in expected:
        assert found == expected[flags & ~wire.LONG]
        assert decoder.error is None
    else:
        assert found == []
        assert decoder.error == f"a frame has flags 0x{flags:02x}, which ZMTP 3 does not define"


@pytest.mark.parametrize("size", [1 << 63, (1 << 63) + 1, (1 << 64) - 1])
@pytest.mark.parametrize("flags", [2, 3, 6])
def test_sizes_that_no_frame_can_have(cut: Any, size: int, flags: int) -> None:
    decoder = Decoder(-1)
    assert decoded(decoder, cut(struct.pack(">BQ", flags, size) + b"body")) == []
    assert decoder.error == "a frame announces a size of 2^63 bytes or more"
    assert decoder.large is None


@pytest.mark.parametrize("size", [(1 << 63) - 1, 1 << 62, 1 << 40])
def test_an_announced_size_costs_nothing(cut: Any, size: int) -> None:
    decoder = Decoder(-1)
    assert decoded(decoder, cut(struct.pack(">BQ", 2, size) + b"body")) == []
    assert decoder.error is None
    assert decoder.large is not None
    assert (decoder.large.size, decoder.large.missing) == (size, size - 4)


@pytest.mark.parametrize("limit", [0, 1, 255, 256, 10000])
def test_maxmsgsize_is_the_most_a_frame_may_have(wire: Any, cut: Any, limit: int) -> None:
    fits = wire.message(body(limit), body(limit)) + wire.frame(body(limit), wire.COMMAND)
    decoder = Decoder(limit)
    assert decoded(decoder, cut(fits)) == [(body(limit), body(limit)), ("command", body(limit))]
    assert decoder.error is None
    # The head of a frame is enough to refuse it.
    head = wire.frame(body(limit + 1))[: 2 if limit + 1 < 256 else 9]
    assert decoded(decoder, cut(wire.message(b"") + head)) == [b""]
    assert decoder.error == f"a frame of {limit + 1} bytes is larger than MAXMSGSIZE, {limit} bytes"


@pytest.mark.parametrize("size", [0, 1, 1000, 20_000])
def test_many_parts_do_not_make_more_of_maxmsgsize(wire: Any, size: int) -> None:
    """An endless message does not fill the memory, not even with empty parts."""
    decoder = Decoder(20_000)
    part = wire.frame(body(size), wire.MORE)
    held = 0
    while decoder.error is None:
        decoder.feed(part * 50)
        assert decoder.decode(NO_LIMIT) == []
        held += 50
        assert held * (size + 64) < 20_000 + 3 * (1 << 20)
    assert held * (size + 64) > 1 << 20
    assert "parts of a message are together much larger than MAXMSGSIZE, 20000 bytes" in decoder.error
    decoder.feed(wire.message(b"too late"))
    assert decoder.decode(NO_LIMIT) == []


def test_parts_are_counted_for_each_message_anew(wire: Any) -> None:
    decoder = Decoder(20_000)
    parts = [body(10_000)] * 50
    for _ in range(5):
        decoder.feed(wire.message(*parts))
        assert decoder.decode(NO_LIMIT) == [tuple(parts)]
    unlimited = Decoder(-1)
    unlimited.feed(wire.message(*[b""] * 100_000))
    assert [len(message) for message in unlimited.decode(NO_LIMIT)] == [100_000]


def test_a_frame_that_is_refused_is_not_gathered(wire: Any) -> None:
    decoder = Decoder(10000)
    assert decoded(decoder, [wire.frame(body(20000))[:5000]]) == []
    assert decoder.error == "a frame of 20000 bytes is larger than MAXMSGSIZE, 10000 bytes"
    assert decoder.large is None


def test_the_owner_may_end_it(wire: Any) -> None:
    decoder = Decoder(-1)
    decoder.feed(wire.message(b"a") + wire.message(b"b"))
    assert decoder.decode(1) == [b"a"]
    assert decoder.pending
    decoder.fail("enough")
    assert (decoder.error, decoder.pending, decoder.decode(1)) == ("enough", False, [])
    decoder = Decoder(-1)
    assert decoded(decoder, [wire.frame(body(20000))[:5000]]) == []
    assert decoder.large is not None
    decoder.fail("enough")
    assert decoder.large is None


def test_what_came_before_an_error_is_delivered(wire: Any, cut: Any) -> None:
    decoder = Decoder(-1)
    assert decoded(decoder, cut(wire.message(b"a") + wire.message(b"b", b"c") + b"\xff\x00")) == [b"a", (b"b", b"c")]
    assert decoder.error is not None


def test_after_an_error_everything_is_discarded(wire: Any) -> None:
    decoder = Decoder(-1)
    decoder.feed(wire.frame(b"a", wire.MORE) + b"\xff\x00" + wire.message(b"b"))
    assert decoder.decode(NO_LIMIT) == []
    error = decoder.error
    for _ in range(3):
        decoder.feed(wire.message(b"c") + b"\x80\x00")
        assert decoder.decode(NO_LIMIT) == []
        assert decoder.next_command() is None
    assert decoder.error == error
    assert not decoder.pending


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_decoding_stops_at_the_limit_and_goes_on(wire: Any, limit: int) -> None:
    messages = [b"%d" % number if number % 3 else (b"", b"%d" % number) for number in range(10)]
    decoder = Decoder(-1)
    decoder.feed(b"".join(wire.message(*(m if type(m) is tuple else (m,))) for m in messages))
    found = []
    while len(found) < 10:
        some = decoder.decode(limit)
        assert len(some) == min(limit, 10 - len(found))
        found += some
        assert decoder.pending == (len(found) < 10)
    assert found == messages
    assert decoder.decode(limit) == []


def test_commands_do_not_count_as_messages(wire: Any) -> None:
    decoder = Decoder(-1)
    decoder.feed(wire.command(b"A") * 5 + wire.message(b"a") + wire.command(b"B") + wire.message(b"b"))
    assert plain(decoder.decode(1)) == [("command", b"\x01A")] * 5 + [b"a"]
    assert decoder.pending
    assert plain(decoder.decode(1)) == [("command", b"\x01B"), b"b"]
    assert not decoder.pending


def test_bytes_that_come_while_it_stopped_are_kept_in_order(wire: Any) -> None:
    decoder = Decoder(-1)
    decoder.feed(wire.message(b"1") + wire.message(b"2") + wire.message(b"3")[:2])
    assert decoder.decode(1) == [b"1"]
    decoder.feed(b"3" + wire.message(b"4")[:1])
    decoder.feed(b"")
    decoder.feed(wire.message(b"4")[1:])
    assert decoder.decode(1) == [b"2"]
    assert decoder.pending
    assert decoder.decode(NO_LIMIT) == [b"3", b"4"]
    assert not decoder.pending


@settings(derandomize=True, max_examples=150, deadline=None)
@given(data=st.data(), limit=st.sampled_from([1, 2, NO_LIMIT]))
def test_random_messages_cut_at_random(wire: Any, random_cut: Any, data: st.DataObject, limit: int) -> None:
    part = st.one_of(st.binary(max_size=8), st.sampled_from([255, 256, 8191, 8192, 20000]).map(body))
    expected: list[Any] = []
    stream = b""
    for parts in data.draw(st.lists(st.lists(part, min_size=1, max_size=4), max_size=6)):
        if data.draw(st.booleans()):
            expected.append(("command", parts[0]))
            stream += wire.frame(parts[0], wire.COMMAND)
        expected.append(tuple(parts) if len(parts) > 1 else parts[0])
        stream += wire.message(*parts)
    assert decoded(Decoder(-1), random_cut(data.draw, stream), limit) == expected


@settings(derandomize=True, max_examples=150, deadline=None)
@given(data=st.data())
def test_all_fed_before_anything_is_decoded(wire: Any, random_cut: Any, data: st.DataObject) -> None:
    # A paused link whose connection breaks reads on to the end and decodes later.
    sizes = data.draw(st.lists(st.sampled_from([0, 1, 300, 8192, 30000]), min_size=1, max_size=6))
    first, *others = random_cut(data.draw, b"".join(wire.message(body(size)) for size in sizes))
    decoder = Decoder(-1)
    decoder.feed(first)
    found = decoder.decode(1)
    for piece in others:
        decoder.feed(piece)
    while len(found) < len(sizes):
        some = decoder.decode(1)
        assert some
        found += some
    assert found == [body(size) for size in sizes]


@settings(derandomize=True, max_examples=300, deadline=None)
@given(noise=st.binary(max_size=200), data=st.data())
def test_noise_never_raises_and_cuts_do_not_matter(random_cut: Any, noise: bytes, data: st.DataObject) -> None:
    at_once, in_pieces = Decoder(100), Decoder(100)
    assert decoded(at_once, [noise]) == decoded(in_pieces, random_cut(data.draw, noise))
    assert at_once.error == in_pieces.error


# ---- large frames


def test_a_large_frame_is_gathered_by_feeding(wire: Any) -> None:
    decoder = Decoder(-1)
    data = wire.frame(body(100000))
    decoder.feed(data[:5000])
    assert decoder.decode(NO_LIMIT) == []
    large = decoder.large
    assert large is not None
    assert (large.size, large.missing) == (100000, 100000 - 4991)
    decoder.feed(data[5000:90000])
    assert decoder.decode(NO_LIMIT) == []
    assert decoder.large is large
    decoder.feed(data[90000:] + wire.message(b"next"))
    assert large.missing == 0
    assert decoder.decode(NO_LIMIT) == [body(100000), b"next"]
    assert decoder.large is None


def test_a_large_frame_is_not_gathered_when_it_is_there(wire: Any) -> None:
    decoder = Decoder(-1)
    decoder.feed(wire.frame(body(100000)))
    assert decoder.decode(NO_LIMIT) == [body(100000)]
    assert decoder.large is None


@pytest.mark.parametrize(("size", "gathered"), [(8191, False), (8192, True)])
def test_small_frames_wait_in_the_buffer(wire: Any, size: int, gathered: bool) -> None:
    decoder = Decoder(-1)
    decoder.feed(wire.frame(body(size))[:-1])
    assert decoder.decode(NO_LIMIT) == []
    assert (decoder.large is not None) == gathered
    assert not decoder.pending


def test_bytes_behind_a_large_frame_not_taken_yet(wire: Any) -> None:
    decoder = Decoder(-1)
    data = wire.frame(body(9000), wire.MORE) + wire.frame(body(9001)) + wire.message(b"a") + wire.message(b"b")
    decoder.feed(data[:5000])
    assert decoder.decode(NO_LIMIT) == []
    for start in range(5000, len(data), 1000):
        decoder.feed(data[start : start + 1000])
    assert decoder.decode(1) == [(body(9000), body(9001))]
    assert decoder.pending
    assert decoder.decode(NO_LIMIT) == [b"a", b"b"]


@pytest.mark.parametrize("flags", ["MORE", "COMMAND"])
def test_large_frames_of_any_kind(wire: Any, cut: Any, flags: str) -> None:
    data = wire.frame(body(9000), getattr(wire, flags)) + wire.message(b"last")
    expected = [(body(9000), b"last")] if flags == "MORE" else [("command", body(9000)), b"last"]
    assert decoded(Decoder(-1), cut(data)) == expected


def test_a_complete_large_frame_counts_against_the_limit(wire: Any) -> None:
    decoder = Decoder(-1)
    data = wire.frame(body(9000)) + wire.message(b"next")
    decoder.feed(data[:100])
    assert decoder.decode(1) == []
    decoder.feed(data[100:])
    assert decoder.decode(1) == [body(9000)]
    assert decoder.pending
    assert decoder.decode(1) == [b"next"]


@pytest.fixture
def joined() -> Iterator[tuple[_sys.Stream, socket.socket]]:
    """A Stream, and the other end of its connection."""
    own, other = socket.socketpair()
    wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    stream = _sys.Stream(own.detach(), wake)
    with other:
        yield stream, other
        stream.close()
    os.close(wake)


def test_a_large_frame_is_received_in_place(wire: Any, joined: tuple[_sys.Stream, socket.socket]) -> None:
    stream, other = joined
    data = wire.frame(body(300000)) + wire.message(b"next")
    decoder = Decoder(-1)
    found: list[Any] = []
    in_place = sent = 0
    other.setblocking(False)
    while not found:
        if sent < len(data):
            sent += other.send(data[sent : sent + 20000])
        if decoder.large is not None and decoder.large.missing:
            count = stream.recv_growing(decoder.large)
            assert count > 0
            in_place += count
        else:
            received = stream.recv(65536)
            assert received
            decoder.feed(received)
        found = decoder.decode(NO_LIMIT)
    assert found == [body(300000)]
    # In place nothing is read beyond the frame.
    assert in_place == 300000 + 9 - 20000
    while sent < len(data):
        sent += other.send(data[sent:])
    received = stream.recv(65536)
    assert received is not None
    decoder.feed(received)
    assert decoder.decode(NO_LIMIT) == [b"next"]


# ---- handshake commands


def test_handshake_commands_one_by_one(wire: Any, cut: Any) -> None:
    decoder = Decoder(65536)
    found = []
    stream = wire.command(b"HELLO", b"x") + wire.frame(body(65536), wire.COMMAND) + wire.frame(b"", 6) + b"\4\0"
    for piece in [*cut(stream[:1000]), stream[1000:]]:
        decoder.feed(piece)
        command = decoder.next_command()
        while command is not None:
            found.append(command)
            command = decoder.next_command()
    assert found == [b"\x05HELLOx", body(65536), b"", b""]
    assert decoder.error is None


def test_traffic_follows_the_handshake_in_the_same_bytes(wire: Any) -> None:
    decoder = Decoder(65536)
    decoder.feed(wire.command(b"READY") + wire.message(b"a", b"b")[:4])
    assert decoder.next_command() == b"\x05READY"
    assert decoder.decode(NO_LIMIT) == []
    decoder.feed(wire.message(b"a", b"b")[4:])
    assert decoder.decode(NO_LIMIT) == [(b"a", b"b")]


@pytest.mark.parametrize("flags", [flags for flags in range(256) if flags not in (4, 6)])
def test_only_commands_in_the_handshake(flags: int) -> None:
    decoder = Decoder(65536)
    decoder.feed(bytes((flags,)))
    assert decoder.next_command() is None
    decoder.feed(bytes(20))
    assert decoder.next_command() is None
    assert decoder.error == f"a frame with flags 0x{flags:02x} where a handshake command was expected"


@pytest.mark.parametrize("size", [65537, 1 << 40, 1 << 63, (1 << 64) - 1])
def test_handshake_commands_are_small(cut: Any, size: int) -> None:
    decoder = Decoder(65536)
    for piece in cut(struct.pack(">BQ", 6, size)):
        assert decoder.error is None
        decoder.feed(piece)
        assert decoder.next_command() is None
    assert decoder.error == f"a handshake command of {size} bytes; 65536 are allowed"


# ---- into bytes


class FakeStream:
    """Takes what a `_sys.Stream` takes, and remembers how. Only the interpreted Encoder accepts it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes, bytes]] = []
        self.held = False

    def put(self, head: bytes, part: bytes) -> None:
        assert not self.held
        self.calls.append(("put", head, part))

    def hold(self, head: bytes, part: bytes) -> None:
        self.put(head, b"")
        self.calls[-1] = ("hold", head, part)
        self.held = True

    def holds(self) -> bool:
        return self.held


@pytest.mark.parametrize("size", SIZES)
def test_encode_is_the_specification(wire: Any, size: int) -> None:
    data = body(size)
    assert encode(data) == wire.message(data)
    assert encode((data, b"", data)) == encode([data, b"", data]) == wire.message(data, b"", data)
    assert encode((data,)) == wire.message(data)
    assert encode_command(data) == wire.frame(data, wire.COMMAND)
    assert header(0, size) + data == wire.frame(data)


@pytest.mark.parametrize("size", SIZES)
def test_encoded_size_agrees(size: int) -> None:
    data = body(size)
    for message in (data, (data,), (b"", data), [data, data, b"x"]):
        assert encoded_size(message) == len(encode(message))


@settings(derandomize=True, max_examples=100, deadline=None)
@given(messages=st.lists(st.lists(st.integers(0, 300).map(body), min_size=1, max_size=5), max_size=8))
def test_what_is_encoded_is_decoded(messages: list[list[bytes]]) -> None:
    stream = b"".join(encode(tuple(parts)) for parts in messages)
    assert decoded(Decoder(-1), [stream]) == [tuple(parts) if len(parts) > 1 else parts[0] for parts in messages]
    assert sum(encoded_size(parts) for parts in messages) == len(stream)


@pytest.fixture
def fake() -> FakeStream:
    if not _sys.__file__.endswith(".py"):
        pytest.skip("the compiled Encoder takes only a real Stream")
    return FakeStream()


def test_small_frames_are_copied_and_large_ones_held(wire: Any, fake: FakeStream) -> None:
    encoder = Encoder()
    for size in (0, 255, 256, 16383):
        assert encoder.put(fake, body(size), 0) == -1
        assert fake.calls.pop() == ("put", wire.frame(body(size))[: 2 if size < 256 else 9], body(size))
    large = body(16384)
    assert encoder.put(fake, large, 0) == -1
    assert fake.calls == [("hold", wire.frame(large)[:9], large)]
    assert fake.calls[0][2] is large


def test_a_message_goes_on_behind_a_large_part(wire: Any, fake: FakeStream) -> None:
    message = (b"a", body(20000), b"", body(30000), b"z")
    encoder = Encoder()
    assert encoder.put(fake, message, 0) == 2
    # As long as that part is not written, nothing is taken.
    assert encoder.put(fake, message, 2) == 2
    fake.held = False
    assert encoder.put(fake, message, 2) == 4
    fake.held = False
    assert encoder.put(fake, message, 4) == -1
    assert [call[0] for call in fake.calls] == ["put", "hold", "put", "hold", "put"]
    assert b"".join(head + part for _, head, part in fake.calls) == wire.message(*message)


def test_a_part_that_is_lent_is_written_from_where_it_is(wire: Any, fake: FakeStream) -> None:
    data = bytearray(20_000)
    lent = _sys.Lent(data)
    assert Encoder().put(fake, (b"a", lent), 0) == -1
    assert fake.calls[1] == ("hold", wire.frame(bytes(20_000))[:9], lent)
    assert encoded_size((b"a", lent)) == len(wire.message(b"a", bytes(20_000)))
    # It is too large for its frames to be made once for all.
    assert FanOut().frames_of((b"a", lent)) is None


def test_a_large_last_part_ends_the_message(fake: FakeStream) -> None:
    assert Encoder().put(fake, [b"a", body(20000)], 0) == -1
    assert fake.held


def put_and_flush(stream: _sys.Stream, message: Any, receive: Callable[[], bytes]) -> bytes:
    """Put a whole message through the stream, and return what the other end received."""
    encoder, part, received = Encoder(), 0, b""
    while part >= 0:
        part = encoder.put(stream, message, part)
        while not stream.flush():
            received += receive()
    while len(received) < encoded_size(message):
        received += receive()
    return received


@pytest.mark.parametrize("size", SIZES)
def test_encoding_into_a_stream(wire: Any, joined: tuple[_sys.Stream, socket.socket], size: int) -> None:
    stream, other = joined
    other.settimeout(20)
    for message in (body(size), (b"", body(size), body(size), b"end"), [b"a", body(size)]):
        parts = [message] if isinstance(message, bytes) else message
        assert put_and_flush(stream, message, lambda: other.recv(65536)) == wire.message(*parts)


def test_several_messages_make_one_batch(wire: Any, joined: tuple[_sys.Stream, socket.socket]) -> None:
    stream, other = joined
    messages = [b"a", (b"b", b"c"), b"", (b"", b"")]
    for message in messages:
        assert Encoder().put(stream, message, 0) == -1
    assert stream.unwritten() == sum(map(encoded_size, messages))
    assert stream.flush()
    assert decoded(Decoder(-1), [other.recv(65536)]) == messages


# ---- one message for many


@pytest.mark.parametrize("size", SIZES)
def test_fanning_out_writes_the_same(wire: Any, size: int) -> None:
    encoder = FanOut()
    for message in (body(size), (b"topic", body(size)), [b"", b"", body(size)], body(size)):
        parts = [message] if isinstance(message, bytes) else list(message)
        for _ in range(3):
            here, there = socket.socketpair()
            stream = _sys.Stream(here.detach(), -1)
            with there:
                there.settimeout(20)
                part, received = encoder.put(stream, message, 0), b""
                while part >= 0:
                    received += there.recv(65536) if not stream.flush() else b""
                    part = encoder.put(stream, message, part)
                while not stream.flush():
                    received += there.recv(65536)
                while len(received) < encoded_size(message):
                    received += there.recv(65536)
                assert received == wire.message(*parts)
            stream.close()


def test_the_latest_message_is_encoded_once() -> None:
    encoder = FanOut()
    message = (b"topic", body(300))
    frames = encoder.frames_of(message)
    assert frames == encode(message) and encoder.frames_of(message) is frames
    # An equal one is another one.
    assert encoder.frames_of((b"topic", body(300))) is not frames
    assert encoder.frames_of(message) is not frames


@pytest.mark.parametrize("message", [b"short", body(255), body(16384), (b"a", body(16384))], ids=repr)
def test_what_is_not_worth_keeping(message: Any) -> None:
    assert FanOut().frames_of(message) is None
    assert Encoder().frames_of(message) is None
