"""Each examples/loop_*.py is the same small server in another loop; a client with stock pyzmq tries them all."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from mqbridge.loops import available

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
LOOPS = sorted(path.stem.removeprefix("loop_") for path in EXAMPLES.glob("loop_*.py"))


class Server:
    """An example in a process of its own."""

    def __init__(self, loop: str, within: float) -> None:
        self.within = within
        self.process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / f"loop_{loop}.py")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline().split() for _ in range(3)]
        assert [line[:1] for line in lines] == [["REP"], ["PUB"], ["TCP"]], self.process.stderr
        self.rep, self.pub, tcp = (line[1] for line in lines)
        host, _, port = tcp.rpartition(":")
        self.tcp = host, int(port)

    def end(self, number: int) -> None:
        """End it by a signal, which is success."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=self.within)
        assert (output, errors, self.process.returncode) == ("", "", 0)


@pytest.fixture(params=LOOPS)
def server(request: pytest.FixtureRequest, scaled: Callable[[float], float]) -> Iterator[Server]:
    """The example of each loop."""
    problems = {adapter.name: adapter.problem for adapter in available()}
    if problems.get(request.param):
        pytest.skip(problems[request.param])
    running = Server(request.param, scaled(10))
    try:
        yield running
    finally:
        if running.process.returncode is None:
            running.process.kill()
            running.process.communicate()


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    """A stock context."""
    with zmq.Context() as made:
        yield made


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_all_three_are_served_at_once(
    server: Server, context: zmq.Context[zmq.Socket[bytes]], scaled: Callable[[float], float], number: int
) -> None:
    limit = int(scaled(10) * 1000)
    with (
        context.socket(zmq.SUB) as sub,
        context.socket(zmq.REQ) as req,
        context.socket(zmq.REQ) as other,
        socket.create_connection(server.tcp, scaled(10)) as one,
        socket.create_connection(server.tcp, scaled(10)) as two,
    ):
        for each in (sub, req, other):
            each.linger, each.rcvtimeo = 0, limit
        sub.connect(server.pub)
        sub.subscribe("tick ")
        for each in (req, other):
            each.connect(server.rep)
        for count in range(50):
            for each in (req, other):
                each.send_string(f"request {count}")
            for each, name in ((one, "one"), (two, "two")):
                each.sendall(f"{name} {count}\nand more\nunfin".encode())
            for each in (req, other):
                assert each.recv_string() == f"REQUEST {count}"
            req.send_multipart([b"two", b"parts"])
            assert req.recv_multipart() == [b"TWO", b"PARTS"]
            for each, name in ((one, "one"), (two, "two")):
                each.sendall(b"ished\n")
                lines = b""
                while lines.count(b"\n") < 3:
                    lines += each.recv(1000)
                assert lines == f"{name} {count}\nand more\nunfinished\n".upper().encode()
        words = [sub.recv_string().split() for _ in range(3)]
        first = int(words[0][1])
        assert words == [["tick", str(first + later)] for later in range(3)]
    server.end(number)


def test_a_client_that_goes_in_the_middle_disturbs_nobody(
    server: Server, context: zmq.Context[zmq.Socket[bytes]], scaled: Callable[[float], float]
) -> None:
    for _ in range(5):
        with socket.create_connection(server.tcp, scaled(10)) as connection, context.socket(zmq.REQ) as req:
            connection.sendall(b"no end")
            req.linger = 0
            req.connect(server.rep)
            req.send(b"nobody waits for the reply")
    with context.socket(zmq.REQ) as req:
        req.linger, req.rcvtimeo = 0, int(scaled(10) * 1000)
        req.connect(server.rep)
        req.send(b"still there?")
        assert req.recv() == b"STILL THERE?"
    server.end(signal.SIGTERM)


def test_a_visit_to_each(scaled: Callable[[float], float]) -> None:
    command = [sys.executable, "-W", "error", str(EXAMPLES / "visit.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(60))
    assert (done.returncode, done.stderr) == (0, "")
    problems = {adapter.name: adapter.problem for adapter in available()}
    served = [loop for loop in LOOPS if not problems.get({"uv": "pyuv"}.get(loop, loop))]
    assert re.findall(r"^(\w+): serving at ", done.stdout, re.MULTILINE) == served
    for answer in ("REP answers: IS ANYBODY THERE?", "TCP answers: A LINE OVER TCP", "it ended with 0"):
        assert done.stdout.count(answer) == len(served)
    assert len(re.findall(r"PUB says: tick \d+, tick \d+, tick \d+$", done.stdout, re.MULTILINE)) == len(served)


def test_a_visit_to_nobody(scaled: Callable[[float], float]) -> None:
    command = [sys.executable, str(EXAMPLES / "visit.py"), "nobody"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(60))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("there is no loop_nobody.py; choose from asyncio, ")
