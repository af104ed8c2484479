"""Either side is killed and started again in mid-stream: our process beside a pyzmq socket, and the other way round.

What must hold of each pattern is said with it. PUSH and PULL with our side living on are in `test_interop.py`.
"""

from __future__ import annotations

import contextlib
import importlib
import queue
import socket as system
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

import mqbridge

sys.path.append(str(Path(__file__).resolve().parent / "peers"))
peer_messages = importlib.import_module("peer_messages")
peer_process = importlib.import_module("peer_process")
ports = importlib.import_module("ports")
raw_peer = importlib.import_module("raw_peer")
message, number_of = peer_messages.message, peer_messages.number_of

ANYWHERE = "tcp://127.0.0.1:*"
RUNS = 2

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


class Stage:
    """A socket of one library here, and a process of the other that is killed and started again."""

    def __init__(self, here: Any, there: str, we_bind: bool) -> None:
        self.context = here.Context()
        self.library = here
        self.there = there
        self.we_bind = we_bind
        self.made: list[Any] = []
        self.started: list[Any] = []
        self.kept: list[system.socket] = []
        self.where: dict[str, list[str]] = {}

    def socket(self, kind: str, **options: Any) -> Any:
        """Return a socket, bound or connected to where the others will be."""
        made = self.context.socket(getattr(zmq, kind))
        self.made.append(made)
        common = {"linger": 0, "sndtimeo": 30_000, "rcvtimeo": 30_000, "reconnect_ivl": 20}
        for name, value in {**common, **options}.items():
            made.setsockopt(getattr(zmq, name.upper()), value)
        if self.we_bind:
            made.bind(ANYWHERE)
            self.where = {"connect": [made.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()]}
        else:
            self.kept.append(ports.reserve())
            endpoint = f"tcp://127.0.0.1:{ports.number(self.kept[-1])}"
            made.connect(endpoint)
            self.where = {"bind": [endpoint]}
        return made

    def start(self, role: str, **settings: Any) -> Any:
        """Start the other side."""
        settings["options"] = {"RECONNECT_IVL": 20, **settings.get("options", {})}
        self.started.append(peer_process.Peer("peer_roles.py", role, library=self.there, **self.where, **settings))
        return self.started[-1]

    def end(self) -> None:
        for socket in self.made:
            socket.close(0)
        self.context.term()
        for one in (*self.started, *self.kept):
            one.close()


@pytest.fixture(params=["pyzmq restarts", "we restart"])
def stage(request: pytest.FixtureRequest) -> Iterator[Callable[[bool], Stage]]:
    """A function that sets the stage; it says who binds: the side that lives on, or the one that is killed."""
    made: list[Stage] = []

    def make(we_bind: bool) -> Stage:
        libraries: tuple[Any, str] = (mqbridge, "zmq") if request.param == "pyzmq restarts" else (zmq, "mqbridge")
        made.append(Stage(*libraries, we_bind))
        return made[-1]

    yield make
    for one in made:
        one.end()


both_bind = pytest.mark.parametrize("we_bind", [True, False], ids=["the other connects", "the other binds"])


