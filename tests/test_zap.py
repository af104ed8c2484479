"""Asking a ZAP handler: what it is told, what its reply does, and a handler that is slow, gone, or talks nonsense."""

from __future__ import annotations

import socket as plain
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge import Event
from mqbridge.monitor import Monitor, MonitorEvent
from mqbridge.zap import read_reply
from mqbridge.zmtp.errors import ProtocolError

ENDPOINT = "inproc://zeromq.zap.01"
PATIENCE = 10_000

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


class Keeping(mqbridge.Context):
    """A context that keeps its sockets until it is destroyed."""

    def socket(self, *arguments: Any, **more: Any) -> mqbridge.Socket:
        made = super().socket(*arguments, **more)
        self.__dict__.setdefault("_kept", []).append(made)
        return made


@pytest.fixture
def context() -> Iterator[mqbridge.Context]:
    """A context whose sockets do not linger."""
    made = Keeping()
    made.linger = 0
    made.rcvtimeo = made.sndtimeo = PATIENCE
    yield made
    ending = threading.Thread(target=made.destroy, args=(0,), daemon=True)
    ending.start()
    ending.join(20)
    assert not ending.is_alive()


class Told:
    """What a socket's monitor tells."""

    def __init__(self, socket: mqbridge.Socket) -> None:
        self.monitor = Monitor(socket)
        vars(socket.context).setdefault("_kept", []).append(self.monitor)
        self.events: list[MonitorEvent] = []

    def of(self, event: Event) -> list[Any]:
        """Return the status of each refusal, the cause of each other event of this kind."""
        while self.monitor.poll(0):
            self.events.append(self.monitor.recv())
        told = [one for one in self.events if one.event == event]
        return [one.value if event == Event.HANDSHAKE_FAILED_AUTH else one.cause for one in told]


class Server:
    """A server, and what it has reported."""

    def __init__(self, context: mqbridge.Context, endpoint: str, options: dict[str, Any]) -> None:
        self.socket = context.socket(mqbridge.PULL)
        for name, value in options.items():
            setattr(self.socket, name, value)
        self.socket.bind(endpoint)
        self.told = Told(self.socket)

    def of(self, event: Event) -> list[Any]:
        return self.told.of(event)


