"""REQ/REP in lock step over tcp, with the blocking calls: the time from a request to its reply."""

from __future__ import annotations

import itertools
import statistics
import time

from benchmarks.case import Case, Result, Side

SIZE = 10
WARM_UP = 200


def replier(side: Side) -> Result:
    """Send back what comes."""
    library = side.library
    context = library.Context()
    socket = context.socket(library.REP)
    socket.bind("tcp://127.0.0.1:*")
    side.announce(socket.getsockopt(library.LAST_ENDPOINT).rstrip(b"\0").decode())
    send, recv = socket.send, socket.recv
    for _ in range(WARM_UP):
        send(recv())
    with side.measured():
        for _ in range(side.count):
            send(recv())
    socket.close()
    context.term()
    return {}


def requester(side: Side) -> Result:
    """Ask, and time each answer; the value is the median, in µs."""
    library = side.library
    context = library.Context()
    socket = context.socket(library.REQ)
    socket.connect(side.endpoint)
    send, recv, clock = socket.send, socket.recv, time.perf_counter_ns
    request = bytes(SIZE)
    for _ in range(WARM_UP):
        send(request)
        recv()
    stamps = [clock()]
    with side.measured():
        for _ in range(side.count):
            send(request)
            recv()
            stamps.append(clock())
    socket.close()
    context.term()
    times = sorted((after - before) / 1000 for before, after in itertools.pairwise(stamps))
    return {"value": statistics.median(times), "p99": times[len(times) * 99 // 100], "worst": times[-1]}


CASES = [
    Case(
        name="round-trip",
        title=f"REQ/REP round trip of {SIZE} B over tcp, blocking calls",
        unit="µs",
        less_is_better=True,
        roles=(("replier", replier), ("requester", requester)),
        count=10_000,
        quick=300,
        profiled_by=("round trip", 1),
    )
]
