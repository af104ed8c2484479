"""The proxy: both ways, with a capture, with a side that is full, and how it ends."""

from __future__ import annotations

import asyncio
import selectors
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge.proxy import monitored_queue


class Running:
    """A proxy in a thread."""

    def __init__(self, context: mqbridge.Context, front: int, back: int, capture: int | None = None) -> None:
        self.context = context
        self.front, self.back = context.socket(front), context.socket(back)
        self.capture = None if capture is None else context.socket(capture)
        self.error: BaseException | None = None
        self.front.bind("inproc://front")
        self.back.bind("inproc://back")
        if self.capture is not None:
            self.capture.bind("inproc://capture")
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        try:
            mqbridge.proxy(self.front, self.back, self.capture)
        except BaseException as error:
            self.error = error
        for socket in (self.front, self.back, self.capture):
            if socket is not None:
                socket.close(0)


@pytest.fixture
def context() -> Iterator[mqbridge.Context]:
    context = mqbridge.Context()
    yield context
    context.destroy(0)


Connected = Callable[[int, str], mqbridge.Socket]


@pytest.fixture
def proxied(context: mqbridge.Context) -> Iterator[Callable[..., Running]]:
    made: list[Running] = []

    def make(*types: int) -> Running:
        made.append(Running(context, *types))
        return made[-1]

    yield make
    # The sockets of `connected` are closed before that.
    context.term()
    for running in made:
        running.thread.join(10)
        assert isinstance(running.error, mqbridge.ContextTerminated)


@pytest.fixture
def connected(context: mqbridge.Context, proxied: Callable[..., Running]) -> Iterator[Connected]:
    made: list[mqbridge.Socket] = []

    def make(kind: int, endpoint: str) -> mqbridge.Socket:
        socket = context.socket(kind)
        socket.rcvtimeo = socket.sndtimeo = 10_000
        socket.connect(endpoint)
        made.append(socket)
        return socket

    yield make
    for socket in made:
        socket.close(0)


def test_requests_and_replies(proxied: Callable[..., Running], connected: Connected) -> None:
    proxied(mqbridge.ROUTER, mqbridge.DEALER)
    clients = [connected(mqbridge.REQ, "inproc://front") for _ in range(3)]
    workers = [connected(mqbridge.REP, "inproc://back") for _ in range(2)]
    for client_number, client in enumerate(clients):
        client.send_multipart([b"q", b"%d" % client_number])
    poller = mqbridge.Poller()
    for worker in workers:
        poller.register(worker, mqbridge.POLLIN)
    answered = 0
    while answered < len(clients):
        for worker, _ in poller.poll(10_000):
            worker.send_multipart([b"a", worker.recv_multipart()[1]])
            answered += 1
    for client_number, client in enumerate(clients):
        assert client.recv_multipart() == [b"a", b"%d" % client_number]


def test_a_stream_one_way_with_a_capture(proxied: Callable[..., Running], connected: Connected) -> None:
    proxied(mqbridge.PULL, mqbridge.PUSH, mqbridge.PUSH)
    push = connected(mqbridge.PUSH, "inproc://front")
    pull = connected(mqbridge.PULL, "inproc://back")
    copies = connected(mqbridge.PULL, "inproc://capture")
    messages = [[b"%d" % number] * (number % 3 + 1) for number in range(1000)]
    sender = threading.Thread(target=lambda: [push.send_multipart(message) for message in messages])
    sender.start()
    for message in messages:
        assert pull.recv_multipart() == message
        assert copies.recv_multipart() == message
    sender.join()


def test_subscriptions_travel_upstream(proxied: Callable[..., Running], connected: Connected) -> None:
    proxied(mqbridge.XSUB, mqbridge.XPUB)
    publisher = connected(mqbridge.XPUB, "inproc://front")
    subscriber = connected(mqbridge.SUB, "inproc://back")
    subscriber.subscribe(b"a")
    assert publisher.recv() == b"\x01a"
    publisher.send_multipart([b"b", b"no"])
    publisher.send_multipart([b"a", b"yes"])
    assert subscriber.recv_multipart() == [b"a", b"yes"]


