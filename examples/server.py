"""A server with one event loop for ZeroMQ sockets and ordinary TCP connections: copy from here.

    python examples/server.py

One selector waits for everything. What is registered carries its handler as the key's data, so the whole loop is
"wait, then call". A handler does a bounded amount of work and returns: what is left over is reported again at once,
after everybody else had a turn. Nothing ever blocks except the wait itself.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import time
from dataclasses import asdict, dataclass
from selectors import EVENT_READ, EVENT_WRITE

import mqbridge
from mqbridge.loops.selectors import Selector

BATCH = 100  # messages, or connections, that one handler takes before the others have their turn
CHUNK = 65536  # bytes read from a TCP connection at once
LONGEST_LINE = 65536  # bytes; who sends a longer line is disconnected
UNREAD_ANSWERS = 262144  # bytes; who leaves more answers unread is not listened to until it has read them
MOST_CLIENTS = 500  # TCP connections at a time, below the usual limit of descriptors; further ones wait in the kernel
LINGER = 500  # milliseconds that answers may still take to leave when the server ends


def answer(request: bytes) -> bytes:
    """The service that this server offers; put your own here."""
    return request.upper()


@dataclass
class Sender:
    """What has come from one sender, which numbers its events 0, 1, 2, ..."""

    received: int = 0
    lost: int = 0
    misplaced: int = 0
    seconds: float = 0.0  # from the first event to the latest

    def __post_init__(self) -> None:
        self.expected = 0
        self.begun = time.monotonic()

    def count(self, number: int) -> None:
        self.seconds = time.monotonic() - self.begun
        self.received += 1
        if number < self.expected:
            self.misplaced += 1  # it came twice, or was overtaken by a later one
        else:
            self.lost += number - self.expected
            self.expected = number + 1


class Answers:
    """A REP socket: a reply for each request. The request STATS is answered with the server's counts, as JSON."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.answered = 0
        self.socket = server.context.socket(mqbridge.REP)
        self.socket.bind("tcp://127.0.0.1:*")
        self.endpoint: str = self.socket.LAST_ENDPOINT.decode()
        server.selector.register(self.socket, EVENT_READ, self.ready)

    def ready(self, events: int) -> None:
        # A REP socket receives and sends in turn, and its sending never waits: an answer to a peer that has gone is
        # dropped. So it is watched for reading only.
        for _ in range(BATCH):
            try:
                parts = self.socket.recv_multipart(mqbridge.DONTWAIT)
            except mqbridge.Again:
                return
            if parts == [b"STATS"]:
                self.socket.send(json.dumps(self.server.statistics()).encode(), mqbridge.DONTWAIT)
            else:
                self.socket.send_multipart([answer(part) for part in parts], mqbridge.DONTWAIT)
                self.answered += 1


class Events:
    """A PULL socket: collects numbered events, messages of two or more parts: sender, number, and what it likes."""

    def __init__(self, server: Server) -> None:
        self.senders: dict[str, Sender] = {}
        self.malformed = 0
        self.socket = server.context.socket(mqbridge.PULL)
        self.socket.bind("tcp://127.0.0.1:*")
        self.endpoint: str = self.socket.LAST_ENDPOINT.decode()
        server.selector.register(self.socket, EVENT_READ, self.ready)

    def ready(self, events: int) -> None:
        for _ in range(BATCH):
            try:
                parts = self.socket.recv_multipart(mqbridge.DONTWAIT)
            except mqbridge.Again:
                return
            try:
                name, number = parts[0].decode(), int(parts[1])
            except (IndexError, ValueError):
                self.malformed += 1  # peers may send anything
                continue
            sender = self.senders.get(name)
            if sender is None:
                sender = self.senders[name] = Sender()
            sender.count(number)


