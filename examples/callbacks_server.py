"""A server of callbacks, as one writes them for libevent: ZeroMQ requests, TCP lines and a timer in one event base.

    python examples/callbacks_server.py
    python examples/callbacks_server.py server tcp://127.0.0.1:5555 127.0.0.1:5556
    python examples/callbacks_server.py client tcp://127.0.0.1:5555 127.0.0.1:5556

The server answers each request of the REP socket and each line of a TCP connection with the same in capitals, and tells
the time to all TCP connections: a line "tick 1", "tick 2" and so on. Try it with a terminal: nc 127.0.0.1 5556.

The event base is short, since mqbridge.loops.selectors.Selector takes ZeroMQ sockets as if they were files.
"""

from __future__ import annotations

import heapq
import socket as system
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

from library import zmq
from sides import Side, run

from mqbridge.loops.selectors import EVENT_READ, EVENT_WRITE, Selector

INTERVAL = 0.05  # seconds between two ticks
BATCH = 100  # requests that are answered before others have their turn
UNSENT = 262144  # bytes; who leaves more of its lines unread is disconnected
LONGEST_LINE = 65536  # bytes
REQUESTS = 500  # of the client
TICKS = 3  # that the client waits for


class EventBase:
    """What is waited for, each with the callback that is called when it happens."""

    def __init__(self) -> None:
        self.selector = Selector()
        self.timers: list[tuple[float, int, Callable[[], None]]] = []  # a heap; the number keeps equal times apart
        self.numbers = count()

    def on_readable(self, source: Any, callback: Callable[[], None]) -> None:
        """Call back whenever a ZeroMQ socket has a message, or a file or TCP socket has something to read."""
        self.selector.register(source, EVENT_READ, {EVENT_READ: callback})

    def on_writable(self, source: Any, callback: Callable[[], None] | None) -> None:
        """Call back whenever something that is registered can be written to; None: not any more."""
        callbacks = self.selector.get_key(source).data
        callbacks.pop(EVENT_WRITE, None)
        if callback is not None:
            callbacks[EVENT_WRITE] = callback
        self.selector.modify(source, sum(callbacks), callbacks)

    def forget(self, source: Any) -> None:
        """Call back no more, not even for what has happened already. To be called before the source is closed."""
        self.selector.unregister(source).data.clear()

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back once."""
        heapq.heappush(self.timers, (time.monotonic() + seconds, next(self.numbers), callback))

    def dispatch(self) -> None:
        """Wait and call back, until a callback raises something, ContextTerminated say."""
        while True:
            timeout = max(0.0, self.timers[0][0] - time.monotonic()) if self.timers else None
            for key, events in self.selector.select(timeout):
                for event in (EVENT_READ, EVENT_WRITE):
                    if events & event and event in key.data:
                        key.data[event]()
            while self.timers and self.timers[0][0] <= time.monotonic():
                heapq.heappop(self.timers)[2]()

    def close(self) -> None:
        self.selector.close()


class Lines:
    """A TCP connection that is read and written line by line."""

    def __init__(self, base: EventBase, connection: system.socket, closed: Callable[[Lines], object]) -> None:
        self.base = base
        self.connection = connection
        self.closed = closed
        self.partial = b""  # the beginning of a line that has not ended yet
        self.unsent = b""
        connection.setblocking(False)
        base.on_readable(connection, self.readable)

    def readable(self) -> None:
        try:
            chunk = self.connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        *lines, self.partial = (self.partial + chunk).split(b"\n")
        if not chunk or len(self.partial) > LONGEST_LINE:
            self.close()
        elif lines:
            self.write(b"".join(line.upper() + b"\n" for line in lines))

    def write(self, data: bytes) -> None:
        self.unsent += data
        self.writable()

    def writable(self) -> None:
        """Send what the connection takes now; the rest when it is writable."""
        try:
            with suppress(BlockingIOError):
                self.unsent = self.unsent[self.connection.send(self.unsent) :]
        except OSError:
            self.unsent = b""
            self.close()
            return
        if len(self.unsent) > UNSENT:
            self.close()
        else:
            self.base.on_writable(self.connection, self.writable if self.unsent else None)

    def close(self) -> None:
        self.base.forget(self.connection)
        self.connection.close()
        self.closed(self)


class Server:
    """The callbacks."""

    def __init__(self, base: EventBase, requests: Any, listener: system.socket) -> None:
        self.base = base
        self.requests = requests
        self.listener = listener
        self.connections: set[Lines] = set()
        self.answered = 0
        self.ticks = 0
        base.on_readable(requests, self.answer)
        base.on_readable(listener, self.accept)
        base.after(INTERVAL, self.tick)

    def answer(self) -> None:
        # An event base waits, its callbacks never do: they take what is there.
        with suppress(zmq.Again):
            for _ in range(BATCH):
                self.requests.send(self.requests.recv(zmq.DONTWAIT).upper())
                self.answered += 1

    def accept(self) -> None:
        with suppress(BlockingIOError, ConnectionError):
            connection, _ = self.listener.accept()
            self.connections.add(Lines(self.base, connection, self.connections.discard))

    def tick(self) -> None:
        self.ticks += 1
        for lines in list(self.connections):
            lines.write(b"tick %d\n" % self.ticks)
        self.base.after(INTERVAL, self.tick)


def server(context: Any, endpoint: str, address: str) -> None:
    host, _, port = address.rpartition(":")
    base = EventBase()
    with context.socket(zmq.REP) as requests, system.create_server((host, int(port))) as listener:
        requests.bind(endpoint)
        listener.setblocking(False)
        print("server: requests at", requests.LAST_ENDPOINT.decode())
        print("server: lines at", "{}:{}".format(*listener.getsockname()))
        callbacks = Server(base, requests, listener)
        try:
            base.dispatch()
        finally:
            for lines in list(callbacks.connections):
                lines.close()
            base.close()
            print(f"server: {callbacks.answered} requests answered")


def client(context: Any, endpoint: str, address: str) -> None:
    """Requests and lines in turns, then some ticks."""
    host, _, port = address.rpartition(":")
    with (
        context.socket(zmq.REQ) as requests,
        system.create_connection((host, int(port))) as connection,
        connection.makefile("rb") as lines,
    ):
        requests.connect(endpoint)
        ticks = 0
        for number in range(REQUESTS):
            requests.send(b"request %d" % number)
            connection.sendall(b"line %d\n" % number)
            if (answer := requests.recv()) != b"REQUEST %d" % number:
                raise RuntimeError(f"request {number} was answered with {answer!r}")
            while (line := lines.readline()).startswith(b"tick "):
                ticks += 1
            if line != b"LINE %d\n" % number:
                raise RuntimeError(f"line {number} was answered with {line!r}")
        print(f"client: {REQUESTS} requests and {REQUESTS} lines were answered")
        while ticks < TICKS:
            if not (line := lines.readline()).startswith(b"tick "):
                raise RuntimeError(f"{line!r} came in place of a tick")
            ticks += 1
        print(f"client: {TICKS} ticks came, too")


def alone(context: Any) -> None:
    with Side(__file__, "server", "tcp://127.0.0.1:*", "127.0.0.1:0") as other:
        client(context, other.line(), other.line())


if __name__ == "__main__":
    run(alone, server, client)
