"""What pyzmq's calls cost on mqbridge's backend, beside pyzmq on libzmq: the same programs, PYZMQ_BACKEND apart.

`python -m benchmarks.cases.pyzmq_backend [CASE ...]` runs it by itself. Each case has two processes on one backend,
which take turns with two on the other; what is shown are medians, and how many times faster mqbridge is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

BACKENDS = {"libzmq": "cython", "mqbridge": "mqbridge.pyzmq"}
ROUNDS = 5
WARM_UP = 200

# What a role calls: tells where it is, and gives back the time of what is enclosed.
Announce = Callable[[str], None]


@contextmanager
def _sockets(zmq: Any, *kinds: int) -> Iterator[Any]:
    context = zmq.Context()
    made = [context.socket(kind) for kind in kinds]
    for socket in made:
        socket.sndhwm = socket.rcvhwm = 1000
    yield made[0] if len(made) == 1 else made
    for socket in made:
        socket.close(linger=5000)
    context.term()


def _plain() -> Any:
    import zmq

    return zmq


def _green() -> Any:
    import zmq.green

    return zmq.green


def _bound(socket: Any, announce: Announce) -> None:
    port = socket.bind_to_random_port("tcp://127.0.0.1")
    announce(f"tcp://127.0.0.1:{port}")


# ---- blocking calls, of threads and of greenlets


def reply(zmq: Any, count: int, announce: Announce) -> None:
    """Send back what comes."""
    with _sockets(zmq, zmq.REP) as socket:
        _bound(socket, announce)
        for _ in range(count + WARM_UP):
            socket.send(socket.recv())


def request(zmq: Any, count: int, endpoint: str, size: int) -> float:
    """Return the time of one round trip, in s."""
    with _sockets(zmq, zmq.REQ) as socket:
        socket.connect(endpoint)
        question = bytes(size)
        for left in range(count + WARM_UP, 0, -1):
            if left == count:
                began = time.perf_counter()
            socket.send(question)
            socket.recv()
        return (time.perf_counter() - began) / count


def push(zmq: Any, count: int, endpoint: str, size: int) -> None:
    """Send as fast as it goes."""
    with _sockets(zmq, zmq.PUSH) as socket:
        socket.connect(endpoint)
        message = bytes(size)
        for _ in range(count + WARM_UP):
            socket.send(message)


def pull(zmq: Any, count: int, announce: Announce) -> float:
    """Return the time of one message, in s."""
    with _sockets(zmq, zmq.PULL) as socket:
        _bound(socket, announce)
        for left in range(count + WARM_UP, 0, -1):
            if left == count:
                began = time.perf_counter()
            socket.recv()
        return (time.perf_counter() - began) / count


# ---- zmq.asyncio


async def reply_later(zmq: Any, count: int, announce: Announce) -> None:
    """Send back what comes, in a loop."""
    with _sockets(zmq.asyncio, zmq.REP) as socket:
        _bound(socket, announce)
        for _ in range(count + WARM_UP):
            await socket.send(await socket.recv())


async def request_later(zmq: Any, count: int, endpoint: str, size: int) -> float:
    """Return the time of one round trip in a loop, in s."""
    with _sockets(zmq.asyncio, zmq.REQ) as socket:
        socket.connect(endpoint)
        question = bytes(size)
        for left in range(count + WARM_UP, 0, -1):
            if left == count:
                began = time.perf_counter()
            await socket.send(question)
            await socket.recv()
        return (time.perf_counter() - began) / count


async def pull_later(zmq: Any, count: int, announce: Announce) -> float:
    """Return the time of one message in a loop, in s."""
    with _sockets(zmq.asyncio, zmq.PULL) as socket:
        _bound(socket, announce)
        for left in range(count + WARM_UP, 0, -1):
            if left == count:
                began = time.perf_counter()
            await socket.recv()
        return (time.perf_counter() - began) / count


def _asyncio() -> Any:
    import zmq.asyncio

    return zmq


# ---- single calls, with nobody at the other end


def calls(zmq: Any, count: int, what: str) -> float:
    """Return the time of one call, in s."""
    with _sockets(zmq, zmq.PULL) as socket:
        socket.bind("inproc://calls")
        get, recv, events, now, again = socket.get, socket.recv, zmq.EVENTS, zmq.DONTWAIT, zmq.Again
        began = time.perf_counter()
        if what == "EVENTS":
            for _ in range(count):
                get(events)
        else:
            for _ in range(count):
                try:
                    recv(now)
                except again:
                    pass
        return (time.perf_counter() - began) / count


# Case -> the module, the role that binds, the one that connects, how many operations, and the size in bytes.
CASES: dict[str, tuple[Any, Any, Any, int, int]] = {
    "REQ/REP, 10 B": (_plain, reply, request, 10_000, 10),
    "PUSH/PULL, 10 B": (_plain, pull, push, 500_000, 10),
    "PUSH/PULL, 1 KiB": (_plain, pull, push, 300_000, 1024),
    "PUSH/PULL, 64 KiB": (_plain, pull, push, 20_000, 65536),
    "PUSH/PULL, 1 MiB": (_plain, pull, push, 1_500, 1 << 20),
    "zmq.asyncio recv, 10 B": (_asyncio, pull_later, push, 100_000, 10),
    "zmq.asyncio REQ/REP, 10 B": (_asyncio, reply_later, request_later, 5_000, 10),
    "zmq.green recv, 10 B": (_green, pull, push, 100_000, 10),
    "zmq.green REQ/REP, 10 B": (_green, reply, request, 5_000, 10),
    "get(EVENTS)": (_plain, None, calls, 200_000, 0),
    "recv(DONTWAIT), Again": (_plain, None, calls, 100_000, 0),
}


def side(case: str, role: str, endpoint: str) -> None:
    """One process: run a role and say what came of it."""
    module, binds, connects, count, size = CASES[case]
    zmq = module()

    def say(**what: object) -> None:
        print(json.dumps(what), flush=True)

    if binds is None:
        found = calls(zmq, count, "EVENTS" if "EVENTS" in case else "Again")
    elif role == "binds":
        found = binds(zmq, count, lambda where: say(endpoint=where))
    else:
        found = connects(zmq, count, endpoint, size)
    say(time=asyncio.run(found) if asyncio.iscoroutine(found) else found)


def one_round(case: str, backend: str) -> float:
    """Run a case once; return the time that one of its sides has measured, in s."""
    command = [sys.executable, "-m", "benchmarks.cases.pyzmq_backend", "--side", case]
    environment = {**os.environ, "PYZMQ_BACKEND": BACKENDS[backend]}
    endpoint, said = "", []
    processes = []
    for role in ("binds", "connects") if CASES[case][1] else ("connects",):
        process = subprocess.Popen([*command, role, endpoint], env=environment, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        if role == "binds":
            assert process.stdout is not None
            endpoint = json.loads(process.stdout.readline())["endpoint"]
    for process in reversed(processes):
        said.append(json.loads(process.communicate(timeout=120)[0].splitlines()[-1])["time"])
    return float(next(found for found in said if found is not None))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="pyzmq's calls on mqbridge and on libzmq")
    parser.add_argument("cases", nargs="*", help=f"parts of the names of cases: {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--side", nargs=3, metavar=("CASE", "ROLE", "ENDPOINT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        side(*arguments.side)
        return
    print(f"{'µs':28}{'libzmq':>10}{'mqbridge':>10}{'times faster':>14}")
    for case in CASES:
        if arguments.cases and not any(part in case for part in arguments.cases):
            continue
        times: dict[str, list[float]] = {backend: [] for backend in BACKENDS}
        for number in range(arguments.rounds):
            for backend in sorted(BACKENDS, reverse=number % 2 == 0):
                times[backend].append(one_round(case, backend) * 1e6)
        theirs, ours = (statistics.median(times[backend]) for backend in BACKENDS)
        print(f"{case:28}{theirs:10.2f}{ours:10.2f}{theirs / ours:14.2f}", flush=True)


if __name__ == "__main__":
    main()
