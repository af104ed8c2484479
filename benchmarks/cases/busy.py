"""A thread that computes in Python beside one that sends and receives: neither may starve the other.

What the messaging thread reaches is the value; `busy` is how fast the other thread computes meanwhile, in percent of
what it reaches alone. Both together are about 100 percent of a processor, as there is one GIL.
"""

from __future__ import annotations

import threading
import time

from benchmarks.case import Case, Contestant, Result, Role, Side, both
from benchmarks.cases.push_pull import puller, pusher
from benchmarks.cases.round_trip import replier, requester

SIZE = 10
# How long the computing thread is measured alone, in seconds.
ALONE = 0.2


class Busy:
    """A thread that counts, in Python, as fast as it can."""

    def __init__(self) -> None:
        self.count = 0
        self._over = False
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        while not self._over:
            self.count += 1

    def __enter__(self) -> Busy:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over = True
        self._thread.join()


def beside_a_busy_thread(role: Role) -> Role:
    """Return a role that does the same while another thread computes, and reports what is left to that: `busy`."""

    def crowded(side: Side) -> Result:
        with Busy() as busy:
            before, began = busy.count, time.perf_counter()
            time.sleep(ALONE)
            alone = (busy.count - before) / (time.perf_counter() - began)
            side.meter = lambda: busy.count
            result = role(side)
        return result | {"busy": side.usage["metered"] / side.usage["elapsed"] / alone * 100}

    return crowded


CASES = [
    Case(
        name="busy-round-trip",
        title=f"REQ/REP round trip of {SIZE} B over tcp, the replier beside a thread that computes in Python",
        unit="µs",
        less_is_better=True,
        roles=(("replier", beside_a_busy_thread(replier("REP", "tcp"))), ("requester", requester("REQ", SIZE))),
        count=100,
        quick=5,
        contestants=(both("mqbridge"), both("pyzmq"), both("sockets")),
        size=SIZE,
        rounds=2,
    ),
    Case(
        name="busy-recv",
        title=f"PUSH to PULL of {SIZE} B over tcp, the puller beside a thread that computes in Python",
        unit="messages/s",
        less_is_better=False,
        roles=(("puller", beside_a_busy_thread(puller())), ("pusher", pusher(SIZE))),
        count=500_000,
        quick=1_000,
        contestants=(both("mqbridge"), Contestant("pyzmq", ("pyzmq", "pyzmq"), 0.2), both("sockets", share=0.02)),
        size=SIZE,
        rounds=2,
    ),
]
