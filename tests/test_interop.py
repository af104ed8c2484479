"""With stock pyzmq in another process: what one side sends is exactly what the other receives, whatever happens."""

from __future__ import annotations

import importlib
import socket as system
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest

import mqbridge

sys.path.append(str(Path(__file__).resolve().parent / "peers"))
peer_messages = importlib.import_module("peer_messages")
peer_process = importlib.import_module("peer_process")
difference, message, number_of = peer_messages.difference, peer_messages.message, peer_messages.number_of

ANYWHERE = "tcp://127.0.0.1:*"
MANY = 100_000
QUESTIONS = 10_000

Make = Callable[..., mqbridge.Socket]
Start = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


@pytest.fixture
def make() -> Iterator[Make]:
    """A function that makes a socket, `make(mqbridge.PUSH, sndhwm=10)`, which is closed at the end of the test."""
    context = mqbridge.Context()
    made = []

    def make_one(kind: int, **options: int) -> mqbridge.Socket:
        made.append(context.socket(kind))
        for name, value in options.items():
            setattr(made[-1], name, value)
        return made[-1]

    yield make_one
    # In a thread of its own, so that a term that hangs fails the test and not the run.
    destroying = threading.Thread(target=context.destroy, args=(0,), daemon=True)
    destroying.start()
    destroying.join(20)
    assert not destroying.is_alive(), "destroy(linger=0) hangs"


@pytest.fixture
def peer() -> Iterator[Start]:
    """A function that starts a pyzmq process: `peer("pull", connect=[endpoint], first=0, last=10)`."""
    started = []

    def start(role: str, library: str = "zmq", **settings: Any) -> Any:
        started.append(peer_process.Peer("peer_roles.py", role, library=library, **settings))
        return started[-1]

    yield start
    for one in started:
        one.close()


def join(socket: mqbridge.Socket, we_bind: bool, start: Start) -> Any:
    """Start the peer by `start` and connect it with our socket, in one direction or the other."""
    if we_bind:
        socket.bind(ANYWHERE)
        return start(connect=[endpoint_of(socket)])
    other = start(bind=[ANYWHERE])
    socket.connect(other.hear("endpoint"))
    return other


def endpoint_of(socket: mqbridge.Socket) -> str:
    return str(socket.get_string(mqbridge.LAST_ENDPOINT))


def send_range(socket: mqbridge.Socket, first: int, last: int) -> None:
    for number in range(first, last):
        socket.send_multipart(message(number))


def receive_range(socket: mqbridge.Socket, first: int, last: int) -> None:
    for number in range(first, last):
        wrong = difference(number, socket.recv_multipart())
        assert not wrong, wrong


both_bind = pytest.mark.parametrize("we_bind", [True, False], ids=["bound", "connected"])


# ---- the numbered stream


@both_bind
def test_what_we_push_is_what_pyzmq_pulls(make: Make, peer: Start, we_bind: bool) -> None:
    socket = make(mqbridge.PUSH)
    other = join(socket, we_bind, lambda **where: peer("pull", first=0, last=MANY, **where))
    send_range(socket, 0, MANY)
    assert other.hear("verdict") == ""


@both_bind
def test_what_pyzmq_pushes_is_what_we_pull(make: Make, peer: Start, we_bind: bool) -> None:
    socket = make(mqbridge.PULL)
    other = join(socket, we_bind, lambda **where: peer("push", first=0, last=MANY, **where))
    receive_range(socket, 0, MANY)
    assert other.hear("closed")
    assert not socket.poll(50)


@both_bind
def test_ten_thousand_questions_of_ours_are_answered(make: Make, peer: Start, we_bind: bool) -> None:
    socket = make(mqbridge.REQ)
    join(socket, we_bind, lambda **where: peer("rep", last=QUESTIONS, **where))
    for number in range(QUESTIONS):
        socket.send_multipart(message(number))
        wrong = difference(number, socket.recv_multipart())
        assert not wrong, wrong


