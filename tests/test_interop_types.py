"""Every valid pair of socket types, with stock pyzmq over tcp and ipc and among ourselves over inproc.

Both sockets of a pair are used by one thread, in turn: what is on its way is carried by the threads of the two
contexts. A libzmq socket takes on new peers only inside its own calls; here those that matter block.
"""

from __future__ import annotations

import random
import socket as system
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

import mqbridge

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

_POOL = random.Random(20240301).randbytes(5 * 1024 * 1024)

MESSAGES: dict[str, list[bytes]] = {
    "single part": [b"hello"],
    "five parts": [b"one", b"two" * 100, b"three", b"four" * 1000, b"five"],
    "empty": [b""],
    "empty parts": [b"", b"x", b"", b""],
    "1 B": [b"\xa5"],
    "255 B": [_POOL[:255]],
    "256 B": [_POOL[:256]],
    "64 KiB": [_POOL[:65536]],
    "5 MiB": [_POOL],
    "5 MiB between others": [b"", _POOL, b"end"],
}


# ---- conversations: `prepare` before the sockets meet, `begin` when they have, `talk` for each message


class Conversation:
    """What sockets of two types, `one` and `other`, say to each other. By default each side sends what it likes."""

    def prepare(self, one: Any, other: Any) -> None:
        """Set the options."""

    def begin(self, one: Any, other: Any) -> None:
        """Wait until messages are not lost any more."""

    def talk(self, one: Any, other: Any, message: list[bytes]) -> None:
        """Send a message there and back."""
        one.send_multipart(message)
        assert same(other.recv_multipart(), message)
        other.send_multipart(message)
        assert same(one.recv_multipart(), message)


class OneWay(Conversation):
    """`one` sends, `other` receives."""

    def talk(self, one: Any, other: Any, message: list[bytes]) -> None:
        one.send_multipart(message)
        assert same(other.recv_multipart(), message)


class ReqRouter(Conversation):
    """The router sees the routing id and an empty delimiter in front, and gives them back."""

    def talk(self, one: Any, other: Any, message: list[bytes]) -> None:
        one.send_multipart(message)
        routing_id, delimiter, *rest = other.recv_multipart()
        assert (len(routing_id), delimiter) == (5, b"")
        assert same(rest, message)
        other.send_multipart([routing_id, b"", *message])
        assert same(one.recv_multipart(), message)


class DealerRep(Conversation):
    """The dealer adds the delimiter by itself."""

    def talk(self, one: Any, other: Any, message: list[bytes]) -> None:
        one.send_multipart([b"", *message])
        assert same(other.recv_multipart(), message)
        other.send_multipart(message)
        assert same(one.recv_multipart(), [b"", *message])


class DealerRouter(Conversation):
    """The dealer has chosen its routing id."""

    def prepare(self, one: Any, other: Any) -> None:
        one.setsockopt(zmq.ROUTING_ID, b"the dealer")

    def talk(self, one: Any, other: Any, message: list[bytes]) -> None:
        one.send_multipart(message)
        assert same(other.recv_multipart(), [b"the dealer", *message])
        other.send_multipart([b"the dealer", *message])
        assert same(one.recv_multipart(), message)


class RouterRouter(Conversation):
    """Both have routing ids, and greet each other with an empty message."""

    def prepare(self, one: Any, other: Any) -> None:
        for socket, name in ((one, b"one"), (other, b"other")):
            socket.setsockopt(zmq.ROUTING_ID, name)
            socket.setsockopt(zmq.PROBE_ROUTER, 1)
            socket.setsockopt(zmq.ROUTER_MANDATORY, 1)

    def begin(self, one: Any, other: Any) -> None:
        until_readable(one, other)
        assert one.recv_multipart() == [b"other", b""]
        assert other.recv_multipart() == [b"one", b""]

    def talk(self, one: Any, other: Any, message: list[bytes]) -> None:
        one.send_multipart([b"other", *message])
        assert same(other.recv_multipart(), [b"one", *message])
        other.send_multipart([b"one", *message])
        assert same(one.recv_multipart(), [b"other", *message])


