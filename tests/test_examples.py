"""The examples do what they say: the demo judges rightly, and the server serves all kinds of clients."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import mqbridge

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
LIMIT = 60


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module examples/demo.py, which finds its neighbours as it does when it is run."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    names = ("server", "demo")
    assert not any(name in sys.modules for name in names)
    yield importlib.import_module("demo")
    for name in names:
        sys.modules.pop(name, None)


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


# ---- the demo


def test_demo_loses_nothing() -> None:
    ran = subprocess.run(
        [sys.executable, str(EXAMPLES / "demo.py"), "--messages", "200", "--time-limit", "30"],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    first, second, blank, head, *rows, blank_too, verdict = ran.stdout.splitlines()
    assert first == f"mqbridge {mqbridge.__version__}, {'compiled' if mqbridge.COMPILED else 'interpreted'}"
    assert second.startswith("CPython 3.") and blank == blank_too == ""
    assert head.split() == ["client", "pattern", "exchanged", "lost", "messages/s"]
    cells = [row.replace("TCP lines", "TCP-lines").split() for row in rows]
    expected = [
        ["mqbridge", "REQ-REP", "200", "0"],
        ["pyzmq", "REQ-REP", "200", "0"],
        ["mqbridge", "PUSH-PULL", "1,000", "0"],
        ["pyzmq", "PUSH-PULL", "1,000", "0"],
        ["socket", "TCP-lines", "200", "0"],
    ]
    assert [row[:4] for row in cells] == expected
    assert all(int(row[4].replace(",", "")) > 0 for row in cells)
    assert verdict.startswith("Nothing lost: 5 clients at once exchanged 2,600 messages")


def test_demo_without_pyzmq(
    demo: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "zmq", None)
    assert demo.main(["--messages", "20", "--time-limit", "30"]) == 0
    shown = capsys.readouterr().out
    assert "without pyzmq, which is not installed" in shown
    assert [line.split()[0] for line in shown.splitlines()[4:7]] == ["mqbridge", "mqbridge", "socket"]
    assert "Nothing lost: 3 clients at once exchanged 140 messages" in shown


def test_demo_fails_when_a_client_dies(
    demo: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begin = demo.begin

    def begin_and_kill(*arguments: Any) -> Any:
        clients = begin(*arguments)
        clients[0].process.kill()
        return clients

    monkeypatch.setattr(demo, "begin", begin_and_kill)
    assert demo.main(["--messages", "20", "--time-limit", "30"]) == 1
    shown = capsys.readouterr()
    assert "error: mqbridge REQ-REP: ended with status -9" in shown.err.splitlines()
    assert "error: mqbridge REQ-REP: 20 of 20 messages lost" in shown.err.splitlines()
    assert len(shown.err.splitlines()) == 2
    assert "Nothing lost" not in shown.out


def test_demo_has_a_time_limit(demo: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--messages", "10000000", "--time-limit", "0.5"]) == 1
    shown = capsys.readouterr()
    assert "error: socket TCP lines: did not end in time" in shown.err.splitlines()
    assert "Nothing lost" not in shown.out


def test_demo_ends_by_a_signal(demo: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    start = demo.Client.start

    def start_and_stop(client: Any) -> None:
        start(client)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(demo.Client, "start", start_and_stop)
    assert demo.main(["--messages", "10000000"]) == 1
    assert "error: stopped by a signal" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is handler


def test_problems_are_what_was_lost_and_all_errors(demo: ModuleType) -> None:
    good = demo.Result("pyzmq", "REQ-REP", 10, exchanged=10, seconds=2.0)
    bad = demo.Result("mqbridge", "PUSH-PULL", 3000, exchanged=1000, seconds=0.5, errors=["mqbridge: out of order"])
    assert demo.problems([good]) == []
    assert demo.problems([good, bad]) == ["mqbridge: out of order", "mqbridge PUSH-PULL: 2,000 of 3,000 messages lost"]
    assert demo.table([good, bad]).splitlines() == [
        "client    pattern    exchanged   lost  messages/s",
        "pyzmq     REQ-REP           10      0           5",
        "mqbridge  PUSH-PULL      1,000  2,000       2,000",
    ]


@pytest.mark.parametrize(
    ("numbers", "lost", "misplaced"),
    [
        ([0, 1, 2, 3], 0, 0),
        ([1, 2, 3], 1, 0),
        ([0, 3], 2, 0),
        ([0, 1, 1, 2], 0, 1),
        ([0, 2, 1, 3], 1, 1),
    ],
)
def test_the_server_counts_what_is_lost_and_misplaced(
    demo: ModuleType, numbers: list[int], lost: int, misplaced: int
) -> None:
    sender = demo.Sender()
    for number in numbers:
        sender.count(number)
    assert (sender.received, sender.lost, sender.misplaced) == (len(numbers), lost, misplaced)


def test_a_client_fails_at_a_wrong_answer(scaled: Callable[[float], float]) -> None:
    with mqbridge.Context() as context, context.socket(mqbridge.REP) as rep:
        rep.LINGER = 0
        rep.RCVTIMEO = int(scaled(10) * 1000)
        rep.bind("tcp://127.0.0.1:*")
        command = [sys.executable, str(EXAMPLES / "clients.py"), "req", "--messages", "5", "--name", "me"]
        command += ["--endpoint", rep.LAST_ENDPOINT.decode()]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as client:
            assert client.stdin is not None
            client.stdin.write("start\n")
            client.stdin.flush()
            rep.send(rep.recv().upper())
            rep.recv()
            rep.send(b"MESSAGE 0")
            output, errors = client.communicate(timeout=LIMIT)
    assert client.returncode == 1
    assert errors == "me: after 1 messages: ClientError: message 1 was answered with b'MESSAGE 0', not b'MESSAGE 1'\n"
    assert json.loads(output.splitlines()[-1])["exchanged"] == 1


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
