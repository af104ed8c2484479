"""Connecting: again and again, with growing pauses, to whatever a name means at the time."""

from __future__ import annotations

import _socket
import errno
import itertools
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge import DONTWAIT, POLLOUT, Event, _sys
from mqbridge.engine import connector
from mqbridge.transports import tcp

NOBODY = "tcp://127.0.0.1:1"


@pytest.fixture
def push(quiet: mqbridge.Context) -> Iterator[Any]:
    """A PUSH socket that only the test drives."""
    with quiet.socket(mqbridge.PUSH) as made:
        made.reconnect_ivl = 1
        yield made


@pytest.fixture
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """The random part of a pause is nothing."""
    monkeypatch.setattr(connector, "chance", lambda: 0)


class Dialling:
    """A `tcp.dial` that fails, and notes where it was to go."""

    def __init__(self, *outcomes: int) -> None:
        self.addresses: list[Any] = []
        self._outcomes = list(outcomes)
        self._dial = tcp.dial

    def __call__(self, address: Any, endpoint: Any, options: Any) -> Any:
        self.addresses.append(address)
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if outcome:
            raise OSError(outcome, os.strerror(outcome))
        return self._dial(address, endpoint, options)


# ---- pauses


def test_pauses_double_up_to_their_maximum(
    push: Any,
    driving: Callable[..., Any],
    record: Callable[..., Any],
    wait_for: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    no_chance: None,
) -> None:
    monkeypatch.setattr(tcp, "dial", Dialling(errno.ENETUNREACH))
    events = record(push)
    push.reconnect_ivl = 2
    push.reconnect_ivl_max = 11
    push.connect(NOBODY)
    drive = driving(push)
    wait_for(lambda: drive() and len(events.of(Event.CONNECT_RETRIED)) >= 6)
    assert events.of(Event.CONNECT_RETRIED)[:6] == [2, 4, 8, 11, 11, 11]
    assert set(events.of(Event.CLOSED)) == {errno.ENETUNREACH}


@pytest.mark.parametrize("most", [0, 1, 2])
def test_pauses_stay_as_they_are_without_a_maximum(
    push: Any,
    driving: Callable[..., Any],
    record: Callable[..., Any],
    wait_for: Callable[..., None],
    no_chance: None,
    most: int,
) -> None:
    events = record(push)
    push.reconnect_ivl = 2
    push.reconnect_ivl_max = most
    push.connect(NOBODY)
    drive = driving(push)
    wait_for(lambda: drive() and len(events.of(Event.CONNECT_RETRIED)) >= 4)
    assert events.of(Event.CONNECT_RETRIED)[:4] == [2, 2, 2, 2]
    assert set(events.of(Event.CLOSED)) == {errno.ECONNREFUSED}


