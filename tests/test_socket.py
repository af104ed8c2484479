"""The public socket: pyzmq's names with pyzmq's meaning, and what mqbridge has beyond them."""

from __future__ import annotations

import array
import errno
import gc
import inspect
import os
import re
import select
import signal
import socket as system
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import zmq

import mqbridge

pytestmark = pytest.mark.timeout(20)

WaitFor = Callable[..., None]
Scaled = Callable[[float], float]
Make = Callable[..., Any]
Join = Callable[..., tuple[Any, Any]]

TRANSPORTS = ["tcp", "inproc"]
# Connecting type, binding type.
PAIRS = [("REQ", "REP"), ("PUSH", "PULL"), ("PAIR", "PAIR"), ("REP", "REQ"), ("PULL", "PUSH")]


@pytest.fixture(params=["mqbridge", "zmq"])
def library(request: pytest.FixtureRequest) -> ModuleType:
    """Both libraries: what stock pyzmq does is what the test expects of ours. Ours leaves no descriptor open."""
    if request.param == "mqbridge":
        request.getfixturevalue("no_descriptor_leak")
    return {"mqbridge": mqbridge, "zmq": zmq}[request.param]


def sockets_of(library: ModuleType, io_threads: int = 1) -> Iterator[Make]:
    context = library.Context(io_threads)
    context.linger = 0
    # No test waits for ever.
    context.rcvtimeo = context.sndtimeo = 5_000
    made = []

    def make_one(kind: str, **options: Any) -> Any:
        made.append(context.socket(getattr(library, kind), socket_class=options.pop("cls", None)))
        for name, value in options.items():
            setattr(made[-1], name, value)
        return made[-1]

    yield make_one
    for socket in made:
        socket.close(0)
    end = threading.Thread(target=context.term, daemon=True)
    end.start()
    end.join(5)
    assert not end.is_alive(), "term() hangs"


@pytest.fixture
def make(library: ModuleType) -> Iterator[Make]:
    """A function that makes a socket, `make("PUSH", sndhwm=1)`, closed at the end of the test."""
    yield from sockets_of(library)


@pytest.fixture
def ours(no_descriptor_leak: None) -> Iterator[Make]:
    """The same for what only mqbridge has."""
    yield from sockets_of(mqbridge)


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """Each transport."""
    return str(request.param)


def endpoint_for(transport: str) -> str:
    return {"tcp": "tcp://127.0.0.1:*", "inproc": "inproc://here"}[transport]


def join(connecting: Any, binding: Any, transport: str = "inproc") -> tuple[Any, Any]:
    """Bind one socket and connect the other; return both."""
    binding.bind(endpoint_for(transport))
    connecting.connect(binding.last_endpoint.decode())
    return connecting, binding


# pyzmq's names that mqbridge does not have yet, or has no use for.
WITHOUT: set[str] = set()


def test_pyzmqs_names() -> None:
    theirs = {name for name in dir(zmq.Socket) if not name.startswith("_")}
    assert theirs - {name for name in dir(mqbridge.Socket) if not name.startswith("_")} == WITHOUT


# ---- messages


@pytest.mark.parametrize("flip", [False, True], ids=["", "flipped"])
def test_req_and_rep(make: Make, transport: str, flip: bool) -> None:
    req, rep = make("REQ"), make("REP")
    join(*((rep, req) if flip else (req, rep)), transport)
    for number in range(20):
        req.send(b"question %d" % number)
        assert rep.recv() == b"question %d" % number
        rep.send_multipart([b"answer", b"%d" % number])
        assert req.recv_multipart() == [b"answer", b"%d" % number]


@pytest.mark.parametrize("flip", [False, True], ids=["", "flipped"])
def test_push_and_pull(make: Make, transport: str, flip: bool) -> None:
    push, pull = make("PUSH"), make("PULL")
    join(*((pull, push) if flip else (push, pull)), transport)
    for number in range(500):
        push.send(b"%d" % number)
    assert [pull.recv() for _ in range(500)] == [b"%d" % number for number in range(500)]


def test_pairs(make: Make, transport: str) -> None:
    one, other = join(make("PAIR"), make("PAIR"), transport)
    for number in range(100):
        one.send(b"%d" % number)
        other.send(b"-%d" % number)
    assert [other.recv() for _ in range(100)] == [b"%d" % number for number in range(100)]
    assert [one.recv() for _ in range(100)] == [b"-%d" % number for number in range(100)]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 8192, 70_000, 3_000_000])
def test_sizes(make: Make, transport: str, size: int) -> None:
    push, pull = join(make("PUSH"), make("PULL"), transport)
    data = os.urandom(size)
    push.send(data)
    push.send_multipart([data, b"", data])
    assert pull.recv() == data
    assert pull.recv_multipart() == [data, b"", data]


def test_connecting_before_there_is_a_name_to_connect_to(make: Make) -> None:
    push, pull = make("PUSH"), make("PULL")
    push.connect("inproc://later")
    push.send(b"early")
    pull.bind("inproc://later")
    assert pull.recv() == b"early"