@pytest.fixture(params=["tcp", "ipc"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    return "tcp://127.0.0.1:*" if request.param == "tcp" else f"ipc://{tmp_path}/s"


@pytest.fixture
def plain_pair(context: mqbridge.Context, endpoint: str) -> Callable[..., tuple[Server, mqbridge.Socket]]:
    """A function that gives a PLAIN server and a client that has sent it a message."""

    def make(**options: Any) -> tuple[Server, mqbridge.Socket]:
        server = Server(context, endpoint, {"plain_server": 1, **options})
        client = context.socket(mqbridge.PUSH)
        client.plain_username, client.plain_password = b"admin", b"secret"
        client.connect(server.socket.last_endpoint.decode())
        client.send(b"let me in")
        return server, client

    return make


def handler(context: mqbridge.Context, kind: int = mqbridge.REP) -> Any:
    made = context.socket(kind)
    made.bind(ENDPOINT)
    return made


def let_in(zap: Any, **changes: bytes) -> list[bytes]:
    """Answer one request; return it."""
    request: list[bytes] = zap.recv_multipart()
    reply = {"version": b"1.0", "id": request[1], "status": b"200", "text": b"OK", "user": b"joe", "metadata": b""}
    zap.send_multipart(list({**reply, **changes}.values()))
    return request


# ---- what a handler is told, and what its answer does


def test_what_a_handler_is_told(context: mqbridge.Context, plain_pair: Any, endpoint: str) -> None:
    zap = handler(context)
    server, _ = plain_pair(zap_domain=b"the domain", routing_id=b"the server")
    version, number, domain, address, identity, mechanism, *credentials = let_in(zap)
    assert (version, domain, identity, mechanism) == (b"1.0", b"the domain", b"the server", b"PLAIN")
    assert number
    assert address == b"127.0.0.1" if endpoint.startswith("tcp") else address.startswith(b"localhost:")
    assert credentials == [b"admin", b"secret"]
    assert server.socket.recv() == b"let me in"


def test_what_it_says_is_known_of_each_message(context: mqbridge.Context, plain_pair: Any) -> None:
    zap = handler(context)
    server, _ = plain_pair()
    let_in(zap, metadata=b"\x05X-age\x00\x00\x00\x0242")
    frame = server.socket.recv(copy=False)
    assert (frame.get("User-Id"), frame.get("X-Age"), frame.get("Socket-Type")) == ("joe", "42", "PUSH")


def test_a_router_may_be_the_handler(context: mqbridge.Context, plain_pair: Any) -> None:
    """It answers in whatever order it likes."""
    zap = handler(context, mqbridge.ROUTER)
    one, _ = plain_pair()
    first = zap.recv_multipart()
    assert first[1:3] == [b"", b"1.0"]
    again = context.socket(mqbridge.PUSH)
    again.plain_username = b"other"
    again.connect(one.socket.last_endpoint.decode())
    again.send(b"me too")
    second = zap.recv_multipart()
    assert second[3] != first[3]
    for request, user in ((second, b"2nd"), (first, b"1st")):
        zap.send_multipart([request[0], b"", b"1.0", request[3], b"200", b"", user, b""])
    found = {bytes(frame): frame.get("User-Id") for frame in (one.socket.recv(copy=False) for _ in range(2))}
    assert found == {b"let me in": "1st", b"me too": "2nd"}


@pytest.mark.parametrize("status", [b"400", b"500"])
def test_who_is_refused_does_not_come_back(
    context: mqbridge.Context, plain_pair: Any, wait_for: Any, scaled: Any, status: bytes
) -> None:
    zap = handler(context)
    server, client = plain_pair()
    told = Told(client)
    let_in(zap, status=status)
    wait_for(lambda: server.of(Event.HANDSHAKE_FAILED_AUTH) == [int(status)], "the server's event")
    wait_for(lambda: int(status) in told.of(Event.HANDSHAKE_FAILED_AUTH), "the client's event")
    assert not zap.poll(int(scaled(300)))
    assert not server.socket.poll(0)


def test_who_is_not_let_in_now_comes_back(context: mqbridge.Context, plain_pair: Any) -> None:
    zap = handler(context)
    server, _ = plain_pair()
    let_in(zap, status=b"300")
    let_in(zap)
    assert server.socket.recv() == b"let me in"
    assert server.of(Event.HANDSHAKE_FAILED_AUTH) == [300]


# ---- handlers that do not do what they should


def test_no_handler(plain_pair: Any, wait_for: Any) -> None:
    server, _ = plain_pair()
    wait_for(lambda: server.of(Event.HANDSHAKE_FAILED_NO_DETAIL), "the failure")
    assert "there is no ZAP handler to ask" in server.of(Event.HANDSHAKE_FAILED_NO_DETAIL)[0]
    assert not server.socket.poll(0)


def test_a_handler_that_comes_later(context: mqbridge.Context, plain_pair: Any, wait_for: Any) -> None:
    server, _ = plain_pair()
    wait_for(lambda: server.of(Event.HANDSHAKE_FAILED_NO_DETAIL), "the failure")
    let_in(handler(context))
    assert server.socket.recv() == b"let me in"


def test_a_handler_that_never_answers(context: mqbridge.Context, plain_pair: Any, wait_for: Any, scaled: Any) -> None:
    zap = handler(context)
    server, client = plain_pair(handshake_ivl=int(scaled(150)))
    request = zap.recv_multipart()
    wait_for(lambda: server.of(Event.HANDSHAKE_FAILED_NO_DETAIL), "the end of the handshake")
    # Too late: nobody waits for it any more, and nothing comes of it.
    zap.send_multipart([b"1.0", request[1], b"200", b"", b"late", b""])
    client.close(0)
    assert not server.socket.poll(int(scaled(50)))


def test_a_slow_handler_holds_up_nobody_else(context: mqbridge.Context, plain_pair: Any) -> None:
    """While one peer waits for its answer, those who are in go on."""
    zap = handler(context, mqbridge.ROUTER)
    server, client = plain_pair()
    request = zap.recv_multipart()
    zap.send_multipart([request[0], b"", b"1.0", request[3], b"200", b"", b"", b""])
    assert server.socket.recv() == b"let me in"
    waiting = context.socket(mqbridge.PUSH)
    waiting.plain_username = b"waits"
    waiting.connect(server.socket.last_endpoint.decode())
    zap.recv_multipart()
    for number in range(100):
        client.send(b"%d" % number)
        assert server.socket.recv() == b"%d" % number


def test_a_handler_that_closes(context: mqbridge.Context, plain_pair: Any, wait_for: Any) -> None:
    zap = handler(context)
    server, _ = plain_pair()
    zap.recv_multipart()
    zap.close(0)
    wait_for(lambda: server.of(Event.HANDSHAKE_FAILED_NO_DETAIL), "the failure")
    assert "has closed without an answer" in server.of(Event.HANDSHAKE_FAILED_NO_DETAIL)[0]
    let_in(handler(context))
    assert server.socket.recv() == b"let me in"


def test_a_peer_that_goes_before_the_answer(context: mqbridge.Context, plain_pair: Any, wait_for: Any) -> None:
    zap = handler(context, mqbridge.ROUTER)
    server, client = plain_pair()
    request = zap.recv_multipart()
    client.close(0)
    wait_for(lambda: not server.socket._driver.links, "the end of the connection")
    zap.send_multipart([request[0], b"", b"1.0", request[3], b"200", b"", b"", b""])
    wait_for(lambda: server.socket.poll(0) == 0 and not zap._driver.pipes, "the end of the question")


def knocks(server: mqbridge.Socket) -> None:
    """Be a peer that shows its credentials, and goes without waiting for an answer."""
    hello = b"\x05HELLO\x01u\x01p"
    with plain.create_connection(("127.0.0.1", int(server.last_endpoint.rpartition(b":")[2])), 10) as handle:
        handle.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"PLAIN".ljust(20, b"\0") + bytes(32))
        handle.sendall(bytes((4, len(hello))) + hello)
        # The server has accepted.
        assert handle.recv(1)


@pytest.mark.parametrize("kind", [mqbridge.REP, mqbridge.ROUTER])
def test_a_crowd_that_asks_and_goes_keeps_no_handler_busy(context: mqbridge.Context, wait_for: Any, kind: int) -> None:
    """Of peers that have gone a slow handler finds few questions, and they fill no memory."""
    zap = handler(context, kind)
    server = Server(context, "tcp://127.0.0.1:*", {"plain_server": 1})
    for _ in range(200):
        knocks(server.socket)
    wait_for(lambda: not server.socket._driver.links, "the end of the crowd")
    client = context.socket(mqbridge.PUSH)
    client.plain_username, client.plain_password = b"admin", b"secret"
    client.connect(server.socket.last_endpoint.decode())
    client.send(b"let me in")
    asked = []

    def answered() -> bool:
        if zap.poll(0):
            *sender, version, number = zap.recv_multipart()[: 4 if kind == mqbridge.ROUTER else 2]
            zap.send_multipart([*sender, version, number, b"200", b"", b"", b""])
            asked.append(number)
        return bool(server.socket.poll(0)) and not zap._driver.pipes

    wait_for(answered, "the message, and the end of all questions")
    assert len(asked) <= 17


def test_a_handler_that_has_a_question_already_may_answer_whoever_has_gone(
    context: mqbridge.Context, wait_for: Any
) -> None:
    zap = handler(context, mqbridge.ROUTER)
    server = Server(context, "tcp://127.0.0.1:*", {"plain_server": 1})
    requests = []
    for _ in range(40):
        knocks(server.socket)
        assert zap.poll(PATIENCE)
        requests.append(zap.recv_multipart())
    wait_for(lambda: not server.socket._driver.links, "the end of the crowd")
    server.socket.close(0)
    for request in requests:
        zap.send_multipart([request[0], b"", b"1.0", request[3], b"200", b"", b"", b""])
    wait_for(lambda: not zap.poll(0) and not zap._driver.pipes, "the end of all questions")


def test_a_server_that_closes_before_the_answer(context: mqbridge.Context, plain_pair: Any) -> None:
    zap = handler(context)
    server, _ = plain_pair()
    request = zap.recv_multipart()
    server.socket.close(0)
    zap.send_multipart([b"1.0", request[1], b"200", b"", b"", b""])


@pytest.mark.parametrize(
    "changes",
    [{"version": b"2.0"}, {"id": b"another"}, {"status": b"700"}, {"status": b""}, {"metadata": b"\x01"}],
    ids=str,
)
def test_a_reply_that_is_wrong(
    context: mqbridge.Context, plain_pair: Any, wait_for: Any, changes: dict[str, bytes]
) -> None:
    zap = handler(context)
    server, _ = plain_pair()
    let_in(zap, **changes)
    wait_for(lambda: server.of(Event.HANDSHAKE_FAILED_PROTOCOL), "the failure")
    assert "the ZAP handler's reply is malformed" in server.of(Event.HANDSHAKE_FAILED_PROTOCOL)[0]
    # The client knows nothing of it, and comes back.
    let_in(zap)
    assert server.socket.recv() == b"let me in"


GOOD = (b"", b"1.0", b"7", b"200", b"", b"joe", b"")


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        GOOD[:6],
        (*GOOD, b""),
        (b"x", *GOOD[1:]),
        (*GOOD[:3], b"2000", *GOOD[4:]),
        (*GOOD[:6], b"\x03abc\x00\x00\x00\x09x"),
    ],
)
def test_replies_that_cannot_be_read(reply: Any) -> None:
    with pytest.raises(ProtocolError, match="the ZAP handler's reply is malformed") as caught:
        read_reply(reply, b"7")
    assert caught.value.phase == "handshake"


