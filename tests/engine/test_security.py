"""From options to how an endpoint is secured, and what is refused at once since no handshake could succeed."""

from __future__ import annotations

import errno
from typing import Any

import pytest

import mqbridge
from mqbridge.engine.security import security_of
from mqbridge.options import Options, set_option

needs_curve = pytest.mark.skipif(not mqbridge.has("curve"), reason="PyNaCl is not installed: mqbridge[curve]")


def options(**values: Any) -> Options:
    made = Options()
    for name, value in values.items():
        set_option(made, mqbridge.DEALER, mqbridge.SocketOption[name.upper()], value)
    return made


def test_null_asks_only_with_a_domain() -> None:
    made = security_of(options(), "bind")
    assert (made.mechanism, made.asks, made.enforces) == ("NULL", False, False)
    made = security_of(options(zap_domain=b"d", zap_enforce_domain=1), "bind")
    assert (made.asks, made.enforces) == (True, True)


def test_plain() -> None:
    made = security_of(options(plain_username=b"u", plain_password=b"p"), "connect")
    assert (made.mechanism, made.as_server, made.username, made.password) == ("PLAIN", False, b"u", b"p")
    assert not made.asks
    made = security_of(options(plain_server=1), "bind")
    assert (made.mechanism, made.as_server, made.asks, made.enforces) == ("PLAIN", True, True, True)


@needs_curve
def test_curve() -> None:
    server_public, server_secret = mqbridge.curve_keypair()
    public, secret = mqbridge.curve_keypair()
    made = security_of(options(curve_server=1, curve_secretkey=server_secret), "bind")
    assert (made.mechanism, made.as_server, made.asks, made.enforces) == ("CURVE", True, True, False)
    made = security_of(options(curve_server=1, curve_secretkey=server_secret, zap_enforce_domain=1), "bind")
    assert (made.asks, made.enforces) == (False, True)
    client = security_of(options(curve_secretkey=secret, curve_serverkey=server_public), "connect")
    assert (client.mechanism, client.as_server, client.server_key) == ("CURVE", False, mqbridge_key(server_public))
    # It belongs to the secret one; libzmq wants to be told.
    assert client.public_key == mqbridge_key(public)
    assert len(client.random(7)) == 7


def mqbridge_key(text: bytes) -> bytes:
    from mqbridge import z85

    return z85.decode(text)


@needs_curve
@pytest.mark.parametrize(
    ("values", "missing"),
    [
        ({"curve_server": 1}, "CURVE needs CURVE_SECRETKEY"),
        ({"curve_serverkey": bytes(32)}, "CURVE needs CURVE_SECRETKEY"),
        ({"curve_publickey": bytes(32)}, "CURVE needs CURVE_SECRETKEY"),
        ({"curve_secretkey": bytes(32)}, "a CURVE client needs CURVE_SERVERKEY"),
        ({"plain_server": 1, "zap_enforce_domain": 1}, "a PLAIN server has no ZAP_DOMAIN"),
    ],
)
@pytest.mark.parametrize("verb", ["bind", "connect"])
def test_what_cannot_succeed_is_an_error_at_once(values: dict[str, Any], missing: str, verb: str) -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.PULL) as socket:
        for name, value in values.items():
            setattr(socket, name, value)
        with pytest.raises(mqbridge.ZMQError, match=missing) as caught:
            getattr(socket, verb)("tcp://127.0.0.1:5555")
        assert caught.value.errno == errno.EINVAL
        assert str(caught.value).startswith(f'{verb}("tcp://127.0.0.1:5555")')
        # Within a process nothing has to be secured.
        socket.bind("inproc://here")


@needs_curve
def test_a_stream_knows_no_mechanism() -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.STREAM) as socket:
        socket.curve_server = 1
        socket.bind("tcp://127.0.0.1:*")


@needs_curve
def test_the_last_mechanism_counts() -> None:
    """As with libzmq: each option of a mechanism chooses it, and a client's option ends being a server."""
    made = options(plain_server=1, curve_secretkey=bytes(32))
    assert (made.mechanism, made.as_server) == (mqbridge.CURVE, True)
    set_option(made, mqbridge.DEALER, mqbridge.CURVE_SERVERKEY, bytes(32))
    assert (made.mechanism, made.as_server) == (mqbridge.CURVE, False)
    set_option(made, mqbridge.DEALER, mqbridge.PLAIN_SERVER, 1)
    assert (made.mechanism, made.as_server) == (mqbridge.PLAIN, True)
    set_option(made, mqbridge.DEALER, mqbridge.CURVE_SERVER, 0)
    assert (made.mechanism, made.as_server) == (mqbridge.NULL, False)