def test_connecting_before_anybody_listens(make: Make) -> None:
    push, pull = make("PUSH", reconnect_ivl=10), make("PULL")
    # Bound, so that it is ours alone, but nobody listens.
    with system.socket() as place:
        place.setsockopt(system.SOL_SOCKET, system.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{place.getsockname()[1]}"
        push.connect(endpoint)
        push.send(b"early")
        pull.bind(endpoint)
        assert pull.recv() == b"early"


def test_a_push_deals_in_turn(make: Make, wait_for: WaitFor) -> None:
    push, pulls = make("PUSH"), [make("PULL") for _ in range(3)]
    for number, pull in enumerate(pulls):
        pull.bind(f"inproc://{number}")
        push.connect(f"inproc://{number}")
    for number in range(9):
        push.send(b"%d" % number)
    dealt = [[int(pull.recv()) for _ in range(3)] for pull in pulls]
    assert sorted(dealt) == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


# ---- parts


def test_multipart(make: Make, transport: str) -> None:
    one, other = join(make("PAIR"), make("PAIR"), transport)
    for parts in ([b"one"], [b"a", b"b"], [b""], [b"", b"", b""], [b"%d" % number for number in range(300)]):
        one.send_multipart(parts)
        assert other.recv_multipart() == parts


@pytest.mark.parametrize("parts", [(b"a", b"b"), [bytearray(b"a"), memoryview(b"b")]])
def test_any_sequence_of_buffers_is_a_message(make: Make, parts: Any) -> None:
    one, other = join(make("PAIR"), make("PAIR"))
    one.send_multipart(parts)
    received = other.recv_multipart()
    assert received == [b"a", b"b"]
    assert [type(part) for part in received] == [bytes, bytes]


def test_parts_one_by_one(library: ModuleType, make: Make, transport: str) -> None:
    one, other = join(make("PAIR"), make("PAIR"), transport)
    one.send(b"a", library.SNDMORE)
    one.send(b"b", flags=library.SNDMORE)
    one.send(b"")
    received = []
    while True:
        received.append(other.recv())
        if not other.rcvmore:
            break
    assert received == [b"a", b"b", b""]


def test_nothing_of_a_message_is_seen_before_its_last_part(library: ModuleType, make: Make, transport: str) -> None:
    one, other = join(make("PAIR"), make("PAIR"), transport)
    one.send(b"first")
    assert other.recv() == b"first"
    one.send(b"a", library.SNDMORE)
    assert other.poll(20) == 0
    with pytest.raises(library.Again):
        other.recv(library.DONTWAIT)
    one.send(b"b")
    assert other.recv_multipart() == [b"a", b"b"]


def test_the_rest_of_a_message_begun(make: Make) -> None:
    one, other = join(make("PAIR"), make("PAIR"))
    one.send_multipart([b"a", b"b", b"c"])
    one.send(b"next")
    assert other.recv() == b"a"
    assert other.recv_multipart() == [b"b", b"c"]
    assert other.recv_multipart() == [b"next"]


def test_multipart_with_sndmore_goes_on(library: ModuleType, make: Make) -> None:
    one, other = join(make("PAIR"), make("PAIR"))
    one.send_multipart([b"a", b"b"], library.SNDMORE)
    one.send(b"c", library.SNDMORE)
    one.send_multipart([b"d", b"e"])
    assert other.recv_multipart() == [b"a", b"b", b"c", b"d", b"e"]


def test_a_wrong_part_leaves_nothing_behind(make: Make) -> None:
    one, other = join(make("PAIR"), make("PAIR"))
    for wrong in ("text", 1, None):
        with pytest.raises(TypeError):
            one.send_multipart([b"a", wrong])
    one.send(b"alone")
    assert other.recv_multipart() == [b"alone"]


def test_an_unfinished_message_is_not_sent(library: ModuleType, make: Make, transport: str) -> None:
    one, other = join(make("PAIR"), make("PAIR"), transport)
    one.send(b"whole")
    assert other.recv() == b"whole"
    one.send(b"half", library.SNDMORE)
    one.close()
    assert other.poll(20) == 0


def test_a_message_has_parts(library: ModuleType, make: Make) -> None:
    one, _ = join(make("PAIR"), make("PAIR"))
    with pytest.raises((ValueError, IndexError)):
        one.send_multipart([])


# ---- what is sent


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abcdef")[1:3], b"bc"),
        (array.array("B", [1, 2]), b"\1\2"),
        (array.array("H", [0x0101, 0x0202]), b"\1\1\2\2"),
    ],
)
def test_buffers(make: Make, transport: str, data: Any, expected: bytes) -> None:
    one, other = join(make("PAIR"), make("PAIR"), transport)
    one.send(data)
    assert other.recv() == expected


def test_what_is_sent_is_what_it_was_at_the_send(make: Make, transport: str) -> None:
    one, other = join(make("PAIR"), make("PAIR"), transport)
    data = bytearray(b"before")
    one.send(data)
    data[:] = b"later!"
    data.extend(b"and longer")
    assert other.recv() == b"before"


@pytest.mark.parametrize("data", ["text", 1, None, [b"a"], object()])
def test_what_is_no_buffer_is_refused(make: Make, data: object) -> None:
    one, other = join(make("PAIR"), make("PAIR"))
    with pytest.raises(TypeError):
        one.send(data)
    assert other.poll(0) == 0


def test_bytes_cross_inproc_as_they_are(ours: Make) -> None:
    one, other = join(ours("PAIR"), ours("PAIR"))
    data = os.urandom(1000)
    one.send(data)
    assert other.recv() is data


def test_what_recv_returns(library: ModuleType, make: Make) -> None:
    one, other = join(make("PAIR"), make("PAIR"))
    for arguments in ({}, {"copy": True}, {"flags": 0, "copy": True, "track": False}):
        one.send(b"x")
        assert type(other.recv(**arguments)) is bytes
        one.send_multipart([b"x", b"y"])
        assert other.recv_multipart(**arguments) == [b"x", b"y"]


def test_send_takes_pyzmqs_arguments(make: Make) -> None:
    one, other = join(make("PAIR"), make("PAIR"))
    one.send(b"x", copy=True, track=False)
    one.send_multipart([b"y"], copy=True, track=False)
    assert (other.recv(), other.recv()) == (b"x", b"y")


# ---- not now


@pytest.mark.parametrize("kind", ["PULL", "PAIR", "REP"])
def test_dontwait_without_a_message(library: ModuleType, make: Make, kind: str) -> None:
    socket = make(kind)
    for call in (socket.recv, socket.recv_multipart):
        with pytest.raises(library.Again) as caught:
            call(library.DONTWAIT)
        assert caught.value.errno == errno.EAGAIN
        with pytest.raises(library.Again):
            call(flags=library.NOBLOCK)


