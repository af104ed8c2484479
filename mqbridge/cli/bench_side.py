"""One side of a measurement of `mqbridge bench`, in a process of its own.

`python -m mqbridge.cli.bench_side LIBRARY CASE SIZE SECONDS bind|connect`: the side that binds answers or receives. The
other one is told the endpoint by the first line of its standard input, and asks or sends for so many seconds. Each says
on standard output what the other, or `measuring`, has to know: one JSON object a line.
"""

from __future__ import annotations

import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

# Nothing that is measured has this length.
END = b"end"
# As many messages as fit into a queue, for all libraries; libzmq's and mqbridge's own default.
_QUEUED = 1000
_WARM_UP = 0.2
# Sent between two looks at the clock.
_BATCH = 100

#: What the connecting side of each case is, and what it connects to.
KINDS = {"round-trip": ("REQ", "REP"), "stream": ("PUSH", "PULL")}


def say(**what: object) -> None:
    """Tell who has started this."""
    print(json.dumps(what), flush=True)


def open_zmq(names: str, kind: str, endpoint: str) -> tuple[Any, str]:
    """Return a socket of a library with pyzmq's names and its endpoint."""
    library: Any = importlib.import_module(names)
    socket = library.Context.instance().socket(getattr(library, kind))
    if endpoint:
        socket.connect(endpoint)
        return socket, endpoint
    socket.bind("tcp://127.0.0.1:*")
    return socket, socket.getsockopt(library.LAST_ENDPOINT).rstrip(b"\0").decode()


def open_nng(names: str, kind: str, endpoint: str) -> tuple[Any, str]:
    """Return a socket of pynng and its endpoint."""
    make = getattr(importlib.import_module(names), f"{kind.capitalize()}0")
    queues = {"recv_buffer_size": _QUEUED, "send_buffer_size": _QUEUED, "recv_max_size": 0}
    if endpoint:
        return make(dial=endpoint, **queues), endpoint
    socket = make(listen="tcp://127.0.0.1:0", **queues)
    return socket, f"tcp://{socket.listeners[0].local_address}"


#: By library: the module to import, and how to open a socket of it.
LIBRARIES: dict[str, tuple[str, Callable[[str, str, str], tuple[Any, str]]]] = {
    "mqbridge": ("mqbridge", open_zmq),
    "pyzmq": ("zmq", open_zmq),
    "pynng": ("pynng", open_nng),
}


def answer(socket: Any) -> dict[str, float]:
    """Send back what comes, until the end."""
    while True:
        message = socket.recv()
        socket.send(message)
        if message == END:
            return {}


def ask(socket: Any, size: int, seconds: float) -> dict[str, float]:
    """Return the median of the round trips, in µs."""
    message, clock = bytes(size), time.perf_counter_ns
    until = clock() + int(_WARM_UP * seconds * 1e9)
    while clock() < until:
        socket.send(message)
        socket.recv()
    took = []
    until = clock() + int(seconds * 1e9)
    before = clock()
    while before < until:
        socket.send(message)
        socket.recv()
        now = clock()
        took.append(now - before)
        before = now
    socket.send(END)
    socket.recv()
    return {"value": statistics.median(took) / 1000, "count": len(took)}


def receive(socket: Any) -> dict[str, float]:
    """Return how many messages came per second, from the first to the last."""
    socket.recv()
    began = time.perf_counter()
    count = 0
    while socket.recv() != END:
        count += 1
    return {"value": count / (time.perf_counter() - began), "count": count}


def send(socket: Any, size: int, seconds: float) -> dict[str, float]:
    """Send as fast as it goes."""
    message = bytes(size)
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for _ in range(_BATCH):
            socket.send(message)
    socket.send(END)
    return {}


def main(library: str, case: str, size: str, seconds: str, side: str) -> None:
    """Be one side and report."""
    module, make = LIBRARIES[library]
    connecting, binding = KINDS[case]
    # Both sides import at the same time.
    importlib.import_module(module)
    if side == "connect":
        socket, _ = make(module, connecting, sys.stdin.readline().strip())
        result = (ask if case == "round-trip" else send)(socket, int(size), float(seconds))
    else:
        socket, where = make(module, binding, "")
        say(endpoint=where)
        result = (answer if case == "round-trip" else receive)(socket)
    say(result=result)
    # The other side may still need what was sent.
    sys.stdin.read()
    socket.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
