"""The NULL mechanism on its own: one READY each way (RFC 37, "The NULL Security Mechanism")."""

from __future__ import annotations

from typing import Any

import pytest

from mqbridge.zmtp.errors import ProtocolError
from mqbridge.zmtp.mechanisms import mechanism_for
from mqbridge.zmtp.mechanisms.mechanism import Security
from mqbridge.zmtp.mechanisms.null import Null


def test_it_is_found_by_its_name() -> None:
    assert type(mechanism_for({}, Security())) is Null


def test_ready_is_that_of_the_specification() -> None:
    # RFC 37, "Worked Example": READY of a DEALER without an identity.
    assert Null({"Socket-Type": b"DEALER", "Identity": b""}, Security()).begin() == [
        b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"
    ]


def test_two_peers_learn_of_each_other() -> None:
    one = Null({"Socket-Type": b"REQ"}, Security())
    other = Null({"Socket-Type": b"REP", "X-Name": b"value"}, Security())
    assert not one.done
    for receiver, sender in ((one, other), (other, one)):
        for body in sender.begin():
            assert receiver.receive(body) == []
    assert one.done
    assert other.done
    assert one.peer == {"Socket-Type": b"REP", "X-Name": b"value"}
    assert other.peer == {"Socket-Type": b"REQ"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x05ERROR\x0dnot like this", "the peer refused: 'not like this'"),
        (b"\x05ERROR\x00", "the peer refused: no reason given"),
        (b"\x05ERROR", "the peer refused in a malformed ERROR"),
        (b"\x05ERROR\x04no!", "the peer refused in a malformed ERROR"),
        (b"\x05ERROR\x03a\nb", r"the peer refused: 'a\\nb'"),
        (b"\x05HELLO", "b'HELLO' where READY was expected"),
        (b"\x05ready", "b'ready' where READY was expected"),
        (b"\x04PING\x00\x00", "b'PING' where READY was expected"),
        (b"\x05READY\x01", "malformed metadata"),
        (b"\x06READY", "malformed command"),
        (b"", "malformed command"),
    ],
)
def test_anything_but_ready_is_refused(body: bytes, reason: str) -> None:
    null = Null({}, Security())
    with pytest.raises(ProtocolError, match=reason) as caught:
        null.receive(body)
    assert caught.value.phase == "handshake"
    assert not null.done
    assert null.peer == {}


def test_error_texts_stay_short(wire: Any) -> None:
    with pytest.raises(ProtocolError) as caught:
        Null({}, Security()).receive(b"\xff" + b"\x01" * 255)
    assert len(caught.value.reason) < 150