@pytest.mark.parametrize("kind", ["PUSH", "PAIR", "REQ"])
def test_dontwait_without_a_peer(library: ModuleType, make: Make, kind: str) -> None:
    socket = make(kind)
    for call in (lambda flags: socket.send(b"x", flags), lambda flags: socket.send_multipart([b"x", b"y"], flags)):
        with pytest.raises(library.Again) as caught:
            call(library.DONTWAIT)
        assert caught.value.errno == errno.EAGAIN
    with pytest.raises(library.Again):
        socket.send(b"x", library.DONTWAIT | library.SNDMORE)


def test_dontwait_at_the_high_water_mark(library: ModuleType, make: Make) -> None:
    push, pull = make("PUSH", sndhwm=2), make("PULL", rcvhwm=2)
    join(push, pull)
    sent = 0
    with pytest.raises(library.Again):
        while sent < 100:
            push.send(b"%d" % sent, library.DONTWAIT)
            sent += 1
    assert sent == 4
    assert [pull.recv() for _ in range(4)] == [b"0", b"1", b"2", b"3"]
    with pytest.raises(library.Again):
        pull.recv(library.DONTWAIT)


def test_what_dontwait_refused_was_not_sent(library: ModuleType, make: Make, wait_for: WaitFor) -> None:
    push, pull = join(make("PUSH", sndhwm=1), make("PULL", rcvhwm=1))
    push.send(b"a")
    push.send_multipart([b"b", b"b"])
    for _ in range(3):
        with pytest.raises(library.Again):
            push.send_multipart([b"no", b"no"], library.DONTWAIT)
        with pytest.raises(library.Again):
            push.send(b"no", library.DONTWAIT)
    assert pull.recv_multipart() == [b"a"]
    assert pull.recv_multipart() == [b"b", b"b"]
    wait_for(lambda: push.poll(0, library.POLLOUT), "room")
    push.send(b"c", library.DONTWAIT)
    assert pull.recv_multipart() == [b"c"]


@pytest.mark.parametrize("what", ["recv", "send"])
def test_p20_timeouts(library: ModuleType, make: Make, scaled: Scaled, what: str) -> None:
    milliseconds = 60
    socket = make("PAIR", rcvtimeo=milliseconds, sndtimeo=milliseconds)
    began = time.monotonic()
    with pytest.raises(library.Again) as caught:
        socket.recv() if what == "recv" else socket.send(b"x")
    elapsed = time.monotonic() - began
    assert caught.value.errno == errno.EAGAIN
    assert milliseconds / 1000 - 0.002 <= elapsed < scaled(20)


def test_p20_a_message_in_time_is_received(library: ModuleType, make: Make) -> None:
    one, other = join(make("PAIR"), make("PAIR", rcvtimeo=10_000))
    sender = threading.Timer(0.03, one.send, [b"x"])
    sender.start()
    assert other.recv() == b"x"
    sender.join()


def test_reasons_are_given(ours: Make) -> None:
    push, pull = ours("PUSH", sndhwm=1, sndtimeo=1), ours("PULL", rcvhwm=1, rcvtimeo=1)
    with pytest.raises(mqbridge.Again, match=r"send\(\): would block: there is no peer"):
        push.send(b"x", mqbridge.DONTWAIT)
    with pytest.raises(mqbridge.Again, match=r"recv\(\): timed out: no message has come"):
        pull.recv()
    join(push, pull)
    push.send(b"x")
    push.send(b"x")
    with pytest.raises(mqbridge.Again, match=r"send\(\): timed out: every peer is at its high-water mark"):
        push.send(b"x")


def test_again_is_what_a_python_user_would_catch(ours: Make) -> None:
    socket = ours("PULL")
    for kind in (BlockingIOError, TimeoutError, OSError, mqbridge.ZMQError):
        with pytest.raises(kind):
            socket.recv(mqbridge.DONTWAIT)


# ---- out of turn, and never


def test_efsm(library: ModuleType, make: Make) -> None:
    req, rep = join(make("REQ"), make("REP"))
    for call in (req.recv, lambda: rep.send(b"x"), lambda: req.recv(library.DONTWAIT), lambda: req.recv_multipart()):
        with pytest.raises(library.ZMQError) as caught:
            call()
        assert caught.value.errno == library.EFSM
    req.send(b"q")
    with pytest.raises(library.ZMQError) as caught:
        req.send(b"again")
    assert caught.value.errno == library.EFSM
    assert rep.recv() == b"q"
    with pytest.raises(library.ZMQError) as caught:
        rep.recv()
    assert caught.value.errno == library.EFSM
    rep.send(b"a")
    assert req.recv() == b"a"


@pytest.mark.parametrize("kind", ["PUSH", "PULL"])
def test_enotsup(library: ModuleType, make: Make, kind: str) -> None:
    socket = make(kind)
    calls = {
        "PUSH": [socket.recv, socket.recv_multipart, lambda: socket.recv(library.DONTWAIT)],
        "PULL": [lambda: socket.send(b"x"), lambda: socket.send_multipart([b"x"]), lambda: socket.send_string("x")],
    }
    for call in calls[kind]:
        with pytest.raises(library.ZMQError) as caught:
            call()
        assert caught.value.errno == errno.ENOTSUP


def test_errors_say_what_to_do(ours: Make) -> None:
    for call, text in (
        (ours("PUSH").recv, r"recv\(\): a PUSH socket only sends; receive with PULL"),
        (lambda: ours("PULL").send(b""), r"send\(\): a PULL socket only receives; send with PUSH"),
        (ours("REQ").recv, r"recv\(\): out of turn on a REQ socket: send a request first"),
        (lambda: ours("REP").send(b""), r"send\(\): out of turn on a REP socket: receive a request first"),
    ):
        with pytest.raises(mqbridge.ZMQError, match=text):
            call()


