"""Heartbeats: PINGs go out in time, silence ends a connection, and every sign of life is one (RFC 37)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge import Event
from mqbridge.engine.heartbeat import Heartbeat
from mqbridge.options import Options

MILLISECOND = 1_000_000


# ---- with a fake link: what happens when


class FakeTimers:
    """Deadlines that come when the test says so."""

    def __init__(self) -> None:
        self.now = 0
        self.due: list[list[Any]] = []

    def after(self, delay: int, call: Callable[[], None]) -> list[Any]:
        self.due.append([self.now + delay, call])
        return self.due[-1]

    def cancel(self, deadline: list[Any] | None) -> None:
        if deadline in self.due:
            self.due.remove(deadline)

    def go_to(self, milliseconds: int) -> None:
        """Let time pass, and make the calls that are due on the way."""
        while self.due and min(entry[0] for entry in self.due) <= milliseconds * MILLISECOND:
            deadline = min(self.due, key=lambda entry: entry[0])
            self.due.remove(deadline)
            self.now = deadline[0]
            deadline[1]()
        self.now = milliseconds * MILLISECOND


class FakeLink:
    """Notes when it is asked to do something."""

    def __init__(self) -> None:
        self.driver = self
        self.timers = FakeTimers()
        self.done: list[tuple[int, Any]] = []

    def ping(self, ttl: int) -> None:
        self.done.append((self.timers.now // MILLISECOND, ttl))

    def silent(self) -> None:
        self.done.append((self.timers.now // MILLISECOND, "silent"))


@pytest.fixture
def link() -> FakeLink:
    return FakeLink()


def started(link: FakeLink, **values: int) -> Heartbeat:
    options = Options()
    for name, value in values.items():
        setattr(options, name, value)
    heartbeat = Heartbeat(link)
    heartbeat.start(options)
    return heartbeat


def test_pings_go_out_at_the_interval(link: FakeLink) -> None:
    heartbeat = started(link, heartbeat_ivl=100, heartbeat_ttl=1_234)
    for time in (99, 150, 250, 350):
        link.timers.go_to(time)
        heartbeat.heard()
    # The TTL is in tenths of a second, rounded down.
    assert link.done == [(100, 12), (200, 12), (300, 12)]


def test_the_timeout_is_the_interval_unless_it_is_set(link: FakeLink) -> None:
    started(link, heartbeat_ivl=100)
    link.timers.go_to(200)
    assert (200, "silent") in link.done


def test_silence_counts_from_the_first_ping_without_an_answer(link: FakeLink) -> None:
    started(link, heartbeat_ivl=100, heartbeat_timeout=250)
    link.timers.go_to(349)
    assert link.done == [(100, 0), (200, 0), (300, 0)]
    link.timers.go_to(350)
    assert link.done[3:] == [(350, "silent")]


def test_any_sign_of_life_ends_the_silence(link: FakeLink) -> None:
    heartbeat = started(link, heartbeat_ivl=100, heartbeat_timeout=50)
    for time in range(149, 2_000, 100):
        link.timers.go_to(time)
        heartbeat.heard()
    assert "silent" not in [what for _, what in link.done]
    link.timers.go_to(2_050)
    assert link.done[-1] == (2_050, "silent")


def test_a_timeout_of_0_is_none(link: FakeLink) -> None:
    started(link, heartbeat_ivl=10, heartbeat_timeout=0)
    link.timers.go_to(10_000)
    assert link.done == [(time, 0) for time in range(10, 10_001, 10)]


def test_the_peers_ttl_counts_from_its_last_ping(link: FakeLink) -> None:
    heartbeat = Heartbeat(link)
    heartbeat.allow(3)
    link.timers.go_to(299)
    heartbeat.allow(3)
    link.timers.go_to(598)
    assert link.done == []
    link.timers.go_to(599)
    assert link.done == [(599, "silent")]


def test_a_peer_that_goes_on_talking_outlives_its_ttl(link: FakeLink) -> None:
    heartbeat = Heartbeat(link)
    heartbeat.allow(3)
    link.timers.go_to(299)
    heartbeat.heard()
    link.timers.go_to(100_000)
    assert link.done == []


def test_nothing_comes_after_the_end(link: FakeLink) -> None:
    heartbeat = started(link, heartbeat_ivl=100, heartbeat_timeout=300)
    heartbeat.allow(5)
    link.timers.go_to(100)
    assert len(link.timers.due) == 3
    heartbeat.stop()
    assert link.timers.due == []
    heartbeat.stop()


# ---- with a peer that says nothing by itself

# What is sent every few milliseconds, and what must not happen while a test looks.
SOON, NEVER = 5, 60_000


@pytest.fixture
def pull(quiet: mqbridge.Context) -> Iterator[Any]:
    """A PULL socket that only the test drives."""
    with quiet.socket(mqbridge.PULL) as made:
        yield made


def meet(socket: Any, peers: Any, driving: Any, socket_type: str = "PUSH") -> tuple[Any, list[bytes]]:
    """Bind, and return a peer that has shaken hands and answers nothing, with the commands it gets from now on."""
    socket.bind("tcp://127.0.0.1:*")
    peer = peers.connect(socket.get(mqbridge.LAST_ENDPOINT), socket_type, driving(socket)).shake_hands()
    peer.mute = True
    commands: list[bytes] = []
    receive = peer.connection.receive_data

    class Listening:
        """The peer's connection, which here only listens."""

        ready = True

        def receive_data(self, data: bytes) -> None:
            commands.append(data)
            receive(data)

        def messages(self, limit: int) -> list[Any]:
            return list(known.messages(limit))

    known = peer.connection
    peer.connection = Listening()
    return peer, commands


