"""What the tests of the patterns share: peers made of inproc pipes, and letters delivered as a driver does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mqbridge.patterns.pattern import Pattern
from mqbridge.pipes.fifo import Fifo
from mqbridge.pipes.pipe import ENDED, READABLE, WRITABLE, Pipe, crossing_pair
from mqbridge.pipes.signaler import Mailbox


class Peer:
    """The other side of one pipe of a pattern."""

    def __init__(self, bench: Bench, name: str, send_limit: int, receive_limit: int) -> None:
        self.bench = bench
        self.name = name
        self.letters = Mailbox()
        # `pipe` is the pattern's, `far` ours.
        self.pipe, self.far = crossing_pair(bench.letters, self.letters, receive_limit, send_limit)
        self.pipe.endpoint = name
        self.attached = False

    def __repr__(self) -> str:
        return f"Peer({self.name})"

    def attach(self) -> bool:
        """Give the pattern the pipe, as its driver and its link do."""
        pattern = self.bench.pattern
        self.attached = pattern.attach(self.pipe)
        if pattern.displaced is not None:
            outlet: Any = pattern.displaced.outlet
            pattern.displaced = None
            outlet.end()
        if self.attached:
            pattern.connected(self.pipe)
        return self.attached

    def give(self, *messages: object) -> None:
        """Send messages to the pattern, which is told as it would be by its driver."""
        for message in messages:
            assert self.far.write(message)
        self.bench.deliver()

    def take(self) -> object:
        """Return the next message that the pattern sent here."""
        message = self.far.read()
        if message is None:
            self.far.can_read()
        self.bench.deliver()
        return message

    def take_all(self) -> list[object]:
        """Return all messages that the pattern sent here."""
        return list(iter(self.take, None))

    def leave(self) -> None:
        """Close: what was sent can still be read."""
        outlet: Any = self.far.outlet
        outlet.end()
        self.bench.deliver()


class Bench:
    """A pattern, its mailbox and its peers."""

    def __init__(self, pattern: Any) -> None:
        self.pattern: Pattern = pattern
        self.letters = Mailbox()
        self.peers: list[Peer] = []

    def peer(self, name: str = "", send_limit: int = 0, receive_limit: int = 0, attach: bool = True) -> Peer:
        """Make a peer; the limits are those of the pattern's sending and receiving."""
        peer = Peer(self, name or f"peer{len(self.peers)}", send_limit, receive_limit)
        self.peers.append(peer)
        if attach:
            assert peer.attach()
        return peer

    def deliver(self) -> None:
        """Tell the pattern what its letters say."""
        pattern = self.pattern
        for what, about in self.letters.collect():
            pipe: Any = about
            if what == READABLE:
                pattern.readable(pipe)
            elif what == WRITABLE:
                pattern.writable(pipe)
            elif what == ENDED:
                pipe.ended = True
                if any(peer.pipe is pipe and peer.attached for peer in self.peers):
                    pattern.ended(pipe)

    def who(self, pipe: Pipe | None) -> str | None:
        """Return the name of the peer at the other end of a pipe of the pattern."""
        return None if pipe is None else pipe.endpoint

    def send_all(self, *messages: object) -> list[str | None]:
        """Send messages and return to whom each went."""
        return [self.who(self.pattern.send(message)) for message in messages]

    def receive_all(self) -> list[object]:
        """Receive until nothing is left; readiness has to agree all the way."""
        received = []
        while self.pattern.ready_in():
            message = self.pattern.receive()
            assert message is not None, "ready_in() said that there is a message"
            received.append(message)
        return received

    def check_readiness(self) -> None:
        """Assert that asking twice gives the same, and that asking moves nothing."""
        pattern = self.pattern
        assert (pattern.ready_in(), pattern.ready_out()) == (pattern.ready_in(), pattern.ready_out())

    def close(self) -> None:
        """Close the mailboxes."""
        for mailbox in (self.letters, *(peer.letters for peer in self.peers)):
            mailbox.signaler.close()


@pytest.fixture
def bench(no_descriptor_leak: None) -> Iterator[Callable[[Any], Bench]]:
    """A function that puts a pattern on the bench."""
    made: list[Bench] = []

    def make(pattern: Any) -> Bench:
        made.append(Bench(pattern))
        return made[-1]

    yield make
    for each in made:
        each.close()


def new_pipe(name: str, *messages: object, limit: int = 0) -> Pipe:
    """Return a pipe with nobody at its other end."""
    pipe = Pipe(Fifo(0), Fifo(limit))
    pipe.endpoint = name
    for message in messages:
        pipe.inbound.push(message)
    return pipe


@pytest.fixture
def lone_pipe() -> Callable[..., Pipe]:
    """A function that makes a pipe with nobody at its other end: `lone_pipe(name, *messages, limit=0)`."""
    return new_pipe
