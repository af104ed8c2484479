"""What is done for a socket whoever is in it: looks at the network, and batches that are written."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

import mqbridge
from mqbridge import DONTWAIT, POLLOUT


def test_visits_count_looks_at_the_pollset(inproc_pair: Any) -> None:
    one, other = inproc_pair
    driver = one._driver
    before = driver.visits
    one.get(mqbridge.EVENTS)
    assert driver.visits == before + 1
    with pytest.raises(mqbridge.Again):
        one.recv(DONTWAIT)
    assert driver.visits == before + 2
    # A message that is there needs no look.
    other.send_multipart([b"a", b"b"])
    one.get(mqbridge.EVENTS)
    before = driver.visits
    one.recv()
    one.recv()
    one.send(b"x")
    assert driver.visits == before


def test_who_only_receives_what_is_queued_looks_now_and_then(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]
) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        pull.rcvhwm = 0
        pull.bind("tcp://127.0.0.1:*")
        peer = peers.connect(pull.last_endpoint, "PUSH", driving(pull)).shake_hands()
        peer.send(*[b"x"] * 3000)
        pipe = next(iter(pull._driver.pipes))
        peer.until(lambda: pipe.inbound.length() == 3000, "3,000 messages in the queue")
        peers.connect(pull.last_endpoint, "PUSH")
        before = pull._driver.visits
        for _ in range(1000):
            pull.recv()
        assert pull._driver.visits == before
        assert len(pull._driver.links) == 1
        for _ in range(30):
            pull.recv()
        assert pull._driver.visits == before + 1
        assert len(pull._driver.links) == 2


def test_who_only_sends_looks_now_and_then(quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]) -> None:
    with quiet.socket(mqbridge.PUSH) as push:
        push.sndhwm = 0
        push.bind("tcp://127.0.0.1:*")
        peer = peers.connect(push.last_endpoint, "PULL", driving(push)).shake_hands()
        push.get(mqbridge.EVENTS)
        peers.connect(push.last_endpoint, "PULL")
        before = push._driver.visits
        for _ in range(1000):
            push.send(b"x")
        assert push._driver.visits == before
        for _ in range(30):
            push.send(b"x")
        assert push._driver.visits == before + 1
        assert len(push._driver.links) == 2
        assert peer.expect(1030) == [b"x"] * 1030


def test_a_publisher_that_only_sends_hears_of_subscriptions(
    quiet: mqbridge.Context, scaled: Callable[[float], float]
) -> None:
    with quiet.socket(mqbridge.PUB) as pub, quiet.socket(mqbridge.SUB) as sub:
        pub.bind("tcp://127.0.0.1:*")
        sub.connect(pub.last_endpoint.decode())
        sub.subscribe("first")
        deadline = time.monotonic() + scaled(10)
        while not sub.poll(1) and time.monotonic() < deadline:
            # Nobody asks for its EVENTS.
            pub.send(b"first")
        assert sub.recv() == b"first"


def test_a_sender_hears_that_its_peer_by_inproc_has_left(quiet: mqbridge.Context) -> None:
    with quiet.socket(mqbridge.PUSH) as push, quiet.socket(mqbridge.PULL) as pull:
        push.sndhwm = pull.rcvhwm = 0
        push.bind("inproc://leaves")
        pull.connect("inproc://leaves")
        push.send(b"x")
        pull.disconnect("inproc://leaves")
        with pytest.raises(mqbridge.Again):
            while True:
                push.send(b"y", DONTWAIT)
        assert pull.recv() == b"x"


def test_a_batch_is_written_before_its_sender_sleeps(
    quiet: mqbridge.Context,
    peers: Any,
    driving: Callable[..., Any],
    burst: Callable[..., None],
    in_thread: Callable[..., Any],
) -> None:
    with quiet.socket(mqbridge.PAIR) as inproc_pair:
        inproc_pair.bind("tcp://127.0.0.1:*")
        peer = peers.connect(inproc_pair.last_endpoint, "PAIR", driving(inproc_pair)).shake_hands()
        inproc_pair.get(mqbridge.EVENTS)
        burst(inproc_pair, b"1", b"2", b"3")
        receiving = in_thread(inproc_pair.recv)
        peer.drive = lambda: None
        assert peer.expect(3) == [b"1", b"2", b"3"]
        peer.send(b"answer")
        assert receiving.result() == b"answer"


@pytest.mark.parametrize("question", ["recv", "EVENTS", "poll", "close"])
def test_a_batch_is_written_when_the_socket_is_asked_anything(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], burst: Callable[..., None], question: str
) -> None:
    with quiet.socket(mqbridge.PAIR) as inproc_pair:
        inproc_pair.bind("tcp://127.0.0.1:*")
        peer = peers.connect(inproc_pair.last_endpoint, "PAIR", driving(inproc_pair)).shake_hands()
        inproc_pair.get(mqbridge.EVENTS)
        peer.drive = lambda: None
        burst(inproc_pair, b"1", b"2", b"3")
        if question == "recv":
            with pytest.raises(mqbridge.Again):
                inproc_pair.recv(DONTWAIT)
        elif question == "EVENTS":
            inproc_pair.get(mqbridge.EVENTS)
        elif question == "poll":
            inproc_pair.poll(0)
        else:
            inproc_pair.close(linger=-1)
        assert peer.expect(3) == [b"1", b"2", b"3"]


def test_a_full_queue_is_flushed_before_it_counts_as_full(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], burst: Callable[..., None]
) -> None:
    with quiet.socket(mqbridge.PUSH) as push:
        push.sndhwm = 10
        push.bind("tcp://127.0.0.1:*")
        peer = peers.connect(push.last_endpoint, "PULL", driving(push)).shake_hands()
        push.get(mqbridge.EVENTS)
        # Ten times the mark, and far less than one batch: the kernel takes it all.
        messages = [b"%d" % number for number in range(100)]
        burst(push, *messages)
        assert push.get(mqbridge.EVENTS) & POLLOUT
        assert peer.expect(100) == messages