CLOSED_CALLS: dict[str, Callable[[Any], object]] = {
    "send": lambda socket: socket.send(b"x"),
    "send_multipart": lambda socket: socket.send_multipart([b"x", b"y"]),
    "recv": lambda socket: socket.recv(),
    "recv_multipart": lambda socket: socket.recv_multipart(),
    "bind": lambda socket: socket.bind("inproc://here"),
    "connect": lambda socket: socket.connect("inproc://here"),
    "unbind": lambda socket: socket.unbind("inproc://here"),
    "disconnect": lambda socket: socket.disconnect("inproc://here"),
    "bind_to_random_port": lambda socket: socket.bind_to_random_port("tcp://127.0.0.1"),
    "fileno": lambda socket: socket.fileno(),
    "events": lambda socket: socket.events,
    "dontwait": lambda socket: socket.recv(1),
}


@pytest.mark.parametrize("call", CLOSED_CALLS)
def test_enotsock(library: ModuleType, make: Make, call: str) -> None:
    socket = make("PAIR")
    socket.close()
    with pytest.raises(library.ZMQError) as caught:
        CLOSED_CALLS[call](socket)
    assert caught.value.errno == library.ENOTSOCK


@pytest.mark.parametrize("call", ["poll", "view", "recv_fd", "send_fd"])
def test_enotsock_of_ours(ours: Make, call: str) -> None:
    socket = ours("PAIR")
    socket.close()
    with pytest.raises(mqbridge.ZMQError, match="the socket is closed") as caught:
        attribute = getattr(socket, call)
        attribute()
    assert caught.value.errno == mqbridge.ENOTSOCK


def test_poll_of_a_closed_socket_raises(library: ModuleType, make: Make) -> None:
    socket = make("PAIR")
    socket.close()
    with pytest.raises(library.ZMQError):
        socket.poll(0)


# ---- endpoints


def test_bind_in_a_with_statement(library: ModuleType, make: Make, transport: str, wait_for: WaitFor) -> None:
    one, other = make("PAIR"), make("PAIR")
    with one.bind(endpoint_for(transport)):
        endpoint = one.last_endpoint.decode()
        with pytest.raises(library.ZMQError) as caught:
            other.bind(endpoint)
        assert caught.value.errno == errno.EADDRINUSE

    def free() -> bool:
        try:
            other.bind(endpoint)
        except library.ZMQError as error:
            assert error.errno == errno.EADDRINUSE
            return False
        return True

    wait_for(free, "the endpoint's release")


def test_connect_in_a_with_statement(library: ModuleType, make: Make, transport: str, wait_for: WaitFor) -> None:
    push, pull = make("PUSH"), make("PULL")
    pull.bind(endpoint_for(transport))
    endpoint = pull.last_endpoint.decode()
    with push.connect(endpoint):
        push.send(b"x")
        assert pull.recv() == b"x"
    wait_for(lambda: not push.poll(0, library.POLLOUT), "the disconnect")
    with pytest.raises(library.ZMQError) as caught:
        push.disconnect(endpoint)
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parametrize("verb", ["bind", "connect"])
def test_the_with_statement_gives_the_socket(library: ModuleType, make: Make, verb: str) -> None:
    socket = make("PAIR")
    with getattr(socket, verb)("inproc://here") as given:
        assert given is socket


def test_a_with_statement_around_a_close(make: Make) -> None:
    socket = make("PAIR")
    with socket.bind("inproc://here"):
        socket.close()
    assert socket.closed


def test_bind_and_socket_in_one_statement(library: ModuleType, make: Make) -> None:
    socket = make("PAIR")
    with socket, socket.bind("tcp://127.0.0.1:*"):
        assert socket.last_endpoint.startswith(b"tcp://127.0.0.1:")
    assert socket.closed


@pytest.mark.parametrize("verb", ["unbind", "disconnect"])
def test_an_endpoint_the_socket_does_not_have(library: ModuleType, make: Make, transport: str, verb: str) -> None:
    socket = make("PAIR")
    endpoint = {"tcp": "tcp://127.0.0.1:9", "inproc": "inproc://nowhere"}[transport]
    with pytest.raises(library.ZMQError) as caught:
        getattr(socket, verb)(endpoint)
    assert caught.value.errno == errno.ENOENT


def test_unbind_ends_the_connections_made_there(make: Make, wait_for: Callable[..., None]) -> None:
    pull, push = join(make("PULL"), make("PUSH"), "tcp")
    push.send(b"a")
    assert pull.recv() == b"a"
    push.send(b"b")
    push.unbind(push.last_endpoint)
    wait_for(lambda: not push.poll(0, mqbridge.POLLOUT), "the end of the connection")
    assert pull.recv() == b"b"


@pytest.mark.parametrize("verb", ["bind", "connect"])
@pytest.mark.parametrize("endpoint", ["", "tcp", "tcp://", "nowhere", "tcp://127.0.0.1", "://", "inproc://"])
def test_malformed_endpoints(library: ModuleType, make: Make, verb: str, endpoint: str) -> None:
    with pytest.raises(library.ZMQError) as caught:
        getattr(make("PAIR"), verb)(endpoint)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("verb", ["bind", "connect"])
def test_there_is_no_such_transport(library: ModuleType, make: Make, verb: str) -> None:
    with pytest.raises(library.ZMQError) as caught:
        getattr(make("PAIR"), verb)("carrier-pigeon://roof")
    assert caught.value.errno == errno.EPROTONOSUPPORT


