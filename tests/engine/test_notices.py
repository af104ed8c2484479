"""Messages that a socket makes by itself: to new peers, and to its own reader when peers come, go and come back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import mqbridge
from mqbridge.constants import RouterNotify

DONTWAIT = mqbridge.DONTWAIT


@pytest.fixture
def router(quiet: mqbridge.Context) -> Any:
    """A ROUTER that only the test drives."""
    with quiet.socket(mqbridge.ROUTER) as made:
        yield made


@pytest.fixture
def dealer(quiet: mqbridge.Context) -> Any:
    with quiet.socket(mqbridge.DEALER) as made:
        made.reconnect_ivl = 1
        yield made


def now(socket: mqbridge.Socket) -> list[list[bytes]]:
    """Return the messages that are there."""
    found = []
    while socket.poll(0):
        found.append(socket.recv_multipart())
    return found


# ---- HELLO_MSG


def test_each_new_peer_is_greeted(router: Any, peers: Any, driving: Callable[..., Any]) -> None:
    router.hello_msg = b"hello"
    router.bind("tcp://127.0.0.1:*")
    for _ in range(2):
        peer = peers.connect(router.last_endpoint, "DEALER", driving(router)).shake_hands()
        assert peer.expect(1) == [b"hello"]


def test_a_greeting_is_the_first_message_of_each_connection(
    dealer: Any, peers: Any, driving: Callable[..., Any]
) -> None:
    place = peers.listen()
    dealer.hello_msg = b"hello"
    dealer.connect(place.endpoint)
    dealer.send(b"one", DONTWAIT)
    drive = driving(dealer)
    peer = place.accept("DEALER", drive).shake_hands()
    assert peer.expect(2) == [b"hello", b"one"]
    peer.close()
    peer = place.accept("DEALER", drive).shake_hands()
    dealer.send(b"two", DONTWAIT)
    assert peer.expect(2) == [b"hello", b"two"]


def test_a_greeting_that_nobody_heard_is_not_said_twice(dealer: Any, peers: Any, driving: Callable[..., Any]) -> None:
    place = peers.listen()
    dealer.hello_msg = b"hello"
    dealer.sndhwm = 2
    dealer.connect(place.endpoint)
    dealer.send(b"one", DONTWAIT)
    drive = driving(dealer)
    for _ in range(3):
        # It goes before the handshake is done.
        place.accept("DEALER", drive).close()
    peer = place.accept("DEALER", drive).shake_hands()
    assert peer.expect(2) == [b"hello", b"one"]
    dealer.send(b"two", DONTWAIT)
    assert peer.expect(1) == [b"two"]
    (pipe,) = dealer._driver.pipes
    assert pipe.outbound.length() == 0


def test_a_large_greeting_that_was_cut_leaves_what_is_behind_it(
    dealer: Any, peers: Any, driving: Callable[..., Any]
) -> None:
    place = peers.listen(rcvbuf=4096)
    dealer.hello_msg = bytes(10_000_000)
    dealer.connect(place.endpoint)
    dealer.send(b"one", DONTWAIT)
    drive = driving(dealer)
    for _ in range(4):
        # More often than a message is sent that breaks connections.
        peer = place.accept("DEALER", drive).shake_hands()
        peer.reset()
    peer = place.accept("DEALER", drive).shake_hands()
    assert [len(message) for message in peer.expect(2)] == [10_000_000, 3]


@pytest.mark.parametrize("late", [False, True])
def test_greetings_by_inproc(router: Any, dealer: Any, late: bool) -> None:
    router.hello_msg, dealer.hello_msg = b"from the router", b"from the dealer"
    dealer.set(mqbridge.ROUTING_ID, b"d")
    if late:
        dealer.connect("inproc://x")
        dealer.send(b"early")
        router.bind("inproc://x")
    else:
        router.bind("inproc://x")
        dealer.connect("inproc://x")
        dealer.send(b"early")
    assert router.recv_multipart() == [b"d", b"from the dealer"]
    assert router.recv_multipart() == [b"d", b"early"]
    assert dealer.recv() == b"from the router"


# ---- DISCONNECT_MSG


@pytest.mark.parametrize("transport", ["tcp", "inproc"])
def test_a_peer_that_leaves_is_heard_of(router: Any, dealer: Any, transport: str, wait_for: Any) -> None:
    router.disconnect_msg = b"gone"
    router.bind("tcp://127.0.0.1:*" if transport == "tcp" else "inproc://x")
    dealer.set(mqbridge.ROUTING_ID, b"d")
    dealer.connect(router.last_endpoint)
    dealer.send(b"here", DONTWAIT)
    wait_for(lambda: dealer.closed or (dealer.get(mqbridge.EVENTS) and router.poll(0)))
    assert now(router) == [[b"d", b"here"]]
    dealer.send(b"last words", DONTWAIT)
    dealer.close(1000)
    found: list[list[bytes]] = []
    wait_for(lambda: found.extend(now(router)) or len(found) == 2)
    assert found == [[b"d", b"last words"], [b"d", b"gone"]]


def test_who_is_sent_away_says_nothing(router: Any, peers: Any, driving: Callable[..., Any]) -> None:
    router.disconnect_msg = b"gone"
    router.bind("tcp://127.0.0.1:*")
    peer = peers.connect(router.last_endpoint, "DEALER", driving(router)).shake_hands()
    router.unbind(router.last_endpoint)
    peer.expect_end()
    assert now(router) == []


def test_who_was_connected_to_is_not_accepted(quiet: mqbridge.Context, router: Any) -> None:
    router.disconnect_msg = b"gone"
    dealer = quiet.socket(mqbridge.DEALER)
    dealer.set(mqbridge.ROUTING_ID, b"d")
    dealer.bind("inproc://x")
    router.connect("inproc://x")
    dealer.send(b"here")
    assert now(router) == [[b"d", b"here"]]
    dealer.close()
    assert now(router) == []


def test_a_namesake_is_not_heard_of(router: Any, peers: Any, driving: Callable[..., Any]) -> None:
    router.disconnect_msg = b"gone"
    router.router_notify = RouterNotify.CONNECT | RouterNotify.DISCONNECT
    router.bind("tcp://127.0.0.1:*")

    def named() -> Any:
        peer = peers.connect(router.last_endpoint, "DEALER", driving(router))
        peer.connection = type(peer.connection)("DEALER", routing_id=b"d")
        return peer.shake_hands()

    named()
    assert now(router) == [[b"d", b""]]
    named().close()
    assert now(router) == []


# ---- HICCUP_MSG


def test_a_broken_connection_is_heard_of(dealer: Any, peers: Any, driving: Callable[..., Any], wait_for: Any) -> None:
    place = peers.listen()
    dealer.hiccup_msg = b"hiccup"
    dealer.connect(place.endpoint)
    drive = driving(dealer)
    for _ in range(2):
        peer = place.accept("DEALER", drive).shake_hands()
        peer.send(b"a message")
        peer.close()
        assert [dealer.recv(), dealer.recv()] == [b"a message", b"hiccup"]
    # One that never was none is no loss.
    place.accept("DEALER", drive).close()
    peer = place.accept("DEALER", drive).shake_hands()
    assert now(dealer) == []
    dealer.disconnect(place.endpoint)
    peer.expect_end()
    assert now(dealer) == []


# ---- ROUTER_NOTIFY


@pytest.mark.parametrize("mask", [0, 1, 2, 3])
def test_a_router_is_told_of_peers(router: Any, peers: Any, driving: Callable[..., Any], mask: int) -> None:
    router.router_notify = mask
    router.bind("tcp://127.0.0.1:*")
    peer = peers.connect(router.last_endpoint, "DEALER", driving(router)).shake_hands()
    peer.send(b"x")
    peer.until(lambda: router.poll(0), "the message")
    peer.close()
    peer.until(lambda: not router._driver.links, "the end")
    found = now(router)
    assert len({name for name, _ in found}) == 1
    expected = [b""] * bool(mask & RouterNotify.CONNECT) + [b"x"] + [b""] * bool(mask & RouterNotify.DISCONNECT)
    assert [message for _, message in found] == expected


def test_a_connecting_router_is_told_too(router: Any, peers: Any, driving: Callable[..., Any]) -> None:
    place = peers.listen()
    router.router_notify = RouterNotify.CONNECT
    router.connect_routing_id = b"over there"
    router.connect(place.endpoint)
    place.accept("DEALER", driving(router)).shake_hands()
    assert now(router) == [[b"over there", b""]]
