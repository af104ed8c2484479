"""Peers that keep to the framing and misuse what a socket type adds: envelopes, routing ids, subscriptions."""

from __future__ import annotations

import contextlib
import importlib
import socket as system
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mqbridge

sys.path.append(str(Path(__file__).resolve().parent / "peers"))
raw_peer = importlib.import_module("raw_peer")
command, encoded, read_message = raw_peer.command, raw_peer.encoded, raw_peer.read_message

ANYWHERE = "tcp://127.0.0.1:*"

Make = Callable[..., mqbridge.Socket]
Raw = Callable[..., system.socket]

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture
def make() -> Iterator[Make]:
    """A function that makes a bound socket, `make(mqbridge.REP, sndhwm=10)`, closed at the end of the test."""
    context = mqbridge.Context()
    made = []

    def make_one(kind: int, **options: Any) -> mqbridge.Socket:
        made.append(context.socket(kind))
        made[-1].linger, made[-1].sndtimeo, made[-1].rcvtimeo = 0, 20_000, 20_000
        for name, value in options.items():
            setattr(made[-1], name, value)
        made[-1].bind(ANYWHERE)
        return made[-1]

    yield make_one
    for socket in made:
        socket.close(0)
    context.term()


@pytest.fixture
def raw() -> Iterator[Raw]:
    """A function that connects a peer made of bytes: `raw(socket, b"REQ", identity=b"me")`."""
    with contextlib.ExitStack() as stack:

        def connect(socket: mqbridge.Socket, kind: bytes, identity: bytes | None = None) -> system.socket:
            port = int(socket.get_string(mqbridge.LAST_ENDPOINT).rpartition(":")[2])
            handle = stack.enter_context(system.create_connection(("127.0.0.1", port), timeout=20))
            handle.setsockopt(system.IPPROTO_TCP, system.TCP_NODELAY, 1)
            raw_peer.shake_hands(handle, kind, identity)
            return handle

        yield connect


# ---- requests and replies


def test_several_requests_at_once_are_answered_one_by_one(make: Make, raw: Raw) -> None:
    rep = make(mqbridge.REP)
    hasty, patient = raw(rep, b"REQ"), raw(rep, b"REQ")
    hasty.sendall(b"".join(encoded(b"", b"hasty %d" % number) for number in range(100)))
    assert rep.recv() == b"hasty 0"
    rep.send(b"to hasty 0")
    patient.sendall(encoded(b"", b"patient"))
    turns = []
    for _ in range(100):
        # Who has messages need not look at the network for each.
        rep.poll(0)
        request = rep.recv()
        turns.append(request)
        rep.send(b"to " + request)
    # Who asks once does not wait behind a hundred of another's.
    assert b"patient" in turns
    assert turns.index(b"patient") < 99
    assert read_message(patient) == [b"", b"to patient"]
    assert [read_message(hasty) for _ in range(100)] == [[b"", b"to hasty %d" % number] for number in range(100)]


def test_requests_without_a_delimiter_or_a_body_are_no_requests(make: Make, raw: Raw) -> None:
    rep = make(mqbridge.REP)
    bad, good = raw(rep, b"REQ"), raw(rep, b"REQ")
    bad.sendall(encoded(b"x") + encoded(b"x", b"y", b"z") + encoded(b"") + encoded(b"x", b"") + encoded(*[b"x"] * 1000))
    for number in range(5):
        good.sendall(encoded(b"", b"%d" % number))
        assert rep.recv() == b"%d" % number
        rep.send(b"answer")
        assert read_message(good) == [b"", b"answer"]
    # And who sent them can still ask. A long way back is given back.
    way = [b"%d" % hop for hop in range(500)]
    bad.sendall(encoded(*way, b"", b"at last", b""))
    assert rep.recv_multipart() == [b"at last", b""]
    rep.send(b"answer")
    assert read_message(bad) == [*way, b"", b"answer"]


def test_who_asks_and_goes_does_not_stop_the_others(make: Make, raw: Raw) -> None:
    rep = make(mqbridge.REP)
    good = raw(rep, b"REQ")
    for number in range(20):
        gone = raw(rep, b"REQ")
        gone.sendall(encoded(b"", b"gone"))
        assert rep.recv() == b"gone"
        raw_peer.reset(gone)
        rep.send(b"answer")
        good.sendall(encoded(b"", b"%d" % number))
        assert rep.recv() == b"%d" % number
        rep.send(b"answer")
        assert read_message(good) == [b"", b"answer"]


