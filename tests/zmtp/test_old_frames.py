"""ZMTP 1.0's frames: byte for byte as RFC 13 has them, cut anywhere, and broken."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mqbridge
from mqbridge import _sys
from mqbridge.zmtp.old_frames import OldDecoder, OldEncoder, encode_old

NO_LIMIT = 1 << 30


class Stream:
    """What an encoder writes to."""

    def __init__(self) -> None:
        self.data = b""

    def put(self, head: bytes, body: bytes) -> int:
        self.data += head + body
        return len(self.data)

    hold = put

    def holds(self) -> bool:
        return False


def frame(body: bytes, more: bool = False, long: bool = False) -> bytes:
    """A frame as RFC 13 has it, written without the package's help."""
    size = len(body) + 1
    head = bytes((size,)) if size < 255 and not long else b"\xff" + size.to_bytes(8, "big")
    return head + bytes((more,)) + body


def message(*parts: bytes) -> bytes:
    return b"".join(frame(part, True) for part in parts[:-1]) + frame(parts[-1])


def decoded(pieces: Any, limit: int = NO_LIMIT, max_size: int = -1) -> tuple[list[Any], str | None]:
    decoder = OldDecoder(max_size)
    found: list[Any] = []
    for piece in pieces:
        decoder.feed(piece)
        found += decoder.decode(limit)
        while decoder.pending:
            found += decoder.decode(limit)
    return found, decoder.error


BODIES = [b"", b"a", b"x" * 253, b"x" * 254, b"x" * 255, b"x" * 8192, b"x" * 70000]


@pytest.mark.parametrize("size", [len(body) for body in BODIES])
def test_sizes(cut: Any, size: int) -> None:
    body = bytes(size)
    assert decoded(cut(frame(body) + frame(b"next"))) == ([body, b"next"], None)
    # Also where one byte would have been enough for the length.
    assert decoded(cut(frame(body, long=True) + frame(b"next"))) == ([body, b"next"], None)


def test_the_bytes_are_those_of_the_specification() -> None:
    assert encode_old(b"") == b"\x01\x00"
    assert encode_old(b"hello") == b"\x06\x00hello"
    assert encode_old(bytes(253)) == b"\xfe\x00" + bytes(253)
    assert encode_old(bytes(254)) == b"\xff" + bytes(7) + b"\xff\x00" + bytes(254)


@pytest.mark.skipif(mqbridge.COMPILED, reason="compiled, it takes real streams only; test_older_peers.py has them")
@pytest.mark.parametrize("parts", [[b"one"], [b"one", b"", b"three" * 5000], *[[body] for body in BODIES]])
def test_what_is_encoded(parts: list[bytes]) -> None:
    stream: Any = Stream()
    given_to = parts[0] if len(parts) == 1 else tuple(parts)
    encoder = OldEncoder()
    assert encoder.put(stream, given_to, 0) == -1
    assert stream.data == message(*parts)
    assert encoder.size(given_to) == len(stream.data)


@pytest.mark.skipif(mqbridge.COMPILED, reason="compiled, it takes real streams only; test_older_peers.py has them")
def test_a_part_that_is_lent() -> None:
    stream: Any = Stream()
    stream.hold = lambda head, lent: stream.put(head, bytes(lent))
    data = bytearray(b"x" * 20_000)
    assert OldEncoder().put(stream, (b"head", _sys.Lent(data), _sys.Lent(data)), 0) == -1
    assert stream.data == message(b"head", bytes(data), bytes(data))


def test_multipart_and_limits(cut: Any) -> None:
    stream = message(b"a", b"", b"c") + message(b"single") + message(bytes(9000), b"end")
    for limit in (1, 2, NO_LIMIT):
        found, error = decoded(cut(stream), limit)
        assert (found, error) == ([(b"a", b"", b"c"), b"single", (bytes(9000), b"end")], None)


def test_a_length_of_0_is_passed_over(cut: Any) -> None:
    assert decoded(cut(b"\0" + frame(b"a") + bytes(3) + frame(b"b") + b"\0")) == ([b"a", b"b"], None)


def test_reserved_flags_mean_nothing() -> None:
    assert decoded([b"\x02\xfea"]) == ([b"a"], None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff" + bytes(8) + b"\x00", "announces a size of 0 bytes"),
        (b"\xff\x80" + bytes(8), "announces a size of 9223372036854775808 bytes"),
        (b"\xff" * 10, "announces a size of 18446744073709551615 bytes"),
        (frame(bytes(101)), "a frame of 101 bytes is larger than MAXMSGSIZE, 100 bytes"),
        (b"\xff" + (1 << 40).to_bytes(8, "big") + b"\0", "is larger than MAXMSGSIZE"),
    ],
)
def test_what_is_broken(cut: Any, data: bytes, reason: str) -> None:
    found, error = decoded(cut(frame(bytes(100)) + data + frame(b"no more")), max_size=100)
    assert found == [bytes(100)]
    assert error is not None and reason in error


def test_memory_comes_with_the_bytes() -> None:
    decoder = OldDecoder(-1)
    decoder.feed(b"\xff" + (1 << 50).to_bytes(8, "big") + b"\0" + bytes(1000))
    assert decoder.decode(1) == []
    assert decoder.large is not None and decoder.large.missing == (1 << 50) - 1001


@settings(derandomize=True, max_examples=100, deadline=None)
@given(data=st.data(), messages=st.lists(st.lists(st.binary(max_size=600), min_size=1, max_size=3), max_size=6))
def test_cut_at_random(random_cut: Any, data: st.DataObject, messages: list[list[bytes]]) -> None:
    stream = b"".join(message(*parts) for parts in messages)
    found, error = decoded(random_cut(data.draw, stream), data.draw(st.sampled_from([1, 3, NO_LIMIT])))
    assert error is None
    assert found == [parts[0] if len(parts) == 1 else tuple(parts) for parts in messages]


@settings(derandomize=True, max_examples=300, deadline=None)
@given(noise=st.binary(max_size=100))
def test_noise_never_raises(noise: bytes) -> None:
    decoded([noise], max_size=1000)


def test_many_parts_do_not_make_more_of_maxmsgsize() -> None:
    decoder = OldDecoder(1000)
    for _ in range(400):
        decoder.feed(frame(b"", True) * 50)
        assert decoder.decode(1 << 30) == []
    assert decoder.error is not None
    assert "parts of a message are together much larger than MAXMSGSIZE, 1000 bytes" in decoder.error
