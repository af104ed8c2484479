"""A thread that computes in Python and one that sends and receives do not starve each other. No clock is looked at."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

import mqbridge

# How often each thread has to see that the other got on before it ends. If one starves, the test never does.
# Interpreted, a thread that never waits was seen to keep the GIL for seconds, although it is asked for it every 5 ms.
TURNS = 10 if mqbridge.COMPILED else 2


class Turns:
    """Two counters, each written by one thread, and how often the other has seen it move."""

    def __init__(self) -> None:
        self.computed = self.messages = 0
        self.computed_seen = self.messages_seen = 0

    @property
    def over(self) -> bool:
        """Whether both have seen enough of each other."""
        return self.computed_seen >= TURNS and self.messages_seen >= TURNS

    def compute(self) -> None:
        """Count, and look at the messages."""
        seen = self.messages
        while not self.over:
            self.computed += 1
            if self.messages != seen:
                seen = self.messages
                self.messages_seen += 1

    def message(self) -> None:
        """Count a message, and look at what was computed."""
        self.messages += 1


@pytest.fixture
def turns() -> Iterator[Turns]:
    """The counters, with the computing thread at work."""
    found = Turns()
    thread = threading.Thread(target=found.compute)
    thread.start()
    yield found
    # If the test has failed, the other need not wait.
    found.computed_seen = found.messages_seen = TURNS
    thread.join()


def pair(context: mqbridge.Context, transport: str) -> tuple[mqbridge.Socket, mqbridge.Socket]:
    """Return two connected PAIRs."""
    ours, theirs = context.socket(mqbridge.PAIR), context.socket(mqbridge.PAIR)
    ours.bind(transport)
    theirs.connect(ours.last_endpoint.decode())
    return ours, theirs


@pytest.mark.parametrize("transport", ["tcp://127.0.0.1:*", "inproc://busy"])
def test_round_trips_beside_a_busy_thread(turns: Turns, transport: str) -> None:
    with mqbridge.Context() as context:
        ours, theirs = pair(context, transport)
        with ours, theirs:
            seen = turns.computed
            while not turns.over:
                ours.send(b"%d" % turns.messages)
                theirs.send(theirs.recv())
                assert ours.recv() == b"%d" % turns.messages
                turns.message()
                if turns.computed != seen:
                    seen = turns.computed
                    turns.computed_seen += 1
    assert turns.messages >= TURNS


@pytest.mark.parametrize("transport", ["tcp://127.0.0.1:*", "inproc://busy"])
def test_a_stream_beside_a_busy_thread(turns: Turns, transport: str) -> None:
    # The receiver never finds its socket empty for long, so it never has to wait and give way.
    with mqbridge.Context() as context:
        ours, theirs = pair(context, transport)
        ours.rcvhwm = theirs.sndhwm = 100

        def send() -> None:
            number = 0
            while not turns.over:
                theirs.send(b"%d" % number)
                number += 1
            theirs.send(b"end")

        sender = threading.Thread(target=send)
        with ours, theirs:
            sender.start()
            seen = turns.computed
            while (message := ours.recv()) != b"end":
                assert message == b"%d" % turns.messages
                turns.message()
                if turns.computed != seen:
                    seen = turns.computed
                    turns.computed_seen += 1
            sender.join()
    assert turns.messages >= TURNS