def test_a_pause_has_a_random_part(
    push: Any, driving: Callable[..., Any], record: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    events = record(push)
    push.reconnect_ivl = 5
    push.connect(NOBODY)
    drive = driving(push)
    wait_for(lambda: drive() and len(set(events.of(Event.CONNECT_RETRIED))) > 1)
    assert all(5 <= pause < 10 for pause in events.of(Event.CONNECT_RETRIED))


def test_a_pause_is_kept(
    push: Any, driving: Callable[..., Any], wait_for: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[int] = []

    def dial(*arguments: Any) -> Any:
        times.append(_sys.clock())
        raise OSError(errno.ENETUNREACH, "no")

    monkeypatch.setattr(tcp, "dial", dial)
    push.reconnect_ivl = 20
    push.connect(NOBODY)
    drive = driving(push)
    wait_for(lambda: drive() and len(times) >= 3)
    assert all(after - before >= 20_000_000 for before, after in itertools.pairwise(times))


def test_no_reconnect_at_all(push: Any, driving: Callable[..., Any], record: Callable[..., Any]) -> None:
    events = record(push)
    push.reconnect_ivl = -1
    push.connect(NOBODY)
    drive = driving(push)
    while not events.of(Event.CLOSED):
        push._driver.pollset.wait(10**9)
        drive()
    assert events.of(Event.CONNECT_RETRIED) == []
    assert push._driver.timers.next_due() == 0


def test_a_connection_that_held_resets_the_pause(
    push: Any,
    peers: Any,
    driving: Callable[..., Any],
    record: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    no_chance: None,
) -> None:
    place = peers.listen()
    monkeypatch.setattr(tcp, "dial", Dialling(errno.ENETUNREACH, errno.ENETUNREACH, errno.ENETUNREACH, 0))
    events = record(push)
    push.reconnect_ivl_max = 100
    push.connect(place.endpoint)
    peer = place.accept("PULL", driving(push)).shake_hands()
    peer.close()
    place.accept("PULL", driving(push)).shake_hands()
    assert events.of(Event.CONNECT_RETRIED) == [1, 2, 4, 1]


def test_without_a_random_part_zero_is_no_busy_loop(
    push: Any, driving: Callable[..., Any], record: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    events = record(push)
    push.reconnect_ivl = 0
    push.connect(NOBODY)
    drive = driving(push)
    wait_for(lambda: drive() and len(events.of(Event.CONNECT_RETRIED)) >= 3)
    assert push._driver.timers.next_due() > 0


# ---- the queue before the connection


def test_messages_wait_for_the_peer(push: Any, peers: Any, driving: Callable[..., Any]) -> None:
    place = peers.listen()
    place.handle.close()
    push.connect(place.endpoint)
    for number in range(10):
        push.send(b"%d" % number, DONTWAIT)
    driving(push)()
    handle = _socket.socket()
    handle.close()
    again = type(place.handle)()
    peers.adopt(again)
    again.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    again.bind(("127.0.0.1", place.port))
    again.listen()
    place.handle = again
    peer = place.accept("PULL", driving(push)).shake_hands()
    assert peer.expect(10) == [b"%d" % number for number in range(10)]


def test_the_mark_holds_without_a_connection(push: Any, peers: Any, driving: Callable[..., Any]) -> None:
    place = peers.listen()
    push.sndhwm = 5
    push.connect(place.endpoint)
    for number in range(5):
        push.send(b"%d" % number, DONTWAIT)
    with pytest.raises(mqbridge.Again, match="every peer is at its high-water mark"):
        for _ in range(2):
            push.send(b"too much", DONTWAIT)
    peer = place.accept("PULL", driving(push)).shake_hands()
    assert peer.expect(5) == [b"%d" % number for number in range(5)]
    assert push.poll(5000, POLLOUT)


def test_with_immediate_nothing_waits_for_a_peer(push: Any, peers: Any, driving: Callable[..., Any]) -> None:
    place = peers.listen()
    push.immediate = 1
    push.connect(place.endpoint)
    for _ in range(2):
        with pytest.raises(mqbridge.Again, match="there is no peer"):
            push.send(b"x", DONTWAIT)
    peer = place.accept("PULL", driving(push))
    # A connection alone is not a peer.
    assert not push.get(mqbridge.EVENTS) & POLLOUT
    peer.shake_hands()
    push.send(b"x", DONTWAIT)
    assert peer.expect(1) == [b"x"]
    peer.close()
    peer.until(lambda: not push._driver.pipes, "the end of the peer")
    with pytest.raises(mqbridge.Again, match="there is no peer"):
        push.send(b"x", DONTWAIT)


# ---- attempts that take their time


def test_an_attempt_is_given_up_after_connect_timeout(
    push: Any,
    black_hole: int,
    driving: Callable[..., Any],
    record: Callable[..., Any],
    wait_for: Callable[..., None],
) -> None:
    events = record(push)
    push.connect_timeout = 20
    push.connect(f"tcp://127.0.0.1:{black_hole}")
    drive = driving(push)
    wait_for(lambda: drive() and len(events.of(Event.CONNECT_RETRIED)) >= 2)
    assert set(events.of(Event.CLOSED)) == {errno.ETIMEDOUT}
    assert events.of(Event.CONNECTED) == []


def test_a_connection_in_time_is_not_given_up(
    push: Any, peers: Any, driving: Callable[..., Any], record: Callable[..., Any]
) -> None:
    place = peers.listen()
    push.handshake_ivl = 0
    push.connect_timeout = 60_000
    events = record(push)
    push.connect(place.endpoint)
    place.accept("PULL", driving(push)).shake_hands()
    assert push._driver.timers.next_due() == 0
    assert events.of(Event.CONNECTED)


def test_disconnect_while_connecting(
    push: Any, black_hole: int, driving: Callable[..., Any], record: Callable[..., Any]
) -> None:
    events = record(push)
    push.connect_timeout = 60_000
    endpoint = f"tcp://127.0.0.1:{black_hole}"
    push.connect(endpoint)
    push.disconnect(endpoint)
    driving(push)()
    assert push._driver.timers.next_due() == 0
    assert not push._driver.pipes
    assert not push.get(mqbridge.EVENTS) & POLLOUT
    assert events.of(Event.CONNECTED) == []
    with pytest.raises(mqbridge.ZMQError):
        push.disconnect(endpoint)


def test_disconnect_during_a_pause(
    push: Any, driving: Callable[..., Any], record: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    events = record(push)
    push.reconnect_ivl = 3_600_000
    push.connect(NOBODY)
    drive = driving(push)
    wait_for(lambda: drive() and events.of(Event.CONNECT_RETRIED))
    push.disconnect(NOBODY)
    assert push._driver.timers.next_due() == 0
    assert not push._driver.pipes


def test_disconnect_lets_the_connection_write_what_is_left(push: Any, peers: Any, driving: Callable[..., Any]) -> None:
    place = peers.listen(rcvbuf=4096)
    push.connect(place.endpoint)
    peer = place.accept("PULL", driving(push)).shake_hands()
    push.send(bytes(3_000_000), DONTWAIT)
    push.send(b"last", DONTWAIT)
    push.disconnect(place.endpoint)
    # What is sent now is not for that peer any more.
    with pytest.raises(mqbridge.Again, match="there is no peer"):
        push.send(b"too late", DONTWAIT)
    assert peer.expect(2) == [bytes(3_000_000), b"last"]
    peer.expect_end()
    driving(push)()
    assert place.empty()
    assert not push._driver.pipes


def test_disconnect_during_the_handshake_lets_the_connection_write_what_is_left(
    push: Any, peers: Any, driving: Callable[..., Any]
) -> None:
    place = peers.listen()
    push.connect(place.endpoint)
    push.send(b"last", DONTWAIT)
    peer = place.accept("PULL", driving(push))
    driving(push)()
    assert push._driver.links
    push.disconnect(place.endpoint)
    assert peer.expect(1) == [b"last"]
    peer.expect_end()


def test_a_handshake_that_fails_after_disconnect_leaves_no_peer(
    push: Any, peers: Any, driving: Callable[..., Any]
) -> None:
    place = peers.listen()
    push.connect(place.endpoint)
    push.send(b"dropped", DONTWAIT)
    peer = place.accept("PULL", driving(push))
    driving(push)()
    push.disconnect(place.endpoint)
    peer.close()
    peer.until(lambda: not push._driver.links, "the end of the connection")
    assert not push._driver.pipes
    with pytest.raises(mqbridge.Again, match="there is no peer"):
        push.send(b"for nobody", DONTWAIT)


@pytest.mark.parametrize("messages", [0, 1, 1000])
def test_close_without_a_peer(quiet: mqbridge.Context, messages: int) -> None:
    push = quiet.socket(mqbridge.PUSH)
    push.connect(NOBODY)
    for number in range(messages):
        push.send(b"%d" % number, DONTWAIT)
    driver = push._driver
    push.close(linger=0)
    assert driver.pollset.fd == -1


def test_close_with_a_peer_that_does_not_read(quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]) -> None:
    place = peers.listen(rcvbuf=4096)
    push = quiet.socket(mqbridge.PUSH)
    push.connect(place.endpoint)
    place.accept("PULL", driving(push)).shake_hands()
    for _ in range(10):
        push.send(bytes(1_000_000), DONTWAIT)
    driver = push._driver
    push.close(linger=0)
    assert driver.pollset.fd == -1


def test_close_while_connecting(quiet: mqbridge.Context, black_hole: int) -> None:
    push = quiet.socket(mqbridge.PUSH)
    push.connect(f"tcp://127.0.0.1:{black_hole}")
    push.send(b"never", DONTWAIT)
    driver = push._driver
    push.close(linger=0)
    assert driver.pollset.fd == -1


def test_a_hint_that_is_out_of_date_is_no_connection(push: Any, black_hole: int, record: Callable[..., Any]) -> None:
    # Two threads asleep on one pollset both hear of a descriptor. What the first does may give its number to the next
    # attempt, before the second comes to look.
    events = record(push)
    push.connect(f"tcp://127.0.0.1:{black_hole}")
    driver = push._driver
    (only,) = driver.endpoints[f"tcp://127.0.0.1:{black_hole}"]
    driver.enter()
    only.ready(_sys.WRITE)
    driver.leave()
    assert events.of(Event.CONNECTED) == []
    assert not driver.links


def test_a_refused_connection_is_dialled_again(
    push: Any, driving: Callable[..., Any], record: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    events = record(push)
    push.connect(NOBODY)
    drive = driving(push)
    wait_for(lambda: drive() and len(events.of(Event.CLOSED)) >= 3)
    assert events.of(Event.CLOSED)[0] == errno.ECONNREFUSED


def test_a_connection_that_cannot_be_tuned_is_dialled_again(
    push: Any, peers: Any, driving: Callable[..., Any], record: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = peers.listen()
    tune = tcp.tune
    failures = [errno.EINVAL]

    def tuned(handle: Any, options: Any) -> None:
        if failures:
            raise OSError(failures.pop(), "gone")
        tune(handle, options)

    monkeypatch.setattr(tcp, "tune", tuned)
    events = record(push)
    push.connect(place.endpoint)
    place.accept("PULL", driving(push)).expect_end()
    place.accept("PULL", driving(push)).shake_hands()
    assert events.of(Event.CLOSED) == [errno.EINVAL]


# ---- names


class Names:
    """A `tcp.resolve` that knows what it is told, and can be held up."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.known: list[Any] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.threads: set[int] = set()

    def __call__(self, host: str, port: int, ipv6: bool) -> Any:
        self.asked.append(host)
        self.threads.add(threading.get_ident())
        self.go_on.wait(30)
        if isinstance(self.known, OSError):
            raise self.known
        return list(self.known)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    made = Names()
    monkeypatch.setattr(tcp, "resolve", made)
    yield made
    made.go_on.set()


def local(place: Any) -> Any:
    return _socket.AF_INET, ("127.0.0.1", place.port)


def test_a_literal_address_needs_no_look_up(push: Any, names: Names, peers: Any, driving: Callable[..., Any]) -> None:
    place = peers.listen()
    push.connect(place.endpoint)
    place.accept("PULL", driving(push)).shake_hands()
    assert names.asked == []


def test_p43_a_name_is_looked_up_while_the_socket_goes_on(
    push: Any, names: Names, peers: Any, driving: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    names.go_on.clear()
    near, far = peers.listen(), peers.listen()
    push.connect("tcp://far.example:5555")
    push.connect(near.endpoint)
    wait_for(lambda: names.asked == ["far.example"])
    # The name is not known yet, and nobody waits for it.
    peer = near.accept("PULL", driving(push)).shake_hands()
    for _ in range(2):
        push.send(b"x", DONTWAIT)
    assert peer.expect(1) == [b"x"]
    assert threading.get_ident() not in names.threads
    names.known = [local(far)]
    names.go_on.set()
    assert far.accept("PULL", driving(push)).shake_hands().expect(1) == [b"x"]


def test_p43_names_are_looked_up_again_at_each_reconnect(
    push: Any, names: Names, peers: Any, driving: Callable[..., Any]
) -> None:
    before, after = peers.listen(), peers.listen()
    names.known = [local(before)]
    push.connect("tcp://moving.example:5555")
    peer = before.accept("PULL", driving(push)).shake_hands()
    names.known = [local(after)]
    peer.close()
    after.accept("PULL", driving(push)).shake_hands()
    assert names.asked == ["moving.example", "moving.example"]
    assert before.empty()


def test_a_name_that_is_not_known_is_asked_for_again(
    push: Any, names: Any, peers: Any, driving: Callable[..., Any], record: Callable[..., Any], wait_for: Any
) -> None:
    place = peers.listen()
    events = record(push)
    names.known = OSError(errno.ENOENT, "no such name")
    push.connect("tcp://late.example:5555")
    drive = driving(push)
    wait_for(lambda: drive() and len(names.asked) >= 3)
    # There was nothing yet that could be closed.
    assert events.of(Event.CLOSED) == []
    assert len(events.of(Event.CONNECT_RETRIED)) >= 2
    names.known = [local(place)]
    place.accept("PULL", drive).shake_hands()


def test_several_addresses_are_tried_in_turn(
    push: Any,
    names: Names,
    peers: Any,
    driving: Callable[..., Any],
    record: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = peers.listen()
    refusing = (_socket.AF_INET, ("127.0.0.1", 1))
    unreachable = (_socket.AF_INET, ("127.0.0.2", 2))
    dialling = Dialling(errno.ENETUNREACH, 0)
    monkeypatch.setattr(tcp, "dial", dialling)
    names.known = [unreachable, refusing, local(place)]
    events = record(push)
    push.connect("tcp://several.example:5555")
    place.accept("PULL", driving(push)).shake_hands()
    # One after the other, without a pause.
    assert dialling.addresses == [unreachable, refusing, local(place)]
    assert events.of(Event.CONNECT_RETRIED) == []


def test_when_all_addresses_have_failed_comes_the_pause(
    push: Any, names: Names, driving: Callable[..., Any], record: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    names.known = [(_socket.AF_INET, ("127.0.0.1", 1)), (_socket.AF_INET, ("127.0.0.1", 2))]
    events = record(push)
    push.connect("tcp://several.example:5555")
    drive = driving(push)
    wait_for(lambda: drive() and len(names.asked) >= 3)
    # The record may be one look-up behind.
    assert len(events.of(Event.CONNECT_RETRIED)) in (2, 3)


@pytest.mark.parametrize("how", ["disconnect", "close"])
def test_an_answer_that_comes_too_late(
    push: Any,
    names: Names,
    peers: Any,
    driving: Callable[..., Any],
    wait_for: Callable[..., None],
    new_threads: Callable[[], set[str]],
    how: str,
) -> None:
    place = peers.listen()
    names.go_on.clear()
    names.known = [local(place)]
    push.connect("tcp://slow.example:5555")
    wait_for(lambda: names.asked)
    if how == "disconnect":
        push.disconnect("tcp://slow.example:5555")
    else:
        push.close()
    names.go_on.set()
    wait_for(lambda: not new_threads())
    if how == "disconnect":
        wait_for(lambda: not driving(push)() or not push._driver.pollset.wait(0))
        assert not push._driver.links
    assert place.empty()


# ---- when not to dial again


def known(socket: Any) -> list[str]:
    """Return the endpoints of a socket."""
    return list(socket._driver.endpoints)


def test_reconnect_stop_when_refused(
    push: Any, driving: Callable[..., Any], record: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    events = record(push)
    push.reconnect_stop = mqbridge.ReconnectStop.CONN_REFUSED
    push.connect(NOBODY)
    push.send(b"to nobody")
    drive = driving(push)
    wait_for(lambda: drive() and events.of(Event.CLOSED))
    assert events.of(Event.CLOSED) == [errno.ECONNREFUSED]
    assert events.of(Event.CONNECT_RETRIED) == []
    # It is as if it had been disconnected.
    assert known(push) == []
    with pytest.raises(mqbridge.ZMQError) as caught:
        push.disconnect(NOBODY)
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(mqbridge.Again):
        push.send(b"nobody left", DONTWAIT)
    # And it can be connected again.
    push.connect(NOBODY)
    push.send(b"to nobody", DONTWAIT)


def test_reconnect_stop_leaves_other_failures_alone(
    push: Any,
    driving: Callable[..., Any],
    record: Callable[..., Any],
    wait_for: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tcp, "dial", Dialling(errno.ENETUNREACH))
    events = record(push)
    push.reconnect_stop = 7
    push.connect(NOBODY)
    drive = driving(push)
    wait_for(lambda: drive() and len(events.of(Event.CONNECT_RETRIED)) >= 2)
    assert known(push) == [NOBODY]


@pytest.mark.parametrize("stop", [0, 1, 2])
def test_reconnect_stop_when_the_handshake_fails(
    push: Any,
    peers: Any,
    driving: Callable[..., Any],
    record: Callable[..., Any],
    wait_for: Callable[..., None],
    stop: int,
) -> None:
    place = peers.listen()
    events = record(push)
    push.reconnect_stop = stop
    push.connect(place.endpoint)
    drive = driving(push)
    # A PUSH does not talk to a PUB.
    peer = place.accept("PUB", drive)
    peer.expect_end()
    wait_for(lambda: drive() and events.of(Event.HANDSHAKE_FAILED_PROTOCOL))
    if stop == mqbridge.ReconnectStop.HANDSHAKE_FAILED:
        assert events.of(Event.CONNECT_RETRIED) == []
        assert known(push) == []
    else:
        assert len(events.of(Event.CONNECT_RETRIED)) == 1
        assert known(push) == [place.endpoint]
        place.accept("PULL", drive).shake_hands()


def test_reconnect_stop_does_not_mind_a_connection_that_breaks_later(
    push: Any, peers: Any, driving: Callable[..., Any]
) -> None:
    place = peers.listen()
    push.reconnect_stop = 7
    push.connect(place.endpoint)
    drive = driving(push)
    place.accept("PULL", drive).shake_hands().reset()
    place.accept("PULL", drive).shake_hands()


@pytest.mark.parametrize("stop", [0, 4])
def test_reconnect_stop_after_disconnect(
    push: Any, driving: Callable[..., Any], record: Callable[..., Any], wait_for: Callable[..., None], stop: int
) -> None:
    events = record(push)
    push.reconnect_stop = stop
    push.connect(NOBODY)
    push.send(b"left to write")
    push.disconnect(NOBODY)
    assert len(push._driver.departing) == 1
    drive = driving(push)
    before = len(events.of(Event.CLOSED))
    wait_for(lambda: drive() and len(events.of(Event.CLOSED)) > before)
    if stop:
        assert push._driver.departing == []
        assert events.of(Event.CONNECT_RETRIED) == []
    else:
        assert len(push._driver.departing) == 1
        wait_for(lambda: drive() and len(events.of(Event.CONNECT_RETRIED)) >= 2)


def test_reconnect_stop_ends_lingering(quiet: mqbridge.Context, in_thread: Callable[..., Any]) -> None:
    """What waits for a peer that is given up is waited for no longer, however long LINGER is."""
    push = quiet.socket(mqbridge.PUSH)
    push.reconnect_stop = mqbridge.ReconnectStop.CONN_REFUSED
    push.connect(NOBODY)
    # Nobody has looked at the connection yet, so the queue takes it.
    push.send(b"to nobody", DONTWAIT)
    push.close(linger=-1)
    in_thread(quiet.term).result()


# ---- CONNECT_ROUTING_ID


def test_who_is_named_by_us_can_be_sent_to_before_it_is_there(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]
) -> None:
    place, second = peers.listen(), peers.listen()
    with quiet.socket(mqbridge.ROUTER) as router:
        router.router_mandatory = 1
        router.reconnect_ivl = 1
        drive = driving(router)
        router.connect_routing_id = b"you"
        router.connect(place.endpoint)
        router.send_multipart([b"you", b"early"])
        # The name was for that one connect only.
        assert router.connect_routing_id == b""
        router.connect(second.endpoint)
        peer = place.accept("DEALER", drive).shake_hands()
        assert peer.expect(1) == [b"early"]
        peer.send(b"here I am")
        assert router.recv_multipart() == [b"you", b"here I am"]
        other = second.accept("DEALER", drive).shake_hands()
        other.send(b"and I")
        routing_id, text = router.recv_multipart()
        assert (len(routing_id), routing_id[:1], text) == (5, b"\0", b"and I")
        # The name outlives the connection.
        peer.reset()
        peer = place.accept("DEALER", drive).shake_hands()
        router.send_multipart([b"you", b"again"])
        assert peer.expect(1) == [b"again"]


def test_who_is_not_named_by_us_is_unknown_until_it_is_there(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]
) -> None:
    place = peers.listen()
    with quiet.socket(mqbridge.ROUTER) as router:
        router.router_mandatory = 1
        router.connect(place.endpoint)
        with pytest.raises(mqbridge.ZMQError) as caught:
            router.send_multipart([b"me", b"early"])
        assert caught.value.errno == errno.EHOSTUNREACH


def test_a_name_of_ours_comes_before_the_peers_own(
    quiet: mqbridge.Context, driving: Callable[..., Any], wait_for: Callable[..., None]
) -> None:
    with quiet.socket(mqbridge.ROUTER) as router, quiet.socket(mqbridge.DEALER) as dealer:
        dealer.routing_id = b"myself"
        dealer.bind("tcp://127.0.0.1:*")
        router.connect_routing_id = b"you"
        router.connect(dealer.get_string(mqbridge.LAST_ENDPOINT))
        drive = driving(router, dealer)
        wait_for(lambda: drive() and dealer._driver.pipes)
        dealer.send(b"hello")
        wait_for(lambda: drive() and router.poll(0))
        assert router.recv_multipart() == [b"you", b"hello"]


def test_reconnect_stop_when_refused_at_once(push: Any, tmp_path: Any) -> None:
    """A connection within the machine is refused while connect() is still under way."""
    with _socket_left_over(f"{tmp_path}/socket"):
        push.reconnect_stop = mqbridge.ReconnectStop.CONN_REFUSED
        push.connect(f"ipc://{tmp_path}/socket")
        assert known(push) == []
        assert push._driver.pipes == set()


def _socket_left_over(name: str) -> Any:
    """Return a socket that has a name and does not listen."""
    handle = socket.socket(socket.AF_UNIX)
    handle.bind(name)
    return handle


# ---- STREAM


@pytest.mark.parametrize("name", [b"", b"server"], ids=["without a name", "named by us"])
def test_each_connection_of_a_stream_is_told_and_has_the_same_name(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], name: bytes
) -> None:
    place = peers.listen()
    with quiet.socket(mqbridge.STREAM) as stream:
        stream.reconnect_ivl = 1
        if name:
            stream.connect_routing_id = name
        stream.connect(place.endpoint)
        if name:
            # It can be spoken to before it is there.
            stream.send_multipart([name, b"early"])
        drive = driving(stream)
        for number in range(3):
            peer = place.accept("PAIR", drive)
            peer.mute = True
            peer.until(lambda: stream.poll(0), "the news of the connection")
            found, nothing = stream.recv_multipart()
            assert nothing == b""
            name = name or found
            assert found == name
            if number:
                assert not stream.poll(0)
            peer.close()
            peer.until(lambda: stream.poll(0), "the news of its end")
            assert stream.recv_multipart() == [name, b""]


@pytest.mark.parametrize("name", [b"", b"server"], ids=["without a name", "named by us"])
def test_a_stream_that_has_hung_up_does_not_dial_again(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], name: bytes
) -> None:
    place = peers.listen()
    with quiet.socket(mqbridge.STREAM) as stream:
        stream.reconnect_ivl = 1
        if name:
            stream.connect_routing_id = name
        stream.connect(place.endpoint)
        drive = driving(stream)
        peer = place.accept("PAIR", drive)
        peer.mute = True
        peer.until(lambda: stream.poll(0), "the news of the connection")
        routing_id, _ = stream.recv_multipart()
        stream.send_multipart([routing_id, b""])
        peer.expect_end()
        driver = stream._driver
        assert not driver.links
        assert not driver.pipes
        assert driver.timers.next_due() == 0
        assert not stream.poll(0)
        stream.disconnect(place.endpoint)


# ---- what it tells of itself


def test_what_it_is_at_and_how_often_it_was(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any], wait_for: Callable[..., None], black_hole: int
) -> None:
    with quiet.socket(mqbridge.PUSH) as push, quiet.socket(mqbridge.PULL) as pull:
        push.reconnect_ivl = 1
        push.connect(NOBODY)
        ((nobody,),) = push._driver.endpoints.values()
        wait_for(lambda: push.events and nobody.retries >= 2 and nobody.state() == "waiting", "attempts")
        assert nobody.handshakes == 0
        push.connect(f"tcp://127.0.0.1:{black_hole}")
        hole = push._driver.endpoints[f"tcp://127.0.0.1:{black_hole}"][0]
        assert hole.state() == "connecting"
        pull.bind("tcp://127.0.0.1:*")
        endpoint = pull.last_endpoint.decode().rstrip("\0")
        push.connect(endpoint)
        (made,) = push._driver.endpoints[endpoint]
        assert made.state() in ("connecting", "handshake")
        wait_for(lambda: (push.events, pull.events) and made.state() == "connected", "the connection")
        assert (made.handshakes, made.retries) == (1, 0)
        assert made.pipe() in push._driver.pipes
        push.connect("tcp://a-name-that-is-looked-up.invalid:1")
        named = push._driver.endpoints["tcp://a-name-that-is-looked-up.invalid:1"][0]
        assert named.state() == "resolving"
        named.close(False)
        assert named.state() == "stopped"


def test_who_does_not_come_back_has_stopped(quiet: mqbridge.Context, wait_for: Callable[..., None]) -> None:
    with quiet.socket(mqbridge.PUSH) as push:
        push.reconnect_ivl = -1
        push.connect(NOBODY)
        ((made,),) = push._driver.endpoints.values()
        wait_for(lambda: push.events is not None and made.state() == "stopped", "the end of the attempt")
        assert made.retries == 0