def test_replies_nobody_asked_for(make: Make, raw: Raw) -> None:
    req = make(mqbridge.REQ)
    handle = raw(req, b"REP")
    for number in range(10):
        handle.sendall(encoded(b"", b"unasked") * 10)
        # It comes before the question; behind it, it could be the answer.
        assert not req.poll(10)
        req.send(b"%d" % number)
        assert read_message(handle) == [b"", b"%d" % number]
        # No delimiter, no body, an envelope: none of these is the reply. What comes after the reply is none, either.
        handle.sendall(encoded(b"wrong") + encoded(b"") + encoded(b"x", b"") + encoded(b"x", b"", b"wrong"))
        handle.sendall(encoded(b"", b"right %d" % number) + encoded(b"", b"once more"))
        assert req.recv() == b"right %d" % number
    with pytest.raises(mqbridge.ZMQError) as caught:
        req.recv()
    assert caught.value.errno == mqbridge.Errno.EFSM


def test_only_who_was_asked_can_answer(make: Make, raw: Raw) -> None:
    req = make(mqbridge.REQ)
    handles = [raw(req, b"REP") for _ in range(2)]
    for number in range(10):
        req.send(b"%d" % number)
        other = handles[1 - number % 2]
        other.sendall(encoded(b"", b"from the other"))
        assert read_message(handles[number % 2]) == [b"", b"%d" % number]
        assert not req.poll(20)
        handles[number % 2].sendall(encoded(b"", b"right"))
        assert req.recv() == b"right"


# ---- routing ids


@pytest.mark.parametrize("name", [b"", b"x", b"\0", b"\0\0\0\0\1", bytes(255), b"\xff" * 255])
def test_routing_ids_of_all_kinds(make: Make, raw: Raw, name: bytes) -> None:
    router = make(mqbridge.ROUTER, router_mandatory=1)
    handle = raw(router, b"DEALER", name)
    handle.sendall(encoded(b"hello"))
    found, body = router.recv_multipart()
    assert body == b"hello"
    if name[:1] > b"\0":
        assert found == name
    else:
        # Names that begin with zero are the ROUTER's own, and nobody's to choose.
        assert (len(found), found[:1]) == (5, b"\0")
        assert found != name
    router.send_multipart([found, b"answer"])
    assert read_message(handle) == [b"answer"]


def test_two_peers_with_one_routing_id(make: Make, raw: Raw) -> None:
    router = make(mqbridge.ROUTER, router_mandatory=1)
    first = raw(router, b"DEALER", b"name")
    first.sendall(encoded(b"1"))
    assert router.recv_multipart() == [b"name", b"1"]
    for _ in range(20):
        # Neither heard nor spoken to.
        raw(router, b"DEALER", b"name").sendall(encoded(b"not me"))
    other = raw(router, b"DEALER", b"another")
    other.sendall(encoded(b"2"))
    assert router.recv_multipart() == [b"another", b"2"]
    router.send_multipart([b"name", b"answer"])
    assert read_message(first) == [b"answer"]
    assert not router.poll(20)


def test_a_routing_id_handed_over_many_times(make: Make, raw: Raw, wait_for: Callable[..., None]) -> None:
    router = make(mqbridge.ROUTER, router_mandatory=1, router_handover=1)
    handles = []
    for number in range(50):
        handles.append(raw(router, b"DEALER", b"name"))
        handles[-1].sendall(encoded(b"%d" % number))
        assert router.recv_multipart() == [b"name", b"%d" % number]
        router.send_multipart([b"name", b"to %d" % number])
        assert read_message(handles[-1]) == [b"to %d" % number]
    for handle in handles[:-1]:
        assert handle.recv(1) == b""
    wait_for(lambda: not router.poll(0) and len(router._driver.pipes) == 1, "the end of the former ones")


# ---- subscriptions


def test_subscriptions_that_make_no_sense(make: Make, raw: Raw) -> None:
    """Each in the two forms it can have on the wire."""
    xpub = make(mqbridge.XPUB)
    handle, good = raw(xpub, b"SUB"), raw(xpub, b"SUB")
    good.sendall(command(b"SUBSCRIBE", b"good"))
    assert xpub.recv() == b"\x01good"
    # To cancel what was never asked for, and what another has asked for.
    handle.sendall(command(b"CANCEL", b"never") + encoded(b"\0never"))
    handle.sendall(command(b"CANCEL", b"good") + encoded(b"\0good"))
    handle.sendall(command(b"SUBSCRIBE", b"twice") * 50 + encoded(b"\1twice") * 50 + command(b"CANCEL", b"twice"))
    handle.sendall(encoded(b"\2message", b"\1twice") + encoded(b"\1end"))
    seen = []
    while not seen or seen[-1] != b"\1end":
        seen.append(xpub.recv())
    assert seen.count(b"\2message") == 1
    # A cancel of what nobody has is shown, too, as in libzmq.
    rest = [message for message in seen if message[1:] not in (b"never", b"good", b"message")]
    assert rest == [b"\1twice", b"\0twice", b"\1twice", b"\1end"]
    for number in range(20):
        xpub.send(b"good %d" % number)
        xpub.send(b"bad %d" % number)
        assert read_message(good) == [b"good %d" % number]


