"""Bytes without frames: nothing is added, nothing is taken away."""

from __future__ import annotations

import os
import random
import socket
import sys
from collections.abc import Iterator

import pytest

from mqbridge import _sys
from mqbridge.zmtp.raw import RawConnection, RawEncoder

NO_LIMIT = 1 << 30


@pytest.fixture
def raw() -> RawConnection:
    return RawConnection("STREAM")


def test_it_is_ready_at_once_and_says_nothing(raw: RawConnection) -> None:
    assert (raw.ready, raw.closed, raw.error) == (True, False, None)
    assert raw.data_to_send() == b""
    assert (raw.peer, raw.peer_routing_id, raw.ttl) == ({}, b"", 0)
    assert raw.messages(NO_LIMIT) == []


def test_what_is_received_comes_out_as_it_came(raw: RawConnection) -> None:
    # A greeting and a PING mean nothing here.
    pieces = [b"\xff" + bytes(8) + b"\x7f\x03", b"\x04\x07\x04PING\0\0", b"x" * 100_000]
    for piece in pieces:
        raw.receive_data(piece)
    assert raw.messages(NO_LIMIT) == pieces
    assert raw.messages(NO_LIMIT) == []
    assert raw.data_to_send() == b""
    assert raw.error is None


def test_no_more_come_out_than_there_is_room_for(raw: RawConnection) -> None:
    for number in range(5):
        raw.receive_data(b"%d" % number)
    assert raw.messages(0) == []
    assert raw.decoder.pending
    assert raw.messages(2) == [b"0", b"1"]
    assert raw.decoder.pending
    assert raw.messages(3) == [b"2", b"3", b"4"]
    assert not raw.decoder.pending


def test_what_was_received_before_the_end_comes_out_after_it(raw: RawConnection) -> None:
    raw.receive_data(b"last words")
    raw.receive_eof()
    assert (raw.closed, raw.error) == (True, None)
    assert raw.messages(NO_LIMIT) == [b"last words"]
    raw.receive_eof()
    assert (raw.closed, raw.error) == (True, None)


@pytest.fixture
def joined() -> Iterator[tuple[_sys.Stream, socket.socket]]:
    """A Stream, and the other end of its connection."""
    own, other = socket.socketpair()
    wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    stream = _sys.Stream(own.detach(), wake)
    other.settimeout(10)
    with other:
        yield stream, other
        stream.close()
    os.close(wake)


@pytest.mark.parametrize("size", [1, 255, 256, 16383, 16384, 50_000])
def test_a_message_is_written_without_a_head_and_a_large_one_from_where_it_lies(
    joined: tuple[_sys.Stream, socket.socket], size: int
) -> None:
    stream, other = joined
    message = random.Random(size).randbytes(size)
    references = sys.getrefcount(message)
    assert RawEncoder().put(stream, message, 0) == -1
    assert stream.unwritten() == size
    assert stream.holds() == (size >= 16384)
    assert (sys.getrefcount(message) > references) == (size >= 16384)
    assert stream.flush()
    assert other.recv(1 << 20, socket.MSG_WAITALL | socket.MSG_DONTWAIT) == message


def test_messages_follow_each_other_without_a_gap(joined: tuple[_sys.Stream, socket.socket]) -> None:
    stream, other = joined
    encoder = RawEncoder()
    for message in (b"one", b"two", b"x" * 16384):
        encoder.put(stream, message, 0)
    assert stream.flush()
    assert other.recv(1 << 20) == b"onetwo" + b"x" * 16384
