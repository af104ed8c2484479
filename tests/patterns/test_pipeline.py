"""PUSH deals out, PULL gathers (RFC 30)."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable

import pytest

from mqbridge import ZMQError
from mqbridge.patterns.pipeline import Pull, Push

# ---- PUSH


def test_push_goes_round_its_peers(bench) -> None:
    push = bench(Push())
    a, b, c = push.peer("a"), push.peer("b"), push.peer("c")
    assert push.send_all(*range(7)) == ["a", "b", "c", "a", "b", "c", "a"]
    assert [peer.take_all() for peer in (a, b, c)] == [[0, 3, 6], [1, 4], [2, 5]]


def test_push_without_a_peer_blocks_and_drops_nothing(bench) -> None:
    push = bench(Push())
    assert push.send_all("x") == [None]
    a = push.peer("a")
    assert a.take() is None
    assert push.send_all("y") == ["a"]
    assert a.take_all() == ["y"]


def test_push_passes_over_a_peer_at_its_mark(bench) -> None:
    push = bench(Push())
    slow, fast = push.peer("slow", send_limit=2), push.peer("fast")
    assert push.send_all(*range(7)) == ["slow", "fast", "slow", "fast", "fast", "fast", "fast"]
    assert slow.take_all() == [0, 2]
    assert fast.take_all() == [1, 3, 4, 5, 6]
    assert push.send_all(7, 8) == ["fast", "slow"]


def test_p08_push_blocks_at_all_marks_until_one_is_at_low_water(bench) -> None:
    push = bench(Push())
    a = push.peer("a", send_limit=4)
    assert push.send_all(*range(5)) == ["a"] * 4 + [None]
    assert not push.pattern.ready_out()
    assert a.take() == 0
    assert not push.pattern.ready_out()
    assert a.take() == 1
    assert push.pattern.ready_out()
    assert push.send_all(5, 6, 7) == ["a", "a", None]
    assert a.take_all() == [2, 3, 5, 6]


def test_peers_come_and_go_in_mid_stream(bench) -> None:
    push = bench(Push())
    a, b = push.peer("a"), push.peer("b")
    assert push.send_all(0, 1, 2) == ["a", "b", "a"]
    c = push.peer("c")
    assert push.send_all(3, 4, 5) == ["b", "c", "a"]
    b.leave()
    # It was b's turn; c has taken its place.
    assert push.send_all(6, 7) == ["c", "a"]
    a.leave()
    assert push.send_all(8, 9) == ["c", "c"]
    c.leave()
    assert push.send_all(10) == [None]
    assert not push.pattern.ready_out()
    # What was sent in time is there.
    assert [peer.take_all() for peer in (a, b, c)] == [[0, 2, 5, 7], [1, 3], [4, 6, 8, 9]]


def test_push_forgets_a_detached_pipe(bench) -> None:
    push = bench(Push())
    a = push.peer("a")
    push.pattern.detach(a.pipe)
    push.pattern.writable(a.pipe)
    assert push.send_all("x") == [None]
    assert a.take() is None


def test_push_does_not_receive(bench) -> None:
    push = bench(Push())
    push.peer("a")
    with pytest.raises(ZMQError) as caught:
        push.pattern.receive()
    assert caught.value.errno == errno.ENOTSUP
    assert str(caught.value) == "recv(): a PUSH socket only sends; receive with PULL"
    assert not push.pattern.ready_in()


def test_push_drops_what_a_peer_says(bench) -> None:
    push = bench(Push())
    # Its peer would stand still at the mark if nobody read.
    talker = push.peer("talker", receive_limit=2)
    for number in range(10):
        talker.give(number)
    assert talker.pipe.inbound.empty()
    assert not push.pattern.ready_in()
    assert push.send_all("x") == ["talker"]


# ---- PULL


def test_pull_takes_one_of_each_in_turn(bench) -> None:
    pull = bench(Pull())
    for name, count in (("a", 3), ("b", 1), ("c", 2)):
        pull.peer(name).give(*(f"{name}{number}" for number in range(count)))
    assert pull.receive_all() == ["a0", "b0", "c0", "a1", "c1", "a2"]


def test_pull_says_where_a_message_came_from(bench) -> None:
    pull = bench(Pull())
    a, b = pull.peer("a"), pull.peer("b")
    a.give("x")
    b.give("y")
    assert pull.pattern.last is None
    assert pull.pattern.receive() == "x"
    assert pull.pattern.last is a.pipe
    assert pull.pattern.receive() == "y"
    assert pull.pattern.last is b.pipe


def test_p01_pull_reads_a_pipe_that_arrives_full(bench) -> None:
    pull = bench(Pull())
    early = pull.peer("early", attach=False)
    early.far.write("x")
    pull.letters.collect()
    assert early.attach()
    assert pull.pattern.ready_in()
    assert pull.receive_all() == ["x"]


def test_p04_pull_is_told_again_after_it_stopped_at_exactly_the_last_message(bench) -> None:
    pull = bench(Pull())
    a = pull.peer("a")
    a.give("x")
    assert pull.pattern.receive() == "x"
    a.give("y")
    assert pull.pattern.ready_in()
    assert pull.pattern.receive() == "y"
    assert not pull.pattern.ready_in()
    a.give("z")
    assert pull.pattern.ready_in()
    assert pull.pattern.receive() == "z"


def test_pull_goes_on_with_the_others_when_a_peer_leaves(bench) -> None:
    pull = bench(Pull())
    a, b, c = pull.peer("a"), pull.peer("b"), pull.peer("c")
    a.give("a0", "a1")
    b.give("b0", "b1")
    c.give("c0", "c1")
    assert pull.pattern.receive() == "a0"
    b.leave()
    assert pull.pattern.receive() == "b0"
    late = pull.peer("late")
    late.give("late0")
    # What a peer has left is read in its turn.
    assert pull.receive_all() == ["c0", "late0", "a1", "b1", "c1"]
    assert not pull.pattern.ready_in()


def test_a_peer_that_leaves_without_a_word_is_forgotten(bench) -> None:
    pull = bench(Pull())
    a, b = pull.peer("a"), pull.peer("b")
    a.leave()
    b.give("b0")
    assert pull.receive_all() == ["b0"]
    pull.pattern.readable(a.pipe)
    assert not pull.pattern.ready_in()


def test_pull_forgets_a_detached_pipe_with_all_it_has(bench) -> None:
    pull = bench(Pull())
    a = pull.peer("a")
    a.give("x")
    pull.pattern.detach(a.pipe)
    assert not pull.pattern.ready_in()
    assert pull.pattern.receive() is None
    a.give("y")
    assert pull.pattern.receive() is None


def test_p08_pull_lets_a_waiting_peer_go_on(bench) -> None:
    pull = bench(Pull())
    a = pull.peer("a", receive_limit=4)
    a.give(*range(4))
    assert not a.far.can_write()
    assert pull.pattern.receive() == 0
    assert a.letters.collect() == []
    assert pull.pattern.receive() == 1
    assert [about for _, about in a.letters.collect()] == [a.far]
    assert a.far.can_write()


def test_pull_does_not_send(bench) -> None:
    pull = bench(Pull())
    a = pull.peer("a")
    for attempt in (lambda: pull.pattern.send("x"), pull.pattern.check_send):
        with pytest.raises(ZMQError) as caught:
            attempt()
        assert caught.value.errno == errno.ENOTSUP
        assert str(caught.value) == "send(): a PULL socket only receives; send with PUSH"
    pull.pattern.writable(a.pipe)
    assert not pull.pattern.ready_out()
    assert a.take() is None


def random_peer(choose: random.Random, on_bench, peers: list, limit: int):
    """Let a peer come or go, and return one that is there; None if there is none."""
    verb = choose.choice(["come", "go", *["stay"] * 8])
    if verb == "come" or not peers:
        peers.append(on_bench.peer(send_limit=limit, receive_limit=limit))
    elif verb == "go" and len(peers) > 1:
        peers.pop(choose.randrange(len(peers))).leave()
    return choose.choice(peers)


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_pulls_readiness_is_exact_after_every_operation(bench: Callable, limit: int) -> None:
    choose = random.Random(limit)
    pull = bench(Pull())
    peers: list = []
    waiting, given, received = 0, 0, 0
    for _ in range(4_000):
        peer = random_peer(choose, pull, peers, limit)
        verb = choose.choice(["give", "receive", "look"])
        if verb == "give" and peer.far.can_write():
            peer.give(("m", given))
            waiting += 1
            given += 1
        elif verb == "receive":
            message = pull.pattern.receive()
            assert (message is not None) == (waiting > 0)
            if message is not None:
                waiting -= 1
                received += 1
        else:
            assert pull.pattern.ready_in() == (waiting > 0)
    assert received > 500
    assert len(pull.receive_all()) == waiting


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_pushs_readiness_is_exact_after_every_operation(bench: Callable, limit: int) -> None:
    choose = random.Random(limit)
    push = bench(Push())
    peers: list = []
    sent, taken, blocked = 0, 0, 0
    for _ in range(4_000):
        peer = random_peer(choose, push, peers, limit)
        verb = choose.choice(["send", "send", "take"])
        if verb == "take":
            taken += peer.take() is not None
        ready = push.pattern.ready_out()
        if not any(peer.far.inbound.length() for peer in peers):
            assert ready
        if verb == "send":
            assert (push.pattern.send(("m", sent)) is not None) == ready
            sent += ready
            blocked += not ready
    assert sent > 500
    assert taken > 200
    assert (blocked > 100) == (limit > 0)
