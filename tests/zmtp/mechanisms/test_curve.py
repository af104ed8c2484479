"""CURVE on its own: each command byte for byte, made again by libsodium alone, and whatever may be wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mqbridge.zmtp.errors import ProtocolError, Refused
from mqbridge.zmtp.mechanisms.curve import CurveClient, CurveServer
from mqbridge.zmtp.mechanisms.mechanism import Security, Verdict

nacl = pytest.importorskip("nacl.bindings", reason="PyNaCl is not installed: pip install mqbridge[curve]")

CLIENT = b"\x0bSocket-Type\x00\x00\x00\x03REQ"
SERVER = b"\x0bSocket-Type\x00\x00\x00\x03REP"
ONE, TWO = (1).to_bytes(8, "big"), (2).to_bytes(8, "big")
# Where each command stands in a handshake.
COMMANDS = {"HELLO": 0, "WELCOME": 1, "INITIATE": 2, "READY": 3}

Two = Callable[..., tuple[Security, Security]]
Talk = Callable[..., list[bytes]]


def make(securities: tuple[Security, Security]) -> tuple[CurveClient, CurveServer]:
    client, server = securities
    return CurveClient({"Socket-Type": b"REQ"}, client), CurveServer({"Socket-Type": b"REP"}, server)


def test_every_command_byte_for_byte(curve_security: Two, keys: Any, talk: Talk) -> None:
    securities = curve_security()
    client, server = make(securities)
    hello, welcome, initiate, ready = talk(client, server)
    assert client.done
    assert server.done
    assert (client.peer, server.peer) == ({"Socket-Type": b"REP"}, {"Socket-Type": b"REQ"})

    long_client, long_server = keys("client"), keys("server")
    client_secret, vouch_nonce = securities[0].random.rolled  # type: ignore[attr-defined]
    server_secret, cookie_key, cookie_nonce, welcome_nonce = securities[1].random.rolled  # type: ignore[attr-defined]
    client_public = nacl.crypto_scalarmult_base(client_secret)
    server_public = nacl.crypto_scalarmult_base(server_secret)
    # RFC 26, the grammar.
    box = nacl.crypto_box(bytes(64), b"CurveZMQHELLO---" + ONE, long_server.public, client_secret)
    assert hello == b"\x05HELLO\x01\x00" + bytes(72) + client_public + ONE + box
    assert len(hello) == 200
    text = client_public + server_secret
    cookie = cookie_nonce + nacl.crypto_secretbox(text, b"COOKIE--" + cookie_nonce, cookie_key)
    box = nacl.crypto_box(server_public + cookie, b"WELCOME-" + welcome_nonce, client_public, long_server.secret)
    assert welcome == b"\x07WELCOME" + welcome_nonce + box
    assert len(welcome) == 168
    text = client_public + long_server.public
    vouch = vouch_nonce + nacl.crypto_box(text, b"VOUCH---" + vouch_nonce, server_public, long_client.secret)
    text = long_client.public + vouch + CLIENT
    box = nacl.crypto_box(text, b"CurveZMQINITIATE" + TWO, server_public, client_secret)
    assert initiate == b"\x08INITIATE" + cookie + TWO + box
    assert len(initiate) == 257 + len(CLIENT)
    box = nacl.crypto_box(SERVER, b"CurveZMQREADY---" + ONE, client_public, server_secret)
    assert ready == b"\x05READY" + ONE + box
    assert len(ready) == 30 + len(SERVER)


def test_no_key_is_kept_when_it_is_done(curve_security: Two, talk: Talk) -> None:
    client, server = make(curve_security())
    talk(client, server)
    assert (client._secret, client._key) == (b"", b"")
    assert (server._cookie_key, server._key) == (b"", b"")


def test_the_question_is_for_the_clients_key(curve_security: Two, keys: Any, talk: Talk) -> None:
    client, server = make(curve_security(asks=True))
    assert len(talk(client, server)) == 3
    assert server.question is not None
    assert (server.question.mechanism, server.question.credentials) == ("CURVE", (keys("client").public,))
    assert (server.done, server.sealing) == (False, None)
    (ready,) = server.answer(Verdict(200))
    client.receive(ready)
    assert client.done
    assert server.done


@pytest.mark.parametrize("enforces", [False, True])
def test_without_a_handler(curve_security: Two, talk: Talk, enforces: bool) -> None:
    client, server = make(curve_security(asks=True, enforces=enforces))
    talk(client, server)
    if enforces:
        with pytest.raises(ProtocolError, match="there is no ZAP handler"):
            server.answer(None)
    else:
        assert len(server.answer(None)) == 1
    assert server.done is not enforces


@pytest.mark.parametrize("name", COMMANDS)
def test_a_changed_byte_anywhere_ends_the_handshake(curve_security: Two, talk: Talk, name: str) -> None:
    size = len(talk(*make(curve_security()))[COMMANDS[name]])
    for position in range(size):
        client, server = make(curve_security())

        def change(number: int, body: bytes, at: int = position) -> bytes:
            if number != COMMANDS[name]:
                return body
            return body[:at] + bytes((body[at] ^ 0x40,)) + body[at + 1 :]

        with pytest.raises(ProtocolError) as caught:
            talk(client, server, change)
        assert caught.value.phase == "handshake"
        assert not (client.done and server.done)
        assert not client.done


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_was_cut_off(curve_security: Two, talk: Talk, name: str) -> None:
    size = len(talk(*make(curve_security()))[COMMANDS[name]])
    for length in range(0, size, 3):
        client, server = make(curve_security())
        with pytest.raises(ProtocolError):
            talk(client, server, lambda number, body, size=length: body[:size] if number == COMMANDS[name] else body)
        assert not client.done


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_with_more_behind_it(curve_security: Two, talk: Talk, name: str) -> None:
    client, server = make(curve_security())
    with pytest.raises(ProtocolError):
        talk(client, server, lambda number, body: body + b"\0" if number == COMMANDS[name] else body)
    assert not client.done


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_of_another_connection(curve_security: Two, dice: Any, talk: Talk, name: str) -> None:
    """Somebody has recorded a handshake and says a part of it again."""
    recorded = talk(*make(curve_security()))[COMMANDS[name]]
    client, server = make(curve_security())
    for mechanism in (client, server):
        mechanism.security.random = dice(f"another {name}")
    if name == "HELLO":
        # It is taken; but who says it does not know the secret that belongs to it, and cannot go on.
        assert len(server.receive(recorded)) == 1
        return
    client = CurveClient({"Socket-Type": b"REQ"}, client.security)
    with pytest.raises(ProtocolError):
        talk(client, server, lambda number, body: recorded if number == COMMANDS[name] else body)
    assert not client.done


@pytest.mark.parametrize("command", [0, 2])
def test_a_server_hears_a_command_twice(curve_security: Two, talk: Talk, command: int) -> None:
    client, server = make(curve_security())
    body = talk(client, server)[command]
    with pytest.raises(ProtocolError, match=r"where INITIATE was expected|cookie|nonce"):
        server.receive(body)


def test_the_nonce_of_an_initiate_goes_up(curve_security: Two, keys: Any) -> None:
    """A HELLO with the highest nonce: nothing can follow it."""
    _, server = make(curve_security())
    other = keys("C'")
    nonce = b"\xff" * 8
    box = nacl.crypto_box(bytes(64), b"CurveZMQHELLO---" + nonce, keys("server").public, other.secret)
    server.receive(b"\x05HELLO\x01\x00" + bytes(72) + other.public + nonce + box)
    with pytest.raises(ProtocolError, match="not greater than that of the HELLO"):
        server.receive(b"\x08INITIATE" + bytes(96) + nonce + bytes(144))


def initiate(keys: Any, welcome: bytes, mine: Any, vouch: Callable[[bytes], bytes], described: bytes = CLIENT) -> bytes:
    """An INITIATE by a client that knows how it is done; `vouch` gets S' and makes nonce and box."""
    text = nacl.crypto_box_open(welcome[24:], b"WELCOME-" + welcome[8:24], keys("server").public, mine.secret)
    text, cookie = text[:32], text[32:]
    box = nacl.crypto_box(keys("client").public + vouch(text) + described, b"CurveZMQINITIATE" + TWO, text, mine.secret)
    return b"\x08INITIATE" + cookie + TWO + box