def test_a_full_side_stops_what_is_meant_for_it_and_nothing_else(
    proxied: Callable[..., Running], connected: Connected
) -> None:
    running = proxied(mqbridge.PAIR, mqbridge.PAIR)
    one = connected(mqbridge.PAIR, "inproc://front")
    two = connected(mqbridge.PAIR, "inproc://back")
    one.sndtimeo = 200
    sent = 0
    with pytest.raises(mqbridge.Again):
        while sent < 100_000:
            one.send(b"%d" % sent)
            sent += 1
    assert sent >= 2000
    # The other way is as open as ever.
    two.send(b"back")
    assert one.recv() == b"back"
    for number in range(sent):
        assert two.recv() == b"%d" % number
    assert running.thread.is_alive()


def test_one_socket_for_both_sides(context: mqbridge.Context, connected: Connected) -> None:
    dealer = context.socket(mqbridge.DEALER)
    dealer.bind("inproc://echo")
    peer = connected(mqbridge.DEALER, "inproc://echo")

    def run() -> None:
        with pytest.raises(mqbridge.ContextTerminated):
            mqbridge.proxy(dealer, dealer)
        dealer.close(0)

    thread = threading.Thread(target=run)
    thread.start()
    peer.send_multipart([b"to", b"and fro"])
    assert peer.recv_multipart() == [b"to", b"and fro"]
    peer.close()
    context.term()
    thread.join(10)


def test_a_device_is_a_proxy_under_its_old_name(context: mqbridge.Context) -> None:
    with context.socket(mqbridge.PULL) as pull, context.socket(mqbridge.PUSH) as push:
        pull.close()
        with pytest.raises(mqbridge.ZMQError) as closed:
            mqbridge.device(mqbridge.STREAMER, pull, push)
        assert closed.value.errno == mqbridge.ENOTSOCK
        with pytest.raises(mqbridge.ZMQError, match="QUEUE, FORWARDER or STREAMER"):
            mqbridge.device("streamer", pull, push)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [None, 3, "socket"])
def test_what_is_no_socket(context: mqbridge.Context, wrong: Any) -> None:
    with context.socket(mqbridge.PULL) as pull:
        with pytest.raises(TypeError, match="backend"):
            mqbridge.proxy(pull, wrong)
        with pytest.raises(TypeError, match="frontend"):
            mqbridge.proxy(wrong, pull)


# ---- steered


@pytest.fixture
def steered(context: mqbridge.Context, connected: Connected) -> Iterator[Callable[..., Any]]:
    """A function that runs a steerable proxy between two PAIRs, and returns its control's peer, REQ or PAIR."""
    made: list[mqbridge.Socket] = []
    threads: list[threading.Thread] = []

    def make(kind: int) -> mqbridge.Socket:
        front, back = context.socket(mqbridge.PAIR), context.socket(mqbridge.PAIR)
        control, steering = (
            context.socket(kind),
            context.socket(mqbridge.PAIR if kind == mqbridge.PAIR else mqbridge.REQ),
        )
        steering.rcvtimeo = 10_000
        for socket, name in ((front, "front"), (back, "back"), (control, "control")):
            socket.bind(f"inproc://{name}")
        steering.connect("inproc://control")
        made.append(steering)

        def run() -> None:
            assert mqbridge.proxy_steerable(front, back, None, control) == 0
            for socket in (front, back, control):
                socket.close()

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return steering

    yield make
    for socket in made:
        socket.send(b"TERMINATE")
        socket.close()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def totals(message: list[bytes]) -> list[int]:
    return [struct.unpack("=Q", part)[0] for part in message]


def test_a_control_pauses_and_resumes(steered: Callable[..., Any], connected: Connected) -> None:
    control = steered(mqbridge.REP)
    one, two = connected(mqbridge.PAIR, "inproc://front"), connected(mqbridge.PAIR, "inproc://back")
    one.send_multipart([b"one", b"message"])
    assert two.recv_multipart() == [b"one", b"message"]
    two.send(b"back")
    assert one.recv() == b"back"
    control.send(b"STATISTICS")
    assert totals(control.recv_multipart()) == [2, 10, 1, 4, 1, 4, 2, 10]
    control.send(b"PAUSE")
    assert control.recv() == b""
    one.send(b"later")
    control.send(b"nonsense")
    assert control.recv() == b""
    control.send(b"STATISTICS")
    assert totals(control.recv_multipart()) == [2, 10, 1, 4, 1, 4, 2, 10]
    assert two.poll(0) == 0
    control.send(b"RESUME")
    assert control.recv() == b""
    assert two.recv() == b"later"


