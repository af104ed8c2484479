"""What the demo's servers do with a request, an event and a line, whatever the loop.

No loop is known here, and nothing waits. `loops.py` offers it in every loop, `examples/server.py` in one of its own.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import mqbridge

BATCH = 100  # messages that one handler takes before the others have their turn
CHUNK = 65536  # bytes read from a TCP connection at once
LONGEST_LINE = 65536  # bytes; who sends a longer line is disconnected

# Of the thread that asks, where the system can tell, since that is the loop's.
THREAD = getattr(resource, "RUSAGE_THREAD", resource.RUSAGE_SELF)


def answer(request: bytes) -> bytes:
    """The service itself."""
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


class Service:
    """Answers requests and lines, collects events, and counts all of them."""

    def __init__(self) -> None:
        self.answers = 0
        self.lines = 0
        self.clients = 0  # TCP connections that are open
        self.senders: dict[str, Sender] = {}
        self.malformed = 0

    def reply(self, request: list[bytes]) -> list[bytes]:
        """Return the reply to a request of a REQ client; to STATS the counts, as JSON."""
        if request == [b"STATS"]:
            return [json.dumps(self.statistics()).encode()]
        self.answers += 1
        return [answer(part) for part in request]

    def collect(self, event: list[bytes]) -> None:
        """Take an event of a PUSH client: two or more parts, which are sender, number, and what it likes."""
        try:
            name, number = event[0].decode(), int(event[1])
        except (IndexError, ValueError):
            self.malformed += 1  # peers may send anything
            return
        sender = self.senders.get(name)
        if sender is None:
            sender = self.senders[name] = Sender()
        sender.count(number)

    def conversation(self) -> Conversation:
        """Begin with a TCP client, which has just connected."""
        return Conversation(self)

    # For loops that call back: a socket is readable.

    def answer_requests(self, socket: Any) -> None:
        """Answer the requests at a REP socket that have come.

        A REP socket receives and sends in turn, and its sending never waits: an answer to a peer that has gone is
        dropped. So it is watched for reading only.
        """
        for request in waiting(socket):
            socket.send_multipart(self.reply(request), mqbridge.DONTWAIT)

    def collect_events(self, socket: Any) -> None:
        """Take the events at a PULL socket that have come."""
        for event in waiting(socket):
            self.collect(event)

    def statistics(self) -> dict[str, object]:
        return {
            "answers": self.answers,
            "lines": self.lines,
            "clients": self.clients,
            "senders": {name: asdict(sender) for name, sender in self.senders.items()},
            "malformed": self.malformed,
            # How often the loop's thread has slept and was woken, and the seconds of computing of all threads.
            "wakeups": resource.getrusage(THREAD).ru_nvcsw,
            "computed": time.process_time(),
        }


class Conversation:
    """One TCP client's lines, each answered with a line."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.partial = b""  # the beginning of a line that has not ended yet
        self.ended = False  # nothing more is to be read
        service.clients += 1

    def feed(self, chunk: bytes) -> bytes:
        """Take what was read, many lines or a piece of one or nothing at the end; return what is to be written."""
        *lines, self.partial = (self.partial + chunk).split(b"\n")
        self.service.lines += len(lines)
        self.ended = not chunk or len(self.partial) > LONGEST_LINE
        return b"".join(answer(line.removesuffix(b"\r")) + b"\n" for line in lines)

    def close(self) -> None:
        """The connection is closed; to be called once."""
        self.service.clients -= 1


def waiting(socket: Any) -> Iterator[list[bytes]]:
    """Receive what has come, but not more than leaves the others their turn; the loop says whether there is more."""
    with suppress(mqbridge.Again):
        for _ in range(BATCH):
            yield socket.recv_multipart(mqbridge.DONTWAIT)
