"""Two threads and an inproc PAIR: 1,048,576 messages of four bytes from one to the other.

    python examples/pair_threads.py
    python examples/pair_threads.py exchange 100000

An inproc message is never copied: the receiver gets the very object that was sent. A sender that
is far ahead waits, since the high-water marks hold here, too.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from library import zmq
from sides import run

MESSAGES = 1_048_576
SIZE = 4
ENDPOINT = "inproc://numbers"


def exchange(context: Any, messages: str = str(MESSAGES)) -> None:
    count = int(messages)
    with ThreadPoolExecutor() as threads, context.socket(zmq.PAIR) as socket:
        socket.bind(ENDPOINT)
        right = threads.submit(receive, context, count)
        socket.recv()  # the other thread is there
        start = time.perf_counter()
        for number in range(count):
            socket.send(number.to_bytes(SIZE, "little"))
        print(f"{right.result():,} of {count:,} messages arrived in order")
        seconds = time.perf_counter() - start
    print(f"{zmq.__name__}: {seconds:.2f} s, {count / seconds / 1e6:.2f} million messages a second")


def receive(context: Any, count: int) -> int:
    """Receive the numbers from 0 to `count`; return how many were right."""
    right = 0
    with context.socket(zmq.PAIR) as socket:
        socket.connect(ENDPOINT)
        socket.send(b"ready")
        for number in range(count):
            right += int.from_bytes(socket.recv(), "little") == number
    return right


if __name__ == "__main__":
    run(exchange)
