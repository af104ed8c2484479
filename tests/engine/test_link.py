"""One connection: how messages come in, where reading stops, its beginning and its end."""

from __future__ import annotations

import random
import select
from collections.abc import Callable
from typing import Any

import pytest

import mqbridge
from mqbridge import DONTWAIT, POLLIN, Event
from mqbridge.engine.link import BLOCKED, ESTABLISHED, PAUSED

MIB = 1 << 20
SMALL_WINDOW = 4096


def random_bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


# ---- what is read


def test_a_large_message_comes_in_pieces(pull: Any, joined: Callable[..., Any]) -> None:
    peer = joined(pull, "PUSH")
    large = random_bytes(2, 5 * MIB)
    peer.send(b"before", large, b"behind", (large, b"", large))
    assert pull.recv() == b"before"
    assert pull.recv() == large
    assert pull.recv() == b"behind"
    assert pull.recv_multipart() == [large, b"", large]


def test_a_failed_write_still_reads_what_the_peer_had_sent(pair: Any, joined: Callable[..., Any]) -> None:
    peer = joined(pair, "PAIR")
    # They fit the window: what the peer had to keep would go with it.
    messages = [b"%d" % number * 50 for number in range(400)]
    peer.send(*messages)
    # The peer is gone: its kernel answers our first write by a reset, and the second fails.
    peer.close()
    for _ in range(3):
        try:
            pair.send(bytes(100_000), DONTWAIT)
        except mqbridge.Again:
            break
    assert [pair.recv() for _ in range(400)] == messages
    with pytest.raises(mqbridge.Again):
        pair.recv(DONTWAIT)
    assert not pair._driver.links


def test_what_a_peer_sent_before_its_end_is_read(pull: Any, joined: Callable[..., Any]) -> None:
    pull.rcvhwm = 10
    peer = joined(pull, "PUSH")
    messages = [b"%d" % number for number in range(5000)]
    peer.send(*messages)
    peer.close()
    # Also what lies behind the mark is taken before the connection is given up.
    assert [pull.recv() for _ in range(5000)] == messages
    pull.get(mqbridge.EVENTS)
    assert not pull._driver.links
    assert not pull._driver.pipes


# ---- where reading stops


def test_decoding_stops_at_the_mark_and_goes_on_at_low_water(
    quiet: mqbridge.Context, joined: Callable[..., Any]
) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        pull.rcvhwm = 10
        pull.bind("tcp://127.0.0.1:*")
        peer = joined(pull, "PUSH")
        (pipe,) = pull._driver.pipes
        peer.send(*[b"%d" % number for number in range(100)])
        peer.until(lambda: pipe.inbound.length() == 10, "10 messages")
        pull.get(mqbridge.EVENTS)
        assert pipe.inbound.length() == 10
        for number in range(4):
            assert pull.recv() == b"%d" % number
        assert pipe.inbound.length() == 6
        # With the fifth, half is free: what was undecoded fills the room, and the network has nothing to do with it.
        assert pull.recv() == b"4"
        assert pipe.inbound.length() == 10
        assert [pull.recv() for _ in range(95)] == [b"%d" % number for number in range(5, 100)]