@pytest.mark.parametrize("endpoint", [b"inproc://bytes", "inproc://text"])
def test_endpoints_are_text_or_bytes(make: Make, endpoint: Any) -> None:
    one, other = make("PAIR"), make("PAIR")
    one.bind(endpoint)
    other.connect(endpoint)
    one.send(b"x")
    assert other.recv() == b"x"


@pytest.mark.parametrize("endpoint", [1, None, ["inproc://a"]])
def test_other_things_are_no_endpoints(make: Make, endpoint: Any) -> None:
    for verb in ("bind", "connect"):
        with pytest.raises(TypeError):
            getattr(make("PAIR"), verb)(endpoint)


def test_errors_name_the_endpoint(ours: Make) -> None:
    socket = ours("PAIR")
    socket.bind("inproc://mine")
    for call, text in (
        (lambda: socket.bind("tcp://127.0.0.1"), 'bind("tcp://127.0.0.1"): a tcp endpoint needs a port'),
        (lambda: socket.bind("tcp://127.0.0.1:123456"), '"123456" is not a port'),
        (lambda: socket.connect("http://a"), 'connect("http://a"): there is no transport "http"'),
        (lambda: socket.bind("inproc://mine"), 'bind("inproc://mine"): another socket of this context has that name'),
        (lambda: socket.unbind("inproc://yours"), "not an endpoint of this socket, which has inproc://mine"),
        (lambda: socket.bind("tcp://no-such-interface:1"), "there is no no-such-interface here"),
    ):
        with pytest.raises(mqbridge.ZMQError, match=re.escape(text)):
            call()


def test_an_address_in_use(library: ModuleType, make: Make) -> None:
    one, other = make("PAIR"), make("PAIR")
    port = one.bind_to_random_port("tcp://127.0.0.1")
    with pytest.raises(library.ZMQError) as caught:
        other.bind(f"tcp://127.0.0.1:{port}")
    assert caught.value.errno == errno.EADDRINUSE


def test_bind_to_random_port(library: ModuleType, make: Make) -> None:
    push, pull = make("PUSH"), make("PULL")
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    assert pull.last_endpoint == b"tcp://127.0.0.1:%d" % port
    push.connect(f"tcp://127.0.0.1:{port}")
    push.send(b"x")
    assert pull.recv() == b"x"


def test_bind_to_random_port_of_a_range(library: ModuleType, make: Make) -> None:
    one, other = make("PAIR"), make("PAIR")
    port = one.bind_to_random_port("tcp://127.0.0.1")
    with pytest.raises(library.ZMQBindError):
        other.bind_to_random_port("tcp://127.0.0.1", min_port=port, max_port=port + 1, max_tries=3)
    one.unbind(one.last_endpoint)
    found = other.bind_to_random_port("tcp://127.0.0.1", 20_000, 30_000)
    assert 20_000 <= found < 30_000
    with pytest.raises(library.ZMQError):
        other.bind_to_random_port("carrier-pigeon://roof", 20_000, 30_000)


# ---- poll


def test_poll(library: ModuleType, make: Make, transport: str) -> None:
    push, pull = join(make("PUSH"), make("PULL"), transport)
    assert pull.poll(0) == 0
    assert push.poll(10_000, library.POLLOUT) == library.POLLOUT
    assert push.poll(0, library.POLLIN) == 0
    push.send(b"x")
    assert pull.poll(10_000) == library.POLLIN
    assert pull.poll(0, library.POLLIN | library.POLLOUT) == library.POLLIN
    assert pull.poll(timeout=None, flags=library.POLLIN) == library.POLLIN
    assert pull.recv() == b"x"
    assert pull.poll(0) == 0


@pytest.mark.parametrize("milliseconds", [50, 50.5])
def test_polls_timeout_is_milliseconds(make: Make, scaled: Scaled, milliseconds: float) -> None:
    socket = make("PULL")
    began = time.monotonic()
    assert socket.poll(milliseconds) == 0
    assert 0.045 <= time.monotonic() - began < scaled(20)


@pytest.mark.parametrize("forever", [None, -1])
def test_poll_for_ever(make: Make, forever: Any) -> None:
    one, other = join(make("PAIR"), make("PAIR"))
    sender = threading.Timer(0.03, one.send, [b"x"])
    sender.start()
    assert other.poll(forever) == 1
    sender.join()


def test_a_glance_finds_a_message_and_takes_none(ours: Make) -> None:
    push, pull = ours("PUSH"), ours("PULL")
    pull.bind("inproc://glance")
    push.connect("inproc://glance")
    # Whether it looks at all is its own affair; it finds only what is there.
    assert not any(pull.glance() for _ in range(100))
    push.send(b"message")
    found = [pull.glance() for _ in range(100)]
    assert pull.recv(mqbridge.DONTWAIT) == b"message"
    if mqbridge.COMPILED and len(os.sched_getaffinity(0)) > 1:
        assert any(found)
    else:
        assert not any(found)


def test_p37_poll_survives_a_signal(ours: Make, scaled: Scaled) -> None:
    # libzmq's poll comes back too early: it subtracts what has passed in whole milliseconds.
    socket = ours("PULL")
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
        began = time.monotonic()
        assert socket.poll(150) == 0
        elapsed = time.monotonic() - began
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen
    assert 0.145 <= elapsed < scaled(20)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("call", ["recv", "send", "poll", "recv_multipart"])
def test_p37_an_exception_of_a_signal_handler_arrives(make: Make, call: str) -> None:
    socket = make("PAIR")
    calls = {
        "recv": socket.recv,
        "send": lambda: socket.send(b"x"),
        "poll": socket.poll,
        "recv_multipart": socket.recv_multipart,
    }

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(Interrupted):
            signal.setitimer(signal.ITIMER_REAL, 0.03)
            calls[call]()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    # The socket is as it was.
    with pytest.raises(OSError if socket.__class__.__module__.startswith("mqbridge") else zmq.Again):
        socket.recv(1)


# ---- closing


