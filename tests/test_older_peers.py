"""Peers of ZMTP 2.0 (libzmq 3) and ZMTP 1.0 (libzmq 2), written from RFC 15 and RFC 13, with every type of socket.

The peers are made of bytes; nothing of the package helps them. They compare what they are told to the byte.
"""

from __future__ import annotations

import socket as system
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge import Event, Monitor

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")

NUMBERS = {"PAIR": 0, "PUB": 1, "SUB": 2, "REQ": 3, "REP": 4, "DEALER": 5, "ROUTER": 6, "PULL": 7, "PUSH": 8}
LARGE = bytes(range(256)) * 4096
# Where lengths get longer, and what is not copied.
MESSAGES = [[b"hello"], [b""], [b"one", b"", b"three"], *[[b"x" * size] for size in range(253, 257)], [b"", LARGE]]


class Older:
    """A peer of version 1 or 2."""

    def __init__(self, handle: system.socket, version: int) -> None:
        self.handle = handle
        self.version = version
        handle.settimeout(20)
        handle.setsockopt(system.IPPROTO_TCP, system.TCP_NODELAY, 1)

    def read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            data = self.handle.recv(size - len(found))
            assert data, f"the connection ended after {found[:100]!r}"
            found += data
        return found

    def greet(self, kind: str, theirs: str, identity: bytes = b"", their_identity: bytes = b"") -> None:
        """Say who this is, and expect to hear who that is."""
        if self.version == 1:
            self.handle.sendall(bytes((len(identity) + 1, 0)) + identity)
        else:
            # The signature alone, as libzmq 3 begins.
            self.handle.sendall(b"\xff" + bytes(8) + b"\x7f")
        # To version 1 that is a frame of length, flags and identity.
        size = len(their_identity)
        assert self.read(10) == b"\xff" + (size + 1).to_bytes(8, "big") + b"\x7f"
        if self.version == 1:
            assert self.read(size) == their_identity
        else:
            assert self.read(1) == b"\x03"
            self.handle.sendall(b"\x01" + bytes((NUMBERS[kind], 0, len(identity))) + identity)
            number = NUMBERS[theirs.replace("X", "")]
            assert self.read(3 + size) == bytes((number, 0, size)) + their_identity

    def send(self, *parts: bytes) -> None:
        frames = b""
        for number, part in enumerate(parts, 1):
            more = number < len(parts)
            size = len(part)
            if self.version == 1:
                size += 1
                frames += bytes((size,)) if size < 255 else b"\xff" + size.to_bytes(8, "big")
                frames += bytes((more,)) + part
            else:
                frames += bytes((more, size)) if size < 256 else bytes((more | 2,)) + size.to_bytes(8, "big")
                frames += part
        self.handle.sendall(frames)

    def receive(self) -> list[bytes]:
        parts: list[bytes] = []
        more = 1
        while more:
            if self.version == 1:
                (size,) = self.read(1)
                if size == 255:
                    size = int.from_bytes(self.read(8), "big")
                    assert size > 254
                (more,) = self.read(1)
                size -= 1
            else:
                (flags,) = self.read(1)
                assert flags < 4
                size = int.from_bytes(self.read(8 if flags & 2 else 1), "big")
                assert not flags & 2 or size > 255
                more = flags & 1
            assert more in (0, 1)
            parts.append(self.read(size))
        return parts

    def ended(self) -> bool:
        """Wait for the end of the connection."""
        try:
            while self.handle.recv(1000):
                pass
        except ConnectionError:
            pass
        return True


class Stage:
    """A context, and peers of one version on one side of the connection."""

    def __init__(self, version: int, we_bind: bool) -> None:
        self.version = version
        self.we_bind = we_bind
        self.context = mqbridge.Context()
        self.context.linger = 0
        self.context.rcvtimeo = self.context.sndtimeo = 20_000
        self._open: list[Any] = []

    def socket(self, kind: str, **options: Any) -> Any:
        made = self.context.socket(mqbridge.SocketType[kind])
        self._open.append(made)
        for name, value in options.items():
            setattr(made, name, value)
        return made

    def reached(self, socket: Any) -> Older:
        """Return a peer that has a connection to a socket, and nothing else."""
        if self.we_bind:
            if not socket.last_endpoint:
                socket.bind("tcp://127.0.0.1:*")
            handle = system.create_connection(("127.0.0.1", int(socket.last_endpoint.rpartition(b":")[2])), 20)
        else:
            with system.create_server(("127.0.0.1", 0)) as listener:
                listener.settimeout(20)
                socket.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
                handle, _ = listener.accept()
        self._open.append(handle)
        return Older(handle, self.version)

    def meet(self, ours: str, theirs: str, identity: bytes = b"", **options: Any) -> tuple[Any, Older]:
        """Return a socket and a peer that know each other."""
        socket = self.socket(ours, **options)
        peer = self.reached(socket)
        peer.greet(theirs, ours, identity, options.get("routing_id", b""))
        return socket, peer

    def end(self) -> None:
        for each in self._open:
            each.close()
        self.context.term()


