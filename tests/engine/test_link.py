"""One connection: when bytes are written, what survives a broken connection, and where reading stops."""

from __future__ import annotations

import random
import select
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge import DONTWAIT, POLLIN, POLLOUT, Event

MIB = 1 << 20
SMALL_WINDOW = 4096


@pytest.fixture
def push(quiet: mqbridge.Context) -> Iterator[Any]:
    """A bound PUSH socket that only the test drives."""
    with quiet.socket(mqbridge.PUSH) as made:
        made.bind("tcp://127.0.0.1:*")
        yield made


@pytest.fixture
def pull(quiet: mqbridge.Context) -> Iterator[Any]:
    """A bound PULL socket that only the test drives."""
    with quiet.socket(mqbridge.PULL) as made:
        made.bind("tcp://127.0.0.1:*")
        yield made


@pytest.fixture
def pair(quiet: mqbridge.Context) -> Iterator[Any]:
    """A bound PAIR socket that only the test drives."""
    with quiet.socket(mqbridge.PAIR) as made:
        made.bind("tcp://127.0.0.1:*")
        yield made


@pytest.fixture
def joined(peers: Any, driving: Callable[..., Any]) -> Callable[..., Any]:
    """A function that gives a peer which has shaken hands with a socket."""

    def join(socket: Any, socket_type: str, rcvbuf: int = 0) -> Any:
        peer = peers.connect(socket.last_endpoint, socket_type, driving(socket), rcvbuf).shake_hands()
        assert len(socket._driver.pipes) == 1
        return peer

    return join