def test_a_peer_that_sends_on_is_held_up_by_its_kernel(quiet: mqbridge.Context, joined: Callable[..., Any]) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        pull.rcvhwm = 2
        pull.rcvbuf = SMALL_WINDOW
        pull.bind("tcp://127.0.0.1:*")
        peer = joined(pull, "PUSH")
        data = b"".join(b"\0\xff" + b"%03d" % (number % 1000) * 85 for number in range(100_000))
        sent = 0
        for _ in range(200):
            try:
                sent += peer.handle.send(data[sent:])
            except BlockingIOError:
                pull.get(mqbridge.EVENTS)
        assert sent < len(data)
        received = 0
        # It wakes up again by itself, as often as needed.
        for number in range(sent // 257):
            assert pull.recv() == b"%03d" % (number % 1000) * 85
            received += 257
        assert sent - received < 257


def test_a_full_queue_does_not_wake_for_more(quiet: mqbridge.Context, joined: Callable[..., Any]) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        pull.rcvhwm = 1
        pull.bind("tcp://127.0.0.1:*")
        peer = joined(pull, "PUSH")
        peer.send(b"1", b"2")
        assert pull.poll(5000)
        view = pull.view()
        peer.send(b"3")
        for _ in range(3):
            assert view.events() == POLLIN
        # Level-triggered, and unread: it would be readable for ever.
        assert not pull._driver.pollset.wait(0)
        assert [pull.recv() for _ in range(3)] == [b"1", b"2", b"3"]
        view.close()


def test_a_peer_that_ends_while_the_queue_is_full_wakes_once(
    quiet: mqbridge.Context, joined: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        pull.rcvhwm = 1
        pull.bind("tcp://127.0.0.1:*")
        peer = joined(pull, "PUSH")
        peer.send(*[b"%d" % number for number in range(10)])
        assert pull.poll(5000)
        peer.reset()
        wait_for(lambda: pull.get(mqbridge.EVENTS) and not pull._driver.pollset.wait(0), "silence")
        assert [pull.recv() for _ in range(10)] == [b"%d" % number for number in range(10)]


def test_one_read_leaves_work_for_the_next_and_says_so(pull: Any, joined: Callable[..., Any]) -> None:
    peer = joined(pull, "PUSH")
    pull.rcvhwm = 0
    view = pull.view()
    view.events()
    peer.write(b"".join(b"\0\xff" + bytes(255) for _ in range(1000)))
    (pipe,) = pull._driver.pipes
    looks = 0
    while pipe.inbound.length() < 1000:
        # The edge is there although the view has just looked.
        assert select.select([view], [], [], 10)[0]
        view.events()
        looks += 1
    # 257,000 bytes, one chunk of 64 KiB at a time.
    assert looks >= 4
    view.close()


# ---- commands


def test_a_ping_is_answered(pull: Any, joined: Callable[..., Any]) -> None:
    peer = joined(pull, "PUSH")
    peer.ping(b"context")
    peer.until(lambda: peer.connection.pongs == 1, "a PONG")


def test_a_ping_among_messages_is_answered_in_order(pair: Any, joined: Callable[..., Any]) -> None:
    peer = joined(pair, "PAIR")
    peer.send(b"1")
    peer.ping(b"")
    peer.send(b"2")
    peer.ping(b"sixteen bytes...")
    peer.until(lambda: peer.connection.pongs == 2, "two PONGs")
    assert [pair.recv(), pair.recv()] == [b"1", b"2"]
    pair.send(b"3", DONTWAIT)
    assert peer.expect(1) == [b"3"]


@pytest.mark.parametrize(
    "message",
    [b"x" * 5 * MIB, (b"first", b"x" * 5 * MIB), (b"x" * 5 * MIB, b"last"), (b"x" * 5 * MIB,) * 3],
    ids=["one large part", "a large part last", "a large part first", "large parts only"],
)
def test_a_ping_while_a_large_message_is_under_way(pair: Any, joined: Callable[..., Any], message: Any) -> None:
    peer = joined(pair, "PAIR", rcvbuf=SMALL_WINDOW)
    if isinstance(message, bytes):
        pair.send(message, DONTWAIT)
    else:
        pair.send_multipart(message, DONTWAIT)
    (link,) = pair._driver.links
    assert link.stream.holds()
    peer.ping(b"now")
    peer.send(b"a question")
    assert pair.recv() == b"a question"
    assert link.stream.holds()
    # The PONG goes behind the message, and does not wait for the peer to say anything more.
    assert peer.expect(1) == [message]
    peer.until(lambda: peer.connection.pongs == 1, "a PONG")
    pair.send(b"an answer", DONTWAIT)
    assert peer.expect(1) == [b"an answer"]


def test_a_ping_while_the_queue_is_full_is_answered_when_it_is_read(
    quiet: mqbridge.Context, joined: Callable[..., Any]
) -> None:
    with quiet.socket(mqbridge.PAIR) as pair:
        pair.rcvhwm = 1
        pair.bind("tcp://127.0.0.1:*")
        peer = joined(pair, "PAIR")
        peer.send(b"1", b"2")
        peer.ping(b"")
        assert [pair.recv(), pair.recv()] == [b"1", b"2"]
        peer.until(lambda: peer.connection.pongs == 1, "a PONG")


# ---- beginning and end


def test_events_of_a_connections_life(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], record: Callable[..., Any]
) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        events = record(pull)
        pull.bind("tcp://127.0.0.1:*")
        peer = peers.connect(pull.last_endpoint, "PUSH", driving(pull)).shake_hands()
        peer.close()
        peer.until(lambda: not pull._driver.links, "the end")
        assert [event for event, _ in events.all] == [
            Event.LISTENING,
            Event.ACCEPTED,
            Event.HANDSHAKE_SUCCEEDED,
            Event.DISCONNECTED,
        ]


def test_a_handshake_takes_no_longer_than_allowed(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], record: Callable[..., Any]
) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        pull.handshake_ivl = 500
        events = record(pull)
        pull.bind("tcp://127.0.0.1:*")
        silent = peers.connect(pull.last_endpoint, "PUSH", driving(pull))
        lively = peers.connect(pull.last_endpoint, "PUSH", driving(pull)).shake_hands()
        silent.mute = True
        silent.expect_end()
        assert events.of(Event.HANDSHAKE_FAILED_NO_DETAIL) == ["handshake: the handshake took too long"]
        # Who has shaken hands in time is not concerned.
        lively.send(b"x")
        assert pull.recv() == b"x"
        assert len(pull._driver.links) == 1