@contextlib.contextmanager
def in_thread(step: Callable[[], None]) -> Iterator[None]:
    """Repeat a step in a thread, until the block is over."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            while not stop.is_set():
                step()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()
    assert not errors, errors


def numbers(other: Any, least: int) -> list[int]:
    """Return the numbers that a process tells, at least so many, and kill it."""
    found = [other.hear("number") for _ in range(least)]
    other.kill()
    return found + other.rest("number")


# ---- PUSH and PULL: a puller gets a part without gaps, doubles or disorder; what it was sent and had not told is lost


@both_bind
def test_a_puller_is_killed(stage: Callable[[bool], Stage], we_bind: bool) -> None:
    here = stage(we_bind)
    push = here.socket("PUSH")
    sent = iter(range(10**9))
    last = -1
    other = here.start("collect")
    with in_thread(lambda: push.send_multipart(message(next(sent)))):
        for _ in range(RUNS):
            found = numbers(other, 1_000)
            assert found[0] > last, f"{found[0]} came already, the last was {last}"
            wanted = [number for number in range(found[0], found[-1] + 1) if number % 50 != 49]
            assert found == wanted, "messages are missing, doubled or out of order"
            last = found[-1]
            other = here.start("collect")
        # Somebody takes what is waited with.
        other.hear("number")


# ---- DEALER and ROUTER: what comes back is in order, without doubles; a router knows a peer that comes again


@both_bind
def test_a_router_is_killed(stage: Callable[[bool], Stage], we_bind: bool) -> None:
    here = stage(we_bind)
    dealer = here.socket("DEALER")
    sent = iter(range(10**9))
    last = -1
    other = here.start("echo_router")

    def send_and_receive() -> None:
        """Send one if there is room, and receive what is there."""
        nonlocal last
        if dealer.poll(1, zmq.POLLOUT):
            dealer.send_multipart(message(next(sent)))
        while dealer.poll(0):
            found = dealer.recv_multipart()
            if found != [b""]:
                number = number_of(found)
                assert number > last, f"{number} came after {last}"
                last = number

    for _ in range(RUNS):
        before = last
        while last < before + 2_000:
            send_and_receive()
        other.kill()
        other = here.start("echo_router")
    before = last
    while last <= before:
        send_and_receive()


@both_bind
def test_a_dealer_is_killed(stage: Callable[[bool], Stage], we_bind: bool) -> None:
    here = stage(we_bind)
    # Should the new one be there before the old one's end is seen, it may have the name.
    router = here.socket("ROUTER", router_handover=1)
    told: queue.Queue[int] = queue.Queue()

    def answer() -> None:
        if router.poll(10):
            name, *parts = router.recv_multipart()
            if parts != [b""] and name == b"the dealer":
                told.put(number_of(parts))
            router.send_multipart([name, *parts])

    with in_thread(answer):
        for run in range(RUNS):
            first = run * 1_000_000
            other = here.start("stream_dealer", first=first, options={"ROUTING_ID": "the dealer"})
            echoed: list[int] = []
            while not echoed or echoed[-1] < first + 1_000:
                echoed.append(other.hear("number"))
            other.kill()
            echoed += other.rest("number")
            if here.library is zmq and not we_bind:
                # A router of libzmq that connects gives the next one what was for the one before.
                echoed = [number for number in echoed if number >= first]
            # The whole way there and back nothing is missing, from the first one on.
            assert echoed == [number for number in range(first, echoed[-1] + 1) if number % 50 != 49]
    seen = [told.get() for _ in range(told.qsize())]
    for run in range(RUNS):
        of_run = [number for number in seen if number // 1_000_000 == run]
        assert of_run == [number for number in range(run * 1_000_000, of_run[-1] + 1) if number % 50 != 49]


# ---- PUB and SUB: a subscriber hears what it asked for, in order, also from a publisher that has started again


@both_bind
def test_a_publisher_is_killed(stage: Callable[[bool], Stage], we_bind: bool) -> None:
    here = stage(we_bind)
    subscriber = here.socket("SUB", subscribe=b"good")
    subscriber.setsockopt(zmq.SUBSCRIBE, b"never mind")
    subscriber.setsockopt(zmq.UNSUBSCRIBE, b"never mind")
    last = -1
    for run in range(RUNS):
        first = run * 1_000_000
        other = here.start("publish", first=first)
        found: list[tuple[bytes, int]] = []
        while len(found) < 400:
            topic, number = subscriber.recv_multipart()
            # The rest of the one before comes first.
            if int(number) >= first:
                found.append((topic, int(number)))
            else:
                assert int(number) >= last
                last = int(number)
        begin = found[0][1]
        wanted = [(topic, number) for number in range(begin, begin + 400) for topic in (b"good", b"good too")]
        assert found == wanted[found[0][0] == b"good too" :][: len(found)]
        last = found[-1][1]
        other.kill()


@both_bind
def test_a_subscriber_is_killed(stage: Callable[[bool], Stage], we_bind: bool) -> None:
    here = stage(we_bind)
    publisher = here.socket("PUB")
    sent = iter(range(10**9))

    def publish() -> None:
        number = next(sent)
        for topic in (b"good", b"bad", b"good too", b""):
            publisher.send_multipart([topic, b"%d" % number])
        # Nobody is to miss any for want of room.
        publisher.poll(1, zmq.POLLIN)

    last = -1
    with in_thread(publish):
        for _ in range(RUNS):
            found = numbers(here.start("hear", options={"SUBSCRIBE": "good"}), 200)
            assert found[0] > last
            # Each number comes twice; at the beginning and at the end one may be cut off.
            whole = found[1:] if found[0] != found[1] else found
            wanted = [number for number in range(whole[0], whole[-1] + 1) for _ in range(2)]
            assert whole == wanted[: len(whole)]
            last = found[-1]


# ---- REQ and REP: with REQ_RELAXED and REQ_CORRELATE a question may be asked again, and no old reply is taken for it


@both_bind
def test_an_answerer_is_killed(stage: Callable[[bool], Stage], we_bind: bool) -> None:
    here = stage(we_bind)
    req = here.socket("REQ", req_relaxed=1, req_correlate=1, rcvtimeo=200)
    asked = 0

    def ask(times: int) -> None:
        nonlocal asked
        deadline = time.monotonic() + 30
        answered = 0
        while answered < times:
            assert time.monotonic() < deadline, f"{answered} of {times} were answered"
            asked += 1
            with contextlib.suppress(zmq.Again, mqbridge.Again):
                req.send(b"question %d" % asked)
                assert req.recv() == b"question %d" % asked
                answered += 1

    for _ in range(RUNS):
        other = here.start("echo_rep")
        ask(500)
        other.kill()
        # Nobody answers this one.
        with contextlib.suppress(zmq.Again, mqbridge.Again):
            req.setsockopt(zmq.SNDTIMEO, 100)
            req.send(b"anybody there?")


@both_bind
def test_a_requester_is_killed(stage: Callable[[bool], Stage], we_bind: bool) -> None:
    here = stage(we_bind)
    rep = here.socket("REP")
    # What it answers while nobody is there, a REP that connects gives to the next one, in both libraries (the test
    # below). A REQ takes that for the answer to its first question, unless questions have numbers.
    options = {} if we_bind else {"REQ_CORRELATE": 1}

    def answer() -> None:
        if rep.poll(10):
            rep.send_multipart(rep.recv_multipart())

    with in_thread(answer):
        for run in range(RUNS):
            found = numbers(here.start("ask_req", first=run * 1_000, options=options), 300)
            assert found == list(range(run * 1_000, run * 1_000 + len(found)))


@pytest.mark.parametrize("library", [mqbridge, zmq], ids=["mqbridge", "zmq"])
def test_a_rep_that_connects_answers_whoever_is_there(library: Any) -> None:
    with (
        system.create_server(("127.0.0.1", 0)) as listener,
        library.Context() as context,
        context.socket(library.REP) as rep,
    ):
        listener.settimeout(30)
        rep.linger, rep.rcvtimeo, rep.reconnect_ivl = 0, 30_000, 1
        monitor = rep.get_monitor_socket(library.EVENT_DISCONNECTED)
        monitor.rcvtimeo = 30_000
        rep.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        with listener.accept()[0] as first:
            raw_peer.shake_hands(first, b"REQ")
            first.sendall(raw_peer.encoded(b"", b"question"))
            assert rep.recv() == b"question"
        monitor.recv_multipart()
        rep.send(b"answer")
        with listener.accept()[0] as second:
            second.settimeout(30)
            raw_peer.shake_hands(second, b"REQ")
            assert raw_peer.read_message(second) == [b"", b"answer"]
        rep.disable_monitor()
        monitor.close(0)
