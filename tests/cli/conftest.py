"""What tests of commands share: processes that run them, and endpoints to meet at."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

LIMIT = 60


class Running:
    """A command in a process of its own."""

    def __init__(self, *arguments: str, **options: Any) -> None:
        environment = {**os.environ, **options.pop("environment", {})}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        command = [sys.executable, "-W", "error", "-m", "mqbridge", *arguments]
        self.process = subprocess.Popen(command, env=environment, bufsize=0, **pipes)

    def line(self) -> bytes:
        """Wait for the next line of its output."""
        assert self.process.stdout is not None
        return bytes(self.process.stdout.readline())

    def note(self, text: str) -> str:
        """Wait for a line on stderr that has this text; return what comes after it."""
        assert self.process.stderr is not None
        for line in iter(self.process.stderr.readline, b""):
            if text in line.decode():
                return str(line.decode().partition(text)[2].strip())
        raise AssertionError(f"it never said {text!r}")

    def done(self, given: bytes | None = None) -> tuple[int, bytes, str]:
        """Wait for its end; return its status, its output, and what it said on stderr."""
        output, errors = self.process.communicate(given, timeout=LIMIT)
        return self.process.returncode, output or b"", (errors or b"").decode()


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """A function that starts `mqbridge` with arguments; what runs at the end of the test is killed."""
    started: list[Running] = []

    def begin(*arguments: str, **options: Any) -> Running:
        started.append(Running(*arguments, **options))
        return started[-1]

    yield begin
    for running in started:
        process = running.process
        if process.poll() is None:
            process.kill()
        process.wait()
        for file in (process.stdin, process.stdout, process.stderr):
            if file is not None:
                file.close()


@pytest.fixture
def place() -> Iterator[str]:
    """An ipc endpoint of which nobody knows."""
    directory = tempfile.mkdtemp(prefix="mqb")
    yield f"ipc://{Path(directory) / 's'}"
    shutil.rmtree(directory)


class Stock:
    """Stock sockets, of pyzmq."""

    def __init__(self, context: Any, limit: int) -> None:
        self._context = context
        self._limit = limit
        # Until the end of the test, also if the test forgets them.
        self.sockets: list[Any] = []

    def socket(self, kind: int, **options: Any) -> Any:
        """Return a socket of a type, with options."""
        socket = self._context.socket(kind)
        self.sockets.append(socket)
        socket.linger = 0
        socket.rcvtimeo = socket.sndtimeo = self._limit
        for name, value in options.items():
            socket.set(getattr(zmq, name), value)
        return socket

    def bound(self, kind: int, **options: Any) -> tuple[Any, str]:
        """Return a socket that is bound, and where."""
        socket = self.socket(kind, **options)
        socket.bind("tcp://127.0.0.1:*")
        return socket, socket.last_endpoint.decode()

    def connected(self, kind: int, endpoint: str, **options: Any) -> Any:
        """Return a socket that is connected."""
        socket = self.socket(kind, **options)
        socket.connect(endpoint)
        return socket


@pytest.fixture
def stock(scaled: Callable[[float], float]) -> Iterator[Stock]:
    """Stock sockets."""
    context = zmq.Context()
    made = Stock(context, int(scaled(20) * 1000))
    yield made
    for socket in made.sockets:
        socket.close(0)
    context.term()


@pytest.fixture
def bound(stock: Stock) -> Callable[..., tuple[Any, str]]:
    """A function that returns a stock socket that is bound, and where."""
    return stock.bound


@pytest.fixture
def connected(stock: Stock) -> Callable[..., Any]:
    """A function that returns a stock socket that is connected."""
    return stock.connected
