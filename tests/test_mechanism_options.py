"""The options of PLAIN, CURVE and ZAP: in whatever order they are set, libzmq ends with the same mechanism."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

import mqbridge
from mqbridge.mechanism_options import key_bytes
from mqbridge.options import Options, get_option, set_option

pytestmark = pytest.mark.skipif(not mqbridge.has("curve"), reason="PyNaCl is not installed: mqbridge[curve]")

KEY = bytes(range(32))
TEXT = mqbridge.z85.encode(KEY)
NAMES = (
    "MECHANISM",
    "PLAIN_SERVER",
    "CURVE_SERVER",
    "PLAIN_USERNAME",
    "PLAIN_PASSWORD",
    "ZAP_DOMAIN",
    "ZAP_ENFORCE_DOMAIN",
)
VALUES: dict[str, list[Any]] = {
    "PLAIN_SERVER": [0, 1, 2, -1],
    "CURVE_SERVER": [0, 1, 2, -1],
    "PLAIN_USERNAME": [b"user", b"u" * 200, b"", b"u" * 256, b"a\0b"],
    "PLAIN_PASSWORD": [b"password", b"", b"p" * 256],
    "CURVE_PUBLICKEY": [KEY, TEXT, TEXT[:39], TEXT + b"0", b",,,,," * 8, b""],
    "CURVE_SECRETKEY": [KEY, TEXT, KEY[:31]],
    "CURVE_SERVERKEY": [KEY, TEXT, KEY + b"\0", b"~" * 40],
    "ZAP_DOMAIN": [b"domain", b"", b"d" * 256],
    "ZAP_ENFORCE_DOMAIN": [0, 1, 2, -1],
}
STEPS = [(name, value) for name, values in VALUES.items() for value in values]


@pytest.fixture(scope="module")
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq.Context() as context:
        yield context


def attempt(call: Any, *arguments: Any) -> object:
    try:
        return call(*arguments)
    except (zmq.ZMQError, mqbridge.ZMQError) as error:
        return f"errno {error.errno}"


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=6))
def test_any_order(steps: list[tuple[str, Any]], context: zmq.Context[zmq.Socket[bytes]]) -> None:
    ours = Options()
    with context.socket(zmq.DEALER) as theirs:
        for name, value in steps:
            option = mqbridge.SocketOption[name]
            assert attempt(set_option, ours, zmq.DEALER, option, value) == attempt(theirs.setsockopt, option, value)
            found = {name: attempt(theirs.getsockopt, getattr(zmq, name)) for name in NAMES}
            mine = {name: attempt(get_option, ours, zmq.DEALER, mqbridge.SocketOption[name]) for name in NAMES[1:]} | {
                "MECHANISM": ours.mechanism
            }
            assert mine == found


def test_the_socket_tells_its_mechanism() -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.REP) as socket:
        assert socket.mechanism == mqbridge.NULL
        socket.plain_username = b"user"
        assert socket.mechanism == socket.get(mqbridge.MECHANISM) == mqbridge.PLAIN
        socket.curve_server = True
        assert (socket.mechanism, socket.curve_server, socket.plain_server) == (mqbridge.CURVE, 1, 0)


def test_keys() -> None:
    assert key_bytes(KEY) == key_bytes(TEXT) == KEY
    for wrong in (b"", KEY[:31], TEXT[:39], b"~" * 40, TEXT[:35]):
        assert key_bytes(wrong) is None


@pytest.mark.parametrize("name", ["curve_secretkey", "plain_password", "socks_password"])
@pytest.mark.parametrize("value", [b"", b"se-cret" * 40, "se-cret", 5, None, b"se-cret0" * 5])
def test_secrets_are_in_no_error(name: str, value: Any) -> None:
    option = mqbridge.SocketOption[name.upper()]
    with mqbridge.Context() as context, context.socket(mqbridge.REP) as socket:
        for call in (
            lambda: setattr(socket, name, value),
            lambda: socket.set(option, value),
            lambda: socket.set_string(option, value),
        ):
            try:
                call()
            except (mqbridge.ZMQError, TypeError) as error:
                assert "se-cret" not in str(error)
        assert "se-cret" not in repr(socket) + repr(context)


def test_keys_are_not_given_out_again() -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.REP) as socket:
        socket.curve_secretkey = TEXT
        for name in ("curve_publickey", "curve_secretkey", "curve_serverkey"):
            assert not hasattr(socket, name)