def test_a_reply_that_can() -> None:
    verdict = read_reply(list(GOOD), b"7")
    assert (verdict.status, verdict.user_id, verdict.metadata) == (200, b"joe", {})


# ---- NULL


@pytest.mark.parametrize("enforces", [0, 1])
@pytest.mark.parametrize("has_handler", [False, True])
@pytest.mark.parametrize("domain", [b"", b"global"])
def test_null(
    context: mqbridge.Context, endpoint: str, wait_for: Any, enforces: int, has_handler: bool, domain: bytes
) -> None:
    options: dict[str, Any] = {"zap_enforce_domain": enforces}
    if domain:
        options["zap_domain"] = domain
    zap = handler(context) if has_handler else None
    server = Server(context, endpoint, options)
    client = context.socket(mqbridge.PUSH)
    client.connect(server.socket.last_endpoint.decode())
    client.send(b"hello")
    if zap is not None and domain:
        assert let_in(zap)[2] == b"global"
    if domain and enforces and not has_handler:
        wait_for(lambda: server.of(Event.HANDSHAKE_FAILED_NO_DETAIL), "the failure")
        assert not server.socket.poll(0)
    else:
        frame = server.socket.recv(copy=False)
        assert bytes(frame) == b"hello"
        if zap is not None and domain:
            assert frame.get("User-Id") == "joe"
    if zap is not None and not domain:
        assert not zap.poll(0)