@pytest.fixture(params=[(1, True), (1, False), (2, True), (2, False)], ids=["1 binding", "1", "2 binding", "2"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Peers of each version, and each side binding."""
    made = Stage(*request.param)
    yield made
    made.end()


Meet = Callable[..., tuple[Any, Older]]


@pytest.mark.parametrize(("ours", "theirs"), [("PAIR", "PAIR"), ("DEALER", "DEALER")])
def test_both_ways(stage: Stage, ours: str, theirs: str) -> None:
    socket, peer = stage.meet(ours, theirs)
    for message in MESSAGES:
        socket.send_multipart(message)
        assert (peer.receive() == message) is True
        peer.send(*message)
        assert (socket.recv_multipart() == message) is True


def test_pipelines(stage: Stage) -> None:
    push, puller = stage.meet("PUSH", "PULL")
    pull, pusher = stage.meet("PULL", "PUSH")
    for number in range(1000):
        push.send(b"%d" % number)
        pusher.send(b"%d" % number)
    for number in range(1000):
        assert puller.receive() == [b"%d" % number]
        assert pull.recv() == b"%d" % number


def test_requests(stage: Stage) -> None:
    req, replier = stage.meet("REQ", "REP")
    rep, requester = stage.meet("REP", "REQ")
    for message in MESSAGES:
        req.send_multipart(message)
        assert (replier.receive() == [b"", *message]) is True
        replier.send(b"", *message)
        assert (req.recv_multipart() == message) is True
        # As from behind a ROUTER.
        requester.send(b"who", b"", *message)
        assert (rep.recv_multipart() == message) is True
        rep.send_multipart(message)
        assert (requester.receive() == [b"who", b"", *message]) is True


def test_a_router_knows_them_by_their_identities(stage: Stage) -> None:
    router, peer = stage.meet("ROUTER", "DEALER", b"dealer", routing_id=b"router")
    router.send_multipart([b"dealer", b"hello"])
    assert peer.receive() == [b"hello"]
    peer.send(b"hi")
    frames = router.recv_multipart(copy=False)
    assert [bytes(frame) for frame in frames] == [b"dealer", b"hi"]
    assert frames[1].get("Identity") == "dealer"
    assert frames[1].get("Peer-Address") == "127.0.0.1"
    if stage.version == 2:
        assert frames[1].get("Socket-Type") == "DEALER"


def test_a_router_names_those_that_have_none(stage: Stage) -> None:
    router, peer = stage.meet("ROUTER", "REQ")
    peer.send(b"", b"question")
    name, *question = router.recv_multipart()
    assert len(name) == 5 and name[0] == 0
    router.send_multipart([name, b"", b"answer"])
    assert peer.receive() == [b"", b"answer"]
    assert question == [b"", b"question"]


@pytest.mark.parametrize("kind", ["PUB", "XPUB"])
def test_publishers(stage: Stage, kind: str, wait_for: Any) -> None:
    pub, peer = stage.meet(kind, "SUB")
    if stage.version == 2:
        peer.send(b"\x01a")
        peer.send(b"\x01c")
        peer.send(b"\x00c")
    if kind == "XPUB":
        told = [b"\x01"] if stage.version == 1 else [b"\x01a", b"\x01c", b"\x00c"]
        assert [pub.recv() for _ in told] == told
    else:
        # What it wants is known when it gets something.
        def heard() -> bool:
            pub.send(b"a first")
            peer.handle.settimeout(0.05)
            try:
                return bool(peer.handle.recv(1, system.MSG_PEEK))
            except TimeoutError:
                return False
            finally:
                peer.handle.settimeout(20)

        wait_for(heard, "the first message")
    for message in ([b"a", b"rest"], [b"b"], [b"abc"], [b"", b"a"], [b"a" * 300], [b"a end"]):
        pub.send_multipart(message)
    found: list[list[bytes]] = []
    while not found or found[-1] != [b"a end"]:
        message = peer.receive()
        if message != [b"a first"]:
            found.append(message)
    wanted = [[b"a", b"rest"], [b"b"], [b"abc"], [b"", b"a"], [b"a" * 300], [b"a end"]]
    if stage.version == 2:
        wanted = [message for message in wanted if message[0].startswith(b"a")]
    assert found == wanted


def test_subscribers(stage: Stage) -> None:
    sub = stage.socket("SUB")
    sub.subscribe(b"a")
    peer = stage.reached(sub)
    peer.greet("PUB", "SUB")
    assert peer.receive() == [b"\x01a"]
    sub.subscribe(b"b")
    sub.unsubscribe(b"a")
    assert [peer.receive(), peer.receive()] == [[b"\x01b"], [b"\x00a"]]
    # It chooses for itself, whatever it is sent.
    peer.send(b"a no")
    peer.send(b"b yes", b"more")
    assert sub.recv_multipart() == [b"b yes", b"more"]


def test_a_raw_subscriber(stage: Stage) -> None:
    xsub, peer = stage.meet("XSUB", "PUB")
    xsub.send(b"\x01a")
    assert peer.receive() == [b"\x01a"]
    peer.send(b"x")
    assert xsub.recv() == b"x"


def test_no_pings(stage: Stage) -> None:
    """Nothing but messages comes, and no answer is waited for."""
    options = {"heartbeat_ivl": 1, "heartbeat_timeout": 1, "heartbeat_ttl": 100}
    pair, peer = stage.meet("PAIR", "PAIR", **options)
    for number in range(300):
        pair.send(b"%d" % number)
        assert peer.receive() == [b"%d" % number]
        peer.send(b"%d" % number)
        assert pair.recv() == b"%d" % number


def test_types_that_do_not_suit(stage: Stage) -> None:
    """Version 1 knows no types."""
    if stage.version == 2:
        socket = stage.socket("PULL", reconnect_ivl=-1)
        with Monitor(socket) as monitor:
            peer = stage.reached(socket)
            peer.greet("PULL", "PULL")
            assert peer.ended()
            while (event := monitor.recv()).event != Event.HANDSHAKE_FAILED_PROTOCOL:
                pass
            assert event.cause == "greeting: a PULL socket does not talk to a PULL socket"


@pytest.mark.parametrize(
    "options",
    [{"plain_server": 1}, {"plain_username": b"user"}, {"zap_domain": b"domain"}],
    ids=["PLAIN server", "PLAIN client", "ZAP"],
)
def test_they_are_no_way_around_security(stage: Stage, options: dict[str, Any]) -> None:
    socket = stage.socket("PULL", reconnect_ivl=-1, **options)
    with Monitor(socket) as monitor:
        peer = stage.reached(socket)
        peer.handle.sendall(b"\x01\x00" if stage.version == 1 else b"\xff" + bytes(8) + b"\x7f\x01\x08\x00\x00")
        assert peer.ended()
        while (event := monitor.recv()).event != Event.HANDSHAKE_FAILED_PROTOCOL:
            pass
        assert "which has no security" in event.cause
        assert event.value == Event.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
    assert not socket.poll(0)


def test_success_is_told(stage: Stage) -> None:
    socket = stage.socket("DEALER")
    with Monitor(socket) as monitor:
        stage.reached(socket).greet("ROUTER", "DEALER", b"router")
        while (event := monitor.recv()).event != Event.HANDSHAKE_SUCCEEDED:
            pass
        assert event.peer is not None and event.peer.routing_id == b"router"


def test_a_flood_of_them(stage: Stage) -> None:
    """Batches, partial writes and the high-water marks are as with other peers."""
    pull, pusher = stage.meet("PULL", "PUSH", rcvhwm=10)
    push, puller = stage.meet("PUSH", "PULL", sndhwm=10)
    bodies = [bytes((number % 251,)) * (number * 97 % 40_000) for number in range(150)]
    for body in bodies:
        push.send_multipart([body, b"x"])
        assert (puller.receive() == [body, b"x"]) is True
    pusher.handle.settimeout(0.2)
    sent = 0
    received = 0
    for body in bodies:
        pusher.send(body)
        sent += 1
        while sent - received > 8:
            assert (pull.recv() == bodies[received]) is True
            received += 1
    while received < sent:
        assert (pull.recv() == bodies[received]) is True
        received += 1


def test_an_older_peer_that_breaks_the_protocol(stage: Stage) -> None:
    pull = stage.socket("PULL", maxmsgsize=1000, reconnect_ivl=-1)
    peer = stage.reached(pull)
    peer.greet("PUSH", "PULL")
    peer.send(b"good")
    assert pull.recv() == b"good"
    peer.send(bytes(1001))
    assert peer.ended()
    assert not pull.poll(0)
