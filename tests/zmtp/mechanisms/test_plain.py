"""PLAIN on its own, each side byte for byte (RFC 24)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mqbridge.zmtp.errors import ProtocolError, Refused
from mqbridge.zmtp.mechanisms.mechanism import Security, Verdict
from mqbridge.zmtp.mechanisms.plain import PlainClient, PlainServer

HELLO = b"\x05HELLO\x05admin\x06secret"
WELCOME = b"\x07WELCOME"
CLIENT = b"\x0bSocket-Type\x00\x00\x00\x03REQ"
SERVER = b"\x0bSocket-Type\x00\x00\x00\x03REP"


def client() -> PlainClient:
    return PlainClient({"Socket-Type": b"REQ"}, Security("PLAIN", username=b"admin", password=b"secret"))


def server() -> PlainServer:
    return PlainServer({"Socket-Type": b"REP"}, Security("PLAIN", True, asks=True, enforces=True))


def test_the_client_byte_for_byte() -> None:
    made = client()
    assert made.begin() == [HELLO]
    assert made.receive(WELCOME) == [b"\x08INITIATE" + CLIENT]
    assert not made.done
    assert made.receive(b"\x05READY" + SERVER) == []
    assert (made.done, made.peer, made.sealing) == (True, {"Socket-Type": b"REP"}, None)


def test_the_server_byte_for_byte() -> None:
    made = server()
    assert made.begin() == []
    assert made.receive(HELLO) == []
    assert made.question is not None
    assert (made.question.mechanism, made.question.credentials) == ("PLAIN", (b"admin", b"secret"))
    assert made.answer(Verdict(200, b"joe")) == [WELCOME]
    assert made.receive(b"\x08INITIATE" + CLIENT) == [b"\x05READY" + SERVER]
    assert (made.done, made.peer, made.question) == (True, {"Socket-Type": b"REQ"}, None)


@pytest.mark.parametrize("user", [b"", b"u" * 255])
@pytest.mark.parametrize("password", [b"", b"p" * 255])
def test_sizes(user: bytes, password: bytes) -> None:
    (hello,) = PlainClient({}, Security("PLAIN", username=user, password=password)).begin()
    made = server()
    made.receive(hello)
    assert made.question is not None
    assert made.question.credentials == (user, password)


@pytest.mark.parametrize("size", range(6, len(HELLO)))
def test_a_hello_that_was_cut_off(size: int) -> None:
    made = server()
    with pytest.raises(ProtocolError, match="a malformed HELLO") as caught:
        made.receive(HELLO[:size])
    assert "admin" not in str(caught.value)
    assert made.question is None


def test_a_hello_with_more_behind_it() -> None:
    with pytest.raises(ProtocolError, match="a malformed HELLO"):
        server().receive(HELLO + b"x")


SERVER_HEARS: dict[str, tuple[list[bytes], str]] = {
    "an INITIATE first": ([b"\x08INITIATE" + CLIENT], "b'INITIATE' where HELLO was expected"),
    "a HELLO twice": ([HELLO, HELLO], "b'HELLO' where INITIATE was expected"),
    "READY": ([HELLO, b"\x05READY" + CLIENT], "b'READY' where INITIATE was expected"),
    "malformed metadata": ([HELLO, b"\x08INITIATE" + CLIENT[:-1]], "announces 3 bytes"),
    "nothing": ([b""], "malformed command"),
    "ERROR": ([b"\x05ERROR\x02no"], "b'ERROR' where HELLO was expected"),
}


@pytest.mark.parametrize(("commands", "reason"), SERVER_HEARS.values(), ids=SERVER_HEARS)
def test_what_a_server_does_not_take(commands: list[bytes], reason: str) -> None:
    made = server()

    def hear() -> None:
        for command in commands:
            made.receive(command)
            if made.question is not None:
                made.answer(Verdict(200))

    with pytest.raises(ProtocolError, match=reason) as caught:
        hear()
    assert caught.value.phase == "handshake"
    assert not made.done


CLIENT_HEARS: dict[str, tuple[list[bytes], str]] = {
    "READY first": ([b"\x05READY" + SERVER], "b'READY' where WELCOME was expected"),
    "WELCOME twice": ([WELCOME, WELCOME], "b'WELCOME' where READY was expected"),
    "a WELCOME with something": ([WELCOME + b"x"], "a WELCOME with 1 bytes of data"),
    "HELLO, from another client": ([HELLO], "b'HELLO' where WELCOME was expected"),
    "malformed metadata": ([WELCOME, b"\x05READY\x01"], "malformed metadata"),
}


@pytest.mark.parametrize(("commands", "reason"), CLIENT_HEARS.values(), ids=CLIENT_HEARS)
def test_what_a_client_does_not_take(commands: list[bytes], reason: str) -> None:
    made = client()
    for command in commands[:-1]:
        made.receive(command)
    with pytest.raises(ProtocolError, match=reason):
        made.receive(commands[-1])
    assert not made.done


@pytest.mark.parametrize("before", [[], [WELCOME]])
@pytest.mark.parametrize("status", [300, 400, 500])
def test_a_client_is_refused(before: list[bytes], status: int) -> None:
    made = client()
    for command in before:
        made.receive(command)
    with pytest.raises(Refused, match=f"the peer refused: '{status}'") as caught:
        made.receive(b"\x05ERROR\x03%d" % status)
    assert (caught.value.status, caught.value.by_peer) == (status, True)


@pytest.mark.parametrize("reason", [b"\x03200", b"\x03600", b"\x02400", b"\x04400x", b"", b"\x04400"])
def test_an_error_that_is_no_status(reason: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        client().receive(b"\x05ERROR" + reason)
    assert type(caught.value) is ProtocolError


def test_without_a_handler_nobody_comes_in() -> None:
    made = server()
    made.receive(HELLO)
    with pytest.raises(ProtocolError, match="there is no ZAP handler"):
        made.answer(None)


def test_both_sides(talk: Callable[..., Any]) -> None:
    one, other = client(), server()
    assert talk(one, other) == [HELLO]
    (welcome,) = other.answer(Verdict(200))
    (initiate,) = one.receive(welcome)
    (ready,) = other.receive(initiate)
    one.receive(ready)
    assert one.done
    assert other.done
