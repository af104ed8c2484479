"""A server with one event loop for ZeroMQ sockets and ordinary TCP connections: copy from here.

    python examples/server.py

What it does with a request, an event or a line is the demo's (mqbridge/cli/demo/service.py): put your own service in
its place. Here is the loop. One selector waits for everything. What is registered carries its handler as the key's
data, so the whole loop is "wait, then call". A handler does a bounded amount of work and returns: what is left over is
reported again at once, after everybody else had a turn. Nothing ever blocks except the wait itself.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

import mqbridge
from mqbridge.cli.demo.service import BATCH, CHUNK, Service
from mqbridge.loops.selectors import Selector

UNREAD_ANSWERS = 262144  # bytes; who leaves more answers unread is not listened to until it has read them
MOST_CLIENTS = 500  # TCP connections at a time, below the usual limit of descriptors; further ones wait in the kernel
LINGER = 500  # milliseconds that answers may still take to leave when the server ends


class Listener:
    """A listening TCP socket: makes a `LineClient` of each connection."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.clients: set[LineClient] = set()
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
        self.conversation = listener.server.service.conversation()
        self.unsent = bytearray()
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
        if self.conversation.ended and not self.unsent:
            self.close()
        else:
            self.watch()

    def read(self) -> None:
        """Take one chunk; it may hold many lines or a piece of one."""
        try:
            chunk = self.socket.recv(CHUNK)
        except BlockingIOError:
            return
        self.unsent += self.conversation.feed(chunk)

    def write(self) -> None:
        """Write as much as the connection takes now."""
        with contextlib.suppress(BlockingIOError):
            del self.unsent[: self.socket.send(self.unsent)]

    def watch(self) -> None:
        """Wait for what can happen next: always one of the two, since who has ended is closed once all is sent."""
        reads = not self.conversation.ended and len(self.unsent) <= UNREAD_ANSWERS
        wanted = (EVENT_READ if reads else 0) | (EVENT_WRITE if self.unsent else 0)
        if wanted != self.watched:
            self.selector.modify(self.socket, wanted, self.ready)
            self.watched = wanted

    def close(self) -> None:
        self.selector.unregister(self.socket)
        self.socket.close()
        self.conversation.close()
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

    def __init__(self, service: Service) -> None:
        self.service = service
        self.stopping = False
        self.context = mqbridge.Context()
        self.selector = Selector()
        self.requests = self.serve(mqbridge.REP, service.answer_requests)
        self.events = self.serve(mqbridge.PULL, service.collect_events)
        self.lines = Listener(self)
        self.signals = Signals(self)

    def serve(self, socket_type: int, take: Callable[[Any], None]) -> str:
        """Let `take` have what comes to a ZeroMQ socket; return the endpoint."""
        socket = self.context.socket(socket_type)
        socket.bind("tcp://127.0.0.1:*")
        self.selector.register(socket, EVENT_READ, lambda events: take(socket))
        return str(socket.last_endpoint.decode())

    def turn(self, timeout: float | None = None) -> None:
        """Wait up to `timeout` seconds (None: for ever) for whatever comes first, and handle all that is ready."""
        for key, events in self.selector.select(timeout):
            key.data(events)

    def announce(self) -> None:
        print(f"REP   {self.requests}")
        print(f"PULL  {self.events}")
        print(f"lines {self.lines.endpoint}", flush=True)

    def run(self) -> None:
        """Serve until a signal ends it."""
        while not self.stopping:
            self.turn()

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
    with Server(Service()) as server:
        server.announce()
        server.run()


if __name__ == "__main__":
    main()
