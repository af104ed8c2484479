"""Nothing is lost and nothing spins, however many messages, cancels, sockets and loops come and go; and it is fair."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

import mqbridge

from . import storms
from .rigs import Declared, Rig

Report = Callable[[str, object], None]
Join = Callable[..., None]

#: No loop may let more messages of one socket through before its other work goes on.
MOST_IN_A_TURN = 500


@pytest.fixture
def contexts() -> Iterator[dict[str, Any]]:
    """Contexts of all kinds, by name."""
    made: dict[str, Any] = {
        "alone": mqbridge.Context(io_threads=0),
        "caretaker": mqbridge.Context(),
        "pyzmq": zmq.Context(),
    }
    yield made
    for context in made.values():
        context.destroy(linger=0)


def test_p10_p22_a_million_messages_and_then_silence(
    rig: Rig, contexts: Any, join: Join, record_property: Report
) -> None:
    """In bursts and pauses, in order, each once; and then the loop is not woken for 2 s."""
    pairs = []
    shares = sum(stream[-1] for stream in storms.STREAMS)
    for one, other, transport, whose, share in storms.STREAMS:
        left, right = (contexts[whose].socket(getattr(zmq, kind)) for kind in (one, other))
        join(left, right, transport)
        pairs.append((left, right, storms.messages(rig.share) * share // shares))
    rig.limit = max(rig.limit, 100.0)
    found = rig.run(lambda: storms.many_messages(rig, pairs, seed=1))
    for left, right, _ in pairs:
        left.close(0)
        right.close(0)
    report(found, record_property)
    # It goes to sleep once, and may meet others that hold the GIL or the processor when it comes back.
    assert found["woken"] <= 4 + rig.own_wakes
    assert found["share"] < 0.02


@pytest.mark.parametrize("whose", ["alone", "pyzmq"])
def test_p21_a_flooding_peer(rig: Rig, contexts: Any, join: Join, whose: str, record_property: Report) -> None:
    """A timer of 1 ms and a TCP echo in the same loop keep running."""
    pull, push = contexts[whose].socket(zmq.PULL), contexts["caretaker"].socket(zmq.PUSH)
    pull.bind("tcp://127.0.0.1:*")
    push.connect(pull.getsockopt_string(zmq.LAST_ENDPOINT))
    push.sndtimeo = 10
    over = threading.Event()

    def flood() -> None:
        while not over.is_set():
            try:
                push.send(b"message")
            except mqbridge.Again:
                continue

    peer = threading.Thread(target=flood)
    rig.limit = max(rig.limit, 60.0)
    try:
        found = rig.run(lambda: storms.flooded(rig, rig.add(pull), peer.start))
    finally:
        over.set()
        peer.join()
        pull.close(0)
        push.close(0)
    report(found, record_property)
    assert found["most messages in a turn"] <= MOST_IN_A_TURN


@pytest.mark.needs("waits")
@pytest.mark.libraries("alone", "pyzmq")
@pytest.mark.transports("tcp")
def test_p17_a_storm_of_cancels(rig: Rig, pair: Callable[..., tuple[Any, Any]], record_property: Report) -> None:
    """What was sent is received, or still queued."""
    push, pull = pair("PUSH", "PULL", sndhwm=0, rcvhwm=0)
    rig.limit = max(rig.limit, 60.0)
    count = 10_000 if mqbridge.COMPILED else 1_000
    cancelled, received = rig.run(lambda: storms.cancels(rig, push, pull, count, seed=2))
    report({"cancelled": cancelled, "received": received}, record_property)
    assert received


def test_p24_p26_p34_a_storm_of_sockets_and_loops(declared: Declared, root: Path, record_property: Report) -> None:
    """In a process of its own, which neither grows nor is aborted."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))}
    program = [
        sys.executable,
        str(root / "tests" / "loops" / "conformance" / "storms.py"),
        declared.name,
        str(storms.ROUNDS),
    ]
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr[-3000:]
    before, after = (tuple(map(int, line.split())) for line in done.stdout.splitlines())
    report({"descriptors": (before[0], after[0]), "KiB": (before[1], after[1])}, record_property)
    assert after[0] <= before[0]
    assert after[1] <= before[1] + 4096


def report(found: dict[str, Any], record_property: Report) -> None:
    for name, value in found.items():
        record_property(name, value)
        print(f"{name}: {value}")