def test_a_handshake_of_zero_ms_waits_for_ever(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]
) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        pull.handshake_ivl = 0
        pull.bind("tcp://127.0.0.1:*")
        peer = peers.connect(pull.last_endpoint, "PUSH", driving(pull))
        pull.get(mqbridge.EVENTS)
        assert pull._driver.timers.next_due() == 0
        peer.shake_hands()


def test_a_connecting_side_dials_again_after_a_failed_handshake(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], record: Callable[..., Any]
) -> None:
    place = peers.listen()
    with quiet.socket(mqbridge.PUSH) as push:
        push.handshake_ivl = 20
        push.reconnect_ivl = 1
        events = record(push)
        push.connect(place.endpoint)
        push.send(b"kept", DONTWAIT)
        silent = place.accept("PULL", driving(push))
        silent.mute = True
        silent.expect_end()
        push.handshake_ivl = 60_000
        peer = place.accept("PULL", driving(push)).shake_hands()
        assert peer.expect(1) == [b"kept"]
        assert len(events.of(Event.HANDSHAKE_FAILED_NO_DETAIL)) == 1
        assert len(events.of(Event.HANDSHAKE_SUCCEEDED)) == 1


def test_a_peer_of_the_wrong_type_is_reported(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], record: Callable[..., Any]
) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        events = record(pull)
        pull.bind("tcp://127.0.0.1:*")
        peer = peers.connect(pull.last_endpoint, "REP", driving(pull))
        peer.expect_end()
        (text,) = events.of(Event.HANDSHAKE_FAILED_PROTOCOL)
        assert "a PULL socket does not talk to a REP socket" in text
        assert not pull._driver.pipes


def test_messages_right_behind_the_handshake_are_taken(pull: Any, peers: Any, driving: Callable[..., Any]) -> None:
    peer = peers.connect(pull.last_endpoint, "PUSH", driving(pull))
    script = peers.connect(pull.last_endpoint, "PUSH", driving(pull)).shake_hands()
    # The same words as the peer's that has shaken hands, and messages in the same packet.
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48)
    ready = b"\x05READY\x0bSocket-Type\0\0\0\x04PUSH"
    peer.write(greeting + bytes((4, len(ready))) + ready + b"\0\x01a\0\x01b")
    assert [pull.recv(), pull.recv()] == [b"a", b"b"]
    script.send(b"c")
    assert pull.recv() == b"c"


def test_metadata_of_the_peer_is_on_its_pipe(pull: Any, joined: Callable[..., Any]) -> None:
    joined(pull, "PUSH")
    (pipe,) = pull._driver.pipes
    assert pipe.metadata["Socket-Type"] == b"PUSH"
    assert pipe.endpoint == pull.last_endpoint.decode()


def test_a_closing_socket_that_is_still_talked_to_writes_its_last_words(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    # A close with unread data resets the connection; then the peer would lose what we had written.
    with quiet.socket(mqbridge.PAIR) as pair:
        pair.rcvhwm = 1
        pair.bind("tcp://127.0.0.1:*")
        peer = peers.connect(pair.last_endpoint, "PAIR", driving(pair)).shake_hands()
        peer.send(*[b"unread" * 1000] * 100)
        assert pair.poll(5000) == POLLIN
        messages = [b"%d" % number for number in range(100)]
        for message in messages:
            pair.send(message, DONTWAIT)
        pair.close(linger=-1)
        driver = pair._driver
        peer.drive = lambda: driver.pollset.fd >= 0 and driver.drive()
        assert peer.expect(100) == messages
        peer.close()
        wait_for(lambda: driver.pollset.fd < 0 or not driver.drive(), "the end of the socket")


def test_what_it_tells_of_its_flow(
    pair: Any, peers: Any, driving: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    pair.rcvhwm = 2
    pair.sndhwm = 0
    peer = peers.connect(pair.last_endpoint, "PAIR", driving(pair))
    wait_for(lambda: pair.poll(0) == 0 and pair._driver.links, "the connection")
    (made,) = pair._driver.links
    assert made.state() == 0
    peer.shake_hands()
    assert made.state() == ESTABLISHED
    for _ in range(4):
        peer.send(b"x")
    wait_for(lambda: pair.events is not None and made.state() == ESTABLISHED | PAUSED, "a full queue")
    for _ in range(4):
        pair.recv()
    assert made.state() == ESTABLISHED
    for _ in range(64):
        pair.send(bytes(1_000_000))
    assert made.state() == ESTABLISHED | BLOCKED
