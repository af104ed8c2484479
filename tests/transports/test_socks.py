"""SOCKS5: what is said to a proxy, what of its answers is understood, and connections through one."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

import mqbridge
from mqbridge.constants import Event
from mqbridge.monitor import Monitor, MonitorEvent
from mqbridge.transports.socks import REFUSALS, Negotiation, Refused

GRANTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34"


# ---- without a socket


def said(negotiation: Negotiation, answers: bytes, step: int) -> bytes:
    """Return all that is said to a proxy that gives these answers, cut into pieces; some of them may be left."""
    heard = b""
    while negotiation.missing:
        heard += negotiation.to_send
        negotiation.to_send = b""
        size = min(step, negotiation.missing)
        assert answers[:size], "more is expected than comes"
        negotiation.receive(answers[:size])
        answers = answers[size:]
    assert not negotiation.to_send
    assert answers == b"rest"
    return heard


@pytest.mark.parametrize("step", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", b"\x01\x7f\x00\x00\x01"),
        ("::1", b"\x04" + bytes(15) + b"\x01"),
        ("hidden.onion", b"\x03\x0chidden.onion"),
    ],
)
@pytest.mark.parametrize(
    "bound", [GRANTED, b"\x05\0\0\x03\x04name\x12\x34", b"\x05\0\0\x04" + bytes(18), b"\5\0\0\3\0\0\0"]
)
def test_a_request(step: int, host: str, address: bytes, bound: bytes) -> None:
    request = b"\x05\x01\x00" + address + b"\x15\xb3"
    assert said(Negotiation(host, 5555), b"\x05\x00" + bound + b"rest", step) == b"\x05\x01\x00" + request


@pytest.mark.parametrize("step", [1, 100])
def test_a_request_with_a_name_and_a_password(step: int) -> None:
    negotiation = Negotiation("127.0.0.1", 1, b"carol", b"secret")
    heard = said(negotiation, b"\x05\x02\x01\x00" + GRANTED + b"rest", step)
    assert heard == b"\x05\x01\x02" + b"\x01\x05carol\x06secret" + b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x01"


@pytest.mark.parametrize(
    ("answers", "number", "text"),
    [
        (b"\x04\x00", errno.EPROTO, "version 5"),
        (b"HT", errno.EPROTO, "version 5"),
        (b"\x05\xff", errno.EACCES, "SOCKS_USERNAME"),
        (b"\x05\x02", errno.EACCES, "SOCKS_USERNAME"),
        (b"\x05\x00\x05\x00\x00\x02\x00", errno.EPROTO, "gave an answer that is none"),
        (b"\x05\x00\x04\x00\x00\x01\x00", errno.EPROTO, "gave an answer that is none"),
        (b"\x05\x00\x05\x63\x00\x01\x00", errno.ECONNABORTED, "it answered 99"),
        *((b"\x05\x00\x05" + bytes((reply,)) + b"\x00\x01\x00", *REFUSALS[reply]) for reply in REFUSALS),
    ],
)
def test_refusals(answers: bytes, number: int, text: str) -> None:
    with pytest.raises(Refused, match=text) as refused:
        said(Negotiation("host", 5555), answers, 1)
    assert refused.value.errno == number


def test_a_wrong_password_and_a_proxy_without_passwords() -> None:
    with pytest.raises(Refused, match="does not accept this user name"):
        said(Negotiation("host", 5555, b"carol"), b"\x05\x02\x01\x01", 1)
    with pytest.raises(Refused, match="does not accept a user name"):
        said(Negotiation("host", 5555, b"carol"), b"\x05\x00", 1)


def test_a_name_that_is_too_long() -> None:
    with pytest.raises(Refused, match="255 bytes"):
        said(Negotiation("x" * 256, 5555), b"\x05\x00", 1)


# ---- through a proxy


class Proxy:
    """A little SOCKS5 server in threads."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = b"127.0.0.1:%d" % self.listener.getsockname()[1]
        self.login: tuple[bytes, bytes] | None = None
        # What to do instead of connecting.
        self.refusal: bytes | None = None
        self.names: dict[bytes, str] = {}
        self.asked: list[tuple[bytes, int]] = []
        self._open: list[socket.socket] = [self.listener]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                handle, _ = self.listener.accept()
            except OSError:
                return
            self._open.append(handle)
            self._begin(self._serve, handle)

    def _begin(self, target: Callable[..., None], *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments))
        self._threads[-1].start()

    def _serve(self, handle: socket.socket) -> None:
        # Who hangs up in the middle leaves too few bytes for what comes next.
        gone = (OSError, ValueError, IndexError, struct.error)
        with contextlib.suppress(*gone), handle.makefile("rb") as stream:
            _, count = stream.read(2)
            methods = stream.read(count)
            wanted = 0 if self.login is None else 2
            if wanted not in methods:
                handle.sendall(b"\x05\xff")
                handle.close()
                return
            handle.sendall(bytes((5, wanted)))
            if self.login is not None:
                stream.read(1)
                login = tuple(stream.read(stream.read(1)[0]) for _ in range(2))
                handle.sendall(b"\x01\x00" if login == self.login else b"\x01\x01")
                if login != self.login:
                    return
            _, _, _, kind = stream.read(4)
            host = stream.read({1: 4, 4: 16}[kind] if kind != 3 else stream.read(1)[0])
            (port,) = struct.unpack(">H", stream.read(2))
            self.asked.append((host, port))
            if self.refusal is not None:
                handle.sendall(self.refusal)
                handle.shutdown(socket.SHUT_RDWR)
                return
            text = self.names[host] if kind == 3 else socket.inet_ntop({1: 2, 4: socket.AF_INET6}[kind], host)
            target = socket.create_connection((text, port))
            self._open.append(target)
            # The answer, and with it the first bytes of the peer.
            handle.sendall(b"\x05\x00\x00\x01" + bytes(6) + target.recv(65536))
            self._begin(self._pump, target, handle)
            while data := stream.read1(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End all threads."""
        for handle in [self.listener, *self._open]:
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(10)
            assert not thread.is_alive()
        for handle in self._open:
            handle.close()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    made = Proxy()
    yield made
    made.close()


@pytest.fixture(params=[1, 0], ids=["caretaker", "alone"])
def context(request: pytest.FixtureRequest, no_descriptor_leak: None) -> Iterator[mqbridge.Context]:
    with mqbridge.Context(request.param) as made:
        made.linger = 0
        made.rcvtimeo = made.sndtimeo = 10_000
        made.reconnect_ivl = 5
        yield made


def talk(req: mqbridge.Socket, rep: mqbridge.Socket) -> None:
    """Ask and answer, with both in this thread."""
    req.send(b"question", mqbridge.DONTWAIT)
    while not rep.poll(5):
        req.get(mqbridge.EVENTS)
    rep.send(rep.recv() + b", answered")
    while not req.poll(5):
        rep.get(mqbridge.EVENTS)
    assert req.recv() == b"question, answered"


def events(monitor: Monitor, last: Event, *driven: mqbridge.Socket) -> list[MonitorEvent]:
    """Return events up to one of a kind."""
    found: list[MonitorEvent] = []
    while not found or found[-1].event != last:
        for each in driven:
            each.get(mqbridge.EVENTS)
        if monitor.poll(5):
            found.append(monitor.recv())
    return found


@pytest.mark.parametrize("login", [None, (b"carol", b"secret"), (b"carol", b"")])
def test_messages_through_a_proxy(context: mqbridge.Context, proxy: Proxy, login: tuple[bytes, bytes] | None) -> None:
    with context.socket(mqbridge.REQ) as req, context.socket(mqbridge.REP) as rep:
        proxy.login = login
        rep.bind("tcp://127.0.0.1:*")
        port = int(rep.last_endpoint.rpartition(b":")[2])
        req.socks_proxy = proxy.address
        if login is not None:
            req.socks_username, req.socks_password = login
        req.connect(rep.last_endpoint)
        talk(req, rep)
        assert proxy.asked == [(socket.inet_aton("127.0.0.1"), port)]


def test_ipv6_through_a_proxy(context: mqbridge.Context, proxy: Proxy) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    with context.socket(mqbridge.REQ) as req, context.socket(mqbridge.REP) as rep:
        rep.ipv6 = 1
        rep.bind("tcp://[::1]:*")
        req.socks_proxy = proxy.address
        req.connect(rep.last_endpoint)
        talk(req, rep)
        assert proxy.asked[0][0] == bytes(15) + b"\x01"


def test_names_are_the_proxys_to_look_up(
    context: mqbridge.Context, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(*arguments: Any) -> None:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr("mqbridge.engine.connector.resolve", resolve)
    with context.socket(mqbridge.REQ) as req, context.socket(mqbridge.REP) as rep:
        rep.bind("tcp://127.0.0.1:*")
        proxy.names[b"hidden.onion"] = "127.0.0.1"
        req.socks_proxy = proxy.address
        req.connect(f"tcp://hidden.onion:{int(rep.last_endpoint.rpartition(b':')[2])}")
        talk(req, rep)


def test_the_proxys_own_name_is_looked_up(context: mqbridge.Context, proxy: Proxy) -> None:
    with context.socket(mqbridge.REQ) as req, context.socket(mqbridge.REP) as rep:
        rep.bind("tcp://127.0.0.1:*")
        req.socks_proxy = proxy.address.replace(b"127.0.0.1", b"localhost")
        req.connect(rep.last_endpoint)
        talk(req, rep)


@pytest.mark.parametrize(
    ("setting", "cause"),
    [
        ({"refusal": b"\x05\x05\x00\x01" + bytes(6)}, "hidden.onion:5555: the connection was refused"),
        ({"refusal": b"\x05"}, "closed the connection"),
        ({"login": (b"carol", b"secret")}, "SOCKS_USERNAME"),
    ],
)
def test_a_refusal_is_told_and_asked_again(
    context: mqbridge.Context, proxy: Proxy, setting: dict[str, Any], cause: str
) -> None:
    for name, value in setting.items():
        setattr(proxy, name, value)
    with context.socket(mqbridge.REQ) as req, Monitor(req) as monitor:
        req.socks_proxy = proxy.address
        req.connect("tcp://hidden.onion:5555")
        for _ in range(2):
            delayed, closed, _ = events(monitor, Event.CONNECT_RETRIED, req)
            assert (delayed.event, closed.event) == (Event.CONNECT_DELAYED, Event.CLOSED)
            assert cause in closed.cause
            assert closed.value >= 0


@pytest.mark.parametrize("option", ["connect_timeout", "handshake_ivl"])
def test_a_proxy_that_says_nothing(context: mqbridge.Context, option: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        context.socket(mqbridge.REQ) as req,
        Monitor(req) as monitor,
    ):
        setattr(req, option, 20)
        req.socks_proxy = b"127.0.0.1:%d" % silent.getsockname()[1]
        req.connect("tcp://hidden.onion:5555")
        closed = events(monitor, Event.CONNECT_RETRIED, req)[-2]
        assert (closed.event, closed.cause) == (Event.CLOSED, "Connection timed out")


def test_a_socket_is_closed_while_a_proxy_is_asked(context: mqbridge.Context) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, context.socket(mqbridge.REQ) as req:
        req.handshake_ivl = 0
        req.socks_proxy = b"127.0.0.1:%d" % silent.getsockname()[1]
        req.connect("tcp://hidden.onion:5555")
        handle, _ = silent.accept()
        with handle, selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_READ)
            while not selector.select(0.005):
                req.get(mqbridge.EVENTS)
            req.close()
            handle.settimeout(10)
            assert handle.recv(100) == b"\x05\x01\x00"
            assert handle.recv(100) == b""


def test_ipc_and_inproc_need_no_proxy(context: mqbridge.Context, tmp_path: Any) -> None:
    for endpoint in (f"ipc://{tmp_path}/x", "inproc://x"):
        with context.socket(mqbridge.REQ) as req, context.socket(mqbridge.REP) as rep:
            req.socks_proxy = b"127.0.0.1:1"
            rep.bind(endpoint)
            req.connect(endpoint)
            talk(req, rep)


@pytest.mark.parametrize("wrong", [b"nowhere", b"host:port", b"host:70000", b":5555", b"\xff:1"])
def test_what_is_no_proxys_address(context: mqbridge.Context, wrong: bytes) -> None:
    with context.socket(mqbridge.REQ) as req:
        req.socks_proxy = wrong
        with pytest.raises(mqbridge.ZMQError, match="SOCKS_PROXY") as malformed:
            req.connect("tcp://127.0.0.1:5555")
        assert malformed.value.errno == mqbridge.EINVAL
        assert not req._driver.endpoints


# ---- byte for byte as libzmq


def heard_by_a_proxy(library: Any, target: str, options: dict[str, bytes]) -> list[bytes]:
    """Return all that a socket of a library says to a proxy before its greeting, and that."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener, library.Context() as context:
        listener.settimeout(20)
        with context.socket(library.PUSH) as push:
            push.linger = 0
            push.ipv6 = "[" in target
            push.setsockopt(library.SOCKS_PROXY, b"127.0.0.1:%d" % listener.getsockname()[1])
            for name, value in options.items():
                push.setsockopt(getattr(library, name), value)
            push.connect(target)
            handle, _ = listener.accept()
            handle.settimeout(20)
            with handle, handle.makefile("rb") as stream:

                def take(size: int) -> bytes:
                    heard.append(stream.read(size))
                    return heard[-1]

                method = take(take(2)[1])[-1]
                handle.sendall(bytes((5, method)))
                if method == 2:
                    take(take(2)[1])
                    take(take(1)[0])
                    handle.sendall(b"\x01\x00")
                kind = take(4)[3]
                take({1: 4, 4: 16}[kind] if kind != 3 else take(1)[0])
                take(2)
                handle.sendall(GRANTED)
                take(10)
    return heard


@pytest.mark.parametrize("target", ["tcp://10.1.2.3:99", "tcp://[2001:db8::1]:99", "tcp://name.example:99"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"SOCKS_USERNAME": b"carol", "SOCKS_PASSWORD": b"secret"},
        {"SOCKS_USERNAME": b"carol"},
        {"SOCKS_USERNAME": b"u" * 255, "SOCKS_PASSWORD": b"p" * 255},
    ],
    ids=["", "user and password", "user", "long"],
)
def test_the_same_is_said_as_by_libzmq(target: str, options: dict[str, bytes]) -> None:
    assert heard_by_a_proxy(mqbridge, target, options) == heard_by_a_proxy(zmq, target, options)