@pytest.mark.parametrize("kind", [mqbridge.PUB, mqbridge.XPUB], ids=["PUB", "XPUB"])
def test_very_long_topics(make: Make, raw: Raw, kind: int, wait_for: Callable[..., None]) -> None:
    publisher = make(kind)
    topic = bytes(range(256)) * 4096
    handle = raw(publisher, b"SUB")
    for number in range(4):
        handle.sendall(command(b"SUBSCRIBE", topic + b"%d" % number) + encoded(b"\1" + topic + b"other %d" % number))
    handle.sendall(command(b"SUBSCRIBE", b"end"))
    handle.setblocking(False)

    def heard_of() -> bool:
        publisher.poll(0)
        publisher.send(b"end")
        with contextlib.suppress(BlockingIOError):
            return bool(handle.recv(1, system.MSG_PEEK))
        return False

    wait_for(heard_of, "the last subscription")
    handle.settimeout(20)
    publisher.send(topic)
    publisher.send(topic + b"3 is wanted")
    publisher.send(topic + b"other 1, too")
    publisher.send(topic + b"other 4 not")
    heard = []
    while len(heard) < 2:
        (message,) = read_message(handle)
        if message != b"end":
            heard.append(message[len(topic) :])
    assert heard == [b"3 is wanted", b"other 1, too"]


@pytest.mark.parametrize("kind", [mqbridge.SUB, mqbridge.XSUB], ids=["SUB", "XSUB"])
def test_a_publisher_that_sends_what_nobody_asked_for(make: Make, raw: Raw, kind: int) -> None:
    subscriber = make(kind)
    if kind == mqbridge.SUB:
        subscriber.subscribe = b"good"
    publisher = raw(subscriber, b"PUB")
    # Subscriptions in the wrong direction are no messages.
    publisher.sendall(command(b"SUBSCRIBE", b"good") + command(b"CANCEL", b"good"))
    publisher.sendall(encoded(b"bad") * 5_000 + encoded(b"good", b"1"))
    if kind == mqbridge.XSUB:
        assert {subscriber.recv() for _ in range(5_000)} == {b"bad"}
    assert subscriber.recv_multipart() == [b"good", b"1"]
    assert not subscriber.poll(0)


# ---- the slowest of all

SLOW = {"PULL": b"PUSH", "REP": b"REQ", "PAIR": b"PAIR", "DEALER": b"DEALER", "ROUTER": b"REQ", "SUB": b"PUB"}
SLOW |= {"XSUB": b"PUB", "REQ": b"REP", "XPUB": b"SUB"}


@pytest.mark.parametrize("kind", SLOW)
def test_a_peer_that_says_one_byte_at_a_time(make: Make, kind: str) -> None:
    socket = make(getattr(mqbridge, kind), **({"subscribe": b""} if kind == "SUB" else {}))
    port = int(socket.get_string(mqbridge.LAST_ENDPOINT).rpartition(":")[2])
    body = [b"", b"a", b"bc"]
    message = [b"\1" + b"topic"] if kind == "XPUB" else body
    with system.create_connection(("127.0.0.1", port), timeout=20) as handle:
        handle.setsockopt(system.IPPROTO_TCP, system.TCP_NODELAY, 1)
        if kind == "REQ":
            raw_peer.shake_hands(handle, SLOW[kind])
            socket.send(b"?")
            assert read_message(handle) == [b"", b"?"]
            said = encoded(*message)
        else:
            said = raw_peer.ready(SLOW[kind]) + encoded(*message)
        for at in range(len(said)):
            handle.sendall(said[at : at + 1])
            # It is read as it comes.
            socket.poll(0)
        found = socket.recv_multipart()
    if kind == "ROUTER":
        assert found[1:] == message
    else:
        assert found == (message[1:] if kind in ("REP", "REQ") else message)