def test_a_ping_is_on_the_wire(pull: Any, peers: Any, driving: Any) -> None:
    pull.heartbeat_ivl = SOON
    pull.heartbeat_timeout = NEVER
    pull.heartbeat_ttl = 600
    peer, commands = meet(pull, peers, driving)
    peer.until(lambda: len(b"".join(commands)) >= 18, "two PINGs")
    assert b"".join(commands)[:18] == 2 * b"\x04\x07\x04PING\x00\x06"


def test_no_ping_unless_asked_for(pull: Any, peers: Any, driving: Any, wait_for: Any) -> None:
    pull.heartbeat_ttl = 600
    pull.heartbeat_timeout = 1
    peer, commands = meet(pull, peers, driving)
    (link,) = pull._driver.links
    assert link.heartbeat is None
    peer.send(b"hello")
    assert pull.recv() == b"hello"
    assert commands == []


def test_silence_ends_the_connection(pull: Any, peers: Any, driving: Any, record: Any) -> None:
    pull.heartbeat_ivl = SOON
    events = record(pull)
    peer, commands = meet(pull, peers, driving)
    peer.expect_end()
    assert b"".join(commands).startswith(b"\x04\x07\x04PING")
    (reason,) = events.of(Event.DISCONNECTED)
    assert "has not answered a PING in time" in reason


def test_a_peer_that_talks_is_alive_without_pongs(
    pull: Any, peers: Any, driving: Any, scaled: Callable[[float], float]
) -> None:
    pull.heartbeat_ivl = SOON
    pull.heartbeat_timeout = int(scaled(500))
    peer, commands = meet(pull, peers, driving)
    for number in range(300):
        peer.send(b"%d" % number)
        assert pull.recv() == b"%d" % number
        # Until it is asked once more: in all that is three times as long as the time-out.
        count = len(commands)
        peer.until(lambda count=count: len(commands) > count, "a PING")  # type: ignore[misc]
    assert not peer.over
    assert len(pull._driver.links) == 1


def test_the_pieces_of_a_large_message_are_signs_of_life(
    pull: Any, peers: Any, driving: Any, scaled: Callable[[float], float]
) -> None:
    pull.heartbeat_ivl = SOON
    pull.heartbeat_timeout = int(scaled(500))
    peer, commands = meet(pull, peers, driving)
    size = 200 * 40_000
    peer.write(b"\x02" + size.to_bytes(8, "big"))
    for _ in range(200):
        peer.write(b"x" * 40_000)
        count = len(commands)
        peer.until(lambda count=count: len(commands) > count, "a PING")  # type: ignore[misc]
    assert len(pull.recv()) == size


def test_the_ttl_of_a_peers_ping_ends_the_connection(pull: Any, peers: Any, driving: Any, record: Any) -> None:
    events = record(pull)
    peer, commands = meet(pull, peers, driving)
    peer.command(b"PING", b"\x00\x01" + b"context")
    peer.until(lambda: commands, "a PONG")
    assert b"".join(commands) == b"\x04\x0c\x04PONGcontext"
    peer.expect_end()
    assert len(events.of(Event.DISCONNECTED)) == 1


def test_a_ttl_of_0_allows_any_silence(pull: Any, peers: Any, driving: Any) -> None:
    peer, commands = meet(pull, peers, driving)
    peer.command(b"PING", b"\x00\x00")
    peer.until(lambda: commands, "a PONG")
    (link,) = pull._driver.links
    assert link.heartbeat is None


def test_a_link_that_does_not_read_does_not_blame_its_peer(
    pull: Any, peers: Any, driving: Any, wait_for: Callable[..., None]
) -> None:
    pull.rcvhwm = 2
    pull.heartbeat_ivl = SOON
    peer, _ = meet(pull, peers, driving)
    peer.send(*[b"%d" % number for number in range(10)])
    (link,) = pull._driver.links
    (pipe,) = pull._driver.pipes
    peer.until(lambda: pipe.inbound.writer_sleeps, "a full pipe")
    silences: list[None] = []
    known = link.heartbeat.heard
    heartbeat = link.heartbeat

    class Watched:
        """The link's heartbeat; notes whom it is told to wait for no longer."""

        def __getattr__(self, name: str) -> Any:
            return getattr(heartbeat, name)

        def heard(self) -> None:
            silences.append(None)
            known()

    link.heartbeat = Watched()
    # Nothing is read, so only a time-out calls `heard`.
    peer.until(lambda: len(silences) >= 5, "five time-outs")
    assert link in pull._driver.links
    link.heartbeat = heartbeat
    assert [pull.recv() for _ in range(10)] == [b"%d" % number for number in range(10)]


