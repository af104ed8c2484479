"""Peers of ZMTP 3.0, 3.1 and of versions to come, written from RFC 23 and RFC 37, on either side of the connection.

The peers are made of bytes; nothing of the package helps them. What they are told is compared to the byte.
"""

from __future__ import annotations

import socket as system
from collections.abc import Iterator
from typing import Any

import pytest

import mqbridge

PATIENCE = 20
VERSIONS = [(3, 0), (3, 1), (3, 2), (4, 0), (255, 255)]

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


def greeting(version: tuple[int, int], mechanism: bytes = b"NULL", as_server: int = 0) -> bytes:
    return b"\xff" + bytes(8) + b"\x7f" + bytes(version) + mechanism.ljust(20, b"\0") + bytes((as_server,)) + bytes(31)


def command(body: bytes) -> bytes:
    return bytes((4, len(body))) + body


def ready(kind: bytes) -> bytes:
    return command(b"\x05READY\x0bSocket-Type" + len(kind).to_bytes(4, "big") + kind)


class Peer:
    """The other end of a connection."""

    def __init__(self, handle: system.socket) -> None:
        self.handle = handle
        handle.settimeout(PATIENCE)
        handle.setsockopt(system.IPPROTO_TCP, system.TCP_NODELAY, 1)

    def say(self, *what: bytes) -> None:
        self.handle.sendall(b"".join(what))

    def read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            data = self.handle.recv(size - len(found))
            assert data, f"the connection ended after {found[:100]!r}"
            found += data
        return found

    def frame(self) -> tuple[int, bytes]:
        """Return the flags of the next frame, and what is in it."""
        (flags,) = self.read(1)
        size = int.from_bytes(self.read(8 if flags & 2 else 1), "big")
        return flags & ~2, self.read(size)


class Stage:
    """A context, and peers of one version, on one side."""

    def __init__(self, version: tuple[int, int], we_bind: bool) -> None:
        self.version = version
        self.we_bind = we_bind
        self.context = mqbridge.Context()
        self.context.linger = 0
        self.context.rcvtimeo = self.context.sndtimeo = PATIENCE * 1000
        self.open: list[Any] = []

    def meet(self, kind: str, mechanism: bytes = b"NULL", **options: Any) -> tuple[Any, Peer]:
        """Return a socket and a peer that have exchanged greetings; neither waits for the rest of the other's."""
        socket = self.context.socket(mqbridge.SocketType[kind])
        self.open.append(socket)
        for name, value in options.items():
            setattr(socket, name, value)
        if self.we_bind:
            port = socket.bind_to_random_port("tcp://127.0.0.1")
            handle = system.create_connection(("127.0.0.1", port), PATIENCE)
        else:
            with system.create_server(("127.0.0.1", 0)) as listener:
                listener.settimeout(PATIENCE)
                socket.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
                handle, _ = listener.accept()
        self.open.append(handle)
        peer = Peer(handle)
        theirs = mechanism == b"PLAIN" and not options.get("plain_server")
        peer.say(greeting(self.version, mechanism, theirs))
        # Our own version, whatever the peer's is. The padding is what ZMTP 1.0 takes for the size of an identity.
        padding = (len(options.get("routing_id", b"")) + 1).to_bytes(8, "big")
        own = greeting((3, 1), mechanism, bool(options.get("plain_server")))
        assert peer.read(64) == own[:1] + padding + own[9:]
        return socket, peer

    def end(self) -> None:
        for each in self.open:
            each.close()
        self.context.term()


@pytest.fixture(params=[True, False], ids=["bound", "connected"])
def we_bind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=VERSIONS, ids=lambda version: "{}.{}".format(*version))
def stage(request: pytest.FixtureRequest, we_bind: bool) -> Iterator[Stage]:
    made = Stage(request.param, we_bind)
    yield made
    made.end()