def test_a_pair_as_control_hears_statistics_only(steered: Callable[..., Any], connected: Connected) -> None:
    control = steered(mqbridge.PAIR)
    for command in (b"PAUSE", b"nonsense", b"RESUME"):
        control.send(command)
    control.send(b"STATISTICS")
    assert totals(control.recv_multipart()) == [0] * 8
    connected(mqbridge.PAIR, "inproc://front").send(b"x")
    assert connected(mqbridge.PAIR, "inproc://back").recv() == b"x"


def test_a_queue_that_tells_the_side(context: mqbridge.Context, connected: Connected) -> None:
    sockets = [context.socket(kind) for kind in (mqbridge.ROUTER, mqbridge.ROUTER, mqbridge.PAIR)]
    for socket, name in zip(sockets, ("front", "back", "capture"), strict=True):
        socket.bind(f"inproc://{name}")

    def run() -> None:
        with pytest.raises(mqbridge.ContextTerminated):
            monitored_queue(*sockets, b"from the front", b"from the back")
        for socket in sockets:
            socket.close()

    thread = threading.Thread(target=run)
    thread.start()
    copies = connected(mqbridge.PAIR, "inproc://capture")
    client, worker = context.socket(mqbridge.DEALER), context.socket(mqbridge.DEALER)
    for socket, name, endpoint in ((client, b"client", "inproc://front"), (worker, b"worker", "inproc://back")):
        socket.rcvtimeo = 10_000
        socket.routing_id = name
        socket.connect(endpoint)
    worker.send_multipart([b"client", b"hello"])
    assert client.recv_multipart() == [b"worker", b"hello"]
    assert copies.recv_multipart() == [b"from the back", b"client", b"worker", b"hello"]
    client.send_multipart([b"worker", b"you too"])
    assert worker.recv_multipart() == [b"client", b"you too"]
    assert copies.recv_multipart() == [b"from the front", b"worker", b"client", b"you too"]
    for socket in (client, worker, copies):
        socket.close()
    context.term()
    thread.join(10)


@pytest.mark.parametrize("wrong", ["in", None, 3])
def test_a_prefix_is_bytes(context: mqbridge.Context, wrong: Any) -> None:
    with context.socket(mqbridge.PAIR) as pair, pytest.raises(TypeError, match="in_prefix"):
        monitored_queue(pair, pair, pair, wrong)


# ---- in a loop


@pytest.fixture
def alone() -> Iterator[mqbridge.Context]:
    """A context without a thread: whatever happens is the loop's work."""
    with mqbridge.Context(0) as context:
        context.linger = 0
        yield context


def looping(*proxies: mqbridge.LoopProxy, until: Callable[[], object]) -> None:
    """Run proxies in a loop of selectors until a condition holds; a sleep is ended by their descriptors only."""
    with selectors.DefaultSelector() as selector:
        for each in proxies:
            selector.register(each.fileno(), selectors.EVENT_READ, each)
        while not until():
            ready = selector.select(10)
            assert ready, "nothing came"
            for key, _ in ready:
                key.data.turn()