class Listener:
    """A listening TCP socket: makes a `LineClient` of each connection."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.clients: set[LineClient] = set()
        self.accepted = 0
        self.answered = 0
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.socket.setblocking(False)
        self.endpoint = "{}:{}".format(*self.socket.getsockname())
        self.accepting = True
        server.selector.register(self.socket, EVENT_READ, self.ready)

    def ready(self, events: int) -> None:
        for _ in range(BATCH):
            if len(self.clients) >= MOST_CLIENTS:
                # A full house stops watching: a connection that is not accepted would be reported for ever.
                self.server.selector.unregister(self.socket)
                self.accepting = False
                return
            try:
                connection, _ = self.socket.accept()
            except (BlockingIOError, ConnectionError):
                return  # nobody waits any more, or who waited has gone
            self.accepted += 1
            self.clients.add(LineClient(self, connection))

    def left(self, client: LineClient) -> None:
        self.clients.discard(client)
        if not self.accepting:
            self.server.selector.register(self.socket, EVENT_READ, self.ready)
            self.accepting = True

    def close(self) -> None:
        for client in list(self.clients):
            client.close()
        self.socket.close()


class LineClient:
    """A TCP connection: answers each line with a line."""

    def __init__(self, listener: Listener, connection: socket.socket) -> None:
        self.listener = listener
        self.selector = listener.server.selector
        self.socket = connection
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.partial = b""  # the beginning of a line that has not ended yet
        self.unsent = bytearray()
        self.finished = False  # it will send no more
        self.watched = EVENT_READ
        self.selector.register(connection, EVENT_READ, self.ready)

    def ready(self, events: int) -> None:
        try:
            if events & EVENT_READ:
                self.read()
            # Written at once, not only when reported writable: nearly always there is room, and a wait is saved.
            if self.unsent:
                self.write()
        except OSError:
            self.close()  # it has vanished
            return
        if self.finished and not self.unsent:
            self.close()
        else:
            self.watch()

    def read(self) -> None:
        """Take one chunk; it may hold many lines or a piece of one."""
        try:
            chunk = self.socket.recv(CHUNK)
        except BlockingIOError:
            return
        *lines, self.partial = (self.partial + chunk).split(b"\n")
        for line in lines:
            self.unsent += answer(line.removesuffix(b"\r")) + b"\n"
        self.listener.answered += len(lines)
        self.finished = not chunk or len(self.partial) > LONGEST_LINE

    def write(self) -> None:
        """Write as much as the connection takes now."""
        with contextlib.suppress(BlockingIOError):
            del self.unsent[: self.socket.send(self.unsent)]

    def watch(self) -> None:
        """Wait for what can happen next: always one of the two, since who has finished is closed once all is sent."""
        reads = not self.finished and len(self.unsent) <= UNREAD_ANSWERS
        wanted = (EVENT_READ if reads else 0) | (EVENT_WRITE if self.unsent else 0)
        if wanted != self.watched:
            self.selector.modify(self.socket, wanted, self.ready)
            self.watched = wanted

    def close(self) -> None:
        self.selector.unregister(self.socket)
        self.socket.close()
        self.listener.left(self)


class Signals:
    """SIGINT and SIGTERM as something to wait for: the interpreter writes a byte to a socket of the loop."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.reading, self.writing = socket.socketpair()
        self.reading.setblocking(False)
        self.writing.setblocking(False)
        # Without a handler of its own a signal ends the process, or raises KeyboardInterrupt anywhere.
        self.handlers = {number: signal.signal(number, self.ignore) for number in (signal.SIGINT, signal.SIGTERM)}
        self.wakeup = signal.set_wakeup_fd(self.writing.fileno(), warn_on_full_buffer=False)
        server.selector.register(self.reading, EVENT_READ, self.ready)

    def ignore(self, *args: object) -> None:
        """The byte says it all."""

    def ready(self, events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            if set(self.reading.recv(CHUNK)) & set(self.handlers):
                self.server.stopping = True

    def close(self) -> None:
        signal.set_wakeup_fd(self.wakeup)
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.server.selector.unregister(self.reading)
        self.reading.close()
        self.writing.close()


class Server:
    """All of the above in one loop. To serve inside a program of yours, call `turn` in its loop."""

    def __init__(self) -> None:
        self.stopping = False
        self.context = mqbridge.Context()
        self.selector = Selector()
        self.answers = Answers(self)
        self.events = Events(self)
        self.lines = Listener(self)
        self.signals = Signals(self)

    def turn(self, timeout: float | None = None) -> None:
        """Wait up to `timeout` seconds (None: for ever) for whatever comes first, and handle all that is ready."""
        for key, events in self.selector.select(timeout):
            key.data(events)

    def run(self) -> None:
        """Serve until a signal ends it."""
        while not self.stopping:
            self.turn()

    def statistics(self) -> dict[str, object]:
        return {
            "answers": self.answers.answered,
            "lines": self.lines.answered,
            "clients": len(self.lines.clients),
            "senders": {name: asdict(sender) for name, sender in self.events.senders.items()},
            "malformed": self.events.malformed,
        }

    def close(self) -> None:
        self.signals.close()
        self.lines.close()
        # Nothing is closed while it is registered; so the selector comes before the ZeroMQ sockets.
        self.selector.close()
        self.context.destroy(LINGER)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def main() -> None:
    with Server() as server:
        print(f"REP   {server.answers.endpoint}")
        print(f"PULL  {server.events.endpoint}")
        print(f"lines {server.lines.endpoint}", flush=True)
        server.run()


if __name__ == "__main__":
    main()
