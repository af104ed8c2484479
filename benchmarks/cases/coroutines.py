"""asyncio, uvloop and trio: messages that come by `await recv()` from a blocking pusher, and round trips."""

from __future__ import annotations

import time

from benchmarks.case import Case, Contestant, Result, Side, both, in_loop, opened
from benchmarks.cases.push_pull import pusher
from benchmarks.goals import Times
from benchmarks.timing import round_trips

SIZE = 10
WARM_UP = 0.1
WARM_UP_TRIPS = 200


@in_loop
async def puller(side: Side) -> Result:
    """Receive everything, one await each; the value is messages per second."""
    channel = await opened(side.peer.bind("PULL", "tcp", side.announce))
    recv = channel.recv
    for _ in range(int(side.count * WARM_UP)):
        await recv()
    with side.measured():
        for _ in range(side.count):
            await recv()
    return {"value": side.count / side.usage["elapsed"]}


@in_loop
async def replier(side: Side) -> Result:
    """Send back what comes."""
    channel = await opened(side.peer.bind("REP", "tcp", side.announce))
    send, recv = channel.send, channel.recv
    for _ in range(WARM_UP_TRIPS):
        await send(await recv())
    with side.measured():
        for _ in range(side.count):
            await send(await recv())
    return {}


@in_loop
async def requester(side: Side) -> Result:
    """Ask, and time each answer; the value is the median, in µs."""
    channel = await opened(side.peer.connect("REQ", side.endpoint))
    send, recv, clock = channel.send, channel.recv, time.perf_counter_ns
    request = bytes(SIZE)
    for _ in range(WARM_UP_TRIPS):
        await send(request)
        await recv()
    stamps = [clock()]
    with side.measured():
        for _ in range(side.count):
            await send(request)
            await recv()
            stamps.append(clock())
    return round_trips(stamps)


def on(loop: str, zmq: str, more: tuple[str, ...]) -> list[Case]:
    """Return the cases of a loop, with zmq.asyncio's name there, and loops of mqbridge's that are shown beside it."""
    streams = f"{loop} streams"
    return [
        Case(
            name=f"{loop}-recv",
            title=f"{loop}: await recv() of {SIZE} B from a blocking pusher of the same library, over tcp",
            unit="messages/s",
            less_is_better=False,
            roles=(("puller", puller), ("pusher", pusher(SIZE))),
            count=300_000,
            quick=1_000,
            contestants=(
                Contestant("mqbridge", (f"mqbridge {loop}", "mqbridge")),
                Contestant("zmq.asyncio", (zmq, "pyzmq"), 0.1),
                Contestant(streams, (streams, "sockets"), 0.3),
                *(Contestant(name, (name, "mqbridge")) for name in more),
            ),
            reference="zmq.asyncio",
            goals=(Times(15, "zmq.asyncio"),),
            size=SIZE,
        ),
        Case(
            name=f"{loop}-round-trip",
            title=f"{loop}: REQ/REP round trip of {SIZE} B over tcp, both sides in the loop",
            unit="µs",
            less_is_better=True,
            roles=(("replier", replier), ("requester", requester)),
            count=5_000,
            quick=100,
            contestants=(
                both("mqbridge", f"mqbridge {loop}"),
                both("zmq.asyncio", zmq, share=0.5),
                both(streams),
                *(both(name) for name in more),
            ),
            reference="zmq.asyncio",
            goals=(Times(2.5, "zmq.asyncio"),),
            size=SIZE,
        ),
    ]


CASES = [*on("asyncio", "zmq.asyncio", ("mqbridge trio",)), *on("uvloop", "zmq.asyncio uvloop", ())]
