"""inproc PAIR between two threads of one process: messages per second, and the round trip."""

from __future__ import annotations

import threading
import time

from benchmarks.case import Case, Contestant, Result, Side
from benchmarks.goals import Times
from benchmarks.peers.channel import Channel
from benchmarks.timing import round_trips

SIZE = 4
CONTESTANTS = tuple(Contestant(name, (name,)) for name in ("mqbridge", "pyzmq", "pynng", "queue.SimpleQueue"))


def ends(side: Side) -> tuple[Channel, Channel]:
    """Return both ends of a PAIR."""
    endpoints: list[str] = []
    bound = side.peer.bind("PAIR", "inproc", endpoints.append)
    return bound, side.peer.connect("PAIR", endpoints[0])


def stream(side: Side) -> Result:
    """Send from one thread, receive in the other; the value is messages per second."""
    ours, theirs = ends(side)
    message = bytes(SIZE)

    def sender() -> None:
        send = theirs.send
        for _ in range(side.count):
            send(message)

    thread = threading.Thread(target=sender)
    recv = ours.recv
    # From the start of the sender, so that nothing lies in a queue when the clock starts.
    with side.measured():
        thread.start()
        for _ in range(side.count):
            recv()
    thread.join()
    return {"value": side.count / side.usage["elapsed"]}


def lock_step(side: Side) -> Result:
    """Send a message there and back; the value is the median time, in µs."""
    ours, theirs = ends(side)

    def echo() -> None:
        send, recv = theirs.send, theirs.recv
        for _ in range(side.count):
            send(recv())

    thread = threading.Thread(target=echo)
    thread.start()
    send, recv, clock = ours.send, ours.recv, time.perf_counter_ns
    message = bytes(SIZE)
    stamps = [clock()]
    with side.measured():
        for _ in range(side.count):
            send(message)
            recv()
            stamps.append(clock())
    thread.join()
    return round_trips(stamps)


CASES = [
    Case(
        name="inproc",
        title=f"PAIR of {SIZE} B over inproc between two threads, one call each",
        unit="messages/s",
        less_is_better=False,
        roles=(("threads", stream),),
        count=200_000,
        quick=1_000,
        contestants=CONTESTANTS,
        goals=(Times(3, "pyzmq"),),
        size=SIZE,
    ),
    Case(
        name="inproc-round-trip",
        title=f"PAIR round trip of {SIZE} B over inproc between two threads",
        unit="µs",
        less_is_better=True,
        roles=(("threads", lock_step),),
        count=8_000,
        quick=100,
        contestants=CONTESTANTS,
        size=SIZE,
    ),
]
