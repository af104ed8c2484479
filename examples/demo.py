"""What `make demo` runs: the server of server.py in this process, with clients of several kinds in others, all at once.

    python examples/demo.py --messages 2000

The clients' processes are in the same loop as all else: the pipes that they report through are registered in the
server's selector, beside its ZeroMQ sockets and TCP connections. The exit status is 0 if every message arrived, once
and in order, and every answer was right.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from selectors import EVENT_READ

from server import Sender, Server

import mqbridge

CLIENTS = Path(__file__).with_name("clients.py")
MESSAGES = 10_000
PUSHES = 5  # events for each request: nobody waits for an answer to them, so they take less time
ANSWER_WITHIN = 15.0  # seconds that a client waits for any one thing
LAST_EVENTS = 3.0  # seconds that events may still take to arrive once all clients have ended
PATTERNS = {"req": "REQ-REP", "push": "PUSH-PULL", "line": "TCP lines"}


@dataclass
class Result:
    """A row of the table: what one client has exchanged, and what was wrong with it."""

    client: str
    pattern: str
    messages: int
    exchanged: int = 0
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return self.messages - self.exchanged

    @property
    def rate(self) -> float:
        return self.exchanged / self.seconds if self.seconds else 0.0


class Client:
    """A client's process; its output is a pipe in the server's loop, with `ready` as the handler."""

    def __init__(self, server: Server, kind: str, library: str, messages: int) -> None:
        self.server = server
        self.kind = kind
        self.messages = messages
        self.label = {"mqbridge": "mqbridge", "zmq": "pyzmq", "": "socket"}[library]
        self.name = f"{self.label} {PATTERNS[kind]}"
        self.output = b""
        self.ended = False
        self.killed = False
        endpoints = {"req": server.answers.endpoint, "push": server.events.endpoint, "line": server.lines.endpoint}
        command = [sys.executable, str(CLIENTS), kind, "--name", self.name, "--endpoint", endpoints[kind]]
        command += ["--messages", str(messages), "--time-limit", str(ANSWER_WITHIN)]
        command += ["--library", library] if library else []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert self.process.stdin is not None and self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        server.selector.register(self.stdout, EVENT_READ, self.ready)

    @property
    def connected(self) -> bool:
        return b"\n" in self.output

    @property
    def sender(self) -> Sender:
        """What the server has collected from it."""
        return self.server.events.senders.get(self.name, Sender())

    def start(self) -> None:
        if not self.ended:
            with contextlib.suppress(BrokenPipeError):  # it ends just now, and its status will say why
                self.stdin.write(b"start\n")

    def ready(self, events: int) -> None:
        heard = os.read(self.stdout.fileno(), 4096)
        self.output += heard
        if not heard:
            self.end()

    def end(self) -> None:
        """Take leave of the process, which has closed its output and so is at its end."""
        self.ended = True
        self.server.selector.unregister(self.stdout)
        self.stdin.close()
        self.stdout.close()
        self.process.wait()

    def kill(self) -> None:
        """End the process if it has not ended by itself."""
        if not self.ended:
            self.killed = True
            self.process.kill()
            self.end()

    def arrived(self) -> bool:
        """Whether all that it has pushed has arrived; a client that failed is not waited for."""
        return self.kind != "push" or self.sender.received >= self.messages or self.process.returncode != 0

    def result(self) -> Result:
        """Return the client's row, after its end."""
        result = Result(self.label, PATTERNS[self.kind], self.messages)
        if self.killed:
            result.errors.append(f"{self.name}: did not end in time")
        elif self.process.returncode:
            result.errors.append(f"{self.name}: ended with status {self.process.returncode}")
        if self.kind == "push":
            # The server is asked: that something was sent does not say that it arrived.
            result.exchanged = self.sender.received - self.sender.misplaced
            result.seconds = self.sender.seconds
            if self.sender.misplaced:
                result.errors.append(f"{self.name}: {self.sender.misplaced:,} messages came twice or out of order")
        elif self.output.count(b"\n") == 2:  # "connected", and the report
            report = json.loads(self.output.splitlines()[-1])
            result.exchanged, result.seconds = report["exchanged"], report["seconds"]
        return result