@pytest.mark.parametrize("transport", ["inproc", "tcp"])
def test_in_a_loop_of_selectors(alone: mqbridge.Context, transport: str) -> None:
    with (
        alone.socket(mqbridge.PULL) as front,
        alone.socket(mqbridge.PUSH) as back,
        alone.socket(mqbridge.PUSH) as push,
        alone.socket(mqbridge.PULL) as pull,
        mqbridge.LoopProxy(front, back) as running,
    ):
        front.bind("inproc://front" if transport == "inproc" else "tcp://127.0.0.1:*")
        back.bind("inproc://back" if transport == "inproc" else "tcp://127.0.0.1:*")
        push.connect(front.last_endpoint)
        pull.connect(back.last_endpoint)
        found: list[bytes] = []

        def over() -> bool:
            # The others are in the same thread.
            push.get(mqbridge.EVENTS)
            while pull.poll(0):
                found.append(pull.recv())
            return len(found) == 500

        with selectors.DefaultSelector() as selector:
            for each in (running, push.view(), pull.view()):
                selector.register(each.fileno(), selectors.EVENT_READ, each)
            for number in range(500):
                push.send(b"%d" % number)
            while not over():
                ready = selector.select(10)
                assert ready, f"{len(found)} came"
                for key, _ in ready:
                    key.data.turn() if key.data is running else key.data.events()
            for key in list(selector.get_map().values()):
                if key.data is not running:
                    selector.unregister(key.fileobj)
                    key.data.close()
        assert found == [b"%d" % number for number in range(500)]
        assert running.statistics()[0] == 500


def test_a_turn_is_bounded_and_says_that_there_is_more(alone: mqbridge.Context) -> None:
    with (
        alone.socket(mqbridge.PAIR) as front,
        alone.socket(mqbridge.PAIR) as back,
        alone.socket(mqbridge.PAIR) as one,
        alone.socket(mqbridge.PAIR) as two,
        mqbridge.LoopProxy(front, back) as running,
    ):
        front.bind("inproc://front")
        back.bind("inproc://back")
        one.connect("inproc://front")
        two.connect("inproc://back")
        for number in range(1000):
            one.send(b"%d" % number)
        turns = 0
        with selectors.DefaultSelector() as selector:
            selector.register(running.fileno(), selectors.EVENT_READ)
            while selector.select(0):
                assert running.turn()
                turns += 1
        assert 10 <= turns < 30
        assert [two.recv() for _ in range(1000)] == [b"%d" % number for number in range(1000)]


def test_a_full_side_and_a_full_capture_do_not_stop_the_loop(alone: mqbridge.Context) -> None:
    with (
        alone.socket(mqbridge.PAIR) as front,
        alone.socket(mqbridge.PAIR) as back,
        alone.socket(mqbridge.PUSH) as capture,
        alone.socket(mqbridge.PAIR) as one,
        alone.socket(mqbridge.PAIR) as two,
        alone.socket(mqbridge.PULL) as copies,
        mqbridge.LoopProxy(front, back, capture) as running,
    ):
        for socket, name in ((front, "front"), (back, "back"), (capture, "capture")):
            socket.sndhwm = socket.rcvhwm = 5
            socket.bind(f"inproc://{name}")
        two.rcvhwm = 5
        one.connect("inproc://front")
        two.connect("inproc://back")
        one.send(b"first")
        running.turn()
        # Nobody takes the copies yet.
        assert two.poll(0) == 0
        copies.connect("inproc://capture")
        looping(running, until=lambda: two.poll(0))
        assert (two.recv(), copies.recv()) == (b"first", b"first")
        for number in range(50):
            one.send(b"%d" % number)
            running.turn()
        two.send(b"back")
        looping(running, until=lambda: one.poll(0))
        assert one.recv() == b"back"
        found: list[bytes] = []

        def drained() -> bool:
            while two.poll(0):
                found.append(two.recv())
            return len(found) == 50

        looping(running, until=drained)
        assert found == [b"%d" % number for number in range(50)]


def test_a_loops_proxy_is_steered_by_messages_and_by_hand(alone: mqbridge.Context) -> None:
    with (
        alone.socket(mqbridge.PAIR) as front,
        alone.socket(mqbridge.PAIR) as back,
        alone.socket(mqbridge.REP) as control,
        alone.socket(mqbridge.PAIR) as one,
        alone.socket(mqbridge.PAIR) as two,
        alone.socket(mqbridge.REQ) as steering,
        mqbridge.LoopProxy(front, back, None, control) as running,
    ):
        for socket, peer, name in ((front, one, "front"), (back, two, "back"), (control, steering, "control")):
            socket.bind(f"inproc://{name}")
            peer.connect(f"inproc://{name}")
        running.paused = True
        one.send(b"x")
        assert running.turn() and running.paused
        assert two.poll(0) == 0
        running.paused = False
        looping(running, until=lambda: two.poll(0))
        steering.send(b"PAUSE")
        looping(running, until=lambda: steering.poll(0))
        assert steering.recv() == b"" and running.paused
        steering.send(b"TERMINATE")
        while running.turn():
            pass
        assert steering.recv() == b""
        assert not running.turn()