def test_null_is_refused(context: mqbridge.Context, endpoint: str, wait_for: Any) -> None:
    zap = handler(context)
    server = Server(context, endpoint, {"zap_domain": b"global"})
    client = context.socket(mqbridge.PUSH)
    client.connect(server.socket.last_endpoint.decode())
    client.send(b"hello")
    let_in(zap, status=b"400")
    wait_for(lambda: server.of(Event.HANDSHAKE_FAILED_AUTH) == [400], "the refusal")


def test_without_a_thread_the_loop_does_it_all(endpoint: str, wait_for: Any) -> None:
    """With io_threads=0 whoever drives the sockets carries question and answer."""
    with Keeping(io_threads=0) as context:
        zap = handler(context)
        server = Server(context, endpoint, {"plain_server": 1})
        client = context.socket(mqbridge.PUSH)
        client.plain_username = b"admin"
        client.connect(server.socket.last_endpoint.decode())

        def drive(socket: Any) -> Callable[[], object]:
            return lambda: (
                [each.get(mqbridge.EVENTS) for each in (zap, server.socket, client)]
                and socket.get(mqbridge.EVENTS) & mqbridge.POLLIN
            )

        client.send(b"hello", mqbridge.DONTWAIT)
        wait_for(drive(zap), "the question")
        let_in(zap)
        wait_for(drive(server.socket), "the message")
        assert server.socket.recv() == b"hello"
        context.destroy(0)
