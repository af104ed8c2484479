"""PUSH to PULL over tcp: how many messages arrive in a second, by size, one at a time and in batches, and on gevent."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.case import MIXED, SAME_LIBRARY, Case, Contestant, Options, Result, Role, Side, both, no_options
from benchmarks.goals import Goal, Times

# The clock starts when this part of the messages has arrived.
WARM_UP = 0.1
# How many messages send_many is given at once.
BATCH = 1000
PURE = (("MQBRIDGE_PURE", "1"),)


def puller(options: Options = no_options) -> Role:
    """Return the role that receives everything, one call each; the value is messages per second."""

    def role(side: Side) -> Result:
        return one_by_one(side, side.peer.bind("PULL", "tcp", side.announce, **options(side)).recv)

    return role


def one_by_one(side: Side, recv: Callable[[], object]) -> Result:
    """Receive everything by a function that gives one message; return the round's result."""
    for _ in range(int(side.count * WARM_UP)):
        recv()
    with side.measured():
        for _ in range(side.count):
            recv()
    return {"value": side.count / side.usage["elapsed"]}


def pusher(size: int, options: Options = no_options) -> Role:
    """Return the role that sends as fast as the other side takes it, one call each."""

    def role(side: Side) -> Result:
        send = side.peer.connect("PUSH", side.endpoint, **options(side)).send
        message = bytes(size)
        for _ in range(int(side.count * WARM_UP)):
            send(message)
        with side.measured():
            for _ in range(side.count):
                send(message)
        return {}

    return role


def batch_puller(side: Side) -> Result:
    """Receive everything, in batches where the library has them; the value is messages per second."""
    channel = side.peer.bind("PULL", "tcp", side.announce)
    recv_many = channel.recv_many
    if recv_many is None:
        return one_by_one(side, channel.recv)
    left = int(side.count * WARM_UP)
    while left > 0:
        left -= len(recv_many())
    # What came too much is of those that are measured.
    measured = left = left + side.count
    with side.measured():
        while left > 0:
            left -= len(recv_many())
    return {"value": measured / side.usage["elapsed"]}


def batch_pusher(side: Side) -> Result:
    """Send as fast as the other side takes it, in batches where the library has them."""
    channel = side.peer.connect("PUSH", side.endpoint)
    message = bytes(10)
    left = int(side.count * WARM_UP) + side.count
    with side.measured():
        if channel.send_many is None:
            for _ in range(left):
                channel.send(message)
        else:
            batch = [message] * BATCH
            while left > 0:
                left -= channel.send_many(batch[:left])
    return {}


def case(
    name: str,
    title: str,
    size: int,
    count: int,
    goals: tuple[Goal, ...],
    contestants: tuple[Contestant, ...],
    quick: int = 2_000,
    reference: str = "pyzmq",
    profiled_by: tuple[str, int] | None = None,
    roles: tuple[tuple[str, Role], ...] = (),
) -> Case:
    """Return a case of one call for each message; `roles` are others than the plain ones."""
    return Case(
        name=name,
        title=title,
        unit="messages/s",
        less_is_better=False,
        roles=roles or (("puller", puller()), ("pusher", pusher(size))),
        count=count,
        quick=quick,
        contestants=contestants,
        reference=reference,
        goals=goals,
        size=size,
        profiled_by=profiled_by,
    )


def by_size(name: str, text: str, size: int, count: int, least: float, quick: int = 2_000) -> Case:
    """Return a case of the throughput by size; the slower contestants do a part of it."""
    large = (both("pyzmq copy=False"),) if size >= 1024 else ()
    mixed, profiled_by = (MIXED, ("1,000 messages", 1000)) if name == "push-pull" else ((), None)
    small = size <= 1024
    floors = (both("pynng", share=0.05 if small else 0.5), both("sockets", share=0.2 if small else 1.0))
    return case(
        name,
        f"PUSH to PULL of {text} over tcp, one send and one recv call each",
        size,
        count,
        (Times(least, "pyzmq"),),
        SAME_LIBRARY + large + mixed + floors,
        quick=quick,
        profiled_by=profiled_by,
    )


CASES = [
    by_size("push-pull", "10 B", 10, 500_000, 5),
    by_size("push-pull-100", "100 B", 100, 500_000, 5),
    by_size("push-pull-1k", "1 KiB", 1024, 200_000, 2.5),
    by_size("push-pull-64k", "64 KiB", 65536, 10_000, 1.15, quick=200),
    by_size("push-pull-1m", "1 MiB", 1 << 20, 800, 1.3, quick=20),
    Case(
        name="batches",
        title="PUSH to PULL of 10 B over tcp, send_many and recv_many (pyzmq: one call each)",
        unit="messages/s",
        less_is_better=False,
        roles=(("puller", batch_puller), ("pusher", batch_pusher)),
        count=1_000_000,
        quick=2_000,
        contestants=(both("mqbridge", "mqbridge batches"), both("pyzmq", share=0.5)),
        goals=(Times(10, "pyzmq"),),
        size=10,
    ),
    case(
        "interpreted",
        "PUSH to PULL of 10 B over tcp, mqbridge interpreted (MQBRIDGE_PURE=1)",
        10,
        500_000,
        (Times(0.25, "pyzmq"),),
        (Contestant("mqbridge", ("mqbridge", "mqbridge"), 0.1, PURE), both("pyzmq")),
    ),
    case(
        "gevent-recv",
        "gevent: recv of 10 B from a blocking pusher of the same library, over tcp",
        10,
        300_000,
        (Times(8, "zmq.green"),),
        (
            Contestant("mqbridge", ("mqbridge gevent", "mqbridge")),
            Contestant("zmq.green", ("zmq.green", "pyzmq"), 0.3),
            Contestant("gevent sockets", ("gevent sockets", "sockets"), 0.3),
        ),
        reference="zmq.green",
    ),
]
