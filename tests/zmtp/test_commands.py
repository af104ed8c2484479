"""Commands: their bytes, and malformed ones (RFC 37, "Formal Grammar" and "Connection Heartbeating")."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqbridge.zmtp import commands
from mqbridge.zmtp.commands import Subscription
from mqbridge.zmtp.errors import ProtocolError


def test_bytes_are_those_of_the_specification() -> None:
    assert commands.make(b"READY", b"data") == b"\x05READYdata"
    assert commands.make(b"SUBSCRIBE") == b"\x09SUBSCRIBE"
    assert commands.make_ping(300, b"context") == b"\x04PING\x01\x2ccontext"
    assert commands.make_pong(b"\x01\x2ccontext") == b"\x04PONGcontext"
    assert commands.make_error("no") == b"\x05ERROR\x02no"


@settings(derandomize=True, max_examples=100, deadline=None)
@given(name=st.binary(min_size=1, max_size=255), data=st.binary(max_size=300))
def test_what_is_made_is_split(name: bytes, data: bytes) -> None:
    if not data:
        # A name that ends where the body ends is whole.
        assert commands.split(commands.make(name), "traffic") == (name, b"")
    assert commands.split(commands.make(name, data), "traffic") == (name, data)


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x00READY", b"\x01", b"\x06READY", b"\xff" + b"x" * 254])
@pytest.mark.parametrize("phase", ["handshake", "traffic"])
def test_a_malformed_command_is_refused(body: bytes, phase: str) -> None:
    with pytest.raises(ProtocolError, match=r"malformed command b") as caught:
        commands.split(body, phase)
    assert caught.value.phase == phase
    assert len(caught.value.reason) < 120


def test_a_ping_echoes_at_most_16_bytes() -> None:
    assert commands.make_ping(0, b"x" * 20) == b"\x04PING\x00\x00" + b"x" * 16
    assert commands.make_ping(65535, b"") == b"\x04PING\xff\xff"
    assert commands.make_pong(bytes(2)) == b"\x04PONG"
    assert commands.make_pong(bytes(2) + b"y" * 16) == b"\x04PONG" + b"y" * 16


@pytest.mark.parametrize("size", [0, 1, 19, 1000])
def test_a_ping_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ProtocolError, match=f"a PING has {size} bytes of data; 2 to 18 are allowed"):
        commands.make_pong(bytes(size))


@pytest.mark.parametrize("ttl", [-1, 65536])
def test_a_ttl_that_does_not_fit_is_the_callers_mistake(ttl: int) -> None:
    with pytest.raises(OverflowError):
        commands.make_ping(ttl, b"")


def test_a_long_reason_is_cut() -> None:
    made = commands.make_error("x" * 1000)
    assert made == b"\x05ERROR\xff" + b"x" * 255
    assert commands.error_reason(made[6:]) == "'" + "x" * 255 + "'"
    assert commands.make_error("é") == b"\x05ERROR\x01?"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x02no", "'no'"),
        (b"\x02no and more", "'no'"),
        (b"", "no reason given"),
        (b"\x00", "no reason given"),
        (b"\x09cut", "'cut'"),
        (b"\x02\xffx", r"'\\xffx'"),
        (b"\x03a\nb", r"'a\nb'"),
    ],
)
def test_any_reason_is_read(data: bytes, reason: str) -> None:
    assert commands.error_reason(data) == reason


def test_a_subscription_is_a_topic_and_a_direction() -> None:
    subscription = Subscription(b"topic", True)
    assert (subscription.topic, subscription.add) == (b"topic", True)
