"""Ten thousand connections that come and go, in a process of its own: `python storms.py SCENARIO SETTINGS`.

What is left is looked for in the socket itself, in the process's descriptors, and among all of Python's objects.
"""

from __future__ import annotations

import gc
import json
import os
import socket as system
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import ports
from raw_peer import command, encoded, ready

import mqbridge

RESET = struct.pack("ii", 1, 0)
MIB = 1 << 20
# Of each type of ours, and of containers, there may be that many more after a storm than before.
SPARE = 50
PATIENCE = 20.0


def measure() -> tuple[int, int, Counter[str]]:
    """Return the process's resident bytes, how many descriptors it has, and its objects by type."""
    gc.collect()
    objects = Counter(type(each).__name__ for each in gc.get_objects())
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resident, len(os.listdir("/proc/self/fd")), objects


def until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come"


def nothing_is_left(socket: Any, before: tuple[int, int, Counter[str]], grown: int = 12 * MIB) -> None:
    """Assert that nobody is connected, and that all is as it was."""
    driver = socket._driver

    def settled() -> bool:
        while socket.poll(0):
            socket.recv_multipart()
        return not driver.links and not driver.pipes

    until(settled, f"the end of {driver.links} and {driver.pipes}")
    assert not driver.dirty
    assert not driver.departing
    assert not driver.timers.next_due(), "somebody waits for a time"
    resident, descriptors, objects = measure()
    resident_before, descriptors_before, objects_before = before
    more = {name: count - objects_before[name] for name, count in objects.items()}
    more = {name: count for name, count in more.items() if count > SPARE}
    print(json.dumps({"grown": resident - resident_before, "descriptors": descriptors, "more": more}))
    assert descriptors <= descriptors_before + 2, f"{descriptors_before} descriptors have become {descriptors}"
    assert not more, f"left behind: {more}"
    assert resident - resident_before < grown, f"{resident_before} bytes have become {resident}"


def bound(kind: str) -> tuple[mqbridge.Context, mqbridge.Socket, int]:
    """Return a socket that only this program drives, and its port."""
    context = mqbridge.Context(io_threads=0)
    socket = context.socket(getattr(mqbridge, kind))
    socket.linger = 0
    socket.backlog = 200
    socket.bind("tcp://127.0.0.1:*")
    return context, socket, int(socket.get_string(mqbridge.LAST_ENDPOINT).rpartition(":")[2])


def come_and_go(kind: str, peer: str, count: int) -> None:
    """Peers connect, some shake hands and say something, and go, some with a RST."""
    context, socket, port = bound(kind)
    greetings = {
        "SUB": b"".join(command(b"SUBSCRIBE", b"topic %d" % number) for number in range(3)),
        "REQ": encoded(b"", b"question"),
    }
    said = ready(peer.encode()) + greetings.get(peer, encoded(b"hello")) if kind != "STREAM" else b"GET / HTTP/1.0"
    cuts = (0, 5, 30, 70, len(said), len(said))

    def storm(count: int) -> None:
        handles = []
        for number in range(count):
            handle = system.create_connection(("127.0.0.1", port), timeout=10)
            # Half a greeting, half a handshake, half a message, all of it.
            handle.sendall(said[: cuts[number % 6]])
            handles.append(handle)
            if number % 3 == 0:
                handle.setsockopt(system.SOL_SOCKET, system.SO_LINGER, RESET)
            if len(handles) == 20:
                socket.poll(0)
                if kind == "REP" and socket.poll(0):
                    socket.recv()
                    socket.send(b"answer")
                elif kind in ("PUB", "XPUB"):
                    socket.send(b"topic 1")
                while kind != "REP" and socket.poll(0):
                    socket.recv_multipart()
                for each in handles:
                    each.close()
                handles.clear()
                socket.poll(0)
        for each in handles:
            each.close()

    def drained() -> None:
        def empty() -> bool:
            while kind == "REP" and socket.poll(0):
                socket.recv()
                socket.send(b"answer")
            while kind != "REP" and socket.poll(0):
                socket.recv_multipart()
            return not socket._driver.links and not socket._driver.pipes

        until(empty, "the end of all")

    storm(300)
    drained()
    before = measure()
    storm(count)
    drained()
    nothing_is_left(socket, before)
    # And it is as good as new.
    with system.create_connection(("127.0.0.1", port), timeout=10) as handle:
        handle.setblocking(False)
        handle.sendall(said)
        if kind == "REP":
            until(lambda: socket.poll(0), "a question")
        else:
            until(lambda: socket.poll(0) or len(socket._driver.pipes) == 1, "a peer")
    socket.close()
    context.term()


def connect_and_disconnect(kind: str, count: int, listening: bool) -> None:
    """Call connect and disconnect over and over; somebody is there, or nobody."""
    context = mqbridge.Context(io_threads=0)
    socket = context.socket(getattr(mqbridge, kind))
    socket.linger = 0
    if kind == "SUB":
        socket.subscribe = b"topic"
    with system.create_server(("127.0.0.1", 0), backlog=500) if listening else ports.reserve() as listener:
        listener.setblocking(False)
        endpoint = f"tcp://127.0.0.1:{ports.number(listener)}"

        def storm(count: int) -> None:
            for number in range(count):
                socket.connect(endpoint)
                if number % 2:
                    socket.poll(0)
                socket.disconnect(endpoint)
                while listening and number % 100 == 0:
                    try:
                        listener.accept()[0].close()
                    except BlockingIOError:
                        break
                if number % 100 == 0:
                    socket.poll(0)

        storm(300)
        until(lambda: (socket.poll(0), not socket._driver.links)[1], "the end of all")
        before = measure()
        storm(count)
        nothing_is_left(socket, before)
    assert not socket._driver.endpoints
    socket.close()
    context.term()


def whole_conversations(kind: str, peer: str, count: int) -> None:
    """Each connection shakes hands, is heard and answered, and goes."""
    context, socket, port = bound(kind)

    def storm(count: int) -> None:
        for number in range(count):
            handle = system.create_connection(("127.0.0.1", port), timeout=10)
            handle.setblocking(False)
            handle.sendall(ready(peer.encode(), b"peer %d" % number) + encoded(b"", b"%d" % number))
            until(lambda: socket.poll(0), "a message")
            if kind == "ROUTER":
                routing_id, _, body = socket.recv_multipart()
                assert (routing_id, body) == (b"peer %d" % number, b"%d" % number)
                socket.send_multipart([routing_id, b"", body])
            else:
                assert socket.recv() == b"%d" % number
                socket.send(b"%d" % number)
            socket.poll(0)
            said = handle.recv(4096)
            assert said.endswith(encoded(b"", b"%d" % number)), said
            handle.close()

    storm(100)
    until(lambda: (socket.poll(0), not socket._driver.links)[1], "the end of all")
    before = measure()
    storm(count)
    nothing_is_left(socket, before)
    socket.close()
    context.term()


SCENARIOS = {scenario.__name__: scenario for scenario in (come_and_go, connect_and_disconnect, whole_conversations)}

if __name__ == "__main__":
    SCENARIOS[sys.argv[1]](**json.loads(sys.argv[2]))