@pytest.mark.parametrize("kind", [mqbridge.PAIR, mqbridge.DEALER])
def test_who_asks_and_does_not_listen_stops_no_loop(alone: mqbridge.Context, kind: int) -> None:
    with (
        alone.socket(mqbridge.PAIR) as front,
        alone.socket(mqbridge.PAIR) as back,
        alone.socket(kind) as control,
        alone.socket(mqbridge.PAIR) as one,
        alone.socket(mqbridge.PAIR) as two,
        alone.socket(kind) as steering,
    ):
        control.sndhwm = steering.rcvhwm = 1
        control.rcvhwm = steering.sndhwm = 0
        for socket, peer, name in ((front, one, "front"), (back, two, "back"), (control, steering, "control")):
            socket.bind(f"inproc://{name}")
            peer.connect(f"inproc://{name}")
        with mqbridge.LoopProxy(front, back, None, control) as running:
            for _ in range(300):
                steering.send(b"STATISTICS")
            one.send(b"x")
            looping(running, until=lambda: two.poll(0))
            answers = []

            def listened() -> bool:
                if steering.poll(0):
                    answers.append(totals(steering.recv_multipart()))
                return len(answers) == 300

            looping(running, until=listened)
            assert answers[-1] == [1, 1, 0, 0, 0, 0, 1, 1]
            assert not steering.poll(0)


def test_many_commands_leave_the_loop_its_turn(alone: mqbridge.Context) -> None:
    with (
        alone.socket(mqbridge.PAIR) as front,
        alone.socket(mqbridge.PAIR) as back,
        alone.socket(mqbridge.PAIR) as control,
        alone.socket(mqbridge.PAIR) as steering,
    ):
        control.rcvhwm = steering.sndhwm = 0
        control.bind("inproc://control")
        steering.connect("inproc://control")
        with mqbridge.LoopProxy(front, back, None, control) as running:
            for _ in range(1000):
                steering.send(b"PAUSE")
            steering.send(b"RESUME")
            running.turn()
            assert running.paused
            # Paused as it is, it goes on with its commands.
            looping(running, until=lambda: not running.paused)


def test_in_asyncio(alone: mqbridge.Context) -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        loop.add_reader(running.fileno(), running.turn)
        arrived = loop.create_future()
        loop.add_reader(pull.recv_fd, lambda: arrived.done() or (pull.poll(0) and arrived.set_result(pull.recv())))
        push.send(b"through the loop")
        found: bytes = await asyncio.wait_for(arrived, 10)
        loop.remove_reader(running.fileno())
        loop.remove_reader(pull.recv_fd)
        return found

    with (
        alone.socket(mqbridge.PULL) as front,
        alone.socket(mqbridge.PUSH) as back,
        alone.socket(mqbridge.PUSH) as push,
        alone.socket(mqbridge.PULL) as pull,
        mqbridge.LoopProxy(front, back) as running,
    ):
        front.bind("inproc://front")
        back.bind("inproc://back")
        push.connect("inproc://front")
        pull.connect("inproc://back")
        assert asyncio.run(main()) == b"through the loop"


def test_a_loop_hears_of_the_end(alone: mqbridge.Context) -> None:
    front, back = alone.socket(mqbridge.PULL), alone.socket(mqbridge.PUSH)
    with mqbridge.LoopProxy(front, back) as running:
        running.turn()
        front.close()
        with selectors.DefaultSelector() as selector:
            selector.register(running.fileno(), selectors.EVENT_READ)
            assert selector.select(10)
        with pytest.raises(mqbridge.ZMQError) as closed:
            running.turn()
        assert closed.value.errno == mqbridge.ENOTSOCK
    assert running.fileno() == -1
    running.close()
    with pytest.raises(mqbridge.ZMQError, match="closed"):
        running.turn()
    with pytest.raises(mqbridge.ZMQError):
        mqbridge.LoopProxy(back, front)
    back.close()
