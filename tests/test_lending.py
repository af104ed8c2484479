"""Large buffers that are sent from where they lie (copy=False), through every pattern, and given back afterwards."""

from __future__ import annotations

import errno
import gc
import os
import select
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.frame import COPY_THRESHOLD, FINISHED, LEAST_LENT, lent

# More than the kernel's buffers take.
SIZE = 32 << 20


class Sockets:
    """Makes sockets of one library, and keeps them until the test is over."""

    def __init__(self, library: Any) -> None:
        self._context = library.Context()
        self._made: list[Any] = []

    def socket(self, kind: int) -> Any:
        self._made.append(self._context.socket(kind))
        return self._made[-1]

    def close(self) -> None:
        for made in self._made:
            made.close(0)
        self._context.term()


@pytest.fixture
def context(no_descriptor_leak: None) -> Iterator[Sockets]:
    sockets = Sockets(mqbridge)
    yield sockets
    sockets.close()


@pytest.fixture
def stock(no_descriptor_leak: None) -> Iterator[Sockets]:
    sockets = Sockets(zmq)
    yield sockets
    sockets.close()


def joined(ours: Any, other: Any, transport: str = "tcp") -> None:
    ours.bind({"tcp": "tcp://127.0.0.1:*", "ipc": "ipc://*", "inproc": "inproc://lending"}[transport])
    other.connect(ours.last_endpoint.decode())
    for each in (ours, other):
        each.setsockopt(zmq.LINGER, 0)
        each.setsockopt(zmq.SNDTIMEO, 10_000)
        each.setsockopt(zmq.RCVTIMEO, 10_000)


