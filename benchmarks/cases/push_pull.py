"""PUSH to PULL over tcp, one send and one recv call for each message: how many arrive in a second."""

from __future__ import annotations

import time

from benchmarks.case import Case, Result, Side

SIZE = 10
# The clock starts when this part of the messages has arrived.
WARM_UP = 0.1


def puller(side: Side) -> Result:
    """Receive everything; the value is messages per second."""
    library = side.library
    context = library.Context()
    socket = context.socket(library.PULL)
    socket.bind("tcp://127.0.0.1:*")
    side.announce(socket.getsockopt(library.LAST_ENDPOINT).rstrip(b"\0").decode())
    recv = socket.recv
    for _ in range(int(side.count * WARM_UP)):
        recv()
    began = time.perf_counter()
    with side.measured():
        for _ in range(side.count):
            recv()
    elapsed = time.perf_counter() - began
    socket.close()
    context.term()
    return {"value": side.count / elapsed}


def pusher(side: Side) -> Result:
    """Send as fast as the other side takes it."""
    library = side.library
    context = library.Context()
    socket = context.socket(library.PUSH)
    socket.connect(side.endpoint)
    send = socket.send
    message = bytes(SIZE)
    for _ in range(int(side.count * WARM_UP)):
        send(message)
    with side.measured():
        for _ in range(side.count):
            send(message)
    socket.close()
    context.term()
    return {}


CASES = [
    Case(
        name="push-pull",
        title=f"PUSH to PULL of {SIZE} B over tcp, one send and one recv call each",
        unit="messages/s",
        less_is_better=False,
        roles=(("puller", puller), ("pusher", pusher)),
        count=300_000,
        quick=5_000,
        profiled_by=("1,000 messages", 1000),
    )
]