class Publishing(OneWay):
    """Everything is subscribed to. A PUB does not tell when that has arrived, so it calls until it is heard."""

    def __init__(self, sees_subscriptions: bool, sends_subscriptions: bool) -> None:
        self.sees_subscriptions = sees_subscriptions
        self.sends_subscriptions = sends_subscriptions

    def prepare(self, one: Any, other: Any) -> None:
        if not self.sends_subscriptions:
            other.setsockopt(zmq.SUBSCRIBE, b"")

    def begin(self, one: Any, other: Any) -> None:
        if self.sends_subscriptions:
            other.send(b"\x01")
        if self.sees_subscriptions:
            until_readable(one, other)
            assert one.recv() == b"\x01"
            return
        for _ in range(10_000):
            one.send(b"anybody there?")
            if other.poll(2):
                break
        one.send(b"now we begin")
        while other.recv() != b"now we begin":
            continue


class Upstream(Publishing):
    """What an XSUB sends and is no subscription comes out of an XPUB."""

    def talk(self, one: Any, other: Any, message: list[bytes]) -> None:
        Publishing.talk(self, one, other, message)
        # A first part that begins with 0 or 1 would be a subscription, and libzmq's filters look at each part.
        upwards = [b"up:" + part for part in message]
        other.send_multipart(upwards)
        assert same(one.recv_multipart(), upwards)


PAIRS: dict[tuple[str, str], Conversation] = {
    ("REQ", "REP"): Conversation(),
    ("REQ", "ROUTER"): ReqRouter(),
    ("DEALER", "REP"): DealerRep(),
    ("DEALER", "DEALER"): Conversation(),
    ("DEALER", "ROUTER"): DealerRouter(),
    ("ROUTER", "ROUTER"): RouterRouter(),
    ("PUB", "SUB"): Publishing(False, False),
    ("PUB", "XSUB"): Publishing(False, True),
    ("XPUB", "SUB"): Publishing(True, False),
    ("XPUB", "XSUB"): Upstream(True, True),
    ("PUSH", "PULL"): OneWay(),
    ("PAIR", "PAIR"): Conversation(),
}


def until_readable(socket: Any, other: Any) -> None:
    """Wait for a message while the other side, too, is called into."""
    for _ in range(1_000):
        if socket.poll(10):
            return
        other.poll(0)


def same(found: list[bytes], wanted: list[bytes]) -> bool:
    """Compare messages; a function of its own, since a report of megabytes that differ takes minutes."""
    return found == wanted


# ---- sockets of either library


class Library:
    """Makes sockets that wait for long, but not for ever."""

    def __init__(self, module: Any) -> None:
        self.context = module.Context()
        self._module = module
        self._made: list[Any] = []

    def socket(self, kind: str, **options: int) -> Any:
        made = self.context.socket(getattr(self._module, kind))
        self._made.append(made)
        for name, value in {"linger": 0, "rcvtimeo": 10_000, "sndtimeo": 10_000, **options}.items():
            made.setsockopt(getattr(zmq, name.upper()), value)
        return made

    def end(self) -> None:
        for socket in self._made:
            socket.close(0)
        self.context.term()


@pytest.fixture
def ours() -> Iterator[Library]:
    """Our sockets."""
    made = Library(mqbridge)
    yield made
    made.end()


@pytest.fixture
def theirs() -> Iterator[Library]:
    """Sockets of pyzmq."""
    made = Library(zmq)
    yield made
    made.end()


