"""What the scenarios of behaviours.py are made with: a context and sockets of one library, and words for results."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

# How long what must come is waited for, and how long what must not come.
PATIENCE = 10.0 * float(os.environ.get("MQBRIDGE_TEST_SCALE", "1"))
MOMENT = 50

Facts = Iterator[tuple[str, object]]
Scenario = Callable[["World"], Facts]

SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Scenario) -> Scenario:
    """Enter a scenario: a generator of facts, each a name and what was observed."""
    SCENARIOS[function.__name__] = function
    return function


class World:
    """A context of the library, and what a scenario makes in it."""

    def __init__(self, zmq: Any) -> None:
        self.zmq = zmq
        self.context = zmq.Context()
        self.sockets: list[Any] = []
        self.before_end: list[Callable[[], object]] = []
        self.leftovers: list[Callable[[], object]] = []
        self._numbers = itertools.count()

    def socket(self, kind: str, **options: Any) -> Any:
        """Return a new socket, e.g. `socket("PUSH", sndhwm=1)`."""
        socket = self.context.socket(getattr(self.zmq, kind))
        self.sockets.append(socket)
        for name, value in options.items():
            socket.set(getattr(self.zmq, name.upper()), value)
        return socket

    def name(self) -> str:
        """Return an inproc endpoint nobody has used."""
        return f"inproc://{next(self._numbers)}"

    def bound(self, socket: Any, endpoint: str | None = None) -> str:
        """Bind a socket, by default to a new inproc name, and return the endpoint to connect to."""
        socket.bind(endpoint or self.name())
        found: str = socket.get(self.zmq.LAST_ENDPOINT).rstrip(b"\0").decode()
        return found

    def join(self, binding: Any, *connecting: Any) -> None:
        """Join sockets over inproc."""
        endpoint = self.bound(binding)
        for socket in connecting:
            socket.connect(endpoint)
            self.settle(binding, socket)

    def settle(self, *sockets: Any) -> None:
        """Let sockets of this thread, joined over inproc, hear what the others did. (EVENTS handles what is due.)"""
        for _ in range(3):
            for socket in sockets:
                socket.get(self.zmq.EVENTS)

    def outcome(self, call: Callable[..., Any], *arguments: Any, **keywords: Any) -> str:
        """Return what a call returns, or the name of its error number, or of the class of another error."""
        try:
            found = call(*arguments, **keywords)
        except self.zmq.ZMQError as error:
            return self.error_name(error.errno)
        except Exception as error:
            return type(error).__name__
        return "ok" if found is None else self.text(found)

    def error_name(self, number: int | None) -> str:
        """Return the name of an error number."""
        try:
            return str(self.zmq.Errno(number).name)
        except ValueError:
            return errno.errorcode.get(number or 0, repr(number))

    @staticmethod
    def text(found: object) -> str:
        """Return a result as text that does not depend on the library."""
        if isinstance(found, bytes):
            return found.decode("latin-1") if found.isascii() and found.decode().isprintable() else repr(found)
        if isinstance(found, (list, tuple)):
            return "[" + " ".join(World.text(item) or "''" for item in found) + "]"
        if isinstance(found, int):
            return str(int(found))
        return str(found)

    def receive(self, socket: Any) -> str:
        """Return the next message, which must come, as text."""
        if not socket.poll(PATIENCE * 1000):
            return "nothing"
        return self.outcome(socket.recv_multipart, self.zmq.DONTWAIT)

    def now(self, socket: Any) -> str:
        """Return the next message if there is one, as text."""
        self.settle(socket)
        return self.outcome(socket.recv_multipart, self.zmq.DONTWAIT)

    def drain(self, socket: Any) -> str:
        """Return the single-part messages that are there, in order, as text."""
        found = []
        while (message := self.now(socket)) != "EAGAIN":
            found.append(message.strip("[]"))
        return " ".join(found)

    def fill(self, socket: Any, part: bytes = b"x", limit: int = 5000) -> int | str:
        """Send until that would block; return how many messages fitted."""
        for count in range(limit):
            try:
                socket.send(part, self.zmq.DONTWAIT)
            except self.zmq.Again:
                return count
        return "no limit"

    def events(self, socket: Any) -> str:
        """Return which of POLLIN and POLLOUT a socket shows."""
        bits = socket.get(self.zmq.EVENTS)
        return " ".join(name for name in ("POLLIN", "POLLOUT") if bits & getattr(self.zmq, name)) or "none"

    def until(self, condition: Callable[[], object], within: float = PATIENCE) -> str:
        """Wait for a condition; give up after `within` seconds."""
        deadline = time.monotonic() + within
        while not condition():
            if time.monotonic() > deadline:
                return "never"
            # Any condition of either library: there is nothing that both could sleep on.
            time.sleep(0.002)
        return "yes"

    def thread(self, call: Callable[..., Any], *arguments: Any) -> Call:
        """Call something in a thread of its own."""
        return Call(self, call, arguments)

    def leave(self, socket: Any, *peers: Any) -> None:
        """Close a socket and wait until its peers, of this thread and joined over inproc, know."""
        fd = socket.get(self.zmq.FD)
        socket.close(0)

        def closed() -> bool:
            self.settle(*peers)
            with contextlib.suppress(OSError):
                os.fstat(fd)
                return False
            return True

        # libzmq closes in another thread; what is left of the socket last is its descriptor.
        if self.until(closed) == "never":
            raise AssertionError("the peers have something left to read of the socket that leaves")
        self.settle(*peers)

    def end(self) -> None:
        """Close all."""
        for call in self.before_end:
            call()
        for socket in self.sockets:
            socket.close(0)
        self.context.term()
        for leftover in self.leftovers:
            leftover()


class Call(threading.Thread):
    """A call in a thread of its own."""

    def __init__(self, world: World, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        super().__init__(daemon=True)
        self.world = world
        self.call = call
        self.arguments = arguments
        self.outcome = ""
        self.start()

    def run(self) -> None:
        self.outcome = self.world.outcome(self.call, *self.arguments)

    def result(self) -> str:
        """Wait for the call's end and return its outcome."""
        self.join(PATIENCE)
        return self.outcome or "hangs"

    def blocks(self) -> str:
        """Return "blocks" if the call does not return for a moment."""
        self.join(MOMENT / 1000)
        return self.outcome or "blocks"