def test_the_end_of_a_connection_ends_its_heartbeats(pull: Any, peers: Any, driving: Any) -> None:
    pull.heartbeat_ivl = SOON
    pull.heartbeat_timeout = NEVER
    peer, commands = meet(pull, peers, driving)
    peer.command(b"PING", b"\x10\x00")
    peer.until(lambda: b"PONG" in b"".join(commands), "a PONG")
    timers = pull._driver.timers
    assert [deadline for deadline in timers._heap if deadline.call]
    peer.close()
    drive = driving(pull)
    while pull._driver.links:
        drive()
    assert not [deadline for deadline in timers._heap if deadline.call]


def test_a_peer_that_takes_nothing_gets_no_heap_of_pings(quiet: Any, peers: Any, driving: Any) -> None:
    with quiet.socket(mqbridge.PUSH) as push:
        push.heartbeat_ivl = 1
        push.heartbeat_timeout = NEVER
        push.bind("tcp://127.0.0.1:*")
        push.linger = 0
        drive = driving(push)
        peers.connect(push.get(mqbridge.LAST_ENDPOINT), "PULL", drive, rcvbuf=4096).shake_hands()
        push.send(b"x" * 20_000_000)
        (link,) = push._driver.links
        assert link.stream.unwritten() > 0
        timers = push._driver.timers
        before = min(deadline.due for deadline in timers._heap if deadline.call)
        while min(deadline.due for deadline in timers._heap if deadline.call) < before + 20 * MILLISECOND:
            drive()
        assert link.connection.data_to_send() == b""


def test_stream_sends_no_pings(quiet: Any, peers: Any, driving: Any) -> None:
    with quiet.socket(mqbridge.STREAM) as stream:
        stream.heartbeat_ivl = 1
        stream.bind("tcp://127.0.0.1:*")
        peer = peers.connect(stream.get(mqbridge.LAST_ENDPOINT), "PULL", driving(stream))
        peer.until(lambda: stream._driver.links, "the connection")
        (link,) = stream._driver.links
        assert link.heartbeat is None


# ---- with libzmq's heartbeats


@pytest.mark.parametrize("we_bind", [True, False], ids=["bound", "connected"])
@pytest.mark.parametrize("who", ["we", "pyzmq", "both"])
def test_with_pyzmq_nobody_is_taken_for_dead(
    context: mqbridge.Context, record: Any, scaled: Callable[[float], float], we_bind: bool, who: str
) -> None:
    with zmq.Context() as other, context.socket(mqbridge.PAIR) as mine, other.socket(zmq.PAIR) as their:
        their.linger = 0
        their.rcvtimeo = 10_000
        for socket, name in ((mine, "we"), (their, "pyzmq")):
            if who in (name, "both"):
                socket.setsockopt(zmq.HEARTBEAT_IVL, 10)
                socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, int(scaled(1_000)))
                socket.setsockopt(zmq.HEARTBEAT_TTL, int(scaled(1_000)))
        events = record(mine)
        binding: Any = mine if we_bind else their
        connecting: Any = their if we_bind else mine
        binding.bind("tcp://127.0.0.1:*")
        connecting.connect(binding.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())
        mine.send(b"hello")
        assert their.recv() == b"hello"
        (link,) = mine._driver.links
        if who == "pyzmq":
            # Its PINGs say how long it may be silent.
            while link.heartbeat is None:
                assert not their.poll(1)
        else:
            while link.connection.pongs < 20:
                assert not their.poll(1)
        their.send(b"still here")
        assert mine.recv() == b"still here"
        assert events.of(Event.DISCONNECTED) == []


def test_pyzmq_takes_us_for_dead_when_nobody_drives_us(quiet: Any, driving: Any, record: Any) -> None:
    """And with us driven again there is a new connection: the heartbeats of libzmq do end connections."""
    with zmq.Context() as other, quiet.socket(mqbridge.PULL) as pull, other.socket(zmq.PUSH) as push:
        push.linger = 0
        push.sndtimeo = 10_000
        push.setsockopt(zmq.HEARTBEAT_IVL, 20)
        push.setsockopt(zmq.HEARTBEAT_TIMEOUT, 20)
        push.setsockopt(zmq.RECONNECT_IVL, 5)
        monitor = push.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        monitor.linger = 0
        events = record(pull)
        pull.bind("tcp://127.0.0.1:*")
        push.connect(pull.get(mqbridge.LAST_ENDPOINT).decode())
        drive = driving(pull)
        while not events.of(Event.HANDSHAKE_SUCCEEDED):
            drive()
        assert monitor.poll(10_000)
        while len(events.of(Event.HANDSHAKE_SUCCEEDED)) < 2:
            drive()
        push.disable_monitor()
        monitor.close()