@pytest.fixture(params=["tcp", "ipc"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    """An endpoint to bind."""
    return "tcp://127.0.0.1:*" if request.param == "tcp" else f"ipc://{tmp_path}/socket"


def join(binding: Any, connecting: Any, endpoint: str) -> None:
    binding.bind(endpoint)
    connecting.connect(binding.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode())


def converse(conversation: Conversation, one: Any, other: Any, meet: Callable[[], None]) -> None:
    conversation.prepare(one, other)
    meet()
    conversation.begin(one, other)
    for message in MESSAGES.values():
        conversation.talk(one, other, message)


def title(pair: object) -> str:
    return "-".join(pair) if isinstance(pair, tuple) else str(pair)


@pytest.mark.parametrize("we_bind", [True, False], ids=["bound", "connected"])
@pytest.mark.parametrize("we_are", [0, 1], ids=["first", "second"])
@pytest.mark.parametrize("pair", PAIRS, ids=title)
def test_with_pyzmq(
    pair: tuple[str, str], we_are: int, we_bind: bool, anywhere: str, ours: Library, theirs: Library
) -> None:
    mine = ours.socket(pair[we_are])
    their = theirs.socket(pair[1 - we_are])
    one, other = (mine, their) if we_are == 0 else (their, mine)
    binding, connecting = (mine, their) if we_bind else (their, mine)
    converse(PAIRS[pair], one, other, lambda: join(binding, connecting, anywhere))


@pytest.mark.parametrize("order", ["bind first", "connect first"])
@pytest.mark.parametrize("binds", [0, 1], ids=["first", "second"])
@pytest.mark.parametrize("pair", PAIRS, ids=title)
def test_inproc(pair: tuple[str, str], binds: int, order: str, ours: Library) -> None:
    sockets = [ours.socket(kind) for kind in pair]

    def meet() -> None:
        steps = [lambda: sockets[binds].bind("inproc://here"), lambda: sockets[1 - binds].connect("inproc://here")]
        for step in steps if order == "bind first" else reversed(steps):
            step()

    converse(PAIRS[pair], sockets[0], sockets[1], meet)


# ---- many subscriptions

TOPICS = [b"topic %03d." % number for number in range(1000)]


@pytest.mark.parametrize("we_are", ["XPUB", "SUB", "both"])
def test_a_thousand_subscriptions_come_and_go(we_are: str, anywhere: str, ours: Library, theirs: Library) -> None:
    publisher = (theirs if we_are == "SUB" else ours).socket("XPUB", sndhwm=0, rcvhwm=0)
    subscriber = (theirs if we_are == "XPUB" else ours).socket("SUB", sndhwm=0, rcvhwm=0)
    join(publisher, subscriber, anywhere)

    def tell(option: int, topics: list[bytes]) -> None:
        for topic in topics:
            subscriber.setsockopt(option, topic)
        sign = b"\x01" if option == zmq.SUBSCRIBE else b"\x00"
        assert [publisher.recv() for _ in topics] == [sign + topic for topic in topics]

    def heard() -> list[bytes]:
        for topic in TOPICS:
            publisher.send_multipart([topic + b"news", b"of " + topic])
        publisher.send(b"end")
        found = []
        while (message := subscriber.recv_multipart()) != [b"end"]:
            assert message[1] == b"of " + message[0][: -len(b"news")]
            found.append(message[0][: -len(b"news")])
        return found

    tell(zmq.SUBSCRIBE, [b"end"])
    assert heard() == []
    tell(zmq.SUBSCRIBE, TOPICS)
    assert heard() == TOPICS
    tell(zmq.UNSUBSCRIBE, TOPICS[::2])
    assert heard() == TOPICS[1::2]
    tell(zmq.SUBSCRIBE, TOPICS[::4])
    assert heard() == [topic for number, topic in enumerate(TOPICS) if number % 4 != 2]
    tell(zmq.UNSUBSCRIBE, TOPICS[1::2] + TOPICS[::4])
    assert heard() == []


def test_what_a_pub_sends_after_a_thousand_topics_came_and_went(anywhere: str, ours: Library, theirs: Library) -> None:
    """A PUB does not show subscriptions. They arrive in order: who hears of the last topic has all those before."""
    # Ours are not, but libzmq's subscriptions are dropped at a mark.
    publisher, subscriber = ours.socket("PUB", sndhwm=0), theirs.socket("SUB", sndhwm=0, rcvhwm=0)
    join(publisher, subscriber, anywhere)

    def heard(name: bytes) -> list[bytes]:
        subscriber.setsockopt(zmq.SUBSCRIBE, name)
        for _ in range(5_000):
            publisher.send(name)
            if subscriber.poll(2):
                break
        for topic in TOPICS:
            publisher.send(topic)
        publisher.send(name + b" end")
        found = []
        while (message := subscriber.recv()) != name + b" end":
            if message != name:
                found.append(message)
        return found

    for number in range(3):
        for topic in TOPICS:
            subscriber.setsockopt(zmq.SUBSCRIBE, topic)
        assert heard(b"come %d" % number) == TOPICS
        for topic in TOPICS:
            subscriber.setsockopt(zmq.UNSUBSCRIBE, topic)
        assert heard(b"gone %d" % number) == []


# ---- STREAM


def read_exactly(handle: system.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        data = handle.recv(1 << 20)
        assert data, f"the connection ends after {len(found)} of {size} bytes"
        found += data
    return bytes(found)


def stream_exactly(stream: Any, routing_id: bytes, size: int) -> bytes:
    """Receive so many bytes from one connection of a STREAM, in whatever pieces they come."""
    found = bytearray()
    while len(found) < size:
        sender, data = stream.recv_multipart()
        assert sender == routing_id
        assert data, f"the connection ends after {len(found)} of {size} bytes"
        found += data
    return bytes(found)


def raw_talk(stream: Any, routing_id: bytes, handle: system.socket) -> None:
    """Bytes pass as they are, in both directions."""
    for size in (1, 255, 256, 65536):
        handle.sendall(_POOL[:size])
        assert same([stream_exactly(stream, routing_id, size)], [_POOL[:size]])
        stream.send_multipart([routing_id, _POOL[:size]])
        assert same([read_exactly(handle, size)], [_POOL[:size]])
    stream.send_multipart([routing_id, _POOL])
    stream.send_multipart([routing_id, b"end"])
    assert same([read_exactly(handle, len(_POOL) + 3)], [_POOL + b"end"])


def test_stream_accepts_raw_connections(ours: Library) -> None:
    stream = ours.socket("STREAM")
    stream.bind("tcp://127.0.0.1:*")
    port = int(stream.getsockopt(zmq.LAST_ENDPOINT).rpartition(b":")[2])
    with (
        system.create_connection(("127.0.0.1", port), timeout=10) as one,
        system.create_connection(("127.0.0.1", port), timeout=10) as other,
    ):
        ids = []
        for _ in (one, other):
            routing_id, empty = stream.recv_multipart()
            assert (len(routing_id), empty) == (5, b"")
            ids.append(routing_id)
        assert ids[0] != ids[1]
        # Which id is whose shows when it is spoken to.
        stream.send_multipart([ids[0], b"1st"])
        stream.send_multipart([ids[1], b"2nd"])
        assert sorted([read_exactly(one, 3), read_exactly(other, 3)]) == [b"1st", b"2nd"]
    goodbyes = [stream.recv_multipart() for _ in ids]
    assert sorted(goodbyes) == sorted([routing_id, b""] for routing_id in ids)
    with pytest.raises(mqbridge.ZMQError) as caught:
        stream.send_multipart([ids[0], b"too late"])
    assert caught.value.errno == mqbridge.Errno.EHOSTUNREACH


def test_stream_talks_to_a_raw_client_and_hangs_up(ours: Library) -> None:
    stream = ours.socket("STREAM")
    stream.bind("tcp://127.0.0.1:*")
    port = int(stream.getsockopt(zmq.LAST_ENDPOINT).rpartition(b":")[2])
    with system.create_connection(("127.0.0.1", port), timeout=10) as handle:
        routing_id, _ = stream.recv_multipart()
        raw_talk(stream, routing_id, handle)
        stream.send_multipart([routing_id, b""])
        assert handle.recv(1) == b""


def test_stream_connects_to_a_raw_server(ours: Library) -> None:
    stream = ours.socket("STREAM", reconnect_ivl=-1)
    with system.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        stream.connect(f"tcp://127.0.0.1:{listening.getsockname()[1]}")
        handle, _ = listening.accept()
        with handle:
            handle.settimeout(10)
            routing_id, empty = stream.recv_multipart()
            assert (len(routing_id), empty) == (5, b"")
            raw_talk(stream, routing_id, handle)
            handle.shutdown(system.SHUT_WR)
            assert stream.recv_multipart() == [routing_id, b""]


def test_stream_without_notifications(ours: Library) -> None:
    stream = ours.socket("STREAM", stream_notify=0)
    stream.bind("tcp://127.0.0.1:*")
    port = int(stream.getsockopt(zmq.LAST_ENDPOINT).rpartition(b":")[2])
    for word in (b"one", b"two"):
        with system.create_connection(("127.0.0.1", port), timeout=10) as handle:
            handle.sendall(word)
            assert stream.recv_multipart()[1] == word


@pytest.mark.parametrize("we_bind", [True, False], ids=["bound", "connected"])
def test_stream_with_the_stream_of_pyzmq(we_bind: bool, ours: Library, theirs: Library) -> None:
    mine, their = ours.socket("STREAM"), theirs.socket("STREAM")
    binding, connecting = (mine, their) if we_bind else (their, mine)
    join(binding, connecting, "tcp://127.0.0.1:*")
    my_peer, empty = mine.recv_multipart()
    assert empty == b""
    their_peer, empty = their.recv_multipart()
    assert empty == b""
    for size in (1, 255, 256, 65536, len(_POOL)):
        mine.send_multipart([my_peer, _POOL[:size]])
        assert same([stream_exactly(their, their_peer, size)], [_POOL[:size]])
        their.send_multipart([their_peer, _POOL[:size]])
        assert same([stream_exactly(mine, my_peer, size)], [_POOL[:size]])
    their.send_multipart([their_peer, b""])
    until_readable(mine, their)
    assert mine.recv_multipart() == [my_peer, b""]
