"""STREAM: connections that come and go, break off and never read, and one beside them that is served all the same."""

from __future__ import annotations

import importlib
import random
import socket as system
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mqbridge

sys.path.append(str(Path(__file__).resolve().parent / "peers"))
raw_peer = importlib.import_module("raw_peer")
reset = raw_peer.reset

pytestmark = pytest.mark.usefixtures("no_descriptor_leak")


class Server:
    """A STREAM that echoes, and what its connections have said."""

    def __init__(self, stream: mqbridge.Socket) -> None:
        self.stream = stream
        self.port = int(stream.get_string(mqbridge.LAST_ENDPOINT).rpartition(":")[2])
        # Routing id -> what has come, the notifications as empty pieces.
        self.heard: dict[bytes, list[bytes]] = {}

    def connect(self) -> system.socket:
        return system.create_connection(("127.0.0.1", self.port), timeout=20)

    def serve(self) -> None:
        """Take what is there."""
        while self.stream.poll(1):
            routing_id, data = self.stream.recv_multipart()
            self.heard.setdefault(routing_id, []).append(data)

    def gone(self) -> bool:
        """Return whether all but one have gone, each with a notification at its beginning and its end."""
        self.serve()
        ended = [pieces for pieces in self.heard.values() if len(pieces) > 1 and pieces[-1] == b""]
        return len(ended) == len(self.heard) - 1

    def talk(self, good: system.socket, routing_id: bytes) -> None:
        """Exchange messages with the connection that is served."""
        for number in range(20):
            before = sum(map(len, self.heard[routing_id]))
            good.sendall(b"question %02d" % number)
            while sum(map(len, self.heard[routing_id])) < before + 11:
                self.serve()
            assert b"".join(self.heard[routing_id]).endswith(b"question %02d" % number)
            self.stream.send_multipart([routing_id, b"answer %02d" % number])
            assert raw_peer.read_exactly(good, 9) == b"answer %02d" % number


@pytest.fixture
def server() -> Iterator[Server]:
    with mqbridge.Context() as context, context.socket(mqbridge.STREAM) as stream:
        stream.linger, stream.sndtimeo, stream.rcvtimeo = 0, 20_000, 20_000
        stream.sndhwm, stream.sndbuf = 20, 65536
        stream.bind("tcp://127.0.0.1:*")
        yield Server(stream)


@pytest.fixture
def good(server: Server) -> Iterator[tuple[system.socket, bytes]]:
    """A connection that behaves, and its routing id."""
    with server.connect() as handle:
        handle.sendall(b"hello")
        while not any(b"hello" in pieces for pieces in server.heard.values()):
            server.serve()
        ((routing_id, pieces),) = server.heard.items()
        assert pieces == [b"", b"hello"]
        yield handle, routing_id


def says_nothing(handle: system.socket) -> None:
    handle.close()


def says_much(handle: system.socket) -> None:
    handle.sendall(random.Random(1).randbytes(20_000))


def says_zmtp(handle: system.socket) -> None:
    handle.sendall(raw_peer.ready(b"STREAM") + raw_peer.encoded(b"", b"x"))


def resets(handle: system.socket) -> None:
    reset(handle)


def resets_in_the_middle(handle: system.socket) -> None:
    handle.sendall(bytes(20_000))
    reset(handle)


def stops_writing(handle: system.socket) -> None:
    handle.sendall(b"the end")
    handle.shutdown(system.SHUT_WR)
    raw_peer.read_to_the_end(handle)


def says_one_byte_at_a_time(handle: system.socket) -> None:
    handle.setsockopt(system.IPPROTO_TCP, system.TCP_NODELAY, 1)
    for _ in range(100):
        handle.sendall(b"x")


ACTS = [
    says_nothing,
    says_much,
    says_zmtp,
    resets,
    resets_in_the_middle,
    stops_writing,
    says_one_byte_at_a_time,
]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_a_bound_stream_with_a_connection_that(
    server: Server,
    good: tuple[system.socket, bytes],
    act: Callable[[system.socket], None],
    wait_for: Callable[..., None],
) -> None:
    for _ in range(5):
        with server.connect() as handle:
            act(handle)
        server.talk(*good)
    wait_for(server.gone, "the end of the others")
    driver = server.stream._driver
    assert len(driver.links) == len(driver.pipes) == 1


def test_a_connection_that_never_reads(server: Server, good: tuple[system.socket, bytes]) -> None:
    with system.socket() as handle:
        handle.setsockopt(system.SOL_SOCKET, system.SO_RCVBUF, 16384)
        handle.connect(("127.0.0.1", server.port))
        while len(server.heard) < 2:
            server.serve()
        (routing_id,) = set(server.heard) - {good[1]}
        with pytest.raises(mqbridge.Again):
            for _ in range(10_000):
                server.stream.send_multipart([routing_id, bytes(10_000)], mqbridge.DONTWAIT)
        server.talk(*good)
        # Hanging up on it does not wait for it.
        server.stream.send_multipart([routing_id, b""])
        with pytest.raises(mqbridge.ZMQError) as caught:
            server.stream.send_multipart([routing_id, b"x"])
        assert caught.value.errno == mqbridge.Errno.EHOSTUNREACH
        server.talk(*good)


def test_pieces_for_nobody(server: Server, good: tuple[system.socket, bytes]) -> None:
    for message in ([b"nobody", b"x"], [b"", b"x"], [bytes(300), b""]):
        with pytest.raises(mqbridge.ZMQError) as caught:
            server.stream.send_multipart(message)
        assert caught.value.errno == mqbridge.Errno.EHOSTUNREACH
    server.talk(*good)


def test_a_connecting_stream_and_a_server_that_breaks_off(wait_for: Callable[..., Any]) -> None:
    with (
        mqbridge.Context() as context,
        context.socket(mqbridge.STREAM) as stream,
        system.create_server(("127.0.0.1", 0)) as listener,
    ):
        stream.linger, stream.rcvtimeo, stream.reconnect_ivl = 0, 20_000, 5
        listener.settimeout(20)
        stream.connect(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
        names = set()
        for number in range(20):
            handle, _ = listener.accept()
            handle.sendall(b"%d" % number)
            found = [stream.recv_multipart() for _ in range(2)]
            assert [data for _, data in found] == [b"", b"%d" % number]
            reset(handle) if number % 2 else handle.close()
            found.append(stream.recv_multipart())
            assert found[-1][1] == b""
            names.update(name for name, _ in found)
        assert len(names) == 1
