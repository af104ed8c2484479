"""The check of the adapters' examples: one small server each, a REP, a PUB and a TCP line server in one loop."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import zmq

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@contextlib.contextmanager
def running(name: str) -> Iterator[subprocess.Popen[str]]:
    """Run an example, which has to end by itself."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def check_server(process: subprocess.Popen[str], number: int = signal.SIGTERM, within: float = 20) -> None:
    """Let a stock pyzmq client use all three endpoints, then end the server by a signal."""
    assert process.stdout is not None
    places = dict(process.stdout.readline().split() for _ in range(3))
    host, _, port = places["TCP"].rpartition(":")
    with (
        zmq.Context() as context,
        context.socket(zmq.REQ) as req,
        context.socket(zmq.SUB) as sub,
        socket.create_connection((host, int(port)), within) as lines,
    ):
        for client in (req, sub):
            client.linger = 0
            client.rcvtimeo = int(within * 1000)
        req.connect(places["REP"])
        sub.connect(places["PUB"])
        sub.subscribe(b"tick ")
        first = int(sub.recv()[5:])
        for text in (b"hello", b"once more"):
            lines.sendall(text[:3])
            req.send(text)
            lines.sendall(text[3:] + b"\n")
            assert req.recv() == text.upper()
            answer = b""
            while not answer.endswith(b"\n"):
                chunk = lines.recv(100)
                assert chunk
                answer += chunk
            assert answer == text.upper() + b"\n"
        assert int(sub.recv()[5:]) == first + 1
        # With a client that waits in the middle.
        process.send_signal(number)
        _, errors = process.communicate(timeout=within)
    assert (process.returncode, errors) == (0, "")
