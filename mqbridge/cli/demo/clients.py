"""The demo's clients, one for each process: they number their messages and check every answer.

    python -m mqbridge.cli.demo.clients req --library zmq --endpoint tcp://127.0.0.1:5555 --messages 1000

The code is the same for mqbridge and for stock pyzmq, since the names are. A client prints a line when it is connected,
starts when it reads a line, so that several can start together, and prints what it did, as JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class ClientError(Exception):
    """An answer was wrong, or did not come."""


@dataclass
class Work:
    """What a client has to do, and what it has done."""

    name: str
    library: str
    endpoint: str
    messages: int
    time_limit: float
    exchanged: int = 0
    seconds: float = 0.0

    def exchange(self, one: Callable[[int], None]) -> None:
        """Wait for the start, then do all exchanges; the time counts from the first to the last."""
        print("connected", flush=True)
        if not sys.stdin.readline():
            raise ClientError("nobody said start")
        start = time.perf_counter()
        try:
            for number in range(self.messages):
                one(number)
                self.exchanged += 1
        finally:
            self.seconds = time.perf_counter() - start

    def socket(self, module: Any, context: Any, socket_type: int) -> Any:
        """Return a connected ZeroMQ socket that waits for nothing longer than the time limit."""
        made = context.socket(socket_type)
        made.LINGER = made.SNDTIMEO = made.RCVTIMEO = int(self.time_limit * 1000)
        made.connect(self.endpoint)
        return made


def question(number: int) -> tuple[bytes, bytes]:
    """Return a request and the one right answer to it."""
    return b"message %d" % number, b"MESSAGE %d" % number


def check(number: int, reply: bytes, right: bytes) -> None:
    if reply != right:
        raise ClientError(f"message {number} was answered with {reply!r}, not {right!r}")


def req(work: Work) -> None:
    """Requests, each with its reply."""
    module = importlib.import_module(work.library)
    with module.Context() as context, work.socket(module, context, module.REQ) as requests:

        def one(number: int) -> None:
            request, right = question(number)
            requests.send(request)
            check(number, requests.recv(), right)

        work.exchange(one)


def push(work: Work) -> None:
    """Events without an answer; the server checks their numbers. The context ends when all have left."""
    module = importlib.import_module(work.library)
    with module.Context() as context, work.socket(module, context, module.PUSH) as events:
        name = work.name.encode()
        work.exchange(lambda number: events.send_multipart([name, b"%d" % number]))


def line(work: Work) -> None:
    """Lines over plain TCP, each with its answer."""
    host, _, port = work.endpoint.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=work.time_limit) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection.makefile("rb") as answers:

            def one(number: int) -> None:
                request, right = question(number)
                connection.sendall(request + b"\n")
                check(number, answers.readline().removesuffix(b"\n"), right)

            work.exchange(one)


KINDS: dict[str, Callable[[Work], None]] = {"req": req, "push": push, "line": line}


def main() -> int:
    parser = argparse.ArgumentParser(description="One client of the demo's servers.")
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--name", default="client", help="how it calls itself in messages and errors")
    parser.add_argument("--library", choices=("mqbridge", "zmq"), default="mqbridge")
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--time-limit", type=float, default=10.0, help="seconds to wait for any one thing")
    options = vars(parser.parse_args())
    kind = KINDS[options.pop("kind")]
    work = Work(**options)
    status = 0
    try:
        kind(work)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        # Of both libraries and of the system alike: a line that says what happened is all that anybody needs.
        print(f"{work.name}: after {work.exchanged} messages: {type(error).__name__}: {error}", file=sys.stderr)
        status = 1
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more
        os.write(
            sys.stdout.fileno(), json.dumps({"exchanged": work.exchanged, "seconds": work.seconds}).encode() + b"\n"
        )
    return status


if __name__ == "__main__":
    sys.exit(main())
