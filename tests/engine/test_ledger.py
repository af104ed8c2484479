"""What is counted of peers that are gone: once, whatever way they went."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import mqbridge
from mqbridge.engine.ledger import Ledger, sent_by
from mqbridge.pipes.fifo import Fifo
from mqbridge.pipes.pipe import Outlet, Pipe, crossing_pair
from mqbridge.pipes.signaler import Mailbox


class FakeDriver:
    def __init__(self, *pipes: Pipe) -> None:
        self.pipes = set(pipes)


class FakeStream:
    received, written = 300, 400


class FakeLink:
    stream = FakeStream()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    made = Mailbox()
    yield made
    made.signaler.close()


def used(received: int, unread: int, sent: int, unsent: int) -> Pipe:
    """Return a pipe that has so much behind it, and so much in it."""
    pipe = Pipe(Fifo(0), Fifo(0))
    for number in range(received + unread):
        pipe.inbound.push(number)
    for _ in range(received):
        pipe.inbound.pop()
    for number in range(sent + unsent):
        pipe.outbound.push(number)
    for _ in range(sent):
        pipe.outbound.pop()
    return pipe


def counts(ledger: Ledger) -> tuple[int, int, int, int]:
    return ledger.messages_in, ledger.messages_out, ledger.bytes_in, ledger.bytes_out


def test_a_pipe_without_a_connection() -> None:
    ledger = Ledger()
    ledger.pipe_ended(used(3, 0, 2, 5))
    assert counts(ledger) == (3, 2, 0, 0)
    assert ledger.unread() == []


def test_what_is_not_read_yet_is_kept_until_it_is() -> None:
    ledger = Ledger()
    pipe = used(1, 2, 0, 0)
    ledger.pipe_ended(pipe)
    assert counts(ledger) == (3, 0, 0, 0)
    assert ledger.unread() == [pipe]
    pipe.inbound.pop()
    assert ledger.unread() == [pipe]
    pipe.inbound.pop()
    assert ledger.unread() == []


def test_it_keeps_no_pipe() -> None:
    """Who has read what a peer left has forgotten it, and so has the ledger."""
    ledger = Ledger()
    kept = []
    for _ in range(20):
        pipe = used(0, 1, 0, 0)
        ledger.pipe_ended(pipe)
        kept.append(pipe)
    assert set(ledger.unread()) == set(kept)
    kept[0].inbound.pop()
    assert set(ledger.unread()) == set(kept[1:])
    del kept, pipe
    gc.collect()
    assert ledger.unread() == []
    assert ledger.messages_in == 20


def test_a_connection_whose_pipe_lives_on() -> None:
    ledger = Ledger()
    pipe = used(3, 0, 2, 0)
    ledger.link_gone(FakeDriver(pipe), FakeLink(), pipe)
    assert counts(ledger) == (0, 0, 300, 400)
    ledger.link_gone(FakeDriver(), FakeLink(), None)
    assert counts(ledger) == (0, 0, 600, 800)


def test_a_peer_that_was_disconnected_and_gets_what_is_left() -> None:
    ledger = Ledger()
    linked = used(3, 0, 2, 1)
    linked.outlet = Outlet()
    ledger.pipe_ended(linked)
    assert counts(ledger) == (3, 0, 0, 0)
    # The rest is written, and then the connection ends.
    linked.outbound.pop()
    linked.outlet = None
    ledger.link_gone(FakeDriver(), FakeLink(), linked)
    assert counts(ledger) == (3, 3, 300, 400)


def test_by_inproc_all_has_left_that_was_put_in(mailbox: Mailbox) -> None:
    mine, theirs = crossing_pair(mailbox, mailbox, 0, 0)
    mine.outbound.push("a")
    mine.outbound.push("b")
    assert theirs.inbound.pop() == "a"
    assert sent_by(mine) == 2
    ledger = Ledger()
    ledger.pipe_ended(mine)
    assert ledger.messages_out == 2


def test_a_socket_that_has_seen_many_come_and_go(
    quiet: mqbridge.Context, peers: Any, driving: Callable[..., Any]
) -> None:
    with quiet.socket(mqbridge.PULL) as pull:
        pull.bind("tcp://127.0.0.1:*")
        driver = pull._driver
        for number in range(5):
            peer = peers.connect(pull.last_endpoint, "PUSH", driving(pull)).shake_hands()
            peer.send(b"%d" % number)
            peer.close()
            assert pull.recv() == b"%d" % number
            while driver.links:
                pull.poll(0)
        assert driver.ledger.messages_in == 5
        # Each has said: 64 bytes of greeting, READY, and a frame of three.
        assert driver.ledger.bytes_in > 5 * (64 + 3)
        assert driver.ledger.unread() == []
