"""Missed edges: four mistakes that a program with select() on a ZeroMQ socket's FD can make, and the repair of all.

    python examples/missed_edge.py
    python examples/missed_edge.py naive P4
    python examples/missed_edge.py repaired P4
    ZMQ_LIBRARY=zmq mqbridge trace examples/missed_edge.py naive P4

Without arguments it shows all of them. With ZMQ_LIBRARY=zmq it runs on pyzmq, where the naive program sleeps each time;
on mqbridge it sleeps at P5 only: FD tells of whatever is new there, and of what was left only `recv_fd` does.
`mqbridge trace` draws what happens. The numbers are those of docs/pitfalls.md.
"""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable
from typing import Any

from library import zmq

PATIENCE = 0.2  # seconds; a real program would wait for ever

Ready = Callable[[Any], bool]


def naive(socket: Any) -> bool:
    """Wait for a message as one does for a file's bytes."""
    return bool(select.select([socket.FD], [], [], PATIENCE)[0])


def repaired(socket: Any) -> bool:
    """Wait only after a look that saw nothing, and look again after each wake."""
    while not socket.EVENTS & zmq.POLLIN:
        if not select.select([socket.FD], [], [], PATIENCE)[0]:
            return False
    return True


def p1(context: Any, ready: Ready) -> bool:
    """Messages are there before the first wait; the receiver has connected to their sender."""
    with context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
        push.bind("inproc://p1")
        pull.connect("inproc://p1")
        push.send(b"one")
        push.send(b"two")
        return ready(pull)


def p2(context: Any, ready: Ready) -> bool:
    """An answer comes, and before anybody waits for it, something else is sent on the same socket."""
    with context.socket(zmq.PAIR) as peer, context.socket(zmq.PAIR) as ours:
        ours.bind("inproc://p2")
        peer.connect("inproc://p2")
        assert not ours.EVENTS & zmq.POLLIN
        peer.send(b"answer")
        time.sleep(0.01)  # libzmq's send looks for news now and then only
        ours.send(b"something else")
        return ready(ours)


def p4(context: Any, ready: Ready) -> bool:
    """Two messages were expected, two are received; then a third one comes."""
    with context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
        pull.bind("inproc://p4")
        push.connect("inproc://p4")
        push.send(b"one")
        push.send(b"two")
        if not ready(pull):
            return False
        pull.recv()
        pull.recv()
        push.send(b"three")
        return ready(pull)


def p5(context: Any, ready: Ready) -> bool:
    """Two messages come at once; one is received for each wake."""
    with context.socket(zmq.PUSH) as push, context.socket(zmq.PULL) as pull:
        pull.bind("inproc://p5")
        push.connect("inproc://p5")
        push.send(b"one")
        push.send(b"two")
        if not ready(pull):
            return False
        assert pull.EVENTS & zmq.POLLIN
        pull.recv()
        return ready(pull)


CASES = {"P1": p1, "P2": p2, "P4": p4, "P5": p5}
WAYS: dict[str, Ready] = {"naive": naive, "repaired": repaired}


def main(arguments: list[str]) -> None:
    ways = [way for way in arguments if way in WAYS] or list(WAYS)
    cases = [case for case in arguments if case in CASES] or list(CASES)
    if not set(arguments) <= {*WAYS, *CASES}:
        sys.exit(__doc__)
    with zmq.Context() as context:
        for way in ways:
            for case in cases:
                woken = CASES[case](context, WAYS[way])
                print(f"{way:>8} {case}: {'receives' if woken else 'SLEEPS, with a message there'}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