def test_closing_twice(make: Make) -> None:
    socket = make("PUSH")
    assert socket.closed is False
    socket.close()
    assert socket.closed is True
    socket.close()
    socket.close(linger=5)


def test_a_with_statement_closes(library: ModuleType, make: Make) -> None:
    with make("PUSH") as socket:
        assert isinstance(socket, library.Socket)
    assert socket.closed
    with pytest.raises(KeyError), make("PUSH") as socket:
        raise KeyError
    assert socket.closed


def test_close_delivers_what_was_sent(make: Make, transport: str) -> None:
    push, pull = join(make("PUSH", linger=-1), make("PULL"), transport)
    for number in range(200):
        push.send(b"%d" % number)
    push.close()
    assert [pull.recv() for _ in range(200)] == [b"%d" % number for number in range(200)]


def test_close_right_after_connect_delivers_what_was_sent(make: Make) -> None:
    push, pull = make("PUSH", linger=-1), make("PULL")
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    push.connect(f"tcp://127.0.0.1:{port}")
    push.send(b"x")
    push.close()
    assert pull.recv() == b"x"


def test_disconnect_right_after_connect_delivers_what_was_sent(make: Make) -> None:
    push, pull = make("PUSH", linger=-1), make("PULL")
    port = pull.bind_to_random_port("tcp://127.0.0.1")
    push.connect(f"tcp://127.0.0.1:{port}")
    push.send(b"x")
    push.disconnect(f"tcp://127.0.0.1:{port}")
    assert pull.recv() == b"x"


def test_disconnect_delivers_what_was_sent(make: Make, transport: str) -> None:
    push, pull = join(make("PUSH", linger=-1), make("PULL"), transport)
    assert push.poll(5000, 2)
    for number in range(200):
        push.send(b"%d" % number)
    push.disconnect(pull.last_endpoint)
    assert [pull.recv() for _ in range(200)] == [b"%d" % number for number in range(200)]


@pytest.mark.parametrize("linger", [-2, 1.5, "1"])
def test_a_wrong_linger_is_refused(ours: Make, linger: Any) -> None:
    socket = ours("PUSH")
    error = mqbridge.ZMQError if linger == -2 else TypeError
    with pytest.raises(error, match=re.escape(f"close({linger!r}): linger is -1, 0 or")):
        socket.close(linger)
    assert not socket.closed