def random_bytes(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def send_until_full(socket: Any, messages: Any) -> int:
    """Send what goes without waiting; return how many that were."""
    for count, message in enumerate(messages):
        try:
            socket.send_multipart(message, DONTWAIT) if isinstance(message, list) else socket.send(message, DONTWAIT)
        except mqbridge.Again:
            return count
    raise AssertionError("it was never full")


# ---- when bytes are written


def test_an_idle_socket_writes_at_once(push: Any, joined: Callable[..., Any]) -> None:
    peer = joined(push, "PULL")
    push._driver.last_write = 0
    push.send(b"now")
    # Nobody drives anything any more: it is there.
    peer.drive = lambda: None
    assert peer.expect(1) == [b"now"]


def test_lock_step_sockets_write_at_once(
    quiet: mqbridge.Context, joined: Callable[..., Any], burst: Callable[..., None]
) -> None:
    with quiet.socket(mqbridge.REQ) as req:
        req.bind("tcp://127.0.0.1:*")
        peer = joined(req, "REP")
        driver = req._driver
        assert not driver.gathers
        req.send(b"question")
        assert not driver.dirty
        peer.drive = lambda: None
        assert peer.expect(1) == [(b"", b"question")]


def test_a_burst_gathers_and_is_written_together(
    push: Any, joined: Callable[..., Any], burst: Callable[..., None]
) -> None:
    peer = joined(push, "PULL")
    messages = [b"%d" % number for number in range(200)]
    burst(push, *messages)
    driver = push._driver
    (link,) = driver.links
    assert driver.dirty == [link]
    if not mqbridge.COMPILED:
        # Where there is a flusher, it has perhaps been there already.
        assert link.stream.unwritten() == sum(2 + len(message) for message in messages)
    push.get(mqbridge.EVENTS)
    assert driver.dirty == []
    assert link.stream.unwritten() == 0
    peer.drive = lambda: None
    assert peer.expect(200) == messages


def test_a_batch_that_is_large_enough_is_written(
    push: Any, joined: Callable[..., Any], burst: Callable[..., None]
) -> None:
    peer = joined(push, "PULL")
    peer.drive = lambda: None
    messages = [b"%08d" % number * 100 for number in range(120)]
    burst(push, *messages)
    # 64 KiB are there after 81 of them.
    assert peer.expect(81) == messages[:81]
    push.get(mqbridge.EVENTS)
    assert peer.expect(39) == messages[81:]


def test_several_links_are_flushed_together(
    push: Any, peers: Any, driving: Callable[..., Any], burst: Callable[..., None]
) -> None:
    several = [peers.connect(push.last_endpoint, "PULL", driving(push)).shake_hands() for _ in range(3)]
    for peer in several:
        peer.drive = lambda: None
    burst(push, *[b"%d" % number for number in range(9)])
    assert len(push._driver.dirty) == 3
    push.get(mqbridge.EVENTS)
    assert sorted(b"".join(peer.expect(3)) for peer in several) == [b"036", b"147", b"258"]


def test_a_short_message_behind_a_long_one_stays_behind(
    push: Any, joined: Callable[..., Any], burst: Callable[..., None]
) -> None:
    peer = joined(push, "PULL")
    messages: list[bytes] = []
    for number in range(60):
        messages.append(random_bytes(number, (3, 255, 256, 16383, 16384, 70_000)[number % 6]))
    burst(push, *messages)
    assert peer.expect(60) == messages


def test_multipart_messages_of_all_sizes(push: Any, joined: Callable[..., Any]) -> None:
    peer = joined(push, "PULL")
    push.sndhwm = 0
    sizes = (0, 1, 255, 256, 16_383, 16_384, 65_536, 300_000)
    messages = [
        tuple(random_bytes(first + second, size) for size in (first, second, 5)) for first in sizes for second in sizes
    ]
    for message in messages:
        push.send_multipart(message, DONTWAIT)
    assert peer.expect(len(messages)) == messages


# ---- large frames and slow readers


def test_a_large_message_goes_out_in_pieces(push: Any, joined: Callable[..., Any]) -> None:
    peer = joined(push, "PULL", rcvbuf=SMALL_WINDOW)
    large = random_bytes(1, 5 * MIB)
    push.send(large, DONTWAIT)
    (link,) = push._driver.links
    assert 0 < link.stream.unwritten() < 5 * MIB + 9
    push.send(b"behind", DONTWAIT)
    assert peer.expect(2) == [large, b"behind"]


def test_large_parts_of_one_message(push: Any, joined: Callable[..., Any]) -> None:
    peer = joined(push, "PULL", rcvbuf=SMALL_WINDOW)
    message = tuple(random_bytes(number, 2 * MIB) for number in range(3))
    push.send_multipart(message, DONTWAIT)
    push.send_multipart([b"a", b"b"], DONTWAIT)
    assert peer.expect(2) == [message, (b"a", b"b")]


def test_a_large_message_comes_in_pieces(pull: Any, joined: Callable[..., Any]) -> None:
    peer = joined(pull, "PUSH")
    large = random_bytes(2, 5 * MIB)
    peer.send(b"before", large, b"behind", (large, b"", large))
    assert pull.recv() == b"before"
    assert pull.recv() == large
    assert pull.recv() == b"behind"
    assert pull.recv_multipart() == [large, b"", large]


def test_the_mark_counts_what_the_kernel_has_not_taken(push: Any, joined: Callable[..., Any]) -> None:
    push.sndhwm = 10
    peer = joined(push, "PULL", rcvbuf=SMALL_WINDOW)
    large = bytes(MIB)
    taken = send_until_full(push, [large] * 100)
    assert 10 <= taken < 50
    assert not push.get(mqbridge.EVENTS) & POLLOUT
    assert peer.expect(taken) == [large] * taken
    assert push.get(mqbridge.EVENTS) & POLLOUT


def test_there_is_room_again_at_half_the_mark(push: Any, joined: Callable[..., Any]) -> None:
    push.sndhwm = 10
    peer = joined(push, "PULL", rcvbuf=SMALL_WINDOW)
    taken = send_until_full(push, [bytes(MIB)] * 100)
    (pipe,) = push._driver.pipes
    while not push.get(mqbridge.EVENTS) & POLLOUT:
        assert pipe.outbound.length() > 5
        peer.read()
    assert pipe.outbound.length() <= 5
    assert taken >= 10


# ---- what survives a broken connection


def small(number: int) -> Any:
    return b"%06d" % number


def middling(number: int) -> Any:
    return b"%06d" % number + bytes(5000)


def large(number: int) -> Any:
    return b"%06d" % number + bytes(MIB)


def several_parts(number: int) -> Any:
    return [b"%06d" % number, bytes(300), bytes(100_000), b"", bytes(20_000), b"end"]


def mixed(number: int) -> Any:
    return (small, middling, large, several_parts)[number % 4](number)


def number_of(message: Any) -> int:
    return int((message[0] if isinstance(message, tuple) else message)[:6])


@pytest.mark.parametrize("kind", [small, middling, large, several_parts, mixed], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_reconnect_sends_what_was_not_written_whole(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], kind: Callable[[int], Any], how: str
) -> None:
    place = peers.listen(rcvbuf=SMALL_WINDOW)
    with quiet.socket(mqbridge.PUSH) as push:
        push.reconnect_ivl = 1
        push.sndbuf = SMALL_WINDOW
        push.sndhwm = 3000 if kind is small else 50
        push.connect(place.endpoint)
        drive = driving(push)
        first = place.accept("PULL", drive).shake_hands()
        count = send_until_full(push, (kind(number) for number in range(100_000)))
        # All that the kernel has taken, and nothing is driven meanwhile.
        first.drain(*push._driver.links)
        assert len(first.messages) < count
        getattr(first, how)()
        second = place.accept("PULL", drive).shake_hands()
        later = second.expect(count - len(first.messages))
        assert [number_of(message) for message in first.messages + later] == list(range(count))
        for message in first.messages + later:
            expected = kind(number_of(message))
            assert message == (tuple(expected) if isinstance(expected, list) else expected)
        # And it goes on from there, with all the room it had.
        push.send(b"000001", DONTWAIT)
        assert second.expect(1) == [b"000001"]
        (pipe,) = push._driver.pipes
        assert pipe.outbound.length() == 0


@pytest.fixture
def gone(quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]) -> Iterator[Any]:
    """A DEALER whose pipe is exactly at its mark, so its link lives on after the peer's end was read; and the place."""
    place = peers.listen()
    with quiet.socket(mqbridge.DEALER) as dealer:
        dealer.reconnect_ivl = 1
        dealer.rcvhwm = 2
        dealer.connect(place.endpoint)
        drive = driving(dealer)
        first = place.accept("DEALER", drive).shake_hands()
        first.send(b"1", b"2")
        first.until(first.arrived, "the arrival")
        drive()
        first.close()
        for _ in range(3):
            drive()
        assert len(dealer._driver.links) == 1
        yield dealer, place


