"""The example server serves all kinds of clients, whatever they do; tests/cli/demo has its service, and the demo."""

from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mqbridge

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
LIMIT = 60


class Running:
    """examples/server.py in a process of its own."""

    def __init__(self, within: float) -> None:
        self.within = within
        self.process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / "server.py")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline().split() for _ in range(3)]
        assert [line[:1] for line in lines] == [["REP"], ["PULL"], ["lines"]]
        self.rep, self.pull, self.lines = (line[1] for line in lines)

    def connect(self, **options: int) -> socket.socket:
        """Return a TCP connection to the line server."""
        connection = socket.socket()
        connection.settimeout(self.within)
        for name, value in options.items():
            connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
        host, _, port = self.lines.rpartition(":")
        connection.connect((host, int(port)))
        return connection

    def statistics(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.request([b"STATS"])[0])
        return found

    def request(self, parts: list[bytes]) -> list[bytes]:
        """Return the reply to one request of a new REQ socket."""
        with mqbridge.Context() as context, context.socket(mqbridge.REQ) as req:
            req.LINGER = 0
            req.RCVTIMEO = int(self.within * 1000)
            req.connect(self.rep)
            req.send_multipart(parts)
            return req.recv_multipart()

    def end(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal, which is success."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=self.within)
        assert errors == ""
        assert self.process.returncode == 0


@pytest.fixture
def server(scaled: Callable[[float], float]) -> Iterator[Running]:
    running = Running(scaled(10))
    try:
        yield running
        if running.process.returncode is None:
            running.end()
    finally:
        if running.process.returncode is None:
            running.process.kill()
            running.process.communicate()


def lines_of(connection: socket.socket, count: int) -> list[bytes]:
    """Read exactly `count` lines."""
    received = b""
    while received.count(b"\n") < count:
        chunk = connection.recv(65536)
        assert chunk, f"the server closed after {received!r}"
        received += chunk
    assert received.endswith(b"\n")
    return received.splitlines()


# ---- the server


def test_server_ends_by_either_signal(server: Running) -> None:
    server.end(signal.SIGINT)


def test_server_talks_to_stock_sockets(server: Running, wait_for: Callable[..., None]) -> None:
    zmq = pytest.importorskip("zmq")
    with zmq.Context() as context, context.socket(zmq.REQ) as req, context.socket(zmq.PUSH) as push:
        req.RCVTIMEO = push.SNDTIMEO = int(server.within * 1000)
        req.LINGER = push.LINGER = 0
        req.connect(server.rep)
        push.connect(server.pull)
        for number in range(10):
            req.send_multipart([b"question", b"%d" % number])
            assert req.recv_multipart() == [b"QUESTION", b"%d" % number]
        for number in (0, 1, 3, 3):
            push.send_multipart([b"me", b"%d" % number, b"whatever"])
        push.send(b"nonsense")

        def statistics() -> Any:
            req.send(b"STATS")
            return json.loads(req.recv())

        wait_for(lambda: statistics()["malformed"] == 1, "the last event")
        found = statistics()
    assert found["answers"] == 10
    assert found["senders"]["me"].pop("seconds") >= 0
    assert found["senders"] == {"me": {"received": 4, "lost": 1, "misplaced": 1}}


def test_lines_are_answered_however_they_are_cut(server: Running) -> None:
    with server.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (b"fir", b"st\nsec", b"ond\r", b"\n\nlast"):
            connection.sendall(piece)
        assert lines_of(connection, 3) == [b"FIRST", b"SECOND", b""]
        connection.sendall(b"\n")
        assert lines_of(connection, 1) == [b"LAST"]
        for byte in b"one by one\n":
            connection.sendall(bytes([byte]))
        assert lines_of(connection, 1) == [b"ONE BY ONE"]
        many = [b"line %d" % number for number in range(5000)]
        connection.sendall(b"\n".join(many) + b"\n")
        assert lines_of(connection, 5000) == [line.upper() for line in many]


def test_a_client_that_has_finished_gets_its_answers(server: Running) -> None:
    with server.connect() as connection:
        connection.sendall(b"a\nb\nunfinished")
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as answers:
            assert answers.read() == b"A\nB\n"


def test_too_long_a_line_ends_the_connection(server: Running) -> None:
    with server.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"fine\n" + b"x" * 1_000_000)
        assert connection.recv(100) == b"FINE\n"
        assert connection.recv(100) == b""
    assert server.request([b"still there?"]) == [b"STILL THERE?"]


def test_many_clients_at_once(server: Running) -> None:
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(100)]
        for number, connection in enumerate(connections):
            connection.sendall(b"i am %d\n" % number)
        for number, connection in enumerate(connections):
            assert lines_of(connection, 1) == [b"I AM %d" % number]
        assert server.statistics()["clients"] == 100


def test_a_client_that_never_reads_stops_nobody(server: Running, scaled: Callable[[float], float]) -> None:
    line = b"x" * 1023 + b"\n"
    with server.connect(SO_RCVBUF=8192, SO_SNDBUF=8192) as idler:
        idler.setblocking(False)
        sent = 0
        data = line * 64
        # Until the server does not listen to it any more.
        while select.select([], [idler], [], scaled(0.5))[1]:
            sent += idler.send(data[sent % len(data) :])
            assert sent < 100_000_000, "the server takes whatever comes, and keeps the answers"
        with server.connect() as connection:
            connection.sendall(b"hello\n")
            assert lines_of(connection, 1) == [b"HELLO"]
        assert server.request([b"hello"]) == [b"HELLO"]
        # It changes its mind: each whole line is answered.
        idler.settimeout(server.within)
        received = b"".join(iter_exactly(idler, sent // len(line) * len(line)))
        assert received == line.upper() * (sent // len(line))


def iter_exactly(connection: socket.socket, size: int) -> Iterator[bytes]:
    """Read exactly `size` bytes."""
    while size:
        chunk = connection.recv(min(size, 65536))
        assert chunk, f"the server closed, {size} bytes too early"
        size -= len(chunk)
        yield chunk


def test_server_ends_with_a_client_that_never_reads(server: Running) -> None:
    with server.connect(SO_RCVBUF=8192) as idler:
        idler.sendall(b"x" * 50_000 + b"\n" + b"y" * 50_000 + b"\n")
        server.end()


def test_a_client_that_vanishes_is_forgotten(server: Running, wait_for: Callable[..., None]) -> None:
    for _ in range(10):
        connection = server.connect(SO_RCVBUF=8192)
        connection.sendall(b"x\n" * 10_000 + b"partial")
        # A reset, not an orderly end: the server meets it while it reads, or while it writes.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    wait_for(lambda: server.statistics()["clients"] == 0, "the end of the clients that have gone")
    with server.connect() as connection:
        connection.sendall(b"hello\n")
        assert lines_of(connection, 1) == [b"HELLO"]