def test_p30_close_wakes_who_waits_in_another_thread(ours: Make, wait_for: WaitFor) -> None:
    errors = []
    socket = ours("PAIR", rcvtimeo=-1, sndtimeo=-1)
    started = threading.Barrier(4)

    def wait(call: Callable[[], object]) -> None:
        started.wait()
        try:
            call()
        except mqbridge.ZMQError as error:
            errors.append(error.errno)

    calls = (socket.recv, lambda: socket.send(b"x"), lambda: socket.poll(None))
    threads = [threading.Thread(target=wait, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    started.wait()
    wait_for(lambda: socket._driver.waiters == 3, "the threads' sleep")
    socket.close()
    for thread in threads:
        thread.join(10)
    assert errors == [mqbridge.ENOTSOCK] * 3


def test_p27_descriptors_are_closed_at_once(ours: Make) -> None:
    socket = ours("PULL")
    fds = [socket.fileno(), socket.recv_fd, socket.send_fd]
    socket.close()
    for fd in fds:
        with pytest.raises(OSError):
            os.fstat(fd)


def test_an_unclosed_socket_is_warned_of_and_closed(make: Make, library: ModuleType, wait_for: WaitFor) -> None:
    context = library.Context()
    socket = context.socket(library.PULL)
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    with pytest.warns(ResourceWarning, match=r"(?i)unclosed socket"):
        del socket
        gc.collect()
    other = context.socket(library.PULL)

    def free() -> bool:
        try:
            other.bind(f"tcp://127.0.0.1:{port}")
        except library.ZMQError:
            return False
        return True

    wait_for(free, "the endpoint's release")
    other.close()
    context.term()


def test_the_warning_names_the_socket(ours: Make) -> None:
    context = mqbridge.Context()
    socket = context.socket(mqbridge.PULL)
    text = repr(socket)
    with pytest.warns(ResourceWarning, match=re.escape(f"unclosed socket {text}")):
        del socket
        gc.collect()
    context.term()


def test_closed_sockets_are_not_warned_of(make: Make) -> None:
    socket = make("PULL")
    socket.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del socket
        gc.collect()


def test_a_socket_that_could_not_be_made_is_not_warned_of(library: ModuleType) -> None:
    context = library.Context()
    context.set(library.MAX_SOCKETS, 1)
    with context.socket(library.PULL):
        with pytest.raises(library.ZMQError) as caught:
            context.socket(library.PULL)
        assert caught.value.errno == errno.EMFILE
        del caught
        gc.collect()
    context.term()


# ---- classes


def test_subclasses(library: ModuleType, make: Make) -> None:
    class Counting(library.Socket):  # type: ignore[name-defined,misc]
        sent = 0

        def send(self, *arguments: Any, **options: Any) -> Any:
            self.sent += 1
            return super().send(*arguments, **options)

    one, other = join(make("PAIR", cls=Counting), make("PAIR"))
    assert type(one) is Counting
    one.send(b"a")
    one.send_string("b")
    one.send_json("c")
    assert one.sent == 3
    assert other.recv() == b"a"


def test_methods_can_be_replaced_on_an_object(library: ModuleType, make: Make) -> None:
    # As tests with mocks do.
    socket = make("PAIR")
    socket.close = lambda linger=None: "replaced"
    assert socket.close() == "replaced"
    del socket.close
    socket.close()
    assert socket.closed


def test_repr(ours: Make) -> None:
    class Mine(mqbridge.Socket):
        pass

    socket = ours("REQ")
    assert re.fullmatch(r"<Socket\(REQ\) at 0x[0-9a-f]+>", repr(socket))
    socket.close()
    assert re.fullmatch(r"<Socket\(REQ\) at 0x[0-9a-f]+ closed>", repr(socket))
    assert repr(ours("PUSH", cls=Mine)).startswith("<Mine(PUSH) at")
    assert repr(ours("PAIR").bind("inproc://here")) == "<unbind inproc://here>"


def test_sockets_are_hashable_and_differ(make: Make) -> None:
    one, other = make("PAIR"), make("PAIR")
    assert len({one, other}) == 2
    assert one != other and one == one


# ---- threads


def test_p36_threads_may_share_a_socket(ours: Make, transport: str) -> None:
    push, pull = join(ours("PUSH", sndhwm=50), ours("PULL", rcvhwm=50), transport)
    threads, each = 4, 500
    received: list[list[bytes]] = []

    def send(thread: int) -> None:
        for number in range(each):
            push.send_multipart([b"%d" % thread, b"%d" % number])

    def receive() -> None:
        received.extend(pull.recv_multipart() for _ in range(each))

    working = [threading.Thread(target=send, args=(thread,)) for thread in range(threads)]
    working += [threading.Thread(target=receive) for _ in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    wanted = {(b"%d" % thread, b"%d" % number) for thread in range(threads) for number in range(each)}
    assert len(received) == threads * each
    assert {tuple(parts) for parts in received} == wanted


def test_p36_threads_wait_for_one_socket_together(ours: Make, wait_for: WaitFor) -> None:
    push, pull = join(ours("PUSH"), ours("PULL"))
    received: list[bytes] = []
    threads = [threading.Thread(target=lambda: received.append(pull.recv())) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: pull._driver.waiters == 8, "the threads' sleep")
    for number in range(8):
        push.send(b"%d" % number)
    for thread in threads:
        thread.join()
    assert sorted(received) == [b"%d" % number for number in range(8)]


def test_p36_a_thread_sends_while_another_waits_to_receive(ours: Make, transport: str, wait_for: WaitFor) -> None:
    one, other = join(ours("PAIR"), ours("PAIR"), transport)
    received: list[bytes] = []
    thread = threading.Thread(target=lambda: received.append(one.recv()))
    thread.start()
    wait_for(lambda: one._driver.waiters, "the thread's sleep")
    one.send(b"out")
    assert other.recv() == b"out"
    other.send(b"in")
    thread.join()
    assert received == [b"in"]


def test_reentry_from_a_signal_handler_is_an_error_with_advice_or_works(ours: Make) -> None:
    # A handler runs between two operations, or in a wait, outside the lock: there the socket may be used.
    one, other = join(ours("PAIR"), ours("PAIR"))
    before = signal.signal(signal.SIGALRM, lambda *_: one.send(b"from the handler"))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.03)
        assert other.recv() == b"from the handler"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ---- views


def readable(fd: int, timeout: float = 0) -> bool:
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return bool(poller.poll(timeout * 1000))


def test_a_view(ours: Make, transport: str) -> None:
    push, pull = join(ours("PUSH"), ours("PULL"), transport)
    view, other = pull.view(), pull.view()
    assert view.fileno() > 2
    assert len({view.fileno(), other.fileno(), pull.fileno()}) == 3
    other.close()
    push.send(b"x")
    while not view.events() & mqbridge.POLLIN:
        assert readable(view.fileno(), 10)
    assert pull.recv() == b"x"
    assert view.events() == 0
    assert not readable(view.fileno())
    view.close()
    assert view.fileno() == -1
    with pytest.raises(mqbridge.ZMQError, match="this view of the socket is closed"):
        view.events()
    push.send(b"y")
    assert pull.recv() == b"y"


def test_p6_views_do_not_take_each_others_edges(ours: Make) -> None:
    push, pull = join(ours("PUSH"), ours("PULL"))
    views = [pull.view(), pull.view()]
    for view in views:
        view.events()
    pull.get(mqbridge.EVENTS)
    push.send(b"x")
    assert pull.events == mqbridge.POLLIN
    for view in views:
        assert readable(view.fileno())
        assert view.events() == mqbridge.POLLIN
    assert readable(views[0].fileno()) is False
    for view in views:
        view.close()


def test_a_view_outlives_its_socket(ours: Make) -> None:
    socket = ours("PULL")
    view = socket.view()
    view.events()
    assert not readable(view.fileno())
    socket.close()
    assert readable(view.fileno())
    with pytest.raises(mqbridge.ZMQError) as caught:
        view.events()
    assert caught.value.errno == mqbridge.ENOTSOCK
    view.close()
    view.close()


def test_p1_a_view_made_late_has_its_edge(ours: Make) -> None:
    push, pull = join(ours("PUSH"), ours("PULL"))
    push.send(b"x")
    view = pull.view()
    assert readable(view.fileno())
    assert readable(pull.fileno())
    assert view.events() == mqbridge.POLLIN
    view.close()


def test_p2_a_send_does_not_eat_the_edge(ours: Make) -> None:
    one, other = join(ours("PAIR"), ours("PAIR"))
    one.get(mqbridge.EVENTS)
    fd = one.fileno()
    one.get(mqbridge.EVENTS)
    assert not readable(fd)
    other.send(b"x")
    one.send(b"y")
    assert readable(fd)
    assert one.events & mqbridge.POLLIN


def test_shadows(ours: Make) -> None:
    one, other = join(ours("PAIR"), ours("PAIR"))
    shadow = mqbridge.Socket.shadow(one)
    assert shadow.context is one.context
    assert shadow.type == mqbridge.PAIR
    assert shadow.fileno() != one.fileno()
    other.send(b"x")
    assert (one.poll(5000), shadow.poll(5000)) == (1, 1)
    assert shadow.recv() == b"x"
    assert one.poll(0) == 0
    shadow.linger = 3
    assert one.linger == 3
    shadow.close()
    assert one.closed and shadow.closed
    with pytest.raises(mqbridge.ZMQError):
        one.send(b"x")


def test_a_forgotten_shadow_leaves_the_socket_alone(make: Make, library: ModuleType) -> None:
    one, other = join(make("PAIR"), make("PAIR"))
    shadow = library.Socket.shadow(one)
    shadow.send(b"x")
    del shadow
    gc.collect()
    assert other.recv() == b"x"
    assert not one.closed


def test_a_shadow_in_place_of_a_context(make: Make, library: ModuleType) -> None:
    one, other = join(make("PAIR"), make("PAIR"))
    shadow = library.Socket(one)
    shadow.send(b"x")
    assert other.recv() == b"x"


def test_a_shadow_of_a_shadow_and_a_subclass(ours: Make) -> None:
    class Mine(mqbridge.Socket):
        pass

    socket = ours("PULL")
    shadow = Mine.shadow(mqbridge.Socket.shadow(socket))
    assert type(shadow) is Mine
    assert not shadow.closed
    socket.close()
    assert shadow.closed


# ---- levels


def test_recv_fd_is_readable_while_there_are_messages(ours: Make, transport: str) -> None:
    push, pull = join(ours("PUSH"), ours("PULL"), transport)
    fd = pull.recv_fd
    assert fd == pull.recv_fd
    received = []
    for number in range(5):
        push.send(b"%d" % number)
    while len(received) < 5:
        assert readable(fd, 10)
        try:
            received.append(pull.recv(mqbridge.DONTWAIT))
        except mqbridge.Again:
            continue
    assert received == [b"%d" % number for number in range(5)]
    with pytest.raises(mqbridge.Again):
        pull.recv(mqbridge.DONTWAIT)
    assert not readable(fd)


def test_recv_fd_stays_readable_as_long_as_nothing_is_received(ours: Make) -> None:
    push, pull = join(ours("PUSH"), ours("PULL"))
    push.send(b"x")
    fd = pull.recv_fd
    for _ in range(5):
        assert readable(fd)
        assert pull.events == mqbridge.POLLIN
    pull.recv()
    assert not readable(fd)


def test_send_fd_is_readable_while_there_is_room(ours: Make) -> None:
    push, pull = ours("PUSH", sndhwm=1), ours("PULL", rcvhwm=1)
    fd = push.send_fd
    assert fd not in (push.recv_fd, push.fileno())
    assert not readable(fd)
    join(push, pull)
    assert readable(fd)
    push.send(b"x")
    assert readable(fd)
    push.send(b"x")
    with pytest.raises(mqbridge.Again):
        push.send(b"x", mqbridge.DONTWAIT)
    assert not readable(fd)
    pull.recv()
    pull.recv()
    assert readable(fd, 10)
    push.send(b"x", mqbridge.DONTWAIT)


def test_send_fd_of_a_lock_step_socket(ours: Make) -> None:
    def level(socket: mqbridge.Socket) -> tuple[bool, bool]:
        # What is due keeps both readable until it is done.
        socket.poll(0)
        return readable(socket.recv_fd), readable(socket.send_fd)

    req, rep = join(ours("REQ"), ours("REP"))
    assert (level(req), level(rep)) == ((False, True), (False, False))
    req.send(b"q")
    assert (level(req), level(rep)) == ((False, False), (True, False))
    rep.recv()
    assert (level(req), level(rep)) == ((False, False), (False, True))
    rep.send(b"a")
    assert (level(req), level(rep)) == ((True, False), (False, False))
    req.recv()
    assert (level(req), level(rep)) == ((False, True), (False, False))


# ---- without a caretaker


def test_without_a_caretaker_the_waits_do_everything(no_descriptor_leak: None) -> None:
    for make_one in sockets_of(mqbridge, io_threads=0):
        rep, req = make_one("REP"), make_one("REQ")
        join(req, rep, "tcp")
        working = threading.Thread(target=lambda rep=rep: rep.send(rep.recv().upper()))
        working.start()
        req.send(b"x")
        assert req.recv() == b"X"
        working.join()


# ---- fork


FORK = """
import os, sys
import mqbridge
context = mqbridge.Context()
push, pull = context.socket(mqbridge.PUSH), context.socket(mqbridge.PULL)
port = pull.bind_to_random_port("tcp://127.0.0.1")
push.connect(f"tcp://127.0.0.1:{port}")
push.send(b"before")
assert pull.recv() == b"before"
child = os.fork()
if child == 0:
    good = False
    try:
        push.send(b"from the child")
    except mqbridge.ZMQError as error:
        good = error.errno == mqbridge.ENOTSOCK and "parent process" in str(error)
    push.close()
    pull.close()
    context.term()
    os._exit(0 if good and push.closed else 1)
_, status = os.waitpid(child, 0)
assert status == 0, status
push.send(b"after")
assert pull.recv() == b"after"
push.close(), pull.close(), context.term()
print("done")
"""


def test_p35_a_forked_child_can_only_close() -> None:
    # Python 3.12 warns of any fork of a process with threads; the caretaker is one.
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", FORK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("done", "", 0)


def test_annotations_as_pyzmqs_are_no_error() -> None:
    def use(context: mqbridge.Context[mqbridge.Socket[bytes]]) -> None:  # type: ignore[type-arg]
        assert context

    annotated = inspect.get_annotations(use, eval_str=True)["context"]
    assert annotated.__origin__ is mqbridge.Context and annotated.__args__[0].__origin__ is mqbridge.Socket


def test_the_type_is_of_the_enum_as_an_attribute() -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.SUB) as socket:
        assert socket.type is socket.socket_type is mqbridge.SocketType.SUB
        assert type(socket.get(mqbridge.TYPE)) is int
