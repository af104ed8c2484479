"""PAIR has exactly one peer (RFC 31)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mqbridge.patterns.pair import Pair
from mqbridge.pipes.fifo import Fifo
from mqbridge.pipes.pipe import Pipe


def test_both_sides_talk(bench) -> None:
    pair = bench(Pair())
    a = pair.peer("a")
    assert pair.send_all("x", ("y", "z")) == ["a", "a"]
    assert a.take_all() == ["x", ("y", "z")]
    a.give("1", ("2", "3"))
    assert pair.receive_all() == ["1", ("2", "3")]
    assert pair.pattern.last is a.pipe


def test_without_a_peer_both_directions_block(bench) -> None:
    pair = bench(Pair())
    assert not pair.pattern.ready_in()
    assert not pair.pattern.ready_out()
    assert pair.pattern.receive() is None
    assert pair.pattern.send("x") is None
    assert pair.pattern.last is None


def test_a_second_peer_is_rejected(bench) -> None:
    pair = bench(Pair())
    a = pair.peer("a")
    b = pair.peer("b", attach=False)
    assert not b.attach()
    b.far.write("not for you")
    b.leave()
    assert pair.send_all("x") == ["a"]
    assert not pair.pattern.ready_in()
    a.give("y")
    assert pair.receive_all() == ["y"]


@pytest.mark.parametrize("farewell", ["ended", "detach"])
def test_one_is_taken_after_the_first_has_left(bench, farewell: str) -> None:
    pair = bench(Pair())
    a = pair.peer("a")
    getattr(pair.pattern, farewell)(a.pipe)
    assert not pair.pattern.ready_out()
    assert pair.send_all("x") == [None]
    b = pair.peer("b")
    assert pair.send_all("y") == ["b"]
    assert b.take_all() == ["y"]
    assert a.take_all() == []


def test_a_rejected_peers_end_changes_nothing(bench) -> None:
    pair = bench(Pair())
    pair.peer("a")
    b = pair.peer("b", attach=False)
    assert not b.attach()
    pair.pattern.ended(b.pipe)
    pair.pattern.detach(b.pipe)
    assert pair.send_all("x") == ["a"]


def test_what_the_peer_left_can_still_be_read(bench) -> None:
    pair = bench(Pair())
    a = pair.peer("a")
    a.give("1", "2")
    a.leave()
    assert pair.pattern.ready_in()
    assert not pair.pattern.ready_out()
    assert pair.receive_all() == ["1", "2"]
    assert pair.pattern.last is a.pipe
    assert pair.pattern.receive() is None


def test_what_the_peer_left_comes_before_what_the_next_one_sends(bench) -> None:
    pair = bench(Pair())
    a = pair.peer("a")
    a.give("a1", "a2")
    a.leave()
    b = pair.peer("b")
    b.give("b1")
    assert pair.pattern.receive() == "a1"
    assert pair.pattern.last is a.pipe
    assert pair.send_all("to b") == ["b"]
    assert pair.pattern.receive() == "a2"
    assert pair.pattern.receive() == "b1"
    assert pair.pattern.last is b.pipe


def test_what_several_peers_left_is_read_in_their_order(bench) -> None:
    pair = bench(Pair())
    for name in "abc":
        peer = pair.peer(name)
        peer.give(f"{name}1", f"{name}2")
        peer.leave()
    silent = pair.peer("silent")
    silent.leave()
    pair.peer("d").give("d1")
    assert pair.receive_all() == ["a1", "a2", "b1", "b2", "c1", "c2", "d1"]


def test_receiving_without_a_look_finds_the_next_peers_messages(bench) -> None:
    pair = bench(Pair())
    a = pair.peer("a")
    a.give("a1")
    a.leave()
    b = pair.peer("b")
    b.give("b1")
    assert [pair.pattern.receive() for _ in range(3)] == ["a1", "b1", None]


def test_a_detached_pipe_is_forgotten_with_all_it_has(bench) -> None:
    pair = bench(Pair())
    a = pair.peer("a")
    a.give("a1")
    pair.pattern.detach(a.pipe)
    assert not pair.pattern.ready_in()
    b = pair.peer("b")
    b.give("b1")
    b.leave()
    assert pair.pattern.ready_in()
    pair.pattern.detach(b.pipe)
    assert not pair.pattern.ready_in()
    assert pair.pattern.receive() is None


def test_p01_a_pipe_that_arrives_full(bench) -> None:
    pair = bench(Pair())
    early = pair.peer("early", attach=False)
    early.far.write("x")
    pair.letters.collect()
    assert early.attach()
    assert pair.pattern.ready_in()
    assert pair.pattern.receive() == "x"


def test_p04_the_peer_is_asked_to_say_when_there_is_more(bench) -> None:
    pair = bench(Pair())
    a = pair.peer("a")
    a.give("x")
    for _ in range(3):
        assert pair.pattern.receive() == "x"
        assert pair.pattern.receive() is None
        a.far.write("x")
        # Someone who sleeps on the descriptor wakes.
        assert [about for _, about in pair.letters.collect()] == [a.pipe]


def test_p08_at_the_mark_sending_blocks_until_low_water(bench) -> None:
    pair = bench(Pair())
    a = pair.peer("a", send_limit=4)
    assert pair.send_all(*range(5)) == ["a"] * 4 + [None]
    assert not pair.pattern.ready_out()
    assert a.far.read() == 0
    # There is room, but nobody would be woken for it yet: being ready and being woken go together.
    assert not pair.pattern.ready_out()
    assert a.far.read() == 1
    assert [about for _, about in pair.letters.collect()] == [a.pipe]
    pair.pattern.writable(a.pipe)
    assert pair.pattern.ready_out()
    assert pair.send_all(5) == ["a"]


class Overtaken(Fifo):
    """A queue whose writer pushes when the reader has found nothing and has not said so yet."""

    def pop(self) -> object:
        message = Fifo.pop(self)
        if message is None and not self.reader_sleeps:
            self.push("just now")
        return message


def test_p04_a_message_that_comes_while_the_pipe_is_found_empty_is_received() -> None:
    pipe = Pipe(Overtaken(0), Fifo(0))
    pair: Any = Pair()
    pair.attach(pipe)
    pipe.inbound.reader_sleeps = False
    assert pair.receive() == "just now"
    assert pair.last is pipe


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_readiness_is_exact_after_every_operation(bench, limit: int) -> None:
    choose = random.Random(limit)
    pair = bench(Pair())
    peer = pair.peer(send_limit=limit, receive_limit=limit)
    expected: list[object] = []
    unread: list[object] = []
    full = False
    for number in range(4_000):
        verb = choose.choice([*["give", "receive", "send", "take"] * 5, "leave", "come"])
        if verb == "give" and peer.far.can_write() and not peer.pipe.ended:
            peer.give(number)
            expected.append(number)
        elif verb == "leave":
            peer.leave()
        elif verb == "come":
            new = pair.peer(send_limit=limit, receive_limit=limit, attach=False)
            assert new.attach() == peer.pipe.ended
            if new.attached:
                peer, unread, full = new, [], False
        elif verb == "take":
            assert peer.take() == (unread.pop(0) if unread else None)
        # Who was full has room again when half is read.
        full = 0 < limit <= len(unread) or (full and len(unread) > limit // 2)
        ready_in, ready_out = pair.pattern.ready_in(), pair.pattern.ready_out()
        assert ready_in == bool(expected)
        assert ready_out == (not peer.pipe.ended and not full)
        if verb == "receive":
            assert pair.pattern.receive() == (expected.pop(0) if expected else None)
        elif verb == "send":
            assert (pair.pattern.send(number) is peer.pipe) == ready_out
            if ready_out:
                unread.append(number)
