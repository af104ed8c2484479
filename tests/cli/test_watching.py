"""Peers that come and go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge.cli.failures import Ended, TimedOut
from mqbridge.cli.signals import Signals
from mqbridge.cli.watching import Peers, Watcher, peer_address, tell
from mqbridge.monitor import MISSED, MonitorEvent, Peer


@pytest.fixture
def context() -> Iterator[mqbridge.Context]:
    made = mqbridge.Context()
    made.linger = 0
    yield made
    made.destroy(0)


@pytest.fixture
def signals() -> Iterator[Signals]:
    with Signals() as made:
        yield made


@pytest.fixture
def meet(context: mqbridge.Context) -> Iterator[Callable[..., Any]]:
    """A function that connects a socket of a type, with options, to one that is bound; closed at the end."""
    made = []

    def connect(kind: int, other: Any, **options: Any) -> Any:
        socket = context.socket(kind)
        made.append(socket)
        for name, value in options.items():
            socket.set(getattr(mqbridge, name), value)
        socket.connect(other.last_endpoint.decode())
        return socket

    yield connect
    for socket in made:
        socket.close(0)


def test_peers_are_counted(context: mqbridge.Context, signals: Signals, meet: Any, wait_for: Any) -> None:
    with context.socket(mqbridge.PUSH) as push, Peers(push) as peers:
        push.bind("tcp://127.0.0.1:*")
        first, _ = meet(mqbridge.PULL, push), meet(mqbridge.PULL, push)
        peers.wait(2, 20, signals)
        assert peers.count == 2
        first.close()

        def gone() -> bool:
            peers.look()
            return peers.count == 1

        wait_for(gone, "the end of a peer")
        with pytest.raises(TimedOut, match="1 of 2 peers came within 0 s"):
            peers.wait(2, 0, signals)


def test_only_one_counts(context: mqbridge.Context, signals: Signals, meet: Any) -> None:
    with context.socket(mqbridge.ROUTER) as router, Peers(router, b"me") as peers:
        router.bind("tcp://127.0.0.1:*")
        meet(mqbridge.DEALER, router, ROUTING_ID=b"you")
        meet(mqbridge.DEALER, router, ROUTING_ID=b"me")
        peers.wait(1, 20, signals)
        assert peers.count == 1
        router.send_multipart([b"me", b"x"], mqbridge.DONTWAIT)


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:*", "ipc://*"])
def test_subscribers_are_counted(context: mqbridge.Context, signals: Signals, meet: Any, endpoint: str) -> None:
    """Whatever they subscribe to, and from the same address or not; one who wants nothing does not count."""
    with context.socket(mqbridge.XPUB) as xpub, Peers(xpub) as peers:
        xpub.bind(endpoint)
        meet(mqbridge.SUB, xpub)
        both = meet(mqbridge.SUB, xpub, SUBSCRIBE=b"a")
        both.subscribe(b"b")
        meet(mqbridge.SUB, xpub, SUBSCRIBE=b"a")
        meet(mqbridge.SUB, xpub, SUBSCRIBE=b"c")
        peers.wait(3, 20, signals)
        with pytest.raises(TimedOut, match="3 of 4 subscribers"):
            peers.wait(4, 0, signals)


def test_a_signal_ends_the_wait(context: mqbridge.Context, signals: Signals) -> None:
    with context.socket(mqbridge.PUSH) as push, Peers(push) as peers, pytest.raises(Ended):
        os.kill(os.getpid(), 2)
        peers.wait(1, None, signals)


def test_the_address_of_a_peer(context: mqbridge.Context, meet: Any) -> None:
    with context.socket(mqbridge.PULL) as pull:
        pull.bind("tcp://127.0.0.1:*")
        meet(mqbridge.PUSH, pull).send(b"x")
        assert peer_address(pull.recv(copy=False)).startswith("127.0.0.1:")
        pull.bind("inproc://x")
        meet(mqbridge.PUSH, pull).send(b"y")
        assert peer_address(pull.recv(copy=False)) == ""


def test_a_watcher_closes_the_socket_and_tells_all(context: mqbridge.Context, capsys: Any) -> None:
    socket = context.socket(mqbridge.PULL)
    watcher = Watcher(socket, True, "front")
    socket.bind("tcp://127.0.0.1:*")
    endpoint = socket.last_endpoint.decode()
    watcher.close()
    assert socket.closed
    lines = [line.partition(" ")[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == [f"front LISTENING {endpoint}", f"front CLOSED {endpoint}"]


def test_a_watcher_that_says_nothing(context: mqbridge.Context, capsys: Any) -> None:
    socket = context.socket(mqbridge.PULL)
    watcher = Watcher(socket, False)
    socket.bind("tcp://127.0.0.1:*")
    watcher.close()
    assert socket.closed
    assert capsys.readouterr().err == ""


def test_a_watcher_knows_why_a_peer_was_refused(context: mqbridge.Context, capsys: Any, wait_for: Any) -> None:
    push, pull = context.socket(mqbridge.PUSH), context.socket(mqbridge.PULL)
    pull.plain_server = True
    pull.bind("tcp://127.0.0.1:*")
    watcher = Watcher(push, False)
    assert watcher.why == ""
    push.connect(pull.last_endpoint.decode())
    wait_for(lambda: watcher.why, "a handshake that fails")
    assert watcher.why.startswith("; the last handshake failed: HANDSHAKE_FAILED_PROTOCOL tcp://127.0.0.1:")
    watcher.close()
    pull.close()
    assert capsys.readouterr().err == ""


def test_events_as_they_are_told(capsys: Any) -> None:
    tell(MonitorEvent(mqbridge.EVENT_HANDSHAKE_SUCCEEDED, "tcp://x:1", 5, "", Peer("y:2", b"", "PULL")))
    tell(MonitorEvent(mqbridge.EVENT_DISCONNECTED, "tcp://x:1", 5, "[red]gone[/red]"))
    tell(MonitorEvent(MISSED, "", 7, "nobody read them in time"))
    lines = [line.partition(" ")[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "HANDSHAKE_SUCCEEDED tcp://x:1 y:2 (PULL)",
        "DISCONNECTED tcp://x:1: [red]gone[/red]",
        "MISSED 7: nobody read them in time",
    ]