def test_after_the_peers_end_nothing_more_is_taken_off_the_pipe(gone: Any, driving: Callable[..., Any]) -> None:
    dealer, place = gone
    for number in range(20):
        dealer.send(b"%d" % number, DONTWAIT)
    # What it sent is received, and then the connection ends.
    assert [dealer.recv(), dealer.recv()] == [b"1", b"2"]
    second = place.accept("DEALER", driving(dealer)).shake_hands()
    assert second.expect(20) == [b"%d" % number for number in range(20)]


@pytest.mark.parametrize("linger", [0, -1])
def test_closing_a_socket_whose_peer_has_gone_before(gone: Any, linger: int, wait_for: Callable[..., None]) -> None:
    dealer, place = gone
    driver = dealer._driver
    dealer.send(b"left", DONTWAIT)
    dealer.close(linger=linger)
    if linger:
        # It goes to whoever comes next.
        second = place.accept("DEALER", driver.drive).shake_hands()
        assert second.expect(1) == [b"left"]
    wait_for(lambda: driver.drive() and driver.pollset.fd < 0, "the end of the socket")


def test_several_reconnects_in_a_row_keep_the_order(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]
) -> None:
    place = peers.listen(rcvbuf=SMALL_WINDOW)
    with quiet.socket(mqbridge.PUSH) as push:
        push.reconnect_ivl = 1
        push.sndbuf = SMALL_WINDOW
        push.sndhwm = 100
        push.connect(place.endpoint)
        drive = driving(push)
        messages: list[Any] = []
        count = 0
        for _ in range(6):
            peer = place.accept("PULL", drive).shake_hands()
            if not count:
                count = send_until_full(push, (middling(number) for number in range(10_000)))
            peer.drain(*push._driver.links)
            messages += peer.messages
            peer.close()
        peer = place.accept("PULL", drive).shake_hands()
        messages += peer.expect(count - len(messages))
        assert [number_of(message) for message in messages] == list(range(count))