@both_bind
def test_ten_thousand_questions_of_pyzmq_are_answered(make: Make, peer: Start, we_bind: bool) -> None:
    socket = make(mqbridge.REP)
    other = join(socket, we_bind, lambda **where: peer("req", last=QUESTIONS, **where))
    for _ in range(QUESTIONS):
        socket.send_multipart(socket.recv_multipart())
    assert other.hear("verdict") == ""


@both_bind
def test_a_pair_talks_both_ways_at_once(make: Make, peer: Start, we_bind: bool) -> None:
    socket = make(mqbridge.PAIR, sndtimeo=20_000, rcvtimeo=20_000)
    other = join(socket, we_bind, lambda **where: peer("pair", last=QUESTIONS, **where))
    sender = threading.Thread(target=send_range, args=(socket, 0, QUESTIONS), daemon=True)
    sender.start()
    receive_range(socket, 0, QUESTIONS)
    sender.join(20)
    assert not sender.is_alive()
    assert other.hear("verdict") == ""


# ---- who comes first


def test_we_connect_and_send_before_pyzmq_binds(make: Make, peer: Start, free_port: Callable[[], int]) -> None:
    socket = make(mqbridge.PUSH, reconnect_ivl=20)
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    socket.connect(endpoint)
    # As many as the queue takes while nobody is there.
    send_range(socket, 0, 1000)
    with pytest.raises(mqbridge.Again):
        socket.send(b"one too many", mqbridge.DONTWAIT)
    other = peer("pull", bind=[endpoint], first=0, last=3000)
    send_range(socket, 1000, 3000)
    assert other.hear("verdict") == ""


def test_a_queue_full_of_large_messages_gets_going_when_the_peer_appears(
    make: Make, peer: Start, free_port: Callable[[], int]
) -> None:
    """The kernel takes less than the first message: what was full before the connection is told of room after it."""
    socket = make(mqbridge.PUSH, reconnect_ivl=20, sndhwm=2)
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    socket.connect(endpoint)
    head = message(7_777)
    assert len(head[0]) > 2**22
    first, last = 7_777, 7_783
    socket.send_multipart(message(first))
    socket.send_multipart(message(first + 1))
    with pytest.raises(mqbridge.Again):
        socket.send(b"one too many", mqbridge.DONTWAIT)
    other = peer("pull", bind=[endpoint], first=first, last=last, options={"RCVBUF": 65536})
    socket.sndtimeo = 20_000
    send_range(socket, first + 2, last)
    assert other.hear("verdict") == ""


def test_pyzmq_connects_and_sends_before_we_bind(make: Make, peer: Start, free_port: Callable[[], int]) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    other = peer("push", connect=[endpoint], first=0, last=900)
    assert other.hear("sent") == 900
    socket = make(mqbridge.PULL)
    socket.bind(endpoint)
    receive_range(socket, 0, 900)
    assert other.hear("closed")


def test_a_question_asked_before_the_answerer_is_there(make: Make, peer: Start, free_port: Callable[[], int]) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    socket = make(mqbridge.REQ, reconnect_ivl=20)
    socket.connect(endpoint)
    socket.send(b"anybody there?")
    peer("rep", bind=[endpoint], last=1)
    assert socket.recv() == b"anybody there?"


# ---- who goes, and comes again


def test_a_pyzmq_pusher_that_closes_and_starts_again_loses_nothing(make: Make, peer: Start) -> None:
    socket = make(mqbridge.PULL)
    socket.bind(ANYWHERE)
    for first in range(0, 20_000, 5_000):
        other = peer("push", connect=[endpoint_of(socket)], first=first, last=first + 5_000)
        receive_range(socket, first, first + 5_000)
        assert other.hear("closed")


