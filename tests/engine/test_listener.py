"""Accepting: many at once, for want of descriptors (P42), after an unbind, and peers that a socket has no place for."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge import Event, _sys
from mqbridge.engine import listener
from mqbridge.transports import tcp


@pytest.fixture
def pull(quiet: mqbridge.Context) -> Iterator[Any]:
    """A PULL socket that only the test drives; not bound yet."""
    with quiet.socket(mqbridge.PULL) as made:
        yield made


def test_listening_accepting_and_the_end_are_reported(
    pull: Any, peers: Any, driving: Callable[..., Any], record: Callable[..., Any]
) -> None:
    events = record(pull)
    pull.bind("tcp://127.0.0.1:*")
    peers.connect(pull.last_endpoint, "PUSH", driving(pull)).shake_hands()
    pull.unbind(pull.last_endpoint)
    assert [event for event, _ in events.all] == [
        Event.LISTENING,
        Event.ACCEPTED,
        Event.HANDSHAKE_SUCCEEDED,
        Event.CLOSED,
    ]


def test_many_connections_wait_and_none_is_forgotten(pull: Any, peers: Any, driving: Callable[..., Any]) -> None:
    pull.backlog = 200
    pull.bind("tcp://127.0.0.1:*")
    view = pull.view()
    view.events()
    waiting = [peers.connect(pull.last_endpoint, "PUSH", driving(pull)) for _ in range(150)]
    # A visit is bounded ...
    view.events()
    assert len(pull._driver.links) == 64
    # ... and says that it was.
    assert view.signaler.signalled
    view.events()
    assert len(pull._driver.links) == 128
    view.events()
    assert len(pull._driver.links) == 150
    for number, peer in enumerate(waiting):
        peer.shake_hands().send(b"%d" % number)
    assert sorted(int(pull.recv()) for _ in waiting) == list(range(150))
    view.close()


def test_tcp_is_tuned(pull: Any, peers: Any, driving: Callable[..., Any]) -> None:
    import socket

    pull.tcp_keepalive = 1
    pull.bind("tcp://127.0.0.1:*")
    peers.connect(pull.last_endpoint, "PUSH", driving(pull)).shake_hands()
    (link,) = pull._driver.links
    handle = socket.socket(fileno=os.dup(link.stream.fd))
    assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert not os.get_inheritable(link.stream.fd)
    handle.close()


class Failing:
    """A `tcp.accept` that fails so many times."""

    def __init__(self, number: int, times: int) -> None:
        self.number = number
        self.times = times
        self.calls = 0
        self._accept = tcp.accept

    def __call__(self, handle: Any) -> int:
        self.calls += 1
        if self.calls <= self.times:
            raise OSError(self.number, os.strerror(self.number))
        return self._accept(handle)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_p42_a_listener_without_descriptors_rests(
    pull: Any,
    peers: Any,
    driving: Callable[..., Any],
    record: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    events = record(pull)
    pull.bind("tcp://127.0.0.1:*")
    failing = Failing(number, 1)
    monkeypatch.setattr(tcp, "accept", failing)
    peer = peers.connect(pull.last_endpoint, "PUSH", driving(pull))
    drive = driving(pull)
    before = _sys.clock()
    drive()
    assert failing.calls == 1
    assert events.of(Event.ACCEPT_FAILED) == [number]
    # The connection is still there to be taken; nobody is woken for it until the rest is over.
    looks = 0
    while failing.calls == 1 and _sys.clock() < before + 10**10:
        assert pull._driver.pollset.wait(10**10)
        drive()
        looks += 1
    assert _sys.clock() - before >= 100_000_000
    assert looks <= 3
    peer.shake_hands().send(b"x")
    assert pull.recv() == b"x"


def test_p42_it_rests_as_often_as_needed(
    pull: Any, peers: Any, driving: Callable[..., Any], record: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_PAUSE", 1_000_000)
    events = record(pull)
    pull.bind("tcp://127.0.0.1:*")
    monkeypatch.setattr(tcp, "accept", Failing(errno.EMFILE, 5))
    peer = peers.connect(pull.last_endpoint, "PUSH", driving(pull)).shake_hands()
    assert events.of(Event.ACCEPT_FAILED) == [errno.EMFILE] * 5
    assert peer.connection.ready


def test_p42_unbinding_while_it_rests(
    pull: Any, peers: Any, driving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pull.bind("tcp://127.0.0.1:*")
    monkeypatch.setattr(tcp, "accept", Failing(errno.EMFILE, 1))
    peer = peers.connect(pull.last_endpoint, "PUSH")
    driving(pull)()
    pull.unbind(pull.last_endpoint)
    assert pull._driver.timers.next_due() == 0
    peer.expect_end()


def test_another_failure_to_accept_costs_no_rest(
    pull: Any, peers: Any, driving: Callable[..., Any], record: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = record(pull)
    pull.bind("tcp://127.0.0.1:*")
    monkeypatch.setattr(tcp, "accept", Failing(errno.EPROTO, 1))
    peer = peers.connect(pull.last_endpoint, "PUSH", driving(pull))
    driving(pull)()
    assert events.of(Event.ACCEPT_FAILED) == [errno.EPROTO]
    driving(pull)()
    assert len(pull._driver.links) == 1
    peer.shake_hands()


def test_a_connection_that_is_gone_already_is_let_go_of(
    pull: Any, peers: Any, driving: Callable[..., Any], record: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = record(pull)
    pull.bind("tcp://127.0.0.1:*")

    def gone(handle: Any, options: Any) -> None:
        raise OSError(errno.EINVAL, "gone")

    with monkeypatch.context() as patched:
        patched.setattr(tcp, "tune", gone)
        peer = peers.connect(pull.last_endpoint, "PUSH")
        driving(pull)()
        assert events.of(Event.ACCEPT_FAILED) == [errno.EINVAL]
        assert not pull._driver.links
        peer.expect_end()
    peers.connect(pull.last_endpoint, "PUSH", driving(pull)).shake_hands()


def test_unbind_ends_the_connections_made_there(pull: Any, peers: Any, driving: Callable[..., Any]) -> None:
    pull.bind("tcp://127.0.0.1:*")
    elsewhere = peers.connect(pull.last_endpoint, "PUSH", driving(pull)).shake_hands()
    pull.bind("tcp://127.0.0.1:*")
    endpoint = pull.last_endpoint
    peer = peers.connect(endpoint, "PUSH", driving(pull)).shake_hands()
    unfinished = peers.connect(endpoint, "PUSH", driving(pull))
    peer.send(b"was", b"there")
    peer.until(peer.arrived, "the arrival")
    pull.unbind(endpoint)
    for ended in (peer, unfinished):
        ended.expect_end()
    with pytest.raises(ConnectionRefusedError):
        peers.connect(endpoint, "PUSH")
    # What had come can be received.
    assert [pull.recv(), pull.recv()] == [b"was", b"there"]
    # Connections made by another listener live on.
    elsewhere.send(b"still here")
    assert pull.recv() == b"still here"
    assert len(pull._driver.links) == len(pull._driver.pipes) == 1
    # The port is free.
    pull.bind(endpoint)
    peers.connect(endpoint, "PUSH", driving(pull)).shake_hands()


def backlog(push: Any, peers: Any, driving: Callable[..., Any]) -> tuple[Any, int]:
    """Bind, connect a peer that does not read, and send until it is full; return the peer and how many that were."""
    push.linger = -1
    push.sndhwm = 20
    push.sndbuf = 4096
    push.bind("tcp://127.0.0.1:*")
    peer = peers.connect(push.last_endpoint, "PULL", driving(push), rcvbuf=4096).shake_hands()
    count = 0
    with pytest.raises(mqbridge.Again):
        while True:
            push.send(b"%06d" % count + bytes(100_000), mqbridge.DONTWAIT)
            count += 1
    return peer, count


def test_unbind_writes_what_is_left(quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]) -> None:
    with quiet.socket(mqbridge.PUSH) as push:
        peer, count = backlog(push, peers, driving)
        push.unbind(push.last_endpoint)
        # No more goes there.
        with pytest.raises(mqbridge.Again):
            push.send(b"more", mqbridge.DONTWAIT)
        assert [int(message[:6]) for message in peer.expect(count)] == list(range(count))
        peer.expect_end()
        peer.until(lambda: not push._driver.links, "the end of the connection")


@pytest.mark.parametrize("linger", [0, 30])
def test_unbind_writes_no_longer_than_linger(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], wait_for: Callable[..., None], linger: int
) -> None:
    with quiet.socket(mqbridge.PUSH) as push:
        peer, count = backlog(push, peers, driving)
        push.linger = linger
        push.unbind(push.last_endpoint)
        assert len(push._driver.links) == (1 if linger else 0)
        drive = driving(push)
        wait_for(lambda: (drive(), not push._driver.links)[1], "the end of lingering")
        peer.expect_end()
        assert len(peer.messages) < count


def test_connections_that_outlive_an_unbind_end_with_the_socket(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]
) -> None:
    push = quiet.socket(mqbridge.PUSH)
    peer, _ = backlog(push, peers, driving)
    push.unbind(push.last_endpoint)
    assert push._driver.links
    push.close(linger=0)
    peer.drive = lambda: None
    peer.expect_end()


def test_a_second_peer_of_a_pair_is_rejected(quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]) -> None:
    with quiet.socket(mqbridge.PAIR) as pair:
        pair.bind("tcp://127.0.0.1:*")
        first = peers.connect(pair.last_endpoint, "PAIR", driving(pair)).shake_hands()
        second = peers.connect(pair.last_endpoint, "PAIR", driving(pair))
        second.send(b"never seen") if second.connection.ready else None
        second.expect_end()
        assert len(pair._driver.links) == 1
        first.send(b"one")
        assert pair.recv() == b"one"
        pair.send(b"two")
        assert first.expect(1) == [b"two"]
        # When the first is gone there is a place again.
        first.close()
        first.until(lambda: not pair._driver.links, "the end of the first")
        third = peers.connect(pair.last_endpoint, "PAIR", driving(pair)).shake_hands()
        third.send(b"three")
        assert pair.recv() == b"three"


# ---- too many that do not finish their handshake


def test_the_oldest_that_says_nothing_has_to_go(
    pull: Any,
    peers: Any,
    driving: Callable[..., Any],
    record: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listener, "MOST_HANDSHAKES", 20)
    pull.bind("tcp://127.0.0.1:*")
    events = record(pull)
    drive = driving(pull)
    established = peers.connect(pull.last_endpoint, "PUSH", drive).shake_hands()
    silent = []
    for _ in range(30):
        silent.append(peers.connect(pull.last_endpoint, "PUSH", drive))
        drive()
    assert len(pull._driver.links) == 21
    reason = "handshake: too many others were in the middle of a handshake"
    assert events.of(Event.HANDSHAKE_FAILED_NO_DETAIL) == [reason] * 10
    for gone in silent[:10]:
        gone.expect_end()
    # Those that are left can still begin, and who is in is not counted.
    for peer in silent[10:]:
        peer.shake_hands().send(b"late")
    established.send(b"hello")
    assert sorted(pull.recv() for _ in range(21)) == [b"hello"] + [b"late"] * 20


def test_those_who_wait_for_our_own_handler_stay(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody would ever get through to a handler that is slow."""
    monkeypatch.setattr(listener, "MOST_HANDSHAKES", 3)
    with quiet.socket(mqbridge.PULL) as pull, quiet.socket(mqbridge.ROUTER) as handler:
        handler.bind("inproc://zeromq.zap.01")
        pull.zap_domain = b"test"
        pull.bind("tcp://127.0.0.1:*")
        drive = driving(pull, handler)
        silent = peers.connect(pull.last_endpoint, "PUSH", drive)
        drive()
        waiting = [peers.connect(pull.last_endpoint, "PUSH", drive) for _ in range(3)]
        for peer in waiting:
            peer.write(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
            drive()
        silent.expect_end()
        assert len(pull._driver.links) == 3
        # All of them wait: who comes now has to come again.
        peers.connect(pull.last_endpoint, "PUSH", drive).expect_end()
        assert len(pull._driver.links) == 3
        assert [handler.recv_multipart()[-1] for _ in waiting] == [b"NULL"] * 3


def test_without_descriptors_there_is_room_for_fewer(
    pull: Any, peers: Any, driving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pull.bind("tcp://127.0.0.1:*")
    drive = driving(pull)
    silent = [peers.connect(pull.last_endpoint, "PUSH", drive) for _ in range(32)]
    drive()
    assert len(pull._driver.links) == 32
    accept = tcp.accept
    failures = [OSError(errno.EMFILE, os.strerror(errno.EMFILE))]

    def fail_once(handle: Any) -> int:
        if failures:
            raise failures.pop()
        return accept(handle)

    monkeypatch.setattr(tcp, "accept", fail_once)
    newest = peers.connect(pull.last_endpoint, "PUSH", drive)
    drive()
    assert len(pull._driver.links) == 28
    silent[0].expect_end()
    newest.shake_hands().send(b"hello")
    assert pull.recv() == b"hello"


def test_what_it_is_at_and_how_many_have_come(pull: Any, peers: Any, driving: Callable[..., Any]) -> None:
    pull.bind("tcp://127.0.0.1:*")
    ((made,),) = pull._driver.endpoints.values()
    assert (made.state(), made.handshakes) == ("listening", 0)
    peers.connect(pull.last_endpoint, "PUSH", driving(pull))
    pull.poll(0)
    assert made.handshakes == 0
    peers.connect(pull.last_endpoint, "PUSH", driving(pull)).shake_hands()
    assert made.handshakes == 1
    made._pause = object()
    assert made.state() == "paused"
    made._pause = None
    pull.unbind(pull.last_endpoint)
    assert made.state() == "closed"
