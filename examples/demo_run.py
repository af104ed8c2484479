"""One line of the demo's table: a loop's server in a process, its clients in others, and what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from select import select
from statistics import median
from typing import Any

from clients import question

import mqbridge

HERE = Path(__file__).resolve().parent
PUSHES = 5  # events for each request: nobody waits for an answer to them, so they take less time
ANSWER_WITHIN = 10.0  # seconds that anybody waits for any one thing
LAST_EVENTS = 3.0  # seconds that events may still take to arrive once all clients have ended
IDLE = 0.1  # seconds that the server is watched when nobody wants anything of it any more
IDLE_COMPUTING = 0.5  # the part of that time that it may compute: a loop that spins takes all of it
PATTERNS = {"req": "REQ-REP", "push": "PUSH-PULL", "line": "TCP lines"}
LABELS = {"mqbridge": "mqbridge", "zmq": "pyzmq", "": "socket"}


class Failure(Exception):
    """It cannot go on; the text says why."""


@dataclass
class Result:
    """What came of one loop."""

    round_trip: float = 0.0  # seconds
    seconds: float = 0.0  # that all clients took together
    wakeups: int = 0
    messages: int = 0  # that there were to exchange
    exchanged: int = 0
    problems: list[str] = field(default_factory=list)
    failed: bool = False  # it did not come to its end, and has no numbers

    @property
    def lost(self) -> int:
        return self.messages - self.exchanged

    @property
    def rate(self) -> float:
        return self.exchanged / self.seconds if self.seconds else 0.0


class Child:
    """A process, of which the output is read line by line, and which is killed at the end of a `with` statement."""

    def __init__(self, name: str, program: str, *arguments: str, deadline: float) -> None:
        self.name = name
        self.deadline = deadline
        self.output = b""
        self.errors = tempfile.TemporaryFile()
        command = [sys.executable, str(HERE / program), *arguments]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, bufsize=0
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout

    def line(self, server: Child | None = None) -> str:
        """Return the next line; raise Failure if there is none, or when the server has ended."""
        while b"\n" not in self.output:
            others = [server.stdout] if server is not None else []
            ready, _, _ = select([self.stdout, *others], [], [], max(0.0, self.deadline - time.monotonic()))
            if self.stdout in ready:
                chunk = os.read(self.stdout.fileno(), 4096)
                if not chunk:
                    raise Failure(self.end())
                self.output += chunk
            elif server is not None and ready:
                raise Failure(server.end())
            else:
                raise Failure(f"{self.name}: did not end in time")
        line, _, self.output = self.output.partition(b"\n")
        return line.decode()

    def end(self) -> str:
        """Wait for its end, which has come or is near; return what is to be said about it."""
        try:
            status = self.process.wait(ANSWER_WITHIN)
        except subprocess.TimeoutExpired:
            return f"{self.name}: did not end in time"
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        return f"{self.name}: ended with status {status}" + (f": {said[-1]}" if said else "")

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.process.kill()
        self.process.wait()
        for file in (self.stdin, self.stdout, self.errors):
            file.close()


class Client(Child):
    """A process of clients.py."""

    def __init__(self, kind: str, library: str, messages: int, endpoint: str, deadline: float) -> None:
        self.kind = kind
        self.messages = messages
        arguments = ["--endpoint", endpoint, "--messages", str(messages), "--time-limit", str(ANSWER_WITHIN)]
        arguments += ["--library", library] if library else []
        name = f"{LABELS[library]} {PATTERNS[kind]}"
        super().__init__(name, "clients.py", kind, "--name", name, *arguments, deadline=deadline)

    def start(self) -> None:
        with suppress(BrokenPipeError):  # it has ended, and its status will say why
            self.stdin.write(b"start\n")

    def exchanged(self, server: Child, problems: list[str]) -> int:
        """Wait for its end; return what it says that it has exchanged."""
        try:
            report = json.loads(self.line(server))
        except Failure as failure:
            problems.append(str(failure))
            return 0
        said = self.end()
        if self.process.returncode:
            problems.append(said)
        return int(report["exchanged"])


class Requests:
    """The demo's own REQ socket: it measures round trips, and asks the server how it is doing."""

    def __init__(self, context: Any, endpoint: str, server: Child) -> None:
        self.server = server
        self.socket = context.socket(mqbridge.REQ)
        self.socket.linger = 0
        self.socket.rcvtimeo = int(ANSWER_WITHIN * 1000)
        self.socket.connect(endpoint)

    def ask(self, request: bytes) -> bytes:
        self.socket.send(request)
        try:
            return bytes(self.socket.recv())
        except mqbridge.Again:
            raise Failure(f"{self.server.name}: no answer in {ANSWER_WITHIN:g} s") from None

    def statistics(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask(b"STATS"))
        return found

    def round_trip(self, times: int) -> float:
        """Return the median of the seconds that requests take, one after the other."""
        took = []
        for number in range(times):
            request, right = question(number)
            begun = time.perf_counter()
            reply = self.ask(request)
            took.append(time.perf_counter() - begun)
            if reply != right:
                raise Failure(f"{self.server.name}: request {number} was answered with {reply!r}, not {right!r}")
        return median(took)