def begin(server: Server, libraries: Sequence[str], messages: int) -> list[Client]:
    """Return the clients; their processes are running, but wait for their start."""
    kinds = [("req", library, messages) for library in libraries]
    kinds += [("push", library, messages * PUSHES) for library in libraries]
    kinds.append(("line", "", messages))
    clients: list[Client] = []
    try:
        for kind, library, count in kinds:
            clients.append(Client(server, kind, library, count))
    except BaseException:
        for client in clients:
            client.kill()
        raise
    return clients


def run(server: Server, clients: Sequence[Client], time_limit: float) -> list[Result]:
    """Start the clients together, serve them until they have ended or the time is over, and return their results."""
    deadline = time.monotonic() + time_limit

    def serve(condition: Callable[[Client], bool], until: float) -> None:
        """Let the loop turn until the condition is true of all clients."""
        while not all(condition(client) for client in clients) and not server.stopping:
            remaining = until - time.monotonic()
            if remaining <= 0:
                break
            server.turn(remaining)

    try:
        serve(lambda client: client.connected or client.ended, deadline)
        for client in clients:
            client.start()
        serve(lambda client: client.ended, deadline)
        serve(lambda client: client.arrived(), min(deadline, time.monotonic() + LAST_EVENTS))
    finally:
        for client in clients:
            client.kill()
    return [client.result() for client in clients]


def table(results: Sequence[Result]) -> str:
    """Return the results as aligned text."""
    rows = [("client", "pattern", "exchanged", "lost", "messages/s")]
    rows += [(row.client, row.pattern, f"{row.exchanged:,}", f"{row.lost:,}", f"{row.rate:,.0f}") for row in results]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = list(zip(row, widths, strict=True))
        texts = [cell.ljust(width) for cell, width in cells[:2]]
        numbers = [cell.rjust(width) for cell, width in cells[2:]]
        lines.append("  ".join(texts + numbers))
    return "\n".join(lines)


def problems(results: Sequence[Result]) -> list[str]:
    """Return what was wrong, a line for each; none if every message was exchanged."""
    found = []
    for row in results:
        found += row.errors
        if row.lost:
            found.append(f"{row.client} {row.pattern}: {row.lost:,} of {row.messages:,} messages lost")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="A server in one selectors loop, with clients in other processes.")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="requests of each client")
    parser.add_argument("--time-limit", type=float, default=60.0, help="seconds after which it has failed")
    options = parser.parse_args(arguments)

    print(f"mqbridge {mqbridge.__version__}, {'compiled' if mqbridge.COMPILED else 'interpreted'}")
    try:
        zmq = importlib.import_module("zmq")
    except ImportError:
        libraries = ["mqbridge"]
        stock = "without pyzmq, which is not installed"
    else:
        libraries = ["mqbridge", "zmq"]
        stock = f"pyzmq {zmq.__version__} (libzmq {zmq.zmq_version()})"
    print(f"{platform.python_implementation()} {platform.python_version()}, {stock}\n", flush=True)

    with Server() as server:
        clients = begin(server, libraries, options.messages)
        begun = time.monotonic()
        results = run(server, clients, options.time_limit)
        seconds = time.monotonic() - begun
        stopped = server.stopping
    print(table(results) + "\n", flush=True)

    if stopped:
        print("error: stopped by a signal", file=sys.stderr)
        return 1
    found = problems(results)
    if found:
        print("\n".join(f"error: {problem}" for problem in found), file=sys.stderr)
        return 1
    total = sum(row.exchanged for row in results)
    print(
        f"Nothing lost: {len(results)} clients at once exchanged {total:,} messages with one loop in {seconds:.1f} s."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