def pattern_of(size: int = 100_000) -> bytearray:
    return bytearray(bytes(range(256)) * (size // 256 + 1))[:size]


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_it_is_sent_from_where_it_is(context: Sockets, transport: str) -> None:
    """What is written there before the message has left arrives."""
    push, pull = context.socket(mqbridge.PUSH), context.socket(mqbridge.PULL)
    pull.rcvhwm = 1
    joined(push, pull, transport)
    # The queue is full, so the peer reads no more.
    push.send(b"first")
    push.send(b"second")
    data = bytearray(SIZE)
    tracker = push.send(data, copy=False, track=True)
    assert tracker is not None and not tracker.done
    with pytest.raises(BufferError):
        data.append(0)
    data[-1] = 7
    assert [pull.recv(), pull.recv()] == [b"first", b"second"]
    received = pull.recv()
    assert (len(received), received[0], received[-1]) == (SIZE, 0, 7)
    tracker.wait(10)
    assert tracker.done
    # Given back, so it may have another size.
    data.append(0)


PATTERNS = [
    ("PUSH", "PULL"),
    ("PAIR", "PAIR"),
    ("DEALER", "ROUTER"),
    ("DEALER", "REP"),
    ("REQ", "REP"),
    ("REQ", "ROUTER"),
]


@pytest.mark.parametrize("library", ["mqbridge", "pyzmq"])
@pytest.mark.parametrize("transport", ["tcp", "inproc"])
@pytest.mark.parametrize(("kind", "other"), PATTERNS, ids="-".join)
def test_every_pattern_sends_it(
    kind: str, other: str, transport: str, library: str, context: Sockets, stock: Sockets
) -> None:
    if library == "pyzmq" and transport == "inproc":
        pytest.skip("inproc joins sockets of one library")
    ours = context.socket(getattr(mqbridge, kind))
    theirs = (context if library == "mqbridge" else stock).socket(getattr(zmq, other))
    joined(ours, theirs, transport)
    data = pattern_of()
    head = [b""] if (kind, other) == ("DEALER", "REP") else []
    ours.send_multipart([*head, data, b"between", memoryview(data)], copy=False)
    received = theirs.recv_multipart()
    assert [bytes(part) for part in received[-3:]] == [data, b"between", data]
    if (kind, other) == ("REQ", "REP"):
        theirs.send(b"")
        ours.recv()
    if kind != "REQ" or other == "REP":
        if head:
            ours.send(b"", mqbridge.SNDMORE)
        # By itself, and as a last part.
        ours.send(data, copy=False)
        if other != "REP" or kind == "REQ":
            assert theirs.recv_multipart()[-1] == data


@pytest.mark.parametrize("library", ["mqbridge", "pyzmq"])
def test_a_router_sends_it_to_one_peer(library: str, context: Sockets, stock: Sockets) -> None:
    router = context.socket(mqbridge.ROUTER)
    dealer = (context if library == "mqbridge" else stock).socket(zmq.DEALER)
    dealer.setsockopt(zmq.ROUTING_ID, b"peer")
    joined(router, dealer)
    dealer.send(b"here")
    assert router.recv_multipart() == [b"peer", b"here"]
    data = pattern_of()
    router.send_multipart([b"peer", data], copy=False)
    assert dealer.recv_multipart() == [data]
    router.send(b"peer", mqbridge.SNDMORE)
    router.send(data, copy=False)
    assert dealer.recv_multipart() == [data]
    # No peer is called that, however long the name is.
    router.send_multipart([data, b"nobody"], copy=False)
    router.send(data, mqbridge.SNDMORE, copy=False)
    router.send(b"nobody")


@pytest.mark.parametrize("library", ["mqbridge", "pyzmq"])
@pytest.mark.parametrize("kind", ["PUB", "XPUB"])
def test_a_publisher_looks_at_the_topic_and_lends_the_rest(
    kind: str, library: str, context: Sockets, stock: Sockets
) -> None:
    publisher = context.socket(getattr(mqbridge, kind))
    subscribers = [(context if library == "mqbridge" else stock).socket(zmq.SUB) for _ in range(3)]
    data = pattern_of()
    joined(publisher, subscribers[0])
    for subscriber in subscribers:
        subscriber.setsockopt(zmq.RCVTIMEO, 10_000)
        subscriber.setsockopt(zmq.SUBSCRIBE, b"topic")
        subscriber.setsockopt(zmq.SUBSCRIBE, bytes(data[:3]))
        if subscriber is not subscribers[0]:
            subscriber.connect(publisher.last_endpoint.decode())
    received: list[list[bytes]] = []
    while len(received) < len(subscribers):
        publisher.send(b"topic: is anybody there?")
        received = [each.recv_multipart() for each in subscribers if each.poll(10)]
    publisher.send_multipart([b"topic", data], copy=False)
    publisher.send_multipart([b"other topic", data], copy=False)
    # One that is the topic itself.
    publisher.send(data, copy=False)
    for subscriber in subscribers:
        found = [message for message in iter(subscriber.recv_multipart, [data]) if len(message) > 1]
        assert found == [[b"topic", data]]


def test_stream_and_xsub_copy(context: Sockets) -> None:
    """What they send is looked at, or is no message."""
    xsub, xpub = context.socket(mqbridge.XSUB), context.socket(mqbridge.XPUB)
    joined(xpub, xsub)
    # It does not begin as a subscription does.
    data = pattern_of()[2:]
    xsub.send(b"\1topic")
    assert xpub.recv() == b"\1topic"
    xsub.send(data, copy=False)
    data.append(0)
    assert xpub.recv() == data[:-1]
    one, two = context.socket(mqbridge.STREAM), context.socket(mqbridge.STREAM)
    joined(one, two)
    name, nothing = two.recv_multipart()
    assert nothing == b""
    two.send_multipart([name, data], copy=False)
    data.append(0)
    assert one.recv_multipart()[1] == b""
    received = b""
    while len(received) < len(data) - 1:
        received += one.recv_multipart()[1]
    assert received == data[:-1]


def test_who_connects_again_sends_it_again(context: Sockets) -> None:
    push, first, second = context.socket(mqbridge.PUSH), context.socket(mqbridge.PULL), context.socket(mqbridge.PULL)
    push.setsockopt(mqbridge.RECONNECT_IVL, 1)
    first.rcvhwm = 1
    first.bind("tcp://127.0.0.1:*")
    endpoint = first.last_endpoint.decode()
    push.connect(endpoint)
    push.send(b"first")
    assert first.recv() == b"first"
    # Then its queue is full, and it reads no more.
    push.send(b"second")
    push.send(b"third")
    data = pattern_of(SIZE)
    tracker = push.send_multipart([b"head", data, b"tail"], copy=False, track=True)
    assert tracker is not None and not tracker.done
    first.close(0)
    second.rcvtimeo = 10_000
    second.bind(endpoint)
    assert second.recv_multipart() == [b"head", data, b"tail"]
    tracker.wait(10)
    data.append(0)


def test_curve_encrypts_a_copy(context: Sockets) -> None:
    pytest.importorskip("nacl", reason="CURVE needs PyNaCl: pip install mqbridge[curve]")
    push, pull = context.socket(mqbridge.PUSH), context.socket(mqbridge.PULL)
    public, secret = mqbridge.curve_keypair()
    push.curve_server, push.curve_secretkey = True, secret
    pull.curve_publickey, pull.curve_secretkey = mqbridge.curve_keypair()
    pull.curve_serverkey = public
    joined(push, pull)
    data = pattern_of(200_000)
    push.send_multipart([data, b"x"], copy=False)
    assert pull.recv_multipart() == [data, b"x"]


def test_what_is_small_or_not_contiguous(context: Sockets) -> None:
    push, pull = context.socket(mqbridge.PUSH), context.socket(mqbridge.PULL)
    joined(push, pull)
    data = pattern_of(COPY_THRESHOLD - 1)
    assert push.send(data, copy=False, track=True) is FINISHED
    data.append(0)
    push.copy_threshold = 100
    assert push.send(data[:LEAST_LENT], copy=False) is None
    push.copy_threshold = 0
    tracker = push.send(bytearray(b"a"), copy=False, track=True)
    assert tracker is not None and tracker is not FINISHED
    assert [len(pull.recv()) for _ in range(3)] == [COPY_THRESHOLD - 1, LEAST_LENT, 1]
    with pytest.raises(BufferError, match="gaps"):
        push.send(memoryview(data)[::2], copy=False)
    for wrong in ("x" * 100_000, 5, None):
        with pytest.raises(TypeError, match=r"expected bytes|text is not allowed"):
            push.send(wrong, copy=False)
        with pytest.raises(TypeError, match=r"expected bytes|text is not allowed"):
            push.send_multipart([b"a", wrong], copy=False)
    with pytest.raises(ValueError, match="at least one part"):
        push.send_multipart([], copy=False)
    push.send(b"the socket goes on")
    assert pull.recv() == b"the socket goes on"


def test_a_buffer_is_one_whatever_it_is_made_of() -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    for kind in ("i8", "f4", "u1,f8"):
        array = numpy.zeros(100_000, dtype=kind)
        part = lent(array, 0)
        assert type(part) is not bytes
        assert (len(part), bytes(part)) == (array.nbytes, array.tobytes())


class Owner(bytearray):
    """A buffer whose owner uses the socket when it goes."""

    socket: Any = None
    seen: list[Any] = []  # noqa: RUF012 (the test's own)

    def __del__(self) -> None:
        try:
            self.seen.append(self.socket.events)
        except mqbridge.ZMQError as error:
            self.seen.append(error.errno)


def test_no_owner_s_code_runs_under_the_lock(context: Sockets, wait_for: Callable[..., None]) -> None:
    """DESIGN's rule: the buffer of one that has gone is given back when the socket can be used again."""
    push, pull = context.socket(mqbridge.PUSH), context.socket(mqbridge.PULL)
    joined(push, pull)
    Owner.socket, Owner.seen = push, []
    tracker = push.send(Owner(pattern_of(SIZE)), copy=False, track=True)
    assert tracker is not None
    assert Owner.seen == []
    assert len(pull.recv()) == SIZE
    tracker.wait(10)
    gc.collect()
    wait_for(lambda: Owner.seen == [zmq.POLLOUT], "the end of what was lent")
    # Also of one that was never sent.
    push.send(Owner(pattern_of(SIZE)), copy=False)
    push.close(0)
    gc.collect()
    wait_for(lambda: Owner.seen == [zmq.POLLOUT, errno.ENOTSOCK], "the end of what was lent")


def stuck(context: Sockets, conflate: bool = False) -> tuple[Any, Any, bytearray, Any]:
    """Return a PUSH and its PULL, which reads no more, and what is being written, with its tracker."""
    push, pull = context.socket(mqbridge.PUSH), context.socket(mqbridge.PULL)
    pull.rcvhwm = 1
    push.conflate = conflate
    joined(push, pull)
    # One that waits there, so that the peer reads no more; more than the kernel takes stops the rest.
    push.send(b"first")
    assert pull.poll(10_000)
    if not conflate:
        push.send(b"second")
    data = bytearray(SIZE)
    tracker = push.send(data, copy=False, track=True)
    return push, pull, data, tracker


def check_not_yet(pull: Any, data: bytearray, tracker: Any) -> None:
    """The message is not said to have left before it has: what is written to the buffer meanwhile arrives."""
    assert not tracker.done
    with pytest.raises(BufferError):
        data.append(0)
    data[-1] = 7
    while len(received := pull.recv()) < SIZE:
        pass
    assert received[-1] == 7
    tracker.wait(10)
    data.append(0)


@pytest.mark.parametrize("binds", [True, False])
def test_who_leaves_an_endpoint_writes_on(context: Sockets, binds: bool) -> None:
    push, pull, data, tracker = stuck(context)
    push.linger = -1
    if binds:
        push.unbind(push.last_endpoint)
    else:
        # The same, of a socket that has connected.
        push.close(0)
        push = context.socket(mqbridge.PUSH)
        pull.bind("tcp://127.0.0.1:*")
        push.connect(pull.last_endpoint)
        while pull.poll(0):
            pull.recv()
        push.send(b"first")
        assert pull.poll(10_000)
        push.send(b"second")
        data = bytearray(SIZE)
        tracker = push.send(data, copy=False, track=True)
        push.disconnect(pull.last_endpoint)
    check_not_yet(pull, data, tracker)


def test_the_latest_message_has_left_when_it_is_written(context: Sockets) -> None:
    _, pull, data, tracker = stuck(context, conflate=True)
    check_not_yet(pull, data, tracker)


def test_what_was_queued_for_a_peer_that_has_gone_is_given_back(context: Sockets) -> None:
    """Also while something of that peer's waits to be received."""
    ours, theirs = context.socket(mqbridge.DEALER), context.socket(mqbridge.DEALER)
    theirs.rcvhwm = 1
    joined(ours, theirs)
    theirs.send(b"unread")
    assert ours.poll(10_000)
    buffers = [bytearray(SIZE) for _ in range(4)]
    trackers = [ours.send(each, copy=False, track=True) for each in buffers]
    theirs.close(0)
    for each, tracker in zip(buffers, trackers, strict=True):
        tracker.wait(10)
        each.append(0)
    assert ours.recv() == b"unread"


def test_a_send_that_fails_gives_back(context: Sockets) -> None:
    push = context.socket(mqbridge.PUSH)
    data = pattern_of()
    for attempt in (
        lambda: push.send(data, mqbridge.DONTWAIT, copy=False),
        lambda: push.send(data, mqbridge.DONTWAIT, copy=False, track=True),
        lambda: push.send_multipart([data, b"", data], mqbridge.DONTWAIT, copy=False),
        lambda: push.send_multipart([data, 3], copy=False),
    ):
        with pytest.raises((mqbridge.Again, TypeError)):
            attempt()
        data.append(0)


def test_a_socket_that_is_closed_gives_back(context: Sockets) -> None:
    """The parts of a message that was not completed, and what waits for a peer that never shook hands."""
    push, data = context.socket(mqbridge.PUSH), pattern_of()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        push.connect(f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        handle, _ = silent.accept()
        with handle:
            tracker = push.send(data, copy=False, track=True)
            begun = push.send(data, mqbridge.SNDMORE, copy=False, track=True)
            assert not tracker.done and not begun.done
            push.close(0)
            tracker.wait(10)
            begun.wait(10)
            data.append(0)


def test_a_forked_child_that_asks_leaves_the_connection_alone(context: Sockets) -> None:
    _, pull, data, tracker = stuck(context)
    data[:] = pattern_of(SIZE)
    wanted = bytes(data)
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        # Whatever it is told: there is nothing that this process writes. It asks until the parent has all.
        os.close(theirs)
        while not select.select([ours], [], [], 0)[0]:
            tracker.done  # noqa: B018
        os._exit(0)
    os.close(ours)
    try:
        assert [pull.recv(), pull.recv()] == [b"first", b"second"]
        # What the kernel had taken before is of no interest.
        assert pull.recv()[SIZE // 2 :] == wanted[SIZE // 2 :]
    finally:
        os.close(theirs)
        assert os.waitpid(child, 0)[1] == 0
    tracker.wait(10)
    data.append(0)


def test_a_connection_that_never_shook_hands_keeps_no_buffer(context: Sockets) -> None:
    """It got what the one before had begun, and is there until the collector comes."""
    push, pull = context.socket(mqbridge.PUSH), context.socket(mqbridge.PULL)
    pull.rcvhwm, push.linger, push.reconnect_ivl = 1, 0, 1
    pull.bind("tcp://127.0.0.1:*")
    where = pull.last_endpoint.decode()
    push.connect(where)
    push.send(b"first")
    assert pull.poll(10_000)
    push.send(b"second")
    data = bytearray(SIZE)
    gc.collect()
    gc.disable()
    try:
        tracker = push.send(data, copy=False, track=True)
        pull.close(0)
        with socket.create_server(("127.0.0.1", int(where.rpartition(":")[2]))) as rude:
            handle, _ = rude.accept()
            handle.close()
        pull = context.socket(mqbridge.PULL)
        pull.rcvtimeo = 10_000
        pull.bind(where)
        assert len(pull.recv()) == SIZE
        tracker.wait(10)
        data.append(0)
    finally:
        gc.enable()