def run(loop: str, libraries: Sequence[str], messages: int, time_limit: float) -> Result:
    """Serve all kinds of clients on a loop, and return what came of it; it ends when the time is over."""
    result = Result()
    try:
        with ExitStack() as stack:
            measure(result, stack, loop, libraries, messages, time_limit)
    except Failure as failure:
        result.problems.append(str(failure))
        result.failed = True
    return result


def measure(
    result: Result, stack: ExitStack, loop: str, libraries: Sequence[str], messages: int, time_limit: float
) -> None:
    deadline = time.monotonic() + time_limit
    server = Child("server", "demo_loops.py", loop, str(2 * time_limit), deadline=deadline)
    stack.enter_context(server)
    endpoints = dict(zip(("req", "push", "line"), (server.line().split()[1] for _ in range(3)), strict=True))
    context = stack.enter_context(mqbridge.Context())
    requests = Requests(context, endpoints["req"], server)
    stack.callback(requests.socket.close)

    kinds = [("req", library, messages) for library in libraries]
    kinds += [("push", library, messages * PUSHES) for library in libraries]
    kinds.append(("line", "", messages))
    clients = []
    for kind, library, count in kinds:
        clients.append(Client(kind, library, count, endpoints[kind], deadline))
        stack.enter_context(clients[-1])
    connected = []
    for client in clients:
        with suppress(Failure):  # it will fail once more when it is asked what it did
            client.line(server)
            connected.append(client)

    before = requests.statistics()
    # First one at a time, while the clients wait; then all at once.
    result.round_trip = requests.round_trip(messages)
    begun = time.monotonic()
    for client in connected:
        client.start()
    exchanged = {client.name: client.exchanged(server, result.problems) for client in clients}
    pushed = [client for client in clients if client.kind == "push"]
    after = arrived(requests, {client.name: exchanged[client.name] for client in pushed}, deadline)
    result.seconds = time.monotonic() - begun
    result.wakeups = after["wakeups"] - before["wakeups"]

    for client in pushed:
        # The server is asked: that something was sent does not say that it arrived.
        sender = after["senders"].get(client.name, {"received": 0, "misplaced": 0})
        exchanged[client.name] = sender["received"] - sender["misplaced"]
        if sender["misplaced"]:
            result.problems.append(f"{client.name}: {sender['misplaced']:,} messages came twice or out of order")
    for client in clients:
        lost = client.messages - exchanged[client.name]
        if lost:
            result.problems.append(f"{client.name}: {lost:,} of {client.messages:,} messages lost")
    result.messages = sum(client.messages for client in clients)
    result.exchanged = sum(exchanged.values())
    watch_idleness(requests, result.problems)


def arrived(requests: Requests, sent: dict[str, int], deadline: float) -> dict[str, Any]:
    """Wait until all events that were sent have arrived, if they do; return the server's statistics."""
    until = min(deadline, time.monotonic() + LAST_EVENTS)
    while True:
        found = requests.statistics()
        received = {name: sender["received"] for name, sender in found["senders"].items()}
        if all(received.get(name, 0) >= count for name, count in sent.items()) or time.monotonic() > until:
            return found
        time.sleep(0.001)


def watch_idleness(requests: Requests, problems: list[str]) -> None:
    """See that the server's loop sleeps when there is nothing to do."""
    computed = requests.statistics()["computed"]
    time.sleep(IDLE)
    computed = requests.statistics()["computed"] - computed
    if computed > IDLE * IDLE_COMPUTING:
        problems.append(f"server: computed for {computed * 1000:.0f} ms in {IDLE * 1000:.0f} ms without anything to do")
