"""Greetings: ours to the byte, and those of peers of every age (RFC 37, "Version Negotiation")."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqbridge.zmtp import greeting
from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.greeting import Greeting


def test_our_greeting_is_that_of_the_specification(wire: Any) -> None:
    own = Greeting()
    sent = [own.to_send]
    for piece in (wire.greeting()[:10], wire.greeting()[10:11]):
        own.to_send = b""
        own.receive(piece)
        sent.append(own.to_send)
    # What ZMTP 1.0 needs to go on with, what ZMTP 2.0 needs, and what is left.
    assert [len(step) for step in sent] == [10, 1, 53]
    assert b"".join(sent).hex(" ") == (
        "ff 00 00 00 00 00 00 00 01 7f 03 01 "  # signature, with a size in it, and version
        "4e 55 4c 4c 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "  # mechanism
        "00 "  # as-server
        "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
    )


def test_the_size_of_the_identity_is_in_the_signature() -> None:
    assert greeting.signature(255) == b"\xff" + bytes(6) + b"\x01\x00\x7f"


def test_a_server_says_so() -> None:
    plain = greeting.rest("PLAIN", True)
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


ANONYMOUS = b"\x01\x00"
IDENTITY = bytes(range(1, 254))
OLDER = {
    "1.0, anonymous": (ANONYMOUS, (1, 0), "", b""),
    "1.0, a short identity": (b"\x04\x00abc", (1, 0), "", b"abc"),
    "1.0, the longest short one": (b"\xfe\x00" + IDENTITY, (1, 0), "", IDENTITY),
    "1.0, a long frame for it": (b"\xff" + bytes(7) + b"\x04\x00abc", (1, 0), "", b"abc"),
    "1.0, the longest": (b"\xff" + bytes(6) + b"\x01\x00\x00" + b"x" * 255, (1, 0), "", b"x" * 255),
    "2.0, anonymous": (b"\xff" + bytes(8) + b"\x7f\x01\x08\x00\x00", (2, 0), "PUSH", b""),
    "2.0, an identity": (b"\xff" + bytes(8) + b"\x7f\x01\x05\x00\x03abc", (2, 0), "DEALER", b"abc"),
    "2.0, revision 2": (b"\xff" + bytes(8) + b"\x7f\x02\x0a\x00\x00", (2, 0), "XSUB", b""),
}


@pytest.mark.parametrize(("data", "version", "kind", "identity"), OLDER.values(), ids=OLDER)
def test_older_peers(cut: Any, data: bytes, version: tuple[int, int], kind: str, identity: bytes) -> None:
    peer = Greeting(socket_type="REP", identity=b"me")
    rest = b""
    for piece in cut(data + b"and more"):
        rest += piece if peer.complete else peer.receive(piece)
    assert (peer.version, peer.socket_type, peer.identity, rest) == (version, kind, identity, b"and more")
    said = b"me" if version == (1, 0) else b"\x03\x04\x00\x02me"
    assert peer.to_send == b"\xff" + bytes(7) + b"\x03\x7f" + said


WRONG = {
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", r"does not speak ZMTP: .*b'G"),
    "TLS": (b"\x16\x03\x01\x02\x00", r"does not speak ZMTP"),
    "zeros": (bytes(64), r"does not speak ZMTP: .*b'\\x00"),
    "all bits but one": (b"\xff" * 9 + b"\xfe", r"does not speak ZMTP"),
    "a long frame without flags": (b"\xff" + bytes(9), r"does not speak ZMTP"),
    "an identity of 256 bytes": (b"\xff" + bytes(6) + b"\x01\x01\x00", r"does not speak ZMTP"),
    "revision 0": (b"\xff" + bytes(8) + b"\x7f\x00", r"between 1\.0 and 2\.0, revision 0"),
    "an unknown type": (b"\xff" + bytes(8) + b"\x7f\x01\x0b", r"socket type, 11, is none of ZMTP 2\.0's"),
    "MORE of an identity": (b"\xff" + bytes(8) + b"\x7f\x01\x08\x01", r"flags 0x01 where the peer's identity"),
    "a large identity": (b"\xff" + bytes(8) + b"\x7f\x01\x08\x02", r"flags 0x02 where the peer's identity"),
}


@pytest.mark.parametrize(("data", "reason"), WRONG.values(), ids=WRONG)
def test_others_are_refused_with_a_reason(cut: Any, data: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason) as caught:
        received(cut(data))
    assert caught.value.phase == "greeting"
    assert len(caught.value.reason) < 120


def test_garbage_is_refused_at_the_first_or_second_byte() -> None:
    with pytest.raises(ProtocolError):
        Greeting().receive(b"\0")
    for first in range(1, 255):
        for second in range(1, 256):
            with pytest.raises(ProtocolError):
                Greeting().receive(bytes((first, second)))
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
    peer = Greeting(socket_type="PULL")
    try:
        peer.receive(b"\xff" + bytes(8) + b"\x7f" + noise if signed else noise)
    except ProtocolError as error:
        assert error.phase == "greeting"
        assert not peer.complete
    else:
        if peer.version >= (3, 0) or not peer.version_known:
            assert peer.complete == (len(noise) + 10 * signed >= 64)