def greeted(keys: Any, curve_security: Two) -> tuple[CurveServer, Any, bytes]:
    """A server, the short-term keys of a client it has heard a HELLO of, and its WELCOME."""
    _, server = make(curve_security())
    mine = keys("C'")
    box = nacl.crypto_box(bytes(64), b"CurveZMQHELLO---" + ONE, keys("server").public, mine.secret)
    (welcome,) = server.receive(b"\x05HELLO\x01\x00" + bytes(72) + mine.public + ONE + box)
    return server, mine, welcome


VOUCHES = {
    "right": (lambda keys, mine: mine.public + keys("server").public, "client", ""),
    "by another key": (lambda keys, mine: mine.public + keys("server").public, "thief", "does not own its key"),
    "for another C'": (lambda keys, _: keys("C''").public + keys("server").public, "client", "another connection"),
    "for another server": (lambda keys, mine: mine.public + keys("S2").public, "client", "another connection"),
    "too short": (lambda _, mine: mine.public, "client", "an INITIATE with 235 bytes"),
}


@pytest.mark.parametrize(("text", "owner", "reason"), VOUCHES.values(), ids=VOUCHES)
def test_vouches(curve_security: Two, keys: Any, text: Callable[..., bytes], owner: str, reason: str) -> None:
    server, mine, welcome = greeted(keys, curve_security)
    nonce = bytes(16)

    def vouch(short_term: bytes) -> bytes:
        return nonce + bytes(nacl.crypto_box(text(keys, mine), b"VOUCH---" + nonce, short_term, keys(owner).secret))

    body = initiate(keys, welcome, mine, vouch)
    if not reason:
        assert len(server.receive(body)) == 1
        return
    with pytest.raises(ProtocolError, match=reason):
        server.receive(body)
    assert not server.done


