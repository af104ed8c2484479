"""Options of a socket: by number, by name and as attributes, as pyzmq has them. The table itself: test_options."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
import zmq

import mqbridge

pytestmark = pytest.mark.timeout(20)

WaitFor = Callable[..., None]


@pytest.fixture(params=["mqbridge", "zmq"])
def library(request: pytest.FixtureRequest) -> ModuleType:
    """Both libraries: what stock pyzmq does is what the test expects of ours. Ours leaves no descriptor open."""
    if request.param == "mqbridge":
        request.getfixturevalue("no_descriptor_leak")
    return {"mqbridge": mqbridge, "zmq": zmq}[request.param]


@pytest.fixture
def context(library: ModuleType) -> Iterator[Any]:
    """A context, whose sockets do not linger."""
    context = library.Context()
    context.linger = 0
    yield context
    context.destroy()


@pytest.fixture
def socket(library: ModuleType, context: Any) -> Iterator[Any]:
    """A socket without peers."""
    with context.socket(library.PAIR) as socket:
        yield socket


@pytest.fixture
def ours(no_descriptor_leak: None) -> Iterator[mqbridge.Socket]:
    """The same for what only mqbridge has."""
    context = mqbridge.Context()
    with context.socket(mqbridge.PUSH) as socket:
        yield socket
    context.term()


# ---- setting and reading


@pytest.mark.parametrize("write", ["set", "setsockopt"])
@pytest.mark.parametrize("read", ["get", "getsockopt"])
def test_by_number(library: ModuleType, socket: Any, write: str, read: str) -> None:
    getattr(socket, write)(library.SNDHWM, 7)
    assert getattr(socket, read)(library.SNDHWM) == 7
    getattr(socket, write)(int(library.ROUTING_ID), b"me")
    assert getattr(socket, read)(int(library.ROUTING_ID)) == b"me"


@pytest.mark.parametrize("name", ["rcvtimeo", "RCVTIMEO", "RcvTimeO"])
def test_as_attribute_in_any_case(library: ModuleType, socket: Any, name: str) -> None:
    assert getattr(socket, name) == -1
    setattr(socket, name, 250)
    assert getattr(socket, name) == socket.get(library.RCVTIMEO) == 250
    assert hasattr(socket, name)


@pytest.mark.parametrize("name", ["identity", "IDENTITY", "routing_id"])
def test_bytes_as_attribute(library: ModuleType, socket: Any, name: str) -> None:
    setattr(socket, name, b"me")
    assert socket.get(library.IDENTITY) == socket.get(library.ROUTING_ID) == b"me"


@pytest.mark.parametrize("write", ["set_string", "setsockopt_string", "setsockopt_unicode"])
@pytest.mark.parametrize("read", ["get_string", "getsockopt_string", "getsockopt_unicode"])
def test_text(library: ModuleType, socket: Any, write: str, read: str) -> None:
    getattr(socket, write)(library.ROUTING_ID, "Grüße")
    assert socket.get(library.ROUTING_ID) == "Grüße".encode()
    assert getattr(socket, read)(library.ROUTING_ID) == "Grüße"


def test_text_in_another_encoding(library: ModuleType, socket: Any) -> None:
    socket.set_string(library.ROUTING_ID, "ü", "latin-1")
    assert socket.get(library.ROUTING_ID) == b"\xfc"
    assert socket.get_string(library.ROUTING_ID, encoding="latin-1") == "ü"


def test_an_int_is_no_text(library: ModuleType, socket: Any) -> None:
    with pytest.raises(TypeError):
        socket.get_string(library.LINGER)
    with pytest.raises(TypeError):
        socket.set_string(library.ROUTING_ID, b"bytes")
    with pytest.raises(TypeError):
        socket.set_string(library.LINGER, "1")
    assert socket.linger == 0


@pytest.mark.parametrize("value", ["1", None, 1.0, b"1"])
def test_a_value_of_another_type_is_refused(library: ModuleType, socket: Any, value: object) -> None:
    with pytest.raises(TypeError):
        socket.set(library.LINGER, value)
    with pytest.raises(TypeError):
        socket.linger = value
    assert socket.linger == 0


@pytest.mark.parametrize(("name", "value"), [("LINGER", -2), ("SNDHWM", -1), ("RCVTIMEO", -2), ("IPV6", 2)])
def test_a_value_out_of_range_is_refused(library: ModuleType, socket: Any, name: str, value: int) -> None:
    before = getattr(socket, name)
    with pytest.raises(library.ZMQError) as caught:
        socket.set(getattr(library, name), value)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(library.ZMQError):
        setattr(socket, name, value)
    assert getattr(socket, name) == before


@pytest.mark.parametrize("name", ["FD", "EVENTS", "TYPE", "RCVMORE", "LAST_ENDPOINT"])
def test_what_is_read_only_cannot_be_set(library: ModuleType, socket: Any, name: str) -> None:
    value = b"x" if name == "LAST_ENDPOINT" else 1
    with pytest.raises(library.ZMQError) as caught:
        socket.set(getattr(library, name), value)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("option", [9999, -1])
def test_there_is_no_such_option(library: ModuleType, socket: Any, option: int) -> None:
    with pytest.raises(library.ZMQError) as caught:
        socket.set(option, 1)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(library.ZMQError) as caught:
        socket.get(option)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize("name", ["no_such_option", "_private", "ETERM_"])
def test_there_is_no_such_attribute(library: ModuleType, socket: Any, name: str) -> None:
    assert not hasattr(socket, name)
    with pytest.raises(AttributeError):
        setattr(socket, name, 1)


def test_an_option_that_cannot_be_read_is_no_attribute(library: ModuleType, socket: Any) -> None:
    # Else mocks and inspection would stumble over it.
    assert not hasattr(socket, "probe_router")


def test_errors_teach(ours: mqbridge.Socket) -> None:
    for call, text in (
        (lambda: ours.set(mqbridge.LINGER, -9), r"set\(LINGER, -9\): the value must be -1 to"),
        (lambda: ours.set(mqbridge.TYPE, 1), r"set\(TYPE, 1\): this option is read-only"),
        (lambda: ours.set(9999, 1), r"set\(9999, 1\): there is no such socket option"),
        (lambda: ours.get(9999), r"get\(9999\): there is no such socket option"),
        (lambda: ours.set(mqbridge.XPUB_VERBOSE, 1), r"set\(XPUB_VERBOSE, 1\): not on a PUSH socket"),
        (lambda: ours.get(mqbridge.GSSAPI_SERVER), r"get\(GSSAPI_SERVER\): mqbridge does not have this option"),
        (lambda: ours.get(mqbridge.CURVE_SECRETKEY), r"get\(CURVE_SECRETKEY\): keys are not given out again"),
    ):
        with pytest.raises(mqbridge.ZMQError, match=text) as caught:
            call()
        assert caught.value.errno == errno.EINVAL
    with pytest.raises(
        TypeError, match=r"set_string\(.*ROUTING_ID.*\): expected str, got bytes; for bytes use set\(\)"
    ):
        ours.set_string(mqbridge.ROUTING_ID, b"a")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"get_string\(17\): this option is an int; use get\(\)"):
        ours.get_string(17)
    with pytest.raises(AttributeError, match="a PUSH socket has no attribute or option 'colour'"):
        _ = ours.colour
    with pytest.raises(AttributeError, match="a PUSH socket has no option 'colour' to set"):
        ours.colour = 1


@pytest.mark.parametrize("call", ["get", "set", "getattr", "setattr", "get_string", "get_hwm", "set_hwm"])
def test_a_closed_socket_has_no_options(library: ModuleType, socket: Any, call: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "get": lambda: socket.get(library.LINGER),
        "set": lambda: socket.set(library.LINGER, 1),
        "getattr": lambda: socket.linger,
        "setattr": lambda: setattr(socket, "linger", 1),
        "get_string": lambda: socket.get_string(library.LAST_ENDPOINT),
        "get_hwm": lambda: socket.get_hwm(),
        "set_hwm": lambda: socket.set_hwm(1),
    }
    socket.close()
    with pytest.raises(library.ZMQError) as caught:
        calls[call]()
    assert caught.value.errno == library.ENOTSOCK


def test_a_subclass_may_have_attributes_of_its_own(library: ModuleType, context: Any) -> None:
    class Mine(library.Socket):  # type: ignore[name-defined,misc]
        colour = "none"

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.colour = "red"

    with context.socket(library.PUSH, Mine) as socket:
        assert socket.colour == "red"
        socket.colour = "blue"
        assert socket.colour == "blue"
        with pytest.raises(AttributeError):
            socket.shape = "round"


def test_a_subclass_may_annotate_attributes_of_its_own(library: ModuleType, context: Any) -> None:
    class Mine(library.Socket):  # type: ignore[name-defined,misc]
        shape: str

    with context.socket(library.PUSH, Mine) as socket:
        socket.shape = "round"
        assert socket.shape == "round"


# ---- high-water marks


def test_set_hwm_sets_both(library: ModuleType, socket: Any) -> None:
    socket.set_hwm(3)
    assert (socket.sndhwm, socket.rcvhwm, socket.get_hwm(), socket.hwm) == (3, 3, 3, 3)
    socket.hwm = 4
    assert (socket.get(library.SNDHWM), socket.get(library.RCVHWM), socket.hwm) == (4, 4, 4)
    socket.rcvhwm = 5
    assert (socket.get_hwm(), socket.hwm) == (4, 4)


@pytest.mark.parametrize("value", [-1, -100])
def test_a_wrong_hwm_is_refused(library: ModuleType, socket: Any, value: int) -> None:
    with pytest.raises(library.ZMQError) as caught:
        socket.set_hwm(value)
    assert caught.value.errno == errno.EINVAL
    assert (socket.sndhwm, socket.rcvhwm) == (1000, 1000)


def test_hwms_count(library: ModuleType, context: Any) -> None:
    with context.socket(library.PUSH) as push, context.socket(library.PULL) as pull:
        push.sndhwm, pull.rcvhwm = 2, 3
        pull.bind("inproc://marks")
        push.connect("inproc://marks")
        for _ in range(5):  # inproc: the sum of both
            push.send(b"x", library.DONTWAIT)
        with pytest.raises(library.Again):
            push.send(b"x", library.DONTWAIT)


# ---- what the socket itself answers


@pytest.mark.parametrize("name", ["REQ", "REP", "PUSH", "PULL", "PAIR"])
def test_type(library: ModuleType, context: Any, name: str) -> None:
    with context.socket(getattr(library, name)) as socket:
        assert socket.get(library.TYPE) == socket.TYPE == socket.type == getattr(library, name)
        assert library.SocketType(socket.type).name == name


def test_last_endpoint(library: ModuleType, socket: Any) -> None:
    assert socket.last_endpoint == socket.get(library.LAST_ENDPOINT) == b""
    socket.bind("inproc://endpoint")
    assert socket.last_endpoint == b"inproc://endpoint"
    assert socket.get_string(library.LAST_ENDPOINT) == "inproc://endpoint"
    socket.bind("tcp://127.0.0.1:*")
    host, _, port = socket.last_endpoint.rpartition(b":")
    assert host == b"tcp://127.0.0.1"
    assert 0 < int(port) < 65536


def test_last_endpoint_of_a_connect(library: ModuleType, socket: Any) -> None:
    socket.connect("tcp://127.0.0.1:9")
    assert socket.last_endpoint == b"tcp://127.0.0.1:9"


def test_last_endpoint_of_all_interfaces(library: ModuleType, socket: Any) -> None:
    port = socket.bind_to_random_port("tcp://*")
    assert socket.last_endpoint == b"tcp://0.0.0.0:%d" % port


def test_rcvmore(library: ModuleType, context: Any) -> None:
    with context.socket(library.PAIR) as one, context.socket(library.PAIR) as other:
        one.bind("inproc://more")
        other.connect("inproc://more")
        assert other.get(library.RCVMORE) == 0
        one.send_multipart([b"a", b"b", b""])
        more = []
        for _ in range(3):
            other.recv()
            more.append(other.get(library.RCVMORE))
        assert more == [1, 1, 0]
        one.send_multipart([b"a", b"b"])
        other.recv_multipart()
        assert not other.rcvmore


def test_events(library: ModuleType, context: Any, wait_for: WaitFor) -> None:
    with context.socket(library.PUSH) as push, context.socket(library.PULL) as pull:
        assert (push.get(library.EVENTS), pull.events) == (0, 0)
        pull.bind("inproc://events")
        push.connect("inproc://events")
        assert push.events == library.POLLOUT
        assert pull.EVENTS == 0
        push.send(b"x")
        wait_for(lambda: pull.get(library.EVENTS) == library.POLLIN, "POLLIN")
        pull.recv()
        assert pull.events == 0


def test_events_of_lock_step_sockets(library: ModuleType, context: Any, wait_for: WaitFor) -> None:
    with context.socket(library.REQ) as req, context.socket(library.REP) as rep:
        rep.bind("inproc://events")
        req.connect("inproc://events")
        assert (req.events, rep.events) == (library.POLLOUT, 0)
        req.send(b"q")
        wait_for(lambda: rep.events == library.POLLIN, "the request")
        assert req.events == 0
        rep.recv()
        assert rep.events == library.POLLOUT
        rep.send(b"a")
        wait_for(lambda: req.events == library.POLLIN, "the reply")
        assert rep.events == 0
        req.recv()
        assert req.events == library.POLLOUT


def test_fd(library: ModuleType, socket: Any) -> None:
    fd = socket.get(library.FD)
    assert fd == socket.fd == socket.FD == socket.fileno() > 2
    os.fstat(fd)


def test_other_answers(library: ModuleType, socket: Any) -> None:
    assert (socket.mechanism, socket.thread_safe) == (library.NULL, 0)


# ---- effects


def test_timeouts_are_milliseconds(library: ModuleType, socket: Any) -> None:
    socket.rcvtimeo = socket.sndtimeo = 0
    for call in (socket.recv, lambda: socket.send(b"x")):
        with pytest.raises(library.Again) as caught:
            call()
        assert caught.value.errno == errno.EAGAIN


def test_options_are_each_sockets_own(library: ModuleType, context: Any, socket: Any) -> None:
    with context.socket(library.PAIR) as other:
        socket.sndhwm = 5
        assert other.sndhwm == 1000


# ---- libzmq's drafts about topics


def test_topics_are_counted() -> None:
    with mqbridge.Context(0) as context, context.socket(mqbridge.XPUB) as xpub, context.socket(mqbridge.SUB) as sub:
        xpub.bind("inproc://x")
        sub.connect("inproc://x")
        for topic in (b"a", b"ab", b"a", b""):
            sub.subscribe(topic)
        assert sub.topics_count == xpub.topics_count == 3
        sub.unsubscribe(b"a")
        sub.unsubscribe(b"ab")
        assert sub.topics_count == xpub.topics_count == 2
        with pytest.raises(mqbridge.ZMQError, match="read-only"):
            sub.set(mqbridge.TOPICS_COUNT, 1)
        with context.socket(mqbridge.PULL) as pull, pytest.raises(mqbridge.ZMQError, match="on a PULL socket"):
            pull.get(mqbridge.TOPICS_COUNT)


def test_the_last_value_goes_to_the_last_subscriber_only() -> None:
    with (
        mqbridge.Context(0) as context,
        context.socket(mqbridge.XPUB) as xpub,
        context.socket(mqbridge.SUB) as early,
        context.socket(mqbridge.SUB) as late,
    ):
        xpub.set(mqbridge.XPUB_MANUAL_LAST_VALUE, 1)
        assert xpub.get(mqbridge.XPUB_MANUAL) == 1
        xpub.bind("inproc://x")
        for subscriber in (early, late):
            subscriber.connect("inproc://x")
            subscriber.subscribe(b"a")
            subscriber.get(mqbridge.EVENTS)
            assert xpub.recv() == b"\x01a"
            xpub.subscribe(b"a")
            xpub.send(b"a: the last value")
            assert subscriber.recv() == b"a: the last value"
        assert early.poll(0) == 0
        xpub.send(b"a: a new one")
        assert early.recv() == late.recv() == b"a: a new one"
