"""A ROUTER with thousands of idle tcp connections: its memory for each, and how it serves the one that is active.

The idle connections are plain sockets that have shaken hands as a DEALER would, and then keep silent.
"""

from __future__ import annotations

import os
import resource
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.case import SAME_LIBRARY, Case, Result, Side
from benchmarks.goals import AtMost, Goal
from benchmarks.timing import round_trips

# Round trips to measure with one connection, and again with all.
TRIPS = 2_000
SIZE = 10
# How many connect at a time, and at how many places the memory is looked at.
AT_ONCE = 50
LOOKS = 5
# Messages to the router that are not echoed.
RESIDENT, END = b"resident", b"end"

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
# Ends a connection at once, and leaves no port in TIME_WAIT.
NO_LINGER = struct.pack("ii", 1, 0)


def resident() -> int:
    """Return how much memory this process has, in bytes."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    # Where the system does not tell: the most that it ever had.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1024 if os.uname().sysname == "Linux" else 1)


def allow_descriptors(number: int) -> None:
    """Raise the limit of open files to `number`, as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def router(side: Side) -> Result:
    """Echo, and tell the memory when asked."""
    allow_descriptors(side.count + 200)
    channel = side.peer.bind("ROUTER", "tcp", side.announce, BACKLOG=4 * AT_ONCE)
    send, recv = channel.send, channel.recv
    while True:
        who, message = recv()
        if message == END:
            return {}
        send([who, b"%d" % resident() if message == RESIDENT else message])


def shake_hands(host: str, port: int, number: int) -> list[socket.socket]:
    """Return that many new connections to the router, all ready."""
    connections = [socket.create_connection((host, port)) for _ in range(number)]
    for connection in connections:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        connection.sendall(GREETING + bytes((4, len(READY))) + READY)
    for connection in connections:
        received = b""
        # Its greeting, and a short command with its length in the second byte.
        while len(received) < 66 or len(received) < 66 + received[65]:
            chunk = connection.recv(4096)
            if not chunk:
                raise ConnectionError("the router closed a connection before it was ready")
            received += chunk
    return connections


def crowd(side: Side) -> Result:
    """Connect one active client, then all the idle ones, and measure before and after."""
    allow_descriptors(side.count + 200)
    channel = side.peer.connect("DEALER", side.endpoint)
    send, recv, clock = channel.send, channel.recv, time.perf_counter_ns
    message = bytes(SIZE)

    def trips(number: int) -> float:
        stamps = [clock()]
        for _ in range(number):
            send(message)
            recv()
            stamps.append(clock())
        median: float = round_trips(stamps)["value"]
        return median

    def memory() -> int:
        send(RESIDENT)
        return int(recv())

    number = min(TRIPS, side.count)
    trips(number)
    alone = trips(number)
    curve = [(0, memory())]
    idle: list[socket.socket] = []
    host, _, port = side.endpoint.removeprefix("tcp://").rpartition(":")
    with side.measured():
        for look in range(1, LOOKS + 1):
            while (left := side.count * look // LOOKS - len(idle)) > 0:
                idle += shake_hands(host, int(port), min(AT_ONCE, left))
            curve.append((len(idle), memory()))
    trips(number // 10)
    among = trips(number)
    send(END)
    for connection in idle:
        connection.close()
    return {"alone": alone, "among": among, "curve": curve}


def memory_for_each(results: list[Result]) -> Result:
    """Make of a round the memory for each connection: `value`, in KiB."""
    found = dict(results[1])
    (_, before), *_, (number, after) = found["curve"]
    return found | {"value": max(0.0, (after - before) / number / 1024)}


def slowdown(results: list[Result]) -> Result:
    """Make of a round how many times longer a round trip takes with all connections than with one: `value`."""
    return results[1] | {"value": results[1]["among"] / results[1]["alone"]}


def case(name: str, title: str, unit: str, judge: Callable[[list[Result]], Result], goal: Goal) -> Case:
    """Return a case of the same crowd, judged by something of its own."""
    return Case(
        name=name,
        title=title,
        unit=unit,
        less_is_better=True,
        roles=(("router", router), ("crowd", crowd)),
        count=5_000,
        quick=50,
        contestants=SAME_LIBRARY,
        judge=judge,
        goals=(goal,),
        rounds=2,
    )


CASES = [
    case(
        "connections",
        "ROUTER with 5,000 idle tcp connections: resident memory for each",
        "KiB",
        memory_for_each,
        AtMost(8, "KiB"),
    ),
    case(
        "connections-round-trip",
        "ROUTER with 5,000 idle tcp connections: round trip of one active client, to that without them",
        "x",
        slowdown,
        AtMost(1.3, "x"),
    ),
]
