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
from typing import Any, TypeVar

import mqbridge
from mqbridge.cli.demo.clients import question

HERE = Path(__file__).resolve().parent
PUSHES = 5  # events for each request: nobody waits for an answer to them, so they take less time
ANSWER_WITHIN = 10.0  # seconds that anybody waits for any one thing
LAST_EVENTS = 3.0  # seconds that events may still take to arrive once all clients have ended
PAUSED = 100  # requests, for each of which the loop has to wake up, since there are pauses between them
PAUSE = 0.001  # seconds
IDLE = 0.1  # seconds that the server is watched when nobody wants anything of it any more
IDLE_COMPUTING = 0.5  # the part of that time that it may compute: a loop that spins takes all of it
FORGOTTEN = 60.0  # seconds after the time limit when a server ends by itself, should nobody have ended it
STEP = 500  # milliseconds between two looks whether the server is alive still
PATTERNS = {"req": "REQ-REP", "push": "PUSH-PULL", "line": "TCP lines"}
LABELS = {"mqbridge": "mqbridge", "zmq": "pyzmq", "": "socket"}

# What the server has of a sender of which nothing has come.
NOBODY = {"received": 0, "misplaced": 0}

C = TypeVar("C", bound="Child")


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

    def __enter__(self: C) -> C:
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
        self.exchanged = 0
        self.problem = ""
        arguments = ["--endpoint", endpoint, "--messages", str(messages), "--time-limit", str(ANSWER_WITHIN)]
        arguments += ["--library", library] if library else []
        name = f"{LABELS[library]} {PATTERNS[kind]}"
        super().__init__(name, "clients.py", kind, "--name", name, *arguments, deadline=deadline)

    def start(self) -> None:
        with suppress(BrokenPipeError):  # it has ended, and its status will say why
            self.stdin.write(b"start\n")

    def wait(self, server: Child) -> None:
        """Wait until it has exchanged all, or what it could."""
        try:
            self.exchanged = json.loads(self.line(server))["exchanged"]
        except Failure as failure:
            self.problem = str(failure)

    def leave(self) -> None:
        """Wait until its process has ended, too."""
        if not self.problem:
            said = self.end()
            if self.process.returncode != 0:
                self.problem = said


class Requests:
    """The demo's own REQ socket: it measures round trips, and asks the server how it is doing."""

    def __init__(self, context: Any, endpoint: str, server: Child) -> None:
        self.server = server
        self.socket = context.socket(mqbridge.REQ)
        self.socket.linger = 0
        self.socket.rcvtimeo = STEP
        self.socket.connect(endpoint)

    def ask(self, request: bytes) -> bytes:
        until = time.monotonic() + ANSWER_WITHIN
        self.socket.send(request)
        while True:
            try:
                return bytes(self.socket.recv())
            except mqbridge.Again:
                if self.server.process.poll() is not None:
                    raise Failure(self.server.end()) from None
                if time.monotonic() > until:
                    raise Failure(f"server: no answer in {ANSWER_WITHIN:g} s") from None

    def statistics(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask(b"STATS"))
        return found

    def round_trip(self, times: int, pause: float = 0.0) -> float:
        """Return the median of the seconds that requests take, one after the other, with pauses before them."""
        took = []
        for number in range(times):
            if pause:
                time.sleep(pause)
            request, right = question(number)
            begun = time.monotonic()
            reply = self.ask(request)
            ended = time.monotonic()
            took.append(ended - begun)
            if reply != right:
                raise Failure(f"server: request {number} was answered with {reply!r}, not {right!r}")
            if ended > self.server.deadline:
                raise Failure("server: has not answered all requests in time")
        return median(took)

    def wakeups(self) -> int:
        """Return how often the server's loop wakes up for PAUSED requests; the last one of them asks for that."""
        before = self.statistics()["wakeups"]
        self.round_trip(PAUSED - 1, PAUSE)
        time.sleep(PAUSE)
        return int(self.statistics()["wakeups"]) - int(before)

    def arrived(self, sent: dict[str, int]) -> dict[str, Any]:
        """Wait until all events that were sent have arrived, if they do; return the senders' statistics."""
        until = time.monotonic() + LAST_EVENTS
        while True:
            senders: dict[str, Any] = self.statistics()["senders"]
            missing = [name for name, count in sent.items() if count and senders.get(name, NOBODY)["received"] < count]
            if not missing or time.monotonic() > until:
                return senders
            time.sleep(PAUSE)

    def computing(self) -> float:
        """Return the part of a while without messages that the server computes."""
        before = self.statistics()["computed"]
        time.sleep(IDLE)
        return float(self.statistics()["computed"] - before) / IDLE


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
    server = stack.enter_context(Child("server", "loops.py", loop, str(time_limit + FORGOTTEN), deadline=deadline))
    endpoints = dict(zip(PATTERNS, (server.line().split()[1] for _ in PATTERNS), strict=True))
    requests = Requests(stack.enter_context(mqbridge.Context()), endpoints["req"], server)
    stack.callback(requests.socket.close)
    kinds = [("req", library, messages) for library in libraries]
    kinds += [("push", library, messages * PUSHES) for library in libraries]
    kinds.append(("line", "", messages))
    clients = [stack.enter_context(Client(*kind, endpoints[kind[0]], deadline)) for kind in kinds]
    for client in clients:
        with suppress(Failure):  # it will fail once more when it is asked what it did
            client.line(server)

    # First the loop is woken for each message, then it is asked as fast as it answers, then by everybody at once.
    result.wakeups = requests.wakeups()
    result.round_trip = requests.round_trip(messages)
    exchange(result, requests, clients, server)
    if not result.problems and (computing := requests.computing()) > IDLE_COMPUTING:
        result.problems.append(f"server: computes for {computing:.0%} of the time without anything to do")


def exchange(result: Result, requests: Requests, clients: Sequence[Client], server: Child) -> None:
    """Let all clients exchange their messages at once, and see what has become of these."""
    begun = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.wait(server)
    pushing = [client for client in clients if client.kind == "push"]
    senders = requests.arrived({client.name: client.exchanged for client in pushing})
    result.seconds = time.monotonic() - begun

    for client in pushing:
        # The server is asked: that something was sent does not say that it arrived.
        sender = senders.get(client.name, NOBODY)
        client.exchanged = sender["received"] - sender["misplaced"]
        if sender["misplaced"]:
            result.problems.append(f"{client.name}: {sender['misplaced']:,} messages came twice or out of order")
    for client in clients:
        client.leave()
        if client.problem:
            result.problems.append(client.problem)
        lost = client.messages - client.exchanged
        if lost:
            result.problems.append(f"{client.name}: {lost:,} of {client.messages:,} messages lost")
    result.messages = sum(client.messages for client in clients)
    result.exchanged = sum(client.exchanged for client in clients)
