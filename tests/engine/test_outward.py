"""How messages go out by one connection: when bytes are written, and what survives a broken connection."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge import DONTWAIT, POLLOUT

MIB = 1 << 20
SMALL_WINDOW = 4096


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
