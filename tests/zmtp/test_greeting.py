"""Greetings: ours to the byte, and those of peers of every age (RFC 37, "Version Negotiation")."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqbridge.zmtp import greeting
from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.greeting import Greeting


def test_our_greeting_is_that_of_the_specification() -> None:
    sent = greeting.FIRST_STEP + greeting.second_step("NULL", False)
    assert sent.hex(" ") == (
        "ff 00 00 00 00 00 00 00 00 7f 03 01 "  # signature and version
        "4e 55 4c 4c 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "  # mechanism
        "00 "  # as-server
        "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
    )
    assert len(sent) == 64
    # What an older peer needs to tell our age.
    assert len(greeting.FIRST_STEP) == 11


def test_a_server_says_so() -> None:
    plain = greeting.second_step("PLAIN", True)
    assert plain[1:21] == b"PLAIN" + bytes(15)
    assert plain[21] == 1
    assert len(plain) == 53


def test_a_new_greeting_knows_nothing() -> None:
    peer = Greeting()
    assert (peer.version, peer.mechanism, peer.as_server) == ((0, 0), "", False)
    assert (peer.version_known, peer.complete) == (False, False)


def received(pieces: Any) -> tuple[Greeting, bytes]:
    peer, rest = Greeting(), b""
    for piece in pieces:
        rest += piece if peer.complete else peer.receive(piece)
    return peer, rest


@pytest.mark.parametrize("version", [(3, 0), (3, 1), (3, 7), (4, 0), (255, 255)])
def test_version_3_and_later_are_understood(wire: Any, cut: Any, version: tuple[int, int]) -> None:
    peer, rest = received(cut(wire.greeting(version)))
    assert peer.complete
    assert (peer.version, peer.mechanism, peer.as_server, rest) == (version, "NULL", False, b"")


def test_what_follows_is_handed_back(wire: Any) -> None:
    peer = Greeting()
    assert peer.receive(wire.greeting(mechanism=b"CURVE", as_server=1) + b"more") == b"more"
    assert (peer.mechanism, peer.as_server) == ("CURVE", True)


def test_the_padding_means_nothing(wire: Any) -> None:
    # libzmq puts the length of an identity there, for ZMTP 1.0.
    for padding in (bytes(7) + b"\x01", b"\xff" * 8):
        peer, _ = received([wire.greeting(padding=padding)])
        assert peer.complete


def test_the_version_is_known_at_byte_eleven(wire: Any) -> None:
    peer = Greeting()
    peer.receive(wire.greeting()[:10])
    assert not peer.version_known
    peer.receive(wire.greeting()[10:11])
    assert peer.version_known
    assert not peer.complete
    peer.receive(wire.greeting()[11:63])
    assert not peer.complete
    peer.receive(b"\0")
    assert peer.complete


@pytest.mark.parametrize("mechanism", [b"", b"A" * 20, b"NULL\0X", b"\xff\xfe"])
def test_any_mechanism_is_reported(wire: Any, mechanism: bytes) -> None:
    peer, _ = received([wire.greeting(mechanism=mechanism)])
    assert peer.mechanism == mechanism.decode("ascii", "backslashreplace")


OLDER = {
    "ZMTP 1.0, a short identity": (b"\x01\x00", r"does not speak ZMTP 3.*began with b'\\x01"),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", r"does not speak ZMTP 3.*b'G"),
    "zeros": (bytes(64), r"does not speak ZMTP 3.*b'\\x00"),
    "ZMTP 1.0, a long identity": (b"\xff" + bytes(7) + b"\x05\x00abcd", r"ZMTP 1\.0 or something else: it began"),
    "all bits but one": (b"\xff" * 9 + b"\xfe", r"ZMTP 1\.0 or something else"),
    "revision 0": (b"\xff" + bytes(8) + b"\x7f\x00", r"an older ZMTP, revision 0; it needs to be 3"),
    "ZMTP 2.0": (b"\xff" + bytes(8) + b"\x7f\x01\x08\x00\x00", r"an older ZMTP, revision 1; it needs to be 3"),
    "ZMTP 2.1": (b"\xff" + bytes(8) + b"\x7f\x02\x08\x00\x00", r"an older ZMTP, revision 2; it needs to be 3"),
}


@pytest.mark.parametrize(("data", "reason"), OLDER.values(), ids=OLDER)
def test_others_are_refused_with_a_reason(cut: Any, data: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason) as caught:
        received(cut(data))
    assert caught.value.phase == "greeting"
    assert len(caught.value.reason) < 120


def test_garbage_is_refused_at_the_first_byte() -> None:
    for first in range(255):
        with pytest.raises(ProtocolError):
            Greeting().receive(bytes((first,)))
    assert Greeting().receive(b"\xff") == b""
    assert Greeting().receive(b"") == b""


@settings(derandomize=True, max_examples=100, deadline=None)
@given(data=st.data())
def test_cuts_do_not_matter(wire: Any, random_cut: Any, data: st.DataObject) -> None:
    peer, rest = received(random_cut(data.draw, wire.greeting((3, 0), b"PLAIN", 1) + b"the handshake"))
    assert (peer.version, peer.mechanism, peer.as_server, rest) == ((3, 0), "PLAIN", True, b"the handshake")


@settings(derandomize=True, max_examples=200, deadline=None)
@given(noise=st.binary(max_size=80), signed=st.booleans())
def test_noise_is_refused_or_waited_for(noise: bytes, signed: bool) -> None:
    peer = Greeting()
    try:
        peer.receive(b"\xff" + bytes(8) + b"\x7f" + noise if signed else noise)
    except ProtocolError as error:
        assert error.phase == "greeting"
        assert not peer.complete
    else:
        assert peer.complete == (len(noise) + 10 * signed >= 64)
