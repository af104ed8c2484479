"""P44: a burst, then silence. How long after a burst's last send does its last message arrive, whatever comes next?

The sender takes the time right before its last send, then does something else for a while: it computes in Python, is
in a C function that keeps the GIL, sleeps, forks, or just ends. The receiver takes the time of the last message by the
same clock.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache

from benchmarks.case import SAME_LIBRARY, Case, Result, Side
from benchmarks.goals import Times

BURST = 20
AWHILE = 0.1
# Not counted: the first burst finds the connection still being made.
WARM_UP = 1
# A message that has not come by then is lost, in ms.
PATIENCE = 10_000
# The least that two processes' readings of one clock tell, in µs.
RESOLUTION = 0.1


# ---- what comes after the burst


def python() -> None:
    """A loop in Python; the interpreter gives the GIL to whoever asks every 5 ms."""
    until = time.monotonic() + AWHILE
    while time.monotonic() < until:
        pass


@cache
def much_to_sort() -> list[float]:
    """Return a list that takes `sorted` about `AWHILE`, found by trying."""
    numbers = [random.random() for _ in range(50_000)]
    began = time.monotonic()
    sorted(numbers)
    elapsed = time.monotonic() - began
    return numbers * max(1, round(AWHILE / elapsed))


def gil() -> None:
    """One call of `sorted` on floats, which keeps the GIL from beginning to end."""
    sorted(much_to_sort())


def sleep() -> None:
    """Sleep."""
    time.sleep(AWHILE)


def fork() -> None:
    """Fork, and wait for the child, which ends after a while without having touched anything."""
    child = os.fork()
    if child == 0:
        time.sleep(AWHILE)
        os._exit(0)
    os.waitpid(child, 0)


# ---- the roles


def receiver(side: Side) -> Result:
    """Receive all bursts, and note when the last message of each came."""
    library = side.library
    context = library.Context()
    socket = context.socket(library.PULL)
    socket.bind("tcp://127.0.0.1:*")
    side.announce(socket.getsockopt(library.LAST_ENDPOINT).rstrip(b"\0").decode())
    socket.setsockopt(library.RCVTIMEO, PATIENCE)
    bursts = WARM_UP + side.count
    # When each burst's last message came, in ns; None: it did not.
    arrivals: list[int | None] = [None] * bursts
    received = 0
    try:
        for _ in range(bursts * BURST):
            number = int(socket.recv())
            received += 1
            if number % BURST == BURST - 1:
                arrivals[number // BURST] = time.monotonic_ns()
    except library.Again:
        pass
    socket.close()
    context.term()
    return {"arrivals": arrivals[WARM_UP:], "lost": bursts * BURST - received}


def messages(burst: int) -> list[bytes]:
    """Return the messages of a burst, 10 bytes each."""
    return [b"%010d" % (burst * BURST + number) for number in range(BURST)]


def sender(afterwards: Callable[[], None]) -> Callable[[Side], Result]:
    """Return the role that sends bursts from one process, with `afterwards` after each."""

    def role(side: Side) -> Result:
        library = side.library
        context = library.Context()
        socket = context.socket(library.PUSH)
        socket.connect(side.endpoint)
        afterwards()
        stamps = []
        send, clock = socket.send, time.monotonic_ns
        for burst in range(WARM_UP + side.count):
            *first, last = messages(burst)
            for message in first:
                send(message)
            # Before the last send, not after: it may have arrived by the time that returns.
            stamps.append(clock())
            send(last)
            afterwards()
        socket.close()
        context.term()
        return {"stamps": stamps[WARM_UP:]}

    return role


def ending_senders(side: Side) -> Result:
    """Send each burst from a process of its own, `ending.py`, that just ends."""
    stamps = []
    for burst in range(WARM_UP + side.count):
        command = [sys.executable, "-m", "benchmarks.cases.ending", side.library_name, side.endpoint, str(burst)]
        stamps.append(int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
    return {"stamps": stamps[WARM_UP:]}


def judge(results: list[Result]) -> Result:
    """Compare the clocks: `value` is the median delay and `worst` the longest, in µs."""
    arrivals, stamps = results[0]["arrivals"], results[1]["stamps"]
    delays = [
        PATIENCE * 1000.0 if arrival is None else max(RESOLUTION, (arrival - stamp) / 1000)
        for arrival, stamp in zip(arrivals, stamps, strict=True)
    ]
    return {"value": statistics.median(delays), "worst": max(delays), "lost": results[0]["lost"]}


ENDINGS = {
    "python": ("computes in Python", sender(python)),
    "gil": ("is in a C function that keeps the GIL (sorted)", sender(gil)),
    "sleep": ("sleeps", sender(sleep)),
    "fork": ("forks", sender(fork)),
    "exit": ("just ends", ending_senders),
}

CASES = [
    Case(
        name=f"tail-{name}",
        title=f"the last of {BURST} messages when the sender then {description}",
        unit="µs",
        less_is_better=True,
        roles=(("receiver", receiver), ("sender", role)),
        count=6,
        quick=1,
        contestants=SAME_LIBRARY,
        judge=judge,
        goals=(Times(1 / 2, "pyzmq", within=True),),
    )
    for name, (description, role) in ENDINGS.items()
]