def test_we_close_and_start_again_and_lose_nothing(peer: Start) -> None:
    other = peer("pull", bind=[ANYWHERE], first=0, last=20_000)
    endpoint = other.hear("endpoint")
    for first in range(0, 20_000, 5_000):
        # All is closed as soon as it is sent: much of it is on its way then.
        ours = peer("push", library="mqbridge", connect=[endpoint], first=first, last=first + 5_000)
        assert ours.hear("closed")
    assert other.hear("verdict") == ""


def test_a_message_sent_and_closed_at_once_arrives(peer: Start) -> None:
    """Nothing is said to the peer yet when the socket is closed: connecting is part of the lingering."""
    other = peer("pull", bind=[ANYWHERE], first=0, last=20)
    endpoint = other.hear("endpoint")
    for number in range(20):
        context = mqbridge.Context()
        socket = context.socket(mqbridge.PUSH)
        socket.connect(endpoint)
        socket.send_multipart(message(number))
        socket.close(linger=10_000)
        terminating = threading.Thread(target=context.term, daemon=True)
        terminating.start()
        terminating.join(20)
        assert not terminating.is_alive(), f"message {number} does not leave"
    assert other.hear("verdict") == ""


class Streams:
    """What several runs of a sender have sent, each its own numbers from a multiple of 100,000 on.

    What an earlier run had sent before it was killed may still come between the messages of the next one; of each, none
    may be missing, doubled or out of order.
    """

    def __init__(self) -> None:
        self.last: dict[int, int] = {}

    def take(self, number: int) -> int:
        run = number // 100_000
        following = self.last.get(run, run * 100_000 - 1) + 1
        # An empty message has no number.
        following += following % 50 == 49
        assert number == following, f"{number} where {following} was due"
        self.last[run] = number
        return number

    def receive(self, socket: mqbridge.Socket, until: int) -> None:
        while self.last.get(until // 100_000, -1) < until:
            found = socket.recv_multipart()
            if found != [b""]:
                self.take(number_of(found))


@both_bind
def test_a_pyzmq_pusher_that_is_killed_does_no_harm(
    make: Make, peer: Start, free_port: Callable[[], int], we_bind: bool
) -> None:
    socket = make(mqbridge.PULL, rcvtimeo=20_000, reconnect_ivl=20)
    endpoint = ANYWHERE if we_bind else f"tcp://127.0.0.1:{free_port()}"
    (socket.bind if we_bind else socket.connect)(endpoint)
    where = {"connect": [endpoint_of(socket)]} if we_bind else {"bind": [endpoint]}
    streams = Streams()
    for begin in (0, 100_000, 200_000):
        other = peer("push", first=begin, last=begin + 90_000, **where)
        streams.receive(socket, begin + 3_000)
        other.kill()
    # The end of what it had sent before it was killed is silence.
    socket.rcvtimeo = 300
    with pytest.raises(mqbridge.Again):
        streams.receive(socket, 10**9)


@both_bind
def test_a_pyzmq_puller_that_is_killed_loses_only_what_it_had(
    make: Make, peer: Start, free_port: Callable[[], int], we_bind: bool
) -> None:
    socket = make(mqbridge.PUSH, sndtimeo=30_000, reconnect_ivl=20)
    endpoint = ANYWHERE if we_bind else f"tcp://127.0.0.1:{free_port()}"
    (socket.bind if we_bind else socket.connect)(endpoint)
    where = {"connect": [endpoint_of(socket)]} if we_bind else {"bind": [endpoint]}
    stop = threading.Event()

    def send() -> None:
        number = 0
        while not stop.is_set():
            socket.send_multipart(message(number))
            number += 1

    sender = threading.Thread(target=send, daemon=True)
    last = -1
    others = [peer("collect", **where)]
    sender.start()
    try:
        for _ in range(3):
            other = others[-1]
            numbers = [other.hear("number")]
            while len(numbers) < 2_000:
                numbers.append(other.hear("number"))
            other.kill()
            numbers += other.rest("number")
            assert numbers[0] > last, f"{numbers[0]} was received already, the last was {last}"
            wanted = [number for number in range(numbers[0], numbers[-1] + 1) if number % 50 != 49]
            assert numbers == wanted, "messages are missing, doubled or out of order"
            last = numbers[-1]
            others.append(peer("collect", **where))
        others[-1].hear("number")
    finally:
        stop.set()
        sender.join(20)
        assert not sender.is_alive()
    socket.send(b"end")
    assert others[-1].hear("end")


def test_we_are_killed_and_start_again(peer: Start) -> None:
    other = peer("collect", bind=[ANYWHERE])
    endpoint = other.hear("endpoint")
    streams = Streams()
    for begin in (0, 100_000, 200_000):
        ours = peer("push", library="mqbridge", connect=[endpoint], first=begin, last=begin + 90_000)
        while streams.take(other.hear("number")) < begin + 2_000:
            pass
        ours.kill()
    last = peer("push", library="mqbridge", connect=[endpoint], first=300_000, last=300_010)
    assert last.hear("closed")
    while streams.take(other.hear("number")) != 300_009:
        pass


def test_a_requester_survives_the_restart_of_its_answerer(
    make: Make, peer: Start, wait_for: Callable[..., None], free_port: Callable[[], int]
) -> None:
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    socket = make(mqbridge.REQ, immediate=1, reconnect_ivl=20, sndtimeo=20_000, rcvtimeo=20_000)
    socket.connect(endpoint)
    for _ in range(3):
        other = peer("rep", bind=[endpoint], last=100)
        for number in range(100):
            socket.send_multipart(message(number))
            wrong = difference(number, socket.recv_multipart())
            assert not wrong, wrong
        assert other.hear("closed")
        # A question into the closed connection would be lost.
        wait_for(lambda: not socket.poll(0, mqbridge.POLLOUT), "the end of the connection")


# ---- several endpoints


def test_one_puller_with_several_endpoints(make: Make, peer: Start) -> None:
    socket = make(mqbridge.PULL, rcvtimeo=30_000)
    wheres = []
    for _ in range(2):
        socket.bind(ANYWHERE)
        wheres.append({"connect": [endpoint_of(socket)]})
    wheres.append({"bind": [ANYWHERE]})
    ranges = [(at * 10_000, at * 10_000 + 3_000) for at in range(3)]
    others = [
        peer("push", first=first, last=last, **where) for (first, last), where in zip(ranges, wheres, strict=True)
    ]
    socket.connect(others[-1].hear("endpoint"))
    wanted = {at: [n for n in range(*bounds) if n % 50 != 49] for at, bounds in enumerate(ranges)}
    found: dict[int, list[int]] = {at: [] for at in wanted}
    empty = 0
    for _ in range(9_000):
        parts = socket.recv_multipart()
        if parts == [b""]:
            empty += 1
        else:
            number = number_of(parts)
            found[number // 10_000].append(number)
    assert found == wanted
    assert empty == 180


def test_one_pusher_deals_to_several_endpoints(make: Make, peer: Start) -> None:
    socket = make(mqbridge.PUSH, sndtimeo=30_000)
    socket.bind(ANYWHERE)
    bound = endpoint_of(socket)
    others = [peer("collect", bind=[ANYWHERE]) for _ in range(2)]
    for other in others:
        socket.connect(other.hear("endpoint"))
    others.append(peer("collect", connect=[bound]))
    others[-1].hear("ready")
    last = 0
    while others[-1].is_silent():
        socket.send_multipart(message(last))
        last += 1
        # No queue is full, so that it stays each one's turn.
        time.sleep(0.001)
    send_range(socket, last, last + 3_000)
    # Dealt in turn: one for each.
    for _ in others:
        socket.send(b"end")
    received = [other.rest("number") for other in others]
    for numbers in received:
        assert numbers == sorted(numbers)
    assert sorted(chain.from_iterable(received)) == [number for number in range(last + 3_000) if number % 50 != 49]
    assert min(map(len, received)) > 900


# ---- limits


@both_bind
def test_a_pusher_blocks_at_its_mark_and_goes_on_when_pyzmq_reads(make: Make, peer: Start, we_bind: bool) -> None:
    socket = make(mqbridge.PUSH, sndhwm=10, sndbuf=65536)
    settings = {"first": 0, "last": 20_000, "options": {"RCVHWM": 10, "RCVBUF": 65536}}
    other = join(socket, we_bind, lambda **where: peer("wait_then_pull", **settings, **where))
    socket.sndtimeo = 20_000
    socket.send_multipart(message(0))
    sent = 1
    # Sizes make no difference to the marks, but the kernel has to be filled, too.
    socket.sndtimeo = 500
    with pytest.raises(mqbridge.Again):
        while sent < 20_000:
            socket.send_multipart(message(sent))
            sent += 1
    assert sent < 20_000
    assert not socket.poll(0, mqbridge.POLLOUT)
    with pytest.raises(mqbridge.Again):
        socket.send(b"one too many", mqbridge.DONTWAIT)
    socket.sndtimeo = 20_000
    sender = threading.Thread(target=send_range, args=(socket, sent, 20_000), daemon=True)
    sender.start()
    other.tell(go=True)
    assert other.hear("verdict") == ""
    sender.join(20)
    assert not sender.is_alive()


def test_a_message_above_our_maxmsgsize_ends_only_its_connection(make: Make, peer: Start) -> None:
    socket = make(mqbridge.PULL, maxmsgsize=4_000, rcvtimeo=20_000)
    socket.bind(ANYWHERE)
    # 850 has 8,567 bytes; pyzmq connects again and goes on with what it had not written.
    assert peer_messages.size_of(850) > 4_000
    assert all(peer_messages.size_of(number) < 3_900 for number in range(851, 860))
    where = {"connect": [endpoint_of(socket)], "options": {"RECONNECT_IVL": 20}}
    peer("push", first=850, last=851, **where).hear("sent")
    peer("push", first=851, last=860, **where).hear("closed")
    receive_range(socket, 851, 860)
    assert not socket.poll(50)


def test_a_message_above_pyzmqs_maxmsgsize_does_not_block_those_behind_it(make: Make, peer: Start) -> None:
    socket = make(mqbridge.PUSH, reconnect_ivl=20, sndtimeo=20_000)
    other = peer("collect", bind=[ANYWHERE], options={"MAXMSGSIZE": 1_000_000})
    socket.connect(other.hear("endpoint"))
    socket.send_multipart(message(0))
    assert other.hear("number") == 0
    # It is refused long before it is written.
    socket.send(bytes(20_000_000))
    for number in range(1, 49):
        socket.send_multipart(message(number))
    # What was on its way when the connection broke may be lost, the last one cannot be.
    while other.hear("number") != 48:
        pass


def test_reconnecting_backs_off_and_then_succeeds(make: Make, peer: Start, free_port: Callable[[], int]) -> None:
    port = free_port()
    endpoint = f"tcp://127.0.0.1:{port}"
    with system.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(20)
        socket = make(mqbridge.PUSH, reconnect_ivl=20, reconnect_ivl_max=160)
        socket.connect(endpoint)
        times = []
        for _ in range(7):
            handle, _ = listener.accept()
            # The next pause begins after this.
            times.append(time.monotonic())
            handle.close()
    pauses = [later - earlier for earlier, later in pairwise(times)]
    # RECONNECT_IVL doubles up to its maximum, and up to RECONNECT_IVL more is added by chance.
    for pause, least in zip(pauses, (0.020, 0.040, 0.080, 0.160, 0.160, 0.160), strict=True):
        assert pause >= least - 0.002, pauses
    assert sum(pauses) < 0.62 + 6 * 0.020 + 2, pauses
    other = peer("pull", bind=[endpoint], first=0, last=10)
    send_range(socket, 0, 10)
    assert other.hear("verdict") == ""
