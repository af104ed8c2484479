"""A question and its answer in lock step, with blocking calls: over tcp and ipc, DEALER to ROUTER, and on gevent."""

from __future__ import annotations

import time

from benchmarks.case import MIXED, SAME_LIBRARY, Case, Contestant, Options, Result, Role, Side, both, no_options
from benchmarks.goals import Goal, Times
from benchmarks.timing import round_trips

WARM_UP = 200
FLOORS = (both("pynng"), both("sockets"))


def replier(kind: str, transport: str, options: Options = no_options) -> Role:
    """Return the role that sends back what comes."""

    def role(side: Side) -> Result:
        channel = side.peer.bind(kind, transport, side.announce, **options(side))
        send, recv = channel.send, channel.recv
        for _ in range(WARM_UP):
            send(recv())
        with side.measured():
            for _ in range(side.count):
                send(recv())
        return {}

    return role


def requester(kind: str, size: int, options: Options = no_options) -> Role:
    """Return the role that asks, and times each answer; the value is the median, in µs."""

    def role(side: Side) -> Result:
        channel = side.peer.connect(kind, side.endpoint, **options(side))
        send, recv, clock = channel.send, channel.recv, time.perf_counter_ns
        request = bytes(size)
        for _ in range(WARM_UP):
            send(request)
            recv()
        stamps = [clock()]
        with side.measured():
            for _ in range(side.count):
                send(request)
                recv()
                stamps.append(clock())
        return round_trips(stamps)

    return role


def case(
    name: str,
    title: str,
    size: int,
    goals: tuple[Goal, ...],
    contestants: tuple[Contestant, ...],
    kinds: tuple[str, str] = ("REP", "REQ"),
    transport: str = "tcp",
    reference: str = "pyzmq",
    profiled_by: tuple[str, int] | None = None,
    roles: tuple[tuple[str, Role], ...] = (),
) -> Case:
    """Return a case of round trips; `kinds` are the socket types of the replier and of the requester.

    `roles` are others than the plain ones.
    """
    return Case(
        name=name,
        title=title,
        unit="µs",
        less_is_better=True,
        roles=roles or (("replier", replier(kinds[0], transport)), ("requester", requester(kinds[1], size))),
        count=8_000,
        quick=100,
        contestants=contestants,
        reference=reference,
        goals=goals,
        size=size,
        profiled_by=profiled_by,
    )


CASES = [
    case(
        "round-trip",
        "REQ/REP round trip of 10 B over tcp, blocking calls",
        10,
        (Times(1.8, "pyzmq"), Times(1 / 1.6, "sockets", within=True)),
        SAME_LIBRARY + MIXED + FLOORS,
        profiled_by=("round trip", 1),
    ),
    case(
        "round-trip-1k",
        "REQ/REP round trip of 1 KiB over tcp, blocking calls",
        1024,
        (Times(1.8, "pyzmq"), Times(1 / 1.6, "sockets", within=True)),
        SAME_LIBRARY + FLOORS,
    ),
    case(
        "round-trip-ipc",
        "REQ/REP round trip of 10 B over ipc, blocking calls",
        10,
        (Times(1.8, "pyzmq"),),
        SAME_LIBRARY + FLOORS,
        transport="ipc",
    ),
    case(
        "round-trip-router",
        "DEALER/ROUTER round trip of 10 B over tcp, blocking calls",
        10,
        (Times(1.8, "pyzmq"),),
        SAME_LIBRARY,
        kinds=("ROUTER", "DEALER"),
    ),
    case(
        "gevent-round-trip",
        "gevent: REQ/REP round trip of 10 B over tcp",
        10,
        (Times(2.5, "zmq.green"),),
        (both("mqbridge", "mqbridge gevent"), both("zmq.green"), both("gevent sockets")),
        reference="zmq.green",
    ),
]