@pytest.mark.parametrize("described", [b"", b"\x01", CLIENT[:-1], CLIENT + b"\x00"])
def test_metadata(curve_security: Two, keys: Any, described: bytes) -> None:
    server, mine, welcome = greeted(keys, curve_security)
    text = mine.public + keys("server").public

    def vouch(short_term: bytes) -> bytes:
        return bytes(16) + bytes(nacl.crypto_box(text, b"VOUCH---" + bytes(16), short_term, keys("client").secret))

    body = initiate(keys, welcome, mine, vouch, described)
    if not described:
        server.receive(body)
        assert server.peer == {}
        return
    with pytest.raises(ProtocolError, match=r"metadata|announces"):
        server.receive(body)


def test_the_wrong_server_key(curve_security: Two, keys: Any, talk: Talk) -> None:
    with pytest.raises(ProtocolError, match="the client wants another server's key"):
        talk(*make(curve_security(server_key=keys("another server").public)))


def test_the_wrong_server(curve_security: Two, keys: Any, talk: Talk) -> None:
    """It answers all the same, since it has no need to know what is in the HELLO."""
    client, _ = make(curve_security())
    (hello,) = client.begin()
    thief = keys("thief")
    box = nacl.crypto_box(bytes(128), b"WELCOME-" + bytes(16), hello[80:112], thief.secret)
    with pytest.raises(ProtocolError, match="the server does not own CURVE_SERVERKEY"):
        client.receive(b"\x07WELCOME" + bytes(16) + box)


def test_keys_that_are_none(curve_security: Two, keys: Any, talk: Talk) -> None:
    client, _ = make(curve_security(server_key=bytes(32)))
    with pytest.raises(ProtocolError, match="CURVE_SERVERKEY is not a key"):
        client.begin()
    _, server = make(curve_security())
    with pytest.raises(ProtocolError, match="cannot be opened"):
        server.receive(b"\x05HELLO\x01\x00" + bytes(72) + bytes(32) + ONE + bytes(80))


def test_a_key_pair_that_does_not_belong_together(curve_security: Two, keys: Any, talk: Talk) -> None:
    with pytest.raises(ProtocolError, match="the client does not own its key"):
        talk(*make(curve_security(public_key=keys("somebody else").public)))


@pytest.mark.parametrize("status", [400, 500])
def test_a_client_is_refused(curve_security: Two, status: int) -> None:
    client, _ = make(curve_security())
    with pytest.raises(Refused) as caught:
        client.receive(b"\x05ERROR\x03%d" % status)
    assert (caught.value.status, caught.value.by_peer) == (status, True)


def test_a_client_does_not_refuse_a_server(curve_security: Two) -> None:
    _, server = make(curve_security())
    with pytest.raises(ProtocolError, match="b'ERROR' where HELLO was expected") as caught:
        server.receive(b"\x05ERROR\x03400")
    assert type(caught.value) is ProtocolError