def test_messages_both_ways(stage: Stage) -> None:
    socket, peer = stage.meet("DEALER", routing_id=b"me")
    assert peer.frame() == (4, b"\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x02me")
    peer.say(ready(b"ROUTER"), b"\x01\x03one\x00\x00", b"\x02" + (300).to_bytes(8, "big") + bytes(300))
    assert socket.recv_multipart() == [b"one", b""]
    assert socket.recv_multipart() == [bytes(300)]
    socket.send_multipart([b"a", bytes(256)])
    assert [peer.frame(), peer.frame()] == [(1, b"a"), (0, bytes(256))]


def test_a_subscriber(stage: Stage) -> None:
    """A message to 3.0, a command since 3.1."""
    sub, peer = stage.meet("SUB")
    assert peer.frame() == (4, b"\x05READY\x0bSocket-Type\0\0\0\x03SUB")
    sub.subscribe(b"topic")
    peer.say(ready(b"PUB"))
    assert peer.frame() == ((0, b"\x01topic") if stage.version == (3, 0) else (4, b"\x09SUBSCRIBEtopic"))
    peer.say(b"\0\x06topic!")
    assert sub.recv() == b"topic!"
    sub.unsubscribe(b"topic")
    assert peer.frame() == ((0, b"\x00topic") if stage.version == (3, 0) else (4, b"\x06CANCELtopic"))


def test_a_publisher(stage: Stage) -> None:
    """It understands both ways of saying it."""
    xpub, peer = stage.meet("XPUB")
    peer.say(ready(b"SUB"), b"\0\x02\x01a", command(b"\x09SUBSCRIBEb"))
    peer.frame()
    assert [xpub.recv(), xpub.recv()] == [b"\x01a", b"\x01b"]
    for message in (b"a1", b"c1", b"b1"):
        xpub.send(message)
    assert [peer.frame(), peer.frame()] == [(0, b"a1"), (0, b"b1")]
    peer.say(b"\0\x02\x00a", command(b"\x06CANCELb"))
    assert [xpub.recv(), xpub.recv()] == [b"\x00a", b"\x00b"]


def test_a_ping_is_answered_with_its_context(stage: Stage) -> None:
    pull, peer = stage.meet("PULL")
    peer.say(ready(b"PUSH"), command(b"\x04PING\x00\x00context"), b"\0\x01x")
    peer.frame()
    assert peer.frame() == (4, b"\x04PONGcontext")
    assert pull.recv() == b"x"


def test_commands_of_later_versions_are_passed_over(stage: Stage) -> None:
    pull, peer = stage.meet("PULL")
    peer.say(ready(b"PUSH"), command(b"\x07WHATEVERx"), command(b"\x04JOINgroup"), b"\0\x01x")
    assert pull.recv() == b"x"


def test_a_plain_client(stage: Stage) -> None:
    push, peer = stage.meet("PUSH", b"PLAIN", plain_username=b"user", plain_password=b"word")
    assert peer.frame() == (4, b"\x05HELLO\x04user\x04word")
    peer.say(command(b"\x07WELCOME"))
    assert peer.frame() == (4, b"\x08INITIATE\x0bSocket-Type\0\0\0\x04PUSH")
    peer.say(ready(b"PULL"))
    push.send(b"secret enough")
    assert peer.frame() == (0, b"secret enough")


def test_a_plain_server(stage: Stage) -> None:
    zap = stage.context.socket(mqbridge.REP)
    stage.open.append(zap)
    zap.bind("inproc://zeromq.zap.01")
    pull, peer = stage.meet("PULL", b"PLAIN", plain_server=1)
    peer.say(command(b"\x05HELLO\x04user\x04word"))
    request = zap.recv_multipart()
    assert request[5:] == [b"PLAIN", b"user", b"word"]
    zap.send_multipart([b"1.0", request[1], b"200", b"", b"user", b""])
    assert peer.frame() == (4, b"\x07WELCOME")
    peer.say(command(b"\x08INITIATE\x0bSocket-Type\0\0\0\x04PUSH"))
    assert peer.frame() == (4, b"\x05READY\x0bSocket-Type\0\0\0\x04PULL")
    peer.say(b"\0\x01x")
    assert pull.recv(copy=False).get("User-Id") == "user"