def test_what_was_sent_without_a_connection_comes_after_what_was_not_written(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    place = peers.listen(rcvbuf=SMALL_WINDOW)
    with quiet.socket(mqbridge.PUSH) as push:
        push.reconnect_ivl = 1
        push.sndbuf = SMALL_WINDOW
        push.sndhwm = 100
        push.connect(place.endpoint)
        drive = driving(push)
        first = place.accept("PULL", drive).shake_hands()
        for number in range(20):
            push.send(middling(number), DONTWAIT)
        first.drain(*push._driver.links)
        first.close()
        wait_for(lambda: drive() and not push._driver.links, "the end of the connection")
        for number in range(20, 40):
            push.send(middling(number), DONTWAIT)
        second = place.accept("PULL", drive).shake_hands()
        later = second.expect(40 - len(first.messages))
        assert [number_of(message) for message in first.messages + later] == list(range(40))


def test_a_bound_sockets_messages_go_with_their_connection(push: Any, peers: Any, joined: Callable[..., Any]) -> None:
    first = joined(push, "PULL", rcvbuf=SMALL_WINDOW)
    large_one = bytes(5 * MIB)
    push.send(large_one, DONTWAIT)
    push.send(b"lost", DONTWAIT)
    first.close()
    first.until(lambda: not push._driver.pipes, "the end of the connection")
    second = joined(push, "PULL")
    push.send(b"new", DONTWAIT)
    assert second.expect(1) == [b"new"]


def test_with_immediate_a_queue_goes_with_its_connection(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]
) -> None:
    place = peers.listen(rcvbuf=SMALL_WINDOW)
    with quiet.socket(mqbridge.PUSH) as push:
        push.immediate = 1
        push.reconnect_ivl = 1
        push.connect(place.endpoint)
        drive = driving(push)
        first = place.accept("PULL", drive).shake_hands()
        push.send(bytes(5 * MIB), DONTWAIT)
        push.send(b"lost", DONTWAIT)
        first.close()
        second = place.accept("PULL", drive).shake_hands()
        push.send(b"new", DONTWAIT)
        assert second.expect(1) == [b"new"]


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


def test_the_connection_counts_commands_when_it_breaks(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    # A PONG stands in the out-buffer between messages; what is unsent is counted from the end.
    place = peers.listen(rcvbuf=SMALL_WINDOW)
    with quiet.socket(mqbridge.PAIR) as pair:
        pair.reconnect_ivl = 1
        pair.sndbuf = SMALL_WINDOW
        pair.sndhwm = 40
        pair.connect(place.endpoint)
        drive = driving(pair)
        first = place.accept("PAIR", drive).shake_hands()
        count = send_until_full(pair, (middling(number) for number in range(10_000)))
        for number in range(20):
            first.ping(b"%d" % number)
        wait_for(first.arrived)
        # The PINGs are read, and the PONGs queue behind what is blocked.
        drive()
        first.drain(*pair._driver.links)
        first.close()
        second = place.accept("PAIR", drive).shake_hands()
        later = second.expect(count - len(first.messages))
        assert [number_of(message) for message in first.messages + later] == list(range(count))


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
        pull.handshake_ivl = 20
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
